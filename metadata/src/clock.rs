//! The one place of this crate where time and randomness come in: at its edges, the client and
//! the service, never in the state machine.

use crate::id::RequestId;

/// Now, ms since 1970.
#[expect(clippy::disallowed_methods, reason = "the edge where time comes in")]
pub(crate) fn now_ms() -> u64 {
    riquet_cluster::clock::now_ms()
}

/// A name that nothing else has.
#[cfg(feature = "store")]
#[expect(
    clippy::disallowed_methods,
    reason = "the edge where randomness comes in"
)]
pub(crate) fn fresh_name() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// A request id that nobody else has.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge where randomness comes in"
)]
pub(crate) fn fresh_request() -> RequestId {
    RequestId::from_u128(rand::random())
}
