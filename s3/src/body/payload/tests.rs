//! Payloads from head to outcome: which promises are read, and that each is held to.

use std::convert::Infallible;
use std::io;
use std::pin::pin;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use http_body_util::StreamBody;

use super::{Payload, PayloadSpec, Purpose, read_document};
use crate::auth::{PayloadKind, Verified};
use crate::body::checksum::ChecksumAlgorithm;
use crate::body::{DigestOutcome, Digests};
use crate::error::{Error, ErrorCode};
use crate::operation::Query;

const SEED: &str = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";

/// Base64 of the CRC32 and the MD5 of "123456789".
const CRC32: &str = "y/Q5Jg==";
const MD5: &str = "JfnnlDI7RTiF9RgfG2JNCw==";

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                name.parse::<HeaderName>().unwrap(),
                value.parse::<HeaderValue>().unwrap(),
            )
        })
        .collect()
}

fn spec(kind: PayloadKind, purpose: Purpose, pairs: &[(&str, &str)]) -> Result<PayloadSpec, Error> {
    let verified = Verified::example(kind, SEED);
    PayloadSpec::parse(&headers(pairs), &Query::default(), &verified, purpose)
}

fn object(kind: PayloadKind, pairs: &[(&str, &str)]) -> Result<PayloadSpec, ErrorCode> {
    spec(kind, Purpose::Object, pairs).map_err(|error| error.code())
}

fn body(
    frames: &[&'static str],
) -> impl http_body::Body<Data = Bytes, Error = Infallible> + Unpin + use<> {
    let frames: Vec<_> = frames
        .iter()
        .map(|frame| Ok(Frame::data(Bytes::from_static(frame.as_bytes()))))
        .collect();
    StreamBody::new(stream::iter(frames))
}

/// Reads a payload as the gateway does.
async fn read(
    spec: &PayloadSpec,
    frames: &[&'static str],
) -> Result<(String, DigestOutcome), ErrorCode> {
    let mut payload = Payload::new(body(frames), spec);
    let mut digests = Digests::new(&spec.digest_spec());
    let mut text = String::new();
    while let Some(bytes) = payload.next().await {
        let bytes = bytes.map_err(|error| error.code())?;
        digests.update(&bytes);
        text.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    let outcome = digests
        .finish(payload.trailer_checksum())
        .map_err(|error| error.code())?;
    assert_eq!(outcome.length_bytes, text.len() as u64);
    Ok((text, outcome))
}

#[tokio::test]
async fn a_plain_body_keeps_its_promises() {
    let spec = object(
        PayloadKind::Unsigned,
        &[
            ("content-length", "9"),
            ("content-md5", MD5),
            ("x-amz-checksum-crc32", CRC32),
        ],
    )
    .unwrap();
    assert_eq!(spec.length_bytes(), Some(9));
    let (text, outcome) = read(&spec, &["1234", "", "56789"]).await.unwrap();
    assert_eq!(text, "123456789");
    assert_eq!(
        hex::encode(outcome.md5.unwrap()),
        "25f9e794323b453885f5181f1b624d0b"
    );
    assert_eq!(outcome.checksum.unwrap().to_base64(), CRC32);

    assert_eq!(
        read(&spec, &["12345678"]).await.unwrap_err(),
        ErrorCode::IncompleteBody
    );
    assert_eq!(
        read(&spec, &["1234567890"]).await.unwrap_err(),
        ErrorCode::IncompleteBody
    );
    assert_eq!(
        read(&spec, &["123456780"]).await.unwrap_err(),
        ErrorCode::BadDigest
    );
}

#[tokio::test]
async fn a_signed_hash_is_compared() {
    let kind = PayloadKind::Sha256([0; 32]);
    let spec = object(kind, &[("content-length", "3")]).unwrap();
    assert_eq!(
        read(&spec, &["abc"]).await.unwrap_err(),
        ErrorCode::XAmzContentSHA256Mismatch
    );
}

#[tokio::test]
async fn a_checksum_in_a_presigned_url_is_compared() {
    let spec = |query: &str, pairs: &[(&str, &str)]| {
        let pairs = [&[("content-length", "9")], pairs].concat();
        let verified = Verified::example(PayloadKind::Unsigned, SEED);
        let query = Query::parse(query).unwrap();
        PayloadSpec::parse(&headers(&pairs), &query, &verified, Purpose::Object)
            .map_err(|error| error.code())
    };
    let in_url = "X-Amz-Checksum-CRC32=y%2FQ5Jg%3D%3D&x-amz-sdk-checksum-algorithm=CRC32";
    let crc32 = ("x-amz-checksum-crc32", CRC32);
    for promise in [spec(in_url, &[]), spec(in_url, &[crc32])] {
        let promise = promise.unwrap();
        let (_, outcome) = read(&promise, &["123456789"]).await.unwrap();
        assert_eq!(outcome.checksum.unwrap().to_base64(), CRC32);
        assert_eq!(
            read(&promise, &["123456780"]).await.unwrap_err(),
            ErrorCode::BadDigest
        );
    }

    assert!(spec("x-amz-sdk-checksum-algorithm=CRC32", &[]).is_ok());
    // Signed before there was a body.
    let of_nothing = "x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32";
    for (pairs, kept) in [(&[][..], None), (&[crc32], Some(CRC32))] {
        let promise = spec(of_nothing, pairs).unwrap();
        let (_, outcome) = read(&promise, &["123456789"]).await.unwrap();
        let found = outcome.checksum.map(|checksum| checksum.to_base64());
        assert_eq!(found.as_deref(), kept);
    }
    let contradicting = ("x-amz-checksum-crc32", "AAAAAA==");
    let other = ("x-amz-checksum-crc32c", CRC32);
    for (query, pairs) in [(in_url, &[contradicting][..]), (in_url, &[other])] {
        let refusal = spec(query, pairs).err();
        let expected = Some(ErrorCode::InvalidRequest);
        assert_eq!(refusal, expected, "{query} {pairs:?}");
    }
    let nonsense = spec("x-amz-checksum-crc32=nonsense", &[]).err();
    assert_eq!(nonsense, Some(ErrorCode::BadDigest));
}

#[tokio::test]
async fn a_trailer_is_compared() {
    let spec = object(
        PayloadKind::StreamingUnsignedTrailer,
        &[
            ("x-amz-decoded-content-length", "9"),
            ("x-amz-trailer", "X-Amz-Checksum-CRC32"),
            ("x-amz-sdk-checksum-algorithm", "CRC32"),
        ],
    )
    .unwrap();
    let frames = [
        "4\r\n12",
        "34\r\n5\r\n56789\r\n0\r\nx-amz-chec",
        "ksum-crc32:y/Q5Jg==\r\n\r\n",
    ];
    let (text, outcome) = read(&spec, &frames).await.unwrap();
    assert_eq!(text, "123456789");
    assert_eq!(
        outcome.checksum.unwrap().algorithm(),
        ChecksumAlgorithm::Crc32
    );

    for (end, code) in [
        (
            "x-amz-checksum-crc32:y/Q5Jw==\r\n\r\n",
            ErrorCode::BadDigest,
        ),
        (
            "x-amz-checksum-crc32:nonsense!\r\n\r\n",
            ErrorCode::BadDigest,
        ),
        (
            "x-amz-checksum-crc32c:y/Q5Jg==\r\n\r\n",
            ErrorCode::MalformedTrailerError,
        ),
        ("\r\n", ErrorCode::MalformedTrailerError),
        ("", ErrorCode::IncompleteBody),
    ] {
        let frames = ["9\r\n123456789\r\n0\r\n", end];
        assert_eq!(read(&spec, &frames).await.unwrap_err(), code, "{end:?}");
    }
    let unannounced = object(
        PayloadKind::StreamingUnsignedTrailer,
        &[("x-amz-decoded-content-length", "0")],
    )
    .unwrap();
    assert!(read(&unannounced, &["0\r\n\r\n"]).await.is_ok());
    let frames = ["0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"];
    assert_eq!(
        read(&unannounced, &frames).await.unwrap_err(),
        ErrorCode::MalformedTrailerError
    );
}

#[test]
fn promises_that_contradict_are_refused() {
    let code = |pairs: &[(&str, &str)]| {
        let pairs = [&[("content-length", "9")], pairs].concat();
        object(PayloadKind::Unsigned, &pairs).err()
    };
    let invalid = Some(ErrorCode::InvalidRequest);
    assert_eq!(code(&[]), None);
    assert_eq!(code(&[("x-amz-checksum-algorithm", "CRC32")]), None);
    assert_eq!(
        code(&[("content-md5", "nonsense")]),
        Some(ErrorCode::InvalidDigest)
    );
    assert_eq!(code(&[("content-md5", "")]), Some(ErrorCode::InvalidDigest));
    let bad = Some(ErrorCode::BadDigest);
    assert_eq!(code(&[("x-amz-checksum-crc32", "AAAA")]), bad);
    assert_eq!(code(&[("x-amz-checksum-crc32", "y/Q5Jg==-1")]), bad);
    assert_eq!(code(&[("x-amz-checksum-crc99", CRC32)]), invalid);
    let crc32 = ("x-amz-checksum-crc32", CRC32);
    assert_eq!(code(&[crc32, ("x-amz-checksum-crc32c", CRC32)]), invalid);
    assert_eq!(code(&[crc32, crc32]), invalid);
    assert_eq!(
        code(&[crc32, ("x-amz-sdk-checksum-algorithm", "CRC32")]),
        None
    );
    assert_eq!(
        code(&[crc32, ("x-amz-sdk-checksum-algorithm", "SHA1")]),
        invalid
    );
    assert_eq!(
        code(&[crc32, ("x-amz-sdk-checksum-algorithm", "MD4")]),
        invalid
    );
    assert_eq!(code(&[("x-amz-sdk-checksum-algorithm", "CRC32")]), invalid);
    // A trailer promised where none can come.
    assert_eq!(code(&[("x-amz-trailer", "x-amz-checksum-crc32")]), invalid);

    let streaming = |pairs: &[(&str, &str)]| {
        let pairs = [&[("x-amz-decoded-content-length", "9")], pairs].concat();
        object(PayloadKind::StreamingSignedTrailer, &pairs).err()
    };
    assert_eq!(
        streaming(&[("x-amz-trailer", "x-amz-checksum-crc32")]),
        None
    );
    assert_eq!(streaming(&[("x-amz-trailer", "expires")]), invalid);
    assert_eq!(
        streaming(&[("x-amz-trailer", "x-amz-checksum-crc32"), crc32]),
        invalid
    );
}

#[test]
fn lengths_must_be_known() {
    let missing = Some(ErrorCode::MissingContentLength);
    let plain = |pairs: &[(&str, &str)]| object(PayloadKind::Unsigned, pairs);
    assert_eq!(plain(&[]).err(), missing);
    let chunked = plain(&[("transfer-encoding", "chunked")]).unwrap();
    assert_eq!(chunked.length_bytes(), None);
    for bad in ["x", "+1", "-1", "", "18446744073709551616"] {
        assert_eq!(
            plain(&[("content-length", bad)]).err(),
            Some(ErrorCode::InvalidArgument)
        );
    }
    // The framed length doesn't stand in for the decoded one.
    let streaming = object(PayloadKind::StreamingSigned, &[("content-length", "9")]);
    assert_eq!(streaming.err(), missing);
}

#[tokio::test]
async fn documents_are_bounded_and_checked() {
    let document = |pairs: &[(&str, &str)]| {
        spec(PayloadKind::Unsigned, Purpose::Document, pairs).map_err(|error| error.code())
    };
    let spec_md5 = document(&[("content-md5", MD5)]).unwrap();
    let frames = ["12345", "6789"];
    assert_eq!(
        read_document(body(&frames), &spec_md5, 9).await.unwrap(),
        "123456789"
    );
    let code = |result: Result<Bytes, Error>| result.unwrap_err().code();
    let too_long = read_document(body(&frames), &spec_md5, 8).await;
    assert_eq!(code(too_long), ErrorCode::MaxMessageLengthExceeded);
    let wrong = read_document(body(&["1"]), &spec_md5, 9).await;
    assert_eq!(code(wrong), ErrorCode::BadDigest);

    // CompleteMultipartUpload's checksum headers are about the object.
    let complete = spec(
        PayloadKind::Unsigned,
        Purpose::CompleteMultipart,
        &[("x-amz-checksum-crc32", "AAAAAA==-2")],
    )
    .unwrap();
    assert_eq!(
        read_document(body(&frames), &complete, 9).await.unwrap(),
        "123456789"
    );
}

#[tokio::test]
async fn a_broken_connection_is_an_incomplete_body() {
    let spec = object(PayloadKind::Unsigned, &[("content-length", "9")]).unwrap();
    let frames = [
        Ok(Frame::data(Bytes::from_static(b"1234"))),
        Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    ];
    let mut payload = pin!(Payload::new(StreamBody::new(stream::iter(frames)), &spec));
    // As a `Stream`, too.
    assert_eq!(
        StreamExt::next(&mut payload).await.unwrap().unwrap(),
        "1234"
    );
    let error = StreamExt::next(&mut payload).await.unwrap().unwrap_err();
    assert_eq!(error.code(), ErrorCode::IncompleteBody);
    assert!(StreamExt::next(&mut payload).await.is_none());
}

#[tokio::test]
async fn the_published_signed_trailer_holds_from_head_to_outcome() {
    let mut stream = b"10000;chunk-signature=\
        b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n"
        .to_vec();
    stream.resize(stream.len() + 65_536, b'a');
    stream.extend_from_slice(
        b"\r\n400;chunk-signature=\
          1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n",
    );
    stream.resize(stream.len() + 1024, b'a');
    stream.extend_from_slice(
        b"\r\n0;chunk-signature=\
          2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n\
          x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:\
          d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
    );
    let spec = object(
        PayloadKind::StreamingSignedTrailer,
        &[
            ("x-amz-decoded-content-length", "66560"),
            ("x-amz-trailer", "x-amz-checksum-crc32c"),
        ],
    )
    .unwrap();
    let text: &'static str = String::from_utf8(stream).unwrap().leak();
    let frames: Vec<_> = text
        .as_bytes()
        .chunks(1500)
        .map(|frame| std::str::from_utf8(frame).unwrap())
        .collect();
    let (decoded, outcome) = read(&spec, &frames).await.unwrap();
    assert_eq!(decoded, "a".repeat(66_560));
    assert_eq!(outcome.checksum.unwrap().to_base64(), "sOO8/Q==");
}
