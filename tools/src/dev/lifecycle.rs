//! Starting, stopping and killing processes.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::credentials::{Credentials, Keychain};
use super::folder::Folder;
use super::ports;
use super::ready;
use super::topology::{Member, Role, Topology};
use crate::error::Error;
use crate::process::ProcessId;

/// How long a process may take to end when asked to, before it is killed: longer than gateways let
/// running requests go on (15 s).
const GRACE: Duration = Duration::from_secs(20);

/// How long the system may take to clear away a killed process: its disk writes finish first.
const KILL_DEADLINE: Duration = Duration::from_secs(30);

/// Bytes of a log's end that are shown when its process died.
const TAIL_BYTES: usize = 2000;

/// A process that this command started.
#[derive(Debug)]
pub(crate) struct Started<'a> {
    member: &'a Member,
    child: Child,
}

impl Started<'_> {
    /// How it ended, if it has. Asking also lets the system forget it.
    fn ended(&mut self) -> Option<String> {
        self.child.try_wait().ok()?.map(|status| status.to_string())
    }
}

/// The program of a member: it lies next to this one.
fn program(role: Role) -> Result<PathBuf, Error> {
    let own = std::env::current_exe().map_err(Error::file("find", "riquet"))?;
    let path = own.with_file_name(match role {
        Role::Data | Role::Meta => "riquet-storage-node",
        Role::Gateway => "riquet-gateway",
    });
    if !path.is_file() {
        return Err(Error::ProgramMissing { path });
    }
    Ok(path)
}

/// Starts those of `members` that don't run.
pub(crate) fn spawn<'a>(
    folder: &Folder,
    members: impl IntoIterator<Item = &'a Member>,
) -> Result<Vec<Started<'a>>, Error> {
    let mut stopped = Vec::new();
    for member in members {
        if folder.running(&member.name)?.is_none() {
            stopped.push(member);
        }
    }
    // All are checked before any is started: a refusal leaves nothing behind.
    let mut programs = Vec::new();
    for member in &stopped {
        for address in [Some(&member.address), member.admin_address.as_ref()] {
            if let Some(address) = address.filter(|a| !ports::is_free(a)) {
                return Err(Error::PortTaken {
                    name: member.name.clone(),
                    address: address.clone(),
                });
            }
        }
        programs.push(program(member.role)?);
    }
    let mut started = Vec::new();
    for (member, program) in stopped.into_iter().zip(programs) {
        match spawn_one(folder, member, &program) {
            Ok(child) => started.push(Started { member, child }),
            Err(error) => {
                abandon(folder, started)?;
                return Err(error);
            }
        }
    }
    Ok(started)
}

fn spawn_one(folder: &Folder, member: &Member, program: &Path) -> Result<Child, Error> {
    let log = folder.log_file(&member.name);
    let output = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log)
        .map_err(Error::file("open", &log))?;
    let errors = output.try_clone().map_err(Error::file("open", &log))?;
    let mut command = Command::new(program);
    // Settings of the environment would win over the file. What is logged, and how, is for the person.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("RIQUET_") && !name.starts_with("RIQUET_LOG") {
            command.env_remove(&*name);
        }
    }
    let mut child = command
        .arg("--config")
        .arg(folder.config_file(&member.name))
        .current_dir(folder.root())
        // What they print goes to a file.
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        // Ctrl-C in the terminal is for this command, which then ends its processes in order.
        .process_group(0)
        .spawn()
        .map_err(Error::file("run", program))?;
    if let Err(error) = note_pid(folder, member, &mut child) {
        // A process that nobody can find must not stay. It ends or has ended: both are right.
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    Ok(child)
}

/// Writes the pid file of a process that was just started; one that ended already gets none.
fn note_pid(folder: &Folder, member: &Member, child: &mut Child) -> Result<(), Error> {
    let found = ProcessId::of_child(child, &folder.config_file(&member.name))
        .map_err(Error::file("watch", &member.name))?;
    match found {
        Some(id) => folder.write_pid(&member.name, id.as_raw()),
        None => Ok(()),
    }
}

/// Waits until all of `members` answer. Those of `started` that end instead are errors.
pub(crate) async fn wait_ready(
    folder: &Folder,
    members: impl IntoIterator<Item = &Member>,
    started: &mut [Started<'_>],
    credentials: &Credentials,
) -> Result<(), Error> {
    let since = Instant::now();
    for member in members {
        while let Err(missing) = ready::probe(member, credentials).await {
            check_alive(folder, started)?;
            if since.elapsed() > ready::DEADLINE {
                let log = folder.log_file(&member.name);
                return Err(ready::too_late(member, since, missing, log));
            }
            tokio::time::sleep(ready::POLL_INTERVAL).await;
        }
    }
    check_alive(folder, started)
}

fn check_alive(folder: &Folder, started: &mut [Started<'_>]) -> Result<(), Error> {
    for process in started {
        if let Some(status) = process.ended() {
            let log = folder.log_file(&process.member.name);
            return Err(Error::Died {
                name: process.member.name.clone(),
                status,
                tail: tail(&log),
                log,
            });
        }
    }
    Ok(())
}

/// The last lines of a log, whole ones where it has several.
fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let end = &text[text.len().saturating_sub(TAIL_BYTES)..];
    let end = String::from_utf8_lossy(end);
    match end.split_once('\n') {
        Some((_, lines)) if text.len() > TAIL_BYTES => lines.to_owned(),
        _ => end.into_owned(),
    }
}

/// `riquet dev start`: starts members of a cluster that was up before.
pub(crate) async fn start(
    folder: &Folder,
    topology: &Topology,
    members: &[&Member],
) -> Result<(), Error> {
    let keys = Keychain::load_or_create(&folder.credentials_file())?;
    // Gateways are ready once the metadata nodes are: nodes first.
    for role in [Role::Meta, Role::Data, Role::Gateway] {
        let chosen: Vec<&Member> = topology
            .with_role(role)
            .filter(|m| members.contains(m))
            .collect();
        let mut started = spawn(folder, chosen.iter().copied())?;
        wait_ready(folder, chosen, &mut started, &keys.main).await?;
    }
    Ok(())
}

/// Kills what was started by a command that can't finish.
pub(crate) fn abandon(folder: &Folder, started: Vec<Started<'_>>) -> Result<(), Error> {
    for mut process in started {
        let _ = process.child.kill();
        let _ = process.child.wait();
        folder.remove_pid(&process.member.name)?;
    }
    Ok(())
}

/// Stops every process: gateways first, so that none misses a node, metadata last.
pub(crate) async fn stop_all(folder: &Folder, topology: &Topology) -> Result<(), Error> {
    for role in [Role::Gateway, Role::Data, Role::Meta] {
        let members: Vec<&Member> = topology.with_role(role).collect();
        stop(folder, &members).await?;
    }
    Ok(())
}

/// Stops members in good order; those that do not end are killed.
pub(crate) async fn stop(folder: &Folder, members: &[&Member]) -> Result<(), Error> {
    let mut running = Vec::new();
    for &member in members {
        if let Some(id) = folder.running(&member.name)? {
            id.terminate();
            running.push((member, id));
        }
    }
    wait_end(&running, GRACE).await;
    for (member, id) in running {
        if id.is_running() {
            id.kill();
        }
        ensure_ended(member, id).await?;
        folder.remove_pid(&member.name)?;
    }
    Ok(())
}

/// Kills members at once, all before waiting for any: a site goes dark as a whole.
pub(crate) async fn kill(folder: &Folder, members: &[&Member]) -> Result<(), Error> {
    let mut running = Vec::new();
    for member in members {
        if let Some(id) = folder.running(&member.name)? {
            id.kill();
            running.push((*member, id));
        }
    }
    for (member, id) in running {
        ensure_ended(member, id).await?;
        folder.remove_pid(&member.name)?;
    }
    Ok(())
}

async fn ensure_ended(member: &Member, id: ProcessId) -> Result<(), Error> {
    wait_end(&[(member, id)], KILL_DEADLINE).await;
    if id.is_running() {
        return Err(Error::WillNotEnd {
            name: member.name.clone(),
            pid: id.as_raw(),
        });
    }
    Ok(())
}

async fn wait_end(processes: &[(&Member, ProcessId)], limit: Duration) {
    let since = Instant::now();
    while processes.iter().any(|(_, id)| id.is_running()) && since.elapsed() < limit {
        tokio::time::sleep(ready::POLL_INTERVAL).await;
    }
}

/// Follows the cluster while it runs: says which processes end, and returns when none is left.
pub(crate) async fn follow(
    folder: &Folder,
    topology: &Topology,
    mut started: Vec<Started<'_>>,
) -> Result<(), Error> {
    let mut were_running: Vec<&Member> = topology.members.iter().collect();
    while !were_running.is_empty() {
        tokio::time::sleep(Duration::from_millis(500)).await;
        // Ended children are let go, so that they don't linger as zombies.
        started.retain_mut(|process| process.ended().is_none());
        let mut running = Vec::new();
        for member in &topology.members {
            if folder.running(&member.name)?.is_some() {
                running.push(member);
            } else if were_running.contains(&member) {
                println!(
                    "{name} ended (log: {log}); start it again with: riquet dev start {name} --dir {dir}",
                    name = member.name,
                    log = folder.log_file(&member.name).display(),
                    dir = folder.root().display(),
                );
            }
        }
        were_running = running;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_begins_with_a_whole_line() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        assert_eq!(tail(&log), "");
        fs::write(&log, "one\ntwo\n").unwrap();
        assert_eq!(tail(&log), "one\ntwo\n");
        fs::write(&log, format!("{}\nlast line\n", "x".repeat(TAIL_BYTES))).unwrap();
        assert_eq!(tail(&log), "last line\n");
    }
}
