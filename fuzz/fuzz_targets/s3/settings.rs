//! The documents of operations: read as a request's, written as an answer's, read again.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use riquet_s3::acl::{Accounts, RequestedAcl};
use riquet_s3::config::accelerate::Acceleration;
use riquet_s3::config::cors::{CorsConfiguration, CorsRequest};
use riquet_s3::config::lifecycle::{Day, LifecycleConfiguration, VersionFacts, VersionState};
use riquet_s3::config::tagging::TagSet;
use riquet_s3::config::website::{Protocol, WebsiteConfiguration, WebsiteDecision, WebsiteRequest};
use riquet_s3::operation::{Query, Router};
use riquet_s3::request::{Operation, StorageClass};
use riquet_s3::response::{Owner, website};
use riquet_s3::{Result, Timestamp};

use super::answers::{check_error, check_xml};

/// Whether the operation that `target` asks for takes the document.
pub(crate) fn check(target: &str, document: &[u8]) -> bool {
    match read(target, document) {
        Ok(operation) => {
            if let Some(written) = written(&operation) {
                check_again(target, &operation, &written);
            }
            decide(
                &operation,
                &String::from_utf8_lossy(&document[..document.len().min(40)]),
            );
            true
        }
        Err(error) => {
            check_error(&error, &Method::PUT, "/bucket");
            false
        }
    }
}

fn read(target: &str, document: &[u8]) -> Result<Operation> {
    let (method, uri) = target.split_once(' ').unwrap();
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==");
    let head = request.body(()).unwrap().into_parts().0;
    let route = Router::default().route(&head)?;
    Operation::parse(route, &head.headers, document)
}

/// What a setting is answered as.
fn written(operation: &Operation) -> Option<Bytes> {
    Some(match operation {
        Operation::PutBucketAccelerateConfiguration(it) => {
            Acceleration::to_xml(Some(it.configuration))
        }
        Operation::PutBucketCors(it) => it.configuration.to_xml(),
        Operation::PutBucketLogging(it) => it.configuration.to_xml(),
        Operation::PutBucketNotificationConfiguration(it) => it.configuration.to_xml(),
        Operation::PutBucketOwnershipControls(it) => it.configuration.to_xml(),
        Operation::PutBucketRequestPayment(it) => it.configuration.to_xml(),
        Operation::PutBucketLifecycleConfiguration(it) => it.configuration.to_xml(),
        Operation::PutBucketEncryption(it) => it.configuration.to_xml(),
        Operation::PutBucketTagging(it) => it.configuration.to_xml(),
        Operation::PutBucketWebsite(it) => it.configuration.to_xml(),
        Operation::PutObjectLegalHold(it) => it.legal_hold.to_xml(),
        Operation::PutObjectLockConfiguration(it) => it.configuration.to_xml(),
        Operation::PutObjectRetention(it) => it.retention?.to_xml(),
        Operation::PutObjectTagging(it) => it.tags.to_xml(),
        Operation::PutPublicAccessBlock(it) => it.configuration.to_xml(),
        Operation::PutBucketAcl(it) => return check_acl(&it.acl),
        Operation::PutObjectAcl(it) => return check_acl(&it.acl),
        _ => return None,
    })
}

fn check_again(target: &str, operation: &Operation, written: &[u8]) {
    let again = read(target, written);
    assert_eq!(
        again.as_ref().ok(),
        Some(operation),
        "{}",
        String::from_utf8_lossy(written)
    );
}

/// A list that accounts were found for is answered as a document that means the same list.
fn check_acl(requested: &RequestedAcl) -> Option<Bytes> {
    let RequestedAcl::Document { owner_id, .. } = requested else {
        return None;
    };
    let owner = Everyone.by_id(owner_id)?;
    let resolve = |it: RequestedAcl| it.resolve(owner.clone(), &owner, &Everyone).unwrap();
    let written = resolve(requested.clone()).into_response().into_body();
    let again = RequestedAcl::from_put(&HeaderMap::new(), &Query::default(), &written).unwrap();
    assert_eq!(resolve(again).into_response().into_body(), written);
    None
}

/// Accounts of all ids and addresses.
struct Everyone;

impl Accounts for Everyone {
    fn by_id(&self, id: &str) -> Option<Owner> {
        Some(Owner {
            id: id.to_owned(),
            display_name: "name".to_owned(),
        })
    }

    fn by_email_address(&self, address: &str) -> Option<Owner> {
        self.by_id(address)
    }
}

/// Asks the settings that decide something about `key`.
fn decide(operation: &Operation, key: &str) {
    match operation {
        Operation::PutBucketCors(it) => ask_cors(&it.configuration, key),
        Operation::PutBucketLifecycleConfiguration(it) => ask_lifecycle(&it.configuration, key),
        Operation::PutBucketWebsite(it) => ask_website(&it.configuration, key),
        Operation::PutBucketNotificationConfiguration(it) => {
            let count = it
                .configuration
                .matching("s3:ObjectCreated:Put", key)
                .count();
            assert!(count <= it.configuration.targets().len());
        }
        _ => {}
    }
}

fn ask_cors(configuration: &CorsConfiguration, origin: &str) {
    let request = CorsRequest {
        origin,
        method: Method::GET,
        headers: vec!["x-a", "content-type"],
    };
    if let Some(answer) = configuration.answer(&request) {
        answer.apply(&mut HeaderMap::new());
    }
}

fn ask_lifecycle(configuration: &LifecycleConfiguration, key: &str) {
    let stored = configuration.to_stored();
    let again = LifecycleConfiguration::parse_stored(&stored);
    assert_eq!(again.as_ref().ok(), Some(configuration));
    let tags = TagSet::from_stored(vec![("a".to_owned(), "1".to_owned())]);
    for created in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
        let version = VersionFacts {
            key,
            tags: &tags,
            size_bytes: 1 << 20,
            storage_class: StorageClass::Standard,
            created,
            state: VersionState::Current,
        };
        if let Some(expiry) = configuration.expiry(&version, Day::Calendar) {
            HeaderValue::from_str(&expiry.to_header()).unwrap();
        }
        for now in [Timestamp::MIN, Timestamp::MAX] {
            let _ = configuration.due(&version, now, Day::Calendar);
            let _ = configuration.due_upload(key, created, now, Day::Calendar);
        }
    }
}

fn ask_website(configuration: &WebsiteConfiguration, key: &str) {
    let request = WebsiteRequest {
        protocol: Protocol::Http,
        host: "www.example.org:8080",
        key,
    };
    let decisions = [
        configuration.before(&request),
        configuration.after_error(&request, StatusCode::NOT_FOUND),
        WebsiteConfiguration::to_folder(&request),
    ];
    for decision in decisions {
        if let WebsiteDecision::Redirect { status, location } = decision {
            let answer = website::redirect(status, &location);
            assert!(answer.status().is_redirection(), "{location:?}");
        }
    }
    check_xml(&configuration.to_xml());
}
