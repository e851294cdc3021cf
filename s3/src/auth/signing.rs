//! Signing keys, and the chain of signatures over the chunks of a streamed body.

use std::fmt;
use std::time::SystemTime;

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::service::Service;
use crate::error::{Error, ErrorCode};

/// SHA-256 of no bytes, which a chunk's string to sign carries in its last line but one.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A key derived from a secret for one day, region and service.
#[derive(Clone)]
pub struct SigningKey([u8; 32]);

impl SigningKey {
    /// Derives the key for the UTC day of `time`.
    pub(crate) fn derive(secret: &str, time: SystemTime, region: &str, service: Service) -> Self {
        let key = generate_signing_key(secret, time, region, service.as_str());
        Self(key.as_ref().try_into().expect("HMAC-SHA256 gives 32 bytes"))
    }

    /// The signature of a string to sign, in lower-case hex.
    pub(crate) fn sign(&self, string_to_sign: &[u8]) -> String {
        calculate_signature(self.0, string_to_sign)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// Compares signatures in a time that depends on their lengths alone.
pub(crate) fn signatures_match(computed: &str, provided: &str) -> bool {
    computed.as_bytes().ct_eq(provided.as_bytes()).into()
}

/// Checks the signatures of a streamed body's chunks, each of which covers the one before it; the
/// first covers the request's own.
#[derive(Debug, Clone)]
pub struct ChunkSigner {
    key: SigningKey,
    access_key_id: String,
    timestamp: String,
    scope: String,
    previous: String,
}

impl ChunkSigner {
    /// `timestamp` is the request's (`20130524T000000Z`), `scope` its credential's without the
    /// access key, `seed` its signature.
    pub(super) fn new(
        key: SigningKey,
        access_key_id: String,
        timestamp: String,
        scope: String,
        seed: String,
    ) -> Self {
        Self {
            key,
            access_key_id,
            timestamp,
            scope,
            previous: seed,
        }
    }

    /// Checks the next chunk's signature, given the chunk's hash.
    ///
    /// # Errors
    /// `SignatureDoesNotMatch`.
    pub fn verify_chunk(&mut self, chunk: Sha256, signature: &str) -> Result<(), Error> {
        let string_to_sign = self.chunk_string_to_sign(&chunk.finalize());
        self.compare(&string_to_sign, signature)?;
        self.previous.clear();
        self.previous.push_str(signature);
        Ok(())
    }

    /// Checks the signature of the trailers, given their canonical form: `name:value\n` for each
    /// but the signature itself, in the order sent. Comes after the last chunk.
    ///
    /// # Errors
    /// `SignatureDoesNotMatch`.
    pub fn verify_trailer(&self, canonical_trailers: &[u8], signature: &str) -> Result<(), Error> {
        self.compare(&self.trailer_string_to_sign(canonical_trailers), signature)
    }

    fn compare(&self, string_to_sign: &str, signature: &str) -> Result<(), Error> {
        if signatures_match(&self.key.sign(string_to_sign.as_bytes()), signature) {
            return Ok(());
        }
        Err(Error::new(ErrorCode::SignatureDoesNotMatch)
            .field("AWSAccessKeyId", self.access_key_id.as_str())
            .field("StringToSign", string_to_sign)
            .field("SignatureProvided", signature))
    }

    fn chunk_string_to_sign(&self, chunk_sha256: &[u8]) -> String {
        format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{EMPTY_SHA256}\n{}",
            self.timestamp,
            self.scope,
            self.previous,
            hex::encode(chunk_sha256),
        )
    }

    fn trailer_string_to_sign(&self, canonical_trailers: &[u8]) -> String {
        format!(
            "AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{}\n{}",
            self.timestamp,
            self.scope,
            self.previous,
            hex::encode(Sha256::digest(canonical_trailers)),
        )
    }
}

#[cfg(test)]
impl ChunkSigner {
    /// The signer of AWS's published examples, after the given seed.
    pub(crate) fn example(seed: &str) -> Self {
        let time = super::timestamp::parse_basic("20130524T000000Z").unwrap();
        Self::new(
            SigningKey::derive(
                "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                time,
                "us-east-1",
                Service::S3,
            ),
            "AKIAIOSFODNN7EXAMPLE".to_owned(),
            "20130524T000000Z".to_owned(),
            "20130524/us-east-1/s3/aws4_request".to_owned(),
            seed.to_owned(),
        )
    }

    /// Signs a chunk as a client does.
    pub(crate) fn sign_chunk(&mut self, chunk: &[u8]) -> String {
        let string_to_sign = self.chunk_string_to_sign(&Sha256::digest(chunk));
        self.previous = self.key.sign(string_to_sign.as_bytes());
        self.previous.clone()
    }

    /// Signs trailers as a client does.
    pub(crate) fn sign_trailer(&self, canonical_trailers: &[u8]) -> String {
        self.key
            .sign(self.trailer_string_to_sign(canonical_trailers).as_bytes())
    }
}
