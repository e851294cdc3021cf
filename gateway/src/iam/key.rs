//! Access keys, and what there is to know of a tenant.

use riquet_cluster::keyring::KeyRing;
use riquet_metadata::record::{AccessKey, Group, KeyState, ManagedPolicy, Provider, Role, User};
use riquet_s3::aws_query::Page;
use riquet_s3::iam::{
    self, AccessKeyId, CreateAccessKey, DeleteAccessKey, GetAccessKeyLastUsed, KeyStatus,
    ListAccessKeys, Output, UpdateAccessKey, quota,
};

use super::entity::{created_ms, new_id, new_secret};
use super::registry::{Registry, limit, missing, page_of};
use super::user::Subject;
use crate::convert::moment;
use crate::error::Error;
use crate::identity::Caller;

pub(super) async fn create(
    registry: Registry<'_>,
    caller: &Caller,
    ring: &KeyRing,
    it: &CreateAccessKey,
) -> Result<Output, Error> {
    let subject = Subject::find(registry, caller, it.user_name.as_ref()).await?;
    let present = keys_of(registry, &subject).await?.len();
    let most = quota::ACCESS_KEYS_PER_USER_MAX;
    if present >= most {
        return Err(limit(format!("Cannot exceed quota for AccessKeysPerUser: {most}")).into());
    }
    let (id, secret) = (new_id("AKIA"), new_secret());
    let key = AccessKey {
        tenant: registry.tenant.id.clone(),
        user: subject.user_id().map(str::to_owned),
        secret: ring.seal(&AccessKey::seal_context(&id), secret.as_bytes()),
        state: KeyState::Active,
        created_ms: created_ms(),
        expires_ms: None,
        id: id.clone(),
    };
    let create_date = moment(key.created_ms);
    registry.put_new(key).await?;
    Ok(Output::AccessKey(iam::AccessKey {
        user_name: match subject {
            Subject::Tenant => registry.tenant.display_name.clone(),
            Subject::User(user) => user.name,
        },
        access_key_id: id,
        secret_access_key: secret.as_str().to_owned(),
        create_date,
    }))
}

pub(super) async fn update(
    registry: Registry<'_>,
    caller: &Caller,
    it: &UpdateAccessKey,
) -> Result<Output, Error> {
    let subject = Subject::find(registry, caller, it.user_name.as_ref()).await?;
    let id = it.access_key_id.as_str();
    let change = |key: &mut AccessKey| {
        if !is_its(key, &subject, id) {
            return Err(missing::<AccessKey>(id));
        }
        key.state = match it.status {
            KeyStatus::Active => KeyState::Active,
            KeyStatus::Inactive => KeyState::Inactive,
        };
        Ok(())
    };
    registry.edit(id, change).await?;
    Ok(Output::Done)
}

pub(super) async fn delete(
    registry: Registry<'_>,
    caller: &Caller,
    it: &DeleteAccessKey,
) -> Result<Output, Error> {
    let subject = Subject::find(registry, caller, it.user_name.as_ref()).await?;
    let id = it.access_key_id.as_str();
    let key: AccessKey = registry.get(id).await?;
    if !is_its(&key, &subject, id) {
        return Err(missing::<AccessKey>(id).into());
    }
    registry.remove::<AccessKey>(id).await?;
    Ok(Output::Done)
}

pub(super) async fn list(
    registry: Registry<'_>,
    caller: &Caller,
    it: &ListAccessKeys,
) -> Result<Output, Error> {
    let subject = Subject::find(registry, caller, it.user_name.as_ref()).await?;
    let keys = keys_of(registry, &subject).await?;
    let user_name = match &subject {
        Subject::Tenant => None,
        Subject::User(user) => Some(user.name.clone()),
    };
    let show = |key: AccessKey| iam::AccessKeyMetadata {
        user_name: user_name.clone(),
        access_key_id: key.id,
        status: match key.state {
            KeyState::Active => KeyStatus::Active,
            KeyState::Inactive => KeyStatus::Inactive,
        },
        create_date: moment(key.created_ms),
    };
    Ok(Output::AccessKeys(page_of(
        &it.page,
        keys,
        |key| &key.id,
        show,
    )))
}

/// Uses aren't recorded, which is answered as a key that never was used.
pub(super) async fn last_used(
    registry: Registry<'_>,
    it: &GetAccessKeyLastUsed,
) -> Result<Output, Error> {
    let owner = owner_of(registry, &it.access_key_id).await?;
    Ok(Output::AccessKeyLastUsed {
        user_name: owner.map(|user| user.name),
        last_use: None,
    })
}

/// The user that has a key of the tenant; none: it is the tenant's own.
pub(super) async fn owner_of(
    registry: Registry<'_>,
    id: &AccessKeyId,
) -> Result<Option<User>, Error> {
    let key: AccessKey = registry.get(id.as_str()).await?;
    let Some(user_id) = key.user else {
        return Ok(None);
    };
    let users: Vec<User> = registry.all().await?;
    Ok(users.into_iter().find(|user| user.id == user_id))
}

async fn keys_of(registry: Registry<'_>, subject: &Subject) -> Result<Vec<AccessKey>, Error> {
    let mut keys: Vec<AccessKey> = registry.all().await?;
    keys.retain(|key| key.user.as_deref() == subject.user_id());
    Ok(keys)
}

/// Ids of keys are told apart by case too, other than names.
fn is_its(key: &AccessKey, subject: &Subject, id: &str) -> bool {
    key.id == id && key.user.as_deref() == subject.user_id()
}

pub(super) async fn summary(registry: Registry<'_>) -> Result<Output, Error> {
    let keys: Vec<AccessKey> = registry.all().await?;
    let has_own_keys = keys.iter().any(|key| key.user.is_none());
    let counts = [
        ("Users", registry.all::<User>().await?.len()),
        ("Groups", registry.all::<Group>().await?.len()),
        ("Roles", registry.all::<Role>().await?.len()),
        ("Policies", registry.all::<ManagedPolicy>().await?.len()),
        ("Providers", registry.all::<Provider>().await?.len()),
        ("AccountAccessKeysPresent", usize::from(has_own_keys)),
    ];
    let numbers = counts.into_iter().chain(quota::QUOTAS.iter().copied());
    Ok(Output::AccountSummary(numbers.collect()))
}

/// A tenant's name, if it has one. It is one only.
pub(super) fn aliases(registry: Registry<'_>) -> Output {
    let name = &registry.tenant.name;
    Output::AccountAliases(Page {
        items: Some(name.clone())
            .filter(|name| !name.is_empty())
            .into_iter()
            .collect(),
        next_marker: None,
    })
}
