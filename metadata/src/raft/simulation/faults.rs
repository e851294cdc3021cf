//! What goes wrong: cuts between sites, in one direction or both, voters alone, crashes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::dice;
use super::network::Place;
use super::voters::{SITES, World};

/// Clients at each data site.
pub(super) const CLIENTS: [Place; 4] = [11, 12, 13, 14];

/// Who is at a site.
fn places_at(site: Option<&str>) -> Vec<Place> {
    let voters = (1..).zip(SITES).filter(|(_, at)| *at == site);
    let mut places: Vec<Place> = voters.map(|(voter, _)| voter).collect();
    match site {
        Some("t") => places.extend(&CLIENTS[..2]),
        Some(_) => places.extend(&CLIENTS[2..]),
        None => {}
    }
    places
}

fn all() -> impl Iterator<Item = Place> {
    (1..=SITES.len() as u64).chain(CLIENTS)
}

/// Cuts some places off from the others.
fn cut(world: &World, inside: &[Place]) {
    let outside: Vec<Place> = all().filter(|place| !inside.contains(place)).collect();
    let pairs = || {
        let pairs = inside
            .iter()
            .map(|&one| outside.iter().map(move |&other| (one, other)));
        pairs.flatten()
    };
    let (is_mute, is_deaf) = [(true, true), (true, false), (false, true)][dice::below(3) as usize];
    world.fault(format_args!(
        "cut off {inside:?}, mute {is_mute}, deaf {is_deaf}"
    ));
    if is_mute {
        world.network.cut(pairs());
    }
    if is_deaf {
        world.network.cut(pairs().map(|(one, other)| (other, one)));
    }
}

async fn crash(world: &Arc<World>, voters: &[Place], down_ms: u64) {
    let left: Vec<_> = voters
        .iter()
        .map(|&voter| (voter, world.is_running(voter), world.crash(voter)))
        .collect();
    tokio::time::sleep(Duration::from_millis(down_ms)).await;
    for (voter, was_running, left) in left {
        if was_running {
            world.start(voter, left).await;
        }
    }
}

/// Lets things go wrong until then, and sets all right again.
pub(super) async fn trouble(world: Arc<World>, until: Instant) {
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(200 + dice::below(2_500))).await;
        let voter = 1 + dice::below(SITES.len() as u64);
        let site = [Some("t"), Some("m"), None][dice::below(3) as usize];
        let last_ms = 100 + dice::below(5_000);
        match dice::below(6) {
            0 | 1 => {
                cut(&world, &places_at(site));
                tokio::time::sleep(Duration::from_millis(last_ms)).await;
            }
            2 => {
                cut(&world, &[voter]);
                tokio::time::sleep(Duration::from_millis(last_ms)).await;
            }
            3 => crash(&world, &[voter], last_ms).await,
            4 => {
                let at_site = places_at(site);
                let voters: Vec<Place> = at_site.into_iter().filter(|&it| it <= 5).collect();
                crash(&world, &voters, last_ms).await;
            }
            // All at once: nothing but what was synced is left anywhere.
            _ => {
                cut(&world, &[voter]);
                crash(&world, &[1, 2, 3, 4, 5], last_ms / 4).await;
            }
        }
        if dice::below(3) != 0 {
            world.record.note("healed");
            world.network.heal();
        }
    }
    world.record.note("the faults end");
    world.network.heal();
}
