//! AWS's published examples, each fault a client can make, and keys with every odd byte signed by
//! AWS's own signer.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::Request;
use http::request::Parts;

use crate::auth::timestamp::parse_basic;
use crate::auth::{Authentication, PayloadKind, Verified, parse};
use crate::error::{Error, ErrorCode};

const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const REGION: &str = "us-east-1";
const HOST: &str = "examplebucket.s3.amazonaws.com";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const PRESIGNED: &str = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=\
    AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z\
    &X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=\
    aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

fn example_time() -> SystemTime {
    parse_basic("20130524T000000Z").unwrap()
}

fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut builder = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

fn authorization(signed_headers: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20130524/us-east-1/s3/aws4_request,\
         SignedHeaders={signed_headers},Signature={signature}"
    )
}

fn check_at(head: &Parts, now: SystemTime) -> Result<Verified, Error> {
    parse(head)?.verify(head, SECRET, REGION, now)
}

fn check(head: &Parts) -> Result<Verified, Error> {
    check_at(head, example_time())
}

fn field<'a>(error: &'a Error, name: &str) -> Option<&'a str> {
    error
        .fields()
        .iter()
        .find(|(field, _)| *field == name)
        .map(|(_, value)| value.as_str())
}

/// The documentation's "GET object" example.
fn get_object() -> Parts {
    let authorization = authorization(
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    );
    head(
        "GET",
        "/test.txt",
        &[
            ("host", HOST),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", EMPTY),
            ("x-amz-date", "20130524T000000Z"),
            ("authorization", &authorization),
        ],
    )
}

#[test]
fn published_header_examples_verify() {
    let get = get_object();
    let verified = check(&get).unwrap();
    assert_eq!(verified.access_key_id(), ACCESS_KEY);
    assert!(matches!(verified.payload(), PayloadKind::Sha256(hash) if hex::encode(hash) == EMPTY));

    // PUT object: a path with a character to escape, both dates.
    let signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
    let signed = "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class";
    let put = head(
        "PUT",
        "/test$file.text",
        &[
            ("host", HOST),
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            (
                "x-amz-content-sha256",
                "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            ),
            ("authorization", &authorization(signed, signature)),
        ],
    );
    check(&put).unwrap();

    // GET bucket lifecycle, and the list of a bucket.
    for (uri, signature) in [
        (
            "/?lifecycle",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "/?max-keys=2&prefix=J",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ] {
        let authorization = authorization("host;x-amz-content-sha256;x-amz-date", signature);
        let headers = [
            ("host", HOST),
            ("x-amz-content-sha256", EMPTY),
            ("x-amz-date", "20130524T000000Z"),
            ("authorization", authorization.as_str()),
        ];
        check(&head("GET", uri, &headers)).unwrap();
    }
}

#[test]
fn published_streaming_examples_verify() {
    for (kind, signed, signature, expected) in [
        (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;\
             x-amz-decoded-content-length;x-amz-storage-class",
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
            PayloadKind::StreamingSigned,
        ),
        (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            "content-encoding;host;x-amz-content-sha256;x-amz-date;\
             x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
            "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
            PayloadKind::StreamingSignedTrailer,
        ),
    ] {
        let authorization = authorization(signed, signature);
        let mut headers = vec![
            ("host", "s3.amazonaws.com"),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", kind),
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"),
            ("content-length", "66824"),
            ("authorization", &authorization),
        ];
        if expected == PayloadKind::StreamingSignedTrailer {
            headers.push(("x-amz-trailer", "x-amz-checksum-crc32c"));
        }
        let head = head("PUT", "/examplebucket/chunkObject.txt", &headers);
        assert_eq!(check(&head).unwrap().payload(), expected);
    }
}

#[test]
fn published_presigned_example_verifies_while_it_lives() {
    let url = head("GET", PRESIGNED, &[("host", HOST)]);
    let start = example_time();
    let day = Duration::from_secs(86_400);
    assert_eq!(check(&url).unwrap().payload(), PayloadKind::Unsigned);
    check_at(&url, start + day).unwrap();
    check_at(&url, start - Duration::from_secs(900)).unwrap();

    let expired = check_at(&url, start + day + Duration::from_secs(1)).unwrap_err();
    assert_eq!(
        (expired.code(), expired.text()),
        (ErrorCode::AccessDenied, "Request has expired")
    );
    assert_eq!(field(&expired, "Expires"), Some("2013-05-25T00:00:00Z"));
    let early = check_at(&url, start - Duration::from_secs(901)).unwrap_err();
    assert_eq!(
        (early.code(), early.text()),
        (ErrorCode::AccessDenied, "Request is not yet valid")
    );

    // HTTP/2 names the host in the URI.
    check(&head("GET", &format!("http://{HOST}{PRESIGNED}"), &[])).unwrap();
}

#[test]
fn presigned_faults() {
    let code = |from: &str, to: &str| {
        assert!(PRESIGNED.contains(from), "{from}");
        let url = PRESIGNED.replacen(from, to, 1);
        check(&head("GET", &url, &[("host", HOST)]))
            .unwrap_err()
            .code()
    };
    let malformed = ErrorCode::AuthorizationQueryParametersError;
    assert_eq!(code("X-Amz-Expires=86400", "X-Amz-Expires=0"), malformed);
    assert_eq!(code("X-Amz-Expires=86400", "X-Amz-Expires=-1"), malformed);
    assert_eq!(
        code("X-Amz-Expires=86400", "X-Amz-Expires=604801"),
        malformed
    );
    assert_eq!(code("X-Amz-Expires=86400", "X-Amz-Expires=day"), malformed);
    assert_eq!(code("X-Amz-Expires=86400&", ""), malformed);
    assert_eq!(code("X-Amz-Algorithm=AWS4-HMAC-SHA256&", ""), malformed);
    assert_eq!(
        code("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        malformed
    );
    assert_eq!(code("20130524T000000Z", "2013-05-24"), malformed);
    assert_eq!(code("20130524T", "20130525T"), malformed);
    assert_eq!(code("us-east-1", "eu-west-1"), malformed);
    assert_eq!(code("%2Fs3%2F", "%2Fec2%2F"), malformed);
    assert_eq!(
        code("X-Amz-Expires=86400", "X-Amz-Expires=86401"),
        ErrorCode::SignatureDoesNotMatch
    );
    assert_eq!(
        code("/test.txt", "/tesT.txt"),
        ErrorCode::SignatureDoesNotMatch
    );
    assert_eq!(
        code("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=range"),
        ErrorCode::AccessDenied
    );
    assert_eq!(
        code("/test.txt?", "/test.txt?versionId=1&"),
        ErrorCode::SignatureDoesNotMatch
    );
}

#[test]
fn anonymous_and_foreign_mechanisms() {
    let anonymous = head("GET", "/b/k?prefix=a", &[("host", HOST)]);
    let authentication = parse(&anonymous).unwrap();
    assert!(matches!(authentication, Authentication::Anonymous));
    assert_eq!(authentication.access_key_id(), None);
    assert_eq!(
        check(&anonymous).unwrap_err().code(),
        ErrorCode::AccessDenied
    );

    let code = |uri: &str, authorization: &str| {
        let headers = [("host", HOST), ("authorization", authorization)];
        check(&head("GET", uri, &headers)).unwrap_err().code()
    };
    let v2 = "AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=";
    // It has no date. (The claims of version 2 have tests of their own.)
    assert_eq!(code("/b/k", v2), ErrorCode::AccessDenied);
    assert_eq!(
        code("/b/k", "AWS4-ECDSA-P256-SHA256 Credential=x"),
        ErrorCode::InvalidRequest
    );
    assert_eq!(code("/b/k", "Basic dTpw"), ErrorCode::InvalidArgument);
    assert_eq!(code(PRESIGNED, v2), ErrorCode::InvalidArgument);
    let v2_query = head(
        "GET",
        "/k?AWSAccessKeyId=A&Expires=1&Signature=x",
        &[("host", HOST)],
    );
    // Presigned URLs of version 2 are known; this one expired in 1970.
    assert_eq!(
        check(&v2_query).unwrap_err().code(),
        ErrorCode::AccessDenied
    );
}

#[test]
fn header_faults() {
    let with = |change: &dyn Fn(&mut Parts)| {
        let mut head = get_object();
        change(&mut head);
        check(&head).unwrap_err()
    };
    let authorized = |from: &str, to: &str| {
        with(&|head| {
            let value = head.headers["authorization"].to_str().unwrap();
            assert!(value.contains(from), "{from}");
            let value = value.replacen(from, to, 1).parse().unwrap();
            head.headers.insert("authorization", value);
        })
    };
    let malformed = ErrorCode::AuthorizationHeaderMalformed;
    for (from, to) in [
        ("Credential=", "Credentials="),
        ("Credential=", ""),
        (",Signature=", ",Signature=a,Signature="),
        ("SignedHeaders=host", "SignedHeaders=;host"),
        // What is hashed would otherwise be a header's value as often as its name can be sent.
        ("SignedHeaders=host", "SignedHeaders=host;Host"),
        ("/20130524/", "/20130525/"),
        ("/20130524/", "/"),
        ("/s3/", "/iam/"),
        ("aws4_request", "aws5_request"),
    ] {
        assert_eq!(authorized(from, to).code(), malformed, "{from} -> {to}");
    }
    let region = authorized("us-east-1", "eu-west-1");
    assert_eq!(region.code(), malformed);
    assert_eq!(field(&region, "Region"), Some("us-east-1"));
    assert_eq!(
        region.text(),
        "The authorization header is malformed; the region 'eu-west-1' is wrong; expecting \
         'us-east-1'"
    );

    let unsigned = authorized("x-amz-content-sha256;x-amz-date", "x-amz-date");
    assert_eq!(unsigned.code(), ErrorCode::AccessDenied);
    assert_eq!(
        field(&unsigned, "HeadersNotSigned"),
        Some("x-amz-content-sha256")
    );
    let added = with(&|head| {
        head.headers
            .insert("x-amz-acl", "public-read".parse().unwrap());
    });
    assert_eq!(field(&added, "HeadersNotSigned"), Some("x-amz-acl"));

    let mismatch = authorized("Signature=f0", "Signature=f1");
    assert_eq!(mismatch.code(), ErrorCode::SignatureDoesNotMatch);
    assert_eq!(field(&mismatch, "AWSAccessKeyId"), Some(ACCESS_KEY));
    assert!(
        field(&mismatch, "StringToSign")
            .unwrap()
            .starts_with("AWS4-HMAC-SHA256\n20130524T")
    );
    assert!(
        field(&mismatch, "StringToSignBytes")
            .unwrap()
            .starts_with("41 57 53 34")
    );
    assert!(
        field(&mismatch, "CanonicalRequest")
            .unwrap()
            .starts_with("GET\n/test.txt\n\nhost:")
    );
    assert!(
        field(&mismatch, "SignatureProvided")
            .unwrap()
            .starts_with("f1e8bdb8")
    );

    let remove = |name: &'static str| {
        with(&|head| {
            head.headers.remove(name);
        })
        .code()
    };
    assert_eq!(remove("x-amz-content-sha256"), ErrorCode::InvalidRequest);
    assert_eq!(remove("x-amz-date"), ErrorCode::AccessDenied);
    assert_eq!(remove("range"), ErrorCode::SignatureDoesNotMatch);
    let kind = with(&|head| {
        head.headers.insert(
            "x-amz-content-sha256",
            "STREAMING-NONSENSE".parse().unwrap(),
        );
    });
    assert_eq!(kind.code(), ErrorCode::InvalidArgument);
}

#[test]
fn clocks_may_differ_by_fifteen_minutes() {
    let get = get_object();
    let limit = Duration::from_secs(900);
    let beyond = limit + Duration::from_secs(1);
    check_at(&get, example_time() + limit).unwrap();
    check_at(&get, example_time() - limit).unwrap();
    for now in [example_time() + beyond, example_time() - beyond] {
        let error = check_at(&get, now).unwrap_err();
        assert_eq!(error.code(), ErrorCode::RequestTimeTooSkewed);
        assert_eq!(field(&error, "RequestTime"), Some("20130524T000000Z"));
        assert_eq!(field(&error, "MaxAllowedSkewMilliseconds"), Some("900000"));
        assert!(
            field(&error, "ServerTime")
                .unwrap()
                .starts_with("2013-05-2")
        );
    }
}

#[test]
fn another_secret_does_not_verify() {
    let get = get_object();
    let error = parse(&get)
        .unwrap()
        .verify(&get, "other", REGION, example_time())
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::SignatureDoesNotMatch);
}

/// Signs as AWS's SDKs do for S3: single encoding, no normalisation.
fn sign_as_sdk(uri: &str, location: SignatureLocation) -> Parts {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.signature_location = location;
    if location == SignatureLocation::QueryParams {
        settings.expires_in = Some(Duration::from_secs(60));
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
    }
    let identity = Credentials::new(
        ACCESS_KEY,
        SECRET,
        Some("token/+=".to_owned()),
        None,
        "test",
    )
    .into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("s3")
        .time(example_time())
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let mut request = Request::builder()
        .method("PUT")
        .uri(uri)
        .header("host", "localhost:9000")
        .header("x-amz-meta-note", " two  spaces ")
        .header("content-type", "text/plain")
        .body(())
        .unwrap();
    let headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    let signable = SignableRequest::new(
        "PUT",
        uri,
        headers.into_iter(),
        SignableBody::UnsignedPayload,
    )
    .unwrap();
    let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
    instructions.apply_to_request_http1x(&mut request);
    request.into_parts().0
}

#[test]
fn odd_keys_signed_by_an_sdk_verify() {
    for key in [
        "plain",
        "../up",
        "a/../../b",
        "./here",
        "//two//slashes//",
        "a%20b",
        "%2F",
        "%252F",
        "percent%25",
        "%C3%A9t%C3%A9/%E6%97%A5%E6%9C%AC",
        "%F0%9F%8C%8A",
        "a%2Bb",
        "%21%27%28%29%2A%24%26%2C%3A%3B%3D%40",
        "~tilde-._",
        "%00%01%7F%FF",
        "%3Fquestion%23hash",
        "trailing/",
        "a?uploadId=x%2Fy%3D&partNumber=1",
        "?list-type=2&prefix=a%20b%2Fc&delimiter=%2F&start-after=%C3%A9",
        "?uploads",
        "?b=2&a=1&a=0&aa=",
    ] {
        for location in [SignatureLocation::Headers, SignatureLocation::QueryParams] {
            let head = sign_as_sdk(&format!("http://localhost:9000/bucket/{key}"), location);
            let authentication = parse(&head).unwrap();
            assert_eq!(authentication.session_token(), Some("token/+="));
            let verified = authentication.verify(&head, SECRET, REGION, example_time());
            assert!(
                verified.is_ok(),
                "{key} by {location:?}: {:?}",
                verified.unwrap_err()
            );

            let mut other = head.clone();
            other.method = http::Method::DELETE;
            assert_eq!(
                check(&other).unwrap_err().code(),
                ErrorCode::SignatureDoesNotMatch
            );
        }
    }
}
