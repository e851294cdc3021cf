//! What a form claims about its sender: that they have signed its policy. The text of the policy
//! field is what is signed, so it's read only once its signature is known to hold.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use super::fields::{FormFields, missing};
use super::policy::PostPolicy;
use crate::auth::claim::ALGORITHM;
use crate::auth::signing::signatures_match;
use crate::auth::timestamp::parse_basic;
use crate::auth::verify::spaced_hex;
use crate::auth::{Service, SigningKey};
use crate::error::{Error, ErrorCode, Result};

/// How a form is signed, if at all.
#[derive(Debug, Clone)]
pub enum PostAuthentication {
    /// Not at all. A policy without a signature means nothing.
    Anonymous,
    /// By either version of the signature.
    Signed(PostClaim),
}

/// A signature and the policy that it covers. Nothing is believed yet.
#[derive(Debug, Clone)]
pub struct PostClaim {
    access_key_id: String,
    session_token: Option<String>,
    /// As it is in the form.
    policy: String,
    signature: String,
    version: Version,
}

#[derive(Debug, Clone)]
enum Version {
    V2,
    V4 {
        credential: String,
        region: String,
        time: SystemTime,
    },
}

impl PostAuthentication {
    /// Reads how a form is signed.
    ///
    /// # Errors
    /// `InvalidArgument`: a field is missing or malformed.
    pub fn parse(fields: &FormFields) -> Result<Self> {
        let has = |names: &[&str]| names.iter().any(|name| fields.get(name).is_some());
        if has(&["x-amz-algorithm", "x-amz-credential", "x-amz-signature"]) {
            parse_v4(fields).map(Self::Signed)
        } else if has(&["awsaccesskeyid", "signature"]) {
            parse_v2(fields).map(Self::Signed)
        } else {
            Ok(Self::Anonymous)
        }
    }
}

fn parse_v2(fields: &FormFields) -> Result<PostClaim> {
    let field = |name: &str, shown| fields.get(name).ok_or_else(|| missing(shown));
    Ok(PostClaim {
        access_key_id: field("awsaccesskeyid", "AWSAccessKeyId")?.to_owned(),
        signature: field("signature", "Signature")?.to_owned(),
        policy: field("policy", "Policy")?.to_owned(),
        session_token: session_token(fields),
        version: Version::V2,
    })
}

fn parse_v4(fields: &FormFields) -> Result<PostClaim> {
    let field = |name: &str, shown| fields.get(name).ok_or_else(|| missing(shown));
    let algorithm = field("x-amz-algorithm", "X-Amz-Algorithm")?;
    let credential = field("x-amz-credential", "X-Amz-Credential")?;
    let signature = field("x-amz-signature", "X-Amz-Signature")?;
    let date = field("x-amz-date", "X-Amz-Date")?;
    let policy = field("policy", "Policy")?;
    if algorithm != ALGORITHM {
        return Err(Error::invalid_argument(
            "X-Amz-Algorithm",
            algorithm,
            format!("X-Amz-Algorithm only supports \"{ALGORITHM}\""),
        ));
    }
    let time = parse_basic(date).ok_or_else(|| {
        let message = "X-Amz-Date must be formated via ISO8601 Long format";
        Error::invalid_argument("X-Amz-Date", date, message)
    })?;
    let (access_key_id, region) = parse_credential(credential, &date[..8])?;
    Ok(PostClaim {
        access_key_id: access_key_id.to_owned(),
        signature: signature.to_owned(),
        policy: policy.to_owned(),
        session_token: session_token(fields),
        version: Version::V4 {
            credential: credential.to_owned(),
            region: region.to_owned(),
            time,
        },
    })
}

fn session_token(fields: &FormFields) -> Option<String> {
    fields.get("x-amz-security-token").map(str::to_owned)
}

fn bad_credential(credential: &str, message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::invalid_argument("X-Amz-Credential", credential, message)
}

/// Reads the key and the region of `AKID/20130524/us-east-1/s3/aws4_request`.
fn parse_credential<'a>(credential: &'a str, day: &str) -> Result<(&'a str, &'a str)> {
    let malformed = || {
        bad_credential(
            credential,
            "the Credential is mal-formed; expecting \
             \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
        )
    };
    let mut parts = credential.rsplitn(5, '/');
    let mut next = || parts.next().ok_or_else(malformed);
    let (terminal, service, region, date, access_key_id) =
        (next()?, next()?, next()?, next()?, next()?);
    let message = if access_key_id.is_empty() {
        "a non-empty Access Key (AKID) must be provided in the credential.".to_owned()
    } else if terminal != "aws4_request" {
        format!("incorrect terminal \"{terminal}\". This endpoint uses \"aws4_request\".")
    } else if service != "s3" {
        format!("incorrect service \"{service}\". This endpoint belongs to \"s3\".")
    } else if date != day {
        format!(
            "Invalid credential date \"{date}\". This date is not the same as X-Amz-Date: \
             \"{day}\"."
        )
    } else {
        return Ok((access_key_id, region));
    };
    Err(bad_credential(credential, message))
}

impl PostClaim {
    /// Whose secret must have signed the policy.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// The token of temporary credentials, if the form brings one. Nothing here knows which tokens
    /// are good.
    #[must_use]
    pub fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }

    /// Checks the signature, and reads the policy if it holds.
    ///
    /// # Errors
    /// `InvalidArgument` (wrong region), `SignatureDoesNotMatch`, `InvalidPolicyDocument`.
    pub fn verify(&self, secret: &str, region: &str) -> Result<PostPolicy> {
        let computed = match &self.version {
            Version::V2 => {
                let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes())
                    .expect("HMAC takes keys of any length");
                mac.update(self.policy.as_bytes());
                BASE64.encode(mac.finalize().into_bytes())
            }
            Version::V4 {
                credential,
                region: claimed,
                ..
            } if claimed != region => {
                let message = format!("the region '{claimed}' is wrong; expecting '{region}'");
                return Err(bad_credential(credential, message).field("Region", region));
            }
            Version::V4 { time, .. } => {
                SigningKey::derive(secret, *time, region, Service::S3).sign(self.policy.as_bytes())
            }
        };
        if signatures_match(&computed, &self.signature) {
            return PostPolicy::parse(&self.policy);
        }
        Err(Error::new(ErrorCode::SignatureDoesNotMatch)
            .field("AWSAccessKeyId", self.access_key_id.as_str())
            .field("StringToSign", self.policy.as_str())
            .field("SignatureProvided", self.signature.as_str())
            .field("StringToSignBytes", spaced_hex(self.policy.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::post::fields::fields;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    /// The example of AWS's guide, whose lines end as a form sends them.
    const POLICY: &str = concat!(
        "{ \"expiration\": \"2015-12-30T12:00:00.000Z\",\r\n",
        "  \"conditions\": [\r\n",
        "    {\"bucket\": \"sigv4examplebucket\"},\r\n",
        "    [\"starts-with\", \"$key\", \"user/user1/\"],\r\n",
        "    {\"acl\": \"public-read\"},\r\n",
        "    {\"success_action_redirect\": ",
        "\"http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html\"},\r\n",
        "    [\"starts-with\", \"$Content-Type\", \"image/\"],\r\n",
        "    {\"x-amz-meta-uuid\": \"14365123651274\"},\r\n",
        "    {\"x-amz-server-side-encryption\": \"AES256\"},\r\n",
        "    [\"starts-with\", \"$x-amz-meta-tag\", \"\"],\r\n",
        "\r\n",
        "    {\"x-amz-credential\": ",
        "\"AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request\"},\r\n",
        "    {\"x-amz-algorithm\": \"AWS4-HMAC-SHA256\"},\r\n",
        "    {\"x-amz-date\": \"20151229T000000Z\" }\r\n",
        "  ]\r\n",
        "}"
    );

    fn v4(policy: &str) -> Vec<(&'static str, String)> {
        let signature = "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e";
        vec![
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
            (
                "X-Amz-Credential",
                "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request".to_owned(),
            ),
            ("X-Amz-Date", "20151229T000000Z".to_owned()),
            ("Policy", BASE64.encode(policy)),
            ("X-Amz-Signature", signature.to_owned()),
        ]
    }

    fn v2(policy: &str) -> Vec<(&'static str, String)> {
        let policy = BASE64.encode(policy);
        let mut mac = Hmac::<Sha1>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(policy.as_bytes());
        vec![
            ("AWSAccessKeyId", "AKIAIOSFODNN7EXAMPLE".to_owned()),
            ("policy", policy),
            ("signature", BASE64.encode(mac.finalize().into_bytes())),
        ]
    }

    fn parse(pairs: &[(&'static str, String)]) -> Result<PostAuthentication> {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        PostAuthentication::parse(&fields(&pairs))
    }

    fn claim(pairs: &[(&'static str, String)]) -> PostClaim {
        match parse(pairs).unwrap() {
            PostAuthentication::Signed(claim) => claim,
            PostAuthentication::Anonymous => panic!("{pairs:?}"),
        }
    }

    #[test]
    fn the_published_example_verifies() {
        let claim = claim(&v4(POLICY));
        assert_eq!(claim.access_key_id(), "AKIAIOSFODNN7EXAMPLE");
        assert!(claim.verify(SECRET, "us-east-1").is_ok());
        let error = claim.verify(SECRET, "eu-west-3").unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert!(error.text().contains("expecting 'eu-west-3'"));
    }

    /// The expected signature was computed by another implementation of HMAC-SHA1.
    #[test]
    fn the_older_version_verifies() {
        let pairs = v2(POLICY);
        assert_eq!(pairs[2].1, "QyigO3Da7gYxPW1IXllc6C7gI74=");
        assert!(claim(&pairs).verify(SECRET, "any").is_ok());
    }

    #[test]
    fn whatever_is_changed_does_not_match() {
        for pairs in [v4(POLICY), v2(POLICY)] {
            for change in ["policy", "signature"] {
                let mut changed = pairs.clone();
                let (_, value) = changed
                    .iter_mut()
                    .find(|(name, _)| name.to_lowercase().ends_with(change))
                    .unwrap();
                value.truncate(value.len() - 4);
                let error = claim(&changed).verify(SECRET, "us-east-1").unwrap_err();
                assert_eq!(error.code(), ErrorCode::SignatureDoesNotMatch);
                assert_eq!(error.fields()[0].1, "AKIAIOSFODNN7EXAMPLE");
            }
            let error = claim(&pairs).verify("other", "us-east-1").unwrap_err();
            assert_eq!(error.code(), ErrorCode::SignatureDoesNotMatch);
        }
    }

    #[test]
    fn fields_go_together() {
        for (pairs, without, named) in [
            (v4(POLICY), "X-Amz-Algorithm", "X-Amz-Algorithm"),
            (v4(POLICY), "X-Amz-Credential", "X-Amz-Credential"),
            (v4(POLICY), "X-Amz-Date", "X-Amz-Date"),
            (v4(POLICY), "X-Amz-Signature", "X-Amz-Signature"),
            (v4(POLICY), "Policy", "Policy"),
            (v2(POLICY), "signature", "Signature"),
            (v2(POLICY), "AWSAccessKeyId", "AWSAccessKeyId"),
            (v2(POLICY), "policy", "Policy"),
        ] {
            let rest: Vec<_> = pairs
                .into_iter()
                .filter(|(name, _)| *name != without)
                .collect();
            let error = parse(&rest).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument);
            let expected = [
                ("ArgumentName", named.to_owned()),
                ("ArgumentValue", String::new()),
            ];
            assert_eq!(error.fields(), expected);
        }
        let policy = ("policy", BASE64.encode(POLICY));
        let anonymous = parse(&[policy]).unwrap();
        assert!(matches!(anonymous, PostAuthentication::Anonymous));
    }

    #[test]
    fn malformed_fields_are_invalid_arguments() {
        for (name, value) in [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA1"),
            ("X-Amz-Date", "2015-12-29"),
            ("X-Amz-Credential", ""),
            ("X-Amz-Credential", "AKID/20151229/us-east-1/aws4_request"),
            ("X-Amz-Credential", "/20151229/us-east-1/s3/aws4_request"),
            (
                "X-Amz-Credential",
                "AKID/20151228/us-east-1/s3/aws4_request",
            ),
            (
                "X-Amz-Credential",
                "AKID/20151229/us-east-1/ec2/aws4_request",
            ),
            (
                "X-Amz-Credential",
                "AKID/20151229/us-east-1/s3/aws5_request",
            ),
        ] {
            let mut pairs = v4(POLICY);
            for pair in &mut pairs {
                if pair.0 == name {
                    pair.1 = value.to_owned();
                }
            }
            let error = parse(&pairs).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument, "{value}");
            assert_eq!(error.fields()[0].1, name);
        }
    }
}
