use riquet_metadata::record::{InlinePolicy, Role, User};
use riquet_s3::policy::{Context, Decision};

use super::*;
use crate::access::Call;

const ALLOW: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:Get*","Resource":"*"}]}"#;
const DENY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;

fn tenant() -> Tenant {
    Tenant {
        id: "000000000001".to_owned(),
        name: "one".to_owned(),
        namespace: String::new(),
        display_name: "One".to_owned(),
        email: None,
        created_ms: 0,
    }
}

fn policies(texts: &[&str]) -> Policies {
    let inline = texts.iter().enumerate().map(|(at, text)| InlinePolicy {
        name: format!("p{at}"),
        text: (*text).to_owned(),
    });
    Policies {
        inline: inline.collect(),
        attached: Vec::new(),
    }
}

fn principal(identity: Option<Identity>) -> Principal {
    Principal {
        tenant: tenant(),
        identity,
        groups: Vec::new(),
        managed: Vec::new(),
    }
}

fn user(texts: &[&str], canonical_id: Option<&str>) -> Principal {
    principal(Some(Identity::User(User {
        tenant: tenant().id,
        name: "ada".to_owned(),
        id: "AIDA".to_owned(),
        path: "/".to_owned(),
        display_name: "Ada".to_owned(),
        email: None,
        canonical_id: canonical_id.map(str::to_owned),
        groups: Vec::new(),
        policies: policies(texts),
        tags: vec![tag("Team", "blue"), tag("site", "a")],
        created_ms: 0,
    })))
}

fn role(texts: &[&str]) -> Principal {
    principal(Some(Identity::Role(Role {
        tenant: tenant().id,
        name: "r".to_owned(),
        id: "AROA".to_owned(),
        path: "/p/".to_owned(),
        description: None,
        trust: String::new(),
        session_max_s: 3600,
        policies: policies(texts),
        tags: Vec::new(),
        created_ms: 0,
    })))
}

fn tag(key: &str, value: &str) -> Tag {
    Tag {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn session(principal: Principal, narrowed: &[&str]) -> Caller {
    let claims = Claims {
        key: String::new(),
        secret: String::new(),
        who: principal
            .identity
            .as_ref()
            .map_or_else(|| Identity::Tenant(tenant()).name(), Identity::name),
        kind: SessionKind::Same,
        session_name: "s".to_owned(),
        policies: Vec::new(),
        issued_ms: 0,
        expires_ms: 1,
        id: String::new(),
        tags: vec![("team".to_owned(), "red".to_owned())],
    };
    let narrowed = narrowed.iter().map(|text| read_or_deny(text)).collect();
    Caller::temporary(principal, &claims, narrowed)
}

#[test]
fn a_call_is_allowed_by_policies_or_to_the_tenant_itself() {
    use Decision::{Allow, Deny, Silent};
    for (caller, action, word, is_allowed) in [
        (
            Caller::lasting(principal(None)),
            "iam:CreateUser",
            Silent,
            true,
        ),
        (
            Caller::lasting(user(&[], None)),
            "iam:GetUser",
            Silent,
            false,
        ),
        // To own what one makes gives nobody a say about others.
        (
            Caller::lasting(user(&[], Some("c"))),
            "iam:GetUser",
            Silent,
            false,
        ),
        (
            Caller::lasting(user(&[ALLOW], None)),
            "iam:GetUser",
            Allow,
            true,
        ),
        (
            Caller::lasting(user(&[ALLOW], None)),
            "iam:CreateUser",
            Silent,
            false,
        ),
        (
            Caller::lasting(user(&[ALLOW, DENY], None)),
            "iam:GetUser",
            Deny,
            false,
        ),
        (session(role(&[ALLOW]), &[]), "iam:GetUser", Allow, true),
        (
            session(role(&[ALLOW]), &[ALLOW]),
            "iam:GetUser",
            Allow,
            true,
        ),
        (session(role(&[ALLOW]), &[DENY]), "iam:GetUser", Deny, false),
        (session(role(&[]), &[ALLOW]), "iam:GetUser", Silent, false),
        // Narrowed, even the tenant may do no more than that.
        (
            session(principal(None), &[ALLOW]),
            "iam:CreateUser",
            Deny,
            false,
        ),
        (Caller::anonymous(), "iam:GetUser", Silent, false),
    ] {
        let (tenant, context) = (tenant(), Context::new());
        let call = Call {
            caller: &caller,
            action,
            resource: "arn:aws:iam::000000000001:user/ada",
            tenant: &tenant,
            context: &context,
        };
        assert_eq!(call.own_word(), word, "{caller:?} {action}");
        assert_eq!(call.authorize().is_ok(), is_allowed, "{caller:?} {action}");
    }
}

#[test]
fn tags_of_a_session_outweigh_the_users() {
    let tags = session(user(&[], None), &[]).tags;
    let pairs: Vec<_> = tags
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(pairs, [("team", "red"), ("site", "a")]);
}

#[test]
fn managed_policies_of_the_store_are_found() {
    assert!(vendor_policy("arn:aws:iam::aws:policy/AmazonS3FullAccess").is_some());
    assert!(vendor_policy("arn:aws:iam::000000000001:policy/AmazonS3FullAccess").is_none());
}

#[test]
fn roles_of_the_default_tenant_are_of_no_account() {
    let of = |name: &str| {
        role_account(&Tenant {
            name: name.to_owned(),
            ..tenant()
        })
        .to_owned()
    };
    assert_eq!((of(""), of("one")), (String::new(), tenant().id));
}
