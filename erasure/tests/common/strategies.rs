//! Random codes to test with, and how many of them.

use proptest::prelude::*;
use proptest::sample::select;

/// Lengths around the vector sizes and steps of the kernels, and a few odd ones.
const LENGTHS: [usize; 22] = [
    0, 1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 95, 127, 128, 129, 191, 192, 200, 255, 1000, 5003,
];

/// How many of the lengths an interpreter is given: those under 150 bytes.
const LENGTHS_INTERPRETED: usize = 16;

/// A configuration of so many cases; an interpreter, a thousand times slower,
/// makes do with two and has no file system to note failures in.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    if cfg!(miri) {
        ProptestConfig {
            cases: 2,
            failure_persistence: None,
            ..ProptestConfig::default()
        }
    } else {
        ProptestConfig::with_cases(cases)
    }
}

/// A length of shards, in bytes.
pub(crate) fn length() -> impl Strategy<Value = usize> {
    let count = if cfg!(miri) {
        LENGTHS_INTERPRETED
    } else {
        LENGTHS.len()
    };
    select(&LENGTHS[..count])
}

/// Data and parity counts of usual codes.
pub(crate) fn usual_profile() -> impl Strategy<Value = (usize, usize)> {
    if cfg!(miri) {
        (1usize..=4, 1usize..=6)
    } else {
        (1usize..=16, 1usize..=24)
    }
}

/// Data and parity counts of any code, and those at the limits.
pub(crate) fn any_profile() -> impl Strategy<Value = (usize, usize)> {
    if cfg!(miri) {
        return usual_profile().boxed();
    }
    let any = (1usize..=254).prop_flat_map(|data| (Just(data), 1..=255 - data));
    let limits = select(vec![(1, 254), (254, 1), (127, 128), (128, 127), (200, 55)]);
    prop_oneof![4 => any, 1 => limits].boxed()
}

/// Mostly usual codes, some of the others.
pub(crate) fn profile() -> impl Strategy<Value = (usize, usize)> {
    prop_oneof![6 => usual_profile(), 1 => any_profile()]
}
