//! How a connection to a peer is made.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A duplex byte stream to a peer.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A [`Stream`] of any kind.
pub type BoxedStream = Box<dyn Stream>;

/// What [`Dial::dial`] returns.
pub type DialFuture = Pin<Box<dyn Future<Output = io::Result<BoxedStream>> + Send>>;

/// Makes connections. The real one is [`TcpDialer`]; tests and the development cluster wrap it.
pub trait Dial: Send + Sync {
    /// Connects to `host:port`.
    fn dial(&self, address: String) -> DialFuture;
}

/// How long a peer may take to accept a connection: far above any round trip between the sites
/// (4 ms), short enough that a vanished peer doesn't hold a request.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);

/// Plain TCP with `TCP_NODELAY`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpDialer;

impl Dial for TcpDialer {
    fn dial(&self, address: String) -> DialFuture {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxedStream)
        })
    }
}
