//! Documents that are refused, and what is said of them.

use serde_json::json;

use super::{document, of_bucket, parse, statement};
use crate::error::ErrorCode;
use crate::policy::flaw::Flaw;
use crate::policy::{BUCKET_POLICY_BYTES_MAX, Policy, PolicyKind, SESSION_POLICY_CHARS_MAX};

#[test]
fn a_bucket_policy_is_refused_with_the_message_of_its_flaw() {
    let principal = "Invalid principal in policy";
    let resource = "Policy has invalid resource";
    for (changes, wanted) in [
        (json!({"Effect": null}), "Missing required field Effect"),
        (
            json!({"Principal": null}),
            "Missing required field Principal",
        ),
        (json!({"Action": null}), "Missing required field Action"),
        (json!({"Action": []}), "Missing required field Action"),
        (json!({"Resource": null}), "Missing required field Resource"),
        (json!({"Principal": "ann"}), principal),
        (json!({"Principal": {"AWS": []}}), principal),
        (json!({"Principal": {"Group": "*"}}), principal),
        (
            json!({"Principal": null, "NotPrincipal": {"AWS": "a1"}}),
            "Allow with NotPrincipal is not allowed.",
        ),
        (
            json!({"NotAction": "s3:*"}),
            "Action and NotAction can't be used in the same statement",
        ),
        (
            json!({"Action": "iam:GetUser"}),
            "Policy has invalid action",
        ),
        (json!({"Action": "s3:"}), "Policy has invalid action"),
        (
            json!({"Action": "GetObject"}),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (json!({"Resource": "*"}), resource),
        (json!({"Resource": "bucket/*"}), resource),
        (json!({"Resource": "arn:aws:s3:::other"}), resource),
        (json!({"Resource": "arn:aws:s3:::bucket2/*"}), resource),
        (json!({"Resource": "arn:aws:s3::a2:bucket/*"}), resource),
        (
            json!({"Resource": "arn:aws:s3:::${aws:username}/*"}),
            resource,
        ),
        (json!({"Resource": "arn:aws:sqs:::bucket/*"}), resource),
        (
            json!({"Resource": "arn:aws:s3:::bucket/${name}"}),
            "Invalid policy variable in arn:aws:s3:::bucket/${name}",
        ),
        (
            json!({"Condition": {"StringEqual": {"s3:prefix": "a"}}}),
            "Invalid Condition type : StringEqual",
        ),
        (
            json!({"Condition": {"StringEquals": {"s3:prefixes": "a"}}}),
            "Policy has an invalid condition key - s3:prefixes",
        ),
    ] {
        let error = parse(statement(changes), of_bucket()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::MalformedPolicy);
        assert_eq!(error.text(), wanted);
    }
}

#[test]
fn documents_of_another_shape_are_refused() {
    let good = document(statement(json!({})));
    assert!(Policy::parse(good.as_bytes(), of_bucket()).is_ok());
    let with = |from: &str, to: &str| {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        bad
    };
    for (bad, wanted) in [
        (String::new(), "Policies must be valid JSON"),
        (format!(" {good}"), "Policies must be valid JSON"),
        (format!("{good}}}"), "Policies must be valid JSON"),
        (good[1..].to_owned(), "Policies must be valid JSON"),
        ("[".repeat(10_000), "Policies must be valid JSON"),
        (
            with("2012", "2010"),
            "The policy must contain a valid version string",
        ),
        (
            with("\"2012-10-17\"", "null"),
            "Invalid policy syntax: invalid type: null",
        ),
        (
            with("{", "{\"Extra\":1,"),
            "Invalid policy syntax: unknown field `Extra`",
        ),
        (
            with("\"Allow\"", "\"allow\""),
            "Invalid policy syntax: unknown variant `allow`",
        ),
        (
            with("\"Allow\"", "\"Allow\",\"Effect\":\"Deny\""),
            "Invalid policy syntax",
        ),
        (
            with("\"*\"", "{\"AWS\":\"a1\",\"AWS\":\"a2\"}"),
            "Invalid policy syntax",
        ),
        (
            with("\"s3:GetObject\"", "[[\"s3:GetObject\"]]"),
            "Invalid policy syntax",
        ),
        (
            with(
                "\"Effect\"",
                "\"Condition\":{\"Bool\":{},\"Bool\":{}},\"Effect\"",
            ),
            "Invalid policy syntax",
        ),
        (
            with(
                "\"Effect\"",
                "\"Condition\":{\"Bool\":{\"a:b\":{}}},\"Effect\"",
            ),
            "Invalid policy syntax",
        ),
        (
            "{\"Version\":\"2012-10-17\"}".to_owned(),
            "Missing required field Statement",
        ),
        (document(json!([])), "Missing required field Statement"),
        (
            with("}", &(" ".repeat(BUCKET_POLICY_BYTES_MAX) + "}")),
            "Policy exceeds the maximum allowed document size.",
        ),
    ] {
        let error = Policy::parse(bad.as_bytes(), of_bucket()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::MalformedPolicy, "{bad}");
        assert!(error.text().starts_with(wanted), "{bad}: {}", error.text());
    }
}

#[test]
fn policies_of_identities_and_trust_policies_have_their_own_rules() {
    let plain = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    let trust = json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "a1"}});
    let twice = json!([
        {"Sid": "a", "Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Sid": "a", "Effect": "Allow", "Action": "*", "Resource": "*"},
    ]);
    let sid = json!({"Sid": "a b", "Effect": "Allow", "Action": "*", "Resource": "*"});
    let with_principal = statement(json!({}));
    let iam = json!({"Effect": "Allow", "Action": "iam:*", "Principal": "*"});
    let bare = json!({"Effect": "Allow", "Action": "*", "Resource": "bucket"});
    let s3_trust = statement(json!({"Action": "sts:AssumeRole"}));
    for kind in [PolicyKind::Identity, PolicyKind::Session] {
        assert!(parse(plain.clone(), kind).is_ok());
        for bad in [&trust, &twice, &sid, &with_principal, &bare] {
            let error = parse(bad.clone(), kind).unwrap_err();
            assert_eq!(error.code(), ErrorCode::MalformedPolicyDocument, "{bad}");
        }
    }
    assert!(parse(trust, PolicyKind::RoleTrust).is_ok());
    for bad in [plain, iam, s3_trust] {
        let error = parse(bad.clone(), PolicyKind::RoleTrust).unwrap_err();
        assert_eq!(error.code(), ErrorCode::MalformedPolicyDocument, "{bad}");
    }
    // S3 minds neither.
    let doubled = [
        statement(json!({"Sid": "a b"})),
        statement(json!({"Sid": "a b"})),
    ];
    assert!(parse(json!(doubled), of_bucket()).is_ok());
    // White space counts for a session's policy, and not for an identity's.
    let spaced = document(json!({"Effect": "Allow", "Action": "*", "Resource": "*"})).replace(
        ',',
        &(",".to_owned() + &" ".repeat(SESSION_POLICY_CHARS_MAX)),
    );
    assert!(Policy::parse(spaced.as_bytes(), PolicyKind::Identity).is_ok());
    let error = Policy::parse(spaced.as_bytes(), PolicyKind::Session).unwrap_err();
    assert_eq!(error.text(), Flaw::TooLarge.to_string());
}
