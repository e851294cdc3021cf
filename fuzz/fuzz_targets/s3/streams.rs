//! Bodies of objects: plain, and framed as aws-chunked.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use riquet_s3::auth::Verified;
use riquet_s3::body::checksum::ChecksumHasher;
use riquet_s3::body::{Digests, Payload, PayloadSpec, Purpose};
use riquet_s3::operation::Query;
use riquet_s3::{Checksum, ChecksumAlgorithm, Result};
use sha2::{Digest as _, Sha256};

use super::pieces::{Pieces, wait};
use super::signed::{corrected, request};

/// A stream of 9 bytes with a CRC32 behind them.
pub(crate) const EXAMPLE: &[u8] =
    b"\x01\x01\x00\x094\r\n1234\r\n5;x=y\r\n56789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n";

/// The same content, to be framed with signatures.
pub(crate) const FRAMED_EXAMPLE: &[u8] = b"\x02\x01\x00\x00\x00123456789";

/// The most chunks that a content is framed in: each signature takes its time.
const CHUNKS_MAX: usize = 32;

/// How a body can be sent. The order is that of [`SENDERS`].
const KINDS: [&str; 4] = [
    "UNSIGNED-PAYLOAD",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
];

static SENDERS: LazyLock<[Verified; 4]> = LazyLock::new(|| KINDS.map(request));

/// A body's kind and the sum that is sent with it, if any.
struct Sending {
    kind: usize,
    sum: Option<ChecksumAlgorithm>,
}

impl Sending {
    fn new(kind: u8, sum: u8) -> Self {
        let kind = usize::from(kind) % KINDS.len();
        let place = usize::from(sum) % (1 + ChecksumAlgorithm::ALL.len());
        let sum = place
            .checked_sub(1)
            .map(|place| ChecksumAlgorithm::ALL[place]);
        Self {
            kind,
            sum: sum.filter(|_| kind == 1 || kind == 3),
        }
    }

    fn is_signed(&self) -> bool {
        self.kind >= 2
    }

    fn spec(&self, length_bytes: usize) -> PayloadSpec {
        let mut headers = HeaderMap::new();
        let length = HeaderValue::from(length_bytes);
        let length_header = match self.kind {
            0 => "content-length",
            _ => "x-amz-decoded-content-length",
        };
        headers.insert(HeaderName::from_static(length_header), length);
        if let Some(sum) = self.sum {
            let name = HeaderValue::from_static(sum.header());
            headers.insert(HeaderName::from_static("x-amz-trailer"), name);
        }
        let sender = &SENDERS[self.kind];
        PayloadSpec::parse(&headers, &Query::default(), sender, Purpose::Object).unwrap()
    }
}

/// Whether a body as it came, after four bytes about it, is taken.
pub(crate) fn check(input: &[u8], lengths: &[u8]) -> bool {
    let [kind, sum, high, low, body @ ..] = input else {
        return false;
    };
    let sending = Sending::new(*kind, *sum);
    let spec = sending.spec(usize::from(u16::from_be_bytes([*high, *low])));
    let content = read(&spec, body, lengths).ok();
    assert_eq!(content, read(&spec, body, &[]).ok());
    assert!(
        content.is_none() || !sending.is_signed(),
        "nobody signed it"
    );
    content.is_some()
}

/// Frames a content as it ought to be, and changes a byte: only the content is ever read.
pub(crate) fn check_framed(input: &[u8], lengths: &[u8]) -> bool {
    let [kind, sum, place, change_high, change, content @ ..] = input else {
        return false;
    };
    let sending = Sending::new(kind % 3 + 1, *sum);
    let spec = sending.spec(content.len());
    let mut body = frame(&sending, content, lengths);
    assert_eq!(read(&spec, &body, lengths).unwrap(), content);

    let place = usize::from(u16::from_be_bytes([*change_high, *place])) % body.len();
    body[place] ^= change;
    // What has no sum and no signature may be anything of that length.
    match read(&spec, &body, lengths) {
        Ok(read) if sending.sum.is_some() || sending.is_signed() => assert_eq!(read, content),
        Ok(read) => assert_eq!(read.len(), content.len()),
        Err(_) => {}
    }
    true
}

/// Reads a body as the gateway does.
fn read(spec: &PayloadSpec, body: &[u8], lengths: &[u8]) -> Result<Vec<u8>> {
    let mut payload = Payload::new(Pieces::new(body, lengths), spec);
    let mut digests = Digests::new(&spec.digest_spec());
    let mut content = Vec::new();
    while let Some(bytes) = wait(payload.next()) {
        let bytes = bytes.inspect_err(|_| {
            assert!(wait(payload.next()).is_none(), "nothing follows an error");
        })?;
        assert!(!bytes.is_empty());
        content.extend_from_slice(&bytes);
        assert!(content.len() <= body.len(), "it yields more than came in");
        digests.update(&bytes);
    }
    let outcome = digests.finish(payload.trailer_checksum())?;
    assert_eq!(outcome.length_bytes, content.len() as u64);
    assert_eq!(spec.length_bytes(), Some(outcome.length_bytes));
    Ok(content)
}

/// A content in chunks of these lengths, or of longer ones where they'd be too many.
fn frame(sending: &Sending, content: &[u8], lengths: &[u8]) -> Vec<u8> {
    let mut signer = sending
        .is_signed()
        .then(|| SENDERS[sending.kind].chunk_signer());
    let mut body = Vec::new();
    let mut rest = content;
    let least = content.len().div_ceil(CHUNKS_MAX);
    let mut lengths = lengths.iter().filter(|length| **length > 0).cycle();
    loop {
        let length = lengths
            .next()
            .map_or(rest.len(), |length| usize::from(*length).max(least));
        let (chunk, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        body.extend(format!("{:x}", chunk.len()).into_bytes());
        if let Some(signer) = &mut signer {
            let hash = Sha256::new_with_prefix(chunk);
            let refused = signer.verify_chunk(hash.clone(), "").unwrap_err();
            let signature = corrected(&refused);
            signer.verify_chunk(hash, &signature).unwrap();
            body.extend(format!(";chunk-signature={signature}").into_bytes());
        }
        body.extend(b"\r\n");
        if chunk.is_empty() {
            break;
        }
        body.extend(chunk);
        body.extend(b"\r\n");
    }
    let sum = sending.sum.map(|algorithm| sum(algorithm, content));
    let trailer = sum.map(|sum| format!("{}:{sum}", sum.algorithm().header()));
    if let Some(trailer) = &trailer {
        body.extend(format!("{trailer}\r\n").into_bytes());
    }
    // Only a stream with trailers has them signed.
    if let (Some(signer), 3) = (&signer, sending.kind) {
        let canonical = trailer.map_or(String::new(), |trailer| trailer + "\n");
        let refused = signer.verify_trailer(canonical.as_bytes(), "").unwrap_err();
        let signature = corrected(&refused);
        body.extend(format!("x-amz-trailer-signature:{signature}\r\n").into_bytes());
    }
    body.extend(b"\r\n");
    body
}

fn sum(algorithm: ChecksumAlgorithm, content: &[u8]) -> Checksum {
    let mut hasher = ChecksumHasher::new(algorithm);
    hasher.update(content);
    hasher.finish()
}
