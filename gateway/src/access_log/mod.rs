//! Access logs: what was asked of a bucket, delivered as objects into another.
//!
//! As at AWS this is best effort: lines wait in memory and are written as an object when there are
//! enough or the oldest is old enough, and at a clean stop. What waits when the process dies, and
//! what comes while too much waits, is lost; the latter is counted.

mod begin;
mod deliver;
mod grants;
mod record;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use riquet_metadata::record::Bucket;
use riquet_s3::config::logging::LogTarget;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub(crate) use begin::{Seen, SeenKind, begin, bucket_of_site};
pub(crate) use grants::check as check_grants;
pub(crate) use record::{AccessRecord, Exchanged};

use crate::gateway::Gateway;
use deliver::Deliveries;

/// Lines that wait to be collected: seconds of a gateway's requests.
const LINES_MAX: usize = 16_384;

/// How long a clean stop waits for the last objects.
const STOP_WAIT: Duration = Duration::from_secs(10);

/// A line, and whose log it is for.
pub(crate) struct Line {
    /// The bucket that was asked.
    source: Arc<Bucket>,
    target: LogTarget,
    text: String,
    at_ms: u64,
}

/// Where finished requests leave their lines.
pub(crate) struct AccessLog {
    sender: mpsc::Sender<Line>,
    /// Taken by whoever delivers.
    receiver: Mutex<Option<mpsc::Receiver<Line>>>,
}

impl Default for AccessLog {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(LINES_MAX);
        Self {
            sender,
            receiver: Mutex::new(Some(receiver)),
        }
    }
}

impl AccessLog {
    pub(crate) fn sender(&self) -> LineSender {
        LineSender(self.sender.clone())
    }
}

/// Takes lines, and counts those for which there is no room.
#[derive(Clone)]
pub(crate) struct LineSender(mpsc::Sender<Line>);

impl LineSender {
    fn send(&self, line: Line) {
        if self.0.try_send(line).is_err() {
            lost("crowded", 1);
        }
    }
}

fn lost(why: &'static str, lines: u64) {
    metrics::counter!("riquet_gateway_access_log_lines_lost_total", "why" => why).increment(lines);
}

/// The delivery of a gateway's access logs.
pub(crate) struct Delivery {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Delivery {
    /// Begins to deliver what requests leave at the gateway.
    pub(crate) fn start(gateway: &Arc<Gateway>) -> Self {
        let receiver = gateway.access_log.receiver.lock();
        let receiver = receiver.unwrap_or_else(PoisonError::into_inner).take();
        let receiver = receiver.expect("a gateway's logs are delivered once");
        let (stop, stopped) = oneshot::channel();
        let deliveries = Deliveries::new(gateway.clone());
        Self {
            stop,
            task: tokio::spawn(deliveries.run(receiver, stopped)),
        }
    }

    /// Delivers what waits, and ends.
    pub(crate) async fn stop(self) {
        // It ends only when told so.
        let _ = self.stop.send(());
        if tokio::time::timeout(STOP_WAIT, self.task).await.is_err() {
            tracing::warn!("access logs were not delivered in time");
        }
    }
}
