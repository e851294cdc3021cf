//! What a request claims about its sender, read from the `Authorization` header or the query of a
//! presigned URL. Nothing is believed yet: only the form is checked here.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{AUTHORIZATION, DATE};
use http::request::Parts;
use sha2::{Digest as _, Sha256};

use super::canonical::query_parameters;
use super::credential::Credential;
use super::expected::Expected;
use super::payload_kind::{self, PayloadKind};
use super::service::Service;
use super::timestamp;
use super::version_two::ClaimV2;
use crate::error::{Error, ErrorCode};

/// The one algorithm spoken here.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The longest life of a presigned URL: a week.
const MAX_EXPIRES_S: u64 = 604_800;

/// How a request is signed, if at all.
#[derive(Debug, Clone)]
pub enum Authentication {
    /// Not at all.
    Anonymous,
    /// By the `Authorization` header.
    Header(Claim),
    /// By the query of a presigned URL.
    Presigned {
        /// The signature and what it covers.
        claim: Claim,
        /// How long after its time the URL is good for.
        expires: Duration,
    },
    /// In version 2, by either.
    VersionTwo(ClaimV2),
}

impl Authentication {
    /// Whose secret must have signed the request; `None` if it's anonymous.
    #[must_use]
    pub fn access_key_id(&self) -> Option<&str> {
        match self {
            Self::VersionTwo(claim) => Some(&claim.access_key_id),
            _ => self.claim().map(|claim| claim.access_key_id.as_str()),
        }
    }

    /// Tells which bucket the host name carries, if one: version 2 signs it with the path.
    #[must_use]
    pub fn at_host_bucket(mut self, bucket: Option<String>) -> Self {
        if let Self::VersionTwo(claim) = &mut self {
            claim.set_host_bucket(bucket);
        }
        self
    }

    /// The token of temporary credentials, if the request brings one. It is signed, but nothing
    /// here knows which tokens are good.
    #[must_use]
    pub fn session_token(&self) -> Option<&str> {
        let token = match self {
            Self::VersionTwo(claim) => claim.session_token.as_ref(),
            _ => self.claim().and_then(|claim| claim.session_token.as_ref()),
        };
        token.map(String::as_str)
    }

    pub(super) fn claim(&self) -> Option<&Claim> {
        match self {
            Self::Anonymous | Self::VersionTwo(_) => None,
            Self::Header(claim) | Self::Presigned { claim, .. } => Some(claim),
        }
    }
}

/// A signature with what it says it covers.
#[derive(Debug, Clone)]
pub struct Claim {
    pub(super) place: Place,
    pub(super) access_key_id: String,
    /// The scope's region.
    pub(super) region: String,
    /// The scope's service. Its other components are what they must be.
    pub(super) service: Service,
    /// `date/region/service/aws4_request`.
    pub(super) scope: String,
    /// When the request says it was signed.
    pub(super) time: SystemTime,
    /// [`Self::time`] as it is signed: `20130524T000000Z`.
    pub(super) timestamp: String,
    /// Lower-case names, in the order listed.
    pub(super) signed_headers: Vec<String>,
    pub(super) signature: String,
    /// The text that stands for the body in the canonical request, and what it means.
    pub(super) payload_text: String,
    pub(super) payload: PayloadKind,
    session_token: Option<String>,
}

/// Where a claim was found: the same faults have other codes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Header,
    Query,
}

impl Place {
    /// The error for a credential that is wrong in the way `detail` says.
    pub(super) fn malformed_credential(self, detail: &str) -> Error {
        match self {
            Self::Header => malformed_header(detail),
            Self::Query => malformed_query(format!(
                "Error parsing the X-Amz-Credential parameter; {detail}"
            )),
        }
    }
}

fn malformed_header(detail: &str) -> Error {
    Error::new(ErrorCode::AuthorizationHeaderMalformed)
        .message(format!("The authorization header is malformed; {detail}"))
}

fn malformed_query(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::AuthorizationQueryParametersError).message(message)
}

/// Reads how the request is signed.
///
/// # Errors
/// `AuthorizationHeaderMalformed`, `AuthorizationQueryParametersError`, `AccessDenied` (no date),
/// `InvalidRequest` (an unknown version of the signature, no `x-amz-content-sha256`) or
/// `InvalidArgument` (another kind of authorization, two of them, a wrong
/// `x-amz-content-sha256`).
pub fn parse(head: &Parts) -> Result<Authentication, Error> {
    parse_for(head, Expected::S3)
}

/// Reads how a call of IAM or STS is signed. Those sign the hash of the body without naming it in
/// a header, so the body must be here first.
///
/// # Errors
/// As [`parse`]; `InvalidRequest` for version 2.
pub fn parse_call(head: &Parts, service: Service, body: &[u8]) -> Result<Authentication, Error> {
    let body_sha256 = Sha256::digest(body).into();
    parse_for(
        head,
        Expected::Call {
            service,
            body_sha256,
        },
    )
}

fn parse_for(head: &Parts, expected: Expected) -> Result<Authentication, Error> {
    let query = QueryFields::read(head.uri.query().unwrap_or(""));
    let mut headers = head.headers.get_all(AUTHORIZATION).iter();
    match (headers.next(), query.version()) {
        (None, QueryVersion::Unsigned) => Ok(Authentication::Anonymous),
        (None, QueryVersion::V4) => query.parse(&head.headers, expected),
        (None, QueryVersion::V2) if expected.service() != Service::S3 => {
            Err(unsupported_mechanism())
        }
        (None, QueryVersion::V2) => ClaimV2::parse_query(head).map(Authentication::VersionTwo),
        (Some(value), QueryVersion::Unsigned) if headers.next().is_none() => {
            let value = value
                .to_str()
                .map_err(|_| malformed_header("it holds characters beyond visible ASCII."))?;
            let is_version_2 = value.starts_with("AWS ") && expected.service() == Service::S3;
            match is_version_2 {
                true => ClaimV2::parse_header(value, head).map(Authentication::VersionTwo),
                false => parse_header(value, &head.headers, expected).map(Authentication::Header),
            }
        }
        (Some(value), _) => Err(Error::invalid_argument(
            "Authorization",
            String::from_utf8_lossy(value.as_bytes()),
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature \
             query string parameter or the Authorization header should be specified",
        )),
    }
}

fn unsupported_mechanism() -> Error {
    Error::new(ErrorCode::InvalidRequest).message(
        "The authorization mechanism you have provided is not supported. Please use \
         AWS4-HMAC-SHA256.",
    )
}

fn parse_header(value: &str, headers: &HeaderMap, expected: Expected) -> Result<Claim, Error> {
    let value = value.trim();
    let (algorithm, fields) = value.split_once(' ').unwrap_or((value, ""));
    if algorithm == "AWS" || algorithm.starts_with("AWS4-") && algorithm != ALGORITHM {
        return Err(unsupported_mechanism());
    }
    if algorithm != ALGORITHM {
        return Err(Error::invalid_argument(
            "Authorization",
            value,
            "Unsupported Authorization Type",
        ));
    }

    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for field in fields.split(',') {
        let (name, value) = field.trim().split_once('=').unwrap_or(("", ""));
        let slot = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => {
                return Err(malformed_header(
                    "the authorization header requires three components: Credential, \
                     SignedHeaders, and Signature.",
                ));
            }
        };
        if slot.replace(value).is_some() {
            return Err(malformed_header(&format!(
                "it has two components named {name}."
            )));
        }
    }
    let missing = |name| malformed_header(&format!("the {name} component is missing."));
    let credential = credential.ok_or_else(|| missing("Credential"))?;
    let signed_headers = signed_headers.ok_or_else(|| missing("SignedHeaders"))?;
    let signature = signature.ok_or_else(|| missing("Signature"))?;

    let (time, timestamp) = header_time(headers)?;
    let credential = Credential::parse(credential, &timestamp, Place::Header, expected.service())?;
    let (payload_text, payload) = expected.payload(|| {
        header_text(headers, payload_kind::HEADER)?.ok_or_else(|| {
            Error::new(ErrorCode::InvalidRequest)
                .message("Missing required header for this request: x-amz-content-sha256")
        })
    })?;
    Ok(Claim {
        place: Place::Header,
        access_key_id: credential.access_key_id,
        region: credential.region,
        service: expected.service(),
        scope: credential.scope,
        time,
        timestamp,
        signed_headers: parse_signed_headers(signed_headers)
            .ok_or_else(|| malformed_header("the SignedHeaders component is mal-formed."))?,
        signature: signature.to_owned(),
        payload,
        payload_text,
        session_token: header_text(headers, "x-amz-security-token")?,
    })
}

/// A header's first value as text. What can't be text can't be valid in any header read here.
fn header_text(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, Error> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(_) => Err(Error::invalid_argument(
            name,
            String::from_utf8_lossy(value.as_bytes()),
            "The header holds characters beyond visible ASCII",
        )),
    }
}

/// `x-amz-date`, or else `Date`, in either's usual form.
fn header_time(headers: &HeaderMap) -> Result<(SystemTime, String), Error> {
    let text = match header_text(headers, "x-amz-date")? {
        Some(text) => Some(text),
        None => header_text(headers, DATE.as_str())?,
    };
    text.and_then(|text| {
        timestamp::parse_basic(&text).or_else(|| timestamp::parse_date_header(&text))
    })
    .map(|time| (time, timestamp::format_basic(time)))
    .ok_or_else(|| {
        Error::new(ErrorCode::AccessDenied)
            .message("AWS authentication requires a valid Date or x-amz-date header")
    })
}

/// Lower-case header names between semicolons; at least one, none empty and none twice: each makes
/// its header's value a part of what is hashed, and many would make much of a little.
fn parse_signed_headers(text: &str) -> Option<Vec<String>> {
    let valid = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b':')
    };
    let names = text
        .split(';')
        .map(|name| valid(name).then(|| name.to_ascii_lowercase()))
        .collect::<Option<Vec<_>>>()?;
    let distinct: HashSet<_> = names.iter().collect();
    (distinct.len() == names.len()).then_some(names)
}

/// Which version of the signature a query carries.
enum QueryVersion {
    Unsigned,
    V2,
    V4,
}

/// The query parameters of a presigned URL, as far as they are there.
#[derive(Default)]
struct QueryFields {
    algorithm: Option<String>,
    credential: Option<String>,
    date: Option<String>,
    expires: Option<String>,
    signed_headers: Option<String>,
    signature: Option<String>,
    security_token: Option<String>,
    content_sha256: Option<String>,
    access_key_id_v2: Option<String>,
}

impl QueryFields {
    fn read(raw: &str) -> Self {
        let mut fields = Self::default();
        // Most requests have no such parameter, and decoding costs allocations.
        if !raw.contains("X-Amz-") && !raw.contains("AWSAccessKeyId") {
            return fields;
        }
        for (name, value) in query_parameters(raw) {
            let slot = match name.as_slice() {
                b"X-Amz-Algorithm" => &mut fields.algorithm,
                b"X-Amz-Credential" => &mut fields.credential,
                b"X-Amz-Date" => &mut fields.date,
                b"X-Amz-Expires" => &mut fields.expires,
                b"X-Amz-SignedHeaders" => &mut fields.signed_headers,
                b"X-Amz-Signature" => &mut fields.signature,
                b"X-Amz-Security-Token" => &mut fields.security_token,
                b"X-Amz-Content-Sha256" => &mut fields.content_sha256,
                b"AWSAccessKeyId" => &mut fields.access_key_id_v2,
                _ => continue,
            };
            slot.get_or_insert_with(|| String::from_utf8_lossy(&value).into_owned());
        }
        fields
    }

    fn version(&self) -> QueryVersion {
        if self.algorithm.is_some() || self.credential.is_some() || self.signature.is_some() {
            QueryVersion::V4
        } else if self.access_key_id_v2.is_some() {
            QueryVersion::V2
        } else {
            QueryVersion::Unsigned
        }
    }

    fn parse(self, headers: &HeaderMap, expected: Expected) -> Result<Authentication, Error> {
        let (
            Some(algorithm),
            Some(credential),
            Some(signature),
            Some(date),
            Some(signed_headers),
            Some(expires),
        ) = (
            self.algorithm,
            self.credential,
            self.signature,
            self.date,
            self.signed_headers,
            self.expires,
        )
        else {
            return Err(malformed_query(
                "Query-string authentication version 4 requires the X-Amz-Algorithm, \
                 X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and \
                 X-Amz-Expires parameters.",
            ));
        };
        if algorithm != ALGORITHM {
            return Err(malformed_query(
                "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"",
            ));
        }
        let time = timestamp::parse_basic(&date).ok_or_else(|| {
            malformed_query(
                "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
            )
        })?;
        let credential = Credential::parse(&credential, &date, Place::Query, expected.service())?;
        let signed_headers = parse_signed_headers(&signed_headers)
            .ok_or_else(|| malformed_query("X-Amz-SignedHeaders is mal-formed."))?;
        let (payload_text, payload) = expected.payload(|| match self.content_sha256 {
            Some(text) => Ok(text),
            None => Ok(header_text(headers, payload_kind::HEADER)?
                .unwrap_or_else(|| payload_kind::UNSIGNED.to_owned())),
        })?;
        let claim = Claim {
            place: Place::Query,
            access_key_id: credential.access_key_id,
            region: credential.region,
            service: expected.service(),
            scope: credential.scope,
            time,
            timestamp: date,
            signed_headers,
            signature,
            payload,
            payload_text,
            session_token: self.security_token,
        };
        Ok(Authentication::Presigned {
            claim,
            expires: parse_expires(&expires)?,
        })
    }
}

fn parse_expires(text: &str) -> Result<Duration, Error> {
    let seconds: i64 = text
        .parse()
        .map_err(|_| malformed_query("X-Amz-Expires should be a number"))?;
    match u64::try_from(seconds) {
        Err(_) => Err(malformed_query("X-Amz-Expires must be non-negative")),
        Ok(0) => Err(malformed_query("X-Amz-Expires must be at least one second")),
        Ok(seconds) if seconds > MAX_EXPIRES_S => Err(malformed_query(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given \
             X-Amz-Expires must be less than 604800 seconds",
        )),
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
    }
}
