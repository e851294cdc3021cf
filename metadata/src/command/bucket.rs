//! Commands about buckets themselves.

use minicbor::{Decode, Encode};

use crate::record::{Document, DocumentKind, Versioning};

/// What a bucket is made with.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NewBucket {
    /// Its name, already checked.
    #[n(0)]
    pub name: String,
    /// Canonical id of the owner.
    #[n(1)]
    pub owner: String,
    /// Its region.
    #[n(2)]
    pub region: String,
    /// Whether versions can be locked; they are kept, then.
    #[n(3)]
    pub has_locks: bool,
    /// Id of the tenant that it belongs to.
    #[n(4)]
    pub tenant: String,
    /// The documents that it has from the beginning, one of a kind.
    #[n(5)]
    pub documents: Vec<NewDocument>,
}

/// A document that a bucket is made with.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NewDocument {
    /// Which.
    #[n(0)]
    pub kind: DocumentKind,
    /// The document.
    #[n(1)]
    pub document: Document,
}

impl NewBucket {
    /// A bucket with nothing but its name.
    pub fn named(name: &str, owner: &str, region: &str) -> Self {
        Self {
            name: name.to_owned(),
            owner: owner.to_owned(),
            region: region.to_owned(),
            has_locks: false,
            tenant: String::new(),
            documents: Vec::new(),
        }
    }
}

/// What can be changed of a bucket.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum BucketChange {
    /// What becomes of objects that are overwritten or deleted. A bucket with locks keeps them.
    #[n(0)]
    Versioning(#[n(0)] Versioning),
    /// From now on versions can be locked. Only where they are kept.
    #[n(1)]
    AllowLocks,
    /// Stores a document, or removes it.
    #[n(2)]
    Document {
        /// Which.
        #[n(0)]
        kind: DocumentKind,
        /// The document; none: it is removed.
        #[n(1)]
        document: Option<Document>,
    },
}
