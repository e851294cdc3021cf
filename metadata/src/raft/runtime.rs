//! Where a group's work for the disk runs.

use std::io;

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs what waits for the disk where it may. A runtime of one thread, as a simulation has, does
/// all things in one order, this among them.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return work();
    }
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}
