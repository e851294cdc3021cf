//! The webhooks that events can be told to, by the names that buckets' configurations give them.
//!
//! `arn:riquet:sqs::NAME:webhook` (or `sns`, `lambda`) is the webhook NAME of the gateways' settings.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Notify;

use crate::config::Webhook;

/// How long a webhook may take to answer: with a page's worth of time it stays within what a queue
/// is held for.
const POST_TIMEOUT: Duration = Duration::from_secs(4);

/// Idle connections kept to a webhook.
const IDLE_CONNECTIONS: usize = 32;

/// Bytes of a webhook's answer that are read, so that its connection can be used again.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// The webhook that an ARN names.
pub(super) fn name_in_arn(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts[..] {
        ["arn", "riquet", _service, "", name, "webhook"] if !name.is_empty() => Some(name),
        _ => None,
    }
}

/// Why a webhook did not take an event.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    /// It can't be reached.
    #[error("no answer: {0}")]
    Unreachable(#[from] hyper_util::client::legacy::Error),
    /// It took too long.
    #[error("no answer in time")]
    Silent,
    /// It said no.
    #[error("it answers {0}")]
    Refused(StatusCode),
}

/// The webhooks of the settings.
#[derive(Clone)]
pub(crate) struct Targets {
    by_name: Arc<BTreeMap<String, Target>>,
    /// Told when this gateway has made a change that others are to be told of.
    pub(super) wake: Arc<Notify>,
}

/// A webhook.
pub(super) struct Target {
    uri: Uri,
    authorization: Option<HeaderValue>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Targets {
    pub(crate) fn new(webhooks: &BTreeMap<String, Webhook>) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build_http();
        let targets = webhooks.iter().map(|(name, webhook)| {
            let target = Target {
                uri: webhook.url.0.clone(),
                authorization: webhook.authorization.as_ref().map(|value| value.0.clone()),
                client: client.clone(),
            };
            (name.clone(), target)
        });
        Self {
            by_name: Arc::new(targets.collect()),
            wake: Arc::default(),
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Target> {
        self.by_name.get(name)
    }
}

impl Target {
    /// Posts a document. Taken is what is answered with a status of 2xx.
    pub(super) async fn post(&self, body: Bytes) -> Result<(), PostError> {
        let mut request = Request::post(self.uri.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .expect("the URL was checked with the settings");
        if let Some(authorization) = &self.authorization {
            let headers = request.headers_mut();
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let answer = async {
            let answer = self.client.request(request).await?;
            let status = answer.status();
            // Whatever it says besides is not looked at.
            let rest = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
            if let Err(error) = rest.collect().await {
                tracing::debug!(%error, "a webhook's answer broke off");
            }
            match status.is_success() {
                true => Ok(()),
                false => Err(PostError::Refused(status)),
            }
        };
        let answer = tokio::time::timeout(POST_TIMEOUT, answer).await;
        answer.unwrap_or(Err(PostError::Silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_a_webhook() {
        assert_eq!(name_in_arn("arn:riquet:sqs::audit:webhook"), Some("audit"));
        assert_eq!(name_in_arn("arn:riquet:sns::a-1:webhook"), Some("a-1"));
        for other in [
            "arn:aws:sqs:eu-west-1:1:queue",
            "arn:riquet:sqs:::webhook",
            "arn:riquet:sqs::audit:queue",
            "arn:riquet:sqs::a:b:webhook",
            "",
        ] {
            assert_eq!(name_in_arn(other), None, "{other}");
        }
    }
}
