//! A replica's HTTP service, mounted by the storage node under [`PATH_PREFIX`].
//!
//! [`PATH_PREFIX`]: crate::wire::PATH_PREFIX

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::client::{Caller, NoAnswer};
use crate::clock;
use crate::codec::Record;
use crate::command::Outcome;
use crate::id::{Epoch, GroupId};
use crate::limits::{CLOCK_SKEW_MS, EXPORTS, LAYOUT_POLL_MS, MESSAGE_BYTES};
use crate::query::{Answer, Query, SystemAnswer, SystemQuery};
use crate::replica::{Replica, ReplicaError};
use crate::store::StoreError;
use crate::wire::{
    EXPORT_PATH, ExportRequest, PROPOSE_PATH, ProposeRequest, QUERY_PATH, QueryRequest,
    RELAY_PROPOSE_PATH, RELAY_QUERY_PATH, Refusal,
};

/// Serves proposals and queries of the groups that a replica hosts. Cheap to clone.
#[derive(Clone)]
pub struct MetadataService {
    replica: Arc<dyn Replica>,
    /// Closes once the process stops: long polls must not keep its server open.
    waiting: Arc<Semaphore>,
    /// How leaders are reached, to relay to them.
    relay: Option<Arc<dyn Caller>>,
    /// One permit for each export that may be under way.
    exports: Arc<Semaphore>,
}

/// The body of an answer. An error cuts it off.
pub type AnswerBody = UnsyncBoxBody<Bytes, StoreError>;

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
            exports: Arc::new(Semaphore::new(EXPORTS)),
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
    pub async fn handle<B>(&self, request: Request<B>) -> Response<AnswerBody>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        if head.method != http::Method::POST {
            return whole(refuse(Refusal::Malformed));
        }
        let body = std::pin::pin!(body);
        let Ok(body) = Limited::new(body, MESSAGE_BYTES).collect().await else {
            return whole(refuse(Refusal::TooLarge));
        };
        let body = body.to_bytes();
        if head.uri.path() == EXPORT_PATH {
            return match self.export(&body).await {
                Ok(records) => Response::new(records),
                Err(refusal) => whole(refuse(refusal)),
            };
        }
        whole(self.respond(head.uri.path(), body).await)
    }

    /// Streams the records of a group.
    async fn export(&self, body: &[u8]) -> Result<AnswerBody, Refusal> {
        let request = ExportRequest::from_bytes(body).map_err(|_| Refusal::Malformed)?;
        let permit = Arc::clone(&self.exports).try_acquire_owned();
        let permit = permit.map_err(|_| Refusal::Unavailable)?;
        let state = self.replica.query(request.group, Query::Restore).await?;
        if matches!(state, Answer::Restore(state) if state.is_restoring()) {
            return Err(Refusal::Restoring);
        }
        let blocks = self.replica.export(request.group).await?;
        let frames = stream::unfold(Some((blocks, permit)), |state| async {
            let (mut blocks, permit) = state?;
            match blocks.recv().await {
                Some(Ok(block)) => {
                    let length = u32::try_from(block.len()).expect("a block is smaller than that");
                    let mut framed = BytesMut::with_capacity(4 + block.len());
                    framed.put_u32(length);
                    framed.put_slice(&block);
                    let frame = Frame::data(framed.freeze());
                    Some((Ok(frame), Some((blocks, permit))))
                }
                Some(Err(error)) => Some((Err(error), None)),
                None => Some((Ok(Frame::data(Bytes::from_static(&[0; 4]))), None)),
            }
        });
        Ok(StreamBody::new(frames).boxed_unsync())
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
            metrics::counter!("riquet_metadata_skewed_proposals_total").increment(1);
            return Err(Refusal::ClockSkew);
        }
        metrics::counter!("riquet_metadata_proposals_total").increment(1);
        match self
            .replica
            .propose(request.group, request.proposal)
            .await?
        {
            Outcome::Restoring => Err(Refusal::Restoring),
            outcome => Ok(outcome),
        }
    }

    async fn query(&self, body: &[u8]) -> Result<Answer, Refusal> {
        let request = QueryRequest::from_bytes(body).map_err(|_| Refusal::Malformed)?;
        metrics::counter!("riquet_metadata_queries_total").increment(1);
        if let Query::System(SystemQuery::WaitLayout { newer_than }) = request.query {
            return self.wait_layout(request.group, newer_than).await;
        }
        match self.replica.query(request.group, request.query).await? {
            Answer::Restoring => Err(Refusal::Restoring),
            answer => Ok(answer),
        }
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
                Answer::Restoring => return Err(Refusal::Restoring),
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

fn whole((status, answer): (StatusCode, Bytes)) -> Response<AnswerBody> {
    let body = Full::new(answer).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    response
}

fn refuse(refusal: Refusal) -> (StatusCode, Bytes) {
    (refusal.status(), refusal.to_bytes().into())
}
