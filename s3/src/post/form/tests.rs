//! Forms as clients send them, in all cuts, and forms that nobody should send.

use std::future::Future;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use proptest::prelude::*;

use super::*;
use crate::post::policy::LengthRange;
use crate::post::{FIELDS_BYTES_MAX, FIELDS_MAX};

const TYPE: &str = "multipart/form-data; boundary=0123456789abcdef";

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// A part; every one has a file name, as one of the clients sends it.
fn part(name: &str, filename: &str, value: &str) -> String {
    format!(
        "--0123456789abcdef\r\nContent-Disposition: form-data; name=\"{name}\"; \
         filename=\"{filename}\"\r\n\r\n{value}\r\n"
    )
}

fn form(parts: &[String]) -> String {
    format!("{}--0123456789abcdef--\r\n", parts.concat())
}

/// Reads a body that comes in frames of a size, which may each be awaited.
fn read_as(content_type: &str, body: &[u8], frame_bytes: usize) -> Result<PostForm> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
    let frames: Vec<_> = body
        .chunks(frame_bytes)
        .map(|frame| Ok::<_, Error>(Frame::data(Bytes::copy_from_slice(frame))))
        .collect();
    let frames = stream::iter(frames).then(|frame| async {
        tokio::task::yield_now().await;
        frame
    });
    block_on(PostForm::read(&headers, StreamBody::new(Box::pin(frames))))
}

fn read(body: &str) -> Result<PostForm> {
    read_as(TYPE, body.as_bytes(), 1000)
}

fn code<T>(result: Result<T>) -> ErrorCode {
    result.err().expect("an error").code()
}

fn content(file: PostFile) -> Result<Vec<u8>> {
    let pieces: Vec<_> = block_on(file.try_collect())?;
    Ok(pieces.concat())
}

#[test]
fn fields_come_first_and_what_follows_the_file_is_ignored() {
    let body = form(&[
        part("kEy", "kEy", "dir/${filename}"),
        part("Content-Type", "x", "text/plain"),
        part("File", "C:\\dir\\foo.txt", "bar"),
        part("acl", "x", "public-read"),
        part("file", "x", "second"),
    ]);
    let form = read(&body).unwrap();
    assert_eq!(form.key.as_str(), "dir/foo.txt");
    assert_eq!(form.fields.get("content-type"), Some("text/plain"));
    assert_eq!(form.fields.get("acl"), None);
    assert_eq!(content(form.file).unwrap(), b"bar");
}

#[test]
fn browsers_and_others_differ_in_form() {
    for (content_type, body) in [
        (
            "Multipart/Form-Data; charset=utf-8; boundary=\"a b\"",
            "--a b\r\nContent-Disposition: form-data; name=key\r\n\r\nk\r\n--a b\r\n\
             content-disposition: form-data; name=\"file\"\r\nContent-Type: text/html\r\n\r\n\
             v\r\n--a b--",
        ),
        (
            TYPE,
            "preamble\r\n--0123456789abcdef \t\r\nContent-Disposition: form-data; \
             name=\"key\"\r\n\r\nk\r\n--0123456789abcdef\r\nContent-Disposition: form-data; \
             name=\"file\"; filename=\"\"\r\n\r\nv\r\n--0123456789abcdef--\r\nepilogue",
        ),
    ] {
        let form = read_as(content_type, body.as_bytes(), 7).unwrap();
        assert_eq!(form.key.as_str(), "k");
        assert_eq!(content(form.file).unwrap(), b"v");
    }
}

#[test]
fn a_file_without_a_name_leaves_the_variable() {
    let body = form(&[part("key", "x", "a-${filename}"), part("file", "", "")]);
    assert_eq!(read(&body).unwrap().key.as_str(), "a-");
    let body = body.replace("; filename=\"\"", "");
    assert_eq!(read(&body).unwrap().key.as_str(), "a-${filename}");
}

#[test]
fn a_form_needs_a_key_and_a_file() {
    let file = part("file", "x", "v");
    let key = |key: &str| part("key", "x", key);
    let argument = |parts: &[String]| {
        let error = read(&form(parts)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        error.fields()[0].1.clone()
    };
    assert_eq!(argument(std::slice::from_ref(&file)), "key");
    assert_eq!(argument(&[file.clone(), key("k")]), "key");
    assert_eq!(argument(&[key(""), file.clone()]), "key");
    assert_eq!(argument(&[key("k")]), "file");
    let long = form(&[key(&"k".repeat(1025)), file]);
    assert_eq!(code(read(&long)), ErrorCode::KeyTooLongError);
}

#[test]
fn other_bodies_are_no_forms() {
    let body = form(&[part("key", "x", "k"), part("file", "x", "v")]);
    let as_type = |content_type: &str| code(read_as(content_type, body.as_bytes(), 1000));
    for content_type in ["", "text/html", "multipart/mixed; boundary=a", "form-data"] {
        assert_eq!(as_type(content_type), ErrorCode::PreconditionFailed);
    }
    let long = format!("multipart/form-data; boundary={}", "b".repeat(201));
    for content_type in [
        "multipart/form-data",
        "multipart/form-data; boundary=other",
        &long,
    ] {
        assert_eq!(as_type(content_type), ErrorCode::MalformedPOSTRequest);
    }
    let headless = code(block_on(PostForm::read(
        &HeaderMap::new(),
        StreamBody::new(stream::empty::<Result<Frame<Bytes>>>()),
    )));
    assert_eq!(headless, ErrorCode::PreconditionFailed);
    for body in [
        String::new(),
        body.replace("name=\"key\"; ", ""),
        body.replace("form-data; name=\"key\"", "form-data"),
        "--0123456789abcdef\r\nContent-Disposition".to_owned(),
    ] {
        assert_eq!(code(read(&body)), ErrorCode::MalformedPOSTRequest, "{body}");
    }
    let latin1 = form(&[part("key", "x", "KEY"), part("file", "x", "v")]);
    let mut latin1 = latin1.into_bytes();
    let at = latin1.windows(3).position(|three| three == b"KEY").unwrap();
    latin1[at] = 0xe9;
    assert_eq!(
        code(read_as(TYPE, &latin1, 1000)),
        ErrorCode::MalformedPOSTRequest
    );
}

#[test]
fn what_comes_before_the_file_is_bounded() {
    let key = part("key", "x", "k");
    let exceeds = |body: &str| {
        for frame_bytes in [1, 1000, 1_000_000] {
            let code = code(read_as(TYPE, body.as_bytes(), frame_bytes));
            assert_eq!(code, ErrorCode::MaxPostPreDataLengthExceededError);
        }
    };
    let large = "v".repeat(FIELDS_BYTES_MAX);
    exceeds(&form(&[key.clone(), part("x-ignore-a", "x", &large)]));
    exceeds(&part("x-ignore-a", "x", &"v".repeat(1_000_000)));
    // Neither a boundary that never comes nor a head without an end is waited for.
    exceeds(&"-".repeat(1_000_000));
    exceeds(&format!(
        "--0123456789abcdef\r\nA: {}",
        "a".repeat(1_000_000)
    ));
    let many: Vec<_> = (0..=FIELDS_MAX)
        .map(|n| part(&n.to_string(), "x", ""))
        .collect();
    exceeds(&form(&many));
    // The file itself may be of any size, and come in one piece with the fields.
    let file = "v".repeat(1_000_000);
    let body = form(&[key, part("file", "x", &file)]);
    for frame_bytes in [100, 100_000, 2_000_000] {
        let form = read_as(TYPE, body.as_bytes(), frame_bytes).unwrap();
        assert_eq!(content(form.file).unwrap(), file.as_bytes());
    }
}

#[test]
fn files_are_held_to_their_length() {
    let size = |length: usize, min_bytes, max_bytes| {
        let file = "v".repeat(length);
        let body = form(&[part("key", "x", "k"), part("file", "x", &file)]);
        let range = LengthRange {
            min_bytes,
            max_bytes,
        };
        content(read(&body).unwrap().file.within(range)).map(|content| content.len())
    };
    assert_eq!(size(5, 5, 10).unwrap(), 5);
    assert_eq!(size(10, 5, 10).unwrap(), 10);
    assert_eq!(size(0, 0, 0).unwrap(), 0);
    assert_eq!(code(size(3, 0, 0)), ErrorCode::EntityTooLarge);
    assert_eq!(code(size(200_000, 0, 10_000)), ErrorCode::EntityTooLarge);
    let error = size(4, 5, 10).unwrap_err();
    assert_eq!(error.code(), ErrorCode::EntityTooSmall);
    let expected = [
        ("ProposedSize", "4".to_owned()),
        ("MinSizeAllowed", "5".to_owned()),
    ];
    assert_eq!(error.fields(), expected);
}

#[test]
fn a_file_that_breaks_off_is_an_error() {
    let body = form(&[part("key", "x", "k"), part("file", "x", "value")]);
    let cut = &body[..body.len() - 10];
    let form = read(cut).unwrap();
    assert_eq!(code(content(form.file)), ErrorCode::MalformedPOSTRequest);

    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, TYPE.parse().unwrap());
    let frames = [
        Ok(Frame::data(Bytes::copy_from_slice(cut.as_bytes()))),
        Err("connection reset"),
    ];
    let broken = StreamBody::new(stream::iter(frames));
    let result = block_on(async {
        let mut file = PostForm::read(&headers, broken).await?.file;
        while let Some(bytes) = file.next().await {
            if let Err(error) = bytes {
                assert!(file.next().await.is_none(), "nothing follows an error");
                return Err(error);
            }
        }
        Ok(())
    });
    assert_eq!(code(result), ErrorCode::IncompleteBody);
}

proptest! {
    /// Files that are made of what boundaries are made of come out as they went in, however the
    /// network cuts the body.
    #[test]
    fn every_file_survives_every_cut(
        file in "(\r|\n|\r\n|--|\r\n--|\r\n--01234567|v){0,40}",
        value in "(\r\n|-|\r|k){0,10}",
        frame_bytes in 1_usize..400,
    ) {
        let body = form(&[
            part("key", "x", "k"),
            part("x-ignore-a", "x", &value),
            part("file", "x", &file),
        ]);
        let form = read_as(TYPE, body.as_bytes(), frame_bytes).unwrap();
        prop_assert_eq!(form.fields.get("x-ignore-a"), Some(value.as_str()));
        prop_assert_eq!(content(form.file).unwrap(), file.as_bytes());
    }

    /// A form that lost some of its bytes is read or refused, and never waited for.
    #[test]
    fn no_body_panics_or_hangs(from in 0_usize..300, length in 0_usize..60, frame in 1_usize..99) {
        let mut body = form(&[part("key", "x", "k"), part("file", "x", "value")]).into_bytes();
        let from = from.min(body.len());
        let to = (from + length).min(body.len());
        body.drain(from..to);
        if let Ok(form) = read_as(TYPE, &body, frame)
            && let Ok(content) = content(form.file)
        {
            prop_assert!(content.len() <= body.len());
        }
    }
}
