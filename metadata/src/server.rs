//! A replica's HTTP service, mounted by the storage node under [`PATH_PREFIX`].
//!
//! [`PATH_PREFIX`]: crate::wire::PATH_PREFIX

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::client::{Caller, NoAnswer};
use crate::clock;
use crate::codec::Record;
use crate::command::Outcome;
use crate::id::{Epoch, GroupId};
use crate::limits::{CLOCK_SKEW_MS, LAYOUT_POLL_MS, MESSAGE_BYTES};
use crate::query::{Answer, Query, SystemAnswer, SystemQuery};
use crate::replica::{Replica, ReplicaError};
use crate::wire::{
    PROPOSE_PATH, ProposeRequest, QUERY_PATH, QueryRequest, RELAY_PROPOSE_PATH, RELAY_QUERY_PATH,
    Refusal,
};

/// Serves proposals and queries of the groups that a replica hosts. Cheap to clone.
#[derive(Clone)]
pub struct MetadataService {
    replica: Arc<dyn Replica>,
    /// Closes once the process stops: long polls must not keep its server open.
    waiting: Arc<Semaphore>,
    /// How leaders are reached, to relay to them.
    relay: Option<Arc<dyn Caller>>,
}

impl From<ReplicaError> for Refusal {
    fn from(error: ReplicaError) -> Self {
        match error {
            ReplicaError::NotHere => Self::NotHere,
            ReplicaError::NotLeader(leader) => Self::NotLeader { leader },
            ReplicaError::Unavailable => Self::Unavailable,
            ReplicaError::Stopped => Self::Stopped,
        }
    }
}

impl MetadataService {
    /// Serves this replica.
    pub fn new(replica: Arc<dyn Replica>) -> Self {
        Self {
            replica,
            waiting: Arc::new(Semaphore::new(0)),
            relay: None,
        }
    }

    /// Serves this replica, and relays to the leaders of its groups.
    pub fn relaying(replica: Arc<dyn Replica>, caller: Arc<dyn Caller>) -> Self {
        Self {
            relay: Some(caller),
            ..Self::new(replica)
        }
    }

    /// Ends the waiting for a newer layout, now and from now on: who waits is answered with the
    /// layout as it is. Called when the process stops.
    pub fn end_waiting(&self) {
        self.waiting.close();
    }

    /// Answers a request whose path begins with [`crate::wire::PATH_PREFIX`].
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let (status, answer) = if head.method != http::Method::POST {
            refuse(Refusal::Malformed)
        } else {
            match Limited::new(std::pin::pin!(body), MESSAGE_BYTES)
                .collect()
                .await
            {
                Ok(body) => self.respond(head.uri.path(), body.to_bytes()).await,
                Err(_) => refuse(Refusal::TooLarge),
            }
        };
        let mut response = Response::new(Full::new(answer));
        *response.status_mut() = status;
        response
    }

    /// Answers the body of a request: its status and body.
    pub async fn respond(&self, path: &str, body: Bytes) -> (StatusCode, Bytes) {
        let (own_path, may_relay) = match path {
            RELAY_PROPOSE_PATH => (PROPOSE_PATH, true),
            RELAY_QUERY_PATH => (QUERY_PATH, true),
            PROPOSE_PATH => (PROPOSE_PATH, false),
            QUERY_PATH => (QUERY_PATH, false),
            _ => return refuse(Refusal::Malformed),
        };
        let answer = match own_path {
            PROPOSE_PATH => self.propose(&body).await.map(|outcome| outcome.to_bytes()),
            _ => self.query(&body).await.map(|answer| answer.to_bytes()),
        };
        match (answer, &self.relay) {
            (Ok(bytes), _) => (StatusCode::OK, bytes.into()),
            (
                Err(Refusal::NotLeader {
                    leader: Some(leader),
                }),
                Some(caller),
            ) if may_relay => {
                metrics::counter!("riquet_metadata_relayed_total").increment(1);
                match caller.call(&leader, own_path, body).await {
                    Ok(answer) => answer,
                    // Whether the leader got it is not known.
                    Err(NoAnswer) => refuse(Refusal::Unavailable),
                }
            }
            (Err(refusal), _) => refuse(refusal),
        }
    }

    async fn propose(&self, body: &[u8]) -> Result<Outcome, Refusal> {
        let request = ProposeRequest::from_bytes(body).map_err(|_| Refusal::Malformed)?;
        // A clock that runs far ahead would make the group forget outcomes early and stamp
        // objects with times to come; one far behind would be refused as expired.
        if clock::now_ms().abs_diff(request.proposal.timestamp_ms) > CLOCK_SKEW_MS {
            return Err(Refusal::ClockSkew);
        }
        metrics::counter!("riquet_metadata_proposals_total").increment(1);
        Ok(self
            .replica
            .propose(request.group, request.proposal)
            .await?)
    }

    async fn query(&self, body: &[u8]) -> Result<Answer, Refusal> {
        let request = QueryRequest::from_bytes(body).map_err(|_| Refusal::Malformed)?;
        metrics::counter!("riquet_metadata_queries_total").increment(1);
        if let Query::System(SystemQuery::WaitLayout { newer_than }) = request.query {
            return self.wait_layout(request.group, newer_than).await;
        }
        Ok(self.replica.query(request.group, request.query).await?)
    }

    /// Answers once the layout is newer than `newer_than`, or after a while as it is.
    async fn wait_layout(
        &self,
        group: GroupId,
        newer_than: Option<Epoch>,
    ) -> Result<Answer, Refusal> {
        let deadline = Instant::now() + Duration::from_millis(LAYOUT_POLL_MS);
        let mut applied = self.replica.applied(group)?;
        loop {
            // What is applied from here on wakes the wait below.
            applied.mark_unchanged();
            let query = Query::System(SystemQuery::Cluster);
            let answer = self.replica.query(group, query).await?;
            let is_newer = match &answer {
                Answer::System(SystemAnswer::Cluster(cluster)) => cluster
                    .as_ref()
                    .is_some_and(|cluster| newer_than.is_none_or(|e| cluster.layout.epoch > e)),
                _ => true,
            };
            if is_newer {
                return Ok(answer);
            }
            let changed = tokio::time::timeout_at(deadline, applied.changed());
            // The semaphore has no permits: acquiring ends only when it closes.
            match tokio::select! { changed = changed => changed, _ = self.waiting.acquire() => return Ok(answer) }
            {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Refusal::Stopped),
                Err(_) => return Ok(answer),
            }
        }
    }
}

fn refuse(refusal: Refusal) -> (StatusCode, Bytes) {
    (refusal.status(), refusal.to_bytes().into())
}
