//! ETag and checksums, computed beside the data path.
//!
//! MD5 is one dependent chain: a lone stream passes 0.9 GB/s on one core and can't be split. So it
//! runs on the workers of one engine that takes many uploads side by side through SIMD lanes, and
//! the other digests on a task; encoding and sending go on meanwhile.

use bytes::Bytes;
use riquet_md5_lanes::{Engine, Stream};
use riquet_s3::body::{DigestOutcome, Digests};
use riquet_s3::{Checksum, Error, ErrorCode};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Slices that wait for the digests other than MD5: at most about 4 MiB for each upload, since a
/// slice is at most one read of a socket.
const QUEUE: usize = 8;

/// Digests under way.
pub struct DigestTask {
    md5: Option<Stream>,
    queue: mpsc::Sender<Bytes>,
    task: JoinHandle<Digests>,
}

impl DigestTask {
    /// Starts digesting, MD5 on the engine's workers.
    pub fn spawn(engine: &Engine, mut digests: Digests) -> Self {
        let md5 = digests.delegate_md5().then(|| engine.stream());
        let (queue, mut slices) = mpsc::channel::<Bytes>(QUEUE);
        let task = tokio::spawn(async move {
            while let Some(bytes) = slices.recv().await {
                digests.update(&bytes);
            }
            digests
        });
        Self { md5, queue, task }
    }

    /// Adds a slice; waits while too many are queued.
    pub async fn push(&mut self, bytes: Bytes) {
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes.clone()).await;
        }
        // The task ends only with its queue; if it panicked, finish() reports it.
        let _ = self.queue.send(bytes).await;
    }

    /// The digests of everything pushed, checked against what the client declared.
    pub async fn finish(self, trailer: Option<Checksum>) -> Result<DigestOutcome, Error> {
        drop(self.queue);
        let md5 = match self.md5 {
            Some(md5) => Some(md5.finish().await),
            None => None,
        };
        match self.task.await {
            Ok(digests) => digests.finish_with_md5(md5, trailer),
            Err(_) => Err(Error::new(ErrorCode::InternalError)),
        }
    }
}
