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

mod canonical;
pub(crate) mod claim;
mod payload_kind;
mod presigned_v2;
pub(crate) mod signing;
pub(crate) mod timestamp;
pub(crate) mod verify;

pub use claim::{Authentication, Claim, parse};
pub use payload_kind::PayloadKind;
pub use presigned_v2::PresignedV2;
pub use signing::{ChunkSigner, SigningKey};
pub use verify::Verified;
