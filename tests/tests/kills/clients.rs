//! Clients that know of each of their keys what it may hold.
//!
//! A key is one client's own. A request that was acknowledged decides what the key holds. One that
//! failed may take effect at any later moment, or never: the key is left alone from then on, and may
//! hold either.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libtest_mimic::Failed;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, KIB, MIB};
use riquet_tests::s3::{Request, S3};

/// The bucket that is written to.
pub(crate) const BUCKET: &str = "kills";

/// A gateway that says nothing for so long is given up: longer than any pause of a commit.
const SILENCE: Duration = Duration::from_secs(40);

/// How long a client waits after it met a dead gateway.
const PAUSE: Duration = Duration::from_millis(50);

/// Keys that a client keeps in use: older ones are deleted, so that disks don't fill.
const KEYS: u64 = 24;

/// What a key holds: length and SHA-256; none: nothing.
pub(crate) type Content = Option<(u64, String)>;

/// What a client knows in the end.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// What each key may hold.
    pub(crate) keys: BTreeMap<String, Vec<Content>>,
    /// Requests that were acknowledged.
    pub(crate) done: u64,
    /// Requests that failed, or whose answer was lost.
    pub(crate) uncertain: u64,
}

/// Stores, overwrites, reads and deletes until `stop`.
pub(crate) fn run(
    cluster: &Cluster,
    client: u64,
    seed: u64,
    stop: &AtomicBool,
) -> Result<Known, Failed> {
    let mut random = StdRng::seed_from_u64(seed ^ (client << 32));
    let gateways = Site::ALL.map(|site| cluster.s3(site).with_silence_timeout(SILENCE));
    let mut known = Known::default();
    let mut fresh = 0;
    // Slots of keys in use; one whose key became uncertain goes on with a fresh key.
    let mut slots: BTreeMap<u64, String> = BTreeMap::new();
    let mut gateway = (client % 2) as usize;
    while !stop.load(Ordering::Relaxed) {
        let s3 = &gateways[gateway];
        let slot = random.random_range(0..KEYS);
        let key = slots.entry(slot).or_insert_with(|| {
            fresh += 1;
            format!("{client}/{fresh}")
        });
        let key = key.clone();
        let before = known.keys.get(&key).map_or(&None, |contents| &contents[0]);
        let before = before.clone();
        let (after, outcome) = match random.random_range(0..10) {
            0..5 => {
                let bytes = data::bytes(random.random(), size_bytes(&mut random));
                let after = Some((bytes.len() as u64, data::sha256(&bytes)));
                let outcome = match bytes.len() as u64 > 5 * MIB {
                    true => put_in_parts(s3, &key, &bytes),
                    false => s3.put(&path(&key), &bytes).map(drop),
                };
                (after, outcome)
            }
            5..7 => (None, delete(s3, &key)),
            _ => {
                // A gateway may die under a read; a wrong answer is another matter.
                match read(s3, &key) {
                    Ok(found) if found == before => {}
                    Ok(found) => {
                        return Err(format!("{key} holds {found:?}, not {before:?}").into());
                    }
                    Err(_) => {
                        gateway = 1 - gateway;
                        std::thread::sleep(PAUSE);
                    }
                }
                continue;
            }
        };
        match outcome {
            Ok(()) => {
                known.keys.insert(key, vec![after]);
                known.done += 1;
                if random.random_bool(0.1) {
                    gateway = 1 - gateway;
                }
            }
            // Nobody was there to hear it.
            Err(error) if error.message().is_some_and(|text| text.contains("refused")) => {
                gateway = 1 - gateway;
                std::thread::sleep(PAUSE);
            }
            Err(_) => {
                known.keys.insert(key, vec![before, after]);
                known.uncertain += 1;
                slots.remove(&slot);
                // It may be dead.
                gateway = 1 - gateway;
            }
        }
    }
    Ok(known)
}

/// Inline, one stripe, several, and large enough for parts.
fn size_bytes(random: &mut StdRng) -> u64 {
    match random.random_range(0..10) {
        0 | 1 => random.random_range(0..4 * KIB),
        2..6 => random.random_range(4 * KIB..256 * KIB),
        6..9 => random.random_range(256 * KIB..3 * MIB),
        _ => random.random_range(5 * MIB + 1..9 * MIB),
    }
}

fn path(key: &str) -> String {
    format!("/{BUCKET}/{key}")
}

fn put_in_parts(s3: &S3, key: &str, bytes: &[u8]) -> Result<(), Failed> {
    let path = path(key);
    let upload = s3.create_upload(&path)?;
    let mut etags = Vec::new();
    for (part, number) in bytes.chunks(5 * MIB as usize).zip(1..) {
        let answer = s3.send(S3::part(&path, &upload, number), part)?;
        let answer = answer.expect(200)?;
        etags.push(answer.header("etag").ok_or("no ETag")?.to_owned());
    }
    s3.complete(&path, &upload, &etags).map(drop)
}

fn delete(s3: &S3, key: &str) -> Result<(), Failed> {
    s3.ask("DELETE", &path(key))?.expect(204).map(drop)
}

/// What a key holds, if the gateway can say.
pub(crate) fn read(s3: &S3, key: &str) -> Result<Content, Failed> {
    let head = s3.send(Request::new("HEAD", path(key)), &[])?;
    if head.status == 404 {
        return Ok(None);
    }
    head.expect(200)?;
    s3.sha256(&path(key)).map(Some)
}
