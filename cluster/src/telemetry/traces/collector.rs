//! The way to the collector: hyper's client, as between our own processes.
//!
//! It is not [`crate::transport::Transport`], which names our protocol in each request and meets the faults
//! of tests. The spans' queue has a thread of its own, and all that is awaited here is awaited there: a
//! collector that is slow or away keeps nobody else waiting.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Runtime;

/// How long one try may take, from the connection to the end of the answer.
const WAIT: Duration = Duration::from_secs(5);

/// The most bytes of an answer, which only says how many spans were refused.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Sends batches of spans to the collector.
#[derive(Debug)]
pub(super) struct Collector {
    /// Runs only while a batch is sent, on the thread that sends it.
    runtime: Runtime,
    client: Way,
}

/// With TLS if the address says so. Certificates are looked for only then.
#[derive(Debug)]
enum Way {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl Collector {
    /// A way to `endpoint`.
    ///
    /// # Errors
    /// When there are no certificates to trust, or no runtime.
    pub(super) fn new(endpoint: &str) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // No connection is kept: nobody would notice its end between two batches.
        let mut client = Client::builder(TokioExecutor::new());
        let client = client.pool_max_idle_per_host(0);
        let is_tls = endpoint.trim().to_ascii_lowercase().starts_with("https:");
        let client = if is_tls {
            let connector = HttpsConnectorBuilder::new()
                .with_native_roots()?
                .https_only()
                .enable_http1()
                .build();
            Way::Tls(client.build(connector))
        } else {
            Way::Plain(client.build_http())
        };
        Ok(Self { runtime, client })
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = request.map(Full::new);
        let sent = async {
            let sent = async {
                match &self.client {
                    Way::Plain(client) => send(client, request).await,
                    Way::Tls(client) => send(client, request).await,
                }
            };
            tokio::time::timeout(WAIT, sent).await?
        };
        // The queue's thread, which has nothing else to do and no runtime of its own.
        let answer = self.runtime.block_on(sent);
        answer.inspect_err(|error| tracing::debug!(%error, "the collector takes no traces"))
    }
}

async fn send<C>(
    client: &Client<C, Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, HttpError>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let (head, body) = client.request(request).await?.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?;
    Ok(Response::from_parts(head, body.to_bytes()))
}
