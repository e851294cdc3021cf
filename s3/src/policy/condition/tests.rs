use super::*;

/// The context of every case: one key of each type, one of several values, the rest absent.
fn context() -> Context {
    [
        ("aws:username", "Ann"),
        ("aws:SourceIp", "10.1.2.3"),
        ("aws:SecureTransport", "true"),
        ("aws:CurrentTime", "2026-05-01T12:00:00Z"),
        ("aws:EpochTime", "1777636800"),
        ("aws:SourceArn", "arn:aws:s3:::src"),
        ("s3:max-keys", "10"),
        ("k:binary", "aGk="),
        ("k:v6", "::ffff:10.1.2.3"),
        ("aws:TagKeys", "a"),
        ("aws:TagKeys", "b"),
        ("k:not-a-number", "x"),
    ]
    .into_iter()
    .collect()
}

fn compile(operator: &str, key: &str, values: &[&str]) -> Result<Condition, Flaw> {
    let values: Vec<_> = values
        .iter()
        .map(|it| Scalar::Text((*it).to_owned()))
        .collect();
    Condition::compile(
        operator,
        key,
        &values,
        Syntax::Variables,
        PolicyKind::Identity,
    )
}

fn holds(operator: &str, key: &str, values: &[&str]) -> bool {
    let condition = compile(operator, key, values).unwrap();
    let allow = condition.holds(&context(), Effect::Allow);
    assert_eq!(
        allow,
        condition.holds(&context(), Effect::Deny),
        "{operator} {key}"
    );
    allow
}

#[test]
fn every_operator_compares_as_its_name_says() {
    for (operator, key, values, wanted) in [
        ("StringEquals", "aws:username", &["Bob", "Ann"][..], true),
        ("StringEquals", "aws:username", &["ann"], false),
        ("StringEquals", "aws:username", &["A*"], false),
        ("StringEquals", "aws:username", &["${aws:username}"], true),
        ("StringEquals", "aws:username", &[], false),
        ("StringNotEquals", "aws:username", &["Bob", "Ann"], false),
        ("StringNotEquals", "aws:username", &["Bob"], true),
        ("StringNotEquals", "aws:username", &[], true),
        ("StringEqualsIgnoreCase", "aws:username", &["aNN"], true),
        ("StringEqualsIgnoreCase", "aws:username", &["aNNe"], false),
        ("StringNotEqualsIgnoreCase", "aws:username", &["aNN"], false),
        ("StringLike", "aws:username", &["A?n"], true),
        ("StringLike", "aws:username", &["a*"], false),
        ("StringNotLike", "aws:username", &["A*"], false),
        ("NumericEquals", "s3:max-keys", &["10.0"], true),
        ("NumericNotEquals", "s3:max-keys", &["10"], false),
        ("NumericLessThan", "s3:max-keys", &["10"], false),
        ("NumericLessThan", "s3:max-keys", &["5", "11"], true),
        ("NumericLessThanEquals", "s3:max-keys", &["10"], true),
        ("NumericGreaterThan", "s3:max-keys", &["9"], true),
        ("NumericGreaterThanEquals", "s3:max-keys", &["10.5"], false),
        ("NumericEquals", "k:not-a-number", &["1"], false),
        ("NumericNotEquals", "k:not-a-number", &["1"], true),
        (
            "DateEquals",
            "aws:CurrentTime",
            &["2026-05-01T14:00:00+02:00"],
            true,
        ),
        (
            "DateNotEquals",
            "aws:CurrentTime",
            &["2026-05-01T12:00:00"],
            false,
        ),
        ("DateLessThan", "aws:CurrentTime", &["2026-05-02"], true),
        (
            "DateLessThanEquals",
            "aws:EpochTime",
            &["2026-05-01T12:00:00Z"],
            true,
        ),
        ("DateGreaterThan", "aws:CurrentTime", &["1777636800"], false),
        (
            "DateGreaterThanEquals",
            "aws:CurrentTime",
            &["1777636800"],
            true,
        ),
        ("Bool", "aws:SecureTransport", &["True"], true),
        ("Bool", "aws:SecureTransport", &["false"], false),
        ("BinaryEquals", "k:binary", &["aGk="], true),
        ("BinaryEquals", "k:binary", &["aGo="], false),
        ("IpAddress", "aws:SourceIp", &["10.1.0.0/16"], true),
        (
            "IpAddress",
            "aws:SourceIp",
            &["10.1.2.4", "11.0.0.0/8"],
            false,
        ),
        ("IpAddress", "aws:SourceIp", &["::/0"], false),
        ("IpAddress", "k:v6", &["10.1.2.3"], true),
        (
            "NotIpAddress",
            "aws:SourceIp",
            &["10.1.0.0/16", "11.0.0.0/8"],
            false,
        ),
        ("NotIpAddress", "aws:SourceIp", &["11.0.0.0/8"], true),
        ("ArnEquals", "aws:SourceArn", &["arn:aws:s3:::s*"], true),
        ("ArnLike", "aws:SourceArn", &["arn:aws:s3:*:*:src"], true),
        ("ArnLike", "aws:SourceArn", &["arn:aws:s3::t:src"], false),
        (
            "ArnNotEquals",
            "aws:SourceArn",
            &["arn:aws:s3:::src"],
            false,
        ),
        ("ArnNotLike", "aws:SourceArn", &["arn:aws:s3:::other"], true),
        ("Null", "aws:username", &["false"], true),
        ("Null", "aws:username", &["true"], false),
        ("Null", "k:absent", &["true"], true),
        ("Null", "k:absent", &["false"], false),
        ("Null", "k:absent", &["true", "false"], true),
    ] {
        assert_eq!(
            holds(operator, key, values),
            wanted,
            "{operator} {key} {values:?}"
        );
    }
}

#[test]
fn an_absent_key_fails_unless_it_may_be_absent() {
    for (operator, wanted) in [
        ("StringEquals", false),
        ("StringNotEquals", true),
        ("StringLikeIfExists", true),
        ("StringNotLikeIfExists", true),
        ("NotIpAddress", true),
        ("ArnNotLike", true),
        ("ForAllValues:StringEquals", true),
        ("ForAnyValue:StringEquals", false),
        ("ForAnyValue:StringNotEquals", false),
        ("ForAnyValue:StringEqualsIfExists", true),
    ] {
        let value = match operator {
            "NotIpAddress" => "10.0.0.0/8",
            "ArnNotLike" => "arn:aws:s3:::b",
            _ => "a",
        };
        assert_eq!(holds(operator, "k:absent", &[value]), wanted, "{operator}");
    }
    assert!(!holds("BoolIfExists", "aws:SecureTransport", &["false"]));
    assert!(!holds("StringEqualsIfExists", "aws:username", &["Bob"]));
}

#[test]
fn sets_ask_all_values_or_any() {
    for (operator, values, wanted) in [
        ("ForAllValues:StringEquals", &["a", "b", "c"][..], true),
        ("ForAllValues:StringEquals", &["a"], false),
        ("ForAllValues:StringNotEquals", &["c"], true),
        ("ForAllValues:StringNotEquals", &["a"], false),
        ("ForAnyValue:StringEquals", &["b", "c"], true),
        ("ForAnyValue:StringEquals", &["c"], false),
        ("ForAnyValue:StringNotEquals", &["a"], true),
        ("ForAnyValue:StringNotEquals", &["a", "b"], false),
        ("ForAnyValue:StringLike", &["?"], true),
        ("StringEquals", &["a"], true),
        ("StringNotEquals", &["a"], false),
    ] {
        assert_eq!(
            holds(operator, "aws:TagKeys", values),
            wanted,
            "{operator} {values:?}"
        );
    }
}

#[test]
fn a_variable_without_a_value_opens_nothing() {
    let check = |operator: &str, allow: bool, deny: bool| {
        let condition = compile(operator, "aws:username", &["${aws:other}"]).unwrap();
        assert_eq!(
            condition.holds(&context(), Effect::Allow),
            allow,
            "{operator}"
        );
        assert_eq!(
            condition.holds(&context(), Effect::Deny),
            deny,
            "{operator}"
        );
    };
    check("StringEquals", false, false);
    check("StringNotEquals", false, true);
    check("ArnNotLike", false, true);
}

#[test]
fn what_no_operator_can_compare_is_refused() {
    for (operator, value) in [
        ("NumericEquals", "ten"),
        ("NumericEquals", "nan"),
        ("NumericEquals", "${aws:username}"),
        ("DateLessThan", "tomorrow"),
        ("Bool", "yes"),
        ("Null", ""),
        ("BinaryEquals", "?"),
        ("IpAddress", "10.0.0.0/33"),
        ("IpAddress", "host"),
        ("ArnLike", "bucket"),
        ("ArnEquals", "arn:aws:s3"),
    ] {
        let flaw = compile(operator, "k:k", &[value]).unwrap_err();
        assert!(
            matches!(flaw, Flaw::ConditionValue { .. }),
            "{operator}: {flaw:?}"
        );
    }
    for operator in [
        "",
        "stringequals",
        "StringEqualsIfExistsIfExists",
        "NullIfExists",
        "ForAnyValue:Null",
        "ForSomeValues:StringEquals",
        "ForAllValues:",
        "NotBool",
        "IfExists",
        "StringNotLikes",
        "ForAllValues:ForAnyValue:StringEquals",
    ] {
        let flaw = compile(operator, "k:k", &["true"]).unwrap_err();
        assert_eq!(flaw, Flaw::Operator(operator.to_owned()));
    }
    assert_eq!(compile("Bool", "key", &["true"]).unwrap_err(), Flaw::Vendor);
}
