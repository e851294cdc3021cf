//! What arrives after a request's head: framing, checksums and the lengths that must hold.
//!
//! [`payload::Payload`] turns an HTTP body into the object's bytes, taking off the aws-chunked
//! framing ([`chunked`]) on the way; [`digest::Digests`] computes and checks whatever the head
//! promised about those bytes, wherever the caller wants to spend that CPU time; and
//! [`checksum`] has the arithmetic.
//!
//! The order is always: [`PayloadSpec::parse`], then fragments from the payload into the digests
//! (and to wherever they are stored), then [`Digests::finish`] with the payload's trailer, and
//! only then may anything be committed.

pub mod checksum;
pub mod chunked;
pub mod digest;
pub mod payload;

pub use digest::{DigestOutcome, DigestSpec, Digests};
pub use payload::{Payload, PayloadSpec, Purpose, read_document};
