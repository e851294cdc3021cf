//! Heads of requests: signatures, routes, inputs, calls of IAM and STS, and single values. Nobody
//! gets in who does not know the secret; what is written as it was read is read as the same; and
//! what is refused gets an answer that clients can read.

#![no_main]

mod s3 {
    pub(crate) mod answers;
    pub(crate) mod calls;
    pub(crate) mod heads;
    pub(crate) mod mutate;
    pub(crate) mod requests;
    pub(crate) mod values;
}

use std::sync::LazyLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use s3::mutate::mutate;
use s3::{calls, requests, values};

static EXAMPLES: LazyLock<Vec<(u8, Vec<u8>)>> = LazyLock::new(|| {
    let requests = requests::EXAMPLES.map(str::to_owned).into_iter();
    let values = values::EXAMPLES.map(str::to_owned).into_iter();
    let numbered = |number: u8| move |text: String| (number, text.into_bytes());
    requests
        .map(numbered(0))
        .chain(calls::examples().map(numbered(1)))
        .chain(values.map(numbered(2)))
        .collect()
});

/// Whether the parser of a number takes the text.
fn check(number: u8, text: &[u8]) -> bool {
    match number % 3 {
        0 => requests::check(text),
        1 => calls::check(text),
        _ => values::check(text),
    }
}

fuzz_target!(
    init: {
        for (number, text) in EXAMPLES.iter() {
            assert!(check(*number, text), "{}", String::from_utf8_lossy(text));
        }
    },
    |data: &[u8]| {
        if let Some((number, text)) = data.split_first() {
            check(*number, text);
        }
    }
);

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(&EXAMPLES, data, size, max_size, seed)
});
