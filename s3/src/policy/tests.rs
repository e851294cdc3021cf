//! Whole policies: what is decided and what is public.

mod refused;

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

static BUCKET: LazyLock<BucketName> = LazyLock::new(|| BucketName::parse("bucket").unwrap());

const USER: Caller<'_> = Caller::User {
    account: Account::plain("a1"),
    canonical_id: "c1",
    arn: "arn:aws:iam::a1:user/ann",
};

fn of_bucket() -> PolicyKind<'static> {
    PolicyKind::Bucket {
        bucket: &BUCKET,
        account: Account::plain("a1"),
    }
}

/// A statement that everybody may read the bucket, with these fields put in (or, where null,
/// taken out).
fn statement(changes: Value) -> Value {
    let mut statement = json!({
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::bucket/*",
    });
    let Value::Object(changes) = changes else {
        panic!("{changes}")
    };
    for (name, value) in changes {
        let fields = statement.as_object_mut().unwrap();
        fields.remove(&name);
        if !value.is_null() {
            fields.insert(name, value);
        }
    }
    statement
}

fn document(statements: Value) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn parse(statements: Value, kind: PolicyKind<'_>) -> Result<Policy> {
    Policy::parse(document(statements).as_bytes(), kind)
}

fn bucket_policy(changes: Value) -> Policy {
    parse(statement(changes), of_bucket()).unwrap()
}

/// What a policy of the bucket says to Ann's reading an object.
fn decision_on(policy: &Policy, key: &str) -> Decision {
    decide(
        [policy],
        &request(USER, "s3:GetObject", &format!("arn:aws:s3:::bucket/{key}")),
    )
}

static CONTEXT: LazyLock<Context> = LazyLock::new(|| {
    [
        ("aws:username", "ann"),
        ("aws:SourceIp", "10.0.0.1"),
        ("s3:prefix", "p/"),
    ]
    .into_iter()
    .collect()
});

fn request<'a>(caller: Caller<'a>, action: &'a str, resource: &'a str) -> Request<'a> {
    Request {
        caller,
        action,
        resource,
        resource_account: Account::plain("a1"),
        context: &CONTEXT,
    }
}

#[test]
fn a_deny_outweighs_any_allow() {
    let allow = bucket_policy(json!({}));
    let deny = bucket_policy(json!({"Effect": "Deny", "Resource": "arn:aws:s3:::bucket/secret*"}));
    for order in [[&allow, &deny], [&deny, &allow]] {
        let ask = |resource| decide(order, &request(USER, "s3:GetObject", resource));
        assert_eq!(ask("arn:aws:s3:::bucket/secret/1"), Decision::Deny);
        assert_eq!(ask("arn:aws:s3:::bucket/open"), Decision::Allow);
        assert_eq!(ask("arn:aws:s3:::bucket"), Decision::Silent);
    }
    assert_eq!(
        decide([], &request(USER, "s3:GetObject", "*")),
        Decision::Silent
    );
}

#[test]
fn actions_match_in_any_case_and_can_be_turned_around() {
    let ask = |changes: Value, action: &str| {
        let policy = bucket_policy(changes);
        decide([&policy], &request(USER, action, "arn:aws:s3:::bucket/k"))
    };
    assert_eq!(
        ask(json!({"Action": "S3:getobject"}), "s3:GetObject"),
        Decision::Allow
    );
    assert_eq!(
        ask(json!({"Action": "s3:Get*"}), "s3:GetObjectAcl"),
        Decision::Allow
    );
    assert_eq!(
        ask(json!({"Action": ["s3:P?t*", "*"]}), "s3:GetObject"),
        Decision::Allow
    );
    assert_eq!(
        ask(json!({"Action": "s3:GetObject"}), "s3:GetObjectAcl"),
        Decision::Silent
    );
    let all_but = json!({"Action": null, "NotAction": ["s3:Delete*", "s3:Put*"]});
    assert_eq!(ask(all_but.clone(), "s3:GetObject"), Decision::Allow);
    assert_eq!(ask(all_but, "s3:DeleteObject"), Decision::Silent);
}

#[test]
fn resources_match_with_variables_and_can_be_turned_around() {
    let home = bucket_policy(json!({"Resource": "arn:aws:s3:::bucket/home/${aws:username}/*"}));
    assert_eq!(decision_on(&home, "home/ann/1"), Decision::Allow);
    assert_eq!(decision_on(&home, "home/bob/1"), Decision::Silent);
    let all_but = |effect: &str, variable: &str| {
        let resource = format!("arn:aws:s3:::bucket/home/${{{variable}}}/*");
        bucket_policy(json!({"Effect": effect, "Resource": null, "NotResource": resource}))
    };
    let deny = all_but("Deny", "aws:username");
    assert_eq!(decision_on(&deny, "home/ann/1"), Decision::Silent);
    assert_eq!(decision_on(&deny, "home/bob/1"), Decision::Deny);
    // A variable without a value opens nothing.
    assert_eq!(
        decision_on(&all_but("Deny", "aws:userid"), "home/ann/1"),
        Decision::Deny
    );
    assert_eq!(
        decision_on(&all_but("Allow", "aws:userid"), "home/ann/1"),
        Decision::Silent
    );
    // The old version has no variables.
    let old = json!({"Statement": statement(json!({"Resource": "arn:aws:s3:::bucket/${aws:x}"}))});
    let old = Policy::parse(old.to_string().as_bytes(), of_bucket()).unwrap();
    assert_eq!(decision_on(&old, "${aws:x}"), Decision::Allow);
}

#[test]
fn buckets_may_be_written_with_their_owner_or_as_one_of_many() {
    for resource in [
        "arn:aws:s3:::*",
        "arn:aws:s3:::*/*",
        "arn:aws:s3:::buck?t/*",
        "arn:aws:s3::*:bucket/*",
        "arn:aws:s3::a1:bucket/*",
    ] {
        let policy = bucket_policy(json!({ "Resource": resource }));
        assert_eq!(decision_on(&policy, "k"), Decision::Allow, "{resource}");
    }
    let own = json!({"Effect": "Allow", "Action": "iam:*", "Resource": "arn:aws:iam:::user/bob"});
    let own = parse(own, PolicyKind::Identity).unwrap();
    let mut ask = request(USER, "iam:PutUserPolicy", "arn:aws:iam::a1:user/bob");
    assert_eq!(decide([&own], &ask), Decision::Allow);
    ask.resource = "arn:aws:iam::a2:user/bob";
    ask.resource_account = Account::plain("a2");
    assert_eq!(decide([&own], &ask), Decision::Silent);
}

#[test]
fn all_conditions_must_hold() {
    let ask = |condition: Value| {
        decision_on(&bucket_policy(json!({ "Condition": condition })), "k") == Decision::Allow
    };
    assert!(ask(json!({})));
    assert!(ask(
        json!({"IpAddress": {"aws:SourceIp": ["11.0.0.0/8", "10.0.0.0/8"]}})
    ));
    assert!(ask(
        json!({"StringEquals": {"aws:username": "ann", "s3:Prefix": "p/"}})
    ));
    assert!(!ask(
        json!({"StringEquals": {"aws:username": "ann", "s3:prefix": "q/"}})
    ));
    assert!(!ask(json!({
        "StringEquals": {"aws:username": "ann"},
        "IpAddress": {"aws:SourceIp": "11.0.0.0/8"},
    })));
    assert!(!ask(json!({"NumericLessThan": {"s3:max-keys": 5}})));
    assert!(!ask(json!({"Null": {"s3:max-keys": false}})));
    assert!(ask(json!({"Null": {"s3:max-keys": true}})));
}

#[test]
fn principals_name_more_or_less_closely() {
    let session = Caller::Session {
        account: Account::plain("a1"),
        canonical_id: "c1",
        role_arn: "arn:aws:iam::a1:role/r",
        session_arn: "arn:aws:sts::a1:assumed-role/r/s",
    };
    let ask = |principals: Value, caller: Caller<'_>| {
        let policy = bucket_policy(json!({ "Principal": principals }));
        allowed_as(
            [&policy],
            &request(caller, "s3:GetObject", "arn:aws:s3:::bucket/k"),
        )
    };
    let all = json!({"AWS": [
        "*", "a1", "arn:aws:iam::a1:role/r", "arn:aws:sts::a1:assumed-role/r/s",
    ]});
    assert_eq!(ask(all.clone(), session), Some(Grantee::Session));
    assert_eq!(ask(all.clone(), USER), Some(Grantee::Account));
    assert_eq!(ask(all, Caller::Anonymous), Some(Grantee::Everyone));
    assert_eq!(ask(json!({"AWS": "a2"}), session), None);
    let trust = json!({
        "Effect": "Allow",
        "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
        "Principal": {"Federated": ["arn:aws:iam:::oidc-provider/x.org/realm"]},
        "Condition": {"StringEquals": {"x.org/realm:app_id": "app"}},
    });
    let trust = parse(trust, PolicyKind::RoleTrust).unwrap();
    let caller = Caller::Federated {
        provider: "arn:aws:iam:::oidc-provider/x.org/realm",
    };
    let context: Context = [("x.org/realm:app_id", "app")].into_iter().collect();
    let mut ask = request(
        caller,
        "sts:AssumeRoleWithWebIdentity",
        "arn:aws:iam::a1:role/r",
    );
    assert_eq!(decide([&trust], &ask), Decision::Silent);
    ask.context = &context;
    assert_eq!(decide([&trust], &ask), Decision::Allow);
}

#[test]
fn a_policy_is_public_unless_fixed_values_keep_the_public_out() {
    for (changes, wanted) in [
        (json!({}), true),
        (json!({"Principal": {"AWS": ["a1", "*"]}}), true),
        (json!({"Principal": {"AWS": "a1"}}), false),
        (
            json!({"Principal": {"AWS": "arn:aws:iam::s3tenant1:root"}}),
            false,
        ),
        (
            json!({"Principal": {"Service": "logging.s3.amazonaws.com"}}),
            false,
        ),
        (json!({"Effect": "Deny"}), false),
        (
            json!({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/32"}}}),
            false,
        ),
        (
            json!({"Condition": {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "0.0.0.0/0"]}}}),
            true,
        ),
        (
            json!({"Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}}),
            true,
        ),
        (
            json!({"Condition": {"IpAddress": {"aws:SourceIp": "2001::/16"}}}),
            true,
        ),
        (
            json!({"Condition": {"IpAddress": {"aws:SourceIp": "2001:db8::/32"}}}),
            false,
        ),
        (
            json!({"Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}),
            true,
        ),
        (
            json!({"Condition": {"IpAddressIfExists": {"aws:SourceIp": "10.0.0.0/8"}}}),
            true,
        ),
        (
            json!({"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}),
            false,
        ),
        (
            json!({"Condition": {"StringEquals": {"aws:PrincipalOrgID": ["o-1", "o-2"]}}}),
            false,
        ),
        (
            json!({"Condition": {"StringLike": {"aws:SourceVpc": "vpc-*"}}}),
            true,
        ),
        (
            json!({"Condition": {"StringEquals": {"aws:SourceVpc": "${aws:SourceVpc}"}}}),
            true,
        ),
        (
            json!({"Condition": {"ForAllValues:StringEquals": {"aws:SourceVpc": "vpc-1"}}}),
            true,
        ),
        (
            json!({"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::src"}}}),
            false,
        ),
        (
            json!({"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"}}}),
            true,
        ),
        (
            json!({"Condition": {"StringEquals": {"s3:prefix": "a"}}}),
            true,
        ),
        (
            json!({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}),
            true,
        ),
    ] {
        assert_eq!(
            bucket_policy(changes.clone()).is_public(),
            wanted,
            "{changes}"
        );
    }
    let restricted = statement(json!({"Principal": {"AWS": "a1"}}));
    let both = parse(json!([restricted, statement(json!({}))]), of_bucket()).unwrap();
    assert!(both.is_public());
}

const KINDS: [fn() -> PolicyKind<'static>; 4] = [
    of_bucket,
    || PolicyKind::Identity,
    || PolicyKind::Session,
    || PolicyKind::RoleTrust,
];

fn any_statement() -> impl Strategy<Value = Value> {
    let pick = |values: &'static [&'static str]| prop::sample::select(values);
    (
        pick(&["Allow", "Deny"]),
        pick(&["*", "a1", "a2", "arn:aws:iam::a1:user/ann"]),
        pick(&["Action", "NotAction"]),
        pick(&["*", "s3:GetObject", "s3:Put*"]),
        pick(&["Resource", "NotResource"]),
        pick(&["", "/*", "/k", "/${aws:username}", "/${aws:other}"]),
        pick(&["StringEquals", "StringNotLike", "StringEqualsIfExists"]),
        pick(&["ann", "*", "${aws:other}"]),
    )
        .prop_map(
            |(effect, principal, action, actions, resource, within, operator, value)| {
                let mut statement = json!({
                    "Effect": effect,
                    "Principal": {"AWS": principal},
                    "Condition": {operator: {"aws:username": value}},
                });
                statement[action] = json!(actions);
                statement[resource] = json!(format!("arn:aws:s3:::bucket{within}"));
                statement
            },
        )
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_kept(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for kind in KINDS {
            if let Ok(policy) = Policy::parse(&bytes, kind()) {
                prop_assert_eq!(policy.text().as_bytes(), bytes.as_slice());
            }
        }
    }

    /// Cuts and changes to a good document reach deeper than bytes at random.
    #[test]
    fn any_damage_is_refused_or_kept(
        statements in prop::collection::vec(any_statement(), 1..4),
        edits in prop::collection::vec((any::<prop::sample::Index>(), "[\"{}$*:,a\\[\\]]{0,2}"), 1..4),
    ) {
        let mut text = document(json!(statements));
        for (at, with) in edits {
            let at = at.index(text.len());
            text.replace_range(at..=at, &with);
        }
        for kind in KINDS {
            if let Ok(policy) = Policy::parse(text.as_bytes(), kind()) {
                prop_assert_eq!(policy.text(), &text);
            }
        }
    }

    /// Each statement has its say whatever stands around it.
    #[test]
    fn statements_are_weighed_one_by_one(
        statements in prop::collection::vec(any_statement(), 1..6),
        key in prop::sample::select(&["k", "ann", "other"][..]),
        action in prop::sample::select(&["s3:GetObject", "s3:PutObject"][..]),
    ) {
        let resource = format!("arn:aws:s3:::bucket/{key}");
        let request = request(USER, action, &resource);
        let single = |statement: &Value| {
            decide([&parse(statement.clone(), of_bucket()).unwrap()], &request)
        };
        let decisions: Vec<_> = statements.iter().map(single).collect();
        let wanted = if decisions.contains(&Decision::Deny) {
            Decision::Deny
        } else if decisions.contains(&Decision::Allow) {
            Decision::Allow
        } else {
            Decision::Silent
        };
        let whole = parse(json!(statements), of_bucket()).unwrap();
        let stored = Policy::parse(whole.text().as_bytes(), of_bucket()).unwrap();
        prop_assert_eq!(decide([&whole], &request), wanted);
        prop_assert_eq!(decide([&stored], &request), wanted);
        prop_assert_eq!(allowed_as([&whole], &request).is_some(), wanted == Decision::Allow);
    }
}
