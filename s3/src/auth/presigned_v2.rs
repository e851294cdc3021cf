//! Presigned URLs of Signature Version 2, which boto3 and aws-cli still make, unasked, for the
//! region us-east-1.
//!
//! The string to sign (AWS, "Signing and authenticating REST requests") leaves out the host and
//! most of the query. So a URL that carries a parameter that the signature does not cover is
//! refused: nobody who was given a URL may turn it into another request.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{CONTENT_TYPE, HeaderName};
use http::request::Parts;
use sha1::Sha1;

use super::canonical::query_parameters;
use super::signing::signatures_match;
use super::timestamp::format_extended;
use crate::error::{Error, ErrorCode};

/// The parameters that version 2 signs as part of the resource.
const SIGNED_PARAMETERS: [&str; 22] = [
    "acl",
    "cors",
    "delete",
    "lifecycle",
    "location",
    "logging",
    "notification",
    "partNumber",
    "policy",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "tagging",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "website",
];

/// What a presigned URL of version 2 claims.
#[derive(Debug, Clone)]
pub struct PresignedV2 {
    pub(super) access_key_id: String,
    signature: String,
    expires: SystemTime,
    /// As it is signed: seconds since 1970.
    expires_text: String,
    /// Signed parameters, sorted by name; no value where there is no `=`.
    parameters: Vec<(String, Option<String>)>,
    /// The bucket that the host name carries; it is signed as if it stood in the path.
    host_bucket: Option<String>,
}

impl PresignedV2 {
    /// Reads the claim from a query that has `AWSAccessKeyId`.
    ///
    /// # Errors
    /// `AccessDenied`: a part is missing or malformed, or a parameter is not covered.
    pub(super) fn parse(raw_query: &str) -> Result<Self, Error> {
        let (mut access_key_id, mut signature, mut expires_text) = (None, None, None);
        let mut parameters = Vec::new();
        // A name without `=` is signed without one.
        for raw in raw_query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = query_parameters(raw).next().unwrap_or_default();
            let text =
                |bytes| String::from_utf8(bytes).map_err(|_| denied("The query is not UTF-8"));
            let (name, value) = (text(name)?, text(value)?);
            let slot = match name.as_str() {
                "AWSAccessKeyId" => &mut access_key_id,
                "Signature" => &mut signature,
                "Expires" => &mut expires_text,
                signed if SIGNED_PARAMETERS.contains(&signed) => {
                    parameters.push((name, raw.contains('=').then_some(value)));
                    continue;
                }
                other => {
                    return Err(denied("The signature does not cover a query parameter")
                        .field("ParameterNotSigned", other));
                }
            };
            if slot.replace(value).is_some() {
                return Err(denied("A parameter of the signature is given twice"));
            }
        }
        parameters.sort();
        let (Some(access_key_id), Some(signature), Some(expires_text)) =
            (access_key_id, signature, expires_text)
        else {
            return Err(denied(
                "Query-string authentication requires the Signature, Expires and AWSAccessKeyId \
                 parameters",
            ));
        };
        let expires = expires_text.parse().ok().and_then(|seconds: u32| {
            UNIX_EPOCH.checked_add(Duration::from_secs(u64::from(seconds)))
        });
        let expires =
            expires.ok_or_else(|| denied("Invalid date (should be seconds since epoch)"))?;
        Ok(Self {
            access_key_id,
            signature,
            expires,
            expires_text,
            parameters,
            host_bucket: None,
        })
    }

    pub(super) fn set_host_bucket(&mut self, bucket: Option<String>) {
        self.host_bucket = bucket;
    }

    /// Checks signature and life.
    ///
    /// # Errors
    /// `AccessDenied` (expired), `SignatureDoesNotMatch`.
    pub(super) fn verify(&self, head: &Parts, secret: &str, now: SystemTime) -> Result<(), Error> {
        if now > self.expires {
            return Err(denied("Request has expired")
                .field("Expires", format_extended(self.expires))
                .field("ServerTime", format_extended(now)));
        }
        let string_to_sign = self.string_to_sign(head);
        let mut mac =
            Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(string_to_sign.as_bytes());
        let computed = BASE64.encode(mac.finalize().into_bytes());
        if !signatures_match(&computed, &self.signature) {
            return Err(Error::new(ErrorCode::SignatureDoesNotMatch)
                .field("AWSAccessKeyId", self.access_key_id.as_str())
                .field("StringToSign", string_to_sign)
                .field("SignatureProvided", self.signature.as_str()));
        }
        Ok(())
    }

    fn string_to_sign(&self, head: &Parts) -> String {
        let content_md5 = header(head, &HeaderName::from_static("content-md5"));
        let content_type = header(head, &CONTENT_TYPE);
        let mut text = format!(
            "{}\n{content_md5}\n{content_type}\n{}\n",
            head.method, self.expires_text
        );
        let mut amz: Vec<&HeaderName> = head.headers.keys().collect();
        amz.retain(|name| name.as_str().starts_with("x-amz-"));
        amz.sort_by_key(|name| name.as_str());
        for name in amz {
            let values: Vec<String> = head.headers.get_all(name).iter().map(trimmed).collect();
            text += &format!("{name}:{}\n", values.join(","));
        }
        if let Some(bucket) = &self.host_bucket {
            text += &format!("/{bucket}");
        }
        text += head.uri.path();
        for (place, (name, value)) in self.parameters.iter().enumerate() {
            text.push(if place == 0 { '?' } else { '&' });
            text += name;
            if let Some(value) = value {
                text += &format!("={value}");
            }
        }
        text
    }
}

fn denied(message: &'static str) -> Error {
    Error::new(ErrorCode::AccessDenied).message(message)
}

fn header(head: &Parts, name: &HeaderName) -> String {
    head.headers.get(name).map(trimmed).unwrap_or_default()
}

fn trimmed(value: &http::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Method, Request};

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    fn check(
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        host_bucket: Option<&str>,
        now_s: u64,
    ) -> Result<(), ErrorCode> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let run = || {
            let mut claim = PresignedV2::parse(head.uri.query().unwrap())?;
            claim.set_host_bucket(host_bucket.map(str::to_owned));
            claim.verify(&head, SECRET, UNIX_EPOCH + Duration::from_secs(now_s))
        };
        run().map_err(|error| error.code())
    }

    type Headers = &'static [(&'static str, &'static str)];

    /// Method, target, headers, and the bucket in the host's name.
    type Vector = (Method, &'static str, Headers, Option<&'static str>);

    /// Made with botocore's `HmacV1QueryAuth` and the key of AWS's examples, expiring at
    /// 1,800,000,000 s.
    const VECTORS: &[Vector] = &[
        (
            Method::GET,
            "/b/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=KAHZ7RJkVvbjN%2FcbV4TU4ascTj4%3D&Expires=1800000000",
            &[],
            None,
        ),
        (
            Method::GET,
            "/b/a%20b//..%2Fx/%C3%A9?response-content-type=text%2Fplain&response-expires=x%20y&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=d%2BNM3GzCx%2Fcd840kRgqltpzuN5k%3D&Expires=1800000000",
            &[],
            None,
        ),
        (
            Method::PUT,
            "/b/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=vZXBfZezkAh0pyEuq34c%2BVDGJ0k%3D&Expires=1800000000",
            &[("content-type", "text/plain")],
            None,
        ),
        (
            Method::PUT,
            "/b/k?partNumber=2&uploadId=abc&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=CMrPgwpPz5xwP2TN%2BKSk5WQ8fHA%3D&Expires=1800000000",
            &[],
            None,
        ),
        (
            Method::POST,
            "/b/k?uploads&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=iF7aGV2GW2HMg9zpSc8IG9IT1NY%3D&Expires=1800000000",
            &[],
            None,
        ),
        (
            Method::DELETE,
            "/k/l?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=FcyKvC53NnSt51GiPdyO64PF9j8%3D&Expires=1800000000",
            &[],
            Some("b"),
        ),
    ];

    #[test]
    fn urls_made_by_the_sdk_are_accepted_until_they_expire() {
        for (method, target, headers, bucket) in VECTORS {
            let at = |now_s| check(method.clone(), target, headers, *bucket, now_s);
            assert_eq!(at(1_800_000_000), Ok(()), "{target}");
            assert_eq!(at(1_800_000_001), Err(ErrorCode::AccessDenied), "{target}");
        }
    }

    #[test]
    fn no_changed_url_is_accepted() {
        for (method, target, headers, bucket) in VECTORS {
            let refused = |method: &Method, target: &str, headers: &[(&str, &str)], bucket| {
                assert!(check(method.clone(), target, headers, bucket, 1_800_000_000).is_err());
            };
            let other = if method == Method::GET {
                Method::PUT
            } else {
                Method::GET
            };
            refused(&other, target, headers, *bucket);
            refused(method, target, headers, Some("other"));
            refused(method, &format!("{target}&attributes"), headers, *bucket);
            refused(method, &format!("{target}&acl"), headers, *bucket);
            let more: Vec<_> = headers
                .iter()
                .copied()
                .chain([("x-amz-copy-source", "/a/b")])
                .collect();
            refused(method, target, &more, *bucket);
            // The key id chooses the secret, and is not signed besides.
            let key_id = target.find("AKIA").unwrap();
            for at in (1..target.len()).filter(|at| !(key_id..key_id + 20).contains(at)) {
                let mut changed = target.as_bytes().to_vec();
                changed[at] = if changed[at] == b'z' { b'y' } else { b'z' };
                let changed = String::from_utf8(changed).unwrap();
                // The name of a parameter of the signature may break the form instead.
                if changed
                    .parse::<http::Uri>()
                    .is_ok_and(|uri| uri.query().is_some())
                {
                    refused(method, &changed, headers, *bucket);
                }
            }
        }
    }
}
