//! The decision: what a list lets a caller do.

use super::{Acl, Grant, Grantee, Group, Permission};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller<'a> {
    /// Somebody who signed nothing.
    Anonymous,
    /// An account, by its canonical id.
    Account(&'a str),
}

/// A set of permissions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Permissions(u8);

impl Permissions {
    /// No permission.
    pub const NONE: Self = Self(0);

    const fn of(permission: Permission) -> Self {
        match permission {
            Permission::Read => Self(1),
            Permission::Write => Self(2),
            Permission::ReadAcp => Self(4),
            Permission::WriteAcp => Self(8),
            Permission::FullControl => Self(15),
        }
    }

    const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a permission is in the set; full control is where the four others are.
    #[must_use]
    pub const fn contains(self, permission: Permission) -> bool {
        let needed = Self::of(permission).0;
        self.0 & needed == needed
    }
}

impl Acl {
    /// What a caller may do.
    #[must_use]
    pub fn permissions(&self, caller: Caller<'_>) -> Permissions {
        // Or else an owner who took every grant away could give none back.
        let implied = if caller == Caller::Account(&self.owner.id) {
            Permissions::of(Permission::ReadAcp).union(Permissions::of(Permission::WriteAcp))
        } else {
            Permissions::NONE
        };
        self.grants
            .iter()
            .filter(|grant| covers(grant, caller))
            .map(|grant| Permissions::of(grant.permission))
            .fold(implied, Permissions::union)
    }
}

fn covers(grant: &Grant, caller: Caller<'_>) -> bool {
    match &grant.grantee {
        Grantee::Account(account) => caller == Caller::Account(&account.id),
        Grantee::Group(Group::AllUsers) => true,
        Grantee::Group(Group::AuthenticatedUsers) => caller != Caller::Anonymous,
        // Logs come from within, and no caller is their writer.
        Grantee::Group(Group::LogDelivery) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::CannedAcl;
    use crate::response::Owner;

    fn account(id: &str) -> Owner {
        Owner {
            id: id.to_owned(),
            display_name: id.to_uppercase(),
        }
    }

    #[test]
    fn canned_lists_let_in_whom_they_name() {
        use Permission::{FullControl, Read, ReadAcp, Write, WriteAcp};
        let nothing: &[Permission] = &[];
        // What the bucket's owner, any other account and the anonymous may do with an object.
        let table = [
            (CannedAcl::Private, [nothing, nothing, nothing]),
            (CannedAcl::PublicRead, [&[Read], &[Read], &[Read]]),
            (
                CannedAcl::PublicReadWrite,
                [&[Read, Write], &[Read, Write], &[Read, Write]],
            ),
            (CannedAcl::AuthenticatedRead, [&[Read], &[Read], nothing]),
            (CannedAcl::AwsExecRead, [nothing, nothing, nothing]),
            (CannedAcl::BucketOwnerRead, [&[Read], nothing, nothing]),
            (
                CannedAcl::BucketOwnerFullControl,
                [
                    &[Read, Write, ReadAcp, WriteAcp, FullControl],
                    nothing,
                    nothing,
                ],
            ),
            (CannedAcl::LogDeliveryWrite, [nothing, nothing, nothing]),
        ];
        for (canned, expected) in table {
            let acl = canned.expand(account("owner"), &account("bucket"));
            let callers = [
                Caller::Account("bucket"),
                Caller::Account("other"),
                Caller::Anonymous,
            ];
            for (caller, expected) in callers.into_iter().zip(expected) {
                let granted = acl.permissions(caller);
                for permission in Permission::ALL {
                    assert_eq!(
                        granted.contains(permission),
                        expected.contains(&permission),
                        "{canned:?} {caller:?} {permission:?}"
                    );
                }
            }
            let owner = acl.permissions(Caller::Account("owner"));
            assert!(owner.contains(FullControl), "{canned:?}");
        }
    }

    #[test]
    fn an_owner_without_grants_still_has_the_list() {
        let acl = Acl {
            owner: account("owner"),
            grants: Vec::new(),
        };
        let granted = acl.permissions(Caller::Account("owner"));
        let held = Permission::ALL.map(|permission| granted.contains(permission));
        assert_eq!(held, [false, false, true, true, false]);
        assert_eq!(acl.permissions(Caller::Account("x")), Permissions::NONE);
    }

    #[test]
    fn four_permissions_are_full_control() {
        let grants = Permission::ALL[..4]
            .iter()
            .map(|permission| Grant::to_account(&account("a"), *permission));
        let acl = Acl {
            owner: account("owner"),
            grants: grants.collect(),
        };
        assert!(
            acl.permissions(Caller::Account("a"))
                .contains(Permission::FullControl)
        );
    }
}
