//! Spans that ended and wait for the collector: few enough, and what does not fit is counted.
//!
//! The SDK's batches do the work on a thread of their own. They are wrapped twice, as nothing tells of what
//! they drop: at the entrance, which is where the bound is kept, and at the exit, where a collector fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, OTEL_BSP_MAX_QUEUE_SIZE,
    OTEL_BSP_MAX_QUEUE_SIZE_DEFAULT, Span, SpanData, SpanExporter, SpanProcessor,
};

/// Counts spans that no collector took.
const LOST: &str = "riquet_trace_spans_lost_total";

/// Sends spans to `exporter`, in batches.
pub(super) fn processor<E: SpanExporter + 'static>(exporter: E) -> impl SpanProcessor {
    let asked = std::env::var(OTEL_BSP_MAX_QUEUE_SIZE).ok();
    let asked = asked.and_then(|spans| spans.parse().ok());
    let spans_max: usize = asked.unwrap_or(OTEL_BSP_MAX_QUEUE_SIZE_DEFAULT).max(1);
    let waiting = Arc::new(AtomicUsize::new(0));
    let exit = Exit {
        exporter,
        waiting: waiting.clone(),
        is_away: AtomicBool::new(false),
    };
    let config = BatchConfigBuilder::default().with_max_queue_size(spans_max);
    Entrance {
        batches: BatchSpanProcessor::builder(exit)
            .with_batch_config(config.build())
            .build(),
        waiting,
        spans_max,
        was_full: AtomicBool::new(false),
    }
}

fn count_lost(spans: usize) {
    metrics::counter!(LOST).increment(spans as u64);
}

/// Where spans come in. Nobody waits here.
#[derive(Debug)]
struct Entrance {
    batches: BatchSpanProcessor,
    /// Spans that came in and did not go out.
    waiting: Arc<AtomicUsize>,
    spans_max: usize,
    was_full: AtomicBool,
}

impl SpanProcessor for Entrance {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.spans_max {
            return self.batches.on_end(span);
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        count_lost(1);
        // Once: at such a pace there would be thousands of lines.
        if !self.was_full.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                waiting = self.spans_max,
                "spans are lost: more end than the collector takes; from now on they are only counted"
            );
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Where they go out, a batch at a time.
#[derive(Debug)]
struct Exit<E> {
    exporter: E,
    waiting: Arc<AtomicUsize>,
    /// The last batch was not taken.
    is_away: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Exit<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        let exported = self.exporter.export(batch).await;
        let was_away = self.is_away.swap(exported.is_err(), Ordering::Relaxed);
        match &exported {
            Ok(()) if was_away => tracing::info!("the collector takes spans again"),
            Ok(()) => {}
            Err(error) => {
                count_lost(spans);
                if !was_away {
                    tracing::warn!(%error, "spans are lost until the collector takes them again");
                }
            }
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
