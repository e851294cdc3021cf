use super::*;
use crate::error::ErrorCode;
use crate::iam::{Path, PolicyScope, VersionId};

const POLICY: &str = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow\
                      %22%2C%22Action%22%3A%22s3%3A*%22%2C%22Resource%22%3A%22*%22%7D%5D%7D";
const TRUST: &str = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow\
                     %22%2C%22Action%22%3A%22sts%3AAssumeRole%22%2C%22Principal%22%3A%7B%22AWS%22%3A%22\
                     123456789012%22%7D%7D%5D%7D";

fn parse(call: &str) -> Result<Operation> {
    let body = format!("Version=2010-05-08&Action={call}");
    Operation::parse(crate::aws_query::form_for_tests(&body, Service::Iam)?)
}

fn code(call: &str) -> ErrorCode {
    parse(call).unwrap_err().code()
}

/// The calls that say no more than they must, in the order of the operations. `POLICY` and `TRUST`
/// stand for documents, `ARN`, `OIDC` and `HEX` for what their names say.
const SMALLEST: &str = "
    CreateUser&UserName=u
    GetUser
    UpdateUser&UserName=u
    DeleteUser&UserName=u
    ListUsers
    PutUserPolicy&UserName=u&PolicyName=p&PolicyDocument=POLICY
    GetUserPolicy&UserName=u&PolicyName=p
    DeleteUserPolicy&UserName=u&PolicyName=p
    ListUserPolicies&UserName=u
    AttachUserPolicy&UserName=u&PolicyArn=ARN
    DetachUserPolicy&UserName=u&PolicyArn=ARN
    ListAttachedUserPolicies&UserName=u
    TagUser&UserName=u&Tags.member.1.Key=k&Tags.member.1.Value=v
    UntagUser&UserName=u&TagKeys.member.1=k
    ListUserTags&UserName=u
    CreateAccessKey
    UpdateAccessKey&AccessKeyId=AKIAIOSFODNN7EXAMPLE&Status=Active
    DeleteAccessKey&AccessKeyId=AKIAIOSFODNN7EXAMPLE
    ListAccessKeys
    GetAccessKeyLastUsed&AccessKeyId=AKIAIOSFODNN7EXAMPLE
    GetAccountSummary
    ListAccountAliases
    CreateGroup&GroupName=g
    GetGroup&GroupName=g
    UpdateGroup&GroupName=g
    DeleteGroup&GroupName=g
    ListGroups
    AddUserToGroup&GroupName=g&UserName=u
    RemoveUserFromGroup&GroupName=g&UserName=u
    ListGroupsForUser&UserName=u
    PutGroupPolicy&GroupName=g&PolicyName=p&PolicyDocument=POLICY
    GetGroupPolicy&GroupName=g&PolicyName=p
    DeleteGroupPolicy&GroupName=g&PolicyName=p
    ListGroupPolicies&GroupName=g
    AttachGroupPolicy&GroupName=g&PolicyArn=ARN
    DetachGroupPolicy&GroupName=g&PolicyArn=ARN
    ListAttachedGroupPolicies&GroupName=g
    CreateRole&RoleName=r&AssumeRolePolicyDocument=TRUST
    GetRole&RoleName=r
    UpdateRole&RoleName=r
    UpdateRoleDescription&RoleName=r&Description=d
    DeleteRole&RoleName=r
    ListRoles
    UpdateAssumeRolePolicy&RoleName=r&PolicyDocument=TRUST
    PutRolePolicy&RoleName=r&PolicyName=p&PolicyDocument=POLICY
    GetRolePolicy&RoleName=r&PolicyName=p
    DeleteRolePolicy&RoleName=r&PolicyName=p
    ListRolePolicies&RoleName=r
    AttachRolePolicy&RoleName=r&PolicyArn=ARN
    DetachRolePolicy&RoleName=r&PolicyArn=ARN
    ListAttachedRolePolicies&RoleName=r
    TagRole&RoleName=r&Tags.member.1.Key=k&Tags.member.1.Value=v
    UntagRole&RoleName=r&TagKeys.member.1=k
    ListRoleTags&RoleName=r
    CreatePolicy&PolicyName=p&PolicyDocument=POLICY
    GetPolicy&PolicyArn=ARN
    DeletePolicy&PolicyArn=ARN
    ListPolicies
    CreatePolicyVersion&PolicyArn=ARN&PolicyDocument=POLICY
    GetPolicyVersion&PolicyArn=ARN&VersionId=v1
    ListPolicyVersions&PolicyArn=ARN
    DeletePolicyVersion&PolicyArn=ARN&VersionId=v1
    SetDefaultPolicyVersion&PolicyArn=ARN&VersionId=v1
    CreateOpenIDConnectProvider&Url=https://x
    GetOpenIDConnectProvider&OpenIDConnectProviderArn=OIDC
    DeleteOpenIDConnectProvider&OpenIDConnectProviderArn=OIDC
    ListOpenIDConnectProviders
    AddClientIDToOpenIDConnectProvider&OpenIDConnectProviderArn=OIDC&ClientID=c
    RemoveClientIDFromOpenIDConnectProvider&OpenIDConnectProviderArn=OIDC&ClientID=c
    UpdateOpenIDConnectProviderThumbprint&OpenIDConnectProviderArn=OIDC&ThumbprintList.member.1=HEX
";

#[test]
fn every_operation_is_read_and_needs_each_of_its_parameters() {
    let calls: Vec<_> = SMALLEST.split_whitespace().collect();
    assert_eq!(calls.len(), Action::ALL.len());
    for (&action, call) in Action::ALL.iter().zip(calls) {
        let call = call
            .replace("=POLICY", &format!("={POLICY}"))
            .replace("=TRUST", &format!("={TRUST}"))
            .replace("=ARN", "=arn:aws:iam::123456789012:policy/p")
            .replace("=OIDC", "=arn:aws:iam::123456789012:oidc-provider/x")
            .replace("=HEX", &format!("={}", "a".repeat(40)));
        let operation = parse(&call).unwrap_or_else(|error| panic!("{call}: {error}"));
        assert_eq!(operation.action(), action);
        assert_eq!(operation.iam_action(), format!("iam:{}", action.as_str()));
        for parameter in call.split('&').skip(1) {
            let without = call.replacen(&format!("&{parameter}"), "", 1);
            assert_eq!(code(&without), ErrorCode::MissingParameter, "{without}");
        }
        let more = format!("{call}&NoSuchParameter=x");
        assert_eq!(code(&more), ErrorCode::NotImplemented, "{more}");
    }
}

#[test]
fn what_is_not_honoured_is_refused() {
    for (call, expected) in [
        ("NoSuchAction", ErrorCode::InvalidAction),
        ("createUser&UserName=a", ErrorCode::InvalidAction),
        (
            "CreateUser&UserName=a&PermissionsBoundary=arn:aws:iam::1:policy/p",
            ErrorCode::NotImplemented,
        ),
        (
            "ListPolicies&PolicyUsageFilter=PermissionsBoundary",
            ErrorCode::NotImplemented,
        ),
        (
            "UpdateAccessKey&AccessKeyId=AKIAIOSFODNN7EXAMPLE&Status=Expired",
            ErrorCode::ValidationError,
        ),
    ] {
        assert_eq!(code(call), expected, "{call}");
    }
}

#[test]
fn values_are_checked() {
    for (call, expected) in [
        ("CreateUser&UserName=a%20b", ErrorCode::ValidationError),
        ("CreateUser&UserName=", ErrorCode::ValidationError),
        ("CreateUser&UserName=a&Path=x", ErrorCode::ValidationError),
        ("ListUsers&MaxItems=0", ErrorCode::ValidationError),
        ("ListUsers&MaxItems=1001", ErrorCode::ValidationError),
        ("ListUsers&Marker=", ErrorCode::ValidationError),
        (
            "PutUserPolicy&UserName=a&PolicyName=p&PolicyDocument=%7B%7D",
            ErrorCode::MalformedPolicyDocument,
        ),
        (
            "PutUserPolicy&UserName=a&PolicyName=p&PolicyDocument=",
            ErrorCode::MalformedPolicyDocument,
        ),
        (
            "AttachUserPolicy&UserName=a&PolicyArn=arn:aws:iam::aws:role/long-enough",
            ErrorCode::InvalidInput,
        ),
        (
            "AttachUserPolicy&UserName=a&PolicyArn=p",
            ErrorCode::ValidationError,
        ),
        (
            "UpdateRole&RoleName=r&MaxSessionDuration=3599",
            ErrorCode::ValidationError,
        ),
        (
            "UpdateRole&RoleName=r&MaxSessionDuration=43201",
            ErrorCode::ValidationError,
        ),
    ] {
        assert_eq!(code(call), expected, "{call}");
    }
}

#[test]
fn optional_parameters_are_taken_or_have_their_default() {
    let Ok(Operation::CreateUser(user)) = parse("CreateUser&UserName=Bob&Tags=") else {
        panic!("it is one");
    };
    assert_eq!((user.path, user.tags), (Path::default(), vec![]));

    let call = format!(
        "CreateRole&RoleName=r&Path=/a/&Description=d&MaxSessionDuration=7200\
         &AssumeRolePolicyDocument={TRUST}&Tags.member.1.Key=k&Tags.member.1.Value=v"
    );
    let Ok(Operation::CreateRole(role)) = parse(&call) else {
        panic!("it is one");
    };
    assert_eq!(role.path.as_str(), "/a/");
    assert_eq!(role.max_session_duration, Some(7200));
    assert_eq!(role.description.unwrap().as_str(), "d");
    assert_eq!(role.tags[0].value, "v");

    let Ok(Operation::ListPolicies(list)) =
        parse("ListPolicies&Scope=Local&OnlyAttached=true&Marker=m&MaxItems=5")
    else {
        panic!("it is one");
    };
    assert_eq!((list.scope, list.only_attached), (PolicyScope::Local, true));
    assert_eq!(
        (list.page.marker.as_deref(), list.page.max_items),
        (Some("m"), 5)
    );

    let call = "DeletePolicyVersion&PolicyArn=arn:aws:iam::1:policy/p1&VersionId=v3";
    let Ok(Operation::DeletePolicyVersion(version)) = parse(call) else {
        panic!("it is one");
    };
    assert_eq!(version.version_id, VersionId(3));
}

#[test]
fn targets_tell_what_policies_speak_of() {
    let target = |call: &str| format!("{:?}", parse(call).unwrap().target());
    for (call, expected) in [
        ("GetUser", "Caller"),
        ("GetUser&UserName=a", "User(UserName(\"a\"))"),
        ("CreateAccessKey", "Caller"),
        (
            "CreateUser&UserName=a&Path=/b/",
            "NewUser(Path(\"/b/\"), UserName(\"a\"))",
        ),
        ("ListUsers&PathPrefix=/b", "Everything"),
        (
            "AddUserToGroup&UserName=a&GroupName=g",
            "Group(GroupName(\"g\"))",
        ),
        ("ListGroupsForUser&UserName=a", "User(UserName(\"a\"))"),
        ("GetAccountSummary", "Everything"),
    ] {
        assert_eq!(target(call), expected, "{call}");
    }
}
