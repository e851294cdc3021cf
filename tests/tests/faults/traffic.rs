//! Faults while clients write: the line between the sites is cut and joined again, a site or some
//! nodes die and come back. All that was acknowledged is there in the end, at both sites.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, KIB};

use crate::objects::{Objects, explained};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for site in Site::ALL {
        let name = site.name();
        trials.push(trial(format!("traffic::{name}_cut_off"), move |cluster| {
            let cut = || cluster.partition(site);
            let join = || cluster.heal(site);
            under_traffic(cluster, &Site::ALL, &cut, &join)
        }));
        trials.push(trial(format!("traffic::{name}_isolated"), move |cluster| {
            let cut = || cluster.isolate(site);
            let join = || cluster.heal(site);
            under_traffic(cluster, &[site.other()], &cut, &join)
        }));
        trials.push(trial(format!("traffic::{name}_killed"), move |cluster| {
            let kill = || cluster.kill_site(site);
            let start = || cluster.start_site(site);
            under_traffic(cluster, &[site.other()], &kill, &start)
        }));
    }
    trials.push(trial("traffic::nodes_killed", |cluster| {
        let nodes = ["toulouse-6", "montpellier-1"];
        let kill = || cluster.kill(&nodes);
        let start = || cluster.start_again(&nodes);
        under_traffic(cluster, &Site::ALL, &kill, &start)
    }));
    trials.push(trial("traffic::one_fault_after_another", |cluster| {
        let (a, b) = (Site::Toulouse, Site::Montpellier);
        let breaks = || one_fault_after_another(cluster, a, b);
        let mends = || one_fault_after_another(cluster, b, a);
        under_traffic(cluster, &Site::ALL, &breaks, &mends)
    }));
    trials
}

/// Each fault is mended by the time the next one comes, but not what was missed meanwhile.
fn one_fault_after_another(cluster: &Cluster, one: Site, other: Site) -> Result<(), Failed> {
    let node = |number| format!("{}-{number}", one.name());
    for number in 1..=3 {
        cluster.kill(&[&node(number)])?;
        cluster.start_again(&[&node(number)])?;
    }
    cluster.partition(one)?;
    cluster.kill(&[&node(4)])?;
    cluster.heal(one)?;
    cluster.start_again(&[&node(4)])?;
    cluster.kill(&[&other.gateway()])?;
    cluster.start_again(&[&other.gateway()])?;
    cluster.kill_site(one)?;
    cluster.start_site(one)?;
    cluster.kill(&["arbiter"])?;
    cluster.start_again(&["arbiter"])
}

/// Something that happens to the cluster.
type Happening<'a> = &'a dyn Fn() -> Result<(), Failed>;

/// An acknowledged write, or a refused one.
type Event = (Site, Result<(String, Vec<u8>), String>);

/// The bucket that is written to.
const BUCKET: &str = "traffic";
/// Acknowledged writes to wait for at each site, in each phase.
const WRITES_PER_PHASE: usize = 10;
/// Seconds that a phase may take: noticing what broke, then writing.
const PHASE_TIMEOUT_S: u64 = 60;

/// Clients write through the gateways of `sites` before `breaks`, until `mends`, and after it.
fn under_traffic(
    cluster: &Cluster,
    sites: &[Site],
    breaks: Happening<'_>,
    mends: Happening<'_>,
) -> Result<(), Failed> {
    let s3 = cluster.s3(sites[0]);
    let mut objects = Objects::in_new_bucket(&s3, BUCKET)?;
    objects.put_all_shapes(&s3, "before", 1)?;
    let stop = AtomicBool::new(false);
    let (sender, events) = mpsc::channel();
    std::thread::scope(|scope| {
        for &site in sites {
            let (sender, stop) = (sender.clone(), &stop);
            scope.spawn(move || write(cluster, site, &sender, stop));
        }
        drop(sender);
        let mut phase = |name| {
            acknowledged(&mut objects, sites, &events).map_err(|error| explained(&error, name))
        };
        let outcome = phase("before")
            .and_then(|()| breaks())
            .and_then(|()| phase("during"))
            .and_then(|()| mends())
            .and_then(|()| phase("after"));
        stop.store(true, Ordering::Relaxed);
        // Those that were under way when the writers were told to stop.
        for (_, event) in &events {
            if let Ok((key, bytes)) = event {
                objects.note(&key, &bytes);
            }
        }
        outcome
    })?;
    for site in Site::ALL {
        objects.verify_acknowledged(&cluster.s3(site))?;
    }
    Ok(())
}

/// Waits until each site has acknowledged enough writes from now on.
fn acknowledged(
    objects: &mut Objects,
    sites: &[Site],
    events: &mpsc::Receiver<Event>,
) -> Result<(), Failed> {
    // Writes of the phase before do not count.
    while let Ok((_, event)) = events.try_recv() {
        if let Ok((key, bytes)) = event {
            objects.note(&key, &bytes);
        }
    }
    let mut counts = [0; 2];
    let mut last_refusal = String::from("none was refused");
    let since = Instant::now();
    while sites
        .iter()
        .any(|&site| counts[site as usize] < WRITES_PER_PHASE)
    {
        let left = Duration::from_secs(PHASE_TIMEOUT_S).saturating_sub(since.elapsed());
        let (site, event) = events
            .recv_timeout(left)
            .map_err(|_| format!("writes acknowledged: {counts:?}; {last_refusal}"))?;
        match event {
            Ok((key, bytes)) => {
                objects.note(&key, &bytes);
                counts[site as usize] += 1;
            }
            Err(refusal) => last_refusal = format!("{site:?}: {refusal}"),
        }
    }
    Ok(())
}

/// Writes new objects through one gateway until told to stop; a refused key is not tried again.
fn write(cluster: &Cluster, site: Site, events: &mpsc::Sender<Event>, stop: &AtomicBool) {
    let s3 = cluster.s3(site);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let key = format!("under traffic/{}-{number}", site.name());
        let size_bytes = [500, 30 * KIB, 700 * KIB][number % 3];
        let bytes = data::bytes(number as u64, size_bytes);
        let path = format!("/{BUCKET}/{key}");
        let event = match s3.put(&path, &bytes) {
            Ok(_) => Ok((key, bytes)),
            Err(error) => Err(error.message().unwrap_or("no message").to_owned()),
        };
        if events.send((site, event)).is_err() {
            return;
        }
    }
}
