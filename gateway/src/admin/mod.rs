//! The operators' listener: health, readiness, metrics, and the admin API.
//!
//! | path | answer |
//! | --- | --- |
//! | `/health` | 200 as long as the process lives |
//! | `/ready` | 200 when clients can be served, else 503 and why not |
//! | `/metrics` | Prometheus text |
//! | `/v1/...` | the admin API ([`api`]) |

mod api;
mod authority;
mod changes;
mod error;
mod layout;
#[cfg(test)]
mod openapi;
mod plan;
mod status;
mod survey;
pub(crate) mod tls;

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use riquet_cluster::telemetry::metrics::{Exporter, note_ready};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::gateway::Gateway;
use crate::server::Peer;

/// How long the metadata may take to answer a question about readiness.
const READY_WAIT: Duration = Duration::from_secs(2);

/// Connections of operators and what watches for them, at most; more are turned away.
const CONNECTIONS_MAX: usize = 256;

/// How long to wait when the system refuses to accept, as it does when it's out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long an operator's client may take for the head of a request.
const HEAD_WAIT: Duration = Duration::from_secs(30);

/// How long an operator's client may take for the handshake of TLS.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);

/// How far the process has come.
#[derive(Default)]
pub(crate) struct Standing {
    gateway: OnceLock<Arc<Gateway>>,
    is_stopping: AtomicBool,
}

impl Standing {
    /// Clients are served from now on.
    pub(crate) fn connected(&self, gateway: Arc<Gateway>) {
        // Once in a process.
        let _ = self.gateway.set(gateway);
    }

    /// No new clients are served from now on.
    pub(crate) fn stopping(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }
}

/// Serves operators until dropped.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    standing: Arc<Standing>,
    metrics: Exporter,
) {
    let turns = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "can't accept operators' connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (standing, metrics) = (standing.clone(), metrics.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            let (standing, metrics) = (standing.clone(), metrics.clone());
            async move { Ok::<_, Infallible>(answer(request, &standing, &metrics).await) }
        });
        let Ok(turn) = Arc::clone(&turns).try_acquire_owned() else {
            tracing::warn!(%peer, "too many operators' connections");
            continue;
        };
        let tls = tls.clone();
        tokio::spawn(async move {
            let _turn = turn;
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WAIT);
            let served = match tls {
                None => {
                    builder
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                }
                Some(tls) => match tokio::time::timeout(HANDSHAKE_WAIT, tls.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        builder
                            .serve_connection(TokioIo::new(stream), service)
                            .await
                    }
                    Ok(Err(error)) => {
                        tracing::debug!(%error, %peer, "no TLS with an operator");
                        return;
                    }
                    Err(_) => return,
                },
            };
            if let Err(error) = served {
                tracing::debug!(%error, "an operator's connection broke");
            }
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    standing: &Standing,
    metrics: &Exporter,
) -> Response<Full<Bytes>> {
    if request.uri().path().starts_with("/v1/") {
        return match standing.gateway.get() {
            Some(gateway) => api::answer(gateway, request).await,
            None => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        };
    }
    match request.uri().path() {
        "/health" => text(StatusCode::OK, "alive\n"),
        "/ready" => match obstacle(standing).await {
            None => text(StatusCode::OK, "ready\n"),
            Some(why) => {
                let why = format!("not ready\n{why}\n");
                text(StatusCode::SERVICE_UNAVAILABLE, why)
            }
        },
        "/metrics" => {
            note_ready(obstacle(standing).await.is_none());
            text(StatusCode::OK, metrics.render())
        }
        _ => text(StatusCode::NOT_FOUND, "no such page\n"),
    }
}

/// What keeps clients from being served, if anything does. Nodes that do not answer do not: reads may still
/// find what they need, and an upload that can't be stored says so itself.
async fn obstacle(standing: &Standing) -> Option<String> {
    if standing.is_stopping.load(Ordering::Relaxed) {
        return Some("the process is stopping".to_owned());
    }
    let Some(gateway) = standing.gateway.get() else {
        return Some("the cluster's metadata have not answered yet".to_owned());
    };
    match tokio::time::timeout(READY_WAIT, gateway.metadata.cluster()).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(format!("metadata: {error}")),
        Err(_) => Some(format!("metadata: no answer within {READY_WAIT:?}")),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
