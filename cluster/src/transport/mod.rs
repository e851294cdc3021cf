//! The one HTTP client between our processes.
//!
//! HTTP/1.1 over pooled connections with `TCP_NODELAY` (Nagle and delayed acknowledgements
//! together cost 40 ms a small request). How a connection is made is a [`Dial`], so that faults
//! come from wrappers around it ([`partition::PartitionedDialer`]), never from flags in the code
//! that uses it.

mod connector;
mod dial;
pub mod partition;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use tracing::Instrument as _;

use crate::Error;
use crate::telemetry::traces::Call;
use crate::wire::protocol;
use crate::wire::site::{self, SITE_HEADER};
use connector::DialConnector;
pub use dial::{BoxedStream, Dial, DialFuture, TcpDialer};

/// Idle connections kept to each peer; past it they close. Enough for a gateway's usual
/// concurrency over one node.
const MAX_IDLE_PER_PEER: usize = 64;

/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// What a request's body may fail with: the reason goes to our own log, the peer sees a cut stream.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request to a peer.
pub type RequestBody = BoxBody<Bytes, BodyError>;

/// The HTTP client between our processes. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
    client: Client<DialConnector, RequestBody>,
    site: Option<HeaderValue>,
}

impl Transport {
    /// A client that connects through `dialer`.
    pub fn new(dialer: Arc<dyn Dial>) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE_PER_PEER)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .http1_writev(true)
            .build(DialConnector::new(dialer));
        Self { client, site: None }
    }

    /// The same client, of a process at this site, which its requests name.
    pub fn at_site(self, site: &str) -> Self {
        Self {
            site: site::value(site),
            ..self
        }
    }

    /// A client over plain TCP.
    pub fn tcp() -> Self {
        Self::new(Arc::new(TcpDialer))
    }

    /// Sends a request whose URI names the peer, and returns the head of its answer. In traces it is called
    /// `name`.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when no answer's head arrived.
    pub async fn send(
        &self,
        name: &'static str,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, Error> {
        Ok(self.call(name, request).await?.0)
    }

    /// The same with the call's span, for whoever reads on: it ends when the [`Call`] is dropped.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn call(
        &self,
        name: &'static str,
        mut request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Call), Error> {
        protocol::stamp(request.headers_mut());
        if let Some(site) = &self.site {
            request.headers_mut().insert(SITE_HEADER, site.clone());
        }
        let mut call = Call::begin(name, &mut request);
        let peer = request
            .uri()
            .authority()
            .map(ToString::to_string)
            .unwrap_or_default();
        let sent = self.client.request(request).instrument(call.span().clone());
        match sent.await {
            Ok(answer) => {
                call.answered(answer.status());
                Ok((answer, call))
            }
            Err(error) => {
                let why = describe(&error);
                call.failed(&why);
                Err(Error::Unreachable { peer, why })
            }
        }
    }
}

/// An error with its causes, on one line.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// A body that is there as a whole.
pub fn full_body(bytes: Bytes) -> RequestBody {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// No body.
pub fn empty_body() -> RequestBody {
    full_body(Bytes::new())
}
