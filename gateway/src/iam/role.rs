//! Roles: what somebody may become for a while, and who may.

use riquet_metadata::record::{Policies, Role};
use riquet_s3::iam::{
    CreateRole, DeleteRole, Description, GetRole, ListRoleTags, ListRoles, Output,
    SESSION_LIMIT_MIN_S, TagRole, UntagRole, UpdateAssumeRolePolicy, UpdateRole,
    UpdateRoleDescription, quota,
};

use super::entity::{add_tags, created_ms, new_id, remove_tags, show_role, show_tags, stored_tags};
use super::registry::{Registry, page_of};
use crate::error::Error;

pub(super) async fn create(registry: Registry<'_>, it: &CreateRole) -> Result<Output, Error> {
    let role = Role {
        tenant: registry.tenant.id.clone(),
        name: it.role_name.as_str().to_owned(),
        id: new_id("AROA"),
        path: it.path.as_str().to_owned(),
        description: text(it.description.as_ref()),
        trust: it.assume_role_policy_document.text().to_owned(),
        session_max_s: it.max_session_duration.unwrap_or(SESSION_LIMIT_MIN_S),
        policies: Policies::default(),
        tags: stored_tags(&it.tags),
        created_ms: created_ms(),
    };
    quota::check_size([role.trust.as_str()], quota::TRUST_CHARS_MAX)?;
    let shown = show_role(registry.tenant, &role);
    registry.create(role, quota::ROLES_MAX).await?;
    Ok(Output::Role(shown))
}

pub(super) async fn get(registry: Registry<'_>, it: &GetRole) -> Result<Output, Error> {
    let role: Role = registry.get(it.role_name.as_str()).await?;
    Ok(Output::Role(show_role(registry.tenant, &role)))
}

pub(super) async fn update(registry: Registry<'_>, it: &UpdateRole) -> Result<Output, Error> {
    let change = |role: &mut Role| {
        if it.description.is_some() {
            role.description = text(it.description.as_ref());
        }
        // What isn't said goes back to the default, as at AWS.
        role.session_max_s = it.max_session_duration.unwrap_or(SESSION_LIMIT_MIN_S);
        Ok(())
    };
    registry.edit(it.role_name.as_str(), change).await?;
    Ok(Output::Done)
}

pub(super) async fn describe(
    registry: Registry<'_>,
    it: &UpdateRoleDescription,
) -> Result<Output, Error> {
    let change = |role: &mut Role| {
        role.description = text(Some(&it.description));
        Ok(())
    };
    let role = registry.edit(it.role_name.as_str(), change).await?;
    Ok(Output::Role(show_role(registry.tenant, &role)))
}

pub(super) async fn trust(
    registry: Registry<'_>,
    it: &UpdateAssumeRolePolicy,
) -> Result<Output, Error> {
    let change = |role: &mut Role| {
        role.trust = it.policy_document.text().to_owned();
        quota::check_size([role.trust.as_str()], quota::TRUST_CHARS_MAX)
    };
    registry.edit(it.role_name.as_str(), change).await?;
    Ok(Output::Done)
}

pub(super) async fn delete(registry: Registry<'_>, it: &DeleteRole) -> Result<Output, Error> {
    registry.remove::<Role>(it.role_name.as_str()).await?;
    Ok(Output::Done)
}

pub(super) async fn list(registry: Registry<'_>, it: &ListRoles) -> Result<Output, Error> {
    let mut roles: Vec<Role> = registry.all().await?;
    roles.retain(|role| it.path_prefix.matches(&role.path));
    let show = |mut role: Role| {
        role.tags.clear();
        show_role(registry.tenant, &role)
    };
    Ok(Output::Roles(page_of(
        &it.page,
        roles,
        |role| &role.name,
        show,
    )))
}

pub(super) async fn tag(registry: Registry<'_>, it: &TagRole) -> Result<Output, Error> {
    let change = |role: &mut Role| add_tags(&mut role.tags, &it.tags);
    registry.edit(it.role_name.as_str(), change).await?;
    Ok(Output::Done)
}

pub(super) async fn untag(registry: Registry<'_>, it: &UntagRole) -> Result<Output, Error> {
    let change = |role: &mut Role| {
        remove_tags(&mut role.tags, &it.tag_keys);
        Ok(())
    };
    registry.edit(it.role_name.as_str(), change).await?;
    Ok(Output::Done)
}

pub(super) async fn tags(registry: Registry<'_>, it: &ListRoleTags) -> Result<Output, Error> {
    let role: Role = registry.get(it.role_name.as_str()).await?;
    let tags = show_tags(&role.tags);
    Ok(Output::Tags(page_of(
        &it.page,
        tags,
        |tag| tag.key.as_str(),
        |it| it,
    )))
}

fn text(description: Option<&Description>) -> Option<String> {
    description.map(|it| it.as_str().to_owned())
}
