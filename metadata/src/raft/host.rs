//! The groups of a process.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use openraft::async_runtime::WatchReceiver;
use riquet_cluster::transport::Transport;
use tokio::sync::watch;

use super::identity::{self, Folders, Stranger};
use super::log::{GroupLog, LogStore};
use super::network::Network;
use super::promotion;
use super::sites;
use super::slot::Slot;
use super::state::GroupState;
use super::types::Peer;
use crate::backup::blocks;
use crate::command::{Outcome, Proposal};
use crate::id::GroupId;
use crate::query::{Answer, Query};
use crate::replica::{RecordBlocks, Replica, ReplicaError, stream_records};
use crate::rocks::Shared;
use crate::voters::{Voter, VoterStatus};

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
            let network = Network {
                transport: transport.clone(),
                group,
                folders: folders.clone(),
            };
            slots.insert(group, Slot::start(network, log, state).await?);
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
                "the others know this voter by a folder that is lost, and do not hear it; have \
                 another number take its place: riquet voter replace"
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
            if let Err(error) = slot.stop().await {
                tracing::warn!(%error, "a metadata group did not end in good order");
            }
        });
        futures_util::future::join_all(ends).await;
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
            let store = slot.state().store();
            Ok(stream_records(group, store, |store, take| {
                blocks::walk(&store.view(), take)
            }))
        })
    }

    fn applied(&self, group: GroupId) -> Result<watch::Receiver<u64>, ReplicaError> {
        Ok(self.slot(group)?.state().applied())
    }
}
