//! `riquet key`: what requests are signed with.

use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::{Span, SpanRelativeTo};
use riquet_cluster::clock::now_ms;
use riquet_cluster::keyring::KeyRing;
use riquet_metadata::Client;
use riquet_metadata::command::{IdentityChange, IdentityOutcome};
use riquet_metadata::record::{
    AccessKey, Identity, IdentityAlias, IdentityKind, KeyState, StoredIdentity, Tenant,
};
use serde::Serialize;

use super::{RingArgs, TRIES, TenantArgs, all, check, create, find_user, missing, remove};
use crate::dev::credentials::{Credentials, KEY_ID_CHARACTERS, random_text};
use crate::error::Error;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
    #[command(flatten)]
    tenant: TenantArgs,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// List the keys of a tenant
    List {
        /// Only this user's
        #[arg(long)]
        user: Option<String>,
    },
    /// Make a key; its secret is shown once
    Create {
        /// The user [default: the tenant itself, which may do everything in it]
        #[arg(long)]
        user: Option<String>,
        /// Let it expire after so long
        #[arg(long, value_name = "90d", value_parser = parse_lifetime)]
        expires_in: Option<Duration>,
        #[command(flatten)]
        ring: RingArgs,
    },
    /// Make a key for whoever holds this one, which goes on working for a while
    Rotate {
        /// The key that goes
        id: String,
        /// How long it goes on working
        #[arg(long, value_parser = parse_lifetime, default_value = "24h")]
        grace: Duration,
        #[command(flatten)]
        ring: RingArgs,
    },
    /// Let a key work again
    Enable {
        /// The key
        id: String,
    },
    /// Let a key not work for now
    Disable {
        /// The key
        id: String,
    },
    /// Remove a key
    Delete {
        /// The key
        id: String,
    },
}

#[derive(Debug, Serialize)]
pub(super) struct KeyRow {
    id: String,
    /// None: the tenant itself.
    user: Option<String>,
    state: &'static str,
    created_ms: u64,
    expires_ms: Option<u64>,
}

/// A key that was just made.
#[derive(Debug, Serialize)]
pub(super) struct FreshKey {
    access_key_id: String,
    secret_access_key: String,
}

impl FreshKey {
    /// The lines that S3 clients read.
    pub(super) fn text(&self) -> String {
        format!(
            "AWS_ACCESS_KEY_ID={}\nAWS_SECRET_ACCESS_KEY={}",
            self.access_key_id, self.secret_access_key
        )
    }
}

/// Runs the command.
pub(crate) async fn run(args: KeyArgs) -> Result<(), Error> {
    let (client, tenant) = args.tenant.open().await?;
    let as_json = args.tenant.json;
    match args.command {
        KeyCommand::List { user } => {
            let rows = rows(&client, &tenant, user.as_deref()).await?;
            output::print(&rows, as_json, |rows| table(rows));
        }
        KeyCommand::Create {
            user,
            expires_in,
            ring,
        } => {
            let user = match user {
                Some(name) => Some(find_user(&client, &tenant, &name).await?.0.id),
                None => None,
            };
            let expires_ms = expires_in.map(from_now_ms);
            let ring = ring.load()?;
            let key = make(&client, &ring, &tenant.id, user.as_ref(), expires_ms).await?;
            output::print(&key, as_json, FreshKey::text);
        }
        KeyCommand::Rotate { id, grace, ring } => {
            let ring = ring.load()?;
            let old = find(&client, &tenant, &id).await?.0;
            let fresh = make(&client, &ring, &tenant.id, old.user.as_ref(), None).await?;
            let ends_ms = from_now_ms(grace);
            change(&client, &tenant, &id, |key| {
                let before = key.expires_ms.unwrap_or(u64::MAX);
                key.expires_ms = Some(before.min(ends_ms));
            })
            .await?;
            output::print(&fresh, as_json, FreshKey::text);
        }
        KeyCommand::Enable { id } => {
            change(&client, &tenant, &id, |key| key.state = KeyState::Active).await?;
            println!("key {id} works");
        }
        KeyCommand::Disable { id } => {
            change(&client, &tenant, &id, |key| key.state = KeyState::Inactive).await?;
            println!("key {id} doesn't work any more");
        }
        KeyCommand::Delete { id } => {
            let key = find(&client, &tenant, &id).await?.0;
            remove(&client, Identity::Key(key).name()).await?;
            println!("key {id} is removed");
        }
    }
    Ok(())
}

/// Reads `90d`, `12h`, `2w 3d` and the like; a day has 24 hours.
fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let span: Span = text
        .parse()
        .map_err(|error: jiff::Error| error.to_string())?;
    let lifetime = span.to_duration(SpanRelativeTo::days_are_24_hours());
    let lifetime = lifetime.map_err(|error| error.to_string())?;
    let lifetime = Duration::try_from(lifetime).unwrap_or_default();
    match lifetime.is_zero() {
        true => Err("not in the future".to_owned()),
        false => Ok(lifetime),
    }
}

fn from_now_ms(after: Duration) -> u64 {
    now_ms().saturating_add(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
}

/// Makes a key for a user, or the tenant itself.
pub(super) async fn make(
    client: &Client,
    ring: &KeyRing,
    tenant: &str,
    user: Option<&String>,
    expires_ms: Option<u64>,
) -> Result<FreshKey, Error> {
    let Credentials {
        access_key_id: id,
        secret_access_key: secret,
    } = Credentials::random();
    let key = AccessKey {
        id: id.clone(),
        tenant: tenant.to_owned(),
        user: user.cloned(),
        secret: ring.seal(&AccessKey::seal_context(&id), secret.as_bytes()),
        state: KeyState::Active,
        created_ms: now_ms(),
        expires_ms,
    };
    create(client, Identity::Key(key)).await?;
    Ok(FreshKey {
        access_key_id: id,
        secret_access_key: secret,
    })
}

/// An id that nothing else has.
pub(super) fn fresh_id(prefix: &str) -> String {
    format!("{prefix}{}", random_text(KEY_ID_CHARACTERS, 16))
}

/// The keys of a user by its id, or of the tenant itself.
pub(super) async fn of(
    client: &Client,
    tenant: &str,
    user: Option<&String>,
) -> Result<Vec<AccessKey>, Error> {
    let keys = all(client, IdentityKind::Key, tenant).await?;
    let keys = keys.into_iter().filter_map(|stored| match stored.identity {
        Identity::Key(key) => Some(key),
        _ => None,
    });
    Ok(keys.filter(|key| key.user.as_ref() == user).collect())
}

async fn find(client: &Client, tenant: &Tenant, id: &str) -> Result<(AccessKey, u64), Error> {
    let alias = IdentityAlias::KeyId(id.to_owned());
    match client.identity_known_as(alias).await? {
        Some(StoredIdentity {
            revision,
            identity: Identity::Key(key),
        }) if key.tenant == tenant.id => Ok((key, revision)),
        _ => Err(missing("access key", id)),
    }
}

async fn change(
    client: &Client,
    tenant: &Tenant,
    id: &str,
    change: impl Fn(&mut AccessKey),
) -> Result<(), Error> {
    for _ in 0..TRIES {
        let (mut key, revision) = find(client, tenant, id).await?;
        change(&mut key);
        let identity = Identity::Key(key);
        let replace = IdentityChange::Replace {
            name: identity.name(),
            revision,
            identity: Box::new(identity),
        };
        match client.change_identity(replace).await? {
            IdentityOutcome::Stale => {}
            outcome => return check(outcome, id),
        }
    }
    Err(riquet_metadata::Error::Unavailable.into())
}

async fn rows(client: &Client, tenant: &Tenant, user: Option<&str>) -> Result<Vec<KeyRow>, Error> {
    let only = match user {
        Some(name) => Some(find_user(client, tenant, name).await?.0.id),
        None => None,
    };
    let mut rows = Vec::new();
    for stored in all(client, IdentityKind::Key, &tenant.id).await? {
        let Identity::Key(key) = stored.identity else {
            continue;
        };
        if only.is_some() && key.user != only {
            continue;
        }
        let holder = match &key.user {
            None => None,
            Some(id) => {
                client
                    .identity_known_as(IdentityAlias::Id(id.clone()))
                    .await?
            }
        };
        let name = holder.map(|holder| holder.identity.name().name);
        rows.push(row(&key, name.as_deref()));
    }
    Ok(rows)
}

pub(super) fn row(key: &AccessKey, user: Option<&str>) -> KeyRow {
    KeyRow {
        id: key.id.clone(),
        user: user.map(str::to_owned),
        state: match (key.state, key.is_usable(now_ms())) {
            (KeyState::Inactive, _) => "disabled",
            (KeyState::Active, true) => "works",
            (KeyState::Active, false) => "expired",
        },
        created_ms: key.created_ms,
        expires_ms: key.expires_ms,
    }
}

pub(super) fn table(rows: &[KeyRow]) -> String {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            vec![
                row.id.clone(),
                row.user
                    .clone()
                    .unwrap_or_else(|| "(the tenant)".to_owned()),
                row.state.to_owned(),
                output::moment(row.created_ms),
                row.expires_ms
                    .map_or_else(|| "never".to_owned(), output::moment),
            ]
        })
        .collect();
    let titles = ["access key", "user", "state", "made", "expires"];
    output::table(&titles, &rows, 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_days_and_less() {
        let hours = |hours: u64| Ok(Duration::from_secs(hours * 3600));
        assert_eq!(parse_lifetime("90d"), hours(90 * 24));
        assert_eq!(parse_lifetime("1d 12h"), hours(36));
        for bad in ["", "90", "-1d", "0s", "soon"] {
            assert!(parse_lifetime(bad).is_err(), "{bad}");
        }
    }
}
