//! Voters in one process, over real sockets and real databases.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use openraft::RaftLogReader;
use openraft::async_runtime::WatchReceiver;
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::TypeConfigExt;
use riquet_cluster::transport::partition::{PartitionFile, PartitionedDialer};
use riquet_cluster::transport::{TcpDialer, Transport};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::log::{GroupLog, LogStore};
use super::state::{GroupState, Machine};
use super::types::{Entry, Group};
use super::*;
use crate::client::Client;
use crate::command::{KeyCommand, Outcome, Proposal};
use crate::contract;
use crate::failover::promotions;
use crate::id::{ClusterId, GroupId, ObjectKey};
use crate::query::{Answer, Query};
use crate::record::Bucket;
use crate::rocks::Shared;
use crate::testing::{etag, inline, layout, proposal, put, tenant};
use crate::voters::{LogPosition, PromoteAnswer, PromoteRequest, VoterChange, VotersAnswer};
use crate::{MetadataService, RecordBlocks, Replica, ReplicaError};

struct Stores;

impl StoreBuilder<Group, GroupLog, Machine, TempDir> for Stores {
    async fn build(&self) -> Result<(TempDir, GroupLog, Machine), openraft::StorageError<Group>> {
        let folder = tempfile::tempdir().unwrap();
        let shared = Arc::new(Shared::new(folder.path()));
        let log = LogStore::open(&folder.path().join("log"), &shared).unwrap();
        let state = GroupState::open(GroupId(1), folder.path().join("state"), shared).unwrap();
        Ok((folder, log.of(GroupId(1)), Machine::new(state)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_pass_the_suite_of_openraft() {
    Suite::test_all(Stores).await.unwrap();
}

fn blank(index: u64) -> Entry {
    blank_of(1, index)
}

fn blank_of(term: u64, index: u64) -> Entry {
    let leader = openraft::impls::leader_id_adv::LeaderId { term, node_id: 1 };
    Entry::new_blank(openraft::LogId::new(leader, index))
}

#[tokio::test]
async fn a_log_refuses_gaps_and_keeps_groups_apart() {
    let folder = tempfile::tempdir().unwrap();
    let shared = Arc::new(Shared::new(folder.path()));
    let store = LogStore::open(&folder.path().join("log"), &shared).unwrap();
    let (mut one, mut two) = (store.of(GroupId(1)), store.of(GroupId(2)));
    for log in [&mut one, &mut two] {
        let (done, synced) = Group::oneshot();
        log.append((0..5).map(blank), IOFlushed::signal(done))
            .await
            .unwrap();
        synced.await.unwrap().unwrap();
    }
    assert!(one.append([blank(7)], IOFlushed::noop()).await.is_err());
    assert!(
        one.append([blank(5), blank(7)], IOFlushed::noop())
            .await
            .is_err()
    );
    assert_eq!(
        one.get_log_state().await.unwrap().last_log_id,
        Some(blank(4).log_id)
    );

    one.truncate_after(Some(blank(1).log_id)).await.unwrap();
    two.purge(blank(3).log_id).await.unwrap();
    let read = one.try_get_log_entries(0..9).await.unwrap();
    assert_eq!(read.len(), 2);
    let read = two.try_get_log_entries(..).await.unwrap();
    assert_eq!(
        read.iter()
            .map(|entry| entry.log_id.index)
            .collect::<Vec<_>>(),
        [4]
    );
    let state = two.get_log_state().await.unwrap();
    assert_eq!(state.last_purged_log_id, Some(blank(3).log_id));
}

#[tokio::test]
async fn a_log_gives_way_to_records_that_say_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let shared = Arc::new(Shared::new(folder.path()));
    let store = LogStore::open(&folder.path().join("log"), &shared).unwrap();
    let mut log = store.of(GroupId(1));
    let (done, synced) = Group::oneshot();
    log.append((0..9).map(blank), IOFlushed::signal(done))
        .await
        .unwrap();
    synced.await.unwrap().unwrap();
    let key_ids = async |log: &mut GroupLog| {
        let state = log.get_log_state().await.unwrap();
        (state.last_purged_log_id, state.last_log_id)
    };
    let whole = (None, Some(blank(8).log_id));
    // Behind, as usual; at its end; beyond it, which openraft mends itself.
    for applied in [None, Some(blank(4)), Some(blank(8)), Some(blank_of(2, 9))] {
        log.give_way_to(applied.map(|entry| entry.log_id)).unwrap();
        assert_eq!(key_ids(&mut log).await, whole);
    }
    // Another leader's entry is in the records where the log has one that was lost.
    let applied = Some(blank_of(2, 6).log_id);
    log.give_way_to(applied).unwrap();
    assert_eq!(key_ids(&mut log).await, (applied, applied));
    assert!(log.try_get_log_entries(..).await.unwrap().is_empty());
    // Records without what the log has dropped can't be made whole from it.
    for applied in [None, Some(blank(3).log_id)] {
        let refused = log.give_way_to(applied).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidData);
    }
}

/// Runs a test on a cluster of its own. The folder goes last: a database that can't write what it
/// has when it is closed takes its time over that.
fn on_cluster(sites: &[Option<&str>], test: impl AsyncFnOnce(Cluster)) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { test(Cluster::start(folder.path(), sites).await).await });
    drop(runtime);
    folder.close().unwrap();
}

/// Voters, each with its folder, its listener's address and, while it runs, its tasks.
struct Cluster {
    folder: PathBuf,
    /// Those that began the cluster come first.
    voters: Vec<Voter>,
    founders: usize,
    running: Vec<Option<Node>>,
}

struct Node {
    host: Arc<RaftHost>,
    // Aborts them when dropped.
    _tasks: JoinSet<()>,
}

impl Cluster {
    /// Starts voters of these sites; none: an arbiter.
    async fn start(folder: &Path, sites: &[Option<&str>]) -> Self {
        let mut listeners = Vec::new();
        let mut voters = Vec::new();
        let mut file = PartitionFile::default();
        for (n, site) in sites.iter().enumerate() {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let endpoint = listener.local_addr().unwrap().to_string();
            file.addresses
                .insert(endpoint.clone(), site.unwrap_or("arbiter").to_owned());
            voters.push(Voter {
                id: n as u64 + 1,
                endpoint,
                site: site.map(str::to_owned),
                folder: None,
            });
            listeners.push(listener);
        }
        let mut cluster = Self {
            folder: folder.to_owned(),
            founders: voters.len(),
            voters,
            running: sites.iter().map(|_| None).collect(),
        };
        cluster.write(&file);
        for (n, listener) in listeners.into_iter().enumerate() {
            cluster.run(n, listener).await;
        }
        cluster
    }

    fn partition_file(&self) -> PathBuf {
        self.folder.join("partition")
    }

    fn write(&self, file: &PartitionFile) {
        let new = self.folder.join("partition.new");
        std::fs::write(&new, file.render()).unwrap();
        std::fs::rename(new, self.partition_file()).unwrap();
    }

    async fn run(&mut self, n: usize, listener: TcpListener) {
        let voter = &self.voters[n];
        let site = voter.site.clone().unwrap_or_else(|| "arbiter".to_owned());
        let dialer = PartitionedDialer::watch(Arc::new(TcpDialer), site, self.partition_file());
        let transport = Transport::new(Arc::new(dialer.unwrap()));
        let folder = self.folder.join(voter.id.to_string());
        let groups = contract::KEY_GROUPS;
        let founders = &self.voters[..self.founders];
        let host = RaftHost::open(&folder, voter.clone(), founders, groups, transport)
            .await
            .unwrap();
        let (raft, metadata) = (
            RaftService::new(host.clone()),
            MetadataService::new(host.clone()),
        );
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (raft, metadata) = (raft.clone(), metadata.clone());
                let answer = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let (raft, metadata) = (raft.clone(), metadata.clone());
                    async move {
                        let answer: http::Response<crate::server::AnswerBody> =
                            match request.uri().path().starts_with(PATH_PREFIX) {
                                true => raft.handle(request).await.map(|body| {
                                    body.map_err(|never| match never {}).boxed_unsync()
                                }),
                                false => metadata.handle(request).await,
                            };
                        Ok::<_, std::convert::Infallible>(answer)
                    }
                });
                stream.set_nodelay(true).unwrap();
                let server = hyper::server::conn::http1::Builder::new();
                let connection = server.serve_connection(TokioIo::new(stream), answer);
                connections.spawn(async move {
                    let _ = connection.await;
                });
            }
        });
        self.running[n] = Some(Node {
            host,
            _tasks: tasks,
        });
    }

    /// Starts a voter that is yet to be added.
    async fn join(&mut self, site: &str) -> Voter {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let voter = Voter {
            id: self.voters.len() as u64 + 1,
            endpoint: listener.local_addr().unwrap().to_string(),
            site: Some(site.to_owned()),
            folder: None,
        };
        self.voters.push(voter.clone());
        self.running.push(None);
        self.run(self.voters.len() - 1, listener).await;
        voter
    }

    async fn restart(&mut self, n: usize) {
        let address: SocketAddr = self.voters[n].endpoint.parse().unwrap();
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        self.run(n, socket.listen(64).unwrap()).await;
    }

    async fn kill(&mut self, n: usize) {
        let node = self.running[n].take().unwrap();
        drop(node._tasks);
        node.host.shutdown().await;
        // Calls under way hold it, and with it the lock on its folder.
        let left = Arc::downgrade(&node.host);
        drop(node.host);
        wait_for("a voter to end", || {
            (left.strong_count() == 0).then_some(())
        })
        .await;
    }

    fn client(&self) -> Client {
        let endpoints = self
            .voters
            .iter()
            .map(|voter| voter.endpoint.clone())
            .collect();
        Client::new(Transport::tcp(), endpoints)
    }

    fn hosts(&self) -> impl Iterator<Item = &Arc<RaftHost>> {
        self.running.iter().flatten().map(|node| &node.host)
    }

    /// The running voter that leads a group, once one does that is to: an arbiter soon hands over.
    async fn leader_of(&self, group: GroupId) -> usize {
        wait_for("a leader at a site with data", || {
            let host = self
                .hosts()
                .find(|host| host.status()[group.0 as usize].leader == Some(host.id()))?;
            let number = host.id() as usize - 1;
            self.voters[number].site.as_ref().map(|_| number)
        })
        .await
    }

    async fn bucket(&self, client: &Client) -> Arc<Bucket> {
        let groups = contract::KEY_GROUPS;
        client
            .bootstrap(
                ClusterId::from_u128(1),
                layout(1),
                vec![tenant("a")],
                groups,
            )
            .await
            .unwrap();
        contract::new_bucket(client, "bucket").await
    }
}

/// Looks until there is something to see.
async fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            match look() {
                Some(seen) => return seen,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    let within = Duration::from_secs(30);
    tokio::time::timeout(within, looking)
        .await
        .unwrap_or_else(|_| panic!("never came: {what}"))
}

async fn write(client: &Client, bucket: &Bucket, keys: std::ops::Range<u32>) {
    for n in keys {
        let key = format!("key-{n:05}");
        client
            .put_object(bucket, put(&key, n as u8, inline("x")))
            .await
            .unwrap();
    }
}

async fn check(client: &Client, bucket: &Bucket, keys: std::ops::Range<u32>) {
    for n in keys {
        let key = ObjectKey::from(format!("key-{n:05}"));
        let found = client.get_object(bucket, &key).await.unwrap();
        assert_eq!(found.expect("it was written").head.etag, etag(n as u8));
    }
}

/// A replica that asks whichever voter leads.
struct Leaders(Vec<Arc<RaftHost>>);

/// Whether another voter should be asked.
fn is_elsewhere<T>(answer: &Result<T, ReplicaError>) -> bool {
    matches!(
        answer,
        Err(ReplicaError::NotLeader(_) | ReplicaError::Unavailable)
    )
}

impl Replica for Leaders {
    fn propose(
        &self,
        group: GroupId,
        proposal: Proposal,
    ) -> BoxFuture<'_, Result<Outcome, ReplicaError>> {
        Box::pin(async move {
            loop {
                for host in &self.0 {
                    let outcome = host.propose(group, proposal.clone()).await;
                    if !is_elsewhere(&outcome) {
                        return outcome;
                    }
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
    }

    fn export(&self, group: GroupId) -> BoxFuture<'_, Result<RecordBlocks, ReplicaError>> {
        Box::pin(async move {
            loop {
                for host in &self.0 {
                    let blocks = host.export(group).await;
                    if !is_elsewhere(&blocks) {
                        return blocks;
                    }
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
    }

    fn query(&self, group: GroupId, query: Query) -> BoxFuture<'_, Result<Answer, ReplicaError>> {
        Box::pin(async move {
            loop {
                for host in &self.0 {
                    let answer = host.query(group, query.clone()).await;
                    if !is_elsewhere(&answer) {
                        return answer;
                    }
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
    }

    fn applied(&self, group: GroupId) -> Result<watch::Receiver<u64>, ReplicaError> {
        self.0[0].applied(group)
    }
}

#[test]
fn a_voter_alone_keeps_the_contract() {
    on_cluster(&[Some("t")], async |cluster| {
        contract::run(Arc::new(Leaders(cluster.hosts().cloned().collect()))).await;
    });
}

#[test]
fn three_voters_keep_the_contract() {
    on_cluster(&[Some("t"), Some("m"), None], async |cluster| {
        contract::run(Arc::new(Leaders(cluster.hosts().cloned().collect()))).await;
    });
}

const FIVE: [Option<&str>; 5] = [Some("t"), Some("t"), Some("m"), Some("m"), None];

#[test]
fn a_dead_leader_and_a_lost_site_cost_time_only() {
    on_cluster(&FIVE, async |mut cluster| {
        let client = cluster.client();
        let bucket = cluster.bucket(&client).await;
        write(&client, &bucket, 0..20).await;
        let group = bucket.group_of(b"key");
        let leader = cluster.leader_of(group).await;
        cluster.kill(leader).await;
        write(&client, &bucket, 20..40).await;
        check(&client, &bucket, 0..40).await;
        // The rest of that site too.
        let site = cluster.voters[leader].site.clone();
        let other = (0..5)
            .find(|&n| n != leader && cluster.voters[n].site == site)
            .unwrap();
        cluster.kill(other).await;
        write(&client, &bucket, 40..60).await;
        check(&client, &bucket, 0..60).await;

        for n in [leader, other] {
            cluster.restart(n).await;
        }
        let applied = cluster
            .hosts()
            .map(|host| host.status()[group.0 as usize].applied)
            .max();
        wait_for("all to catch up", || {
            let behind =
                |host: &&Arc<RaftHost>| Some(host.status()[group.0 as usize].applied) < applied;
            cluster.hosts().find(behind).is_none().then_some(())
        })
        .await;
    });
}

#[test]
fn everything_is_there_after_a_stop_of_all() {
    on_cluster(&[Some("t"), Some("m"), None], async |mut cluster| {
        let client = cluster.client();
        let bucket = cluster.bucket(&client).await;
        write(&client, &bucket, 0..50).await;
        for n in 0..3 {
            cluster.kill(n).await;
        }
        for n in 0..3 {
            cluster.restart(n).await;
        }
        check(&client, &bucket, 0..50).await;
    });
}

#[test]
fn a_voter_that_lacks_what_the_log_dropped_gets_a_snapshot() {
    on_cluster(&[Some("t"), Some("m"), None], async |mut cluster| {
        let client = cluster.client();
        let bucket = cluster.bucket(&client).await;
        let group = bucket.group_of(b"key");
        write(&client, &bucket, 0..10).await;
        let leader = cluster.leader_of(group).await;
        let behind = (0..3).find(|&n| n != leader).unwrap();
        cluster.kill(behind).await;
        write(&client, &bucket, 10..60).await;
        for host in cluster.hosts() {
            let raft = host.slot(group).unwrap().raft();
            raft.trigger().snapshot().await.unwrap();
            let applied = raft.metrics().borrow_watched().last_applied.unwrap();
            wait_for("a snapshot", || {
                (raft.metrics().borrow_watched().snapshot >= Some(applied)).then_some(())
            })
            .await;
            raft.trigger().purge_log(applied.index).await.unwrap();
            wait_for("a purge", || {
                (raft.metrics().borrow_watched().purged >= Some(applied)).then_some(())
            })
            .await;
        }
        cluster.restart(behind).await;
        let applied = cluster
            .hosts()
            .map(|host| host.status()[group.0 as usize].applied)
            .max();
        wait_for("the snapshot to be installed", || {
            let host = &cluster.running[behind].as_ref().unwrap().host;
            (Some(host.status()[group.0 as usize].applied) >= applied).then_some(())
        })
        .await;
        // It can lead with what it got.
        let other = (0..3).find(|&n| n != leader && n != behind).unwrap();
        write(&client, &bucket, 60..61).await;
        cluster.kill(leader).await;
        check(&client, &bucket, 0..61).await;
        assert!(cluster.running[other].is_some());
    });
}

#[test]
fn a_site_that_is_cut_off_answers_nothing_it_can_not_prove() {
    on_cluster(&FIVE, async |cluster| {
        let client = cluster.client();
        let bucket = cluster.bucket(&client).await;
        write(&client, &bucket, 0..10).await;
        let group = bucket.group_of(b"key");
        let mut file =
            PartitionFile::parse(&std::fs::read_to_string(cluster.partition_file()).unwrap())
                .unwrap();
        file.cut("t", "m");
        file.cut("t", "arbiter");
        cluster.write(&file);
        // The others elect leaders and go on.
        wait_for("leaders on the other side", || {
            let host = &cluster.running[2].as_ref().unwrap().host;
            let led = host
                .status()
                .iter()
                .all(|status| status.leader.is_some_and(|leader| leader > 2));
            led.then_some(())
        })
        .await;
        let across: Vec<String> = cluster.voters[2..]
            .iter()
            .map(|voter| voter.endpoint.clone())
            .collect();
        let across = Client::new(Transport::tcp(), across);
        write(&across, &bucket, 10..20).await;
        for node in cluster.running[..2].iter().flatten() {
            let query = Query::Keys(crate::query::KeyQuery::GetObject {
                bucket: bucket.id,
                key: "key-00000".into(),
                version: None,
            });
            match node.host.query(group, query).await {
                Err(ReplicaError::NotLeader(_) | ReplicaError::Unavailable) => {}
                answered => panic!("a voter without a majority answered {answered:?}"),
            }
        }
        file.heal("t", "m");
        file.heal("t", "arbiter");
        cluster.write(&file);
        check(&client, &bucket, 0..20).await;
    });
}

#[test]
fn leaders_spread_and_the_arbiter_leads_none() {
    on_cluster(&FIVE, async |cluster| {
        wait_for("leaders in their places", || {
            let host = cluster.hosts().next()?;
            let leaders: Vec<Option<u64>> =
                host.status().iter().map(|status| status.leader).collect();
            // Sites in alphabetical order: m has voters 3 and 4, t has 1 and 2.
            (leaders == [Some(3), Some(1), Some(4), Some(2)]).then_some(())
        })
        .await;
    });
}

#[test]
fn a_core_that_ends_by_itself_is_built_anew() {
    on_cluster(&[Some("t"), Some("m"), None], async |cluster| {
        let client = cluster.client();
        let bucket = cluster.bucket(&client).await;
        let group = bucket.group_of(b"key");
        write(&client, &bucket, 0..20).await;
        for n in 0..3 {
            let host = &cluster.running[n].as_ref().unwrap().host;
            let raft = host.slot(group).unwrap().raft();
            raft.external_request(|_| panic!("as a test wants it"))
                .await
                .unwrap();
            wait_for("another core", || {
                let now = host.slot(group).unwrap().raft();
                (!Arc::ptr_eq(&raft, &now)).then_some(())
            })
            .await;
            let n = n as u32;
            write(&client, &bucket, 20 + n..21 + n).await;
            check(&client, &bucket, 0..21 + n).await;
        }
    });
}

#[test]
fn voters_come_and_go_while_the_groups_serve() {
    on_cluster(&[Some("t"), Some("m"), None], async |mut cluster| {
        let client = cluster.client();
        let bucket = cluster.bucket(&client).await;
        write(&client, &bucket, 0..20).await;
        let added = cluster.join("m").await;
        let change = VoterChange {
            add: vec![added.clone()],
            remove: vec![2],
        };
        for group in 0..=contract::KEY_GROUPS {
            // Once more does nothing more.
            for _ in 0..2 {
                let changed = client.change_voters(GroupId(group), change.clone()).await;
                let Ok(VotersAnswer::Voters(voters)) = changed else {
                    panic!("{changed:?}");
                };
                assert_eq!(ids(&voters), [1, 3, added.id]);
            }
        }
        let group = bucket.group_of(b"key");
        let taken = VoterChange {
            add: vec![Voter {
                endpoint: "127.0.0.1:1".to_owned(),
                ..added.clone()
            }],
            remove: Vec::new(),
        };
        let answer = client.change_voters(group, taken).await;
        assert_eq!(answer, Ok(VotersAnswer::NumberTaken(added.id)));
        let nobody = VoterChange {
            add: Vec::new(),
            remove: vec![1, 3, added.id],
        };
        let answer = client.change_voters(group, nobody).await;
        assert_eq!(answer, Ok(VotersAnswer::NobodyLeft));

        // The one that went is not missed, and the one that came holds everything.
        cluster.kill(1).await;
        write(&client, &bucket, 20..40).await;
        wait_for("the new voter to lead", || {
            let host = &cluster.running[3].as_ref().unwrap().host;
            let status = &host.status()[group.0 as usize];
            let preferred = usize::from(group.0.is_multiple_of(2));
            (status.leader == Some([1, added.id][preferred])).then_some(())
        })
        .await;
        cluster.kill(0).await;
        check(&client, &bucket, 0..40).await;
    });
}

#[test]
fn a_voter_that_lost_its_folder_is_not_heard_under_its_number() {
    on_cluster(&[Some("t"), Some("m"), None], async |mut cluster| {
        let client = cluster.client();
        let bucket = cluster.bucket(&client).await;
        write(&client, &bucket, 0..20).await;
        let group = bucket.group_of(b"key");
        let named = |known: &[Voter]| known.iter().all(|voter| voter.folder.is_some());
        while !named(&voters_of(&client, group).await) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let before = voters_of(&client, group).await;

        cluster.kill(1).await;
        std::fs::remove_dir_all(cluster.folder.join("2")).unwrap();
        cluster.restart(1).await;
        write(&client, &bucket, 20..40).await;
        let endpoint = cluster.voters[1].endpoint.clone();
        let status = client.voter_status(&endpoint).await.unwrap();
        assert!(!status.voter.may_be(&before[1]), "{status:?}");
        // It got nothing, and no majority has it.
        for view in &status.groups {
            assert_eq!(view.applied, 0, "{view:?}");
        }
        cluster.kill(2).await;
        cluster.is_stopped(&bucket, "t").await;
        cluster.restart(2).await;
        // Nor does it pass for a new one under that number, but another may take its place.
        let again = VoterChange {
            add: vec![status.voter],
            remove: Vec::new(),
        };
        let answer = client.change_voters(group, again).await;
        assert_eq!(answer, Ok(VotersAnswer::NumberTaken(2)));
        let added = cluster.join("m").await;
        let change = VoterChange {
            add: vec![added],
            remove: vec![2],
        };
        for group in 0..=contract::KEY_GROUPS {
            let changed = client.change_voters(GroupId(group), change.clone()).await;
            assert!(
                matches!(changed, Ok(VotersAnswer::Voters(_))),
                "{changed:?}"
            );
        }
        cluster.kill(2).await;
        write(&client, &bucket, 40..60).await;
        check(&client, &bucket, 0..60).await;
    });
}

fn ids(voters: &[Voter]) -> Vec<u64> {
    voters.iter().map(|voter| voter.id).collect()
}

async fn voters_of(client: &Client, group: GroupId) -> Vec<Voter> {
    match client.change_voters(group, VoterChange::default()).await {
        Ok(VotersAnswer::Voters(voters)) => voters,
        refused => panic!("{refused:?}"),
    }
}

const SIX: [Option<&str>; 6] = [
    Some("t"),
    Some("t"),
    Some("t"),
    Some("m"),
    Some("m"),
    Some("m"),
];

impl Cluster {
    /// A client that knows the voters of one site only.
    fn client_at(&self, site: &str) -> Client {
        let here = self
            .voters
            .iter()
            .filter(|v| v.site.as_deref() == Some(site));
        let endpoints = here.map(|voter| voter.endpoint.clone()).collect();
        Client::new(Transport::tcp(), endpoints)
    }

    fn numbers_at(&self, site: &str) -> Vec<usize> {
        let here = |&n: &usize| self.voters[n].site.as_deref() == Some(site);
        (0..self.voters.len()).filter(here).collect()
    }

    /// That what votes in a group can't answer, nor take what it is asked to write.
    async fn is_stopped(&self, bucket: &Bucket, site: &str) {
        let group = bucket.group_of(b"key");
        for n in self.numbers_at(site) {
            let Some(node) = &self.running[n] else {
                continue;
            };
            let query = Query::Keys(crate::query::KeyQuery::GetObject {
                bucket: bucket.id,
                key: "key-00000".into(),
                version: None,
            });
            match node.host.query(group, query).await {
                Err(ReplicaError::NotLeader(_) | ReplicaError::Unavailable) => {}
                answered => panic!("a voter without a quorum answered {answered:?}"),
            }
        }
    }

    /// Makes a site go on alone, as an operator does; how many groups needed it.
    async fn fail_over_to(&self, site: &str) -> usize {
        let client = self.client_at(site);
        let mut statuses = Vec::new();
        for endpoint in client.endpoints() {
            statuses.extend(client.voter_status(endpoint).await);
        }
        let promotions = promotions(&statuses, site).unwrap();
        for promotion in &promotions {
            let promoted = client.promote(&promotion.voter.endpoint, &promotion.request);
            let promoted = promoted.await.unwrap();
            assert!(
                matches!(promoted, PromoteAnswer::Promoted(_)),
                "{promoted:?}"
            );
        }
        promotions.len()
    }

    /// Adds voters that run to all groups.
    async fn add(&self, client: &Client, numbers: &[usize]) {
        let add: Vec<Voter> = numbers.iter().map(|&n| self.voters[n].clone()).collect();
        for group in 0..=contract::KEY_GROUPS {
            let change = VoterChange {
                add: add.clone(),
                remove: Vec::new(),
            };
            let changed = client.change_voters(GroupId(group), change).await.unwrap();
            assert!(matches!(changed, VotersAnswer::Voters(_)), "{changed:?}");
        }
    }
}

/// The groups that need a promotion when a site is lost.
const GROUPS: usize = contract::KEY_GROUPS as usize + 1;

#[test]
fn without_an_arbiter_a_site_is_promoted_and_the_other_comes_back() {
    on_cluster(&SIX, async |mut cluster| {
        let client = cluster.client();
        let bucket = cluster.bucket(&client).await;
        write(&client, &bucket, 0..20).await;
        // One voter of each site is not missed.
        cluster.kill(2).await;
        cluster.kill(5).await;
        write(&client, &bucket, 20..30).await;
        cluster.restart(2).await;
        cluster.restart(5).await;

        for n in cluster.numbers_at("t") {
            cluster.kill(n).await;
        }
        cluster.is_stopped(&bucket, "m").await;
        assert_eq!(cluster.fail_over_to("m").await, GROUPS);
        assert_eq!(cluster.fail_over_to("m").await, 0);
        let left = cluster.client_at("m");
        check(&left, &bucket, 0..30).await;
        write(&left, &bucket, 30..40).await;

        // The lost site comes back, and can do nothing by itself.
        for n in cluster.numbers_at("t") {
            cluster.restart(n).await;
        }
        cluster.is_stopped(&bucket, "t").await;
        cluster.add(&left, &[0, 1, 2]).await;
        check(&client, &bucket, 0..40).await;

        // Both must agree again: so the other way round nothing is lost either.
        write(&client, &bucket, 40..50).await;
        for n in cluster.numbers_at("m") {
            cluster.kill(n).await;
        }
        cluster.is_stopped(&bucket, "t").await;
        assert_eq!(cluster.fail_over_to("t").await, GROUPS);
        check(&cluster.client_at("t"), &bucket, 0..50).await;
    });
}

#[test]
fn what_a_lost_site_wrote_alone_never_comes_back() {
    on_cluster(&SIX, async |cluster| {
        let client = cluster.client();
        let bucket = cluster.bucket(&client).await;
        write(&client, &bucket, 0..10).await;
        let group = bucket.group_of(b"key");
        let leader = cluster.leader_of(group).await;
        let (lost, left) = match cluster.voters[leader].site.as_deref() {
            Some("t") => ("t", "m"),
            _ => ("m", "t"),
        };
        let text = std::fs::read_to_string(cluster.partition_file()).unwrap();
        let mut file = PartitionFile::parse(&text).unwrap();
        file.cut("t", "m");
        cluster.write(&file);

        // What the leader answers for was written before it noticed the cut; the first write after
        // may still have reached the other side. The next one does not, but the leader logs it and
        // has its neighbours log it.
        let host = &cluster.running[leader].as_ref().unwrap().host;
        let (mut written, mut refused) = (0, 0);
        while refused < 2 {
            let key = match refused {
                0 => format!("alone-{written}"),
                _ => "alone".to_owned(),
            };
            let command = KeyCommand::PutObject {
                bucket: bucket.id,
                put: Box::new(put(&key, 1, inline("x"))),
            };
            let (now_ms, request) = (crate::clock::now_ms(), 1000 + written + refused);
            match host
                .propose(group, proposal(request, now_ms, command))
                .await
            {
                Ok(_) if refused == 0 => written += 1,
                Ok(outcome) => panic!("a site wrote alone: {outcome:?}"),
                Err(_) => refused += 1,
            }
        }
        assert_eq!(cluster.fail_over_to(left).await, GROUPS);
        let survivor = cluster.client_at(left);
        write(&survivor, &bucket, 10..20).await;

        file.heal("t", "m");
        cluster.write(&file);
        cluster.add(&survivor, &cluster.numbers_at(lost)).await;
        check(&client, &bucket, 0..20).await;
        let has = async |key: &str| {
            client
                .get_object(&bucket, &key.into())
                .await
                .unwrap()
                .is_some()
        };
        assert!(!has("alone").await);
        for n in 0..written {
            assert!(has(&format!("alone-{n}")).await);
        }
    });
}

#[test]
fn a_promotion_that_does_not_fit_changes_nothing() {
    on_cluster(&SIX, async |cluster| {
        let client = cluster.client();
        let bucket = cluster.bucket(&client).await;
        write(&client, &bucket, 0..10).await;
        let voter = &cluster.voters[0];
        let status = client.voter_status(&voter.endpoint).await.unwrap();
        assert!(status.voter.may_be(voter));
        assert_eq!(status.groups.len(), GROUPS);
        let view = &status.groups[0];
        assert_eq!(ids(&view.voters), [1, 2, 3, 4, 5, 6]);
        let last = view.last.unwrap();
        let older = LogPosition {
            index: last.index - 1,
            ..last
        };
        for (site, last, refusal) in [
            ("t", older, PromoteAnswer::Moved),
            ("m", last, PromoteAnswer::NotThere),
        ] {
            let request = PromoteRequest {
                group: view.group,
                site: site.to_owned(),
                last,
                term: view.term,
            };
            let answer = client.promote(&voter.endpoint, &request).await;
            assert_eq!(answer, Ok(refusal));
        }
        write(&client, &bucket, 10..20).await;
        check(&client, &bucket, 0..20).await;
        let now = client.voter_status(&voter.endpoint).await.unwrap();
        assert_eq!(ids(&now.groups[0].voters), [1, 2, 3, 4, 5, 6]);
    });
}
