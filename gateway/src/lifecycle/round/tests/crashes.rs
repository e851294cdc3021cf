//! Workers that die between any two calls, and others that go on.

use std::sync::atomic::AtomicUsize;

use http::StatusCode;
use riquet_metadata::client::{CallFuture, NoAnswer, OpenFuture};

use super::*;

/// Lets so many calls through; of the rest none is answered, ever, as the caller is dead.
struct Dying {
    caller: LocalCaller,
    left: AtomicUsize,
    /// Whether the last one still arrives.
    last_arrives: bool,
    died: tokio::sync::Notify,
}

impl Dying {
    /// Whether a call comes through: its answer does not where it is the last.
    fn take(&self) -> Fate {
        let left = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        match left {
            Ok(1) if self.last_arrives => Fate::Unanswered,
            Ok(1) | Err(_) => Fate::Lost,
            Ok(_) => Fate::Through,
        }
    }
}

enum Fate {
    Through,
    Unanswered,
    Lost,
}

struct Line(Arc<Dying>);

impl Caller for Line {
    fn call<'a>(&'a self, to: &'a str, path: &'static str, body: Bytes) -> CallFuture<'a> {
        Box::pin(async move {
            match self.0.take() {
                Fate::Through => return self.0.caller.call(to, path, body).await,
                Fate::Unanswered => {
                    let _: Result<(StatusCode, Bytes), NoAnswer> =
                        self.0.caller.call(to, path, body).await;
                }
                Fate::Lost => {}
            }
            self.0.died.notify_one();
            std::future::pending().await
        })
    }

    fn open<'a>(&'a self, _: &'a str, _: &'static str, _: Bytes) -> OpenFuture<'a> {
        unreachable!("rounds export nothing")
    }
}

/// What is left of a bucket after a worker died at a call and another went on; none: it did not die.
async fn left_after_death(at: usize, last_arrives: bool) -> Option<Vec<String>> {
    let world = World::new(Versioning::Enabled).await;
    for key in ["a", "b", "c"] {
        world.put(key, world.blob(1 << 20), &[]).await;
        world.put(key, world.blob(1 << 20), &[]).await;
    }
    world.delete("c").await;
    world.put("kept", small(), &[]).await;
    let transition =
        "<Transition><Days>1</Days><StorageClass>ONEZONE_IA</StorageClass></Transition>";
    let expire = "<Expiration><Days>1</Days></Expiration>";
    let noncurrent = "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>\
        </NoncurrentVersionExpiration>";
    world
        .set_rules(&[
            ("<Prefix>a</Prefix>", transition),
            ("<Prefix>b</Prefix>", expire),
            ("<Prefix>c</Prefix>", noncurrent),
        ])
        .await;
    world.set_clock(3);
    let line = Arc::new(Dying {
        caller: LocalCaller::new(world.service.clone()),
        left: AtomicUsize::new(at),
        last_arrives,
        died: tokio::sync::Notify::new(),
    });
    let (first, second) = (RequestId::from_u128(1), 2);
    let work = world.work_over(client(Line(line.clone())), 1);
    let died = tokio::select! {
        outcome = work.round(world.bucket.id) => {
            outcome.expect("it answers");
            false
        }
        () = line.died.notified() => true,
    };
    drop(work);
    // Its lease ends: here at once.
    let leave = world
        .metadata
        .lifecycle_turn(world.bucket.id, first, TurnStep::Leave);
    leave.await.expect("it answers");
    let work = world.work(second);
    work.round(world.bucket.id).await.expect("it answers");
    // What the first round hid became noncurrent just now, by the real clock.
    assert_eq!(world.turn().await.round, None);
    let classes = world.listed().await.into_iter().map(|listed| {
        let head = listed.head;
        let key = convert::key_text(&listed.key);
        format!("{key} {:?} {}", head.storage_class, head.delete_marker)
    });
    let classes = classes.collect();
    died.then_some(classes)
}

#[tokio::test]
async fn whoever_goes_on_ends_the_round() {
    let expected = [
        "a OneZoneIa false",
        "a Standard false",
        "b Standard true",
        "b Standard false",
        "b Standard false",
        "c Standard true",
        "kept Standard false",
    ];
    let mut deaths = 0;
    for last_arrives in [false, true] {
        for at in 1.. {
            let Some(left) = left_after_death(at, last_arrives).await else {
                break;
            };
            assert_eq!(left, expected, "died at {at}, {last_arrives}");
            deaths += 1;
        }
    }
    assert!(deaths > 20, "only {deaths}");
}

#[tokio::test]
async fn two_at_once_do_what_one_does() {
    let world = World::new(Versioning::Never).await;
    for n in 0..50 {
        world.put(&format!("k{n}"), world.blob(1 << 20), &[]).await;
    }
    let both = "<Transition><Days>1</Days><StorageClass>ONEZONE_IA</StorageClass></Transition>";
    world.set_rules(&[("", both)]).await;
    world.set_clock(3);
    // The second does not wait for its turn.
    let works = [world.work(1), world.work(2)];
    let round = LifecycleRound::default();
    let rounds = works
        .iter()
        .map(|work| work.go_through(world.bucket.id, round.clone()));
    for outcome in futures_util::future::join_all(rounds).await {
        outcome.expect("it answers");
    }
    let moved = world.listed().await;
    assert_eq!(moved.len(), 50);
    let is_moved = |class| class == StorageClass::OneZoneIa;
    assert!(
        moved
            .iter()
            .all(|listed| is_moved(listed.head.storage_class))
    );
}
