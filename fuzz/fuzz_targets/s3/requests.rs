//! Requests of S3, from their head to their input.

use std::time::{Duration, SystemTime};

use http::request::Parts;
use riquet_s3::auth::{self, Authentication, Verified};
use riquet_s3::body::{PayloadSpec, Purpose};
use riquet_s3::config::cors::CorsRequest;
use riquet_s3::operation::{BodyKind, Query, Router};
use riquet_s3::request::Operation;
use riquet_s3::{Error, Result};

use super::answers::check_error;
use super::heads;

/// Requests that are understood; their signatures are of the right form.
pub(crate) const EXAMPLES: [&str; 21] = [
    "GET /test.txt HTTP\nhost: examplebucket.s3.example.org\nrange: bytes=0-9\n\
     x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
     x-amz-date: 20130524T000000Z\nauthorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/\
     20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
     Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    "GET /bucket/a%20b?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F\
     20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&\
     X-Amz-SignedHeaders=host&X-Amz-Signature=\
     aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404 HTTP\nhost: h",
    "GET /bucket/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1369400000&\
     Signature=vjbyPxybdZaNmGa%2ByT272YEAiv4%3D&response-content-type=a HTTP\nhost: h",
    "PUT /bucket/k HTTP\nhost: h\ncontent-length: 9\ncontent-md5: JfnnlDI7RTiF9RgfG2JNCw==\n\
     x-amz-checksum-crc32: y/Q5Jg==\nx-amz-sdk-checksum-algorithm: CRC32\nx-amz-meta-a: b\n\
     x-amz-tagging: a=1&b=%2F\nx-amz-acl: public-read\nif-none-match: *\n\
     x-amz-storage-class: STANDARD\nx-amz-website-redirect-location: /x",
    "PUT /bucket/k HTTP\nhost: h\nx-amz-copy-source: /b-1/a%2Fb?versionId=null\n\
     x-amz-copy-source-if-modified-since: Wed, 21 Oct 2015 07:28:00 GMT\n\
     x-amz-metadata-directive: REPLACE\nx-amz-tagging-directive: REPLACE\nx-amz-tagging: a=b\n\
     x-amz-server-side-encryption: aws:kms\nx-amz-server-side-encryption-context: eyJhIjoiYiJ9",
    "PUT /bucket/k?partNumber=2&uploadId=u HTTP\nhost: h\ncontent-length: 0\n\
     x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\nx-amz-decoded-content-length: 5\n\
     x-amz-trailer: x-amz-checksum-crc32c",
    "GET /bucket?list-type=2&prefix=a%2F&delimiter=%2F&max-keys=7&encoding-type=url&\
     continuation-token=a2FiYw&fetch-owner=true HTTP\nhost: h\norigin: http://a.b\n\
     access-control-request-method: GET\naccess-control-request-headers: x-a, y",
    "PUT /bucket/k HTTP\nhost: h\ncontent-length: 1\nx-amz-grant-read: id=\"a\", \
     uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"\nx-amz-object-lock-mode: GOVERNANCE\n\
     x-amz-object-lock-retain-until-date: 2100-01-01T00:00:00Z\nx-amz-object-lock-legal-hold: ON\n\
     expires: Wed, 21 Oct 2015 07:28:00 GMT\ncontent-type: text/plain\ncache-control: no-cache",
    "POST /bucket/k?uploads HTTP\nhost: h\nx-amz-checksum-algorithm: CRC64NVME\n\
     x-amz-checksum-type: FULL_OBJECT",
    "PUT /bucket/k HTTP\nhost: h\ncontent-length: 0\n\
     x-amz-server-side-encryption-customer-algorithm: AES256\n\
     x-amz-server-side-encryption-customer-key: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n\
     x-amz-server-side-encryption-customer-key-md5: hRasmdxgYDKV3nvbahU1MA==",
    "PUT /bucket/k?partNumber=1&uploadId=u HTTP\nhost: h\nx-amz-copy-source: b-1/k\n\
     x-amz-copy-source-range: bytes=0-9\nx-amz-copy-source-if-match: \"a\"",
    "PUT /bucket HTTP\nhost: h\nx-amz-object-ownership: ObjectWriter\n\
     x-amz-bucket-object-lock-enabled: true",
    "GET /bucket/k?attributes HTTP\nhost: h\nx-amz-object-attributes: ETag,Checksum,ObjectParts\n\
     x-amz-max-parts: 2\nx-amz-part-number-marker: 1",
    "HEAD /bucket/k?partNumber=1 HTTP\nhost: h\nif-none-match: \"a\"\n\
     if-modified-since: Wed, 21 Oct 2015 07:28:00 GMT\nx-amz-checksum-mode: ENABLED",
    "GET /bucket?versions&key-marker=a&version-id-marker=null&max-keys=3 HTTP\nhost: h",
    "GET /bucket?uploads&key-marker=a&upload-id-marker=u&max-uploads=3 HTTP\nhost: h",
    "GET /bucket/k?uploadId=u&part-number-marker=1&max-parts=2 HTTP\nhost: h",
    "GET /?max-buckets=5&prefix=a&continuation-token=YQ HTTP\nhost: h",
    "GET /bucket/k?tagging&versionId=null HTTP\nhost: h",
    "DELETE /bucket/k?versionId=null HTTP\nhost: h\nx-amz-bypass-governance-retention: true",
    "DELETE /bucket/k?uploadId=u HTTP\nhost: h",
];

/// Whether all of a request is understood.
pub(crate) fn check(text: &[u8]) -> bool {
    let Some((head, body)) = heads::read(text) else {
        return false;
    };
    let _ = CorsRequest::preflight(&head.headers);
    let _ = CorsRequest::actual(&head.method, &head.headers);
    let sender = check_sender(&head, text.len());
    let input = read(&head, body);
    for error in [sender.as_ref().err(), input.as_ref().err()]
        .into_iter()
        .flatten()
    {
        check_error(error, &head.method, head.uri.path());
    }
    sender.is_ok() && input.is_ok()
}

fn router() -> Router {
    Router::new(["s3.example.org".to_owned(), "example.org".to_owned()])
}

/// Reads who says to have sent the request, which without the secret nobody can prove.
/// What the refusal repeats is of the size of the head, percent-encoded and shown as bytes at most.
fn check_sender(head: &Parts, size_bytes: usize) -> Result<()> {
    let authentication = auth::parse(head)?.at_host_bucket(router().bucket_in_host(head));
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600);
    let refused = authentication.verify(head, "not in any input", "us-east-1", then);
    let error = refused.expect_err("nobody knows the secret");
    let told_bytes: usize = error.fields().iter().map(|(_, value)| value.len()).sum();
    assert!(told_bytes <= 16 * size_bytes + 4096, "{told_bytes} bytes");
    check_error(&error, &head.method, head.uri.path());
    let anonymous = matches!(authentication, Authentication::Anonymous);
    assert_eq!(authentication.access_key_id().is_none(), anonymous);
    Ok(())
}

fn read(head: &Parts, body: &[u8]) -> Result<(), Error> {
    let router = router();
    let place = router.place(head);
    let route = router.route(head)?;
    let (bucket, key) = place?;
    assert_eq!((&route.bucket, &route.key), (&bucket, &key));
    let name = route.operation.name;
    let purpose = match route.body_kind() {
        BodyKind::Stream => Some(Purpose::Object),
        BodyKind::Xml { purpose, .. } => Some(purpose),
        BodyKind::Empty => None,
    };
    // What a signature would say of the body makes no difference to what the headers mean.
    if let Some(purpose) = purpose
        && let Ok(verified) = Verified::unsigned(&head.headers)
    {
        let query = Query::parse(head.uri.query().unwrap_or(""))?;
        let spec = PayloadSpec::parse(&head.headers, &query, &verified, purpose)?;
        assert!(purpose != Purpose::Object || spec.length_bytes().is_some());
    }
    let operation = Operation::parse(route, &head.headers, body)?;
    assert_eq!(operation.name(), name);
    Ok(())
}
