//! The loss of a whole site, its gateway included, and its return.

use libtest_mimic::{Failed, Trial};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, KIB, MIB};
use riquet_tests::s3::Request;

use crate::objects::Objects;
use crate::{metrics, trial};

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for site in Site::ALL {
        let name = site.name();
        trials.push(trial(
            format!("sites::{name}_lost_and_back"),
            move |cluster| lost_and_back(cluster, site),
        ));
    }
    for site in Site::ALL {
        let name = site.name();
        trials.push(trial(format!("sites::{name}_isolated"), move |cluster| {
            isolated(cluster, site)
        }));
    }
    trials.push(trial("sites::toulouse_frozen", |cluster| {
        frozen(cluster, Site::Toulouse)
    }));
    trials.push(trial("sites::one_zone_objects", one_zone_objects));
    trials
}

/// Old objects read, new ones are written, all through the other site; and when the lost site is
/// back, everything reads there as well.
fn lost_and_back(cluster: &Cluster, lost: Site) -> Result<(), Failed> {
    let (gone, left) = (cluster.s3(lost), cluster.s3(lost.other()));
    let mut objects = Objects::in_new_bucket(&gone, "sites")?;
    objects.put_all_shapes(&gone, "by the lost site", 1)?;
    objects.put_all_shapes(&left, "by the other site", 2)?;
    objects.verify(&left)?;

    cluster.kill_site(lost)?;
    objects.verify(&left)?;
    objects.put_all_shapes(&left, "during the loss", 3)?;
    objects.put(&left, "by the lost site/1", &data::bytes(4, MIB))?;
    objects.delete(&left, "by the lost site/65536")?;
    let copy = Request::new("PUT", objects.path("copy")).header(
        "x-amz-copy-source",
        objects.path("by%20the%20other%20site/5242883"),
    );
    left.send(copy, &[])?.expect(200)?;
    objects.note("copy", &data::bytes(2 + 5 * MIB + 3, 5 * MIB + 3));
    left.put("/made-during-the-loss", &[])?;
    objects.verify(&left)?;
    let owed = metrics::sum(cluster, lost.other(), "riquet_gateway_shards_owed_total")?;
    assert!(owed > 0.0, "no shards are owed to the lost site");

    cluster.start_site(lost)?;
    objects.verify(&gone)?;
    objects.verify(&left)?;
    objects.put_all_shapes(&gone, "after the return", 5)?;
    objects.verify(&left)?;
    gone.ask("HEAD", "/made-during-the-loss")?.expect(200)?;
    Ok(())
}

/// A site that no voter elsewhere hears can't know what is true now: it says so, and what it knew is
/// never told for what is. Joined again, it tells what was done meanwhile.
fn isolated(cluster: &Cluster, site: Site) -> Result<(), Failed> {
    let (cut, left) = (cluster.s3(site), cluster.s3(site.other()));
    let mut objects = Objects::in_new_bucket(&left, "isolated")?;
    objects.put(&cut, "changed", &data::bytes(1, 2 * KIB))?;
    objects.put(&cut, "deleted", &data::bytes(2, 2 * KIB))?;
    objects.verify(&left)?;

    cluster.isolate(site)?;
    objects.put(&left, "changed", &data::bytes(3, 300 * KIB))?;
    objects.delete(&left, "deleted")?;
    objects.verify(&left)?;
    let list = Request::new("GET", "/isolated").query("list-type", 2);
    let reads = ["changed", "deleted"].map(|key| Request::new("GET", objects.path(key)));
    std::thread::scope(|scope| {
        // All wait for as long as a gateway tries.
        let asked: Vec<_> = reads
            .into_iter()
            .chain([list])
            .map(|request| scope.spawn(|| cut.send(request, &[])))
            .collect();
        for answer in asked {
            let answer = answer.join().map_err(|_| "a client panicked")??;
            let code = answer.element("Code").unwrap_or_default();
            assert_eq!(answer.status, 503, "{}", answer.text());
            assert!(
                ["ServiceUnavailable", "SlowDown"].contains(&&*code),
                "{code}"
            );
        }
        Ok::<_, Failed>(())
    })?;
    // Whether a write that nobody answers will be made is another matter; it was not made yet.
    let write = cut.send(Request::new("PUT", objects.path("new")), &[])?;
    assert!([500, 503].contains(&write.status), "{}", write.text());
    assert_eq!(left.ask("HEAD", &objects.path("new"))?.status, 404);

    cluster.heal(site)?;
    for s3 in [&cut, &left] {
        objects.verify(s3)?;
        assert_eq!(s3.ask("GET", &objects.path("deleted"))?.status, 404);
    }
    objects.put(&cut, "new", &data::bytes(4, 5 * MIB))?;
    objects.verify(&left)
}

/// A site that still accepts connections and then says nothing is left out like a dead one.
fn frozen(cluster: &Cluster, site: Site) -> Result<(), Failed> {
    let left = cluster.s3(site.other());
    let mut objects = Objects::in_new_bucket(&left, "sites")?;
    objects.put_all_shapes(&cluster.s3(site), "before", 1)?;
    let names = cluster.pids()?.into_keys();
    let names: Vec<String> = names.filter(|name| name.contains(site.name())).collect();
    assert_eq!(names.len(), 7, "six nodes and a gateway: {names:?}");
    for name in &names {
        cluster.signal(name, "STOP")?;
    }
    objects.verify(&left)?;
    objects.put_all_shapes(&left, "while frozen", 2)?;
    objects.verify(&left)?;
    for name in &names {
        cluster.signal(name, "CONT")?;
    }
    objects.verify(&cluster.s3(site))
}

/// An object of one zone is away with its site: an error, never other bytes; then it is back.
fn one_zone_objects(cluster: &Cluster) -> Result<(), Failed> {
    let bytes = data::bytes(1, 300 * KIB);
    let toulouse = cluster.s3(Site::Toulouse);
    toulouse.put("/one-zone", &[])?;
    let mut places = Vec::new();
    for site in Site::ALL {
        let path = format!("/one-zone/at {}", site.name());
        let put = Request::new("PUT", &path).header("x-amz-storage-class", "ONEZONE_IA");
        cluster.s3(site).send(put, &bytes)?.expect(200)?;
        places.push(path);
    }
    for lost in Site::ALL {
        cluster.kill_site(lost)?;
        let left = cluster.s3(lost.other());
        let mut readable = 0;
        for path in &places {
            let answer = left.ask("GET", path);
            match answer {
                Ok(answer) if answer.status == 200 => {
                    assert_eq!(data::sha256(&answer.body), data::sha256(&bytes), "{path}");
                    readable += 1;
                }
                Ok(answer) => assert_eq!(answer.status, 503, "{path}: {}", answer.text()),
                Err(error) => return Err(error),
            }
        }
        assert_eq!(readable, 1, "one of the two lies at {:?}", lost.other());
        let path = format!("/one-zone/while {} is lost", lost.name());
        let put = Request::new("PUT", &path).header("x-amz-storage-class", "ONEZONE_IA");
        left.send(put, &bytes)?.expect(200)?;
        assert_eq!(left.sha256(&path)?.1, data::sha256(&bytes));
        cluster.start_site(lost)?;
    }
    for path in &places {
        for site in Site::ALL {
            assert_eq!(cluster.s3(site).sha256(path)?.1, data::sha256(&bytes));
        }
    }
    Ok(())
}
