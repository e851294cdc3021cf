//! Where a request spent its time, as a collector is told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use riquet_tests::client::wait_until;
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::MIB;
use riquet_tests::s3::Request;
use riquet_tests::skip::{self, Need};

use super::collector::{Collector, Told};
use super::{operators_addresses, page};

/// A client's trace: its id, and the span that the client asks within.
struct Parent {
    trace: &'static str,
    span: &'static str,
}

const PUT: Parent = Parent {
    trace: "0af7651916cd43dd8448eb211c80319c",
    span: "b7ad6b7169203331",
};

const GET: Parent = Parent {
    trace: "4bf92f3577b34da6a3ce929d0e0e4736",
    span: "00f067aa0ba902b7",
};

const ABSENT: Parent = Parent {
    trace: "5bf92f3577b34da6a3ce929d0e0e4737",
    span: "01f067aa0ba902b7",
};

/// That of a client who wants no trace.
const UNSAMPLED: Parent = Parent {
    trace: "6bf92f3577b34da6a3ce929d0e0e4738",
    span: "02f067aa0ba902b7",
};

impl Parent {
    fn header(&self, flags: &str) -> String {
        format!("00-{}-{}-{flags}", self.trace, self.span)
    }
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        skip::trial(
            "traces::a_clients_trace_goes_through_gateway_and_nodes",
            &[],
            a_clients_trace_goes_through_gateway_and_nodes,
        ),
        skip::trial(
            "traces::a_collector_that_hangs_fails_nothing",
            &[Need::Program("curl")],
            a_collector_that_hangs_fails_nothing,
        ),
    ]
}

/// The spans of one trace, by id.
struct Tree {
    spans: BTreeMap<Vec<u8>, Told>,
}

impl Tree {
    fn of(collector: &Collector, parent: &Parent) -> Self {
        let spans = collector.trace(parent.trace).into_iter();
        let spans = spans.map(|told| (told.span.span_id.clone(), told));
        Self {
            spans: spans.collect(),
        }
    }

    /// A span's name and those of the spans above it, the kinds of calls beside.
    fn path(&self, told: &Told) -> Vec<String> {
        let mut path = Vec::new();
        let mut next = Some(told);
        while let Some(told) = next {
            let kind = match told.span.kind() {
                SpanKind::Client => " >",
                SpanKind::Server => " <",
                _ => "",
            };
            path.push(format!("{}{kind}", told.span.name));
            next = self.spans.get(&told.span.parent_span_id);
        }
        path.reverse();
        path
    }

    /// The spans with this path.
    fn at(&self, path: &[&str]) -> Vec<&Told> {
        let spans = self.spans.values();
        spans.filter(|told| self.path(told) == path).collect()
    }

    /// The only one.
    fn one(&self, path: &[&str]) -> Result<&Told, Failed> {
        match self.at(path)[..] {
            [told] => Ok(told),
            ref found => {
                let (found, paths) = (found.len(), self.paths());
                Err(format!("{found} spans at {path:?} among {paths:#?}").into())
            }
        }
    }

    fn paths(&self) -> BTreeSet<Vec<String>> {
        self.spans.values().map(|told| self.path(told)).collect()
    }

    /// A client's request, within the client's span.
    fn root(&self, name: &str, parent: &Parent) -> Result<&Told, Failed> {
        let root = self.one(&[&format!("{name} <")])?;
        if hex::encode(&root.span.parent_span_id) != parent.span {
            return Err(format!("{name} is not within the client's span").into());
        }
        Ok(root)
    }

    /// Everything that nodes did, below a call of the gateway's.
    fn calls(&self, above: &[&str], name: &str) -> Result<BTreeSet<String>, Failed> {
        let (call, served) = (format!("{name} >"), format!("{name} <"));
        let path: Vec<&str> = above.iter().copied().chain([&*call, &*served]).collect();
        let served = self.at(&path);
        if served.is_empty() {
            return Err(format!("nothing at {path:?} among {:#?}", self.paths()).into());
        }
        for told in &served {
            let caller = &self.spans[&told.span.parent_span_id];
            if (&*caller.program, &*told.program) != ("riquet-gateway", "riquet-storage-node") {
                return Err(format!("{} called {}", caller.program, told.program).into());
            }
            let (outer, inner) = (&caller.span, &told.span);
            if inner.start_time_unix_nano < outer.start_time_unix_nano {
                return Err(format!("{name} was answered before it was asked").into());
            }
        }
        Ok(served.iter().map(|told| told.process.clone()).collect())
    }
}

fn check(told: &Told, wanted: &[(&str, &str)]) -> Result<(), Failed> {
    for (name, value) in wanted {
        let found = told.attribute(name);
        if found.as_deref() != Some(*value) {
            let span = &told.span.name;
            return Err(format!("{span}: {name} is {found:?} and not {value}").into());
        }
    }
    Ok(())
}

/// Nothing is told before the processes stop: that all is there in the end shows that they tell what they
/// have then.
fn a_clients_trace_goes_through_gateway_and_nodes() -> Result<(), Failed> {
    let collector = Collector::start()?;
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.endpoint()),
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
        ("RIQUET_LOG", "debug,openraft=warn,hyper_util=info"),
        ("RIQUET_LOG_FORMAT", "json"),
    ];
    Cluster::with_environment(&variables, |cluster| {
        let s3 = cluster.s3(Site::Toulouse);
        s3.put("/traced", &[])?;
        let body = vec![1; 3 * MIB as usize];
        let traced = |method, path: &str, parent: &Parent, flags| {
            Request::new(method, path).header("traceparent", parent.header(flags))
        };
        let put = traced("PUT", "/traced/object", &PUT, "01");
        let put = s3.send(put, &body)?.expect(200)?;
        let get = traced("GET", "/traced/object", &GET, "01");
        let get = s3.send(get, &[])?.expect(200)?;
        let absent = traced("GET", "/traced/none", &ABSENT, "01");
        s3.send(absent, &[])?.expect(404)?;
        let unsampled = traced("GET", "/traced/object", &UNSAMPLED, "00");
        s3.send(unsampled, &[])?.expect(200)?;
        is_in_log(cluster, PUT.trace, put.header("x-amz-request-id"))?;

        let everybody: Vec<String> = cluster.pids()?.into_keys().collect();
        cluster.restart(&everybody.iter().map(String::as_str).collect::<Vec<_>>())?;
        wait_until("the collector was told of the requests", || {
            Ok([&PUT, &GET].iter().all(|parent| {
                let told = collector.trace(parent.trace);
                let programs = told.iter().map(|told| &*told.program);
                programs.collect::<BTreeSet<_>>().len() == 2
            }))
        })?;
        of_put(&Tree::of(&collector, &PUT), put.header("x-amz-request-id"))?;
        of_get(&Tree::of(&collector, &GET), get.header("x-amz-request-id"))?;
        let absent = Tree::of(&collector, &ABSENT);
        let absent = absent.root("GetObject", &ABSENT)?;
        check(
            absent,
            &[
                ("http.response.status_code", "404"),
                ("riquet.error_code", "NoSuchKey"),
            ],
        )?;
        let failed = absent.span.status.as_ref().map(|status| status.code());
        if failed == Some(StatusCode::Error) {
            return Err("what is not there is no failure of the gateway's".into());
        }
        match collector.trace(UNSAMPLED.trace)[..] {
            [] => Ok(()),
            ref told => Err(format!("who wanted no trace has one: {told:?}").into()),
        }
    })
}

fn of_put(tree: &Tree, id: Option<&str>) -> Result<(), Failed> {
    let id = id.ok_or("no request id")?;
    let root = tree.root("PutObject", &PUT)?;
    check(
        root,
        &[
            ("http.request.method", "PUT"),
            ("http.response.status_code", "200"),
            ("server.address", "127.0.0.1"),
            ("url.path", "/traced/object"),
            ("riquet.operation", "PutObject"),
            ("riquet.bucket", "traced"),
            ("riquet.request_id", id),
        ],
    )?;
    if (&*root.program, &*root.process) != ("riquet-gateway", "gateway-toulouse") {
        return Err(format!("{} {} served it", root.program, root.process).into());
    }
    let chunk = ["PutObject <", "write blob", "write chunk"];
    let nodes = tree.calls(&chunk, "put")?;
    for site in Site::ALL {
        if !nodes.iter().any(|node| node.starts_with(site.name())) {
            return Err(format!("shards went only to {nodes:?}").into());
        }
    }
    let commit = [&chunk[..], &["put >", "put <", "disk commit"]].concat();
    if tree.at(&commit).len() != tree.at(&commit[..5]).len() {
        return Err(format!("not each shard was committed: {:#?}", tree.paths()).into());
    }
    for told in tree.at(&commit[..5]) {
        check(
            told,
            &[
                ("riquet.request_id", id),
                ("http.response.status_code", "201"),
            ],
        )?;
    }
    tree.calls(&["PutObject <", "metadata propose"], "meta/propose")?;
    Ok(())
}

fn of_get(tree: &Tree, id: Option<&str>) -> Result<(), Failed> {
    let root = tree.root("GetObject", &GET)?;
    let id = id.ok_or("no request id")?;
    let wanted = [
        ("http.response.body.size", "3145728"),
        ("riquet.request_id", id),
    ];
    check(root, &wanted)?;
    let chunk = ["GetObject <", "read object", "read chunk"];
    tree.calls(&chunk, "get")?;
    let read = [&chunk[..], &["get >", "get <", "disk read"]].concat();
    for told in tree.at(&read) {
        if told.attribute("riquet.disk").is_none() {
            return Err("a read of no disk".into());
        }
    }
    let reads = tree.at(&read).len();
    if reads == 0 || reads != tree.at(&read[..5]).len() {
        return Err(format!("not each read is told: {:#?}", tree.paths()).into());
    }
    tree.calls(&["GetObject <", "metadata query"], "meta/query")?;
    Ok(())
}

/// The line of a request names its trace.
fn is_in_log(cluster: &Cluster, trace: &str, id: Option<&str>) -> Result<(), Failed> {
    let id = id.ok_or("no request id")?;
    wait_until("the gateway's log names the trace", || {
        let lines = super::log_lines(cluster, id, &["gateway-toulouse"])?;
        Ok(!lines.is_empty() && lines.iter().all(|line| line["span"]["trace_id"] == trace))
    })
}

/// A collector that takes connections and says nothing is worse than none.
fn a_collector_that_hangs_fails_nothing() -> Result<(), Failed> {
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let endpoint = format!("http://{}", silent.local_addr()?);
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "16"),
    ];
    Cluster::with_environment(&variables, |cluster| {
        let s3 = cluster.s3(Site::Toulouse);
        s3.put("/untold", &[])?;
        let body = vec![1; 3 * MIB as usize];
        for number in 0..20 {
            let path = format!("/untold/{number}");
            s3.put(&path, &body)?;
            let sent = s3.ask("GET", &path)?.expect(200)?;
            if sent.body != body {
                return Err(format!("{path} came back as something else").into());
            }
        }
        let addresses = operators_addresses(cluster)?;
        let metrics = page(&addresses["gateway-toulouse"], "/metrics")?;
        let lost = metrics
            .lines()
            .find_map(|line| line.strip_prefix("riquet_trace_spans_lost_total "));
        let lost: f64 = lost.ok_or("nothing counts what is lost")?.parse()?;
        if lost < 1.0 {
            return Err("more spans ended than fit, and none was lost".into());
        }
        let log = cluster.dir().join("logs/gateway-toulouse.log");
        let log = std::fs::read_to_string(log)?;
        let said = log
            .lines()
            .filter(|line| line.contains("spans are lost"))
            .count();
        if !(1..=2).contains(&said) {
            return Err(format!("the log says {said} times that spans are lost").into());
        }
        let began = Instant::now();
        cluster.restart(&["gateway-toulouse"])?;
        match began.elapsed() {
            took if took < Duration::from_secs(20) => Ok(()),
            took => Err(format!("stopping and starting took {took:?}").into()),
        }
    })
}
