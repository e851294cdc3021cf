//! CPU time of the cluster's processes, and of this one, during a load.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::dev::{Folder, Topology};
use crate::error::Error;
use crate::process::{self, ProcessId};

/// The role under which this program's own CPU time is listed.
const CLIENT: &str = "client";

/// The processes that are measured.
pub(crate) struct Meter {
    cluster: Option<(Folder, Topology)>,
}

/// CPU time used so far.
pub(crate) struct Reading {
    own_s: f64,
    processes: BTreeMap<String, (ProcessId, f64)>,
}

/// CPU time that something used during the load.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Usage {
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) cpu_s: f64,
}

impl Meter {
    /// Measures the cluster in `dir`, or only this program.
    pub(crate) fn new(dir: Option<&Path>) -> Result<Self, Error> {
        let cluster = dir.map(Folder::open).transpose()?;
        Ok(Self { cluster })
    }

    pub(crate) fn read(&self) -> Result<Reading, Error> {
        let mut processes = BTreeMap::new();
        if let Some((folder, topology)) = &self.cluster {
            for member in &topology.members {
                if let Some(id) = folder.running(&member.name)?
                    && let Some(cpu_s) = id.cpu_s()
                {
                    processes.insert(member.name.clone(), (id, cpu_s));
                }
            }
        }
        Ok(Reading {
            own_s: process::own_cpu_s(),
            processes,
        })
    }

    /// What was used between two readings, by process, this program last. A process that was
    /// restarted between them is left out: what it used is not known.
    pub(crate) fn used(&self, before: &Reading, after: &Reading) -> Vec<Usage> {
        let members = self.cluster.iter().flat_map(|(_, t)| &t.members);
        let mut used: Vec<Usage> = members
            .filter_map(|member| {
                let (id, begin_s) = before.processes.get(&member.name)?;
                let (same, end_s) = after.processes.get(&member.name)?;
                (id == same).then(|| Usage {
                    name: member.name.clone(),
                    role: member.role.to_string(),
                    cpu_s: end_s - begin_s,
                })
            })
            .collect();
        used.push(Usage {
            name: "riquet bench".into(),
            role: CLIENT.into(),
            cpu_s: after.own_s - before.own_s,
        });
        used
    }
}

/// The sums by role, in order of first appearance, and over all servers.
pub(crate) fn by_role(used: &[Usage]) -> Vec<Usage> {
    let mut sums: Vec<Usage> = Vec::new();
    for usage in used {
        match sums.iter_mut().find(|sum| sum.role == usage.role) {
            Some(sum) => sum.cpu_s += usage.cpu_s,
            None => sums.push(Usage {
                name: format!("all {}", usage.role),
                ..usage.clone()
            }),
        }
    }
    let servers = used.iter().filter(|u| u.role != CLIENT);
    sums.push(Usage {
        name: "all servers".into(),
        role: "server".into(),
        cpu_s: servers.map(|u| u.cpu_s).sum(),
    });
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_leave_the_client_out_of_the_servers() {
        let usage = |name: &str, role: &str, cpu_s| Usage {
            name: name.into(),
            role: role.into(),
            cpu_s,
        };
        let sums = by_role(&[
            usage("toulouse-1", "data", 1.0),
            usage("toulouse-2", "data", 2.0),
            usage("gateway-toulouse", "gateway", 4.0),
            usage("riquet bench", "client", 8.0),
        ]);
        let sums: Vec<_> = sums.iter().map(|s| (s.role.as_str(), s.cpu_s)).collect();
        assert_eq!(
            sums,
            [
                ("data", 3.0),
                ("gateway", 4.0),
                ("client", 8.0),
                ("server", 7.0)
            ]
        );
    }

    #[test]
    fn this_program_uses_cpu() {
        let meter = Meter::new(None).unwrap();
        let before = meter.read().unwrap();
        let start = std::time::Instant::now();
        let mut after = meter.read().unwrap();
        while after.own_s <= before.own_s && start.elapsed().as_secs() < 10 {
            after = meter.read().unwrap();
        }
        let used = meter.used(&before, &after);
        assert_eq!(used.len(), 1);
        assert!(used[0].cpu_s > 0.0);
    }
}
