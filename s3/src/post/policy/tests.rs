//! Policies as they are signed, and as they should not be.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::post::fields::fields;

const NOW: &str = "2026-01-01T00:00:00Z";

fn parse(document: &Value) -> Result<PostPolicy> {
    PostPolicy::parse(&BASE64.encode(document.to_string()))
}

fn policy(conditions: &Value) -> Result<PostPolicy> {
    parse(&json!({"expiration": "2026-01-02T00:00:00.000Z", "conditions": conditions}))
}

fn check(conditions: &Value, pairs: &[(&str, &str)]) -> Result<LengthRange> {
    let bucket = BucketName::parse("abc").unwrap();
    policy(conditions)?.check(&fields(pairs), &bucket, NOW.parse().unwrap())
}

#[test]
fn conditions_hold_or_are_named() {
    let key = ("key", "user/a");
    for (condition, pairs, expected) in [
        (json!({"key": "user/a"}), vec![key], Ok(())),
        (json!({"KEY": "user/a"}), vec![key], Ok(())),
        (
            json!({"key": "User/a"}),
            vec![key],
            Err("[\"eq\", \"$key\", \"User/a\"]"),
        ),
        (json!(["eq", "$key", "user/a"]), vec![key], Ok(())),
        (
            json!(["eq", "key", "user/a"]),
            vec![key],
            Err("[\"eq\", \"key\", \"user/a\"]"),
        ),
        (json!(["StArTs-WiTh", "$KeY", "user/"]), vec![key], Ok(())),
        (json!(["starts-with", "$key", ""]), vec![key], Ok(())),
        (
            json!(["starts-with", "$key", "a\"/"]),
            vec![key],
            Err("[\"starts-with\", \"$key\", \"a\\\"/\"]"),
        ),
        (
            json!(["eq", "$key", r"\$foo"]),
            vec![("key", r"\$foo")],
            Ok(()),
        ),
        // What isn't there is empty.
        (json!(["starts-with", "$x-amz-meta-a", ""]), vec![], Ok(())),
        (
            json!(["starts-with", "$x-amz-meta-a", "b"]),
            vec![],
            Err("[\"starts-with\", \"$x-amz-meta-a\", \"b\"]"),
        ),
        (
            json!(["eq", "$x-amz-meta-a", ""]),
            vec![("x-amz-meta-a", "b")],
            Err("[\"eq\", \"$x-amz-meta-a\", \"\"]"),
        ),
        // A list of types is many.
        (
            json!(["starts-with", "$Content-Type", "image/"]),
            vec![("content-type", "image/png, image/gif")],
            Ok(()),
        ),
        (
            json!(["starts-with", "$Content-Type", "image/"]),
            vec![("content-type", "image/png,text/plain")],
            Err("[\"starts-with\", \"$Content-Type\", \"image/\"]"),
        ),
        // The bucket is not the form's to name.
        (json!({"bucket": "abc"}), vec![("bucket", "other")], Ok(())),
        (
            json!({"bucket": "other"}),
            vec![("bucket", "other")],
            Err("[\"eq\", \"$bucket\", \"other\"]"),
        ),
    ] {
        let all = json!([{"bucket": "abc"}, condition]);
        let result = check(&all, &pairs).map(drop);
        let expected = expected.map_err(|shown| {
            format!("Invalid according to Policy: Policy Condition failed: {shown}")
        });
        let result = result.map_err(|error| {
            assert_eq!(error.code(), ErrorCode::AccessDenied);
            error.text().to_owned()
        });
        assert_eq!(result, expected, "{all}");
    }
}

#[test]
fn every_field_needs_a_condition() {
    let all = json!([{"bucket": "abc"}, {"key": "a"}]);
    let free = [
        ("key", "a"),
        ("AWSAccessKeyId", "x"),
        ("Policy", "x"),
        ("x-amz-signature", "x"),
        ("X-Ignore-This", "x"),
        ("x-amz-checksum-sha256", "x"),
    ];
    assert_eq!(check(&all, &free).unwrap(), LengthRange::ANY);
    for extra in [
        "acl",
        "x-amz-acl",
        "X-Amz-Date",
        "Filename",
        "bucket-2",
        "content-md5",
    ] {
        let error = check(&all, &[("key", "a"), (extra, "")]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::AccessDenied);
        let expected = format!("Invalid according to Policy: Extra input fields: {extra}");
        assert_eq!(error.text(), expected);
    }
    let silent = check(&json!([{"key": "a"}]), &[("key", "a")]).unwrap_err();
    assert!(silent.text().ends_with("Extra input fields: bucket"));
}

#[test]
fn a_policy_expires() {
    let bucket = BucketName::parse("abc").unwrap();
    let policy = policy(&json!([{"bucket": "abc"}])).unwrap();
    let at = |text: &str| {
        let now = text.parse().unwrap();
        policy.check(&FormFields::default(), &bucket, now)
    };
    assert!(at("2026-01-02T00:00:00Z").is_ok());
    let error = at("2026-01-02T00:00:00.001Z").unwrap_err();
    assert_eq!(error.code(), ErrorCode::AccessDenied);
    assert_eq!(error.text(), "Invalid according to Policy: Policy expired.");
}

#[test]
fn lengths_are_ranges() {
    let range = |min_bytes, max_bytes| LengthRange {
        min_bytes,
        max_bytes,
    };
    for (list, expected) in [
        (json!([["content-length-range", 5, 10]]), range(5, 10)),
        (json!([["Content-Length-Range", "5", "10"]]), range(5, 10)),
        (json!([["content-length-range", 0, 0]]), range(0, 0)),
        (
            json!([
                ["content-length-range", 1, 10],
                ["content-length-range", 5, 20]
            ]),
            range(5, 10),
        ),
        (json!([]), LengthRange::ANY),
    ] {
        assert_eq!(policy(&list).unwrap().length, expected, "{list}");
    }
}

#[test]
fn a_malformed_document_is_no_policy() {
    let fine = json!([]);
    let moment = "2026-01-02T00:00:00Z";
    for document in [
        json!([]),
        json!({}),
        json!({"expiration": moment}),
        json!({"conditions": fine}),
        json!({"EXPIRATION": moment, "conditions": fine}),
        json!({"expiration": moment, "CONDITIONS": fine}),
        json!({"expiration": moment, "conditions": fine, "Version": "1"}),
        json!({"expiration": moment, "conditions": {}}),
        json!({"expiration": 1, "conditions": fine}),
        json!({"expiration": "", "conditions": fine}),
        json!({"expiration": "2026-01-02", "conditions": fine}),
        json!({"expiration": "2026-01-02 00:00:00Z", "conditions": fine}),
        json!({"expiration": "2026-01-02T00:00:00", "conditions": fine}),
        json!({"expiration": "2026-01-02T00:00:00+00:00", "conditions": fine}),
        json!({"expiration": "2026-13-02T00:00:00Z", "conditions": fine}),
    ] {
        let error = parse(&document).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidPolicyDocument, "{document}");
    }
    for condition in [
        json!({}),
        json!({"bucket": "a", "key": "b"}),
        json!({"x-amz-meta-a": 1}),
        json!([]),
        json!("bucket"),
        json!([1, 2, 3]),
        json!(["eq", "$key"]),
        json!(["eq", "$key", "a", "b"]),
        json!(["eq", "$key", 1]),
        json!(["ends-with", "$key", "a"]),
        json!(["content-length-range", 0]),
        json!(["content-length-range", -1, 0]),
        json!(["content-length-range", 0, 1.5]),
        json!(["content-length-range", "+1", 10]),
        json!(["content-length-range", "", 10]),
    ] {
        let error = policy(&json!([condition])).unwrap_err();
        assert_eq!(
            error.code(),
            ErrorCode::InvalidPolicyDocument,
            "{condition}"
        );
    }
    assert!(PostPolicy::parse("e30").is_err());
    assert!(PostPolicy::parse("").is_err());
}

proptest! {
    #[test]
    fn no_text_panics(text in "[\\[\\]{}\",:$a-c0-9 ]{0,80}|\\PC{0,40}") {
        let _ = PostPolicy::parse(&text);
        let json = format!("{{\"expiration\":\"{NOW}\",\"conditions\":[{text}]}}");
        if let Err(error) = PostPolicy::parse(&BASE64.encode(json)) {
            prop_assert_eq!(error.code(), ErrorCode::InvalidPolicyDocument);
        }
    }

    /// Whatever a form says, it passes the policy that says the same and no stricter one.
    #[test]
    fn a_form_passes_its_own_policy(value in "\\PC{0,20}", more in "\\PC{1,5}") {
        let conditions = |value: &str| json!([{"bucket": "abc"}, {"x-amz-meta-a": value}]);
        let pairs = [("X-Amz-Meta-A", value.as_str())];
        prop_assert!(check(&conditions(&value), &pairs).is_ok());
        let stricter = value.clone() + &more;
        prop_assert!(check(&conditions(&stricter), &pairs).is_err());
    }
}
