//! A small S3 client: one signed request at a time over one kept connection. The admin API is asked
//! through it as well, for a service of its own ([`Signer::for_service`]).
//!
//! It spends as little CPU as it can, so that a measurement on one machine is the server's. It
//! retries nothing: whoever calls decides what a failure means.

use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};
use std::time::SystemTime;

use aws_credential_types::Credentials as SigningCredentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::error::Error;

/// Bytes of an answer that is read whole: S3's error documents and short lists are far smaller.
const TEXT_LIMIT: usize = 1024 * 1024;

/// Why a request did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// No answer, or a broken one.
    #[error("{0}")]
    Connection(String),
    /// An answer that says no.
    #[error("status {status} {code}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// S3's error code, empty when the answer holds none.
        code: String,
    },
    /// An object of another length than was put.
    #[error("got {got} bytes of {expected}")]
    WrongLength {
        /// Bytes received.
        got: u64,
        /// Bytes of the object.
        expected: u64,
    },
}

fn broken(error: impl std::error::Error) -> Failure {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    Failure::Connection(text)
}

/// An endpoint: `http://host:port`, or `https://host:port` where that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    authority: String,
    is_secure: bool,
}

impl FromStr for Endpoint {
    type Err = Error;

    /// Only plain HTTP: TLS would be most of what is measured.
    fn from_str(text: &str) -> Result<Self, Error> {
        match Self::of_url(text)? {
            endpoint if endpoint.is_secure => Err(Error::BadEndpoint { value: text.into() }),
            endpoint => Ok(endpoint),
        }
    }
}

impl Endpoint {
    /// The endpoint of a URL, with or without TLS.
    pub(crate) fn of_url(text: &str) -> Result<Self, Error> {
        let bad = || Error::BadEndpoint { value: text.into() };
        let uri: http::Uri = text.parse().map_err(|_| bad())?;
        let authority = uri.authority().ok_or_else(bad)?.to_string();
        let is_secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad()),
        };
        if uri.path().len() > 1 || authority.contains('@') {
            return Err(bad());
        }
        Ok(Self {
            authority,
            is_secure,
        })
    }

    /// Whether TLS is asked for.
    pub(crate) fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The name that its certificate must have.
    fn host(&self) -> &str {
        let host = match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => &self.authority,
        };
        host.trim_matches(['[', ']'])
    }

    /// `host:port` to connect to.
    fn address(&self) -> String {
        // A colon inside the brackets of an IPv6 address does not begin a port.
        let last = self.authority.rsplit(']').next().unwrap_or_default();
        if last.contains(':') {
            self.authority.clone()
        } else {
            let port = if self.is_secure { 443 } else { 80 };
            format!("{}:{port}", self.authority)
        }
    }
}

/// Whether a body's hash is part of what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Sent as `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// Hashed with SHA-256 beforehand, as clients over plain HTTP do.
    Signed,
}

/// Signs requests for one account.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    identity: Identity,
    region: String,
    service: &'static str,
    payload: Payload,
}

impl Signer {
    pub(crate) fn new(access_key: &str, secret_key: &str, region: &str, payload: Payload) -> Self {
        let credentials = SigningCredentials::new(access_key, secret_key, None, None, "riquet");
        Self {
            identity: credentials.into(),
            region: region.into(),
            service: "s3",
            payload,
        }
    }

    /// The same for another service than S3.
    pub(crate) fn for_service(self, service: &'static str) -> Self {
        Self { service, ..self }
    }

    /// Adds the signature's headers to `request`, whose URI is `path_and_query`.
    fn sign(&self, request: &mut Request<UploadBody>, endpoint: &Endpoint) {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let params = SigningParams::builder()
            .identity(&self.identity)
            .region(&self.region)
            .name(self.service)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .expect("every parameter is set")
            .into();
        let body = match self.payload {
            Payload::Unsigned => SignableBody::UnsignedPayload,
            Payload::Signed => SignableBody::Precomputed(request.body().sha256_hex()),
        };
        let uri = format!("http://{}{}", endpoint.authority, request.uri());
        let signable =
            SignableRequest::new(request.method().as_str(), uri, std::iter::empty(), body)
                .expect("the URI was parsed already");
        let (instructions, _) = sign(signable, &params)
            .expect("the request has only ASCII headers")
            .into_parts();
        instructions.apply_to_request_http1x(request);
    }
}

/// A body of any length, sent as slices of one buffer, which is repeated as often as needed.
#[derive(Clone, Debug, Default)]
pub(crate) struct UploadBody {
    buffer: Bytes,
    position: usize,
    left: u64,
}

/// Bytes of one frame of an [`UploadBody`]: few enough frames to cost nothing, small enough to
/// leave the caches as they are.
const FRAME_SIZE: usize = 256 * 1024;

impl UploadBody {
    /// `length` bytes of `buffer`, from `start` on, going round at its end.
    ///
    /// # Panics
    /// When there are bytes to send and the buffer has none.
    pub(crate) fn new(buffer: Bytes, start: usize, length: u64) -> Self {
        assert!(length == 0 || start < buffer.len());
        Self {
            buffer,
            position: start,
            left: length,
        }
    }

    fn next_slice(&mut self) -> Option<Bytes> {
        if self.left == 0 {
            return None;
        }
        let room = FRAME_SIZE.min(self.buffer.len() - self.position);
        let len = usize::try_from(self.left).map_or(room, |left| room.min(left));
        let slice = self.buffer.slice(self.position..self.position + len);
        self.position = (self.position + len) % self.buffer.len();
        self.left -= len as u64;
        Some(slice)
    }

    fn sha256_hex(&self) -> String {
        let mut rest = self.clone();
        let mut hash = Sha256::new();
        while let Some(slice) = rest.next_slice() {
            hash.update(&slice);
        }
        hex::encode(hash.finalize())
    }
}

impl Body for UploadBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.get_mut().next_slice().map(|s| Ok(Frame::data(s))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Begins a connection.
async fn speak_http<S>(stream: S) -> Result<SendRequest<UploadBody>, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, driver) = http1::Builder::new()
        .writev(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // It ends with the connection; what went wrong, the request's own result says.
    tokio::spawn(driver);
    Ok(sender)
}

/// A client of one endpoint, with at most one connection.
pub(crate) struct Client {
    endpoint: Endpoint,
    signer: Signer,
    tls: Option<TlsConnector>,
    connection: Option<SendRequest<UploadBody>>,
}

impl Client {
    pub(crate) fn new(endpoint: Endpoint, signer: Signer) -> Self {
        Self {
            endpoint,
            signer,
            tls: None,
            connection: None,
        }
    }

    /// The same, over TLS.
    pub(crate) fn over(self, tls: TlsConnector) -> Self {
        Self {
            tls: Some(tls),
            ..self
        }
    }

    /// Connects, unless the connection of the request before is still open.
    pub(crate) async fn reach(&mut self) -> Result<(), Failure> {
        self.connection = Some(match self.kept_connection().await {
            Some(kept) => kept,
            None => self.connect().await?,
        });
        Ok(())
    }

    /// Sends a request and returns the head of the answer, which may be a refusal.
    ///
    /// The next request must wait until the answer's body was read or dropped.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path_and_query: &str,
        body: UploadBody,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(path_and_query)
            .header(header::HOST, &self.endpoint.authority)
            .body(body)
            .expect("paths are made of safe characters");
        self.signer.sign(&mut request, &self.endpoint);
        self.reach().await?;
        let mut connection = self.connection.take().expect("reach() made it");
        let response = connection.send_request(request).await.map_err(broken)?;
        self.connection = Some(connection);
        Ok(response)
    }

    /// The connection of the request before, if the server left it open.
    async fn kept_connection(&mut self) -> Option<SendRequest<UploadBody>> {
        let mut kept = self.connection.take()?;
        kept.ready().await.is_ok().then_some(kept)
    }

    async fn connect(&self) -> Result<SendRequest<UploadBody>, Failure> {
        let stream = TcpStream::connect(self.endpoint.address())
            .await
            .map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        let Some(tls) = &self.tls else {
            return speak_http(stream).await;
        };
        let host = ServerName::try_from(self.endpoint.host().to_owned()).map_err(broken)?;
        speak_http(tls.connect(host, stream).await.map_err(broken)?).await
    }

    /// Sends a request that must succeed, and reads its answer as text.
    pub(crate) async fn call(
        &mut self,
        method: Method,
        path_and_query: &str,
        body: UploadBody,
    ) -> Result<String, Failure> {
        let response = self.send(method, path_and_query, body).await?;
        let status = response.status();
        let text = read_text(response).await?;
        if status.is_success() {
            return Ok(text);
        }
        Err(Failure::Refused {
            status: status.as_u16(),
            code: error_code(&text).to_owned(),
        })
    }

    /// Reads an object and forgets its bytes; returns how many there were.
    pub(crate) async fn read_and_discard(&mut self, path: &str) -> Result<u64, Failure> {
        let response = self.send(Method::GET, path, UploadBody::default()).await?;
        let status = response.status();
        if !status.is_success() {
            let text = read_text(response).await?;
            return Err(Failure::Refused {
                status: status.as_u16(),
                code: error_code(&text).to_owned(),
            });
        }
        let mut body = response.into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            if let Some(data) = frame.map_err(broken)?.data_ref() {
                length += data.len() as u64;
            }
        }
        Ok(length)
    }
}

async fn read_text(response: Response<Incoming>) -> Result<String, Failure> {
    let body = Limited::new(response.into_body(), TEXT_LIMIT)
        .collect()
        .await
        .map_err(|e| Failure::Connection(e.to_string()))?;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}

/// The code of an S3 error document.
fn error_code(text: &str) -> &str {
    text.split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"))
        .map_or("", |(code, _)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_goes_round_its_buffer() {
        let buffer = Bytes::from_static(b"abcdefg");
        let mut body = UploadBody::new(buffer, 5, 12);
        assert_eq!(body.size_hint().exact(), Some(12));
        let mut sent = Vec::new();
        while let Some(slice) = body.next_slice() {
            sent.extend_from_slice(&slice);
        }
        assert_eq!(sent, b"fgabcdefgabc");
        assert!(body.is_end_stream());
    }

    #[test]
    fn the_hash_is_of_the_whole_body_and_leaves_it_unread() {
        let body = UploadBody::new(Bytes::from(vec![7; 1000]), 10, 600_000);
        let expected = hex::encode(Sha256::digest(vec![7; 600_000]));
        assert_eq!(body.sha256_hex(), expected);
        assert_eq!(body.size_hint().exact(), Some(600_000));
    }

    #[test]
    fn endpoints() {
        for (text, address) in [
            ("http://127.0.0.1:9000", "127.0.0.1:9000"),
            ("http://localhost:9000/", "localhost:9000"),
            ("http://store.example", "store.example:80"),
            ("http://[::1]", "[::1]:80"),
            ("http://[::1]:9000", "[::1]:9000"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.address(), address);
        }
        for text in [
            "127.0.0.1:9000",
            "https://x",
            "http://x/bucket",
            "",
            "http://u@x",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn signed_requests_carry_what_s3_asks_for() {
        let signer = Signer::new("AKIA", "secret", "us-east-1", Payload::Signed);
        let endpoint: Endpoint = "http://127.0.0.1:9000".parse().unwrap();
        let mut request = Request::put("/bucket/key?list-type=2")
            .body(UploadBody::default())
            .unwrap();
        signer.sign(&mut request, &endpoint);
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        assert!(header("authorization").contains("/us-east-1/s3/aws4_request"));
        let hash_of_nothing = hex::encode(Sha256::digest(b""));
        assert_eq!(header("x-amz-content-sha256"), hash_of_nothing);
        assert!(header("authorization").contains("SignedHeaders=host;"));
    }

    #[test]
    fn error_documents() {
        let text = "<Error><Code>NoSuchKey</Code><Message>no</Message></Error>";
        assert_eq!(error_code(text), "NoSuchKey");
        assert_eq!(error_code("gateway fell over"), "");
    }
}
