//! The decision: does the claim hold for this request, this secret and this moment?

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::request::Parts;
use sha2::{Digest as _, Sha256};

use super::canonical::canonical_request;
use super::claim::{ALGORITHM, Authentication, Claim};
use super::payload_kind::{HEADER as PAYLOAD_HEADER, PayloadKind};
use super::signing::{ChunkSigner, SigningKey, signatures_match};
use super::timestamp::{format_basic, format_extended};
use crate::error::{Error, ErrorCode};

/// How far a client's clock may be from ours, as at AWS.
const MAX_SKEW: Duration = Duration::from_secs(15 * 60);

/// Proof that a request was signed with the secret of its access key.
#[derive(Debug, Clone)]
pub struct Verified {
    payload: PayloadKind,
    /// Of version 4 only, as are signed streams.
    signer: Option<ChunkSigner>,
    access_key_id: String,
}

impl Verified {
    /// What a request that nobody signed says of its body.
    ///
    /// # Errors
    /// `InvalidArgument`; `AccessDenied` for a stream whose chunks are said to be signed.
    pub fn unsigned(headers: &HeaderMap) -> Result<Self, Error> {
        Ok(Self {
            payload: payload_of_head(headers)?,
            signer: None,
            access_key_id: String::new(),
        })
    }

    /// How the body is framed and protected.
    #[must_use]
    pub const fn payload(&self) -> PayloadKind {
        self.payload
    }

    /// Who signed.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// Checks the signatures in the body; starts from the request's own.
    ///
    /// # Panics
    /// When the payload is of a kind without signatures in it.
    #[must_use]
    pub fn chunk_signer(&self) -> ChunkSigner {
        self.signer
            .clone()
            .expect("a signed stream comes with version 4")
    }
}

impl Authentication {
    /// Checks the signature, its scope and its time. `head` must be the one this was parsed from,
    /// its path and query as they were sent; `now` is the server's clock.
    ///
    /// # Errors
    /// `AccessDenied` (anonymous; expired; not yet valid; headers not signed),
    /// `AuthorizationHeaderMalformed` or `AuthorizationQueryParametersError` (wrong region),
    /// `RequestTimeTooSkewed`, `SignatureDoesNotMatch`.
    pub fn verify(
        &self,
        head: &Parts,
        secret: &str,
        region: &str,
        now: SystemTime,
    ) -> Result<Verified, Error> {
        if let Self::VersionTwo(claim) = self {
            return Ok(Verified {
                payload: claim.verify(head, secret, now)?,
                signer: None,
                access_key_id: claim.access_key_id.clone(),
            });
        }
        let Some(claim) = self.claim() else {
            return Err(ErrorCode::AccessDenied.into());
        };
        // A client that was given no region signs for none, which takes nothing from the signature.
        let names_another = !claim.region.is_empty() && claim.region != region;
        if claim.service.is_regional() && names_another {
            let detail = format!(
                "the region '{}' is wrong; expecting '{region}'",
                claim.region
            );
            return Err(claim
                .place
                .malformed_credential(&detail)
                .field("Region", region));
        }
        match self {
            Self::Presigned { expires, .. } => check_life(claim, *expires, now)?,
            _ => check_skew(claim.time, now)?,
        }
        check_signed_headers(claim, head)?;
        check_signature(claim, head, secret)
    }
}

/// How a body comes whose signature, if there is one, does not cover it.
pub(super) fn payload_of_head(headers: &HeaderMap) -> Result<PayloadKind, Error> {
    let payload = match headers.get(PAYLOAD_HEADER) {
        None => PayloadKind::Unsigned,
        Some(value) => PayloadKind::parse(value.to_str().unwrap_or_default())?,
    };
    match payload {
        PayloadKind::StreamingSigned | PayloadKind::StreamingSignedTrailer => {
            Err(ErrorCode::AccessDenied.into())
        }
        payload => Ok(payload),
    }
}

pub(super) fn check_skew(time: SystemTime, now: SystemTime) -> Result<(), Error> {
    if distance(time, now) <= MAX_SKEW {
        return Ok(());
    }
    Err(Error::new(ErrorCode::RequestTimeTooSkewed)
        .field("RequestTime", format_basic(time))
        .field("ServerTime", format_extended(now))
        .field(
            "MaxAllowedSkewMilliseconds",
            MAX_SKEW.as_millis().to_string(),
        ))
}

fn distance(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other)
        .unwrap_or_else(|error| error.duration())
}

fn check_life(claim: &Claim, expires: Duration, now: SystemTime) -> Result<(), Error> {
    let end = claim.time + expires;
    if now > end {
        return Err(Error::new(ErrorCode::AccessDenied)
            .message("Request has expired")
            .field("X-Amz-Expires", expires.as_secs().to_string())
            .field("Expires", format_extended(end))
            .field("ServerTime", format_extended(now)));
    }
    if claim.time > now && distance(claim.time, now) > MAX_SKEW {
        return Err(Error::new(ErrorCode::AccessDenied)
            .message("Request is not yet valid")
            .field("X-Amz-Date", claim.timestamp.as_str())
            .field("ServerTime", format_extended(now)));
    }
    Ok(())
}

/// The host and everything that steers S3 must be covered; or else whoever relays a signed
/// request could add to it.
fn check_signed_headers(claim: &Claim, head: &Parts) -> Result<(), Error> {
    // A set, since both may be many.
    let signed: HashSet<_> = claim.signed_headers.iter().map(String::as_str).collect();
    let required = head.headers.keys().map(http::HeaderName::as_str);
    let mut missing: Vec<&str> = required
        .filter(|name| name.starts_with("x-amz-"))
        .chain(["host"])
        .filter(|name| !signed.contains(name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    missing.sort_unstable();
    Err(Error::new(ErrorCode::AccessDenied)
        .message("There were headers present in the request which were not signed")
        .field("HeadersNotSigned", missing.join(", ")))
}

fn check_signature(claim: &Claim, head: &Parts, secret: &str) -> Result<Verified, Error> {
    let canonical = canonical_request(head, &claim.signed_headers, &claim.payload_text);
    let string_to_sign = format!(
        "{ALGORITHM}\n{}\n{}\n{}",
        claim.timestamp,
        claim.scope,
        hex::encode(Sha256::digest(&canonical))
    );
    let key = SigningKey::derive(secret, claim.time, &claim.region, claim.service);
    if !signatures_match(&key.sign(string_to_sign.as_bytes()), &claim.signature) {
        return Err(Error::new(ErrorCode::SignatureDoesNotMatch)
            .field("AWSAccessKeyId", claim.access_key_id.as_str())
            .field("StringToSign", string_to_sign.as_str())
            .field("SignatureProvided", claim.signature.as_str())
            .field("StringToSignBytes", spaced_hex(string_to_sign.as_bytes()))
            .field("CanonicalRequest", String::from_utf8_lossy(&canonical))
            .field("CanonicalRequestBytes", spaced_hex(&canonical)));
    }
    Ok(Verified {
        payload: claim.payload,
        access_key_id: claim.access_key_id.clone(),
        signer: Some(ChunkSigner::new(
            key,
            claim.access_key_id.clone(),
            claim.timestamp.clone(),
            claim.scope.clone(),
            claim.signature.clone(),
        )),
    })
}

/// AWS's form of bytes in an error: `41 57 53`.
pub(crate) fn spaced_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(3 * bytes.len());
    for byte in bytes {
        let space = if text.is_empty() { "" } else { " " };
        write!(text, "{space}{byte:02x}").expect("a string takes any text");
    }
    text
}

#[cfg(test)]
impl Verified {
    /// As if a request of AWS's published examples had been verified.
    pub(crate) fn example(payload: PayloadKind, seed: &str) -> Self {
        Self {
            payload,
            signer: Some(ChunkSigner::example(seed)),
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
