//! Tablets are split and moved by an operator while clients are at work.

use std::sync::atomic::{AtomicBool, Ordering};

use libtest_mimic::{Failed, Trial};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, KIB};
use riquet_tests::s3::{Request, elements};

use crate::objects::Objects;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "tablets::split_and_moved_under_traffic",
            split_and_moved_under_traffic,
        ),
        trial("tablets::bad_requests_change_nothing", bad_requests),
    ]
}

/// Objects that are there before.
const OBJECTS: u64 = 300;

fn name(number: u64) -> String {
    format!("there/{number:04}")
}

fn bytes(number: u64) -> Vec<u8> {
    data::bytes(number, [100, 6 * KIB][number as usize % 2])
}

/// The tablets of the bucket: first key and group of each.
fn tablets(cluster: &Cluster) -> Result<Vec<(String, u64)>, Failed> {
    let listed = cluster.operate(&["tablet", "list", "tablets", "--json"])?;
    let rows: Vec<serde_json::Value> = serde_json::from_str(&listed)?;
    rows.iter()
        .map(|row| {
            assert_eq!(row["state"], "open", "{row}");
            let start = row["start"].as_str().ok_or("no first key")?.to_owned();
            Ok((start, row["group"].as_u64().ok_or("no group")?))
        })
        .collect()
}

fn split_and_moved_under_traffic(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Montpellier);
    let mut objects = Objects::in_new_bucket(&s3, "tablets")?;
    for number in 0..OBJECTS {
        objects.put(&s3, &name(number), &bytes(number))?;
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stop = &stop;
        let writers =
            Site::ALL.map(|site| scope.spawn(move || put_and_delete(cluster, site, stop)));
        let reader = scope.spawn(|| read_and_list(cluster, stop));
        let changed = change(cluster);
        stop.store(true, Ordering::Relaxed);
        for (site, writer) in Site::ALL.into_iter().zip(writers) {
            let count = writer.join().map_err(|_| "a writer panicked")??;
            assert!(count > 0, "nothing was written");
            for number in (0..count).filter(|number| number % 3 != 0) {
                objects.note(&new_name(site, number), &bytes(number));
            }
        }
        let rounds = reader.join().map_err(|_| "the reader panicked")??;
        assert!(rounds > 0, "nothing was read");
        changed
    })?;
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    Ok(())
}

/// In the middle, at a key, to and fro.
fn change(cluster: &Cluster) -> Result<(), Failed> {
    cluster.operate(&["tablet", "split", "tablets"])?;
    let halves = tablets(cluster)?;
    assert_eq!(halves.len(), 2, "{halves:?}");
    cluster.operate(&["tablet", "split", "tablets", "--at", "there/0100"])?;
    let thirds = tablets(cluster)?;
    assert!(thirds.contains(&("there/0100".to_owned(), thirds[1].1)));
    for round in 0..3 {
        for (number, (start, _)) in (1..).zip(&thirds) {
            let to = (number + round).to_string();
            cluster.operate(&["tablet", "move", "tablets", "--of", start, "--to", &to])?;
        }
    }
    let places = tablets(cluster)?;
    let groups: Vec<u64> = places.iter().map(|(_, group)| *group).collect();
    assert_eq!(groups, [3, 4, 5]);
    Ok(())
}

fn new_name(site: Site, number: u64) -> String {
    format!("{}/{number:06}", site.name())
}

/// Writes objects, and deletes every third again; each request must succeed. How many there were.
fn put_and_delete(cluster: &Cluster, site: Site, stop: &AtomicBool) -> Result<u64, Failed> {
    let s3 = cluster.s3(site);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let path = format!("/tablets/{}", new_name(site, number));
        s3.put(&path, &bytes(number))?;
        if number % 3 == 0 {
            s3.ask("DELETE", &path)?.expect(204)?;
        }
        number += 1;
    }
    Ok(number)
}

/// Reads what is there, and lists it: all of it, each time, in order. How often.
fn read_and_list(cluster: &Cluster, stop: &AtomicBool) -> Result<u64, Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    let expected: Vec<String> = (0..OBJECTS).map(name).collect();
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        let number = rounds * 7 % OBJECTS;
        let path = format!("/tablets/{}", name(number));
        let read = s3.ask("GET", &path)?.expect(200)?;
        assert_eq!(data::sha256(&read.body), data::sha256(&bytes(number)));
        let list = Request::new("GET", "/tablets")
            .query("list-type", 2)
            .query("prefix", "there/");
        let page = s3.send(list, &[])?.expect(200)?.text();
        assert_eq!(elements(&page, "Key"), expected);
        rounds += 1;
    }
    Ok(rounds)
}

fn bad_requests(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    Objects::in_new_bucket(&s3, "tablets")?;
    let before = tablets(cluster)?;
    let cases: [(&[&str], &str); 6] = [
        (&["tablet", "list", "nobody"], "no such bucket"),
        (&["tablet", "split", "nobody"], "no such bucket"),
        (&["tablet", "split", "tablets"], "nothing to split"),
        (
            &["tablet", "split", "tablets", "--at", ""],
            "nothing to split",
        ),
        (&["tablet", "move", "tablets", "--to", "9"], "1 to 8"),
        (&["tablet", "move", "tablets", "--to", "0"], "1 to 8"),
    ];
    for (arguments, word) in cases {
        let said = cluster.refused(arguments)?;
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
    assert_eq!(tablets(cluster)?, before);
    Ok(())
}
