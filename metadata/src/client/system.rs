//! The cluster as a whole.

use riquet_cluster::layout::Layout;

use super::Client;
use crate::command::{SystemCommand, SystemOutcome};
use crate::error::Error;
use crate::id::{ClusterId, Epoch, GroupId};
use crate::query::{ClusterState, SystemAnswer, SystemQuery};
use crate::record::{Identity, LayoutChange};
use crate::voters::{PromoteAnswer, PromoteRequest, VoterChange, VoterStatus, VotersAnswer};

const ODD: Error = Error::Protocol("an answer to another question");

impl Client {
    /// Makes the cluster, unless it exists under this id. `identities` may use it at first; each comes
    /// after what it needs.
    ///
    /// # Errors
    /// [`Error::OtherCluster`] when it exists under another.
    pub async fn bootstrap(
        &self,
        cluster: ClusterId,
        layout: Layout,
        identities: Vec<Identity>,
        key_groups: u32,
    ) -> Result<(), Error> {
        let command = SystemCommand::Bootstrap {
            cluster,
            layout: Box::new(layout),
            identities,
            key_groups,
        };
        match self.inner.calls.propose_system(command).await? {
            SystemOutcome::Bootstrapped => Ok(()),
            SystemOutcome::OtherCluster { cluster } => Err(Error::OtherCluster(cluster)),
            _ => Err(ODD),
        }
    }

    /// Changes who votes in a group, or asks who does. The groups are changed one by one: the
    /// control group, and as many key groups as [`Self::cluster`] tells.
    ///
    /// # Errors
    /// [`Error::Uncertain`] when it takes long: ask again, which goes on where it was.
    pub async fn change_voters(
        &self,
        group: GroupId,
        change: VoterChange,
    ) -> Result<VotersAnswer, Error> {
        self.inner.calls.change_voters(group, change).await
    }

    /// The voters that this client asks, `host:port`.
    pub fn endpoints(&self) -> &[String] {
        self.inner.calls.endpoints()
    }

    /// What the voter at `endpoint` knows by itself.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not answer.
    pub async fn voter_status(&self, endpoint: &str) -> Result<VoterStatus, Error> {
        self.inner.calls.voter_status(endpoint).await
    }

    /// Has the voter at `endpoint` take over a group for its site alone; see [`crate::voters`].
    ///
    /// # Errors
    /// [`Error::Uncertain`] when it does not answer: look at its status.
    pub async fn promote(
        &self,
        endpoint: &str,
        request: &PromoteRequest,
    ) -> Result<PromoteAnswer, Error> {
        self.inner.calls.promote(endpoint, request).await
    }

    /// The cluster's id, layout and number of key groups.
    ///
    /// # Errors
    /// [`Error::NotBootstrapped`] before bootstrap.
    pub async fn cluster(&self) -> Result<ClusterState, Error> {
        self.cluster_of(SystemQuery::Cluster).await
    }

    pub(super) async fn cluster_of(&self, query: SystemQuery) -> Result<ClusterState, Error> {
        match self.inner.calls.query_system(query).await? {
            SystemAnswer::Cluster(Some(cluster)) => Ok(*cluster),
            SystemAnswer::Cluster(None) => Err(Error::NotBootstrapped),
            _ => Err(ODD),
        }
    }

    /// What made the layouts before one of them, the newest first, and whether there are more.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn layout_history(
        &self,
        before: Option<Epoch>,
        max: u32,
    ) -> Result<(Vec<LayoutChange>, bool), Error> {
        let query = SystemQuery::LayoutHistory { before, max };
        match self.inner.calls.query_system(query).await? {
            SystemAnswer::LayoutHistory { changes, more } => Ok((changes, more)),
            _ => Err(ODD),
        }
    }

    /// Replaces the layout. Its epoch must be the present one plus one.
    ///
    /// # Errors
    /// [`Error::LayoutConflict`] when it is not.
    pub async fn put_layout(&self, layout: Layout) -> Result<(), Error> {
        let command = SystemCommand::PutLayout {
            layout: Box::new(layout),
        };
        match self.inner.calls.propose_system(command).await? {
            SystemOutcome::LayoutStored => Ok(()),
            SystemOutcome::LayoutConflict { current } => Err(Error::LayoutConflict { current }),
            _ => Err(ODD),
        }
    }
}
