//! Draws a first table by weighted rendezvous hashing.
//!
//! For each group every disk of the site draws a number from a hash of (profile, group, disk),
//! exponentially distributed at the rate of its weight (`-ln(u) / weight`, the method of
//! Schindelhauer and Schomaker, 2005); the lowest take the slots, as far as their nodes may. So a
//! disk gets slots by weight on average, and any two disks meet in about as many groups as any
//! other two, which spreads the work of rebuilding a lost one.

use std::cmp::Ordering;

use super::site::{Local, SiteDisks};
use crate::layout::Disk;
use crate::profile::Profile;

/// The best so many draws per slot are looked at before the rest is sorted too: enough but where
/// nodes have dozens of disks.
const LIKELY_DRAWS_PER_SLOT: usize = 8;

/// The disks of each group, one row after the other, lowest draw first.
pub(super) fn draw(
    site: &SiteDisks,
    profile: &Profile,
    disks: &[Disk],
    groups: u32,
) -> Vec<Option<Local>> {
    let seeds: Vec<u64> = site
        .disks
        .iter()
        .map(|index| seed(profile, &disks[usize::from(*index)]))
        .collect();
    let mut rows = Vec::with_capacity(groups as usize * site.per_group);
    let mut draws = Vec::with_capacity(seeds.len());
    for group in 0..groups {
        draws.clear();
        draws.extend(
            seeds
                .iter()
                .zip(&site.weights)
                .enumerate()
                .map(|(disk, (seed, weight))| {
                    let unit = unit(mix(seed ^ mix(u64::from(group))));
                    (-ln(unit) / f64::from(*weight), disk)
                }),
        );
        take_lowest(site, &mut draws, &mut rows);
    }
    rows
}

/// Appends one row: the lowest draws that their nodes have room for.
fn take_lowest(site: &SiteDisks, draws: &mut [(f64, Local)], rows: &mut Vec<Option<Local>>) {
    let by_draw = |a: &(f64, Local), b: &(f64, Local)| -> Ordering {
        a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
    };
    let likely = site.per_group * LIKELY_DRAWS_PER_SLOT;
    let mut sorted = draws.len();
    if likely < draws.len() {
        draws.select_nth_unstable_by(likely, by_draw);
        sorted = likely;
    }
    draws[..sorted].sort_unstable_by(by_draw);

    let start = rows.len();
    let mut next = 0;
    while rows.len() < start + site.per_group {
        if next == sorted {
            draws[sorted..].sort_unstable_by(by_draw);
            sorted = draws.len();
        }
        let disk = draws[next].1;
        let node = site.node_of[disk];
        let on_node = rows[start..]
            .iter()
            .filter(|d| d.is_some_and(|d| site.node_of[d] == node))
            .count();
        if on_node < site.node_limits[node] {
            rows.push(Some(disk));
        }
        next += 1;
    }
}

/// What a disk's draws for a profile start from.
fn seed(profile: &Profile, disk: &Disk) -> u64 {
    let mut name = [0; 18];
    name[..2].copy_from_slice(&profile.id.0.to_be_bytes());
    name[2..].copy_from_slice(&disk.id.to_bytes());
    let hash = blake3::hash(&name);
    let head = hash
        .as_bytes()
        .first_chunk::<8>()
        .expect("a hash has 32 bytes");
    u64::from_le_bytes(*head)
}

/// The output function of SplitMix64 (Steele, Lea and Flood, 2014): each bit of the result depends
/// on all bits of `x`. A cryptographic hash per draw would take most of the time.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A number strictly between 0 and 1 from the upper 52 bits.
fn unit(bits: u64) -> f64 {
    ((bits >> 12) as f64 + 0.5) / (1u64 << 52) as f64
}

/// The natural logarithm of a normal number above 0, to within a few units of the last place.
///
/// `f64::ln` is whatever the platform's library makes of it; this uses only operations that are
/// the same everywhere: with `x = m * 2^e` and `s = (m - 1) / (m + 1)`,
/// `ln x = e ln 2 + 2 (s + s^3/3 + s^5/5 + ..)`.
fn ln(x: f64) -> f64 {
    const FRACTION: u64 = (1 << 52) - 1;
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut m = f64::from_bits(bits & FRACTION | 1023 << 52);
    if m > std::f64::consts::SQRT_2 {
        m /= 2.0;
        exponent += 1;
    }
    let s = (m - 1.0) / (m + 1.0);
    let square = s * s;
    // |s| < 0.172: the eleventh term is below the last place of the first.
    let series = (0..11)
        .rev()
        .fold(0.0, |sum, i| sum * square + 1.0 / f64::from(2 * i + 1));
    exponent as f64 * std::f64::consts::LN_2 + 2.0 * s * series
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn our_logarithm_is_the_logarithm(bits: u64) {
            let x = unit(bits);
            let error = (ln(x) - x.ln()).abs();
            prop_assert!(error <= 1e-14 * x.ln().abs(), "ln {x}: {} for {}", ln(x), x.ln());
        }
    }

    #[test]
    fn draws_stay_what_they_were() {
        // Tables must not depend on the machine that computes them.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(unit(0), 0.5 / (1u64 << 52) as f64);
        assert!(unit(u64::MAX) < 1.0);
    }
}
