//! The lines that a process writes to standard error.
//!
//! `RIQUET_LOG` says which, in the words of [`EnvFilter`]; `RIQUET_LOG_FORMAT` how: `text` for
//! people, or `json`, one object a line, for what collects them. Both come from the environment, since
//! lines are written before any setting is read.

use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use super::traces::BoxedLayer;
use super::traces::spans::is_of_trace;

/// Which lines: as `info,openraft=warn`.
const FILTER: &str = "RIQUET_LOG";

/// How they look: `text` or `json`.
const FORMAT: &str = "RIQUET_LOG_FORMAT";

/// Sends the process's lines to standard error: those that `RIQUET_LOG` names, else
/// `default_filter`; and its spans to `traces`, if there is such a layer. A process that has a subscriber
/// already, such as a test, keeps it.
pub fn init(default_filter: &str, traces: Option<BoxedLayer>) {
    let asked = std::env::var(FORMAT).unwrap_or_default();
    let filter = EnvFilter::try_from_env(FILTER).unwrap_or_else(|_| EnvFilter::new(default_filter));
    let lines = match asked.as_str() {
        "json" => json(std::io::stderr),
        _ => tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .boxed(),
    };
    // Whatever the filter lets pass: a step of a trace would take the place of the request in the lines.
    let filter = filter.and(filter_fn(|metadata| !is_of_trace(metadata)));
    let mut layers = vec![lines.with_filter(filter).boxed()];
    layers.extend(traces);
    let _ = Registry::default().with(layers).try_init();
    if !matches!(asked.as_str(), "" | "text" | "json") {
        tracing::warn!(asked, "{FORMAT} is text or json; taken for text");
    }
}

/// An object a line: what the event says beside `timestamp`, `level`, `target`, and the request in
/// `span`.
pub(super) fn json<W>(writer: W) -> BoxedLayer
where
    W: for<'a> tracing_subscriber::fmt::MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(writer)
        .boxed()
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::id::RequestId;
    use crate::telemetry::request;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_json_line_tells_what_happened_and_for_which_request() {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = Registry::default().with(json(move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let span = request::span(RequestId::from_u128(0xab), &tracing::Span::none());
            span.in_scope(|| tracing::warn!(node = "toulouse-1", "does not answer"));
        });
        let bytes = kept.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.trim()).expect("one object");
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "does not answer");
        assert_eq!(line["node"], "toulouse-1");
        let id = RequestId::from_u128(0xab).to_string();
        assert_eq!(line["span"]["request_id"], id);
        assert!(line["span"]["trace_id"].is_null(), "it is not traced");
        assert!(line["timestamp"].is_string());
    }
}
