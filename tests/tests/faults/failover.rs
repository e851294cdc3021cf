//! Without an arbiter: a site is lost, the other is promoted, and the lost one comes back.

use libtest_mimic::{Failed, Trial};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, KIB};
use riquet_tests::s3::Request;
use riquet_tests::skip;

use crate::objects::Objects;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for site in Site::ALL {
        let name = format!("failover::from_{}_and_back", site.name());
        trials.push(trial(name, move |cluster| there_and_back(cluster, site)));
    }
    trials.push(trial("failover::across_a_cut", across_a_cut));
    trials
}

/// A trial on a cluster without an arbiter.
fn trial(
    name: impl Into<String>,
    test: impl FnOnce(&Cluster) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    skip::trial(name, &[], || {
        Cluster::with_options(&["--without-arbiter"], test)
    })
}

/// Addresses of a site's voters.
fn voters_at(cluster: &Cluster, site: Site) -> Result<Vec<String>, Failed> {
    let names = cluster.voters()?;
    let here = names.iter().filter(|name| name.contains(site.name()));
    here.map(|name| cluster.address(name)).collect()
}

fn rejoin(cluster: &Cluster, site: Site) -> Result<(), Failed> {
    let voters = voters_at(cluster, site)?;
    let mut arguments = vec!["voter", "add"];
    arguments.extend(voters.iter().map(String::as_str));
    cluster.operate(&arguments)?;
    Ok(())
}

/// Reads that may still be answered after a cut, until processes take notice.
const READS: usize = 1000;

/// Waits until nobody decides: reads that can't be proven are refused, and so are writes.
fn is_stopped(cluster: &Cluster, site: Site, path: &str) -> Result<(), Failed> {
    let s3 = cluster.s3(site);
    for _ in 0..READS {
        let read = s3.ask("GET", path)?;
        if read.status == 503 {
            // Whether it will be made is not known where a leader logged it.
            let write = s3.send(Request::new("PUT", path), b"refused")?;
            assert!([500, 503].contains(&write.status), "{}", write.text());
            return Ok(());
        }
        assert!([200, 404].contains(&read.status), "{}", read.text());
    }
    Err("reads are still answered".into())
}

fn there_and_back(cluster: &Cluster, lost: Site) -> Result<(), Failed> {
    let (gone, left) = (cluster.s3(lost), cluster.s3(lost.other()));
    let mut objects = Objects::in_new_bucket(&left, "failover")?;
    objects.put_all_shapes(&gone, "by the lost site", 1)?;
    objects.put_all_shapes(&left, "by the other site", 2)?;
    let said = cluster.refused(&["failover", "--yes"])?;
    assert!(said.contains("nothing to fail over"), "{said}");

    cluster.kill_site(lost)?;
    is_stopped(cluster, lost.other(), "/failover/nobody-decides")?;
    let said = cluster.refused(&["failover"])?;
    assert!(said.contains("--yes"), "asks nobody: {said}");
    cluster.operate(&["failover", "--yes"])?;
    objects.delete(&left, "by the lost site/65536")?;
    // It may have been written before it was refused.
    left.ask("DELETE", "/failover/nobody-decides")?
        .expect(204)?;
    objects.verify(&left)?;
    objects.put_all_shapes(&left, "alone", 3)?;
    objects.verify(&left)?;

    cluster.start_site(lost)?;
    objects.verify(&gone)?;
    rejoin(cluster, lost)?;
    objects.put(&gone, "both again", &data::bytes(4, 300 * KIB))?;
    for s3 in [&gone, &left] {
        objects.verify(s3)?;
    }

    // What is small lies in the metadata: the site that was away has all of that.
    let small = data::bytes(5, 2 * KIB);
    objects.put(&left, "small", &small)?;
    cluster.kill_site(lost.other())?;
    cluster.operate(&["failover", lost.name(), "--yes", "--json"])?;
    let read = gone.ask("GET", "/failover/small")?.expect(200)?;
    assert_eq!(data::sha256(&read.body), data::sha256(&small));
    gone.put("/failover/after", b"x")?;
    Ok(())
}

/// The other site still runs and still has clients. It can decide nothing, so it neither loses nor
/// brings back anything when the line is whole again.
fn across_a_cut(cluster: &Cluster) -> Result<(), Failed> {
    let (lost, left) = (Site::Toulouse, Site::Montpellier);
    let mut objects = Objects::in_new_bucket(&cluster.s3(left), "failover")?;
    objects.put(&cluster.s3(lost), "changed", &data::bytes(1, 2 * KIB))?;
    cluster.partition(lost)?;
    is_stopped(cluster, lost, "/failover/changed")?;
    let said = cluster.refused(&["failover", "--yes"])?;
    assert!(said.contains("name the one"), "{said}");
    cluster.operate(&["failover", left.name(), "--yes"])?;
    objects.put(&cluster.s3(left), "changed", &data::bytes(2, 2 * KIB))?;
    let listed = cluster.s3(left).ask("GET", "/failover")?.expect(200)?;
    assert_eq!(listed.element("Key").as_deref(), Some("changed"));
    is_stopped(cluster, lost, "/failover/changed")?;

    cluster.heal(lost)?;
    rejoin(cluster, lost)?;
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    Ok(())
}
