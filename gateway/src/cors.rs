//! What web pages of other origins may do with a bucket: preflight requests, and the headers that every
//! other answer gets.
//!
//! A bucket's rules are read anew for each request that names an origin: browsers are few among the
//! clients, and rules take effect at once.

use std::sync::Arc;

use http::request::Parts;
use http::{Method, Response, header};
use riquet_metadata::Error as MetadataError;
use riquet_metadata::record::{Bucket, Document, DocumentKind};
use riquet_s3::auth;
use riquet_s3::config::cors::{CorsConfiguration, CorsRequest, not_enabled};
use riquet_s3::name::BucketName;
use riquet_s3::{Error as S3Error, ErrorCode};

use crate::answer::AnswerBody;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::identity::Caller;
use crate::names::stored_name;
use crate::website;

/// Whether a request asks what a page may do.
pub(crate) fn is_preflight(head: &Parts) -> bool {
    head.method == Method::OPTIONS
}

/// The answer to a preflight request, which nobody signs.
///
/// # Errors
/// `AccessForbidden` where no rule of the bucket allows what is asked.
pub(crate) async fn preflight(
    gateway: &Gateway,
    head: &Parts,
) -> Result<Response<AnswerBody>, Error> {
    let asked = CorsRequest::preflight(&head.headers)?;
    let rules = rules(gateway, head).await?.ok_or_else(not_enabled)?;
    let answer = rules.answer_preflight(&asked)?;
    let mut response = Response::new(AnswerBody::empty());
    answer.apply(response.headers_mut());
    Ok(response)
}

/// Puts on an answer what the bucket's rules allow the page that asked. That they can't be read now
/// keeps nobody from the answer itself, only the page from seeing it.
pub(crate) async fn decorate(gateway: &Gateway, head: &Parts, response: &mut Response<AnswerBody>) {
    if is_preflight(head) || !head.headers.contains_key(header::ORIGIN) {
        return;
    }
    let Some(asked) = CorsRequest::actual(&head.method, &head.headers) else {
        return;
    };
    match rules(gateway, head).await {
        Ok(Some(rules)) => {
            if let Some(answer) = rules.answer(&asked) {
                answer.apply(response.headers_mut());
            }
        }
        Ok(None) | Err(Error::Metadata(MetadataError::NoSuchBucket)) => {}
        Err(error) => tracing::warn!(path = head.uri.path(), %error, "no CORS rules are applied"),
    }
}

/// Whoever a request says it is from, believed only for the namespace in which it names its bucket: a
/// browser sends a preflight request with the query of the presigned URL, but with its method.
async fn named_caller(gateway: &Gateway, head: &Parts) -> Arc<Caller> {
    let claim = auth::parse(head).ok();
    if let Some(key) = claim.as_ref().and_then(|claim| claim.access_key_id())
        && let Ok(found) = gateway.directory.sign_in(key, None).await
    {
        return found.caller;
    }
    Arc::new(Caller::anonymous())
}

/// The rules of the bucket that a request is about.
async fn rules(gateway: &Gateway, head: &Parts) -> Result<Option<CorsConfiguration>, Error> {
    let name = match website::site_in_host(gateway, head) {
        Some(site) => Some(BucketName::parse(&site)?),
        None => gateway.router.place(head)?.0,
    };
    let Some(name) = name else {
        return Ok(None);
    };
    let stored = stored_name(&name, &*named_caller(gateway, head).await);
    let bucket: Arc<Bucket> = gateway.metadata.bucket(&stored).await?;
    let kind = DocumentKind::Cors;
    if !bucket.documents.contains(&kind) {
        return Ok(None);
    }
    let Some(Document(document)) = gateway.metadata.bucket_document(bucket.id, kind).await? else {
        return Ok(None);
    };
    let rules = CorsConfiguration::parse(&document).map_err(|error| {
        tracing::error!(bucket = bucket.name, %error, "stored CORS rules don't read back");
        S3Error::new(ErrorCode::InternalError)
    })?;
    Ok(Some(rules))
}
