//! Requests signed by botocore, and what may not be made of them.

use super::*;
use http::{Method, Request};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

fn check(
    method: Method,
    target: &str,
    headers: &[(&str, &str)],
    host_bucket: Option<&str>,
    now_s: u64,
) -> Result<(), ErrorCode> {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let run = || {
        let mut claim = match head.headers.get("authorization") {
            Some(value) => ClaimV2::parse_header(value.to_str().unwrap(), &head)?,
            None => ClaimV2::parse_query(&head)?,
        };
        claim.set_host_bucket(host_bucket.map(str::to_owned));
        let now = UNIX_EPOCH + Duration::from_secs(now_s);
        claim.verify(&head, SECRET, now).map(|_| ())
    };
    run().map_err(|error| error.code())
}

type Headers = &'static [(&'static str, &'static str)];

/// Method, target, headers, and the bucket in the host's name.
type Vector = (Method, &'static str, Headers, Option<&'static str>);

/// Made with botocore's `HmacV1QueryAuth` and the key of AWS's examples, expiring at
/// 1,800,000,000 s.
const VECTORS: &[Vector] = &[
    (
        Method::GET,
        "/b/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=KAHZ7RJkVvbjN%2FcbV4TU4ascTj4%3D&Expires=1800000000",
        &[],
        None,
    ),
    (
        Method::GET,
        "/b/a%20b//..%2Fx/%C3%A9?response-content-type=text%2Fplain&response-expires=x%20y&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=d%2BNM3GzCx%2Fcd840kRgqltpzuN5k%3D&Expires=1800000000",
        &[],
        None,
    ),
    (
        Method::PUT,
        "/b/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=vZXBfZezkAh0pyEuq34c%2BVDGJ0k%3D&Expires=1800000000",
        &[("content-type", "text/plain")],
        None,
    ),
    (
        Method::PUT,
        "/b/k?partNumber=2&uploadId=abc&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=CMrPgwpPz5xwP2TN%2BKSk5WQ8fHA%3D&Expires=1800000000",
        &[],
        None,
    ),
    (
        Method::POST,
        "/b/k?uploads&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=iF7aGV2GW2HMg9zpSc8IG9IT1NY%3D&Expires=1800000000",
        &[],
        None,
    ),
    (
        Method::DELETE,
        "/k/l?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=FcyKvC53NnSt51GiPdyO64PF9j8%3D&Expires=1800000000",
        &[],
        Some("b"),
    ),
    (
        Method::GET,
        "/b/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=EyzXHf9ptWIH67lziQsaXSabmgI%3D&x-amz-security-token=TOKEN%2F%2B%3D&Expires=1800000000",
        &[],
        None,
    ),
    (
        Method::PUT,
        "/b/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=uRL7NwppPau%2FZwd62VNZRRO8Wm4%3D&content-type=text%2Fplain&x-amz-acl=private&x-amz-meta-a=b%20c&Expires=1800000000",
        &[],
        None,
    ),
];

const DATE: (&str, &str) = ("date", "Fri, 15 Jan 2027 08:00:00 GMT");

/// Made with botocore's `HmacV1Auth` at 1,800,000,000 s.
const HEADER_VECTORS: &[Vector] = &[
    (
        Method::GET,
        "/b/k",
        &[
            DATE,
            (
                "authorization",
                "AWS AKIAIOSFODNN7EXAMPLE:VWhrHPFmLpOFxeJOB/Q6dGN/36A=",
            ),
        ],
        None,
    ),
    (
        Method::GET,
        "/b?list-type=2&prefix=a%20b&versions&uploads=",
        &[
            DATE,
            (
                "authorization",
                "AWS AKIAIOSFODNN7EXAMPLE:A0Uth/wsqxoN5kIeYlC2enZNJiY=",
            ),
        ],
        None,
    ),
    (
        Method::PUT,
        "/b/a%20b//..%2Fx/%C3%A9?partNumber=2&uploadId=abc",
        &[
            DATE,
            ("content-type", "text/plain"),
            ("content-md5", "JfnnlDI7RTiF9RgfG2JNCw=="),
            ("x-amz-meta-B", " two words "),
            ("x-amz-acl", "private"),
            (
                "authorization",
                "AWS AKIAIOSFODNN7EXAMPLE:1FTwAucHxJiutGT09ODyCuEquuo=",
            ),
        ],
        None,
    ),
    (
        Method::GET,
        "/b/k",
        &[
            DATE,
            ("x-amz-security-token", "TOKEN/+="),
            (
                "authorization",
                "AWS AKIAIOSFODNN7EXAMPLE:GhXckyNd7d8F7OpG93UqRDfnO38=",
            ),
        ],
        None,
    ),
    (
        Method::GET,
        "/bbb?acl",
        &[
            DATE,
            (
                "authorization",
                "AWS AKIAIOSFODNN7EXAMPLE:dedHYHKxK9bzdktxdXxRtXO8MEA=",
            ),
        ],
        None,
    ),
    // Signed without the `=`, as rclone does.
    (
        Method::POST,
        "/b/k?uploads=",
        &[
            DATE,
            (
                "authorization",
                "AWS AKIAIOSFODNN7EXAMPLE:WALbqWqhfmbjCkJEfmLk/Qiu+M0=",
            ),
        ],
        None,
    ),
];

#[test]
fn headers_signed_by_the_sdk_are_accepted_about_their_time() {
    for (method, target, headers, bucket) in HEADER_VECTORS {
        let at = |now_s| check(method.clone(), target, headers, *bucket, now_s);
        for now_s in [1_800_000_000 - 900, 1_800_000_000, 1_800_000_000 + 900] {
            assert_eq!(at(now_s), Ok(()), "{target}");
        }
        for now_s in [1_800_000_000 - 901, 1_800_000_000 + 901] {
            assert_eq!(at(now_s), Err(ErrorCode::RequestTimeTooSkewed), "{target}");
        }
    }
}

#[test]
fn nothing_that_steers_is_added_to_a_request_signed_in_a_header() {
    for (method, target, headers, bucket) in HEADER_VECTORS {
        let with = |target: &str, more: &[(&str, &str)]| {
            let headers: Vec<_> = headers
                .iter()
                .copied()
                .chain(more.iter().copied())
                .collect();
            check(method.clone(), target, &headers, *bucket, 1_800_000_000)
        };
        let and = if target.contains('?') { '&' } else { '?' };
        let denied = Err(ErrorCode::AccessDenied);
        let differs = Err(ErrorCode::SignatureDoesNotMatch);
        for parameter in ["encryption", "publicAccessBlock=", "x-amz-acl=public-read"] {
            let target = format!("{target}{and}{parameter}");
            assert_eq!(with(&target, &[]), denied, "{target}");
        }
        assert_eq!(with(&format!("{target}{and}acl"), &[]), differs);
        assert_eq!(with(target, &[("x-amz-copy-source", "/a/b")]), differs);
        assert_eq!(with(&format!("{target}{and}max-keys=1"), &[]), Ok(()));
    }
}

#[test]
fn malformed_headers_are_told_apart() {
    let headers = |authorization, date| [("authorization", authorization), ("date", date)];
    let good = "AWS AKIAIOSFODNN7EXAMPLE:VWhrHPFmLpOFxeJOB/Q6dGN/36A=";
    for (authorization, date, code) in [
        ("AWS HAHAHA", DATE.1, ErrorCode::InvalidArgument),
        ("AWS :x", DATE.1, ErrorCode::InvalidArgument),
        ("AWS x:", DATE.1, ErrorCode::InvalidArgument),
        (good, "Bad Date", ErrorCode::AccessDenied),
        (good, "", ErrorCode::AccessDenied),
        (
            good,
            "Tue, 07 Jul 1950 21:53:04 GMT",
            ErrorCode::AccessDenied,
        ),
    ] {
        let given = check(
            Method::GET,
            "/b/k",
            &headers(authorization, date),
            None,
            1_800_000_000,
        );
        assert_eq!(given, Err(code), "{authorization} {date}");
    }
}

#[test]
fn urls_made_by_the_sdk_are_accepted_until_they_expire() {
    for (method, target, headers, bucket) in VECTORS {
        let at = |now_s| check(method.clone(), target, headers, *bucket, now_s);
        assert_eq!(at(1_800_000_000), Ok(()), "{target}");
        assert_eq!(at(1_800_000_001), Err(ErrorCode::AccessDenied), "{target}");
    }
}

#[test]
fn no_changed_url_is_accepted() {
    for (method, target, headers, bucket) in VECTORS {
        let refused = |method: &Method, target: &str, headers: &[(&str, &str)], bucket| {
            assert!(check(method.clone(), target, headers, bucket, 1_800_000_000).is_err());
        };
        let other = if method == Method::GET {
            Method::PUT
        } else {
            Method::GET
        };
        refused(&other, target, headers, *bucket);
        refused(method, target, headers, Some("other"));
        refused(method, &format!("{target}&attributes"), headers, *bucket);
        refused(method, &format!("{target}&acl"), headers, *bucket);
        let more: Vec<_> = headers
            .iter()
            .copied()
            .chain([("x-amz-copy-source", "/a/b")])
            .collect();
        refused(method, target, &more, *bucket);
        // The key id chooses the secret, and is not signed besides.
        let key_id = target.find("AKIA").unwrap();
        for at in (1..target.len()).filter(|at| !(key_id..key_id + 20).contains(at)) {
            let mut changed = target.as_bytes().to_vec();
            changed[at] = if changed[at] == b'z' { b'y' } else { b'z' };
            let changed = String::from_utf8(changed).unwrap();
            // The name of a parameter of the signature may break the form instead.
            if changed
                .parse::<http::Uri>()
                .is_ok_and(|uri| uri.query().is_some())
            {
                refused(method, &changed, headers, *bucket);
            }
        }
    }
}
