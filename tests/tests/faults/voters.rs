//! Who votes on metadata changes while clients are at work.

use std::sync::atomic::{AtomicBool, Ordering};

use libtest_mimic::{Failed, Trial};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, KIB};

use crate::objects::Objects;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("voters::replaced_under_traffic", replaced_under_traffic),
        trial("voters::bad_changes_change_nothing", bad_changes),
    ]
}

/// Numbers of the voters, of which every one must vote in every group.
fn voters(cluster: &Cluster) -> Result<Vec<u64>, Failed> {
    let listed = cluster.operate(&["voter", "list", "--json"])?;
    let rows: Vec<serde_json::Value> = serde_json::from_str(&listed)?;
    let mut ids = Vec::new();
    for row in &rows {
        let groups = row["votes_in"].as_array().map_or(0, Vec::len);
        assert_eq!(groups, 9, "the control group and all key groups: {row}");
        ids.push(row["id"].as_u64().ok_or("a voter without a number")?);
    }
    Ok(ids)
}

/// A voter loses its disk and another takes its place, one more comes, and one goes: no client
/// sees an error.
fn replaced_under_traffic(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    let mut objects = Objects::in_new_bucket(&s3, "voters")?;
    objects.put_all_shapes(&s3, "before", 1)?;
    assert_eq!(voters(cluster)?, [1, 2, 3, 4, 5]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers = Site::ALL.map(|site| {
            let stop = &stop;
            scope.spawn(move || write(cluster, site, stop))
        });
        let changed = change(cluster);
        stop.store(true, Ordering::Relaxed);
        for (site, writer) in Site::ALL.into_iter().zip(writers) {
            let count = writer.join().map_err(|_| "a writer panicked")??;
            assert!(count > 0, "nothing was written");
            for number in 0..count {
                objects.note(&key(site, number), &bytes(number));
            }
        }
        changed
    })?;
    assert_eq!(voters(cluster)?, [1, 2, 3, 5, 7]);
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    // The new ones hold everything: these two and one that was always there are a majority.
    cluster.kill(&["arbiter", "toulouse-1"])?;
    objects.verify(&s3)
}

fn change(cluster: &Cluster) -> Result<(), Failed> {
    cluster.kill(&["montpellier-2"])?;
    let new = cluster.wait_to_vote("montpellier-4")?;
    cluster.operate(&["voter", "replace", "4", &new])?;
    assert_eq!(voters(cluster)?, [1, 2, 3, 5, 6]);
    cluster.start_again(&["montpellier-2"])?;
    let more = cluster.wait_to_vote("montpellier-2")?;
    cluster.operate(&["voter", "add", &more])?;
    // Once more does nothing more.
    cluster.operate(&["voter", "add", &more])?;
    assert_eq!(voters(cluster)?, [1, 2, 3, 5, 6, 7]);
    cluster.operate(&["voter", "remove", &new])?;
    Ok(())
}

fn key(site: Site, number: u64) -> String {
    format!("meanwhile/{}-{number}", site.name())
}

fn bytes(number: u64) -> Vec<u8> {
    data::bytes(number, [700, 20 * KIB][number as usize % 2])
}

/// Writes until told to stop; each write must succeed. How many there were.
fn write(cluster: &Cluster, site: Site, stop: &AtomicBool) -> Result<u64, Failed> {
    let s3 = cluster.s3(site);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        s3.put(&format!("/voters/{}", key(site, number)), &bytes(number))?;
        number += 1;
    }
    Ok(number)
}

fn bad_changes(cluster: &Cluster) -> Result<(), Failed> {
    let own = cluster.address("toulouse-1")?;
    let data_node = cluster.address("toulouse-5")?;
    let cases: [(&[&str], &str); 6] = [
        (&["voter", "remove", "77"], "voter list"),
        (&["voter", "remove", "1", "2", "3", "4", "5"], "nobody"),
        (&["voter", "add", "127.0.0.1:1"], "does not answer"),
        // It stores shards and knows no groups.
        (&["voter", "add", &data_node], "does not answer"),
        (&["voter", "replace", "77", &own], "voter list"),
        (&["voter", "list", "--metadata", "127.0.0.1:1"], "metadata"),
    ];
    for (arguments, word) in cases {
        let said = cluster.refused(arguments)?;
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
    assert_eq!(voters(cluster)?, [1, 2, 3, 4, 5]);
    Ok(())
}
