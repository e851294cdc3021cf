//! Documents: the XML of every operation that takes one, and policies. None breaks its parser;
//! what is taken can be written and read again as the same; what is refused gets an answer that
//! clients can read; and no decision from what was taken fails.

#![no_main]

mod s3 {
    pub(crate) mod answers;
    pub(crate) mod examples;
    pub(crate) mod mutate;
    pub(crate) mod policies;
    pub(crate) mod settings;
}

use std::sync::LazyLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use s3::examples::{DOCUMENTS, POLICIES};
use s3::mutate::mutate;
use s3::{policies, settings};

/// The first half of the numbers is for the operations, the second for the kinds of policies.
const POLICIES_FROM: u8 = 128;

static EXAMPLES: LazyLock<Vec<(u8, Vec<u8>)>> = LazyLock::new(|| {
    let documents = (0..).zip(DOCUMENTS.iter().map(|(_, text)| text));
    let policies = (POLICIES_FROM..).zip(&POLICIES);
    documents
        .chain(policies)
        .map(|(number, text)| (number, text.as_bytes().to_vec()))
        .collect()
});

/// Whether the parser of a number takes the text.
fn check(number: u8, text: &[u8]) -> bool {
    if number >= POLICIES_FROM {
        return policies::check(usize::from(number - POLICIES_FROM) % POLICIES.len(), text);
    }
    let (target, _) = DOCUMENTS[usize::from(number) % DOCUMENTS.len()];
    settings::check(target, text)
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
