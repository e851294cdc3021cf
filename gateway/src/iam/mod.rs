//! IAM: the users, groups, roles, policies, keys and providers of the caller's own tenant.
//!
//! A call is allowed by the caller's own policies, or because the caller is the tenant itself.
//! Changes are read, thought out, and put in the place of what was read, if that is still there.

mod entity;
mod group;
mod holder;
mod key;
mod policy;
mod provider;
mod registry;
mod role;
mod target;
mod user;

use riquet_metadata::record::{Group, Role, Tenant, User};
use riquet_s3::ErrorCode;
use riquet_s3::aws_query::Form;
use riquet_s3::iam::{Action, Operation, Output};
use riquet_s3::policy::Context;

pub(crate) use entity::{new_id, new_secret, provider_arn, role_arn};
pub(crate) use policy::by_arn as policy_by_arn;
pub(crate) use registry::Registry;
pub(crate) use target::add_tags as add_resource_tags;

use crate::access::Call;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::identity::Caller;

/// Answers a call.
///
/// # Errors
/// IAM's own, in AWS's words.
pub(crate) async fn answer(
    gateway: &Gateway,
    caller: &Caller,
    tenant: &Tenant,
    form: Form,
    mut conditions: Context,
) -> Result<(Action, Output), Error> {
    let operation = Operation::parse(form)?;
    let action = operation.action();
    let registry = Registry::new(&gateway.metadata, tenant);
    let resource = target::describe(registry, caller, &operation, &mut conditions).await?;
    let call = Call {
        caller,
        action: operation.iam_action(),
        resource: &resource,
        tenant,
        context: &conditions,
    };
    call.authorize()?;
    let output = run(gateway, registry, caller, &operation).await;
    if !is_question(action) {
        // Even after an error: what was done of it isn't known.
        gateway.directory.forget();
    }
    Ok((action, output?))
}

/// Whether an operation changes nothing.
fn is_question(action: Action) -> bool {
    let name = action.as_str();
    name.starts_with("Get") || name.starts_with("List")
}

async fn run(
    gateway: &Gateway,
    its: Registry<'_>,
    caller: &Caller,
    operation: &Operation,
) -> Result<Output, Error> {
    use Operation as O;
    match operation {
        O::CreateUser(it) => user::create(its, it).await,
        O::GetUser(it) => user::get(its, caller, it).await,
        O::UpdateUser(it) => user::update(its, it).await,
        O::DeleteUser(it) => user::delete(its, it).await,
        O::ListUsers(it) => user::list(its, it).await,
        O::TagUser(it) => user::tag(its, it).await,
        O::UntagUser(it) => user::untag(its, it).await,
        O::ListUserTags(it) => user::tags(its, it).await,
        O::CreateAccessKey(it) => key::create(its, caller, gateway.directory.keys(), it).await,
        O::UpdateAccessKey(it) => key::update(its, caller, it).await,
        O::DeleteAccessKey(it) => key::delete(its, caller, it).await,
        O::ListAccessKeys(it) => key::list(its, caller, it).await,
        O::GetAccessKeyLastUsed(it) => key::last_used(its, it).await,
        O::GetAccountSummary(_) => key::summary(its).await,
        O::ListAccountAliases(_) => Ok(key::aliases(its)),
        O::CreateGroup(it) => group::create(its, it).await,
        O::GetGroup(it) => group::get(its, it).await,
        O::UpdateGroup(it) => group::update(its, it).await,
        O::DeleteGroup(it) => group::delete(its, it).await,
        O::ListGroups(it) => group::list(its, it).await,
        O::AddUserToGroup(it) => group::add_user(its, it).await,
        O::RemoveUserFromGroup(it) => group::remove_user(its, it).await,
        O::ListGroupsForUser(it) => group::of_user(its, it).await,
        O::CreateRole(it) => role::create(its, it).await,
        O::GetRole(it) => role::get(its, it).await,
        O::UpdateRole(it) => role::update(its, it).await,
        O::UpdateRoleDescription(it) => role::describe(its, it).await,
        O::UpdateAssumeRolePolicy(it) => role::trust(its, it).await,
        O::DeleteRole(it) => role::delete(its, it).await,
        O::ListRoles(it) => role::list(its, it).await,
        O::TagRole(it) => role::tag(its, it).await,
        O::UntagRole(it) => role::untag(its, it).await,
        O::ListRoleTags(it) => role::tags(its, it).await,
        O::CreatePolicy(it) => policy::create(its, it).await,
        O::GetPolicy(it) => policy::get(its, it).await,
        O::DeletePolicy(it) => policy::delete(its, it).await,
        O::ListPolicies(it) => policy::list(its, it).await,
        O::CreatePolicyVersion(it) => policy::create_version(its, it).await,
        O::GetPolicyVersion(it) => policy::get_version(its, it).await,
        O::ListPolicyVersions(it) => policy::list_versions(its, it).await,
        O::DeletePolicyVersion(it) => policy::delete_version(its, it).await,
        O::SetDefaultPolicyVersion(it) => policy::set_default(its, it).await,
        O::CreateOpenIDConnectProvider(it) => provider::create(its, it).await,
        O::GetOpenIDConnectProvider(it) => provider::get(its, it).await,
        O::DeleteOpenIDConnectProvider(it) => provider::delete(its, it).await,
        O::ListOpenIDConnectProviders(_) => provider::list(its).await,
        O::AddClientIDToOpenIDConnectProvider(it) => provider::add_client(its, it).await,
        O::RemoveClientIDFromOpenIDConnectProvider(it) => provider::remove_client(its, it).await,
        O::UpdateOpenIDConnectProviderThumbprint(it) => provider::set_thumbprints(its, it).await,
        _ => policies(its, operation).await,
    }
}

/// The operations on the policies of users, groups and roles, which are alike.
async fn policies(its: Registry<'_>, operation: &Operation) -> Result<Output, Error> {
    macro_rules! of_holders {
        ($($holder:ident $name:ident: $put:ident $get:ident $delete:ident $list:ident
           $attach:ident $detach:ident $list_attached:ident;)*) => {
            match operation {
                $(
                    Operation::$put(it) => {
                        let (name, document) = (&it.policy_name, &it.policy_document);
                        holder::put_inline::<$holder>(its, it.$name.as_str(), name, document).await
                    }
                    Operation::$get(it) => {
                        holder::get_inline::<$holder>(its, it.$name.as_str(), &it.policy_name).await
                    }
                    Operation::$delete(it) => {
                        let name = &it.policy_name;
                        holder::delete_inline::<$holder>(its, it.$name.as_str(), name).await
                    }
                    Operation::$list(it) => {
                        holder::list_inline::<$holder>(its, it.$name.as_str(), &it.page).await
                    }
                    Operation::$attach(it) => {
                        holder::attach::<$holder>(its, it.$name.as_str(), &it.policy_arn).await
                    }
                    Operation::$detach(it) => {
                        holder::detach::<$holder>(its, it.$name.as_str(), &it.policy_arn).await
                    }
                    Operation::$list_attached(it) => {
                        let (name, prefix) = (it.$name.as_str(), &it.path_prefix);
                        holder::list_attached::<$holder>(its, name, prefix, &it.page).await
                    }
                )*
                _ => Err(ErrorCode::NotImplemented.into()),
            }
        };
    }
    of_holders! {
        User user_name: PutUserPolicy GetUserPolicy DeleteUserPolicy ListUserPolicies
            AttachUserPolicy DetachUserPolicy ListAttachedUserPolicies;
        Group group_name: PutGroupPolicy GetGroupPolicy DeleteGroupPolicy ListGroupPolicies
            AttachGroupPolicy DetachGroupPolicy ListAttachedGroupPolicies;
        Role role_name: PutRolePolicy GetRolePolicy DeleteRolePolicy ListRolePolicies
            AttachRolePolicy DetachRolePolicy ListAttachedRolePolicies;
    }
}
