//! GetObject, HeadObject.

use std::ops::Range;

use http::Response;
use riquet_metadata::record::{Bucket, Content, ObjectVersion};
use riquet_s3::conditions::{ReadOutcome, precondition_failed};
use riquet_s3::range::ByteRange;
use riquet_s3::request::{GetObjectInput, Selection, VersionId};
use riquet_s3::response::{GetObjectOutput, NotModifiedOutput, delete_marker_met};
use riquet_s3::{Checksum, ChecksumType, Error as S3Error, ErrorCode};

use super::lifecycle::Announced;
use super::{Answer, Context, encryption, lifecycle, named_version, no_such_version, whole};
use crate::access::Verdict;
use crate::answer::AnswerBody;
use crate::convert;
use crate::data::DataKey;
use crate::encryption::ObjectName;
use crate::error::Error;

pub(super) async fn get_object(cx: &Context, input: &GetObjectInput) -> Answer {
    let version = input.version_id.as_ref();
    let object = find(cx, cx.bucket(), input.key.as_str(), version).await?;
    let customer_key = input.customer_key.as_ref();
    let key = encryption::of_object(cx, name_of(cx, input), &object, customer_key).await?;
    match choose(input, cx.bucket(), &object)? {
        Chosen::NotModified(output) => Ok(whole(output.into_response())),
        Chosen::Bytes { range, output } => {
            let body = open(cx, &object.body.content, key, range).await?;
            Ok(announced(cx, input, &object, output.into_response(body)).await)
        }
    }
}

pub(super) async fn head_object(cx: &Context, input: &GetObjectInput) -> Answer {
    let version = input.version_id.as_ref();
    let object = find(cx, cx.bucket(), input.key.as_str(), version).await?;
    let customer_key = input.customer_key.as_ref();
    encryption::check_object(cx, name_of(cx, input), &object, customer_key).await?;
    match choose(input, cx.bucket(), &object)? {
        Chosen::NotModified(output) => Ok(whole(output.into_response())),
        Chosen::Bytes { output, .. } => {
            let response = output.into_response(AnswerBody::empty());
            Ok(announced(cx, input, &object, response).await)
        }
    }
}

/// Says when the object expires. Of a version that is asked for by name it is not known whether it is the
/// current one.
async fn announced(
    cx: &Context,
    input: &GetObjectInput,
    object: &ObjectVersion,
    response: Response<AnswerBody>,
) -> Response<AnswerBody> {
    if input.version_id.is_some() {
        return response;
    }
    lifecycle::announce(cx, response, Announced::of(&input.key, object)).await
}

fn name_of<'a>(cx: &'a Context, input: &'a GetObjectInput) -> ObjectName<'a> {
    ObjectName {
        bucket: &cx.bucket().name,
        key: input.key.as_str(),
    }
}

/// The object of the request's path as it is now, or one of its versions, if the caller may have it.
///
/// # Errors
/// `NoSuchKey`, `NoSuchVersion`; `MethodNotAllowed` for a version that is a delete marker;
/// `AccessDenied`.
pub(super) async fn find(
    cx: &Context,
    bucket: &Bucket,
    key: &str,
    version: Option<&VersionId>,
) -> Result<Box<ObjectVersion>, Error> {
    find_for(cx, bucket, key, version, &cx.verdict).await
}

/// The same of any object, for which a verdict of its own was given.
pub(super) async fn find_for(
    cx: &Context,
    bucket: &Bucket,
    key: &str,
    version: Option<&VersionId>,
    verdict: &Verdict,
) -> Result<Box<ObjectVersion>, Error> {
    let missing = || match version {
        Some(version) => no_such_version(version, key),
        None => S3Error::new(ErrorCode::NoSuchKey).field("Key", key),
    };
    let name = named_version(version, key)?;
    let stored = convert::stored_key(key);
    let found = cx.metadata().get_version(bucket, &stored, name).await?;
    let found = found.ok_or_else(|| verdict.of_missing(missing()))?;
    verdict.check(&cx.caller, &found)?;
    if found.head.delete_marker {
        let marker = convert::version_id(found.head.name());
        let modified = convert::moment(found.head.modified_ms);
        return Err(delete_marker_met(&marker, version, key, modified).into());
    }
    Ok(found)
}

/// The body of an answer, its first slice read: an object that can't be read at all is a clean
/// error and not a cut connection.
async fn open(
    cx: &Context,
    content: &Content,
    key: Option<DataKey>,
    range: Range<u64>,
) -> Result<AnswerBody, Error> {
    if range.is_empty() {
        return Ok(AnswerBody::empty());
    }
    let turn = cx.gateway.admission.download().await?;
    let mut reader = cx.gateway.data.read(content, key, range, cx.request)?;
    let first = reader.next().await.expect("the range is not empty")?;
    Ok(AnswerBody::object(first, reader, turn))
}

/// What a GET or HEAD answers with.
enum Chosen {
    NotModified(Box<NotModifiedOutput>),
    Bytes {
        range: Range<u64>,
        output: Box<GetObjectOutput>,
    },
}

/// Holds conditions and selection against an object.
fn choose(
    input: &GetObjectInput,
    bucket: &Bucket,
    object: &ObjectVersion,
) -> Result<Chosen, S3Error> {
    let info = convert::object_info(bucket, object);
    match input.conditions.evaluate(&info.etag, info.last_modified) {
        ReadOutcome::Proceed => {}
        ReadOutcome::NotModified => {
            return Ok(Chosen::NotModified(Box::new(NotModifiedOutput {
                etag: info.etag,
                last_modified: info.last_modified,
                headers: info.headers,
                version_id: info.version_id,
            })));
        }
        ReadOutcome::PreconditionFailed(condition) => return Err(precondition_failed(condition)),
    }
    let selected = select(input.selection, object)?;
    let range = match selected.range {
        Some(range) => range.start..range.end_exclusive,
        None => 0..info.size_bytes,
    };
    let output = GetObjectOutput {
        object: info,
        range: selected.range,
        parts_count: selected.parts_count,
        overrides: input.overrides.clone(),
        checksum: selected.checksum,
        checksum_mode: input.checksum_mode,
        encryption: encryption::shown(object.body.encryption.as_ref(), input.customer_key.as_ref()),
    };
    Ok(Chosen::Bytes {
        range,
        output: Box::new(output),
    })
}

/// The bytes selected of an object.
#[derive(Debug, PartialEq, Eq)]
struct Selected {
    /// None: all of them, and the answer is 200.
    range: Option<ByteRange>,
    /// The number of parts, where one of them was asked for.
    parts_count: Option<u32>,
    /// The checksum of just these bytes, if there is one, with the type of the object's.
    checksum: Option<(Checksum, ChecksumType)>,
}

fn select(selection: Selection, object: &ObjectVersion) -> Result<Selected, S3Error> {
    let size_bytes = object.head.size_bytes;
    let checksum = convert::object_checksum(object).map(|of_object| {
        let kind = of_object.checksum_type();
        (of_object, kind)
    });
    match selection {
        Selection::Whole => Ok(Selected {
            range: None,
            parts_count: None,
            checksum,
        }),
        Selection::Range(range) => Ok(Selected {
            range: Some(range.resolve(size_bytes)?),
            parts_count: None,
            checksum: None,
        }),
        Selection::Part(number) => match &object.body.content {
            Content::Parts(parts) => {
                let start_of = |at: usize| parts[..at].iter().map(|part| part.size_bytes).sum();
                let at = parts
                    .binary_search_by_key(&number, |part| part.number)
                    .map_err(|_| no_such_part(number, parts.len()))?;
                let start: u64 = start_of(at);
                let part = &parts[at];
                let of_part = part.checksums.first();
                let of_part = of_part.and_then(|stored| convert::checksum(stored, None));
                Ok(Selected {
                    range: byte_range(start, start + part.size_bytes),
                    parts_count: Some(parts.len() as u32),
                    // A part has its own only where clients asked for checksums.
                    checksum: of_part.zip(checksum.map(|(_, kind)| kind)),
                })
            }
            // An object that came in one piece is its own first part.
            Content::Inline(_) | Content::Blobs(_) if number == 1 => Ok(Selected {
                range: byte_range(0, size_bytes),
                parts_count: None,
                checksum,
            }),
            Content::Inline(_) | Content::Blobs(_) => Err(no_such_part(number, 1)),
        },
    }
}

/// HTTP has no way to say that a range holds nothing: then the answer is a plain 200.
fn byte_range(start: u64, end_exclusive: u64) -> Option<ByteRange> {
    (start < end_exclusive).then_some(ByteRange {
        start,
        end_exclusive,
    })
}

fn no_such_part(number: u32, count: usize) -> S3Error {
    S3Error::new(ErrorCode::InvalidPartNumber)
        .field("PartNumberRequested", number.to_string())
        .field("ActualPartCount", count.to_string())
}

#[cfg(test)]
mod tests {
    use riquet_metadata::record::{ETag, ObjectBody, Part, StorageClass};
    use riquet_s3::range::RangeRequest;

    use super::*;

    fn object(content: Content) -> ObjectVersion {
        let (tag, owner) = (ETag::whole([1; 16]), "ada".to_owned());
        let body = ObjectBody::of(content);
        ObjectVersion::proposed(tag, StorageClass::Standard, owner, body)
    }

    fn parts(sizes: &[(u32, u64)]) -> Content {
        let part = |&(number, size_bytes): &(u32, u64)| Part {
            number,
            size_bytes,
            etag: ETag::whole([2; 16]),
            checksums: Vec::new(),
            content: Content::empty(),
            modified_ms: 0,
            salt: None,
        };
        Content::Parts(sizes.iter().map(part).collect())
    }

    fn range(start: u64, end_exclusive: u64) -> Option<ByteRange> {
        Some(ByteRange {
            start,
            end_exclusive,
        })
    }

    #[test]
    fn a_part_is_found_by_its_number() {
        let object = object(parts(&[(1, 10), (3, 20), (7, 5)]));
        let found = |number| select(Selection::Part(number), &object);
        assert_eq!(
            found(1),
            Ok(Selected {
                range: range(0, 10),
                parts_count: Some(3),
                checksum: None,
            })
        );
        assert_eq!(
            found(3),
            Ok(Selected {
                range: range(10, 30),
                parts_count: Some(3),
                checksum: None,
            })
        );
        assert_eq!(
            found(7),
            Ok(Selected {
                range: range(30, 35),
                parts_count: Some(3),
                checksum: None,
            })
        );
        assert_eq!(
            found(2).expect_err("a gap").code(),
            ErrorCode::InvalidPartNumber
        );
        assert_eq!(
            found(8).expect_err("past the end").code(),
            ErrorCode::InvalidPartNumber
        );
    }

    #[test]
    fn an_object_in_one_piece_is_its_first_part() {
        let object = object(Content::Inline(bytes::Bytes::from_static(b"hello")));
        let first = select(Selection::Part(1), &object);
        assert_eq!(
            first,
            Ok(Selected {
                range: range(0, 5),
                parts_count: None,
                checksum: None,
            })
        );
        assert!(select(Selection::Part(2), &object).is_err());
    }

    #[test]
    fn ranges_are_held_against_the_size() {
        let hello = object(Content::Inline(bytes::Bytes::from_static(b"hello")));
        let ask = |range, object| select(Selection::Range(range), object).map(|s| s.range);
        assert_eq!(ask(RangeRequest::Last(2), &hello), Ok(range(3, 5)));
        assert_eq!(ask(RangeRequest::From(1), &hello), Ok(range(1, 5)));
        assert!(ask(RangeRequest::From(5), &hello).is_err());
        assert!(ask(RangeRequest::From(0), &object(Content::empty())).is_err());
    }
}
