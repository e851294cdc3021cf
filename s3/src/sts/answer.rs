//! What is answered.

use std::fmt;

use bytes::Bytes;
use http::Response;
use jiff::Timestamp;

use super::Action;
use crate::auth::Service;
use crate::aws_query::answer as envelope;
use crate::xml::write::XmlWriter;

/// Temporary credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The id of the access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// What must come along with each request.
    pub session_token: String,
    /// When they are good for nothing any more.
    pub expiration: Timestamp,
}

/// Without the secrets.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("expiration", &self.expiration)
            .finish_non_exhaustive()
    }
}

/// A session of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumedRole {
    /// The credentials.
    pub credentials: Credentials,
    /// `ROLE-ID:SESSION-NAME`.
    pub assumed_role_id: String,
    /// `arn:aws:sts::account:assumed-role/role/session`.
    pub arn: String,
    /// How much of the room for policies and tags the session takes, in percent.
    pub packed_policy_size_percent: Option<u8>,
}

/// What a token said of its bearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebIdentity {
    /// Whom it was made for (`sub`).
    pub subject: String,
    /// Who made it (`iss`).
    pub provider: String,
    /// Whom it was meant for (`aud` or `azp`).
    pub audience: String,
}

/// What an operation answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// AssumeRole.
    AssumedRole(AssumedRole),
    /// AssumeRoleWithWebIdentity.
    AssumedRoleWithWebIdentity(AssumedRole, WebIdentity),
    /// GetCallerIdentity.
    CallerIdentity {
        /// The id of the user, or of the role and its session.
        user_id: String,
        /// The account's id.
        account: String,
        /// The caller's ARN.
        arn: String,
    },
    /// GetSessionToken.
    SessionToken(Credentials),
}

impl Output {
    /// The operation that answers so.
    #[must_use]
    pub const fn action(&self) -> Action {
        match self {
            Self::AssumedRole(_) => Action::AssumeRole,
            Self::AssumedRoleWithWebIdentity(..) => Action::AssumeRoleWithWebIdentity,
            Self::CallerIdentity { .. } => Action::GetCallerIdentity,
            Self::SessionToken(_) => Action::GetSessionToken,
        }
    }
}

/// The answer to a call that went well.
#[must_use]
pub fn render(output: &Output, request_id: &str) -> Response<Bytes> {
    let result = |writer: &mut XmlWriter| write(writer, output);
    let action = output.action().as_str();
    envelope::document(Service::Sts, action, request_id, Some(result))
}

fn write(writer: &mut XmlWriter, output: &Output) {
    match output {
        Output::AssumedRole(role) => assumed_role(writer, role),
        Output::AssumedRoleWithWebIdentity(role, identity) => {
            assumed_role(writer, role);
            writer.text("SubjectFromWebIdentityToken", &identity.subject);
            writer.text("Provider", &identity.provider);
            writer.text("Audience", &identity.audience);
        }
        Output::CallerIdentity {
            user_id,
            account,
            arn,
        } => {
            writer.text("Arn", arn);
            writer.text("UserId", user_id);
            writer.text("Account", account);
        }
        Output::SessionToken(it) => credentials(writer, it),
    }
}

fn assumed_role(writer: &mut XmlWriter, role: &AssumedRole) {
    credentials(writer, &role.credentials);
    writer.element("AssumedRoleUser", |writer| {
        writer.text("AssumedRoleId", &role.assumed_role_id);
        writer.text("Arn", &role.arn);
    });
    if let Some(percent) = role.packed_policy_size_percent {
        writer.value("PackedPolicySize", percent);
    }
}

fn credentials(writer: &mut XmlWriter, credentials: &Credentials) {
    writer.element("Credentials", |writer| {
        writer.text("AccessKeyId", &credentials.access_key_id);
        writer.text("SecretAccessKey", &credentials.secret_access_key);
        writer.text("SessionToken", &credentials.session_token);
        envelope::moment(writer, "Expiration", credentials.expiration);
    });
}

#[cfg(test)]
mod tests;
