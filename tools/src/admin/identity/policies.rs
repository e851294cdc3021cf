//! `riquet policy`: what users may do, in the language of IAM.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use riquet_cluster::clock::now_ms;
use riquet_metadata::record::{
    Attachment, Identity, IdentityKind, InlinePolicy, ManagedPolicy, PolicyVersion,
};
use riquet_s3::policy::{Policy, PolicyKind};
use serde::Serialize;

use super::keys::fresh_id;
use super::{
    TenantArgs, all, change_user, check_name, create, find_user, missing, name_in, remove,
};
use crate::error::Error;
use crate::{files, output};

#[derive(Debug, Args)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
    #[command(flatten)]
    tenant: TenantArgs,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// List a tenant's policies, or those of one user
    List {
        /// The user
        #[arg(long)]
        user: Option<String>,
    },
    /// Make a policy that can be attached
    Create {
        /// Its name
        name: String,
        /// File with its text, JSON
        file: PathBuf,
    },
    /// Print the text of a policy
    Show {
        /// Its name
        name: String,
        /// Of this user's own policies
        #[arg(long)]
        user: Option<String>,
    },
    /// Remove a policy that is attached to nothing
    Delete {
        /// Its name
        name: String,
    },
    /// Give a user a policy of its own, in the place of one of that name
    Put {
        /// Its name
        name: String,
        /// File with its text, JSON
        file: PathBuf,
        /// The user
        #[arg(long)]
        user: String,
    },
    /// Take a policy of its own from a user
    Remove {
        /// Its name
        name: String,
        /// The user
        #[arg(long)]
        user: String,
    },
    /// Attach a policy to a user: a tenant's by its name, one of AWS's by its ARN
    Attach {
        /// Its name or ARN
        policy: String,
        /// The user
        #[arg(long)]
        user: String,
    },
    /// Detach a policy from a user
    Detach {
        /// Its name or ARN
        policy: String,
        /// The user
        #[arg(long)]
        user: String,
    },
}

#[derive(Debug, Serialize)]
struct PolicyRow {
    name: String,
    kind: &'static str,
}

/// Runs the command.
pub(crate) async fn run(args: PolicyArgs) -> Result<(), Error> {
    let (client, tenant) = args.tenant.open().await?;
    let as_json = args.tenant.json;
    match args.command {
        PolicyCommand::List { user: None } => {
            let found = all(&client, IdentityKind::Policy, &tenant.id).await?;
            let rows: Vec<_> = found
                .into_iter()
                .map(|stored| PolicyRow {
                    name: stored.identity.name().name,
                    kind: "managed",
                })
                .collect();
            output::print(&rows, as_json, |rows| table(rows));
        }
        PolicyCommand::List { user: Some(user) } => {
            let (user, _) = find_user(&client, &tenant, &user).await?;
            let rows = of_user(&user.policies.inline, &user.policies.attached);
            output::print(&rows, as_json, |rows| table(rows));
        }
        PolicyCommand::Create { name, file } => {
            check_name(&name)?;
            let policy = ManagedPolicy {
                tenant: tenant.id.clone(),
                id: fresh_id("ANPA"),
                path: "/".to_owned(),
                description: None,
                versions: vec![PolicyVersion {
                    number: 1,
                    text: read(&file)?,
                    created_ms: now_ms(),
                }],
                default: 1,
                tags: Vec::new(),
                created_ms: now_ms(),
                name,
            };
            let name = policy.name.clone();
            create(&client, Identity::Policy(policy)).await?;
            println!("arn:aws:iam::{}:policy/{name}", tenant.id);
        }
        PolicyCommand::Show { name, user: None } => {
            let named = name_in(&tenant, IdentityKind::Policy, &name);
            let found = client.identity(named).await?.map(|stored| stored.identity);
            let Some(Identity::Policy(policy)) = found else {
                return Err(missing("policy", &name));
            };
            println!("{}", policy.text().unwrap_or_default());
        }
        PolicyCommand::Show {
            name,
            user: Some(user),
        } => {
            let (user, _) = find_user(&client, &tenant, &user).await?;
            let mut own = user.policies.inline.iter();
            let found = own.find(|policy| policy.name == name);
            println!("{}", found.ok_or_else(|| missing("policy", &name))?.text);
        }
        PolicyCommand::Delete { name } => {
            remove(&client, name_in(&tenant, IdentityKind::Policy, &name)).await?;
            println!("policy {name} is removed");
        }
        PolicyCommand::Put { name, file, user } => {
            check_name(&name)?;
            let text = read(&file)?;
            change_user(&client, &tenant, &user, |user| {
                let own = &mut user.policies.inline;
                own.retain(|policy| policy.name != name);
                own.push(InlinePolicy {
                    name: name.clone(),
                    text: text.clone(),
                });
                own.sort_by(|one, other| one.name.cmp(&other.name));
                Ok(())
            })
            .await?;
            println!("user {user} has policy {name}");
        }
        PolicyCommand::Remove { name, user } => {
            change_user(&client, &tenant, &user, |user| {
                let before = user.policies.inline.len();
                user.policies.inline.retain(|policy| policy.name != name);
                match user.policies.inline.len() < before {
                    true => Ok(()),
                    false => Err(missing("policy", &name)),
                }
            })
            .await?;
            println!("user {user} has no policy {name} any more");
        }
        PolicyCommand::Attach { policy, user } => {
            let attachment = attachment(&policy)?;
            change_user(&client, &tenant, &user, |user| {
                if !user.policies.attached.contains(&attachment) {
                    user.policies.attached.push(attachment.clone());
                }
                Ok(())
            })
            .await?;
            println!("policy {policy} is attached to user {user}");
        }
        PolicyCommand::Detach { policy, user } => {
            let attachment = attachment(&policy)?;
            change_user(&client, &tenant, &user, |user| {
                user.policies.attached.retain(|known| *known != attachment);
                Ok(())
            })
            .await?;
            println!("policy {policy} is not attached to user {user}");
        }
    }
    Ok(())
}

/// A policy's text, if it is one.
fn read(file: &std::path::Path) -> Result<String, Error> {
    let text = files::read(file)?;
    Policy::parse(text.as_bytes(), PolicyKind::Identity).map_err(|error| Error::BadPolicy {
        path: file.to_owned(),
        why: error.to_string(),
    })?;
    Ok(text)
}

fn attachment(policy: &str) -> Result<Attachment, Error> {
    if !policy.starts_with("arn:") {
        return Ok(Attachment::Tenant(policy.to_owned()));
    }
    match riquet_s3::iam::managed::MANAGED_POLICIES
        .iter()
        .any(|known| known.arn().to_string() == policy)
    {
        true => Ok(Attachment::Vendor(policy.to_owned())),
        false => Err(missing("policy", policy)),
    }
}

fn of_user(own: &[InlinePolicy], attached: &[Attachment]) -> Vec<PolicyRow> {
    let own = own.iter().map(|policy| PolicyRow {
        name: policy.name.clone(),
        kind: "its own",
    });
    let attached = attached.iter().map(|attachment| match attachment {
        Attachment::Tenant(name) => PolicyRow {
            name: name.clone(),
            kind: "managed",
        },
        Attachment::Vendor(arn) => PolicyRow {
            name: arn.clone(),
            kind: "of AWS",
        },
    });
    own.chain(attached).collect()
}

fn table(rows: &[PolicyRow]) -> String {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| vec![row.name.clone(), row.kind.to_owned()])
        .collect();
    output::table(&["policy", "kind"], &rows, 2)
}
