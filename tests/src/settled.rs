//! Quiet after trouble: the disks hold exactly what the metadata says.

use std::time::{Duration, Instant};

use libtest_mimic::Failed;

use crate::cluster::Cluster;

/// Seconds within which the disks must hold what the metadata says: several looks, and the grace
/// that readers have.
pub const SETTLE_TIMEOUT_S: u64 = 90;
/// How often they are compared.
pub const POLL: Duration = Duration::from_millis(500);

/// Waits until every disk holds exactly what the metadata says, nothing is owed and no garbage waits.
/// Returns how many shards that are.
///
/// # Errors
/// When they still differ after a while.
pub fn await_settled(cluster: &Cluster) -> Result<u64, Failed> {
    let since = Instant::now();
    loop {
        let failure = match cluster.operate(&["repair", "check", "--json"]) {
            Ok(rows) => {
                let rows: serde_json::Value = serde_json::from_str(&rows)?;
                let rows = rows.as_array().ok_or("no rows")?;
                let sum =
                    |name: &str| -> u64 { rows.iter().filter_map(|row| row[name].as_u64()).sum() };
                if (sum("owed"), sum("garbage")) == (0, 0) {
                    assert_eq!(sum("held"), sum("expected"));
                    return Ok(sum("held"));
                }
                format!("{} shards are owed, {} wait", sum("owed"), sum("garbage")).into()
            }
            Err(failure) => failure,
        };
        if since.elapsed().as_secs() > SETTLE_TIMEOUT_S {
            return Err(after("not settled", &failure));
        }
        std::thread::sleep(POLL);
    }
}

/// Sweeps until no shard is left that nothing names: what is younger than a second is left each time.
///
/// # Errors
/// When some are left after a while.
pub fn await_swept(cluster: &Cluster) -> Result<(), Failed> {
    let since = Instant::now();
    loop {
        cluster.operate(&["garbage", "sweep", "--older-than", "1s"])?;
        match cluster.operate(&["repair", "check"]) {
            Ok(_) => return await_settled(cluster).map(drop),
            Err(failure) if since.elapsed().as_secs() > SETTLE_TIMEOUT_S => {
                return Err(after("not swept", &failure));
            }
            Err(_) => std::thread::sleep(POLL),
        }
    }
}

fn after(what: &str, failure: &Failed) -> Failed {
    format!("{what}: {}", failure.message().unwrap_or("no message")).into()
}
