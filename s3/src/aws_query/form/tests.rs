use http::Request;
use proptest::prelude::*;

use super::*;
use crate::{iam, sts};

/// The form of a call with this body.
pub(crate) fn form(body: &str, service: Service) -> Result<Form> {
    let head = Request::post("/")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(())
        .unwrap()
        .into_parts()
        .0;
    Form::read(&head, body.as_bytes(), service)
}

fn iam(body: &str) -> Form {
    form(body, Service::Iam).unwrap()
}

fn refused(body: &str) -> ErrorCode {
    form(body, Service::Iam).unwrap_err().code()
}

#[test]
fn a_form_names_an_action_of_the_right_version() {
    assert_eq!(iam("Action=A&Version=2010-05-08").action(), "A");
    assert_eq!(iam("Action=A").action(), "A");
    for (body, expected) in [
        ("", ErrorCode::MissingAction),
        ("Version=2010-05-08", ErrorCode::MissingAction),
        ("Action=", ErrorCode::MissingAction),
        ("Action=A&Version=2011-06-15", ErrorCode::InvalidAction),
        ("Action=A&Action=B", ErrorCode::MalformedQueryString),
        ("Action=A&x=%zz", ErrorCode::MalformedQueryString),
        ("Action=A&x=%ff", ErrorCode::MalformedQueryString),
    ] {
        assert_eq!(refused(body), expected, "{body}");
    }
}

#[test]
fn forms_are_bounded() {
    let many = |count: usize| format!("Action=A{}", "&".repeat(count));
    assert!(form(&many(PARAMETERS_MAX - 2), Service::Iam).is_ok());
    assert_eq!(refused(&many(PARAMETERS_MAX)), ErrorCode::ValidationError);
    let long = format!("Action=A&x={}", "y".repeat(FORM_BYTES_MAX));
    assert_eq!(refused(&long), ErrorCode::ValidationError);
}

#[test]
fn parameters_come_from_the_query_too() {
    let head = Request::get("/?Action=A&UserName=b+c%2B&X-Amz-Date=d")
        .body(())
        .unwrap()
        .into_parts()
        .0;
    let mut form = Form::read(&head, b"Action=Other", Service::Iam).unwrap();
    assert_eq!(form.action(), "A");
    assert_eq!(form.parameters.remove("UserName").as_deref(), Some("b c+"));
    form.finish().unwrap();
}

#[test]
fn lists_are_read_in_order_of_their_indices() {
    let texts = |body: &str| {
        let mut form = iam(&format!("Action=A&{body}"));
        let list = form.list::<TagKey>("L", 3);
        let list = list.and_then(|list| form.finish().map(|()| list));
        list.map(|list| {
            list.iter()
                .map(|it| it.as_str().to_owned())
                .collect::<Vec<_>>()
        })
        .map_err(|error| error.code())
    };
    for (body, expected) in [
        ("", &[][..]),
        ("L=", &[]),
        ("L.member.1=a", &["a"]),
        ("L.member.10=c&L.member.2=b&L.member.1=a", &["a", "b", "c"]),
    ] {
        assert_eq!(texts(body).unwrap(), expected, "{body}");
    }
    for (body, expected) in [
        ("L=a", ErrorCode::NotImplemented),
        ("L.member.x=a", ErrorCode::MalformedQueryString),
        ("L.member.=a", ErrorCode::MalformedQueryString),
        ("L.member.1=a&L.member.1.Key=b", ErrorCode::NotImplemented),
        ("L.member.1.Key=b", ErrorCode::MissingParameter),
        ("L.member.1=a&L.members.2=b", ErrorCode::NotImplemented),
        (
            "L.member.1=a&L.member.2=b&L.member.3=c&L.member.4=d",
            ErrorCode::ValidationError,
        ),
    ] {
        assert_eq!(texts(body), Err(expected), "{body}");
    }
}

#[test]
fn tags_are_pairs_with_distinct_keys() {
    let tags = |body: &str| {
        let tags = iam(&format!("Action=A&{body}")).tags("Tags");
        tags.map(|tags| {
            tags.into_iter()
                .map(|tag| (tag.key.to_string(), tag.value))
                .collect::<Vec<_>>()
        })
        .map_err(|error| error.code())
    };
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        tags("Tags.member.2.Key=b&Tags.member.2.Value=&Tags.member.1.Value=1&Tags.member.1.Key=a"),
        Ok(vec![pair("a", "1"), pair("b", "")])
    );
    for (body, expected) in [
        ("Tags.member.1.Key=a", ErrorCode::MissingParameter),
        ("Tags.member.1.Value=a", ErrorCode::MissingParameter),
        (
            "Tags.member.1.Key=a&Tags.member.1.Value=1&Tags.member.1.Other=",
            ErrorCode::NotImplemented,
        ),
        (
            "Tags.member.1.Key=a&Tags.member.1.Value=1&Tags.member.2.Key=A&Tags.member.2.Value=2",
            ErrorCode::InvalidInput,
        ),
    ] {
        assert_eq!(tags(body), Err(expected), "{body}");
    }
    let many = |count: usize| {
        let tag = |n| format!("Tags.member.{n}.Key=k{n}&Tags.member.{n}.Value=v");
        (1..=count).map(tag).collect::<Vec<_>>().join("&")
    };
    assert_eq!(tags(&many(TAGS_MAX)).unwrap().len(), TAGS_MAX);
    assert_eq!(tags(&many(TAGS_MAX + 1)), Err(ErrorCode::ValidationError));
}

#[test]
fn numbers_and_flags_are_read_strictly() {
    let number = |text: &str| iam(&format!("Action=A&N={text}")).number("N", 1, 1000);
    assert_eq!(number("1000").unwrap(), Some(1000));
    for text in ["0", "1001", "-1", "", "x", "99999999999999999999"] {
        assert_eq!(
            number(text).unwrap_err().code(),
            ErrorCode::ValidationError,
            "{text}"
        );
    }
    let flag = |text: &str| iam(&format!("Action=A&F={text}")).flag("F");
    assert!(flag("true").unwrap() && !flag("false").unwrap());
    assert_eq!(flag("1").unwrap_err().code(), ErrorCode::ValidationError);
}

proptest! {
    /// No form makes a parser panic, whatever it says.
    #[test]
    fn parsing_never_panics(
        action in 0..iam::Action::ALL.len() + 4,
        pairs in prop::collection::vec(
            (
                prop::sample::select(vec![
                    "UserName", "RoleName", "GroupName", "PolicyName", "Path", "PolicyDocument",
                    "AssumeRolePolicyDocument", "PolicyArn", "Url", "OpenIDConnectProviderArn",
                    "Tags", "Tags.member.1.Key", "Tags.member.1.Value", "Tags.member.1",
                    "TagKeys.member.18446744073709551616", "TagKeys.member.1", "MaxItems", "Marker",
                    "RoleArn", "RoleSessionName", "DurationSeconds", "PolicyArns.member.1.arn",
                    "WebIdentityToken", "AccessKeyId", "Status", "VersionId", "ClientIDList",
                ]),
                "\\PC{0,20}|arn:aws:iam::1:(role|policy|oidc-provider)/[a-z/]{1,20}|[0-9]{1,5}|\\{\\}",
            ),
            0..8,
        ),
        raw in "[a-z&=%.+0-9é]{0,40}",
    ) {
        let sts_actions = ["AssumeRole", "AssumeRoleWithWebIdentity", "GetSessionToken", "Nothing"];
        let name = iam::Action::ALL.get(action).map_or_else(
            || sts_actions[action - iam::Action::ALL.len()],
            |action| action.as_str(),
        );
        let mut body = format!("Action={name}");
        for (name, value) in pairs {
            let value = percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC);
            body.push_str(&format!("&{name}={value}"));
        }
        for body in [&body, &format!("{body}&{raw}"), &raw] {
            let _ = form(body, Service::Iam).and_then(iam::Operation::parse);
            let _ = form(body, Service::Sts).and_then(sts::Operation::parse);
        }
    }
}
