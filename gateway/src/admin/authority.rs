//! Who makes a request of operators, and whether they may.
//!
//! Operators are the default tenant's: the tenant itself, by its own keys, may do everything; its users
//! and roles what their policies allow (`riquet:GetStatus` and so on, on `*`). Of other tenants nobody
//! may do anything here.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::request::Parts;
use riquet_s3::ErrorCode;
use riquet_s3::auth::{self, Service};
use riquet_s3::operation::Query;

use super::error::AdminError;
use crate::access::{Call, context};
use crate::gateway::Gateway;
use crate::identity::Caller;

/// Finds the caller, and checks what they signed.
pub(super) async fn sign_in(
    gateway: &Gateway,
    head: &Parts,
    body: &Bytes,
) -> Result<Arc<Caller>, AdminError> {
    let claim = auth::parse_call(head, Service::Riquet, body)?;
    let key = claim
        .access_key_id()
        .ok_or(ErrorCode::MissingAuthenticationToken)?;
    let directory = &gateway.directory;
    let signed_in = directory.sign_in(key, claim.session_token()).await?;
    let (region, now) = (&gateway.settings.region, SystemTime::now());
    claim.verify(head, &signed_in.secret, region, now)?;
    Ok(signed_in.caller)
}

/// Refuses what the caller may not do.
pub(super) fn authorize(
    caller: &Caller,
    head: &Parts,
    action: &'static str,
) -> Result<(), AdminError> {
    let tenant = caller.tenant().ok_or(ErrorCode::AccessDenied)?;
    let call = Call {
        caller,
        action,
        resource: "*",
        tenant,
        context: &context::of_request(head, &Query::default(), caller),
    };
    // The default tenant has no name.
    match tenant.name.is_empty() {
        true => Ok(call.authorize()?),
        false => Err(call.denied().into()),
    }
}
