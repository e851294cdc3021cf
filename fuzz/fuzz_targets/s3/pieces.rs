//! Bodies that come in pieces, with waits in between.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame};

/// The most pieces of a body: beyond, each costs time and shows nothing new.
const PIECES_MAX: usize = 256;

/// A body whose every second poll finds nothing yet.
pub(crate) struct Pieces {
    left: VecDeque<Bytes>,
    waits: bool,
}

impl Pieces {
    /// Cuts `whole` into pieces of these lengths, again and again; the last is what is left.
    pub(crate) fn new(whole: &[u8], lengths: &[u8]) -> Self {
        let mut rest = Bytes::copy_from_slice(whole);
        let lengths = lengths.iter().map(|length| usize::from(*length));
        let mut left: VecDeque<_> = lengths
            .cycle()
            .take(PIECES_MAX - 1)
            .map(|length| rest.split_to(length.min(rest.len())))
            .collect();
        left.push_back(rest);
        Self { left, waits: false }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.waits = !self.waits;
        if self.waits {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.left.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

/// Waits by polling: nothing here is ever waited for but a [`Pieces`].
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    // More than the pieces of a body, whatever its reader cuts them into.
    for _ in 0..1 << 12 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("it waits for what never comes");
}
