//! The checksums of the S3 protocol: their names, values, and how they are computed.
//!
//! Three things are told apart. A [`ChecksumAlgorithm`] is a name; a [`Checksum`] is a value, of
//! a whole object or part ([`ChecksumType::FullObject`]) or of the checksums of a multipart
//! object's parts ([`ChecksumType::Composite`], written with `-N`); a [`ChecksumHasher`] computes
//! a value from bytes.

use std::fmt;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::CrcAlgorithm;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// An algorithm a client may choose for an object's checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChecksumAlgorithm {
    /// CRC-32 as in zlib, 4 bytes.
    Crc32,
    /// CRC-32C (Castagnoli), 4 bytes.
    Crc32c,
    /// CRC-64/NVME, 8 bytes: what is computed when the client names none.
    Crc64Nvme,
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
}

impl ChecksumAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// The name in `x-amz-checksum-algorithm` and in XML: `CRC32`, `CRC64NVME`, ...
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header or trailer that carries a value: `x-amz-checksum-crc32`, ...
    #[must_use]
    pub const fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The XML element that carries a value: `ChecksumCRC32`, ...
    #[must_use]
    pub const fn element(self) -> &'static str {
        match self {
            Self::Crc32 => "ChecksumCRC32",
            Self::Crc32c => "ChecksumCRC32C",
            Self::Crc64Nvme => "ChecksumCRC64NVME",
            Self::Sha1 => "ChecksumSHA1",
            Self::Sha256 => "ChecksumSHA256",
        }
    }

    /// The length of a value, before base64.
    #[must_use]
    pub const fn size_bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Reads [`Self::name`], in any case as AWS does.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// Reads [`Self::header`], in any case.
    #[must_use]
    pub fn from_header(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.header().eq_ignore_ascii_case(name))
    }

    /// The type a multipart upload gets when it names the algorithm alone.
    #[must_use]
    pub const fn default_multipart_type(self) -> ChecksumType {
        match self {
            Self::Crc64Nvme => ChecksumType::FullObject,
            Self::Crc32 | Self::Crc32c | Self::Sha1 | Self::Sha256 => ChecksumType::Composite,
        }
    }

    /// Whether a multipart upload may combine this algorithm with `kind`: a CRC of the whole
    /// follows from the parts' CRCs, a hash doesn't; and AWS has no composite CRC64NVME.
    #[must_use]
    pub const fn allows_multipart(self, kind: ChecksumType) -> bool {
        match kind {
            ChecksumType::FullObject => {
                matches!(self, Self::Crc32 | Self::Crc32c | Self::Crc64Nvme)
            }
            ChecksumType::Composite => !matches!(self, Self::Crc64Nvme),
        }
    }

    /// The CRC behind the name; none for the hashes.
    const fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }
}

impl fmt::Display for ChecksumAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What bytes a checksum is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChecksumType {
    /// The object's (or part's) bytes.
    FullObject,
    /// The concatenated checksums of the object's parts.
    Composite,
}

impl ChecksumType {
    /// The name in `x-amz-checksum-type` and in XML.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }

    /// Reads [`Self::name`], in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::FullObject, Self::Composite]
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for ChecksumType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Longest value of any algorithm.
const MAX_SIZE_BYTES: usize = 32;

/// A checksum's value with its algorithm; shown as on the wire: base64, with `-N` if composite.
///
/// Invariant: the bytes beyond the algorithm's length are zero, so that derived equality and
/// hashing hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checksum {
    algorithm: ChecksumAlgorithm,
    value: [u8; MAX_SIZE_BYTES],
    parts: Option<NonZeroU32>,
}

impl Checksum {
    /// A full-object checksum from its raw bytes, most significant first. `None` unless `bytes`
    /// has exactly the algorithm's length.
    #[must_use]
    pub fn new(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Option<Self> {
        if bytes.len() != algorithm.size_bytes() {
            return None;
        }
        let mut value = [0; MAX_SIZE_BYTES];
        value[..bytes.len()].copy_from_slice(bytes);
        Some(Self {
            algorithm,
            value,
            parts: None,
        })
    }

    /// As [`Self::new`], marked as the composite of `parts` parts.
    #[must_use]
    pub fn new_composite(
        algorithm: ChecksumAlgorithm,
        bytes: &[u8],
        parts: NonZeroU32,
    ) -> Option<Self> {
        Self::new(algorithm, bytes).map(|checksum| Self {
            parts: Some(parts),
            ..checksum
        })
    }

    /// Reads the form on the wire. `None` when it is no canonical base64 of the right length, or
    /// its `-N` is no positive number.
    #[must_use]
    pub fn parse(algorithm: ChecksumAlgorithm, text: &str) -> Option<Self> {
        // `-` is no letter of this base64 alphabet.
        let (encoded, parts) = match text.split_once('-') {
            Some((encoded, parts)) => {
                let digits = parts.bytes().all(|byte| byte.is_ascii_digit());
                (
                    encoded,
                    Some(parts.parse::<NonZeroU32>().ok().filter(|_| digits)?),
                )
            }
            None => (text, None),
        };
        // Bounds the decoder's work on hostile input: 32 bytes take 44 letters.
        if encoded.len() > 44 {
            return None;
        }
        let bytes = BASE64.decode(encoded).ok()?;
        Self::new(algorithm, &bytes).map(|checksum| Self { parts, ..checksum })
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// The raw bytes, most significant first.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.value[..self.algorithm.size_bytes()]
    }

    /// The number of parts of a composite checksum.
    #[must_use]
    pub const fn parts(&self) -> Option<NonZeroU32> {
        self.parts
    }

    /// What bytes the value is of.
    #[must_use]
    pub const fn checksum_type(&self) -> ChecksumType {
        match self.parts {
            Some(_) => ChecksumType::Composite,
            None => ChecksumType::FullObject,
        }
    }

    /// The value without `-N`, in base64.
    #[must_use]
    pub fn to_base64(&self) -> String {
        BASE64.encode(self.bytes())
    }

    /// The checksum of the concatenation of parts, from each part's checksum and length in bytes,
    /// in order. `None` when there is no part, the algorithms differ, or a part's value is no
    /// full-object CRC.
    #[must_use]
    pub fn combine(parts: impl IntoIterator<Item = (Self, u64)>) -> Option<Self> {
        let mut parts = parts.into_iter();
        let (first, _) = parts.next()?;
        let crc = first.algorithm.crc()?;
        let mut sum = first.crc_value()?;
        for (part, length_bytes) in parts {
            if part.algorithm != first.algorithm {
                return None;
            }
            sum = crc_fast::checksum_combine(crc, sum, part.crc_value()?, length_bytes);
        }
        Some(Self::from_crc(first.algorithm, sum))
    }

    /// The checksum of the parts' checksums, in order: the value of a multipart object of type
    /// [`ChecksumType::Composite`]. `None` when there is no part, the algorithms differ, or a
    /// part's value is itself composite.
    #[must_use]
    pub fn composite(parts: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut parts = parts.into_iter().peekable();
        let mut hasher = ChecksumHasher::new(parts.peek()?.algorithm);
        let mut count = 0_u32;
        for part in parts {
            if part.algorithm != hasher.algorithm() || part.parts.is_some() {
                return None;
            }
            hasher.update(part.bytes());
            count = count.checked_add(1)?;
        }
        Some(Self {
            parts: NonZeroU32::new(count),
            ..hasher.finish()
        })
    }

    /// The value as a number, if it is a full-object CRC.
    fn crc_value(&self) -> Option<u64> {
        self.algorithm.crc()?;
        if self.parts.is_some() {
            return None;
        }
        Some(
            self.bytes()
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        )
    }

    fn from_crc(algorithm: ChecksumAlgorithm, sum: u64) -> Self {
        let bytes = sum.to_be_bytes();
        Self::new(algorithm, &bytes[8 - algorithm.size_bytes()..]).expect("a CRC has at most 8")
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())?;
        match self.parts {
            Some(parts) => write!(f, "-{parts}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{self}", self.algorithm)
    }
}

/// Computes a checksum over bytes that come in pieces.
#[derive(Clone)]
pub enum ChecksumHasher {
    /// One of the CRCs, which take 0.02 CPU-seconds per GiB.
    Crc(ChecksumAlgorithm, crc_fast::Digest),
    /// SHA-1.
    Sha1(Sha1),
    /// SHA-256.
    Sha256(Sha256),
}

impl ChecksumHasher {
    /// A hasher that has seen no bytes.
    #[must_use]
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        match (algorithm.crc(), algorithm) {
            (Some(crc), _) => Self::Crc(algorithm, crc_fast::Digest::new(crc)),
            (None, ChecksumAlgorithm::Sha1) => Self::Sha1(Sha1::new()),
            (None, _) => Self::Sha256(Sha256::new()),
        }
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> ChecksumAlgorithm {
        match self {
            Self::Crc(algorithm, _) => *algorithm,
            Self::Sha1(_) => ChecksumAlgorithm::Sha1,
            Self::Sha256(_) => ChecksumAlgorithm::Sha256,
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    /// The checksum of all bytes taken; [`Checksum::to_base64`] gives its text.
    #[must_use]
    pub fn finish(self) -> Checksum {
        let algorithm = self.algorithm();
        match self {
            Self::Crc(_, digest) => Some(Checksum::from_crc(algorithm, digest.finalize())),
            Self::Sha1(hasher) => Checksum::new(algorithm, &hasher.finalize()),
            Self::Sha256(hasher) => Checksum::new(algorithm, &hasher.finalize()),
        }
        .expect("a hash has its algorithm's length")
    }
}

impl fmt::Debug for ChecksumHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChecksumHasher({})", self.algorithm())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn checksum_of(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
        let mut hasher = ChecksumHasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The catalogues' check values, of the nine bytes "123456789".
    #[test]
    fn known_answers() {
        let hex_of = |algorithm| hex::encode(checksum_of(algorithm, b"123456789").bytes());
        assert_eq!(hex_of(ChecksumAlgorithm::Crc32), "cbf43926");
        assert_eq!(hex_of(ChecksumAlgorithm::Crc32c), "e3069283");
        assert_eq!(hex_of(ChecksumAlgorithm::Crc64Nvme), "ae8b14860a799888");
        assert_eq!(
            hex_of(ChecksumAlgorithm::Sha1),
            "f7c3bc1d808e04732adf679965ccc34ca7ae3441"
        );
        assert_eq!(
            hex_of(ChecksumAlgorithm::Sha256),
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"
        );
        // The value AWS's documentation gives for its trailer example: 65 KiB of "a".
        assert_eq!(
            checksum_of(ChecksumAlgorithm::Crc32c, &vec![b'a'; 66_560]).to_string(),
            "sOO8/Q=="
        );
    }

    #[test]
    fn names_read_back() {
        for algorithm in ChecksumAlgorithm::ALL {
            assert_eq!(
                ChecksumAlgorithm::from_name(algorithm.name()),
                Some(algorithm)
            );
            assert_eq!(
                ChecksumAlgorithm::from_header(algorithm.header()),
                Some(algorithm)
            );
            assert!(algorithm.allows_multipart(algorithm.default_multipart_type()));
        }
        assert_eq!(ChecksumAlgorithm::from_name("MD5"), None);
        assert_eq!(
            ChecksumType::from_name("full_object"),
            Some(ChecksumType::FullObject)
        );
    }

    #[test]
    fn malformed_values_are_refused() {
        let parse = |text| Checksum::parse(ChecksumAlgorithm::Crc32, text);
        assert!(parse("sOO8/Q==").is_some());
        assert_eq!(parse("sOO8/Q==-3").unwrap().parts().unwrap().get(), 3);
        for bad in [
            "",
            "sOO8/Q",
            "sOO8/Q=",
            "sOO8/R==",
            "sOO8/Q==-0",
            "sOO8/Q==-",
            "sOO8/Q==-+3",
            "AAAA",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
        assert_eq!(parse(&"A".repeat(1 << 20)), None);
    }

    #[test]
    fn composite_is_the_checksum_of_checksums() {
        let parts =
            [b"one".as_slice(), b"two"].map(|bytes| checksum_of(ChecksumAlgorithm::Sha256, bytes));
        let whole = Checksum::composite(parts).unwrap();
        let raw = [parts[0].bytes(), parts[1].bytes()].concat();
        assert_eq!(
            whole.bytes(),
            checksum_of(ChecksumAlgorithm::Sha256, &raw).bytes()
        );
        assert_eq!(whole.checksum_type(), ChecksumType::Composite);
        assert!(whole.to_string().ends_with("=-2"));
        assert_eq!(
            Checksum::parse(ChecksumAlgorithm::Sha256, &whole.to_string()),
            Some(whole)
        );

        assert_eq!(Checksum::composite([]), None);
        assert_eq!(Checksum::composite([whole]), None);
        let other = checksum_of(ChecksumAlgorithm::Crc32, b"one");
        assert_eq!(Checksum::composite([parts[0], other]), None);
        assert_eq!(
            Checksum::combine([(parts[0], 3)]),
            None,
            "a hash can't be combined"
        );
        assert_eq!(Checksum::combine([]), None);
    }

    proptest! {
        #[test]
        fn combined_crcs_are_the_crc_of_the_whole(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..6),
        ) {
            for algorithm in ChecksumAlgorithm::ALL {
                if !algorithm.allows_multipart(ChecksumType::FullObject) {
                    continue;
                }
                let whole = checksum_of(algorithm, &parts.concat());
                let combined = Checksum::combine(
                    parts.iter().map(|part| (checksum_of(algorithm, part), part.len() as u64)),
                );
                prop_assert_eq!(combined, Some(whole));
            }
        }

        #[test]
        fn pieces_give_the_checksum_of_the_whole(
            bytes in prop::collection::vec(any::<u8>(), 0..2000),
            cut in any::<prop::sample::Index>(),
        ) {
            let cut = cut.index(bytes.len() + 1);
            for algorithm in ChecksumAlgorithm::ALL {
                let mut hasher = ChecksumHasher::new(algorithm);
                hasher.update(&bytes[..cut]);
                hasher.update(&bytes[cut..]);
                prop_assert_eq!(hasher.finish(), checksum_of(algorithm, &bytes));
            }
        }

        #[test]
        fn the_wire_form_reads_back(bytes in any::<[u8; 32]>(), parts in 0..20_000_u32) {
            for algorithm in ChecksumAlgorithm::ALL {
                let bytes = &bytes[..algorithm.size_bytes()];
                let checksum = match NonZeroU32::new(parts) {
                    Some(parts) => Checksum::new_composite(algorithm, bytes, parts),
                    None => Checksum::new(algorithm, bytes),
                }
                .unwrap();
                prop_assert_eq!(Checksum::parse(algorithm, &checksum.to_string()), Some(checksum));
            }
        }
    }
}
