//! What is asked about tablets themselves: their states and sizes, and what a move copies.

use crate::command::OwedShard;
use crate::id::{BucketId, ChangeId, ObjectKey};
use crate::keys::{self, Family, end_of};
use crate::limits::COUNT_KEYS;
use crate::machine::{copy, debts_of_tablet, tablet_of};
use crate::query::{KeyAnswer, ListedTablet, TabletPosition};
use crate::record::{CopyPosition, Debt, Tablet, TabletState};
use crate::store::{Reader, StoreError, damaged, decode, scan};

use super::{following, readable, refusal};

/// A page of the group's tablets.
pub(super) fn tablets(
    view: &dyn Reader,
    after: Option<&TabletPosition>,
    max: usize,
) -> Result<KeyAnswer, StoreError> {
    let family = keys::family(Family::Tablet);
    let from = after.map_or_else(
        || family.clone(),
        |after| {
            let end = after.end.as_ref().map(ObjectKey::as_bytes);
            following(keys::tablet(after.bucket, end))
        },
    );
    let found = scan(view, &from, &end_of(&family), max + 1)?;
    let mut tablets = Vec::with_capacity(found.len().min(max));
    for (key, value) in found.iter().take(max) {
        let malformed = || crate::codec::CodecError::Malformed("the key of a tablet".to_owned());
        let bucket = keys::bucket_in(key).ok_or_else(|| damaged(key, malformed()))?;
        tablets.push(ListedTablet {
            bucket,
            tablet: decode(key, value)?,
        });
    }
    Ok(KeyAnswer::Tablets {
        tablets,
        more: found.len() > max,
    })
}

/// Counts objects from a key on, within its tablet.
pub(super) fn count(
    view: &dyn Reader,
    bucket: BucketId,
    from: &ObjectKey,
    until: Option<&ObjectKey>,
    max: u64,
) -> Result<KeyAnswer, StoreError> {
    let tablet = tablet_of(view, bucket, from.as_bytes())?;
    let Some(tablet) = tablet.as_ref().filter(|tablet| readable(tablet)) else {
        return Ok(refusal(tablet.as_ref()));
    };
    let max = max.min(COUNT_KEYS);
    let family = Family::Current;
    let (_, end) = keys::of_range(family, bucket, &tablet.range);
    let to = match until {
        Some(until) => keys::of_prefix(family, bucket, until.as_bytes()).min(end),
        None => end,
    };
    let mut cursor = view.cursor(&to);
    cursor.seek(&keys::of_prefix(family, bucket, from.as_bytes()))?;
    let mut keys = 0;
    let mut next = None;
    while let Some((stored, _)) = cursor.entry()
        && stored < to.as_slice()
    {
        if keys == max {
            let malformed = || crate::codec::CodecError::Malformed("the key".to_owned());
            let (key, _) = keys::object_key(stored).ok_or_else(|| damaged(stored, malformed()))?;
            next = Some(key.into());
            break;
        }
        keys += 1;
        cursor.advance()?;
    }
    Ok(KeyAnswer::Counted { keys, next })
}

/// The tablet that begins at `start`, if `change` put it into a state that `fits`; or what there
/// is instead.
fn changed(
    view: &dyn Reader,
    bucket: BucketId,
    start: &ObjectKey,
    change: ChangeId,
    fits: impl Fn(&TabletState) -> bool,
) -> Result<Result<Tablet, KeyAnswer>, StoreError> {
    let tablet = tablet_of(view, bucket, start.as_bytes())?;
    Ok(match tablet {
        Some(tablet)
            if tablet.range.start == *start && tablet.changed == change && fits(&tablet.state) =>
        {
            Ok(tablet)
        }
        other => Err(KeyAnswer::Tablet(other.map(Box::new))),
    })
}

/// Records of a frozen tablet.
pub(super) fn records(
    view: &dyn Reader,
    bucket: BucketId,
    start: &ObjectKey,
    change: ChangeId,
    position: &CopyPosition,
) -> Result<KeyAnswer, StoreError> {
    let is_frozen = |state: &TabletState| *state == TabletState::Frozen;
    Ok(match changed(view, bucket, start, change, is_frozen)? {
        Err(answer) => answer,
        Ok(tablet) => {
            let (records, next) = copy(view, bucket, &tablet.range, position)?;
            KeyAnswer::Records { records, next }
        }
    })
}

/// Debts of the blobs of a moved tablet.
pub(super) fn debts(
    view: &dyn Reader,
    bucket: BucketId,
    start: &ObjectKey,
    change: ChangeId,
    after: Option<&Debt>,
) -> Result<KeyAnswer, StoreError> {
    let is_moved = |state: &TabletState| matches!(state, TabletState::Moved { .. });
    Ok(match changed(view, bucket, start, change, is_moved)? {
        Err(answer) => answer,
        Ok(tablet) => {
            let (debts, next): (Vec<OwedShard>, _) =
                debts_of_tablet(view, bucket, &tablet.range, after)?;
            KeyAnswer::TabletDebts { debts, next }
        }
    })
}
