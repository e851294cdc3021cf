//! Canned lists: eight names for what is usually granted.

use super::{Acl, Grant, Group, Permission};
use crate::error::{Error, Result};
use crate::response::Owner;

/// A list by name, as in `x-amz-acl`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum CannedAcl {
    /// Nothing but the owner's full control, which all of them hold.
    #[default]
    Private,
    /// Everybody may read.
    PublicRead,
    /// Everybody may read and write.
    PublicReadWrite,
    /// Every account may read.
    AuthenticatedRead,
    /// The owner of the object's bucket may read.
    BucketOwnerRead,
    /// The owner of the object's bucket may do everything.
    BucketOwnerFullControl,
    /// The writer of access logs may write, and read the list.
    LogDeliveryWrite,
    /// EC2 may read. There is none here, so it's another word for private.
    AwsExecRead,
}

impl CannedAcl {
    const ALL: [Self; 8] = [
        Self::Private,
        Self::PublicRead,
        Self::PublicReadWrite,
        Self::AuthenticatedRead,
        Self::BucketOwnerRead,
        Self::BucketOwnerFullControl,
        Self::LogDeliveryWrite,
        Self::AwsExecRead,
    ];

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::PublicRead => "public-read",
            Self::PublicReadWrite => "public-read-write",
            Self::AuthenticatedRead => "authenticated-read",
            Self::BucketOwnerRead => "bucket-owner-read",
            Self::BucketOwnerFullControl => "bucket-owner-full-control",
            Self::LogDeliveryWrite => "log-delivery-write",
            Self::AwsExecRead => "aws-exec-read",
        }
    }

    /// Reads a name.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn parse(name: &str) -> Result<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|canned| canned.as_str() == name)
            .ok_or_else(|| Error::invalid_argument("x-amz-acl", name, "Invalid canned ACL"))
    }

    /// The list of something that `owner` owns in (or that is) a bucket of `bucket_owner`'s.
    #[must_use]
    pub fn expand(self, owner: Owner, bucket_owner: &Owner) -> Acl {
        let mut grants = match self {
            Self::Private | Self::AwsExecRead => Vec::new(),
            Self::PublicRead => vec![Grant::to_group(Group::AllUsers, Permission::Read)],
            Self::PublicReadWrite => vec![
                Grant::to_group(Group::AllUsers, Permission::Read),
                Grant::to_group(Group::AllUsers, Permission::Write),
            ],
            Self::AuthenticatedRead => {
                vec![Grant::to_group(Group::AuthenticatedUsers, Permission::Read)]
            }
            Self::LogDeliveryWrite => vec![
                Grant::to_group(Group::LogDelivery, Permission::Write),
                Grant::to_group(Group::LogDelivery, Permission::ReadAcp),
            ],
            // Who owns both has full control already; for buckets AWS ignores these names.
            Self::BucketOwnerRead | Self::BucketOwnerFullControl if owner.id == bucket_owner.id => {
                Vec::new()
            }
            Self::BucketOwnerRead => vec![Grant::to_account(bucket_owner, Permission::Read)],
            Self::BucketOwnerFullControl => {
                vec![Grant::to_account(bucket_owner, Permission::FullControl)]
            }
        };
        grants.insert(0, Grant::to_account(&owner, Permission::FullControl));
        Acl { owner, grants }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn names_are_exact() {
        for canned in CannedAcl::ALL {
            assert_eq!(CannedAcl::parse(canned.as_str()).unwrap(), canned);
        }
        for bad in ["", "Private", "public_read", "public-read ", "owner"] {
            let error = CannedAcl::parse(bad).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument, "{bad:?}");
        }
    }

    #[test]
    fn a_bucket_owner_needs_no_second_grant() {
        let owner = Owner {
            id: "a".to_owned(),
            display_name: "A".to_owned(),
        };
        for canned in [
            CannedAcl::BucketOwnerRead,
            CannedAcl::BucketOwnerFullControl,
        ] {
            let acl = canned.expand(owner.clone(), &owner);
            assert_eq!(acl, Acl::private(owner.clone()));
        }
    }
}
