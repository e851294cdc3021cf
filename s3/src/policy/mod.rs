//! The IAM policy language: who may, or may not, do what to which resource, and when.
//!
//! [`Policy::parse`] reads a document once and refuses whatever AWS would refuse, so that no
//! misspelt `Deny` is ever stored; [`decide`] then weighs parsed policies against one
//! [`Request`]; [`Policy::is_public`] answers GetBucketPolicyStatus and BlockPublicPolicy. The
//! stored form of a policy is the client's own text ([`Policy::text`]), which parses again to the
//! same policy.
//!
//! How the decisions on a bucket's policy, on identity policies and on a session's policy are
//! combined is the caller's affair: it alone knows whose bucket it is.

mod condition;
mod context;
mod document;
mod evaluate;
mod flaw;
mod pattern;
mod principal;
mod public;
mod statement;
#[cfg(test)]
mod tests;

pub use context::{Context, S3_CONDITION_KEYS};
pub use evaluate::{Decision, Request, allowed_as, decide};
pub use principal::{Account, Caller, Grantee};

use std::collections::BTreeSet;

use document::Document;
use flaw::Flaw;
use statement::Statement;

use crate::error::Result;
use crate::name::BucketName;

/// The most bytes of a bucket's policy.
pub const BUCKET_POLICY_BYTES_MAX: usize = 20 * 1024;

/// The most characters of an identity's policy, white space not counted: AWS's limit for a role's
/// inline policies, the largest. Users, groups and managed policies have tighter ones, which count
/// several policies together and are therefore for the caller to hold.
pub const IDENTITY_POLICY_CHARS_MAX: usize = 10_240;

/// The most characters of a role's trust policy, white space not counted.
pub const TRUST_POLICY_CHARS_MAX: usize = 8_192;

/// The most characters of a session's policy.
pub const SESSION_POLICY_CHARS_MAX: usize = 2_048;

/// The most bytes of any document, white space included, that is looked at.
const DOCUMENT_BYTES_MAX: usize = 128 * 1024;

/// What a policy is attached to, which decides what it must and must not say.
#[derive(Debug, Clone, Copy)]
pub enum PolicyKind<'a> {
    /// A bucket: names principals, S3 actions, and resources within the bucket.
    Bucket {
        /// The bucket.
        bucket: &'a BucketName,
        /// The account that owns it; its resources may be written with or without it
        /// (`arn:aws:s3::account:bucket`).
        account: Account<'a>,
    },
    /// A user, group or role, inline or managed: names no principal.
    Identity,
    /// A session, passed when a role is assumed: names no principal.
    Session,
    /// A role: names those who may assume it, and no resource, which is the role itself.
    RoleTrust,
}

/// A parsed policy beside the text it was parsed from.
#[derive(Debug, Clone)]
pub struct Policy {
    text: String,
    statements: Vec<Statement>,
}

impl Policy {
    /// Reads a document.
    ///
    /// # Errors
    /// `MalformedPolicy` for a bucket's policy and `MalformedPolicyDocument` for all others, with
    /// a message that names the flaw.
    pub fn parse(json: &[u8], kind: PolicyKind<'_>) -> Result<Self> {
        Self::compile(json, kind).map_err(|flaw| flaw.into_error(kind))
    }

    /// The text the policy was parsed from, to the byte.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    fn compile(json: &[u8], kind: PolicyKind<'_>) -> Result<Self, Flaw> {
        let text = std::str::from_utf8(json).map_err(|_| Flaw::NotJson)?;
        check_size(text, kind)?;
        let document = Document::parse(text)?;
        let syntax = document.syntax()?;
        let statements: Vec<_> = document
            .statement
            .ok_or(Flaw::Missing("Statement"))?
            .0
            .into_iter()
            .map(|raw| Statement::compile(raw, syntax, kind))
            .collect::<Result<_, _>>()?;
        if statements.is_empty() {
            return Err(Flaw::Missing("Statement"));
        }
        check_ids(&statements, kind)?;
        let text = text.to_owned();
        Ok(Self { text, statements })
    }
}

fn check_size(text: &str, kind: PolicyKind<'_>) -> Result<(), Flaw> {
    let fits = text.len() <= DOCUMENT_BYTES_MAX && {
        let without_space = || text.chars().filter(|c| !c.is_whitespace()).count();
        match kind {
            PolicyKind::Bucket { .. } => text.len() <= BUCKET_POLICY_BYTES_MAX,
            PolicyKind::Identity => without_space() <= IDENTITY_POLICY_CHARS_MAX,
            PolicyKind::RoleTrust => without_space() <= TRUST_POLICY_CHARS_MAX,
            PolicyKind::Session => text.chars().count() <= SESSION_POLICY_CHARS_MAX,
        }
    };
    if fits { Ok(()) } else { Err(Flaw::TooLarge) }
}

/// IAM wants the ids of a policy's statements to be unique and alphanumeric; S3 takes any.
fn check_ids(statements: &[Statement], kind: PolicyKind<'_>) -> Result<(), Flaw> {
    if matches!(kind, PolicyKind::Bucket { .. }) {
        return Ok(());
    }
    let mut seen = BTreeSet::new();
    for id in statements.iter().filter_map(|s| s.id.as_deref()) {
        if !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Flaw::StatementId);
        }
        if !id.is_empty() && !seen.insert(id) {
            return Err(Flaw::StatementIdTwice);
        }
    }
    Ok(())
}
