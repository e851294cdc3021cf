//! When a bucket's policy counts as public.
//!
//! A policy is public when one of its statements allows anything to everybody and no condition
//! of the statement holds for fixed values only: a value with a wildcard or a variable isn't
//! fixed, nor is a range of addresses as wide as a large part of the internet.

use super::Policy;
use super::document::Effect;
use super::principal::{Principal, Principals};
use super::statement::Statement;

/// The keys, in lower case, whose fixed values keep the public out.
const RESTRICTING_KEYS: [&str; 11] = [
    "aws:principalorgid",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
];

impl Policy {
    /// Whether the policy allows anything to the public, as GetBucketPolicyStatus answers and
    /// BlockPublicPolicy refuses.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(is_public)
    }
}

fn is_public(statement: &Statement) -> bool {
    let names_everyone = match &statement.principals {
        Principals::Attached => false,
        Principals::Only(names) => names.iter().any(Principal::is_everyone),
        Principals::AllBut(_) => true,
    };
    let restricts = |key: &str| RESTRICTING_KEYS.contains(&key);
    statement.effect == Effect::Allow
        && names_everyone
        && !statement
            .conditions
            .iter()
            .any(|condition| restricts(condition.key()) && condition.needs_fixed_value())
}
