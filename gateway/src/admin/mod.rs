//! The operators' listener: health, readiness, metrics, and the admin API.
//!
//! | path | answer |
//! | --- | --- |
//! | `/health` | 200 as long as the process lives |
//! | `/ready` | 200 when clients can be served, else 503 |
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

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;

use crate::gateway::Gateway;
use crate::server::Peer;

/// How long the metadata may take to answer a question about readiness.
const READY_WAIT: Duration = Duration::from_secs(2);

/// The gateway, once it is connected.
pub(crate) type Connected = Arc<OnceLock<Arc<Gateway>>>;

/// Serves operators until dropped.
pub(crate) async fn serve(listener: TcpListener, connected: Connected, metrics: PrometheusHandle) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "an operator's connection was lost");
                continue;
            }
        };
        let (connected, metrics) = (connected.clone(), metrics.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            let (connected, metrics) = (connected.clone(), metrics.clone());
            async move { Ok::<_, Infallible>(answer(request, &connected, &metrics).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an operator's connection broke");
            }
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    connected: &Connected,
    metrics: &PrometheusHandle,
) -> Response<Full<Bytes>> {
    if request.uri().path().starts_with("/v1/") {
        return match connected.get() {
            Some(gateway) => api::answer(gateway, request).await,
            None => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        };
    }
    match request.uri().path() {
        "/health" => text(StatusCode::OK, "alive\n"),
        "/ready" if is_ready(connected).await => text(StatusCode::OK, "ready\n"),
        "/ready" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        "/metrics" => text(StatusCode::OK, metrics.render()),
        _ => text(StatusCode::NOT_FOUND, "no such page\n"),
    }
}

async fn is_ready(connected: &Connected) -> bool {
    let Some(gateway) = connected.get() else {
        return false;
    };
    matches!(
        tokio::time::timeout(READY_WAIT, gateway.metadata.cluster()).await,
        Ok(Ok(_))
    )
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
