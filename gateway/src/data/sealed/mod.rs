//! Sealed streams: how bytes are encrypted on their way to the shards, and opened on their way back.
//!
//! A stream is cut into packages of 64 KiB, each sealed by itself (`metadata::record::encryption` has
//! the lengths), so that a range is opened without what is around it. A package's nonce is its number
//! and whether it is the last: one that is altered, left out, moved, or at the end of a stream that was
//! cut short doesn't open. Sealing comes before erasure coding and after all digests, opening after
//! every cell was verified.
//!
//! A package takes some 20 us of CPU, less than the erasure code of the stripe it goes into, and like
//! that it is worked on where the bytes pass, on the task that moves them.

mod key;
mod open;
mod seal;

pub(crate) use key::{DataKey, KEY_BYTES, Stream, StreamKey, fresh_salt};
pub(super) use open::{Opener, open_whole};
pub(crate) use seal::{Sealing, seal_whole};

/// Sealed bytes don't open: they are not what was written under this key at this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed bytes don't open")]
pub struct Damaged;

#[cfg(test)]
mod tests;
