//! Groups, and who is in them: a user knows its groups.

use riquet_metadata::record::{Group, Policies, User};
use riquet_s3::aws_query::PageRequest;
use riquet_s3::iam::{
    AddUserToGroup, CreateGroup, DeleteGroup, GetGroup, GroupName, ListGroups, ListGroupsForUser,
    Output, PathPrefix, RemoveUserFromGroup, UpdateGroup, quota,
};

use super::entity::{created_ms, new_id, show_group, show_user};
use super::registry::{Registry, limit, missing, page_of};
use crate::error::Error;

pub(super) async fn create(registry: Registry<'_>, it: &CreateGroup) -> Result<Output, Error> {
    let group = Group {
        tenant: registry.tenant.id.clone(),
        name: it.group_name.as_str().to_owned(),
        id: new_id("AGPA"),
        path: it.path.as_str().to_owned(),
        policies: Policies::default(),
        created_ms: created_ms(),
    };
    let shown = show_group(registry.tenant, &group);
    registry.create(group, quota::GROUPS_MAX).await?;
    Ok(Output::Group(shown))
}

pub(super) async fn get(registry: Registry<'_>, it: &GetGroup) -> Result<Output, Error> {
    let group = find(registry, &it.group_name).await?;
    let mut users: Vec<User> = registry.all().await?;
    users.retain(|user| user.groups.contains(&group.id));
    let show = |mut user: User| {
        user.tags.clear();
        show_user(registry.tenant, &user)
    };
    let users = page_of(&it.page, users, |user| &user.name, show);
    Ok(Output::GroupWithUsers(
        show_group(registry.tenant, &group),
        users,
    ))
}

pub(super) async fn update(registry: Registry<'_>, it: &UpdateGroup) -> Result<Output, Error> {
    let change = |group: &mut Group| {
        if let Some(name) = &it.new_group_name {
            group.name = name.as_str().to_owned();
        }
        if let Some(path) = &it.new_path {
            group.path = path.as_str().to_owned();
        }
        Ok(())
    };
    registry.edit(it.group_name.as_str(), change).await?;
    Ok(Output::Done)
}

pub(super) async fn delete(registry: Registry<'_>, it: &DeleteGroup) -> Result<Output, Error> {
    registry.remove::<Group>(it.group_name.as_str()).await?;
    Ok(Output::Done)
}

pub(super) async fn list(registry: Registry<'_>, it: &ListGroups) -> Result<Output, Error> {
    let groups = registry.all().await?;
    Ok(page(registry, groups, &it.path_prefix, &it.page))
}

pub(super) async fn add_user(registry: Registry<'_>, it: &AddUserToGroup) -> Result<Output, Error> {
    let group = find(registry, &it.group_name).await?;
    let change = |user: &mut User| {
        if user.groups.contains(&group.id) {
            return Ok(());
        }
        let most = quota::GROUPS_PER_USER_MAX;
        if user.groups.len() >= most {
            return Err(limit(format!(
                "Cannot exceed quota for GroupsPerUser: {most}"
            )));
        }
        user.groups.push(group.id.clone());
        Ok(())
    };
    registry.edit(it.user_name.as_str(), change).await?;
    Ok(Output::Done)
}

pub(super) async fn remove_user(
    registry: Registry<'_>,
    it: &RemoveUserFromGroup,
) -> Result<Output, Error> {
    let group = find(registry, &it.group_name).await?;
    let change = |user: &mut User| {
        let before = user.groups.len();
        user.groups.retain(|id| *id != group.id);
        match user.groups.len() < before {
            true => Ok(()),
            false => Err(missing::<User>(&user.name)),
        }
    };
    registry.edit(it.user_name.as_str(), change).await?;
    Ok(Output::Done)
}

pub(super) async fn of_user(
    registry: Registry<'_>,
    it: &ListGroupsForUser,
) -> Result<Output, Error> {
    let user: User = registry.get(it.user_name.as_str()).await?;
    let mut groups: Vec<Group> = registry.all().await?;
    groups.retain(|group| user.groups.contains(&group.id));
    Ok(page(registry, groups, &PathPrefix::default(), &it.page))
}

async fn find(registry: Registry<'_>, name: &GroupName) -> Result<Group, Error> {
    registry.get(name.as_str()).await
}

fn page(
    registry: Registry<'_>,
    mut groups: Vec<Group>,
    prefix: &PathPrefix,
    page: &PageRequest,
) -> Output {
    groups.retain(|group| prefix.matches(&group.path));
    let show = |group: Group| show_group(registry.tenant, &group);
    Output::Groups(page_of(page, groups, |group| &group.name, show))
}
