//! Who may use the store: tenants, their users, groups and roles, the policies these have, and the
//! keys that they sign with.
//!
//! A tenant is what AWS calls an account. What its users make belongs to the tenant, as at AWS, or to
//! the user, where the user has a canonical id of its own: scientists who share a tenant don't share
//! their buckets. Policies are texts that only gateways understand.

use minicbor::{Decode, Encode};
use riquet_cluster::keyring::Sealed;

/// An establishment: users, and a name space of buckets.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Tenant {
    /// The account in ARNs, and the canonical id of what the tenant owns: twelve digits.
    #[n(0)]
    pub id: String,
    /// What people call it, and ARNs may. The default tenant's is empty.
    #[n(1)]
    pub name: String,
    /// What stands before the names of its buckets where others name them, and a colon. Tenants may
    /// share it. The default tenant's is empty.
    #[n(2)]
    pub namespace: String,
    /// The name shown as owner.
    #[n(3)]
    pub display_name: String,
    /// Address by which others may grant it something.
    #[n(4)]
    pub email: Option<String>,
    /// When it was made, ms since 1970.
    #[n(5)]
    pub created_ms: u64,
}

/// The policies of a user, a group or a role.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Policies {
    /// Its own, by name, in order.
    #[n(0)]
    pub inline: Vec<InlinePolicy>,
    /// Those that stand for themselves, in the order they were attached.
    #[n(1)]
    pub attached: Vec<Attachment>,
}

impl Policies {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.inline.is_empty() && self.attached.is_empty()
    }
}

/// A policy within what it is of.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct InlinePolicy {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// Its text, JSON.
    #[n(1)]
    pub text: String,
}

/// A managed policy that is attached.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Attachment {
    /// One of the tenant's, by name.
    #[n(0)]
    Tenant(#[n(0)] String),
    /// One that every gateway knows, by its ARN.
    #[n(1)]
    Vendor(#[n(0)] String),
}

/// A note on a user, role or policy.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Tag {
    /// Its key.
    #[n(0)]
    pub key: String,
    /// Its value.
    #[n(1)]
    pub value: String,
}

/// Somebody of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct User {
    /// The tenant's id.
    #[n(0)]
    pub tenant: String,
    /// Its name, unique in the tenant whatever the case of its letters.
    #[n(1)]
    pub name: String,
    /// An id that no other user ever has.
    #[n(2)]
    pub id: String,
    /// Its place in the tenant: `/`, `/team/`.
    #[n(3)]
    pub path: String,
    /// The name shown as owner.
    #[n(4)]
    pub display_name: String,
    /// Address by which others may grant it something.
    #[n(5)]
    pub email: Option<String>,
    /// The canonical id of what it makes, where that is its own; none: the tenant owns it, and the
    /// user may do what policies allow.
    #[n(6)]
    pub canonical_id: Option<String>,
    /// Ids of the groups that it is in.
    #[n(7)]
    pub groups: Vec<String>,
    /// Its policies.
    #[n(8)]
    pub policies: Policies,
    /// Its tags.
    #[n(9)]
    pub tags: Vec<Tag>,
    /// When it was made, ms since 1970.
    #[n(10)]
    pub created_ms: u64,
}

/// Users who share policies.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Group {
    /// The tenant's id.
    #[n(0)]
    pub tenant: String,
    /// Its name, unique in the tenant whatever the case of its letters.
    #[n(1)]
    pub name: String,
    /// An id that no other group ever has.
    #[n(2)]
    pub id: String,
    /// Its place in the tenant.
    #[n(3)]
    pub path: String,
    /// Its policies.
    #[n(4)]
    pub policies: Policies,
    /// When it was made, ms since 1970.
    #[n(5)]
    pub created_ms: u64,
}

/// What somebody may become for a while.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Role {
    /// The tenant's id.
    #[n(0)]
    pub tenant: String,
    /// Its name, unique in the tenant whatever the case of its letters.
    #[n(1)]
    pub name: String,
    /// An id that no other role ever has.
    #[n(2)]
    pub id: String,
    /// Its place in the tenant.
    #[n(3)]
    pub path: String,
    /// What it is for.
    #[n(4)]
    pub description: Option<String>,
    /// The policy that says who may become it, JSON.
    #[n(5)]
    pub trust: String,
    /// The longest session, seconds.
    #[n(6)]
    pub session_max_s: u32,
    /// Its policies.
    #[n(7)]
    pub policies: Policies,
    /// Its tags.
    #[n(8)]
    pub tags: Vec<Tag>,
    /// When it was made, ms since 1970.
    #[n(9)]
    pub created_ms: u64,
}

/// A policy of its own, in up to a few versions.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ManagedPolicy {
    /// The tenant's id.
    #[n(0)]
    pub tenant: String,
    /// Its name, unique in the tenant whatever the case of its letters.
    #[n(1)]
    pub name: String,
    /// An id that no other policy ever has.
    #[n(2)]
    pub id: String,
    /// Its place in the tenant.
    #[n(3)]
    pub path: String,
    /// What it is for.
    #[n(4)]
    pub description: Option<String>,
    /// Its versions, oldest first.
    #[n(5)]
    pub versions: Vec<PolicyVersion>,
    /// The number of the version that counts.
    #[n(6)]
    pub default: u32,
    /// Its tags.
    #[n(7)]
    pub tags: Vec<Tag>,
    /// When it was made, ms since 1970.
    #[n(8)]
    pub created_ms: u64,
}

impl ManagedPolicy {
    /// The text that counts.
    pub fn text(&self) -> Option<&str> {
        let mut versions = self.versions.iter();
        let found = versions.find(|version| version.number == self.default)?;
        Some(&found.text)
    }
}

/// A version of a managed policy.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PolicyVersion {
    /// 1 and up, never used again.
    #[n(0)]
    pub number: u32,
    /// Its text, JSON.
    #[n(1)]
    pub text: String,
    /// When it was made, ms since 1970.
    #[n(2)]
    pub created_ms: u64,
}

/// A service whose word about its users counts (OpenID Connect).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Provider {
    /// The tenant's id.
    #[n(0)]
    pub tenant: String,
    /// Its issuer's URL as it was given.
    #[n(1)]
    pub url: String,
    /// For whom its tokens must be meant.
    #[n(2)]
    pub client_ids: Vec<String>,
    /// SHA-1 of certificates, hexadecimal, as they were given.
    #[n(3)]
    pub thumbprints: Vec<String>,
    /// Its tags.
    #[n(4)]
    pub tags: Vec<Tag>,
    /// When it was made, ms since 1970.
    #[n(5)]
    pub created_ms: u64,
}

impl Provider {
    /// The URL without its scheme, by which ARNs name the provider.
    pub fn name(&self) -> &str {
        provider_name(&self.url)
    }
}

/// A provider's URL without its scheme.
pub fn provider_name(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

/// What requests are signed with.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AccessKey {
    /// The id that requests name.
    #[n(0)]
    pub id: String,
    /// The tenant's id.
    #[n(1)]
    pub tenant: String,
    /// The id of its user; none: it is the tenant's own, which may do everything in the tenant.
    #[n(2)]
    pub user: Option<String>,
    /// The secret, sealed for [`AccessKey::seal_context`].
    #[n(3)]
    pub secret: Sealed,
    /// Whether it may be used.
    #[n(4)]
    pub state: KeyState,
    /// When it was made, ms since 1970.
    #[n(5)]
    pub created_ms: u64,
    /// From when on it is as if inactive, ms since 1970.
    #[n(6)]
    pub expires_ms: Option<u64>,
}

impl AccessKey {
    /// What the secret of a key is sealed for.
    pub fn seal_context(id: &str) -> Vec<u8> {
        [b"access key ".as_slice(), id.as_bytes()].concat()
    }

    /// Whether requests signed with it at that time count.
    pub fn is_usable(&self, now_ms: u64) -> bool {
        self.state == KeyState::Active && self.expires_ms.is_none_or(|expires| now_ms < expires)
    }
}

/// Whether a key may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum KeyState {
    /// It may.
    #[n(0)]
    Active,
    /// It may not, for now.
    #[n(1)]
    Inactive,
}

/// Any of these.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Identity {
    /// A tenant.
    #[n(0)]
    Tenant(#[n(0)] Tenant),
    /// A user.
    #[n(1)]
    User(#[n(0)] User),
    /// A group.
    #[n(2)]
    Group(#[n(0)] Group),
    /// A role.
    #[n(3)]
    Role(#[n(0)] Role),
    /// A managed policy.
    #[n(4)]
    Policy(#[n(0)] ManagedPolicy),
    /// A provider.
    #[n(5)]
    Provider(#[n(0)] Provider),
    /// An access key.
    #[n(6)]
    Key(#[n(0)] AccessKey),
}

impl Identity {
    /// Its name.
    pub fn name(&self) -> IdentityName {
        let named = |kind, tenant: &str, name: &str| IdentityName {
            kind,
            tenant: tenant.to_owned(),
            name: name.to_owned(),
        };
        match self {
            Self::Tenant(it) => named(IdentityKind::Tenant, "", &it.id),
            Self::User(it) => named(IdentityKind::User, &it.tenant, &it.name),
            Self::Group(it) => named(IdentityKind::Group, &it.tenant, &it.name),
            Self::Role(it) => named(IdentityKind::Role, &it.tenant, &it.name),
            Self::Policy(it) => named(IdentityKind::Policy, &it.tenant, &it.name),
            Self::Provider(it) => named(IdentityKind::Provider, &it.tenant, it.name()),
            Self::Key(it) => named(IdentityKind::Key, &it.tenant, &it.id),
        }
    }

    /// The policies that it has, if it is of a kind that has any.
    pub fn policies(&self) -> Option<&Policies> {
        match self {
            Self::User(it) => Some(&it.policies),
            Self::Group(it) => Some(&it.policies),
            Self::Role(it) => Some(&it.policies),
            Self::Tenant(_) | Self::Policy(_) | Self::Provider(_) | Self::Key(_) => None,
        }
    }
}

/// The kinds of identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
#[repr(u8)]
pub enum IdentityKind {
    /// Tenants.
    #[n(0)]
    Tenant,
    /// Users.
    #[n(1)]
    User,
    /// Groups.
    #[n(2)]
    Group,
    /// Roles.
    #[n(3)]
    Role,
    /// Managed policies.
    #[n(4)]
    Policy,
    /// Providers.
    #[n(5)]
    Provider,
    /// Access keys.
    #[n(6)]
    Key,
}

/// What names an identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct IdentityName {
    /// Its kind.
    #[n(0)]
    pub kind: IdentityKind,
    /// Its tenant's id; empty for a tenant.
    #[n(1)]
    pub tenant: String,
    /// Its name in the tenant (a key's or a tenant's id, a provider's URL without the scheme). The
    /// case of letters makes no difference.
    #[n(2)]
    pub name: String,
}

/// Another way to find an identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum IdentityAlias {
    /// A tenant by its name.
    #[n(0)]
    TenantName(#[n(0)] String),
    /// A tenant or user by the canonical id of what it owns.
    #[n(1)]
    CanonicalId(#[n(0)] String),
    /// A tenant or user by its address, in lower case.
    #[n(2)]
    Email(#[n(0)] String),
    /// A user, group or role by its id.
    #[n(3)]
    Id(#[n(0)] String),
    /// An access key by its id.
    #[n(4)]
    KeyId(#[n(0)] String),
}

/// An identity as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StoredIdentity {
    /// Changes with each change.
    #[n(0)]
    pub revision: u64,
    /// The identity.
    #[n(1)]
    pub identity: Identity,
}

/// Somebody with all that decides what they may do.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Principal {
    /// The tenant.
    #[n(0)]
    pub tenant: Tenant,
    /// The user or role; none: the tenant itself.
    #[n(1)]
    pub identity: Option<Identity>,
    /// The user's groups.
    #[n(2)]
    pub groups: Vec<Group>,
    /// The tenant's managed policies that are attached to any of these.
    #[n(3)]
    pub managed: Vec<ManagedPolicy>,
}

/// An access key and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct KeyHolder {
    /// The key.
    #[n(0)]
    pub key: AccessKey,
    /// Who holds it.
    #[n(1)]
    pub principal: Principal,
}
