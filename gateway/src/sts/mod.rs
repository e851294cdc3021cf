//! STS: temporary credentials, and who a caller is.
//!
//! Nothing is stored: all that there is to know of a session is in its token, sealed, so every
//! gateway knows it at once.

mod assume;
mod issuer;
mod mint;
mod web_identity;

use riquet_s3::aws_query::Form;
use riquet_s3::policy::{Context, Decision};
use riquet_s3::sts::{GetSessionToken, Operation, Output};
use riquet_s3::{Error as S3Error, ErrorCode};

pub(crate) use issuer::Issuers;

use crate::access::Call;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::identity::{Caller, SessionKind};
use mint::Session;

/// The longest life of credentials of a tenant itself, in seconds.
const TENANT_TOKEN_MAX_S: u32 = 3600;

/// Answers a call.
///
/// # Errors
/// STS's own, in AWS's words.
pub(crate) async fn answer(
    gateway: &Gateway,
    caller: &Caller,
    form: Form,
    conditions: Context,
) -> Result<Output, Error> {
    let operation = Operation::parse(form)?;
    match operation {
        Operation::AssumeRoleWithWebIdentity(it) => {
            web_identity::assume(gateway, caller, &it, conditions).await
        }
        _ if caller.is_anonymous() => Err(ErrorCode::MissingAuthenticationToken.into()),
        Operation::AssumeRole(it) => assume::assume(gateway, caller, &it, conditions).await,
        Operation::GetCallerIdentity => Ok(who_is(caller)?),
        Operation::GetSessionToken(it) => Ok(session_token(gateway, caller, it, &conditions)?),
    }
}

fn who_is(caller: &Caller) -> Result<Output, S3Error> {
    let unsigned = ErrorCode::MissingAuthenticationToken;
    Ok(Output::CallerIdentity {
        user_id: caller.user_id(),
        account: caller.tenant().ok_or(unsigned)?.id.clone(),
        arn: caller.arn().ok_or(unsigned)?,
    })
}

/// Needs no permission, as at AWS; but a policy may deny it.
fn session_token(
    gateway: &Gateway,
    caller: &Caller,
    it: GetSessionToken,
    conditions: &Context,
) -> Result<Output, S3Error> {
    let tenant = caller
        .tenant()
        .ok_or(ErrorCode::MissingAuthenticationToken)?;
    let call = Call {
        caller,
        action: "sts:GetSessionToken",
        resource: "*",
        tenant,
        context: conditions,
    };
    let name = caller
        .identity_name()
        .filter(|_| caller.session().is_none());
    let Some(who) = name else {
        return Err(S3Error::new(ErrorCode::AccessDenied)
            .message("Cannot call GetSessionToken with session credentials"));
    };
    if call.own_word() == Decision::Deny {
        return Err(call.denied());
    }
    let duration_s = match caller.is_tenant() {
        true => it.duration_s.min(TENANT_TOKEN_MAX_S),
        false => it.duration_s,
    };
    let session = Session {
        who,
        id: caller.user_id(),
        kind: SessionKind::Same,
        name: String::new(),
        policies: Vec::new(),
        tags: Vec::new(),
    };
    Ok(Output::SessionToken(mint::mint(
        gateway.directory.tokens(),
        session,
        duration_s,
    )))
}
