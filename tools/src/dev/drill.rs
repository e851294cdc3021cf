//! `riquet dev drill`: how long a leading voter's death is felt.
//!
//! Two clients write small objects, one through each gateway, one write after another. Again and
//! again the voter that leads their bucket's group is killed; what counts is the longest time
//! that a client waited, or had to try, for a write until the cluster is whole again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Method;
use riquet_cluster::transport::Transport;
use riquet_metadata::voters::{GroupView, VoterStatus};
use riquet_metadata::{Client, GroupId};
use serde::Serialize;
use tokio::sync::mpsc;

use super::config::REGION;
use super::credentials::Keychain;
use super::folder::Folder;
use super::lifecycle;
use super::topology::{ARBITER, DATA_SITES, Member, Topology};
use crate::cli::DrillArgs;
use crate::error::Error;
use crate::output;
use crate::s3::{self, Payload, Signer, UploadBody};

/// Bytes of the objects that are written.
const OBJECT_BYTES: u64 = 4096;
/// How many keys are written over and over.
const KEYS: u64 = 100;
/// Writes that each client must see succeed between two kills.
const WRITES_BETWEEN: usize = 100;
/// How often the voters are looked at while the cluster mends.
const LOOK_MS: u64 = 100;
/// How long the cluster may take to be whole again.
const MEND: Duration = Duration::from_secs(120);
/// A pause after a failed write.
const REST: Duration = Duration::from_millis(20);

#[derive(Debug, Serialize)]
struct Report {
    kills: usize,
    /// Of each kill: the longest time between two writes of a client that succeeded, ms.
    gaps_ms: Vec<u64>,
    median_gap_ms: u64,
    max_gap_ms: u64,
    writes: u64,
    /// Writes that were answered with an error, or not at all.
    failed: u64,
}

/// A write that ended: how long after the client's last success, and whether it succeeded.
struct Write {
    client: usize,
    ended: Instant,
    since_success: Duration,
    succeeded: bool,
}

/// Runs the command.
pub(crate) async fn run(
    folder: &Folder,
    topology: &Topology,
    args: &DrillArgs,
) -> Result<(), Error> {
    let credentials = Keychain::load_or_create(&folder.credentials_file())?.main;
    let signer = Signer::new(
        &credentials.access_key_id,
        &credentials.secret_access_key,
        REGION,
        Payload::Unsigned,
    );
    let client = Client::new(Transport::tcp(), topology.metadata(ARBITER));
    let name = format!("drill-{}", uuid::Uuid::new_v4().simple());
    let mut clients = Vec::new();
    for site in DATA_SITES {
        let endpoint = topology.endpoint(site).unwrap_or_default().parse()?;
        clients.push(s3::Client::new(endpoint, signer.clone()));
    }
    ask(&mut clients[0], Method::PUT, &format!("/{name}")).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, mut writes) = mpsc::unbounded_channel();
    let mut writers = Vec::new();
    for (number, s3) in clients.into_iter().enumerate() {
        let writer = write(number, s3, name.clone(), sender.clone(), stop.clone());
        writers.push(tokio::spawn(writer));
    }
    drop(sender);
    let mut report = Report {
        kills: usize::from(args.kills),
        gaps_ms: Vec::new(),
        median_gap_ms: 0,
        max_gap_ms: 0,
        writes: 0,
        failed: 0,
    };
    let mut outcome = Ok(());
    let bar = indicatif::ProgressBar::new(u64::from(args.kills));
    for _ in 0..args.kills {
        // Its tablet may have moved to another group.
        let bucket = client.bucket_now(&name).await;
        let group = bucket.map(|bucket| bucket.group_of(b""));
        outcome = match group {
            Ok(group) => {
                kill_once(folder, topology, &client, group, &mut writes, &mut report).await
            }
            Err(error) => Err(error.into()),
        };
        if outcome.is_err() {
            break;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        let mut s3 = writer.await.expect("writers don't panic");
        for key in 0..KEYS {
            let _ = ask(&mut s3, Method::DELETE, &path(&name, key)).await;
        }
        let _ = ask(&mut s3, Method::DELETE, &format!("/{name}")).await;
    }
    outcome?;
    print(&mut report, args.json);
    Ok(())
}

/// Kills the leader, and waits until everything is as it was.
async fn kill_once(
    folder: &Folder,
    topology: &Topology,
    client: &Client,
    group: GroupId,
    writes: &mut mpsc::UnboundedReceiver<Write>,
    report: &mut Report,
) -> Result<(), Error> {
    // Only what follows the kill belongs to it.
    while let Ok(write) = writes.try_recv() {
        note(report, &write);
    }
    let leader = leader(topology, client, group).await?;
    let killed = Instant::now();
    lifecycle::kill(folder, &[leader]).await?;
    let (mut longest, mut counts) = (Duration::ZERO, [0; DATA_SITES.len()]);
    while counts.iter().any(|&count| count < WRITES_BETWEEN) {
        let Some(write) = writes.recv().await else {
            break;
        };
        note(report, &write);
        if write.ended > killed && write.succeeded {
            longest = longest.max(write.since_success);
            counts[write.client] += 1;
        }
    }
    report.gaps_ms.push(longest.as_millis() as u64);
    lifecycle::start(folder, topology, &[leader]).await?;
    mended(topology, client, group).await
}

fn note(report: &mut Report, write: &Write) {
    report.writes += 1;
    report.failed += u64::from(!write.succeeded);
}

/// One client's writes until told to stop.
async fn write(
    number: usize,
    mut s3: s3::Client,
    bucket: String,
    writes: mpsc::UnboundedSender<Write>,
    stop: Arc<AtomicBool>,
) -> s3::Client {
    let data = Bytes::from(vec![0x5a; OBJECT_BYTES as usize]);
    let mut last_success = Instant::now();
    for key in (0..KEYS).cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let body = UploadBody::new(data.clone(), 0, OBJECT_BYTES);
        let succeeded = s3
            .call(Method::PUT, &path(&bucket, key), body)
            .await
            .is_ok();
        let ended = Instant::now();
        let write = Write {
            client: number,
            ended,
            since_success: ended - last_success,
            succeeded,
        };
        if writes.send(write).is_err() {
            break;
        }
        match succeeded {
            true => last_success = ended,
            false => tokio::time::sleep(REST).await,
        }
    }
    s3
}

fn path(bucket: &str, key: u64) -> String {
    format!("/{bucket}/{key:04}")
}

async fn ask(s3: &mut s3::Client, method: Method, path: &str) -> Result<(), Error> {
    let asked = s3.call(method.clone(), path, UploadBody::default()).await;
    asked.map(drop).map_err(|why| Error::S3 {
        operation: format!("{method} {path}"),
        why,
    })
}

async fn views(client: &Client, group: GroupId) -> Vec<(VoterStatus, GroupView)> {
    let asked = client.endpoints().iter().map(|e| client.voter_status(e));
    let answers = futures_util::future::join_all(asked).await;
    let own = |status: VoterStatus| {
        let view = status
            .groups
            .iter()
            .find(|view| view.group == group)?
            .clone();
        Some((status, view))
    };
    answers.into_iter().flatten().filter_map(own).collect()
}

/// Who leads the group.
async fn leader<'a>(
    topology: &'a Topology,
    client: &Client,
    group: GroupId,
) -> Result<&'a Member, Error> {
    let views = views(client, group).await;
    let leading = views
        .iter()
        .find(|(status, view)| view.leader == Some(status.voter.id));
    let id = leading.map(|(status, _)| status.voter.id);
    let member = topology.voters().find(|member| member.voter == id);
    member
        .filter(|_| id.is_some())
        .ok_or(Error::StillStopped { group: group.0 })
}

/// Waits until every voter answers, has what the others have, and agrees on who leads.
async fn mended(topology: &Topology, client: &Client, group: GroupId) -> Result<(), Error> {
    let since = Instant::now();
    let voters = topology.voters().count();
    while since.elapsed() < MEND {
        let before = views(client, group).await;
        let applied = before.iter().map(|(_, view)| view.applied).max();
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        let views = views(client, group).await;
        let first = views.first().and_then(|(_, view)| view.leader);
        let is_whole = views.len() == voters
            && first.is_some()
            && views
                .iter()
                .all(|(_, view)| view.leader == first && Some(view.applied) >= applied);
        if is_whole {
            return Ok(());
        }
    }
    Err(Error::StillStopped { group: group.0 })
}

fn print(report: &mut Report, json: bool) {
    let mut gaps = report.gaps_ms.clone();
    gaps.sort_unstable();
    report.median_gap_ms = gaps.get(gaps.len() / 2).copied().unwrap_or(0);
    report.max_gap_ms = gaps.last().copied().unwrap_or(0);
    if json {
        println!("{}", output::json(report));
        return;
    }
    let titles = ["kills", "median gap ms", "max gap ms", "writes", "failed"];
    let row = vec![
        report.kills.to_string(),
        report.median_gap_ms.to_string(),
        report.max_gap_ms.to_string(),
        report.writes.to_string(),
        report.failed.to_string(),
    ];
    println!("{}", output::table(&titles, &[row], 0));
}
