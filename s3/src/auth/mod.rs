//! AWS Signature Version 4, the server's side.
//!
//! Verification takes two steps, since the secret is looked up between them: [`parse`] reads who
//! claims to send the request (without believing a word), and [`Authentication::verify`] rebuilds
//! the canonical request and compares signatures. What it returns, [`Verified`], tells how the
//! body is protected and carries the [`ChunkSigner`] that checks a signed stream.
//!
//! ```text
//! head -> parse -> access key id -> (secret, by the caller) -> verify -> Verified -> body
//! ```
//!
//! Calls of IAM and STS are signed for their own [`Service`], and [`parse_call`] reads those.

mod canonical;
pub(crate) mod claim;
mod credential;
mod expected;
mod payload_kind;
mod service;
pub(crate) mod signing;
pub(crate) mod timestamp;
pub(crate) mod verify;
mod version_two;

pub use claim::{Authentication, Claim, parse, parse_call};
pub use payload_kind::PayloadKind;
pub use service::Service;
pub use signing::{ChunkSigner, SigningKey};
pub use verify::Verified;
pub use version_two::ClaimV2;
