//! Blocks of records: what an export streams, a backup's file holds and a restore proposes.
//!
//! ```text
//! record   key length 2 | value length 4 | key | value      (integers big-endian)
//! ```

use bytes::{Buf, BufMut, Bytes};

use crate::command::RawRecord;
use crate::keys::{self, Family};
use crate::limits::{BLOCK_MAX_BYTES, COPY_BYTES};
use crate::store::{Reader, StoreError};

/// Bytes before a record's key.
const LENGTHS_BYTES: usize = 6;

/// Past every record.
const END: [u8; 1] = [0xFF];

/// Why the walk over a group's records ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WalkError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody takes the blocks any more.
    #[error("the reader of an export is gone")]
    ReaderGone,
    /// A record is larger than a block may be.
    #[error("a record of {bytes} bytes fits no block")]
    TooLarge {
        /// Its length, bytes.
        bytes: usize,
    },
}

/// Gives all records of a view to `take`, in the order of their keys, in blocks of about
/// [`COPY_BYTES`]. What the log keeps of itself beside the records is not among them.
pub(crate) fn walk(
    view: &dyn Reader,
    mut take: impl FnMut(Bytes) -> Result<(), WalkError>,
) -> Result<(), WalkError> {
    let mut cursor = view.cursor(&END);
    cursor.seek(&keys::family(Family::Header))?;
    let mut block = Vec::with_capacity(COPY_BYTES);
    while let Some((key, value)) = cursor.entry()
        && key < END.as_slice()
    {
        let bytes = LENGTHS_BYTES + key.len() + value.len();
        if bytes > BLOCK_MAX_BYTES {
            return Err(WalkError::TooLarge { bytes });
        }
        if !block.is_empty() && block.len() + bytes > COPY_BYTES {
            take(std::mem::replace(&mut block, Vec::with_capacity(COPY_BYTES)).into())?;
        }
        put(&mut block, key, value);
        cursor.advance()?;
    }
    match block.is_empty() {
        true => Ok(()),
        false => take(block.into()),
    }
}

/// Adds a record to a block.
pub(super) fn put(block: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let key_length = u16::try_from(key.len()).expect("a stored key is shorter than 64 KiB");
    block.put_u16(key_length);
    block.put_u32(u32::try_from(value.len()).expect("a block is smaller than that"));
    block.put_slice(key);
    block.put_slice(value);
}

/// The records of a block. None: it is no block of records.
pub(super) fn records(mut block: &[u8]) -> Option<Vec<RawRecord>> {
    let mut records = Vec::new();
    while !block.is_empty() {
        if block.len() < LENGTHS_BYTES {
            return None;
        }
        let (key_length, value_length) = (block.get_u16() as usize, block.get_u32() as usize);
        if block.len() < key_length || block.len() - key_length < value_length {
            return None;
        }
        let (key, rest) = block.split_at(key_length);
        let (value, rest) = rest.split_at(value_length);
        records.push(RawRecord {
            key: key.to_vec(),
            value: value.to_vec(),
        });
        block = rest;
    }
    Some(records)
}
