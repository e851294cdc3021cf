//! The groups of a process: their cores, and what keeps them going.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, LinearizableReadError, RaftError};
use openraft::storage::RaftLogStorage;
use openraft::{Config, ReadPolicy, SnapshotPolicy};
use riquet_cluster::transport::Transport;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::identity::{self, Folders, Stranger};
use super::limits::*;
use super::log::{GroupLog, LogStore};
use super::members;
use super::network::Network;
use super::promotion;
use super::runtime::blocking;
use super::sites::{self, Held};
use super::state::{GroupState, Machine};
use super::types::{EncodedProposal, Membership, Metrics, Peer, Raft};
use crate::backup::blocks;
use crate::codec::Record;
use crate::command::{Outcome, Proposal};
use crate::id::GroupId;
use crate::query::{Answer, Query};
use crate::read;
use crate::replica::{RecordBlocks, Replica, ReplicaError, stream_records};
use crate::rocks::Shared;
use crate::voters::{GroupView, PromoteAnswer, PromoteRequest, Voter, VoterStatus};

/// What a group looks like from this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStatus {
    /// The group.
    pub group: GroupId,
    /// The voter that leads it, as far as this one knows.
    pub leader: Option<u64>,
    /// The leader's term.
    pub term: u64,
    /// Entries applied here.
    pub applied: u64,
}

/// The groups that a process votes in.
pub struct RaftHost {
    own: Voter,
    folders: Arc<Folders>,
    transport: Transport,
    /// Whether others were heard to take it for another.
    is_stranger: AtomicBool,
    slots: BTreeMap<GroupId, Arc<Slot>>,
}

/// A group's place in the process, which its cores come and go in.
pub(super) struct Slot {
    group: GroupId,
    voter: u64,
    folders: Arc<Folders>,
    transport: Transport,
    log: GroupLog,
    state: Arc<GroupState>,
    raft: ArcSwap<Raft>,
    reads: mpsc::Sender<oneshot::Sender<Result<(), ReplicaError>>>,
    /// The last term in which this voter was seen to lead, and since when.
    leads: Mutex<Option<(u64, Instant)>>,
    /// A promotion that waits for the core's end, and who is told what became of it.
    promotion: Mutex<Option<Promotion>>,
    /// Whether a core that ends is to stay so.
    is_stopping: AtomicBool,
}

type Promotion = (PromoteRequest, oneshot::Sender<io::Result<PromoteAnswer>>);

impl RaftHost {
    /// Opens or makes a voter's groups in a folder and starts them. A cluster that is new begins
    /// with `voters`, and one that is not keeps its own list. If its `own` is not among `voters` it
    /// waits for [`crate::voters`] to add it.
    ///
    /// # Errors
    /// When the data is damaged, in use by another process, or the disk fails.
    pub async fn open(
        folder: &Path,
        own: Voter,
        voters: &[Voter],
        key_groups: u32,
        transport: Transport,
    ) -> io::Result<Arc<Self>> {
        let stores = open_stores(folder.to_owned(), key_groups);
        let opened = tokio::task::spawn_blocking(stores)
            .await
            .map_err(io::Error::other)??;
        Self::begin(opened, own, voters, transport).await
    }

    /// Starts groups whose stores are open.
    pub(super) async fn begin(
        opened: Vec<OpenedGroup>,
        mut own: Voter,
        voters: &[Voter],
        transport: Transport,
    ) -> io::Result<Arc<Self>> {
        let folders = Folders::open(own.id, opened[0].1.store().clone())?;
        own.folder = folders.of(own.id);
        let members: BTreeMap<u64, Peer> = voters
            .iter()
            .map(|voter| (voter.id, Peer::from(voter)))
            .collect();
        let mut slots = BTreeMap::new();
        for (group, mut log, state) in opened {
            log.give_way_to(state.last_applied()?)?;
            if members.contains_key(&own.id) {
                promotion::found(&mut log, own.id, &members).await?;
            }
            let raft = start(group, own.id, &folders, &transport, &log, &state).await?;
            let (reads, waiting) = mpsc::channel(WAITING_READS);
            let slot = Arc::new(Slot {
                group,
                voter: own.id,
                folders: folders.clone(),
                transport: transport.clone(),
                log,
                state,
                raft: ArcSwap::from_pointee(raft),
                reads,
                leads: Mutex::new(None),
                promotion: Mutex::new(None),
                is_stopping: AtomicBool::new(false),
            });
            tokio::spawn(prove_leadership(Arc::downgrade(&slot), waiting));
            tokio::spawn(supervise(Arc::downgrade(&slot)));
            tokio::spawn(hand_over(Arc::downgrade(&slot)));
            slots.insert(group, slot);
        }
        let host = Arc::new(Self {
            own,
            folders,
            transport,
            is_stranger: AtomicBool::new(false),
            slots,
        });
        tokio::spawn(identity::acquaint(Arc::downgrade(&host)));
        Ok(host)
    }

    pub(super) fn slot(&self, group: GroupId) -> Result<&Slot, ReplicaError> {
        self.slots
            .get(&group)
            .map(|slot| &**slot)
            .ok_or(ReplicaError::NotHere)
    }

    /// This voter's number.
    pub fn id(&self) -> u64 {
        self.own.id
    }

    pub(super) fn folders(&self) -> &Folders {
        &self.folders
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// All members of its groups, and where they serve.
    pub(super) fn peers(&self) -> BTreeSet<(u64, String)> {
        let memberships = self.slots.values().map(|slot| {
            let metrics = slot.raft().metrics();
            metrics.borrow_watched().membership_config.clone()
        });
        memberships
            .flat_map(|membership| {
                let nodes = membership.nodes();
                let peers = nodes.map(|(&voter, peer)| (voter, peer.endpoint.clone()));
                peers.collect::<Vec<_>>()
            })
            .collect()
    }

    /// Hears of a call that was not from or not to who others know.
    pub(super) fn meets(&self, stranger: Stranger) {
        match stranger {
            Stranger::Called if !self.is_stranger.swap(true, Ordering::Relaxed) => tracing::error!(
                voter = self.own.id,
                "the others know this voter by a folder that is lost, and do not hear it; let                  another number take its place: riquet voter replace"
            ),
            _ => tracing::debug!(%stranger, "a call is refused"),
        }
    }

    /// Whether this voter leads a group, as far as it knows.
    pub fn leads(&self, group: GroupId) -> bool {
        let leader = self.slot(group).map(|slot| slot.status().leader);
        leader.is_ok_and(|leader| leader == Some(self.own.id))
    }

    /// Hands over what this voter leads to who can lead it, before it ends: an election would take
    /// longer.
    pub async fn step_down(&self) {
        for slot in self.slots.values() {
            let raft = slot.raft();
            let metrics = raft.metrics().borrow_watched().clone();
            if metrics.current_leader != Some(self.own.id) {
                continue;
            }
            if let Some(to) = sites::next_leader(&metrics) {
                let _ = raft.trigger().transfer_leader(to).await;
            }
        }
    }

    /// How the groups are.
    pub fn status(&self) -> Vec<GroupStatus> {
        self.slots.values().map(|slot| slot.status()).collect()
    }

    /// What this voter knows by itself, as others may ask.
    pub(super) async fn voter_status(&self) -> Result<VoterStatus, ReplicaError> {
        let mut groups = Vec::new();
        for slot in self.slots.values() {
            groups.push(slot.view().await?);
        }
        Ok(VoterStatus {
            voter: self.own.clone(),
            groups,
        })
    }

    /// Ends all groups in good order. Until then their leaders lead.
    pub async fn shutdown(&self) {
        let ends = self.slots.values().map(|slot| async {
            slot.is_stopping.store(true, Ordering::Release);
            slot.raft().shutdown().await
        });
        for ended in futures_util::future::join_all(ends).await {
            if let Err(error) = ended {
                tracing::warn!(%error, "a metadata group did not end in good order");
            }
        }
    }
}

pub(super) type OpenedGroup = (GroupId, GroupLog, Arc<GroupState>);

fn open_stores(
    folder: PathBuf,
    key_groups: u32,
) -> impl FnOnce() -> io::Result<Vec<OpenedGroup>> + Send {
    move || {
        std::fs::create_dir_all(&folder)?;
        let shared = Arc::new(Shared::new(&folder));
        let log = LogStore::open(&folder.join("log"), &shared)?;
        std::iter::once(GroupId::SYSTEM)
            .chain(GroupId::keys(key_groups))
            .map(|group| {
                let folder = folder.join("groups").join(format!("{:04}", group.0));
                Ok((
                    group,
                    log.of(group),
                    GroupState::open(group, folder, shared.clone())?,
                ))
            })
            .collect()
    }
}

fn config(group: GroupId) -> Arc<Config> {
    let config = Config {
        cluster_name: group.to_string(),
        heartbeat_interval: HEARTBEAT_MS,
        election_timeout_min: ELECTION_MIN_MS,
        election_timeout_max: ELECTION_MAX_MS,
        max_payload_entries: APPEND_ENTRIES,
        replication_lag_threshold: LAG_ENTRIES,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(SNAPSHOT_ENTRIES),
        max_in_snapshot_log_to_keep: KEPT_ENTRIES,
        install_snapshot_timeout: SNAPSHOT_MS,
        enable_pre_vote: Some(true),
        // A leader that comes back does not know what it had committed, so it would answer reads
        // from records that are behind; and it would log anew under the log ids of entries that
        // others have and its crash took.
        enable_leader_restore: Some(false),
        ..Config::default()
    };
    Arc::new(
        config
            .validate()
            .expect("these settings agree with each other"),
    )
}

async fn start(
    group: GroupId,
    voter: u64,
    folders: &Arc<Folders>,
    transport: &Transport,
    log: &GroupLog,
    state: &Arc<GroupState>,
) -> io::Result<Raft> {
    let network = Network {
        transport: transport.clone(),
        group,
        folders: folders.clone(),
    };
    let machine = Machine::new(state.clone());
    Raft::new(voter, config(group), network, log.clone(), machine)
        .await
        .map_err(io::Error::other)
}

impl Slot {
    pub(super) fn raft(&self) -> Arc<Raft> {
        self.raft.load_full()
    }

    pub(super) fn state(&self) -> &GroupState {
        &self.state
    }

    /// A member as others are told of it.
    pub(super) fn voter_of(&self, id: u64, peer: &Peer) -> Voter {
        Voter {
            id,
            endpoint: peer.endpoint.clone(),
            site: peer.site.clone(),
            folder: self.folders.of(id),
        }
    }

    fn status(&self) -> GroupStatus {
        let metrics = self.raft().metrics().borrow_watched().clone();
        GroupStatus {
            group: self.group,
            leader: metrics.current_leader,
            term: metrics.current_term,
            applied: *self.state.applied().borrow(),
        }
    }

    async fn view(&self) -> Result<GroupView, ReplicaError> {
        let status = self.status();
        let log = self.log.clone().get_log_state().await;
        let last = log.map_err(|_| ReplicaError::Stopped)?.last_log_id;
        let voters = members::voters(&*members::newest(&self.raft()).await?);
        let voters = voters.iter().map(|(&id, peer)| self.voter_of(id, peer));
        Ok(GroupView {
            group: self.group,
            term: status.term,
            leader: status.leader,
            last: last.as_ref().map(promotion::position),
            applied: status.applied,
            voters: voters.collect(),
        })
    }

    /// Makes a site's voters the only ones; see [`promotion`]. The core ends for it and comes back.
    pub(super) async fn promote(
        &self,
        request: PromoteRequest,
    ) -> Result<PromoteAnswer, ReplicaError> {
        let (done, told) = oneshot::channel();
        {
            let waiting = &self.promotion;
            let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.is_some() {
                return Err(ReplicaError::Unavailable);
            }
            *waiting = Some((request, done));
        }
        let _ = self.raft().shutdown().await;
        match told.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                tracing::error!(group = %self.group, %error, "a site was not promoted");
                Err(ReplicaError::Stopped)
            }
            Err(_) => Err(ReplicaError::Stopped),
        }
    }

    /// Carries out the promotion that waits, if one does. The core has ended.
    async fn promote_if_asked(&self, membership: &Membership) -> bool {
        let waiting = &self.promotion;
        let asked = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some((request, done)) = asked else {
            return false;
        };
        let voters = members::voters(membership);
        let mut log = self.log.clone();
        let promoted = promotion::promote(&mut log, self.voter, &voters, &request).await;
        tracing::warn!(group = %self.group, site = request.site, ?promoted, "a site is promoted");
        let _ = done.send(promoted);
        true
    }

    async fn propose(&self, proposal: &Proposal) -> Result<Outcome, ReplicaError> {
        let raft = self.raft();
        let proposal = EncodedProposal(proposal.to_bytes().into());
        let deadline = Instant::now() + Duration::from_millis(PROPOSE_MS);
        let written = tokio::time::timeout_at(deadline, raft.client_write(proposal)).await;
        let written = match written.map_err(|_| ReplicaError::Unavailable)? {
            Ok(written) => written,
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => {
                return Err(ReplicaError::NotLeader(
                    to.leader_node.map(|node| node.endpoint),
                ));
            }
            Err(RaftError::APIError(_)) => return Err(ReplicaError::Unavailable),
            Err(RaftError::Fatal(_)) => return Err(ReplicaError::Stopped),
        };
        // What is committed will be applied whoever leads; what its proposer may be told, see `sites`.
        let mut metrics = raft.metrics();
        loop {
            let held = {
                let metrics = metrics.borrow_and_update();
                sites::hold(&metrics, &written.log_id, self.leads_since(&metrics))
            };
            match held {
                Held::Everywhere => break,
                Held::NotYet => {}
                // Who leads now finds the entry, and answers it once it is held.
                Held::Unknown => return Err(ReplicaError::Unavailable),
            }
            // A site that falls silent is noticed by time, not by a change.
            let look = Instant::now() + Duration::from_millis(HEARTBEAT_MS);
            if look > deadline {
                return Err(ReplicaError::Unavailable);
            }
            let _ = tokio::time::timeout_at(look, metrics.changed()).await;
        }
        written.data.0.ok_or(ReplicaError::Stopped)
    }

    /// Since when this voter leads, as far as it was seen to: never earlier than it does.
    fn leads_since(&self, metrics: &Metrics) -> Instant {
        let mut leads = self.leads.lock().unwrap_or_else(PoisonError::into_inner);
        match *leads {
            Some((term, since)) if term == metrics.current_term => since,
            _ => {
                let now = Instant::now();
                if metrics.current_leader == Some(metrics.id) {
                    *leads = Some((metrics.current_term, now));
                }
                now
            }
        }
    }

    /// Returns once this voter has applied all that was committed anywhere before the call.
    pub(super) async fn barrier(&self) -> Result<(), ReplicaError> {
        let (proven, told) = oneshot::channel();
        self.reads
            .send(proven)
            .await
            .map_err(|_| ReplicaError::Stopped)?;
        told.await.map_err(|_| ReplicaError::Stopped)?
    }

    async fn query(&self, query: Query) -> Result<Answer, ReplicaError> {
        self.barrier().await?;
        let (group, store) = (self.group, self.state.store());
        // A read may wait for the disk.
        let read = move || read::answer(group, &store.view(), &query).map_err(io::Error::other);
        blocking(read).await.map_err(|error| {
            tracing::error!(%group, %error, "a metadata query failed");
            ReplicaError::Stopped
        })
    }
}

impl Replica for RaftHost {
    fn propose(
        &self,
        group: GroupId,
        proposal: Proposal,
    ) -> BoxFuture<'_, Result<Outcome, ReplicaError>> {
        Box::pin(async move { self.slot(group)?.propose(&proposal).await })
    }

    fn query(&self, group: GroupId, query: Query) -> BoxFuture<'_, Result<Answer, ReplicaError>> {
        Box::pin(async move { self.slot(group)?.query(query).await })
    }

    fn export(&self, group: GroupId) -> BoxFuture<'_, Result<RecordBlocks, ReplicaError>> {
        Box::pin(async move {
            let slot = self.slot(group)?;
            slot.barrier().await?;
            let store = slot.state.store();
            Ok(stream_records(group, store, |store, take| {
                blocks::walk(&store.view(), take)
            }))
        })
    }

    fn applied(&self, group: GroupId) -> Result<watch::Receiver<u64>, ReplicaError> {
        Ok(self.slot(group)?.state.applied())
    }
}

/// Proves leadership for all reads that wait, round after round: a read may only use a proof that
/// began after it came.
async fn prove_leadership(
    slot: Weak<Slot>,
    mut waiting: mpsc::Receiver<oneshot::Sender<Result<(), ReplicaError>>>,
) {
    while let Some(first) = waiting.recv().await {
        let mut all = vec![first];
        while let Ok(next) = waiting.try_recv() {
            all.push(next);
        }
        let Some(slot) = slot.upgrade() else { return };
        let raft = slot.raft();
        let within = Duration::from_millis(READ_MS);
        let proof = tokio::time::timeout(within, raft.ensure_linearizable(ReadPolicy::ReadIndex));
        let proven = match proof.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(to)))) => Err(
                ReplicaError::NotLeader(to.leader_node.map(|node| node.endpoint)),
            ),
            Ok(Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)))) | Err(_) => {
                Err(ReplicaError::Unavailable)
            }
            Ok(Err(RaftError::Fatal(_))) => Err(ReplicaError::Stopped),
        };
        metrics::histogram!("riquet_metadata_read_barrier_reads").record(all.len() as f64);
        for reader in all {
            let _ = reader.send(proven.clone());
        }
    }
}

/// Builds a group's core anew whenever it ends by itself: its stores have all that it was.
async fn supervise(slot: Weak<Slot>) {
    let mut pause_ms = REBUILD_MIN_MS;
    loop {
        let Some(raft) = slot.upgrade().map(|slot| slot.raft()) else {
            return;
        };
        let started = Instant::now();
        let ended = end_of(&slot, &raft).await;
        let Some(slot) = slot.upgrade() else { return };
        if slot.is_stopping.load(Ordering::Acquire) {
            return;
        }
        if started.elapsed() > Duration::from_millis(REBUILD_MAX_MS) {
            pause_ms = REBUILD_MIN_MS;
        }
        let _ = raft.shutdown().await;
        let membership = raft.metrics().borrow_watched().membership_config.clone();
        if !slot.promote_if_asked(&membership).await {
            tracing::error!(group = %slot.group, ended, "a metadata group's core ended; it is built anew");
            metrics::counter!("riquet_metadata_rebuilt_groups_total").increment(1);
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            pause_ms = (pause_ms * 2).min(REBUILD_MAX_MS);
        }
        match start(
            slot.group,
            slot.voter,
            &slot.folders,
            &slot.transport,
            &slot.log,
            &slot.state,
        )
        .await
        {
            Ok(raft) => {
                slot.raft.store(Arc::new(raft));
                if slot.is_stopping.load(Ordering::Acquire) {
                    let _ = slot.raft().shutdown().await;
                    return;
                }
            }
            Err(error) => {
                tracing::error!(group = %slot.group, %error, "a group can't be built anew")
            }
        }
    }
}

/// Waits for the end of a group's core, and notes meanwhile when it comes to lead; why it ended.
async fn end_of(slot: &Weak<Slot>, raft: &Raft) -> String {
    let mut metrics = raft.metrics();
    loop {
        {
            let metrics = metrics.borrow_and_update();
            if let Err(ended) = &metrics.running_state {
                return ended.to_string();
            }
            if let Some(slot) = slot.upgrade() {
                slot.leads_since(&metrics);
            }
        }
        if metrics.changed().await.is_err() {
            return "it is gone".to_owned();
        }
    }
}

/// Hands leadership over where another voter should have it.
async fn hand_over(slot: Weak<Slot>) {
    let mut candidate = None;
    let mut looks = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(LEADERSHIP_MS)).await;
        let Some(slot) = slot.upgrade() else { return };
        let raft = slot.raft();
        let metrics = raft.metrics().borrow_watched().clone();
        let better = (metrics.current_leader == Some(metrics.id))
            .then(|| sites::better_leader(&metrics, slot.group))
            .flatten();
        looks = if better == candidate { looks + 1 } else { 1 };
        candidate = better;
        let Some(to) = better else { continue };
        if looks >= LEADERSHIP_LOOKS || sites::is_arbiter(&metrics) {
            tracing::info!(group = %slot.group, to, "hands leadership over");
            let _ = raft.trigger().transfer_leader(to).await;
            (candidate, looks) = (None, 0);
        }
    }
}
