//! Whether the nodes and voters of a description are there and fit to begin a cluster, and which disks
//! they have.

use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use riquet_cluster::id::{ClusterId, DiskId};
use riquet_cluster::node_client::NodeClient;
use riquet_cluster::transport::Transport;
use riquet_cluster::wire::health::{DiskHealth, NodeHealth, ONLINE};
use riquet_metadata::Client;
use tokio::time::timeout;

use super::description::{Description, NodeDescription};
use crate::error::Error;
use crate::output;

/// How long a node may take to say how it is.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// Bytes that one unit of weight stands for.
const WEIGHT_BYTES: u64 = 1 << 30;

/// The disks of all nodes, in the order of the description.
#[derive(Debug)]
pub(super) struct Survey {
    nodes: Vec<Disks>,
}

/// The disks of a node.
#[derive(Debug)]
pub(super) struct Disks(Vec<DiskHealth>);

impl Survey {
    /// Asks all of them, at once.
    ///
    /// # Errors
    /// [`Error::UnfitFounder`] says which, and why.
    pub(super) async fn of(description: &Description) -> Result<Self, Error> {
        // What nodes say about themselves, they say to anyone: no cluster is there yet.
        let client = NodeClient::new(Transport::tcp(), ClusterId::from_u128(0));
        let health = description.nodes.iter().map(async |node| {
            let answer = timeout(ANSWER_WAIT, client.health(&node.address)).await;
            match answer {
                Ok(Ok(health)) => fit(node, health),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("it does not answer".to_owned()),
            }
        });
        let answers = join_all(health).await;
        let mut nodes = Vec::new();
        for (node, answer) in description.nodes.iter().zip(answers) {
            let disks = answer.map_err(|why| unfit(&node.name, &node.address, why))?;
            nodes.push(disks);
        }
        voters(description).await?;
        Ok(Self { nodes })
    }

    /// The disks of each node.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Disks> {
        self.nodes.iter()
    }

    /// All nodes, for people.
    pub(super) fn table(&self, description: &Description) -> String {
        let rows: Vec<Vec<String>> = description
            .nodes
            .iter()
            .zip(&self.nodes)
            .map(|(node, Disks(disks))| {
                let bytes = disks.iter().map(|disk| disk.total_bytes).sum();
                vec![
                    node.name.clone(),
                    node.site.clone(),
                    node.address.clone(),
                    disks.len().to_string(),
                    output::bytes(bytes),
                ]
            })
            .collect();
        output::table(&["node", "site", "address", "disks", "raw"], &rows, 3)
    }
}

impl Disks {
    /// Each disk with its weight: its size in GiB, and at least 1.
    pub(super) fn weights(&self) -> impl Iterator<Item = (DiskId, u32)> {
        self.0.iter().map(|disk| {
            let weight = (disk.total_bytes / WEIGHT_BYTES).max(1);
            (disk.id, u32::try_from(weight).unwrap_or(u32::MAX))
        })
    }
}

/// The disks of a node that is who it should be and belongs to no cluster; or why it can't begin one.
fn fit(node: &NodeDescription, health: NodeHealth) -> Result<Disks, String> {
    if health.name != node.name || health.site != node.site {
        return Err(format!(
            "it says that it is {} at {}",
            health.name, health.site
        ));
    }
    if let Some(cluster) = health.cluster {
        return Err(format!("it is of the cluster {cluster} already"));
    }
    if health.disks.is_empty() {
        return Err("it has no disks".to_owned());
    }
    if let Some(disk) = health.disks.iter().find(|disk| disk.state != ONLINE) {
        let why = disk.why.as_deref().unwrap_or("see its log");
        return Err(format!("its disk {} is {} ({why})", disk.id, disk.state));
    }
    if let Some(disk) = health.disks.iter().find(|disk| disk.shards > 0) {
        return Err(format!("its disk {} holds shards already", disk.id));
    }
    Ok(Disks(health.disks))
}

/// That all voters are there, with as many groups as described.
async fn voters(description: &Description) -> Result<(), Error> {
    let client = Client::new(Transport::tcp(), description.metadata.clone());
    let asked = description.metadata.iter().map(async |endpoint| {
        let status = client.voter_status(endpoint).await;
        let status = status.map_err(|error| unfit("the voter", endpoint, error.to_string()))?;
        // The control group is one more.
        let key_groups = status.groups.len().saturating_sub(1);
        if u32::try_from(key_groups) == Ok(description.key_groups) {
            return Ok(());
        }
        let why = format!(
            "it hosts {key_groups} key groups, and {} are described",
            description.key_groups
        );
        Err(unfit("the voter", endpoint, why))
    });
    try_join_all(asked).await.map(drop)
}

fn unfit(name: &str, address: &str, why: String) -> Error {
    Error::UnfitFounder {
        name: name.to_owned(),
        address: address.to_owned(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::super::description::tests::small;
    use super::*;

    fn disk(id: u128, total_bytes: u64) -> DiskHealth {
        DiskHealth {
            id: DiskId::from_u128(id),
            state: ONLINE.to_owned(),
            why: None,
            shards: 0,
            live_bytes: 0,
            segments: 1,
            total_bytes,
            free_bytes: total_bytes,
        }
    }

    fn health(name: &str, site: &str, disks: Vec<DiskHealth>) -> NodeHealth {
        NodeHealth {
            name: name.to_owned(),
            site: site.to_owned(),
            version: None,
            epoch: None,
            cluster: None,
            disks,
            traffic: Vec::new(),
        }
    }

    #[test]
    fn disks_weigh_their_gibibytes() {
        let description = small();
        let nodes = vec![
            Disks(vec![disk(1, 20 << 40), disk(2, 10 << 40)]),
            Disks(vec![disk(3, 5), disk(4, 3 << 30)]),
        ];
        let survey = Survey { nodes };
        let foundation = description.foundation(ClusterId::from_u128(9), &survey);
        let layout = foundation.layout().unwrap();
        let weights: Vec<u32> = layout.disks.iter().map(|disk| disk.weight).collect();
        assert_eq!(weights, [20 << 10, 10 << 10, 1, 3]);
        assert_eq!(layout.profiles.len(), 3);
        assert_eq!(layout.tables[0].slots.len(), 4096 * 4);
    }

    #[test]
    fn a_site_with_too_few_disks_has_no_layout() {
        let description = small();
        let nodes = vec![
            Disks(vec![disk(1, 1 << 30)]),
            Disks(vec![disk(3, 1 << 30), disk(4, 1 << 30)]),
        ];
        let survey = Survey { nodes };
        let foundation = description.foundation(ClusterId::from_u128(9), &survey);
        assert!(foundation.layout().is_err());
    }

    #[test]
    fn only_empty_nodes_of_no_cluster_begin_one() {
        let description = small();
        let node = &description.nodes[0];
        let good = || health("t", "toulouse", vec![disk(1, 1 << 30)]);
        assert!(fit(node, good()).is_ok());
        assert!(fit(node, health("t", "montpellier", good().disks)).is_err());
        assert!(fit(node, health("u", "toulouse", good().disks)).is_err());
        assert!(fit(node, health("t", "toulouse", Vec::new())).is_err());
        let mut other = good();
        other.cluster = Some(ClusterId::from_u128(3));
        assert!(fit(node, other).is_err());
        let mut refused = good();
        refused.disks[0].state = "refused".to_owned();
        assert!(fit(node, refused).is_err());
        let mut used = good();
        used.disks[0].shards = 1;
        assert!(fit(node, used).is_err());
    }
}
