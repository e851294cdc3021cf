//! Which storage nodes answer.
//!
//! Every node is asked once a second; a request that meets a dead one says so at once. So after the
//! first seconds a lost site costs writes and reads nothing: its nodes are left out until they
//! answer again. A node that refuses connections is down at once; one that is merely silent only
//! when it was so twice in a row, since a busy second is no loss. A node in maintenance is left out
//! whatever it answers: it is about to stop.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Request;
use http_body_util::{BodyExt as _, Limited};
use riquet_cluster::Error;
use riquet_cluster::layout::{Layout, Node, NodeState};
use riquet_cluster::telemetry::metrics::note_epoch;
use riquet_cluster::transport::{Transport, empty_body};
use riquet_cluster::wire::HEALTH_PATH;

/// How often each node is asked.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// How long it may take to answer; far above a round trip between the sites.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes of its answer, at most: it describes a handful of disks.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Silent answers in a row after which a node is down.
const SILENCES: u32 = 2;

/// What came of asking a node.
enum Probe {
    Answered,
    Refused,
    Silent,
}

/// What is known of the nodes. Cheap to clone; a node not heard of counts as up.
#[derive(Clone, Default)]
pub struct Health {
    down: Arc<RwLock<HashSet<String>>>,
}

impl Health {
    /// Starts asking the nodes of the layout; stops when every clone is gone.
    pub fn watch(transport: Transport, layout: Arc<ArcSwap<Layout>>) -> Self {
        let health = Self::default();
        let down = Arc::downgrade(&health.down);
        metrics::gauge!("riquet_gateway_nodes_down").set(0.0);
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(PROBE_INTERVAL);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut silences: HashMap<String, u32> = HashMap::new();
            loop {
                tick.tick().await;
                let Some(down) = down.upgrade() else { break };
                let health = Self { down };
                let layout = layout.load_full();
                let present: Vec<&Node> = layout.present_nodes().collect();
                health.forget_all_but(&present);
                let probes = present.iter().map(|node| probe(&transport, &node.address));
                let answers = futures_util::future::join_all(probes).await;
                for (node, answer) in present.into_iter().zip(answers) {
                    match answer {
                        _ if node.state == NodeState::Maintenance => {
                            health.set(&node.address, false);
                        }
                        Probe::Answered => {
                            silences.remove(&node.address);
                            health.set(&node.address, true);
                        }
                        Probe::Refused => health.set(&node.address, false),
                        Probe::Silent => {
                            let count = silences.entry(node.address.clone()).or_default();
                            *count += 1;
                            if *count >= SILENCES {
                                health.set(&node.address, false);
                            }
                        }
                    }
                }
                health.tell(&layout);
            }
        });
        health
    }

    /// Whether the node at `address` is believed to answer.
    pub fn is_up(&self, address: &str) -> bool {
        !self
            .down
            .read()
            .expect("no holder panics")
            .contains(address)
    }

    /// Notes that a request to the node failed.
    pub fn failed(&self, address: &str, error: &Error) {
        if matches!(error, Error::Unreachable { .. }) {
            self.set(address, false);
        }
    }

    /// Forgets nodes that the layout no longer has.
    fn forget_all_but(&self, present: &[&Node]) {
        let mut down = self.down.write().expect("no holder panics");
        down.retain(|address| present.iter().any(|node| node.address == *address));
        metrics::gauge!("riquet_gateway_nodes_down").set(down.len() as f64);
    }

    /// Tells the metrics how many nodes of each site answer, and by which layout.
    fn tell(&self, layout: &Layout) {
        note_epoch(layout.epoch);
        for site in &layout.sites {
            // Those that operators took out of service are not missed.
            let nodes = || {
                let nodes = layout.nodes.iter().filter(|node| node.site == site.id);
                nodes.filter(|node| node.state == NodeState::Serving)
            };
            let up = nodes().filter(|node| self.is_up(&node.address)).count();
            for (state, count) in [("up", up), ("down", nodes().count() - up)] {
                metrics::gauge!(
                    "riquet_gateway_nodes", "site" => site.name.clone(), "state" => state
                )
                .set(count as f64);
            }
        }
    }

    fn set(&self, address: &str, up: bool) {
        if self.is_up(address) == up {
            return;
        }
        let mut down = self.down.write().expect("no holder panics");
        if up {
            down.remove(address);
            tracing::info!(node = address, "storage node answers again");
        } else {
            down.insert(address.to_owned());
            tracing::warn!(node = address, "storage node does not answer");
        }
        metrics::gauge!("riquet_gateway_nodes_down").set(down.len() as f64);
    }
}

async fn probe(transport: &Transport, address: &str) -> Probe {
    let request = Request::get(format!("http://{address}{HEALTH_PATH}"))
        .body(empty_body())
        .expect("an address of the layout makes a URI");
    let ask = async {
        let answer = transport.send("health", request).await.ok()?;
        let status = answer.status();
        // Read to its end, or the connection could not be used again.
        Limited::new(answer.into_body(), MAX_ANSWER_BYTES)
            .collect()
            .await
            .ok()?;
        status.is_success().then_some(())
    };
    match tokio::time::timeout(PROBE_TIMEOUT, ask).await {
        Ok(Some(())) => Probe::Answered,
        Ok(None) => Probe::Refused,
        Err(_) => Probe::Silent,
    }
}
