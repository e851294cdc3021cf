//! Calls to other voters, over the transport that all groups of the process share.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Limited, StreamBody};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RaftNetworkFactory, RaftNetworkV2};
use riquet_cluster::transport::{RequestBody, Transport, full_body};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::PATH_PREFIX;
use super::identity::Folders;
use super::limits::{APPEND_MS, CALL_BYTES, SNAPSHOT_MS};
use super::snapshot::{self, Checkpoint};
use super::types::{Group, Peer, Snapshot, SnapshotMeta, Vote, from_bytes, to_bytes};
use crate::id::GroupId;

/// What a snapshot's stream begins with.
#[derive(Serialize, Deserialize)]
pub(super) struct SnapshotHead {
    pub(super) vote: Vote,
    pub(super) meta: SnapshotMeta,
}

/// Makes links for one group.
#[derive(Clone)]
pub(super) struct Network {
    pub(super) transport: Transport,
    pub(super) group: GroupId,
    pub(super) folders: Arc<Folders>,
}

impl RaftNetworkFactory<Group> for Network {
    type Network = Link;

    async fn new_client(&mut self, voter: u64, node: &Peer) -> Link {
        Link {
            transport: self.transport.clone(),
            folders: self.folders.clone(),
            voter,
            base: format!("http://{}{PATH_PREFIX}{}", node.endpoint, self.group.0),
        }
    }
}

/// A group's way to one voter.
pub(super) struct Link {
    transport: Transport,
    folders: Arc<Folders>,
    voter: u64,
    base: String,
}

impl Link {
    async fn call<Q: Serialize, A: for<'de> Deserialize<'de>>(
        &self,
        what: &str,
        request: &Q,
        within: Duration,
    ) -> Result<A, RPCError<Group>> {
        let body = full_body(to_bytes(request).into());
        let call = self.post(what, body);
        match tokio::time::timeout(within, call).await {
            Ok(Ok(answer)) => from_bytes(&answer).map_err(|error| NetworkError::new(&error).into()),
            Ok(Err(error)) => Err(Unreachable::new(&error).into()),
            Err(late) => Err(NetworkError::new(&late).into()),
        }
    }

    async fn post(&self, what: &str, body: RequestBody) -> std::io::Result<Bytes> {
        let mut request = Request::post(format!("{}/{what}", self.base))
            .body(body)
            .map_err(std::io::Error::other)?;
        self.folders.address(request.headers_mut(), self.voter);
        let response = self
            .transport
            .send("raft", request)
            .await
            .map_err(std::io::Error::other)?;
        let status = response.status();
        self.folders
            .recognize(response.headers(), self.voter)
            .map_err(std::io::Error::other)?;
        let body = Limited::new(response.into_body(), CALL_BYTES)
            .collect()
            .await;
        let body = body.map_err(std::io::Error::other)?.to_bytes();
        if status != StatusCode::OK {
            return Err(std::io::Error::other(format!(
                "the voter answered {status}"
            )));
        }
        Ok(body)
    }
}

impl RaftNetworkV2<Group> for Link {
    type SnapshotData = Checkpoint;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Group>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Group>, RPCError<Group>> {
        // The option's limit is a heartbeat's: entries must be written and synced within theirs.
        let within = match request.entries.is_empty() {
            true => option.hard_ttl(),
            false => Duration::from_millis(APPEND_MS),
        };
        if request.entries.is_empty() {
            return self.call("append", &request, within).await;
        }
        let began = Instant::now();
        let answer = self.call("append", &request, within).await;
        metrics::histogram!("riquet_metadata_append_seconds", "voter" => self.voter.to_string())
            .record(began.elapsed());
        answer
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Group>,
        option: RPCOption,
    ) -> Result<VoteResponse<Group>, RPCError<Group>> {
        self.call("vote", &request, option.hard_ttl()).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Group>,
        option: RPCOption,
    ) -> Result<VoteResponse<Group>, RPCError<Group>> {
        self.call("pre-vote", &request, option.hard_ttl()).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<Group>, StreamingError<Group>> {
        let head = SnapshotHead {
            vote,
            meta: snapshot.meta,
        };
        let (pieces, stream) = mpsc::channel::<std::io::Result<Bytes>>(2);
        let stream = futures_util::stream::unfold(stream, |mut stream| async {
            let piece = stream.recv().await?;
            Some((piece.map(Frame::data), stream))
        });
        let body = StreamBody::new(stream).map_err(Into::into);
        let head = to_bytes(&head);
        let sent = snapshot::send(&head, snapshot.snapshot, pieces);
        let post = self.post("snapshot", body.boxed());
        let transfer = async { tokio::join!(sent, post).1 };
        let within = Duration::from_millis(SNAPSHOT_MS);
        let answer = tokio::select! {
            closed = cancel => return Err(closed.into()),
            answer = tokio::time::timeout(within, transfer) => answer,
        };
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(Unreachable::new(&error).into()),
            Err(late) => return Err(NetworkError::new(&late).into()),
        };
        from_bytes(&answer).map_err(|error| NetworkError::new(&error).into())
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Group>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Group>, RPCError<Group>> {
        self.call("transfer", &request, option.hard_ttl()).await
    }
}
