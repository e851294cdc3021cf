//! Starts the process; everything is in the library.

use std::process::ExitCode;

/// Pages of slices that are freed on another thread than the one that made them: mimalloc takes
/// that pattern, every read of a socket, better than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    riquet_gateway::main()
}
