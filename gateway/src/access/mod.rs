//! Who may do what: the one decision between authentication and the handlers.
//!
//! Four kinds of rules have a say: the caller's own policies (and those its session was narrowed
//! to), the bucket's policy, the access control lists of bucket and object, and ownership. A `Deny`
//! outweighs everything. Of what allows:
//!
//! * The owner of a bucket may do everything with it, and the owner of an object with the object. A
//!   tenant's users who own nothing themselves are not the owner: they need a policy.
//! * Within a tenant, a policy on either side is enough. Across tenants both sides must agree: the
//!   bucket's side by its policy or a list, the caller's by its own policies, if the caller is one
//!   who needs them.
//!
//! What an object's own list allows is known only once the object is read: [`Verdict::ObjectDecides`]
//! goes with the handler to where that happens.

mod call;
pub(crate) mod context;
mod rules;

use std::sync::Arc;

use riquet_metadata::record::{Bucket, ObjectVersion, Tenant};
use riquet_s3::acl::{Acl, Permission};
use riquet_s3::policy::{self, Account, Context, Decision, Grantee, decide};
use riquet_s3::request::VersionId;
use riquet_s3::response::Owner;
use riquet_s3::{Error as S3Error, ErrorCode};

use crate::convert;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::identity::Caller;
use crate::names::plain_name;

pub(crate) use call::Call;
pub(crate) use rules::{BucketPolicy, Ownership, RuleBook, Rules, parse_policy};

/// What is to be done, and to what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) caller: &'a Caller,
    /// The IAM action, such as `s3:GetObject`.
    pub(crate) action: &'a str,
    /// The bucket; none where the operation is about the account, or the bucket is yet to be.
    pub(crate) bucket: Option<Target<'a>>,
    pub(crate) context: &'a Context,
}

/// A bucket, and what in it is meant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) bucket: &'a Bucket,
    pub(crate) rules: &'a Rules,
    /// The object's key, of an operation on one.
    pub(crate) key: Option<&'a str>,
}

/// What is decided.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    /// It may be done.
    Allowed,
    /// It may be done if the object is the caller's, or its list allows it.
    ObjectDecides(ObjectRule),
}

/// What an object must be like for its caller to have it.
#[derive(Debug, Clone)]
pub(crate) struct ObjectRule {
    permission: Permission,
    /// Whether the caller may know that there is no such object.
    may_list: bool,
    /// The owner of the bucket where everything is the bucket owner's.
    enforced_owner: Option<String>,
    ignores_public_acls: bool,
}

/// Whether a policy alone would deny an action.
pub(crate) fn is_denied_by(question: &Question<'_>, policy: &BucketPolicy) -> bool {
    let resource = resource(question);
    let policies = std::slice::from_ref(&policy.policy);
    decide(policies, &request(question, &resource)) == Decision::Deny
}

/// Decides.
///
/// # Errors
/// `AccessDenied`.
pub(crate) fn authorize(question: &Question<'_>) -> Result<Verdict, Error> {
    let verdict = weigh(question);
    if verdict.is_err() {
        let (caller, action) = (question.caller.arn(), question.action);
        tracing::debug!(?caller, action, "denied");
    }
    verdict.map_err(Error::from)
}

fn weigh(question: &Question<'_>) -> Result<Verdict, S3Error> {
    let denied = || Err(ErrorCode::AccessDenied.into());
    let own = own_policies(question);
    if own == Decision::Deny {
        return denied();
    }
    let Some(target) = question.bucket else {
        // What is one's own, and what is yet to be made.
        let lists_nothing =
            question.action == "s3:ListAllMyBuckets" && question.caller.is_anonymous();
        return match question.caller.is_master() || own == Decision::Allow || lists_nothing {
            true => session_allows(question, Verdict::Allowed),
            false => denied(),
        };
    };
    let policy = bucket_policy(question, &target);
    if policy == Said::Deny {
        return denied();
    }
    let caller = question.caller;
    let is_owner = caller.is_master() && caller.canonical_id() == target.bucket.owner;
    let object = object_permission(question.action).filter(|_| target.key.is_some());
    let is_ours = caller
        .tenant()
        .is_some_and(|tenant| tenant.id == target.bucket.tenant);
    // What was said to this very session was said knowing what it was narrowed to.
    if policy == Said::AllowSession && session_says(question) != Some(Decision::Deny) {
        return Ok(Verdict::Allowed);
    }
    // What needs no word of the bucket's side: the owner's rights over the bucket, and what the
    // tenant's policies say about the tenant's buckets.
    if is_owner && object.is_none() || is_ours && own == Decision::Allow {
        return session_allows(question, Verdict::Allowed);
    }
    let own_side_agrees = caller.is_master() || caller.is_anonymous() || own == Decision::Allow;
    let is_named = matches!(policy, Said::Allow) && is_ours;
    let by_policy = matches!(policy, Said::Allow | Said::AllowAccount);
    if by_policy && (own_side_agrees || is_named) {
        return session_allows(question, Verdict::Allowed);
    }
    if !own_side_agrees {
        return denied();
    }
    let by_list = |permission| {
        target
            .rules
            .effective_acl()
            .is_some_and(|acl| acl.permissions(caller.to_acls()).contains(permission))
    };
    if let Some(permission) = object {
        let rules = target.rules;
        let enforced = rules.ownership == Ownership::BucketOwnerEnforced;
        let rule = ObjectRule {
            permission,
            may_list: is_owner || may_list(question, target),
            enforced_owner: enforced.then(|| target.bucket.owner.clone()),
            ignores_public_acls: rules.block.ignore_public_acls,
        };
        return session_allows(question, Verdict::ObjectDecides(rule));
    }
    match bucket_permission(question.action).is_some_and(by_list) {
        true => session_allows(question, Verdict::Allowed),
        false => denied(),
    }
}

/// Whether the caller could find the object by listing the bucket.
fn may_list(question: &Question<'_>, target: Target<'_>) -> bool {
    let mut context = question.context.clone();
    context.add("s3:prefix", target.key.unwrap_or_default());
    let listing = Question {
        action: "s3:ListBucket",
        bucket: Some(Target {
            key: None,
            ..target
        }),
        context: &context,
        ..*question
    };
    weigh(&listing).is_ok()
}

/// What the bucket's policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Deny,
    /// To everybody, or to the caller by name.
    Allow,
    /// To the caller's account, which may pass it on.
    AllowAccount,
    /// To this very session, whatever it was narrowed to.
    AllowSession,
    Nothing,
}

fn bucket_policy(question: &Question<'_>, target: &Target<'_>) -> Said {
    let Some(BucketPolicy {
        policy, is_public, ..
    }) = &target.rules.policy
    else {
        return Said::Nothing;
    };
    let resource = resource(question);
    let request = request(question, &resource);
    let policies = std::slice::from_ref(policy);
    match decide(policies, &request) {
        // Or else a mistaken policy could never be mended.
        Decision::Deny if is_mending(question, target) => Said::Nothing,
        Decision::Deny => Said::Deny,
        Decision::Silent => Said::Nothing,
        Decision::Allow => {
            let caller = question.caller;
            let is_ours = caller
                .tenant()
                .is_some_and(|tenant| tenant.id == target.bucket.tenant);
            // A public policy that is restricted lets in the bucket's own tenant only.
            if *is_public && target.rules.block.restrict_public_buckets && !is_ours {
                return Said::Nothing;
            }
            match policy::allowed_as(policies, &request) {
                Some(Grantee::Account) => Said::AllowAccount,
                Some(Grantee::Session) => Said::AllowSession,
                Some(Grantee::Everyone | Grantee::Identity) => Said::Allow,
                None => Said::Nothing,
            }
        }
    }
}

/// Whether the bucket's owner is about to look at the policy or to put another in its place.
fn is_mending(question: &Question<'_>, target: &Target<'_>) -> bool {
    let caller = question.caller;
    matches!(
        question.action,
        "s3:GetBucketPolicy" | "s3:PutBucketPolicy" | "s3:DeleteBucketPolicy"
    ) && caller.is_master()
        && caller.canonical_id() == target.bucket.owner
}

/// What the caller's own policies say.
fn own_policies(question: &Question<'_>) -> Decision {
    let policies = question.caller.policies();
    if policies.is_empty() {
        return Decision::Silent;
    }
    let resource = resource(question);
    decide(policies, &request(question, &resource))
}

/// What the policies say that the caller's session was narrowed by, if it was.
fn session_says(question: &Question<'_>) -> Option<Decision> {
    let narrowed = question.caller.session().map(|session| session.policies());
    let policies = narrowed.filter(|policies| !policies.is_empty())?;
    let resource = resource(question);
    Some(decide(policies, &request(question, &resource)))
}

/// A verdict, unless the caller's session was narrowed to less.
fn session_allows(question: &Question<'_>, verdict: Verdict) -> Result<Verdict, S3Error> {
    match session_says(question) {
        None | Some(Decision::Allow) => Ok(verdict),
        Some(Decision::Deny | Decision::Silent) => Err(ErrorCode::AccessDenied.into()),
    }
}

fn request<'a>(question: &'a Question<'a>, resource: &'a str) -> policy::Request<'a> {
    let caller = question.caller;
    let of_tenant = |tenant: &'a Tenant| Account {
        id: &tenant.id,
        name: &tenant.name,
    };
    let own = caller.tenant().map_or(Account::plain(""), of_tenant);
    let resource_account = match question.bucket {
        Some(target) if target.bucket.tenant != own.id => {
            // A bucket of another tenant may be written with that tenant's namespace.
            let namespace = target.bucket.name.split_once(':').map_or("", |(it, _)| it);
            Account {
                id: &target.bucket.tenant,
                name: namespace,
            }
        }
        _ => own,
    };
    policy::Request {
        caller: caller.to_policies(),
        action: question.action,
        resource,
        resource_account,
        context: question.context,
    }
}

fn resource(question: &Question<'_>) -> String {
    match question.bucket {
        None => "arn:aws:s3:::*".to_owned(),
        Some(Target { bucket, key, .. }) => {
            let name = plain_name(&bucket.name);
            match key {
                Some(key) => format!("arn:aws:s3:::{name}/{key}"),
                None => format!("arn:aws:s3:::{name}"),
            }
        }
    }
}

/// What a bucket's list must grant for an action, if a list can grant it.
fn bucket_permission(action: &str) -> Option<Permission> {
    Some(match action {
        "s3:ListBucket" | "s3:ListBucketVersions" | "s3:ListBucketMultipartUploads" => {
            Permission::Read
        }
        "s3:PutObject"
        | "s3:DeleteObject"
        | "s3:DeleteObjectVersion"
        | "s3:AbortMultipartUpload"
        | "s3:ListMultipartUploadParts" => Permission::Write,
        "s3:GetBucketAcl" => Permission::ReadAcp,
        "s3:PutBucketAcl" => Permission::WriteAcp,
        _ => return None,
    })
}

/// What an object's list must grant for an action, if a list can grant it.
fn object_permission(action: &str) -> Option<Permission> {
    Some(match action {
        "s3:GetObject"
        | "s3:GetObjectVersion"
        | "s3:GetObjectAttributes"
        | "s3:GetObjectVersionAttributes"
        | "s3:GetObjectTagging"
        | "s3:GetObjectVersionTagging"
        | "s3:GetObjectRetention"
        | "s3:GetObjectLegalHold" => Permission::Read,
        // Of these AWS lets no list say anything; Ceph does.
        "s3:PutObjectTagging"
        | "s3:PutObjectVersionTagging"
        | "s3:DeleteObjectTagging"
        | "s3:DeleteObjectVersionTagging"
        | "s3:PutObjectRetention"
        | "s3:PutObjectLegalHold" => Permission::Write,
        "s3:GetObjectAcl" | "s3:GetObjectVersionAcl" => Permission::ReadAcp,
        "s3:PutObjectAcl" | "s3:PutObjectVersionAcl" => Permission::WriteAcp,
        _ => return None,
    })
}

/// The action of an operation where it names a version.
pub(crate) fn of_version(action: &'static str) -> &'static str {
    match action {
        "s3:GetObject" => "s3:GetObjectVersion",
        "s3:GetObjectAcl" => "s3:GetObjectVersionAcl",
        "s3:GetObjectAttributes" => "s3:GetObjectVersionAttributes",
        "s3:GetObjectTagging" => "s3:GetObjectVersionTagging",
        "s3:PutObjectAcl" => "s3:PutObjectVersionAcl",
        "s3:PutObjectTagging" => "s3:PutObjectVersionTagging",
        "s3:DeleteObject" => "s3:DeleteObjectVersion",
        "s3:DeleteObjectTagging" => "s3:DeleteObjectVersionTagging",
        other => other,
    }
}

impl Verdict {
    /// Whether the caller may have an object that was found.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub(crate) fn check(&self, caller: &Caller, object: &ObjectVersion) -> Result<(), Error> {
        let Self::ObjectDecides(rule) = self else {
            return Ok(());
        };
        match rule.allows(caller, object)? {
            true => Ok(()),
            false => Err(ErrorCode::AccessDenied.into()),
        }
    }

    /// What the caller is told where there is no such object: whoever may not list the bucket's
    /// objects may not learn which there are.
    pub(crate) fn of_missing(&self, missing: S3Error) -> S3Error {
        match self {
            Self::ObjectDecides(rule) if !rule.may_list => ErrorCode::AccessDenied.into(),
            _ => missing,
        }
    }
}

impl ObjectRule {
    fn allows(&self, caller: &Caller, object: &ObjectVersion) -> Result<bool, Error> {
        let owner = self.enforced_owner.as_ref().unwrap_or(&object.head.owner);
        if !caller.is_anonymous() && caller.canonical_id() == owner {
            return Ok(true);
        }
        if self.enforced_owner.is_some() {
            return Ok(false);
        }
        let acl = object_acl(object)?;
        let acl = match self.ignores_public_acls {
            true => acl.without_public_grants(),
            false => acl,
        };
        Ok(acl.permissions(caller.to_acls()).contains(self.permission))
    }
}

/// The list of an object.
///
/// # Errors
/// `InternalError` for one that doesn't read back: nothing may be allowed, then.
pub(crate) fn object_acl(object: &ObjectVersion) -> Result<Acl, Error> {
    let Some(stored) = &object.body.acl else {
        let owner = &object.head.owner;
        return Ok(Acl::private(Owner {
            id: owner.clone(),
            display_name: owner.clone(),
        }));
    };
    serde_json::from_slice(&stored.0).map_err(|error| {
        tracing::error!(%error, "an object's access control list doesn't read back");
        ErrorCode::InternalError.into()
    })
}

/// An object that a request is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Object<'a> {
    pub(crate) known: &'a Known,
    pub(crate) key: &'a str,
    pub(crate) version: Option<&'a VersionId>,
}

/// Decides about an object. Where the bucket's policy asks about the tags that it has, they are
/// read first, and added to the conditions.
///
/// # Errors
/// `AccessDenied`; when the tags can't be read.
pub(crate) async fn authorize_object(
    gateway: &Gateway,
    caller: &Caller,
    action: &str,
    object: Object<'_>,
    conditions: &mut Context,
) -> Result<Verdict, Error> {
    let Object {
        known,
        key,
        version,
    } = object;
    if known.asks_tags() {
        let name = version.map(convert::stored_version);
        let stored = convert::stored_key(key);
        let bucket = &known.bucket;
        let found = match name {
            // There is no version of that name.
            Some(None) => None,
            name => {
                let version = gateway
                    .metadata
                    .get_version(bucket, &stored, name.flatten());
                version.await?
            }
        };
        let tags = found.map(|object| object.body.tags).unwrap_or_default();
        context::add_object_tags(&tags, conditions);
    }
    authorize(&Question {
        caller,
        action,
        bucket: Some(known.target(Some(key))),
        context: conditions,
    })
}

/// A bucket and its rules, as a request meets them.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) bucket: Arc<Bucket>,
    pub(crate) rules: Arc<Rules>,
}

impl Known {
    pub(crate) fn target<'a>(&'a self, key: Option<&'a str>) -> Target<'a> {
        Target {
            bucket: &self.bucket,
            rules: &self.rules,
            key,
        }
    }

    /// The names that its owner goes by: the number of the account, and the owner's own.
    pub(crate) fn owner_names(&self) -> [&str; 2] {
        [&self.bucket.tenant, &self.bucket.owner]
    }

    /// Whether its policy asks about the tags that objects have.
    pub(crate) fn asks_tags(&self) -> bool {
        let policy = self.rules.policy.as_ref();
        policy.is_some_and(|policy| policy.asks_tags)
    }
}
