//! Managed policies: the tenant's own, in up to five versions, and those that every tenant has.

use std::collections::BTreeMap;

use riquet_metadata::record::{
    Attachment, Group, Identity, ManagedPolicy, PolicyVersion, Role, User,
};
use riquet_s3::arn::{AWS_ACCOUNT, PolicyArn};
use riquet_s3::aws_query::PageRequest;
use riquet_s3::iam::{
    self, CreatePolicy, CreatePolicyVersion, DeletePolicy, DeletePolicyVersion, GetPolicy,
    GetPolicyVersion, ListPolicies, ListPolicyVersions, Output, PolicyScope,
    SetDefaultPolicyVersion, VersionId, managed, quota,
};
use riquet_s3::{Error as S3Error, ErrorCode};

use super::entity::{Entity, created_ms, new_id, show_policy, stored_tags};
use super::registry::{Registry, limit, page_of};
use crate::convert::moment;
use crate::error::Error;

pub(super) async fn create(registry: Registry<'_>, it: &CreatePolicy) -> Result<Output, Error> {
    let text = it.policy_document.text().to_owned();
    quota::check_size([text.as_str()], quota::POLICY_CHARS_MAX)?;
    let now = created_ms();
    let policy = ManagedPolicy {
        tenant: registry.tenant.id.clone(),
        name: it.policy_name.as_str().to_owned(),
        id: new_id("ANPA"),
        path: it.path.as_str().to_owned(),
        description: it.description.as_ref().map(|it| it.as_str().to_owned()),
        versions: vec![PolicyVersion {
            number: 1,
            text,
            created_ms: now,
        }],
        default: 1,
        tags: stored_tags(&it.tags),
        created_ms: now,
    };
    let shown = show_policy(registry.tenant, &policy, 0);
    registry.create(policy, quota::POLICIES_MAX).await?;
    Ok(Output::Policy(shown))
}

pub(super) async fn get(registry: Registry<'_>, it: &GetPolicy) -> Result<Output, Error> {
    let attached = attachments(registry).await?;
    if let Some(policy) = managed::find(&it.policy_arn) {
        return Ok(Output::Policy(show_managed(policy, &attached)));
    }
    let policy = by_arn(registry, &it.policy_arn).await?;
    let count = count(&attached, &Attachment::Tenant(policy.name.clone()));
    Ok(Output::Policy(show_policy(registry.tenant, &policy, count)))
}

pub(super) async fn delete(registry: Registry<'_>, it: &DeletePolicy) -> Result<Output, Error> {
    let policy = by_arn(registry, &it.policy_arn).await?;
    if policy.versions.len() > 1 {
        return Err(conflict("This policy has more than one version.").into());
    }
    registry.remove::<ManagedPolicy>(&policy.name).await?;
    Ok(Output::Done)
}

pub(super) async fn list(registry: Registry<'_>, it: &ListPolicies) -> Result<Output, Error> {
    let attached = attachments(registry).await?;
    let mut shown = Vec::new();
    if it.scope != PolicyScope::Local {
        let all = managed::MANAGED_POLICIES.iter();
        shown.extend(all.map(|policy| show_managed(policy, &attached)));
    }
    if it.scope != PolicyScope::Aws {
        for policy in registry.all::<ManagedPolicy>().await? {
            let count = count(&attached, &Attachment::Tenant(policy.name.clone()));
            shown.push(show_policy(registry.tenant, &policy, count));
        }
    }
    shown.retain(|policy| {
        it.path_prefix.matches(&policy.path) && (!it.only_attached || policy.attachment_count > 0)
    });
    // A tenant's policy may have the name of one that every tenant has.
    let keyed = shown
        .into_iter()
        .map(|it| (format!("{} {}", it.policy_name, it.policy_id), it));
    let show = |(_, mut policy): (String, iam::Policy)| {
        policy.tags.clear();
        policy
    };
    Ok(Output::Policies(page_of(
        &it.page,
        keyed,
        |(key, _)| key,
        show,
    )))
}

pub(super) async fn create_version(
    registry: Registry<'_>,
    it: &CreatePolicyVersion,
) -> Result<Output, Error> {
    let name = by_arn(registry, &it.policy_arn).await?.name;
    let change = |policy: &mut ManagedPolicy| {
        let text = it.policy_document.text().to_owned();
        quota::check_size([text.as_str()], quota::POLICY_CHARS_MAX)?;
        let most = quota::VERSIONS_PER_POLICY_MAX;
        if policy.versions.len() >= most {
            return Err(limit(format!(
                "A managed policy can have up to {most} versions. Before you create a new version, \
                 you must delete an existing version."
            )));
        }
        let last = policy.versions.last().map_or(0, |version| version.number);
        policy.versions.push(PolicyVersion {
            number: last + 1,
            text,
            created_ms: created_ms(),
        });
        if it.set_as_default {
            policy.default = last + 1;
        }
        Ok(())
    };
    let policy = registry.edit(&name, change).await?;
    let newest = policy.versions.last().ok_or(ErrorCode::InternalError)?;
    let shown = show_version(newest, policy.default);
    Ok(Output::PolicyVersion(iam::PolicyVersion {
        document: None,
        ..shown
    }))
}

pub(super) async fn get_version(
    registry: Registry<'_>,
    it: &GetPolicyVersion,
) -> Result<Output, Error> {
    let versions = versions(registry, &it.policy_arn).await?;
    let mut versions = versions.into_iter();
    let found = versions.find(|version| version.version == it.version_id);
    Ok(Output::PolicyVersion(
        found.ok_or_else(|| no_such_version(it.version_id))?,
    ))
}

pub(super) async fn list_versions(
    registry: Registry<'_>,
    it: &ListPolicyVersions,
) -> Result<Output, Error> {
    let versions = versions(registry, &it.policy_arn).await?;
    Ok(Output::PolicyVersions(page_of_versions(&it.page, versions)))
}

pub(super) async fn delete_version(
    registry: Registry<'_>,
    it: &DeletePolicyVersion,
) -> Result<Output, Error> {
    let name = by_arn(registry, &it.policy_arn).await?.name;
    let VersionId(number) = it.version_id;
    let change = |policy: &mut ManagedPolicy| {
        if number == policy.default {
            return Err(conflict("Cannot delete the default version of a policy."));
        }
        let before = policy.versions.len();
        policy.versions.retain(|version| version.number != number);
        match policy.versions.len() < before {
            true => Ok(()),
            false => Err(no_such_version(it.version_id)),
        }
    };
    registry.edit(&name, change).await?;
    Ok(Output::Done)
}

pub(super) async fn set_default(
    registry: Registry<'_>,
    it: &SetDefaultPolicyVersion,
) -> Result<Output, Error> {
    let name = by_arn(registry, &it.policy_arn).await?.name;
    let VersionId(number) = it.version_id;
    let change = |policy: &mut ManagedPolicy| {
        if !policy
            .versions
            .iter()
            .any(|version| version.number == number)
        {
            return Err(no_such_version(it.version_id));
        }
        policy.default = number;
        Ok(())
    };
    registry.edit(&name, change).await?;
    Ok(Output::Done)
}

/// The tenant's policy of an ARN. Those that come with the store can't be changed, and aren't among
/// them.
pub(crate) async fn by_arn(
    registry: Registry<'_>,
    arn: &PolicyArn,
) -> Result<ManagedPolicy, Error> {
    let (account, entity) = (&arn.arn().account, arn.policy());
    if managed::find(arn).is_some() {
        return Err(S3Error::new(ErrorCode::AccessDenied)
            .message("Policies that come with the store can't be changed.")
            .into());
    }
    let tenant = registry.tenant;
    let is_ours = account != AWS_ACCOUNT && (*account == tenant.id || *account == tenant.name);
    let found = match is_ours {
        true => registry.find::<ManagedPolicy>(&entity.name).await?,
        false => None,
    };
    let found = found.filter(|it| it.name == entity.name && it.path == entity.path.as_str());
    Ok(found.ok_or_else(|| {
        S3Error::new(ErrorCode::NoSuchEntity).message(format!("Policy {arn} was not found."))
    })?)
}

async fn versions(
    registry: Registry<'_>,
    arn: &PolicyArn,
) -> Result<Vec<iam::PolicyVersion>, Error> {
    if let Some(policy) = managed::find(arn) {
        return Ok(vec![iam::PolicyVersion {
            version: policy.version,
            is_default: true,
            create_date: moment(0),
            document: Some(policy.document.to_owned()),
        }]);
    }
    let policy = by_arn(registry, arn).await?;
    let shown = policy
        .versions
        .iter()
        .map(|it| show_version(it, policy.default));
    Ok(shown.collect())
}

fn page_of_versions(
    page: &PageRequest,
    versions: Vec<iam::PolicyVersion>,
) -> riquet_s3::aws_query::Page<iam::PolicyVersion> {
    // Numbers in order, newest first.
    let keyed = versions.into_iter().map(|it| {
        let VersionId(number) = it.version;
        (format!("{:010}", u32::MAX - number), it)
    });
    page_of(
        page,
        keyed,
        |(key, _)| key,
        |(_, it)| iam::PolicyVersion {
            document: None,
            ..it
        },
    )
}

fn show_version(version: &PolicyVersion, default: u32) -> iam::PolicyVersion {
    iam::PolicyVersion {
        version: VersionId(version.number),
        is_default: version.number == default,
        create_date: moment(version.created_ms),
        document: Some(version.text.clone()),
    }
}

/// How often each policy is attached to users, groups and roles; names in lower case.
type Attached = BTreeMap<String, u32>;

async fn attachments(registry: Registry<'_>) -> Result<Attached, Error> {
    let mut identities: Vec<Identity> = Vec::new();
    let users = registry.all::<User>().await?;
    identities.extend(users.into_iter().map(User::into_identity));
    let groups = registry.all::<Group>().await?;
    identities.extend(groups.into_iter().map(Group::into_identity));
    let roles = registry.all::<Role>().await?;
    identities.extend(roles.into_iter().map(Role::into_identity));
    let mut attached = Attached::new();
    let policies = identities.iter().filter_map(Identity::policies);
    for attachment in policies.flat_map(|policies| &policies.attached) {
        *attached.entry(key(attachment)).or_default() += 1;
    }
    Ok(attached)
}

fn key(attachment: &Attachment) -> String {
    match attachment {
        Attachment::Tenant(name) => name.to_lowercase(),
        Attachment::Vendor(arn) => arn.clone(),
    }
}

fn count(attached: &Attached, policy: &Attachment) -> u32 {
    attached.get(&key(policy)).copied().unwrap_or(0)
}

fn show_managed(policy: &managed::ManagedPolicy, attached: &Attached) -> iam::Policy {
    let arn = policy.arn().to_string();
    iam::Policy {
        policy_name: policy.name.to_owned(),
        policy_id: policy.id.to_owned(),
        path: "/".to_owned(),
        default_version: policy.version,
        attachment_count: count(attached, &Attachment::Vendor(arn.clone())),
        description: Some(policy.description.to_owned()),
        create_date: moment(0),
        update_date: moment(0),
        tags: Vec::new(),
        arn,
    }
}

fn no_such_version(version: VersionId) -> S3Error {
    S3Error::new(ErrorCode::NoSuchEntity).message(format!("The policy has no version {version}."))
}

fn conflict(message: &'static str) -> S3Error {
    S3Error::new(ErrorCode::DeleteConflict).message(message)
}
