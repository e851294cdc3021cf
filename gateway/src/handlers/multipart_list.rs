//! ListParts, ListMultipartUploads.

use std::collections::BTreeMap;

use riquet_metadata::id::{ObjectKey, UploadId};
use riquet_metadata::query::{ListedUpload, UploadStart};
use riquet_metadata::record::{ChecksumRule, Part};
use riquet_s3::Error as S3Error;
use riquet_s3::request::{
    ListMultipartUploadsInput, ListPartsInput, ListPosition, MultipartChecksum,
};
use riquet_s3::response::{
    ListMultipartUploadsOutput, ListPartsOutput, Owner, PartEntry, UploadEntry,
};

use super::{Answer, Context, acl, encryption, lifecycle, whole};
use crate::convert;
use crate::error::Error;

pub(super) async fn list_parts(cx: &Context, input: &ListPartsInput) -> Answer {
    let key = convert::stored_key(input.key.as_str());
    let id = convert::upload_id(&input.upload_id)?;
    let (after, max) = (input.part_number_marker, input.max_parts);
    // A page of nothing still tells whether there is such an upload.
    let page = cx
        .metadata()
        .list_parts(cx.bucket(), &key, id, after, max.max(1))
        .await?;
    if input.customer_key.is_some() {
        let customer_key = input.customer_key.as_ref();
        encryption::check_upload(cx, input.key.as_str(), &page.upload, customer_key).await?;
    }
    let output = ListPartsOutput {
        input: input.clone(),
        initiator: acl::owner_named(cx, page.upload.initiator()).await?,
        owner: acl::owner_named(cx, &page.upload.owner).await?,
        storage_class: convert::class(page.upload.storage_class),
        checksum: page.upload.checksum.map(multipart_checksum),
        parts: page
            .parts
            .iter()
            .take(max as usize)
            .map(part_entry)
            .collect(),
        is_truncated: page.more && max > 0,
    };
    let (response, initiated_ms) = (output.into_response(), page.upload.initiated_ms);
    Ok(whole(
        lifecycle::announce_upload(cx, response, &input.key, initiated_ms).await,
    ))
}

fn part_entry(part: &Part) -> PartEntry {
    PartEntry {
        part_number: part.number,
        last_modified: convert::moment(part.modified_ms),
        etag: convert::etag(&part.etag),
        size_bytes: part.size_bytes,
        checksum: part
            .checksums
            .first()
            .and_then(|stored| convert::checksum(stored, None)),
    }
}

fn multipart_checksum(rule: ChecksumRule) -> MultipartChecksum {
    MultipartChecksum {
        algorithm: convert::algorithm(rule.algorithm),
        kind: convert::kind(rule.kind),
    }
}

pub(super) async fn list_uploads(cx: &Context, input: &ListMultipartUploadsInput) -> Answer {
    let list = &input.list;
    let mut output = ListMultipartUploadsOutput {
        input: input.clone(),
        uploads: Vec::new(),
        common_prefixes: Vec::new(),
        next: None,
    };
    if list.max_keys > 0 {
        let prefix = convert::stored_key(&list.prefix);
        let delimiter = convert::stored_key(list.delimiter.as_deref().unwrap_or_default());
        let start = upload_start(input)?;
        let metadata = cx.metadata();
        let page = metadata
            .list_uploads(cx.bucket(), prefix, delimiter, start, list.max_keys)
            .await?;
        output.uploads = entries(cx, &page.uploads).await?;
        output.common_prefixes = page.prefixes.iter().map(convert::key_text).collect();
        output.next = page.next.map(markers);
    }
    Ok(whole(output.into_response()))
}

/// A page belongs to few, each of whom is looked up once.
async fn entries(cx: &Context, uploads: &[ListedUpload]) -> Result<Vec<UploadEntry>, Error> {
    let mut owners: BTreeMap<&str, Owner> = BTreeMap::new();
    for listed in uploads {
        for id in [listed.upload.initiator(), listed.upload.owner.as_str()] {
            if !owners.contains_key(id) {
                owners.insert(id, acl::owner_named(cx, id).await?);
            }
        }
    }
    let entry = |listed| upload_entry(listed, &owners);
    Ok(uploads.iter().map(entry).collect())
}

fn upload_entry(listed: &ListedUpload, owners: &BTreeMap<&str, Owner>) -> UploadEntry {
    UploadEntry {
        key: convert::key_text(&listed.key),
        upload_id: listed.upload.id.to_string(),
        initiator: owners[listed.upload.initiator()].clone(),
        owner: owners[listed.upload.owner.as_str()].clone(),
        initiated: convert::moment(listed.upload.initiated_ms),
        storage_class: convert::class(listed.upload.storage_class),
        checksum: listed.upload.checksum.map(multipart_checksum),
    }
}

/// Where a page begins, from its markers.
fn upload_start(input: &ListMultipartUploadsInput) -> Result<Option<UploadStart>, S3Error> {
    let Some(marker) = &input.key_marker else {
        return Ok(None);
    };
    let Some(upload) = &input.upload_id_marker else {
        return Ok(Some(match input.list.position_of_marker(marker) {
            ListPosition::AfterKey(key) => UploadStart::AfterKey(ObjectKey::from(key)),
            ListPosition::AfterPrefix(prefix) => UploadStart::AfterPrefix(ObjectKey::from(prefix)),
        }));
    };
    let id = UploadId::parse(upload).ok_or_else(|| {
        S3Error::invalid_argument("upload-id-marker", upload, "Invalid uploadId marker")
    })?;
    Ok(Some(UploadStart::AfterUpload(
        convert::stored_key(marker),
        id,
    )))
}

/// The markers of the next page: what [`upload_start`] reads back.
fn markers(next: UploadStart) -> (String, String) {
    match next {
        UploadStart::AfterUpload(key, id) => (convert::key_text(&key), id.to_string()),
        UploadStart::AfterKey(key) | UploadStart::AfterPrefix(key) => {
            (convert::key_text(&key), String::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use riquet_s3::name::BucketName;
    use riquet_s3::request::ListCommon;

    use super::*;

    fn input(key: Option<&str>, upload: Option<&str>) -> ListMultipartUploadsInput {
        ListMultipartUploadsInput {
            list: ListCommon {
                bucket: BucketName::parse("bucket").expect("legal"),
                prefix: String::new(),
                delimiter: Some("/".to_owned()),
                max_keys: 10,
                encoding: None,
            },
            key_marker: key.map(str::to_owned),
            upload_id_marker: upload.map(str::to_owned),
        }
    }

    #[test]
    fn markers_lead_back_to_where_the_page_ended() {
        for next in [
            UploadStart::AfterUpload("a".into(), UploadId(3)),
            UploadStart::AfterKey("a".into()),
            UploadStart::AfterPrefix("a/".into()),
        ] {
            let (key, upload) = markers(next.clone());
            let upload = Some(upload.as_str()).filter(|text| !text.is_empty());
            assert_eq!(upload_start(&input(Some(&key), upload)), Ok(Some(next)));
        }
        assert_eq!(upload_start(&input(None, None)), Ok(None));
        assert!(upload_start(&input(Some("a"), Some("x"))).is_err());
    }
}
