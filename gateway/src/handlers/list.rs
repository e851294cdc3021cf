//! ListObjects (both versions), ListObjectVersions.

use std::collections::BTreeMap;
use std::sync::Arc;

use riquet_metadata::id::ObjectKey;
use riquet_metadata::query::{ListPage, ListRequest, ListStart, ListedObject};
use riquet_metadata::record::ObjectHead;
use riquet_s3::request::{
    ListCommon, ListObjectVersionsInput, ListObjectsInput, ListObjectsV2Input, ListPosition,
    VersionPosition,
};
use riquet_s3::response::{
    ListObjectVersionsOutput, ListObjectsOutput, ListObjectsV2Output, ObjectEntry, Owner,
    VersionEntry, VersionKind,
};

use super::{Answer, Context, acl, whole};
use crate::convert;
use crate::error::Error;

pub(super) async fn list_objects(cx: &Context, input: &ListObjectsInput) -> Answer {
    let page = match request(&input.list, input.start().map(stored_position)) {
        Some(request) => cx.metadata().list_objects(cx.bucket(), request).await?,
        None => ListPage::default(),
    };
    let owners = owners(cx, &page).await?;
    let output = ListObjectsOutput {
        input: input.clone(),
        contents: entries(&page, &owners),
        common_prefixes: prefixes(&page),
        next: page.next.map(position),
    };
    Ok(whole(output.into_response()))
}

pub(super) async fn list_objects_v2(cx: &Context, input: &ListObjectsV2Input) -> Answer {
    let page = match request(&input.list, input.start().map(stored_position)) {
        Some(request) => cx.metadata().list_objects(cx.bucket(), request).await?,
        None => ListPage::default(),
    };
    let owners = match input.fetch_owner {
        true => owners(cx, &page).await?,
        false => Owners::default(),
    };
    let output = ListObjectsV2Output {
        input: input.clone(),
        contents: entries(&page, &owners),
        common_prefixes: prefixes(&page),
        next: page.next.map(position),
    };
    Ok(whole(output.into_response()))
}

pub(super) async fn list_object_versions(cx: &Context, input: &ListObjectVersionsInput) -> Answer {
    let start = input.start().map(stored_version_position);
    let page = match request(&input.list, start) {
        Some(request) => cx.metadata().list_versions(cx.bucket(), request).await?,
        None => ListPage::default(),
    };
    let owners = owners(cx, &page).await?;
    let output = ListObjectVersionsOutput {
        input: input.clone(),
        versions: page
            .objects
            .iter()
            .map(|listed| version_entry(listed, &owners))
            .collect(),
        common_prefixes: prefixes(&page),
        next: page.next.map(version_position),
    };
    Ok(whole(output.into_response()))
}

/// The owners of what a page shows, by canonical id.
#[derive(Default)]
struct Owners(BTreeMap<String, Arc<Owner>>);

async fn owners(cx: &Context, page: &ListPage) -> Result<Owners, Error> {
    let mut owners = BTreeMap::new();
    for object in &page.objects {
        let id = &object.head.owner;
        if !owners.contains_key(id) {
            let owner = acl::owner_named(cx, id).await?;
            owners.insert(id.clone(), Arc::new(owner));
        }
    }
    Ok(Owners(owners))
}

impl Owners {
    fn of(&self, head: &ObjectHead) -> Arc<Owner> {
        let known = self.0.get(&head.owner).cloned();
        known.unwrap_or_else(|| {
            Arc::new(Owner {
                id: head.owner.clone(),
                display_name: String::new(),
            })
        })
    }
}

/// What is asked of the metadata; nothing for a page of no entries.
fn request(list: &ListCommon, start: Option<ListStart>) -> Option<ListRequest> {
    (list.max_keys > 0).then(|| ListRequest {
        prefix: convert::stored_key(&list.prefix),
        delimiter: convert::stored_key(list.delimiter.as_deref().unwrap_or_default()),
        start,
        max: list.max_keys,
    })
}

fn stored_position(position: ListPosition) -> ListStart {
    match position {
        ListPosition::AfterKey(key) => ListStart::AfterKey(ObjectKey::from(key)),
        ListPosition::AfterPrefix(prefix) => ListStart::AfterPrefix(ObjectKey::from(prefix)),
    }
}

fn position(next: ListStart) -> ListPosition {
    match next {
        ListStart::AfterKey(key) | ListStart::AfterVersion(key, _) => {
            ListPosition::AfterKey(convert::key_text(&key))
        }
        ListStart::AfterPrefix(prefix) => ListPosition::AfterPrefix(convert::key_text(&prefix)),
    }
}

fn stored_version_position(position: VersionPosition) -> ListStart {
    match position {
        VersionPosition::After(position) => stored_position(position),
        VersionPosition::AfterVersion(key, version) => {
            let key = ObjectKey::from(key);
            match convert::stored_version(&version) {
                Some(name) => ListStart::AfterVersion(key, name),
                // Nobody can say what comes after a version that never was.
                None => ListStart::AfterKey(key),
            }
        }
    }
}

fn version_position(next: ListStart) -> VersionPosition {
    match next {
        ListStart::AfterVersion(key, name) => {
            VersionPosition::AfterVersion(convert::key_text(&key), convert::version_id(name))
        }
        next => VersionPosition::After(position(next)),
    }
}

fn version_entry(listed: &ListedObject, owners: &Owners) -> VersionEntry {
    let head = &listed.head;
    VersionEntry {
        version_id: convert::version_id(head.name()),
        is_latest: listed.is_latest,
        owner: owners.of(head),
        kind: match head.delete_marker {
            true => VersionKind::DeleteMarker {
                key: convert::key_text(&listed.key),
                last_modified: convert::moment(head.modified_ms),
            },
            false => VersionKind::Object(entry(listed, owners)),
        },
    }
}

fn entries(page: &ListPage, owners: &Owners) -> Vec<ObjectEntry> {
    let objects = page.objects.iter();
    objects.map(|object| entry(object, owners)).collect()
}

fn entry(object: &ListedObject, owners: &Owners) -> ObjectEntry {
    let head = &object.head;
    ObjectEntry {
        key: convert::key_text(&object.key),
        last_modified: convert::moment(head.modified_ms),
        etag: convert::etag(&head.etag),
        size_bytes: head.size_bytes,
        storage_class: convert::class(head.storage_class),
        // Its record in a listing is kept small and has no checksum.
        checksum: None,
        owner: owners.of(head),
    }
}

fn prefixes(page: &ListPage) -> Vec<String> {
    page.prefixes.iter().map(convert::key_text).collect()
}

#[cfg(test)]
mod tests {
    use riquet_s3::name::BucketName;

    use super::*;

    fn list(max_keys: u32) -> ListCommon {
        ListCommon {
            bucket: BucketName::parse("bucket").expect("legal"),
            prefix: "p".to_owned(),
            delimiter: Some("/".to_owned()),
            max_keys,
            encoding: None,
        }
    }

    #[test]
    fn a_page_goes_on_where_the_last_one_ended() {
        for next in [
            ListStart::AfterKey("p1".into()),
            ListStart::AfterPrefix("p2/".into()),
        ] {
            let start = stored_position(position(next.clone()));
            let asked = request(&list(5), Some(start)).expect("entries wanted");
            assert_eq!(asked.start, Some(next.clone()));
        }
    }

    #[test]
    fn a_page_of_nothing_asks_nothing() {
        assert_eq!(request(&list(0), None), None);
        let asked = request(&list(7), None).expect("entries wanted");
        assert_eq!(
            (asked.max, asked.prefix, asked.delimiter),
            (7, "p".into(), "/".into())
        );
    }
}
