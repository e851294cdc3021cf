//! Nodes and disks come and go while clients read and write: nobody notices, and in the end every shard
//! is on one disk, the one that the layout names.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, KIB, MIB};
use riquet_tests::settled::{await_settled, await_swept};
use serde_json::Value;

use crate::objects::Objects;
use crate::{metrics, trial};

/// Clients at once.
const CLIENTS: u64 = 16;
/// Seconds within which a rebalance of a small cluster must end.
const REBALANCE_TIMEOUT_S: u64 = 120;
/// How often it is looked at.
const POLL: Duration = Duration::from_millis(250);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("rebalance::nodes_come_and_go", nodes_come_and_go),
        trial("rebalance::goes_on_after_deaths", goes_on_after_deaths),
        trial("rebalance::is_given_up", is_given_up),
        trial(
            "rebalance::a_dead_node_is_replaced",
            a_dead_node_is_replaced,
        ),
        trial("rebalance::everything_restarts", everything_restarts),
        trial(
            "rebalance::nonsense_changes_nothing",
            nonsense_changes_nothing,
        ),
    ]
}

/// What a command answers as JSON.
fn asked(cluster: &Cluster, arguments: &[&str]) -> Result<Value, Failed> {
    let arguments = [arguments, &["--json"]].concat();
    Ok(serde_json::from_str(&cluster.operate(&arguments)?)?)
}

fn number(value: &Value, name: &str) -> Result<u64, Failed> {
    let number = value[name].as_u64();
    Ok(number.ok_or(format!("no {name} in {value}"))?)
}

/// Takes a new node at a site into the layout; its name.
fn come(cluster: &Cluster, site: Site) -> Result<String, Failed> {
    let (name, address) = cluster.add_node(site)?;
    let site = site.name();
    cluster.operate(&["node", "add", &name, "--site", site, "--address", &address])?;
    Ok(name)
}

/// Begins a rebalance; its plan.
fn rebalance(cluster: &Cluster) -> Result<Value, Failed> {
    let plan = asked(cluster, &["rebalance", "plan"])?;
    cluster.operate(&["rebalance", "apply", "--yes"])?;
    Ok(plan)
}

/// Waits until nothing moves, and nothing is left where it was.
fn await_rebalance(cluster: &Cluster) -> Result<(), Failed> {
    let since = Instant::now();
    loop {
        let status = asked(cluster, &["rebalance", "status"])?;
        if status["state"] == "idle" && status["to_leave"] == 0 {
            return Ok(());
        }
        if since.elapsed().as_secs() > REBALANCE_TIMEOUT_S {
            return Err(format!("not over: {status}").into());
        }
        std::thread::sleep(POLL);
    }
}

/// Bytes that all nodes have copied.
fn moved_bytes(cluster: &Cluster) -> Result<f64, Failed> {
    let moved = |site| {
        metrics::sum_of_nodes(cluster, site, |labelled| {
            labelled == "riquet_node_moved_bytes_total"
        })
    };
    Ok(moved(Site::Toulouse)? + moved(Site::Montpellier)?)
}

/// Clients that write, read, list and delete through both gateways while something is done; none may
/// see an error. Returns how many requests they made.
fn under_clients(
    cluster: &Cluster,
    objects: &Objects,
    what: impl FnOnce() -> Result<(), Failed>,
) -> Result<u64, Failed> {
    cluster.s3(Site::Toulouse).put("/clients", &[])?;
    let (stop, requests) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (stop, requests) = (&stop, &requests);
                scope.spawn(move || use_store(cluster, objects, client, stop, requests))
            })
            .collect();
        let outcome = what();
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().map_err(|_| "a client panicked")??;
        }
        outcome
    })?;
    Ok(requests.into_inner())
}

fn use_store(
    cluster: &Cluster,
    objects: &Objects,
    client: u64,
    stop: &AtomicBool,
    requests: &AtomicU64,
) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::ALL[client as usize % 2]);
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) {
        round += 1;
        let path = format!("/clients/{client}/{round}");
        let bytes = data::bytes(client << 32 | round, 64 * KIB + round % 7 * 100 * KIB);
        s3.put(&path, &bytes)?;
        let (length, sum) = s3.sha256(&path)?;
        if (length, sum) != (bytes.len() as u64, data::sha256(&bytes)) {
            return Err(format!("{path} reads back otherwise").into());
        }
        objects.verify_one(&s3, client + round)?;
        if round % 3 == 0 {
            s3.ask("DELETE", &path)?;
        }
        requests.fetch_add(4, Ordering::Relaxed);
    }
    Ok(())
}

/// Objects of every shape, and many in between.
fn filled(cluster: &Cluster) -> Result<Objects, Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    let mut objects = Objects::in_new_bucket(&s3, "kept")?;
    objects.put_all_shapes(&s3, "shape", 1)?;
    for n in 0..60 {
        objects.put(&s3, &format!("n{n}"), &data::bytes(n, 3 * MIB))?;
    }
    Ok(objects)
}

/// Two nodes come, an old one is emptied and goes, under sixteen clients.
fn nodes_come_and_go(cluster: &Cluster) -> Result<(), Failed> {
    let objects = filled(cluster)?;
    await_settled(cluster)?;
    let before = moved_bytes(cluster)?;
    let mut planned = 0;
    under_clients(cluster, &objects, || {
        for site in Site::ALL {
            come(cluster, site)?;
        }
        let plan = rebalance(cluster)?;
        planned += number(&plan, "bytes")?;
        await_rebalance(cluster)?;
        cluster.operate(&["node", "drain", "toulouse-4"])?;
        let plan = rebalance(cluster)?;
        planned += number(&plan, "bytes")?;
        await_rebalance(cluster)?;
        cluster.operate(&["node", "remove", "toulouse-4", "--yes"])?;
        cluster.remove_node("toulouse-4")
    })?;
    let moved = moved_bytes(cluster)? - before;
    // What the clients wrote between a plan and its beginning moves too.
    if moved > 1.1 * planned as f64 {
        return Err(format!("{moved} bytes moved, {planned} were planned").into());
    }
    // What clients removed while it moved may be left where it was, as what uploads leave is.
    await_swept(cluster)?;
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    let again = asked(cluster, &["rebalance", "plan"])?;
    match number(&again, "slots")? {
        0 => Ok(()),
        slots => Err(format!("{slots} slots are still to move").into()),
    }
}

/// The node that takes in, one that gives, and a gateway die in the middle.
fn goes_on_after_deaths(cluster: &Cluster) -> Result<(), Failed> {
    let objects = filled(cluster)?;
    let name = come(cluster, Site::Toulouse)?;
    // Slow enough to be met in the middle.
    cluster.operate(&["rebalance", "pace", "--mib", "4"])?;
    rebalance(cluster)?;
    let copied = || Ok(moved_bytes(cluster)? > 0.0);
    riquet_tests::client::wait_until("something is copied", copied)?;
    let victims = [name.as_str(), "toulouse-5", "gateway-toulouse"];
    cluster.kill(&victims)?;
    objects.verify(&cluster.s3(Site::Montpellier))?;
    cluster.start_again(&victims)?;
    cluster.operate(&["rebalance", "pace", "--mib", "1000"])?;
    await_rebalance(cluster)?;
    await_settled(cluster)?;
    // The newcomer counts: without others of the site, which it stands in for.
    cluster.kill_site(Site::Montpellier)?;
    cluster.kill(&["toulouse-3"])?;
    objects.verify(&cluster.s3(Site::Toulouse))
}

/// A rebalance is paused, goes on, and is given up: everything is where it was.
fn is_given_up(cluster: &Cluster) -> Result<(), Failed> {
    let objects = filled(cluster)?;
    let name = come(cluster, Site::Montpellier)?;
    cluster.operate(&["rebalance", "pace", "--mib", "2"])?;
    rebalance(cluster)?;
    cluster.operate(&["rebalance", "pause"])?;
    let status = asked(cluster, &["rebalance", "status"])?;
    if status["state"] != "paused" {
        return Err(format!("not paused: {status}").into());
    }
    cluster.operate(&["rebalance", "resume"])?;
    let copied = || Ok(moved_bytes(cluster)? > 0.0);
    riquet_tests::client::wait_until("something is copied", copied)?;
    cluster.operate(&["rebalance", "abort", "--yes"])?;
    cluster.operate(&["rebalance", "pace", "--mib", "1000"])?;
    await_rebalance(cluster)?;
    let nodes = asked(cluster, &["node", "list"])?;
    let nodes = nodes.as_array().ok_or("no nodes")?;
    let newcomer = nodes.iter().find(|node| node["name"] == name.as_str());
    let newcomer = newcomer.ok_or("the newcomer is gone")?;
    if newcomer["slots"] != 0 {
        return Err(format!("it kept something: {newcomer}").into());
    }
    await_settled(cluster)?;
    objects.verify(&cluster.s3(Site::Montpellier))
}

/// A node that does not come back is emptied all the same: what it had is made of other shards.
fn a_dead_node_is_replaced(cluster: &Cluster) -> Result<(), Failed> {
    let mut objects = filled(cluster)?;
    come(cluster, Site::Toulouse)?;
    cluster.kill(&["toulouse-6"])?;
    // What is written meanwhile is owed to it, and in the end to whoever comes after it.
    objects.put_all_shapes(&cluster.s3(Site::Montpellier), "owed", 2)?;
    cluster.operate(&["node", "drain", "toulouse-6"])?;
    let plan = rebalance(cluster)?;
    if plan["silent_disks"].as_array().is_none_or(Vec::is_empty) {
        return Err(format!("the plan knows of no silent disk: {plan}").into());
    }
    await_rebalance(cluster)?;
    cluster.operate(&["node", "remove", "toulouse-6", "--yes"])?;
    cluster.remove_node("toulouse-6")?;
    await_settled(cluster)?;
    riquet_tests::client::wait_until("nothing is owed to anybody", || {
        let status = asked(cluster, &["status"])?;
        Ok(status["risk"]["owed_shards"] == 0)
    })?;
    // As many may be lost as ever.
    cluster.kill_site(Site::Montpellier)?;
    cluster.kill(&["toulouse-4", "toulouse-5"])?;
    objects.verify(&cluster.s3(Site::Toulouse))
}

/// Every process is restarted in turn, as for an upgrade, and no client sees an error.
fn everything_restarts(cluster: &Cluster) -> Result<(), Failed> {
    let objects = filled(cluster)?;
    let names: Vec<String> = cluster.pids()?.into_keys().collect();
    let (gateways, nodes): (Vec<_>, Vec<_>) = names
        .into_iter()
        .partition(|name| name.starts_with("gateway-"));
    under_clients(cluster, &objects, || {
        for node in &nodes {
            if node != "arbiter" {
                cluster.operate(&["node", "maintenance", node])?;
            }
            cluster.restart(&[node])?;
            if node != "arbiter" {
                cluster.operate(&["node", "maintenance", node, "--end"])?;
            }
        }
        Ok(())
    })?;
    // A client is of one gateway, and is told by its connection's end; those of the other see nothing.
    for gateway in &gateways {
        cluster.restart(&[gateway])?;
    }
    await_settled(cluster)?;
    objects.verify(&cluster.s3(Site::Toulouse))
}

/// What can't be is refused in words, and nothing is changed.
fn nonsense_changes_nothing(cluster: &Cluster) -> Result<(), Failed> {
    let before = asked(cluster, &["layout", "show"])?;
    let disks = before["disks"].as_array().ok_or("no disks")?;
    let disk = disks[0]["id"].as_str().ok_or("a disk without id")?;
    let stranger = "00000000-0000-0000-0000-0000000000ff";
    let (name, address) = cluster.add_node(Site::Toulouse)?;
    let cases: &[(&[&str], &str)] = &[
        (&["node", "drain", "nobody"], "no node nobody"),
        (&["node", "drain", "toulouse-1"], "would be left"),
        (&["node", "undrain", "toulouse-1"], "not being drained"),
        (&["node", "remove", "toulouse-1", "--yes"], "still holds"),
        (&["node", "remove", "nobody", "--yes"], "no node nobody"),
        (&["node", "weight", "toulouse-1", "0"], "0"),
        (&["node", "maintenance", "nobody"], "no node nobody"),
        (
            &["node", "maintenance", "toulouse-1", "--end"],
            "not in maintenance",
        ),
        (
            &[
                "node",
                "add",
                "toulouse-1",
                "--site",
                "toulouse",
                "--address",
                &address,
            ],
            "toulouse-1",
        ),
        (
            &[
                "node",
                "add",
                &name,
                "--site",
                "paris",
                "--address",
                &address,
            ],
            "paris",
        ),
        (
            &[
                "node",
                "add",
                "other",
                "--site",
                "toulouse",
                "--address",
                &address,
            ],
            "not node other",
        ),
        (
            &[
                "node",
                "add",
                "gone",
                "--site",
                "toulouse",
                "--address",
                "127.0.0.1:1",
            ],
            "does not answer",
        ),
        (&["disk", "drain", stranger], "no disk"),
        (&["disk", "drain", disk], "would be left"),
        (&["disk", "remove", disk, "--yes"], "still holds"),
        (&["disk", "weight", disk, "0"], "0"),
        (&["disk", "weight", disk, "-1"], "-1"),
        (&["disk", "replace", disk, stranger, "--yes"], "no disk"),
        (
            &["disk", "replace", disk, disk, "--yes"],
            "slots of its own",
        ),
        (&["rebalance", "apply", "--yes"], "nothing to move"),
        (&["rebalance", "resume"], "already"),
        (&["rebalance", "abort", "--yes"], "no rebalance"),
        (&["rebalance", "pace", "--window", "8-9=1"], "HH:MM"),
        (&["layout", "history", "--limit", "many"], "many"),
    ];
    for (command, words) in cases {
        let said = cluster.refused(command)?;
        if !said.contains(words) {
            return Err(format!("{command:?} was refused otherwise: {said}").into());
        }
    }
    let after = asked(cluster, &["layout", "show"])?;
    if after["epoch"] != before["epoch"] {
        return Err(format!("the layout has changed: {}", after["change"]).into());
    }
    // A plan is good for the layout that it was made for.
    let site = Site::Toulouse.name();
    cluster.operate(&["node", "add", &name, "--site", site, "--address", &address])?;
    let file = cluster.dir().join("plan.json");
    let file = file.to_string_lossy();
    cluster.operate(&["rebalance", "plan", "--out", &file])?;
    cluster.operate(&["node", "weight", "toulouse-2", "3"])?;
    let said = cluster.refused(&["rebalance", "apply", "--plan", &file, "--yes"])?;
    match said.contains("plan anew") {
        true => Ok(()),
        false => Err(format!("an old plan was refused otherwise: {said}").into()),
    }
}
