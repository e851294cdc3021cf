//! What was written while disks were away comes to be where it belongs.

use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::settled::await_settled;

use crate::damage::disks;
use crate::objects::Objects;
use crate::{metrics, trial};

/// Seconds within which a returned disk must have what it is owed.
const REPAIR_TIMEOUT_S: u64 = 60;
/// How often it is looked at.
const POLL: Duration = Duration::from_millis(200);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("repair::a_site_catches_up", a_site_catches_up),
        trial("repair::a_node_catches_up", a_node_catches_up),
        trial("repair::empty_disks_are_filled", empty_disks_are_filled),
        trial(
            "repair::needless_debts_are_struck",
            needless_debts_are_struck,
        ),
    ]
}

/// Shards owed to all disks.
fn owed(cluster: &Cluster) -> Result<u64, Failed> {
    let rows = cluster.operate(&["repair", "status", "--json"])?;
    let status: serde_json::Value = serde_json::from_str(&rows)?;
    let rows = status["disks"].as_array().ok_or("no rows")?;
    let owed = rows.iter().map(|row| row["owed"].as_u64());
    Ok(owed.sum::<Option<u64>>().ok_or("a row without a count")?)
}

fn await_repair(cluster: &Cluster) -> Result<(), Failed> {
    let since = Instant::now();
    loop {
        match owed(cluster)? {
            0 => return Ok(()),
            owed if since.elapsed().as_secs() > REPAIR_TIMEOUT_S => {
                return Err(format!("{owed} shards are owed still").into());
            }
            _ => std::thread::sleep(POLL),
        }
    }
}

/// Bytes that a site's nodes read for repair.
fn read_from(cluster: &Cluster, site: Site, from: &str) -> Result<f64, Failed> {
    let label = format!("{{from=\"{from}\"}}");
    metrics::sum_of_nodes(cluster, site, |labelled| {
        labelled.strip_prefix("riquet_node_repair_read_bytes_total") == Some(&label)
    })
}

/// What was written while a site was lost is soon there too: it alone is enough, less two nodes.
fn a_site_catches_up(cluster: &Cluster) -> Result<(), Failed> {
    cluster.kill_site(Site::Toulouse)?;
    let s3 = cluster.s3(Site::Montpellier);
    let mut objects = Objects::in_new_bucket(&s3, "repair")?;
    objects.put_all_shapes(&s3, "alone", 1)?;
    if owed(cluster)? == 0 {
        return Err("nothing is owed to a lost site".into());
    }
    cluster.start_site(Site::Toulouse)?;
    await_repair(cluster)?;
    // One node of the site fetches a chunk for all; those that were up first may have fetched more.
    let far = read_from(cluster, Site::Toulouse, "elsewhere")?;
    let data = objects.size_bytes() as f64;
    if far > 2.0 * data {
        return Err(format!("{far} bytes came from the other site, for {data}").into());
    }
    cluster.kill_site(Site::Montpellier)?;
    // Not its voters: with the arbiter they are the majority that is left.
    cluster.kill(&["toulouse-3", "toulouse-6"])?;
    objects.verify(&cluster.s3(Site::Toulouse))
}

/// One site has enough for one of its nodes: nothing crosses over.
fn a_node_catches_up(cluster: &Cluster) -> Result<(), Failed> {
    cluster.kill(&["toulouse-4"])?;
    let s3 = cluster.s3(Site::Toulouse);
    let mut objects = Objects::in_new_bucket(&s3, "repair")?;
    objects.put_all_shapes(&s3, "without one", 1)?;
    cluster.start_again(&["toulouse-4"])?;
    await_repair(cluster)?;
    let near = read_from(cluster, Site::Toulouse, "site")?;
    let far = read_from(cluster, Site::Toulouse, "elsewhere")?;
    if near == 0.0 || far != 0.0 {
        return Err(format!("{near} bytes were read at the site, {far} elsewhere").into());
    }
    // The site has four shards of each chunk left, the repaired one among them.
    cluster.kill_site(Site::Montpellier)?;
    cluster.kill(&["toulouse-3", "toulouse-6"])?;
    objects.verify(&cluster.s3(Site::Toulouse))
}

/// The loss of a site and as many disks of the other as it can lose: everything reads, and new disks
/// in their place are filled by their own site alone.
fn empty_disks_are_filled(cluster: &Cluster) -> Result<(), Failed> {
    const LOST: [&str; 2] = ["toulouse-3", "toulouse-6"];
    let s3 = cluster.s3(Site::Toulouse);
    let mut objects = Objects::in_new_bucket(&s3, "repair")?;
    objects.put_all_shapes(&s3, "everywhere", 1)?;
    let all = await_settled(cluster)?;
    cluster.kill_site(Site::Montpellier)?;
    cluster.kill(&LOST)?;
    objects.verify(&s3)?;
    for node in LOST {
        for disk in disks(cluster, node)? {
            std::fs::remove_dir_all(disk)?;
        }
    }
    cluster.start_again(&LOST)?;
    // One disk a node, one shard of each chunk on a disk.
    let lost = all / 12 * LOST.len() as u64;
    await_repaired(cluster, Site::Toulouse, lost)?;
    await_repair(cluster)?;
    // The two that are well take their turn.
    cluster.kill(&["toulouse-4", "toulouse-5"])?;
    objects.verify(&s3)?;
    cluster.start_again(&["toulouse-4", "toulouse-5"])?;
    let far = read_from(cluster, Site::Toulouse, "elsewhere")?;
    if far != 0.0 {
        return Err(format!("{far} bytes came from a lost site").into());
    }
    cluster.start_site(Site::Montpellier)?;
    assert_eq!(await_settled(cluster)?, all);
    objects.verify(&cluster.s3(Site::Montpellier))
}

/// Waits until a site's nodes have made so many shards.
fn await_repaired(cluster: &Cluster, site: Site, shards: u64) -> Result<(), Failed> {
    let since = Instant::now();
    loop {
        let repaired = metrics::sum_of_nodes(cluster, site, |labelled| {
            labelled == "riquet_node_repaired_shards_total"
        })?;
        if repaired >= shards as f64 {
            return Ok(());
        }
        if since.elapsed().as_secs() > REPAIR_TIMEOUT_S {
            return Err(format!("{repaired} of {shards} shards were made").into());
        }
        std::thread::sleep(POLL);
    }
}

/// What was removed again before its disk came back is not made for it.
fn needless_debts_are_struck(cluster: &Cluster) -> Result<(), Failed> {
    cluster.kill(&["montpellier-4"])?;
    let s3 = cluster.s3(Site::Montpellier);
    let objects = {
        let mut objects = Objects::in_new_bucket(&s3, "repair")?;
        objects.put_all_shapes(&s3, "soon gone", 1)?;
        objects
    };
    for key in s3.keys("repair", "")? {
        s3.ask("DELETE", &objects.path(&key))?;
    }
    cluster.start_again(&["montpellier-4"])?;
    await_repair(cluster)?;
    let repaired = metrics::sum_of_nodes(cluster, Site::Montpellier, |labelled| {
        labelled == "riquet_node_repaired_shards_total"
    })?;
    match repaired {
        0.0 => Ok(()),
        repaired => Err(format!("{repaired} shards were made of removed objects").into()),
    }
}
