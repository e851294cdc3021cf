//! Identities: what may name what, and that aliases lead to nothing else.

use riquet_cluster::keyring::Sealed;

use super::*;
use crate::record::{
    AccessKey, Attachment, Group, Identity, IdentityAlias, IdentityKind, IdentityName, KeyState,
    ManagedPolicy, Policies, PolicyVersion, Principal, Role, StoredIdentity, User,
};

const TENANT: &str = "id-t";

fn machine() -> Machine {
    let mut machine = Machine::system();
    let bootstrap = SystemCommand::Bootstrap {
        cluster: crate::id::ClusterId::from_u128(1),
        layout: Box::new(layout(1)),
        identities: vec![tenant("t")],
        key_groups: 2,
    };
    assert_eq!(machine.run_system(bootstrap), SystemOutcome::Bootstrapped);
    machine
}

fn user(name: &str) -> User {
    User {
        tenant: TENANT.to_owned(),
        name: name.to_owned(),
        id: format!("AIDA{name}"),
        path: "/".to_owned(),
        display_name: name.to_owned(),
        email: Some(format!("{name}@example.org")),
        canonical_id: Some(format!("c-{name}")),
        groups: Vec::new(),
        policies: Policies::default(),
        tags: Vec::new(),
        created_ms: 1,
    }
}

fn group(name: &str) -> Group {
    Group {
        tenant: TENANT.to_owned(),
        name: name.to_owned(),
        id: format!("AGPA{name}"),
        path: "/".to_owned(),
        policies: Policies::default(),
        created_ms: 1,
    }
}

fn role(name: &str) -> Role {
    Role {
        tenant: TENANT.to_owned(),
        name: name.to_owned(),
        id: format!("AROA{name}"),
        path: "/".to_owned(),
        description: None,
        trust: "{}".to_owned(),
        session_max_s: 3600,
        policies: Policies::default(),
        tags: Vec::new(),
        created_ms: 1,
    }
}

fn policy(name: &str) -> ManagedPolicy {
    ManagedPolicy {
        tenant: TENANT.to_owned(),
        name: name.to_owned(),
        id: format!("ANPA{name}"),
        path: "/".to_owned(),
        description: None,
        versions: vec![PolicyVersion {
            number: 1,
            text: "{}".to_owned(),
            created_ms: 1,
        }],
        default: 1,
        tags: Vec::new(),
        created_ms: 1,
    }
}

fn key(id: &str, user: Option<&User>) -> AccessKey {
    AccessKey {
        id: id.to_owned(),
        tenant: TENANT.to_owned(),
        user: user.map(|user| user.id.clone()),
        secret: Sealed {
            key: "k".to_owned(),
            nonce: [0; 12],
            text: vec![1],
        },
        state: KeyState::Active,
        created_ms: 1,
        expires_ms: None,
    }
}

impl Machine {
    fn change(&mut self, change: IdentityChange) -> IdentityOutcome {
        match self.run_system(SystemCommand::ChangeIdentity(change)) {
            SystemOutcome::Identity(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn create(&mut self, identity: Identity) -> IdentityOutcome {
        self.change(IdentityChange::Create(Box::new(identity)))
    }

    fn remove(&mut self, identity: &Identity) -> IdentityOutcome {
        let name = identity.name();
        self.change(IdentityChange::Remove { name })
    }

    fn stored(&self, name: IdentityName) -> Option<StoredIdentity> {
        identity_named(&self.store.snapshot(), &name).unwrap()
    }

    fn known_as(&self, alias: IdentityAlias) -> Option<Identity> {
        let found = identity_known_as(&self.store.snapshot(), &alias).unwrap();
        found.map(|found| found.identity)
    }

    /// Puts an identity in the place of itself as it is now stored.
    fn replace(&mut self, old: &Identity, new: Identity) -> IdentityOutcome {
        let name = old.name();
        let revision = self
            .stored(name.clone())
            .map_or(0, |stored| stored.revision);
        self.change(IdentityChange::Replace {
            name,
            revision,
            identity: Box::new(new),
        })
    }
}

#[test]
fn names_are_taken_whatever_their_case() {
    let mut machine = machine();
    let ada = Identity::User(user("Ada"));
    assert_eq!(machine.create(ada.clone()), IdentityOutcome::Done);
    let mut other = user("aDA");
    (other.id, other.email, other.canonical_id) = ("AIDA2".to_owned(), None, None);
    let other = Identity::User(other);
    assert_eq!(machine.create(other.clone()), IdentityOutcome::Exists);
    assert_eq!(machine.stored(other.name()).unwrap().identity, ada);
    // A group, role or policy of the name is something else.
    for identity in [
        Identity::Group(group("Ada")),
        Identity::Role(role("Ada")),
        Identity::Policy(policy("Ada")),
    ] {
        assert_eq!(machine.create(identity), IdentityOutcome::Done);
    }
}

#[test]
fn ids_and_addresses_are_taken_too() {
    let mut machine = machine();
    machine.create(Identity::User(user("ada")));
    for take in [
        |user: &mut User| user.id = "AIDAada".to_owned(),
        |user: &mut User| user.email = Some("ADA@example.org".to_owned()),
        |user: &mut User| user.canonical_id = Some("c-ada".to_owned()),
        |user: &mut User| user.canonical_id = Some(TENANT.to_owned()),
    ] {
        let mut eve = user("eve");
        take(&mut eve);
        assert_eq!(machine.create(Identity::User(eve)), IdentityOutcome::Exists);
    }
    assert_eq!(
        machine.create(Identity::User(user("eve"))),
        IdentityOutcome::Done
    );
}

#[test]
fn a_user_that_is_renamed_keeps_its_keys_and_loses_its_old_name() {
    let mut machine = machine();
    let ada = user("ada");
    machine.create(Identity::User(ada.clone()));
    machine.create(Identity::Key(key("AKIA", Some(&ada))));
    let mut grace = ada.clone();
    grace.name = "grace".to_owned();
    grace.email = None;
    let before = Identity::User(ada);
    let after = Identity::User(grace);
    assert_eq!(
        machine.replace(&before, after.clone()),
        IdentityOutcome::Done
    );
    assert_eq!(machine.stored(before.name()), None);
    let email = IdentityAlias::Email("ada@example.org".to_owned());
    assert_eq!(machine.known_as(email), None);
    let canonical = IdentityAlias::CanonicalId("c-ada".to_owned());
    assert_eq!(machine.known_as(canonical), Some(after.clone()));
    let holder = key_holder(&machine.store.snapshot(), "AKIA")
        .unwrap()
        .unwrap();
    assert_eq!(holder.principal.identity, Some(after.clone()));

    // Over another's name it can't go.
    machine.create(Identity::User(user("eve")));
    let mut onto = user("EVE");
    (onto.id, onto.email, onto.canonical_id) = ("AIDAada".to_owned(), None, None);
    let refused = machine.replace(&after, Identity::User(onto));
    assert_eq!(refused, IdentityOutcome::Exists);
    assert!(machine.stored(after.name()).is_some());
}

#[test]
fn of_two_who_read_the_same_one_changes_it() {
    let mut machine = machine();
    let ada = Identity::User(user("ada"));
    machine.create(ada.clone());
    let revision = machine.stored(ada.name()).unwrap().revision;
    let change = |path: &str| {
        let mut user = user("ada");
        user.path = path.to_owned();
        IdentityChange::Replace {
            name: ada.name(),
            revision,
            identity: Box::new(Identity::User(user)),
        }
    };
    assert_eq!(machine.change(change("/a/")), IdentityOutcome::Done);
    assert_eq!(machine.change(change("/b/")), IdentityOutcome::Stale);
}

#[test]
fn nothing_is_named_that_is_not_there() {
    let mut machine = machine();
    let missing = |outcome: IdentityOutcome, kind| match outcome {
        IdentityOutcome::Missing(name) => assert_eq!(name.kind, kind),
        other => panic!("{other:?}"),
    };
    let mut stranger = user("eve");
    stranger.tenant = "nobody".to_owned();
    let made = machine.create(Identity::User(stranger));
    missing(made, IdentityKind::Tenant);
    let made = machine.create(Identity::Key(key("AKIA", Some(&user("ada")))));
    missing(made, IdentityKind::User);
    let mut ada = user("ada");
    ada.groups.push("AGPAg".to_owned());
    let made = machine.create(Identity::User(ada.clone()));
    missing(made, IdentityKind::Group);
    machine.create(Identity::Group(group("g")));
    ada.policies
        .attached
        .push(Attachment::Tenant("p".to_owned()));
    let made = machine.create(Identity::User(ada.clone()));
    missing(made, IdentityKind::Policy);
    machine.create(Identity::Policy(policy("p")));
    assert_eq!(machine.create(Identity::User(ada)), IdentityOutcome::Done);
}

#[test]
fn what_is_needed_stays() {
    let mut machine = machine();
    let mut ada = user("ada");
    ada.groups.push("AGPAg".to_owned());
    let attached = Policies {
        attached: vec![Attachment::Tenant("P".to_owned())],
        ..Policies::default()
    };
    let (g, p, k) = (
        Identity::Group(group("g")),
        Identity::Policy(policy("p")),
        Identity::Key(key("AKIA", Some(&ada))),
    );
    let mut admin = role("r");
    admin.policies = attached;
    machine.create(g.clone());
    machine.create(p.clone());
    machine.create(Identity::User(ada.clone()));
    machine.create(k.clone());
    machine.create(Identity::Role(admin.clone()));
    let created = SystemCommand::CreateBucket(NewBucket::named("b-1", "c-ada", "r"));
    machine.run_system(created);

    let in_use = |outcome: IdentityOutcome| matches!(outcome, IdentityOutcome::InUse(_));
    let (user_, role_) = (Identity::User(ada.clone()), Identity::Role(admin.clone()));
    for needed in [&tenant("t"), &user_, &g, &p, &role_] {
        assert!(in_use(machine.remove(needed)), "{needed:?}");
        assert!(machine.stored(needed.name()).is_some());
    }
    assert_eq!(machine.remove(&k), IdentityOutcome::Done);
    assert_eq!(key_holder(&machine.store.snapshot(), "AKIA").unwrap(), None);
    admin.policies = Policies::default();
    machine.replace(&role_, Identity::Role(admin));
    assert_eq!(machine.remove(&role_), IdentityOutcome::Done);
    assert_eq!(machine.remove(&p), IdentityOutcome::Done);
    ada.groups.clear();
    let freed = Identity::User(ada);
    machine.replace(&user_, freed.clone());
    assert_eq!(machine.remove(&g), IdentityOutcome::Done);
    assert!(in_use(machine.remove(&freed)), "it owns a bucket");
}

#[test]
fn a_key_leads_to_all_that_decides() {
    let mut machine = machine();
    let mut team = group("team");
    team.policies
        .attached
        .push(Attachment::Tenant("p".to_owned()));
    let mut ada = user("ada");
    ada.groups.push(team.id.clone());
    ada.policies
        .attached
        .push(Attachment::Tenant("p".to_owned()));
    machine.create(Identity::Policy(policy("p")));
    machine.create(Identity::Group(team.clone()));
    machine.create(Identity::User(ada.clone()));
    machine.create(Identity::Key(key("AKIA", Some(&ada))));
    machine.create(Identity::Key(key("ROOT", None)));
    let Identity::Tenant(tenant) = tenant("t") else {
        unreachable!("a tenant");
    };
    let holder = key_holder(&machine.store.snapshot(), "AKIA")
        .unwrap()
        .unwrap();
    assert_eq!(holder.key, key("AKIA", Some(&ada)));
    let expected = Principal {
        tenant: tenant.clone(),
        identity: Some(Identity::User(ada.clone())),
        groups: vec![team],
        managed: vec![policy("p")],
    };
    assert_eq!(holder.principal, expected);
    let name = Identity::User(ada).name();
    assert_eq!(
        principal(&machine.store.snapshot(), &name).unwrap(),
        Some(expected)
    );
    let root = key_holder(&machine.store.snapshot(), "ROOT")
        .unwrap()
        .unwrap();
    assert_eq!(
        (root.principal.tenant, root.principal.identity),
        (tenant, None)
    );
}
