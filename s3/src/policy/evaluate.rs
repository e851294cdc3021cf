//! What a set of policies says of one request.

use super::Policy;
use super::context::Context;
use super::document::Effect;
use super::principal::{Account, Caller, Grantee};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub caller: Caller<'a>,
    /// The action: `s3:GetObject`.
    pub action: &'a str,
    /// The ARN of what it is done to: `arn:aws:s3:::bucket/key`, `arn:aws:s3:::bucket`, or
    /// `arn:aws:s3:::*` for `s3:ListAllMyBuckets`.
    pub resource: &'a str,
    /// The account that owns the resource, known or (for a bucket yet to be made) to be. A policy
    /// may write it into the ARN of a bucket, which has none.
    pub resource_account: Account<'a>,
    /// The values of the condition keys.
    pub context: &'a Context,
}

impl<'a> Request<'a> {
    /// The accounts that a policy may write into the resource's ARN beside the one in it. A
    /// resource of the caller's own account may be written without any.
    pub(super) fn written_accounts(&self) -> [&'a str; 3] {
        let Account { id, name } = self.resource_account;
        let is_own = self.caller.account().is_some_and(|own| own.id == id);
        [id, name, if is_own { "" } else { id }]
    }
}

/// What policies say of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A statement allows it and none denies it.
    Allow,
    /// A statement denies it.
    Deny,
    /// No statement applies. Unless another policy allows it, it is not allowed.
    Silent,
}

/// What `policies`, taken together, say of the request: a `Deny` outweighs any `Allow`.
#[must_use]
pub fn decide<'p>(
    policies: impl IntoIterator<Item = &'p Policy>,
    request: &Request<'_>,
) -> Decision {
    match weigh(policies, request) {
        Outcome::Denied => Decision::Deny,
        Outcome::Allowed(_) => Decision::Allow,
        Outcome::Silent => Decision::Silent,
    }
}

/// How closely the statements that allow the request name its caller, where [`decide`] answers
/// [`Decision::Allow`].
#[must_use]
pub fn allowed_as<'p>(
    policies: impl IntoIterator<Item = &'p Policy>,
    request: &Request<'_>,
) -> Option<Grantee> {
    match weigh(policies, request) {
        Outcome::Allowed(grantee) => Some(grantee),
        Outcome::Denied | Outcome::Silent => None,
    }
}

enum Outcome {
    Denied,
    Allowed(Grantee),
    Silent,
}

fn weigh<'p>(policies: impl IntoIterator<Item = &'p Policy>, request: &Request<'_>) -> Outcome {
    let action = request.action.to_ascii_lowercase();
    let mut allowed = None;
    for statement in policies.into_iter().flat_map(|policy| &policy.statements) {
        match (statement.applies(request, &action), statement.effect) {
            (None, _) => {}
            (Some(_), Effect::Deny) => return Outcome::Denied,
            (grantee, Effect::Allow) => allowed = allowed.max(grantee),
        }
    }
    allowed.map_or(Outcome::Silent, Outcome::Allowed)
}
