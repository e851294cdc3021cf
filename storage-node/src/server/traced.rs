//! What traces tell of a request by another process: the part of a client's request that was done here.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use riquet_cluster::id::RequestId;
use riquet_cluster::telemetry::traces::{end, fail, note, rename, spans};
use riquet_metadata::wire::PATH_PREFIX;
use tracing::Span;

use super::answer::AnswerBody;
use super::endpoint::Endpoint;
use crate::error::Error;

/// The span of a request, called as its endpoint is in the metrics; disabled if the request is no part of
/// a trace.
pub(super) fn began<B>(request: &Request<B>, id: RequestId) -> Span {
    let span = spans::of_peer(request.headers());
    if span.is_disabled() {
        return span;
    }
    let (method, uri) = (request.method(), request.uri());
    let name = match uri.path().strip_prefix(PATH_PREFIX) {
        Some(what) => format!("meta/{what}"),
        None => {
            let endpoint = Endpoint::parse(method, uri);
            let name = endpoint.as_ref().map_or("unknown", Endpoint::name);
            name.to_owned()
        }
    };
    rename(&span, name);
    note(&span, "riquet.request_id", id.to_string());
    note(&span, "http.request.method", method.as_str().to_owned());
    note(&span, "url.path", uri.path().to_owned());
    note(&span, "url.scheme", "http");
    span
}

/// The head of the answer is there. The span ends with the body.
pub(super) fn answered(span: Span, answer: Response<AnswerBody>) -> Response<AnswerBody> {
    if span.is_disabled() {
        return answer;
    }
    let status = answer.status();
    note(
        &span,
        "http.response.status_code",
        i64::from(status.as_u16()),
    );
    if status.is_server_error() {
        note(&span, "error.type", status.as_str().to_owned());
        fail(&span, &status);
    }
    answer.map(|body| Traced { body, span }.boxed_unsync())
}

/// The body of an answer that is traced.
struct Traced {
    body: AnswerBody,
    span: Span,
}

impl Body for Traced {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Err(error))) = &polled {
            fail(&self.span, error);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        end(&self.span);
    }
}
