//! The balancer, which looks after the tablets in the background.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::plan::{Action, Policy, TabletLoad, plan};
use crate::client::Client;
use crate::error::Error;
use crate::id::{BucketId, ChangeId, GroupId, ObjectKey};
use crate::limits::PAGE_ITEMS;
use crate::record::{Change, TabletState};
use crate::tablets::TabletChanged;

/// How often changes that are under way are looked at. One that is there twice in a row is taken
/// up: who began it has had that long.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks between two plans: sizes change slowly, and loads are measured over this time.
const LOOKS_PER_PLAN: u32 = 30;

/// Looks after a cluster's tablets, for as long as it runs.
pub struct Balancer {
    client: Client,
    policy: Policy,
    /// Changes counted by a tablet when it was looked at last, and when that was.
    seen: BTreeMap<(BucketId, ObjectKey, GroupId), (u64, Instant)>,
    /// Changes that were under way at the last look.
    met: BTreeSet<ChangeId>,
}

/// What a plan came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// What was split and moved.
    pub done: Vec<Action>,
    /// What did not fit any more, or failed. The next round sees why.
    pub left: Vec<Action>,
}

impl Balancer {
    /// A balancer that has not looked at anything yet.
    pub fn new(client: Client, policy: Policy) -> Self {
        Self {
            client,
            policy,
            seen: BTreeMap::new(),
            met: BTreeSet::new(),
        }
    }

    /// Works while `leads` says so, which is meant to be true in the process that leads the control
    /// group. That it is true in two for a moment does no harm. Runs until it is dropped: at whatever
    /// step, the next balancer goes on from there.
    pub async fn run(mut self, leads: impl Fn() -> bool) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks = 0;
        loop {
            ticks.tick().await;
            if !leads() {
                self.seen.clear();
                self.met.clear();
                continue;
            }
            looks += 1;
            let worked = match self.take_up().await {
                Ok(()) if looks % LOOKS_PER_PLAN == 0 => self.round().await.map(|_| ()),
                taken => taken,
            };
            if let Err(error) = worked {
                tracing::warn!(%error, "the tablets could not be looked after");
            }
        }
    }

    /// Takes every change that is under way to its end.
    ///
    /// # Errors
    /// When no voter answers. What is left stays to be found.
    pub async fn resume(&self) -> Result<(), Error> {
        for change in self.changes().await? {
            self.client.drive(&change).await?;
        }
        Ok(())
    }

    /// Takes up the changes that were under way at the last look already.
    async fn take_up(&mut self) -> Result<(), Error> {
        let changes = self.changes().await?;
        let before = std::mem::take(&mut self.met);
        self.met = changes.iter().map(|change| change.id).collect();
        for change in changes.iter().filter(|change| before.contains(&change.id)) {
            match self.client.drive(change).await {
                Ok(()) => tracing::info!(?change, "a change of a tablet was taken up"),
                // The others need not wait for what holds this one up.
                Err(error) => {
                    tracing::warn!(?change, %error, "a change of a tablet could not be ended");
                }
            }
        }
        Ok(())
    }

    /// The changes that are under way.
    async fn changes(&self) -> Result<Vec<Change>, Error> {
        let max = u32::try_from(PAGE_ITEMS).expect("a page is small");
        let mut all: Vec<Change> = Vec::new();
        loop {
            let after = all.last().map(|change| change.bucket);
            let (changes, more) = self.client.tablet_changes(after, max).await?;
            all.extend(changes);
            if !more {
                return Ok(all);
            }
        }
    }

    /// Splits and moves what the plan says.
    ///
    /// # Errors
    /// When no voter answers. What was begun stays to be found.
    pub async fn round(&mut self) -> Result<Round, Error> {
        let mut round = Round::default();
        let groups: Vec<GroupId> = GroupId::keys(self.client.cluster().await?.key_groups).collect();
        let tablets = self.look(&groups).await?;
        for action in plan(&groups, &tablets, &self.policy) {
            match self.carry_out(&action).await {
                Ok(TabletChanged::Done) => {
                    tracing::info!(?action, "a tablet was changed");
                    round.done.push(action);
                }
                Ok(TabletChanged::Unfit) => round.left.push(action),
                Err(error) => {
                    tracing::warn!(?action, %error, "a tablet could not be changed");
                    round.left.push(action);
                }
            }
        }
        Ok(round)
    }

    /// All open tablets, with their sizes and how busy they were since the last look.
    async fn look(&mut self, groups: &[GroupId]) -> Result<Vec<TabletLoad>, Error> {
        let mut loads = Vec::new();
        let mut seen = BTreeMap::new();
        for &group in groups {
            let now = Instant::now();
            for listed in self.client.tablets_of_group(group).await? {
                let tablet = listed.tablet;
                if tablet.state != TabletState::Open {
                    continue;
                }
                let place = (listed.bucket, tablet.range.start.clone(), group);
                let writes_per_s = self.seen.get(&place).map_or(0, |(writes, then)| {
                    let seconds = now.duration_since(*then).as_secs().max(1);
                    tablet.size.writes.saturating_sub(*writes) / seconds
                });
                seen.insert(place, (tablet.size.writes, now));
                loads.push(TabletLoad {
                    bucket: listed.bucket,
                    start: tablet.range.start,
                    group,
                    keys: tablet.size.keys,
                    bytes: tablet.size.bytes,
                    writes_per_s,
                });
            }
        }
        self.seen = seen;
        Ok(loads)
    }

    async fn carry_out(&self, action: &Action) -> Result<TabletChanged, Error> {
        let (Action::Split { bucket, start } | Action::Move { bucket, start, .. }) = action;
        let Some(record) = self.client.bucket_by_id(*bucket).await? else {
            return Ok(TabletChanged::Unfit);
        };
        let range = record.range_at(record.place_of(start.as_bytes()));
        if range.start != *start {
            return Ok(TabletChanged::Unfit);
        }
        if let Action::Move { to, .. } = action {
            return self.client.move_tablet(&record, &range, *to).await;
        }
        self.client.halve_tablet(&record, &range).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::client::LocalCaller;
    use crate::query::ListRequest;
    use crate::record::ChangeKind;
    use crate::testing::{inline, layout, put, tenant};
    use crate::{MemoryReplica, MetadataService, contract};

    /// A change whose driver died is ended without anybody's help.
    #[tokio::test]
    async fn what_others_left_is_taken_up() {
        let service = MetadataService::new(Arc::new(MemoryReplica::new(2)));
        let caller = Arc::new(LocalCaller::new(service));
        let client = Client::with_caller(caller, vec!["here".to_owned()]);
        let cluster = crate::id::ClusterId::from_u128(1);
        client
            .bootstrap(cluster, layout(1), vec![tenant("a")], 2)
            .await
            .unwrap();
        let bucket = contract::new_bucket(&client, "b").await;
        let kind = ChangeKind::Move {
            range: bucket.range_at(0),
            from: bucket.tablets[0].group,
            to: GroupId(3 - bucket.tablets[0].group.0),
        };
        let begun = client.begin_change(bucket.id, kind).await.unwrap();
        let balancer = Balancer::new(client.clone(), Policy::default());
        let running = tokio::spawn(balancer.run(|| true));
        let ended = async {
            while client.tablet_change(bucket.id).await.unwrap().is_some() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), ended)
            .await
            .unwrap();
        running.abort();
        let now = client.bucket_now("b").await.unwrap();
        assert_eq!(now.generation(), begun.unwrap().id);
    }

    /// A bucket grows out of one tablet into all groups, and is whole at every moment.
    #[tokio::test]
    async fn a_growing_bucket_spreads_over_the_groups() {
        const GROUPS: u32 = 4;
        const KEYS: u32 = 1200;
        let service = MetadataService::new(Arc::new(MemoryReplica::new(GROUPS)));
        let caller = Arc::new(LocalCaller::new(service));
        let client = Client::with_caller(caller, vec!["here".to_owned()]);
        client
            .bootstrap(
                crate::id::ClusterId::from_u128(1),
                layout(1),
                vec![tenant("a")],
                GROUPS,
            )
            .await
            .unwrap();
        let bucket = contract::new_bucket(&client, "b").await;
        let policy = Policy {
            split_keys: 100,
            ..Policy::default()
        };
        let mut balancer = Balancer::new(client.clone(), policy.clone());
        for n in 0..KEYS {
            let object = put(&format!("{n:05}"), 1, inline("x"));
            client.put_object(&bucket, object).await.unwrap();
            if n % 200 == 0 {
                balancer.round().await.unwrap();
            }
        }
        let mut rounds = 0;
        while balancer.round().await.unwrap() != Round::default() {
            rounds += 1;
            assert!(rounds < 60, "it comes to rest");
        }
        let tablets = balancer
            .look(&GroupId::keys(GROUPS).collect::<Vec<_>>())
            .await
            .unwrap();
        assert!(tablets.iter().all(|tablet| tablet.keys <= 100));
        for group in GroupId::keys(GROUPS) {
            let its = tablets.iter().filter(|tablet| tablet.group == group);
            let keys: u64 = its.map(|tablet| tablet.keys).sum();
            assert!((200..=400).contains(&keys), "{group}: {keys}");
        }
        let sum: u64 = tablets.iter().map(|tablet| tablet.keys).sum();
        assert_eq!(sum, u64::from(KEYS));
        let mut listed = 0;
        let mut start = None;
        loop {
            let list = ListRequest {
                max: 1000,
                start,
                ..ListRequest::default()
            };
            let page = client.list_objects(&bucket, list).await.unwrap();
            listed += page.objects.len();
            start = page.next;
            if start.is_none() {
                break;
            }
        }
        assert_eq!(listed, KEYS as usize);
    }
}
