//! Splits: where to, and the step of it.

use super::ODD;
use super::changes::Decision;
use crate::client::Client;
use crate::command::TabletStep;
use crate::error::Error;
use crate::id::{BucketId, GroupId, ObjectKey};
use crate::limits::COUNT_KEYS;
use crate::query::{KeyAnswer, KeyQuery};
use crate::record::{Bucket, Change, ChangeKind, KeyRange, TabletSize};
use crate::tablets::TabletChanged;

impl Client {
    /// Splits a tablet of a bucket, so that the second half begins at `at`. Returns once the map
    /// shows it.
    ///
    /// # Errors
    /// When no voter answers. The change may be under way, and is then ended by whoever finds it.
    pub async fn split_tablet(
        &self,
        bucket: &Bucket,
        range: &KeyRange,
        at: ObjectKey,
    ) -> Result<TabletChanged, Error> {
        let group = bucket.group_of(range.start.as_bytes());
        let Some(whole) = self.tablet_at(group, bucket.id, &range.start).await? else {
            return Ok(TabletChanged::Unfit);
        };
        let until = Some(&at);
        let (below, _) = self
            .count_keys(group, bucket.id, &range.start, until, u64::MAX)
            .await?;
        self.split_where(bucket, range, at, below, whole.size).await
    }

    /// Splits a tablet of a bucket in the middle of its objects.
    ///
    /// # Errors
    /// When no voter answers. The change may be under way, and is then ended by whoever finds it.
    pub async fn halve_tablet(
        &self,
        bucket: &Bucket,
        range: &KeyRange,
    ) -> Result<TabletChanged, Error> {
        let group = bucket.group_of(range.start.as_bytes());
        let Some(whole) = self.tablet_at(group, bucket.id, &range.start).await? else {
            return Ok(TabletChanged::Unfit);
        };
        // The size is an estimate after earlier splits: look for a middle further down.
        let mut below = whole.size.keys / 2;
        while below > 0 {
            let found = self.count_keys(group, bucket.id, &range.start, None, below);
            if let (_, Some(at)) = found.await? {
                return self.split_where(bucket, range, at, below, whole.size).await;
            }
            below /= 2;
        }
        Ok(TabletChanged::Unfit)
    }

    async fn split_where(
        &self,
        bucket: &Bucket,
        range: &KeyRange,
        at: ObjectKey,
        below: u64,
        whole: TabletSize,
    ) -> Result<TabletChanged, Error> {
        let bytes = u128::from(whole.bytes) * u128::from(below) / u128::from(whole.keys.max(1));
        let kind = ChangeKind::Split {
            range: range.clone(),
            at,
            group: bucket.group_of(range.start.as_bytes()),
            first: TabletSize {
                keys: below,
                bytes: u64::try_from(bytes).unwrap_or(whole.bytes),
                writes: 0,
            },
        };
        self.carry_out(bucket.id, kind).await
    }

    /// Counts up to `max` objects of the tablet of `from`, from there on, and below `until`; and
    /// the first that was not counted, if `max` were.
    async fn count_keys(
        &self,
        group: GroupId,
        bucket: BucketId,
        from: &ObjectKey,
        until: Option<&ObjectKey>,
        max: u64,
    ) -> Result<(u64, Option<ObjectKey>), Error> {
        let mut from = from.clone();
        let mut counted = 0;
        loop {
            let query = KeyQuery::CountKeys {
                bucket,
                from,
                until: until.cloned(),
                max: (max - counted).min(COUNT_KEYS),
            };
            let next = match self.inner.calls.query_keys(group, query).await? {
                KeyAnswer::Counted { keys, next } => {
                    counted += keys;
                    next
                }
                // It is about to change: the split will not fit.
                KeyAnswer::NoTablet
                | KeyAnswer::TabletBusy
                | KeyAnswer::TabletMoved { .. }
                | KeyAnswer::TabletSealed => None,
                _ => return Err(ODD),
            };
            match next {
                Some(next) if counted < max => from = next,
                next => return Ok((counted, next)),
            }
        }
    }

    /// Takes the step of a split.
    pub(super) async fn split(&self, change: &Change) -> Result<Option<Decision>, Error> {
        let ChangeKind::Split {
            range,
            at,
            group,
            first,
        } = &change.kind
        else {
            unreachable!("asked for splits only");
        };
        let step = TabletStep::Split {
            at: at.clone(),
            first: *first,
        };
        let tablet = self.step(change, *group, &range.start, step).await?;
        Ok(tablet.map(|_| Decision::Commit))
    }
}
