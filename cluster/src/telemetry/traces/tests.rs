//! Spans as they reach an exporter, and environments that ask for none.

use std::sync::{Arc, Mutex};

use http::{HeaderMap, Request};
use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SimpleSpanProcessor, SpanData, SpanExporter};
use tracing::{Dispatch, Instrument as _, Span};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;
use crate::id::RequestId;
use crate::step;
use crate::telemetry::request;

const SERVICE: Service<'static> = Service {
    program: "riquet-test",
    version: "1",
    name: "test-1",
    site: "toulouse",
};

/// Keeps what is exported, or refuses it.
#[derive(Debug, Default, Clone)]
struct Kept {
    spans: Arc<Mutex<Vec<SpanData>>>,
    is_away: bool,
}

impl Kept {
    fn named(&self, name: &str) -> SpanData {
        let spans = self.spans.lock().unwrap();
        let mut found = spans.iter().filter(|span| span.name == name);
        let span = found
            .next()
            .unwrap_or_else(|| panic!("no {name} in {spans:?}"));
        assert!(found.next().is_none(), "{name} is there once");
        span.clone()
    }
}

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        if self.is_away {
            return Err(OTelSdkError::InternalFailure("away".into()));
        }
        self.spans.lock().unwrap().extend(batch);
        Ok(())
    }
}

/// Runs `work` where spans are exported at once, beside a layer that takes everything.
fn traced(work: impl FnOnce()) -> Kept {
    let kept = Kept::default();
    let traces = Traces::through(SimpleSpanProcessor::new(kept.clone()), &SERVICE);
    let subscriber = Registry::default().with(vec![traces.layer().expect("they are on")]);
    tracing::dispatcher::with_default(&Dispatch::new(subscriber), work);
    kept
}

fn headers(traceparent: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", traceparent.parse().unwrap());
    headers
}

const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const NOT_SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

#[test]
fn a_silent_environment_makes_no_layer() {
    let of = |variables: &'static [(&str, &str)]| {
        endpoint(|name| {
            let mut found = variables.iter().filter(|(known, _)| *known == name);
            found.next().map(|(_, value)| (*value).to_owned())
        })
    };
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]), None);
    assert_eq!(of(&[("OTEL_TRACES_SAMPLER", "always_on")]), None);
    let named = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318");
    assert_eq!(
        of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318")]),
        Some(named.1.into())
    );
    let own = of(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://b/traces"),
    ]);
    assert_eq!(own.as_deref(), Some("http://b/traces"));
    let disabled = of(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318"),
        ("OTEL_SDK_DISABLED", "True"),
    ]);
    assert_eq!(disabled, None);
    assert!(Traces::none().layer().is_none());
}

#[test]
fn without_a_layer_nothing_is_made() {
    let lines = super::super::logs::json(std::io::sink);
    let subscriber =
        Registry::default().with(lines.with_filter(filter_fn(|m| !spans::is_of_trace(m))));
    tracing::dispatcher::with_default(&Dispatch::new(subscriber), || {
        assert!(spans::of_client(&headers(SAMPLED)).is_disabled());
        assert!(spans::of_peer(&headers(SAMPLED)).is_disabled());
        assert!(step!("step").is_disabled());
    });
}

#[tokio::test(flavor = "current_thread")]
async fn a_clients_trace_goes_on_through_steps_calls_and_other_processes() {
    let kept = Kept::default();
    let traces = Traces::through(SimpleSpanProcessor::new(kept.clone()), &SERVICE);
    let subscriber = Registry::default().with(vec![traces.layer().expect("they are on")]);
    let _here = tracing::dispatcher::set_default(&Dispatch::new(subscriber));

    let trace = spans::of_client(&headers(SAMPLED));
    rename(&trace, "PutObject");
    let id = spans::trace_id(&trace).expect("it is traced");
    let work = async {
        let step = step!("write", riquet.bytes = 7_i64);
        let spawned = async move {
            let mut request = Request::put("http://10.0.0.1:7500/v1/x").body(()).unwrap();
            let mut call = Call::begin("put", &mut request);
            let peer = spans::of_peer(request.headers());
            assert_eq!(spans::trace_id(&peer), Some(id));
            rename(&peer, "at the node");
            drop(peer);
            call.answered(http::StatusCode::INSUFFICIENT_STORAGE);
            assert!(request::current().is_some());
        };
        let write = async { tokio::spawn(request::carried(spawned)).await.unwrap() };
        write.instrument(step).await;
    };
    request::within(RequestId::from_u128(7), trace, work).await;

    assert_eq!(id.to_string(), "0af7651916cd43dd8448eb211c80319c");
    let (put, write) = (kept.named("PutObject"), kept.named("write"));
    assert_eq!(
        put.parent_span_id,
        SpanId::from_hex("b7ad6b7169203331").unwrap()
    );
    assert_eq!(put.span_kind, SpanKind::Server);
    assert_eq!(put.status, Status::Unset);
    assert_eq!(write.parent_span_id, put.span_context.span_id());
    let (call, peer) = (kept.named("put"), kept.named("at the node"));
    assert_eq!(call.parent_span_id, write.span_context.span_id());
    assert_eq!(call.span_kind, SpanKind::Client);
    assert!(matches!(call.status, Status::Error { .. }));
    assert_eq!(peer.parent_span_id, call.span_context.span_id());
    let port = call
        .attributes
        .iter()
        .find(|a| a.key.as_str() == "server.port");
    assert_eq!(port.expect("a port").value, 7500.into());
}

#[test]
fn what_is_not_sampled_has_no_steps_and_is_told_to_nobody() {
    let kept = traced(|| {
        let trace = spans::of_client(&headers(NOT_SAMPLED));
        assert!(trace.is_disabled());
        within(trace, || {
            assert!(!request::is_traced());
            assert!(step!("step").is_disabled());
            let mut request = Request::put("http://10.0.0.1:7500/v1/x").body(()).unwrap();
            let call = Call::begin("put", &mut request);
            assert!(call.span().is_disabled());
            assert!(request.headers().is_empty());
        });
        // Work in the background is for nobody.
        assert!(step!("step").is_disabled());
        assert!(spans::of_peer(&HeaderMap::new()).is_disabled());
        assert!(spans::of_peer(&headers("nonsense")).is_disabled());
    });
    assert!(kept.spans.lock().unwrap().is_empty());
}

#[test]
fn a_call_that_is_given_up_failed() {
    let kept = traced(|| {
        let trace = spans::of_client(&HeaderMap::new());
        rename(&trace, "GetObject");
        within(trace.clone(), || {
            let mut request = Request::get("http://10.0.0.1:7500/v1/x").body(()).unwrap();
            drop(Call::begin("get", &mut request));
        });
        end(&trace);
    });
    assert_eq!(kept.named("get").status, Status::error("given up"));
    assert_eq!(kept.named("GetObject").parent_span_id, SpanId::INVALID);
}

/// Does `work` for a request.
fn within(trace: Span, work: impl FnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let work = request::within(RequestId::from_u128(7), trace, async { work() });
    runtime.unwrap().block_on(work);
}

/// Steps are no lines' spans, so that each line keeps its request; and the trace is found from the line.
#[test]
fn lines_name_request_and_trace() {
    let kept = Kept::default();
    let traces = Traces::through(SimpleSpanProcessor::new(kept), &SERVICE);
    let text = Arc::new(Mutex::new(Vec::new()));
    let writer = text.clone();
    let lines = super::super::logs::json(move || Writer(writer.clone()));
    let lines = lines.with_filter(filter_fn(|m| !spans::is_of_trace(m)));
    let layers = vec![lines.boxed(), traces.layer().expect("they are on")];
    let subscriber = Registry::default().with(layers);
    tracing::dispatcher::with_default(&Dispatch::new(subscriber), || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let trace = spans::of_client(&headers(SAMPLED));
        runtime.block_on(request::within(RequestId::from_u128(7), trace, async {
            let step = step!("write");
            assert!(!step.is_disabled());
            async { tracing::warn!("cell late") }.instrument(step).await;
            assert!(Span::current().metadata().is_some());
        }));
    });
    let text = String::from_utf8(text.lock().unwrap().clone()).unwrap();
    let line: serde_json::Value = serde_json::from_str(text.trim()).expect("one object");
    assert_eq!(
        line["span"]["request_id"],
        RequestId::from_u128(7).to_string()
    );
    assert_eq!(line["span"]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
}

struct Writer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The queue keeps its bound and forgets what a collector refused.
#[test]
fn a_collector_that_is_away_keeps_nobody_waiting() {
    let away = Kept {
        is_away: true,
        ..Kept::default()
    };
    let traces = Traces::through(queue::processor(away.clone()), &SERVICE);
    let subscriber = Registry::default().with(vec![traces.layer().expect("they are on")]);
    tracing::dispatcher::with_default(&Dispatch::new(subscriber), || {
        let began = std::time::Instant::now();
        for _ in 0..20_000 {
            drop(spans::of_client(&HeaderMap::new()));
        }
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "nothing was waited for"
        );
    });
    traces.stop();
    assert!(away.spans.lock().unwrap().is_empty());
}
