//! Between the protocol's types and the records' types, which mean the same and change apart.

use std::num::NonZeroU32;

use riquet_metadata::command::{Preconditions, TagMatch};
use riquet_metadata::id::{ObjectKey, UploadId};
use riquet_metadata::record::{
    Bucket, Checksum as StoredChecksum, ChecksumAlgorithm as StoredAlgorithm,
    ChecksumKind as StoredKind, ContentHeaders, ETag as StoredETag, Lock, ObjectVersion,
    Retention as StoredRetention, RetentionMode as StoredRetentionMode,
    StorageClass as StoredClass, VersionId as StoredVersionId, VersionName, Versioning,
};
use riquet_s3::conditions::{DeleteConditions, WriteCondition};
use riquet_s3::config::object_lock::{LegalHold, Retention, RetentionMode};
use riquet_s3::etag::ETagMatch;
use riquet_s3::request::{ObjectHeaders, StorageClass, UserMetadata, VersionId};
use riquet_s3::response::ObjectInfo;
use riquet_s3::{
    Checksum, ChecksumAlgorithm, ChecksumType, ETag, Error, ErrorCode, Timestamp, time,
};

pub(crate) fn stored_key(key: &str) -> ObjectKey {
    ObjectKey::from(key)
}

/// A key or prefix as text. Every key was text when it was stored.
pub(crate) fn key_text(key: &ObjectKey) -> String {
    String::from_utf8_lossy(key.as_bytes()).into_owned()
}

pub(crate) fn moment(ms: u64) -> Timestamp {
    time::from_unix_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// # Errors
/// `NoSuchUpload` for a text that is none of our ids.
pub(crate) fn upload_id(text: &str) -> Result<UploadId, Error> {
    UploadId::parse(text).ok_or_else(|| Error::new(ErrorCode::NoSuchUpload).field("UploadId", text))
}

/// The version that a client names; none: no version of ours has such a name.
pub(crate) fn stored_version(version: &VersionId) -> Option<VersionName> {
    match version {
        VersionId::Null => Some(VersionName::Null),
        VersionId::Other(text) => StoredVersionId::parse(text).map(VersionName::Kept),
    }
}

pub(crate) fn version_id(name: VersionName) -> VersionId {
    match name {
        VersionName::Null => VersionId::Null,
        VersionName::Kept(id) => VersionId::Other(id.to_string()),
    }
}

/// The version as answers show it: only buckets that keep versions, or ever did, have any.
pub(crate) fn shown_version(bucket: &Bucket, name: VersionName) -> Option<VersionId> {
    (bucket.versioning != Versioning::Never).then(|| version_id(name))
}

/// The version as answers to writes show it: only one that is kept, as at AWS.
pub(crate) fn written_version(name: VersionName) -> Option<VersionId> {
    matches!(name, VersionName::Kept(_)).then(|| version_id(name))
}

pub(crate) fn stored_etag(etag: &ETag) -> StoredETag {
    StoredETag {
        md5: *etag.md5(),
        parts: etag.parts(),
    }
}

pub(crate) fn etag(etag: &StoredETag) -> ETag {
    match etag.parts {
        Some(parts) => ETag::multipart(etag.md5, parts),
        None => ETag::single(etag.md5),
    }
}

pub(crate) fn stored_class(class: StorageClass) -> StoredClass {
    match class {
        StorageClass::Standard => StoredClass::Standard,
        StorageClass::OneZoneIa => StoredClass::OneZoneIa,
    }
}

pub(crate) fn class(class: StoredClass) -> StorageClass {
    match class {
        StoredClass::Standard => StorageClass::Standard,
        StoredClass::OneZoneIa => StorageClass::OneZoneIa,
    }
}

pub(crate) fn stored_algorithm(algorithm: ChecksumAlgorithm) -> StoredAlgorithm {
    match algorithm {
        ChecksumAlgorithm::Crc32 => StoredAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32c => StoredAlgorithm::Crc32c,
        ChecksumAlgorithm::Crc64Nvme => StoredAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1 => StoredAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256 => StoredAlgorithm::Sha256,
    }
}

pub(crate) fn algorithm(algorithm: StoredAlgorithm) -> ChecksumAlgorithm {
    match algorithm {
        StoredAlgorithm::Crc32 => ChecksumAlgorithm::Crc32,
        StoredAlgorithm::Crc32c => ChecksumAlgorithm::Crc32c,
        StoredAlgorithm::Crc64Nvme => ChecksumAlgorithm::Crc64Nvme,
        StoredAlgorithm::Sha1 => ChecksumAlgorithm::Sha1,
        StoredAlgorithm::Sha256 => ChecksumAlgorithm::Sha256,
    }
}

pub(crate) fn stored_kind(kind: ChecksumType) -> StoredKind {
    match kind {
        ChecksumType::FullObject => StoredKind::FullObject,
        ChecksumType::Composite => StoredKind::Composite,
    }
}

pub(crate) fn kind(kind: StoredKind) -> ChecksumType {
    match kind {
        StoredKind::FullObject => ChecksumType::FullObject,
        StoredKind::Composite => ChecksumType::Composite,
    }
}

pub(crate) fn stored_checksum(checksum: &Checksum) -> StoredChecksum {
    StoredChecksum {
        algorithm: stored_algorithm(checksum.algorithm()),
        kind: stored_kind(checksum.checksum_type()),
        value: bytes::Bytes::copy_from_slice(checksum.bytes()),
    }
}

/// The checksum of an object or part whose tag has `parts` parts. None for a record that makes no
/// sense, which is shown as having no checksum rather than a wrong one.
pub(crate) fn checksum(stored: &StoredChecksum, parts: Option<u32>) -> Option<Checksum> {
    let algorithm = algorithm(stored.algorithm);
    match stored.kind {
        StoredKind::FullObject => Checksum::new(algorithm, &stored.value),
        StoredKind::Composite => {
            Checksum::new_composite(algorithm, &stored.value, NonZeroU32::new(parts?)?)
        }
    }
}

pub(crate) fn stored_headers(headers: &ObjectHeaders) -> (ContentHeaders, Vec<(String, String)>) {
    let content = ContentHeaders {
        content_type: headers.content_type.clone(),
        content_encoding: headers.content_encoding.clone(),
        content_disposition: headers.content_disposition.clone(),
        content_language: headers.content_language.clone(),
        cache_control: headers.cache_control.clone(),
        expires: headers.expires.clone(),
        website_redirect: headers.website_redirect.clone(),
    };
    (content, headers.metadata.clone().into_pairs())
}

fn headers(content: &ContentHeaders, metadata: &[(String, String)]) -> ObjectHeaders {
    ObjectHeaders {
        content_type: content.content_type.clone(),
        content_encoding: content.content_encoding.clone(),
        content_language: content.content_language.clone(),
        content_disposition: content.content_disposition.clone(),
        cache_control: content.cache_control.clone(),
        expires: content.expires.clone(),
        website_redirect: content.website_redirect.clone(),
        metadata: UserMetadata::from_stored(metadata.to_vec()),
    }
}

/// The one checksum that answers show of an object.
pub(crate) fn object_checksum(object: &ObjectVersion) -> Option<Checksum> {
    checksum(object.body.checksums.first()?, object.head.etag.parts)
}

pub(crate) fn object_info(bucket: &Bucket, object: &ObjectVersion) -> ObjectInfo {
    ObjectInfo {
        etag: etag(&object.head.etag),
        last_modified: moment(object.head.modified_ms),
        size_bytes: object.head.size_bytes,
        headers: headers(&object.body.headers, &object.body.user_metadata),
        storage_class: class(object.head.storage_class),
        version_id: shown_version(bucket, object.head.name()),
        tag_count: object.body.tags.len(),
        retention: object.head.lock.retention.map(retention),
        legal_hold: legal_hold(object.head.lock),
    }
}

pub(crate) fn retention(stored: StoredRetention) -> Retention {
    Retention {
        mode: match stored.mode {
            StoredRetentionMode::Governance => RetentionMode::Governance,
            StoredRetentionMode::Compliance => RetentionMode::Compliance,
        },
        until: moment(stored.until_ms),
    }
}

pub(crate) fn legal_hold(lock: Lock) -> LegalHold {
    match lock.legal_hold {
        true => LegalHold::On,
        false => LegalHold::Off,
    }
}

pub(crate) fn preconditions(condition: &WriteCondition) -> Preconditions {
    let none = Preconditions::default();
    match condition {
        WriteCondition::None => none,
        WriteCondition::IfNoneMatch(tags) => Preconditions {
            if_none_match: Some(stored_match(tags)),
            ..none
        },
        WriteCondition::IfMatch(tags) => Preconditions {
            if_match: Some(stored_match(tags)),
            ..none
        },
    }
}

pub(crate) fn deletion_preconditions(conditions: &DeleteConditions) -> Preconditions {
    let modified = conditions.modified;
    // Before 1970 nothing was stored.
    let modified_ms = modified.map(|moment| u64::try_from(moment.as_millisecond()).unwrap_or(0));
    Preconditions {
        if_match: conditions.if_match.as_ref().map(stored_match),
        if_none_match: None,
        if_modified_ms: modified_ms,
        if_size_bytes: conditions.size_bytes,
    }
}

fn stored_match(tags: &ETagMatch) -> TagMatch {
    match tags {
        ETagMatch::Any => TagMatch::Any,
        ETagMatch::Tags(tags) => TagMatch::OneOf(tags.iter().map(stored_etag).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_checksums_survive_storage() {
        for tag in [ETag::single([7; 16]), ETag::multipart([9; 16], 12)] {
            assert_eq!(etag(&stored_etag(&tag)), tag);
        }
        for algorithm in ChecksumAlgorithm::ALL {
            let value = vec![3; algorithm.size_bytes()];
            let whole = Checksum::new(algorithm, &value).expect("of its length");
            assert_eq!(checksum(&stored_checksum(&whole), None), Some(whole));
            let parts = NonZeroU32::new(5).expect("not zero");
            let composite = Checksum::new_composite(algorithm, &value, parts).expect("as above");
            assert_eq!(
                checksum(&stored_checksum(&composite), Some(5)),
                Some(composite)
            );
            assert_eq!(checksum(&stored_checksum(&composite), None), None);
        }
    }

    #[test]
    fn a_version_is_known_by_what_clients_were_told() {
        let id = StoredVersionId {
            modified_ms: 5,
            sequence: 7,
        };
        for name in [VersionName::Null, VersionName::Kept(id)] {
            assert_eq!(stored_version(&version_id(name)), Some(name));
        }
        let foreign = VersionId::Other("3/L4kqtJlcpXroDTDmJ".to_owned());
        assert_eq!(stored_version(&foreign), None);
    }

    #[test]
    fn a_foreign_upload_id_names_no_upload() {
        let id = UploadId(7);
        assert_eq!(upload_id(&id.to_string()), Ok(id));
        assert_eq!(
            upload_id("../7").expect_err("foreign").code(),
            ErrorCode::NoSuchUpload
        );
    }

    #[test]
    fn conditions_become_preconditions() {
        assert_eq!(
            preconditions(&WriteCondition::None),
            Preconditions::default()
        );
        let create = preconditions(&WriteCondition::IfNoneMatch(ETagMatch::Any));
        assert_eq!(create.if_none_match, Some(TagMatch::Any));
        let tag = ETag::single([1; 16]);
        let swap = preconditions(&WriteCondition::IfMatch(ETagMatch::Tags(vec![tag])));
        assert_eq!(
            swap.if_match,
            Some(TagMatch::OneOf(vec![stored_etag(&tag)]))
        );
        assert_eq!(swap.if_none_match, None);
    }
}
