//! What a voter answers the others, and who asks it about them.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited};

use super::PATH_PREFIX;
use super::host::RaftHost;
use super::identity::Stranger;
use super::limits::CALL_BYTES;
use super::network::SnapshotHead;
use super::slot::Slot;
use super::snapshot::Receiver;
use super::state::Machine;
use super::types::{Snapshot, from_bytes, to_bytes};
use crate::codec::Record;
use crate::id::GroupId;
use crate::limits::MESSAGE_BYTES;
use crate::voters::{PROMOTE_PATH, PromoteRequest, STATUS_PATH, VOTERS_PATH, VotersRequest};
use crate::wire::Refusal;

/// Serves the calls of other voters. Cheap to clone.
#[derive(Clone)]
pub struct RaftService {
    host: Arc<RaftHost>,
}

/// Why a call has no answer; the caller only needs to know that.
enum Failure {
    /// No such call, or not of this protocol.
    Malformed,
    /// The group is not hosted here, or its core ended.
    Unavailable,
    /// Not from, or not to, the voter that others know.
    Stranger(Stranger),
    /// A client is told why.
    Refused(Refusal),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        tracing::warn!(%error, "a voter's call failed");
        Self::Malformed
    }
}

impl RaftService {
    /// Serves the groups of this host.
    pub fn new(host: Arc<RaftHost>) -> Self {
        Self { host }
    }

    /// Takes down for the metrics how the groups are.
    pub fn note_groups(&self) {
        for status in self.host.status() {
            let group = status.group.0.to_string();
            let leads = status.leader == Some(self.host.id());
            let gauges = [
                ("riquet_metadata_group_leads", f64::from(u8::from(leads))),
                (
                    "riquet_metadata_group_has_leader",
                    f64::from(u8::from(status.leader.is_some())),
                ),
                ("riquet_metadata_group_term", status.term as f64),
                (
                    "riquet_metadata_group_applied_entries",
                    status.applied as f64,
                ),
            ];
            for (name, figure) in gauges {
                metrics::gauge!(name, "group" => group.clone()).set(figure);
            }
        }
    }

    /// The groups that no voter is known to lead.
    pub fn leaderless(&self) -> Vec<GroupId> {
        let groups = self.host.status();
        let leaderless = groups.iter().filter(|status| status.leader.is_none());
        leaderless.map(|status| status.group).collect()
    }

    /// Answers a request whose path begins with [`PATH_PREFIX`].
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (status, body) = match self.answer(request).await {
            Ok(body) => (StatusCode::OK, Bytes::from(body)),
            Err(Failure::Malformed) => (StatusCode::BAD_REQUEST, Bytes::new()),
            Err(Failure::Unavailable) => (StatusCode::SERVICE_UNAVAILABLE, Bytes::new()),
            Err(Failure::Stranger(who)) => {
                self.host.meets(who);
                (StatusCode::GONE, Bytes::new())
            }
            Err(Failure::Refused(why)) => (why.status(), Bytes::from(why.to_bytes())),
        };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        self.host.folders().sign(response.headers_mut());
        response
    }

    async fn answer<B>(&self, request: Request<B>) -> Result<Vec<u8>, Failure>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        if let path @ (VOTERS_PATH | STATUS_PATH | PROMOTE_PATH) = head.uri.path() {
            let body = std::pin::pin!(body);
            let body = Limited::new(body, MESSAGE_BYTES).collect().await;
            let body = body.map_err(|_| Failure::Malformed)?.to_bytes();
            return self.operate(path, &body).await.map_err(Failure::Refused);
        }
        let path = head
            .uri
            .path()
            .strip_prefix(PATH_PREFIX)
            .ok_or(Failure::Malformed)?;
        let (group, what) = path.split_once('/').ok_or(Failure::Malformed)?;
        let group = GroupId(group.parse().map_err(|_| Failure::Malformed)?);
        let slot = self.host.slot(group).map_err(|_| Failure::Unavailable)?;
        let admitted = self.host.folders().admit(&head.headers);
        admitted.map_err(Failure::Stranger)?;
        let body = std::pin::pin!(body);
        if what == "snapshot" {
            return receive_snapshot(slot, body).await;
        }
        let body = Limited::new(body, CALL_BYTES).collect().await;
        let body = body.map_err(|_| Failure::Malformed)?.to_bytes();
        let raft = slot.raft();
        match what {
            "append" => answered(raft.append_entries(from_bytes(&body)?).await),
            "vote" => answered(raft.vote(from_bytes(&body)?).await),
            "pre-vote" => answered(raft.pre_vote(from_bytes(&body)?).await),
            "transfer" => answered(raft.handle_transfer_leader(from_bytes(&body)?).await),
            _ => Err(Failure::Malformed),
        }
    }
}

impl RaftService {
    /// What operators ask for.
    async fn operate(&self, path: &str, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        let answer = match path {
            VOTERS_PATH => {
                let request = VotersRequest::from_bytes(body).map_err(|_| Refusal::Malformed)?;
                let slot = self.host.slot(request.group)?;
                slot.change_voters(&request.change).await?.to_bytes()
            }
            PROMOTE_PATH => {
                let request = PromoteRequest::from_bytes(body).map_err(|_| Refusal::Malformed)?;
                let slot = self.host.slot(request.group)?;
                slot.promote(request).await?.to_bytes()
            }
            _ => self.host.voter_status().await?.to_bytes(),
        };
        Ok(answer)
    }
}

fn answered<A: serde::Serialize, E>(answer: Result<A, E>) -> Result<Vec<u8>, Failure> {
    answer
        .map(|answer| to_bytes(&answer))
        .map_err(|_| Failure::Unavailable)
}

async fn receive_snapshot<B>(slot: &Slot, body: B) -> Result<Vec<u8>, Failure>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut receiver = Receiver::new(body);
    let head: SnapshotHead = from_bytes(&receiver.head().await?)?;
    let checkpoint = receiver.files(Machine::incoming(slot.state())).await?;
    let snapshot = Snapshot {
        meta: head.meta,
        snapshot: checkpoint,
    };
    answered(slot.raft().install_full_snapshot(head.vote, snapshot).await)
}
