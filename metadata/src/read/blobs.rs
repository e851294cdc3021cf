//! Blobs and what is to be done about them: debts, garbage, removals.

use super::following;
use crate::codec::CodecError;
use crate::command::GarbageKey;
use crate::id::{BlobId, DiskId};
use crate::keys::{self, Family, end_of};
use crate::limits::PAGE_ITEMS;
use crate::query::{DEBTS_COUNTED, DebtCount, KeyAnswer, ListedDebt};
use crate::record::{BlobRecord, Debt, DebtRecord, Garbage, Removal};
use crate::store::{Reader, StoreError, damaged, decode, get, scan};

/// How many shards each disk is owed.
pub(super) fn debt_counts(view: &dyn Reader) -> Result<KeyAnswer, StoreError> {
    let from = keys::family(Family::Debt);
    let to = end_of(&from);
    let mut counts: Vec<DebtCount> = Vec::new();
    let mut cursor = view.cursor(&to);
    cursor.seek(&from)?;
    let mut walked = 0;
    while walked < DEBTS_COUNTED
        && let Some((key, _)) = cursor.entry()
        && key < to.as_slice()
    {
        let disk = parse_debt(key)?.disk;
        match counts.last_mut() {
            Some(last) if last.disk == disk => last.shards += 1,
            _ => counts.push(DebtCount { disk, shards: 1 }),
        }
        walked += 1;
        cursor.advance()?;
    }
    Ok(KeyAnswer::DebtCounts(counts))
}

fn parse_debt(key: &[u8]) -> Result<Debt, StoreError> {
    let malformed = || CodecError::Malformed("the key of a debt".to_owned());
    keys::parse_debt(key).ok_or_else(|| damaged(key, malformed()))
}

/// Debts to a disk, or all.
pub(super) fn debts(
    view: &dyn Reader,
    disk: Option<DiskId>,
    after: Option<&Debt>,
    max: usize,
) -> Result<KeyAnswer, StoreError> {
    let range = disk.map_or_else(|| keys::family(Family::Debt), keys::debts_of);
    let from = after.map_or_else(|| range.clone(), |after| following(keys::debt(after)));
    let found = scan(view, &from.max(range.clone()), &end_of(&range), max + 1)?;
    let mut debts = Vec::with_capacity(found.len());
    for (key, value) in found.iter().take(max) {
        let debt = parse_debt(key)?;
        debts.push(ListedDebt {
            since_ms: decode::<DebtRecord>(key, value)?.since_ms,
            blob: get(view, &keys::blob(blob_of(&debt)))?,
            debt,
        });
    }
    Ok(KeyAnswer::Debts {
        debts,
        more: found.len() > max,
    })
}

fn blob_of(debt: &Debt) -> BlobId {
    debt.shard.chunk.blob
}

/// Which of these shards are owed.
pub(super) fn are_owed(view: &dyn Reader, debts: &[Debt]) -> Result<KeyAnswer, StoreError> {
    let owed = debts
        .iter()
        .map(|debt| Ok(view.get(&keys::debt(debt))?.is_some()));
    Ok(KeyAnswer::Owed(owed.collect::<Result<_, StoreError>>()?))
}

/// Garbage that nothing names since before a time.
pub(super) fn garbage(
    view: &dyn Reader,
    before_ms: u64,
    after: Option<&GarbageKey>,
    max: usize,
) -> Result<KeyAnswer, StoreError> {
    let from = after.map_or_else(
        || keys::family(Family::Garbage),
        |after| following(keys::garbage(after.since_ms, after.blob)),
    );
    let to = keys::garbage(before_ms, BlobId::from_u128(0));
    let found = scan(view, &from, &to.max(from.clone()), max + 1)?;
    let entries = found
        .iter()
        .take(max)
        .map(|(key, value)| decode::<Garbage>(key, value));
    Ok(KeyAnswer::Garbage {
        entries: entries.collect::<Result<_, _>>()?,
        more: found.len() > max,
    })
}

/// What a disk has yet to remove.
pub(super) fn removals(
    view: &dyn Reader,
    disk: DiskId,
    after: Option<BlobId>,
    max: usize,
) -> Result<KeyAnswer, StoreError> {
    let from = after.map_or_else(
        || keys::removals_of(disk),
        |blob| following(keys::removal(&Removal { disk, blob })),
    );
    let found = scan(view, &from, &end_of(&keys::removals_of(disk)), max + 1)?;
    let removals = found.iter().take(max).map(|(key, _)| {
        let malformed = || CodecError::Malformed("the key of a removal".to_owned());
        keys::parse_removal(key).ok_or_else(|| damaged(key, malformed()))
    });
    Ok(KeyAnswer::Removals {
        removals: removals.collect::<Result<_, _>>()?,
        more: found.len() > max,
    })
}

/// Committed blobs, by id.
pub(super) fn blobs(
    view: &dyn Reader,
    after: Option<BlobId>,
    max: usize,
) -> Result<KeyAnswer, StoreError> {
    let family = keys::family(Family::Blob);
    let from = after.map_or_else(|| family.clone(), |after| following(keys::blob(after)));
    let found = scan(view, &from, &end_of(&family), max + 1)?;
    let blobs = found
        .iter()
        .take(max)
        .map(|(key, value)| decode::<BlobRecord>(key, value));
    Ok(KeyAnswer::Blobs {
        blobs: blobs.collect::<Result<_, _>>()?,
        more: found.len() > max,
    })
}

/// Those of these blobs that are committed, garbage included.
pub(super) fn known(view: &dyn Reader, asked: &[BlobId]) -> Result<KeyAnswer, StoreError> {
    let mut known = Vec::new();
    for blob in asked.iter().take(PAGE_ITEMS) {
        if view.get(&keys::blob(*blob))?.is_some() {
            known.push(*blob);
        }
    }
    Ok(KeyAnswer::KnownBlobs(known))
}
