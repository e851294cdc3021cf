//! Tells webhooks of the events that wait for them.
//!
//! One task for each webhook goes through the key groups. It takes a queue's first events a page at a
//! time: those of one key one after the other, those of others beside them. Where one is not taken,
//! those of its key that follow wait, and the webhook is left alone for a while. A queue is held
//! while it is told, so that two gateways do not tell the same; it is let go when it is empty or the
//! webhook does not answer this gateway, so that another may try.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use riquet_metadata::command::HoldEvents;
use riquet_metadata::id::{GroupId, RequestId};
use riquet_metadata::query::ListedEvent;
use riquet_metadata::{Client, Error as MetadataError};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::message;
use super::target::{PostError, Target, Targets};

/// How long a gateway holds a queue: after its death another waits so long.
pub(super) const HOLD: Duration = Duration::from_secs(10);

/// How long the events of one page may be begun to be told; with the last one's time-out within
/// [`HOLD`].
const PAGE_TIME: Duration = Duration::from_secs(5);

/// Events of a page.
const PAGE_EVENTS: u32 = 128;

/// Keys whose events are told at once.
const KEYS_AT_ONCE: usize = 16;

/// How often the queues are looked at when nothing is known to wait.
const POLL: Duration = Duration::from_secs(1);

/// How long a webhook is left alone that did not take an event: at first, and at most.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How often waiting events are counted.
const REPORT_INTERVAL: Duration = Duration::from_secs(15);

/// Why a queue is left for now.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    /// The webhook does not take events.
    #[error(transparent)]
    Target(#[from] PostError),
    /// The metadata can't be asked.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Tells all webhooks of the settings, as long as it lives.
pub(crate) struct Deliverer {
    _tasks: JoinSet<()>,
}

impl Deliverer {
    pub(crate) fn start(metadata: &Client, targets: &Targets) -> Self {
        let holder = RequestId::from_u128(Uuid::new_v4().as_u128());
        let mut tasks = JoinSet::new();
        for name in targets.names() {
            let teller = Teller {
                metadata: metadata.clone(),
                targets: targets.clone(),
                name: name.to_owned(),
                holder,
            };
            tasks.spawn(async move { teller.run().await });
        }
        if !tasks.is_empty() {
            tasks.spawn(report(metadata.clone(), targets.clone()));
        }
        Self { _tasks: tasks }
    }
}

/// Shows operators how much waits for each target, and how much was never queued.
async fn report(metadata: Client, targets: Targets) {
    let mut tick = tokio::time::interval(REPORT_INTERVAL);
    loop {
        tick.tick().await;
        if let Err(error) = count(&metadata, &targets).await {
            tracing::debug!(%error, "waiting events can't be counted now");
        }
    }
}

async fn count(metadata: &Client, targets: &Targets) -> Result<(), MetadataError> {
    // Those without a queue too: it goes when all is told.
    let none = targets.names().map(|name| (name.to_owned(), (0, 0)));
    let mut by_target: BTreeMap<String, (u64, u64)> = none.collect();
    for group in metadata.event_groups().await? {
        for listed in metadata.event_queues(group).await? {
            let (waiting, lost) = by_target.entry(listed.target).or_default();
            *waiting += listed.queue.waiting;
            *lost += listed.queue.lost;
        }
    }
    for (target, (waiting, lost)) in by_target {
        let gauges = [("waiting", waiting), ("lost", lost)];
        for (state, events) in gauges {
            metrics::gauge!("riquet_gateway_events", "target" => target.clone(), "state" => state)
                .set(events as f64);
        }
    }
    Ok(())
}

/// Tells one webhook.
struct Teller {
    metadata: Client,
    targets: Targets,
    name: String,
    holder: RequestId,
}

impl Teller {
    async fn run(&self) {
        let target = self
            .targets
            .get(&self.name)
            .expect("it is one of the targets");
        let mut pause = PAUSE_MIN;
        loop {
            let woken = self.targets.wake.notified();
            match self.tell_all(target).await {
                Ok(()) => {
                    pause = PAUSE_MIN;
                    let _ = tokio::time::timeout(POLL, woken).await;
                }
                Err(error) => {
                    tracing::warn!(target = self.name, %error, "events wait to be told");
                    metrics::counter!("riquet_gateway_event_failures_total", "target" => self.name.clone())
                        .increment(1);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    async fn tell_all(&self, target: &Target) -> Result<(), Stopped> {
        for group in self.metadata.event_groups().await? {
            self.tell_group(target, group).await?;
        }
        Ok(())
    }

    /// Tells what waits in a group, unless another gateway does.
    async fn tell_group(&self, target: &Target, group: GroupId) -> Result<(), Stopped> {
        let waiting = self.metadata.events(group, &self.name, 1).await?;
        if waiting.is_empty() {
            return Ok(());
        }
        let outcome = loop {
            // Held before it is read: what another has told is gone by then.
            if !self.hold(group, HOLD).await? {
                return Ok(());
            }
            let events = self.metadata.events(group, &self.name, PAGE_EVENTS).await?;
            if events.is_empty() {
                break Ok(());
            }
            let (told, outcome) = tell_page(target, events).await;
            metrics::counter!("riquet_gateway_events_told_total", "target" => self.name.clone())
                .increment(told.len() as u64);
            self.metadata.drop_events(group, &self.name, told).await?;
            if let Err(error) = outcome {
                break Err(error.into());
            }
        };
        self.hold(group, Duration::ZERO).await?;
        outcome
    }

    async fn hold(&self, group: GroupId, time: Duration) -> Result<bool, MetadataError> {
        let hold = HoldEvents {
            target: self.name.clone(),
            holder: self.holder,
            for_ms: time.as_millis() as u64,
        };
        self.metadata.hold_events(group, hold).await
    }
}

/// Tells the events of a page: the numbers of those that need not be told again, and why others do.
async fn tell_page(target: &Target, events: Vec<ListedEvent>) -> (Vec<u64>, Result<(), PostError>) {
    let mut by_key: BTreeMap<_, Vec<ListedEvent>> = BTreeMap::new();
    for event in events {
        // Keys of different buckets may be the same: those wait for each other without need.
        let of_key = by_key.entry(event.event.key.clone()).or_default();
        of_key.push(event);
    }
    let until = Instant::now() + PAGE_TIME;
    let keys: Vec<_> = by_key
        .into_values()
        .map(|events| tell_key(target, events, until))
        .collect();
    let results: Vec<_> = futures_util::stream::iter(keys)
        .buffer_unordered(KEYS_AT_ONCE)
        .collect()
        .await;
    let (mut told, mut outcome) = (Vec::new(), Ok(()));
    for (numbers, result) in results {
        told.extend(numbers);
        outcome = outcome.and(result);
    }
    (told, outcome)
}

/// Tells the events of one key in order, up to the first that is not taken.
async fn tell_key(
    target: &Target,
    events: Vec<ListedEvent>,
    until: Instant,
) -> (Vec<u64>, Result<(), PostError>) {
    let mut told = Vec::new();
    for event in events {
        if Instant::now() >= until {
            break;
        }
        match message::body(&event) {
            Some(body) => {
                if let Err(error) = target.post(body).await {
                    return (told, Err(error));
                }
            }
            None => tracing::error!(
                number = event.number,
                "an event does not read: it is dropped"
            ),
        }
        told.push(event.number);
    }
    (told, Ok(()))
}
