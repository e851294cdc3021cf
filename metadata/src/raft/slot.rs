//! A group's place in a process: its core, which comes and goes, and what keeps it going.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, LinearizableReadError, RaftError};
use openraft::storage::RaftLogStorage;
use openraft::{Config, ReadPolicy, SnapshotPolicy};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::host::GroupStatus;
use super::limits::*;
use super::log::GroupLog;
use super::members;
use super::network::Network;
use super::promotion;
use super::runtime::blocking;
use super::sites::{self, Held};
use super::state::{GroupState, Machine};
use super::types::{EncodedProposal, Membership, Metrics, Peer, Raft};
use crate::codec::Record;
use crate::command::{Outcome, Proposal};
use crate::id::GroupId;
use crate::query::{Answer, Query};
use crate::read;
use crate::replica::ReplicaError;
use crate::voters::{GroupView, PromoteAnswer, PromoteRequest, Voter};

/// A group's place in the process, which its cores come and go in.
pub(super) struct Slot {
    group: GroupId,
    voter: u64,
    network: Network,
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

impl Slot {
    /// Starts a group's core and what keeps it going.
    pub(super) async fn start(
        network: Network,
        log: GroupLog,
        state: Arc<GroupState>,
    ) -> io::Result<Arc<Self>> {
        let raft = core(&network, &log, &state).await?;
        let (reads, waiting) = mpsc::channel(WAITING_READS);
        let slot = Arc::new(Self {
            group: network.group,
            voter: network.folders.voter(),
            network,
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
        Ok(slot)
    }

    /// Ends it in good order.
    pub(super) async fn stop(&self) -> io::Result<()> {
        self.is_stopping.store(true, Ordering::Release);
        self.raft().shutdown().await.map_err(io::Error::other)
    }

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
            folder: self.network.folders.of(id),
        }
    }

    pub(super) fn status(&self) -> GroupStatus {
        let metrics = self.raft().metrics().borrow_watched().clone();
        GroupStatus {
            group: self.group,
            leader: metrics.current_leader,
            term: metrics.current_term,
            applied: *self.state.applied().borrow(),
        }
    }

    pub(super) async fn view(&self) -> Result<GroupView, ReplicaError> {
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

    pub(super) async fn propose(&self, proposal: &Proposal) -> Result<Outcome, ReplicaError> {
        let began = Instant::now();
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
        metrics::histogram!("riquet_metadata_propose_seconds").record(began.elapsed());
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
        let began = Instant::now();
        let (proven, told) = oneshot::channel();
        self.reads
            .send(proven)
            .await
            .map_err(|_| ReplicaError::Stopped)?;
        let proven = told.await.map_err(|_| ReplicaError::Stopped)?;
        metrics::histogram!("riquet_metadata_read_barrier_seconds").record(began.elapsed());
        proven
    }

    pub(super) async fn query(&self, query: Query) -> Result<Answer, ReplicaError> {
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

async fn core(network: &Network, log: &GroupLog, state: &Arc<GroupState>) -> io::Result<Raft> {
    let (voter, config) = (network.folders.voter(), config(network.group));
    let machine = Machine::new(state.clone());
    Raft::new(voter, config, network.clone(), log.clone(), machine)
        .await
        .map_err(io::Error::other)
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
        match core(&slot.network, &slot.log, &slot.state).await {
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
