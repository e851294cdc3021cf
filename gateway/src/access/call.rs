//! Whether a caller may do what isn't about a bucket: calls of IAM and STS.

use riquet_metadata::record::Tenant;
use riquet_s3::policy::{self, Context, Decision, Policy, decide};
use riquet_s3::{Error as S3Error, ErrorCode};

use crate::identity::{Caller, account_of};

/// What is to be done, and to what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) caller: &'a Caller,
    /// Such as `iam:CreateUser`.
    pub(crate) action: &'a str,
    /// The ARN, or `*`.
    pub(crate) resource: &'a str,
    /// Whose the resource is.
    pub(crate) tenant: &'a Tenant,
    pub(crate) context: &'a Context,
}

impl Call<'_> {
    /// What the caller's own policies say, and those that its session was narrowed to: of a
    /// narrowed session, what these don't allow is denied.
    pub(crate) fn own_word(&self) -> Decision {
        let own = self.decide(self.caller.policies());
        let narrowed = self.caller.session().map(|session| session.policies());
        match narrowed.filter(|policies| !policies.is_empty()) {
            Some(narrowed) if self.decide(narrowed) != Decision::Allow => Decision::Deny,
            _ => own,
        }
    }

    /// What policies say.
    pub(crate) fn decide(&self, policies: &[Policy]) -> Decision {
        decide(policies, &self.request(self.caller.to_policies()))
    }

    /// The call as policies see it, when it is made by `caller`.
    pub(crate) fn request<'a>(&'a self, caller: policy::Caller<'a>) -> policy::Request<'a> {
        policy::Request {
            caller,
            action: self.action,
            resource: self.resource,
            resource_account: account_of(self.tenant),
            context: self.context,
        }
    }

    /// Decides: the tenant itself may do everything in its tenant, all others what their policies
    /// allow.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub(crate) fn authorize(&self) -> Result<(), S3Error> {
        match self.own_word() {
            Decision::Allow => Ok(()),
            Decision::Silent if self.caller.is_tenant() => Ok(()),
            Decision::Silent | Decision::Deny => Err(self.denied()),
        }
    }

    /// The refusal, in AWS's words.
    pub(crate) fn denied(&self) -> S3Error {
        let (action, resource) = (self.action, self.resource);
        let caller = self.caller.arn().unwrap_or_else(|| "anonymous".to_owned());
        tracing::debug!(caller, action, resource, "denied");
        S3Error::new(ErrorCode::AccessDenied).message(format!(
            "User: {caller} is not authorized to perform: {action} on resource: {resource}"
        ))
    }
}
