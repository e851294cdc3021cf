//! Random histories of uploads, deletions, crashes and garbage collection, held against two rules:
//! what an object or upload names is never removed, and in the end nothing else is left.
//!
//! The metadata's state machine, its client, the shard stores, the collector, the removals and the
//! sweeps are the real ones; disks, power and network are simulated. Every call of an actor waits at
//! a gate, where the driver chooses who goes on, whether the call or its answer is lost, and who
//! crashes. So a history is a seed, but for what threads within one call decide.
//!
//! `RIQUET_GARBAGE_HISTORIES` sets how many histories are run, `RIQUET_GARBAGE_SEED` the first seed.
//! A failure prints its seed and its last steps.

mod actors;
mod oracle;
mod world;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use riquet_cluster::id::BlobId;
use riquet_cluster::wire::shard::Owner;
use riquet_metadata::record::{Bucket, ETag, Versioning};
use riquet_metadata::{Client, GroupId, ObjectKey, UploadId};

use actors::{Actor, Manner, Purpose, Put};
use oracle::Oracle;
use riquet_metadata::command::{DeleteObject, NewBucket};
use riquet_metadata::query::ListRequest;
use world::{BASE_MS, DAY_MS, DISKS, KEY_GROUPS, RECORDS_MS, Verdict, World};

/// Steps of a history before all is left to come to rest.
const STEPS: usize = 140;
/// Actors at work at once.
const ACTORS: usize = 7;
/// How long the histories of a usual run of the tests may take; no new one begins after that.
const USUAL_TIME: Duration = Duration::from_secs(15);
const BUCKETS: [&str; 3] = ["first", "second", "third"];
const KEYS: [&str; 3] = ["a", "k", "x"];

struct Driver {
    random: StdRng,
    world: Arc<World>,
    /// Asks at once, for the oracle and for what is not cut into steps here.
    client: Client,
    oracle: Oracle,
    actors: Vec<Actor>,
    uploads: Vec<(Arc<Bucket>, ObjectKey, UploadId)>,
    made: u64,
    /// What happened, to be printed when it ends badly.
    log: Vec<String>,
}

impl Driver {
    async fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let world = World::new(&mut random).await;
        let client = world.client();
        for name in BUCKETS {
            client
                .create_bucket(&NewBucket::named(name, "root", "r"))
                .await
                .unwrap();
        }
        Self {
            random,
            oracle: Oracle::new(Arc::clone(&world)),
            client,
            world,
            actors: Vec::new(),
            uploads: Vec::new(),
            made: 0,
            log: Vec::new(),
        }
    }

    fn note(&mut self, what: impl Into<String>) {
        self.log.push(what.into());
    }

    async fn run(&mut self) {
        for _ in 0..STEPS {
            self.step().await;
            self.oracle.check(&self.client).await;
        }
        if self.random.random_bool(0.5) {
            // Else all of them crash now.
            while !self.actors.is_empty() {
                self.advance(0, Verdict::Go).await;
                self.oracle.check(&self.client).await;
            }
        }
        self.come_to_rest().await;
    }

    async fn step(&mut self) {
        let disk = self.random.random_range(0..DISKS);
        match self.random.random_range(0..100) {
            0..20 if self.actors.len() < ACTORS => self.begin().await,
            0..80 if !self.actors.is_empty() => {
                let actor = self.random.random_range(0..self.actors.len());
                let verdict = match self.random.random_range(0..100) {
                    0..94 => Verdict::Go,
                    94..97 => Verdict::Lose,
                    _ => Verdict::LoseAnswer,
                };
                self.advance(actor, verdict).await;
            }
            0..80 => self.begin().await,
            80..83 => self.crash(),
            83..86 => {
                let operations = self.random.random_range(0..12);
                self.note(format!("power of disk {disk} goes after {operations}"));
                self.world.cut_after(disk, operations);
            }
            86..91 => {
                let cut = (0..DISKS).find(|disk| self.world.is_cut(*disk));
                if let Some(disk) = cut {
                    self.restart(disk);
                }
            }
            91..96 => {
                let is_away = !self.world.is_away(disk) && self.random.random_bool(0.4);
                self.note(format!("disk {disk} away: {is_away}"));
                self.world.set_away(disk, is_away);
            }
            96..98 => {
                let store = self.world.store(disk);
                let compacted = store.compact_once(|_| std::future::ready(())).await;
                self.note(format!("disk {disk} compacts: {compacted:?}"));
            }
            98 => self.move_tablet().await,
            _ => self.delete_bucket().await,
        }
    }

    /// Lets an actor go on by one call.
    async fn advance(&mut self, actor: usize, verdict: Verdict) {
        let name = self.actors[actor].name.clone();
        self.note(format!("{name}: {verdict:?}"));
        if !self.actors[actor].step(verdict).await {
            self.note(format!("{name} ends"));
            self.actors.remove(actor);
        }
    }

    fn crash(&mut self) {
        if !self.actors.is_empty() {
            let actor = self.random.random_range(0..self.actors.len());
            let actor = self.actors.remove(actor);
            self.note(format!("{} crashes", actor.name));
        }
    }

    fn restart(&mut self, disk: usize) {
        self.note(format!("disk {disk} restarts"));
        self.actors.retain(|actor| actor.disk != Some(disk));
        self.world.restart(disk, &mut self.random);
    }

    /// A new actor begins.
    async fn begin(&mut self) {
        let disk = self.random.random_range(0..DISKS);
        match self.random.random_range(0..100) {
            0..36 => {
                let purpose = match self.random.random_range(0..3) {
                    0 if !self.uploads.is_empty() => {
                        let upload = self.random.random_range(0..self.uploads.len());
                        let (bucket, key, upload) = self.uploads[upload].clone();
                        let part = self.random.random_range(1..4);
                        Some((bucket, key, Purpose::Part(upload, part)))
                    }
                    _ => self.bucket_and_key().await,
                };
                if let Some((bucket, key, purpose)) = purpose {
                    self.begin_put(bucket, key, purpose).await;
                }
            }
            36..40 => self.strand_old_blob(disk).await,
            40..66 => self.begin_change().await,
            66..80 => {
                let group = GroupId(self.random.random_range(1..=KEY_GROUPS));
                // All garbage, or none of it.
                let is_late = self.random.random_bool(0.9);
                let now_ms = if is_late { u64::MAX } else { 1 };
                let world = Arc::clone(&self.world);
                self.act(format!("collector of {group}"), None, |gate| {
                    Box::pin(async move {
                        let client = world.gated(&gate);
                        let _ = actors::collect(world, client, Some(gate), group, now_ms).await;
                    })
                })
                .await;
            }
            // The rest is the work of the disk's node.
            _ if self.world.is_away(disk) => {}
            80..86 => {
                let world = Arc::clone(&self.world);
                self.act(format!("removals of disk {disk}"), Some(disk), |gate| {
                    Box::pin(async move {
                        let client = world.gated(&gate);
                        let _ = actors::remove_left(world, client, disk).await;
                    })
                })
                .await;
            }
            _ => {
                let some_ms = BASE_MS + self.random.random_range(0..=self.made + 1);
                let (from_ms, before_ms) = match self.random.random_range(0..4) {
                    0 => (0, some_ms),
                    1 => (some_ms, BASE_MS + DAY_MS),
                    2 => (0, BASE_MS - DAY_MS),
                    _ => (0, BASE_MS + DAY_MS),
                };
                let world = Arc::clone(&self.world);
                self.act(format!("sweep of disk {disk}"), Some(disk), |gate| {
                    Box::pin(async move {
                        let client = world.gated(&gate);
                        let _ = actors::sweep(world, client, disk, from_ms, before_ms).await;
                    })
                })
                .await;
            }
        }
    }

    async fn act(
        &mut self,
        name: String,
        disk: Option<usize>,
        work: impl FnOnce(Arc<world::Gate>) -> std::pin::Pin<Box<dyn Future<Output = ()>>>,
    ) {
        let name = format!("#{} {name}", self.log.len());
        self.note(format!("{name} begins"));
        self.actors.extend(Actor::start(name, disk, work).await);
    }

    async fn bucket_and_key(&mut self) -> Option<(Arc<Bucket>, ObjectKey, Purpose)> {
        let name = BUCKETS[self.random.random_range(0..BUCKETS.len())];
        let key = KEYS[self.random.random_range(0..KEYS.len())];
        // As an earlier look showed it, perhaps: clients remember buckets.
        let bucket = self.client.bucket(name).await.ok()?;
        Some((bucket, key.into(), Purpose::Object))
    }

    /// What the bucket's versioning is, as a gateway knows it at the moment.
    fn versioning(&mut self) -> Versioning {
        match self.random.random_range(0..10) {
            0..4 => Versioning::Never,
            4..8 => Versioning::Enabled,
            _ => Versioning::Suspended,
        }
    }

    /// What a client may delete of a key: the object, or a version that there is.
    async fn deletion(&mut self, bucket: &Bucket, key: ObjectKey) -> DeleteObject {
        let list = ListRequest {
            prefix: key.clone(),
            max: 10,
            ..ListRequest::default()
        };
        let page = self.client.list_versions(bucket, list).await;
        let versions = page.map(|page| page.objects).unwrap_or_default();
        let chosen = versions.get(self.random.random_range(0..6));
        DeleteObject {
            version: chosen.map(|chosen| chosen.head.name()),
            versioning: self.versioning(),
            ..DeleteObject::of_key(key)
        }
    }

    fn fresh_blob(&mut self, made_ms: u64) -> BlobId {
        self.made += 1;
        BlobId::new(made_ms + self.made, self.random.random())
    }

    async fn begin_put(&mut self, bucket: Arc<Bucket>, key: ObjectKey, purpose: Purpose) {
        // Some take longer than a commit is waited for.
        let is_slow = self.random.random_bool(0.08);
        let made_ms = if is_slow { RECORDS_MS } else { BASE_MS };
        let id = self.fresh_blob(made_ms);
        let manner = match self.random.random_range(0..10) {
            0..2 => Manner::Straggling(self.random.random_range(0..8)),
            2 => Manner::HungUp,
            _ => Manner::Usual,
        };
        let chunks = if self.random.random_bool(0.2) { 2 } else { 1 };
        let put = Put {
            bucket,
            key,
            purpose,
            blob: self.world.blob_ref(id, chunks),
            tag: ETag::whole(self.random.random()),
            manner,
            versioning: self.versioning(),
        };
        let world = Arc::clone(&self.world);
        let name = format!(
            "put of {id} ({manner:?}) as {}/{:?}",
            put.bucket.name, put.key
        );
        self.act(name, None, |gate| Box::pin(actors::put(world, gate, put)))
            .await;
    }

    /// A shard is found of a blob that is older than the records: nothing may be concluded of it.
    async fn strand_old_blob(&mut self, disk: usize) {
        let Some((bucket, key, _)) = self.bucket_and_key().await else {
            return;
        };
        let id = self.fresh_blob(RECORDS_MS - 30 * DAY_MS);
        let blob = self.world.blob_ref(id, 1);
        let owner = Owner {
            bucket: bucket.id.0,
            key: key.as_bytes().to_vec(),
            part: None,
            sealed: false,
        };
        for (at, shard) in self.world.shards_of(&blob) {
            if at == disk
                && self.world.begin(disk, shard, &owner).await
                && self.world.finish(disk, shard).await
            {
                self.note(format!("shard {shard} of an older time on disk {disk}"));
                self.oracle.expect_old(disk, shard);
            }
        }
    }

    /// A client changes what there is without sending data.
    async fn begin_change(&mut self) {
        let Some((bucket, key, _)) = self.bucket_and_key().await else {
            return;
        };
        let world = Arc::clone(&self.world);
        let kind = self.random.random_range(0..10);
        if kind < 4 || (kind >= 6 && self.uploads.is_empty()) {
            let delete = self.deletion(&bucket, key).await;
            let name = format!("deletion in {}: {delete:?}", bucket.name);
            return self
                .act(name, None, |gate| {
                    Box::pin(actors::delete_object(world.gated(&gate), bucket, delete))
                })
                .await;
        }
        if kind < 6 {
            let upload = UploadId(self.random.random());
            self.uploads
                .push((Arc::clone(&bucket), key.clone(), upload));
            let name = format!("upload {upload:?} in {}/{key:?}", bucket.name);
            return self
                .act(name, None, |gate| {
                    Box::pin(actors::create_upload(
                        world.gated(&gate),
                        bucket,
                        key,
                        upload,
                    ))
                })
                .await;
        }
        let upload = self.random.random_range(0..self.uploads.len());
        let (bucket, key, upload) = self.uploads[upload].clone();
        if kind < 8 {
            let name = format!("abortion of {upload:?}");
            self.act(name, None, |gate| {
                Box::pin(actors::abort_upload(
                    world.gated(&gate),
                    bucket,
                    key,
                    upload,
                ))
            })
            .await;
        } else {
            let name = format!("completion of {upload:?}");
            let manner = (self.random.random(), self.versioning());
            self.act(name, None, |gate| {
                let client = world.gated(&gate);
                Box::pin(actors::complete_upload(client, bucket, key, upload, manner))
            })
            .await;
        }
    }

    /// Moves a tablet to the other group, or splits it. In one step: what comes in between is held
    /// to account by the metadata's own tests.
    async fn move_tablet(&mut self) {
        let name = BUCKETS[self.random.random_range(0..BUCKETS.len())];
        let Ok(bucket) = self.client.bucket_now(name).await else {
            return;
        };
        let place = self.random.random_range(0..bucket.tablets.len());
        let range = bucket.range_at(place);
        let done = if bucket.tablets.len() == 1 && self.random.random_bool(0.5) {
            self.client.split_tablet(&bucket, &range, "g".into()).await
        } else {
            let to = GroupId(3 - bucket.tablets[place].group.0);
            self.client.move_tablet(&bucket, &range, to).await
        };
        self.note(format!("tablet {place} of {name}: {done:?}"));
        done.unwrap();
    }

    /// Deletes a bucket with the uploads in it, if it has no objects, and makes it anew.
    async fn delete_bucket(&mut self) {
        let name = BUCKETS[self.random.random_range(0..BUCKETS.len())];
        let Ok(bucket) = self.client.bucket_now(name).await else {
            return;
        };
        let deleted = self.client.delete_bucket(&bucket).await;
        self.note(format!("bucket {name} deleted: {deleted:?}"));
        if deleted.is_ok() {
            self.client
                .create_bucket(&NewBucket::named(name, "root", "r"))
                .await
                .unwrap();
        }
    }

    /// Everybody stops, all disks come up, and what background work there is runs to its end.
    async fn come_to_rest(&mut self) {
        self.note("rest");
        self.actors.clear();
        for disk in 0..DISKS {
            self.world.set_away(disk, false);
            if self.world.is_cut(disk) || self.random.random_bool(0.1) {
                self.restart(disk);
            }
        }
        self.oracle.check(&self.client).await;
        let (world, client) = (&self.world, &self.client);
        for group in GroupId::keys(KEY_GROUPS) {
            let collected =
                actors::collect(Arc::clone(world), client.clone(), None, group, u64::MAX);
            collected.await.unwrap();
        }
        for disk in 0..DISKS {
            let removed = actors::remove_left(Arc::clone(world), client.clone(), disk);
            removed.await.unwrap();
        }
        self.oracle.check_collected(client).await;
        for disk in 0..DISKS {
            let before_ms = BASE_MS + DAY_MS;
            let swept = actors::sweep(Arc::clone(world), client.clone(), disk, 0, before_ms);
            swept.await.unwrap();
        }
        self.oracle.check_clean(client).await;
    }
}

/// Prints what led to a failure.
struct Tell<'a>(u64, &'a mut Driver);

impl Drop for Tell<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "history {} (RIQUET_GARBAGE_SEED={} repeats it):",
                self.0, self.0
            );
            for line in &self.1.log {
                eprintln!("  {line}");
            }
        }
    }
}

fn run_history(seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut driver = Driver::new(seed).await;
        let tell = Tell(seed, &mut driver);
        tell.1.run().await;
    });
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn what_is_named_stays_and_all_else_goes() {
    let first = number("RIQUET_GARBAGE_SEED").unwrap_or(0);
    let is_repeated = std::env::var_os("RIQUET_GARBAGE_SEED").is_some();
    let asked = number("RIQUET_GARBAGE_HISTORIES").or(is_repeated.then_some(1));
    let began = Instant::now();
    let mut run = 0;
    while asked.map_or(began.elapsed() < USUAL_TIME, |asked| run < asked) {
        run_history(first + run);
        run += 1;
    }
    println!("{run} histories in {:?}", began.elapsed());
}
