//! Clients in rounds, each with keys of its own so that histories stay short; faults meanwhile;
//! and in the end, with all mended, a look at every key.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use riquet_tests::cluster::{Cluster, Site};

use crate::client::{Client, Told, Values, Wish};
use crate::history::{self, Event, Object};
use crate::model::{Action, Answer, Change, Condition, KEYS, Value};
use crate::nemesis::Nemesis;

const SECONDS: &str = "RIQUET_LINEARIZABILITY_SECONDS";
const SEED: &str = "RIQUET_LINEARIZABILITY_SEED";
/// Seconds of faults when nothing else is asked for.
const DEFAULT_SECONDS: u64 = 120;

/// Clients at work at the same time.
const CLIENTS: u32 = 12;
/// Every third client waits longer than a gateway tries (15 s), so that it hears the outcome; the
/// others soon turn to something else, and leave behind what may be done later.
const PATIENCE: [Duration; 3] = [
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(20),
];
/// How long clients begin requests on the keys of one round.
const ROUND: Duration = Duration::from_secs(8);
/// Keys of a round that are checked each for itself.
const REGISTERS: u32 = 6;
/// Groups of [`KEYS`] keys of a round that are listed.
const GROUPS: u32 = 2;
/// Buckets, taken in turn: each has its own tablet.
const BUCKETS: u32 = 8;
/// A pause after a failure, so that an outage leaves few uncertain writes behind.
const PAUSE_AFTER_FAILURE_MS: std::ops::Range<u64> = 100..500;
/// How long a mended cluster may take to serve all keys.
const RECOVERY: Duration = Duration::from_secs(60);
/// Reads made stale to see them refused.
const STALE_READS: usize = 40;

fn bucket(round: u32) -> String {
    format!("histories-{}", round % BUCKETS)
}

/// A number from the environment.
fn number(name: &str) -> Result<Option<u64>, Failed> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(
            text.parse().map_err(|error| format!("{name}: {error}"))?,
        )),
        Err(_) => Ok(None),
    }
}

pub(crate) fn under_faults(cluster: &Cluster) -> Result<(), Failed> {
    let seconds = number(SECONDS)?.unwrap_or(DEFAULT_SECONDS);
    let seed = number(SEED)?.unwrap_or_else(rand::random);
    println!("{SEED}={seed} {SECONDS}={seconds}");
    run(cluster, Duration::from_secs(seconds), seed)
        .map_err(|error| format!("{SEED}={seed}: {}", text(&error)).into())
}

fn text(error: &Failed) -> &str {
    error.message().unwrap_or("no message")
}

fn run(cluster: &Cluster, duration: Duration, seed: u64) -> Result<(), Failed> {
    for number in 0..BUCKETS {
        cluster
            .s3(Site::Toulouse)
            .put(&format!("/{}", bucket(number)), &[])?;
    }
    let values = Values::new();
    let stop = AtomicBool::new(false);
    let mut nemesis = Nemesis::new(seed, cluster)?;
    let since = Instant::now();
    let (mut events, faults) = std::thread::scope(|scope| {
        let faults = scope.spawn(|| nemesis.run(cluster, &stop));
        let events = rounds(cluster, &values, duration, seed, &stop);
        stop.store(true, Ordering::Relaxed);
        let faults = faults.join().map_err(|_| "the faults' thread panicked")?;
        Ok::<_, Failed>((events?, faults?))
    })?;
    let elapsed = since.elapsed();
    events.extend(last_look(cluster, &values, &events)?);
    println!("{}", summary(&events, faults, elapsed));
    let since = Instant::now();
    history::check_all(&events, cluster.dir())?;
    println!("all of it was explained in {:.1?}", since.elapsed());
    let (refused, tried) = history::refused_stale_reads(&events, STALE_READS);
    println!("{refused} of {tried} reads that were made stale were refused");
    if refused == 0 {
        return Err("this history would not have shown a stale read".into());
    }
    Ok(())
}

fn summary(events: &[Event], faults: usize, elapsed: Duration) -> String {
    let count = |wanted: fn(&Action) -> bool| {
        let actions = events.iter().map(|event| &event.action);
        actions.filter(|action| wanted(action)).count()
    };
    let writes = count(|a| matches!(a, Action::Write { .. }));
    let listings = count(|a| matches!(a, Action::List { .. }));
    let answered = |wanted| {
        let answers = events.iter().filter_map(Event::answer);
        answers.filter(|&answer| answer == wanted).count()
    };
    format!(
        "{} requests ({:.0}/s) in {elapsed:.0?} under {faults} faults: {} reads, {listings} \
         listings, {writes} writes, of which {} done, {} kept by a condition, {} refused, {} \
         uncertain",
        events.len(),
        events.len() as f64 / elapsed.as_secs_f64(),
        events.len() - writes - listings,
        answered(Answer::Done),
        answered(Answer::PreconditionFailed) + answered(Answer::NoSuchKey),
        answered(Answer::Refused),
        answered(Answer::Uncertain),
    )
}

/// Round after round, each checked while the next goes on, for `duration` or until `stop`.
fn rounds(
    cluster: &Cluster,
    values: &Values,
    duration: Duration,
    seed: u64,
    stop: &AtomicBool,
) -> Result<Vec<Event>, Failed> {
    let end = Instant::now() + duration;
    let mut all: Vec<Event> = Vec::new();
    let mut number = 0;
    while Instant::now() < end && !stop.load(Ordering::Relaxed) {
        let from = all
            .iter()
            .rposition(|event| event.object.round + 1 < number);
        let before = &all[from.map_or(0, |index| index + 1)..];
        let events = std::thread::scope(|scope| {
            let checked = scope.spawn(|| history::check_all(before, cluster.dir()));
            let events = round(cluster, values, number, seed, end);
            checked.join().map_err(|_| "the checker panicked")??;
            events
        })?;
        all.extend(events);
        number += 1;
    }
    Ok(all)
}

/// What clients share in a round: the value that each key was last known to hold, 0 for none.
/// Conditions are made of it, so that many of them hold.
type Known = [[AtomicU32; KEYS]; (REGISTERS + GROUPS) as usize];

fn round(
    cluster: &Cluster,
    values: &Values,
    number: u32,
    seed: u64,
    end: Instant,
) -> Result<Vec<Event>, Failed> {
    let end = end.min(Instant::now() + ROUND);
    let known = Known::default();
    let bucket = bucket(number);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let patience = PATIENCE[client as usize % PATIENCE.len()];
                let gateway = Site::ALL[client as usize / PATIENCE.len() % 2];
                let client = Client {
                    number: client,
                    gateway,
                    s3: cluster.s3(gateway).with_silence_timeout(patience),
                    values,
                };
                let mixed = seed ^ (u64::from(number) << 32) ^ u64::from(client.number);
                let (known, bucket) = (&known, &bucket);
                let rng = SmallRng::seed_from_u64(mixed);
                scope.spawn(move || requests(&client, bucket, number, known, rng, end))
            })
            .collect();
        let mut events = Vec::new();
        for client in clients {
            events.extend(client.join().map_err(|_| "a client panicked")??);
        }
        Ok(events)
    })
}

/// One client's requests until `end`.
fn requests(
    client: &Client<'_>,
    bucket: &str,
    round: u32,
    known: &Known,
    mut rng: SmallRng,
    end: Instant,
) -> Result<Vec<Event>, Failed> {
    let mut events = Vec::new();
    while Instant::now() < end {
        let slot = rng.random_range(0..REGISTERS + GROUPS);
        let known = &known[slot as usize];
        let wish = wish(&mut rng, slot, known, client.values);
        let pause_ms = rng.random_range(PAUSE_AFTER_FAILURE_MS);
        let told = client.ask(bucket, Object { round, slot }, wish)?;
        if let Told::Event(event) = told {
            learn(known, event.action);
            events.push(event);
        }
        let has_failed = match told {
            Told::Nothing => true,
            Told::Event(event) => {
                matches!(event.answer(), Some(Answer::Refused | Answer::Uncertain))
            }
        };
        if has_failed {
            std::thread::sleep(Duration::from_millis(pause_ms));
        }
    }
    Ok(events)
}

/// The next thing a client wants of a slot.
fn wish(rng: &mut SmallRng, slot: u32, known: &[AtomicU32; KEYS], values: &Values) -> Wish {
    let is_group = slot >= REGISTERS;
    if is_group && rng.random_bool(0.35) {
        return Wish::List;
    }
    let key = if is_group {
        rng.random_range(0..KEYS)
    } else {
        0
    };
    let held = Condition::Holds(known[key].load(Ordering::Relaxed));
    // An ETag must be known to be asked for.
    let held = match held {
        Condition::Holds(0) => Condition::Absent,
        other => other,
    };
    let held_if_any = match held {
        Condition::Absent => Condition::Always,
        other => other,
    };
    let put = |condition| Wish::Write(key, Change::Put(values.fresh()), condition);
    match rng.random_range(0..100) {
        0..30 => Wish::Get(key),
        30..40 => Wish::Head(key),
        40..55 => put(Condition::Always),
        55..67 => put(Condition::Absent),
        67..85 => put(held),
        85..95 => Wish::Write(key, Change::Delete, Condition::Always),
        _ => Wish::Write(key, Change::Delete, held_if_any),
    }
}

/// Notes what a key holds after what was just seen.
fn learn(known: &[AtomicU32; KEYS], action: Action) {
    let note = |key: usize, value: Option<Value>| {
        known[key].store(value.unwrap_or(0), Ordering::Relaxed);
    };
    match action {
        Action::Read { key, seen } => note(key, seen),
        Action::List { seen } => (0..).zip(seen).for_each(|(key, seen)| note(key, seen)),
        Action::Write {
            key,
            change,
            answer: Answer::Done,
            ..
        } => note(
            key,
            match change {
                Change::Put(value) => Some(value),
                Change::Delete => None,
            },
        ),
        Action::Write { .. } => {}
    }
}

/// Reads of everything at both gateways, once they serve again: part of the history, so that lost
/// and late writes show.
fn last_look(cluster: &Cluster, values: &Values, events: &[Event]) -> Result<Vec<Event>, Failed> {
    let objects: BTreeSet<Object> = events.iter().map(|event| event.object).collect();
    let since = Instant::now();
    let mut last = Vec::new();
    for (gateway, number) in Site::ALL.into_iter().zip(CLIENTS..) {
        let client = Client {
            number,
            gateway,
            s3: cluster.s3(gateway),
            values,
        };
        for &object in &objects {
            let is_group = object.slot >= REGISTERS;
            let keys = if is_group { KEYS } else { 1 };
            let wishes = (0..keys)
                .map(Wish::Get)
                .chain(is_group.then_some(Wish::List));
            for wish in wishes {
                let event = loop {
                    match client.ask(&bucket(object.round), object, wish)? {
                        Told::Event(event) => break event,
                        Told::Nothing if since.elapsed() < RECOVERY => {
                            std::thread::sleep(Duration::from_millis(100));
                        }
                        Told::Nothing => {
                            let site = gateway.name();
                            return Err(format!("{site} does not serve {object:?} again").into());
                        }
                    }
                };
                last.push(event);
            }
        }
    }
    Ok(last)
}
