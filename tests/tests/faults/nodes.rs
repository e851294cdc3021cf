//! The loss of single storage nodes.

use libtest_mimic::{Failed, Trial};
use riquet_tests::client::wait_until;
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, MIB};
use riquet_tests::s3::S3;
use serde_json::Value;

use crate::objects::{Objects, etag};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "nodes::killed_during_a_multipart_upload",
            killed_during_an_upload,
        ),
        trial("nodes::two_lost_at_each_site", two_lost_at_each_site),
        trial(
            "nodes::two_lost_and_the_other_site",
            two_lost_and_the_other_site,
        ),
        trial("nodes::one_frozen_at_each_site", one_frozen_at_each_site),
        trial("nodes::status_says_what_is_left", status_says_what_is_left),
    ]
}

/// A node that dies in the middle of a part costs nothing: the upload goes on.
fn killed_during_an_upload(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    let mut objects = Objects::in_new_bucket(&s3, "nodes")?;
    let path = objects.path("object");
    let parts = [
        data::bytes(1, 8 * MIB),
        data::bytes(2, 24 * MIB),
        data::bytes(3, 5 * MIB),
        data::bytes(4, 100_000),
    ];
    let upload = s3.create_upload(&path)?;
    let mut etags = Vec::new();
    for (bytes, number) in parts.iter().zip(1..) {
        let request = S3::part(&path, &upload, number).size_bytes(bytes.len() as u64);
        let mut exchange = s3.begin(&request)?;
        let (first, second) = bytes.split_at(bytes.len() / 2);
        exchange.send(first)?;
        match number {
            2 => cluster.kill(&["toulouse-2", "montpellier-5"])?,
            4 => cluster.start_again(&["toulouse-2", "montpellier-5"])?,
            _ => (),
        }
        exchange.send(second)?;
        etags.push(etag(&exchange.finish()?.expect(200)?)?);
    }
    s3.complete(&path, &upload, &etags)?;
    objects.note("object", &parts.concat());
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    Ok(())
}

/// With 4 of 12 shards needed and 6 at each site, two lost nodes at each leave every object
/// readable.
fn two_lost_at_each_site(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    let mut objects = Objects::in_new_bucket(&s3, "nodes")?;
    objects.put_all_shapes(&s3, "before", 1)?;
    // One lost node leaves each site the shards that a write must have.
    cluster.kill(&["toulouse-1", "montpellier-6"])?;
    objects.put_all_shapes(&s3, "one lost", 2)?;
    cluster.kill(&["toulouse-4", "montpellier-2"])?;
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    // The nodes come back, others go.
    cluster.start_again(&["toulouse-1", "toulouse-4", "montpellier-6", "montpellier-2"])?;
    cluster.kill(&["toulouse-2", "toulouse-3", "montpellier-4", "montpellier-5"])?;
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    Ok(())
}

/// A whole site and two nodes of the other: what is left is just enough to read.
fn two_lost_and_the_other_site(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Montpellier);
    let mut objects = Objects::in_new_bucket(&s3, "nodes")?;
    objects.put_all_shapes_in_full(cluster, Site::Montpellier, "before", 1)?;
    cluster.kill_site(Site::Toulouse)?;
    // Not its voters: with the arbiter they are the majority that is left.
    cluster.kill(&["montpellier-3", "montpellier-5"])?;
    objects.verify(&s3)
}

/// A node that accepts connections and then says nothing holds up neither reads nor writes.
fn one_frozen_at_each_site(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    let mut objects = Objects::in_new_bucket(&s3, "nodes")?;
    objects.put_all_shapes(&s3, "before", 1)?;
    let frozen = ["toulouse-3", "montpellier-3"];
    for name in frozen {
        cluster.signal(name, "STOP")?;
    }
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    objects.put_all_shapes(&s3, "while frozen", 2)?;
    for name in frozen {
        cluster.signal(name, "CONT")?;
    }
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    Ok(())
}

/// What operators are told is what clients can do, and what the next loss would mean.
fn status_says_what_is_left(cluster: &Cluster) -> Result<(), Failed> {
    let told = |state: &str, reason: &str| {
        wait_until(reason, || {
            // While voters elect, it may be refused.
            let Ok(text) = cluster.operate(&["status", "--json"]) else {
                return Ok(false);
            };
            let status: Value = serde_json::from_str(&text)?;
            let health = &status["health"];
            Ok(health["state"] == state && health["reasons"].to_string().contains(reason))
        })
    };
    told("healthy", "everything answers")?;
    cluster.kill(&["arbiter"])?;
    told("degraded", "4 of 5 voters")?;
    cluster.start_again(&["arbiter"])?;
    cluster.operate(&["node", "maintenance", "montpellier-6"])?;
    told("degraded", "montpellier-6 answers, and is in maintenance")?;
    cluster.operate(&["node", "maintenance", "montpellier-6", "--end"])?;
    told("healthy", "everything answers")?;
    cluster.kill_site(Site::Toulouse)?;
    told("degraded", "site toulouse is lost")?;
    // Not its voters: with the arbiter they are the majority that is left.
    cluster.kill(&["montpellier-3", "montpellier-5"])?;
    told("critical", "not when they lose another disk")?;
    cluster.kill(&["montpellier-4"])?;
    told("critical", "too few disks left to be read")
}
