//! Who makes a request: somebody of a tenant, the tenant itself, or nobody known.
//!
//! [`Directory`] finds callers by their access keys and accounts by their ids; [`session`] seals and
//! opens the tokens of temporary credentials.

mod directory;
mod named;
mod session;

use riquet_metadata::record::{
    Attachment, Identity, IdentityKind, IdentityName, ManagedPolicy, Policies, Principal, Tag,
    Tenant,
};
use riquet_s3::acl;
use riquet_s3::iam::managed::MANAGED_POLICIES;
use riquet_s3::policy::{self, Account, Policy, PolicyKind};
use riquet_s3::response::Owner;

pub(crate) use directory::Directory;
pub(crate) use named::Named;
pub(crate) use session::{Claims, SessionKind, Tokens};

/// The canonical id under which AWS stores what nobody signed for.
const ANONYMOUS_ID: &str = "65a011a29cdf8ec533ec3d1ccaae921c";

/// Who makes a request, and the policies that are theirs.
#[derive(Debug)]
pub(crate) struct Caller {
    who: Who,
    /// Of the user, its groups, or the role.
    policies: Vec<Policy>,
    /// Tags of the user or role, and of the session.
    tags: Vec<(String, String)>,
    /// What a session was narrowed to when it began.
    session: Option<Session>,
}

/// A session: temporary credentials.
#[derive(Debug)]
pub(crate) struct Session {
    /// When it began, ms since 1970.
    pub(crate) issued_ms: u64,
    /// Only what these allow too; none: no narrowing.
    policies: Vec<Policy>,
}

#[derive(Debug)]
enum Who {
    Anonymous,
    /// The tenant itself, by its own keys.
    Tenant(Tenant),
    User {
        tenant: Tenant,
        name: String,
        id: String,
        arn: String,
        display_name: String,
        /// Its own, where it owns what it makes.
        canonical_id: Option<String>,
    },
    /// Somebody who became a role.
    Role {
        tenant: Tenant,
        id: String,
        session_name: String,
        role_arn: String,
        session_arn: String,
    },
}

impl Caller {
    /// Nobody known.
    pub(crate) const fn anonymous() -> Self {
        Self {
            who: Who::Anonymous,
            policies: Vec::new(),
            tags: Vec::new(),
            session: None,
        }
    }

    /// A tenant or a user with their lasting credentials.
    fn lasting(principal: Principal) -> Self {
        let policies = policies_of(&principal);
        Self {
            tags: tags_of(&principal, &[]),
            who: who(principal, None),
            policies,
            session: None,
        }
    }

    /// Somebody with temporary credentials, narrowed to `narrowed`.
    fn temporary(principal: Principal, claims: &Claims, narrowed: Vec<Policy>) -> Self {
        let policies = policies_of(&principal);
        Self {
            tags: tags_of(&principal, &claims.tags),
            who: who(principal, Some(&claims.session_name)),
            policies,
            session: Some(Session {
                issued_ms: claims.issued_ms,
                policies: narrowed,
            }),
        }
    }

    pub(crate) const fn is_anonymous(&self) -> bool {
        matches!(self.who, Who::Anonymous)
    }

    /// The tenant; none: nobody known.
    pub(crate) const fn tenant(&self) -> Option<&Tenant> {
        match &self.who {
            Who::Anonymous => None,
            Who::Tenant(tenant) | Who::User { tenant, .. } | Who::Role { tenant, .. } => {
                Some(tenant)
            }
        }
    }

    /// The name space in which it names buckets.
    pub(crate) fn namespace(&self) -> &str {
        self.tenant().map_or("", |tenant| &tenant.namespace)
    }

    /// The canonical id that owns what it makes.
    pub(crate) fn canonical_id(&self) -> &str {
        match &self.who {
            Who::Anonymous => ANONYMOUS_ID,
            Who::Tenant(tenant) | Who::Role { tenant, .. } => &tenant.id,
            Who::User {
                tenant,
                canonical_id,
                ..
            } => canonical_id.as_ref().unwrap_or(&tenant.id),
        }
    }

    /// The owner of what it makes.
    pub(crate) fn owner(&self) -> Owner {
        let display_name = match &self.who {
            Who::Anonymous => "anonymous",
            Who::User {
                canonical_id: Some(_),
                display_name,
                ..
            } => display_name,
            Who::Tenant(tenant) | Who::User { tenant, .. } | Who::Role { tenant, .. } => {
                &tenant.display_name
            }
        };
        Owner {
            id: self.canonical_id().to_owned(),
            display_name: display_name.to_owned(),
        }
    }

    /// Whether it may do everything with what its canonical id owns, policies apart: a tenant's
    /// other users and roles may do only what policies allow.
    pub(crate) const fn is_master(&self) -> bool {
        match &self.who {
            Who::Tenant(_) => true,
            Who::User { canonical_id, .. } => canonical_id.is_some(),
            Who::Anonymous | Who::Role { .. } => false,
        }
    }

    /// Whether it is the tenant itself.
    pub(crate) const fn is_tenant(&self) -> bool {
        matches!(self.who, Who::Tenant(_))
    }

    /// Its ARN; none: nobody known.
    pub(crate) fn arn(&self) -> Option<String> {
        Some(match &self.who {
            Who::Anonymous => return None,
            Who::Tenant(tenant) => format!("arn:aws:iam::{}:root", tenant.id),
            Who::User { arn, .. } => arn.clone(),
            Who::Role { session_arn, .. } => session_arn.clone(),
        })
    }

    /// The ARN that policies know it by: a session's is its role's.
    fn principal_arn(&self) -> Option<String> {
        match &self.who {
            Who::Role { role_arn, .. } => Some(role_arn.clone()),
            _ => self.arn(),
        }
    }

    /// What `aws:userid` is.
    pub(crate) fn user_id(&self) -> String {
        match &self.who {
            Who::Anonymous => "anonymous".to_owned(),
            Who::Tenant(tenant) => tenant.id.clone(),
            Who::User { id, .. } => id.clone(),
            Who::Role {
                id, session_name, ..
            } => format!("{id}:{session_name}"),
        }
    }

    /// The user's name, of a user.
    pub(crate) fn user_name(&self) -> Option<&str> {
        match &self.who {
            Who::User { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Whether it is somebody who became a role.
    pub(crate) const fn is_role(&self) -> bool {
        matches!(self.who, Who::Role { .. })
    }

    /// What names the tenant or user in the metadata; none: nobody known, or a role.
    pub(crate) fn identity_name(&self) -> Option<IdentityName> {
        let (kind, tenant, name) = match &self.who {
            Who::Anonymous | Who::Role { .. } => return None,
            Who::Tenant(tenant) => (IdentityKind::Tenant, "", &tenant.id),
            Who::User { tenant, name, .. } => (IdentityKind::User, tenant.id.as_str(), name),
        };
        Some(IdentityName {
            kind,
            tenant: tenant.to_owned(),
            name: name.clone(),
        })
    }

    /// Its own policies.
    pub(crate) fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// The session, with temporary credentials.
    pub(crate) const fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// As policies see it.
    pub(crate) fn to_policies(&self) -> policy::Caller<'_> {
        let Some(tenant) = self.tenant() else {
            return policy::Caller::Anonymous;
        };
        let account = account_of(tenant);
        let canonical_id = self.canonical_id();
        match &self.who {
            Who::Anonymous => policy::Caller::Anonymous,
            Who::Tenant(_) => policy::Caller::Root {
                account,
                canonical_id,
            },
            Who::User { arn, .. } => policy::Caller::User {
                account,
                canonical_id,
                arn,
            },
            Who::Role {
                role_arn,
                session_arn,
                ..
            } => policy::Caller::Session {
                account,
                canonical_id,
                role_arn,
                session_arn,
            },
        }
    }

    /// As access control lists see it.
    pub(crate) fn to_acls(&self) -> acl::Caller<'_> {
        match self.is_anonymous() {
            true => acl::Caller::Anonymous,
            false => acl::Caller::Account(self.canonical_id()),
        }
    }

    /// Adds what conditions may ask about the caller.
    pub(crate) fn describe(&self, context: &mut policy::Context) {
        let kind = match &self.who {
            Who::Anonymous => "Anonymous",
            Who::Tenant(_) => "Account",
            Who::User { .. } => "User",
            Who::Role { .. } => "AssumedRole",
        };
        context.add("aws:PrincipalType", kind);
        context.add("aws:userid", self.user_id());
        let (Some(tenant), Some(arn)) = (self.tenant(), self.principal_arn()) else {
            return;
        };
        context.add("aws:PrincipalAccount", tenant.id.as_str());
        context.add("aws:PrincipalArn", arn);
        if let Some(name) = self.user_name() {
            context.add("aws:username", name);
        }
        for (key, value) in &self.tags {
            context.add(&format!("aws:PrincipalTag/{key}"), value.as_str());
        }
        let is_temporary = self.session.is_some();
        context.add("sts:authentication", is_temporary.to_string());
        if let Some(session) = &self.session {
            context.add("aws:TokenIssueTime", time_text(session.issued_ms));
        }
    }
}

impl Session {
    /// What it is narrowed to; empty: nothing is taken away.
    pub(crate) fn policies(&self) -> &[Policy] {
        &self.policies
    }
}

/// A tenant as policies name it.
pub(crate) fn account_of(tenant: &Tenant) -> Account<'_> {
    Account {
        id: &tenant.id,
        name: &tenant.name,
    }
}

/// The account in the ARNs of a tenant's roles. The default tenant's is empty, as with the users of
/// Ceph that are of no account; policies may write it either way.
pub(crate) fn role_account(tenant: &Tenant) -> &str {
    match tenant.name.is_empty() {
        true => "",
        false => &tenant.id,
    }
}

/// The id of the tenant, user or role.
pub(crate) fn id_of(principal: &Principal) -> &str {
    match &principal.identity {
        Some(Identity::User(user)) => &user.id,
        Some(Identity::Role(role)) => &role.id,
        _ => &principal.tenant.id,
    }
}

/// The tags of a user or role, where the session has no other of the same key.
fn tags_of(principal: &Principal, of_session: &[(String, String)]) -> Vec<(String, String)> {
    let own = match &principal.identity {
        Some(Identity::User(user)) => user.tags.as_slice(),
        Some(Identity::Role(role)) => role.tags.as_slice(),
        _ => &[],
    };
    let is_new = |tag: &&Tag| {
        !of_session
            .iter()
            .any(|(key, _)| key.eq_ignore_ascii_case(&tag.key))
    };
    let own = own.iter().filter(is_new);
    let own = own.map(|tag| (tag.key.clone(), tag.value.clone()));
    of_session.iter().cloned().chain(own).collect()
}

fn time_text(ms: u64) -> String {
    crate::convert::moment(ms).to_string()
}

fn who(principal: Principal, session_name: Option<&str>) -> Who {
    let Principal {
        tenant, identity, ..
    } = principal;
    match identity {
        Some(Identity::User(user)) => Who::User {
            arn: format!("arn:aws:iam::{}:user{}{}", tenant.id, user.path, user.name),
            tenant,
            name: user.name,
            id: user.id,
            display_name: user.display_name,
            canonical_id: user.canonical_id,
        },
        Some(Identity::Role(role)) => {
            let session_name = session_name.unwrap_or_default().to_owned();
            let (id, name) = (role_account(&tenant), &role.name);
            Who::Role {
                role_arn: format!("arn:aws:iam::{id}:role{}{name}", role.path),
                session_arn: format!("arn:aws:sts::{id}:assumed-role/{name}/{session_name}"),
                id: role.id,
                session_name,
                tenant,
            }
        }
        _ => Who::Tenant(tenant),
    }
}

/// All policies of a principal, parsed. They were parsed when they were put; one that doesn't parse
/// now was written by another release, and must not be taken for one that allows or denies nothing:
/// a policy that denies everything takes its place.
fn policies_of(principal: &Principal) -> Vec<Policy> {
    let own = principal.identity.as_ref().and_then(Identity::policies);
    let of_groups = principal.groups.iter().map(|group| &group.policies);
    let all = own.into_iter().chain(of_groups);
    all.flat_map(|policies| texts(policies, &principal.managed))
        .map(|text| read_or_deny(&text))
        .collect()
}

fn texts(policies: &Policies, managed: &[ManagedPolicy]) -> Vec<String> {
    let inline = policies.inline.iter().map(|policy| policy.text.clone());
    let attached = policies.attached.iter().filter_map(|attachment| {
        Some(match attachment {
            Attachment::Tenant(name) => {
                let policy = managed.iter().find(|policy| policy.name == *name)?;
                policy.text()?.to_owned()
            }
            Attachment::Vendor(arn) => vendor_policy(arn)?.to_owned(),
        })
    });
    inline.chain(attached).collect()
}

fn read_or_deny(text: &str) -> Policy {
    const DENY: &str =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
    Policy::parse(text.as_bytes(), PolicyKind::Identity).unwrap_or_else(|error| {
        tracing::error!(%error, "a stored policy doesn't read back: everything is denied");
        Policy::parse(DENY.as_bytes(), PolicyKind::Identity).expect("it is a policy")
    })
}

/// The text of a policy that every gateway knows.
fn vendor_policy(arn: &str) -> Option<&'static str> {
    let mut known = MANAGED_POLICIES.iter();
    let found = known.find(|policy| policy.arn().to_string() == arn);
    if found.is_none() {
        tracing::error!(arn, "an attached policy is unknown");
    }
    found.map(|policy| policy.document)
}

#[cfg(test)]
mod tests;
