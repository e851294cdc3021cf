//! Tablets: which keys of which buckets the group takes, and the steps of the changes that split,
//! move and seal them.
//!
//! Every step is decided here, in one order with all writes, and names the change it belongs to.
//! A tablet remembers the newest change that touched it; a step of an older one, however late it
//! comes and however often, changes nothing. So two drivers of one change, or one that was
//! thought dead, do no harm. Records of tablets that moved away or were sealed stay, so that late
//! writes, late openings and late steps meet them.

use std::ops::{Add, AddAssign};

use super::Batch;
use crate::command::{KeyOutcome, TabletStep};
use crate::id::{BucketId, ChangeId, ObjectKey};
use crate::keys::{self, Family, end_of};
use crate::record::{KeyRange, Tablet, TabletSize, TabletState};
use crate::store::{Reader, StoreError, decode, scan};

/// The tablet of this group that holds or held `key`, if it has one.
pub(crate) fn tablet_of(
    reader: &dyn Reader,
    bucket: BucketId,
    key: &[u8],
) -> Result<Option<Tablet>, StoreError> {
    let end = end_of(&keys::of_bucket(Family::Tablet, bucket));
    let mut cursor = reader.cursor(&end);
    cursor.seek(&keys::tablets_past(bucket, key))?;
    let found = match cursor.entry() {
        Some((stored, value)) if stored < end.as_slice() => Some(decode::<Tablet>(stored, value)?),
        _ => None,
    };
    Ok(found.filter(|tablet| tablet.range.contains(key)))
}

/// The tablets of this group that hold or held keys of a range, in order.
pub(super) fn tablets_overlapping(
    reader: &dyn Reader,
    bucket: BucketId,
    range: &KeyRange,
) -> Result<Vec<Tablet>, StoreError> {
    let from = keys::tablets_past(bucket, range.start.as_bytes());
    let to = end_of(&keys::of_bucket(Family::Tablet, bucket));
    let mut overlapping = Vec::new();
    let mut cursor = reader.cursor(&to);
    cursor.seek(&from)?;
    while let Some((key, value)) = cursor.entry()
        && key < to.as_slice()
    {
        let held: Tablet = decode(key, value)?;
        if !held.range.overlaps(range) {
            break;
        }
        overlapping.push(held);
        cursor.advance()?;
    }
    Ok(overlapping)
}

/// What an operation meets where the tablet can't take it.
fn refusal(tablet: Option<&Tablet>) -> KeyOutcome {
    match tablet.map(|tablet| &tablet.state) {
        None => KeyOutcome::NoTablet,
        Some(TabletState::Open) => KeyOutcome::TabletOpen,
        Some(TabletState::Sealed) => KeyOutcome::TabletSealed,
        Some(TabletState::Moved { to, .. }) => KeyOutcome::TabletMoved { to: *to },
        Some(TabletState::Frozen | TabletState::Receiving { .. } | TabletState::Closing) => {
            KeyOutcome::TabletBusy
        }
    }
}

impl Batch<'_> {
    /// The tablet of `key` if it takes writes, or what to answer.
    pub(super) fn open_tablet_of(
        &self,
        bucket: BucketId,
        key: &[u8],
    ) -> Result<Result<Tablet, KeyOutcome>, StoreError> {
        let tablet = tablet_of(&self.state, bucket, key)?;
        Ok(match tablet {
            Some(tablet) if tablet.state == TabletState::Open => Ok(tablet),
            other => Err(refusal(other.as_ref())),
        })
    }

    pub(super) fn put_tablet(&mut self, bucket: BucketId, tablet: &Tablet) {
        let end = tablet.range.end.as_ref().map(ObjectKey::as_bytes);
        self.state.put(keys::tablet(bucket, end), tablet);
    }

    pub(super) fn open_tablet(&mut self, bucket: BucketId) -> Result<KeyOutcome, StoreError> {
        let from = keys::of_bucket(Family::Tablet, bucket);
        if !scan(&self.state, &from, &end_of(&from), 1)?.is_empty() {
            let tablet = tablet_of(&self.state, bucket, &[])?;
            return Ok(refusal(tablet.as_ref()));
        }
        let tablet = Tablet {
            range: KeyRange::default(),
            state: TabletState::Open,
            changed: ChangeId::default(),
            size: TabletSize::default(),
        };
        self.put_tablet(bucket, &tablet);
        Ok(KeyOutcome::TabletOpen)
    }

    pub(super) fn tablet_step(
        &mut self,
        bucket: BucketId,
        start: &ObjectKey,
        change: ChangeId,
        step: &TabletStep,
    ) -> Result<KeyOutcome, StoreError> {
        let tablet = tablet_of(&self.state, bucket, start.as_bytes())?;
        let tablet = tablet.filter(|tablet| tablet.range.start == *start);
        if let TabletStep::Receive { end } = step {
            return self.receive(bucket, tablet, start, end.as_ref(), change);
        }
        let Some(mut tablet) = tablet else {
            return Ok(KeyOutcome::NoTablet);
        };
        let untouched = tablet.changed < change;
        let is_ours = tablet.changed == change;
        match (step, &tablet.state) {
            (TabletStep::Close, TabletState::Open) if untouched => {
                if self.holds_objects(bucket, &tablet.range)? {
                    return Ok(KeyOutcome::TabletNotEmpty);
                }
                tablet.state = TabletState::Closing;
            }
            (TabletStep::Seal, TabletState::Closing) if is_ours => {
                tablet.state = TabletState::Sealed;
            }
            (TabletStep::Reopen, TabletState::Closing) if is_ours => {
                tablet.state = TabletState::Open;
            }
            // A closing of this change that is still on its way comes too late from now on.
            (TabletStep::Reopen, TabletState::Open) if untouched => {}
            (TabletStep::Split { at, first }, TabletState::Open) if untouched => {
                return Ok(self.split(bucket, tablet, at, *first, change));
            }
            (TabletStep::Freeze, TabletState::Open) if untouched => {
                tablet.state = TabletState::Frozen;
            }
            (TabletStep::Release { to }, TabletState::Frozen) if is_ours => {
                tablet.state = TabletState::Moved {
                    to: *to,
                    sequence: self.header.sequence,
                    clock_ms: self.header.clock_ms,
                };
            }
            (
                TabletStep::Admit { sequence, clock_ms },
                TabletState::Receiving { position: None },
            ) if is_ours => {
                self.header.sequence = self.header.sequence.max(*sequence);
                self.header.clock_ms = self.header.clock_ms.max(*clock_ms);
                tablet.state = TabletState::Open;
            }
            (
                TabletStep::Ingest {
                    position,
                    next,
                    records,
                },
                TabletState::Receiving {
                    position: Some(so_far),
                },
            ) if is_ours && position == so_far => {
                let Some(size) = self.ingest(bucket, &tablet.range, records)? else {
                    return Ok(KeyOutcome::ForeignRecords);
                };
                tablet.size.keys += size.keys;
                tablet.size.bytes += size.bytes;
                tablet.state = TabletState::Receiving {
                    position: next.clone(),
                };
            }
            (TabletStep::Sweep, TabletState::Sealed) if is_ours => {
                return self.sweep_uploads(bucket, &tablet.range);
            }
            (TabletStep::Sweep, TabletState::Moved { .. }) if is_ours => {
                return self.sweep_moved(bucket, &tablet.range);
            }
            (TabletStep::TakeDebts { debts }, TabletState::Open) if is_ours => {
                self.take_debts(debts);
            }
            (TabletStep::GiveDebts { debts }, TabletState::Moved { .. }) if is_ours => {
                for debt in debts {
                    self.state.delete(keys::debt(debt));
                }
            }
            // Taken already, or thwarted by another change: the proposer sees which.
            _ => return Ok(KeyOutcome::Tablet(Box::new(tablet))),
        }
        tablet.changed = change;
        self.put_tablet(bucket, &tablet);
        Ok(KeyOutcome::Tablet(Box::new(tablet)))
    }

    fn holds_objects(&self, bucket: BucketId, range: &KeyRange) -> Result<bool, StoreError> {
        for family in [Family::Current, Family::Version] {
            let (from, to) = keys::of_range(family, bucket, range);
            if !scan(&self.state, &from, &to, 1)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn split(
        &mut self,
        bucket: BucketId,
        mut tablet: Tablet,
        at: &ObjectKey,
        first: TabletSize,
        change: ChangeId,
    ) -> KeyOutcome {
        if *at == tablet.range.start || !tablet.range.contains(at.as_bytes()) {
            return KeyOutcome::Tablet(Box::new(tablet));
        }
        let whole = tablet.size;
        let keys = first.keys.min(whole.keys);
        let bytes = first.bytes.min(whole.bytes);
        tablet.changed = change;
        let mut lower = tablet.clone();
        lower.range.end = Some(at.clone());
        lower.size = TabletSize {
            keys,
            bytes,
            writes: whole.writes / 2,
        };
        tablet.range.start = at.clone();
        tablet.size = TabletSize {
            keys: whole.keys - keys,
            bytes: whole.bytes - bytes,
            writes: whole.writes - whole.writes / 2,
        };
        // The upper one takes the whole one's place: records are found by their end.
        self.put_tablet(bucket, &tablet);
        self.put_tablet(bucket, &lower);
        KeyOutcome::Tablet(Box::new(lower))
    }

    /// Notes what a write did to the size of its tablet.
    pub(super) fn count(&mut self, bucket: BucketId, mut tablet: Tablet, by: SizeChange) {
        let size = &mut tablet.size;
        // After a split the sizes are estimates, so they could fall below what is removed.
        size.keys = size.keys.saturating_add_signed(by.keys);
        size.bytes = size.bytes.saturating_add_signed(by.bytes);
        size.writes += 1;
        self.put_tablet(bucket, &tablet);
    }
}

/// What a write does to the size of its tablet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SizeChange {
    /// Objects more, or fewer; older versions don't count.
    pub(super) keys: i64,
    /// Bytes of their records more, or fewer.
    pub(super) bytes: i64,
}

impl AddAssign for SizeChange {
    fn add_assign(&mut self, other: Self) {
        self.keys += other.keys;
        self.bytes += other.bytes;
    }
}

impl Add for SizeChange {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}
