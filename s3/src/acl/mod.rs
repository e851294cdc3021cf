//! Access control lists: who may do what with a bucket or an object, besides its owner.
//!
//! A request brings a list in one of three ways, a canned name, `x-amz-grant-*` headers or an
//! `AccessControlPolicy` document, which become a [`RequestedAcl`]. Its accounts are then looked
//! up by [`RequestedAcl::resolve`], and what is stored, an [`Acl`], holds canonical ids and groups
//! only. [`Acl::permissions`] decides.
//!
//! ```text
//! headers, body -> RequestedAcl -> (accounts, by the caller) -> Acl -> Permissions
//! ```

mod access;
mod canned;
mod document;
mod grant_headers;
mod request;

pub use access::{Caller, Permissions};
pub use canned::CannedAcl;
pub use request::{Accounts, RequestedAcl, RequestedGrant, RequestedGrantee};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::response::Owner;

/// The most grants of a list, as in AWS's schema.
pub const GRANTS_MAX: usize = 100;

/// The list of a bucket or an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acl {
    /// Whose bucket or object it is. May always read and write the list.
    pub owner: Owner,
    /// What is granted, also to the owner.
    pub grants: Vec<Grant>,
}

/// One permission for one grantee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Who may.
    pub grantee: Grantee,
    /// What.
    pub permission: Permission,
}

/// Who is granted something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grantee {
    /// An account.
    Account(Owner),
    /// Everybody in a group.
    Group(Group),
}

/// A group that AWS defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Group {
    /// Everybody, signed in or not.
    AllUsers,
    /// Whoever signs requests with any account's key.
    AuthenticatedUsers,
    /// The service that writes access logs.
    LogDelivery,
}

impl Group {
    const ALL: [Self; 3] = [Self::AllUsers, Self::AuthenticatedUsers, Self::LogDelivery];

    /// The group's name on the wire.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::AllUsers => "http://acs.amazonaws.com/groups/global/AllUsers",
            Self::AuthenticatedUsers => "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
            Self::LogDelivery => "http://acs.amazonaws.com/groups/s3/LogDelivery",
        }
    }

    /// The group of a name.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.uri() == uri)
    }

    /// Whether people without an account of the owner's choosing are in it.
    #[must_use]
    pub const fn is_public(self) -> bool {
        matches!(self, Self::AllUsers | Self::AuthenticatedUsers)
    }
}

/// What can be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Permission {
    /// List a bucket, read an object.
    Read,
    /// Write and delete objects in a bucket; nothing for an object.
    Write,
    /// Read the list.
    ReadAcp,
    /// Write the list.
    WriteAcp,
    /// All of these.
    FullControl,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 5] = [
        Self::Read,
        Self::Write,
        Self::ReadAcp,
        Self::WriteAcp,
        Self::FullControl,
    ];

    /// The name in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::ReadAcp => "READ_ACP",
            Self::WriteAcp => "WRITE_ACP",
            Self::FullControl => "FULL_CONTROL",
        }
    }

    /// The permission of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|permission| permission.as_str() == name)
    }
}

impl Grant {
    fn to_account(account: &Owner, permission: Permission) -> Self {
        Self {
            grantee: Grantee::Account(account.clone()),
            permission,
        }
    }

    const fn to_group(group: Group, permission: Permission) -> Self {
        Self {
            grantee: Grantee::Group(group),
            permission,
        }
    }

    /// Whether it grants something to the public.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        match &self.grantee {
            Grantee::Account(_) => false,
            Grantee::Group(group) => group.is_public(),
        }
    }
}

impl Acl {
    /// The list of what was stored without one: the owner may do everything, nobody else anything.
    #[must_use]
    pub fn private(owner: Owner) -> Self {
        CannedAcl::Private.expand(owner.clone(), &owner)
    }

    /// The list as a store keeps it, JSON.
    #[must_use]
    pub fn to_stored(&self) -> Bytes {
        let text = serde_json::to_vec(self);
        text.expect("names and ids are always JSON").into()
    }

    /// Whether it grants something to anybody but the owner.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        let others = |grant: &Grant| match &grant.grantee {
            Grantee::Account(account) => account.id != self.owner.id,
            Grantee::Group(_) => true,
        };
        self.grants.iter().any(others)
    }

    /// Whether it grants something to the public, in the sense of a public access block.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.grants.iter().any(Grant::is_public)
    }

    /// The list as it counts where a public access block says to ignore public grants.
    #[must_use]
    pub fn without_public_grants(mut self) -> Self {
        self.grants.retain(|grant| !grant.is_public());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for group in Group::ALL {
            assert_eq!(Group::from_uri(group.uri()), Some(group));
        }
        for permission in Permission::ALL {
            assert_eq!(Permission::from_name(permission.as_str()), Some(permission));
        }
        assert_eq!(Permission::from_name("read"), None);
        assert_eq!(Group::from_uri("AllUsers"), None);
    }

    #[test]
    fn a_block_takes_the_public_grants_away() {
        let owner = Owner {
            id: "a".to_owned(),
            display_name: "A".to_owned(),
        };
        for (canned, is_public) in [
            (CannedAcl::Private, false),
            (CannedAcl::PublicRead, true),
            (CannedAcl::PublicReadWrite, true),
            (CannedAcl::AuthenticatedRead, true),
            (CannedAcl::LogDeliveryWrite, false),
        ] {
            let acl = canned.expand(owner.clone(), &owner);
            assert_eq!(acl.is_public(), is_public, "{canned:?}");
            let count = acl.grants.len();
            let kept = acl.without_public_grants();
            assert!(!kept.is_public());
            assert_eq!(kept.grants.len() < count, is_public);
        }
    }
}
