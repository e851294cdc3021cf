//! Users. Those made here belong to their tenant: they may do what policies allow, and what they
//! make is the tenant's.

use riquet_metadata::record::{Policies, User};
use riquet_s3::iam::{
    CreateUser, DeleteUser, GetUser, ListUserTags, ListUsers, Output, TagUser, UntagUser,
    UpdateUser, UserName, quota,
};
use riquet_s3::{Error as S3Error, ErrorCode};

use super::entity::{
    add_tags, created_ms, new_id, remove_tags, show_tags, show_tenant, show_user, stored_tags,
};
use super::registry::{Registry, page_of};
use crate::error::Error;
use crate::identity::Caller;

/// Whom a call is about that needn't name anybody.
pub(super) enum Subject {
    /// The tenant itself.
    Tenant,
    /// One of its users.
    User(Box<User>),
}

impl Subject {
    /// The named user, or else the caller.
    pub(super) async fn find(
        registry: Registry<'_>,
        caller: &Caller,
        name: Option<&UserName>,
    ) -> Result<Self, Error> {
        if name.is_none() && caller.is_tenant() {
            return Ok(Self::Tenant);
        }
        let name = name.map(UserName::as_str).or_else(|| caller.user_name());
        let name = name.ok_or_else(|| {
            S3Error::new(ErrorCode::ValidationError)
                .message("Must specify userName when calling with non-User credentials")
        })?;
        Ok(Self::User(Box::new(registry.get(name).await?)))
    }

    /// The user's id; none: the tenant's own.
    pub(super) fn user_id(&self) -> Option<&str> {
        match self {
            Self::Tenant => None,
            Self::User(user) => Some(&user.id),
        }
    }
}

pub(super) async fn create(registry: Registry<'_>, it: &CreateUser) -> Result<Output, Error> {
    let user = User {
        tenant: registry.tenant.id.clone(),
        name: it.user_name.as_str().to_owned(),
        id: new_id("AIDA"),
        path: it.path.as_str().to_owned(),
        display_name: it.user_name.as_str().to_owned(),
        email: None,
        canonical_id: None,
        groups: Vec::new(),
        policies: Policies::default(),
        tags: stored_tags(&it.tags),
        created_ms: created_ms(),
    };
    let shown = show_user(registry.tenant, &user);
    registry.create(user, quota::USERS_MAX).await?;
    Ok(Output::User(shown))
}

pub(super) async fn get(
    registry: Registry<'_>,
    caller: &Caller,
    it: &GetUser,
) -> Result<Output, Error> {
    let subject = Subject::find(registry, caller, it.user_name.as_ref()).await?;
    Ok(Output::User(match subject {
        Subject::Tenant => show_tenant(registry.tenant),
        Subject::User(user) => show_user(registry.tenant, &user),
    }))
}

pub(super) async fn update(registry: Registry<'_>, it: &UpdateUser) -> Result<Output, Error> {
    let change = |user: &mut User| {
        if let Some(name) = &it.new_user_name {
            user.name = name.as_str().to_owned();
        }
        if let Some(path) = &it.new_path {
            user.path = path.as_str().to_owned();
        }
        Ok(())
    };
    registry.edit(it.user_name.as_str(), change).await?;
    Ok(Output::Done)
}

pub(super) async fn delete(registry: Registry<'_>, it: &DeleteUser) -> Result<Output, Error> {
    registry.remove::<User>(it.user_name.as_str()).await?;
    Ok(Output::Done)
}

pub(super) async fn list(registry: Registry<'_>, it: &ListUsers) -> Result<Output, Error> {
    let mut users: Vec<User> = registry.all().await?;
    users.retain(|user| it.path_prefix.matches(&user.path));
    let show = |mut user: User| {
        user.tags.clear();
        show_user(registry.tenant, &user)
    };
    Ok(Output::Users(page_of(
        &it.page,
        users,
        |user| &user.name,
        show,
    )))
}

pub(super) async fn tag(registry: Registry<'_>, it: &TagUser) -> Result<Output, Error> {
    let change = |user: &mut User| add_tags(&mut user.tags, &it.tags);
    registry.edit(it.user_name.as_str(), change).await?;
    Ok(Output::Done)
}

pub(super) async fn untag(registry: Registry<'_>, it: &UntagUser) -> Result<Output, Error> {
    let change = |user: &mut User| {
        remove_tags(&mut user.tags, &it.tag_keys);
        Ok(())
    };
    registry.edit(it.user_name.as_str(), change).await?;
    Ok(Output::Done)
}

pub(super) async fn tags(registry: Registry<'_>, it: &ListUserTags) -> Result<Output, Error> {
    let user: User = registry.get(it.user_name.as_str()).await?;
    let tags = show_tags(&user.tags);
    Ok(Output::Tags(page_of(
        &it.page,
        tags,
        |tag| tag.key.as_str(),
        |it| it,
    )))
}
