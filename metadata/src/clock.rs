//! The one place of this crate where time and randomness come in: at its edges, the client and
//! the service, never in the state machine.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::id::RequestId;

/// Now, ms since 1970.
#[expect(clippy::disallowed_methods, reason = "the edge where time comes in")]
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).expect("the year is below 500,000,000")
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
