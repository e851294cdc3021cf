//! What traces tell of a client's request, by OpenTelemetry's conventions for HTTP where there are such.

use http::{Method, Request, StatusCode, Version, header};
use riquet_cluster::id::RequestId;
use riquet_cluster::telemetry::traces::{end, fail, note, rename, spans};
use tracing::Span;

use crate::server::Peer;

/// The span of a request that comes in; disabled if it is not traced.
pub(crate) fn began<B>(request: &Request<B>, id: RequestId) -> Span {
    let span = spans::of_client(request.headers());
    if span.is_disabled() {
        return span;
    }
    let text = |name| request.headers().get(name)?.to_str().ok();
    let uri = request.uri();
    rename(&span, method(request.method()));
    note(&span, "riquet.request_id", id.to_string());
    note(&span, "http.request.method", method(request.method()));
    // Without the query: a signature in it would let in whoever reads the trace.
    note(&span, "url.path", uri.path().to_owned());
    note(&span, "url.scheme", "http");
    note(
        &span,
        "network.protocol.version",
        version(request.version()),
    );
    let host = text(header::HOST).and_then(|host| host.parse().ok());
    if let Some(host) = uri.authority().cloned().or(host) {
        note(&span, "server.address", host.host().to_owned());
        note(
            &span,
            "server.port",
            i64::from(host.port_u16().unwrap_or(80)),
        );
    }
    if let Some(Peer(peer)) = request.extensions().get() {
        note(&span, "client.address", peer.ip().to_string());
        note(&span, "client.port", i64::from(peer.port()));
    }
    if let Some(agent) = text(header::USER_AGENT) {
        note(&span, "user_agent.original", agent.to_owned());
    }
    span
}

/// What a request turned out to be, and what its answer is.
pub(crate) struct Answered<'a> {
    pub(crate) operation: &'static str,
    pub(crate) bucket: Option<&'a str>,
    pub(crate) status: StatusCode,
    /// S3's, if it is one.
    pub(crate) error: Option<&'static str>,
}

/// The head of the answer is there.
pub(crate) fn answered(span: &Span, answered: &Answered<'_>) {
    if span.is_disabled() {
        return;
    }
    rename(span, answered.operation);
    note(span, "riquet.operation", answered.operation);
    if let Some(bucket) = answered.bucket {
        note(span, "riquet.bucket", bucket.to_owned());
    }
    let status = answered.status;
    note(
        span,
        "http.response.status_code",
        i64::from(status.as_u16()),
    );
    if let Some(error) = answered.error {
        note(span, "riquet.error_code", error);
    }
    // What the client did wrong is no failure of ours.
    if status.is_server_error() {
        note(span, "error.type", status.as_str().to_owned());
        fail(span, &answered.error.unwrap_or(status.as_str()));
    }
}

/// The last byte of the answer is sent or given up.
pub(crate) fn ended(span: &Span, ended: &super::Ended<'_>) {
    if span.is_disabled() {
        return;
    }
    let bytes = |count| i64::try_from(count).unwrap_or(i64::MAX);
    note(span, "http.request.body.size", bytes(ended.received_bytes));
    note(span, "http.response.body.size", bytes(ended.sent_bytes));
    if ended.is_cut {
        note(span, "error.type", "cut");
        fail(span, &"the answer broke off");
    }
    end(span);
}

/// Few values, whatever clients think of.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}
