//! Computes and checks the digests of a body, apart from its decoding: the caller hands each
//! fragment to [`Digests::update`] on whatever thread it likes.
//!
//! That matters, since MD5 (which S3's ETag is made of) takes 1.5 CPU-seconds per GiB, more than
//! all other work on the bytes; a CRC takes 0.02 and SHA-256 0.5. So nothing is computed that
//! nobody asked for, and nothing twice.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::checksum::{Checksum, ChecksumAlgorithm, ChecksumHasher};
use super::chunked::{MALFORMED_TRAILER_MESSAGE, malformed_trailer};
use crate::error::{Error, ErrorCode};

/// What to compute of a body, and what it must come to.
///
/// [`super::PayloadSpec::digest_spec`] fills it from a request's head. The public fields are the
/// caller's to set.
#[derive(Debug, Clone, Default)]
pub struct DigestSpec {
    /// Whether to compute the MD5 for an ETag. (It's also computed to check a `Content-MD5`.)
    pub md5: bool,
    /// The checksum to compute when the client declares none, as AWS does with CRC64NVME.
    pub default_checksum: Option<ChecksumAlgorithm>,
    pub(super) content_md5: Option<[u8; 16]>,
    pub(super) content_sha256: Option<[u8; 32]>,
    pub(super) declared: Declared,
}

/// The checksum that the client says the body has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Declared {
    #[default]
    Nothing,
    InHeader(Checksum),
    InTrailer(ChecksumAlgorithm),
}

impl DigestSpec {
    /// The algorithm of the checksum that will be computed, if any.
    #[must_use]
    pub const fn checksum_algorithm(&self) -> Option<ChecksumAlgorithm> {
        match &self.declared {
            Declared::Nothing => self.default_checksum,
            Declared::InHeader(checksum) => Some(checksum.algorithm()),
            Declared::InTrailer(algorithm) => Some(*algorithm),
        }
    }
}

/// Digests in the making.
#[derive(Debug, Clone)]
pub struct Digests {
    spec: DigestSpec,
    length_bytes: u64,
    md5: Option<Md5>,
    checksum: Option<ChecksumHasher>,
    /// Only when the SHA-256 is wanted and isn't the checksum anyway.
    sha256: Option<Sha256>,
}

/// The digests of a body that kept all promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestOutcome {
    /// How many bytes the digests are of.
    pub length_bytes: u64,
    /// The MD5, if the specification asked for it or the client sent one.
    pub md5: Option<[u8; 16]>,
    /// The checksum, as declared by the client (and checked) or as the default asked for.
    pub checksum: Option<Checksum>,
}

impl Digests {
    /// Digests that have seen no bytes.
    #[must_use]
    pub fn new(spec: &DigestSpec) -> Self {
        let algorithm = spec.checksum_algorithm();
        let needs_sha256 =
            spec.content_sha256.is_some() && algorithm != Some(ChecksumAlgorithm::Sha256);
        Self {
            length_bytes: 0,
            md5: (spec.md5 || spec.content_md5.is_some()).then(Md5::new),
            checksum: algorithm.map(ChecksumHasher::new),
            sha256: needs_sha256.then(Sha256::new),
            spec: spec.clone(),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.length_bytes += bytes.len() as u64;
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.update(bytes);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    /// Leaves the MD5 to the caller, who can compute those of many bodies side by side. Says
    /// whether one is wanted; it then goes to [`Digests::finish_with_md5`].
    pub fn delegate_md5(&mut self) -> bool {
        self.md5.take().is_some()
    }

    /// Compares with all that was declared; `trailer` is what the body's trailers said
    /// ([`super::Payload::trailer_checksum`]).
    ///
    /// # Errors
    /// `XAmzContentSHA256Mismatch`, `BadDigest`, `MalformedTrailerError` (a promised checksum
    /// isn't in the trailers).
    pub fn finish(mut self, trailer: Option<Checksum>) -> Result<DigestOutcome, Error> {
        let md5 = self.md5.take().map(|md5| md5.finalize().into());
        self.finish_with_md5(md5, trailer)
    }

    /// As [`Digests::finish`], with the MD5 that was delegated.
    ///
    /// # Errors
    /// As [`Digests::finish`].
    ///
    /// # Panics
    /// When an MD5 is to be checked and `md5` is not there.
    pub fn finish_with_md5(
        self,
        md5: Option<[u8; 16]>,
        trailer: Option<Checksum>,
    ) -> Result<DigestOutcome, Error> {
        assert!(
            md5.is_some() || self.spec.content_md5.is_none(),
            "a declared MD5 is checked"
        );
        let checksum = self.checksum.map(ChecksumHasher::finish);

        if let Some(expected) = self.spec.content_sha256 {
            let computed: [u8; 32] = match (self.sha256, &checksum) {
                (Some(sha256), _) => sha256.finalize().into(),
                (None, Some(checksum)) => checksum.bytes().try_into().expect("it is a SHA-256"),
                (None, None) => unreachable!("one of the two computes the SHA-256"),
            };
            if computed != expected {
                return Err(Error::new(ErrorCode::XAmzContentSHA256Mismatch)
                    .field("ClientComputedContentSHA256", hex::encode(expected))
                    .field("S3ComputedContentSHA256", hex::encode(computed)));
            }
        }
        if let (Some(expected), Some(computed)) = (self.spec.content_md5, md5)
            && computed != expected
        {
            return Err(Error::new(ErrorCode::BadDigest)
                .message("The Content-MD5 you specified did not match what we received.")
                .field("ExpectedDigest", BASE64.encode(expected))
                .field("CalculatedDigest", BASE64.encode(computed)));
        }
        let declared = match self.spec.declared {
            Declared::Nothing => None,
            Declared::InHeader(declared) => Some(declared),
            Declared::InTrailer(algorithm) => Some(
                trailer
                    .filter(|checksum| checksum.algorithm() == algorithm)
                    .ok_or_else(|| malformed_trailer(MALFORMED_TRAILER_MESSAGE))?,
            ),
        };
        if let Some(declared) = declared
            && checksum != Some(declared)
        {
            return Err(Error::new(ErrorCode::BadDigest).message(format!(
                "The {} you specified did not match the calculated checksum.",
                declared.algorithm()
            )));
        }
        Ok(DigestOutcome {
            length_bytes: self.length_bytes,
            md5,
            checksum,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checksum_of(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
        let mut hasher = ChecksumHasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    fn digest(
        spec: &DigestSpec,
        bytes: &[u8],
        trailer: Option<Checksum>,
    ) -> Result<DigestOutcome, ErrorCode> {
        let mut digests = Digests::new(spec);
        bytes.chunks(7).for_each(|piece| digests.update(piece));
        digests.finish(trailer).map_err(|error| error.code())
    }

    #[test]
    fn a_delegated_md5_is_checked_like_our_own() {
        let spec = DigestSpec {
            content_md5: Some(Md5::digest(b"abc").into()),
            ..DigestSpec::default()
        };
        for (md5, expected) in [
            (Md5::digest(b"abc").into(), Ok(())),
            ([0; 16], Err(ErrorCode::BadDigest)),
        ] {
            let mut digests = Digests::new(&spec);
            assert!(digests.delegate_md5());
            digests.update(b"abc");
            let outcome = digests.finish_with_md5(Some(md5), None);
            assert_eq!(
                outcome
                    .map(|o| assert_eq!(o.md5, Some(md5)))
                    .map_err(|e| e.code()),
                expected
            );
        }
        assert!(!Digests::new(&DigestSpec::default()).delegate_md5());
    }

    #[test]
    fn nothing_is_computed_unasked() {
        let outcome = digest(&DigestSpec::default(), b"abc", None).unwrap();
        assert_eq!(
            outcome,
            DigestOutcome {
                length_bytes: 3,
                md5: None,
                checksum: None
            }
        );
        let digests = Digests::new(&DigestSpec::default());
        assert!(digests.md5.is_none() && digests.sha256.is_none() && digests.checksum.is_none());
    }

    #[test]
    fn md5_and_default_checksum() {
        let spec = DigestSpec {
            md5: true,
            default_checksum: Some(ChecksumAlgorithm::Crc64Nvme),
            ..DigestSpec::default()
        };
        let outcome = digest(&spec, b"123456789", None).unwrap();
        assert_eq!(
            hex::encode(outcome.md5.unwrap()),
            "25f9e794323b453885f5181f1b624d0b"
        );
        assert_eq!(
            hex::encode(outcome.checksum.unwrap().bytes()),
            "ae8b14860a799888"
        );
    }

    #[test]
    fn wrong_digests_are_refused() {
        let sha256 = |bytes: &[u8]| Sha256::digest(bytes).into();
        let md5 = |bytes: &[u8]| Md5::digest(bytes).into();
        for algorithm in [None].into_iter().chain(ChecksumAlgorithm::ALL.map(Some)) {
            let spec = DigestSpec {
                content_sha256: Some(sha256(b"abc")),
                default_checksum: algorithm,
                ..DigestSpec::default()
            };
            assert!(digest(&spec, b"abc", None).is_ok());
            assert_eq!(
                digest(&spec, b"abd", None),
                Err(ErrorCode::XAmzContentSHA256Mismatch)
            );
        }
        let spec = DigestSpec {
            content_md5: Some(md5(b"abc")),
            ..DigestSpec::default()
        };
        assert!(digest(&spec, b"abc", None).unwrap().md5.is_some());
        assert_eq!(digest(&spec, b"", None), Err(ErrorCode::BadDigest));
    }

    #[test]
    fn sha256_is_computed_once() {
        let spec = DigestSpec {
            content_sha256: Some([0; 32]),
            default_checksum: Some(ChecksumAlgorithm::Sha256),
            ..DigestSpec::default()
        };
        assert!(Digests::new(&spec).sha256.is_none());
    }

    #[test]
    fn declared_checksums_are_compared() {
        for algorithm in ChecksumAlgorithm::ALL {
            let right = checksum_of(algorithm, b"abc");
            let header = DigestSpec {
                declared: Declared::InHeader(right),
                ..DigestSpec::default()
            };
            assert_eq!(digest(&header, b"abc", None).unwrap().checksum, Some(right));
            assert_eq!(digest(&header, b"abcd", None), Err(ErrorCode::BadDigest));

            let trailer = DigestSpec {
                declared: Declared::InTrailer(algorithm),
                ..DigestSpec::default()
            };
            assert_eq!(
                digest(&trailer, b"abc", Some(right)).unwrap().checksum,
                Some(right)
            );
            assert_eq!(
                digest(&trailer, b"ab", Some(right)),
                Err(ErrorCode::BadDigest)
            );
            assert_eq!(
                digest(&trailer, b"abc", None),
                Err(ErrorCode::MalformedTrailerError)
            );
        }
    }
}
