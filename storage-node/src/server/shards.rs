//! The shard protocol (`riquet_cluster::wire::shard`) over the node's stores.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::Incoming;
use riquet_cluster::id::{DiskId, ShardId};
use riquet_cluster::step;
use riquet_cluster::wire::shard::{
    BACKGROUND, BlobList, DESCRIPTOR, ErrorCode, MAX_BLOBS, ShardDescriptor,
};
use tracing::Instrument as _;

use super::answer::{AnswerBody, Refusal, document, empty};
use super::endpoint::{ShardAction, ShardCall};
use super::{DiskSlot, Node, relay, slots};
use crate::error::Error;
use crate::store::{ShardReader, ShardStore, Stored};

/// A sender that is silent for this long is given up, so that its reservation ends.
const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a list of blobs, at most.
const MAX_LIST_BYTES: usize = 64 * 1024;

pub(super) type Answer = Result<Response<AnswerBody>, Refusal>;

pub(super) async fn serve(node: &Arc<Node>, call: ShardCall, request: Request<Incoming>) -> Answer {
    node.layout.check_cluster(request.headers())?;
    let store = store(node, call.disk)?;
    match call.action {
        ShardAction::Put(id) => put(node, store, id, request).await,
        ShardAction::Get(id) => get(node, store, id, request.headers()).await,
        ShardAction::Head(id) => head(node, store, id, request.headers()).await,
        ShardAction::Delete(id) => {
            let step = step!("disk delete", riquet.disk = %store.disk());
            store.delete(id).instrument(step).await?;
            Ok(empty(StatusCode::NO_CONTENT))
        }
        ShardAction::List { after, max } => {
            let page = store.list(after, max).await?;
            let bytes = minicbor::to_vec(page).expect("encoding into memory does not fail");
            Ok(document("application/cbor", bytes))
        }
        ShardAction::Suspect(id) => {
            suspect(node, store.disk(), id);
            Ok(empty(StatusCode::NO_CONTENT))
        }
        ShardAction::RemoveBlobs => {
            let body = Limited::new(request.into_body(), MAX_LIST_BYTES).collect();
            let body = tokio::time::timeout(BODY_IDLE_TIMEOUT, body).await;
            let body = body.map_err(|_| Refusal::malformed("the list stopped coming"))?;
            let body = body.map_err(|error| Refusal::malformed(error.to_string()))?;
            let list: BlobList = minicbor::decode(&body.to_bytes())
                .map_err(|_| Refusal::malformed("not a list of blobs"))?;
            if list.blobs.len() > MAX_BLOBS {
                return Err(Refusal::malformed("too many blobs"));
            }
            let removed = store.remove_blobs(&list.blobs).await?;
            metrics::counter!("riquet_node_removed_shards_total").increment(removed);
            Ok(empty(StatusCode::NO_CONTENT))
        }
        ShardAction::Slots => {
            let loads = slots::loads(store).await?;
            let bytes = minicbor::to_vec(loads).expect("encoding into memory does not fail");
            Ok(document("application/cbor", bytes))
        }
        ShardAction::Describe { after, max } => {
            let page = store.describe_page(after, max).await?;
            let bytes = minicbor::to_vec(page).expect("encoding into memory does not fail");
            Ok(document("application/cbor", bytes))
        }
    }
}

fn store(node: &Node, disk: DiskId) -> Result<&Arc<ShardStore>, Refusal> {
    match node.disks.get(&disk) {
        Some(DiskSlot::Open(store)) => Ok(store),
        Some(DiskSlot::Refused(why)) => Err(Refusal::new(ErrorCode::DiskUnavailable, why)),
        None => Err(Refusal::new(
            ErrorCode::DiskUnavailable,
            "no such disk on this node",
        )),
    }
}

async fn put(node: &Node, store: &ShardStore, id: ShardId, request: Request<Incoming>) -> Answer {
    let descriptor = request
        .headers()
        .get(DESCRIPTOR)
        .and_then(|value| ShardDescriptor::from_header(value.to_str().ok()?))
        .ok_or_else(|| Refusal::malformed("no readable shard descriptor"))?;
    if descriptor.id != id {
        return Err(Refusal::malformed("descriptor of another shard"));
    }
    node.layout
        .check_place(request.headers(), store.disk(), &descriptor)?;
    let (profile, pg) = (descriptor.profile, descriptor.pg);
    let is_users = !request.headers().contains_key(BACKGROUND);
    let mut body = request.into_body();
    if body
        .size_hint()
        .exact()
        .is_some_and(|len| len != descriptor.payload_len)
    {
        return Err(Refusal::malformed("content-length is not the payload's"));
    }
    let disk = store.disk();
    let step = step!("disk reserve", riquet.disk = %disk);
    let mut writer = store.begin(descriptor).instrument(step).await?;
    // Each frame goes into the writer's buffer before the next is read, so a slow disk stops the
    // socket.
    while let Some(frame) = next_frame(&mut body).await? {
        writer.write(&frame).await?;
        metrics::counter!("riquet_node_received_bytes_total").increment(frame.len() as u64);
    }
    let written = Instant::now();
    let step = step!("disk commit", riquet.disk = %disk);
    let stored = writer.finish().instrument(step).await?;
    // Its slot may have left while it came.
    if let Some(layout) = node.layout.load()
        && !layout.holds(store.disk(), profile, pg, id.index)
        && let Some(upkeep) = node.upkeep.get(&store.disk())
    {
        upkeep.moves.stray();
    }
    if is_users {
        node.load.waited(written.elapsed());
    }
    Ok(empty(match stored {
        Stored::Now => StatusCode::CREATED,
        Stored::Before => StatusCode::OK,
    }))
}

async fn next_frame(body: &mut Incoming) -> Result<Option<Bytes>, Refusal> {
    loop {
        let frame = tokio::time::timeout(BODY_IDLE_TIMEOUT, body.frame()).await;
        match frame.map_err(|_| Refusal::malformed("the payload stopped coming"))? {
            None => return Ok(None),
            Some(Err(error)) => return Err(Refusal::malformed(format!("payload cut: {error}"))),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// Has a shard checked whose bytes were wrong, or could not be read.
fn suspect(node: &Node, disk: DiskId, id: ShardId) {
    if let Some(upkeep) = node.upkeep.get(&disk) {
        upkeep.suspects.add(id);
    }
}

async fn get(node: &Arc<Node>, store: &ShardStore, id: ShardId, headers: &HeaderMap) -> Answer {
    let range = headers.get(header::RANGE).map(parse_range).transpose()?;
    let partial = range.is_some();
    let is_users = !headers.contains_key(BACKGROUND);
    if !is_users {
        node.load.stand_back().await;
    }
    let asked = Instant::now();
    let step = step!("disk read", riquet.disk = %store.disk());
    let reader = match store.read(id, range.clone()).instrument(step).await {
        Ok(reader) => reader,
        Err(Error::NotFound) => return relay::get(node, store.disk(), id, range, headers).await,
        Err(error) => {
            if matches!(error, Error::Damaged | Error::Io { .. }) {
                suspect(node, store.disk(), id);
            }
            return Err(error.into());
        }
    };
    if is_users {
        node.load.waited(asked.elapsed());
    }
    let disk = store.disk();
    let head = payload_head(reader.descriptor(), partial.then(|| reader.range()));
    Ok(head
        .body(payload_body(reader, Arc::clone(node), disk))
        .expect("the headers are valid"))
}

/// The head of an answer with a shard's payload, or a range of it.
pub(super) fn payload_head(
    shard: &ShardDescriptor,
    range: Option<Range<u64>>,
) -> http::response::Builder {
    let total = shard.payload_len;
    let answer = Response::builder().header(DESCRIPTOR, shard.to_header());
    match range {
        None => answer.header(header::CONTENT_LENGTH, total),
        Some(range) => answer
            .status(StatusCode::PARTIAL_CONTENT)
            .header(header::CONTENT_LENGTH, range.end - range.start)
            .header(
                header::CONTENT_RANGE,
                format!("bytes {}-{}/{total}", range.start, range.end - 1),
            ),
    }
}

/// The pieces of a shard; hyper asks for the next when the socket has taken enough.
fn payload_body(reader: ShardReader, node: Arc<Node>, disk: DiskId) -> AnswerBody {
    let pieces = stream::try_unfold((reader, node), move |(mut reader, node)| async move {
        let next = reader.next().await;
        let next = next.inspect_err(|_| suspect(&node, disk, reader.descriptor().id));
        let Some(piece) = next? else {
            return Ok(None);
        };
        metrics::counter!("riquet_node_sent_bytes_total").increment(piece.len() as u64);
        Ok::<_, Error>(Some((Frame::data(piece), (reader, node))))
    });
    StreamBody::new(pieces).boxed_unsync()
}

/// `bytes=a-b`, the one form of the shard protocol.
fn parse_range(value: &HeaderValue) -> Result<Range<u64>, Refusal> {
    let parse = || {
        let (first, last) = value
            .to_str()
            .ok()?
            .strip_prefix("bytes=")?
            .split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        Some(first..last.checked_add(1)?)
    };
    parse()
        .filter(|r| r.start < r.end)
        .ok_or_else(|| Refusal::malformed("range is bytes=a-b"))
}

async fn head(node: &Node, store: &ShardStore, id: ShardId, headers: &HeaderMap) -> Answer {
    let descriptor = match store.describe(id).await {
        Err(Error::NotFound) => relay::head(node, store.disk(), id, headers).await?,
        described => described?,
    };
    let mut answer = empty(StatusCode::OK);
    let value = HeaderValue::try_from(descriptor.to_header()).expect("hexadecimal");
    answer.headers_mut().insert(DESCRIPTOR, value);
    Ok(answer)
}
