//! Bodies: aws-chunked streams and forms, in pieces of any lengths. No stream yields more than
//! came in, the pieces make no difference, what was framed well is read as it was, and of a signed
//! or summed stream nothing that was changed passes.
//!
//! An input is the number of the parser, the number of lengths and the lengths of the pieces, and
//! what the parser makes the body of.

#![no_main]

mod s3 {
    pub(crate) mod forms;
    pub(crate) mod mutate;
    pub(crate) mod pieces;
    pub(crate) mod signed;
    pub(crate) mod streams;
}

use std::sync::LazyLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use s3::mutate::mutate;
use s3::{forms, streams};

/// The most lengths of pieces.
const LENGTHS_MAX: usize = 8;

static EXAMPLES: LazyLock<Vec<(u8, Vec<u8>)>> = LazyLock::new(|| {
    [
        (0, streams::EXAMPLE),
        (1, streams::FRAMED_EXAMPLE),
        (2, forms::EXAMPLE),
        (3, forms::POLICY_EXAMPLE),
    ]
    .into_iter()
    .map(|(number, text)| (number, [b"\x03\x01\x00\x07", text].concat()))
    .collect()
});

/// Whether the parser of a number takes the input.
fn check(number: u8, input: &[u8]) -> bool {
    let Some((count, rest)) = input.split_first() else {
        return false;
    };
    let count = usize::from(*count) % LENGTHS_MAX;
    let (lengths, rest) = rest.split_at(count.min(rest.len()));
    match number % 4 {
        0 => streams::check(rest, lengths),
        1 => streams::check_framed(rest, lengths),
        2 => forms::check(rest, lengths),
        _ => forms::check_policy(rest, lengths),
    }
}

fuzz_target!(
    init: {
        for (number, input) in EXAMPLES.iter() {
            assert!(check(*number, input), "{}", String::from_utf8_lossy(input));
        }
    },
    |data: &[u8]| {
        if let Some((number, input)) = data.split_first() {
            check(*number, input);
        }
    }
);

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(&EXAMPLES, data, size, max_size, seed)
});
