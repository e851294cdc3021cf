//! The spans of a trace: a request's own in each process, the steps of its work, and calls of other
//! processes, which carry the trace on in W3C's header `traceparent`.
//!
//! Whether a request is traced is decided once, as it comes in. Steps exist only within a request that is
//! traced: for all others [`step`](crate::step) makes nothing, for the price of a look at what the present
//! task works for. None is as small as a cell or a stripe; the smallest is a shard's stream.

use std::fmt::Display;

use http::{HeaderMap, Request, StatusCode};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{Status, TraceContextExt as _, TraceId};
use opentelemetry::{Context, Value};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{Metadata, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The target of requests that come in.
const REQUEST: &str = "riquet::trace::request";

/// The target of what is done for them.
pub const STEP: &str = "riquet::trace::step";

/// The span of a step: `step!("write chunk", riquet.bytes = bytes_i64)`. Disabled unless the present task
/// works for a request that is traced; then nothing is made, and no field is computed. Numbers without a
/// sign would become texts.
#[macro_export]
macro_rules! step {
    ($name:literal $(, $($fields:tt)*)?) => {
        match $crate::telemetry::request::is_traced() {
            true => ::tracing::info_span!(
                target: $crate::telemetry::traces::STEP, $name, $($($fields)*)?
            ),
            false => ::tracing::Span::none(),
        }
    };
}

/// W3C's header that names a trace, and the span in it that something is done for.
const TRACEPARENT: &str = "traceparent";

/// Whether a span is one of a trace: that is all that the layer of traces sees, and nothing for the log.
pub(crate) fn is_of_trace(metadata: &Metadata<'_>) -> bool {
    matches!(metadata.target(), REQUEST | STEP)
}

/// The span of a client's request, within the client's trace if it names one; disabled if the request is
/// not to be traced.
pub fn of_client(headers: &HeaderMap) -> Span {
    begin(|| parent(headers))
}

/// The span of a request by another process of ours, within the trace that it names; disabled if it names
/// none. So what processes ask each other for nobody's sake makes no traces.
pub fn of_peer(headers: &HeaderMap) -> Span {
    if !headers.contains_key(TRACEPARENT) {
        return Span::none();
    }
    let parent = parent(headers);
    match parent.span().span_context().is_valid() {
        true => begin(|| parent),
        false => Span::none(),
    }
}

/// What a request is done for, as its headers tell.
fn parent(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract(&HeaderExtractor(headers))
}

fn begin(parent: impl FnOnce() -> Context) -> Span {
    let span = tracing::info_span!(target: REQUEST, parent: None, "request", otel.kind = "server");
    if span.is_disabled() {
        return span;
    }
    if let Err(error) = span.set_parent(parent()) {
        tracing::debug!(%error, "a trace that came in is not continued");
    }
    // Here the sampler is asked. What it does not want has no steps.
    match span.context().span().span_context().is_sampled() {
        true => span,
        false => Span::none(),
    }
}

/// The trace that a span belongs to.
pub fn trace_id(span: &Span) -> Option<TraceId> {
    if span.is_disabled() {
        return None;
    }
    let id = span.context().span().span_context().trace_id();
    (id != TraceId::INVALID).then_some(id)
}

/// Adds an attribute to a span.
pub fn note(span: &Span, name: &'static str, value: impl Into<Value>) {
    if !span.is_disabled() {
        span.set_attribute(name, value);
    }
}

/// Calls a span otherwise than when it began.
pub fn rename(span: &Span, name: impl Into<std::borrow::Cow<'static, str>>) {
    if !span.is_disabled() {
        span.context().span().update_name(name);
    }
}

/// Says that what a span stands for failed.
pub fn fail(span: &Span, why: &dyn Display) {
    if !span.is_disabled() {
        span.set_status(Status::error(why.to_string()));
    }
}

/// Ends a span now, whoever still holds it: a shard that comes to its disk late is no part of the time that
/// its request took. By itself a span ends when it was last worked in.
pub fn end(span: &Span) {
    if !span.is_disabled() {
        span.context().span().end();
    }
}

/// A call of another process, from its request to the head of the answer, or further to the end of the
/// body for whoever keeps it.
#[derive(Debug)]
pub struct Call {
    span: Span,
    is_open: bool,
}

impl Call {
    /// Begins a call, and names the trace in it. Disabled if nothing is traced at present.
    pub fn begin<B>(name: &'static str, request: &mut Request<B>) -> Self {
        let uri = request.uri();
        let span = crate::step!(
            "call",
            otel.name = name,
            otel.kind = "client",
            http.request.method = request.method().as_str(),
            url.full = %uri,
            server.address = uri.host().unwrap_or_default(),
            server.port = i64::from(uri.port_u16().unwrap_or(80)),
        );
        if !span.is_disabled() {
            let mut headers = HeaderInjector(request.headers_mut());
            TraceContextPropagator::new().inject_context(&span.context(), &mut headers);
        }
        let is_open = !span.is_disabled();
        Self { span, is_open }
    }

    /// The call's span.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// The head of the answer came.
    pub fn answered(&mut self, status: StatusCode) {
        self.is_open = false;
        note(
            &self.span,
            "http.response.status_code",
            i64::from(status.as_u16()),
        );
        if status.is_client_error() || status.is_server_error() {
            note(&self.span, "error.type", status.as_str().to_owned());
            fail(&self.span, &status);
        }
    }

    /// No answer came, or it broke off.
    pub fn failed(&mut self, why: &dyn Display) {
        self.is_open = false;
        fail(&self.span, why);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.is_open {
            // By whoever waits for somebody else instead, or for no longer.
            fail(&self.span, &"given up");
        }
        end(&self.span);
    }
}
