//! What is kept of identities, as the registry handles it and as answers show it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use riquet_cluster::clock::now_ms;
use riquet_metadata::record::{
    AccessKey, Group, Identity, IdentityKind, ManagedPolicy, Provider, Role, Tag, Tenant, User,
};
use riquet_s3::arn::{Arn, Entity as ArnEntity, Resource};
use riquet_s3::aws_query::{Tag as ShownTag, TagKey, Value as _};
use riquet_s3::iam::{self, Path, VersionId};
use riquet_s3::{Error as S3Error, ErrorCode};
use zeroize::Zeroizing;

use crate::convert::moment;
use crate::identity::role_account;

/// The most tags of a user or role.
const TAGS_MAX: usize = 50;

/// An identity of one kind.
pub(crate) trait Entity: Sized {
    /// The kind.
    const KIND: IdentityKind;
    /// What messages call it.
    const NOUN: &'static str;

    /// Takes it out of an identity of its kind.
    fn of(identity: Identity) -> Option<Self>;

    /// The identity.
    fn into_identity(self) -> Identity;
}

macro_rules! entities {
    ($($type:ident: $variant:ident, $noun:literal;)*) => {$(
        impl Entity for $type {
            const KIND: IdentityKind = IdentityKind::$variant;
            const NOUN: &'static str = $noun;

            fn of(identity: Identity) -> Option<Self> {
                match identity {
                    Identity::$variant(it) => Some(it),
                    _ => None,
                }
            }

            fn into_identity(self) -> Identity {
                Identity::$variant(self)
            }
        }
    )*};
}
entities! {
    User: User, "user";
    Group: Group, "group";
    Role: Role, "role";
    ManagedPolicy: Policy, "policy";
    Provider: Provider, "provider";
    AccessKey: Key, "access key";
}

/// A new id of AWS's form.
pub(crate) fn new_id(prefix: &str) -> String {
    const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let random: [u8; 16] = rand::random();
    let digits = random.map(|byte| char::from(BASE32[usize::from(byte & 31)]));
    prefix.chars().chain(digits).collect()
}

/// A new secret: forty characters.
pub(crate) fn new_secret() -> Zeroizing<String> {
    let random: Zeroizing<[u8; 30]> = Zeroizing::new(rand::random());
    Zeroizing::new(BASE64.encode(random.as_slice()))
}

/// Now, as identities note it: to the second, as answers show it.
pub(super) fn created_ms() -> u64 {
    now_ms() / 1000 * 1000
}

fn arn(account: &str, kind: fn(ArnEntity) -> Resource, path: &str, name: &str) -> String {
    let path = Path::parse(path).unwrap_or_default();
    let name = name.to_owned();
    Arn::new(account, kind(ArnEntity { path, name })).to_string()
}

pub(super) fn user_arn(tenant: &Tenant, path: &str, name: &str) -> String {
    arn(&tenant.id, Resource::User, path, name)
}

pub(super) fn group_arn(tenant: &Tenant, path: &str, name: &str) -> String {
    arn(&tenant.id, Resource::Group, path, name)
}

pub(crate) fn role_arn(tenant: &Tenant, path: &str, name: &str) -> String {
    arn(role_account(tenant), Resource::Role, path, name)
}

pub(super) fn policy_arn(tenant: &Tenant, path: &str, name: &str) -> String {
    arn(&tenant.id, Resource::Policy, path, name)
}

pub(crate) fn provider_arn(tenant: &Tenant, name: &str) -> String {
    Arn::new(&tenant.id, Resource::OidcProvider(name.to_owned())).to_string()
}

pub(super) fn show_user(tenant: &Tenant, user: &User) -> iam::User {
    iam::User {
        path: user.path.clone(),
        user_name: user.name.clone(),
        user_id: user.id.clone(),
        arn: user_arn(tenant, &user.path, &user.name),
        create_date: moment(user.created_ms),
        tags: show_tags(&user.tags),
    }
}

/// The tenant itself, where a user is asked for.
pub(super) fn show_tenant(tenant: &Tenant) -> iam::User {
    iam::User {
        path: Path::default().as_str().to_owned(),
        user_name: tenant.display_name.clone(),
        user_id: tenant.id.clone(),
        arn: Arn::new(&tenant.id, Resource::Root).to_string(),
        create_date: moment(tenant.created_ms),
        tags: Vec::new(),
    }
}

pub(super) fn show_group(tenant: &Tenant, group: &Group) -> iam::Group {
    iam::Group {
        path: group.path.clone(),
        group_name: group.name.clone(),
        group_id: group.id.clone(),
        arn: group_arn(tenant, &group.path, &group.name),
        create_date: moment(group.created_ms),
    }
}

pub(super) fn show_role(tenant: &Tenant, role: &Role) -> iam::Role {
    iam::Role {
        path: role.path.clone(),
        role_name: role.name.clone(),
        role_id: role.id.clone(),
        arn: role_arn(tenant, &role.path, &role.name),
        create_date: moment(role.created_ms),
        assume_role_policy_document: role.trust.clone(),
        description: role.description.clone(),
        max_session_duration_s: role.session_max_s,
        tags: show_tags(&role.tags),
    }
}

pub(super) fn show_policy(
    tenant: &Tenant,
    policy: &ManagedPolicy,
    attachment_count: u32,
) -> iam::Policy {
    let mut versions = policy.versions.iter();
    let default = versions.find(|version| version.number == policy.default);
    iam::Policy {
        policy_name: policy.name.clone(),
        policy_id: policy.id.clone(),
        arn: policy_arn(tenant, &policy.path, &policy.name),
        path: policy.path.clone(),
        default_version: VersionId(policy.default),
        attachment_count,
        description: policy.description.clone(),
        create_date: moment(policy.created_ms),
        update_date: moment(default.map_or(policy.created_ms, |it| it.created_ms)),
        tags: show_tags(&policy.tags),
    }
}

pub(super) fn show_tags(tags: &[Tag]) -> Vec<ShownTag> {
    let shown = tags.iter().filter_map(|tag| {
        let key = TagKey::read("Tags", tag.key.clone()).ok()?;
        let value = tag.value.clone();
        Some(ShownTag { key, value })
    });
    shown.collect()
}

pub(super) fn stored_tags(tags: &[ShownTag]) -> Vec<Tag> {
    let stored = tags.iter().map(|tag| Tag {
        key: tag.key.as_str().to_owned(),
        value: tag.value.clone(),
    });
    stored.collect()
}

/// Adds tags, in the place of those with the same key in any case.
pub(super) fn add_tags(tags: &mut Vec<Tag>, added: &[ShownTag]) -> Result<(), S3Error> {
    let keys: Vec<TagKey> = added.iter().map(|tag| tag.key.clone()).collect();
    remove_tags(tags, &keys);
    tags.extend(stored_tags(added));
    match tags.len() <= TAGS_MAX {
        true => Ok(()),
        false => Err(S3Error::new(ErrorCode::LimitExceeded).message(format!(
            "The number of tags has reached the maximum limit: {TAGS_MAX}"
        ))),
    }
}

/// Removes the tags with these keys.
pub(super) fn remove_tags(tags: &mut Vec<Tag>, keys: &[TagKey]) {
    let folded: Vec<String> = keys.iter().map(TagKey::folded).collect();
    tags.retain(|tag| !folded.contains(&tag.key.to_lowercase()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_secrets_have_the_form_that_clients_check() {
        let id = new_id("AKIA");
        assert_eq!(id.len(), 20);
        assert!(
            id.bytes()
                .all(|byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte))
        );
        assert_ne!(id, new_id("AKIA"));
        assert_eq!(new_secret().len(), 40);
    }

    #[test]
    fn a_tag_takes_the_place_of_the_one_with_its_key() {
        let tag = |key: &str, value: &str| ShownTag {
            key: TagKey::read("Tags", key.to_owned()).expect("a key"),
            value: value.to_owned(),
        };
        let mut tags = stored_tags(&[tag("Team", "blue"), tag("site", "a")]);
        add_tags(&mut tags, &[tag("team", "red")]).expect("few");
        let pairs: Vec<_> = tags
            .iter()
            .map(|it| (it.key.as_str(), it.value.as_str()))
            .collect();
        assert_eq!(pairs, [("site", "a"), ("team", "red")]);
        let many: Vec<ShownTag> = (0..50).map(|n| tag(&format!("k{n}"), "")).collect();
        let error = add_tags(&mut tags, &many).expect_err("52 of them");
        assert_eq!(error.code(), ErrorCode::LimitExceeded);
    }
}
