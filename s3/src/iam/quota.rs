//! How much of everything an account may have: AWS's defaults, by the names that
//! GetAccountSummary has for them.

use crate::error::{Error, ErrorCode, Result};
use crate::policy::{IDENTITY_POLICY_CHARS_MAX, TRUST_POLICY_CHARS_MAX};

/// Declares quotas, each a constant and an entry of the list.
macro_rules! quotas {
    ($($(#[$meta:meta])* $constant:ident: $value:expr, $name:literal;)*) => {
        $($(#[$meta])* pub const $constant: usize = $value;)*

        /// All of them, by AWS's names.
        pub const QUOTAS: &[(&str, usize)] = &[$(($name, $constant),)*];
    };
}

quotas! {
    /// The most users of an account.
    USERS_MAX: 5000, "UsersQuota";
    /// The most groups of an account.
    GROUPS_MAX: 300, "GroupsQuota";
    /// The most roles of an account.
    ROLES_MAX: 1000, "RolesQuota";
    /// The most managed policies of an account's own.
    POLICIES_MAX: 1500, "PoliciesQuota";
    /// The most access keys of a user.
    ACCESS_KEYS_PER_USER_MAX: 2, "AccessKeysPerUserQuota";
    /// The most groups that a user is in.
    GROUPS_PER_USER_MAX: 10, "GroupsPerUserQuota";
    /// The most managed policies attached to a user.
    ATTACHED_PER_USER_MAX: 10, "AttachedPoliciesPerUserQuota";
    /// The most managed policies attached to a group.
    ATTACHED_PER_GROUP_MAX: 10, "AttachedPoliciesPerGroupQuota";
    /// The most managed policies attached to a role.
    ATTACHED_PER_ROLE_MAX: 10, "AttachedPoliciesPerRoleQuota";
    /// The most versions of a managed policy.
    VERSIONS_PER_POLICY_MAX: 5, "VersionsPerPolicyQuota";
    /// The most characters of a managed policy.
    POLICY_CHARS_MAX: 6144, "PolicySizeQuota";
    /// The most characters of all inline policies of a user together.
    USER_POLICIES_CHARS_MAX: 2048, "UserPolicySizeQuota";
    /// The most characters of all inline policies of a group together.
    GROUP_POLICIES_CHARS_MAX: 5120, "GroupPolicySizeQuota";
    /// The most characters of all inline policies of a role together.
    ROLE_POLICIES_CHARS_MAX: IDENTITY_POLICY_CHARS_MAX, "RolePolicySizeQuota";
    /// The most characters of a role's trust policy.
    TRUST_CHARS_MAX: TRUST_POLICY_CHARS_MAX, "AssumeRolePolicySizeQuota";
}

/// The most OpenID Connect providers of an account, which the summary doesn't tell.
pub const PROVIDERS_MAX: usize = 100;

/// Checks the size of policies that share a bound; white space isn't counted.
///
/// # Errors
/// `LimitExceeded`.
pub fn check_size<'a>(policies: impl IntoIterator<Item = &'a str>, most: usize) -> Result<()> {
    let characters = policies.into_iter().flat_map(str::chars);
    if characters
        .filter(|it| !it.is_whitespace())
        .nth(most)
        .is_none()
    {
        return Ok(());
    }
    Err(Error::new(ErrorCode::LimitExceeded)
        .message(format!("Maximum policy size of {most} bytes exceeded")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_share_their_bound() {
        assert!(check_size([], 0).is_ok());
        assert!(check_size(["ab \n", "\tc"], 3).is_ok());
        let error = check_size(["ab", "cd"], 3).unwrap_err();
        assert_eq!(error.code(), ErrorCode::LimitExceeded);
    }

    #[test]
    fn the_summary_tells_what_clients_look_for() {
        for name in ["UsersQuota", "GroupsQuota", "AccessKeysPerUserQuota"] {
            assert_eq!(QUOTAS.iter().filter(|(found, _)| *found == name).count(), 1);
        }
    }
}
