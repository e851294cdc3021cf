//! Identities as the control group keeps them: made, replaced, removed, and what they may name.
//!
//! What holds after every command: a key's user, a user's groups and the tenant of all are there,
//! and so are the tenant's policies that are attached; aliases lead to what has them, and to
//! nothing else.

use super::Batch;
use crate::command::{IdentityChange, IdentityOutcome};
use crate::keys::{self, end_of};
use crate::record::{
    Attachment, Group, Identity, IdentityAlias, IdentityKind, IdentityName, KeyHolder,
    ManagedPolicy, Policies, Principal, StoredIdentity, User,
};
use crate::store::{Reader, StoreError, decode, get, scan};

impl Batch<'_> {
    pub(super) fn change_identity(
        &mut self,
        change: &IdentityChange,
    ) -> Result<IdentityOutcome, StoreError> {
        match change {
            IdentityChange::Create(identity) => {
                match identity_named(&self.state, &identity.name())? {
                    Some(_) => Ok(IdentityOutcome::Exists),
                    None => self.put_identity(None, identity),
                }
            }
            IdentityChange::Replace {
                name,
                revision,
                identity,
            } => match identity_named(&self.state, name)? {
                None => Ok(IdentityOutcome::Missing(name.clone())),
                Some(present) if present.revision != *revision => Ok(IdentityOutcome::Stale),
                Some(present) => self.put_identity(Some(&present.identity), identity),
            },
            IdentityChange::Remove { name } => self.remove_identity(name),
        }
    }

    /// Stores an identity in the place of `before`.
    fn put_identity(
        &mut self,
        before: Option<&Identity>,
        identity: &Identity,
    ) -> Result<IdentityOutcome, StoreError> {
        let name = identity.name();
        if let Some(missing) = self.missing(identity)? {
            return Ok(IdentityOutcome::Missing(missing));
        }
        let before_name = before.map(Identity::name);
        let is_free = |other: Option<IdentityName>| other.is_none() || other == before_name;
        if !is_same(before_name.as_ref(), &name) && identity_named(&self.state, &name)?.is_some() {
            return Ok(IdentityOutcome::Exists);
        }
        for alias in aliases(identity) {
            if !is_free(self.state.record(&keys::identity_alias(&alias))?) {
                return Ok(IdentityOutcome::Exists);
            }
        }
        if let Some(before) = before {
            self.delete_identity(before);
        }
        for alias in aliases(identity) {
            self.state.put(keys::identity_alias(&alias), &name);
        }
        let stored = StoredIdentity {
            // No two commands have the same place in the log.
            revision: self.header.applied,
            identity: identity.clone(),
        };
        self.state.put(keys::identity(&name), &stored);
        Ok(IdentityOutcome::Done)
    }

    fn delete_identity(&mut self, identity: &Identity) {
        self.state.delete(keys::identity(&identity.name()));
        for alias in aliases(identity) {
            self.state.delete(keys::identity_alias(&alias));
        }
    }

    fn remove_identity(&mut self, name: &IdentityName) -> Result<IdentityOutcome, StoreError> {
        let Some(present) = identity_named(&self.state, name)? else {
            return Ok(IdentityOutcome::Missing(name.clone()));
        };
        if let Some(what) = needed_by(&self.state, &present.identity)? {
            return Ok(IdentityOutcome::InUse(what.to_owned()));
        }
        self.delete_identity(&present.identity);
        Ok(IdentityOutcome::Done)
    }

    /// What an identity names that isn't there.
    fn missing(&self, identity: &Identity) -> Result<Option<IdentityName>, StoreError> {
        let name = identity.name();
        let named = |kind, name_in: &str| IdentityName {
            kind,
            tenant: name.tenant.clone(),
            name: name_in.to_owned(),
        };
        let mut needed = Vec::new();
        if name.kind != IdentityKind::Tenant {
            needed.push(IdentityName {
                kind: IdentityKind::Tenant,
                tenant: String::new(),
                name: name.tenant.clone(),
            });
        }
        let attached = identity.policies().map(|policies| &policies.attached);
        for attachment in attached.into_iter().flatten() {
            if let Attachment::Tenant(policy) = attachment {
                needed.push(named(IdentityKind::Policy, policy));
            }
        }
        for needed in needed {
            if identity_named(&self.state, &needed)?.is_none() {
                return Ok(Some(needed));
            }
        }
        let ids: &[String] = match identity {
            Identity::User(user) => &user.groups,
            Identity::Key(key) => key.user.as_slice(),
            _ => &[],
        };
        let kind = match identity {
            Identity::User(_) => IdentityKind::Group,
            _ => IdentityKind::User,
        };
        for id in ids {
            let alias = IdentityAlias::Id(id.clone());
            let found: Option<IdentityName> = self.state.record(&keys::identity_alias(&alias))?;
            if found.is_none_or(|found| found.kind != kind || found.tenant != name.tenant) {
                return Ok(Some(named(kind, id)));
            }
        }
        Ok(None)
    }
}

fn is_same(one: Option<&IdentityName>, other: &IdentityName) -> bool {
    one.is_some_and(|one| keys::identity(one) == keys::identity(other))
}

/// The ways to find an identity, besides its name.
fn aliases(identity: &Identity) -> Vec<IdentityAlias> {
    let email = |address: &Option<String>| {
        let address = address.as_ref()?;
        Some(IdentityAlias::Email(address.to_lowercase()))
    };
    match identity {
        Identity::Tenant(tenant) => [
            Some(IdentityAlias::TenantName(tenant.name.clone())),
            Some(IdentityAlias::CanonicalId(tenant.id.clone())),
            email(&tenant.email),
        ]
        .into_iter()
        .flatten()
        .collect(),
        Identity::User(user) => [
            Some(IdentityAlias::Id(user.id.clone())),
            user.canonical_id.clone().map(IdentityAlias::CanonicalId),
            email(&user.email),
        ]
        .into_iter()
        .flatten()
        .collect(),
        Identity::Group(group) => vec![IdentityAlias::Id(group.id.clone())],
        Identity::Role(role) => vec![IdentityAlias::Id(role.id.clone())],
        Identity::Key(key) => vec![IdentityAlias::KeyId(key.id.clone())],
        Identity::Policy(_) | Identity::Provider(_) => Vec::new(),
    }
}

/// What needs an identity still, in words; it must not go before.
fn needed_by(state: &dyn Reader, identity: &Identity) -> Result<Option<&'static str>, StoreError> {
    if identity
        .policies()
        .is_some_and(|policies| !policies.is_empty())
    {
        return Ok(Some("it has policies"));
    }
    match identity {
        Identity::Tenant(tenant) => {
            if owns_buckets(state, &tenant.id)? {
                return Ok(Some("it owns buckets"));
            }
            for kind in [
                IdentityKind::User,
                IdentityKind::Group,
                IdentityKind::Role,
                IdentityKind::Policy,
                IdentityKind::Provider,
                IdentityKind::Key,
            ] {
                let from = keys::identities(kind, &tenant.id);
                if !scan(state, &from, &end_of(&from), 1)?.is_empty() {
                    return Ok(Some("it has users, groups, roles, policies or keys"));
                }
            }
        }
        Identity::User(user) => {
            if !user.groups.is_empty() {
                return Ok(Some("it is in groups"));
            }
            if let Some(canonical_id) = &user.canonical_id
                && owns_buckets(state, canonical_id)?
            {
                return Ok(Some("it owns buckets"));
            }
            let is_its = |identity: &Identity| matches!(identity, Identity::Key(key) if key.user.as_ref() == Some(&user.id));
            if any(state, IdentityKind::Key, &user.tenant, is_its)? {
                return Ok(Some("it has access keys"));
            }
        }
        Identity::Group(group) => {
            let is_in = |identity: &Identity| matches!(identity, Identity::User(user) if user.groups.contains(&group.id));
            if any(state, IdentityKind::User, &group.tenant, is_in)? {
                return Ok(Some("users are in it"));
            }
        }
        Identity::Policy(policy) => {
            let name = policy.name.to_lowercase();
            let names_it = |attachment: &Attachment| matches!(attachment, Attachment::Tenant(named) if named.to_lowercase() == name);
            let has_it = |identity: &Identity| {
                let policies = identity.policies();
                policies.is_some_and(|policies| policies.attached.iter().any(names_it))
            };
            for kind in [IdentityKind::User, IdentityKind::Group, IdentityKind::Role] {
                if any(state, kind, &policy.tenant, has_it)? {
                    return Ok(Some("it is attached"));
                }
            }
        }
        Identity::Role(_) | Identity::Provider(_) | Identity::Key(_) => {}
    }
    Ok(None)
}

fn owns_buckets(state: &dyn Reader, canonical_id: &str) -> Result<bool, StoreError> {
    let from = keys::owned_bucket(canonical_id, "");
    Ok(!scan(state, &from, &end_of(&from), 1)?.is_empty())
}

/// Whether any identity of a kind in a tenant is so.
fn any(
    state: &dyn Reader,
    kind: IdentityKind,
    tenant: &str,
    is_so: impl Fn(&Identity) -> bool,
) -> Result<bool, StoreError> {
    let from = keys::identities(kind, tenant);
    let to = end_of(&from);
    let mut cursor = state.cursor(&to);
    cursor.seek(&from)?;
    while let Some((key, value)) = cursor.entry().filter(|(key, _)| *key < to.as_slice()) {
        let stored: StoredIdentity = decode(key, value)?;
        if is_so(&stored.identity) {
            return Ok(true);
        }
        cursor.advance()?;
    }
    Ok(false)
}

/// The identity of a name.
pub(crate) fn identity_named(
    view: &dyn Reader,
    name: &IdentityName,
) -> Result<Option<StoredIdentity>, StoreError> {
    get(view, &keys::identity(name))
}

/// The identity that has an alias.
pub(crate) fn identity_known_as(
    view: &dyn Reader,
    alias: &IdentityAlias,
) -> Result<Option<StoredIdentity>, StoreError> {
    match get::<IdentityName>(view, &keys::identity_alias(alias))? {
        Some(name) => identity_named(view, &name),
        None => Ok(None),
    }
}

/// An access key with its holder.
pub(crate) fn key_holder(view: &dyn Reader, key: &str) -> Result<Option<KeyHolder>, StoreError> {
    let alias = IdentityAlias::KeyId(key.to_owned());
    let Some(Identity::Key(key)) = identity_known_as(view, &alias)?.map(|it| it.identity) else {
        return Ok(None);
    };
    let identity = match &key.user {
        None => None,
        Some(user) => {
            let user = identity_known_as(view, &IdentityAlias::Id(user.clone()))?;
            Some(user.expect("a key's user outlives it").identity)
        }
    };
    let principal = with_powers(view, &key.tenant, identity)?;
    Ok(principal.map(|principal| KeyHolder { key, principal }))
}

/// A user, role or tenant with all that decides what they may do.
pub(crate) fn principal(
    view: &dyn Reader,
    name: &IdentityName,
) -> Result<Option<Principal>, StoreError> {
    match identity_named(view, name)?.map(|it| it.identity) {
        None => Ok(None),
        Some(Identity::Tenant(tenant)) => with_powers(view, &tenant.id, None),
        Some(identity) => with_powers(view, &name.tenant, Some(identity)),
    }
}

fn with_powers(
    view: &dyn Reader,
    tenant: &str,
    identity: Option<Identity>,
) -> Result<Option<Principal>, StoreError> {
    let tenant_name = IdentityName {
        kind: IdentityKind::Tenant,
        tenant: String::new(),
        name: tenant.to_owned(),
    };
    let found = identity_named(view, &tenant_name)?.map(|it| it.identity);
    let Some(Identity::Tenant(tenant)) = found else {
        return Ok(None);
    };
    let groups = match &identity {
        Some(Identity::User(user)) => groups_of(view, user)?,
        _ => Vec::new(),
    };
    let own = identity.as_ref().and_then(Identity::policies);
    let mut managed = Vec::new();
    for policies in own.into_iter().chain(groups.iter().map(|it| &it.policies)) {
        add_managed(view, &tenant.id, policies, &mut managed)?;
    }
    Ok(Some(Principal {
        tenant,
        identity,
        groups,
        managed,
    }))
}

fn groups_of(view: &dyn Reader, user: &User) -> Result<Vec<Group>, StoreError> {
    let mut groups = Vec::with_capacity(user.groups.len());
    for id in &user.groups {
        let found = identity_known_as(view, &IdentityAlias::Id(id.clone()))?;
        if let Some(Identity::Group(group)) = found.map(|it| it.identity) {
            groups.push(group);
        }
    }
    Ok(groups)
}

fn add_managed(
    view: &dyn Reader,
    tenant: &str,
    policies: &Policies,
    managed: &mut Vec<ManagedPolicy>,
) -> Result<(), StoreError> {
    for attachment in &policies.attached {
        let Attachment::Tenant(name) = attachment else {
            continue;
        };
        if managed.iter().any(|known| known.name == *name) {
            continue;
        }
        let name = IdentityName {
            kind: IdentityKind::Policy,
            tenant: tenant.to_owned(),
            name: name.clone(),
        };
        if let Some(Identity::Policy(policy)) = identity_named(view, &name)?.map(|it| it.identity) {
            managed.push(policy);
        }
    }
    Ok(())
}
