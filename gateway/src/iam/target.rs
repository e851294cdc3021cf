//! The ARN of what an operation acts on, and what conditions may ask about it.

use riquet_metadata::record::{Group, Role, Tag, User};
use riquet_s3::iam::{Operation, Path, Target};
use riquet_s3::policy::Context;

use super::entity::{group_arn, policy_arn, provider_arn, role_arn, user_arn};
use super::key;
use super::registry::Registry;
use crate::error::Error;
use crate::identity::Caller;

/// What no particular resource is called.
const EVERYTHING: &str = "*";

/// Finds the ARN, and adds to the conditions what is known of the resource.
///
/// An entity that isn't there has the ARN that it would have without a path: whether the caller may
/// do it is decided before the caller is told that there is none.
pub(super) async fn describe(
    registry: Registry<'_>,
    caller: &Caller,
    operation: &Operation,
    conditions: &mut Context,
) -> Result<String, Error> {
    let tenant = registry.tenant;
    if let Operation::AttachUserPolicy(riquet_s3::iam::AttachUserPolicy { policy_arn, .. })
    | Operation::DetachUserPolicy(riquet_s3::iam::DetachUserPolicy { policy_arn, .. })
    | Operation::AttachGroupPolicy(riquet_s3::iam::AttachGroupPolicy { policy_arn, .. })
    | Operation::DetachGroupPolicy(riquet_s3::iam::DetachGroupPolicy { policy_arn, .. })
    | Operation::AttachRolePolicy(riquet_s3::iam::AttachRolePolicy { policy_arn, .. })
    | Operation::DetachRolePolicy(riquet_s3::iam::DetachRolePolicy { policy_arn, .. }) =
        operation
    {
        conditions.add("iam:PolicyARN", policy_arn.to_string());
    }
    let root = Path::default();
    let no_path = root.as_str();
    Ok(match operation.target() {
        Target::Everything => EVERYTHING.to_owned(),
        Target::Caller => caller.arn().unwrap_or_else(|| EVERYTHING.to_owned()),
        Target::User(name) => match registry.find::<User>(name.as_str()).await? {
            Some(user) => of_user(registry, &user, conditions),
            None => user_arn(tenant, no_path, name.as_str()),
        },
        Target::OwnerOf(id) => match key::owner_of(registry, id).await {
            Ok(Some(user)) => of_user(registry, &user, conditions),
            Ok(None) => EVERYTHING.to_owned(),
            // It is told after the decision that there is no such key.
            Err(Error::S3(_)) => EVERYTHING.to_owned(),
            Err(error) => return Err(error),
        },
        Target::Group(name) => match registry.find::<Group>(name.as_str()).await? {
            Some(group) => group_arn(tenant, &group.path, &group.name),
            None => group_arn(tenant, no_path, name.as_str()),
        },
        Target::Role(name) => match registry.find::<Role>(name.as_str()).await? {
            Some(role) => {
                add_tags(&role.tags, conditions);
                role_arn(tenant, &role.path, &role.name)
            }
            None => role_arn(tenant, no_path, name.as_str()),
        },
        Target::NewUser(path, name) => user_arn(tenant, path.as_str(), name.as_str()),
        Target::NewGroup(path, name) => group_arn(tenant, path.as_str(), name.as_str()),
        Target::NewRole(path, name) => role_arn(tenant, path.as_str(), name.as_str()),
        Target::NewPolicy(path, name) => policy_arn(tenant, path.as_str(), name.as_str()),
        Target::Policy(arn) => arn.to_string(),
        Target::Provider(arn) => arn.to_string(),
        Target::NewProvider(url) => provider_arn(tenant, url.without_scheme()),
    })
}

fn of_user(registry: Registry<'_>, user: &User, conditions: &mut Context) -> String {
    add_tags(&user.tags, conditions);
    user_arn(registry.tenant, &user.path, &user.name)
}

/// What conditions may ask about the tags of a user or role.
pub(crate) fn add_tags(tags: &[Tag], conditions: &mut Context) {
    for tag in tags {
        for service in ["aws", "iam"] {
            let key = format!("{service}:ResourceTag/{}", tag.key);
            conditions.add(&key, tag.value.as_str());
        }
    }
}
