//! How queries are answered from one consistent view of a group's records.

mod blobs;
mod events;
mod list;
mod merged;
mod tablets;

use crate::id::{BucketId, Epoch, GroupId, ObjectKey, UploadId};
use crate::keys::{self, Family, end_of};
use crate::limits::{PAGE_ITEMS, PARTS};
use crate::machine::{
    ClusterRecord, bucket_of, identity_known_as, identity_named, key_holder, newest_version,
    principal, read_header, restore_state, tablet_of, version_named,
};
use crate::query::{
    Answer, ClusterState, KeyAnswer, KeyQuery, PartPage, Query, SystemAnswer, SystemQuery,
};
use crate::record::{
    BlobRecord, Change, Content, IdentityKind, IdentityName, LifecycleTurn, ObjectBody,
    ObjectVersion, StoredIdentity, Tablet, TabletState, Upload, VersionName,
};
use crate::store::{Reader, StoreError, decode, get, scan};

/// Answers a query of `group`.
///
/// # Errors
/// When the store fails or is damaged.
pub fn answer(group: GroupId, view: &dyn Reader, query: &Query) -> Result<Answer, StoreError> {
    if *query == Query::Restore {
        return Ok(Answer::Restore(restore_state(group, view)?));
    }
    if read_header(view)?.is_restoring() {
        return Ok(Answer::Restoring);
    }
    match (group.is_system(), query) {
        (true, Query::System(query)) => Ok(Answer::System(system(view, query)?)),
        (false, Query::Keys(query)) => Ok(Answer::Keys(keys_query(view, query)?)),
        _ => Ok(Answer::WrongGroup),
    }
}

/// The number of items of a page: what was asked, within the bound.
fn page(max: u32) -> usize {
    (max as usize).min(PAGE_ITEMS)
}

fn system(view: &dyn Reader, query: &SystemQuery) -> Result<SystemAnswer, StoreError> {
    Ok(match query {
        SystemQuery::Bucket { name } => SystemAnswer::Bucket(get(view, &keys::bucket(name))?),
        SystemQuery::BucketById { id } => bucket_by_id(view, *id)?,
        SystemQuery::Buckets {
            owner,
            prefix,
            after,
            max,
        } => buckets(view, owner.as_deref(), prefix, after.as_deref(), page(*max))?,
        SystemQuery::KeyHolder { key } => {
            SystemAnswer::KeyHolder(key_holder(view, key)?.map(Box::new))
        }
        SystemQuery::Identities {
            kind,
            tenant,
            after,
            max,
        } => identities(view, *kind, tenant, after.as_deref(), page(*max))?,
        SystemQuery::Identity { name } => {
            SystemAnswer::Identity(identity_named(view, name)?.map(Box::new))
        }
        SystemQuery::IdentityKnownAs { alias } => {
            SystemAnswer::Identity(identity_known_as(view, alias)?.map(Box::new))
        }
        SystemQuery::Principal { name } => {
            SystemAnswer::Principal(principal(view, name)?.map(Box::new))
        }
        SystemQuery::Change { bucket } => {
            SystemAnswer::Change(get(view, &keys::change(*bucket))?.map(Box::new))
        }
        SystemQuery::Document { bucket, kind } => {
            SystemAnswer::Document(get(view, &keys::document(*bucket, *kind))?)
        }
        SystemQuery::Changes { after, max } => changes(view, *after, page(*max))?,
        SystemQuery::LifecycleTurns { after, max } => lifecycle_turns(view, *after, page(*max))?,
        SystemQuery::LayoutHistory { before, max } => layout_history(view, *before, page(*max))?,
        // The service waits; the answer is the same.
        SystemQuery::Cluster | SystemQuery::WaitLayout { .. } => {
            let record = get::<ClusterRecord>(view, &keys::cluster())?;
            SystemAnswer::Cluster(record.map(|record| {
                Box::new(ClusterState {
                    cluster: record.cluster,
                    key_groups: record.key_groups,
                    layout: record.layout,
                })
            }))
        }
    })
}

fn layout_history(
    view: &dyn Reader,
    before: Option<Epoch>,
    max: usize,
) -> Result<SystemAnswer, StoreError> {
    let all = keys::family(Family::LayoutChange);
    let from = before.map_or_else(
        || all.clone(),
        |epoch| following(keys::layout_change(epoch)),
    );
    let mut found = scan(view, &from, &end_of(&all), max + 1)?;
    let more = found.len() > max;
    found.truncate(max);
    let changes = found.iter().map(|(key, value)| decode(key, value));
    Ok(SystemAnswer::LayoutHistory {
        changes: changes.collect::<Result<_, _>>()?,
        more,
    })
}

fn bucket_by_id(view: &dyn Reader, id: BucketId) -> Result<SystemAnswer, StoreError> {
    let header = read_header(view)?;
    Ok(SystemAnswer::BucketById {
        bucket: bucket_of(view, id)?,
        was_allocated: id.0 >= 1 && id.0 <= header.last_bucket,
        complete_since_ms: header.complete_since_ms,
    })
}

fn buckets(
    view: &dyn Reader,
    owner: Option<&str>,
    prefix: &str,
    after: Option<&str>,
    max: usize,
) -> Result<SystemAnswer, StoreError> {
    let place = |name: &str| match owner {
        Some(owner) => keys::owned_bucket(owner, name),
        None => keys::bucket(name),
    };
    let to = end_of(&place(prefix));
    let from = after.map_or_else(|| place(prefix), |after| following(place(after)));
    let mut found = scan(view, &from.max(place(prefix)), &to, max + 1)?;
    let more = found.len() > max;
    found.truncate(max);
    let mut buckets = Vec::with_capacity(found.len());
    for (key, value) in &found {
        if owner.is_none() {
            buckets.push(decode(key, value)?);
            continue;
        }
        let mut by_name = keys::family(Family::Bucket);
        by_name.extend_from_slice(&key[place("").len()..]);
        // Both records are written by the same commands.
        buckets.push(get(view, &by_name)?.expect("an owned bucket exists"));
    }
    Ok(SystemAnswer::Buckets { buckets, more })
}

fn identities(
    view: &dyn Reader,
    kind: IdentityKind,
    tenant: &str,
    after: Option<&str>,
    max: usize,
) -> Result<SystemAnswer, StoreError> {
    let all = keys::identities(kind, tenant);
    let name = |after: &str| IdentityName {
        kind,
        tenant: tenant.to_owned(),
        name: after.to_owned(),
    };
    let from = after.map_or_else(
        || all.clone(),
        |after| following(keys::identity(&name(after))),
    );
    let found = scan(view, &from, &end_of(&all), max + 1)?;
    let more = found.len() > max;
    let identities = found.iter().take(max);
    let identities = identities.map(|(key, value)| decode::<StoredIdentity>(key, value));
    Ok(SystemAnswer::Identities {
        identities: identities.collect::<Result<_, _>>()?,
        more,
    })
}

fn changes(
    view: &dyn Reader,
    after: Option<BucketId>,
    max: usize,
) -> Result<SystemAnswer, StoreError> {
    let family = keys::family(Family::Change);
    let from = after.map_or_else(|| family.clone(), |after| following(keys::change(after)));
    let found = scan(view, &from, &end_of(&family), max + 1)?;
    let changes = found
        .iter()
        .take(max)
        .map(|(key, value)| decode::<Change>(key, value));
    Ok(SystemAnswer::Changes {
        changes: changes.collect::<Result<_, _>>()?,
        more: found.len() > max,
    })
}

fn lifecycle_turns(
    view: &dyn Reader,
    after: Option<BucketId>,
    max: usize,
) -> Result<SystemAnswer, StoreError> {
    let family = keys::family(Family::LifecycleTurn);
    let place = |after| following(keys::lifecycle_turn(after));
    let from = after.map_or_else(|| family.clone(), place);
    let found = scan(view, &from, &end_of(&family), max + 1)?;
    let turns = found
        .iter()
        .take(max)
        .map(|(key, value)| decode::<LifecycleTurn>(key, value));
    Ok(SystemAnswer::LifecycleTurns {
        turns: turns.collect::<Result<_, _>>()?,
        more: found.len() > max,
    })
}

/// The least key above `key`.
fn following(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

fn keys_query(view: &dyn Reader, query: &KeyQuery) -> Result<KeyAnswer, StoreError> {
    let key = match query {
        KeyQuery::GetObject { bucket, key, .. }
        | KeyQuery::GetUpload { bucket, key, .. }
        | KeyQuery::ListParts { bucket, key, .. } => Some((*bucket, key.as_bytes())),
        // A listing finds its tablets as it goes; the others do not mind.
        _ => None,
    };
    if let Some((bucket, key)) = key {
        let tablet = tablet_of(view, bucket, key)?;
        if !tablet.as_ref().is_some_and(readable) {
            return Ok(refusal(tablet.as_ref()));
        }
    }
    Ok(match query {
        KeyQuery::GetObject {
            bucket,
            key,
            version,
        } => KeyAnswer::Object(object(view, *bucket, key, *version)?),
        KeyQuery::ListObjects { bucket, list } => list::objects(view, *bucket, list)?,
        KeyQuery::ListVersions {
            bucket,
            list,
            after,
        } => list::versions(view, *bucket, list, *after)?,
        KeyQuery::ListUploads {
            bucket,
            list,
            after,
        } => list::uploads(view, *bucket, list, *after)?,
        KeyQuery::GetUpload {
            bucket,
            key,
            upload,
        } => KeyAnswer::Upload(
            get::<Upload>(view, &keys::upload(*bucket, key.as_bytes(), *upload))?.map(Box::new),
        ),
        KeyQuery::ListParts {
            bucket,
            key,
            upload,
            after,
            max,
        } => KeyAnswer::Parts(parts(view, *bucket, key, *upload, *after, *max)?.map(Box::new)),
        KeyQuery::DebtCounts => blobs::debt_counts(view)?,
        KeyQuery::ListDebts { disk, after, max } => {
            blobs::debts(view, *disk, after.as_ref(), page(*max))?
        }
        KeyQuery::AreOwed { debts } => blobs::are_owed(view, debts)?,
        KeyQuery::ListGarbage {
            before_ms,
            after,
            max,
        } => blobs::garbage(view, *before_ms, after.as_ref(), page(*max))?,
        KeyQuery::ListRemovals { disk, after, max } => {
            blobs::removals(view, *disk, *after, page(*max))?
        }
        KeyQuery::EventQueues => events::queues(view, PAGE_ITEMS)?,
        KeyQuery::Events { target, max } => events::events(view, target, page(*max))?,
        KeyQuery::Blob { blob } => {
            KeyAnswer::Blob(get::<BlobRecord>(view, &keys::blob(*blob))?.map(Box::new))
        }
        KeyQuery::ListBlobs { after, max } => blobs::blobs(view, *after, page(*max))?,
        KeyQuery::KnownBlobs { blobs } => blobs::known(view, blobs)?,
        KeyQuery::Tablet { bucket, key } => {
            KeyAnswer::Tablet(tablet_of(view, *bucket, key.as_bytes())?.map(Box::new))
        }
        KeyQuery::Tablets { after, max } => tablets::tablets(view, after.as_ref(), page(*max))?,
        KeyQuery::CountKeys {
            bucket,
            from,
            until,
            max,
        } => tablets::count(view, *bucket, from, until.as_ref(), *max)?,
        KeyQuery::CopyTablet {
            bucket,
            start,
            change,
            position,
        } => tablets::records(view, *bucket, start, *change, position)?,
        KeyQuery::DebtsOfTablet {
            bucket,
            start,
            change,
            after,
        } => tablets::debts(view, *bucket, start, *change, after.as_ref())?,
    })
}

/// Whether a tablet can be read: while its records are copied elsewhere it still is the one that
/// has them.
fn readable(tablet: &Tablet) -> bool {
    matches!(tablet.state, TabletState::Open | TabletState::Frozen)
}

/// What a query meets where the tablet can't be read.
fn refusal(tablet: Option<&Tablet>) -> KeyAnswer {
    match tablet.map(|tablet| &tablet.state) {
        None => KeyAnswer::NoTablet,
        Some(TabletState::Sealed) => KeyAnswer::TabletSealed,
        Some(TabletState::Moved { to, .. }) => KeyAnswer::TabletMoved { to: *to },
        Some(_) => KeyAnswer::TabletBusy,
    }
}

fn object(
    view: &dyn Reader,
    bucket: BucketId,
    key: &ObjectKey,
    version: Option<VersionName>,
) -> Result<Option<Box<ObjectVersion>>, StoreError> {
    let mut head = newest_version(view, bucket, key)?;
    if let (Some(newest), Some(version)) = (&head, version) {
        head = version_named(view, bucket, key, newest, version)?;
    }
    let Some(head) = head else {
        return Ok(None);
    };
    let body = if head.delete_marker {
        ObjectBody::of(Content::empty())
    } else {
        let body = get(view, &keys::body(bucket, key.as_bytes(), head.sequence))?;
        body.expect("every head of an object has a body")
    };
    Ok(Some(Box::new(ObjectVersion { head, body })))
}

fn parts(
    view: &dyn Reader,
    bucket: BucketId,
    key: &ObjectKey,
    upload: UploadId,
    after: u32,
    max: u32,
) -> Result<Option<PartPage>, StoreError> {
    let Some(record) = get(view, &keys::upload(bucket, key.as_bytes(), upload))? else {
        return Ok(None);
    };
    let max = max.min(PARTS) as usize;
    let from = following(keys::part(bucket, key.as_bytes(), upload, after));
    let to = end_of(&keys::parts(bucket, key.as_bytes(), upload));
    let found = scan(view, &from, &to, max + 1)?;
    let parts = found
        .iter()
        .take(max)
        .map(|(key, value)| decode(key, value));
    Ok(Some(PartPage {
        upload: record,
        parts: parts.collect::<Result<_, _>>()?,
        more: found.len() > max,
    }))
}
