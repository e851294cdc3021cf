//! What must hold after every step, and once all is at rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use riquet_cluster::id::{BlobId, ShardId};
use riquet_metadata::query::ListRequest;
use riquet_metadata::record::{BlobRef, BlobState};
use riquet_metadata::{Client, GroupId, ObjectKey};

use super::world::{DISKS, KEY_GROUPS, RECORDS_MS, World, disk_id, disk_of};

/// Larger than all that a history makes.
const ALL: u32 = 1000;

pub(super) struct Oracle {
    world: Arc<World>,
    /// Blobs that were named once.
    committed: BTreeSet<BlobId>,
    /// Shards of blobs that are older than the records: they stay, whatever happens.
    old: BTreeSet<(usize, ShardId)>,
}

/// What the metadata says that disks hold.
struct Expected {
    named: BTreeSet<BlobId>,
    /// Must be there.
    durable: BTreeSet<(usize, ShardId)>,
    /// May be there.
    owed: BTreeSet<(usize, ShardId)>,
}

impl Oracle {
    pub(super) fn new(world: Arc<World>) -> Self {
        Self {
            world,
            committed: BTreeSet::new(),
            old: BTreeSet::new(),
        }
    }

    pub(super) fn expect_old(&mut self, disk: usize, shard: ShardId) {
        self.old.insert((disk, shard));
    }

    /// After every step: what is named and was told durable is there.
    pub(super) async fn check(&mut self, client: &Client) {
        let expected = self.expected(client).await;
        self.committed.extend(&expected.named);
        for &(disk, shard) in expected.durable.iter().chain(&self.old) {
            // Without power nothing can be said of a disk; it is looked at again when it is back.
            if self.world.is_cut(disk) {
                continue;
            }
            let described = self.world.store(disk).describe(shard).await;
            let described = described
                .unwrap_or_else(|error| panic!("shard {shard} is needed on disk {disk}: {error}"));
            assert_eq!(described.id, shard);
        }
    }

    /// Once collectors and removals are through: nothing is left of what was named and is not any
    /// more, but what was written later than that. Sweeps would hide what they forgot.
    pub(super) async fn check_collected(&self, client: &Client) {
        let expected = self.expected(client).await;
        for disk in 0..DISKS {
            for shard in self.world.listed(disk).await {
                let blob = shard.chunk.blob;
                let is_garbage = self.committed.contains(&blob) && !expected.named.contains(&blob);
                let is_late = self.world.written.lock().unwrap().late.contains(&shard);
                assert!(
                    !is_garbage || is_late,
                    "shard {shard} on disk {disk} was left by the collectors"
                );
            }
        }
        for group in GroupId::keys(KEY_GROUPS) {
            let garbage = client.list_garbage(group, u64::MAX, None, ALL).await;
            assert_eq!(garbage.unwrap(), (Vec::new(), false));
            for disk in 0..DISKS {
                let removals = client.list_removals(group, disk_id(disk), None, ALL).await;
                assert_eq!(removals.unwrap(), (Vec::new(), false));
            }
        }
    }

    /// Once the sweeps are through: every disk holds what the metadata names, and nothing else.
    pub(super) async fn check_clean(&mut self, client: &Client) {
        self.check(client).await;
        let expected = self.expected(client).await;
        let mut live = BTreeSet::new();
        for group in GroupId::keys(KEY_GROUPS) {
            let (blobs, more) = client.list_blobs(group, None, ALL).await.unwrap();
            assert!(!more, "histories are short");
            let is_live = |state| state == BlobState::Live;
            live.extend(
                blobs
                    .iter()
                    .filter(|blob| is_live(blob.state))
                    .map(|blob| blob.blob.id),
            );
        }
        assert_eq!(
            live, expected.named,
            "blob records are what objects and uploads name"
        );
        for disk in 0..DISKS {
            let listed = self.world.listed(disk).await;
            for shard in &listed {
                let place = (disk, *shard);
                assert!(
                    expected.durable.contains(&place)
                        || expected.owed.contains(&place)
                        // Or one of which the power went before it was acknowledged.
                        || shard.chunk.blob.made_ms() < RECORDS_MS,
                    "shard {shard} was left on disk {disk}"
                );
            }
            let needed = expected.durable.iter().chain(&self.old);
            for (_, shard) in needed.filter(|(at, _)| *at == disk) {
                assert!(
                    listed.contains(shard),
                    "shard {shard} is not on disk {disk}"
                );
                let read = self.world.read_right(disk, *shard).await;
                read.unwrap_or_else(|error| panic!("shard {shard} on disk {disk}: {error}"));
            }
        }
    }

    async fn expected(&self, client: &Client) -> Expected {
        let named = named(client).await;
        let mut debts = BTreeSet::new();
        for group in GroupId::keys(KEY_GROUPS) {
            let (listed, more) = client.list_debts(group, None, None, ALL).await.unwrap();
            assert!(!more, "histories are short");
            debts.extend(
                listed
                    .into_iter()
                    .map(|listed| (disk_of(listed.debt.disk), listed.debt.shard)),
            );
        }
        let shards = named.values().flat_map(|blob| self.world.shards_of(blob));
        let (owed, durable): (BTreeSet<_>, BTreeSet<_>) =
            shards.partition(|place| debts.contains(place));
        let written = self.world.written.lock().unwrap();
        for (disk, shard) in &durable {
            assert!(
                written.acked.contains(shard),
                "shard {shard} was never durable on disk {disk}, and is not owed"
            );
        }
        Expected {
            named: named.into_keys().collect(),
            durable,
            owed,
        }
    }
}

/// The blobs that objects and uploads name, as a reader of them finds out.
async fn named(client: &Client) -> BTreeMap<BlobId, BlobRef> {
    let mut named = BTreeMap::new();
    let mut add = |content: &riquet_metadata::record::Content| {
        for blob in content.blobs() {
            let other = named.insert(blob.id, blob.clone());
            assert_eq!(other, None, "a blob is named once");
        }
    };
    let (buckets, _) = client
        .buckets(None, String::new(), None, ALL)
        .await
        .unwrap();
    let none = ObjectKey::default;
    for bucket in buckets {
        let list = ListRequest {
            max: ALL,
            ..ListRequest::default()
        };
        let page = client.list_versions(&bucket, list).await.unwrap();
        for listed in page.objects {
            let version = Some(listed.head.name());
            let version = client.get_version(&bucket, &listed.key, version);
            add(&version.await.unwrap().expect("it is listed").body.content);
        }
        let page = client
            .list_uploads(&bucket, none(), none(), None, ALL)
            .await
            .unwrap();
        for listed in page.uploads {
            let upload = listed.upload.id;
            let parts = client
                .list_parts(&bucket, &listed.key, upload, 0, ALL)
                .await;
            for part in parts.unwrap().parts {
                add(&part.content);
            }
        }
    }
    named
}
