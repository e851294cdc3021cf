//! What backups ask: all records of a group, and steps that put them back.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;

use super::Client;
use super::caller::AnswerStream;
use crate::command::{RestoreCommand, RestoreOutcome};
use crate::error::Error;
use crate::id::GroupId;
use crate::limits::{BLOCK_MAX_BYTES, EXPORT_STALL_MS};
use crate::query::RestoreState;

/// A group's records as they arrive, in blocks.
pub struct Export {
    body: AnswerStream,
    buffered: BytesMut,
}

impl Client {
    /// Streams all records of a group, as they are at one moment after this call.
    ///
    /// # Errors
    /// When the group has no leader.
    pub async fn export(&self, group: GroupId) -> Result<Export, Error> {
        Ok(Export {
            body: self.inner.calls.export(group).await?,
            buffered: BytesMut::new(),
        })
    }

    /// Takes a step of a restore of a group. A step may be repeated.
    ///
    /// # Errors
    /// When no voter answers. What became of the step is not an error here.
    pub async fn restore(
        &self,
        group: GroupId,
        command: RestoreCommand,
    ) -> Result<RestoreOutcome, Error> {
        self.inner.calls.restore(group, command).await
    }

    /// Whether a group can be restored, or is being restored.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn restore_state(&self, group: GroupId) -> Result<RestoreState, Error> {
        self.inner.calls.restore_state(group).await
    }
}

impl Export {
    /// The next block of records; none: those were all.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the stream breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.fill(4).await?;
        let length = self.buffered.get_u32() as usize;
        if length > BLOCK_MAX_BYTES {
            return Err(Error::Protocol("a block of that length"));
        }
        if length == 0 {
            return Ok(None);
        }
        self.fill(length).await?;
        Ok(Some(self.buffered.split_to(length).freeze()))
    }

    async fn fill(&mut self, length: usize) -> Result<(), Error> {
        let patience = Duration::from_millis(EXPORT_STALL_MS);
        while self.buffered.len() < length {
            let frame = tokio::time::timeout(patience, self.body.frame()).await;
            let Ok(Some(Ok(frame))) = frame else {
                return Err(Error::Unavailable);
            };
            if let Ok(data) = frame.into_data() {
                self.buffered.extend_from_slice(&data);
            }
        }
        Ok(())
    }
}
