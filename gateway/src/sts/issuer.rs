//! The keys that identity providers sign with, asked of them and remembered for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Uri;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey};
use moka::future::Cache;
use riquet_s3::{Error as S3Error, ErrorCode};
use serde::Deserialize;

/// How long keys are believed: that long one that was taken back may go on counting.
const BELIEVED: Duration = Duration::from_secs(300);

/// How often an unknown key makes a provider be asked again at most.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Providers whose keys are remembered.
const REMEMBERED: u64 = 1000;

/// How long an answer is awaited.
const WAIT: Duration = Duration::from_secs(5);

/// The most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// Hosts that are this machine: only they are asked without TLS.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Where a provider tells about itself.
const DISCOVERY: &str = ".well-known/openid-configuration";

/// Asks providers for their keys.
pub(crate) struct Issuers {
    /// By URL.
    keys: Cache<String, Arc<Keys>>,
}

struct Keys {
    set: JwkSet,
    asked: Instant,
}

#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
}

/// Why a provider's keys can't be had.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("only https, or http to this machine")]
    Address,
    #[error("no certificates to trust: {0}")]
    Roots(#[from] std::io::Error),
    #[error(transparent)]
    Unreachable(#[from] hyper_util::client::legacy::Error),
    #[error("the answer breaks off: {0}")]
    Broken(Box<dyn std::error::Error + Send + Sync>),
    #[error("the answer's status is {0}")]
    Status(http::StatusCode),
    #[error("no answer in time")]
    Late(#[from] tokio::time::error::Elapsed),
    #[error("the answer doesn't read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("it is another issuer: {0}")]
    Other(String),
}

impl Issuers {
    pub(crate) fn new() -> Self {
        Self {
            keys: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(BELIEVED)
                .build(),
        }
    }

    /// The key of a token's header.
    ///
    /// # Errors
    /// `IDPCommunicationError` when the provider isn't reached, `InvalidIdentityToken` when it has no
    /// such key.
    pub(super) async fn key(
        &self,
        issuer: &str,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<DecodingKey, S3Error> {
        let mut keys = self.ask(issuer).await?;
        if find(&keys.set, id, algorithm).is_none() && keys.asked.elapsed() > ASKED_AGAIN_AFTER {
            // Keys may have been changed since.
            self.keys.invalidate(issuer).await;
            keys = self.ask(issuer).await?;
        }
        find(&keys.set, id, algorithm).ok_or_else(|| {
            S3Error::new(ErrorCode::InvalidIdentityToken)
                .message("The provider has no key that the token could be signed with.")
        })
    }

    /// Many who ask for the same at once ask together.
    async fn ask(&self, issuer: &str) -> Result<Arc<Keys>, S3Error> {
        let asked = self.keys.try_get_with(issuer.to_owned(), async {
            let set = tokio::time::timeout(WAIT, fetch(issuer)).await??;
            let asked = Instant::now();
            Ok::<_, AskError>(Arc::new(Keys { set, asked }))
        });
        asked.await.map_err(|error| {
            tracing::warn!(issuer, %error, "an identity provider's keys can't be had");
            ErrorCode::IDPCommunicationError.into()
        })
    }
}

fn find(set: &JwkSet, id: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
    let fits = |jwk: &&Jwk| match id {
        Some(id) => jwk.common.key_id.as_deref() == Some(id),
        // Without a name there must be no choice.
        None => set.keys.len() == 1,
    };
    let jwk = set.keys.iter().find(fits)?;
    let key = DecodingKey::from_jwk(jwk).ok()?;
    // A public key taken for a shared secret would let everybody sign.
    (key.family() == algorithm.family()).then_some(key)
}

async fn fetch(issuer: &str) -> Result<JwkSet, AskError> {
    let place = format!("{}/{DISCOVERY}", issuer.trim_end_matches('/'));
    let configuration: Configuration = serde_json::from_slice(&get(&place).await?)?;
    if configuration.issuer.trim_end_matches('/') != issuer.trim_end_matches('/') {
        return Err(AskError::Other(configuration.issuer));
    }
    // One that is reached in secret must not send us elsewhere.
    if issuer.starts_with("https:") && !configuration.jwks_uri.starts_with("https:") {
        return Err(AskError::Address);
    }
    Ok(serde_json::from_slice(
        &get(&configuration.jwks_uri).await?,
    )?)
}

/// Asks for one document. Redirections aren't followed.
async fn get(place: &str) -> Result<Bytes, AskError> {
    let uri: Uri = place.parse().map_err(|_| AskError::Address)?;
    if !is_allowed(&uri) {
        return Err(AskError::Address);
    }
    // Rare enough that no connection is kept.
    let connector = HttpsConnectorBuilder::new()
        .with_native_roots()?
        .https_or_http()
        .enable_http1()
        .build();
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector);
    let response = client.get(uri).await?;
    if !response.status().is_success() {
        return Err(AskError::Status(response.status()));
    }
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
    Ok(body.collect().await.map_err(AskError::Broken)?.to_bytes())
}

fn is_allowed(uri: &Uri) -> bool {
    match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(_)) => true,
        (Some("http"), Some(host)) => LOOPBACK.contains(&host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RSA: &str = r#"{"kty":"RSA","kid":"r","n":"AQAB","e":"AQAB"}"#;

    #[test]
    fn a_key_is_of_the_algorithms_family_and_named() {
        let set = |keys: &str| -> JwkSet {
            serde_json::from_str(&format!(r#"{{"keys":[{keys}]}}"#)).expect("keys")
        };
        let secret = r#"{"kty":"oct","kid":"s","k":"AQAB"}"#;
        let both = set(&format!("{RSA},{secret}"));
        assert!(find(&both, Some("r"), Algorithm::RS256).is_some());
        assert!(find(&both, Some("r"), Algorithm::HS256).is_none());
        assert!(find(&both, Some("r"), Algorithm::ES256).is_none());
        assert!(find(&both, Some("x"), Algorithm::RS256).is_none());
        assert!(find(&both, None, Algorithm::RS256).is_none());
        assert!(find(&set(RSA), None, Algorithm::RS256).is_some());
    }

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        for (place, expected) in [
            ("https://a.b/x", true),
            ("http://localhost:80/x", true),
            ("http://[::1]:80/x", true),
            ("http://a.b/x", false),
            ("http://localhost.a.b/x", false),
            ("ftp://localhost/x", false),
        ] {
            assert_eq!(
                is_allowed(&place.parse().expect("a URI")),
                expected,
                "{place}"
            );
        }
    }
}
