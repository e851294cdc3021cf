//! Those who may use a development cluster from the beginning, so that everything about access can be
//! tried at once: two users of the default tenant, its own keys, another tenant that shares its
//! namespace of buckets, and a user of a tenant with a namespace of its own.

use riquet_cluster::keyring::KeyRing;
use riquet_metadata::record::{AccessKey, Identity, KeyState, Policies, Tenant, User};
use sha2::{Digest, Sha256};

use super::credentials::{Credentials, Keychain};
use super::topology::Topology;

/// Names of those whose keys `DIR/env` holds, and what its variables for them begin with.
pub(crate) struct Person<'a> {
    /// What the variables begin with.
    pub(crate) prefix: &'static str,
    /// The canonical id that owns what they make.
    pub(crate) user_id: String,
    /// The name shown as owner.
    pub(crate) display_name: &'static str,
    /// Their address.
    pub(crate) email: String,
    /// Their key.
    pub(crate) credentials: &'a Credentials,
}

/// The namespace of the tenant that has its own.
pub(crate) const TENANT_NAME: &str = "testx";

/// Names of the users.
const MAIN: &str = "main";
const ALT: &str = "alt";
const TENANT_USER: &str = "tenant";

/// Who there is.
pub(crate) fn people<'a>(topology: &Topology, keys: &'a Keychain) -> Vec<Person<'a>> {
    let person = |prefix, user_id: &str, display_name, name: &str, credentials| Person {
        prefix,
        user_id: user_id.to_owned(),
        display_name,
        email: format!("{name}@example.org"),
        credentials,
    };
    let ids = tenant_ids(topology);
    let tenant_user = format!("{TENANT_NAME}${TENANT_USER}");
    vec![
        person("RIQUET", MAIN, "Main", MAIN, &keys.main),
        person("RIQUET_ALT", ALT, "Alternative", ALT, &keys.alt),
        person(
            "RIQUET_TENANT",
            &tenant_user,
            "Tenant",
            TENANT_USER,
            &keys.tenant,
        ),
        person("RIQUET_IAM", &ids[0], "Default tenant", "iam", &keys.iam),
        person(
            "RIQUET_IAM_ALT",
            &ids[1],
            "Second tenant",
            "iam-alt",
            &keys.iam_alt,
        ),
    ]
}

/// The same as the metadata keep them, each after what it needs.
pub(crate) fn identities(topology: &Topology, keys: &Keychain, ring: &KeyRing) -> Vec<Identity> {
    let created_ms = topology.created_ms;
    let ids = tenant_ids(topology);
    let [main, alt, tenant_user, iam, iam_alt] =
        <[Person<'_>; 5]>::try_from(people(topology, keys))
            .unwrap_or_else(|_| unreachable!("five"));
    let tenant =
        |id: &str, name: &str, namespace: &str, display_name: &str, email: Option<&str>| {
            Identity::Tenant(Tenant {
                id: id.to_owned(),
                name: name.to_owned(),
                namespace: namespace.to_owned(),
                display_name: display_name.to_owned(),
                email: email.map(str::to_owned),
                created_ms,
            })
        };
    // The first is the one who inherits what a rebuild of the metadata finds.
    let user = |tenant: &str, name: &str, person: &Person<'_>, after_ms: u64| {
        Identity::User(User {
            tenant: tenant.to_owned(),
            name: name.to_owned(),
            id: user_id(&person.user_id),
            path: "/".to_owned(),
            display_name: person.display_name.to_owned(),
            email: Some(person.email.clone()),
            canonical_id: Some(person.user_id.clone()),
            groups: Vec::new(),
            policies: Policies::default(),
            tags: Vec::new(),
            created_ms: created_ms + after_ms,
        })
    };
    let key = |tenant: &str, user: Option<&Person<'_>>, credentials: &Credentials| {
        let id = &credentials.access_key_id;
        let secret = credentials.secret_access_key.as_bytes();
        Identity::Key(AccessKey {
            id: id.clone(),
            tenant: tenant.to_owned(),
            user: user.map(|person| user_id(&person.user_id)),
            secret: ring.seal(&AccessKey::seal_context(id), secret),
            state: KeyState::Active,
            created_ms,
            expires_ms: None,
        })
    };
    let [first, second, third] = ids.each_ref().map(String::as_str);
    vec![
        tenant(first, "", "", iam.display_name, Some(&iam.email)),
        tenant(
            second,
            "second",
            "",
            iam_alt.display_name,
            Some(&iam_alt.email),
        ),
        tenant(third, TENANT_NAME, TENANT_NAME, TENANT_NAME, None),
        user(first, MAIN, &main, 0),
        user(first, ALT, &alt, 1),
        user(third, TENANT_USER, &tenant_user, 2),
        key(first, Some(&main), main.credentials),
        key(first, Some(&alt), alt.credentials),
        key(third, Some(&tenant_user), tenant_user.credentials),
        key(first, None, iam.credentials),
        key(second, None, iam_alt.credentials),
    ]
}

/// The ids of the three tenants, the same at every start.
fn tenant_ids(topology: &Topology) -> [String; 3] {
    [1, 2, 3].map(|number: u8| {
        let digest = Sha256::digest([&topology.cluster.to_bytes()[..], &[number]].concat());
        let (bytes, _) = digest.split_first_chunk::<8>().expect("32 bytes");
        format!("{:012}", u64::from_be_bytes(*bytes) % 1_000_000_000_000)
    })
}

/// A user's id, the same at every start.
fn user_id(canonical_id: &str) -> String {
    let digest = hex::encode_upper(Sha256::digest(canonical_id));
    format!("AIDA{}", &digest[..16])
}
