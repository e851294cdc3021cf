//! `riquet dev up`: makes a cluster or restarts it, and waits until it serves.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use super::bootstrap;
use super::config;
use super::credentials::Keychain;
use super::environment;
use super::folder::Folder;
use super::kms;
use super::lifecycle::{self, Started};
use super::partition;
use super::ports;
use super::topology::{Choices, Member, ProfileShape, Role, Topology};
use crate::cli::UpArgs;
use crate::error::Error;
use crate::files::{self, Readers};
use riquet_cluster::clock::now_ms;
use riquet_cluster::keyring::KeyRing;

/// Port of Toulouse's gateway unless another is asked for.
const DEFAULT_PORT: u16 = 9000;

/// Storage nodes at each site unless another number is asked for.
const DEFAULT_NODES_PER_SITE: u16 = 6;

/// Runs the command.
pub(crate) async fn run(dir: &Path, options: &UpArgs) -> Result<(), Error> {
    let mut interrupts = Interrupts::listen()?;
    let folder = Folder::create(dir)?;
    let lock = folder.lock()?;
    let topology = load_or_create(&folder, dir, options)?;
    let keys = write_configuration(&folder, &topology)?;
    let mut started = Vec::new();
    let outcome = tokio::select! {
        outcome = bring_up(&folder, &topology, &keys, &mut started) => outcome,
        () = interrupts.next() => Err(Error::Interrupted),
    };
    if let Err(error) = outcome {
        lifecycle::abandon(&folder, started)?;
        return Err(error);
    }
    drop(lock);
    print!("{}", environment::greeting(&folder, &topology));
    if options.detach {
        return Ok(());
    }
    println!("\nCtrl-C here stops the cluster; its data stays.");
    tokio::select! {
        outcome = lifecycle::follow(&folder, &topology, started) => outcome,
        () = interrupts.next() => {
            println!("\nStopping.");
            let _lock = folder.lock()?;
            lifecycle::stop_all(&folder, &topology).await
        }
    }
}

/// Starts what doesn't run: the nodes, then, once the cluster exists in the metadata, the gateways.
async fn bring_up<'a>(
    folder: &Folder,
    topology: &'a Topology,
    keys: &Keychain,
    started: &mut Vec<Started<'a>>,
) -> Result<(), Error> {
    // A taken port of a gateway is found before anything starts.
    for gateway in topology.with_role(Role::Gateway) {
        if folder.running(&gateway.name)?.is_none() && !ports::is_free(&gateway.address) {
            return Err(Error::PortTaken {
                name: gateway.name.clone(),
                address: gateway.address.clone(),
            });
        }
    }
    let (gateways, nodes): (Vec<&Member>, Vec<&Member>) = topology
        .members
        .iter()
        .partition(|m| m.role == Role::Gateway);
    started.extend(lifecycle::spawn(folder, nodes.iter().copied())?);
    lifecycle::wait_ready(folder, nodes, started, &keys.main).await?;
    let ring = KeyRing::load(&folder.key_file())?;
    bootstrap::run(topology, keys, &ring).await?;
    started.extend(lifecycle::spawn(folder, gateways.iter().copied())?);
    lifecycle::wait_ready(folder, gateways, started, &keys.main).await
}

/// The folder's topology, or a new one as the options ask.
fn load_or_create(folder: &Folder, dir: &Path, options: &UpArgs) -> Result<Topology, Error> {
    if let Some(topology) = folder.topology()? {
        check_unchanged(dir, options, &topology)?;
        return Ok(topology);
    }
    let choices = Choices {
        profile: options.profile.unwrap_or_default(),
        port: options.port.unwrap_or(DEFAULT_PORT),
        nodes_per_site: options.nodes_per_site.unwrap_or(DEFAULT_NODES_PER_SITE),
        has_arbiter: !options.without_arbiter,
        lifecycle_day_seconds: options.lifecycle_day_seconds,
    };
    let internal = ports::free_ports(
        choices.internal_ports(),
        &[choices.port, choices.port.saturating_add(1)],
    )?;
    let topology = Topology::new(choices, &internal, now_ms(), || {
        uuid::Uuid::new_v4().as_u128()
    });
    // A cluster that could never work is refused before its folder is marked as one.
    topology.layout()?;
    for gateway in topology.with_role(Role::Gateway) {
        if !ports::is_free(&gateway.address) {
            return Err(Error::PortTaken {
                name: gateway.name.clone(),
                address: gateway.address.clone(),
            });
        }
    }
    let text = toml::to_string(&topology).expect("a topology holds only text and numbers");
    files::replace(&folder.topology_file(), &text, Readers::Anyone)?;
    Ok(topology)
}

/// That options given for an existing cluster agree with it.
fn check_unchanged(dir: &Path, options: &UpArgs, topology: &Topology) -> Result<(), Error> {
    let fixed = |what, present: String| Error::FixedAtCreation {
        dir: dir.to_owned(),
        what,
        present,
    };
    if options.port.is_some_and(|port| port != topology.port) {
        return Err(fixed("--port", topology.port.to_string()));
    }
    let nodes = options.nodes_per_site;
    if nodes.is_some_and(|nodes| nodes != topology.nodes_per_site) {
        return Err(fixed(
            "--nodes-per-site",
            topology.nodes_per_site.to_string(),
        ));
    }
    if options.without_arbiter && topology.has_arbiter() {
        return Err(fixed("an arbiter", String::new()));
    }
    let day = options.lifecycle_day_seconds;
    if day.is_some() && day != topology.lifecycle_day_seconds {
        let present = topology.lifecycle_day_seconds;
        let present = present.map_or_else(|| "none".to_owned(), |day| day.to_string());
        return Err(fixed("--lifecycle-day-seconds", present));
    }
    let profile: Option<ProfileShape> = options.profile;
    if profile.is_some_and(|profile| profile != topology.profile) {
        return Err(fixed("--profile", topology.profile.to_string()));
    }
    Ok(())
}

/// Writes every file that follows from the topology. They are rewritten at each start, so that a
/// folder works again after it was moved.
pub(crate) fn write_configuration(folder: &Folder, topology: &Topology) -> Result<Keychain, Error> {
    let keys = Keychain::load_or_create(&folder.credentials_file())?;
    let key_file = folder.key_file();
    if !key_file.exists() {
        files::replace(&key_file, &KeyRing::fresh_file("1"), Readers::Owner)?;
    }
    kms::create(&folder.kms_file())?;
    for member in &topology.members {
        let disks = member.disks.iter().map(|disk| &*disk.path);
        for sub in disks.chain([Path::new("")]) {
            let path = folder.data_dir(&member.name).join(sub);
            std::fs::create_dir_all(&path).map_err(Error::file("create", path))?;
        }
        let text = config::render(folder, topology, member);
        files::replace(&folder.config_file(&member.name), &text, Readers::Anyone)?;
    }
    partition::write_addresses(folder, topology)?;
    environment::write(folder, topology, &keys)?;
    Ok(keys)
}

/// The signals that ask this command to end.
struct Interrupts {
    signals: Vec<tokio::signal::unix::Signal>,
}

impl Interrupts {
    fn listen() -> Result<Self, Error> {
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        let signals = kinds
            .into_iter()
            .map(signal)
            .collect::<Result<_, _>>()
            .map_err(Error::Runtime)?;
        Ok(Self { signals })
    }

    /// Waits for any of them.
    async fn next(&mut self) {
        let waits = self.signals.iter_mut().map(|s| Box::pin(s.recv()));
        futures_util::future::select_all(waits).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn options(port: Option<u16>) -> UpArgs {
        UpArgs {
            port,
            nodes_per_site: Some(2),
            profile: None,
            without_arbiter: false,
            lifecycle_day_seconds: None,
            detach: true,
        }
    }

    #[test]
    fn a_second_up_finds_the_same_cluster_and_key() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(dir.path()).unwrap();
        let port = ports::free_ports(1, &[]).unwrap()[0];
        let first = load_or_create(&folder, dir.path(), &options(Some(port))).unwrap();
        let key = write_configuration(&folder, &first).unwrap();
        let again = load_or_create(&folder, dir.path(), &options(None)).unwrap();
        assert_eq!(first, again);
        assert!(key == write_configuration(&folder, &again).unwrap());
        assert!(folder.config_file("gateway-montpellier").is_file());
        assert!(folder.data_dir("toulouse-2").join("disk-2").is_dir());
        let error = load_or_create(&folder, dir.path(), &options(Some(port + 1))).unwrap_err();
        assert!(
            matches!(error, Error::FixedAtCreation { what: "--port", .. }),
            "{error}"
        );
    }

    #[test]
    fn a_taken_port_is_refused_before_anything_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(dir.path()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = load_or_create(&folder, dir.path(), &options(Some(port))).unwrap_err();
        assert!(matches!(error, Error::PortTaken { .. }), "{error}");
        assert!(!folder.topology_file().exists());
    }
}
