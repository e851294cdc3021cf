//! Commands about who may use the store.

use minicbor::{Decode, Encode};

use crate::record::{Identity, IdentityName};

/// What can be done to an identity.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum IdentityChange {
    /// Makes one that isn't there.
    #[n(0)]
    Create(#[n(0)] Box<Identity>),
    /// Puts one in the place of another, perhaps under another name.
    #[n(1)]
    Replace {
        /// Its present name.
        #[n(0)]
        name: IdentityName,
        /// The revision that the change was thought out for.
        #[n(1)]
        revision: u64,
        /// What it is to be.
        #[n(2)]
        identity: Box<Identity>,
    },
    /// Removes one that nothing needs any more.
    #[n(2)]
    Remove {
        /// Its name.
        #[n(0)]
        name: IdentityName,
    },
}

/// What became of a change of an identity.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum IdentityOutcome {
    /// It is done.
    #[n(0)]
    Done,
    /// There is one of this name (or id, or address) already. Nothing was done.
    #[n(1)]
    Exists,
    /// It isn't there, or something that it names isn't. Nothing was done.
    #[n(2)]
    Missing(#[n(0)] IdentityName),
    /// It is another than the change was thought out for. Nothing was done.
    #[n(3)]
    Stale,
    /// Something needs it still: what, for people. Nothing was done.
    #[n(4)]
    InUse(#[n(0)] String),
}
