//! Finds who holds an access key, and whose an id is. What was found is believed for a second: that
//! long a revoked key may go on working, or a policy that was taken away.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use riquet_cluster::clock::now_ms;
use riquet_cluster::keyring::KeyRing;
use riquet_metadata::Client;
use riquet_metadata::record::{
    AccessKey, Identity, IdentityAlias, IdentityKind, IdentityName, Tenant,
};
use riquet_s3::policy::{Policy, PolicyKind};
use riquet_s3::response::Owner;
use riquet_s3::{Error as S3Error, ErrorCode};
use zeroize::Zeroizing;

use super::{Caller, Tokens, id_of};
use crate::error::Error;

/// How long what was found is believed.
const BELIEVED: Duration = Duration::from_secs(1);

/// Callers and accounts that are remembered.
const REMEMBERED: u64 = 10_000;

/// A caller, and the secret that they must have signed with.
#[derive(Clone)]
pub(crate) struct SignedIn {
    pub(crate) caller: Arc<Caller>,
    pub(crate) secret: Arc<Zeroizing<String>>,
}

/// Finds callers and accounts.
pub(crate) struct Directory {
    metadata: Client,
    keys: Arc<KeyRing>,
    tokens: Tokens,
    /// By access key id, and session token if there is one.
    callers: Cache<(String, Option<String>), SignedIn>,
    /// By canonical id.
    accounts: Cache<String, Option<Arc<Account>>>,
}

/// Whoever a canonical id belongs to.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) owner: Owner,
}

impl Directory {
    pub(crate) fn new(metadata: Client, keys: Arc<KeyRing>) -> Self {
        let cache = || {
            Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(BELIEVED)
        };
        Self {
            metadata,
            tokens: Tokens::new(keys.clone()),
            keys,
            callers: cache().build(),
            accounts: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(BELIEVED)
                .build(),
        }
    }

    /// Issues session tokens.
    pub(crate) const fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Forgets all that was found, after a change that is to count at once.
    pub(crate) fn forget(&self) {
        self.callers.invalidate_all();
        self.accounts.invalidate_all();
    }

    /// Who holds an access key.
    ///
    /// # Errors
    /// `InvalidAccessKeyId` for one that nobody may use; `InvalidToken` and `ExpiredToken`.
    pub(crate) async fn sign_in(&self, key: &str, token: Option<&str>) -> Result<SignedIn, Error> {
        let place = (key.to_owned(), token.map(str::to_owned));
        if let Some(known) = self.callers.get(&place).await {
            return Ok(known);
        }
        let found = match token {
            None => self.of_lasting_key(key).await?,
            Some(token) => self.of_session(key, token).await?,
        };
        self.callers.insert(place, found.clone()).await;
        Ok(found)
    }

    async fn of_lasting_key(&self, id: &str) -> Result<SignedIn, Error> {
        let unknown = || S3Error::new(ErrorCode::InvalidAccessKeyId).field("AWSAccessKeyId", id);
        let found = self.metadata.key_holder(id).await?;
        if found.is_none() {
            // A cluster that lost its metadata knows no key, which says nothing of this one.
            self.metadata.cluster().await?;
        }
        let holder = found
            .filter(|holder| holder.key.is_usable(now_ms()))
            .ok_or_else(unknown)?;
        let context = AccessKey::seal_context(id);
        let secret = self.keys.open(&context, &holder.key.secret);
        let secret = secret.map_err(|error| {
            tracing::error!(key = id, %error, "the secret of a key can't be opened");
            ErrorCode::InternalError
        })?;
        let secret = String::from_utf8_lossy(&secret).into_owned();
        Ok(SignedIn {
            caller: Arc::new(Caller::lasting(holder.principal)),
            secret: Arc::new(Zeroizing::new(secret)),
        })
    }

    async fn of_session(&self, key: &str, token: &str) -> Result<SignedIn, Error> {
        let claims = self.tokens.open(token)?;
        claims.check(key, now_ms())?;
        // A user or role that is gone takes its sessions along.
        let principal = self.metadata.principal(claims.who.clone()).await?;
        let principal = principal
            .filter(|principal| id_of(principal) == claims.id)
            .ok_or(ErrorCode::InvalidToken)?;
        // Managed policies among them may be longer than a session's own.
        let narrowed = claims.policies.iter();
        let narrowed = narrowed.map(|text| Policy::parse(text.as_bytes(), PolicyKind::Identity));
        let narrowed = narrowed.collect::<Result<Vec<_>, _>>()?;
        Ok(SignedIn {
            secret: Arc::new(Zeroizing::new(claims.secret.clone())),
            caller: Arc::new(Caller::temporary(principal, &claims, narrowed)),
        })
    }

    /// Whoever a canonical id belongs to.
    pub(crate) async fn account(&self, canonical_id: &str) -> Result<Option<Arc<Account>>, Error> {
        if let Some(known) = self.accounts.get(canonical_id).await {
            return Ok(known);
        }
        let alias = IdentityAlias::CanonicalId(canonical_id.to_owned());
        let found = self.known_as(alias).await?.map(Arc::new);
        self.accounts
            .insert(canonical_id.to_owned(), found.clone())
            .await;
        Ok(found)
    }

    /// Whoever an address belongs to.
    pub(crate) async fn account_of_email(&self, address: &str) -> Result<Option<Account>, Error> {
        self.known_as(IdentityAlias::Email(address.to_lowercase()))
            .await
    }

    async fn known_as(&self, alias: IdentityAlias) -> Result<Option<Account>, Error> {
        let found = self.metadata.identity_known_as(alias).await?;
        Ok(found.and_then(|found| account(found.identity)))
    }

    /// A tenant by what ARNs call it: its id, or its name.
    pub(crate) async fn tenant_called(&self, text: &str) -> Result<Option<Tenant>, Error> {
        if let Some(tenant) = self.tenant(text).await? {
            return Ok(Some(tenant));
        }
        let alias = IdentityAlias::TenantName(text.to_owned());
        let found = self.metadata.identity_known_as(alias).await?;
        Ok(found.and_then(|found| match found.identity {
            Identity::Tenant(tenant) => Some(tenant),
            _ => None,
        }))
    }

    /// The cluster's keys.
    pub(crate) fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// A tenant by its id.
    pub(crate) async fn tenant(&self, id: &str) -> Result<Option<Tenant>, Error> {
        let name = IdentityName {
            kind: IdentityKind::Tenant,
            tenant: String::new(),
            name: id.to_owned(),
        };
        let found = self.metadata.identity(name).await?;
        Ok(found.and_then(|found| match found.identity {
            Identity::Tenant(tenant) => Some(tenant),
            _ => None,
        }))
    }
}

fn account(identity: Identity) -> Option<Account> {
    match identity {
        Identity::Tenant(tenant) => Some(Account {
            owner: Owner {
                id: tenant.id,
                display_name: tenant.display_name,
            },
        }),
        Identity::User(user) => Some(Account {
            owner: Owner {
                // Who owns nothing of its own is granted what its tenant is granted.
                id: user.canonical_id.unwrap_or(user.tenant),
                display_name: user.display_name,
            },
        }),
        _ => None,
    }
}
