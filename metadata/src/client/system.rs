//! The cluster as a whole, and its accounts.

use std::sync::Arc;

use riquet_cluster::layout::Layout;

use super::Client;
use crate::command::{SystemCommand, SystemOutcome};
use crate::error::Error;
use crate::id::{ClusterId, GroupId};
use crate::query::{ClusterState, SystemAnswer, SystemQuery};
use crate::record::Account;
use crate::voters::{PromoteAnswer, PromoteRequest, VoterChange, VoterStatus, VotersAnswer};

const ODD: Error = Error::Protocol("an answer to another question");

impl Client {
    /// Makes the cluster, unless it exists under this id.
    ///
    /// # Errors
    /// [`Error::OtherCluster`] when it exists under another.
    pub async fn bootstrap(
        &self,
        cluster: ClusterId,
        layout: Layout,
        root: Account,
        key_groups: u32,
    ) -> Result<(), Error> {
        let command = SystemCommand::Bootstrap {
            cluster,
            layout: Box::new(layout),
            root,
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

    /// The account of an access key, up to [`crate::limits::ACCOUNT_TTL_MS`] old. That a key is
    /// unknown is never cached.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn account(&self, access_key: &str) -> Result<Option<Arc<Account>>, Error> {
        if let Some(account) = self.inner.accounts.get(access_key).await {
            return Ok(Some(account));
        }
        let access_key = access_key.to_owned();
        let query = SystemQuery::Account {
            access_key: access_key.clone(),
        };
        match self.inner.calls.query_system(query).await? {
            SystemAnswer::Account(None) => Ok(None),
            SystemAnswer::Account(Some(account)) => {
                let account = Arc::new(account);
                self.inner
                    .accounts
                    .insert(access_key, account.clone())
                    .await;
                Ok(Some(account))
            }
            _ => Err(ODD),
        }
    }

    /// Makes or replaces the account of its access key.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn put_account(&self, account: Account) -> Result<(), Error> {
        let access_key = account.access_key.clone();
        let outcome = self
            .inner
            .calls
            .propose_system(SystemCommand::PutAccount { account })
            .await;
        self.inner.accounts.invalidate(&access_key).await;
        match outcome? {
            SystemOutcome::AccountStored => Ok(()),
            _ => Err(ODD),
        }
    }

    /// Removes an access key. Other clients may go on accepting it for
    /// [`crate::limits::ACCOUNT_TTL_MS`].
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn delete_account(&self, access_key: &str) -> Result<(), Error> {
        let command = SystemCommand::DeleteAccount {
            access_key: access_key.to_owned(),
        };
        let outcome = self.inner.calls.propose_system(command).await;
        self.inner.accounts.invalidate(access_key).await;
        match outcome? {
            SystemOutcome::AccountDeleted => Ok(()),
            _ => Err(ODD),
        }
    }

    /// A page of accounts after an access key, and whether there are more.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn accounts(
        &self,
        after: Option<String>,
        max: u32,
    ) -> Result<(Vec<Account>, bool), Error> {
        match self
            .inner
            .calls
            .query_system(SystemQuery::Accounts { after, max })
            .await?
        {
            SystemAnswer::Accounts { accounts, more } => Ok((accounts, more)),
            _ => Err(ODD),
        }
    }
}
