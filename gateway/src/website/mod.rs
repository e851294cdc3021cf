//! Web sites: buckets shown to browsers, under host names of their own.
//!
//! A request for a page is answered by the handlers of GetObject and HeadObject, on behalf of
//! nobody: the same decision as for S3 requests says what nobody may read. What the bucket's
//! configuration adds is which object a path stands for, and what becomes of an error.

mod site;

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Response, StatusCode, header};
use riquet_cluster::id::RequestId;
use riquet_metadata::Error as MetadataError;
use riquet_metadata::record::Bucket;
use riquet_s3::config::website::{Protocol, WebsiteConfiguration, WebsiteDecision, WebsiteRequest};
use riquet_s3::name::{BucketName, ObjectKey};
use riquet_s3::operation::Query;
use riquet_s3::operation::query::percent_decode;
use riquet_s3::response::error::ErrorContext;
use riquet_s3::response::website::{error_page, redirect};
use riquet_s3::{Error as S3Error, ErrorCode};

use crate::access::context;
use crate::answer::AnswerBody;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::identity::Caller;
use crate::service::peer;
use site::Site;

/// The headers of a browser that mean something to a page.
const PAGE_HEADERS: [HeaderName; 5] = [
    header::RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

/// How a proxy in front of the gateway says that the browser's connection is encrypted.
const FORWARDED_PROTOCOL: &str = "x-forwarded-proto";

/// Where an object sends those who ask for it.
const REDIRECT: &str = "x-amz-website-redirect-location";

/// The name of the site that a request asks for: the bucket in the host, under a domain of sites.
pub(crate) fn site_in_host(gateway: &Gateway, head: &Parts) -> Option<String> {
    gateway.sites.bucket_in_host(head)
}

/// Answers a request to a site.
pub(crate) async fn answer(
    gateway: &Arc<Gateway>,
    head: &Parts,
    name: &str,
    request: RequestId,
) -> Response<AnswerBody> {
    let id = request.to_string();
    let context = ErrorContext {
        resource: head.uri.path(),
        request_id: &id,
        host_id: &gateway.host_id,
        method: &head.method,
    };
    let refused =
        |error: Error| error_page(&error.into_s3(), None, &context).map(AnswerBody::whole);
    let page = match Page::asked(gateway, head, name, request).await {
        Ok(page) => page,
        Err(error) => return refused(error),
    };
    page.answer(&context).await
}

/// A page that is asked for.
struct Page<'a> {
    site: Site,
    configuration: Arc<WebsiteConfiguration>,
    key: String,
    host: String,
    protocol: Protocol,
    method: &'a Method,
    /// Those of the browser's that mean something.
    headers: HeaderMap,
}

impl<'a> Page<'a> {
    async fn asked(
        gateway: &Arc<Gateway>,
        head: &'a Parts,
        name: &str,
        request: RequestId,
    ) -> Result<Self, Error> {
        if !matches!(head.method, Method::GET | Method::HEAD) {
            return Err(ErrorCode::MethodNotAllowed.into());
        }
        let path = head.uri.path();
        let raw = path.strip_prefix('/').ok_or(ErrorCode::InvalidURI)?;
        let key = String::from_utf8(percent_decode(raw)?.into_owned())
            .map_err(|_| ErrorCode::InvalidURI)?;
        let name = BucketName::parse(name)?;
        let reader = Caller::anonymous();
        let conditions = context::of_request(head, &Query::default(), &reader);
        let (bucket, configuration) = configured(gateway, &name).await?;
        let wanted = PAGE_HEADERS.iter().filter_map(|name| {
            let value = head.headers.get(name)?;
            Some((name.clone(), value.clone()))
        });
        Ok(Self {
            headers: wanted.collect(),
            site: Site {
                gateway: gateway.clone(),
                name,
                bucket,
                reader: Arc::new(reader),
                conditions,
                request,
                peer: peer(head),
            },
            configuration,
            key,
            host: host(head),
            protocol: protocol(head),
            method: &head.method,
        })
    }

    fn request(&self) -> WebsiteRequest<'_> {
        WebsiteRequest {
            protocol: self.protocol,
            host: &self.host,
            key: &self.key,
        }
    }

    async fn answer(&self, context: &ErrorContext<'_>) -> Response<AnswerBody> {
        let error = match self.configuration.before(&self.request()) {
            WebsiteDecision::Redirect { status, location } => return go_to(status, &location),
            WebsiteDecision::Error => ErrorCode::NoSuchKey.into(),
            WebsiteDecision::Document(key) => match self.object(&key, &self.headers).await {
                Ok(response) => return follow(response),
                Err(error) => error,
            },
        };
        if error.code() == ErrorCode::NoSuchKey && self.is_folder().await {
            let WebsiteDecision::Redirect { status, location } =
                WebsiteConfiguration::to_folder(&self.request())
            else {
                unreachable!("a folder is always redirected to")
            };
            return go_to(status, &location);
        }
        self.answer_error(&error, context).await
    }

    async fn answer_error(
        &self,
        error: &S3Error,
        context: &ErrorContext<'_>,
    ) -> Response<AnswerBody> {
        let status = error.status();
        let at_document = match self.configuration.after_error(&self.request(), status) {
            WebsiteDecision::Redirect { status, location } => return go_to(status, &location),
            WebsiteDecision::Error => None,
            WebsiteDecision::Document(key) => match self.object(&key, &HeaderMap::new()).await {
                Ok(mut response) => {
                    *response.status_mut() = status;
                    return response;
                }
                Err(error) => Some(error),
            },
        };
        error_page(error, at_document.as_ref(), context).map(AnswerBody::whole)
    }

    async fn object(
        &self,
        key: &str,
        headers: &HeaderMap,
    ) -> Result<Response<AnswerBody>, S3Error> {
        let key = ObjectKey::parse(key)?;
        let found = self.site.object(self.method, &key, headers).await;
        found.map_err(Error::into_s3)
    }

    /// Whether the key, which no object has, names a folder with an index.
    async fn is_folder(&self) -> bool {
        let WebsiteConfiguration::Pages(pages) = &*self.configuration else {
            return false;
        };
        if self.key.is_empty() || self.key.ends_with('/') {
            return false;
        }
        let Ok(index) = ObjectKey::parse(&pages.folder_key(&self.key)) else {
            return false;
        };
        let no_headers = HeaderMap::new();
        let found = self.site.object(&Method::HEAD, &index, &no_headers).await;
        found.is_ok()
    }
}

/// The bucket of a site, and how it is one.
async fn configured(
    gateway: &Gateway,
    name: &BucketName,
) -> Result<(Arc<Bucket>, Arc<WebsiteConfiguration>), Error> {
    // Sites are in the default namespace.
    let name = name.as_str();
    let bucket = match gateway.metadata.bucket(name).await {
        Err(MetadataError::NoSuchBucket) => {
            return Err(S3Error::new(ErrorCode::NoSuchBucket)
                .field("BucketName", name)
                .into());
        }
        found => found?,
    };
    let found = gateway
        .documents
        .website
        .of(&gateway.metadata, &bucket)
        .await?;
    let configuration = found.ok_or_else(|| {
        S3Error::new(ErrorCode::NoSuchWebsiteConfiguration).field("BucketName", name)
    })?;
    Ok((bucket, configuration))
}

fn host(head: &Parts) -> String {
    let authority = head.uri.authority().map(|authority| authority.as_str());
    let header = || head.headers.get(header::HOST)?.to_str().ok();
    authority.or_else(header).unwrap_or_default().to_owned()
}

fn protocol(head: &Parts) -> Protocol {
    match head.headers.get(FORWARDED_PROTOCOL) {
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"https") => Protocol::Https,
        _ => Protocol::Http,
    }
}

fn go_to(status: StatusCode, location: &str) -> Response<AnswerBody> {
    redirect(status, location).map(AnswerBody::whole)
}

/// What a found object is answered with: itself, or where it sends one.
fn follow(response: Response<AnswerBody>) -> Response<AnswerBody> {
    let location = response.headers().get(REDIRECT);
    match location.and_then(|location| location.to_str().ok()) {
        Some(location) => go_to(StatusCode::MOVED_PERMANENTLY, location),
        None => response,
    }
}
