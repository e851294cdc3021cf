//! Reads what a disk lacks because its slot is still on its way, from the disk that it comes from.
//!
//! So whoever reads need not know of moves: the table names one disk for each shard, and that one's
//! node has it or gets it.

use std::ops::Range;
use std::sync::Arc;

use futures_util::stream;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use riquet_cluster::Error as ClusterError;
use riquet_cluster::id::{DiskId, RequestId, ShardId};
use riquet_cluster::layout::Layout;
use riquet_cluster::node_client::{NodeClient, PayloadReader, Target};
use riquet_cluster::wire::shard::{BACKGROUND, ErrorCode, LOCAL, REQUEST_ID, ShardDescriptor};

use super::Node;
use super::answer::{AnswerBody, Refusal};
use super::shards::{Answer, payload_head};
use crate::error::Error;

/// Reads a range of a shard's payload, or all of it, on behalf of whoever asked for it.
///
/// # Errors
/// `no-such-shard`, unless its slot comes from a disk that has it.
pub(super) async fn get(
    node: &Arc<Node>,
    disk: DiskId,
    id: ShardId,
    range: Option<Range<u64>>,
    headers: &HeaderMap,
) -> Answer {
    let mut refusal = refused(ClusterError::NoSuchShard);
    let Some((nodes, sources)) = sources(node, disk, id, headers) else {
        return Err(refusal);
    };
    for source in &sources {
        match nodes.get(source, id, range.clone()).await {
            Ok(reader) => {
                let shard = reader.descriptor().map_err(refused)?;
                metrics::counter!("riquet_node_relayed_reads_total").increment(1);
                let answer = payload_head(&shard, range).body(body(reader));
                return Ok(answer.expect("the headers are valid"));
            }
            Err(error) => refusal = refused(error),
        }
    }
    Err(refusal)
}

/// A shard's descriptor, on behalf of whoever asked for it.
///
/// # Errors
/// As [`get`].
pub(super) async fn head(
    node: &Node,
    disk: DiskId,
    id: ShardId,
    headers: &HeaderMap,
) -> Result<ShardDescriptor, Refusal> {
    let mut refusal = refused(ClusterError::NoSuchShard);
    let Some((nodes, sources)) = sources(node, disk, id, headers) else {
        return Err(refusal);
    };
    for source in &sources {
        match nodes.head(source, id).await {
            Ok(shard) => return Ok(shard),
            Err(error) => refusal = refused(error),
        }
    }
    Err(refusal)
}

/// Where the shard may be, and the way there; none: only this disk is to be asked.
fn sources(
    node: &Node,
    disk: DiskId,
    id: ShardId,
    headers: &HeaderMap,
) -> Option<(NodeClient, Vec<Target>)> {
    if headers.contains_key(LOCAL) {
        return None;
    }
    let layout = node.layout.load()?;
    let request = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let request = request.and_then(|text| text.parse().ok());
    let request = request.unwrap_or_else(|| RequestId::from_u128(rand::random()));
    let sources = of_layout(&layout, disk, id, request);
    let nodes = NodeClient::new(node.transport.clone(), layout.cluster).locally();
    Some(match headers.contains_key(BACKGROUND) {
        true => (nodes.in_background(), sources),
        false => (nodes, sources),
    })
}

/// The disks that the shard's slot comes from to this one: one at most for each profile that the shard
/// may be of, which its id does not tell.
fn of_layout(layout: &Layout, disk: DiskId, id: ShardId, request: RequestId) -> Vec<Target> {
    let profiles = layout.profiles.iter().filter(|profile| {
        let slot = usize::from(id.index);
        let row = layout.slots(profile, layout.pg_of(profile, id.chunk));
        row.get(slot).is_some_and(|at| layout.disk(*at).id == disk)
    });
    let from = profiles.filter_map(|profile| {
        let pg = layout.pg_of(profile, id.chunk);
        layout.source_of(profile.id, pg, id.index)
    });
    from.map(|source| Target::on_disk(layout, source, request))
        .collect()
}

/// The pieces as they come; hyper asks for the next when the socket has taken enough.
fn body(reader: PayloadReader) -> AnswerBody {
    let pieces = stream::try_unfold(reader, async |mut reader| {
        let next = reader.next().await.map_err(|_| Error::NotFound)?;
        Ok::<_, Error>(next.map(|piece| (Frame::data(piece), reader)))
    });
    StreamBody::new(pieces).boxed_unsync()
}

/// What the source refuses is refused; a source that does not answer may still have it.
fn refused(error: ClusterError) -> Refusal {
    let code = match error {
        ClusterError::NoSuchShard => ErrorCode::NoSuchShard,
        ClusterError::Overloaded => ErrorCode::Overloaded,
        ClusterError::Refused(_) => ErrorCode::Refused,
        _ => ErrorCode::DiskUnavailable,
    };
    Refusal::new(code, error.to_string())
}
