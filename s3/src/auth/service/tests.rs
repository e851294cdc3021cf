//! Requests signed for other services than the store: AWS's published example, and what botocore
//! sends.

use std::time::SystemTime;

use http::Request;
use http::request::Parts;

use super::Service;
use crate::auth::timestamp::parse_basic;
use crate::auth::{PayloadKind, Verified, parse, parse_call};
use crate::error::{Error, ErrorCode};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
const BODY: &[u8] = b"Action=CreateUser&Version=2010-05-08&UserName=bob&Path=%2Fa%2F";
const IAM_SIGNATURE: &str = "a02db5ac689f0461cc58e654cef821ff36e033f2bf32d3a3d240930e75eb57fc";
const STS_SIGNATURE: &str = "2902f9bb323f0499438704a7fe6648aceaf94277b8bca655c3aa82cc15c53a7a";

fn now() -> SystemTime {
    parse_basic("20150830T123600Z").unwrap()
}

fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut builder = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

fn authorization(scope: &str, signed_headers: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/{scope}/aws4_request, \
         SignedHeaders={signed_headers}, Signature={signature}"
    )
}

/// The form that botocore signs for IAM.
fn create_user() -> Parts {
    let signed = "content-type;host;x-amz-date";
    head(
        "POST",
        "/",
        &[
            ("host", "localhost:9000"),
            ("content-type", FORM),
            ("x-amz-date", "20150830T123600Z"),
            (
                "authorization",
                &authorization("us-east-1/iam", signed, IAM_SIGNATURE),
            ),
        ],
    )
}

fn check(head: &Parts, service: Service, body: &[u8]) -> Result<Verified, Error> {
    parse_call(head, service, body)?.verify(head, SECRET, "us-east-1", now())
}

fn code(head: &Parts, service: Service, body: &[u8]) -> ErrorCode {
    check(head, service, body).unwrap_err().code()
}

#[test]
fn the_published_example_verifies() {
    let list_users = head(
        "GET",
        "/?Action=ListUsers&Version=2010-05-08",
        &[
            ("host", "iam.amazonaws.com"),
            ("content-type", FORM),
            ("x-amz-date", "20150830T123600Z"),
            (
                "authorization",
                &authorization(
                    "us-east-1/iam",
                    "content-type;host;x-amz-date",
                    "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
                ),
            ),
        ],
    );
    assert_eq!(Service::claimed(&list_users), Some(Service::Iam));
    let verified = check(&list_users, Service::Iam, b"").unwrap();
    assert_eq!(verified.access_key_id(), "AKIDEXAMPLE");
}

#[test]
fn a_form_verifies_with_its_body_alone() {
    let create_user = create_user();
    let verified = check(&create_user, Service::Iam, BODY).unwrap();
    assert!(matches!(verified.payload(), PayloadKind::Sha256(_)));
    let other = b"Action=DeleteUser&Version=2010-05-08&UserName=bob";
    for body in [&other[..], b"", &BODY[1..]] {
        assert_eq!(
            code(&create_user, Service::Iam, body),
            ErrorCode::SignatureDoesNotMatch
        );
    }
    // A hash that the request names itself counts for nothing.
    let mut named = create_user;
    named
        .headers
        .insert("x-amz-content-sha256", "UNSIGNED-PAYLOAD".parse().unwrap());
    assert_eq!(code(&named, Service::Iam, BODY), ErrorCode::AccessDenied);
}

#[test]
fn a_session_signs_for_sts_in_any_region() {
    let signed = "content-type;host;x-amz-date;x-amz-security-token";
    let call = head(
        "POST",
        "/",
        &[
            ("host", "localhost:9000"),
            ("content-type", FORM),
            ("x-amz-date", "20150830T123600Z"),
            ("x-amz-security-token", "tok/en=="),
            (
                "authorization",
                &authorization("eu-test-9/sts", signed, STS_SIGNATURE),
            ),
        ],
    );
    let body = b"Action=GetCallerIdentity&Version=2011-06-15";
    check(&call, Service::Sts, body).unwrap();
    let claim = parse_call(&call, Service::Sts, body).unwrap();
    assert_eq!(claim.session_token(), Some("tok/en=="));
}

#[test]
fn a_call_can_be_presigned() {
    let url = "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256\
               &X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fsts%2Faws4_request\
               &X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host\
               &X-Amz-Signature=fab5bc6a4e57bb5d659feb273e7cac7f342e637f332ad400d43ecaa6f6ad858b";
    let call = head("GET", url, &[("host", "localhost:9000")]);
    assert_eq!(Service::claimed(&call), Some(Service::Sts));
    check(&call, Service::Sts, b"").unwrap();
    assert_eq!(
        code(&call, Service::Sts, b"x"),
        ErrorCode::SignatureDoesNotMatch
    );

    let old = "/?Action=ListUsers&AWSAccessKeyId=A&Expires=9999999999&Signature=x";
    let old = head("GET", old, &[("host", "localhost:9000")]);
    assert_eq!(code(&old, Service::Iam, b""), ErrorCode::InvalidRequest);
}

#[test]
fn a_signature_is_good_for_its_own_service_only() {
    let create_user = create_user();
    let malformed = ErrorCode::AuthorizationHeaderMalformed;
    assert_eq!(code(&create_user, Service::Sts, BODY), malformed);
    assert_eq!(parse(&create_user).unwrap_err().code(), malformed);

    // The name alone doesn't help: the key is derived from it.
    let value = create_user.headers["authorization"].to_str().unwrap();
    for (service, name) in [(Service::S3, "/s3/"), (Service::Sts, "/sts/")] {
        let mut renamed = create_user.clone();
        let value = value.replace("/iam/", name).parse().unwrap();
        renamed.headers.insert("authorization", value);
        assert_eq!(Service::claimed(&renamed), Some(service));
        assert_eq!(
            code(&renamed, service, BODY),
            ErrorCode::SignatureDoesNotMatch
        );
    }
}

#[test]
fn what_is_not_signed_claims_nothing() {
    for (uri, value) in [
        ("/", None),
        ("/?X-Amz-Credential=iam", None),
        ("/?X-Amz-Credential=%FF%2Fiam%2Faws4_request", None),
        ("/", Some("AWS key:signature")),
        ("/", Some("AWS4-HMAC-SHA256 Credential=")),
        (
            "/",
            Some("AWS4-HMAC-SHA256 Credential=A/1/r/ec2/aws4_request, Signature=x"),
        ),
    ] {
        let headers: Vec<_> = value
            .map(|value| ("authorization", value))
            .into_iter()
            .collect();
        assert_eq!(
            Service::claimed(&head("GET", uri, &headers)),
            None,
            "{uri} {value:?}"
        );
    }
}
