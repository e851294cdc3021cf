//! GetObjectAttributes.

use riquet_metadata::record::{Content, ObjectVersion, Part};
use riquet_s3::request::GetObjectAttributesInput;
use riquet_s3::response::{GetObjectAttributesOutput, ObjectPart, PartsPage};

use super::{Answer, Context, encryption, get, whole};
use crate::convert;
use crate::encryption::ObjectName;

pub(super) async fn get_object_attributes(
    cx: &Context,
    input: &GetObjectAttributesInput,
) -> Answer {
    let version = input.version_id.as_ref();
    let object = get::find(cx, cx.bucket(), input.key.as_str(), version).await?;
    let name = ObjectName {
        bucket: &cx.bucket().name,
        key: input.key.as_str(),
    };
    encryption::check_object(cx, name, &object, input.customer_key.as_ref()).await?;
    let wanted = input.wanted;
    let output = GetObjectAttributesOutput {
        last_modified: convert::moment(object.head.modified_ms),
        version_id: convert::shown_version(cx.bucket(), object.head.name()),
        etag: wanted.etag.then(|| convert::etag(&object.head.etag)),
        checksum: convert::object_checksum(&object).filter(|_| wanted.checksum),
        parts: page_of_parts(input, &object).filter(|_| wanted.parts),
        storage_class: wanted
            .storage_class
            .then(|| convert::class(object.head.storage_class)),
        size_bytes: wanted.size.then_some(object.head.size_bytes),
    };
    Ok(whole(output.into_response()))
}

/// The parts asked for, of an object that was uploaded in parts.
fn page_of_parts(input: &GetObjectAttributesInput, object: &ObjectVersion) -> Option<PartsPage> {
    let Content::Parts(parts) = &object.body.content else {
        return None;
    };
    let first = parts.partition_point(|part| part.number <= input.part_number_marker);
    let rest = &parts[first..];
    let shown = rest.len().min(input.max_parts as usize);
    Some(PartsPage {
        total: parts.len(),
        part_number_marker: input.part_number_marker,
        max_parts: input.max_parts,
        is_truncated: shown < rest.len(),
        parts: rest[..shown].iter().map(shown_part).collect(),
    })
}

fn shown_part(part: &Part) -> ObjectPart {
    ObjectPart {
        part_number: part.number,
        size_bytes: part.size_bytes,
        checksum: part
            .checksums
            .first()
            .and_then(|stored| convert::checksum(stored, None)),
    }
}
