//! What nothing names leaves the disks, and nothing else does: in the end they hold exactly the shards
//! that the metadata speaks of.

use std::time::Instant;

use libtest_mimic::{Failed, Trial};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, MIB};
use riquet_tests::s3::{Request, S3};
use riquet_tests::settled::{POLL, SETTLE_TIMEOUT_S, await_settled, await_swept};

use crate::metrics;
use crate::objects::{Objects, etag};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "garbage::what_is_deleted_leaves_the_disks",
            what_is_deleted_leaves_the_disks,
        ),
        trial(
            "garbage::a_disk_that_was_away_forgets_too",
            a_disk_that_was_away_forgets_too,
        ),
        trial("garbage::room_comes_back", room_comes_back),
        trial(
            "garbage::a_dead_gateways_uploads_are_swept",
            a_dead_gateways_uploads_are_swept,
        ),
    ]
}

fn what_is_deleted_leaves_the_disks(cluster: &Cluster) -> Result<(), Failed> {
    let (toulouse, montpellier) = (cluster.s3(Site::Toulouse), cluster.s3(Site::Montpellier));
    let mut objects = Objects::in_new_bucket(&toulouse, "garbage")?;
    objects.put_all_shapes(&toulouse, "deleted", 1)?;
    objects.put_all_shapes(&toulouse, "overwritten", 2)?;
    let all = await_settled(cluster)?;
    objects.put_all_shapes(&montpellier, "overwritten", 3)?;
    for key in montpellier.keys("garbage", "deleted/")? {
        objects.delete(&montpellier, &key)?;
    }
    let path = objects.path("given up");
    let upload = toulouse.create_upload(&path)?;
    let part = toulouse.send(S3::part(&path, &upload, 1), &data::bytes(4, 5 * MIB))?;
    etag(&part.expect(200)?)?;
    let abort = Request::new("DELETE", &path).query("uploadId", &upload);
    toulouse.send(abort, &[])?.expect(204)?;
    let left = await_settled(cluster)?;
    assert_eq!(2 * left, all, "one of two sets of objects is left");
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    Ok(())
}

fn a_disk_that_was_away_forgets_too(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    let mut objects = Objects::in_new_bucket(&s3, "garbage")?;
    objects.put_all_shapes(&s3, "soon gone", 1)?;
    await_settled(cluster)?;
    cluster.kill(&["montpellier-4"])?;
    for key in s3.keys("garbage", "")? {
        objects.delete(&s3, &key)?;
    }
    // The others don't wait for it.
    let since = Instant::now();
    loop {
        let status = cluster.operate(&["garbage", "status", "--json"])?;
        let status: serde_json::Value = serde_json::from_str(&status)?;
        let sum = |rows: &str, name: &str| -> u64 {
            let rows = status[rows].as_array().into_iter().flatten();
            rows.filter_map(|row| row[name].as_u64()).sum()
        };
        if sum("groups", "waiting") == 0 && sum("disks", "left_behind") > 0 {
            break;
        }
        if since.elapsed().as_secs() > SETTLE_TIMEOUT_S {
            return Err(format!("garbage waits for a lost node: {status}").into());
        }
        std::thread::sleep(POLL);
    }
    cluster.start_again(&["montpellier-4"])?;
    match await_settled(cluster)? {
        0 => Ok(()),
        left => Err(format!("{left} shards of no object").into()),
    }
}

fn a_dead_gateways_uploads_are_swept(cluster: &Cluster) -> Result<(), Failed> {
    let (toulouse, montpellier) = (cluster.s3(Site::Toulouse), cluster.s3(Site::Montpellier));
    let mut objects = Objects::in_new_bucket(&toulouse, "garbage")?;
    objects.put(&toulouse, "overwritten", &data::bytes(1, 3 * MIB))?;
    // The first chunk is on the disks by the time that the gateway dies.
    let bytes = data::bytes(2, 160 * MIB);
    let mut exchanges = Vec::new();
    for key in ["new", "overwritten"] {
        let request = Request::new("PUT", objects.path(key)).size_bytes(bytes.len() as u64);
        let mut exchange = toulouse.begin(&request)?;
        exchange.send(&bytes[..bytes.len() - 1])?;
        exchanges.push(exchange);
    }
    let gateway = Site::Toulouse.gateway();
    cluster.kill(&[&gateway])?;
    drop(exchanges);
    if cluster.operate(&["repair", "check"]).is_ok() {
        return Err("the dead gateway left nothing: the trial shows nothing".into());
    }
    await_swept(cluster)?;
    objects.verify(&montpellier)?;
    cluster.start_again(&[&gateway])?;
    objects.put(&toulouse, "new", &bytes)?;
    await_swept(cluster)?;
    objects.verify(&toulouse)
}

/// The room of deleted objects is given back to the filesystem, and those that stay are moved for it.
fn room_comes_back(cluster: &Cluster) -> Result<(), Failed> {
    /// Objects, each with a shard of 4 MiB on every disk: a few segments are full of them.
    const OBJECTS: u64 = 96;
    let s3 = cluster.s3(Site::Toulouse);
    let mut objects = Objects::in_new_bucket(&s3, "garbage")?;
    for number in 0..OBJECTS {
        objects.put(&s3, &format!("{number}"), &data::bytes(number, 16 * MIB))?;
    }
    let segments = || -> Result<f64, Failed> {
        metrics::sum_of_nodes(cluster, Site::Toulouse, |labelled| {
            labelled.split('{').next() == Some("riquet_disk_segments")
        })
    };
    let full = segments()?;
    for number in (0..OBJECTS).filter(|number| number % 6 != 0) {
        objects.delete(&s3, &format!("{number}"))?;
    }
    await_settled(cluster)?;
    let since = Instant::now();
    // What is left fits one segment beside the one that is written to.
    while segments()? > 2.0 * 6.0 {
        if since.elapsed().as_secs() > SETTLE_TIMEOUT_S {
            return Err(format!("{} segments are left of {full}", segments()?).into());
        }
        std::thread::sleep(POLL);
    }
    assert!(
        full > 3.0 * 6.0,
        "{full} segments were too few to show anything"
    );
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    cluster.kill_everything()?;
    cluster.up()?;
    objects.verify(&s3)
}
