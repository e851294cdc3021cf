//! Garbage: what nothing names any more goes, and nothing else does.
//!
//! ```text
//! delete, overwrite, abort -> garbage queue, in the same commit
//!   -> after a grace for readers the group's leader has every disk remove the shards (collector)
//!   -> the entry is dropped; disks that could not be reached are noted in the same commit
//!   -> their own nodes remove the shards once they are back (removals)
//! upload that never came to its commit
//!   -> its shards, found on the disk by their back-reference and age (orphans)
//!   -> the commit is ruled out in the group of their key; only then they are removed
//! ```
//! That the metadata does not know a blob is never a reason to remove it. The reasons are: a garbage
//! entry, which is the end of a blob's way, and an abortion that the group has committed.

mod collector;
#[cfg(test)]
mod model_tests;
mod orphans;
mod removals;

pub use collector::{BlobRemover, Collector};
pub use orphans::{Sweeper, Swept};
pub use removals::remove_left_behind;
