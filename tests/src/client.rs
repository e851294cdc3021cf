//! Running other programs: bounded in time, with their output at hand when they fail.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;

use crate::cluster::{Cluster, Site};
use crate::paths;

/// A program with its arguments, environment and folder.
#[derive(Clone, Debug)]
pub struct Run {
    program: OsString,
    arguments: Vec<OsString>,
    env: BTreeMap<String, OsString>,
    folder: Option<OsString>,
}

impl Run {
    /// The program `program`; a bare name is looked up in the virtual environment, then on `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let name = program.as_ref();
        let found = name.to_str().filter(|n| !n.contains('/'));
        Self {
            program: found
                .and_then(paths::which)
                .map_or_else(|| name.to_owned(), Into::into),
            arguments: Vec::new(),
            env: BTreeMap::new(),
            folder: None,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let arguments = arguments.into_iter();
        self.arguments
            .extend(arguments.map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.insert(name.to_owned(), value.as_ref().to_owned());
        self
    }

    /// Runs in `folder`.
    pub fn within(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Sets what a user gets from `DIR/env`, with the endpoint of `site`, and hides the
    /// configuration files of whoever runs the tests.
    pub fn for_cluster(mut self, cluster: &Cluster, site: Site) -> Self {
        for (name, value) in cluster.env() {
            self = self.env(name, value);
        }
        self.env("AWS_ENDPOINT_URL", cluster.endpoint(site))
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_MAX_ATTEMPTS", "2")
            .env("RCLONE_CONFIG", "/dev/null")
            .env("RCLONE_CONFIG_RIQUET_ENDPOINT", cluster.endpoint(site))
            .env("PYTHONDONTWRITEBYTECODE", "1")
    }

    /// The command as it is started.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        self.set_up(&mut command);
        command
    }

    /// The command, ended after `timeout_s` seconds by the `timeout` program of coreutils.
    fn bounded(&self, timeout_s: u64) -> Command {
        let mut command = Command::new("timeout");
        command
            .arg("--kill-after=5")
            .arg(timeout_s.to_string())
            .arg(&self.program);
        self.set_up(&mut command);
        command
    }

    fn set_up(&self, command: &mut Command) {
        // Settings of whoever runs the tests: proxies have no part in reaching a local port, and
        // clients read dozens of variables.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().to_lowercase();
            if text.starts_with("aws_") || text.starts_with("rclone_") || text.ends_with("_proxy") {
                command.env_remove(&name);
            }
        }
        command.args(&self.arguments).envs(&self.env);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
    }

    fn line(&self) -> String {
        std::iter::once(&self.program)
            .chain(&self.arguments)
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// What a program printed, and how it ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The exit code; `None` when a signal ended it, 124 when its time was over.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error, as text.
    pub stderr: String,
}

/// Runs a program to its end, whatever its exit code.
///
/// # Errors
/// When it cannot be started.
pub fn outcome(run: &Run, timeout_s: u64) -> Result<Outcome, Failed> {
    let output = run
        .bounded(timeout_s)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot start {}: {error}", run.line()))?;
    Ok(Outcome {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs a program that must succeed within `timeout_s` seconds; its standard output.
///
/// # Errors
/// When it cannot be started or ends otherwise, with its output.
pub fn run(run: &Run, timeout_s: u64) -> Result<Vec<u8>, Failed> {
    let outcome = outcome(run, timeout_s)?;
    if outcome.code == Some(0) {
        return Ok(outcome.stdout);
    }
    let why = match outcome.code {
        Some(124) => format!("was not done after {timeout_s} s"),
        Some(code) => format!("ended with code {code}"),
        None => "was ended by a signal".to_owned(),
    };
    Err(format!(
        "{} {why}\nstdout: {}\nstderr: {}",
        run.line(),
        String::from_utf8_lossy(&outcome.stdout),
        outcome.stderr,
    )
    .into())
}

/// Seconds until something that a client does in the background must be done.
const BACKGROUND_TIMEOUT_S: u64 = 60;
/// How often it is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Waits until `is_so`, for clients that go on when their command has ended.
///
/// # Errors
/// When it cannot be found out, or takes too long.
pub fn wait_until(what: &str, is_so: impl Fn() -> Result<bool, Failed>) -> Result<(), Failed> {
    let since = Instant::now();
    while !is_so()? {
        if since.elapsed().as_secs() > BACKGROUND_TIMEOUT_S {
            return Err(format!("not after {BACKGROUND_TIMEOUT_S} s: {what}").into());
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}
