//! What nothing names leaves the disks, and nothing else does: in the end they hold exactly the shards
//! that the metadata speaks of.

use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, MIB};
use riquet_tests::s3::{Request, S3};

use crate::objects::{Objects, etag, explained};
use crate::trial;

/// Seconds within which the disks must hold what the metadata says: several looks, and the grace
/// that readers have.
const SETTLE_TIMEOUT_S: u64 = 90;
/// How often they are compared.
const POLL: Duration = Duration::from_millis(500);

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
        trial(
            "garbage::a_dead_gateways_uploads_are_swept",
            a_dead_gateways_uploads_are_swept,
        ),
    ]
}

/// Waits until every disk holds exactly what the metadata says, nothing is owed and no garbage waits.
/// Returns how many shards that are.
pub(crate) fn await_settled(cluster: &Cluster) -> Result<u64, Failed> {
    let since = Instant::now();
    loop {
        let failure = match cluster.operate(&["repair", "check", "--json"]) {
            Ok(rows) => {
                let rows: serde_json::Value = serde_json::from_str(&rows)?;
                let rows = rows.as_array().ok_or("no rows")?;
                let sum =
                    |name: &str| -> u64 { rows.iter().filter_map(|row| row[name].as_u64()).sum() };
                if (sum("owed"), sum("garbage")) == (0, 0) {
                    assert_eq!(sum("held"), sum("expected"));
                    return Ok(sum("held"));
                }
                format!("{} shards are owed, {} wait", sum("owed"), sum("garbage")).into()
            }
            Err(failure) => failure,
        };
        if since.elapsed().as_secs() > SETTLE_TIMEOUT_S {
            return Err(explained(&failure, "not settled"));
        }
        std::thread::sleep(POLL);
    }
}

/// Sweeps until no shard is left that nothing names: what is younger than a second is left each time.
fn await_swept(cluster: &Cluster) -> Result<(), Failed> {
    let since = Instant::now();
    loop {
        cluster.operate(&["garbage", "sweep", "--older-than", "1s"])?;
        match cluster.operate(&["repair", "check"]) {
            Ok(_) => return await_settled(cluster).map(drop),
            Err(failure) if since.elapsed().as_secs() > SETTLE_TIMEOUT_S => {
                return Err(explained(&failure, "not swept"));
            }
            Err(_) => std::thread::sleep(POLL),
        }
    }
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
