//! IAM and STS: every parameter of the model is honoured or refused, and every answer is what the
//! model says a client will look for.

use http::Request;
use libtest_mimic::Failed;
use quick_xml::Reader;
use quick_xml::events::Event;
use riquet_s3::auth::Service;
use riquet_s3::aws_query::{Form, Page, Tag, TagKey, Value as _};
use riquet_s3::iam::Action::*;
use riquet_s3::iam::{self, KeyStatus, Output, Owner, VersionId};
use riquet_s3::sts;
use riquet_s3::time::from_unix_ms;
use riquet_s3::{Error, ErrorCode};
use serde_json::Value;

use super::model::Models;
use super::told;

const IAM: &str = "iam/2010-05-08";
const STS: &str = "sts/2011-06-15";

/// What no operation honours, and each therefore refuses.
const NOT_HONOURED: [&str; 7] = [
    "PermissionsBoundary",
    "ProvidedContexts",
    "ProviderId",
    "MinimumSessionTokenSize",
    "SerialNumber",
    "SourceIdentity",
    "TokenCode",
];

const STS_ACTIONS: [sts::Action; 4] = [
    sts::Action::AssumeRole,
    sts::Action::AssumeRoleWithWebIdentity,
    sts::Action::GetCallerIdentity,
    sts::Action::GetSessionToken,
];

/// Every parameter of every operation is honoured, or refused by the rule above.
pub(crate) fn inputs(models: &Models) -> Result<(), Failed> {
    let mut faults = Vec::new();
    let iam_names = iam::Action::ALL.iter().map(|action| action.as_str());
    let sts_names = STS_ACTIONS.iter().map(|action| action.as_str());
    check_inputs(&models.read(IAM)?, Service::Iam, iam_names, &mut faults);
    check_inputs(&models.read(STS)?, Service::Sts, sts_names, &mut faults);
    told(faults)
}

fn check_inputs(
    model: &Value,
    service: Service,
    names: impl Iterator<Item = &'static str>,
    faults: &mut Vec<String>,
) {
    for name in names {
        let operation = &model["operations"][name];
        if operation.is_null() {
            faults.push(format!("{name} is unknown to botocore"));
            continue;
        }
        let shape = &model["shapes"][operation["input"]["shape"].as_str().unwrap_or("")];
        let required: Vec<_> = shape["required"].as_array().into_iter().flatten().collect();
        let smallest: String = required
            .iter()
            .filter_map(|member| member.as_str())
            .map(|member| match (name, member) {
                // The one document of this name that says who may do something.
                ("UpdateAssumeRolePolicy", "PolicyDocument") => {
                    sample("AssumeRolePolicyDocument").replacen("AssumeRole", "", 1)
                }
                _ => sample(member),
            })
            .collect();
        let base = format!("Action={name}{smallest}");
        if let Err(error) = read(&base, service) {
            faults.push(format!("{base}: {error}"));
        }
        let members = shape["members"].as_object().into_iter().flatten();
        for (member, _) in members.filter(|(member, _)| !required.iter().any(|it| it == member)) {
            let call = format!("{base}{}", sample(member));
            let is_honoured = !NOT_HONOURED.contains(&member.as_str());
            match read(&call, service) {
                Ok(()) if is_honoured => {}
                Err(error) if !is_honoured && error.code() == ErrorCode::NotImplemented => {}
                outcome => faults.push(format!("{name} with {member}: {outcome:?}")),
            }
        }
    }
}

fn read(body: &str, service: Service) -> Result<(), Error> {
    let request = Request::post("/").header("content-type", "application/x-www-form-urlencoded");
    let head = request.body(()).expect("a legal request").into_parts().0;
    let form = Form::read(&head, body.as_bytes(), service)?;
    match service {
        Service::Iam => iam::Operation::parse(form).map(drop),
        _ => sts::Operation::parse(form).map(drop),
    }
}

/// A parameter with a value that it may have.
fn sample(member: &str) -> String {
    let document = |principal: &str| {
        let json = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"sts:AssumeRole",{principal}}}}}"#
        );
        percent_encoding::utf8_percent_encode(&json, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let arn = |resource: &str| format!("arn:aws:iam::123456789012:{resource}");
    let value = match member {
        "AccessKeyId" => "AKIAIOSFODNN7EXAMPLE".to_owned(),
        "AssumeRolePolicyDocument" => document(r#""Principal":{"AWS":"*"}"#),
        "PolicyDocument" | "Policy" => document(r#""Resource":"*""#),
        "DurationSeconds" => "900".to_owned(),
        "MaxItems" => "10".to_owned(),
        "MaxSessionDuration" => "7200".to_owned(),
        "NewPath" | "Path" | "PathPrefix" => "/a/".to_owned(),
        "OnlyAttached" | "SetAsDefault" => "true".to_owned(),
        "OpenIDConnectProviderArn" => arn("oidc-provider/x"),
        "PermissionsBoundary" | "PolicyArn" => arn("policy/p"),
        "PolicyArns" => return format!("&PolicyArns.member.1.arn={}", arn("policy/p")),
        "PolicyUsageFilter" => "PermissionsPolicy".to_owned(),
        "RoleArn" => arn("role/r"),
        "Scope" => "Local".to_owned(),
        "Status" => "Inactive".to_owned(),
        "Tags" => return "&Tags.member.1.Key=k&Tags.member.1.Value=v".to_owned(),
        // Keys of tags that the call must bring along.
        "TransitiveTagKeys" => {
            return format!("&TransitiveTagKeys.member.1=k{}", sample("Tags"));
        }
        "ClientIDList" | "TagKeys" => return format!("&{member}.member.1=k"),
        "ThumbprintList" => return format!("&{member}.member.1={}", "a".repeat(40)),
        "Url" => "https://x".to_owned(),
        "VersionId" => "v1".to_owned(),
        _ => "text".to_owned(),
    };
    format!("&{member}={value}")
}

/// Every answer has the elements that its model requires, and none that the model doesn't know.
pub(crate) fn outputs(models: &Models) -> Result<(), Failed> {
    let mut faults = Vec::new();
    let model = models.read(IAM)?;
    let mut unseen = iam::Action::ALL.to_vec();
    for (actions, output) in iam_outputs() {
        for &action in actions {
            unseen.retain(|&it| it != action);
            let answer = iam::render(action, &output, "id").into_body();
            check_answer(&model, action.as_str(), &answer, &mut faults);
        }
    }
    // All others answer nothing.
    for action in unseen {
        let answer = iam::render(action, &Output::Done, "id").into_body();
        check_answer(&model, action.as_str(), &answer, &mut faults);
    }
    let model = models.read(STS)?;
    for (action, output) in STS_ACTIONS.into_iter().zip(sts_outputs()) {
        let answer = sts::render(&output, "id").into_body();
        check_answer(&model, action.as_str(), &answer, &mut faults);
    }
    told(faults)
}

fn check_answer(model: &Value, name: &str, answer: &[u8], faults: &mut Vec<String>) {
    let root = Element::parse(answer);
    if root.name != format!("{name}Response") {
        faults.push(format!("{name}: the root is {}", root.name));
    }
    let output = &model["operations"][name]["output"];
    let result = root.child(&format!("{name}Result"));
    match (output["shape"].as_str(), result) {
        (None, None) => {}
        (Some(shape), Some(result)) => check_shape(model, shape, result, name, faults),
        (shape, _) => faults.push(format!("{name}: the result should be {shape:?}")),
    }
}

fn check_shape(model: &Value, shape: &str, element: &Element, at: &str, faults: &mut Vec<String>) {
    let shape = &model["shapes"][shape];
    let of = |value: &Value| value["shape"].as_str().unwrap_or("").to_owned();
    match shape["type"].as_str() {
        Some("structure") => {
            for name in shape["required"].as_array().into_iter().flatten() {
                if element.child(name.as_str().unwrap_or("")).is_none() {
                    faults.push(format!("{at} lacks {name}"));
                }
            }
            for child in &element.children {
                let member = &shape["members"][&child.name];
                let at = format!("{at}/{}", child.name);
                if member.is_null() {
                    faults.push(format!("{at} is unknown"));
                } else {
                    check_shape(model, &of(member), child, &at, faults);
                }
            }
        }
        Some("list") => {
            for child in &element.children {
                if child.name != "member" {
                    faults.push(format!("{at}/{} is no member", child.name));
                }
                check_shape(model, &of(&shape["member"]), child, at, faults);
            }
        }
        Some("map") => {
            for entry in &element.children {
                let names: Vec<_> = entry.children.iter().map(|it| it.name.as_str()).collect();
                if entry.name != "entry" || names != ["key", "value"] {
                    faults.push(format!("{at}: {names:?} is no entry"));
                }
            }
        }
        _ if !element.children.is_empty() => faults.push(format!("{at} is no structure")),
        _ => {}
    }
}

#[derive(Default)]
struct Element {
    name: String,
    children: Vec<Element>,
}

impl Element {
    fn parse(document: &[u8]) -> Self {
        let mut reader = Reader::from_reader(document);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().expect("an answer is well formed") {
                Event::Start(start) => open.push(Self {
                    name: start.local_name().as_ref().to_owned(),
                    children: vec![],
                }),
                Event::End(_) => {
                    let closed = open.pop().expect("it was opened");
                    open.last_mut()
                        .expect("there is a root")
                        .children
                        .push(closed);
                }
                Event::Eof => return open.remove(0).children.remove(0),
                _ => {}
            }
        }
    }

    fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }
}

fn text() -> String {
    "text".to_owned()
}

fn page<T: Clone>(item: T) -> Page<T> {
    Page {
        items: vec![item.clone(), item],
        next_marker: Some(text()),
    }
}

fn tag() -> Tag {
    let key = TagKey::read("Tags", text()).expect("a legal key");
    Tag::new(key, text()).expect("a legal tag")
}

/// An answer of each kind, with the operations that give it.
fn iam_outputs() -> Vec<(&'static [iam::Action], Output)> {
    let now = from_unix_ms(0);
    let user = iam::User {
        path: text(),
        user_name: text(),
        user_id: text(),
        arn: text(),
        create_date: now,
        tags: vec![tag()],
    };
    let group = iam::Group {
        path: text(),
        group_name: text(),
        group_id: text(),
        arn: text(),
        create_date: now,
    };
    let role = iam::Role {
        path: text(),
        role_name: text(),
        role_id: text(),
        arn: text(),
        create_date: now,
        assume_role_policy_document: text(),
        description: Some(text()),
        max_session_duration_s: 3600,
        tags: vec![tag()],
    };
    let key = iam::AccessKey {
        user_name: text(),
        access_key_id: text(),
        secret_access_key: text(),
        create_date: now,
    };
    let metadata = iam::AccessKeyMetadata {
        user_name: Some(text()),
        access_key_id: text(),
        status: KeyStatus::Inactive,
        create_date: now,
    };
    let last_use = iam::LastUse {
        date: now,
        service: Service::S3,
        region: text(),
    };
    let inline = |owner| {
        Output::InlinePolicy(iam::InlinePolicy {
            owner,
            policy_name: text(),
            policy_document: text(),
        })
    };
    let attached = iam::AttachedPolicy {
        policy_name: text(),
        policy_arn: text(),
    };
    let policy = iam::Policy {
        policy_name: text(),
        policy_id: text(),
        arn: text(),
        path: text(),
        default_version: VersionId(1),
        attachment_count: 1,
        description: Some(text()),
        create_date: now,
        update_date: now,
        tags: vec![tag()],
    };
    let version = iam::PolicyVersion {
        version: VersionId(1),
        is_default: true,
        create_date: now,
        document: Some(text()),
    };
    let provider = iam::Provider {
        url: text(),
        client_ids: vec![text()],
        thumbprints: vec![text()],
        create_date: now,
        tags: vec![tag()],
    };
    let used = Output::AccessKeyLastUsed {
        user_name: Some(text()),
        last_use: Some(last_use),
    };
    vec![
        (&[CreateUser, GetUser], Output::User(user.clone())),
        (&[ListUsers], Output::Users(page(user.clone()))),
        (&[CreateAccessKey], Output::AccessKey(key)),
        (&[ListAccessKeys], Output::AccessKeys(page(metadata))),
        (&[GetAccessKeyLastUsed], used),
        (&[GetUserPolicy], inline(Owner::User(text()))),
        (&[GetGroupPolicy], inline(Owner::Group(text()))),
        (&[GetRolePolicy], inline(Owner::Role(text()))),
        (
            &[ListUserPolicies, ListGroupPolicies, ListRolePolicies],
            Output::PolicyNames(page(text())),
        ),
        (
            &[
                ListAttachedUserPolicies,
                ListAttachedGroupPolicies,
                ListAttachedRolePolicies,
            ],
            Output::AttachedPolicies(page(attached)),
        ),
        (&[CreateGroup], Output::Group(group.clone())),
        (
            &[GetGroup],
            Output::GroupWithUsers(group.clone(), page(user)),
        ),
        (
            &[ListGroups, ListGroupsForUser],
            Output::Groups(page(group)),
        ),
        (
            &[CreateRole, GetRole, UpdateRoleDescription],
            Output::Role(role.clone()),
        ),
        (&[ListRoles], Output::Roles(page(role))),
        (&[ListUserTags, ListRoleTags], Output::Tags(page(tag()))),
        (&[CreatePolicy, GetPolicy], Output::Policy(policy.clone())),
        (&[ListPolicies], Output::Policies(page(policy))),
        (
            &[CreatePolicyVersion, GetPolicyVersion],
            Output::PolicyVersion(version.clone()),
        ),
        (&[ListPolicyVersions], Output::PolicyVersions(page(version))),
        (
            &[CreateOpenIDConnectProvider],
            Output::ProviderCreated(text(), vec![tag()]),
        ),
        (&[GetOpenIDConnectProvider], Output::Provider(provider)),
        (
            &[ListOpenIDConnectProviders],
            Output::Providers(vec![text()]),
        ),
        (
            &[GetAccountSummary],
            Output::AccountSummary(vec![("Users", 1)]),
        ),
        (&[ListAccountAliases], Output::AccountAliases(page(text()))),
    ]
}

/// An answer of each operation, in the order of `STS_ACTIONS`.
fn sts_outputs() -> [sts::Output; 4] {
    let credentials = sts::Credentials {
        access_key_id: text(),
        secret_access_key: text(),
        session_token: text(),
        expiration: from_unix_ms(0),
    };
    let role = sts::AssumedRole {
        credentials: credentials.clone(),
        assumed_role_id: text(),
        arn: text(),
        packed_policy_size_percent: Some(1),
    };
    let identity = sts::WebIdentity {
        subject: text(),
        provider: text(),
        audience: text(),
    };
    [
        sts::Output::AssumedRole(role.clone()),
        sts::Output::AssumedRoleWithWebIdentity(role, identity),
        sts::Output::CallerIdentity {
            user_id: text(),
            account: text(),
            arn: text(),
        },
        sts::Output::SessionToken(credentials),
    ]
}
