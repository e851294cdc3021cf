//! `riquet tenant`, `user`, `key` and `policy`: who may use the store.
//!
//! They speak to the metadata as the gateways do. A gateway believes what it found for a second: that
//! long a key that was removed may go on working.

pub(crate) mod keys;
pub(crate) mod policies;
pub(crate) mod tenants;
pub(crate) mod users;

use std::path::PathBuf;

use clap::Args;
use riquet_cluster::keyring::KeyRing;
use riquet_metadata::Client;
use riquet_metadata::command::{IdentityChange, IdentityOutcome};
use riquet_metadata::record::{
    Identity, IdentityAlias, IdentityKind, IdentityName, StoredIdentity, Tenant, User,
};

use super::ClusterArgs;
use crate::error::Error;

/// Identities of one page.
const PAGE: u32 = 1000;

/// Tries of a change that another may come before.
const TRIES: usize = 8;

/// Which cluster, and which tenant of it.
#[derive(Debug, Args)]
pub(crate) struct TenantArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// The tenant, by name or id [default: the one without a name]
    #[arg(long, global = true, default_value = "", hide_default_value = true)]
    tenant: String,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

impl TenantArgs {
    async fn open(&self) -> Result<(Client, Tenant), Error> {
        let client = self.cluster.client()?;
        let tenant = find_tenant(&client, &self.tenant).await?;
        Ok((client, tenant))
    }
}

/// Where the cluster's key ring is.
#[derive(Debug, Args)]
pub(crate) struct RingArgs {
    /// File with the cluster's key ring, under which secrets are stored
    #[arg(long, value_name = "FILE", env = "RIQUET_KEY_FILE")]
    key_file: PathBuf,
}

impl RingArgs {
    fn load(&self) -> Result<KeyRing, Error> {
        Ok(KeyRing::load(&self.key_file)?)
    }
}

async fn find_tenant(client: &Client, named: &str) -> Result<Tenant, Error> {
    let by_name = IdentityAlias::TenantName(named.to_owned());
    let found = match client.identity_known_as(by_name).await? {
        Some(found) => Some(found),
        None => client.identity(tenant_name(named)).await?,
    };
    match found.map(|found| found.identity) {
        Some(Identity::Tenant(tenant)) => Ok(tenant),
        _ => Err(missing("tenant", named)),
    }
}

fn tenant_name(id: &str) -> IdentityName {
    IdentityName {
        kind: IdentityKind::Tenant,
        tenant: String::new(),
        name: id.to_owned(),
    }
}

fn name_in(tenant: &Tenant, kind: IdentityKind, name: &str) -> IdentityName {
    IdentityName {
        kind,
        tenant: tenant.id.clone(),
        name: name.to_owned(),
    }
}

/// All identities of a kind in a tenant.
async fn all(
    client: &Client,
    kind: IdentityKind,
    tenant: &str,
) -> Result<Vec<StoredIdentity>, Error> {
    let mut found: Vec<StoredIdentity> = Vec::new();
    loop {
        let after = found.last().map(|last| last.identity.name().name);
        let (page, more) = client.identities(kind, tenant, after, PAGE).await?;
        let is_stuck = page.is_empty();
        found.extend(page);
        if !more || is_stuck {
            return Ok(found);
        }
    }
}

/// The user of a name, beside the revision that was read.
async fn find_user(client: &Client, tenant: &Tenant, name: &str) -> Result<(User, u64), Error> {
    let found = client
        .identity(name_in(tenant, IdentityKind::User, name))
        .await?;
    match found {
        Some(StoredIdentity {
            revision,
            identity: Identity::User(user),
        }) => Ok((user, revision)),
        _ => Err(missing("user", name)),
    }
}

/// Changes a user, again where another change came before.
async fn change_user(
    client: &Client,
    tenant: &Tenant,
    name: &str,
    change: impl Fn(&mut User) -> Result<(), Error>,
) -> Result<User, Error> {
    for _ in 0..TRIES {
        let (mut user, revision) = find_user(client, tenant, name).await?;
        let before = name_in(tenant, IdentityKind::User, name);
        change(&mut user)?;
        let replace = IdentityChange::Replace {
            name: before,
            revision,
            identity: Box::new(Identity::User(user.clone())),
        };
        match client.change_identity(replace).await? {
            IdentityOutcome::Stale => {}
            outcome => return check(outcome, name).map(|()| user),
        }
    }
    Err(riquet_metadata::Error::Unavailable.into())
}

async fn create(client: &Client, identity: Identity) -> Result<(), Error> {
    let name = identity.name().name;
    let create = IdentityChange::Create(Box::new(identity));
    check(client.change_identity(create).await?, &name)
}

async fn remove(client: &Client, name: IdentityName) -> Result<(), Error> {
    let named = name.name.clone();
    let remove = IdentityChange::Remove { name };
    check(client.change_identity(remove).await?, &named)
}

fn check(outcome: IdentityOutcome, name: &str) -> Result<(), Error> {
    match outcome {
        IdentityOutcome::Done => Ok(()),
        IdentityOutcome::Exists => Err(Error::Taken(name.to_owned())),
        IdentityOutcome::Missing(needed) => Err(missing(kind_text(needed.kind), &needed.name)),
        IdentityOutcome::InUse(why) => Err(Error::StillNeeded {
            name: name.to_owned(),
            why,
        }),
        IdentityOutcome::Stale => Err(riquet_metadata::Error::Unavailable.into()),
    }
}

fn missing(kind: &'static str, name: &str) -> Error {
    Error::NoSuch {
        kind,
        name: name.to_owned(),
    }
}

fn kind_text(kind: IdentityKind) -> &'static str {
    match kind {
        IdentityKind::Tenant => "tenant",
        IdentityKind::User => "user",
        IdentityKind::Group => "group",
        IdentityKind::Role => "role",
        IdentityKind::Policy => "policy",
        IdentityKind::Provider => "identity provider",
        IdentityKind::Key => "access key",
    }
}

/// Refuses names that IAM refuses.
fn check_name(name: &str) -> Result<(), Error> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
    match (1..=64).contains(&name.len()) && name.bytes().all(is_plain) {
        true => Ok(()),
        false => Err(Error::BadName(name.to_owned())),
    }
}
