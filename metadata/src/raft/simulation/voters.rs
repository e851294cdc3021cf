//! Five voters that crash and come back, and what is asked of them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use openraft::async_runtime::WatchReceiver;
use riquet_cluster::transport::Transport;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::dice;
use super::disk::Platter;
use super::network::{Dialer, Network, Place};
use super::record::Record;
use crate::ReplicaError;
use crate::codec::Record as _;
use crate::command::Proposal;
use crate::id::GroupId;
use crate::raft::log::LogStore;
use crate::raft::state::GroupState;
use crate::raft::{RaftHost, RaftService, Voter};
use crate::rocks::Shared;
use crate::store::scan;

/// The group that is simulated.
pub(super) const GROUP: GroupId = GroupId(1);
/// The sites of voters 1 to 5; none: the arbiter.
pub(super) const SITES: [Option<&str>; 5] = [Some("t"), Some("t"), Some("m"), Some("m"), None];
/// How often voters are looked at, ms.
const LOOK_MS: u64 = 20;
/// How long a client waits for an answer, ms.
const CALL_MS: u64 = 3_000;

/// All there is in a simulation.
pub(super) struct World {
    pub(super) network: Arc<Network>,
    pub(super) record: Record,
    folder: PathBuf,
    shared: Arc<Shared>,
    voters: Vec<Voter>,
    platters: Vec<Arc<Platter>>,
    running: Mutex<Vec<Option<Run>>>,
    /// Runs begun, ended ones too.
    runs: Mutex<u64>,
    had_faults: AtomicBool,
}

/// A voter from its start to its crash.
#[derive(Clone)]
struct Run {
    host: Arc<RaftHost>,
    state: Arc<GroupState>,
    folder: PathBuf,
    end: watch::Sender<bool>,
}

/// All files in a folder, with their sizes.
fn files(folder: &Path) -> io::Result<BTreeMap<PathBuf, u64>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => files.extend(self::files(&entry.path())?),
            false => drop(files.insert(entry.path(), entry.metadata()?.len())),
        }
    }
    Ok(files)
}

fn copy(files: &BTreeMap<PathBuf, u64>, from: &Path, to: &Path) -> io::Result<()> {
    for file in files.keys() {
        let copied = to.join(file.strip_prefix(from).map_err(io::Error::other)?);
        std::fs::create_dir_all(copied.parent().unwrap_or(to))?;
        std::fs::copy(file, copied)?;
    }
    Ok(())
}

/// Copies a folder as it is at some moment. The database may be tidying up in it.
fn copy_folder(from: &Path, to: &Path) {
    let tried = || {
        let found = files(from)?;
        copy(&found, from, to)?;
        io::Result::Ok(files(from)? == found)
    };
    for _ in 0..1000 {
        if tried().is_ok_and(|is_still_so| is_still_so) {
            return;
        }
        let _ = std::fs::remove_dir_all(to);
    }
    panic!("{} never stays as it is", from.display());
}

impl World {
    pub(super) fn new(folder: PathBuf) -> Arc<Self> {
        let voters = (1..).zip(SITES).map(|(id, site)| Voter {
            id,
            endpoint: format!("voter-{id}:1"),
            site: site.map(str::to_owned),
            folder: None,
        });
        Arc::new(Self {
            network: Network::new(),
            record: Record::new(),
            shared: Arc::new(Shared::new(&folder)),
            folder,
            voters: voters.collect(),
            platters: SITES.map(|_| Arc::default()).to_vec(),
            running: Mutex::new(vec![None; SITES.len()]),
            runs: Mutex::new(0),
            had_faults: AtomicBool::new(false),
        })
    }

    fn run(&self, voter: Place) -> Option<Run> {
        self.running.lock().unwrap()[voter as usize - 1].clone()
    }

    pub(super) fn is_running(&self, voter: Place) -> bool {
        self.run(voter).is_some()
    }

    fn fresh_folder(&self) -> PathBuf {
        let mut runs = self.runs.lock().unwrap();
        *runs += 1;
        self.folder.join(runs.to_string())
    }

    /// Starts a voter with what its crash left of its records, if anything.
    pub(super) async fn start(&self, voter: Place, left: Option<PathBuf>) {
        self.record.note(format_args!("voter {voter} starts"));
        let (end, life) = watch::channel(false);
        let platter = &self.platters[voter as usize - 1];
        let (store, mut syncer) = LogStore::on(platter.mount());
        tokio::spawn(async move {
            while let Some(first) = syncer.next().await {
                let slow_ms = if dice::one_in(40) {
                    dice::below(300)
                } else {
                    0
                };
                tokio::time::sleep(Duration::from_micros(
                    200 + dice::below(4_000) + slow_ms * 1000,
                ))
                .await;
                syncer.sync_for(first);
            }
        });
        let folder = left.unwrap_or_else(|| self.fresh_folder());
        let state = GroupState::open(GROUP, folder.clone(), self.shared.clone()).unwrap();
        let transport = Transport::new(Arc::new(Dialer {
            network: self.network.clone(),
            from: voter,
            life: life.clone(),
        }));
        let opened = vec![(GROUP, Arc::new(store).of(GROUP), state.clone())];
        let own = self.voters[voter as usize - 1].clone();
        let host = RaftHost::begin(opened, own, &self.voters, transport);
        let host = host.await.unwrap();
        let service = RaftService::new(host.clone());
        let mut arrivals = self.network.listen(voter, life.clone());
        tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Some(stream) = arrivals.recv().await {
                let service = service.clone();
                let answer = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let service = service.clone();
                    async move { Ok::<_, Infallible>(service.handle(request).await) }
                });
                let server = hyper::server::conn::http1::Builder::new();
                connections.spawn(server.serve_connection(TokioIo::new(stream), answer));
            }
        });
        let run = Run {
            host,
            state,
            folder,
            end,
        };
        self.running.lock().unwrap()[voter as usize - 1] = Some(run);
    }

    /// Ends a voter between two moments: its calls, some of what it has not synced, and what
    /// of its records was not written. What was, is in the folder returned.
    pub(super) fn crash(&self, voter: Place) -> Option<PathBuf> {
        let run = self.running.lock().unwrap()[voter as usize - 1].take()?;
        self.fault(format_args!("voter {voter} crashes"));
        run.end.send_replace(true);
        self.platters[voter as usize - 1].crash(dice::below(101) as usize);
        if dice::one_in(3) {
            // Has all that is in memory written.
            let state = run.state.store();
            state.checkpoint(&self.fresh_folder()).unwrap();
        }
        let left = self.fresh_folder();
        copy_folder(&run.folder, &left);
        // For itself it goes on, unheard, until its tasks have ended.
        tokio::spawn(async move { run.host.shutdown().await });
        Some(left)
    }

    /// Asks a voter, as a client does that is somewhere else. None: no answer, or none that says
    /// what became of the request.
    pub(super) async fn ask<T, F>(
        &self,
        client: Place,
        voter: Place,
        ask: impl FnOnce(Arc<RaftHost>) -> F,
    ) -> Option<Result<T, ReplicaError>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ReplicaError>> + Send + 'static,
    {
        self.network.travel().await;
        let run = self.run(voter)?;
        if self.network.is_cut(client, voter) {
            return None;
        }
        // The voter goes on when the client no longer waits.
        let answer = tokio::spawn(ask(run.host));
        let answer = tokio::time::timeout(Duration::from_millis(CALL_MS), answer).await;
        let answer = answer.ok()?.ok()?;
        let has_left = !*run.end.borrow() && !self.network.is_cut(voter, client);
        self.network.travel().await;
        has_left.then_some(answer)
    }

    /// The number of a voter by where its calls go.
    pub(super) fn number_of(&self, endpoint: &str) -> Option<Place> {
        let voter = self.voters.iter().find(|voter| voter.endpoint == endpoint);
        voter.map(|voter| voter.id)
    }

    /// Whether a host is the voter's present run.
    pub(super) fn runs_as(&self, voter: Place, host: &Arc<RaftHost>) -> bool {
        self.run(voter)
            .is_some_and(|run| Arc::ptr_eq(&run.host, host))
    }

    /// Has no site lost, nor both voters of different sites, take a decided proposal with it: a
    /// majority holds it, through a crash. As long as there were no faults, both sites do.
    pub(super) fn check_held(&self, proposal: &Proposal) {
        let bytes = proposal.to_bytes();
        let held: Vec<bool> = self.platters.iter().map(|it| it.keeps(&bytes)).collect();
        let count = held.iter().filter(|held| **held).count();
        let by_both = (held[0] || held[1]) && (held[2] || held[3]);
        if 2 * count <= SITES.len() || !(by_both || self.had_faults.load(Ordering::Relaxed)) {
            self.record
                .mistake(format!("told with copies at {held:?} only"));
        }
    }

    /// Says that the network or a voter failed.
    pub(super) fn fault(&self, what: impl fmt::Display) {
        self.had_faults.store(true, Ordering::Relaxed);
        self.record.note(what);
    }

    /// Notes what voters apply and who leads, as long as the simulation lasts.
    pub(super) async fn watch(self: Arc<Self>) {
        let mut looked = vec![(0, 0); SITES.len()];
        loop {
            for voter in 1..=SITES.len() as u64 {
                let looked = &mut looked[voter as usize - 1];
                let Some(run) = self.run(voter) else {
                    looked.1 = 0;
                    continue;
                };
                let metrics = run.host.slot(GROUP).unwrap().raft().metrics();
                let metrics = metrics.borrow_watched().clone();
                if metrics.current_leader == Some(voter) && looked.0 < metrics.current_term {
                    looked.0 = metrics.current_term;
                    self.record.note(format_args!(
                        "voter {voter} leads in {}",
                        metrics.current_term
                    ));
                }
                let applied = *run.state.applied().borrow();
                for index in looked.1..applied {
                    let group = GROUP.0.to_be_bytes();
                    let key = [&[1], &group[..], &index.to_be_bytes()].concat();
                    // Records may be ahead of what a crash left of the log.
                    if let Some(entry) = self.platters[voter as usize - 1].get(&key) {
                        self.record.applied(voter, index, entry);
                    }
                }
                looked.1 = looked.1.max(applied);
            }
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        }
    }

    /// Whether all voters run and have the same records.
    pub(super) fn agree(&self) -> bool {
        let records = (1..=SITES.len() as u64).map(|voter| {
            let store = self.run(voter)?.state.store();
            scan(&store.view(), &[], &[0xff], usize::MAX).ok()
        });
        let records: Vec<_> = records.collect();
        records[0].is_some() && records.iter().all(|other| *other == records[0])
    }

    /// Ends all voters in good order.
    pub(super) async fn stop(&self) {
        for voter in 1..=SITES.len() as u64 {
            if let Some(run) = self.run(voter) {
                run.host.shutdown().await;
            }
        }
    }
}
