//! Bad input: the error code that AWS documents, and nothing stored.

use std::process::ExitCode;

use riquet_tests::{python, suite};

fn main() -> ExitCode {
    suite::run(|shared| python::trials(shared, "test_bad_input"))
}
