//! What can be asked.

use std::fmt;

use crate::arn::{PolicyArn, RoleArn};
use crate::auth::Service;
use crate::aws_query::{Form, Tag, TagKey, Value, check_length, texts};
use crate::error::{Error, ErrorCode, Result};
use crate::iam::is_name_character;
use crate::policy::{Policy, PolicyKind};

/// The shortest life of temporary credentials, in seconds.
pub const SESSION_MIN_S: u32 = 900;

/// The longest life of a role's session, in seconds. The role may allow less.
pub const SESSION_MAX_S: u32 = 43_200;

/// The life of a role's session, in seconds, unless the caller says otherwise.
pub const SESSION_DEFAULT_S: u32 = 3600;

/// The longest life of a user's session, in seconds.
pub const TOKEN_MAX_S: u32 = 129_600;

/// The life of a user's session, in seconds, unless the caller says otherwise.
pub const TOKEN_DEFAULT_S: u32 = 43_200;

/// The most managed policies that limit a session.
const POLICY_ARNS_MAX: usize = 10;

/// The bounds of a web identity token's length.
const TOKEN_CHARS_MIN: usize = 4;
const TOKEN_CHARS_MAX: usize = 20_000;

texts! {
    /// What the caller calls a session.
    SessionName: 2..=64 of is_name_character, "[\\w+=,.@-]*";
    /// What a role's trust policy may ask for, so that it is assumed in nobody's name by mistake.
    ExternalId: 2..=1224 of |c: char| is_name_character(c) || matches!(c, ':' | '/'), "[\\w+=,.@:\\/-]*";
}

/// A token of an identity provider, which is as good as a password.
#[derive(Clone, PartialEq, Eq)]
pub struct WebIdentityToken(String);

impl WebIdentityToken {
    /// The token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WebIdentityToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebIdentityToken(..)")
    }
}

impl Value for WebIdentityToken {
    fn read(name: &'static str, text: String) -> Result<Self> {
        // Its own error would repeat it.
        match check_length(name, &text, TOKEN_CHARS_MIN, TOKEN_CHARS_MAX) {
            Ok(()) => Ok(Self(text)),
            Err(_) => Err(Error::new(ErrorCode::ValidationError)
                .message(format!("The length of {name} must be from 4 to 20000."))),
        }
    }
}

/// The parameters of `AssumeRole`.
#[derive(Debug, Clone)]
pub struct AssumeRole {
    /// The role.
    pub role: RoleArn,
    /// What the caller calls the session.
    pub session_name: SessionName,
    /// How long the credentials are good for.
    pub duration_s: u32,
    /// A policy that limits the session.
    pub policy: Option<Policy>,
    /// Managed policies that limit the session.
    pub policy_arns: Vec<PolicyArn>,
    /// The session's tags.
    pub tags: Vec<Tag>,
    /// The keys of those tags that sessions begun from this one inherit.
    pub transitive_tag_keys: Vec<TagKey>,
    /// What the role's trust policy may ask for.
    pub external_id: Option<ExternalId>,
}

/// The parameters of `AssumeRoleWithWebIdentity`.
#[derive(Debug, Clone)]
pub struct AssumeRoleWithWebIdentity {
    /// The role.
    pub role: RoleArn,
    /// What the caller calls the session.
    pub session_name: SessionName,
    /// Who the caller is.
    pub token: WebIdentityToken,
    /// How long the credentials are good for.
    pub duration_s: u32,
    /// A policy that limits the session.
    pub policy: Option<Policy>,
    /// Managed policies that limit the session.
    pub policy_arns: Vec<PolicyArn>,
}

/// The parameters of `GetSessionToken`.
#[derive(Debug, Clone)]
pub struct GetSessionToken {
    /// How long the credentials are good for.
    pub duration_s: u32,
}

/// An operation of STS with its parameters.
#[derive(Debug, Clone)]
pub enum Operation {
    /// `AssumeRole`: credentials of a role, for a caller that is known.
    AssumeRole(AssumeRole),
    /// `AssumeRoleWithWebIdentity`: credentials of a role, for the bearer of a token.
    AssumeRoleWithWebIdentity(AssumeRoleWithWebIdentity),
    /// `GetCallerIdentity`: who signed.
    GetCallerIdentity,
    /// `GetSessionToken`: temporary credentials of the caller's own.
    GetSessionToken(GetSessionToken),
}

/// An operation of STS by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// `AssumeRole`.
    AssumeRole,
    /// `AssumeRoleWithWebIdentity`.
    AssumeRoleWithWebIdentity,
    /// `GetCallerIdentity`.
    GetCallerIdentity,
    /// `GetSessionToken`.
    GetSessionToken,
}

impl Action {
    /// The name of the operation.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AssumeRole => "AssumeRole",
            Self::AssumeRoleWithWebIdentity => "AssumeRoleWithWebIdentity",
            Self::GetCallerIdentity => "GetCallerIdentity",
            Self::GetSessionToken => "GetSessionToken",
        }
    }

    /// What a policy calls the permission to do it. `GetCallerIdentity` needs none.
    #[must_use]
    pub const fn iam_action(self) -> &'static str {
        match self {
            Self::AssumeRole => "sts:AssumeRole",
            Self::AssumeRoleWithWebIdentity => "sts:AssumeRoleWithWebIdentity",
            Self::GetCallerIdentity => "sts:GetCallerIdentity",
            Self::GetSessionToken => "sts:GetSessionToken",
        }
    }
}

impl Operation {
    /// Reads a call.
    ///
    /// # Errors
    /// As [`crate::iam::Operation::parse`].
    pub fn parse(mut form: Form) -> Result<Self> {
        let operation = match form.action() {
            "AssumeRole" => Self::AssumeRole(AssumeRole::read(&mut form)?),
            "AssumeRoleWithWebIdentity" => {
                Self::AssumeRoleWithWebIdentity(AssumeRoleWithWebIdentity::read(&mut form)?)
            }
            "GetCallerIdentity" => Self::GetCallerIdentity,
            "GetSessionToken" => Self::GetSessionToken(GetSessionToken {
                duration_s: duration(&mut form, TOKEN_MAX_S)?.unwrap_or(TOKEN_DEFAULT_S),
            }),
            _ => return Err(form.unknown_action(Service::Sts)),
        };
        form.finish()?;
        Ok(operation)
    }

    /// Its name.
    #[must_use]
    pub const fn action(&self) -> Action {
        match self {
            Self::AssumeRole(_) => Action::AssumeRole,
            Self::AssumeRoleWithWebIdentity(_) => Action::AssumeRoleWithWebIdentity,
            Self::GetCallerIdentity => Action::GetCallerIdentity,
            Self::GetSessionToken(_) => Action::GetSessionToken,
        }
    }

    /// The role it acts on, if it acts on one.
    #[must_use]
    pub const fn role(&self) -> Option<&RoleArn> {
        match self {
            Self::AssumeRole(it) => Some(&it.role),
            Self::AssumeRoleWithWebIdentity(it) => Some(&it.role),
            Self::GetCallerIdentity | Self::GetSessionToken(_) => None,
        }
    }
}

impl AssumeRole {
    fn read(form: &mut Form) -> Result<Self> {
        let it = Self {
            role: form.required("RoleArn")?,
            session_name: form.required("RoleSessionName")?,
            duration_s: duration(form, SESSION_MAX_S)?.unwrap_or(SESSION_DEFAULT_S),
            policy: form.optional_policy("Policy", PolicyKind::Session)?,
            policy_arns: policy_arns(form)?,
            tags: form.tags("Tags")?,
            transitive_tag_keys: form.tag_keys("TransitiveTagKeys")?,
            external_id: form.optional("ExternalId")?,
        };
        let is_given = |key: &TagKey| it.tags.iter().any(|tag| tag.key.folded() == key.folded());
        if !it.transitive_tag_keys.iter().all(is_given) {
            return Err(Error::new(ErrorCode::InvalidParameterValue).message(
                "The specified transitive tag key must be included in the requested tags.",
            ));
        }
        Ok(it)
    }
}

impl AssumeRoleWithWebIdentity {
    fn read(form: &mut Form) -> Result<Self> {
        Ok(Self {
            role: form.required("RoleArn")?,
            session_name: form.required("RoleSessionName")?,
            token: form.required("WebIdentityToken")?,
            duration_s: duration(form, SESSION_MAX_S)?.unwrap_or(SESSION_DEFAULT_S),
            policy: form.optional_policy("Policy", PolicyKind::Session)?,
            policy_arns: policy_arns(form)?,
        })
    }
}

fn duration(form: &mut Form, most: u32) -> Result<Option<u32>> {
    form.number("DurationSeconds", SESSION_MIN_S, most)
}

fn policy_arns(form: &mut Form) -> Result<Vec<PolicyArn>> {
    form.list_of("PolicyArns", "arn", POLICY_ARNS_MAX)
}

#[cfg(test)]
mod tests;
