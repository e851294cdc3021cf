//! Free ports on this machine.

use std::fs;
use std::io;
use std::net::TcpListener;

use rand::seq::SliceRandom;

use crate::error::Error;

/// First port that is tried: below it stand many well-known servers.
const FIRST: u16 = 10_000;

/// First port of outgoing connections where the system doesn't say.
const USUAL_OUTGOING: u16 = 32_768;

/// `wanted` distinct ports that nothing listens on.
///
/// They lie below the range of outgoing connections: a node that is down keeps its port free for
/// its return, which no passing connection may take meanwhile.
pub(crate) fn free_ports(wanted: usize, taken: &[u16]) -> Result<Vec<u16>, Error> {
    let end = first_outgoing_port();
    let mut candidates: Vec<u16> = (FIRST..end).filter(|p| !taken.contains(p)).collect();
    candidates.shuffle(&mut rand::rng());
    let ports: Vec<u16> = candidates
        .into_iter()
        .filter(|port| is_free(&format!("127.0.0.1:{port}")))
        .take(wanted)
        .collect();
    if ports.len() < wanted {
        return Err(Error::NoFreePorts { wanted, end });
    }
    Ok(ports)
}

/// Whether a server could listen on `address` now.
pub(crate) fn is_free(address: &str) -> bool {
    match TcpListener::bind(address) {
        Ok(_) => true,
        Err(e) => e.kind() != io::ErrorKind::AddrInUse,
    }
}

fn first_outgoing_port() -> u16 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_ascii_whitespace().next()?.parse().ok())
        .filter(|first| *first > FIRST)
        .unwrap_or(USUAL_OUTGOING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_distinct_free_and_not_outgoing() {
        let mut ports = free_ports(40, &[10_001]).unwrap();
        assert!(
            ports
                .iter()
                .all(|p| (FIRST..first_outgoing_port()).contains(p))
        );
        assert!(!ports.contains(&10_001));
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 40);
    }

    #[test]
    fn a_port_in_use_is_not_free() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(!is_free(&listener.local_addr().unwrap().to_string()));
    }
}
