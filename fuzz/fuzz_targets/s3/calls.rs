//! Calls of IAM and STS, from their head to their input.

use riquet_s3::auth::{self, Service};
use riquet_s3::aws_query::{self, Form};
use riquet_s3::{Result, iam, sts};

use super::answers::{check_xml, is_clients_fault};
use super::heads;

/// Signs nothing, but is of the right form.
const HEAD: &str = "POST / HTTP\nhost: h\ncontent-type: application/x-www-form-urlencoded; charset=\
    utf-8\nx-amz-date: 20130524T000000Z\nauthorization: AWS4-HMAC-SHA256 Credential=\
    AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/SERVICE/aws4_request,SignedHeaders=host;x-amz-date,\
    Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";

/// Calls that come in other ways.
const WHOLE: [&str; 3] = [
    "GET /?Action=ListUsers&Version=2010-05-08&PathPrefix=/a/&MaxItems=5&Marker=bQ== HTTP\nhost: h\n\
     x-amz-date: 20130524T000000Z\nauthorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/\
     20130524/us-east-1/iam/aws4_request,SignedHeaders=host;x-amz-date,\
     Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    "POST / HTTP\ncontent-type: application/x-www-form-urlencoded\n\n\
     Action=AssumeRoleWithWebIdentity&RoleArn=arn:aws:iam::123456789012:role/a/r&\
     RoleSessionName=s1&WebIdentityToken=token",
    "GET /?Action=AssumeRoleWithWebIdentity&RoleArn=arn:aws:iam::123456789012:role/a/r&\
     RoleSessionName=s1&WebIdentityToken=token HTTP\nhost: h",
];

/// Forms of STS, a line each. What stands in capitals is one of the [`STAND_INS`].
const STS: &str = "
    AssumeRole&RoleArn=ROLE&RoleSessionName=s1&DurationSeconds=900&ExternalId=x:/1&PolicyArns.member.1.arn=MANAGED&Tags.member.1.Key=Team&Tags.member.1.Value=a&TransitiveTagKeys.member.1=team&Policy=POLICY
    GetCallerIdentity
";

/// Forms of IAM.
const IAM: &str = "
    CreateUser&Version=2010-05-08&UserName=u&Path=%2Fa%2F&Tags.member.1.Key=k&Tags.member.1.Value=v
    GetUser&UserName=u
    UpdateUser&UserName=u&NewPath=/b/&NewUserName=v
    DeleteUser&UserName=u
    PutUserPolicy&UserName=u&PolicyName=p&PolicyDocument=POLICY
    GetUserPolicy&UserName=u&PolicyName=p
    DeleteUserPolicy&UserName=u&PolicyName=p
    ListUserPolicies&UserName=u&Marker=m&MaxItems=5
    AttachUserPolicy&UserName=u&PolicyArn=MANAGED
    DetachUserPolicy&UserName=u&PolicyArn=OWN
    ListAttachedUserPolicies&UserName=u&PathPrefix=/a
    TagUser&UserName=u&Tags.member.1.Key=k&Tags.member.1.Value=v
    UntagUser&UserName=u&TagKeys.member.1=k
    ListUserTags&UserName=u
    CreateAccessKey&UserName=u
    UpdateAccessKey&AccessKeyId=AKIAIOSFODNN7EXAMPLE&Status=Active
    DeleteAccessKey&AccessKeyId=AKIAIOSFODNN7EXAMPLE
    ListAccessKeys
    GetAccessKeyLastUsed&AccessKeyId=AKIAIOSFODNN7EXAMPLE
    ListAccountAliases
    CreateGroup&GroupName=g&Path=/a/
    GetGroup&GroupName=g
    UpdateGroup&GroupName=g&NewGroupName=h
    DeleteGroup&GroupName=g
    ListGroups
    AddUserToGroup&GroupName=g&UserName=u
    RemoveUserFromGroup&GroupName=g&UserName=u
    ListGroupsForUser&UserName=u
    PutGroupPolicy&GroupName=g&PolicyName=p&PolicyDocument=POLICY
    GetGroupPolicy&GroupName=g&PolicyName=p
    DeleteGroupPolicy&GroupName=g&PolicyName=p
    ListGroupPolicies&GroupName=g
    AttachGroupPolicy&GroupName=g&PolicyArn=OWN
    DetachGroupPolicy&GroupName=g&PolicyArn=OWN
    ListAttachedGroupPolicies&GroupName=g
    CreateRole&RoleName=r&Description=d&MaxSessionDuration=7200&AssumeRolePolicyDocument=TRUST
    GetRole&RoleName=r
    UpdateRole&RoleName=r&MaxSessionDuration=3600
    UpdateRoleDescription&RoleName=r&Description=d
    ListRoles
    UpdateAssumeRolePolicy&RoleName=r&PolicyDocument=TRUST
    PutRolePolicy&RoleName=r&PolicyName=p&PolicyDocument=POLICY
    GetRolePolicy&RoleName=r&PolicyName=p
    DeleteRolePolicy&RoleName=r&PolicyName=p
    ListRolePolicies&RoleName=r
    AttachRolePolicy&RoleName=r&PolicyArn=OWN
    DetachRolePolicy&RoleName=r&PolicyArn=OWN
    ListAttachedRolePolicies&RoleName=r
    TagRole&RoleName=r&Tags.member.1.Key=k&Tags.member.1.Value=v
    UntagRole&RoleName=r&TagKeys.member.1=k
    ListRoleTags&RoleName=r
    CreatePolicy&PolicyName=p&PolicyDocument=POLICY
    ListPolicies&Scope=Local&OnlyAttached=true&PolicyUsageFilter=PermissionsPolicy
    CreatePolicyVersion&PolicyArn=OWN&PolicyDocument=POLICY&SetAsDefault=true
    GetPolicyVersion&PolicyArn=OWN&VersionId=v1
    ListPolicyVersions&PolicyArn=OWN
    DeletePolicyVersion&PolicyArn=OWN&VersionId=v1
    SetDefaultPolicyVersion&PolicyArn=OWN&VersionId=v1
    CreateOpenIDConnectProvider&Url=https://x&ClientIDList.member.1=c
    GetOpenIDConnectProvider&OpenIDConnectProviderArn=OIDC
    AddClientIDToOpenIDConnectProvider&OpenIDConnectProviderArn=OIDC&ClientID=c
    RemoveClientIDFromOpenIDConnectProvider&OpenIDConnectProviderArn=OIDC&ClientID=c
    UpdateOpenIDConnectProviderThumbprint&OpenIDConnectProviderArn=OIDC&ThumbprintList.member.1=HEX
";

/// Values that are long.
const STAND_INS: [(&str, &str); 7] = [
    (
        "=POLICY",
        "=%7B%22Version%22:%222012-10-17%22,%22Statement%22:%7B%22Effect%22:%22Allow%22,\
         %22Action%22:%22s3:*%22,%22Resource%22:%22*%22%7D%7D",
    ),
    (
        "=TRUST",
        "=%7B%22Version%22:%222012-10-17%22,%22Statement%22:%7B%22Effect%22:%22Allow%22,\
         %22Action%22:%22sts:AssumeRole%22,%22Principal%22:%7B%22AWS%22:%22123456789012%22%7D%7D%7D",
    ),
    (
        "=MANAGED",
        "=arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
    ),
    ("=OWN", "=arn:aws:iam::123456789012:policy/p"),
    ("=ROLE", "=arn:aws:iam::123456789012:role/a/r"),
    ("=OIDC", "=arn:aws:iam::123456789012:oidc-provider/x"),
    ("=HEX", "=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
];

/// Calls that are understood.
pub(crate) fn examples() -> impl Iterator<Item = String> {
    let with_head = |service: &'static str, forms: &'static str| {
        let head = HEAD.replace("SERVICE", service);
        forms
            .split_whitespace()
            .map(move |form| format!("{head}\n\nAction={form}"))
    };
    let with_values = |form: String| {
        STAND_INS
            .iter()
            .fold(form, |form, (name, value)| form.replace(name, value))
    };
    let forms = with_head("iam", IAM).chain(with_head("sts", STS));
    forms.map(with_values).chain(WHOLE.map(str::to_owned))
}

/// Whether all of a call is understood.
pub(crate) fn check(text: &[u8]) -> bool {
    let Some((head, body)) = heads::read(text) else {
        return false;
    };
    let Some(addressed) = aws_query::addressed(&head) else {
        return false;
    };
    let service = addressed.service();
    let read = || -> Result<()> {
        auth::parse_call(&head, service, body)?;
        let form = Form::read(&head, body, service)?;
        let action = form.action().to_owned();
        match service {
            Service::Iam => {
                let operation = iam::Operation::parse(form)?;
                assert_eq!(
                    operation.action().iam_action().strip_prefix("iam:"),
                    Some(&*action)
                );
                let _ = operation.target();
            }
            Service::Sts => {
                let operation = sts::Operation::parse(form)?;
                assert_eq!(
                    operation.action().iam_action().strip_prefix("sts:"),
                    Some(&*action)
                );
            }
            Service::S3 | Service::Riquet => panic!("these have no calls"),
        }
        Ok(())
    };
    read()
        .map_err(|error| {
            let answer = aws_query::answer::error(&error, service, "request");
            assert!(is_clients_fault(answer.status()), "{error:?}");
            check_xml(answer.body());
        })
        .is_ok()
}
