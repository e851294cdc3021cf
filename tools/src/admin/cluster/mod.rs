//! `riquet cluster init`: makes a cluster of nodes that run and belong to none yet.
//!
//! It looks before it does anything: every node of the description must answer under its name, with
//! disks that are in service and in no cluster, and every voter with as many groups as described. Only then
//! the key ring is written, unless there is one, and the metadata are told the first layout, the default
//! tenant and its key.

mod description;
mod survey;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use riquet_cluster::clock::now_ms;
use riquet_cluster::id::ClusterId;
use riquet_cluster::keyring::KeyRing;
use riquet_cluster::transport::Transport;
use riquet_metadata::Client;
use riquet_metadata::record::{AccessKey, Identity, KeyState, Tenant};
use serde::Serialize;

use self::description::Description;
use self::survey::Survey;
use super::Consent;
use crate::dev::credentials::Credentials;
use crate::error::Error;
use crate::files::{self, Readers};
use crate::output;

/// The id of a fresh ring's key; later keys are named by whoever adds them.
const FIRST_RING_KEY: &str = "first";

#[derive(Debug, Args)]
pub(crate) struct ClusterCommandArgs {
    #[command(subcommand)]
    command: ClusterCommand,
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Make a cluster, once
    ///
    /// All storage nodes and voters must run. Shows what they have, asks, writes the key ring that every
    /// gateway needs a copy of, and prints the default tenant's own access key. Its secret is not shown
    /// again.
    Init(InitArgs),
}

#[derive(Debug, Args)]
struct InitArgs {
    /// Description of the cluster (TOML); /usr/share/doc/riquet/examples/cluster.toml is one
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    consent: Consent,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What came of it.
#[derive(Serialize)]
struct Founded {
    cluster: ClusterId,
    key_file: PathBuf,
    tenant: String,
    access_key_id: String,
    secret_access_key: String,
}

/// Runs the command.
pub(crate) async fn run(args: ClusterCommandArgs) -> Result<(), Error> {
    let ClusterCommand::Init(args) = args.command;
    let description = Description::load(&args.file)?;
    let cluster = ClusterId::from_u128(rand::random());
    let survey = Survey::of(&description).await?;
    let layout = description.foundation(cluster, &survey).layout()?;
    eprintln!("{}", survey.table(&description));
    let question = format!(
        "A cluster of {} nodes with {} disks is made, with the profile {} and {} placement groups.",
        layout.nodes.len(),
        layout.disks.len(),
        description.profile,
        description.placement_groups,
    );
    args.consent.ask(&question, "init")?;

    let ring = ring(&description.key_file)?;
    let tenant = format!("{:012}", rand::random_range(0..1_000_000_000_000_u64));
    let credentials = Credentials::random();
    let identities = identities(&description, &tenant, &credentials, &ring);
    let client = Client::new(Transport::tcp(), description.metadata.clone());
    client
        .bootstrap(cluster, layout, identities, description.key_groups)
        .await?;
    let founded = Founded {
        cluster,
        key_file: description.key_file,
        tenant,
        access_key_id: credentials.access_key_id,
        secret_access_key: credentials.secret_access_key,
    };
    output::print(&founded, args.json, text);
    Ok(())
}

/// The ring at `path`, made and stored there first if there is none.
fn ring(path: &std::path::Path) -> Result<KeyRing, Error> {
    if !path.exists() {
        files::replace(path, &KeyRing::fresh_file(FIRST_RING_KEY), Readers::Owner)?;
    }
    Ok(KeyRing::load(path)?)
}

/// The default tenant, and its own key, which may do everything in it.
fn identities(
    description: &Description,
    tenant: &str,
    credentials: &Credentials,
    ring: &KeyRing,
) -> Vec<Identity> {
    let created_ms = now_ms();
    let id = &credentials.access_key_id;
    let secret = credentials.secret_access_key.as_bytes();
    vec![
        Identity::Tenant(Tenant {
            id: tenant.to_owned(),
            // The default tenant is the one without a name or a namespace.
            name: String::new(),
            namespace: String::new(),
            display_name: description.tenant.display_name.clone(),
            email: description.tenant.email.clone(),
            created_ms,
        }),
        Identity::Key(AccessKey {
            id: id.clone(),
            tenant: tenant.to_owned(),
            user: None,
            secret: ring.seal(&AccessKey::seal_context(id), secret),
            state: KeyState::Active,
            created_ms,
            expires_ms: None,
        }),
    ]
}

fn text(founded: &Founded) -> String {
    format!(
        "cluster {}\ntenant {}\nkey ring {}: copy it to every gateway, and keep a copy apart from the cluster\n\
         AWS_ACCESS_KEY_ID={}\nAWS_SECRET_ACCESS_KEY={}",
        founded.cluster,
        founded.tenant,
        founded.key_file.display(),
        founded.access_key_id,
        founded.secret_access_key
    )
}
