//! What the targets of the erasure crate share.

// Each target uses a part.
#![allow(dead_code)]

#[path = "../../../erasure/tests/common/shards.rs"]
pub(crate) mod shards;

use arbitrary::{Result, Unstructured};
use riquet_erasure::Kernel;
use shards::{Frame, Place};

/// Data and parity counts: mostly usual ones, some of up to 255 shards.
pub(crate) fn profile(u: &mut Unstructured<'_>) -> Result<(usize, usize)> {
    let total = match u.int_in_range(0..=31)? {
        31 => 255,
        28..=30 => 64,
        _ => 16,
    };
    let data = u.int_in_range(1..=total - 1)?;
    Ok((data, u.int_in_range(1..=total - data)?))
}

/// A kernel that this CPU can run.
pub(crate) fn kernel(u: &mut Unstructured<'_>) -> Result<Kernel> {
    u.choose(&shards::kernels()).copied()
}

/// Outputs at any alignment, with wide frames, narrow ones or none.
pub(crate) fn frame(u: &mut Unstructured<'_>) -> Result<Frame> {
    let place = *u.choose(&[Place::Staggered, Place::Together])?;
    Ok(Frame {
        before: u.int_in_range(0..=130)?,
        after: u.int_in_range(0..=1)? * 130,
        place,
    })
}
