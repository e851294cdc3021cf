//! The ways to a voter: over HTTP, or to a service in this process.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use riquet_cluster::telemetry::request;
use riquet_cluster::transport::{BodyError, RequestBody, Transport, full_body};
use riquet_cluster::wire::shard::REQUEST_ID;

use crate::limits::ANSWER_BYTES;
use crate::server::MetadataService;

/// No answer came. Whether the request arrived is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoAnswer;

/// What [`Caller::call`] returns: the answer's status and body.
pub type CallFuture<'a> = BoxFuture<'a, Result<(StatusCode, Bytes), NoAnswer>>;

/// The body of an answer as it arrives.
pub type AnswerStream = UnsyncBoxBody<Bytes, BodyError>;

/// What [`Caller::open`] returns: the answer's status, and its body to be read.
pub type OpenFuture<'a> = BoxFuture<'a, Result<(StatusCode, AnswerStream), NoAnswer>>;

/// How a voter is reached.
pub trait Caller: Send + Sync {
    /// Posts `body` to `path` of `endpoint`.
    fn call<'a>(&'a self, endpoint: &'a str, path: &'static str, body: Bytes) -> CallFuture<'a>;

    /// As [`Self::call`], for answers to be read while they arrive. By default an answer is taken
    /// whole.
    fn open<'a>(&'a self, endpoint: &'a str, path: &'static str, body: Bytes) -> OpenFuture<'a> {
        Box::pin(async move {
            let (status, answer) = self.call(endpoint, path, body).await?;
            let body = Full::new(answer).map_err(|never| match never {});
            Ok((status, body.boxed_unsync()))
        })
    }
}

/// Reaches voters over HTTP.
pub struct HttpCaller {
    transport: Transport,
}

impl HttpCaller {
    /// Through this transport.
    pub fn new(transport: Transport) -> Self {
        Self { transport }
    }
}

/// What traces call a request to `path`.
fn name_of(path: &'static str) -> &'static str {
    path.strip_prefix("/v1/").unwrap_or(path)
}

/// A request, which names the client's request that it is made for.
fn post(endpoint: &str, path: &str, body: Bytes) -> Result<Request<RequestBody>, NoAnswer> {
    let mut builder = Request::post(format!("http://{endpoint}{path}"));
    if let Some(id) = request::current() {
        builder = builder.header(REQUEST_ID, id.to_string());
    }
    builder.body(full_body(body)).map_err(|_| NoAnswer)
}

impl Caller for HttpCaller {
    fn call<'a>(&'a self, endpoint: &'a str, path: &'static str, body: Bytes) -> CallFuture<'a> {
        Box::pin(async move {
            let request = post(endpoint, path, body)?;
            let sent = self.transport.send(name_of(path), request);
            let response = sent.await.map_err(|_| NoAnswer)?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES)
                .collect()
                .await
                .map_err(|_| NoAnswer)?;
            Ok((head.status, body.to_bytes()))
        })
    }

    fn open<'a>(&'a self, endpoint: &'a str, path: &'static str, body: Bytes) -> OpenFuture<'a> {
        Box::pin(async move {
            let request = post(endpoint, path, body)?;
            let sent = self.transport.send(name_of(path), request);
            let response = sent.await.map_err(|_| NoAnswer)?;
            let (head, body) = response.into_parts();
            Ok((head.status, body.map_err(BodyError::from).boxed_unsync()))
        })
    }
}

/// Reaches a service in this process, for tests and embedding.
pub struct LocalCaller {
    service: MetadataService,
}

impl LocalCaller {
    /// Calls this service, whatever the endpoint.
    pub fn new(service: MetadataService) -> Self {
        Self { service }
    }
}

impl Caller for LocalCaller {
    fn call<'a>(&'a self, _: &'a str, path: &'static str, body: Bytes) -> CallFuture<'a> {
        Box::pin(async move { Ok(self.service.respond(path, body).await) })
    }

    fn open<'a>(&'a self, _: &'a str, path: &'static str, body: Bytes) -> OpenFuture<'a> {
        Box::pin(async move {
            let request = Request::post(path).body(Full::new(body));
            let response = self.service.handle(request.map_err(|_| NoAnswer)?).await;
            let (head, body) = response.into_parts();
            Ok((head.status, body.map_err(BodyError::from).boxed_unsync()))
        })
    }
}
