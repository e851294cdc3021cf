//! Makes the cluster in the metadata: its first layout, and those who may use it.

use riquet_cluster::keyring::KeyRing;
use riquet_cluster::transport::Transport;
use riquet_metadata::Client;

use super::credentials::Keychain;
use super::people;
use super::topology::{ARBITER, Topology};
use crate::error::Error;

/// Groups that the keys of development clusters are spread over.
const KEY_GROUPS: u32 = 8;

/// Bootstraps the cluster; one that exists already is left as it is.
pub(crate) async fn run(topology: &Topology, keys: &Keychain, ring: &KeyRing) -> Result<(), Error> {
    let client = Client::new(Transport::tcp(), topology.metadata(ARBITER));
    client
        .bootstrap(
            topology.cluster,
            topology.layout()?,
            people::identities(topology, keys, ring),
            KEY_GROUPS,
        )
        .await?;
    Ok(())
}
