//! The body of a client's request: counted, watched for silence, and emptied before an error.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

/// How much of a refused body is read before the answer. A client that is still sending when the
/// connection closes may never see the answer; most small bodies are already on their way.
const DRAIN_MAX_BYTES: u64 = 1 << 20;

/// How long that may take.
const DRAIN_WAIT: Duration = Duration::from_secs(2);

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The connection broke, or the framing of HTTP is wrong.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    /// The client sent nothing for too long.
    #[error("the client sent nothing for {0:?}")]
    Silent(Duration),
}

/// A request's body.
pub(crate) struct ClientBody {
    /// None: taken.
    incoming: Option<Incoming>,
    wait: Duration,
    /// Armed only while a frame is awaited, so that a busy body touches no timer.
    silence: Option<Pin<Box<Sleep>>>,
    /// Shared with the body that this one was taken from.
    received_bytes: Arc<AtomicU64>,
    was_silent: bool,
    is_begun: bool,
}

impl ClientBody {
    /// A body whose sender may be silent for `wait`.
    pub(crate) fn new(incoming: Incoming, wait: Duration) -> Self {
        Self {
            incoming: Some(incoming),
            wait,
            silence: None,
            received_bytes: Arc::default(),
            was_silent: false,
            is_begun: false,
        }
    }

    /// Bytes received so far, framing included.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Ordering::Relaxed)
    }

    /// The body itself, for one who needs to own it. What stays counts what the other receives.
    pub(crate) fn take(&mut self) -> Self {
        let taken = Self {
            incoming: self.incoming.take(),
            wait: self.wait,
            silence: None,
            received_bytes: self.received_bytes.clone(),
            was_silent: false,
            is_begun: self.is_begun,
        };
        self.is_begun = true;
        taken
    }

    /// Whether it ended because its sender fell silent.
    pub(crate) fn was_silent(&self) -> bool {
        self.was_silent
    }

    /// Reads what is left of a body that is refused, within bounds. One that its sender holds
    /// back until told to continue is left alone: telling it to would be a lie.
    pub(crate) async fn drain(&mut self, expects_continue: bool) {
        if self.was_silent || (expects_continue && !self.is_begun) {
            return;
        }
        let limit = self.received_bytes() + DRAIN_MAX_BYTES;
        let _ = tokio::time::timeout(DRAIN_WAIT, async {
            while self.received_bytes() < limit {
                match self.frame().await {
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => break,
                }
            }
        })
        .await;
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.is_begun = true;
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(next) = Pin::new(incoming).poll_frame(cx) {
            self.silence = None;
            if let Some(Ok(frame)) = &next {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                self.received_bytes.fetch_add(length, Ordering::Relaxed);
            }
            return Poll::Ready(next.map(|frame| frame.map_err(BodyError::from)));
        }
        let wait = self.wait;
        let silence = self
            .silence
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + wait)));
        if silence.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.was_silent = true;
        self.silence = None;
        Poll::Ready(Some(Err(BodyError::Silent(wait))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let none = || SizeHint::with_exact(0);
        self.incoming.as_ref().map_or_else(none, Body::size_hint)
    }
}
