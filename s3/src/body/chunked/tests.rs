//! AWS's published streams, and what must hold of any stream: splits don't matter, a change of
//! any byte of a signed one is noticed, memory stays bounded.

use bytes::Bytes;
use proptest::prelude::*;

use super::{ChunkFraming, ChunkedDecoder, MAX_LINE_BYTES, MAX_TRAILERS_BYTES, Trailer};
use crate::auth::ChunkSigner;
use crate::error::{Error, ErrorCode};

const SEED: &str = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
const TRAILER_SEED: &str = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
const CHECKSUM: &str = "x-amz-checksum-crc32c";

/// Which of the three framings a test stream has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Signed,
    SignedTrailer,
    UnsignedTrailer,
}

impl Kind {
    fn framing(self) -> ChunkFraming {
        match self {
            Self::Signed => ChunkFraming::Signed(ChunkSigner::example(SEED)),
            Self::SignedTrailer => ChunkFraming::SignedTrailer(ChunkSigner::example(SEED)),
            Self::UnsignedTrailer => ChunkFraming::UnsignedTrailer,
        }
    }
}

/// Frames and signs as a client does.
fn encode(kind: Kind, chunks: &[Vec<u8>], trailer_value: &str) -> Vec<u8> {
    let mut signer = ChunkSigner::example(SEED);
    let mut out = Vec::new();
    for chunk in chunks
        .iter()
        .filter(|chunk| !chunk.is_empty())
        .chain([&Vec::new()])
    {
        let extension = match kind {
            Kind::UnsignedTrailer => String::new(),
            Kind::Signed | Kind::SignedTrailer => {
                format!(";chunk-signature={}", signer.sign_chunk(chunk))
            }
        };
        out.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        if !chunk.is_empty() {
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
        }
    }
    if kind != Kind::Signed {
        out.extend_from_slice(format!("{CHECKSUM}:{trailer_value}\r\n").as_bytes());
    }
    if kind == Kind::SignedTrailer {
        let signature = signer.sign_trailer(format!("{CHECKSUM}:{trailer_value}\n").as_bytes());
        out.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Feeds frames, checking that each slice lies inside the frame it came from.
fn decode<'a>(
    framing: ChunkFraming,
    length_bytes: u64,
    frames: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Vec<u8>, Vec<Trailer>), Error> {
    let mut decoder = ChunkedDecoder::new(framing, length_bytes);
    let mut out = Vec::new();
    for frame in frames {
        let mut input = Bytes::copy_from_slice(frame);
        let range = input.as_ptr_range();
        while let Some(data) = decoder.decode(&mut input)? {
            assert!(!data.is_empty());
            assert!(range.contains(&data.as_ptr()), "the data was copied");
            out.extend_from_slice(&data);
        }
        assert!(input.is_empty());
        assert!(decoder.line.len() <= MAX_LINE_BYTES);
    }
    Ok((out, decoder.finish()?))
}

fn decode_whole(kind: Kind, length_bytes: u64, stream: &[u8]) -> Result<Vec<u8>, ErrorCode> {
    decode(kind.framing(), length_bytes, [stream])
        .map(|(data, _)| data)
        .map_err(|error| error.code())
}

/// The 65 KiB of AWS's examples in two chunks, with the signatures published there.
fn published(signatures: [&str; 3], end: &str) -> Vec<u8> {
    let [first, second, last] = signatures;
    let mut stream = format!("10000;chunk-signature={first}\r\n").into_bytes();
    stream.resize(stream.len() + 65_536, b'a');
    stream.extend_from_slice(format!("\r\n400;chunk-signature={second}\r\n").as_bytes());
    stream.resize(stream.len() + 1024, b'a');
    stream.extend_from_slice(format!("\r\n0;chunk-signature={last}\r\n{end}\r\n").as_bytes());
    stream
}

#[test]
fn the_published_stream_decodes() {
    let stream = published(
        [
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ],
        "",
    );
    assert_eq!(stream.len(), 66_824, "the published Content-Length");
    assert_eq!(
        decode_whole(Kind::Signed, 66_560, &stream),
        Ok(vec![b'a'; 66_560])
    );
}

#[test]
fn the_published_stream_with_a_trailer_decodes() {
    let signatures = [
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ];
    let signature = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435";
    let check = |end: &str| {
        let framing = ChunkFraming::SignedTrailer(ChunkSigner::example(TRAILER_SEED));
        let stream = published(signatures, end);
        decode(framing, 66_560, [stream.as_slice()])
    };
    for (checksum_end, signature_end) in [("\r\n", "\r\n"), ("\n\r\n", "\r\n")] {
        let (data, trailers) = check(&format!(
            "{CHECKSUM}:sOO8/Q=={checksum_end}x-amz-trailer-signature:{signature}{signature_end}"
        ))
        .unwrap();
        assert_eq!(data, vec![b'a'; 66_560]);
        assert_eq!(trailers, [(CHECKSUM.to_owned(), "sOO8/Q==".to_owned())]);
    }

    let code = |end: String| check(&end).unwrap_err().code();
    let signed = format!("x-amz-trailer-signature:{signature}\r\n");
    assert_eq!(
        code(format!("{CHECKSUM}:sOO8/R==\r\n{signed}")),
        ErrorCode::SignatureDoesNotMatch
    );
    assert_eq!(code(signed), ErrorCode::SignatureDoesNotMatch);
    let malformed = ErrorCode::MalformedTrailerError;
    assert_eq!(code(format!("{CHECKSUM}:sOO8/Q==\r\n")), malformed);
    assert_eq!(code(String::new()), malformed);
}

#[test]
fn malformed_framing_is_refused() {
    let kind = Kind::UnsignedTrailer;
    let code = |stream: &[u8]| decode_whole(kind, 3, stream).unwrap_err();
    assert_eq!(
        decode_whole(kind, 3, b"3\r\nabc\r\n0\r\n\r\n"),
        Ok(b"abc".to_vec())
    );
    assert_eq!(
        decode_whole(kind, 3, b"03;x=y\r\nabc\r\n000\r\n\r\n"),
        Ok(b"abc".to_vec())
    );

    let invalid = ErrorCode::InvalidRequest;
    assert_eq!(code(b"+3\r\nabc\r\n0\r\n\r\n"), invalid);
    assert_eq!(code(b"3 \r\nabc\r\n0\r\n\r\n"), invalid);
    assert_eq!(code(b"\r\nabc\r\n0\r\n\r\n"), invalid);
    assert_eq!(code(b"3\nabc\r\n0\r\n\r\n"), invalid);
    assert_eq!(code(b"00000000000000003\r\nabc\r\n0\r\n\r\n"), invalid);
    assert_eq!(code(b"3\r\nabcd\r\n0\r\n\r\n"), invalid);
    assert_eq!(code(b"3\r\nabc0\r\n\r\n"), invalid);
    assert_eq!(decode_whole(Kind::Signed, 3, b"3\r\nabc\r\n"), Err(invalid));

    let incomplete = ErrorCode::IncompleteBody;
    assert_eq!(code(b"4\r\nabcd\r\n0\r\n\r\n"), incomplete);
    assert_eq!(code(b"ffffffffffffffff\r\n"), incomplete);
    assert_eq!(code(b"2\r\nab\r\n0\r\n\r\n"), incomplete);
    assert_eq!(code(b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"), incomplete);
    assert_eq!(code(b""), incomplete);

    let malformed = ErrorCode::MalformedTrailerError;
    assert_eq!(code(b"3\r\nabc\r\n0\r\nno colon\r\n\r\n"), malformed);
    assert_eq!(code(b"3\r\nabc\r\n0\r\na:1\r\na:2\r\n\r\n"), malformed);
    assert_eq!(code(b"3\r\nabc\r\n0\r\n\r\na:1\r\n\r\n"), malformed);
    let trailer_on_plain = encode(Kind::SignedTrailer, &[b"abc".to_vec()], "x");
    assert_eq!(
        decode_whole(Kind::Signed, 3, &trailer_on_plain),
        Err(malformed)
    );
}

#[test]
fn hostile_lines_are_bounded() {
    let long = vec![b'1'; MAX_LINE_BYTES + 1];
    let kind = Kind::UnsignedTrailer;
    assert_eq!(decode_whole(kind, 3, &long), Err(ErrorCode::InvalidRequest));
    // The same in frames of one byte: the line never outgrows its bound (asserted by `decode`).
    let error = decode(kind.framing(), 3, long.chunks(1)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidRequest);

    let mut trailers = b"0\r\n".to_vec();
    for number in 0..MAX_TRAILERS_BYTES / 8 {
        trailers.extend_from_slice(format!("a{number}:value\r\n").as_bytes());
    }
    assert_eq!(
        decode_whole(kind, 0, &trailers),
        Err(ErrorCode::MalformedTrailerError)
    );
}

#[test]
fn nothing_follows_an_error() {
    let mut decoder = ChunkedDecoder::new(ChunkFraming::UnsignedTrailer, 3);
    assert!(decoder.decode(&mut Bytes::from_static(b"zz\r\n")).is_err());
    assert!(
        decoder
            .decode(&mut Bytes::from_static(b"3\r\nabc\r\n0\r\n\r\n"))
            .is_err()
    );
    assert!(decoder.finish().is_err());
}

/// The end of a chunk is held back until its signature has been checked.
#[test]
fn a_chunk_with_a_wrong_signature_is_never_whole() {
    let mut stream = encode(Kind::Signed, &[vec![b'a'; 100]], "");
    stream[20] = if stream[20] == b'0' { b'1' } else { b'0' };
    let mut decoder = ChunkedDecoder::new(Kind::Signed.framing(), 100);
    let mut released = 0;
    for byte in &stream {
        match decoder.decode(&mut Bytes::copy_from_slice(&[*byte])) {
            Ok(data) => released += data.map_or(0, |data| data.len()),
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::SignatureDoesNotMatch);
                assert_eq!(released, 99);
                return;
            }
        }
    }
    panic!("the wrong signature passed");
}

/// Every byte of a signed stream changed to every other value: only what means the same (the case
/// of a size's hexadecimal digit or of a trailer's name) may pass.
#[test]
fn every_change_of_a_signed_stream_is_noticed() {
    for kind in [Kind::Signed, Kind::SignedTrailer] {
        let data = [b"some data, of two chunks".to_vec(), b"and more".to_vec()];
        let length_bytes = data.concat().len() as u64;
        let stream = encode(kind, &data, "sOO8/Q==");
        for index in 0..stream.len() {
            for flip in 1..=u8::MAX {
                let mut changed = stream.clone();
                changed[index] ^= flip;
                if let Ok(decoded) = decode_whole(kind, length_bytes, &changed) {
                    assert!(
                        flip == 0x20 && stream[index].is_ascii_alphabetic(),
                        "byte {index} of {kind:?} changed by {flip:#x} passed"
                    );
                    assert_eq!(decoded, data.concat());
                }
            }
        }
    }
}

#[test]
fn every_truncation_is_noticed() {
    for kind in [Kind::Signed, Kind::SignedTrailer, Kind::UnsignedTrailer] {
        let data = [b"some data, of two chunks".to_vec(), b"and more".to_vec()];
        let stream = encode(kind, &data, "sOO8/Q==");
        let length_bytes = data.concat().len() as u64;
        assert_eq!(decode_whole(kind, length_bytes, &stream), Ok(data.concat()));
        for length in 0..stream.len() {
            assert!(
                decode_whole(kind, length_bytes, &stream[..length]).is_err(),
                "{length}"
            );
        }
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Signed),
        Just(Kind::SignedTrailer),
        Just(Kind::UnsignedTrailer)
    ]
}

proptest! {
    #[test]
    fn any_split_gives_the_same_bytes(
        kind in kinds(),
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..5),
        mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let data = chunks.concat();
        let stream = encode(kind, &chunks, "value");
        cuts.sort_by_key(|cut| cut.index(stream.len()));
        let mut frames = Vec::new();
        let mut from = 0;
        for cut in cuts {
            let to = cut.index(stream.len());
            frames.push(&stream[from..to]);
            from = to;
        }
        frames.push(&stream[from..]);
        let (decoded, trailers) = decode(kind.framing(), data.len() as u64, frames).unwrap();
        prop_assert_eq!(decoded, data.clone());
        prop_assert_eq!(trailers.len(), usize::from(kind != Kind::Signed));

        for wrong in [data.len() as u64 + 1, (data.len() as u64).wrapping_sub(1)] {
            prop_assert!(decode(kind.framing(), wrong, [stream.as_slice()]).is_err());
        }
    }

    #[test]
    fn garbage_is_no_panic(
        kind in kinds(),
        stream in prop::collection::vec(prop::sample::select(b"0123af;:\r\n x-".to_vec()), 0..300),
        length_bytes in 0..50_u64,
    ) {
        // Both outcomes are fine; the decoder's own assertions must hold.
        let _ = decode(kind.framing(), length_bytes, stream.chunks(5));
    }
}
