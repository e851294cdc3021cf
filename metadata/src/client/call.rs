//! One request and its retries: which voter to ask, when to ask again, when to give up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use riquet_cluster::transport::{Transport, full_body};
use tokio::time::Instant;

use crate::clock;
use crate::codec::Record;
use crate::command::{
    Command, KeyCommand, KeyOutcome, Outcome, Proposal, SystemCommand, SystemOutcome,
};
use crate::error::Error;
use crate::id::GroupId;
use crate::limits::{ANSWER_BYTES, ATTEMPT_MS, CLIENT_DEADLINE_MS, LAYOUT_POLL_MS, MESSAGE_BYTES};
use crate::query::{Answer, KeyAnswer, KeyQuery, Query, SystemAnswer, SystemQuery};
use crate::server::MetadataService;
use crate::wire::{PROPOSE_PATH, ProposeRequest, QUERY_PATH, QueryRequest, Refusal};

/// First pause between two tries, ms; doubles up to [`PAUSE_MAX_MS`].
const PAUSE_MIN_MS: u64 = 10;
/// Longest pause between two tries, ms.
const PAUSE_MAX_MS: u64 = 320;

/// No answer came. Whether the request arrived is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoAnswer;

/// What [`Caller::call`] returns: the answer's status and body.
pub type CallFuture<'a> = BoxFuture<'a, Result<(StatusCode, Bytes), NoAnswer>>;

/// How a voter is reached.
pub trait Caller: Send + Sync {
    /// Posts `body` to `path` of `endpoint`.
    fn call<'a>(&'a self, endpoint: &'a str, path: &'static str, body: Bytes) -> CallFuture<'a>;
}

/// Reaches voters over HTTP.
pub struct HttpCaller {
    transport: Transport,
}

impl HttpCaller {
    /// Through this transport.
    pub fn new(transport: Transport) -> Self {
        Self { transport }
    }
}

impl Caller for HttpCaller {
    fn call<'a>(&'a self, endpoint: &'a str, path: &'static str, body: Bytes) -> CallFuture<'a> {
        Box::pin(async move {
            let request = Request::post(format!("http://{endpoint}{path}"))
                .body(full_body(body))
                .map_err(|_| NoAnswer)?;
            let response = self.transport.send(request).await.map_err(|_| NoAnswer)?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES)
                .collect()
                .await
                .map_err(|_| NoAnswer)?;
            Ok((head.status, body.to_bytes()))
        })
    }
}

/// Reaches a service in this process, for tests and embedding.
pub struct LocalCaller {
    service: MetadataService,
}

impl LocalCaller {
    /// Calls this service, whatever the endpoint.
    pub fn new(service: MetadataService) -> Self {
        Self { service }
    }
}

impl Caller for LocalCaller {
    fn call<'a>(&'a self, _: &'a str, path: &'static str, body: Bytes) -> CallFuture<'a> {
        Box::pin(async move { Ok(self.service.respond(path, body).await) })
    }
}

/// Calls voters, the one that answered last first.
pub(super) struct Calls {
    caller: Arc<dyn Caller>,
    endpoints: Vec<String>,
    preferred: AtomicUsize,
}

/// How a request went when it came to no outcome.
enum Failure {
    /// Certainly nothing was done.
    Refused(Error),
    /// No answer within the deadline, or none that tells.
    Unanswered,
}

impl Calls {
    pub(super) fn new(caller: Arc<dyn Caller>, endpoints: Vec<String>) -> Self {
        assert!(!endpoints.is_empty(), "a client needs a voter to ask");
        Self {
            caller,
            endpoints,
            preferred: AtomicUsize::new(0),
        }
    }

    pub(super) async fn propose_system(
        &self,
        command: SystemCommand,
    ) -> Result<SystemOutcome, Error> {
        match self
            .propose(GroupId::SYSTEM, Command::System(command))
            .await?
        {
            Outcome::System(SystemOutcome::NotBootstrapped) => Err(Error::NotBootstrapped),
            Outcome::System(outcome) => Ok(outcome),
            _ => Err(Error::Protocol("another group's outcome")),
        }
    }

    pub(super) async fn propose_keys(
        &self,
        group: GroupId,
        command: KeyCommand,
    ) -> Result<KeyOutcome, Error> {
        match self.propose(group, Command::Keys(command)).await? {
            Outcome::Keys(outcome) => Ok(outcome),
            _ => Err(Error::Protocol("another group's outcome")),
        }
    }

    async fn propose(&self, group: GroupId, command: Command) -> Result<Outcome, Error> {
        let request = ProposeRequest {
            group,
            proposal: Proposal {
                request: clock::fresh_request(),
                timestamp_ms: clock::now_ms(),
                command,
            },
        };
        let body = Bytes::from(request.to_bytes());
        if body.len() > MESSAGE_BYTES {
            return Err(Error::TooLarge);
        }
        match self
            .retry(PROPOSE_PATH, body, Duration::from_millis(ATTEMPT_MS))
            .await
        {
            Ok(bytes) => match Outcome::from_bytes(&bytes) {
                // An earlier try may have been applied, or none: the group no longer knows.
                Ok(Outcome::Expired) => Err(Error::Uncertain),
                Ok(outcome) => Ok(outcome),
                Err(_) => Err(Error::Protocol("an outcome that does not read")),
            },
            Err(Failure::Refused(error)) => Err(error),
            Err(Failure::Unanswered) => Err(Error::Uncertain),
        }
    }

    pub(super) async fn query_system(&self, query: SystemQuery) -> Result<SystemAnswer, Error> {
        match self.query(GroupId::SYSTEM, Query::System(query)).await? {
            Answer::System(answer) => Ok(answer),
            _ => Err(Error::Protocol("another group's answer")),
        }
    }

    pub(super) async fn query_keys(
        &self,
        group: GroupId,
        query: KeyQuery,
    ) -> Result<KeyAnswer, Error> {
        match self.query(group, Query::Keys(query)).await? {
            Answer::Keys(answer) => Ok(answer),
            _ => Err(Error::Protocol("another group's answer")),
        }
    }

    async fn query(&self, group: GroupId, query: Query) -> Result<Answer, Error> {
        let waits = matches!(query, Query::System(SystemQuery::WaitLayout { .. }));
        let attempt_ms = ATTEMPT_MS + if waits { LAYOUT_POLL_MS } else { 0 };
        let body = Bytes::from(QueryRequest { group, query }.to_bytes());
        match self
            .retry(QUERY_PATH, body, Duration::from_millis(attempt_ms))
            .await
        {
            Ok(bytes) => Answer::from_bytes(&bytes)
                .map_err(|_| Error::Protocol("an answer that does not read")),
            Err(Failure::Refused(error)) => Err(error),
            Err(Failure::Unanswered) => Err(Error::Unavailable),
        }
    }

    /// Posts the same bytes until a voter answers with 200, a refusal is final, or time is up.
    async fn retry(
        &self,
        path: &'static str,
        body: Bytes,
        attempt: Duration,
    ) -> Result<Bytes, Failure> {
        let deadline = Instant::now() + Duration::from_millis(CLIENT_DEADLINE_MS).max(attempt);
        let mut pause_ms = PAUSE_MIN_MS;
        let mut may_be_done = false;
        loop {
            let preferred = self.preferred.load(Ordering::Relaxed);
            let endpoint = &self.endpoints[preferred % self.endpoints.len()];
            let until = deadline.min(Instant::now() + attempt);
            let call = self.caller.call(endpoint, path, body.clone());
            let refusal = match tokio::time::timeout_at(until, call).await {
                Ok(Ok((StatusCode::OK, answer))) => return Ok(answer),
                Ok(Ok((_, answer))) => Refusal::from_bytes(&answer).ok(),
                Ok(Err(NoAnswer)) | Err(_) => None,
            };
            may_be_done |= !refusal.is_some_and(Refusal::is_certain);
            let is_final = match refusal {
                Some(Refusal::ClockSkew) => Some(Error::ClockSkew),
                Some(Refusal::Malformed) => Some(Error::Protocol("the voter does not know us")),
                Some(Refusal::TooLarge) => Some(Error::TooLarge),
                Some(Refusal::NotHere | Refusal::Stopped) | None => None,
            };
            if let Some(error) = is_final {
                return Err(if may_be_done {
                    Failure::Unanswered
                } else {
                    Failure::Refused(error)
                });
            }
            // Of several clients that lost the same voter only one moves on.
            let _ = self.preferred.compare_exchange(
                preferred,
                preferred.wrapping_add(1),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            if Instant::now() + Duration::from_millis(pause_ms) >= deadline {
                return Err(if may_be_done {
                    Failure::Unanswered
                } else {
                    Failure::Refused(Error::Unavailable)
                });
            }
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            pause_ms = (pause_ms * 2).min(PAUSE_MAX_MS);
        }
    }
}
