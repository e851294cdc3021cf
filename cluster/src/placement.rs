//! Computes placement-group tables by weighted rendezvous hashing.
//!
//! For each group and site, every active disk draws a score from the hash of (profile, group,
//! disk), skewed by its weight (`-weight / ln(u)`, the method of Schindelhauer and Schomaker, 2005,
//! as in Highest Random Weight); the best disks take the slots. Nodes are spread first: a second
//! disk of a node is taken only when every node of the site has one, a third when every node that
//! has two disks gave two, and so on. So a disk that comes or goes moves little besides its own.

use std::cmp::Ordering;

use crate::Error;
use crate::layout::{Disk, DiskIndex, DiskState, Node, PgTable};
use crate::profile::{Profile, SiteId};

/// The table of `groups` placement groups for `profile` over these disks.
///
/// # Errors
/// [`Error::InvalidLayout`] when a site has fewer active disks than the profile has shards there.
pub fn compute_table(
    profile: &Profile,
    nodes: &[Node],
    disks: &[Disk],
    groups: u32,
) -> Result<PgTable, Error> {
    let mut slots = Vec::with_capacity(groups as usize * profile.total());
    for group in 0..groups {
        for site in &profile.sites {
            slots.extend(place(profile, *site, nodes, disks, group)?);
        }
    }
    Ok(PgTable {
        profile: profile.id,
        slots,
    })
}

/// The disks of one group at one site, best first.
fn place(
    profile: &Profile,
    site: SiteId,
    nodes: &[Node],
    disks: &[Disk],
    group: u32,
) -> Result<Vec<DiskIndex>, Error> {
    let wanted = usize::from(profile.per_site);
    let mut candidates: Vec<(f64, DiskIndex, u16)> = disks
        .iter()
        .enumerate()
        .filter(|(_, d)| d.state == DiskState::Active && d.weight > 0)
        .filter(|(_, d)| nodes[usize::from(d.node)].site == site)
        .map(|(i, d)| (score(profile, group, d), i as DiskIndex, d.node))
        .collect();
    if candidates.len() < wanted {
        return Err(Error::InvalidLayout(format!(
            "profile {} needs {wanted} active disks at site {}, there are {}",
            profile.name,
            site.0,
            candidates.len()
        )));
    }
    candidates.sort_by(|a, b| {
        b.0.partial_cmp(&a.0)
            .unwrap_or(Ordering::Equal)
            .then(a.1.cmp(&b.1))
    });

    let mut chosen = Vec::with_capacity(wanted);
    let mut slots_of_node = vec![0usize; nodes.len()];
    // Round r takes the best disks of nodes that hold at most r slots so far.
    for round in 0.. {
        candidates.retain(|(_, disk, node)| {
            let take = chosen.len() < wanted && slots_of_node[usize::from(*node)] <= round;
            if take {
                chosen.push(*disk);
                slots_of_node[usize::from(*node)] += 1;
            }
            !take
        });
        if chosen.len() == wanted {
            break;
        }
    }
    Ok(chosen)
}

fn score(profile: &Profile, group: u32, disk: &Disk) -> f64 {
    let mut name = [0; 22];
    name[..2].copy_from_slice(&profile.id.0.to_be_bytes());
    name[2..6].copy_from_slice(&group.to_be_bytes());
    name[6..].copy_from_slice(&disk.id.to_bytes());
    let hash = blake3::hash(&name);
    let head = hash
        .as_bytes()
        .first_chunk::<8>()
        .expect("a hash has 32 bytes");
    // 53 bits make a float strictly between 0 and 1.
    let unit = ((u64::from_le_bytes(*head) >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    -f64::from(disk.weight) / unit.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::DiskId;
    use crate::profile::ProfileId;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn profile(data: u8, per_site: u8) -> Profile {
        Profile {
            id: ProfileId(1),
            name: format!("{data}/{per_site}"),
            data,
            per_site,
            sites: vec![SiteId(0), SiteId(1)],
            cell_size: 64,
            chunk_size: u64::from(data) * 64,
        }
    }

    /// `nodes` per site with `disks` each.
    fn cluster(nodes: u16, disks: u16) -> (Vec<Node>, Vec<Disk>) {
        let all_nodes: Vec<Node> = (0..nodes * 2)
            .map(|n| Node {
                name: format!("n{n}"),
                site: SiteId((n / nodes) as u8),
                address: format!("h{n}:1"),
            })
            .collect();
        let all_disks = (0..nodes * 2 * disks)
            .map(|d| Disk {
                id: DiskId::from_u128(u128::from(d) + 1),
                node: d / disks,
                weight: 100,
                state: DiskState::Active,
            })
            .collect();
        (all_nodes, all_disks)
    }

    proptest! {
        #[test]
        fn groups_spread_over_nodes(nodes in 1u16..9, disks in 1u16..5, data in 1u8..5) {
            let per_site = data + 1;
            let (all_nodes, all_disks) = cluster(nodes, disks);
            let table = compute_table(&profile(data, per_site), &all_nodes, &all_disks, 32);
            if nodes * disks < u16::from(per_site) {
                prop_assert!(table.is_err());
                return Ok(());
            }
            let most = usize::from(per_site).div_ceil(usize::from(nodes));
            for row in table.unwrap().slots.chunks_exact(usize::from(per_site)) {
                let mut count = HashMap::new();
                for disk in row {
                    *count.entry(all_disks[usize::from(*disk)].node).or_insert(0) += 1;
                }
                prop_assert!(count.values().all(|c| *c <= most), "{row:?}");
                let mut sorted = row.to_vec();
                sorted.sort_unstable();
                sorted.dedup();
                prop_assert_eq!(sorted.len(), row.len());
            }
        }
    }

    #[test]
    fn a_new_disk_takes_slots_but_never_moves_one_between_old_disks_needlessly() {
        let (nodes, disks) = cluster(12, 1);
        let before = compute_table(&profile(4, 6), &nodes, &disks, 512).unwrap();
        let (nodes, mut more) = cluster(12, 1);
        let mut nodes = nodes;
        nodes.push(Node {
            name: "new".into(),
            site: SiteId(0),
            address: "new:1".into(),
        });
        more.push(Disk {
            id: DiskId::from_u128(999),
            node: 24,
            weight: 100,
            state: DiskState::Active,
        });
        let after = compute_table(&profile(4, 6), &nodes, &more, 512).unwrap();
        for (old, new) in before
            .slots
            .chunks_exact(6)
            .zip(after.slots.chunks_exact(6))
        {
            let kept = old.iter().filter(|d| new.contains(d)).count();
            assert!(kept >= 5, "{old:?} {new:?}");
        }
    }
}
