//! Reads a range of an object's content as a verified stream.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use riquet_cluster::id::{ChunkId, RequestId};
use riquet_cluster::node_client::Target;
use riquet_metadata::record::{BlobRef, Content};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::chunk_read::ChunkRead;
use super::error::DataError;
use super::{DataPath, Inner};

/// Stripes read ahead of the client: with stripes of 256 KiB to 512 KiB, at most 1.5 MiB for each
/// reader.
const READ_AHEAD: usize = 3;

/// Verified slices of one stripe.
pub(super) type StripeSlices = Vec<Bytes>;

impl DataPath {
    /// Streams bytes `range` of `content`.
    pub fn read(&self, content: &Content, range: Range<u64>, request: RequestId) -> ObjectReader {
        assert!(
            range.start <= range.end && range.end <= content.size_bytes(),
            "a range within"
        );
        let left = range.end - range.start;
        if let Content::Inline(bytes) = content {
            let ready = vec![bytes.slice(range.start as usize..range.end as usize)];
            return ObjectReader {
                ready: ready.into_iter(),
                stripes: None,
                left,
            };
        }
        let pieces = pieces(content, range);
        let (sender, stripes) = mpsc::channel(READ_AHEAD);
        let inner = self.inner.clone();
        let task = tokio::spawn(async move {
            for (blob, range) in pieces {
                if let Err(error) = inner.read_blob(&blob, range, request, &sender).await {
                    tracing::error!(%error, blob = %blob.id, "object unreadable");
                    let _ = sender.send(Err(error)).await;
                    return;
                }
            }
        });
        let stripes = Some(Stripes {
            stripes,
            task: task.abort_handle(),
        });
        ObjectReader {
            ready: Vec::new().into_iter(),
            stripes,
            left,
        }
    }
}

/// The blobs that hold `range` of the content, each with the range of its own bytes.
fn pieces(content: &Content, range: Range<u64>) -> Vec<(BlobRef, Range<u64>)> {
    let mut at = 0;
    let mut pieces = Vec::new();
    for blob in content.blobs() {
        let here = at..at + blob.length_bytes;
        let (start, end) = (range.start.max(here.start), range.end.min(here.end));
        if start < end {
            pieces.push((blob.clone(), start - at..end - at));
        }
        at = here.end;
    }
    pieces
}

impl Inner {
    async fn read_blob(
        self: &Arc<Self>,
        blob: &BlobRef,
        range: Range<u64>,
        request: RequestId,
        sender: &mpsc::Sender<Result<StripeSlices, DataError>>,
    ) -> Result<(), DataError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use riquet_cluster::id::BlobId;
    use riquet_cluster::profile::ProfileId;

    #[test]
    fn a_range_is_cut_at_the_blobs_borders() {
        let blob = |id, length_bytes| BlobRef {
            id: BlobId::from_u128(id),
            length_bytes,
            profile: ProfileId(0),
            chunk_size_bytes: 64,
            epochs: Vec::new(),
        };
        let content = Content::Blobs(vec![blob(1, 10), blob(2, 20), blob(3, 5)]);
        let cut = |range| {
            pieces(&content, range)
                .into_iter()
                .map(|(b, r)| (b.id.as_u128(), r))
                .collect::<Vec<_>>()
        };
        assert_eq!(cut(0..35), [(1, 0..10), (2, 0..20), (3, 0..5)]);
        assert_eq!(cut(10..30), [(2, 0..20)]);
        assert_eq!(cut(9..31), [(1, 9..10), (2, 0..20), (3, 0..1)]);
        assert_eq!(cut(12..13), [(2, 2..3)]);
        assert!(cut(7..7).is_empty());
    }
}
