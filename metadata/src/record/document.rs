//! What gateways keep with buckets and objects without the metadata looking into it.

use bytes::Bytes;
use minicbor::{Decode, Encode};

/// A text that only gateways understand, such as a policy in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct Document(#[cbor(n(0), with = "crate::codec::bytes")] pub Bytes);

/// What a document of a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
#[repr(u8)]
pub enum DocumentKind {
    /// Who may do what with the bucket.
    #[n(1)]
    Acl = 1,
    /// The bucket policy.
    #[n(2)]
    Policy = 2,
    /// What is never public.
    #[n(3)]
    PublicAccessBlock = 3,
    /// Who owns what others upload.
    #[n(4)]
    OwnershipControls = 4,
    /// Which web pages may use the bucket.
    #[n(5)]
    Cors = 5,
    /// Tags of the bucket.
    #[n(6)]
    Tagging = 6,
    /// What expires or moves, and when.
    #[n(7)]
    Lifecycle = 7,
    /// How uploads are encrypted that don't say.
    #[n(8)]
    Encryption = 8,
    /// How versions are locked that don't say.
    #[n(9)]
    ObjectLock = 9,
    /// Where requests are logged.
    #[n(10)]
    Logging = 10,
    /// Who is told of changes.
    #[n(11)]
    Notification = 11,
    /// How the bucket is shown as a web site.
    #[n(12)]
    Website = 12,
    /// Who pays for requests.
    #[n(13)]
    RequestPayment = 13,
    /// Whether transfers are to be faster.
    #[n(14)]
    Accelerate = 14,
}
