//! A collector of traces: takes spans over HTTP as OpenTelemetry's programs send them, and keeps them.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::Failed;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

/// The most bytes of a batch.
const BATCH_BYTES_MAX: usize = 64 << 20;

/// A span, and who told it.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) program: String,
    pub(crate) process: String,
    pub(crate) span: Span,
}

impl Told {
    /// An attribute as text.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        attribute(&self.span.attributes, name)
    }
}

fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.as_ref() {
        Some(AnyValue {
            value: Some(Value::StringValue(text)),
        }) => Some(text.clone()),
        Some(AnyValue {
            value: Some(Value::IntValue(number)),
        }) => Some(number.to_string()),
        _ => None,
    }
}

/// Listens until the test's process ends.
pub(crate) struct Collector {
    address: String,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Collector {
    pub(crate) fn start() -> Result<Self, Failed> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let told = Arc::new(Mutex::new(Vec::new()));
        let kept = told.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = kept.clone();
                std::thread::spawn(move || {
                    if let Err(error) = take(&stream, &kept) {
                        eprintln!("the collector: {error}");
                    }
                });
            }
        });
        Ok(Self { address, told })
    }

    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` is to say.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans of a trace so far.
    pub(crate) fn trace(&self, id: &str) -> Vec<Told> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let of_trace = told
            .iter()
            .filter(|told| hex::encode(&told.span.trace_id) == id);
        of_trace.cloned().collect()
    }
}

/// Takes the batches of a connection.
fn take(stream: &TcpStream, kept: &Mutex<Vec<Told>>) -> Result<(), Box<dyn std::error::Error>> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let is_ours = line.starts_with("POST /v1/traces ");
        let (mut length, mut is_protobuf) = (0, false);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let header = header.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            match header.split_once(": ") {
                Some(("content-length", value)) => length = value.parse()?,
                Some(("content-type", value)) => is_protobuf = value == "application/x-protobuf",
                _ => {}
            }
        }
        if !is_ours || !is_protobuf || length > BATCH_BYTES_MAX {
            return Err(format!("no batch of spans: {line}").into());
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let batch = ExportTraceServiceRequest::decode(body.as_slice())?;
        kept.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(spans(batch));
        let answer =
            b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        (&mut &*stream).write_all(answer)?;
    }
}

fn spans(batch: ExportTraceServiceRequest) -> Vec<Told> {
    let mut told = Vec::new();
    for of_process in batch.resource_spans {
        let attributes = of_process.resource.map(|resource| resource.attributes);
        let attributes = attributes.unwrap_or_default();
        let who = |name| attribute(&attributes, name).unwrap_or_default();
        let spans = of_process.scope_spans.into_iter();
        told.extend(spans.flat_map(|scope| scope.spans).map(|span| Told {
            program: who("service.name"),
            process: who("service.instance.id"),
            span,
        }));
    }
    told
}
