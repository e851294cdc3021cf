//! What the tests of this folder share.

// Each test file is a program of its own and uses a part.
#![allow(dead_code)]

pub(crate) mod shards;
pub(crate) mod strategies;
