//! A request's body as the object's bytes: framing taken off, lengths held to.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};
use http_body::Body;

use super::checksum::{Checksum, ChecksumAlgorithm, ChecksumHasher};
use super::chunked::{
    ChunkFraming, ChunkedDecoder, MALFORMED_TRAILER_MESSAGE, Trailer, malformed_trailer,
};
use super::digest::{Declared, DigestSpec, Digests};
use crate::auth::{PayloadKind, Verified};
use crate::error::{Error, ErrorCode};
use crate::operation::Query;

/// The header with the length of an aws-chunked body's content.
const DECODED_LENGTH: &str = "x-amz-decoded-content-length";

/// The header in which SDKs name the algorithm of the checksum they send.
const SDK_ALGORITHM: &str = "x-amz-sdk-checksum-algorithm";

/// What an operation's body is, which decides what its headers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The bytes of an object or part: the length must be known, and an MD5 is wanted.
    Object,
    /// An XML document.
    Document,
    /// The document of CompleteMultipartUpload, whose `x-amz-checksum-*` headers are about the
    /// object, not the document.
    CompleteMultipart,
}

/// What a request's head promises about its body.
#[derive(Debug, Clone)]
pub struct PayloadSpec {
    framing: Option<ChunkFraming>,
    length_bytes: Option<u64>,
    digests: DigestSpec,
}

impl PayloadSpec {
    /// Reads the promises. Those about checksums may also stand in the query, where presigned
    /// URLs carry them; there the checksum of no bytes promises nothing.
    ///
    /// # Errors
    /// `MissingContentLength`, `InvalidArgument` (a length that is no number), `InvalidDigest`
    /// (malformed `Content-MD5`), `InvalidRequest` (malformed, unknown or contradictory
    /// checksums).
    pub fn parse(
        headers: &HeaderMap,
        query: &Query,
        verified: &Verified,
        purpose: Purpose,
    ) -> Result<Self, Error> {
        let signer = || verified.chunk_signer();
        let (framing, content_sha256) = match verified.payload() {
            PayloadKind::Unsigned => (None, None),
            PayloadKind::Sha256(hash) => (None, Some(hash)),
            PayloadKind::StreamingSigned => (Some(ChunkFraming::Signed(signer())), None),
            PayloadKind::StreamingSignedTrailer => {
                (Some(ChunkFraming::SignedTrailer(signer())), None)
            }
            PayloadKind::StreamingUnsignedTrailer => (Some(ChunkFraming::UnsignedTrailer), None),
        };
        let may_have_trailers = matches!(
            framing,
            Some(ChunkFraming::SignedTrailer(_) | ChunkFraming::UnsignedTrailer)
        );
        let length_bytes = match framing {
            Some(_) => {
                let length = parse_length(headers, DECODED_LENGTH)?;
                Some(length.ok_or(ErrorCode::MissingContentLength)?)
            }
            None => plain_length(headers, purpose)?,
        };
        let declared = match purpose {
            Purpose::Object | Purpose::Document => {
                parse_declared(headers, query, may_have_trailers)?
            }
            Purpose::CompleteMultipart => Declared::Nothing,
        };
        Ok(Self {
            framing,
            length_bytes,
            digests: DigestSpec {
                md5: purpose == Purpose::Object,
                default_checksum: None,
                content_md5: parse_content_md5(headers)?,
                content_sha256,
                declared,
            },
        })
    }

    /// The promises about the file of a form, whose fields stand for headers. The file is neither
    /// framed nor is its length known.
    pub(crate) fn of_form(fields: &HeaderMap) -> Result<Self, Error> {
        Ok(Self {
            framing: None,
            length_bytes: None,
            digests: DigestSpec {
                md5: true,
                default_checksum: None,
                content_md5: parse_content_md5(fields)?,
                content_sha256: None,
                declared: parse_declared(fields, &Query::default(), false)?,
            },
        })
    }

    /// The length of the content without framing. For [`Purpose::Object`] it is known unless the body
    /// comes in HTTP's own chunks.
    #[must_use]
    pub const fn length_bytes(&self) -> Option<u64> {
        self.length_bytes
    }

    /// What is to be computed of the content and compared.
    #[must_use]
    pub fn digest_spec(&self) -> DigestSpec {
        self.digests.clone()
    }
}

/// The length of a body without framing.
fn plain_length(headers: &HeaderMap, purpose: Purpose) -> Result<Option<u64>, Error> {
    let length = parse_length(headers, CONTENT_LENGTH.as_str())?;
    if length.is_some() || purpose != Purpose::Object {
        return Ok(length);
    }
    // HTTP's own chunks tell where a body ends.
    if headers.contains_key(TRANSFER_ENCODING) {
        return Ok(None);
    }
    // A client that forgot the length did not mean to store an empty object.
    Err(ErrorCode::MissingContentLength.into())
}

/// Visible ASCII; anything else is as wrong as an empty value, in every header read here.
fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or("").trim()
}

fn parse_length(headers: &HeaderMap, name: &str) -> Result<Option<u64>, Error> {
    let Some(value) = headers.get(name).map(text) else {
        return Ok(None);
    };
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    match value.parse() {
        Ok(length) if digits => Ok(Some(length)),
        _ => Err(Error::invalid_argument(
            name,
            value,
            format!("The {name} header is no length"),
        )),
    }
}

fn parse_content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, Error> {
    let Some(value) = headers.get("content-md5").map(text) else {
        return Ok(None);
    };
    let decoded = BASE64
        .decode(value)
        .ok()
        .and_then(|bytes| bytes.try_into().ok());
    decoded.map(Some).ok_or_else(|| {
        Error::new(ErrorCode::InvalidDigest)
            .message("The Content-MD5 you specified was invalid.")
            .field("Content-MD5", value)
    })
}

fn invalid_request(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::InvalidRequest).message(message)
}

/// Reads `x-amz-checksum-*`, `x-amz-trailer` and `x-amz-sdk-checksum-algorithm`, which must agree
/// on at most one checksum. A client may send in a header again what its URL says already.
fn parse_declared(
    headers: &HeaderMap,
    query: &Query,
    may_have_trailers: bool,
) -> Result<Declared, Error> {
    let mut declared = Declared::Nothing;
    let mut declare = |new: Declared| {
        if std::mem::replace(&mut declared, new) == Declared::Nothing {
            return Ok(());
        }
        Err(several_checksums())
    };
    for (name, value) in headers {
        let name = name.as_str();
        if let Some(algorithm) = ChecksumAlgorithm::from_header(name) {
            declare(Declared::InHeader(parse_checksum(
                algorithm,
                text(value),
                "header",
            )?))?;
        } else if let Some(rest) = name.strip_prefix("x-amz-checksum-")
            && !["algorithm", "type", "mode"].contains(&rest)
        {
            return Err(unsupported_algorithm());
        } else if name == "x-amz-trailer" {
            declare(Declared::InTrailer(parse_trailer_name(
                text(value),
                may_have_trailers,
            )?))?;
        }
    }
    for (name, value) in query.iter() {
        let name = name.to_ascii_lowercase();
        if let Some(algorithm) = ChecksumAlgorithm::from_header(&name) {
            let checksum = parse_checksum(algorithm, value.trim(), "query parameter")?;
            // Presigned before there was a body, as the AWS SDK for JavaScript does by default.
            if checksum == ChecksumHasher::new(algorithm).finish() {
                continue;
            }
            match declared {
                Declared::Nothing => declared = Declared::InHeader(checksum),
                Declared::InHeader(same) if same == checksum => {}
                _ => return Err(several_checksums()),
            }
        }
    }
    // Named in a URL alone it promises nothing: some SDKs presign so, and send no checksum.
    if let Some(name) = headers.get(SDK_ALGORITHM).map(text) {
        let named = ChecksumAlgorithm::from_name(name).ok_or_else(unsupported_algorithm)?;
        let given = match declared {
            Declared::InHeader(checksum) => checksum.algorithm(),
            Declared::InTrailer(algorithm) => algorithm,
            Declared::Nothing => {
                return Err(invalid_request(
                    "x-amz-sdk-checksum-algorithm specified, but no corresponding \
                     x-amz-checksum-* or x-amz-trailer headers were found.",
                ));
            }
        };
        if named != given {
            return Err(invalid_request(
                "Value for x-amz-sdk-checksum-algorithm header is invalid.",
            ));
        }
    }
    Ok(declared)
}

fn parse_trailer_name(name: &str, may_have_trailers: bool) -> Result<ChecksumAlgorithm, Error> {
    ChecksumAlgorithm::from_header(name)
        .filter(|_| may_have_trailers)
        .ok_or_else(|| {
            invalid_request("The value specified in the x-amz-trailer header is not supported")
        })
}

fn several_checksums() -> Error {
    invalid_request(
        "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
    )
}

fn unsupported_algorithm() -> Error {
    invalid_request(
        "Checksum algorithm provided is unsupported. Please try again with any of the valid \
         types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
    )
}

/// A body's own checksum is never composite.
fn parse_checksum(
    algorithm: ChecksumAlgorithm,
    value: &str,
    place: &'static str,
) -> Result<Checksum, Error> {
    Checksum::parse(algorithm, value)
        .filter(|checksum| checksum.parts().is_none())
        .ok_or_else(|| {
            // What is no checksum matches nothing.
            Error::new(ErrorCode::BadDigest).message(format!(
                "Value for {} {place} is invalid.",
                algorithm.header()
            ))
        })
}

/// Yields the content of a body, in slices of the frames it came in.
///
/// Invariant: the content is complete and its framing's signatures hold only once the stream has
/// ended without an error; and it is what the client meant only once [`Digests::finish`] agrees.
#[derive(Debug)]
pub struct Payload<B> {
    body: B,
    /// What is left of the frame last received.
    frame: Bytes,
    framing: Framing,
    expected_trailer: Option<ChecksumAlgorithm>,
    trailer: Option<Checksum>,
}

#[derive(Debug)]
enum Framing {
    Plain {
        length_bytes: Option<u64>,
        received_bytes: u64,
    },
    Chunked(Box<ChunkedDecoder>),
    /// Ended, well or not.
    Ended,
}

impl<B> Payload<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// Begins to read `body`, whose head gave `spec`.
    pub fn new(body: B, spec: &PayloadSpec) -> Self {
        let framing = match (&spec.framing, spec.length_bytes) {
            (Some(framing), Some(length_bytes)) => {
                Framing::Chunked(Box::new(ChunkedDecoder::new(framing.clone(), length_bytes)))
            }
            (Some(_), None) => unreachable!("an aws-chunked body's length is always known"),
            (None, length_bytes) => Framing::Plain {
                length_bytes,
                received_bytes: 0,
            },
        };
        let expected_trailer = match spec.digests.declared {
            Declared::InTrailer(algorithm) => Some(algorithm),
            Declared::Nothing | Declared::InHeader(_) => None,
        };
        Self {
            body,
            frame: Bytes::new(),
            framing,
            expected_trailer,
            trailer: None,
        }
    }

    /// The next bytes, never none of them; `None` at the end. After an error there is nothing
    /// more.
    ///
    /// # Errors
    /// `IncompleteBody` (not the promised length, or the connection broke),
    /// `SignatureDoesNotMatch`, `MalformedTrailerError`, `InvalidRequest` (malformed framing).
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        poll_fn(|context| self.poll_data(context)).await
    }

    /// The checksum that came in the trailers; to be asked at the end.
    #[must_use]
    pub const fn trailer_checksum(&self) -> Option<Checksum> {
        self.trailer
    }

    /// As [`Self::next`], for hand-written futures.
    pub fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            match self.take_from_frame() {
                Ok(Some(data)) => return Poll::Ready(Some(Ok(data))),
                Ok(None) if matches!(self.framing, Framing::Ended) => return Poll::Ready(None),
                Ok(None) => {}
                Err(error) => {
                    self.framing = Framing::Ended;
                    self.frame.clear();
                    return Poll::Ready(Some(Err(error)));
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                // HTTP's own trailers are none of S3's business.
                Some(Ok(frame)) => self.frame = frame.into_data().unwrap_or_default(),
                Some(Err(_)) => {
                    self.framing = Framing::Ended;
                    return Poll::Ready(Some(Err(ErrorCode::IncompleteBody.into())));
                }
                None => {
                    return Poll::Ready(self.end().err().map(Err));
                }
            }
        }
    }

    fn take_from_frame(&mut self) -> Result<Option<Bytes>, Error> {
        if self.frame.is_empty() {
            return Ok(None);
        }
        match &mut self.framing {
            Framing::Chunked(decoder) => decoder.decode(&mut self.frame),
            Framing::Plain {
                length_bytes,
                received_bytes,
            } => {
                *received_bytes += self.frame.len() as u64;
                if length_bytes.is_some_and(|length_bytes| *received_bytes > length_bytes) {
                    return Err(ErrorCode::IncompleteBody.into());
                }
                Ok(Some(std::mem::take(&mut self.frame)))
            }
            Framing::Ended => Ok(None),
        }
    }

    fn end(&mut self) -> Result<(), Error> {
        match std::mem::replace(&mut self.framing, Framing::Ended) {
            Framing::Plain {
                length_bytes: Some(length_bytes),
                received_bytes,
            } if received_bytes != length_bytes => Err(ErrorCode::IncompleteBody.into()),
            Framing::Plain { .. } | Framing::Ended => Ok(()),
            Framing::Chunked(decoder) => {
                self.trailer = read_trailers(decoder.finish()?, self.expected_trailer)?;
                Ok(())
            }
        }
    }
}

impl<B> Stream for Payload<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Item = Result<Bytes, Error>;

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        self.get_mut().poll_data(context)
    }
}

/// The trailers must be exactly what `x-amz-trailer` announced.
fn read_trailers(
    trailers: Vec<Trailer>,
    expected: Option<ChecksumAlgorithm>,
) -> Result<Option<Checksum>, Error> {
    match (trailers.as_slice(), expected) {
        ([], None) => Ok(None),
        ([(name, value)], Some(algorithm)) if name == algorithm.header() => {
            parse_checksum(algorithm, value, "trailing header").map(Some)
        }
        _ => Err(malformed_trailer(MALFORMED_TRAILER_MESSAGE)),
    }
}

/// Reads a whole document of at most `max_size_bytes` and checks all that was promised about it.
///
/// # Errors
/// `MaxMessageLengthExceeded`, or as [`Payload::next`] and [`Digests::finish`].
pub async fn read_document<B>(
    body: B,
    spec: &PayloadSpec,
    max_size_bytes: usize,
) -> Result<Bytes, Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut payload = Payload::new(body, spec);
    let mut digests = Digests::new(&spec.digest_spec());
    let mut document = BytesMut::new();
    while let Some(bytes) = payload.next().await {
        let bytes = bytes?;
        if document.len() + bytes.len() > max_size_bytes {
            return Err(ErrorCode::MaxMessageLengthExceeded.into());
        }
        digests.update(&bytes);
        document.extend_from_slice(&bytes);
    }
    digests.finish(payload.trailer_checksum())?;
    Ok(document.freeze())
}

#[cfg(test)]
mod tests;
