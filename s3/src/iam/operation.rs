//! The one list of operations.

use super::input::Input;
use super::{Target, group, key, policy, provider, role, user};
use crate::auth::Service;
use crate::aws_query::Form;
use crate::error::Result;

macro_rules! operations {
    ($($module:ident { $($name:ident)* })*) => {
        /// An operation of IAM with its parameters.
        #[derive(Debug, Clone)]
        pub enum Operation {
            $($(#[doc = concat!("`", stringify!($name), "`.")] $name($module::$name),)*)*
        }

        /// An operation of IAM by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $($(#[doc = concat!("`", stringify!($name), "`.")] $name,)*)*
        }

        impl Action {
            /// Every operation there is.
            pub const ALL: &'static [Action] = &[$($(Action::$name,)*)*];

            /// The name of the operation.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($(Self::$name => stringify!($name),)*)* }
            }

            /// What a policy calls the permission to do it.
            #[must_use]
            pub const fn iam_action(self) -> &'static str {
                match self { $($(Self::$name => concat!("iam:", stringify!($name)),)*)* }
            }
        }

        impl Operation {
            /// Reads a call.
            ///
            /// # Errors
            /// `InvalidAction`, `MissingParameter`, `ValidationError`, `InvalidInput`,
            /// `MalformedPolicyDocument`, `MalformedQueryString`, and `NotImplemented` for a
            /// parameter that isn't honoured.
            pub fn parse(mut form: Form) -> Result<Self> {
                let operation = match form.action() {
                    $($(stringify!($name) => Self::$name(Input::read(&mut form)?),)*)*
                    _ => return Err(form.unknown_action(Service::Iam)),
                };
                form.finish()?;
                Ok(operation)
            }

            /// Its name.
            #[must_use]
            pub const fn action(&self) -> Action {
                match self { $($(Self::$name(_) => Action::$name,)*)* }
            }

            /// What it acts on.
            #[must_use]
            pub fn target(&self) -> Target<'_> {
                match self { $($(Self::$name(input) => input.target(),)*)* }
            }
        }
    };
}

operations! {
    user {
        CreateUser GetUser UpdateUser DeleteUser ListUsers
        PutUserPolicy GetUserPolicy DeleteUserPolicy ListUserPolicies
        AttachUserPolicy DetachUserPolicy ListAttachedUserPolicies
        TagUser UntagUser ListUserTags
    }
    key {
        CreateAccessKey UpdateAccessKey DeleteAccessKey ListAccessKeys GetAccessKeyLastUsed
        GetAccountSummary ListAccountAliases
    }
    group {
        CreateGroup GetGroup UpdateGroup DeleteGroup ListGroups
        AddUserToGroup RemoveUserFromGroup ListGroupsForUser
        PutGroupPolicy GetGroupPolicy DeleteGroupPolicy ListGroupPolicies
        AttachGroupPolicy DetachGroupPolicy ListAttachedGroupPolicies
    }
    role {
        CreateRole GetRole UpdateRole UpdateRoleDescription DeleteRole ListRoles
        UpdateAssumeRolePolicy
        PutRolePolicy GetRolePolicy DeleteRolePolicy ListRolePolicies
        AttachRolePolicy DetachRolePolicy ListAttachedRolePolicies
        TagRole UntagRole ListRoleTags
    }
    policy {
        CreatePolicy GetPolicy DeletePolicy ListPolicies
        CreatePolicyVersion GetPolicyVersion ListPolicyVersions DeletePolicyVersion
        SetDefaultPolicyVersion
    }
    provider {
        CreateOpenIDConnectProvider GetOpenIDConnectProvider DeleteOpenIDConnectProvider
        ListOpenIDConnectProviders
        AddClientIDToOpenIDConnectProvider RemoveClientIDFromOpenIDConnectProvider
        UpdateOpenIDConnectProviderThumbprint
    }
}

impl Operation {
    /// What a policy calls the permission to do it.
    #[must_use]
    pub const fn iam_action(&self) -> &'static str {
        self.action().iam_action()
    }
}

#[cfg(test)]
mod tests;
