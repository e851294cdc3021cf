//! The body of an answer, and what is recorded when its last byte is gone.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use tracing::Span;

use crate::access_log::{AccessRecord, Exchanged};
use crate::admission::Turn;
use crate::data::{DataError, ObjectReader};
use crate::telemetry;

/// The body of an answer.
pub(crate) struct AnswerBody {
    /// Bytes that are there already; never empty.
    ready: Option<Bytes>,
    /// What follows them.
    object: Option<ObjectBytes>,
    entry: Option<LogEntry>,
}

struct ObjectBytes {
    reader: ObjectReader,
    _turn: Turn,
}

impl AnswerBody {
    /// A body that is there as a whole.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        let ready = Some(bytes).filter(|bytes| !bytes.is_empty());
        Self {
            ready,
            object: None,
            entry: None,
        }
    }

    /// No body.
    pub(crate) fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    /// The bytes of an object whose first slice has been read. If a later one fails, the
    /// connection is cut: a client never takes a part for the whole.
    pub(crate) fn object(first: Bytes, reader: ObjectReader, turn: Turn) -> Self {
        let object = Some(ObjectBytes {
            reader,
            _turn: turn,
        });
        Self {
            object,
            ..Self::whole(first)
        }
    }

    /// Has `entry` recorded when this body is sent or given up.
    pub(crate) fn logged(self, entry: LogEntry) -> Self {
        Self {
            entry: Some(entry),
            ..self
        }
    }

    fn remaining_bytes(&self) -> u64 {
        let ready = self.ready.as_ref().map_or(0, |bytes| bytes.len() as u64);
        ready
            + self
                .object
                .as_ref()
                .map_or(0, |object| object.reader.remaining())
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = DataError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, DataError>>> {
        let span = self.entry.as_ref().map(|entry| entry.span.clone());
        let _entered = span.as_ref().map(Span::enter);
        let frame = match (self.ready.take(), &mut self.object) {
            (Some(bytes), _) => Some(Ok(Frame::data(bytes))),
            (None, Some(object)) => ready!(Pin::new(&mut object.reader).poll_frame(cx)),
            (None, None) => None,
        };
        if let Some(entry) = &mut self.entry {
            entry.count(&frame);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.remaining_bytes() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining_bytes())
    }
}

/// One line of the access log, written when dropped.
pub(crate) struct LogEntry {
    /// That the request's lines are written in.
    pub(crate) span: Span,
    /// That of its trace.
    pub(crate) trace: Span,
    /// Whom it is counted for.
    pub(crate) tenant: String,
    pub(crate) operation: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) received_bytes: u64,
    pub(crate) began: Instant,
    pub(crate) sent_bytes: u64,
    pub(crate) is_cut: bool,
    /// The line of the bucket's own log.
    pub(crate) access: Option<AccessRecord>,
}

impl LogEntry {
    fn count(&mut self, frame: &Option<Result<Frame<Bytes>, DataError>>) {
        match frame {
            Some(Ok(frame)) => {
                self.sent_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Some(Err(_)) => self.is_cut = true,
            None => {}
        }
    }
}

impl Drop for LogEntry {
    fn drop(&mut self) {
        let ended = telemetry::Ended {
            operation: self.operation,
            status: self.status,
            received_bytes: self.received_bytes,
            sent_bytes: self.sent_bytes,
            duration: self.began.elapsed(),
            is_cut: self.is_cut,
            tenant: &self.tenant,
        };
        telemetry::request_ended(&ended);
        telemetry::traces::ended(&self.trace, &ended);
        if let Some(access) = self.access.take() {
            access.finish(&Exchanged {
                sent_bytes: self.sent_bytes,
                duration: ended.duration,
            });
        }
        let _entered = self.span.enter();
        // Every request, thousands a second: not at the default level.
        tracing::debug!(
            operation = self.operation,
            status = self.status.as_u16(),
            received_bytes = self.received_bytes,
            sent_bytes = self.sent_bytes,
            duration_ms = ended.duration.as_millis() as u64,
            cut = self.is_cut,
            "request"
        );
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_whole_body_knows_its_length_and_ends() {
        let body = AnswerBody::whole(Bytes::from_static(b"hello"));
        assert_eq!(body.size_hint().exact(), Some(5));
        assert!(!body.is_end_stream());
        let collected = body.collect().await.expect("it is in memory").to_bytes();
        assert_eq!(collected, "hello");
        assert!(AnswerBody::empty().is_end_stream());
    }
}
