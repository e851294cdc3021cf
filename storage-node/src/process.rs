//! The process: settings, disks, metadata groups, server, and a stop in good order.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use riquet_cluster::failpoint;
use riquet_cluster::telemetry::metrics::{Exporter, note_build};
use riquet_cluster::telemetry::traces::Service;
use riquet_cluster::transport::partition::PartitionedDialer;
use riquet_cluster::transport::{TcpDialer, Transport};
use riquet_metadata::client::HttpCaller;
use riquet_metadata::raft::{RaftHost, RaftService, Voter};
use riquet_metadata::tablets::{Balancer, Policy};
use riquet_metadata::telemetry::{CLIENT, METRICS as VOTER};
use riquet_metadata::{Client, GroupId, MetadataService};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::background;
use crate::config::{DiskSettings, Flags, Role, Settings, VoterSettings};
use crate::debts;
use crate::error::{Error, IoContext};
use crate::load::Load;
use crate::repair::Tally;
use crate::server::{DiskSlot, Metadata, Node, NodeLayout, Traffic, serve};
use crate::store::{
    Env, FaultyEnv, MeasuredEnv, OsEnv, ShardStore, StoreOptions, THREADS_PER_DISK,
};
use crate::telemetry::METRICS;
use crate::upkeep::Upkeep;

/// Exit code of a node whose settings no second try would change. Its unit knows it.
const SETTINGS_REFUSED: u8 = 2;

/// Threads for blocking work that no disk's shards need: metadata, above all.
const OTHER_THREADS: usize = 32;

/// Bounds of a segment file's default length.
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = 64 << 20..=1 << 30;

/// Runs a storage node from its command line until it is told to stop.
pub fn main() -> ExitCode {
    let settings = Settings::load(&Flags::parse());
    let service = settings.as_ref().ok().map(|settings| Service {
        program: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        name: &settings.name,
        site: &settings.site,
    });
    // Of peers that are away openraft warns several times a second; metrics and alerts tell of them.
    let traces = riquet_cluster::telemetry::start("info,openraft=error", service.as_ref());
    failpoint::arm();
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => {
            tracing::error!(%error, "settings refused");
            return ExitCode::from(SETTINGS_REFUSED);
        }
    };
    let serve = || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .max_blocking_threads(OTHER_THREADS + settings.disks.len() * THREADS_PER_DISK)
            .build()
            .doing("start the runtime")?;
        runtime.block_on(run(settings))
    };
    let done = serve();
    traces.stop();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "storage node ends");
            ExitCode::FAILURE
        }
    }
}

/// Runs a storage node until SIGTERM or SIGINT.
///
/// # Errors
/// [`Error::Io`] if the address can't be served; [`Error::Metadata`] if the metadata groups can't
/// be opened. A disk that can't be opened is reported and left out of service.
pub async fn run(settings: Settings) -> Result<(), Error> {
    raise_file_limit();
    let mut terminate = signal(SignalKind::terminate()).doing("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).doing("listen for SIGINT")?;
    // Before the disks and groups, which hold on to what they count.
    let metrics = Exporter::install(&[METRICS, VOTER, CLIENT])
        .map_err(|error| Error::Settings(format!("metrics: {error}")))?;
    let (name, site) = (&settings.name, &settings.site);
    note_build("storage-node", name, site, env!("CARGO_PKG_VERSION"));
    let listener = TcpListener::bind(&settings.listen)
        .await
        .doing("bind the address")?;
    let address = listener.local_addr().doing("ask for the bound address")?;
    let transport = transport(&settings)?;
    let client = Client::new(transport.clone(), settings.metadata.clone());
    let host = open_metadata(&settings, transport.clone()).await?;
    let opened = tokio::task::spawn_blocking(move || (open_disks(&settings), settings));
    let (disks, settings) = opened.await.map_err(|_| Error::Stopped)?;
    let balancer = host.as_ref().map(|host| balance(host, client.clone()));
    let metadata = host.as_ref().map(|host| Metadata {
        service: MetadataService::relaying(
            host.clone(),
            Arc::new(HttpCaller::new(transport.clone())),
        ),
        raft: RaftService::new(host.clone()),
    });
    let name = settings.name.clone();
    let layout = NodeLayout::default();
    let upkeep = disks.keys().map(|disk| (*disk, Upkeep::default()));
    let tolerated = Duration::from_millis(settings.tolerated_wait_ms.max(1));
    let node = Arc::new(Node {
        traffic: Arc::new(Traffic::of(&settings.site)),
        load: Arc::new(Load::new(tolerated)),
        settings,
        upkeep: upkeep.collect(),
        repaired: Tally::default(),
        disks,
        layout,
        transport: transport.clone(),
        metadata,
        metrics,
    });
    let mut work = background::start(&node, &client, &transport, host.as_ref());
    work.spawn(Arc::clone(&node.traffic).sample());
    if let Some(host) = &host {
        work.spawn(debts::count(client.clone(), Arc::clone(host)));
    }
    let follower = tokio::spawn({
        let node = Arc::clone(&node);
        async move { node.layout.follow(client).await }
    });
    tracing::info!(name, %address, "storage node serves");
    let leaving = host.clone();
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        // A voter follows the layout from itself: its own long poll would keep the server open.
        follower.abort();
        work.abort_all();
        if let Some(balancer) = balancer {
            balancer.abort();
        }
        if let Some(metadata) = &node.metadata {
            metadata.service.end_waiting();
        }
        if let Some(host) = &host {
            // While others can still be reached.
            host.step_down().await;
        }
    };
    serve(Arc::clone(&node), listener, stop).await;
    if let Some(host) = leaving {
        host.shutdown().await;
    }
    close_disks(&node).await;
    Ok(())
}

/// Each segment is an open file, and so are the index's tables.
fn raise_file_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    ) {
        tracing::warn!(%error, "the limit of open files stays");
    }
}

fn transport(settings: &Settings) -> Result<Transport, Error> {
    let Some(path) = &settings.fault_file else {
        return Ok(Transport::tcp().at_site(&settings.site));
    };
    let dialer = PartitionedDialer::watch(Arc::new(TcpDialer), settings.site.clone(), path.clone())
        .doing("read the partition file")?;
    Ok(Transport::new(Arc::new(dialer)).at_site(&settings.site))
}

async fn open_metadata(
    settings: &Settings,
    transport: Transport,
) -> Result<Option<Arc<RaftHost>>, Error> {
    let Some(own) = settings.own_voter().filter(|_| settings.has(Role::Meta)) else {
        return Ok(None);
    };
    let voter = |voter: &VoterSettings| Voter {
        id: voter.id,
        endpoint: voter.endpoint.clone(),
        site: voter.site.clone(),
        folder: None,
    };
    let (own, voters): (_, Vec<Voter>) = (voter(own), settings.voters.iter().map(voter).collect());
    let folder = settings.data_dir.join("meta");
    let host = RaftHost::open(&folder, own, &voters, settings.key_groups, transport).await;
    host.map(Some).doing("open the metadata groups")
}

/// Splits and moves tablets while this node leads the control group.
fn balance(host: &Arc<RaftHost>, client: Client) -> tokio::task::JoinHandle<()> {
    let host = Arc::clone(host);
    let balancer = Balancer::new(client, Policy::default());
    tokio::spawn(async move { balancer.run(move || host.leads(GroupId::SYSTEM)).await })
}

fn open_disks(settings: &Settings) -> BTreeMap<riquet_cluster::id::DiskId, DiskSlot> {
    if !settings.has(Role::Data) {
        return BTreeMap::new();
    }
    let open = |disk: &DiskSettings| match open_disk(settings, disk) {
        Ok(store) => (disk.id, DiskSlot::Open(Arc::new(store))),
        Err(error) => {
            let path = disk.path.display();
            tracing::error!(%error, %path, disk = %disk.id, "disk not in service");
            (disk.id, DiskSlot::Refused(error.to_string()))
        }
    };
    // Side by side: each may have a recovery to do.
    std::thread::scope(|scope| {
        let opening: Vec<_> = settings
            .disks
            .iter()
            .map(|disk| scope.spawn(move || open(disk)))
            .collect();
        opening
            .into_iter()
            .map(|thread| thread.join().expect("opening does not panic"))
            .collect()
    })
}

fn open_disk(settings: &Settings, disk: &DiskSettings) -> Result<ShardStore, Error> {
    let env = OsEnv;
    env.create_dir(&disk.path)
        .doing("create the disk's folder")?;
    let options = StoreOptions {
        segment_bytes: settings
            .segment_bytes
            .map_or_else(|| segment_bytes(&disk.path), Ok)?,
        write_buffer_bytes: settings.write_buffer_bytes,
        read_buffer_bytes: settings.read_buffer_bytes,
        ..StoreOptions::new(&disk.path, disk.id)
    };
    let env: Arc<dyn Env> = match &settings.disk_fault_file {
        None => Arc::new(env),
        Some(path) => {
            let faulty = FaultyEnv::watch(env, path.clone());
            Arc::new(faulty.doing("watch the disk's faults")?)
        }
    };
    ShardStore::open(Arc::new(MeasuredEnv::new(env, disk.id)), &options)
}

fn segment_bytes(path: &Path) -> Result<u64, Error> {
    let total_bytes = OsEnv
        .space(path)
        .doing("ask for the size of the disk")?
        .total_bytes;
    let bytes = (total_bytes / 1024).clamp(*SEGMENT_BYTES.start(), *SEGMENT_BYTES.end());
    Ok(bytes.next_multiple_of(1 << 20))
}

async fn close_disks(node: &Node) {
    for (id, slot) in &node.disks {
        if let DiskSlot::Open(store) = slot
            && let Err(error) = store.close().await
        {
            tracing::warn!(%error, disk = %id, "disk not closed in good order; it will be recovered");
        }
    }
}
