//! Who may use the store. Nothing of it is cached here: what may be outdated, and for how long, is
//! for the asker to say.

use super::Client;
use crate::command::{IdentityChange, IdentityOutcome, SystemCommand, SystemOutcome};
use crate::error::Error;
use crate::query::{SystemAnswer, SystemQuery};
use crate::record::{
    IdentityAlias, IdentityKind, IdentityName, KeyHolder, Principal, StoredIdentity,
};

const ODD: Error = Error::Protocol("an answer to another question");

impl Client {
    /// Makes, replaces or removes an identity.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn change_identity(&self, change: IdentityChange) -> Result<IdentityOutcome, Error> {
        let command = SystemCommand::ChangeIdentity(change);
        match self.inner.calls.propose_system(command).await? {
            SystemOutcome::Identity(outcome) => Ok(outcome),
            SystemOutcome::NotBootstrapped => Err(Error::NotBootstrapped),
            _ => Err(ODD),
        }
    }

    /// An identity by name.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn identity(&self, name: IdentityName) -> Result<Option<StoredIdentity>, Error> {
        self.one_identity(SystemQuery::Identity { name }).await
    }

    /// An identity that is known otherwise.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn identity_known_as(
        &self,
        alias: IdentityAlias,
    ) -> Result<Option<StoredIdentity>, Error> {
        let query = SystemQuery::IdentityKnownAs { alias };
        self.one_identity(query).await
    }

    async fn one_identity(&self, query: SystemQuery) -> Result<Option<StoredIdentity>, Error> {
        match self.inner.calls.query_system(query).await? {
            SystemAnswer::Identity(found) => Ok(found.map(|found| *found)),
            _ => Err(ODD),
        }
    }

    /// A page of a tenant's identities of a kind (or of all tenants) by name, after a name, and whether
    /// there are more.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn identities(
        &self,
        kind: IdentityKind,
        tenant: &str,
        after: Option<String>,
        max: u32,
    ) -> Result<(Vec<StoredIdentity>, bool), Error> {
        let query = SystemQuery::Identities {
            kind,
            tenant: tenant.to_owned(),
            after,
            max,
        };
        match self.inner.calls.query_system(query).await? {
            SystemAnswer::Identities { identities, more } => Ok((identities, more)),
            _ => Err(ODD),
        }
    }

    /// An access key and who holds it.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn key_holder(&self, key: &str) -> Result<Option<KeyHolder>, Error> {
        let key = key.to_owned();
        let query = SystemQuery::KeyHolder { key };
        match self.inner.calls.query_system(query).await? {
            SystemAnswer::KeyHolder(found) => Ok(found.map(|found| *found)),
            _ => Err(ODD),
        }
    }

    /// A user, role or tenant with all that decides what they may do.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn principal(&self, name: IdentityName) -> Result<Option<Principal>, Error> {
        match self
            .inner
            .calls
            .query_system(SystemQuery::Principal { name })
            .await?
        {
            SystemAnswer::Principal(found) => Ok(found.map(|found| *found)),
            _ => Err(ODD),
        }
    }
}
