//! Traces of requests, for a collector of OpenTelemetry's.
//!
//! They are made where the environment names a collector, by the variables that OpenTelemetry gives to all
//! programs; `docs/METRICS.md` lists those that count. Elsewhere the layer below is not there: a request's
//! span costs the look at an atomic number, and there are no others.
//!
//! * [`spans`]: the spans, and how they go from process to process.
//! * `queue`: what waits for the collector, and what is lost.
//! * `collector`: the way to it.
//!
//! Spans are those of `tracing`, of two targets that no other layer sees. So the lines of the log stay what
//! they are, and tasks keep their span as they keep the request that they work for ([`super::request`]).

mod collector;
mod queue;
pub mod spans;
#[cfg(test)]
mod tests;

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{
    ExporterBuildError, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    SpanExporter, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanProcessor};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Filter;
use tracing_subscriber::{Layer, Registry};

use collector::Collector;
pub use spans::{Call, STEP, end, fail, note, rename};

/// `true`: nothing is traced, whatever else is set. The SDK leaves it to programs.
const DISABLED: &str = "OTEL_SDK_DISABLED";

/// What the service is called, instead of the program's own name.
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";

/// How long a process that stops waits for the collector to take what is left.
const STOP_WAIT: Duration = Duration::from_secs(3);

/// A layer for a process's subscriber.
pub type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// What a process tells about itself with its spans, unless the environment says otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Service<'a> {
    /// The program.
    pub program: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Which one of them it is.
    pub name: &'a str,
    /// Where it serves.
    pub site: &'a str,
}

/// Why nothing is traced although the environment asks for it.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The environment's settings can't be used.
    #[error(transparent)]
    Exporter(#[from] ExporterBuildError),
    /// There is no way to the collector.
    #[error("no way to the collector: {0}")]
    Io(#[from] std::io::Error),
}

/// The traces of a process. Whoever holds them stops them before the process ends.
#[derive(Debug)]
pub struct Traces {
    provider: Option<SdkTracerProvider>,
}

impl Traces {
    /// No traces.
    pub fn none() -> Self {
        Self { provider: None }
    }

    /// Traces as the environment asks for them; none if it names no collector.
    ///
    /// # Errors
    /// When what it says can't be used.
    pub fn from_environment(service: &Service<'_>) -> Result<Self, TracesError> {
        let Some(endpoint) = endpoint(|name| std::env::var(name).ok()) else {
            return Ok(Self::none());
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new(&endpoint)?)
            .build()?;
        Ok(Self::through(queue::processor(exporter), service))
    }

    /// Traces whose spans go to `processor`. The provider takes sampler and limits from the environment.
    fn through(processor: impl SpanProcessor + 'static, service: &Service<'_>) -> Self {
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_resource(resource(service));
        Self {
            provider: Some(provider.build()),
        }
    }

    /// What makes spans of `tracing` those of a trace.
    pub fn layer(&self) -> Option<BoxedLayer> {
        let tracer = self.provider.as_ref()?.tracer("riquet");
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            // Nobody asks OpenTelemetry's own context, and setting it would cost at each poll.
            .with_context_activation(false)
            .with_tracked_inactivity(false)
            .with_location(false)
            .with_threads(false)
            .with_level(false)
            .with_target(false);
        Some(layer.with_filter(filter()).boxed())
    }

    /// Sends what waits, for a bounded time. Spans that end later are lost.
    pub fn stop(self) {
        if let Some(provider) = self.provider
            && let Err(error) = provider.shutdown_with_timeout(STOP_WAIT)
        {
            tracing::warn!(%error, "not all traces were told before the end");
        }
    }
}

/// Spans of traces. What is said of levels keeps the log's call sites as cheap as they are.
fn filter() -> impl Filter<Registry> {
    filter_fn(spans::is_of_trace).with_max_level_hint(LevelFilter::INFO)
}

/// The collector that an environment names: with it, but for [`DISABLED`], all begins.
fn endpoint(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let named = |name| variable(name).filter(|value| !value.trim().is_empty());
    if named(DISABLED).is_some_and(|value| value.trim().eq_ignore_ascii_case("true")) {
        return None;
    }
    named(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT).or_else(|| named(OTEL_EXPORTER_OTLP_ENDPOINT))
}

/// What goes with all spans of the process. The environment wins over what we know.
fn resource(service: &Service<'_>) -> Resource {
    let known = [
        KeyValue::new("service.name", service.program),
        KeyValue::new("service.namespace", "riquet"),
        KeyValue::new("service.version", service.version),
        KeyValue::new("service.instance.id", service.name.to_owned()),
        KeyValue::new("riquet.site", service.site.to_owned()),
    ];
    let resource = Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(known)
        .with_detector(Box::new(EnvResourceDetector::new()));
    match std::env::var(SERVICE_NAME) {
        Ok(name) if !name.is_empty() => resource.with_service_name(name),
        _ => resource,
    }
    .build()
}
