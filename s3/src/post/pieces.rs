//! A body cut and joined into pieces that the multipart reader digests well.
//!
//! The reader takes whatever its stream has ready before it looks at any of it, and searches all
//! it holds again for every piece. So this gives it one piece a turn, lest a fast client fill the
//! memory; none too small, lest a slow one waste the processor; and before it has come to the file
//! no more than a form may need.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_util::stream::{Fuse, Stream, StreamExt as _};
use http_body::Body;
use http_body_util::BodyDataStream;

use crate::error::{Error, ErrorCode};

/// The least bytes of a piece, but for the last one.
const PIECE_BYTES_MIN: usize = 4 * 1024;

/// The most bytes of a piece.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// From how many bytes on the file must be in sight. Boundaries and part heads of a hundred fields
/// fit besides their values.
const PRELUDE_BYTES_MAX: usize = 64 * 1024;

/// How far the reader of a [`Pieces`] has come; known to both.
#[derive(Debug, Clone, Default)]
pub(super) struct Prelude(Arc<AtomicU8>);

impl Prelude {
    const EXHAUSTED: u8 = 1;
    const OVER: u8 = 2;

    /// Says that the reader has come to the file.
    pub(super) fn end(&self) {
        self.0.store(Self::OVER, Ordering::Relaxed);
    }

    fn exhaust(&self) {
        self.0.store(Self::EXHAUSTED, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::OVER
    }

    /// Whether a reader that waits for more before the file waits in vain: it holds all that it
    /// will get. (It's given no error, since it asks for more before it looks at what it holds,
    /// which may well be enough.)
    pub(super) fn is_exhausted(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::EXHAUSTED
    }
}

/// The pieces of a body.
pub(super) struct Pieces<B> {
    body: Fuse<BodyDataStream<B>>,
    /// What is left of the frame last received.
    frame: Bytes,
    /// Small frames on their way to a piece.
    joined: BytesMut,
    prelude: Prelude,
    given_bytes: usize,
    /// Whether the turn is over.
    rests: bool,
}

impl<B> Pieces<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    pub(super) fn new(body: B, prelude: Prelude) -> Self {
        Self {
            body: BodyDataStream::new(body).fuse(),
            frame: Bytes::new(),
            joined: BytesMut::new(),
            prelude,
            given_bytes: 0,
            rests: false,
        }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            if self.joined.is_empty() && self.frame.len() >= PIECE_BYTES_MIN {
                let size = self.frame.len().min(PIECE_BYTES_MAX);
                return Poll::Ready(Some(Ok(self.frame.split_to(size))));
            }
            let missing = PIECE_BYTES_MIN - self.joined.len();
            let taken = self.frame.split_to(missing.min(self.frame.len()));
            self.joined.extend_from_slice(&taken);
            if self.joined.len() == PIECE_BYTES_MIN {
                return Poll::Ready(Some(Ok(self.joined.split().freeze())));
            }
            match ready!(self.body.poll_next_unpin(context)) {
                Some(Ok(frame)) => self.frame = frame,
                Some(Err(_)) => return Poll::Ready(Some(Err(ErrorCode::IncompleteBody.into()))),
                None if self.joined.is_empty() => return Poll::Ready(None),
                None => return Poll::Ready(Some(Ok(self.joined.split().freeze()))),
            }
        }
    }
}

impl<B> Stream for Pieces<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Item = Result<Bytes, Error>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        if self.rests {
            self.rests = false;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.given_bytes >= PRELUDE_BYTES_MAX && !self.prelude.is_over() {
            self.prelude.exhaust();
            return Poll::Pending;
        }
        let piece = ready!(self.poll_piece(context));
        if let Some(Ok(piece)) = &piece {
            self.given_bytes = self.given_bytes.saturating_add(piece.len());
            self.rests = true;
        }
        Poll::Ready(piece)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;
    use proptest::prelude::*;

    use super::*;

    /// All pieces, or those before the file.
    fn pieces(frames: Vec<usize>, prelude: Prelude) -> Vec<Bytes> {
        let mut next = 0_u8;
        let frames = frames.into_iter().map(move |size| {
            next = next.wrapping_add(1);
            Ok::<_, Error>(Frame::data(Bytes::from(vec![next; size])))
        });
        let body = StreamBody::new(stream::iter(frames));
        let mut pieces = Pieces::new(body, prelude.clone());
        let mut given = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        loop {
            match pieces.poll_next_unpin(&mut context) {
                Poll::Ready(Some(piece)) => given.push(piece.unwrap()),
                Poll::Pending if !prelude.is_exhausted() => {}
                _ => return given,
            }
        }
    }

    #[test]
    fn no_more_is_given_than_a_form_may_need() {
        for (frames, expected) in [
            (vec![1000; 200], PRELUDE_BYTES_MAX),
            (vec![1_000_000], PRELUDE_BYTES_MAX),
            (vec![1000; 10], 10_000),
        ] {
            assert_eq!(pieces(frames, Prelude::default()).concat().len(), expected);
        }
    }

    proptest! {
        #[test]
        fn pieces_are_of_fair_size_and_lose_nothing(
            frames in prop::collection::vec(prop_oneof![0_usize..100, 0_usize..200_000], 0..12),
        ) {
            let prelude = Prelude::default();
            prelude.end();
            let mut expected = Vec::new();
            for (index, size) in frames.iter().enumerate() {
                expected.resize(expected.len() + size, u8::try_from(index + 1).unwrap());
            }
            let given = pieces(frames, prelude);
            prop_assert_eq!(given.concat(), expected);
            if let Some((last, others)) = given.split_last() {
                prop_assert!((1..=PIECE_BYTES_MAX).contains(&last.len()));
                for piece in others {
                    prop_assert!((PIECE_BYTES_MIN..=PIECE_BYTES_MAX).contains(&piece.len()));
                }
            }
        }
    }
}
