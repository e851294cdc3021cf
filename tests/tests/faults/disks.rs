//! A disk that fails, lies, is full or hangs: users see at most latency, and what is damaged is made
//! anew once the disk is well.

use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::settled::await_settled;

use crate::metrics;
use crate::objects::Objects;
use crate::trial;

/// The node whose disk fails: it does not vote, and Toulouse's data shards are on it.
const NODE: &str = "toulouse-4";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("disks::reads_fail", |cluster| {
            serves_beside(cluster, "read-error")
        }),
        trial("disks::writes_fail", |cluster| {
            serves_beside(cluster, "write-error")
        }),
        trial("disks::no_room", |cluster| serves_beside(cluster, "full")),
        trial("disks::wrong_bytes", |cluster| {
            serves_beside(cluster, "wrong-bytes")
        }),
        trial("disks::hangs", |cluster| serves_beside(cluster, "hang")),
        trial("disks::scrub_finds_damage", scrub_finds_damage),
    ]
}

/// Reads and writes go on without an error while a disk is not well, and in the end every shard is
/// where it belongs.
fn serves_beside(cluster: &Cluster, fault: &str) -> Result<(), Failed> {
    let (toulouse, montpellier) = (cluster.s3(Site::Toulouse), cluster.s3(Site::Montpellier));
    let mut objects = Objects::in_new_bucket(&toulouse, "disks")?;
    objects.put_all_shapes_in_full(cluster, Site::Toulouse, "before", 1)?;
    cluster.fail_disk(NODE, fault)?;
    objects.verify(&toulouse)?;
    objects.put_all_shapes(&toulouse, "during", 2)?;
    objects.put_all_shapes(&montpellier, "during too", 3)?;
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    cluster.fail_disk(NODE, "well")?;
    // What a failed write left is not known before the disk is opened anew.
    cluster.kill(&[NODE])?;
    cluster.start_again(&[NODE])?;
    await_settled(cluster)?;
    cluster.operate(&["scrub", "start"])?;
    await_settled(cluster)?;
    // The disk counts again: without Montpellier and two more, each shard of the site is needed.
    cluster.kill_site(Site::Montpellier)?;
    cluster.kill(&["toulouse-3", "toulouse-6"])?;
    objects.verify(&toulouse)
}

/// Damage that nobody has read is found by the scrub, counted, and repaired from its own site.
fn scrub_finds_damage(cluster: &Cluster) -> Result<(), Failed> {
    let toulouse = cluster.s3(Site::Toulouse);
    let mut objects = Objects::in_new_bucket(&toulouse, "disks")?;
    objects.put_all_shapes_in_full(cluster, Site::Toulouse, "old", 1)?;
    let shards = await_settled(cluster)?;
    crate::damage::flip(cluster, NODE)?;
    cluster.operate(&["scrub", "start"])?;
    let found = scrubbed(cluster, "found")?;
    if found == 0 || found > shards / 12 {
        return Err(format!("{found} damaged shards found, of {} there", shards / 12).into());
    }
    let since = Instant::now();
    while repaired(cluster)? < found as f64 {
        if since.elapsed() > Duration::from_secs(60) {
            return Err("what the scrub found is not repaired".into());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(await_settled(cluster)?, shards);
    let far = metrics::sum_of_nodes(cluster, Site::Toulouse, |labelled| {
        labelled == "riquet_node_repair_read_bytes_total{from=\"elsewhere\"}"
    })?;
    assert_eq!(far, 0.0, "its own site has enough");
    cluster.operate(&["scrub", "start"])?;
    assert_eq!(scrubbed(cluster, "found")?, 0, "all is well again");
    objects.verify(&toulouse)
}

/// The sum over all disks of a figure of their last scrub.
fn scrubbed(cluster: &Cluster, figure: &str) -> Result<u64, Failed> {
    let rows = cluster.operate(&["scrub", "status", "--json"])?;
    let rows: serde_json::Value = serde_json::from_str(&rows)?;
    let rows = rows.as_array().ok_or("no rows")?;
    let figures = rows.iter().map(|row| row["scrub"][figure].as_u64());
    Ok(figures.sum::<Option<u64>>().ok_or("a silent disk")?)
}

fn repaired(cluster: &Cluster) -> Result<f64, Failed> {
    metrics::sum_of_nodes(cluster, Site::Toulouse, |labelled| {
        labelled == "riquet_node_repaired_shards_total"
    })
}
