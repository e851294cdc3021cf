//! How a request's signature covers its body: the values of `x-amz-content-sha256`.

use crate::error::Error;

/// The header, and in lower case the query parameter, that carries the kind.
pub(super) const HEADER: &str = "x-amz-content-sha256";

/// The value for a body that the signature leaves out.
pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// How the body is framed and protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadKind {
    /// As it is, with this SHA-256.
    Sha256([u8; 32]),
    /// As it is, not covered by the signature.
    Unsigned,
    /// aws-chunked, each chunk signed.
    StreamingSigned,
    /// aws-chunked, each chunk and the trailers signed.
    StreamingSignedTrailer,
    /// aws-chunked without signatures, with trailers.
    StreamingUnsignedTrailer,
}

impl PayloadKind {
    /// Reads the header's value.
    pub(super) fn parse(value: &str) -> Result<Self, Error> {
        match value {
            UNSIGNED => Ok(Self::Unsigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Ok(Self::StreamingSigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Ok(Self::StreamingSignedTrailer),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Self::StreamingUnsignedTrailer),
            _ => {
                let mut hash = [0; 32];
                match hex::decode_to_slice(value, &mut hash) {
                    Ok(()) => Ok(Self::Sha256(hash)),
                    Err(_) => Err(Error::invalid_argument(
                        HEADER,
                        value,
                        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, \
                         STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, \
                         STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, or a valid sha256 value.",
                    )),
                }
            }
        }
    }

    /// Whether the body is framed as aws-chunked.
    #[must_use]
    pub const fn is_chunked(self) -> bool {
        match self {
            Self::Sha256(_) | Self::Unsigned => false,
            Self::StreamingSigned
            | Self::StreamingSignedTrailer
            | Self::StreamingUnsignedTrailer => true,
        }
    }
}
