//! Starts the `riquet` command; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    riquet_tools::run(std::env::args_os())
}
