//! From a request's head to its operation, bucket and key.
//!
//! Path style (`host/bucket/key`) and virtual-host style (`bucket.base/key`) are both understood.
//! The raw path is percent-decoded exactly once and never normalised: `//`, `..` and an encoded
//! slash all stay in the key.

use http::HeaderMap;
use http::header::HOST;
use http::request::Parts;

use super::query::{Query, percent_decode};
use super::table::{OperationInfo, OperationName, Scope, TABLE};
use crate::body::Purpose;
use crate::error::{Error, ErrorCode, Result};
use crate::name::{BucketName, ObjectKey};

/// The most bytes of a CreateBucket body: room for a configuration with tags.
const CREATE_BUCKET_BYTES_MAX: usize = 64 << 10;

/// The most bytes of a document that configures a bucket or an object: CORS rules are the longest,
/// and hold themselves to 64 KiB.
const SETTING_BYTES_MAX: usize = 128 << 10;

/// 1000 rules of a lifecycle, each with a prefix and tags of a usual length.
const LIFECYCLE_BYTES_MAX: usize = 1 << 20;

/// The most bytes of a DeleteObjects body: 1000 keys of 1024 bytes, each byte escaped in five.
const DELETE_OBJECTS_BYTES_MAX: usize = 6 << 20;

/// The most bytes of a CompleteMultipartUpload body: 10,000 parts with an ETag and a checksum.
const COMPLETE_UPLOAD_BYTES_MAX: usize = 4 << 20;

/// Query parameters that select an operation only together with others and are ordinary
/// parameters elsewhere.
const NOT_SUBRESOURCES: [&str; 3] = ["partNumber", "id", "list-type"];

/// Finds operations; built once from the domains under which buckets are host names.
#[derive(Debug, Clone, Default)]
pub struct Router {
    /// Each with a leading dot and in lower case, longest first, so that the most specific wins.
    base_domains: Vec<String>,
}

/// A request's row, bucket and key.
#[derive(Debug, Clone)]
pub struct Route {
    /// The operation, implemented or not.
    pub operation: &'static OperationInfo,
    /// The bucket: present unless the operation's scope is the service.
    pub bucket: Option<BucketName>,
    /// The key: present when the operation's scope is an object.
    pub key: Option<ObjectKey>,
    /// The decoded query string.
    pub query: Query,
}

/// What a request's body is, so that the caller knows whether to collect it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// No body is looked at.
    Empty,
    /// An XML document to collect, up to a limit.
    Xml {
        /// The limit.
        limit_bytes: usize,
        /// What the request's digest headers are about.
        purpose: Purpose,
    },
    /// An object's or part's bytes, to be streamed.
    Stream,
}

impl Router {
    /// A router that reads `bucket.DOMAIN` as virtual-host style for each of the domains. A
    /// domain is given without port.
    pub fn new(base_domains: impl IntoIterator<Item = String>) -> Self {
        let mut base_domains: Vec<String> = base_domains
            .into_iter()
            .map(|domain| format!(".{}", domain.trim_matches('.').to_ascii_lowercase()))
            .filter(|domain| domain.len() > 1)
            .collect();
        base_domains.sort_by_key(|domain| std::cmp::Reverse(domain.len()));
        Self { base_domains }
    }

    /// Routes a request.
    ///
    /// # Errors
    /// `InvalidURI`, `InvalidBucketName`, `KeyTooLongError`, or `MethodNotAllowed` where the
    /// resource has no such method.
    pub fn route(&self, head: &Parts) -> Result<Route> {
        let (bucket, key) = self.place(head)?;
        let query = Query::parse(head.uri.query().unwrap_or(""))?;
        let scope = match (&bucket, &key) {
            (None, _) => Scope::Service,
            (Some(_), None) => Scope::Bucket,
            (Some(_), Some(_)) => Scope::Object,
        };
        let operation = select(head, scope, &query)?;
        Ok(Route {
            operation,
            bucket,
            key,
            query,
        })
    }

    /// The bucket and key that a request is about, whatever it asks.
    ///
    /// # Errors
    /// `InvalidURI`, `InvalidBucketName`, `KeyTooLongError`.
    pub fn place(&self, head: &Parts) -> Result<(Option<BucketName>, Option<ObjectKey>)> {
        let path = head
            .uri
            .path()
            .strip_prefix('/')
            .ok_or(ErrorCode::InvalidURI)?;
        let (raw_bucket, raw_key) = match self.bucket_in_host(head) {
            Some(bucket) => (bucket, path),
            None => match path.split_once('/') {
                Some((bucket, key)) => (bucket.to_owned(), key),
                None => (path.to_owned(), ""),
            },
        };
        Ok(match (raw_bucket.is_empty(), raw_key.is_empty()) {
            (true, true) => (None, None),
            (_, true) => (Some(decode_bucket(&raw_bucket)?), None),
            (_, false) => {
                let key = ObjectKey::from_bytes(&percent_decode(raw_key)?)?;
                (Some(decode_bucket(&raw_bucket)?), Some(key))
            }
        })
    }

    /// The bucket that the host name carries, if it lies under a base domain.
    #[must_use]
    pub fn bucket_in_host(&self, head: &Parts) -> Option<String> {
        let host = match head.uri.host() {
            Some(host) => host,
            None => head.headers.get(HOST)?.to_str().ok()?,
        };
        let host = host
            .rsplit_once(':')
            .map_or(host, |(name, _port)| name)
            .to_ascii_lowercase();
        let mut domains = self.base_domains.iter();
        // The service's own host must not be read as a bucket under a shorter base domain.
        if domains.clone().any(|domain| host == domain[1..]) {
            return None;
        }
        let bucket = domains.find_map(|domain| host.strip_suffix(domain.as_str()))?;
        (!bucket.is_empty()).then(|| bucket.to_owned())
    }
}

impl Route {
    /// What to do with the request's body.
    #[must_use]
    pub fn body_kind(&self) -> BodyKind {
        let document = |limit_bytes| BodyKind::Xml {
            limit_bytes,
            purpose: Purpose::Document,
        };
        match self.operation.name {
            OperationName::PutObject | OperationName::UploadPart => BodyKind::Stream,
            OperationName::CreateBucket => document(CREATE_BUCKET_BYTES_MAX),
            OperationName::DeleteObjects => document(DELETE_OBJECTS_BYTES_MAX),
            OperationName::PutBucketAcl
            | OperationName::PutBucketCors
            | OperationName::PutBucketEncryption
            | OperationName::PutBucketPolicy
            | OperationName::PutBucketAccelerateConfiguration
            | OperationName::PutBucketLogging
            | OperationName::PutBucketNotificationConfiguration
            | OperationName::PutBucketOwnershipControls
            | OperationName::PutBucketRequestPayment
            | OperationName::PutBucketTagging
            | OperationName::PutBucketVersioning
            | OperationName::PutBucketWebsite
            | OperationName::PutObjectAcl
            | OperationName::PutObjectLegalHold
            | OperationName::PutObjectLockConfiguration
            | OperationName::PutObjectRetention
            | OperationName::PutObjectTagging
            | OperationName::PutPublicAccessBlock => document(SETTING_BYTES_MAX),
            OperationName::PutBucketLifecycleConfiguration => document(LIFECYCLE_BYTES_MAX),
            OperationName::CompleteMultipartUpload => BodyKind::Xml {
                limit_bytes: COMPLETE_UPLOAD_BYTES_MAX,
                purpose: Purpose::CompleteMultipart,
            },
            _ => BodyKind::Empty,
        }
    }
}

fn decode_bucket(raw: &str) -> Result<BucketName> {
    BucketName::parse(&String::from_utf8_lossy(&percent_decode(raw)?))
}

/// The most specific row that fits the request.
fn select(head: &Parts, scope: Scope, query: &Query) -> Result<&'static OperationInfo> {
    let fits = |row: &&OperationInfo| {
        row.is_routed()
            && row.method == head.method
            && row.scope == scope
            && row
                .query
                .iter()
                .all(|selector| has_parameter(query, selector))
            && row
                .headers
                .iter()
                .all(|name| has_header(&head.headers, query, name))
    };
    let row = TABLE
        .iter()
        .filter(fits)
        .max_by_key(|row| row.query.len() + row.headers.len())
        .ok_or_else(|| method_not_allowed(head))?;
    // A subresource that the row does not consume belongs to another operation: DELETE ?location
    // must not delete the bucket.
    let unused_subresource = query
        .iter()
        .any(|(name, _)| is_subresource(name) && !row.query.iter().any(|s| parameter(s) == name));
    if unused_subresource {
        Err(method_not_allowed(head))
    } else {
        Ok(row)
    }
}

fn method_not_allowed(head: &Parts) -> Error {
    Error::new(ErrorCode::MethodNotAllowed).field("Method", head.method.as_str())
}

/// The name in a selector `name` or `name=value`.
fn parameter(selector: &str) -> &str {
    selector.split_once('=').map_or(selector, |(name, _)| name)
}

fn has_parameter(query: &Query, selector: &str) -> bool {
    match selector.split_once('=') {
        Some((name, value)) => query.get(name) == Some(value),
        None => query.get(selector).is_some(),
    }
}

fn has_header(headers: &HeaderMap, query: &Query, name: &str) -> bool {
    headers.contains_key(name) || query.get_ignoring_case(name).is_some()
}

/// Whether a parameter by itself names a resource of its own, such as `acl` or `uploads`.
fn is_subresource(name: &str) -> bool {
    !NOT_SUBRESOURCES.contains(&name)
        && TABLE
            .iter()
            .any(|row| row.query.iter().any(|selector| parameter(selector) == name))
}

#[cfg(test)]
mod tests {
    use http::{Method, Request};
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;
    use crate::operation::table::Status;

    fn head(method: &Method, host: &str, target: &str) -> Parts {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, host);
        request.body(()).unwrap().into_parts().0
    }

    fn router() -> Router {
        Router::new(["s3.example.org".to_owned(), "example.org".to_owned()])
    }

    fn route(method: Method, target: &str) -> Result<Route> {
        router().route(&head(&method, "127.0.0.1:9000", target))
    }

    fn name(method: Method, target: &str) -> OperationName {
        route(method, target).unwrap().operation.name
    }

    fn code(method: Method, target: &str) -> ErrorCode {
        route(method, target).unwrap_err().code()
    }

    #[test]
    fn every_routed_row_is_reached_by_its_own_request() {
        for row in TABLE.iter().filter(|row| row.is_routed()) {
            let path = match row.scope {
                Scope::Service => "/",
                Scope::Bucket => "/bucket",
                Scope::Object => "/bucket/key",
            };
            let mut head = head(
                &row.method,
                "localhost",
                &format!("{path}?{}", row.query.join("&")),
            );
            for header in row.headers {
                head.headers.insert(*header, "value".parse().unwrap());
            }
            assert_eq!(router().route(&head).unwrap().operation.name, row.name);
        }
    }

    #[test]
    fn the_most_specific_operation_wins() {
        use OperationName as Op;
        assert_eq!(name(Method::GET, "/b-1/k?uploadId=x"), Op::ListParts);
        assert_eq!(name(Method::GET, "/b-1/k?partNumber=1"), Op::GetObject);
        assert_eq!(
            name(Method::GET, "/b-1?list-type=2&prefix=acl"),
            Op::ListObjectsV2
        );
        assert_eq!(name(Method::GET, "/b-1/?list-type=1"), Op::ListObjects);
        assert_eq!(
            name(Method::GET, "/b-1?inventory&id=7"),
            Op::GetBucketInventoryConfiguration
        );
        assert_eq!(
            name(Method::PUT, "/b-1/k?x-amz-copy-source=a/b"),
            Op::CopyObject
        );
        assert_eq!(
            name(Method::GET, "/b-1/k?x-id=GetObject&X-Amz-Expires=5"),
            Op::GetObject
        );
        let torrent = route(Method::GET, "/b-1/k?torrent=").unwrap();
        assert_eq!(torrent.operation.status, Status::NotImplemented);
    }

    #[test]
    fn a_subresource_never_falls_through_to_its_parent() {
        for (method, target) in [
            (Method::DELETE, "/b-1?location"),
            (Method::PUT, "/b-1?versions"),
            (Method::DELETE, "/b-1/k?policy"),
            (Method::PUT, "/b-1/k?uploadId=x"),
            (Method::POST, "/b-1/k"),
            (Method::POST, "/b-1/k?acl"),
            (Method::DELETE, "/"),
            (Method::OPTIONS, "/b-1/k"),
            (Method::PATCH, "/b-1/k"),
        ] {
            assert_eq!(
                code(method, target),
                ErrorCode::MethodNotAllowed,
                "{target}"
            );
        }
    }

    #[test]
    fn keys_are_decoded_once_and_never_normalised() {
        for (target, key) in [
            ("/b-1/a", "a"),
            ("/b-1//", "/"),
            ("/b-1//a//b/", "/a//b/"),
            ("/b-1/../x", "../x"),
            ("/b-1/./x", "./x"),
            ("/b-1/a%2Fb", "a/b"),
            ("/b-1/a%252Fb", "a%2Fb"),
            ("/b-1/a+b%20c", "a+b c"),
            ("/b-1/%E2%82%AC", "€"),
            ("/b-1/%00", "\0"),
        ] {
            assert_eq!(
                route(Method::GET, target).unwrap().key.unwrap().as_str(),
                key,
                "{target}"
            );
        }
    }

    #[test]
    fn illegal_targets_are_refused() {
        let long = format!("/b-1/{}", "k".repeat(1025));
        assert_eq!(code(Method::GET, &long), ErrorCode::KeyTooLongError);
        assert_eq!(code(Method::GET, "/b-1/%ff"), ErrorCode::InvalidURI);
        assert_eq!(code(Method::GET, "/b-1/%2"), ErrorCode::InvalidURI);
        assert_eq!(code(Method::GET, "/B_1/k"), ErrorCode::InvalidBucketName);
        assert_eq!(code(Method::GET, "//k"), ErrorCode::InvalidBucketName);
        assert_eq!(code(Method::OPTIONS, "*"), ErrorCode::InvalidURI);
    }

    #[test]
    fn buckets_in_host_names() {
        let at = |host: &str, target: &str| {
            let route = router().route(&head(&Method::GET, host, target)).unwrap();
            (
                route.bucket.map(|b| b.to_string()),
                route.key.map(|k| k.to_string()),
            )
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            at("my.bucket.S3.example.org:80", "/a/b"),
            (some("my.bucket"), some("a/b"))
        );
        assert_eq!(at("abc.example.org", "/"), (some("abc"), None));
        assert_eq!(at("abc.example.org", "//x"), (some("abc"), some("/x")));
        assert_eq!(at("s3.example.org", "/abc/k"), (some("abc"), some("k")));
        assert_eq!(at("s3.example.org:9000", "/"), (None, None));
        assert_eq!(at("[::1]:9000", "/abc"), (some("abc"), None));
        assert_eq!(
            at("x", "http://abc.s3.example.org/k"),
            (some("abc"), some("k"))
        );
    }

    /// Everything that may not stand raw in a URI's path.
    const ESCAPED: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'%')
        .add(b'?')
        .add(b'#')
        .add(b'"')
        .add(b'<')
        .add(b'>')
        .add(b'`')
        .add(b'{')
        .add(b'}')
        .add(b'\\')
        .add(b'^')
        .add(b'|');

    proptest! {
        #[test]
        fn every_key_round_trips(key in "\\PC{1,200}|[\\x00-\\x7f]{1,200}|[./%+ ]{1,40}") {
            let target = format!("/b-1/{}", utf8_percent_encode(&key, ESCAPED));
            let route = route(Method::PUT, &target).unwrap();
            prop_assert_eq!(route.operation.name, OperationName::PutObject);
            let found = route.key.unwrap();
            prop_assert_eq!(found.as_str(), key.as_str());
        }

        #[test]
        fn routing_never_panics(target in "/[!-~]{0,60}") {
            if target.parse::<http::Uri>().is_ok() {
                let _ = route(Method::GET, &target);
            }
        }
    }
}
