//! `riquet user`: those who sign requests.

use clap::{Args, Subcommand};
use riquet_cluster::clock::now_ms;
use riquet_metadata::Client;
use riquet_metadata::record::{Attachment, Identity, IdentityKind, Policies, Tenant, User};
use serde::Serialize;

use super::keys::{self, FreshKey, fresh_id};
use super::{
    RingArgs, TenantArgs, all, change_user, check_name, create, find_user, name_in, remove,
};
use crate::error::Error;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct UserArgs {
    #[command(subcommand)]
    command: UserCommand,
    #[command(flatten)]
    tenant: TenantArgs,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// List the users of a tenant
    List,
    /// Make a user, and an access key
    ///
    /// The user owns the buckets it makes, and sees no others unless their owners allow it. With
    /// --member, what it makes is the tenant's, and it may do what policies allow. The key's secret
    /// is shown once.
    Create {
        /// Its name
        name: String,
        /// Let what it makes be the tenant's, and policies decide what it may do
        #[arg(long)]
        member: bool,
        /// The name shown as owner [default: its name]
        #[arg(long)]
        display_name: Option<String>,
        /// Address by which others may grant it something
        #[arg(long)]
        email: Option<String>,
        #[command(flatten)]
        ring: RingArgs,
    },
    /// Show a user with its policies, groups and keys
    Show {
        /// Its name
        name: String,
    },
    /// Remove a user that owns no bucket
    Delete {
        /// Its name
        name: String,
        /// Remove its keys and policies first, and take it out of its groups
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Serialize)]
struct UserRow {
    name: String,
    /// The owner of what it makes.
    canonical_id: String,
    owns: &'static str,
    display_name: String,
    email: Option<String>,
    groups: usize,
    policies: Vec<String>,
}

#[derive(Debug, Serialize)]
struct FreshUser {
    name: String,
    canonical_id: String,
    key: FreshKey,
}

#[derive(Debug, Serialize)]
struct UserReport {
    #[serde(flatten)]
    user: UserRow,
    id: String,
    arn: String,
    keys: Vec<keys::KeyRow>,
}

/// Runs the command.
pub(crate) async fn run(args: UserArgs) -> Result<(), Error> {
    let (client, tenant) = args.tenant.open().await?;
    let as_json = args.tenant.json;
    match args.command {
        UserCommand::List => {
            let users = all(&client, IdentityKind::User, &tenant.id).await?;
            let rows: Vec<_> = users
                .into_iter()
                .filter_map(|stored| match stored.identity {
                    Identity::User(user) => Some(row(&tenant, &user)),
                    _ => None,
                })
                .collect();
            output::print(&rows, as_json, |rows| table(rows));
        }
        UserCommand::Create {
            name,
            member,
            display_name,
            email,
            ring,
        } => {
            check_name(&name)?;
            let ring = ring.load()?;
            let canonical_id = (!member).then(|| canonical_id(&tenant, &name));
            let user = User {
                tenant: tenant.id.clone(),
                id: fresh_id("AIDA"),
                path: "/".to_owned(),
                display_name: display_name.unwrap_or_else(|| name.clone()),
                name,
                email,
                canonical_id,
                groups: Vec::new(),
                policies: Policies::default(),
                tags: Vec::new(),
                created_ms: now_ms(),
            };
            create(&client, Identity::User(user.clone())).await?;
            let key = keys::make(&client, &ring, &tenant.id, Some(&user.id), None).await?;
            let fresh = FreshUser {
                canonical_id: row(&tenant, &user).canonical_id,
                name: user.name,
                key,
            };
            output::print(&fresh, as_json, |fresh| {
                format!(
                    "user {}, owner id {}\n{}",
                    fresh.name,
                    fresh.canonical_id,
                    fresh.key.text()
                )
            });
        }
        UserCommand::Show { name } => {
            let (user, _) = find_user(&client, &tenant, &name).await?;
            let report = report(&client, &tenant, user).await?;
            output::print(&report, as_json, report_text);
        }
        UserCommand::Delete { name, force } => {
            let (user, _) = find_user(&client, &tenant, &name).await?;
            if force {
                for key in keys::of(&client, &tenant.id, Some(&user.id)).await? {
                    remove(&client, Identity::Key(key).name()).await?;
                }
                change_user(&client, &tenant, &name, |user| {
                    user.groups.clear();
                    user.policies = Policies::default();
                    Ok(())
                })
                .await?;
            }
            remove(&client, name_in(&tenant, IdentityKind::User, &name)).await?;
            println!("user {name} is removed");
        }
    }
    Ok(())
}

/// A canonical id that no user of another tenant has.
fn canonical_id(tenant: &Tenant, name: &str) -> String {
    match tenant.name.as_str() {
        "" => name.to_owned(),
        tenant => format!("{tenant}${name}"),
    }
}

fn row(tenant: &Tenant, user: &User) -> UserRow {
    let attached = user
        .policies
        .attached
        .iter()
        .map(|attachment| match attachment {
            Attachment::Tenant(name) | Attachment::Vendor(name) => name.clone(),
        });
    let inline = user
        .policies
        .inline
        .iter()
        .map(|policy| policy.name.clone());
    UserRow {
        name: user.name.clone(),
        canonical_id: user
            .canonical_id
            .clone()
            .unwrap_or_else(|| tenant.id.clone()),
        owns: match user.canonical_id {
            Some(_) => "itself",
            None => "its tenant",
        },
        display_name: user.display_name.clone(),
        email: user.email.clone(),
        groups: user.groups.len(),
        policies: attached.chain(inline).collect(),
    }
}

async fn report(client: &Client, tenant: &Tenant, user: User) -> Result<UserReport, Error> {
    let keys = keys::of(client, &tenant.id, Some(&user.id)).await?;
    Ok(UserReport {
        arn: format!("arn:aws:iam::{}:user{}{}", tenant.id, user.path, user.name),
        id: user.id.clone(),
        keys: keys
            .iter()
            .map(|key| keys::row(key, Some(&user.name)))
            .collect(),
        user: row(tenant, &user),
    })
}

fn report_text(report: &UserReport) -> String {
    let user = &report.user;
    let pairs = [
        ("name", user.name.clone()),
        ("id", report.id.clone()),
        ("arn", report.arn.clone()),
        ("owner id", user.canonical_id.clone()),
        ("what it makes is of", user.owns.to_owned()),
        ("shown as", user.display_name.clone()),
        ("e-mail", user.email.clone().unwrap_or_default()),
        ("groups", user.groups.to_string()),
        ("policies", user.policies.join(", ")),
    ];
    let rows: Vec<_> = pairs
        .into_iter()
        .map(|(name, value)| vec![name.to_owned(), value])
        .collect();
    let user = output::table(&["user", ""], &rows, 2);
    format!("{user}\n{}", keys::table(&report.keys))
}

fn table(rows: &[UserRow]) -> String {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            vec![
                row.name.clone(),
                row.canonical_id.clone(),
                row.owns.to_owned(),
                row.display_name.clone(),
                row.email.clone().unwrap_or_default(),
                row.policies.join(", "),
                row.groups.to_string(),
            ]
        })
        .collect();
    let titles = [
        "name",
        "owner id",
        "what it makes is of",
        "shown as",
        "e-mail",
        "policies",
        "groups",
    ];
    output::table(&titles, &rows, 6)
}
