//! Payloads of shards as they go out and come in.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::{HeaderValue, Response};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::mpsc;

use crate::Error;
use crate::telemetry::traces::Call;
use crate::transport::BodyError;
use crate::wire::shard::{DESCRIPTOR, ShardDescriptor};

/// A request body of known length, fed through a bounded channel.
pub(super) struct PayloadBody {
    payload: mpsc::Receiver<Bytes>,
    left: u64,
}

impl PayloadBody {
    pub(super) fn new(payload: mpsc::Receiver<Bytes>, left: u64) -> Self {
        Self { payload, left }
    }
}

impl http_body::Body for PayloadBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        Poll::Ready(match std::task::ready!(self.payload.poll_recv(cx)) {
            Some(bytes) if bytes.len() as u64 <= self.left => {
                self.left -= bytes.len() as u64;
                Some(Ok(Frame::data(bytes)))
            }
            Some(_) => Some(Err("the payload is longer than announced".into())),
            None => Some(Err("the writer gave up".into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A shard's payload as it arrives.
pub struct PayloadReader {
    peer: String,
    described: Option<HeaderValue>,
    body: Incoming,
    left: u64,
    /// Ends with the payload.
    call: Call,
}

impl PayloadReader {
    /// Reads the body of an answer of `left` bytes.
    pub(super) fn new(peer: String, answer: Response<Incoming>, left: u64, call: Call) -> Self {
        Self {
            peer,
            described: answer.headers().get(DESCRIPTOR).cloned(),
            body: answer.into_body(),
            left,
            call,
        }
    }

    /// What the shard is.
    ///
    /// # Errors
    /// [`Error::Protocol`] when the node did not say.
    pub fn descriptor(&self) -> Result<ShardDescriptor, Error> {
        let text = self.described.as_ref().and_then(|text| text.to_str().ok());
        text.and_then(ShardDescriptor::from_header)
            .ok_or(Error::Protocol("a shard without descriptor"))
    }

    /// Bytes still to come.
    pub fn remaining(&self) -> u64 {
        self.left
    }

    /// The next piece, of whatever length arrived; `None` once all has come.
    ///
    /// # Errors
    /// [`Error::BrokenOff`] when the stream breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while self.left > 0 {
            let frame = match self.body.frame().await {
                Some(Ok(frame)) => frame,
                Some(Err(e)) => return Err(self.broken(e.to_string())),
                None => return Err(self.broken("the payload broke off".to_owned())),
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if data.has_remaining() {
                self.left = self
                    .left
                    .checked_sub(data.len() as u64)
                    .ok_or(Error::Protocol("more payload than announced"))?;
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    fn broken(&mut self, why: String) -> Error {
        self.call.failed(&why);
        Error::BrokenOff {
            peer: self.peer.clone(),
            why,
        }
    }
}

impl Drop for PayloadReader {
    fn drop(&mut self) {
        if self.left > 0 {
            self.call.failed(&"not read to its end");
        }
    }
}
