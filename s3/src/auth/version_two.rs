//! Signature Version 2, which older tools still make, and boto3 and aws-cli, unasked, in presigned
//! URLs for the region us-east-1.
//!
//! The string to sign (AWS, "Signing and authenticating REST requests") leaves out the host, the
//! body and most of the query. So a request that carries a parameter that steers it and that the
//! signature does not cover is refused: nobody who was given a URL, or saw a request pass, may turn
//! it into another one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{CONTENT_TYPE, DATE, HeaderName};
use http::request::Parts;
use sha1::Sha1;

use super::PayloadKind;
use super::canonical::query_parameters;
use super::signing::signatures_match;
use super::timestamp::{format_extended, parse_basic, parse_date_header};
use super::verify::{check_skew, payload_of_head};
use crate::error::{Error, ErrorCode};
use crate::operation::table::TABLE;

/// The parameters that are signed as part of the resource. Those that choose an operation and
/// aren't here can't be used with this version.
const SIGNED_PARAMETERS: [&str; 35] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// Headers that a presigned URL may carry in its query, beside those that begin with `x-amz-`.
const HEADERS_IN_QUERY: [&str; 2] = ["content-md5", "content-type"];

/// What a signature of version 2 claims.
#[derive(Debug, Clone)]
pub struct ClaimV2 {
    pub(super) access_key_id: String,
    pub(super) session_token: Option<String>,
    signature: String,
    life: Life,
    /// Signed parameters, sorted by name; no value where there is no `=`.
    parameters: Vec<(String, Option<String>)>,
    /// Headers that stand in the query: names in lower case, sorted.
    headers_in_query: Vec<(String, String)>,
    /// The bucket that the host name carries; it is signed as if it stood in the path.
    host_bucket: Option<String>,
}

/// When a signature holds.
#[derive(Debug, Clone)]
enum Life {
    /// That of a presigned URL: until then. The text is what is signed: seconds since 1970.
    Until(SystemTime, String),
    /// That of an `Authorization` header: about then.
    About(SystemTime, String),
}

/// What a query says, sorted by what it means to the signature.
#[derive(Default)]
struct ReadQuery {
    access_key_id: Option<String>,
    signature: Option<String>,
    expires: Option<String>,
    signed: Vec<(String, Option<String>)>,
    headers: Vec<(String, String)>,
    others: Vec<String>,
}

impl ReadQuery {
    fn read(raw_query: &str) -> Result<Self, Error> {
        let mut read = Self::default();
        // A name without `=` is signed without one.
        for raw in raw_query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = query_parameters(raw).next().unwrap_or_default();
            let text =
                |bytes| String::from_utf8(bytes).map_err(|_| denied("The query is not UTF-8"));
            let (name, value) = (text(name)?, text(value)?);
            let lower = name.to_ascii_lowercase();
            let slot = match name.as_str() {
                "AWSAccessKeyId" => &mut read.access_key_id,
                "Signature" => &mut read.signature,
                "Expires" => &mut read.expires,
                signed if SIGNED_PARAMETERS.contains(&signed) => {
                    read.signed.push((name, raw.contains('=').then_some(value)));
                    continue;
                }
                _ if is_header(&lower) => {
                    read.headers.push((lower, value));
                    continue;
                }
                _ => {
                    read.others.push(name);
                    continue;
                }
            };
            if slot.replace(value).is_some() {
                return Err(denied("A parameter of the signature is given twice"));
            }
        }
        read.signed.sort();
        read.headers.sort();
        if read.headers.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(denied("A header stands twice in the query"));
        }
        Ok(read)
    }
}

fn is_header(name: &str) -> bool {
    name.starts_with("x-amz-") || HEADERS_IN_QUERY.contains(&name)
}

/// Whether a parameter makes another request of one that is signed in a header. The two versions of
/// the listing, which clients ask for without signing it, are not worth that name.
fn steers(name: &str) -> bool {
    is_header(&name.to_ascii_lowercase())
        || name != "list-type"
            && TABLE.iter().any(|row| {
                let mut names = row.query.iter().map(|part| part.split('=').next());
                names.any(|part| part == Some(name))
            })
}

fn not_signed(name: impl Into<String>) -> Error {
    denied("The signature does not cover a query parameter").field("ParameterNotSigned", name)
}

impl ClaimV2 {
    /// Reads the claim of a presigned URL, whose query has `AWSAccessKeyId`.
    ///
    /// # Errors
    /// `AccessDenied`: a part is missing or malformed, or a parameter is not covered.
    pub(super) fn parse_query(head: &Parts) -> Result<Self, Error> {
        let read = ReadQuery::read(head.uri.query().unwrap_or(""))?;
        if let Some(other) = read.others.into_iter().next() {
            return Err(not_signed(other));
        }
        // Which of two would count, the signature doesn't say.
        for (name, value) in &read.headers {
            let sent = optional_header(head, name).filter(|_| name.starts_with("x-amz-"));
            if sent.is_some_and(|sent| sent != value.trim()) {
                return Err(not_signed(name.as_str()));
            }
        }
        let (Some(access_key_id), Some(signature), Some(expires_text)) =
            (read.access_key_id, read.signature, read.expires)
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
        let mut claim = Self {
            access_key_id,
            session_token: None,
            signature,
            life: Life::Until(expires, expires_text),
            parameters: read.signed,
            headers_in_query: read.headers,
            host_bucket: None,
        };
        claim.session_token = claim.header(head, TOKEN);
        Ok(claim)
    }

    /// Reads the claim of an `Authorization` header, `AWS KEY:SIGNATURE`.
    ///
    /// # Errors
    /// `InvalidArgument` (malformed), `AccessDenied` (no date; a parameter that steers the request
    /// is not covered).
    pub(super) fn parse_header(value: &str, head: &Parts) -> Result<Self, Error> {
        let credential = value.strip_prefix("AWS ").unwrap_or_default().trim();
        let (key, signature) = credential
            .split_once(':')
            .filter(|(key, signature)| !key.is_empty() && !signature.is_empty())
            .ok_or_else(|| {
                Error::invalid_argument(
                    "Authorization",
                    value,
                    "AWS authorization header is invalid. Expected AwsAccessKeyId:signature",
                )
            })?;
        let read = ReadQuery::read(head.uri.query().unwrap_or(""))?;
        let mut unsigned = read.others.into_iter();
        let mut headers = read.headers.into_iter().map(|(name, _)| name);
        if let Some(other) = unsigned
            .find(|name| steers(name))
            .or_else(|| headers.next())
        {
            return Err(not_signed(other));
        }
        let (text, signed) = match optional_header(head, AMZ_DATE) {
            // It is signed among its like, instead of the date.
            Some(text) => (text, String::new()),
            None => {
                let text = optional_header(head, &DATE).unwrap_or_default();
                (text.clone(), text)
            }
        };
        let time = parse_basic(&text).or_else(|| parse_date_header(&text));
        let time = time.ok_or_else(|| {
            denied("AWS authentication requires a valid Date or x-amz-date header")
        })?;
        Ok(Self {
            access_key_id: key.to_owned(),
            session_token: optional_header(head, TOKEN),
            signature: signature.to_owned(),
            life: Life::About(time, signed),
            parameters: read.signed,
            headers_in_query: Vec::new(),
            host_bucket: None,
        })
    }

    pub(super) fn set_host_bucket(&mut self, bucket: Option<String>) {
        self.host_bucket = bucket;
    }

    /// Checks signature and life, and tells how the body comes.
    ///
    /// # Errors
    /// `AccessDenied` (expired), `RequestTimeTooSkewed`, `SignatureDoesNotMatch`, `InvalidArgument`
    /// (of `x-amz-content-sha256`).
    pub(super) fn verify(
        &self,
        head: &Parts,
        secret: &str,
        now: SystemTime,
    ) -> Result<PayloadKind, Error> {
        match &self.life {
            Life::About(time, _) => check_skew(*time, now)?,
            Life::Until(end, _) if now > *end => {
                return Err(denied("Request has expired")
                    .field("Expires", format_extended(*end))
                    .field("ServerTime", format_extended(now)));
            }
            Life::Until(..) => {}
        }
        let head_text = self.head_to_sign(head);
        let mut spellings = self.resources(head.uri.path()).into_iter().map(|resource| {
            let text = format!("{head_text}{resource}");
            let holds = signatures_match(&sign(secret, &text), &self.signature);
            (text, holds)
        });
        let (string_to_sign, holds) = spellings.next().expect("there is one at least");
        if !holds && !spellings.any(|(_, holds)| holds) {
            return Err(Error::new(ErrorCode::SignatureDoesNotMatch)
                .field("AWSAccessKeyId", self.access_key_id.as_str())
                .field("StringToSign", string_to_sign)
                .field("SignatureProvided", self.signature.as_str()));
        }
        payload_of_head(&head.headers)
    }

    /// What is signed, up to the resource.
    fn head_to_sign(&self, head: &Parts) -> String {
        let content_md5 = self.header(head, "content-md5").unwrap_or_default();
        let content_type = self.header(head, CONTENT_TYPE.as_str()).unwrap_or_default();
        let (Life::Until(_, date) | Life::About(_, date)) = &self.life;
        let mut text = format!("{}\n{content_md5}\n{content_type}\n{date}\n", head.method);

        let in_query = self.headers_in_query.iter().map(|(name, _)| name.as_str());
        let mut amz: Vec<&str> = head.headers.keys().map(HeaderName::as_str).collect();
        amz.extend(in_query);
        amz.retain(|name| name.starts_with("x-amz-"));
        amz.sort_unstable();
        amz.dedup();
        for name in amz {
            let value = self.header(head, name).unwrap_or_default();
            text += &format!("{name}:{value}\n");
        }
        text
    }

    /// How clients write the resource that they sign, first the one that follows the request most
    /// closely. All name the same: botocore writes a slash behind a bucket that is the whole path, and
    /// rclone no `=` behind a parameter without a value.
    fn resources(&self, path: &str) -> Vec<String> {
        let mut places = vec![match &self.host_bucket {
            Some(bucket) => format!("/{bucket}{path}"),
            None => path.to_owned(),
        }];
        if self.host_bucket.is_none() && path.rfind('/') == Some(0) && path.len() > 1 {
            places.push(format!("{path}/"));
        }
        let parameter = |(name, value): &(String, Option<String>)| match value {
            Some(value) => format!("{name}={value}"),
            None => name.clone(),
        };
        let parameters = self.parameters.iter().map(parameter);
        let mut queries = vec![parameters.collect::<Vec<_>>().join("&")];
        if self
            .parameters
            .iter()
            .any(|(_, value)| value.as_deref() == Some(""))
        {
            let bare = self.parameters.iter().map(|(name, value)| {
                let value = value.clone().filter(|value| !value.is_empty());
                parameter(&(name.clone(), value))
            });
            queries.push(bare.collect::<Vec<_>>().join("&"));
        }
        let question = if self.parameters.is_empty() { "" } else { "?" };
        let resource = |place: &String, query: &String| format!("{place}{question}{query}");
        let of_place = |place| queries.iter().map(move |query| resource(place, query));
        places.iter().flat_map(of_place).collect()
    }

    /// A header as it is signed: its values trimmed and joined, or what stands for it in the query.
    fn header(&self, head: &Parts, name: &str) -> Option<String> {
        optional_header(head, name).or_else(|| {
            let mut in_query = self.headers_in_query.iter();
            let (_, value) = in_query.find(|(given, _)| given == name)?;
            Some(value.clone())
        })
    }
}

fn sign(secret: &str, text: &str) -> String {
    let mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes());
    let mut mac = mac.expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    BASE64.encode(mac.finalize().into_bytes())
}

const AMZ_DATE: &str = "x-amz-date";
const TOKEN: &str = "x-amz-security-token";

fn denied(message: &'static str) -> Error {
    Error::new(ErrorCode::AccessDenied).message(message)
}

fn optional_header(head: &Parts, name: impl http::header::AsHeaderName) -> Option<String> {
    let trimmed =
        |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
    let values: Vec<String> = head.headers.get_all(name).iter().map(trimmed).collect();
    (!values.is_empty()).then(|| values.join(","))
}

#[cfg(test)]
mod tests;
