//! Snapshots as folders of files, and as a stream of bytes between voters.
//!
//! ```text
//! stream  head length 4 | head | file* | 00 00
//! file    name length 2 | name | size 8 | bytes
//! ```
//!
//! Integers are big-endian. Neither end holds more than a piece of a file in memory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Buf, Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::limits::PIECE_BYTES;

/// A checkpoint of a group's state. Clones share the folder.
#[derive(Debug, Clone)]
pub(super) struct Checkpoint(Arc<Folder>);

/// A folder that may go with its last user.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    is_discarded: AtomicBool,
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_discarded.load(Ordering::Acquire)
            && self.path.exists()
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "an old snapshot stays");
        }
    }
}

impl Checkpoint {
    /// One that this voter made and keeps.
    pub(super) fn of_own(path: PathBuf) -> Self {
        Self(Arc::new(Folder {
            path,
            is_discarded: AtomicBool::new(false),
        }))
    }

    /// One that arrives: unless it is installed, it goes with its last user.
    fn arriving(path: PathBuf) -> Self {
        let checkpoint = Self::of_own(path);
        checkpoint.discard();
        checkpoint
    }

    /// Has the folder removed once nobody uses it.
    pub(super) fn discard(&self) {
        self.0.is_discarded.store(true, Ordering::Release);
    }

    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }
}

/// Makes what was renamed or made in a folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}

/// Sends a snapshot with its head, piece by piece, as fast as the receiver takes it.
pub(super) async fn send(
    head: &[u8],
    checkpoint: Checkpoint,
    pieces: mpsc::Sender<io::Result<Bytes>>,
) {
    if let Err(error) = send_files(head, &checkpoint, &pieces).await {
        // The receiver sees a stream that breaks off.
        let _ = pieces.send(Err(error)).await;
    }
}

async fn send_files(
    head: &[u8],
    checkpoint: &Checkpoint,
    pieces: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    let closed = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    let length = u32::try_from(head.len())
        .expect("a head is short")
        .to_be_bytes();
    pieces
        .send(Ok([&length, head].concat().into()))
        .await
        .map_err(closed)?;
    let mut folder = tokio::fs::read_dir(checkpoint.path()).await?;
    while let Some(entry) = folder.next_entry().await? {
        let name = entry.file_name();
        let name = name.to_str().ok_or(io::ErrorKind::InvalidData)?.as_bytes();
        let mut file = tokio::fs::File::open(entry.path()).await?;
        let size = file.metadata().await?.len();
        let name_length = u16::try_from(name.len())
            .expect("names are short")
            .to_be_bytes();
        let start = [&name_length, name, &size.to_be_bytes()].concat();
        pieces.send(Ok(start.into())).await.map_err(closed)?;
        let mut left = size;
        while left > 0 {
            let mut piece =
                BytesMut::zeroed(PIECE_BYTES.min(usize::try_from(left).unwrap_or(PIECE_BYTES)));
            file.read_exact(&mut piece).await?;
            left -= piece.len() as u64;
            pieces.send(Ok(piece.freeze())).await.map_err(closed)?;
        }
    }
    pieces
        .send(Ok(Bytes::from_static(&[0, 0])))
        .await
        .map_err(closed)
}

/// A snapshot's stream as it is read.
pub(super) struct Receiver<B> {
    body: B,
    buffered: BytesMut,
}

impl<B> Receiver<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(super) fn new(body: B) -> Self {
        Self {
            body,
            buffered: BytesMut::new(),
        }
    }

    /// Reads the head, which comes first.
    pub(super) async fn head(&mut self) -> io::Result<Bytes> {
        let length = self.take(4).await?.get_u32() as usize;
        if length > PIECE_BYTES {
            return Err(malformed("a head of that length"));
        }
        self.take(length).await
    }

    /// Writes the files into a new folder, durably.
    pub(super) async fn files(mut self, folder: PathBuf) -> io::Result<Checkpoint> {
        tokio::fs::create_dir(&folder).await?;
        let checkpoint = Checkpoint::arriving(folder);
        loop {
            let length = self.take(2).await?.get_u16() as usize;
            if length == 0 {
                break;
            }
            let name = self.take(length).await?;
            let name = std::str::from_utf8(&name).map_err(|_| malformed("a name"))?;
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            if !name.chars().all(is_plain) || name.starts_with('.') {
                return Err(malformed("a name"));
            }
            let mut left = self.take(8).await?.get_u64();
            let mut file = tokio::fs::File::create_new(checkpoint.path().join(name)).await?;
            while left > 0 {
                if self.buffered.is_empty() {
                    self.fill().await?;
                }
                let piece = usize::try_from(left)
                    .unwrap_or(usize::MAX)
                    .min(self.buffered.len());
                file.write_all(&self.buffered.split_to(piece)).await?;
                left -= piece as u64;
            }
            file.flush().await?;
            file.sync_all().await?;
        }
        let path = checkpoint.path().to_owned();
        tokio::task::spawn_blocking(move || sync_folder(&path))
            .await
            .map_err(io::Error::other)??;
        Ok(checkpoint)
    }

    async fn take(&mut self, length: usize) -> io::Result<Bytes> {
        while self.buffered.len() < length {
            self.fill().await?;
        }
        Ok(self.buffered.split_to(length).freeze())
    }

    async fn fill(&mut self) -> io::Result<()> {
        let frame = self
            .body
            .frame()
            .await
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let frame = frame.map_err(|error| io::Error::other(error.into()))?;
        if let Ok(data) = frame.into_data() {
            self.buffered.extend_from_slice(&data);
        }
        Ok(())
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("not a snapshot: {what}"),
    )
}
