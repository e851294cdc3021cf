//! How records become bytes: one byte of format version, then a CBOR value with numbered fields.
//!
//! New optional fields take a new number and need no new version. A change that old readers would
//! misread raises [`Record::VERSION`], and [`Record::migrate`] keeps reading what older releases
//! wrote.

use minicbor::{Decode, Encode};

/// Why stored or received bytes are not the record they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// No bytes at all, where even the version byte is missing.
    #[error("empty record")]
    Empty,
    /// Written by a release this one does not know.
    #[error("format version {found} is unknown, newest known is {newest}")]
    UnknownVersion {
        /// Version byte found.
        found: u8,
        /// Newest version this release reads.
        newest: u8,
    },
    /// The bytes after the version are not the record.
    #[error("malformed record: {0}")]
    Malformed(String),
}

impl From<minicbor::decode::Error> for CodecError {
    fn from(error: minicbor::decode::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// A value with a stable stored form.
pub trait Record: Encode<()> + for<'b> Decode<'b, ()> + Sized {
    /// The format version that [`Record::to_bytes`] writes.
    const VERSION: u8;

    /// Reads the form of an older `version`. Formats that never changed have none.
    fn migrate(version: u8, _body: &[u8]) -> Result<Self, CodecError> {
        Err(CodecError::UnknownVersion {
            found: version,
            newest: Self::VERSION,
        })
    }

    /// The version byte and the CBOR value.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![Self::VERSION];
        minicbor::encode(self, &mut bytes).expect("a Vec takes every write");
        bytes
    }

    /// Reads what [`Record::to_bytes`] of this or an older release wrote.
    fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        let (&version, body) = bytes.split_first().ok_or(CodecError::Empty)?;
        if version == Self::VERSION {
            Ok(minicbor::decode(body)?)
        } else {
            Self::migrate(version, body)
        }
    }
}

/// `#[cbor(with = "crate::codec::bytes")]`: [`bytes::Bytes`] as a CBOR byte string.
pub(crate) mod bytes {
    use ::bytes::Bytes;
    use minicbor::decode::{Decoder, Error as DecodeError};
    use minicbor::encode::{Encoder, Error as EncodeError, Write};

    pub(crate) fn encode<C, W: Write>(
        value: &Bytes,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(value)?.ok()
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Bytes, DecodeError> {
        Ok(Bytes::copy_from_slice(d.bytes()?))
    }
}
