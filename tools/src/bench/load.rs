//! The load itself: workers that each do one request after another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::options::Load;
use super::stats::{Kind, Record};
use crate::s3::{Client, Endpoint, Failure, Signer, UploadBody};

/// How long a worker rests after a failure: a dead server is not hammered, and one that comes back
/// is soon found.
const REST_AFTER_FAILURE: Duration = Duration::from_millis(50);

/// Bytes of random data that all bodies are cut from.
pub(crate) const BUFFER_SIZE: usize = 16 * 1024 * 1024;

/// Distance in the buffer between the bodies of neighbouring objects: odd, so that they differ.
const BODY_STEP: u64 = 65_537;

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) signer: Signer,
    pub(crate) bucket: String,
    /// What the names of this run's objects begin with.
    pub(crate) prefix: String,
    /// Folders that they are spread over.
    pub(crate) folders: u64,
    pub(crate) size: u64,
    pub(crate) data: Bytes,
    /// Set when the person wants to stop early.
    pub(crate) stop: AtomicBool,
    /// Number of the next object that is uploaded; every smaller one may exist.
    pub(crate) next_object: AtomicU64,
}

/// One stretch of load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    pub(crate) load: Load,
    pub(crate) concurrency: u16,
    /// Objects 0 to this were uploaded before.
    pub(crate) prepared: u64,
    pub(crate) operation_limit: u64,
    pub(crate) time_limit: Option<Duration>,
}

impl Target {
    pub(crate) fn client(&self, worker: u16) -> Client {
        let endpoint = &self.endpoints[usize::from(worker) % self.endpoints.len()];
        Client::new(endpoint.clone(), self.signer.clone())
    }

    fn path(&self, object: u64) -> String {
        let Self { bucket, prefix, .. } = self;
        let folder = object % self.folders;
        format!("/{bucket}/{prefix}/{folder:04}/{object:010}")
    }

    /// A page of objects, `after` what an earlier page named to go on from.
    fn list_path(&self, after: Option<&str>) -> String {
        let Self { bucket, prefix, .. } = self;
        let page = format!("/{bucket}?list-type=2&max-keys=1000&prefix={prefix}%2F");
        match after {
            Some(token) => {
                let token = utf8_percent_encode(token, NON_ALPHANUMERIC);
                format!("{page}&continuation-token={token}")
            }
            None => page,
        }
    }

    fn folders_path(&self) -> String {
        let Self { bucket, prefix, .. } = self;
        format!("/{bucket}?list-type=2&delimiter=%2F&prefix={prefix}%2F")
    }

    fn body(&self, object: u64) -> UploadBody {
        let start = object.wrapping_mul(BODY_STEP) % self.data.len() as u64;
        UploadBody::new(self.data.clone(), start as usize, self.size)
    }
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    kind: Kind,
    object: u64,
}

/// Does a stretch of load; returns what it came to and how long it took.
pub(crate) async fn run(target: &Arc<Target>, stretch: Stretch) -> (Record, Duration) {
    let begin = Instant::now();
    let turns = Arc::new(AtomicU64::new(0));
    let workers: Vec<_> = (0..stretch.concurrency)
        .map(|number| {
            let worker = Worker {
                target: Arc::clone(target),
                stretch,
                turns: Arc::clone(&turns),
                deadline: stretch.time_limit.map(|limit| begin + limit),
                own_objects: Vec::new(),
                next_page: None,
            };
            tokio::spawn(worker.run(number))
        })
        .collect();
    let mut record = Record::default();
    for worker in workers {
        record.merge(worker.await.expect("workers don't panic"));
    }
    (record, begin.elapsed())
}

struct Worker {
    target: Arc<Target>,
    stretch: Stretch,
    /// Requests begun by all workers.
    turns: Arc<AtomicU64>,
    deadline: Option<Instant>,
    /// Objects that this worker uploaded and may delete.
    own_objects: Vec<u64>,
    /// Where its scan goes on; none: at the beginning.
    next_page: Option<String>,
}

impl Worker {
    async fn run(mut self, number: u16) -> Record {
        let mut client = self.target.client(number);
        let mut record = Record::default();
        while let Some(turn) = self.take_turn() {
            let step = self.choose(turn);
            let begin = Instant::now();
            match self.perform(&mut client, step).await {
                Ok(bytes) => {
                    record.success(step.kind, begin.elapsed(), bytes);
                    if step.kind == Kind::Put && self.stretch.load == Load::Mixed {
                        self.own_objects.push(step.object);
                    }
                }
                Err(failure) => {
                    record.failure(step.kind, &failure);
                    tokio::time::sleep(REST_AFTER_FAILURE).await;
                }
            }
        }
        record
    }

    /// The number of the next request, unless the load is over.
    fn take_turn(&self) -> Option<u64> {
        if self.target.stop.load(Ordering::Relaxed)
            || self.deadline.is_some_and(|end| Instant::now() >= end)
        {
            return None;
        }
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        (turn < self.stretch.operation_limit).then_some(turn)
    }

    fn choose(&mut self, turn: u64) -> Step {
        let kind = match self.stretch.load {
            Load::Put => Kind::Put,
            Load::Get => Kind::Get,
            Load::Head => Kind::Head,
            Load::List | Load::Scan | Load::Folders => Kind::List,
            Load::Delete => Kind::Delete,
            Load::Mixed => mixed_kind(rand::random_range(0..100)),
        };
        let prepared = |turn: u64| turn % self.stretch.prepared.max(1);
        match kind {
            Kind::Get | Kind::Head | Kind::List => Step {
                kind,
                object: prepared(turn),
            },
            Kind::Delete if self.stretch.load == Load::Delete => Step { kind, object: turn },
            // In a mixture only a worker's own uploads are deleted, so that no GET misses.
            Kind::Delete if let Some(object) = self.own_objects.pop() => Step { kind, object },
            Kind::Put | Kind::Delete => Step {
                kind: Kind::Put,
                object: self.target.next_object.fetch_add(1, Ordering::Relaxed),
            },
        }
    }
}

/// The request of a mixture for an evenly drawn percentage.
fn mixed_kind(percent: u8) -> Kind {
    match percent {
        0..55 => Kind::Get,
        55..80 => Kind::Put,
        80..90 => Kind::Head,
        90..95 => Kind::List,
        _ => Kind::Delete,
    }
}

impl Worker {
    /// Does a request; returns the bytes of objects that it moved.
    async fn perform(&mut self, client: &mut Client, step: Step) -> Result<u64, Failure> {
        let target = &self.target;
        let path = target.path(step.object);
        let nothing = UploadBody::default;
        match step.kind {
            Kind::Put => {
                let body = target.body(step.object);
                client.call(Method::PUT, &path, body).await?;
                Ok(target.size)
            }
            Kind::Get => {
                let got = client.read_and_discard(&path).await?;
                if got != target.size {
                    return Err(Failure::WrongLength {
                        got,
                        expected: target.size,
                    });
                }
                Ok(got)
            }
            Kind::Head => {
                client.call(Method::HEAD, &path, nothing()).await?;
                Ok(0)
            }
            Kind::List => {
                let path = match self.stretch.load {
                    Load::Folders => target.folders_path(),
                    _ => target.list_path(self.next_page.as_deref()),
                };
                let page = client.call(Method::GET, &path, nothing()).await?;
                if self.stretch.load == Load::Scan {
                    self.next_page = next_page(&page);
                }
                Ok(0)
            }
            Kind::Delete => {
                client.call(Method::DELETE, &path, nothing()).await?;
                Ok(0)
            }
        }
    }
}

/// What a page of a listing names to go on from, unless it is the last.
fn next_page(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("<NextContinuationToken>")?;
    let (token, _) = rest.split_once("</NextContinuationToken>")?;
    Some(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixture_is_as_documented() {
        let share = |kind| (0..100).filter(|p| mixed_kind(*p) == kind).count();
        assert_eq!(
            [
                share(Kind::Get),
                share(Kind::Put),
                share(Kind::Head),
                share(Kind::List),
                share(Kind::Delete),
            ],
            [55, 25, 10, 5, 5]
        );
    }
}
