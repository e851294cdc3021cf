use proptest::prelude::*;

use super::*;

fn context() -> Context {
    [
        ("aws:username", "ann"),
        ("aws:userid", "AROA:ann"),
        ("aws:PrincipalTag/Team", "a*"),
        ("aws:TagKeys", "a"),
        ("aws:TagKeys", "b"),
    ]
    .into_iter()
    .collect()
}

fn like(pattern: &str, text: &str) -> Option<bool> {
    let pattern = Pattern::parse(pattern, Syntax::Variables, Wildcards::Active).unwrap();
    pattern.matches(text, &context())
}

#[test]
fn wildcards_and_variables() {
    for (pattern, text, wanted) in [
        ("", "", Some(true)),
        ("", "a", Some(false)),
        ("*", "", Some(true)),
        ("a*", "a", Some(true)),
        ("a*b*c", "a-b-b-c", Some(true)),
        ("a*b*c", "a-c-b", Some(false)),
        ("a?c", "a\u{20ac}c", Some(true)),
        ("a?c", "ac", Some(false)),
        ("*?", "", Some(false)),
        ("**a**", "bab", Some(true)),
        ("a", "A", Some(false)),
        ("a$b", "a$b", Some(true)),
        ("${*}", "*", Some(true)),
        ("${*}", "a", Some(false)),
        ("${?}${$}{", "?${", Some(true)),
        ("home/${aws:username}/*", "home/ann/x", Some(true)),
        ("home/${AWS:UserName}/*", "home/bob/x", Some(false)),
        // A value's wildcard is a plain character.
        ("${aws:PrincipalTag/team}", "a*", Some(true)),
        ("${aws:PrincipalTag/team}", "ab", Some(false)),
        // No value, and no single value.
        ("x${aws:other}", "x", None),
        ("${aws:TagKeys}", "a", None),
        ("${aws:other, 'none}'}", "none}", Some(true)),
        ("${aws:username, 'none'}", "ann", Some(true)),
    ] {
        assert_eq!(like(pattern, text), wanted, "{pattern} {text}");
    }
}

#[test]
fn malformed_variables_are_refused_where_there_are_variables() {
    for text in [
        "${",
        "${aws:username",
        "${}",
        "${username}",
        "${:a}",
        "${aws:}",
        "${aws:a, none}",
        "${aws:a,}",
        "${aws:${aws:b}}",
        "${**}",
    ] {
        let variables = Pattern::parse(text, Syntax::Variables, Wildcards::Active);
        assert_eq!(variables, Err(Flaw::Variable(text.to_owned())), "{text}");
        let plain = Pattern::parse(text, Syntax::Plain, Wildcards::Literal).unwrap();
        assert_eq!(plain.matches(text, &context()), Some(true));
    }
}

#[test]
fn many_wildcards_take_no_exponential_time() {
    let pattern = "*a".repeat(1_000) + "b";
    assert_eq!(like(&pattern, &"a".repeat(8_000)), Some(false));
    assert_eq!(
        like(&("*".to_owned() + &"?".repeat(20_000)), &"a".repeat(8_000)),
        Some(false)
    );
    assert_eq!(like(&"*".repeat(20_000), &"a".repeat(8_000)), Some(true));
}

#[test]
fn arns_match_part_by_part() {
    let arn = |pattern: &str, text: &str| {
        let pattern = ArnPattern::parse(pattern, Syntax::Variables)
            .unwrap()
            .unwrap();
        pattern.matches(text, &context())
    };
    for (pattern, text, wanted) in [
        ("*", "no arn", Some(true)),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/k:1/2", Some(true)),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b", Some(false)),
        ("arn:aws:s3:*:*:b", "arn:aws:s3:::b", Some(true)),
        ("arn:aws:iam::*:user/u", "arn:aws:iam::1:user/u", Some(true)),
        ("arn:aws:*:::b", "arn:aws:s3:x:::b", Some(false)),
        (
            "arn:aws:s3:::b/${aws:userid}/*",
            "arn:aws:s3:::b/AROA:ann/k",
            Some(true),
        ),
        ("arn:aws:s3:::b/${aws:other}", "arn:aws:s3:::b/k", None),
        (
            "arn:aws:s3:::b/${aws:other}",
            "arn:aws:sqs:::b/k",
            Some(false),
        ),
        ("arn:aws:s3:::b", "b", Some(false)),
        (
            "${aws:other, 'arn:aws:s3:::b'}",
            "arn:aws:s3:::b",
            Some(true),
        ),
    ] {
        assert_eq!(arn(pattern, text), wanted, "{pattern} {text}");
    }
    for no_arn in ["", "b", "arn:aws:iam::*", "*:aws:s3:::b", "arn", "**b"] {
        let parsed = ArnPattern::parse(no_arn, Syntax::Variables);
        assert_eq!(parsed, Ok(None), "{no_arn}");
    }
}

/// Matching by the definition, slow and plain.
fn by_definition(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], _) => text.is_empty(),
        (['*', rest @ ..], _) => (0..=text.len()).any(|at| by_definition(rest, &text[at..])),
        (['?', rest @ ..], [_, after @ ..]) => by_definition(rest, after),
        ([c, rest @ ..], [d, after @ ..]) if c == d => by_definition(rest, after),
        _ => false,
    }
}

proptest! {
    #[test]
    fn globs_match_what_they_are_defined_to(pattern in "[ab\u{e9}*?]{0,8}", text in "[ab\u{e9}]{0,10}") {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let wanted = by_definition(&chars(&pattern), &chars(&text));
        prop_assert_eq!(like(&pattern, &text), Some(wanted));
    }

    #[test]
    fn an_escaped_text_matches_itself_only(text in "[a*?${}]{0,10}", other in "[a*?${}]{0,10}") {
        let escape = |c: char| match c {
            '*' | '?' | '$' => format!("${{{c}}}"),
            _ => c.to_string(),
        };
        let pattern: String = text.chars().map(escape).collect();
        prop_assert_eq!(like(&pattern, &text), Some(true));
        prop_assert_eq!(like(&pattern, &other), Some(text == other));
    }
}
