//! Single values of headers and parameters. Each text is read as each of them.

use std::fmt::Display;

use riquet_s3::arn::Arn;
use riquet_s3::config::tagging::{TagSet, Tagged};
use riquet_s3::etag::ETagMatch;
use riquet_s3::operation::query::{Query, percent_decode};
use riquet_s3::range::{CopyRange, RangeRequest};
use riquet_s3::request::{CopySource, EncryptionContext, ListPosition, VersionId};
use riquet_s3::time::{parse_http_date, to_http_date, to_iso8601};
use riquet_s3::{BucketName, Checksum, ChecksumAlgorithm, ETag, ObjectKey};

pub(crate) const EXAMPLES: [&str; 12] = [
    "bytes=1-99",
    "bytes=-5",
    "\"d41d8cd98f00b204e9800998ecf8427e-12\"",
    "bucket/a%2Fb?versionId=3HL4kqtJvjVBH40Nrjfkd",
    "/bucket/key",
    "a=1&b%20c=%2F+d",
    "a2FiYw",
    "Wed, 21 Oct 2015 07:28:00 GMT",
    "2015-10-21T07:28:00+02:00",
    "arn:aws:iam::123456789012:role/a/r",
    "y/Q5Jg==-3",
    "{\"a\":\"b\"}",
];

/// Whether a text is any of the values.
pub(crate) fn check(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else {
        return false;
    };
    let known = [
        is_range(text),
        is_tag(text),
        is_checksum(text),
        is_tagging(text),
        is_token(text),
        is_date(text),
        is_source(text),
        is_context(text),
        is_same(text, text.parse::<Arn>().ok()),
        is_bucket(text),
    ];
    // Most texts are keys.
    is_same(text, ObjectKey::parse(text).ok());
    if let Ok(version) = VersionId::parse(text) {
        assert_eq!(VersionId::parse(version.as_str()).ok(), Some(version));
    }
    if let Ok(decoded) = percent_decode(text) {
        assert!(decoded.len() <= text.len());
    }
    let _ = Query::parse(text);
    known.contains(&true)
}

/// A name is written to the letter as it was read.
fn is_same(text: &str, read: Option<impl Display>) -> bool {
    if let Some(read) = &read {
        assert_eq!(read.to_string(), text);
    }
    read.is_some()
}

fn is_bucket(text: &str) -> bool {
    let bucket = BucketName::parse(text);
    if let Ok(bucket) = &bucket {
        assert_eq!(bucket.in_namespace(), text);
    }
    bucket.is_ok()
}

fn is_range(text: &str) -> bool {
    let range = RangeRequest::parse(text);
    for size_bytes in [0, 1, 100, u64::MAX] {
        if let Some(Ok(bytes)) = range.map(|range| range.resolve(size_bytes)) {
            assert!(bytes.start < bytes.end_exclusive && bytes.end_exclusive <= size_bytes);
        }
        if let Ok(copy) = CopyRange::parse(text)
            && let Ok(bytes) = copy.resolve(size_bytes)
        {
            assert_eq!(range.unwrap().resolve(size_bytes).ok(), Some(bytes));
        }
    }
    range.is_some()
}

fn is_tag(text: &str) -> bool {
    let tag = ETag::parse(text);
    if let Some(tag) = &tag {
        assert_eq!(ETag::parse(&tag.quoted()).as_ref(), Some(tag));
        assert!(ETagMatch::parse("if-match", text).unwrap().matches(tag));
    }
    let _ = ETagMatch::parse("if-match", text);
    tag.is_some()
}

fn is_checksum(text: &str) -> bool {
    let mut any = false;
    for algorithm in ChecksumAlgorithm::ALL {
        if let Some(checksum) = Checksum::parse(algorithm, text) {
            any = true;
            let again = Checksum::parse(algorithm, &checksum.to_string());
            assert_eq!(again, Some(checksum));
        }
    }
    any
}

fn is_tagging(text: &str) -> bool {
    let tags = TagSet::parse_header(text);
    if let Ok(tags) = &tags {
        let again = TagSet::parse(&tags.to_xml(), Tagged::Object);
        assert_eq!(again.as_ref().ok(), Some(tags));
    }
    tags.is_ok()
}

fn is_token(text: &str) -> bool {
    let position = ListPosition::from_token(text);
    if let Ok(position) = &position {
        let again = ListPosition::from_token(&position.to_token());
        assert_eq!(again.as_ref().ok(), Some(position));
    }
    position.is_ok()
}

fn is_date(text: &str) -> bool {
    let moment = parse_http_date(text);
    if let Some(moment) = moment {
        let _ = to_iso8601(moment);
        let written = to_http_date(moment);
        let again = parse_http_date(&written).unwrap();
        assert_eq!(to_http_date(again), written);
    }
    moment.is_some()
}

fn is_context(text: &str) -> bool {
    let context = EncryptionContext::from_json(text);
    if let Some(context) = &context {
        let again = EncryptionContext::from_json(&context.to_json());
        assert_eq!(again.as_ref(), Some(context));
    }
    context.is_some()
}

fn is_source(text: &str) -> bool {
    CopySource::parse(text).is_ok()
}
