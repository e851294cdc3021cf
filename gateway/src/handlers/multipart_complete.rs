//! CompleteMultipartUpload: the parts listed become one object.
//!
//! Tag and checksum of the object are computed here, of the parts as they are known; the state
//! machine holds the list against the parts once more when it's applied, so a part replaced
//! meanwhile is found.

use md5::{Digest as _, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use riquet_cluster::failpoint::die_at;
use riquet_metadata::Error as MetadataError;
use riquet_metadata::command::{CompletePart, CompleteUpload};
use riquet_metadata::limits::{PART_MIN_BYTES, PARTS};
use riquet_metadata::query::PartPage;
use riquet_metadata::record::{ChecksumRule, ETag, Part};
use riquet_s3::request::{CompleteMultipartUploadInput, CompletedPart};
use riquet_s3::response::CompleteMultipartUploadOutput;
use riquet_s3::{Checksum, ChecksumAlgorithm, ChecksumType, Error as S3Error, ErrorCode};

use super::{Answer, Context, OBJECT_MAX_BYTES, encryption, lifecycle, whole};
use crate::error::{Error, entity_too_small};
use crate::{convert, notify};

/// What a URL's path doesn't need to escape.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

pub(super) async fn complete(cx: &Context, input: &CompleteMultipartUploadInput) -> Answer {
    let key = convert::stored_key(input.key.as_str());
    let id = convert::upload_id(&input.upload_id)?;
    let (checksum, shown) = match cx
        .metadata()
        .list_parts(cx.bucket(), &key, id, 0, PARTS)
        .await
    {
        Ok(page) => {
            check_key(cx, input, &page).await?;
            let record = page.upload.encryption.as_ref();
            let shown = encryption::shown(record, input.customer_key.as_ref());
            (check(input, &page)?, shown)
        }
        // Perhaps completed before: then the state machine knows what it answered.
        Err(MetadataError::NoSuchUpload) => (None, None),
        Err(error) => return Err(error.into()),
    };
    let complete = CompleteUpload {
        key,
        upload: id,
        parts: input
            .parts
            .iter()
            .map(stored_part)
            .collect::<Result<_, _>>()?,
        etag: etag_of_parts(&input.parts)?,
        checksums: checksum.iter().map(convert::stored_checksum).collect(),
        size_bytes: input.object_size_bytes,
        preconditions: convert::preconditions(&input.condition),
        versioning: cx.bucket().versioning,
    };
    let metadata = notify::telling(cx, input.key.as_str(), notify::COMPLETE).await?;
    die_at("gateway::complete::begun");
    let done = metadata
        .complete_upload(cx.bucket(), complete)
        .await
        .map_err(|error| Error::from(error).of_write(input.condition.header()))?;
    die_at("gateway::complete::committed");
    let output = CompleteMultipartUploadOutput {
        location: location(&cx.host, input.bucket.as_str(), input.key.as_str()),
        bucket: input.bucket.clone(),
        key: input.key.clone(),
        etag: convert::etag(&done.etag),
        checksum: done
            .checksums
            .first()
            .and_then(|sum| convert::checksum(sum, done.etag.parts)),
        version_id: convert::written_version(done.stored.version),
        encryption: shown,
    };
    let response = output.into_response();
    let version = done.stored.version;
    Ok(whole(
        lifecycle::announce_stored(cx, response, &input.key, version).await,
    ))
}

/// Asks for the key of a customer who began the upload with one, where it is needed. One that is given
/// must be right in any case.
async fn check_key(
    cx: &Context,
    input: &CompleteMultipartUploadInput,
    page: &PartPage,
) -> Result<(), Error> {
    if input.customer_key.is_none() && !needs_key(page) {
        return Ok(());
    }
    let customer_key = input.customer_key.as_ref();
    encryption::check_upload(cx, input.key.as_str(), &page.upload, customer_key).await
}

/// As at AWS, a completion needs the key where the client chose a checksum, for the upload or a part.
fn needs_key(page: &PartPage) -> bool {
    let is_chosen = |part: &Part| {
        let default = convert::stored_algorithm(ChecksumAlgorithm::Crc64Nvme);
        part.checksums.iter().any(|sum| sum.algorithm != default)
    };
    page.upload.checksum.is_some() || page.parts.iter().any(is_chosen)
}

/// Where the object can be read from now on.
fn location(host: &str, bucket: &str, key: &str) -> String {
    let key = utf8_percent_encode(key, PATH);
    let is_in_host = host
        .strip_prefix(bucket)
        .is_some_and(|rest| rest.starts_with('.'));
    if is_in_host {
        format!("http://{host}/{key}")
    } else {
        format!("http://{host}/{bucket}/{key}")
    }
}

fn no_such_part(number: u32) -> S3Error {
    S3Error::new(ErrorCode::InvalidPart).field("PartNumber", number.to_string())
}

fn stored_part(part: &CompletedPart) -> Result<CompletePart, S3Error> {
    let etag = part
        .etag
        .as_ref()
        .ok_or_else(|| no_such_part(part.part_number))?;
    Ok(CompletePart {
        number: part.part_number,
        etag: convert::stored_etag(etag),
        checksum: part.checksum.as_ref().map(convert::stored_checksum),
    })
}

/// MD5 of the parts' MD5s, with their number.
fn etag_of_parts(parts: &[CompletedPart]) -> Result<ETag, S3Error> {
    let mut md5 = Md5::new();
    for part in parts {
        let etag = part
            .etag
            .as_ref()
            .ok_or_else(|| no_such_part(part.part_number))?;
        md5.update(etag.md5());
    }
    Ok(ETag {
        md5: md5.finalize().into(),
        parts: Some(parts.len() as u32),
    })
}

/// Holds a completion against the parts that there are; the object's checksum, if it has one.
fn check(
    input: &CompleteMultipartUploadInput,
    page: &PartPage,
) -> Result<Option<Checksum>, S3Error> {
    let chosen = choose(&input.parts, &page.parts)?;
    if let Some((_, before_last)) = chosen.split_last()
        && let Some(small) = before_last
            .iter()
            .find(|part| part.size_bytes < PART_MIN_BYTES)
    {
        return Err(entity_too_small(small.number, small.size_bytes));
    }
    let size_bytes: u64 = chosen.iter().map(|part| part.size_bytes).sum();
    if size_bytes > OBJECT_MAX_BYTES {
        return Err(S3Error::new(ErrorCode::EntityTooLarge)
            .field("ProposedSize", size_bytes.to_string())
            .field("MaxSizeAllowed", OBJECT_MAX_BYTES.to_string()));
    }
    let rule = page.upload.checksum;
    if let (Some(rule), Some(asked)) = (rule, input.checksum_type)
        && convert::kind(rule.kind) != asked
    {
        return Err(S3Error::new(ErrorCode::InvalidRequest).message(format!(
            "The upload was created using the {} checksum mode. The complete request must use \
             the same checksum mode.",
            convert::kind(rule.kind)
        )));
    }
    let checksum = checksum_of_parts(rule, &chosen);
    if let Some(declared) = &input.checksum {
        check_declared(declared, checksum.as_ref())?;
    }
    Ok(checksum)
}

/// The parts listed, of those there are. Both are in ascending order.
fn choose<'p>(listed: &[CompletedPart], parts: &'p [Part]) -> Result<Vec<&'p Part>, S3Error> {
    let choose_one = |asked: &CompletedPart| {
        let at = parts
            .binary_search_by_key(&asked.part_number, |part| part.number)
            .ok()?;
        let part = &parts[at];
        let tag_agrees = asked
            .etag
            .as_ref()
            .is_some_and(|etag| *etag.md5() == part.etag.md5);
        let checksum_agrees = asked
            .checksum
            .is_none_or(|asked| part_checksum(part, asked.algorithm()) == Some(asked));
        (tag_agrees && checksum_agrees).then_some(part)
    };
    listed
        .iter()
        .map(|asked| choose_one(asked).ok_or_else(|| no_such_part(asked.part_number)))
        .collect()
}

fn part_checksum(part: &Part, algorithm: ChecksumAlgorithm) -> Option<Checksum> {
    let known = part
        .checksums
        .iter()
        .filter_map(|stored| convert::checksum(stored, None));
    known
        .into_iter()
        .find(|checksum| checksum.algorithm() == algorithm)
}

/// The object's checksum, as the upload was begun; without that, the default if every part has
/// it. None where a part lacks it.
fn checksum_of_parts(rule: Option<ChecksumRule>, parts: &[&Part]) -> Option<Checksum> {
    let (algorithm, kind) = match rule {
        Some(rule) => (convert::algorithm(rule.algorithm), convert::kind(rule.kind)),
        None => (ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject),
    };
    let checksums = parts
        .iter()
        .map(|part| Some((part_checksum(part, algorithm)?, part.size_bytes)))
        .collect::<Option<Vec<_>>>()?;
    match kind {
        ChecksumType::FullObject => Checksum::combine(checksums),
        ChecksumType::Composite => Checksum::composite(checksums.into_iter().map(|(sum, _)| sum)),
    }
}

fn check_declared(declared: &Checksum, computed: Option<&Checksum>) -> Result<(), S3Error> {
    let Some(computed) = computed.filter(|sum| sum.algorithm() == declared.algorithm()) else {
        return Err(S3Error::new(ErrorCode::InvalidRequest).message(format!(
            "The upload has no {} checksum to compare with.",
            declared.algorithm()
        )));
    };
    let same_count = declared
        .parts()
        .is_none_or(|parts| computed.parts() == Some(parts));
    if computed.bytes() == declared.bytes() && same_count {
        return Ok(());
    }
    Err(S3Error::new(ErrorCode::BadDigest).message(format!(
        "The {} you specified did not match the calculated checksum.",
        declared.algorithm()
    )))
}

#[cfg(test)]
mod tests {
    use riquet_metadata::id::UploadId;
    use riquet_metadata::record::{Content, StorageClass, Upload};
    use riquet_s3::body::checksum::ChecksumHasher;
    use riquet_s3::conditions::WriteCondition;
    use riquet_s3::name::{BucketName, ObjectKey};

    use super::*;

    const SMALL: u64 = 1000;

    fn hash(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
        let mut hasher = ChecksumHasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    fn bytes_of(number: u32, size_bytes: u64) -> Vec<u8> {
        vec![number as u8; size_bytes as usize]
    }

    fn part(number: u32, size_bytes: u64, algorithm: ChecksumAlgorithm) -> Part {
        let bytes = bytes_of(number, size_bytes);
        Part {
            number,
            size_bytes,
            etag: ETag::whole(Md5::digest(&bytes).into()),
            checksums: vec![convert::stored_checksum(&hash(algorithm, &bytes))],
            content: Content::empty(),
            modified_ms: 0,
            salt: None,
        }
    }

    fn page(rule: Option<(ChecksumAlgorithm, ChecksumType)>, parts: Vec<Part>) -> PartPage {
        let upload = Upload {
            checksum: rule.map(|(algorithm, kind)| ChecksumRule {
                algorithm: convert::stored_algorithm(algorithm),
                kind: convert::stored_kind(kind),
            }),
            ..Upload::plain(UploadId(1), StorageClass::Standard, "ada".to_owned())
        };
        PartPage {
            upload,
            parts,
            more: false,
        }
    }

    fn completion(parts: &[Part]) -> CompleteMultipartUploadInput {
        let listed = parts.iter().map(|part| CompletedPart {
            part_number: part.number,
            etag: Some(convert::etag(&part.etag)),
            checksum: None,
        });
        CompleteMultipartUploadInput {
            bucket: BucketName::parse("bucket").expect("legal"),
            key: ObjectKey::parse("key").expect("legal"),
            upload_id: UploadId(1).to_string(),
            parts: listed.collect(),
            checksum: None,
            checksum_type: None,
            object_size_bytes: None,
            condition: WriteCondition::None,
            customer_key: None,
        }
    }

    #[test]
    fn the_tag_is_the_md5_of_md5s() {
        let parts = [
            part(1, SMALL, ChecksumAlgorithm::Crc32),
            part(4, 7, ChecksumAlgorithm::Crc32),
        ];
        let tag = etag_of_parts(&completion(&parts).parts).expect("every part has a tag");
        let joined = [parts[0].etag.md5, parts[1].etag.md5].concat();
        assert_eq!(tag.md5, <[u8; 16]>::from(Md5::digest(joined)));
        assert_eq!(tag.parts, Some(2));
    }

    #[test]
    fn a_full_object_checksum_is_that_of_all_bytes() {
        for algorithm in [
            ChecksumAlgorithm::Crc32,
            ChecksumAlgorithm::Crc32c,
            ChecksumAlgorithm::Crc64Nvme,
        ] {
            let parts = vec![
                part(1, PART_MIN_BYTES, algorithm),
                part(2, SMALL, algorithm),
            ];
            let bytes = [bytes_of(1, PART_MIN_BYTES), bytes_of(2, SMALL)].concat();
            let input = completion(&parts);
            let sum = check(
                &input,
                &page(Some((algorithm, ChecksumType::FullObject)), parts),
            );
            assert_eq!(sum, Ok(Some(hash(algorithm, &bytes))));
        }
    }

    #[test]
    fn a_composite_checksum_is_one_of_checksums_and_is_compared() {
        let algorithm = ChecksumAlgorithm::Sha256;
        let parts = vec![
            part(1, PART_MIN_BYTES, algorithm),
            part(2, SMALL, algorithm),
        ];
        let mut input = completion(&parts);
        let page = page(Some((algorithm, ChecksumType::Composite)), parts);
        let sum = check(&input, &page)
            .expect("it adds up")
            .expect("a checksum");
        assert_eq!(sum.parts().map(u32::from), Some(2));

        input.checksum = Some(sum);
        assert_eq!(check(&input, &page), Ok(Some(sum)));
        input.checksum = Some(hash(algorithm, b"something else"));
        assert_eq!(
            check(&input, &page).expect_err("another").code(),
            ErrorCode::BadDigest
        );
        input.checksum = None;
        input.checksum_type = Some(ChecksumType::FullObject);
        assert_eq!(
            check(&input, &page).expect_err("mode").code(),
            ErrorCode::InvalidRequest
        );
    }

    #[test]
    fn a_part_that_is_not_there_or_differs_is_invalid() {
        let parts = vec![
            part(1, PART_MIN_BYTES, ChecksumAlgorithm::Crc32),
            part(3, SMALL, ChecksumAlgorithm::Crc32),
        ];
        let page = page(None, parts.clone());
        let invalid = |change: fn(&mut CompletedPart)| {
            let mut input = completion(&parts);
            change(&mut input.parts[1]);
            check(&input, &page).map_err(|error| error.code())
        };
        assert_eq!(
            invalid(|_| {}),
            Ok(None),
            "no default checksum on every part"
        );
        assert_eq!(
            invalid(|part| part.part_number = 2),
            Err(ErrorCode::InvalidPart)
        );
        assert_eq!(
            invalid(|part| part.etag = None),
            Err(ErrorCode::InvalidPart)
        );
        let other = |part: &mut CompletedPart| {
            part.checksum = Some(hash(ChecksumAlgorithm::Crc32, b"other"));
        };
        assert_eq!(invalid(other), Err(ErrorCode::InvalidPart));
    }

    #[test]
    fn a_checksum_of_the_clients_choice_needs_its_key() {
        let parts = |algorithm| vec![part(1, SMALL, algorithm)];
        let crc64 = ChecksumAlgorithm::Crc64Nvme;
        let rule = Some((crc64, ChecksumType::FullObject));
        assert!(!needs_key(&page(None, parts(crc64))), "the default");
        assert!(needs_key(&page(rule, parts(crc64))));
        assert!(needs_key(&page(None, parts(ChecksumAlgorithm::Crc32))));
    }

    #[test]
    fn only_the_last_part_may_be_small() {
        let algorithm = ChecksumAlgorithm::Crc64Nvme;
        let parts = vec![part(1, SMALL, algorithm), part(2, SMALL, algorithm)];
        let refused = check(&completion(&parts), &page(None, parts.clone()));
        assert_eq!(
            refused.expect_err("too small").code(),
            ErrorCode::EntityTooSmall
        );
        let last = vec![parts[1].clone()];
        assert!(check(&completion(&last), &page(None, parts)).is_ok());
    }

    #[test]
    fn the_location_is_a_url_of_the_object() {
        let path = location("127.0.0.1:9000", "bucket", "a b/ü");
        assert_eq!(path, "http://127.0.0.1:9000/bucket/a%20b/%C3%BC");
        assert_eq!(
            location("bucket.s3.example", "bucket", "k"),
            "http://bucket.s3.example/k"
        );
    }
}
