//! What can be wrong with a policy document, and the error a client gets for it.

use crate::error::{Error, ErrorCode};

use super::PolicyKind;

/// The most characters of a message: enough to find the flaw, and no echo of a whole document.
const MESSAGE_CHARS_MAX: usize = 500;

/// A reason to refuse a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    #[error("Policies must be valid JSON and the first byte must be '{{'")]
    NotJson,
    #[error("Policy exceeds the maximum allowed document size.")]
    TooLarge,
    /// Valid JSON of the wrong shape: an unknown or doubled field, a value of the wrong type.
    #[error("Invalid policy syntax: {0}.")]
    Shape(String),
    #[error("The policy must contain a valid version string")]
    Version,
    #[error("Missing required field {0}")]
    Missing(&'static str),
    #[error("Has prohibited field {0}")]
    Prohibited(&'static str),
    #[error("{0} and Not{0} can't be used in the same statement")]
    Both(&'static str),
    #[error(
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
    )]
    StatementId,
    #[error("Statement IDs (SID) in a single policy must be unique.")]
    StatementIdTwice,
    #[error("Invalid principal in policy")]
    Principal,
    #[error("Allow with NotPrincipal is not allowed.")]
    AllowNotPrincipal,
    #[error("Policy has invalid action")]
    Action,
    #[error("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")]
    Vendor,
    #[error("AssumeRole policy may only specify STS AssumeRole actions.")]
    TrustAction,
    #[error("Policy has invalid resource")]
    BucketResource,
    #[error("Resource {0} must be in ARN format or \"*\".")]
    Resource(String),
    #[error("Invalid policy variable in {0}")]
    Variable(String),
    #[error("Invalid Condition type : {0}")]
    Operator(String),
    #[error("Policy has an invalid condition key - {0}")]
    ConditionKey(String),
    #[error("Invalid value {value} for the condition operator {operator}")]
    ConditionValue { operator: String, value: String },
}

impl Flaw {
    pub(super) fn into_error(self, kind: PolicyKind<'_>) -> Error {
        let code = match kind {
            PolicyKind::Bucket { .. } => ErrorCode::MalformedPolicy,
            PolicyKind::Identity | PolicyKind::Session | PolicyKind::RoleTrust => {
                ErrorCode::MalformedPolicyDocument
            }
        };
        let message: String = self.to_string().chars().take(MESSAGE_CHARS_MAX).collect();
        Error::new(code).message(message)
    }
}
