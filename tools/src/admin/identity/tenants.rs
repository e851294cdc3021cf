//! `riquet tenant`: establishments, each with its users, and buckets in a namespace.

use clap::{Args, Subcommand};
use rand::RngExt;
use riquet_cluster::clock::now_ms;
use riquet_metadata::Client;
use riquet_metadata::record::{Identity, IdentityKind, Tenant};
use riquet_s3::name::is_namespace;
use serde::Serialize;

use super::keys::{self, FreshKey};
use super::{RingArgs, all, check_name, create, find_tenant, remove, tenant_name};
use crate::admin::ClusterArgs;
use crate::error::Error;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct TenantsArgs {
    #[command(subcommand)]
    command: TenantCommand,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum TenantCommand {
    /// List the tenants
    List,
    /// Make a tenant, and a key of its own
    ///
    /// The key may do everything in the tenant, over the S3 and IAM interfaces. Its secret is shown
    /// once.
    Create {
        /// Its name
        name: String,
        /// What stands before the names of its buckets, and a colon, where others name them
        /// [default: its name]
        #[arg(long)]
        namespace: Option<String>,
        /// The name shown as owner [default: its name]
        #[arg(long)]
        display_name: Option<String>,
        /// Address by which others may grant it something
        #[arg(long)]
        email: Option<String>,
        #[command(flatten)]
        ring: RingArgs,
    },
    /// Remove a tenant that has nothing any more
    Delete {
        /// Its name or id
        name: String,
    },
}

#[derive(Debug, Serialize)]
struct TenantRow {
    id: String,
    name: String,
    namespace: String,
    display_name: String,
    email: Option<String>,
    users: usize,
}

#[derive(Debug, Serialize)]
struct FreshTenant {
    id: String,
    name: String,
    key: FreshKey,
}

/// Runs the command.
pub(crate) async fn run(args: TenantsArgs) -> Result<(), Error> {
    let client = args.cluster.client()?;
    match args.command {
        TenantCommand::List => {
            let rows = rows(&client).await?;
            output::print(&rows, args.json, |rows| table(rows));
        }
        TenantCommand::Create {
            name,
            namespace,
            display_name,
            email,
            ring,
        } => {
            check_name(&name)?;
            let ring = ring.load()?;
            let namespace = namespace.unwrap_or_else(|| name.clone());
            if !is_namespace(&namespace) {
                return Err(Error::BadName(namespace));
            }
            let id = rand::rng().random_range(0..1_000_000_000_000_u64);
            let tenant = Tenant {
                id: format!("{id:012}"),
                display_name: display_name.unwrap_or_else(|| name.clone()),
                name,
                namespace,
                email,
                created_ms: now_ms(),
            };
            create(&client, Identity::Tenant(tenant.clone())).await?;
            let key = keys::make(&client, &ring, &tenant.id, None, None).await?;
            let fresh = FreshTenant {
                id: tenant.id,
                name: tenant.name,
                key,
            };
            output::print(&fresh, args.json, |fresh| {
                format!("tenant {} ({})\n{}", fresh.name, fresh.id, fresh.key.text())
            });
        }
        TenantCommand::Delete { name } => {
            let tenant = find_tenant(&client, &name).await?;
            // Its own keys are part of it; whatever else there is keeps it.
            let own = keys::of(&client, &tenant.id, None).await?;
            let rest = all(&client, IdentityKind::Key, &tenant.id).await?;
            if rest.len() == own.len() {
                for key in &own {
                    remove(&client, Identity::Key(key.clone()).name()).await?;
                }
            }
            remove(&client, tenant_name(&tenant.id)).await?;
            println!("tenant {} is removed", tenant.name);
        }
    }
    Ok(())
}

async fn rows(client: &Client) -> Result<Vec<TenantRow>, Error> {
    let mut rows = Vec::new();
    for stored in all(client, IdentityKind::Tenant, "").await? {
        if let Identity::Tenant(tenant) = stored.identity {
            let users = all(client, IdentityKind::User, &tenant.id).await?.len();
            rows.push(TenantRow {
                id: tenant.id,
                name: tenant.name,
                namespace: tenant.namespace,
                display_name: tenant.display_name,
                email: tenant.email,
                users,
            });
        }
    }
    Ok(rows)
}

fn table(rows: &[TenantRow]) -> String {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            vec![
                row.id.clone(),
                or_dash(&row.name),
                or_dash(&row.namespace),
                row.display_name.clone(),
                row.email.clone().unwrap_or_default(),
                row.users.to_string(),
            ]
        })
        .collect();
    let titles = ["id", "name", "namespace", "shown as", "e-mail", "users"];
    output::table(&titles, &rows, 5)
}

fn or_dash(text: &str) -> String {
    match text {
        "" => "-".to_owned(),
        text => text.to_owned(),
    }
}
