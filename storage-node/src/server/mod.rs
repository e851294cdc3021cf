//! The node's HTTP server: shards, metadata groups, health and metrics on one address.

mod answer;
mod endpoint;
mod layout;
mod ready;
mod relay;
mod shards;
mod slots;
mod status;
#[cfg(test)]
mod tests;
mod traced;
mod traffic;
mod upkeep;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use riquet_cluster::id::DiskId;
use riquet_cluster::telemetry::metrics::Exporter;
use riquet_cluster::telemetry::request;
use riquet_cluster::transport::Transport;
use riquet_cluster::wire::protocol;
use riquet_cluster::wire::shard::ErrorCode;
use riquet_metadata::MetadataService;
use riquet_metadata::raft::{self, RaftService};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::config::Settings;
use crate::error::Error;
use crate::load::Load;
use crate::repair::Tally;
use crate::store::ShardStore;
use crate::upkeep::Upkeep;
use answer::AnswerBody;
use endpoint::Endpoint;
pub use layout::NodeLayout;
pub use traffic::Traffic;
use traffic::{Carried, Counted};

/// Connections served at once; more wait in the kernel's queue. Each holds at most two buffers of
/// [`CONNECTION_BUFFER_BYTES`].
const MAX_CONNECTIONS: usize = 1024;

/// What hyper may read ahead, and queue for sending, on a connection. Bodies come in reads of up to
/// this size, which makes system calls and wake-ups rare.
const CONNECTION_BUFFER_BYTES: usize = 512 * 1024;

/// A client has this long to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long requests under way may take to end once the node stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// A disk as the node found it.
pub enum DiskSlot {
    /// In service.
    Open(Arc<ShardStore>),
    /// Not in service, and why.
    Refused(String),
}

/// The metadata groups of the node, for clients and for other voters.
pub struct Metadata {
    /// What gateways, nodes and tools ask.
    pub service: MetadataService,
    /// What other voters ask.
    pub raft: RaftService,
}

/// What the server serves.
pub struct Node {
    /// The node's settings.
    pub settings: Settings,
    /// The disks that the settings name.
    pub disks: BTreeMap<DiskId, DiskSlot>,
    /// The background work on each of them.
    pub upkeep: BTreeMap<DiskId, Upkeep>,
    /// What it has repaired.
    pub repaired: Tally,
    /// How long users wait for it.
    pub load: Arc<Load>,
    /// What it exchanges with other sites.
    pub traffic: Arc<Traffic>,
    /// What is known of the cluster's layout.
    pub layout: NodeLayout,
    /// The way to other nodes.
    pub transport: Transport,
    /// The metadata groups, with role `meta`.
    pub metadata: Option<Metadata>,
    /// Renders the process's metrics.
    pub metrics: Exporter,
}

/// Serves until `stop` is ready, then lets the requests under way end.
pub async fn serve(node: Arc<Node>, listener: TcpListener, stop: impl Future<Output = ()>) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(CONNECTION_BUFFER_BYTES)
        .writev(true);
    builder.http2().timer(TokioTimer::new());
    let builder = Arc::new(builder);
    let graceful = GracefulShutdown::new();
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut stop = std::pin::pin!(stop);
    loop {
        let accept = async {
            let permit = Arc::clone(&connections).acquire_owned().await;
            (permit.expect("never closed"), listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accept => accepted,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: give the others time to close theirs.
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "connection lost at once");
            continue;
        }
        let node = Arc::clone(&node);
        let carried = Arc::new(Carried::default());
        let stream = Counted {
            stream,
            carried: Arc::clone(&carried),
        };
        let service = service_fn(move |request: Request<Incoming>| {
            carried.identify(&node.traffic, request.headers());
            route(Arc::clone(&node), request)
        });
        let connection = builder
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        let watched = graceful.watch(connection);
        tokio::spawn(async move {
            let open = metrics::gauge!("riquet_node_connections");
            open.increment(1.0);
            if let Err(error) = watched.await {
                tracing::debug!(error = %error, "connection ended");
            }
            open.decrement(1.0);
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("some requests did not end in time");
    }
}

/// Answers a request; the lines that it writes name the client's request that it is made for, if it is
/// made for one.
async fn route(
    node: Arc<Node>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Infallible> {
    let answer = match request::of(request.headers()) {
        None => answer(node, request).await,
        Some(id) => {
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            let trace = traced::began(&request, id);
            let own = trace.clone();
            let answer = async {
                let began = Instant::now();
                let answer = answer(node, request).await;
                let (status, duration_ms) = (answer.status().as_u16(), began.elapsed().as_millis());
                let duration_ms = duration_ms as u64;
                tracing::debug!(%method, path, status, duration_ms, "answered");
                traced::answered(own, answer)
            };
            request::within(id, trace, answer).await
        }
    };
    Ok(answer)
}

async fn answer(node: Arc<Node>, request: Request<Incoming>) -> Response<AnswerBody> {
    if let Err(other) = protocol::check(request.headers()) {
        tracing::warn!(path = request.uri().path(), %other, "refused");
        return answer::Refusal::new(ErrorCode::OtherProtocol, other.to_string()).into_response();
    }
    let path = request.uri().path();
    match &node.metadata {
        Some(metadata) if path.starts_with(riquet_metadata::wire::PATH_PREFIX) => {
            let answer = Box::pin(metadata.service.handle(request)).await;
            answer.map(|body| body.map_err(Error::Metadata).boxed_unsync())
        }
        Some(metadata) if path.starts_with(raft::PATH_PREFIX) => {
            let answer = Box::pin(metadata.raft.handle(request)).await;
            answer.map(|body| body.map_err(|never| match never {}).boxed_unsync())
        }
        _ => answer_node(&node, request).await,
    }
}

/// Answers what is not the metadata's.
async fn answer_node(node: &Arc<Node>, request: Request<Incoming>) -> Response<AnswerBody> {
    let endpoint = Endpoint::parse(request.method(), request.uri());
    let name = endpoint.as_ref().map_or("unknown", Endpoint::name);
    let began = Instant::now();
    let answer = match endpoint {
        Ok(Endpoint::Health) => Ok(status::health(node)),
        Ok(Endpoint::Alive) => Ok(ready::alive()),
        Ok(Endpoint::Ready) => Ok(ready::ready(node)),
        Ok(Endpoint::Metrics) => Ok(status::metrics(node)),
        Ok(Endpoint::Upkeep) => Ok(upkeep::report(node)),
        Ok(Endpoint::BeginJob {
            disk,
            job,
            older_than,
        }) => upkeep::begin(node, request.headers(), disk, job, older_than),
        Ok(Endpoint::Shard(call)) => Box::pin(shards::serve(node, call, request)).await,
        Err(refusal) => Err(refusal),
    };
    let mut answer = answer.unwrap_or_else(answer::Refusal::into_response);
    node.layout.stamp(answer.headers_mut());
    let status = answer.status().as_str().to_owned();
    metrics::counter!("riquet_node_requests_total", "endpoint" => name, "status" => status)
        .increment(1);
    metrics::histogram!("riquet_node_request_seconds", "endpoint" => name).record(began.elapsed());
    answer
}
