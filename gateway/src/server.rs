//! Listeners and connections: HTTP/1.1 and HTTP/2 in clear text, told apart by their first bytes.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use riquet_cluster::id::RequestId;
use riquet_cluster::telemetry::metrics::Exporter;
use riquet_cluster::telemetry::request;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

use crate::access_log::Delivery;
use crate::admin;
use crate::answer::AnswerBody;
use crate::config::{Limits, Settings};
use crate::gateway::{Gateway, StartError};
use crate::lifecycle;
use crate::service;
use crate::telemetry::traces;

/// Largest read of a socket, and so the largest slice of a body; also bounds a request's head.
/// Larger reads save system calls: 64 MiB come in 256 reads.
const READ_BUFFER_BYTES: usize = 256 << 10;

/// Most headers of a request: S3 sends some twenty, user metadata is bounded by its bytes.
const HEADERS_MAX: usize = 256;

/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 128;

/// What a client may send on one HTTP/2 stream, and on one connection, before it must wait.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// How long to wait when the system refuses to accept, as it does when it's out of descriptors:
/// asking again at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who is at the other end of a request's connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The addresses a gateway listens on, bound but not served yet.
pub struct Listeners {
    clients: TcpListener,
    admin: TcpListener,
    admin_tls: Option<TlsAcceptor>,
}

impl Listeners {
    /// Binds the addresses of the settings.
    ///
    /// # Errors
    /// When one is taken or not of this machine, or the files for TLS can't be used.
    pub async fn bind(settings: &Settings) -> io::Result<Self> {
        let admin_tls = settings.admin_tls.as_ref().map(admin::tls::acceptor);
        Ok(Self {
            admin_tls: admin_tls.transpose()?,
            clients: TcpListener::bind(settings.listen).await?,
            admin: TcpListener::bind(settings.admin_listen).await?,
        })
    }

    /// Where clients and operators connect; tells the ports that the system chose.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.clients.local_addr()?, self.admin.local_addr()?))
    }

    /// Serves operators at once and clients from when the gateway is connected, until `stop`;
    /// then lets running requests end, within the limit of the settings.
    ///
    /// # Errors
    /// When the gateway can't be connected.
    pub async fn serve(
        self,
        settings: Settings,
        metrics: Exporter,
        stop: impl Future<Output = ()>,
    ) -> Result<(), StartError> {
        let standing = Arc::new(admin::Standing::default());
        let operators = admin::serve(self.admin, self.admin_tls, standing.clone(), metrics);
        let operators = tokio::spawn(operators);
        tokio::pin!(stop);
        let gateway = tokio::select! {
            () = &mut stop => return Ok(()),
            gateway = Gateway::connect(settings) => gateway?,
        };
        standing.connected(gateway.clone());
        let stop = stop.map(|()| standing.stopping());
        let logs = Delivery::start(&gateway);
        let (stop_work, stopped) = tokio::sync::oneshot::channel::<()>();
        let work = tokio::spawn(lifecycle::run(gateway.clone(), async {
            let _ = stopped.await;
        }));
        serve_clients(self.clients, gateway, stop).await;
        drop(stop_work);
        if let Err(error) = work.await {
            tracing::error!(%error, "the lifecycle's work failed");
        }
        logs.stop().await;
        operators.abort();
        Ok(())
    }
}

async fn serve_clients(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    mut stop: impl Future<Output = ()> + Unpin,
) {
    let limits = gateway.settings.limits;
    let builder = connection_builder(&limits);
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let graceful = GracefulShutdown::new();
    tracing::info!(address = ?listener.local_addr().ok(), "serving");
    loop {
        let (stream, peer, slot) = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let gateway = gateway.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            let gateway = gateway.clone();
            request.extensions_mut().insert(Peer(peer));
            async move { Ok::<_, Infallible>(answer(gateway, request).await) }
        });
        let connection = builder
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let open = metrics::gauge!("riquet_gateway_connections");
            open.increment(1.0);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a client's connection broke");
            }
            open.decrement(1.0);
            drop(slot);
        });
    }
    drop(listener);
    tracing::info!("stopping: no new connections, running requests end");
    if tokio::time::timeout(limits.stop_wait(), graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests still running were cut");
    }
}

/// Answers a request under an id of its own, which is in the answer, in every line that is written for
/// it, and in what nodes are asked for its sake.
async fn answer(gateway: Arc<Gateway>, request: Request<Incoming>) -> Response<AnswerBody> {
    let id = RequestId::from_u128(Uuid::now_v7().as_u128());
    let trace = traces::began(&request, id);
    // Boxed, as a connection would hold it even while it waits for the next request.
    let answer = Box::pin(service::serve(gateway, request, id));
    request::within(id, trace, answer).await
}

/// The next connection, once there is room for one.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let slot = slots
        .clone()
        .acquire_owned()
        .await
        .expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Nagle's delay and delayed acknowledgements would cost 40 ms a small answer.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "the client left at once");
                    continue;
                }
                return (stream, peer, slot);
            }
            Err(error) => {
                tracing::warn!(%error, "can't accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn connection_builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_wait())
        .max_headers(HEADERS_MAX)
        .max_buf_size(READ_BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(READ_BUFFER_BYTES as u32)
        .keep_alive_interval(limits.head_wait());
    builder
}

/// Ends when the process is asked to stop.
///
/// # Errors
/// When the system refuses to tell.
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
