//! Gateways that die in the middle of a lifecycle's round: others go on, and nothing is lost or left.

use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, KIB, MIB};
use riquet_tests::s3::{Request, S3, elements};
use riquet_tests::settled::{POLL, await_swept};
use riquet_tests::skip;

use crate::objects::Objects;

/// A day of the rules, seconds.
const DAY: [&str; 2] = ["--lifecycle-day-seconds", "1"];

/// Where the gateways die: in each life a few objects are moved first, so that all come to their end.
const FAILPOINTS: &str = "gateway::lifecycle::rewritten=8*off->50%return;\
    gateway::lifecycle::committed=8*off->50%return";

/// How long the rounds may take, deaths and leases of the dead included.
const DONE_WAIT: Duration = Duration::from_secs(150);

/// Deaths there must be at least: some thirty objects are more than two lives move.
const DEATHS_MIN: u32 = 2;

const RULES: &str = "<LifecycleConfiguration>\
    <Rule><ID>move</ID><Filter><Prefix>move/</Prefix></Filter><Status>Enabled</Status>\
    <Transition><Days>1</Days><StorageClass>ONEZONE_IA</StorageClass></Transition></Rule>\
    <Rule><ID>expire</ID><Filter><Prefix>expire/</Prefix></Filter><Status>Enabled</Status>\
    <Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>";

pub(crate) fn trials() -> Vec<Trial> {
    vec![skip::trial("lifecycle::killed_during_a_round", &[], || {
        Cluster::with_options(&DAY, killed_during_a_round)
    })]
}

fn killed_during_a_round(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    let mut objects = Objects::in_new_bucket(&s3, "lifecycle")?;
    for number in 0..30 {
        let bytes = data::bytes(number, 200 * KIB + number);
        objects.put(&s3, &format!("move/{number:02}"), &bytes)?;
        s3.put(&objects.path(&format!("expire/{number:02}")), &bytes)?;
    }
    objects.put(&s3, "move/two chunks", &data::bytes(99, 65 * MIB))?;
    objects.put(&s3, "kept", &data::bytes(100, 200 * KIB))?;
    let put_rules = Request::new("PUT", "/lifecycle").query("lifecycle", "");

    let gateways = Site::ALL.map(Site::gateway);
    let names = gateways.each_ref().map(String::as_str);
    cluster.arm_failpoints(Some(FAILPOINTS));
    cluster.kill(&names)?;
    cluster.start_again(&names)?;
    // It may die before it answers, and has the rules nevertheless.
    let _ = s3.send(put_rules, RULES.as_bytes());

    let (since, mut deaths) = (Instant::now(), 0);
    while !is_done(&s3)? {
        assert!(since.elapsed() < DONE_WAIT, "not done, {deaths} deaths");
        for name in names {
            if !cluster.is_running(name)? {
                deaths += 1;
                cluster.start_again(&[name])?;
            }
        }
        std::thread::sleep(POLL);
    }
    assert!(deaths >= DEATHS_MIN, "only {deaths} deaths");
    cluster.arm_failpoints(None);
    cluster.kill(&names)?;
    cluster.start_again(&names)?;
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    // What the dead wrote and did not commit, and what was moved away from, leaves the disks.
    await_swept(cluster)
}

/// Whether everything is where the rules want it; not known while the gateway is dead.
fn is_done(s3: &S3) -> Result<bool, Failed> {
    let list = Request::new("GET", "/lifecycle").query("list-type", 2);
    let Ok(listing) = s3.send(list, &[]) else {
        return Ok(false);
    };
    let listing = listing.expect(200)?.text();
    let (keys, classes) = (
        elements(&listing, "Key"),
        elements(&listing, "StorageClass"),
    );
    Ok(keys.iter().zip(&classes).all(|(key, class)| {
        !key.starts_with("expire/") && key.starts_with("move/") == (class == "ONEZONE_IA")
    }))
}
