//! Changes of the layout that operators ask for.
//!
//! Each is thought out for the newest layout and committed as its successor, or not at all: when others
//! changed it meanwhile, it is thought out anew. Asking twice for what was done already is refused, so a
//! tool that lost an answer learns that it was done.

use riquet_cluster::admin::{Changed, NewDisk, NewNode, NewPace};
use riquet_cluster::clock::now_ms;
use riquet_cluster::id::DiskId;
use riquet_cluster::layout::{ChangeError, Disk, Layout, Pace};
use riquet_cluster::node_client::NodeClient;
use riquet_cluster::wire::health::{DiskHealth, NodeHealth};
use riquet_metadata::Error as MetadataError;

use super::api::{Call, Subject};
use super::error::AdminError;
use super::plan;
use super::survey::{self, Survey};
use crate::gateway::Gateway;

/// How often a change is thought out anew, at most: disks that settle their moves change the layout too.
const ATTEMPTS: usize = 20;

/// Bytes in a unit of weight, where the disks that are there don't tell.
const USUAL_UNIT_BYTES: f64 = (1u64 << 30) as f64;

/// Makes a change.
pub(super) async fn make(gateway: &Gateway, by: &str, call: Call) -> Result<Changed, AdminError> {
    check_left(gateway, &call).await?;
    for _ in 0..ATTEMPTS {
        let layout = gateway.metadata.cluster().await?.layout;
        let (next, what) = think_out(gateway, &layout, &call).await?;
        let next = next.noted(now_ms(), by, &what);
        let epoch = next.epoch;
        match gateway.metadata.put_layout(next).await {
            Ok(()) => {
                tracing::info!(%epoch, by, what, "layout changed");
                return Ok(Changed { epoch, what });
            }
            Err(MetadataError::LayoutConflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(AdminError::Contended)
}

/// The layout that a change makes, and what it is in words.
async fn think_out(
    gateway: &Gateway,
    layout: &Layout,
    call: &Call,
) -> Result<(Layout, String), AdminError> {
    let nodes = nodes(gateway, layout);
    Ok(match call {
        Call::AddNode(new) => {
            let unit = unit_bytes(&Survey::of(&nodes, layout).await, layout);
            let disks = disks_of_new(&nodes, layout, new, unit).await?;
            let next = layout.with_node(&new.name, &new.site, &new.address, &disks)?;
            let (name, count) = (&new.name, disks.len());
            (next, format!("node {name} came with {count} disks"))
        }
        Call::AddDisks(name, new) => {
            let node = layout.find_node(name);
            let node = node.ok_or_else(|| ChangeError::UnknownNode(name.clone()))?;
            let health = ask(&nodes, layout, name, &node.address).await?;
            let unit = unit_bytes(&Survey::of(&nodes, layout).await, layout);
            let disks = weighed(layout, &health, &new.disks, unit)?;
            let next = layout.with_disks(name, &disks)?;
            let count = disks.len();
            (next, format!("{count} disks came to node {name}"))
        }
        Call::RemoveNode(name) => (layout.without_node(name)?, format!("node {name} went")),
        Call::RemoveDisk(id) => (layout.without_disk(*id)?, format!("disk {id} went")),
        Call::Drain(subject) => {
            let next = layout.draining(&disks(layout, subject)?)?;
            (next, format!("{} is to be emptied", subject.in_words()))
        }
        Call::Undrain(subject) => {
            let next = layout.undrained(&disks(layout, subject)?)?;
            (next, format!("{} is not to be emptied", subject.in_words()))
        }
        Call::Weight(subject, new) => {
            let next = layout.weighted(&disks(layout, subject)?, new.weight)?;
            let (subject, weight) = (subject.in_words(), new.weight);
            (next, format!("{subject} weighs {weight}"))
        }
        Call::Replace(old, new) => {
            let ready = replacement_ready(&nodes, layout, new.new).await?;
            let held = survey::held_bytes(&nodes, layout, *old).await;
            let next = ready.with_replacement(*old, new.new, now_ms(), held)?;
            // One change for whoever asked, and one version of the layout.
            let next = Layout {
                epoch: riquet_cluster::id::Epoch(layout.epoch.0 + 1),
                ..next
            };
            let new = new.new;
            (next, format!("disk {new} takes the place of disk {old}"))
        }
        Call::Maintenance(name) => {
            let survey = Survey::of(&nodes, layout).await;
            let next = layout.in_maintenance(name, |disk| survey.takes_writes(disk.id))?;
            (next, format!("node {name} is in maintenance"))
        }
        Call::Service(name) => {
            let next = layout.serving_again(name)?;
            (next, format!("node {name} serves again"))
        }
        Call::Apply(apply) => {
            // Before all disks are asked what they hold.
            layout.check_planned(apply.epoch)?;
            let (plan, targets) = plan::make(gateway, layout).await?;
            if apply
                .digest
                .as_ref()
                .is_some_and(|digest| *digest != plan.digest)
            {
                return Err(AdminError::OtherPlan);
            }
            let next = layout.rebalancing(apply.epoch, targets, now_ms(), plan.bytes)?;
            let slots = plan.slots;
            (next, format!("a rebalance of {slots} slots began"))
        }
        Call::Pause => (layout.paused()?, "the rebalance pauses".to_owned()),
        Call::Resume => (layout.resumed()?, "the rebalance goes on".to_owned()),
        Call::Abort => {
            let what = "the rebalance was given up; what was moving goes back";
            (layout.aborted()?, what.to_owned())
        }
        Call::Pace(new) => {
            let pace = new_pace(&layout.migration.pace, new);
            let what = format!(
                "what moves goes at {} bytes a second",
                pace.bytes_per_second
            );
            (layout.paced(pace)?, what)
        }
        Call::Status | Call::Layout | Call::History { .. } | Call::Plan | Call::Rebalance => {
            unreachable!("questions are answered elsewhere")
        }
    })
}

impl Subject {
    fn in_words(&self) -> String {
        match self {
            Self::Node(name) => format!("node {name}"),
            Self::Disk(id) => format!("disk {id}"),
        }
    }
}

/// The disks that are meant.
fn disks(layout: &Layout, subject: &Subject) -> Result<Vec<DiskId>, ChangeError> {
    Ok(match subject {
        Subject::Disk(id) => vec![*id],
        Subject::Node(name) => {
            let node = layout.find_node(name);
            let node = node.ok_or_else(|| ChangeError::UnknownNode(name.clone()))?;
            layout.disks_of(node).map(|(_, disk)| disk.id).collect()
        }
    })
}

/// The disks of a node that comes, weighed. It must run, or gateways would wait for it in vain.
async fn disks_of_new(
    nodes: &NodeClient,
    layout: &Layout,
    new: &NewNode,
    unit_bytes: f64,
) -> Result<Vec<(DiskId, u32)>, AdminError> {
    let health = ask(nodes, layout, &new.name, &new.address).await?;
    if health.site != new.site {
        return Err(AdminError::OtherNode {
            address: new.address.clone(),
            found: format!("a node of site {}", health.site),
            wanted: format!("one of site {}", new.site),
        });
    }
    let all: Vec<NewDisk> = health.disks.iter().map(as_new).collect();
    let wanted = if new.disks.is_empty() {
        &all
    } else {
        &new.disks
    };
    let weigh = |disk| weigh(&health, disk, unit_bytes);
    wanted.iter().map(weigh).collect()
}

/// The disks that come to a node, weighed; if none is named, all that the layout does not have.
fn weighed(
    layout: &Layout,
    health: &NodeHealth,
    named: &[NewDisk],
    unit_bytes: f64,
) -> Result<Vec<(DiskId, u32)>, AdminError> {
    let is_new = |disk: &&DiskHealth| layout.find_disk(disk.id).is_none();
    let all: Vec<NewDisk> = health.disks.iter().filter(is_new).map(as_new).collect();
    let wanted = if named.is_empty() { &all[..] } else { named };
    let weigh = |disk| weigh(health, disk, unit_bytes);
    wanted.iter().map(weigh).collect()
}

/// With a disk that is to replace another in the layout: its node may only just have got it.
async fn replacement_ready(
    nodes: &NodeClient,
    layout: &Layout,
    new: DiskId,
) -> Result<Layout, AdminError> {
    if layout.present_disks().any(|(_, disk)| disk.id == new) {
        return Ok(layout.clone());
    }
    let survey = Survey::of(nodes, layout).await;
    let has = |health: &&NodeHealth| health.disks.iter().any(|disk| disk.id == new);
    let names = layout.present_nodes().map(|node| &node.name);
    let health = names.filter_map(|name| survey.node(name)).find(has);
    let health = health.ok_or(ChangeError::UnknownDisk(new))?;
    let named = NewDisk {
        id: new,
        weight: None,
    };
    let unit = unit_bytes(&survey, layout);
    Ok(layout.with_disks(&health.name, &[weigh(health, &named, unit)?])?)
}

fn as_new(disk: &DiskHealth) -> NewDisk {
    NewDisk {
        id: disk.id,
        weight: None,
    }
}

/// Bytes for which a disk of the layout weighs 1: the median, as some may have been weighed otherwise on
/// purpose.
fn unit_bytes(survey: &Survey, layout: &Layout) -> f64 {
    let takes = layout.disks.iter().filter(|disk| Layout::takes_slots(disk));
    let unit = |disk: &Disk| {
        let health = survey
            .disk(disk.id)
            .filter(|health| health.total_bytes > 0)?;
        Some(health.total_bytes as f64 / f64::from(disk.weight))
    };
    let mut units: Vec<f64> = takes.filter_map(unit).collect();
    units.sort_by(f64::total_cmp);
    units
        .get(units.len() / 2)
        .copied()
        .unwrap_or(USUAL_UNIT_BYTES)
}

/// A disk and its weight: what was asked for, or what its size makes it beside the others.
fn weigh(
    health: &NodeHealth,
    disk: &NewDisk,
    unit_bytes: f64,
) -> Result<(DiskId, u32), AdminError> {
    let found = health.disks.iter().find(|found| found.id == disk.id);
    let found = found.ok_or_else(|| AdminError::NoSuchDisk {
        node: health.name.clone(),
        disk: disk.id.to_string(),
    })?;
    // Casts of floats saturate.
    let of_size = (found.total_bytes as f64 / unit_bytes).round() as u32;
    Ok((disk.id, disk.weight.unwrap_or(of_size.max(1))))
}

/// That what is to be removed has given up all that it can: what moved away may still be kept until it is
/// known to be elsewhere. A node that does not answer can't be waited for.
async fn check_left(gateway: &Gateway, call: &Call) -> Result<(), AdminError> {
    let subject = match call {
        Call::RemoveNode(name) => Subject::Node(name.clone()),
        Call::RemoveDisk(id) => Subject::Disk(*id),
        _ => return Ok(()),
    };
    let layout = gateway.metadata.cluster().await?.layout;
    let disks = disks(&layout, &subject)?;
    let survey = Survey::of(&nodes(gateway, &layout), &layout).await;
    let of_them = survey.upkeep().filter(|disk| disks.contains(&disk.disk));
    match of_them.map(|disk| disk.moves.to_leave).sum() {
        0 => Ok(()),
        shards => Err(AdminError::StillLeaving {
            what: subject.in_words(),
            shards,
        }),
    }
}

async fn ask(
    nodes: &NodeClient,
    layout: &Layout,
    name: &str,
    address: &str,
) -> Result<NodeHealth, AdminError> {
    let authority = address.parse::<http::uri::Authority>().ok();
    let is_plain = authority.is_some_and(|at| at.port().is_some() && !address.contains('@'));
    if !is_plain {
        return Err(AdminError::Malformed(format!(
            "{address:?} is no host:port"
        )));
    }
    let health = nodes.health(address).await;
    let health = health.map_err(|error| AdminError::NodeSilent {
        name: name.to_owned(),
        address: address.to_owned(),
        why: error.to_string(),
    })?;
    if health
        .cluster
        .is_some_and(|cluster| cluster != layout.cluster)
    {
        return Err(AdminError::OtherNode {
            address: address.to_owned(),
            found: "a node of another cluster".to_owned(),
            wanted: format!("node {name} of this one"),
        });
    }
    match health.name == name {
        true => Ok(health),
        false => Err(AdminError::OtherNode {
            address: address.to_owned(),
            found: format!("node {}", health.name),
            wanted: format!("node {name}"),
        }),
    }
}

fn new_pace(present: &Pace, new: &NewPace) -> Pace {
    Pace {
        bytes_per_second: new.bytes_per_second.unwrap_or(present.bytes_per_second),
        windows: new
            .windows
            .clone()
            .unwrap_or_else(|| present.windows.clone()),
        is_paused: present.is_paused,
    }
}

/// The way to the nodes.
pub(super) fn nodes(gateway: &Gateway, layout: &Layout) -> NodeClient {
    NodeClient::new(gateway.transport.clone(), layout.cluster).in_background()
}
