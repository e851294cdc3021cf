use super::*;

const ROLE: &str = "RoleArn=arn:aws:iam::123456789012:role/a/r&RoleSessionName=s1";

fn parse(call: &str) -> Result<Operation> {
    let body = format!("Version=2011-06-15&Action={call}");
    Operation::parse(crate::aws_query::form_for_tests(&body, Service::Sts)?)
}

fn code(call: &str) -> ErrorCode {
    parse(call).unwrap_err().code()
}

#[test]
fn a_role_is_assumed_with_all_that_can_be_said() {
    let call = format!(
        "AssumeRole&{ROLE}&DurationSeconds=900&ExternalId=x:/1&PolicyArns.member.1.arn=\
         arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess&Tags.member.1.Key=Team&Tags.member.1.Value=a\
         &TransitiveTagKeys.member.1=team&Policy=%7B%22Version%22:%222012-10-17%22,%22Statement%22:\
         %7B%22Effect%22:%22Allow%22,%22Action%22:%22s3:*%22,%22Resource%22:%22*%22%7D%7D"
    );
    let operation = parse(&call).unwrap();
    assert_eq!(operation.action().iam_action(), "sts:AssumeRole");
    let Operation::AssumeRole(it) = operation else {
        panic!("it is one");
    };
    assert_eq!(
        (it.role.role().path.as_str(), it.role.role().name.as_str()),
        ("/a/", "r")
    );
    assert_eq!((it.session_name.as_str(), it.duration_s), ("s1", 900));
    assert_eq!(it.policy_arns[0].policy().name, "AmazonS3ReadOnlyAccess");
    assert_eq!(it.external_id.unwrap().as_str(), "x:/1");
    assert_eq!((it.tags.len(), it.transitive_tag_keys.len()), (1, 1));
    assert!(it.policy.is_some());
}

#[test]
fn sessions_have_a_life_within_bounds() {
    let duration = |call: &str| match parse(call) {
        Ok(Operation::AssumeRole(it)) => Ok(it.duration_s),
        Ok(Operation::AssumeRoleWithWebIdentity(it)) => Ok(it.duration_s),
        Ok(Operation::GetSessionToken(it)) => Ok(it.duration_s),
        Ok(Operation::GetCallerIdentity) => panic!("it has none"),
        Err(error) => Err(error.code()),
    };
    let role = format!("AssumeRole&{ROLE}");
    let web = format!("AssumeRoleWithWebIdentity&{ROLE}&WebIdentityToken=token");
    for (call, default, most) in [
        (role.as_str(), 3600, 43_200),
        (web.as_str(), 3600, 43_200),
        ("GetSessionToken", 43_200, 129_600),
    ] {
        assert_eq!(duration(call), Ok(default));
        let with = |seconds: u32| duration(&format!("{call}&DurationSeconds={seconds}"));
        assert_eq!((with(900), with(most)), (Ok(900), Ok(most)));
        assert_eq!(with(899), Err(ErrorCode::ValidationError));
        assert_eq!(with(most + 1), Err(ErrorCode::ValidationError));
    }
}

#[test]
fn what_is_wrong_is_refused() {
    let assume = |more: &str| format!("AssumeRole&{ROLE}{more}");
    let web = "AssumeRoleWithWebIdentity&RoleSessionName=s1&RoleArn=arn:aws:iam:::role/role-name";
    let arns: String = (1..=11)
        .map(|n| format!("&PolicyArns.member.{n}.arn=arn:aws:iam::aws:policy/p{n}"))
        .collect();
    for (call, expected) in [
        ("AssumeRole".to_owned(), ErrorCode::MissingParameter),
        (
            "AssumeRole&RoleSessionName=s1".to_owned(),
            ErrorCode::MissingParameter,
        ),
        (
            "AssumeRole&RoleSessionName=s&RoleArn=arn:aws:iam:::role/role-name".to_owned(),
            ErrorCode::ValidationError,
        ),
        (
            "AssumeRole&RoleSessionName=s1&RoleArn=arn:aws:iam:::user/user-name".to_owned(),
            ErrorCode::InvalidInput,
        ),
        (
            assume("&SerialNumber=arn:aws:iam::1:mfa/x&TokenCode=123456"),
            ErrorCode::NotImplemented,
        ),
        (assume("&SourceIdentity=me"), ErrorCode::NotImplemented),
        (assume("&Policy=%7B"), ErrorCode::MalformedPolicyDocument),
        (assume("&ExternalId=x"), ErrorCode::ValidationError),
        (
            assume("&TransitiveTagKeys.member.1=other"),
            ErrorCode::InvalidParameterValue,
        ),
        (
            assume("&PolicyArns.member.1=arn:aws:iam::aws:policy/p"),
            ErrorCode::MissingParameter,
        ),
        (assume(&arns), ErrorCode::ValidationError),
        (web.to_owned(), ErrorCode::MissingParameter),
        (
            format!("{web}&WebIdentityToken=abc"),
            ErrorCode::ValidationError,
        ),
        (
            format!("{web}&WebIdentityToken=abcd&ProviderId=graph.facebook.com"),
            ErrorCode::NotImplemented,
        ),
        (
            "GetSessionToken&SerialNumber=x".to_owned(),
            ErrorCode::NotImplemented,
        ),
        (
            "GetCallerIdentity&x=y".to_owned(),
            ErrorCode::NotImplemented,
        ),
        ("GetFederationToken".to_owned(), ErrorCode::InvalidAction),
    ] {
        assert_eq!(code(&call), expected, "{call}");
    }
    let token = "secret".repeat(4000);
    let error = parse(&format!("{web}&WebIdentityToken={token}")).unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}
