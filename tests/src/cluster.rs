//! Development clusters: started for a test, broken on purpose, stopped whatever happens.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use tempfile::TempDir;

use crate::client::{Run, outcome, run};
use crate::paths;
use crate::s3::S3;

/// The two data sites of a development cluster, in the order of their gateways' ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// The first site; its gateway listens on the first port.
    Toulouse,
    /// The second site; its gateway listens on the next port.
    Montpellier,
}

impl Site {
    /// Both sites.
    pub const ALL: [Self; 2] = [Self::Toulouse, Self::Montpellier];

    /// The name used in commands and in process names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Toulouse => "toulouse",
            Self::Montpellier => "montpellier",
        }
    }

    /// The site that is left when this one is lost.
    pub fn other(self) -> Self {
        match self {
            Self::Toulouse => Self::Montpellier,
            Self::Montpellier => Self::Toulouse,
        }
    }

    /// The name of the site's gateway process.
    pub fn gateway(self) -> String {
        format!("gateway-{}", self.name())
    }
}

/// Seconds that `riquet dev up` may take before the test gives up: start-up takes one or two,
/// a machine that compiles at the same time many more.
const UP_TIMEOUT_S: u64 = 120;
/// Seconds for every other `riquet dev` command.
const COMMAND_TIMEOUT_S: u64 = 60;
/// Seconds for an operator's command, which may go through all groups.
const OPERATION_TIMEOUT_S: u64 = 180;
/// What `riquet dev` says when another process listens on a port that it needs.
const TAKEN_PORT: [&str; 2] = ["is taken by another process", "Address already in use"];
/// How long a port may stay taken: longer than a trial on another cluster.
const PORT_WAIT: Duration = Duration::from_secs(60);
/// How often it is tried again.
const PORT_POLL: Duration = Duration::from_millis(500);

/// Held while a cluster starts.
static STARTING: Mutex<()> = Mutex::new(());

/// A running cluster of its own folder; stopped and removed on drop, also when its test panics.
/// After a failure its logs stay, and with `RIQUET_E2E_KEEP_DATA` set its data too.
#[derive(Debug)]
pub struct Cluster {
    folder: Option<TempDir>,
    dir: PathBuf,
    env: BTreeMap<String, String>,
    port: u16,
    /// What `riquet dev up` is told besides.
    options: Vec<String>,
    /// Variables of the processes.
    variables: BTreeMap<String, String>,
    /// Where the processes are to die: the variable `FAILPOINTS` of those that start from now on.
    failpoints: Mutex<Option<String>>,
    watchdog: Option<Child>,
    failed: Mutex<bool>,
}

impl Cluster {
    /// Starts a cluster with default settings in a fresh folder.
    ///
    /// # Errors
    /// When `riquet dev up` fails, with its output.
    pub fn start() -> Result<Self, Failed> {
        Self::start_as(&[])
    }

    /// Starts a cluster of another kind: `options` are those of `riquet dev up`.
    pub(crate) fn start_as(options: &[&str]) -> Result<Self, Failed> {
        Self::start_with(options, &[])
    }

    fn start_with(options: &[&str], variables: &[(&str, &str)]) -> Result<Self, Failed> {
        let riquet = paths::binary("riquet");
        if !riquet.is_file() {
            let hint = "build it with `make build`, or set RIQUET_BIN_DIR";
            return Err(format!("no {}: {hint}", riquet.display()).into());
        }
        // One at a time: ports are chosen when they are free, and taken a little later.
        let _turn = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = TempDir::with_prefix("riquet-e2e-")?;
        match Self::start_in(folder.path(), options, variables) {
            Ok(mut cluster) => {
                cluster.folder = Some(folder);
                Ok(cluster)
            }
            Err(error) => {
                let (error, kept) = (describe(error), folder.keep());
                Err(format!("{error}\nlogs are kept in {}", kept.display()).into())
            }
        }
    }

    fn start_in(
        folder: &Path,
        options: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Self, Failed> {
        let dir = folder.join("cluster");
        // Built before `up`, so that a cluster which starts only in part is stopped as well.
        let mut cluster = Self {
            folder: None,
            port: free_ports()?,
            options: options.iter().map(ToString::to_string).collect(),
            watchdog: Some(watch(&dir)?),
            env: BTreeMap::new(),
            variables: variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            failed: Mutex::new(false),
            failpoints: Mutex::default(),
            dir,
        };
        cluster.up()?;
        cluster.env = read_env(&cluster.dir.join("env"))?;
        Ok(cluster)
    }

    /// Starts a cluster, runs `test` on it, and keeps its folder when the test fails.
    ///
    /// # Errors
    /// The test's failure, with the place of the cluster's logs.
    pub fn with(test: impl FnOnce(&Self) -> Result<(), Failed>) -> Result<(), Failed> {
        Self::with_options(&[], test)
    }

    /// The same with a cluster of another kind: `options` are those of `riquet dev up`.
    ///
    /// # Errors
    /// The test's failure, with the place of the cluster's logs.
    pub fn with_options(
        options: &[&str],
        test: impl FnOnce(&Self) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        Self::start_as(options)?.try_out(test)
    }

    /// The same with a cluster whose processes have these variables.
    ///
    /// # Errors
    /// The test's failure, with the place of the cluster's logs.
    pub fn with_environment(
        variables: &[(&str, &str)],
        test: impl FnOnce(&Self) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        Self::start_with(&[], variables)?.try_out(test)
    }

    fn try_out(self, test: impl FnOnce(&Self) -> Result<(), Failed>) -> Result<(), Failed> {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&self)));
        self.keep_on_failure(outcome)
    }

    /// Notes whether a trial that used this cluster failed, and adds the place of its logs.
    ///
    /// # Errors
    /// The trial's failure or panic.
    pub fn keep_on_failure(
        &self,
        outcome: std::thread::Result<Result<(), Failed>>,
    ) -> Result<(), Failed> {
        let failure = match outcome {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(failure)) => describe(failure),
            Err(panic) => panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
                .unwrap_or_else(|| "a panic without a message".to_owned()),
        };
        self.set_failed(true);
        Err(format!("{failure}\nlogs are kept in {}", self.dir.display()).into())
    }

    fn set_failed(&self, failed: bool) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
    }

    /// The cluster's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The variables of `DIR/env`.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// The URL of a site's gateway.
    pub fn endpoint(&self, site: Site) -> String {
        format!("http://127.0.0.1:{}", self.gateway_port(site))
    }

    /// The port of a site's gateway.
    pub fn gateway_port(&self, site: Site) -> u16 {
        match site {
            Site::Toulouse => self.port,
            Site::Montpellier => self.port + 1,
        }
    }

    /// The port of the webhook `dev`, on which nobody listens but a test.
    pub fn webhook_port(&self) -> u16 {
        self.port + 2
    }

    /// A client of a site's gateway with the cluster's credentials.
    pub fn s3(&self, site: Site) -> S3 {
        let value = |name: &str| self.env.get(name).cloned().unwrap_or_default();
        S3::new(
            self.gateway_port(site),
            value("AWS_ACCESS_KEY_ID"),
            value("AWS_SECRET_ACCESS_KEY"),
            value("AWS_REGION"),
        )
    }

    /// `riquet dev up`: starts what does not run.
    ///
    /// # Errors
    /// When the command fails.
    pub fn up(&self) -> Result<(), Failed> {
        let port = self.port.to_string();
        let mut arguments = vec!["up", "--port", &port, "--detach"];
        arguments.extend(self.options.iter().map(String::as_str));
        self.dev_start(&arguments)
    }

    /// `riquet dev down`: stops everything in order.
    ///
    /// # Errors
    /// When the command fails.
    pub fn down(&self) -> Result<(), Failed> {
        self.dev(COMMAND_TIMEOUT_S, &["down"])?;
        Ok(())
    }

    /// SIGKILL for the named processes, all in one command.
    ///
    /// # Errors
    /// When the command fails.
    pub fn kill(&self, names: &[&str]) -> Result<(), Failed> {
        self.dev(COMMAND_TIMEOUT_S, &[&["kill"], names].concat())?;
        Ok(())
    }

    /// Starts the named processes again.
    ///
    /// # Errors
    /// When the command fails.
    pub fn start_again(&self, names: &[&str]) -> Result<(), Failed> {
        self.dev_start(&[&["start"], names].concat())
    }

    /// SIGKILL for a whole site, its gateway included.
    ///
    /// # Errors
    /// When the command fails.
    pub fn kill_site(&self, site: Site) -> Result<(), Failed> {
        self.kill(&["--site", site.name()])
    }

    /// Starts a whole site again.
    ///
    /// # Errors
    /// When the command fails.
    pub fn start_site(&self, site: Site) -> Result<(), Failed> {
        self.start_again(&["--site", site.name()])
    }

    /// SIGKILL for every process at once: a power cut at all sites.
    ///
    /// # Errors
    /// When the command fails.
    pub fn kill_everything(&self) -> Result<(), Failed> {
        let names: Vec<String> = self.pids()?.into_keys().collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.kill(&names)
    }

    /// Drops what a data site and the other send each other.
    ///
    /// # Errors
    /// When the command fails.
    pub fn partition(&self, site: Site) -> Result<(), Failed> {
        self.dev(COMMAND_TIMEOUT_S, &["partition", site.name()])?;
        Ok(())
    }

    /// Drops what a data site and all others, the arbiter's among them, send each other.
    ///
    /// # Errors
    /// When the command fails.
    pub fn isolate(&self, site: Site) -> Result<(), Failed> {
        let arguments = ["partition", site.name(), "--from-arbiter"];
        self.dev(COMMAND_TIMEOUT_S, &arguments)?;
        Ok(())
    }

    /// Undoes [`Self::partition`] and [`Self::isolate`].
    ///
    /// # Errors
    /// When the command fails.
    pub fn heal(&self, site: Site) -> Result<(), Failed> {
        self.dev(COMMAND_TIMEOUT_S, &["heal", site.name()])?;
        Ok(())
    }

    /// Where processes that start from now on are to die, as `FAILPOINTS` says it; none: nowhere.
    pub fn arm_failpoints(&self, points: Option<&str>) {
        let failpoints = self.failpoints.lock();
        *failpoints.unwrap_or_else(PoisonError::into_inner) = points.map(str::to_owned);
    }

    /// Lets the disks of a node fail in a way that `riquet dev disk` knows, or be `well` again.
    ///
    /// # Errors
    /// When the command fails.
    pub fn fail_disk(&self, node: &str, fault: &str) -> Result<(), Failed> {
        self.dev(COMMAND_TIMEOUT_S, &["disk", node, fault])?;
        Ok(())
    }

    /// Process ids by process name, from `DIR/pids`.
    ///
    /// # Errors
    /// When a file is unreadable.
    pub fn pids(&self) -> Result<BTreeMap<String, u32>, Failed> {
        let mut pids = BTreeMap::new();
        for entry in std::fs::read_dir(self.dir.join("pids"))? {
            let entry = entry?;
            let text = std::fs::read_to_string(entry.path())?;
            pids.insert(
                entry.file_name().to_string_lossy().into_owned(),
                text.trim().parse()?,
            );
        }
        Ok(pids)
    }

    /// The processes that vote on metadata, from `DIR/cluster.toml`.
    ///
    /// # Errors
    /// When the file is unreadable or names none.
    pub fn voters(&self) -> Result<Vec<String>, Failed> {
        let voters: Vec<String> = self
            .members()?
            .iter()
            .filter(|member| member.get("voter").is_some())
            .filter_map(|member| Some(text(member, "name")?.to_owned()))
            .collect();
        if voters.is_empty() {
            return Err("cluster.toml tells of no voters".into());
        }
        Ok(voters)
    }

    /// Sends a signal, by its name without SIG, to a process of the cluster.
    ///
    /// # Errors
    /// When the process is unknown or gone.
    pub fn signal(&self, name: &str, signal: &str) -> Result<(), Failed> {
        let pid = *self.pids()?.get(name).ok_or(format!("no process {name}"))?;
        run(
            &Run::new("kill").args(["-s", signal, &pid.to_string()]),
            COMMAND_TIMEOUT_S,
        )?;
        Ok(())
    }

    /// Whether a process of the cluster runs; not if it is dead and nobody has looked at it yet.
    ///
    /// # Errors
    /// When the process is unknown.
    pub fn is_running(&self, name: &str) -> Result<bool, Failed> {
        let pid = *self.pids()?.get(name).ok_or(format!("no process {name}"))?;
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
            return Ok(false);
        };
        // The state follows the name, which is in parentheses and may hold any of them.
        let state = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.trim().chars().next());
        Ok(!matches!(state, Some('Z' | 'X') | None))
    }

    /// Memory that a process used at its highest, bytes (VmHWM).
    ///
    /// # Errors
    /// When the process does not run.
    pub fn peak_memory_bytes(&self, name: &str) -> Result<u64, Failed> {
        let pid = *self.pids()?.get(name).ok_or(format!("no process {name}"))?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .ok_or("no VmHWM")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib << 10)
    }

    /// A command that starts processes. While a process is down, a cluster that another trial
    /// starts may take its port; that cluster is gone some seconds later.
    fn dev_start(&self, arguments: &[&str]) -> Result<(), Failed> {
        let since = Instant::now();
        loop {
            let error = match self.dev(UP_TIMEOUT_S, arguments) {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            let text = describe_ref(&error);
            let is_taken = TAKEN_PORT.iter().any(|sign| text.contains(sign));
            if !is_taken || since.elapsed() > PORT_WAIT {
                return Err(error);
            }
            std::thread::sleep(PORT_POLL);
        }
    }

    /// Runs `riquet` for an operator of this cluster; its standard output.
    ///
    /// # Errors
    /// When it fails, with its output.
    pub fn operate(&self, arguments: &[&str]) -> Result<String, Failed> {
        let output = run(&self.operation(arguments), OPERATION_TIMEOUT_S)?;
        Ok(String::from_utf8(output)?)
    }

    /// Runs `riquet` for an operator of this cluster, which must refuse; what it says.
    ///
    /// # Errors
    /// When it succeeds.
    pub fn refused(&self, arguments: &[&str]) -> Result<String, Failed> {
        let outcome = outcome(&self.operation(arguments), OPERATION_TIMEOUT_S)?;
        match outcome.code {
            Some(1 | 2) => Ok(outcome.stderr),
            code => Err(format!("{arguments:?} ended with {code:?}").into()),
        }
    }

    fn operation(&self, arguments: &[&str]) -> Run {
        let is_for_operators = |name: &str| {
            name == "RIQUET_METADATA" || name == "AWS_REGION" || name.starts_with("RIQUET_ADMIN_")
        };
        let settings = self.env.iter().filter(|(name, _)| is_for_operators(name));
        let riquet = Run::new(paths::binary("riquet")).args(arguments);
        settings.fold(riquet, |riquet, (name, value)| riquet.env(name, value))
    }

    /// `riquet dev add-node`: one more storage node, not in the layout yet; its name and address.
    ///
    /// # Errors
    /// When the command fails.
    pub fn add_node(&self, site: Site) -> Result<(String, String), Failed> {
        let names = |members: Vec<toml::Value>| -> Vec<String> {
            let names = members.iter().filter_map(|member| text(member, "name"));
            names.map(str::to_owned).collect()
        };
        let before = names(self.members()?);
        self.dev(COMMAND_TIMEOUT_S, &["add-node", site.name()])?;
        let mut after = names(self.members()?).into_iter();
        let name = after.find(|name| !before.contains(name));
        let name = name.ok_or("no node came")?;
        let address = self.address(&name)?;
        Ok((name, address))
    }

    /// `riquet dev remove-node`: stops a node that is not in the layout any more.
    ///
    /// # Errors
    /// When the command fails.
    pub fn remove_node(&self, name: &str) -> Result<(), Failed> {
        self.dev(COMMAND_TIMEOUT_S, &["remove-node", name])?;
        Ok(())
    }

    /// `riquet dev restart`: stops processes in good order, and starts them again.
    ///
    /// # Errors
    /// When the command fails.
    pub fn restart(&self, names: &[&str]) -> Result<(), Failed> {
        self.dev(COMMAND_TIMEOUT_S, &[&["restart"], names].concat())?;
        Ok(())
    }

    /// `riquet dev voter`: has a node wait to be made a voter; its address.
    ///
    /// # Errors
    /// When the command fails.
    pub fn wait_to_vote(&self, name: &str) -> Result<String, Failed> {
        self.dev(COMMAND_TIMEOUT_S, &["voter", name])?;
        self.address(name)
    }

    /// Where a process serves.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn address(&self, name: &str) -> Result<String, Failed> {
        let members = self.members()?;
        let member = members.iter().find(|m| text(m, "name") == Some(name));
        let address = member.and_then(|member| text(member, "address"));
        Ok(address.ok_or(format!("no process {name}"))?.to_owned())
    }

    fn members(&self) -> Result<Vec<toml::Value>, Failed> {
        let file = std::fs::read_to_string(self.dir.join("cluster.toml"))?;
        let cluster: toml::Table = file.parse()?;
        let members = cluster.get("members").and_then(toml::Value::as_array);
        Ok(members.ok_or("cluster.toml tells of no members")?.clone())
    }

    fn dev(&self, timeout_s: u64, arguments: &[&str]) -> Result<Vec<u8>, Failed> {
        let mut command = Run::new(paths::binary("riquet"))
            .arg("dev")
            .args(arguments)
            .arg("--dir")
            .arg(&self.dir);
        for (name, value) in &self.variables {
            command = command.env(name, value);
        }
        let failpoints = self.failpoints.lock();
        let failpoints = failpoints.unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(points) = failpoints {
            command = command.env("FAILPOINTS", points);
        }
        run(&command, timeout_s)
    }
}

fn text<'a>(member: &'a toml::Value, name: &str) -> Option<&'a str> {
    member.get(name)?.as_str()
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let down = if self.dir.exists() {
            self.down()
        } else {
            Ok(())
        };
        if let Err(error) = &down {
            eprintln!("{}", describe_ref(error));
        }
        if let Some(mut watchdog) = self.watchdog.take() {
            // On success it has nothing left to do; otherwise closing its input sets it to work.
            if down.is_ok() {
                let _ = watchdog.kill();
            }
            drop(watchdog.stdin.take());
            let _ = watchdog.wait();
        }
        let failed = *self
            .failed
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if failed && let Some(folder) = self.folder.take() {
            if std::env::var_os("RIQUET_E2E_KEEP_DATA").is_none() {
                // Gigabytes, after some tests. The logs and configuration stay.
                let _ = std::fs::remove_dir_all(self.dir.join("data"));
            }
            let kept = folder.keep();
            eprintln!("logs of a failed cluster are kept in {}", kept.display());
        }
    }
}

fn describe(failure: Failed) -> String {
    failure.message().unwrap_or("no message").to_owned()
}

fn describe_ref(failure: &Failed) -> &str {
    failure.message().unwrap_or("no message")
}

/// A process that runs `riquet dev down` when the test process is gone without having done so,
/// whatever ended it: the end of its standard input is the sign.
fn watch(dir: &Path) -> Result<Child, Failed> {
    use std::os::unix::process::CommandExt;
    let script = r#"cat > /dev/null; test -d "$2" && "$1" dev down --dir "$2" && rm -rf "$2" && rmdir "${2%/*}""#;
    let child = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(paths::binary("riquet"))
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Not in our group, so that Ctrl-C does not end it with us.
        .process_group(0)
        .spawn()?;
    Ok(child)
}

/// The first of three neighbouring ports that are free, outside the range from which the system
/// picks ports for outgoing connections.
fn free_ports() -> Result<u16, Failed> {
    /// Attempts before the machine counts as full.
    const ATTEMPTS: u32 = 200;
    for _ in 0..ATTEMPTS {
        let port = rand::random_range(10_000..32_000_u16);
        if ports_are_free(port) {
            return Ok(port);
        }
    }
    Err("no three neighbouring ports are free".into())
}

fn ports_are_free(port: u16) -> bool {
    (port..port + 3).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok())
}

/// Reads shell lines `NAME=value` and `export NAME=value`, quoted or bare.
fn read_env(file: &Path) -> Result<BTreeMap<String, String>, Failed> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    Ok(parse_env(&text))
}

fn parse_env(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| {
            let line = line.trim();
            let line = line.strip_prefix("export ").unwrap_or(line);
            let (name, value) = line.split_once('=')?;
            if name.starts_with('#') {
                return None;
            }
            let value = value.trim_matches(['"', '\'']);
            Some((name.trim().to_owned(), value.to_owned()))
        })
        .collect()
}

/// Overwrites the bytes of a file in place at `offset`.
///
/// # Errors
/// When the file cannot be written.
pub fn overwrite(file: &Path, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Seek;
    let mut file = std::fs::OpenOptions::new().write(true).open(file)?;
    file.seek(std::io::SeekFrom::Start(offset))?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn env_files_parse() {
        let env = parse_env("# a=b\nexport A=1\nB='two words'\n\nC=\"x=y\"\n");
        assert_eq!(env["A"], "1");
        assert_eq!(env["B"], "two words");
        assert_eq!(env["C"], "x=y");
        assert_eq!(env.len(), 3);
    }

    #[test]
    fn neighbouring_ports_are_found() {
        let port = free_ports().unwrap();
        assert!(ports_are_free(port));
    }
}
