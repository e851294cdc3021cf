//! Reads a range of an object's content as a verified stream.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use riquet_cluster::id::{ChunkId, RequestId};
use riquet_cluster::node_client::Target;
use riquet_cluster::step;
use riquet_cluster::telemetry::request;
use riquet_cluster::telemetry::traces::fail;
use riquet_metadata::record::Content;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::Instrument as _;

use super::chunk_read::ChunkRead;
use super::error::DataError;
use super::pieces::{self, Piece};
use super::sealed::{DataKey, Opener, Stream, open_whole};
use super::{DataPath, Inner};

/// Stripes read ahead of the client: with stripes of 256 KiB to 512 KiB, at most 1.5 MiB for each
/// reader.
const READ_AHEAD: usize = 3;

/// Verified slices of one stripe.
pub(super) type StripeSlices = Vec<Bytes>;

impl DataPath {
    /// Streams bytes `range` of `content`, which is sealed if there is a key; then the range is one
    /// of the plaintext.
    ///
    /// # Errors
    /// When content that is here already does not open.
    pub(crate) fn read(
        &self,
        content: &Content,
        key: Option<DataKey>,
        range: Range<u64>,
        request: RequestId,
    ) -> Result<ObjectReader, DataError> {
        let size_bytes = match &key {
            None => content.size_bytes(),
            Some(_) => content.plain_bytes(),
        };
        assert!(
            range.start <= range.end && range.end <= size_bytes,
            "a range within"
        );
        let left = range.end - range.start;
        if let Content::Inline(bytes) = content {
            let plain = match &key {
                None => bytes.clone(),
                Some(key) => open_whole(key.stream(Stream::Object), bytes)?,
            };
            let ready = vec![plain.slice(range.start as usize..range.end as usize)];
            return Ok(ObjectReader {
                ready: ready.into_iter(),
                stripes: None,
                left,
            });
        }
        let pieces = match &key {
            None => pieces::plain(content, range),
            Some(_) => pieces::sealed(content, range)?,
        };
        let (sender, stripes) = mpsc::channel(READ_AHEAD);
        let inner = self.inner.clone();
        let step = step!("read object", riquet.bytes = left as i64);
        let own = step.clone();
        let reading = async move {
            for piece in pieces {
                let read = inner.read_piece(&piece, key.as_ref(), request, &sender);
                if let Err(error) = read.await {
                    tracing::error!(%error, blob = %piece.blob.id, "object unreadable");
                    fail(&own, &error);
                    let _ = sender.send(Err(error)).await;
                    return;
                }
            }
        };
        let task = tokio::spawn(request::carried(reading.instrument(step)));
        let stripes = Some(Stripes {
            stripes,
            task: task.abort_handle(),
        });
        Ok(ObjectReader {
            ready: Vec::new().into_iter(),
            stripes,
            left,
        })
    }
}

impl Inner {
    async fn read_piece(
        self: &Arc<Self>,
        piece: &Piece,
        key: Option<&DataKey>,
        request: RequestId,
        sender: &mpsc::Sender<Result<StripeSlices, DataError>>,
    ) -> Result<(), DataError> {
        let blob = &piece.blob;
        let (mut opener, range) = match piece.stream.zip(key) {
            None => (None, piece.range.clone()),
            Some((stream, key)) => {
                let (length, range) = (blob.length_bytes, piece.range.clone());
                let (opener, range) = Opener::new(key.stream(stream), length, range);
                (Some(opener), range)
            }
        };
        let size = blob.chunk_size_bytes;
        for seq in range.start / size..range.end.div_ceil(size) {
            let start = seq * size;
            let len = size.min(blob.length_bytes - start);
            let wanted = range.start.max(start) - start..range.end.min(start + len) - start;
            let chunk = ChunkId {
                blob: blob.id,
                seq: seq as u32,
            };
            let layout = self.layout.load_full();
            let profile = layout.profile(blob.profile).ok_or(DataError::NoProfile)?;
            let targets = Target::of_chunk(&layout, profile, chunk, request);
            let mut read = ChunkRead::new(self, profile, targets, chunk, len, wanted);
            while let Some(slices) = read.next_stripe().await? {
                let slices = match &mut opener {
                    None => slices,
                    Some(opener) => opener.open(slices)?,
                };
                if sender.send(Ok(slices)).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// An object's bytes as they are read and verified. Dropping it stops the reading.
pub struct ObjectReader {
    ready: std::vec::IntoIter<Bytes>,
    stripes: Option<Stripes>,
    left: u64,
}

struct Stripes {
    stripes: mpsc::Receiver<Result<StripeSlices, DataError>>,
    task: AbortHandle,
}

impl Drop for Stripes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ObjectReader {
    /// Bytes still to come.
    pub fn remaining(&self) -> u64 {
        self.left
    }

    /// The next slice; `None` once the whole range has come.
    pub async fn next(&mut self) -> Option<Result<Bytes, DataError>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, DataError>>> {
        loop {
            if let Some(bytes) = self.ready.next() {
                if bytes.is_empty() {
                    continue;
                }
                self.left = self
                    .left
                    .checked_sub(bytes.len() as u64)
                    .expect("no more than asked for");
                return Poll::Ready(Some(Ok(bytes)));
            }
            let Some(stripes) = &mut self.stripes else {
                return Poll::Ready(None);
            };
            match ready!(stripes.stripes.poll_recv(cx)) {
                Some(Ok(slices)) => self.ready = slices.into_iter(),
                Some(Err(error)) => {
                    self.stripes = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    assert_eq!(
                        self.left, 0,
                        "the reading task ended early without an error"
                    );
                    self.stripes = None;
                }
            }
        }
    }
}

impl http_body::Body for ObjectReader {
    type Data = Bytes;
    type Error = DataError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, DataError>>> {
        self.poll_next(cx)
            .map(|next| next.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
