//! Changes of buckets' tablets, as the control group keeps them: what is under way, what was
//! decided of it, and the map that comes of it.
//!
//! A change is recorded here before its first step in a key group, and forgotten here after its
//! last. There is at most one per bucket, made for the bucket's map as it is, so the map does not
//! change under it. What was decided is never decided otherwise.

use super::Batch;
use crate::command::SystemOutcome;
use crate::id::{BucketId, ChangeId, GroupId};
use crate::keys::{self, Family};
use crate::limits::TABLETS_PER_BUCKET;
use crate::record::{Bucket, Change, ChangeKind, ChangePhase, KeyRange, TabletPlace};
use crate::store::{Reader, StoreError, get};

/// The bucket of a number, if it exists.
pub(crate) fn bucket_of(reader: &dyn Reader, id: BucketId) -> Result<Option<Bucket>, StoreError> {
    let Some(name) = reader.get(&keys::bucket_name(id))? else {
        return Ok(None);
    };
    let mut key = keys::family(Family::Bucket);
    key.extend_from_slice(&name);
    get(reader, &key)
}

/// Whether a change can be made in a bucket that is as it is.
fn fits(bucket: &Bucket, kind: &ChangeKind, key_groups: u32) -> bool {
    let has = |range: &KeyRange, group: GroupId| {
        let place = bucket.place_of(range.start.as_bytes());
        bucket.range_at(place) == *range && bucket.tablets[place].group == group
    };
    match kind {
        ChangeKind::Split {
            range, at, group, ..
        } => {
            has(range, *group)
                && *at != range.start
                && range.contains(at.as_bytes())
                && bucket.tablets.len() < TABLETS_PER_BUCKET
        }
        ChangeKind::Move { range, from, to } => {
            has(range, *from) && to != from && (1..=key_groups).contains(&to.0)
        }
        ChangeKind::Delete => true,
    }
}

/// The map after a change was committed.
fn alter(bucket: &mut Bucket, kind: &ChangeKind, since: ChangeId) {
    match kind {
        ChangeKind::Split { at, group, .. } => {
            let place = bucket.place_of(at.as_bytes());
            bucket.tablets[place].since = since;
            bucket.tablets.insert(
                place + 1,
                TabletPlace {
                    start: at.clone(),
                    group: *group,
                    since,
                },
            );
        }
        ChangeKind::Move { range, to, .. } => {
            let place = bucket.place_of(range.start.as_bytes());
            bucket.tablets[place].group = *to;
            bucket.tablets[place].since = since;
        }
        ChangeKind::Delete => {}
    }
}

impl Batch<'_> {
    pub(super) fn begin_change(
        &mut self,
        key_groups: u32,
        bucket: BucketId,
        kind: &ChangeKind,
    ) -> Result<SystemOutcome, StoreError> {
        if let Some(change) = self.change_of(bucket)? {
            return Ok(SystemOutcome::Change(Some(Box::new(change))));
        }
        match bucket_of(&self.state, bucket)? {
            Some(bucket) if fits(&bucket, kind, key_groups) => {}
            _ => return Ok(SystemOutcome::ChangeUnfit),
        }
        let change = Change {
            id: ChangeId(self.next_sequence()),
            bucket,
            kind: kind.clone(),
            phase: ChangePhase::Begun,
            begun_ms: self.header.clock_ms,
        };
        self.state.put(keys::change(bucket), &change);
        Ok(SystemOutcome::Change(Some(Box::new(change))))
    }

    pub(super) fn commit_change(
        &mut self,
        bucket: BucketId,
        id: ChangeId,
    ) -> Result<SystemOutcome, StoreError> {
        let Some(mut change) = self.change_in(bucket, id, &[ChangePhase::Begun])? else {
            return self.change_now(bucket);
        };
        let record = bucket_of(&self.state, bucket)?;
        let mut record = record.expect("a bucket outlives its changes");
        alter(&mut record, &change.kind, id);
        self.state.put(keys::bucket(&record.name), &record);
        if let ChangeKind::Split { .. } = change.kind {
            self.state.delete(keys::change(bucket));
        } else {
            change.phase = ChangePhase::Committed;
            self.state.put(keys::change(bucket), &change);
        }
        self.change_now(bucket)
    }

    pub(super) fn cancel_change(
        &mut self,
        bucket: BucketId,
        id: ChangeId,
    ) -> Result<SystemOutcome, StoreError> {
        if let Some(mut change) = self.change_in(bucket, id, &[ChangePhase::Begun])?
            && change.kind == ChangeKind::Delete
        {
            change.phase = ChangePhase::Cancelled;
            self.state.put(keys::change(bucket), &change);
        }
        self.change_now(bucket)
    }

    pub(super) fn end_change(
        &mut self,
        bucket: BucketId,
        id: ChangeId,
    ) -> Result<SystemOutcome, StoreError> {
        let decided = [ChangePhase::Committed, ChangePhase::Cancelled];
        if let Some(change) = self.change_in(bucket, id, &decided)? {
            self.state.delete(keys::change(bucket));
            if change.kind == ChangeKind::Delete && change.phase == ChangePhase::Committed {
                self.forget_bucket(bucket)?;
            }
        }
        self.change_now(bucket)
    }

    fn change_of(&self, bucket: BucketId) -> Result<Option<Change>, StoreError> {
        self.state.record(&keys::change(bucket))
    }

    fn change_in(
        &self,
        bucket: BucketId,
        id: ChangeId,
        phases: &[ChangePhase],
    ) -> Result<Option<Change>, StoreError> {
        let change = self.change_of(bucket)?;
        Ok(change.filter(|change| change.id == id && phases.contains(&change.phase)))
    }

    fn change_now(&self, bucket: BucketId) -> Result<SystemOutcome, StoreError> {
        let change = self.change_of(bucket)?;
        Ok(SystemOutcome::Change(change.map(Box::new)))
    }
}
