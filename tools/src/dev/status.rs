//! `riquet dev status`.

use serde::Serialize;

use super::folder::Folder;
use super::partition;
use super::topology::{Role, Topology};
use crate::error::Error;
use crate::output;

#[derive(Debug, Serialize)]
struct Status<'a> {
    dir: String,
    cluster: String,
    profile: String,
    processes: Vec<ProcessStatus<'a>>,
    cuts: Vec<(String, String)>,
}

#[derive(Debug, Serialize)]
struct ProcessStatus<'a> {
    name: &'a str,
    site: &'a str,
    role: Role,
    state: State,
    pid: Option<i32>,
    address: &'a str,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Up,
    Down,
}

/// Prints which processes run.
pub(crate) fn print(folder: &Folder, topology: &Topology, json: bool) -> Result<(), Error> {
    let status = read(folder, topology)?;
    if json {
        println!("{}", output::json(&status));
        return Ok(());
    }
    let rows: Vec<Vec<String>> = status
        .processes
        .iter()
        .map(|p| {
            vec![
                p.name.into(),
                p.site.into(),
                p.role.to_string(),
                match p.state {
                    State::Up => "up".into(),
                    State::Down => "DOWN".into(),
                },
                p.pid.map(|pid| pid.to_string()).unwrap_or_default(),
                p.address.into(),
            ]
        })
        .collect();
    let titles = ["name", "site", "role", "state", "pid", "address"];
    println!("{}", output::table(&titles, &rows, titles.len()));
    for (a, b) in &status.cuts {
        println!("cut: {a} | {b}");
    }
    Ok(())
}

fn read<'a>(folder: &Folder, topology: &'a Topology) -> Result<Status<'a>, Error> {
    let mut processes = Vec::new();
    for member in &topology.members {
        let id = folder.running(&member.name)?;
        processes.push(ProcessStatus {
            name: &member.name,
            site: &member.site,
            role: member.role,
            state: if id.is_some() { State::Up } else { State::Down },
            pid: id.map(|id| id.as_raw()),
            address: &member.address,
        });
    }
    Ok(Status {
        dir: folder.root().display().to_string(),
        cluster: topology.cluster.to_string(),
        profile: topology.profile.to_string(),
        processes,
        cuts: partition::cuts(folder)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::topology::tests::small;
    use super::*;

    #[test]
    fn a_stopped_cluster_is_down_everywhere() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(dir.path()).unwrap();
        let topology = small();
        let json: serde_json::Value =
            serde_json::from_str(&output::json(&read(&folder, &topology).unwrap())).unwrap();
        let processes = json["processes"].as_array().unwrap();
        assert_eq!(processes.len(), 7);
        assert!(processes.iter().all(|p| p["state"] == "down"));
        assert_eq!(processes[0]["name"], "toulouse-1");
        assert_eq!(processes[0]["role"], "data");
        assert!(processes[0]["pid"].is_null());
    }
}
