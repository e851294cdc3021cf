//! Tablets that split, move and are deleted, through the client: with drivers that die at every
//! step, and under load.

mod crashes;
mod histories;
mod listings;
mod recovery;

use std::collections::BTreeMap;
use std::future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, watch};

use crate::backup::blocks;
use crate::client::{CallFuture, Caller, LocalCaller, NoAnswer};
use crate::command::{Outcome, Proposal, PutObject};
use crate::id::{ClusterId, GroupId, ObjectKey};
use crate::keys::{self, Family};
use crate::machine::{Batch, tablet_of};
use crate::query::{Answer, ListRequest, Query};
use crate::record::{Bucket, ETag, KeyRange, TabletState};
use crate::replica::{RecordBlocks, stream_records};
use crate::store::{MemoryStore, scan};
use crate::tablets::TabletChanged;
use crate::testing::{etag, inline, layout, put, tenant};
use crate::{Client, MetadataService, Replica, ReplicaError, contract};

const GROUPS: u32 = 3;

/// Groups in memory whose records the tests can look at.
struct Groups(BTreeMap<GroupId, Mutex<MemoryStore>>);

impl Replica for Groups {
    fn propose(
        &self,
        group: GroupId,
        proposal: Proposal,
    ) -> BoxFuture<'_, Result<Outcome, ReplicaError>> {
        let store = self.0[&group].lock().unwrap();
        let before = store.snapshot();
        let mut batch = Batch::begin(group, &before).unwrap();
        let index = batch.applied() + 1;
        let outcome = batch.apply(index, &proposal).unwrap();
        let changes = batch.finish();
        drop(before);
        store.commit(changes);
        Box::pin(future::ready(Ok(outcome)))
    }

    fn query(&self, group: GroupId, query: Query) -> BoxFuture<'_, Result<Answer, ReplicaError>> {
        let view = self.0[&group].lock().unwrap().snapshot();
        let answer = crate::read::answer(group, &view, &query).unwrap();
        Box::pin(future::ready(Ok(answer)))
    }

    fn export(&self, group: GroupId) -> BoxFuture<'_, Result<RecordBlocks, ReplicaError>> {
        let view = self.0[&group].lock().unwrap().snapshot();
        let blocks = stream_records(group, view, |view, take| blocks::walk(view, take));
        Box::pin(future::ready(Ok(blocks)))
    }

    fn applied(&self, _: GroupId) -> Result<watch::Receiver<u64>, ReplicaError> {
        unreachable!("nobody follows the layout")
    }
}

/// A cluster in memory with one bucket.
struct Cluster {
    groups: Arc<Groups>,
    service: MetadataService,
    client: Client,
    bucket: Arc<Bucket>,
}

impl Cluster {
    async fn new() -> Self {
        let ids = std::iter::once(GroupId::SYSTEM).chain(GroupId::keys(GROUPS));
        let groups = Arc::new(Groups(ids.map(|id| (id, Mutex::default())).collect()));
        let service = MetadataService::new(groups.clone());
        let client = client(LocalCaller::new(service.clone()));
        client
            .bootstrap(
                ClusterId::from_u128(1),
                layout(1),
                vec![tenant("a")],
                GROUPS,
            )
            .await
            .unwrap();
        let bucket = contract::new_bucket(&client, "b").await;
        Self {
            groups,
            service,
            client,
            bucket,
        }
    }

    /// The bucket with its newest map.
    async fn bucket_now(&self) -> Arc<Bucket> {
        self.client.bucket_now("b").await.unwrap()
    }

    /// Splits the tablet of `at` there.
    async fn split(&self, client: &Client, at: &str) -> TabletChanged {
        let bucket = self.bucket_now().await;
        let range = bucket.range_at(bucket.place_of(at.as_bytes()));
        client
            .split_tablet(&bucket, &range, at.into())
            .await
            .unwrap()
    }

    /// Moves the tablet of `key`.
    async fn move_to(&self, client: &Client, key: &str, to: GroupId) -> TabletChanged {
        let bucket = self.bucket_now().await;
        let range = bucket.range_at(bucket.place_of(key.as_bytes()));
        client.move_tablet(&bucket, &range, to).await.unwrap()
    }

    /// Three tablets in three groups, of which the first begins at the empty key, the second at
    /// `"3"`, the third at `"6"`.
    async fn spread(&self) {
        let home = self.bucket.tablets[0].group.0;
        for (n, at) in (1..).zip(["3", "6"]) {
            assert_eq!(self.split(&self.client, at).await, TabletChanged::Done);
            let to = GroupId(1 + (home - 1 + n) % GROUPS);
            let moved = self.move_to(&self.client, at, to).await;
            assert_eq!(moved, TabletChanged::Done);
        }
    }

    /// Runs what a client does that dies at its call number `calls`, before that reaches anybody
    /// or (`lives_on`) just after. None: it died.
    async fn mortal<T, F: Future<Output = T>>(
        &self,
        calls: i64,
        last: LastCall,
        work: impl FnOnce(Client) -> F,
    ) -> Option<T> {
        let dead = Arc::new(Notify::new());
        let caller = Mortal {
            inner: LocalCaller::new(self.service.clone()),
            left: AtomicI64::new(calls),
            last,
            dead: dead.clone(),
        };
        tokio::select! {
            biased;
            () = dead.notified() => None,
            done = work(client(caller)) => Some(done),
        }
    }

    /// Takes every change that is under way to its end.
    async fn resume(&self) {
        let (changes, _) = self.client.tablet_changes(None, 100).await.unwrap();
        for change in changes {
            self.client.drive(&change).await.unwrap();
        }
    }

    /// All objects, listed in small pages.
    async fn listed(&self) -> Vec<(ObjectKey, ETag)> {
        let mut all = Vec::new();
        let mut list = ListRequest {
            max: 7,
            ..ListRequest::default()
        };
        loop {
            // What changes between two pages is part of the test.
            tokio::task::yield_now().await;
            let page = self.client.list_objects(&self.bucket, list.clone()).await;
            let page = page.unwrap();
            all.extend(page.objects.into_iter().map(|o| (o.key, o.head.etag)));
            match page.next {
                Some(next) => list.start = Some(next),
                None => return all,
            }
        }
    }

    /// The bucket holds just these objects, each in one open tablet and nowhere else, and no
    /// change is under way.
    async fn holds(&self, objects: &BTreeMap<ObjectKey, ETag>) {
        let expected: Vec<_> = objects
            .iter()
            .map(|(key, tag)| (key.clone(), *tag))
            .collect();
        assert_eq!(self.listed().await, expected);
        let (changes, _) = self.client.tablet_changes(None, 100).await.unwrap();
        assert_eq!(changes, []);
        let mut open: Vec<(KeyRange, GroupId)> = Vec::new();
        for group in GroupId::keys(GROUPS) {
            for listed in self.client.tablets_of_group(group).await.unwrap() {
                match listed.tablet.state {
                    TabletState::Open => open.push((listed.tablet.range, group)),
                    TabletState::Moved { .. } => {}
                    state => panic!("{state:?} without a change"),
                }
            }
            self.all_records_belong(group);
        }
        open.sort();
        let bucket = self.bucket_now().await;
        let map: Vec<_> = (0..bucket.tablets.len())
            .map(|place| (bucket.range_at(place), bucket.tablets[place].group))
            .collect();
        assert_eq!(open, map, "the map shows the open tablets, each once");
    }

    /// Every record of an object or upload, and of its blobs, is where its tablet is open.
    fn all_records_belong(&self, group: GroupId) {
        let view = self.groups.0[&group].lock().unwrap().snapshot();
        let from = keys::family(Family::Current);
        let found = scan(&view, &from, &keys::family(Family::Completed), usize::MAX).unwrap();
        for (stored, _) in found {
            let (key, _) = keys::object_key(&stored).unwrap();
            let tablet = tablet_of(&view, keys::bucket_in(&stored).unwrap(), &key).unwrap();
            assert_eq!(tablet.unwrap().state, TabletState::Open, "{group} {key:?}");
        }
    }
}

fn client(caller: impl Caller + 'static) -> Client {
    Client::with_caller(Arc::new(caller), vec!["here".to_owned()])
}

/// What becomes of the call at which a client dies.
#[derive(Clone, Copy, PartialEq, Debug)]
enum LastCall {
    Lost,
    Arrives,
}

/// Calls until its time has come.
struct Mortal {
    inner: LocalCaller,
    left: AtomicI64,
    last: LastCall,
    dead: Arc<Notify>,
}

impl Caller for Mortal {
    fn call<'a>(&'a self, endpoint: &'a str, path: &'static str, body: Bytes) -> CallFuture<'a> {
        Box::pin(async move {
            // Others come between any two calls.
            tokio::task::yield_now().await;
            let left = self.left.fetch_sub(1, Ordering::Relaxed);
            if left > 0 {
                return self.inner.call(endpoint, path, body).await;
            }
            if left == 0 && self.last == LastCall::Arrives {
                let _ = self.inner.call(endpoint, path, body).await;
            }
            self.dead.notify_one();
            future::pending::<Result<_, NoAnswer>>().await
        })
    }
}

fn object(key: &str, tag: u8) -> PutObject {
    put(key, tag, inline("x"))
}

fn model(objects: &[(&str, u8)]) -> BTreeMap<ObjectKey, ETag> {
    objects
        .iter()
        .map(|&(key, tag)| (key.into(), etag(tag)))
        .collect()
}
