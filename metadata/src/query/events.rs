//! Events that wait to be told, as queries show them.

use minicbor::{Decode, Encode};

use crate::record::{Event, EventQueue};

/// The queue of a target.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ListedQueue {
    /// The target.
    #[n(0)]
    pub target: String,
    /// What is known of it.
    #[n(1)]
    pub queue: EventQueue,
}

/// An event and its place in its queue.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ListedEvent {
    /// Its number: those of a key grow, wherever the key's tablet moves.
    #[n(0)]
    pub number: u64,
    /// The event.
    #[n(1)]
    pub event: Event,
}
