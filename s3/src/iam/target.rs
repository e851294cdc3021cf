//! What an operation acts on, as far as its parameters tell.

use super::{AccessKeyId, GroupName, Path, PolicyName, ProviderUrl, RoleName, UserName};
use crate::arn::{PolicyArn, ProviderArn};

/// What an operation acts on.
///
/// An entity that exists has a path that its name doesn't tell: the ARN that policies speak of
/// takes a look-up. One that is to be made brings its path along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// Nothing in particular: `*` in a policy.
    Everything,
    /// The caller's own user.
    Caller,
    /// A user.
    User(&'a UserName),
    /// A user that is to be made.
    NewUser(&'a Path, &'a UserName),
    /// The user that has an access key.
    OwnerOf(&'a AccessKeyId),
    /// A group.
    Group(&'a GroupName),
    /// A group that is to be made.
    NewGroup(&'a Path, &'a GroupName),
    /// A role.
    Role(&'a RoleName),
    /// A role that is to be made.
    NewRole(&'a Path, &'a RoleName),
    /// A managed policy.
    Policy(&'a PolicyArn),
    /// A managed policy that is to be made.
    NewPolicy(&'a Path, &'a PolicyName),
    /// An OpenID Connect provider.
    Provider(&'a ProviderArn),
    /// An OpenID Connect provider that is to be made.
    NewProvider(&'a ProviderUrl),
}

impl<'a> Target<'a> {
    /// The named user, or else the caller's own.
    pub(super) const fn user_or_caller(name: Option<&'a UserName>) -> Self {
        match name {
            Some(name) => Self::User(name),
            None => Self::Caller,
        }
    }
}
