//! The file of a form as a stream of bytes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use multer::Field;

use super::form::error_of;
use super::policy::LengthRange;
use crate::error::{Error, ErrorCode, Result};

/// The bytes of a form's file, never none of them at a time. After an error there is nothing more;
/// the file is whole only once the stream has ended without one.
#[derive(Debug)]
pub struct PostFile {
    /// `None` once it has ended.
    field: Option<Field<'static>>,
    range: LengthRange,
    received_bytes: u64,
}

impl PostFile {
    pub(super) const fn new(field: Field<'static>) -> Self {
        Self {
            field: Some(field),
            range: LengthRange::ANY,
            received_bytes: 0,
        }
    }

    /// Holds the file to a length, with `EntityTooLarge` as soon as it's beyond and
    /// `EntityTooSmall` at its end.
    #[must_use]
    pub const fn within(mut self, range: LengthRange) -> Self {
        self.range = range;
        self
    }

    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        while let Some(field) = &mut self.field {
            match ready!(Pin::new(field).poll_next(context)) {
                Some(Ok(bytes)) if bytes.is_empty() => {}
                Some(Ok(bytes)) => {
                    self.received_bytes += bytes.len() as u64;
                    let range = self.range;
                    return Poll::Ready(Some(range.check_max(self.received_bytes).map(|()| bytes)));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error_of(error)))),
                None => {
                    self.field = None;
                    return Poll::Ready(self.range.check_min(self.received_bytes).err().map(Err));
                }
            }
        }
        Poll::Ready(None)
    }
}

impl Stream for PostFile {
    type Item = Result<Bytes>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes>>> {
        let next = ready!(self.poll_bytes(context));
        if matches!(next, Some(Err(_))) {
            self.field = None;
        }
        Poll::Ready(next)
    }
}

impl LengthRange {
    fn check_max(self, received_bytes: u64) -> Result<()> {
        if received_bytes <= self.max_bytes {
            return Ok(());
        }
        Err(Error::new(ErrorCode::EntityTooLarge)
            .message("Your proposed upload exceeds the maximum allowed size")
            .field("ProposedSize", received_bytes.to_string())
            .field("MaxSizeAllowed", self.max_bytes.to_string()))
    }

    fn check_min(self, received_bytes: u64) -> Result<()> {
        if received_bytes >= self.min_bytes {
            return Ok(());
        }
        Err(Error::new(ErrorCode::EntityTooSmall)
            .message("Your proposed upload is smaller than the minimum allowed size")
            .field("ProposedSize", received_bytes.to_string())
            .field("MinSizeAllowed", self.min_bytes.to_string()))
    }
}
