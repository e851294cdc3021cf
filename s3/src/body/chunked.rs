//! Takes off the aws-chunked framing, as the bytes stream in and without copying them.
//!
//! ```text
//! 10000;chunk-signature=<64 hex>\r\n   each chunk's size in hex; signed kinds sign each chunk
//! <65536 bytes>\r\n
//! 0;chunk-signature=<64 hex>\r\n       the last chunk is empty
//! x-amz-checksum-crc32c:sOO8/Q==\r\n   trailers, if the kind has them
//! x-amz-trailer-signature:<64 hex>\r\n and their signature, if the kind signs
//! \r\n
//! ```
//!
//! The core does no I/O: frames go in, slices of them come out, so any split of the stream into
//! frames gives the same bytes.
//!
//! # Invariant
//! A slice is handed on before the rest of its chunk has come, so before the chunk's signature
//! can be checked; only the slice that ends a chunk waits for the check. Decoded bytes must
//! therefore not be believed until [`ChunkedDecoder::finish`] has returned `Ok`: a wrong
//! signature, length or trailer anywhere is an error from `decode` or `finish`, after which the
//! decoder gives no more bytes. Whoever stores them commits after the end, never before.

use bytes::{Buf as _, Bytes};
use sha2::{Digest as _, Sha256};

use crate::auth::ChunkSigner;
use crate::error::{Error, ErrorCode};

/// Longest line of the framing. A signed chunk's takes 99 bytes and the longest trailer 88; the
/// rest is room for extensions that we skip.
const MAX_LINE_BYTES: usize = 1024;

/// Most bytes after the last chunk: the lines that can be legal take under 200.
const MAX_TRAILERS_BYTES: usize = 4096;

/// The trailer that signs the others.
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// What the framing promises, by `x-amz-content-sha256`.
#[derive(Debug, Clone)]
pub enum ChunkFraming {
    /// Signed chunks, no trailers.
    Signed(ChunkSigner),
    /// Signed chunks and trailers.
    SignedTrailer(ChunkSigner),
    /// Nothing signed; trailers.
    UnsignedTrailer,
}

impl ChunkFraming {
    const fn has_trailers(&self) -> bool {
        match self {
            Self::Signed(_) => false,
            Self::SignedTrailer(_) | Self::UnsignedTrailer => true,
        }
    }

    const fn signer(&mut self) -> Option<&mut ChunkSigner> {
        match self {
            Self::Signed(signer) | Self::SignedTrailer(signer) => Some(signer),
            Self::UnsignedTrailer => None,
        }
    }
}

/// A trailer's lower-case name and its value.
pub type Trailer = (String, String);

/// The decoder's core; see the module's notes.
#[derive(Debug)]
pub struct ChunkedDecoder {
    framing: ChunkFraming,
    state: State,
    /// The part of a line that has come so far; at most [`MAX_LINE_BYTES`].
    line: Vec<u8>,
    /// Decoded bytes still to come, by `x-amz-decoded-content-length`.
    left_bytes: u64,
    /// Of the current chunk, if chunks are signed.
    hasher: Sha256,
    signature: String,
    trailers: Vec<Trailer>,
    trailer_signature: Option<String>,
    trailers_bytes: usize,
    blank_lines: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the line that begins a chunk.
    Size,
    /// In a chunk's data.
    Data { left_bytes: u64 },
    /// In the two bytes that end a chunk's data.
    DataEnd { seen_return: bool },
    /// After the last chunk.
    Trailers,
    /// Gave an error; nothing after it counts.
    Failed,
}

impl ChunkedDecoder {
    /// A decoder for a stream that must decode to exactly `decoded_length_bytes`.
    #[must_use]
    pub fn new(framing: ChunkFraming, decoded_length_bytes: u64) -> Self {
        Self {
            framing,
            state: State::Size,
            line: Vec::new(),
            left_bytes: decoded_length_bytes,
            hasher: Sha256::new(),
            signature: String::new(),
            trailers: Vec::new(),
            trailer_signature: None,
            trailers_bytes: 0,
            blank_lines: 0,
        }
    }

    /// Takes framing off the front of `input` up to the next data, which is returned as a slice of
    /// `input`; `None` when all of `input` is used up. Never returns an empty slice.
    ///
    /// # Errors
    /// `IncompleteBody` (not the promised length), `SignatureDoesNotMatch`,
    /// `MalformedTrailerError`, or `InvalidRequest` (framing that is none).
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, Error> {
        let result = self.advance(input);
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }

    fn advance(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, Error> {
        while !input.is_empty() {
            match self.state {
                State::Size => {
                    if self.take_line(input)? {
                        self.begin_chunk()?;
                        self.line.clear();
                    }
                }
                State::Data { left_bytes } => {
                    return self.take_data(input, left_bytes).map(Some);
                }
                State::DataEnd { seen_return } => {
                    let expected = if seen_return { b'\n' } else { b'\r' };
                    if input.get_u8() != expected {
                        return Err(malformed_chunk("a chunk is longer than its size"));
                    }
                    self.state = if seen_return {
                        State::Size
                    } else {
                        State::DataEnd { seen_return: true }
                    };
                }
                State::Trailers => {
                    if self.take_line(input)? {
                        self.take_trailer()?;
                        self.line.clear();
                    }
                }
                State::Failed => return Err(malformed_chunk("it was refused before")),
            }
        }
        Ok(None)
    }

    /// The stream has ended: were all promises kept? Returns the trailers without their signature.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn finish(self) -> Result<Vec<Trailer>, Error> {
        if self.state != State::Trailers || !self.line.is_empty() || self.blank_lines == 0 {
            return Err(ErrorCode::IncompleteBody.into());
        }
        assert_eq!(self.left_bytes, 0, "the last chunk comes after all bytes");
        if let ChunkFraming::SignedTrailer(signer) = &self.framing {
            let signature = self
                .trailer_signature
                .as_deref()
                .ok_or_else(|| malformed_trailer("The trailer signature is missing."))?;
            let mut canonical = String::new();
            for (name, value) in &self.trailers {
                canonical.extend([name, ":", value, "\n"]);
            }
            signer.verify_trailer(canonical.as_bytes(), signature)?;
        }
        Ok(self.trailers)
    }

    /// Appends to the current line up to its `\n`; true when the line is complete.
    fn take_line(&mut self, input: &mut Bytes) -> Result<bool, Error> {
        let end = input.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(input.len(), |end| end + 1);
        if self.line.len() + length > MAX_LINE_BYTES {
            return Err(match self.state {
                State::Trailers => malformed_trailer("A trailer is too long."),
                _ => malformed_chunk("a chunk's header is too long"),
            });
        }
        self.line.extend_from_slice(&input[..length]);
        input.advance(length);
        Ok(end.is_some())
    }

    /// Reads the line `size[;chunk-signature=...]\r\n`.
    fn begin_chunk(&mut self) -> Result<(), Error> {
        let line = std::str::from_utf8(&self.line)
            .ok()
            .and_then(|line| line.strip_suffix("\r\n"))
            .ok_or_else(|| malformed_chunk("a chunk's header is no line of text"))?;
        let (size, extension) = line.split_once(';').unwrap_or((line, ""));
        let size_bytes = parse_size(size)
            .ok_or_else(|| malformed_chunk("a chunk's size is no hexadecimal number"))?;
        if self.framing.signer().is_some() {
            let signature = extension
                .strip_prefix("chunk-signature=")
                .ok_or_else(|| malformed_chunk("a chunk has no signature"))?;
            self.signature.clear();
            self.signature.push_str(signature);
        }
        if size_bytes == 0 {
            if self.left_bytes != 0 {
                return Err(ErrorCode::IncompleteBody.into());
            }
            self.end_chunk()?;
            self.state = State::Trailers;
        } else {
            self.left_bytes = self
                .left_bytes
                .checked_sub(size_bytes)
                .ok_or(ErrorCode::IncompleteBody)?;
            self.state = State::Data {
                left_bytes: size_bytes,
            };
        }
        Ok(())
    }

    fn take_data(&mut self, input: &mut Bytes, left_bytes: u64) -> Result<Bytes, Error> {
        let length = usize::try_from(left_bytes)
            .unwrap_or(usize::MAX)
            .min(input.len());
        let data = input.split_to(length);
        let left_bytes = left_bytes - length as u64;
        if self.framing.signer().is_some() {
            self.hasher.update(&data);
        }
        if left_bytes == 0 {
            self.end_chunk()?;
            self.state = State::DataEnd { seen_return: false };
        } else {
            self.state = State::Data { left_bytes };
        }
        Ok(data)
    }

    fn end_chunk(&mut self) -> Result<(), Error> {
        match self.framing.signer() {
            Some(signer) => signer.verify_chunk(std::mem::take(&mut self.hasher), &self.signature),
            None => Ok(()),
        }
    }

    /// Reads a line after the last chunk: `name:value\r\n`, or the blank one at the end.
    ///
    /// Older clients end trailers by `\n` and put a blank line before the signature, as AWS's
    /// documentation once showed it; both are let through.
    fn take_trailer(&mut self) -> Result<(), Error> {
        self.trailers_bytes += self.line.len();
        if self.trailers_bytes > MAX_TRAILERS_BYTES {
            return Err(malformed_trailer("The trailers are too long."));
        }
        if self.line == b"\r\n" {
            self.blank_lines += 1;
            return Ok(());
        }
        let line = std::str::from_utf8(&self.line)
            .ok()
            .and_then(|line| {
                line.strip_suffix("\r\n")
                    .or_else(|| line.strip_suffix('\n'))
            })
            .and_then(|line| line.split_once(':'));
        let Some((name, value)) = line.filter(|_| self.framing.has_trailers()) else {
            return Err(malformed_trailer(MALFORMED_TRAILER_MESSAGE));
        };
        let name = name.to_ascii_lowercase();
        let value = value.trim_start_matches(' ').to_owned();
        let known = |(other, _): &Trailer| *other == name;
        let is_signature =
            name == TRAILER_SIGNATURE && matches!(self.framing, ChunkFraming::SignedTrailer(_));
        let is_late = self.blank_lines > 0 && !is_signature;
        if self.trailer_signature.is_some() || is_late || self.trailers.iter().any(known) {
            return Err(malformed_trailer(MALFORMED_TRAILER_MESSAGE));
        }
        if is_signature {
            self.trailer_signature = Some(value);
            // The blank line that ends the stream is still to come.
            self.blank_lines = 0;
        } else {
            self.trailers.push((name, value));
        }
        Ok(())
    }
}

/// At most sixteen hexadecimal digits, which can't overflow.
fn parse_size(text: &str) -> Option<u64> {
    let valid = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    valid.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

fn malformed_chunk(detail: &str) -> Error {
    Error::new(ErrorCode::InvalidRequest).message(format!(
        "The aws-chunked encoding of the body is malformed: {detail}."
    ))
}

/// AWS's words.
pub(super) const MALFORMED_TRAILER_MESSAGE: &str = "The request contained trailing data that was \
    not well-formed or did not conform to our published schema.";

pub(super) fn malformed_trailer(message: &'static str) -> Error {
    Error::new(ErrorCode::MalformedTrailerError).message(message)
}

#[cfg(test)]
mod tests;
