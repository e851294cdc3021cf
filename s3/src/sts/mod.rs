//! STS as types: temporary credentials, and who a caller is.
//!
//! A [`crate::aws_query::Form`] becomes an [`Operation`], and an [`Output`] becomes the answer.
//! How credentials are made and which tokens of which provider are good is the caller's affair.

mod answer;
mod operation;

pub use answer::{AssumedRole, Credentials, Output, WebIdentity, render};
pub use operation::{
    Action, AssumeRole, AssumeRoleWithWebIdentity, ExternalId, GetSessionToken, Operation,
    SESSION_DEFAULT_S, SESSION_MAX_S, SESSION_MIN_S, SessionName, TOKEN_DEFAULT_S, TOKEN_MAX_S,
    WebIdentityToken,
};
