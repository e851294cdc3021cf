use proptest::prelude::*;

use super::*;
use crate::aws_query::{TagKey, Value as _};
use crate::time::from_unix_ms;

fn text(action: Action, output: &Output) -> String {
    String::from_utf8(render(action, output, "id").into_body().to_vec()).unwrap()
}

fn inside(action: Action, output: &Output) -> String {
    let text = text(action, output);
    let open = format!("<{}Result>", action.as_str());
    let (_, rest) = text.split_once(&open).unwrap();
    let (result, _) = rest
        .split_once(&format!("</{}Result>", action.as_str()))
        .unwrap();
    result.to_owned()
}

fn user(name: &str) -> User {
    User {
        path: "/".to_owned(),
        user_name: name.to_owned(),
        user_id: "AIDA".to_owned(),
        arn: format!("arn:aws:iam::1:user/{name}"),
        create_date: from_unix_ms(1_445_412_480_007),
        tags: vec![],
    }
}

fn page<T>(items: Vec<T>) -> Page<T> {
    Page {
        items,
        next_marker: None,
    }
}

#[test]
fn an_answer_has_its_envelope() {
    let mut bob = user("Bob");
    let key = TagKey::read("Tags", "k".to_owned()).unwrap();
    bob.tags = vec![Tag::new(key, "v".to_owned()).unwrap()];
    assert_eq!(
        text(Action::CreateUser, &Output::User(bob)),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CreateUserResponse \
         xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><CreateUserResult><User><Path>/</Path>\
         <UserName>Bob</UserName><UserId>AIDA</UserId><Arn>arn:aws:iam::1:user/Bob</Arn>\
         <CreateDate>2015-10-21T07:28:00Z</CreateDate><Tags><member><Key>k</Key><Value>v</Value>\
         </member></Tags></User></CreateUserResult><ResponseMetadata><RequestId>id</RequestId>\
         </ResponseMetadata></CreateUserResponse>"
    );
    let done = text(Action::DeleteUser, &Output::Done);
    assert!(!done.contains("Result"), "{done}");
    assert_eq!(inside(Action::UpdateRole, &Output::Done), "");
}

#[test]
fn lists_tell_whether_they_go_on() {
    let names = |next_marker| {
        Output::PolicyNames(Page {
            items: vec!["a".to_owned(), "b".to_owned()],
            next_marker,
        })
    };
    let list = "<PolicyNames><member>a</member><member>b</member></PolicyNames>";
    assert_eq!(
        inside(Action::ListUserPolicies, &names(None)),
        format!("{list}<IsTruncated>false</IsTruncated>")
    );
    assert_eq!(
        inside(Action::ListUserPolicies, &names(Some("b".to_owned()))),
        format!("{list}<IsTruncated>true</IsTruncated><Marker>b</Marker>")
    );
    assert_eq!(
        inside(Action::ListUsers, &Output::Users(page(vec![]))),
        "<Users></Users><IsTruncated>false</IsTruncated>"
    );
}

#[test]
fn policies_are_percent_encoded() {
    let policy = InlinePolicy {
        owner: Owner::Role("r".to_owned()),
        policy_name: "p".to_owned(),
        policy_document: "{\"a\": \"é<*~\"}".to_owned(),
    };
    assert_eq!(
        inside(Action::GetRolePolicy, &Output::InlinePolicy(policy)),
        "<RoleName>r</RoleName><PolicyName>p</PolicyName><PolicyDocument>\
         %7B%22a%22%3A%20%22%C3%A9%3C%2A~%22%7D</PolicyDocument>"
    );
}

#[test]
fn a_key_never_used_has_no_date() {
    let unused = Output::AccessKeyLastUsed {
        user_name: Some("u".to_owned()),
        last_use: None,
    };
    assert_eq!(
        inside(Action::GetAccessKeyLastUsed, &unused),
        "<UserName>u</UserName><AccessKeyLastUsed><ServiceName>N/A</ServiceName><Region>N/A\
         </Region></AccessKeyLastUsed>"
    );
}

#[test]
fn secrets_are_not_printed() {
    let key = AccessKey {
        user_name: "u".to_owned(),
        access_key_id: "AKIA".to_owned(),
        secret_access_key: "secret".to_owned(),
        create_date: from_unix_ms(0),
    };
    assert!(!format!("{key:?}").contains("secret"));
    let told = inside(Action::CreateAccessKey, &Output::AccessKey(key));
    assert!(
        told.contains("<SecretAccessKey>secret</SecretAccessKey>"),
        "{told}"
    );
}

proptest! {
    #[test]
    fn text_never_becomes_markup(hostile in "[<>&\"'/a\\x00-\\x1f]{0,20}") {
        let harmless = Output::Users(page(vec![user("a")]));
        let expected = text(Action::ListUsers, &harmless).matches('<').count();
        let hostile = Output::Users(page(vec![user(&hostile)]));
        let document = text(Action::ListUsers, &hostile);
        prop_assert_eq!(document.matches('<').count(), expected, "{}", document);
    }
}
