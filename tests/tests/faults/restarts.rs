//! Everything stops, in order or by a power cut, and starts again with its data.

use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, KIB, MIB};
use riquet_tests::s3::S3;

use crate::objects::{Objects, etag};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("restarts::in_order", in_order),
        trial("restarts::power_cut_after_acknowledged_writes", power_cuts),
        trial("restarts::power_cut_under_traffic", power_cut_under_traffic),
        trial("restarts::arbiter_killed_and_back", arbiter_killed_and_back),
        trial("restarts::no_majority", no_majority),
        trial("restarts::voter_frozen", voter_frozen),
    ]
}

fn in_order(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    let mut objects = Objects::in_new_bucket(&s3, "restarts")?;
    objects.put_all_shapes(&s3, "before", 1)?;
    objects.put(&s3, "deleted", b"x")?;
    objects.delete(&s3, "deleted")?;
    // An upload goes on after the restart.
    let path = objects.path("in parts");
    let parts = [data::bytes(7, 5 * MIB), data::bytes(8, 10)];
    let upload = s3.create_upload(&path)?;
    let first = s3
        .send(S3::part(&path, &upload, 1), &parts[0])?
        .expect(200)?;
    let listing = s3.ask("GET", "/restarts")?.expect(200)?.body;

    cluster.down()?;
    assert!(
        s3.ask("GET", "/").is_err(),
        "a gateway answers after `down`"
    );
    assert_eq!(cluster.pids()?.len(), 0, "processes are left after `down`");
    cluster.up()?;

    assert_eq!(s3.ask("GET", "/restarts")?.expect(200)?.body, listing);
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    let second = s3
        .send(S3::part(&path, &upload, 2), &parts[1])?
        .expect(200)?;
    s3.complete(&path, &upload, &[etag(&first)?, etag(&second)?])?;
    objects.note("in parts", &parts.concat());
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    Ok(())
}

/// SIGKILL for everything right after an answer: what was acknowledged is there.
fn power_cuts(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    let mut objects = Objects::in_new_bucket(&s3, "restarts")?;
    let rounds = [100, 100 * KIB, 6 * MIB, 70 * MIB];
    for (size_bytes, round) in rounds.into_iter().zip(1..) {
        let key = format!("round {round}");
        objects.put(&s3, &key, &data::bytes(round, size_bytes))?;
        cluster.kill_everything()?;
        cluster.up()?;
        objects.verify(&cluster.s3(Site::Montpellier))?;
        let path = objects.path(&format!("in parts {round}"));
        let upload = s3.create_upload(&path)?;
        let bytes = data::bytes(round, size_bytes);
        let part = s3.send(S3::part(&path, &upload, 1), &bytes)?.expect(200)?;
        s3.complete(&path, &upload, &[etag(&part)?])?;
        objects.note(&format!("in parts {round}"), &bytes);
        objects.delete(&s3, &key)?;
        cluster.kill_everything()?;
        cluster.up()?;
        objects.verify(&s3)?;
    }
    Ok(())
}

/// A power cut in the middle of many writes: all that were acknowledged are whole, and the
/// others are there whole or not at all.
fn power_cut_under_traffic(cluster: &Cluster) -> Result<(), Failed> {
    const WRITERS: u64 = 6;
    /// Acknowledged writes of one writer before the cut.
    const WRITES: u64 = 15;
    let s3 = cluster.s3(Site::Toulouse);
    s3.put("/restarts", &[])?;
    let body = |writer: u64, number: u64| {
        let size_bytes = [2 * KIB, 40 * KIB, 900 * KIB][(number % 3) as usize];
        data::bytes(writer * 1000 + number, size_bytes)
    };
    let (ready, enough) = std::sync::mpsc::channel();
    let acknowledged: Vec<u64> = std::thread::scope(|scope| -> Result<_, Failed> {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let s3 = cluster.s3(Site::ALL[(writer % 2) as usize]);
                let ready = ready.clone();
                scope.spawn(move || {
                    let mut number = 0;
                    let path = |number| format!("/restarts/{writer}/{number:05}");
                    while s3.put(&path(number), &body(writer, number)).is_ok() {
                        number += 1;
                        if number == WRITES {
                            let _ = ready.send(());
                        }
                    }
                    let _ = ready.send(());
                    number
                })
            })
            .collect();
        for _ in 0..WRITERS {
            enough.recv()?;
        }
        cluster.kill_everything()?;
        let counts = writers.into_iter().map(|writer| writer.join());
        Ok(counts.map(|count| count.unwrap_or(0)).collect())
    })?;
    cluster.up()?;
    let s3 = cluster.s3(Site::Montpellier);
    for (writer, &count) in (0..).zip(&acknowledged) {
        assert!(
            count >= WRITES,
            "writer {writer} had {count} writes before the cut"
        );
        let keys = s3.keys("restarts", &format!("{writer}/"))?;
        assert!(
            keys.len() as u64 >= count,
            "{} of {count} are left",
            keys.len()
        );
        for (number, key) in (0..).zip(&keys) {
            let (_, hash) = s3.sha256(&format!("/restarts/{key}"))?;
            assert_eq!(hash, data::sha256(&body(writer, number)), "{key}");
        }
    }
    Ok(())
}

/// Longer than a client should be left without an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The arbiter is missed by nobody while both sites are there.
fn arbiter_killed_and_back(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    let mut objects = Objects::in_new_bucket(&s3, "restarts")?;
    objects.put_all_shapes(&s3, "before", 1)?;
    cluster.kill(&["arbiter"])?;
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
        objects.put(&cluster.s3(site), site.name(), &data::bytes(9, MIB))?;
    }
    cluster.start_again(&["arbiter"])?;
    objects.verify(&s3)
}

/// Two voters of five can prove nothing, and say so; with a third all goes on.
fn no_majority(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Montpellier);
    let mut objects = Objects::in_new_bucket(&s3, "restarts")?;
    objects.put_all_shapes(&s3, "before", 1)?;
    cluster.kill(&["arbiter"])?;
    cluster.kill_site(Site::Toulouse)?;
    for (method, path) in [
        ("GET", objects.path("before/1")),
        ("PUT", objects.path("new")),
    ] {
        let since = Instant::now();
        let answer = s3.ask(method, &path)?;
        assert!(matches!(answer.status, 500 | 503), "{}", answer.text());
        assert!(answer.element("Code").is_some(), "{}", answer.text());
        assert!(since.elapsed() < ANSWER_WITHIN, "{:?}", since.elapsed());
    }
    cluster.start_again(&["arbiter"])?;
    objects.verify(&s3)?;
    objects.put(&s3, "with the arbiter", &data::bytes(9, MIB))?;
    cluster.start_site(Site::Toulouse)?;
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    Ok(())
}

/// A voter that says nothing, and may lead, holds up requests for a bounded time only.
fn voter_frozen(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    let mut objects = Objects::in_new_bucket(&s3, "restarts")?;
    objects.put_all_shapes(&s3, "before", 1)?;
    for voter in ["toulouse-1", "montpellier-1", "arbiter"] {
        cluster.signal(voter, "STOP")?;
        for site in Site::ALL {
            let since = Instant::now();
            let key = format!("{voter}/{}", site.name());
            objects.put(&cluster.s3(site), &key, &data::bytes(9, MIB))?;
            assert!(since.elapsed() < ANSWER_WITHIN, "{:?}", since.elapsed());
        }
        cluster.signal(voter, "CONT")?;
    }
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    Ok(())
}
