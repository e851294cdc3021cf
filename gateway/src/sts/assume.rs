//! AssumeRole: a known caller becomes a role for a while.
//!
//! The role's trust policy decides. Where it names the caller itself that is enough, unless a policy
//! of the caller's denies it; where it names the caller's account, or everybody, the account passes
//! it on: the caller's own policies must allow it.

use riquet_metadata::record::{IdentityKind, IdentityName, ManagedPolicy, Role, Tenant};
use riquet_s3::arn::{Arn, PolicyArn, Resource, RoleArn};
use riquet_s3::iam::managed;
use riquet_s3::policy::{self, Context, Decision, Grantee, Policy, PolicyKind, allowed_as, decide};
use riquet_s3::sts::{AssumeRole, AssumedRole, Output, SessionName};
use riquet_s3::{Error as S3Error, ErrorCode};

use super::mint::{self, Session};
use crate::access::Call;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::iam::{Registry, add_resource_tags, policy_by_arn};
use crate::identity::{Caller, SessionKind, role_account};

/// The longest session, in seconds, of a role that is assumed by another role's session.
const CHAINED_MAX_S: u32 = 3600;

/// The most bytes of policies and tags that a token carries along with every request.
const PACKED_BYTES_MAX: usize = 8 << 10;

/// Answers AssumeRole.
pub(super) async fn assume(
    gateway: &Gateway,
    caller: &Caller,
    it: &AssumeRole,
    mut conditions: Context,
) -> Result<Output, Error> {
    if !it.transitive_tag_keys.is_empty() {
        return Err(S3Error::new(ErrorCode::NotImplemented)
            .message("Transitive session tags are not implemented.")
            .into());
    }
    let tags: Vec<(String, String)> = it
        .tags
        .iter()
        .map(|tag| (tag.key.as_str().to_owned(), tag.value.clone()))
        .collect();
    if let Some(id) = &it.external_id {
        conditions.add("sts:ExternalId", id.as_str());
    }
    let trust = find(gateway, &it.role, &it.session_name, &tags, &mut conditions).await?;
    let Some(trust) = trust else {
        return Err(denied(caller, &it.role).into());
    };
    for action in actions("sts:AssumeRole", &tags) {
        if !trust.lets(caller, action, &conditions) {
            return Err(denied(caller, &it.role).into());
        }
    }
    if caller.is_role() && it.duration_s > CHAINED_MAX_S {
        return Err(S3Error::new(ErrorCode::ValidationError)
            .message(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed \
                 by role chaining.",
            )
            .into());
    }
    let narrowing = Narrowing {
        policy: it.policy.as_ref(),
        managed: &it.policy_arns,
    };
    let begin = trust.begin(gateway, &it.session_name, it.duration_s, narrowing, tags);
    Ok(Output::AssumedRole(begin.await?))
}

/// The permissions that a session with these tags takes.
pub(super) fn actions<'a>(
    assume: &'a str,
    tags: &[(String, String)],
) -> impl Iterator<Item = &'a str> {
    let tagging = (!tags.is_empty()).then_some("sts:TagSession");
    [assume].into_iter().chain(tagging)
}

/// A role with who may assume it.
pub(super) struct Trust {
    tenant: Tenant,
    role: Role,
    arn: String,
    policy: Policy,
}

/// What a session is to be narrowed to.
pub(super) struct Narrowing<'a> {
    pub(super) policy: Option<&'a Policy>,
    pub(super) managed: &'a [PolicyArn],
}

/// Finds a role, and adds to the conditions what its trust policy may ask about.
pub(super) async fn find(
    gateway: &Gateway,
    arn: &RoleArn,
    session: &SessionName,
    tags: &[(String, String)],
    conditions: &mut Context,
) -> Result<Option<Trust>, Error> {
    let directory = &gateway.directory;
    let Some(tenant) = directory.tenant_called(&arn.arn().account).await? else {
        return Ok(None);
    };
    let entity = arn.role();
    let registry = Registry::new(&gateway.metadata, &tenant);
    let role = registry.find::<Role>(&entity.name).await?;
    let is_it = |role: &Role| role.name == entity.name && role.path == entity.path.as_str();
    let Some(role) = role.filter(is_it) else {
        return Ok(None);
    };
    add_resource_tags(&role.tags, conditions);
    conditions.add("sts:RoleSessionName", session.as_str());
    for (key, value) in tags {
        conditions.add(&format!("aws:RequestTag/{key}"), value.as_str());
        conditions.add("aws:TagKeys", key.as_str());
    }
    let policy = Policy::parse(role.trust.as_bytes(), PolicyKind::RoleTrust).map_err(|error| {
        tracing::error!(role = role.id, %error, "a trust policy doesn't read back");
        S3Error::new(ErrorCode::InternalError)
    })?;
    Ok(Some(Trust {
        arn: crate::iam::role_arn(&tenant, &role.path, &role.name),
        policy,
        role,
        tenant,
    }))
}

impl Trust {
    /// The tenant of the role.
    pub(super) const fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Whether a caller may do it.
    fn lets(&self, caller: &Caller, action: &str, conditions: &Context) -> bool {
        // At AWS no account can become a role by its own keys; it has no use for it.
        if caller.is_tenant() || caller.is_anonymous() {
            return false;
        }
        let call = self.call(caller, action, conditions);
        let own = call.own_word();
        let trusted = [&self.policy];
        let named = allowed_as(trusted, &call.request(caller.to_policies()));
        match (own, named) {
            (Decision::Deny, _) | (_, None) => false,
            (_, Some(Grantee::Identity | Grantee::Session)) => true,
            (own, Some(Grantee::Account | Grantee::Everyone)) => own == Decision::Allow,
        }
    }

    /// Whether the bearer of a provider's token may do it.
    pub(super) fn lets_bearer(&self, provider: &str, action: &str, conditions: &Context) -> bool {
        let anonymous = Caller::anonymous();
        let call = self.call(&anonymous, action, conditions);
        let bearer = policy::Caller::Federated { provider };
        decide([&self.policy], &call.request(bearer)) == Decision::Allow
    }

    fn call<'a>(&'a self, caller: &'a Caller, action: &'a str, context: &'a Context) -> Call<'a> {
        Call {
            caller,
            action,
            resource: &self.arn,
            tenant: &self.tenant,
            context,
        }
    }

    /// Begins a session of the role.
    ///
    /// # Errors
    /// `ValidationError` (too long), `PackedPolicyTooLarge`, `MalformedPolicyDocument` (it names a
    /// policy that isn't there).
    pub(super) async fn begin(
        self,
        gateway: &Gateway,
        session: &SessionName,
        duration_s: u32,
        narrowing: Narrowing<'_>,
        tags: Vec<(String, String)>,
    ) -> Result<AssumedRole, Error> {
        if duration_s > self.role.session_max_s {
            return Err(S3Error::new(ErrorCode::ValidationError)
                .message(
                    "The requested DurationSeconds exceeds the MaxSessionDuration set for this \
                     role.",
                )
                .into());
        }
        let registry = Registry::new(&gateway.metadata, &self.tenant);
        let policies = narrowing.texts(registry).await?;
        let packed_policy_size_percent = packed(&policies, &tags)?;
        let name = session.as_str().to_owned();
        let arn = Resource::AssumedRole {
            role: self.role.name.clone(),
            session: name.clone(),
        };
        let arn = Arn::new(role_account(&self.tenant), arn).to_string();
        let assumed_role_id = format!("{}:{name}", self.role.id);
        let session = Session {
            who: IdentityName {
                kind: IdentityKind::Role,
                tenant: self.tenant.id,
                name: self.role.name,
            },
            id: self.role.id,
            kind: SessionKind::Role,
            name,
            policies,
            tags,
        };
        Ok(AssumedRole {
            credentials: mint::mint(gateway.directory.tokens(), session, duration_s),
            assumed_role_id,
            arn,
            packed_policy_size_percent,
        })
    }
}

impl Narrowing<'_> {
    async fn texts(&self, registry: Registry<'_>) -> Result<Vec<String>, Error> {
        let mut texts: Vec<String> = self.policy.iter().map(|it| it.text().to_owned()).collect();
        for arn in self.managed {
            if let Some(policy) = managed::find(arn) {
                texts.push(policy.document.to_owned());
                continue;
            }
            let policy: ManagedPolicy = match policy_by_arn(registry, arn).await {
                Ok(policy) => policy,
                Err(Error::S3(error)) => {
                    return Err(S3Error::new(ErrorCode::MalformedPolicyDocument)
                        .message(error.text().to_owned())
                        .into());
                }
                Err(error) => return Err(error),
            };
            texts.extend(policy.text().map(str::to_owned));
        }
        Ok(texts)
    }
}

/// How much of a token's room policies and tags take, in percent.
fn packed(policies: &[String], tags: &[(String, String)]) -> Result<Option<u8>, S3Error> {
    let of_tags = tags.iter().map(|(key, value)| key.len() + value.len());
    let bytes: usize = policies.iter().map(String::len).chain(of_tags).sum();
    if bytes > PACKED_BYTES_MAX {
        return Err(ErrorCode::PackedPolicyTooLarge.into());
    }
    let percent = (bytes * 100).div_ceil(PACKED_BYTES_MAX);
    Ok(u8::try_from(percent).ok().filter(|percent| *percent > 0))
}

fn denied(caller: &Caller, role: &RoleArn) -> S3Error {
    let caller = caller.arn().unwrap_or_else(|| "anonymous".to_owned());
    let message = match caller.ends_with(":root") {
        true => "Roles may not be assumed by root accounts.".to_owned(),
        false => format!(
            "User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role}"
        ),
    };
    S3Error::new(ErrorCode::AccessDenied).message(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_token_carries_is_bounded() {
        assert_eq!(packed(&[], &[]), Ok(None));
        let tag = ("k".to_owned(), "v".to_owned());
        assert_eq!(packed(&["x".repeat(4094)], &[tag]), Ok(Some(50)));
        let error = packed(&["x".repeat(PACKED_BYTES_MAX + 1)], &[]).expect_err("too much");
        assert_eq!(error.code(), ErrorCode::PackedPolicyTooLarge);
    }

    #[test]
    fn tags_take_a_permission_of_their_own() {
        let tag = ("k".to_owned(), "v".to_owned());
        let with: Vec<&str> = actions("sts:AssumeRole", &[tag]).collect();
        assert_eq!(with, ["sts:AssumeRole", "sts:TagSession"]);
        assert_eq!(actions("sts:AssumeRole", &[]).count(), 1);
    }
}
