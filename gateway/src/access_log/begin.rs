//! What a line can say of a request once its answer begins.

use std::sync::Arc;
use std::time::Instant;

use http::request::Parts;
use http::{HeaderMap, HeaderName, Response, header};
use riquet_metadata::record::Bucket;
use riquet_s3::operation::{OperationName, Router};

use super::record::{AccessRecord, Asked, operation_name};
use crate::answer::AnswerBody;
use crate::gateway::Gateway;
use crate::identity::Caller;
use crate::service::peer;

/// What a request turned out to be.
pub(crate) struct Seen {
    /// The bucket, if it came so far.
    pub(crate) bucket: Option<Arc<Bucket>>,
    /// Who asks, where that is known.
    pub(crate) caller: Option<Arc<Caller>>,
    pub(crate) kind: SeenKind,
    /// The code of the error that it is answered with.
    pub(crate) error: Option<&'static str>,
    pub(crate) received_bytes: u64,
    pub(crate) began: Instant,
}

/// Which kind of request it is.
#[derive(Clone, Copy)]
pub(crate) enum SeenKind {
    /// For an operation of S3.
    Operation(OperationName),
    /// For a page of a web site.
    Page,
}

/// The line of a request that is answered with `response`, if its bucket keeps a log. That the
/// bucket's configuration can't be read costs the line, never the answer.
pub(crate) async fn begin(
    gateway: &Gateway,
    head: &Parts,
    seen: Seen,
    request_id: &str,
    response: &Response<AnswerBody>,
) -> Option<AccessRecord> {
    let source = seen.bucket?;
    let logging = gateway.documents.logging.of(&gateway.metadata, &source);
    let target = logging.await.ok()??.target.clone()?;
    let headers = response.headers();
    let router = match seen.kind {
        SeenKind::Operation(_) => &gateway.router,
        SeenKind::Page => &gateway.sites,
    };
    let asked = Asked {
        source,
        target,
        peer: peer(head),
        requester: seen.caller.and_then(|caller| requester(&caller)),
        request_id: request_id.to_owned(),
        host_id: gateway.host_id.clone(),
        operation: match seen.kind {
            SeenKind::Operation(name) => operation_name(name.info()),
            SeenKind::Page => format!("WEBSITE.{}.OBJECT", head.method),
        },
        key: key(router, head),
        status: response.status(),
        error: seen
            .error
            .map(str::to_owned)
            .or_else(|| text(headers, &HeaderName::from_static("x-amz-error-code"))),
        object_size_bytes: match seen.kind {
            SeenKind::Operation(OperationName::PutObject | OperationName::UploadPart) => {
                Some(seen.received_bytes)
            }
            SeenKind::Operation(OperationName::GetObject | OperationName::HeadObject)
            | SeenKind::Page => object_size(headers).filter(|_| response.status().is_success()),
            SeenKind::Operation(_) => None,
        },
        version_id: text(headers, &HeaderName::from_static("x-amz-version-id")),
        turn_around: seen.began.elapsed(),
    };
    Some(AccessRecord::new(asked, head, gateway.access_log.sender()))
}

/// Who asks, as AWS's logs name them: an owner by its canonical id, somebody of a tenant by an ARN.
fn requester(caller: &Caller) -> Option<String> {
    match caller.is_master() {
        true => Some(caller.canonical_id().to_owned()),
        false => caller.arn(),
    }
}

/// The bucket of a web site, for its log.
pub(crate) async fn bucket_of_site(gateway: &Gateway, name: &str) -> Option<Arc<Bucket>> {
    gateway.metadata.bucket(name).await.ok()
}

fn key(router: &Router, head: &Parts) -> Option<String> {
    let (_, key) = router.place(head).ok()?;
    Some(key?.as_str().to_owned())
}

/// The size of the object that is answered, all of it or a range.
fn object_size(headers: &HeaderMap) -> Option<u64> {
    let of_range = || {
        let range = text(headers, &header::CONTENT_RANGE)?;
        range.rsplit_once('/')?.1.parse().ok()
    };
    let of_whole = || text(headers, &header::CONTENT_LENGTH)?.parse().ok();
    of_range().or_else(of_whole)
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_the_objects_and_not_the_ranges() {
        let mut headers = HeaderMap::new();
        assert_eq!(object_size(&headers), None);
        headers.insert(header::CONTENT_LENGTH, 5.into());
        assert_eq!(object_size(&headers), Some(5));
        let range = "bytes 0-4/77".parse().expect("legal");
        headers.insert(header::CONTENT_RANGE, range);
        assert_eq!(object_size(&headers), Some(77));
    }
}
