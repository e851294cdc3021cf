//! Makes the cluster in the metadata: its first layout and its root account.

use riquet_cluster::transport::Transport;
use riquet_metadata::Client;
use riquet_metadata::record::{Account, Secret};
use sha2::{Digest, Sha256};

use super::credentials::Credentials;
use super::topology::{ARBITER, Topology};
use crate::error::Error;

/// Groups that the keys of development clusters are spread over.
const KEY_GROUPS: u32 = 8;

/// Bootstraps the cluster; one that exists already is left as it is.
pub(crate) async fn run(topology: &Topology, credentials: &Credentials) -> Result<(), Error> {
    let client = Client::new(Transport::tcp(), topology.metadata(ARBITER));
    client
        .bootstrap(
            topology.cluster,
            topology.layout()?,
            root_account(topology, credentials),
            KEY_GROUPS,
        )
        .await?;
    Ok(())
}

fn root_account(topology: &Topology, credentials: &Credentials) -> Account {
    // S3's canonical user ids are 64 hexadecimal digits; ours stays the same at every start.
    let user_id = hex::encode(Sha256::digest(topology.cluster.to_bytes()));
    Account {
        user_id,
        display_name: "root".into(),
        access_key: credentials.access_key_id.clone(),
        secret: Secret(credentials.secret_access_key.clone()),
        created_ms: topology.created_ms,
    }
}
