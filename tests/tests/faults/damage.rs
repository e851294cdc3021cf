//! Bytes on disks that are not what was written.

use std::path::PathBuf;

use libtest_mimic::{Failed, Trial};
use riquet_tests::cluster::{Cluster, Site, overwrite};

use crate::objects::Objects;
use crate::{metrics, trial};

/// Disks of a site that may be damaged: shards of a site less those needed to read, 6 - 4.
const DAMAGED: [&str; 4] = ["toulouse-1", "toulouse-5", "montpellier-2", "montpellier-3"];
/// The first byte to flip: the head of a segment, its first block, stays.
const FIRST_OFFSET: u64 = 4096;
/// A flipped byte every so often: in nearly every cell of 64 KiB and every short one.
const STEP_BYTES: u64 = 509;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("damage::flipped_bytes_at_both_sites", flipped_bytes),
        trial(
            "damage::flipped_bytes_and_a_lost_site",
            flipped_bytes_and_a_lost_site,
        ),
        trial("damage::an_emptied_disk", an_emptied_disk),
        trial("damage::a_lost_index", a_lost_index),
        trial("damage::a_torn_segment", a_torn_segment),
    ]
}

/// The folders that are a node's disks.
pub(crate) fn disks(cluster: &Cluster, node: &str) -> Result<Vec<PathBuf>, Failed> {
    let mut disks = Vec::new();
    for entry in std::fs::read_dir(cluster.dir().join("data").join(node))? {
        let path = entry?.path();
        if path.join("segments").is_dir() {
            disks.push(path);
        }
    }
    if disks.is_empty() {
        return Err(format!("no disks of {node}").into());
    }
    Ok(disks)
}

/// The segment files of a node.
fn segments(cluster: &Cluster, node: &str) -> Result<Vec<PathBuf>, Failed> {
    let mut files = Vec::new();
    for disk in disks(cluster, node)? {
        for file in std::fs::read_dir(disk.join("segments"))? {
            files.push(file?.path());
        }
    }
    if files.is_empty() {
        return Err(format!("no segments of {node}").into());
    }
    Ok(files)
}

/// Flips bits all over the segments of a node, behind its back.
pub(crate) fn flip(cluster: &Cluster, node: &str) -> Result<(), Failed> {
    for file in segments(cluster, node)? {
        let mut bytes = std::fs::read(&file)?;
        let size_bytes = bytes.len() as u64;
        for offset in (FIRST_OFFSET..size_bytes).step_by(STEP_BYTES as usize) {
            bytes[offset as usize] ^= 0x40;
        }
        if size_bytes > FIRST_OFFSET {
            overwrite(&file, FIRST_OFFSET, &bytes[FIRST_OFFSET as usize..])?;
        }
    }
    Ok(())
}

fn assert_logged(cluster: &Cluster, site: Site) -> Result<(), Failed> {
    let log = cluster
        .dir()
        .join("logs")
        .join(format!("{}.log", site.gateway()));
    let text = std::fs::read_to_string(log)?.to_lowercase();
    assert!(
        text.contains("corrupt") || text.contains("damaged"),
        "no word in the log: {text}"
    );
    Ok(())
}

fn flipped_bytes(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    let mut objects = Objects::in_new_bucket(&s3, "damage")?;
    objects.put_all_shapes(&s3, "before", 1)?;
    for node in DAMAGED {
        flip(cluster, node)?;
    }
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
        let count = metrics::sum(cluster, site, "riquet_gateway_corrupt_cells_total")?;
        assert!(count > 0.0, "{site:?} counted no corrupt cell");
        assert_logged(cluster, site)?;
    }
    // Writes go on beside the damage, and a restart recovers the damaged segments.
    objects.put_all_shapes(&s3, "after", 2)?;
    cluster.kill_everything()?;
    cluster.up()?;
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    Ok(())
}

fn flipped_bytes_and_a_lost_site(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    let mut objects = Objects::in_new_bucket(&s3, "damage")?;
    objects.put_all_shapes_in_full(cluster, Site::Toulouse, "before", 1)?;
    for node in DAMAGED {
        flip(cluster, node)?;
    }
    for lost in Site::ALL {
        cluster.kill_site(lost)?;
        objects.verify(&cluster.s3(lost.other()))?;
        cluster.start_site(lost)?;
    }
    Ok(())
}

/// A node whose segments are gone while it was down: a new disk in the old place.
fn an_emptied_disk(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Montpellier);
    let mut objects = Objects::in_new_bucket(&s3, "damage")?;
    objects.put_all_shapes(&s3, "before", 1)?;
    cluster.kill(&["montpellier-1"])?;
    for disk in disks(cluster, "montpellier-1")? {
        std::fs::remove_dir_all(&disk)?;
        std::fs::create_dir(&disk)?;
    }
    cluster.start_again(&["montpellier-1"])?;
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    objects.put_all_shapes(&s3, "after", 2)?;
    objects.verify(&s3)
}

/// Everything reads when only four nodes of Montpellier, 1 to 4, are left: each of them counts.
fn verify_with_four_nodes(cluster: &Cluster, objects: &Objects) -> Result<(), Failed> {
    cluster.kill_site(Site::Toulouse)?;
    cluster.kill(&["montpellier-5", "montpellier-6"])?;
    objects.verify(&cluster.s3(Site::Montpellier))
}

/// An index is derived from the segments: a node that lost it makes it again.
fn a_lost_index(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Montpellier);
    let mut objects = Objects::in_new_bucket(&s3, "damage")?;
    objects.put_all_shapes_in_full(cluster, Site::Montpellier, "before", 1)?;
    let nodes = ["montpellier-1", "montpellier-2"];
    cluster.kill(&nodes)?;
    for node in nodes {
        for disk in disks(cluster, node)? {
            std::fs::remove_dir_all(disk.join("index"))?;
        }
    }
    cluster.start_again(&nodes)?;
    objects.put_all_shapes_in_full(cluster, Site::Montpellier, "after", 2)?;
    verify_with_four_nodes(cluster, &objects)
}

/// The end of a segment that a power cut tore: the records before it are there.
fn a_torn_segment(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Montpellier);
    let mut objects = Objects::in_new_bucket(&s3, "damage")?;
    objects.put_all_shapes_in_full(cluster, Site::Montpellier, "before", 1)?;
    let nodes = ["montpellier-1", "montpellier-2"];
    cluster.kill(&nodes)?;
    for node in nodes {
        for file in segments(cluster, node)? {
            // Half a record of nonsense where the next one would begin.
            let mut nonsense = std::fs::read(&file)?[4096..8192].to_vec();
            nonsense.truncate(3000);
            nonsense.reverse();
            let mut file = std::fs::OpenOptions::new().append(true).open(&file)?;
            std::io::Write::write_all(&mut file, &nonsense)?;
        }
    }
    cluster.start_again(&nodes)?;
    objects.put_all_shapes_in_full(cluster, Site::Montpellier, "after", 2)?;
    verify_with_four_nodes(cluster, &objects)
}
