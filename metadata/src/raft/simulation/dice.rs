//! What a simulation draws from its seed: all randomness of the thread it runs in, down to that of
//! hash maps and of tokio.

use std::cell::RefCell;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rustix::rand::GetRandomFlags;

thread_local! {
    /// What the system's random bytes are taken from in a thread that simulates.
    static SEEDED: RefCell<Option<SmallRng>> = const { RefCell::new(None) };
}

/// Has all randomness in this thread follow from a seed. Must come before anything draws.
pub(super) fn seed(seed: u64) {
    SEEDED.set(Some(SmallRng::seed_from_u64(seed)));
}

/// A number below `end`.
pub(super) fn below(end: u64) -> u64 {
    SEEDED.with_borrow_mut(|seeded| seeded.as_mut().expect("a seed").next_u64() % end)
}

/// Whether one of so many things comes to pass.
pub(super) fn one_in(count: u64) -> bool {
    below(count) == 0
}

/// Stands before the C library's function of this name, from which the standard library and the
/// crates take their first random bytes, in this crate's tests alone. A thread without a seed gets
/// the kernel's.
///
/// # Safety
/// `buffer` must be valid for writes of `length` bytes.
// SAFETY: the name and the signature are those of getrandom(2), and so is what it does.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    // SAFETY: the caller vouches for the buffer; bytes of any value may be there.
    let bytes = unsafe {
        buffer.write_bytes(0, length);
        std::slice::from_raw_parts_mut(buffer, length)
    };
    let is_seeded = SEEDED.try_with(|seeded| {
        let mut seeded = seeded.borrow_mut();
        seeded
            .as_mut()
            .map(|seeded| seeded.fill_bytes(bytes))
            .is_some()
    });
    if is_seeded == Ok(true) {
        return length.cast_signed();
    }
    loop {
        // Without flags it waits for as long as need be, and may be interrupted.
        if let Ok(filled) = rustix::rand::getrandom(&mut *bytes, GetRandomFlags::empty()) {
            return filled.cast_signed();
        }
    }
}
