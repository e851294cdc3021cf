//! The shard protocol (`riquet_cluster::wire::shard`) over the node's stores.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::Incoming;
use riquet_cluster::id::{DiskId, ShardId};
use riquet_cluster::wire::shard::{BlobList, DESCRIPTOR, ErrorCode, MAX_BLOBS, ShardDescriptor};

use super::answer::{AnswerBody, Refusal, document, empty};
use super::endpoint::{ShardAction, ShardCall};
use super::{DiskSlot, Node};
use crate::error::Error;
use crate::store::{ShardReader, ShardStore, Stored};

/// A sender that is silent for this long is given up, so that its reservation ends.
const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a list of blobs, at most.
const MAX_LIST_BYTES: usize = 64 * 1024;

type Answer = Result<Response<AnswerBody>, Refusal>;

pub(super) async fn serve(node: &Node, call: ShardCall, request: Request<Incoming>) -> Answer {
    node.layout.check_cluster(request.headers())?;
    let store = store(node, call.disk)?;
    match call.action {
        ShardAction::Put(id) => {
            node.layout.check_epoch(request.headers())?;
            put(store, id, request).await
        }
        ShardAction::Get(id) => get(store, id, request.headers()).await,
        ShardAction::Head(id) => head(store, id).await,
        ShardAction::Delete(id) => {
            store.delete(id).await?;
            Ok(empty(StatusCode::NO_CONTENT))
        }
        ShardAction::List { after, max } => {
            let page = store.list(after, max).await?;
            let bytes = minicbor::to_vec(page).expect("encoding into memory does not fail");
            Ok(document("application/cbor", bytes))
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

async fn put(store: &ShardStore, id: ShardId, request: Request<Incoming>) -> Answer {
    let descriptor = request
        .headers()
        .get(DESCRIPTOR)
        .and_then(|value| ShardDescriptor::from_header(value.to_str().ok()?))
        .ok_or_else(|| Refusal::malformed("no readable shard descriptor"))?;
    if descriptor.id != id {
        return Err(Refusal::malformed("descriptor of another shard"));
    }
    let mut body = request.into_body();
    if body
        .size_hint()
        .exact()
        .is_some_and(|len| len != descriptor.payload_len)
    {
        return Err(Refusal::malformed("content-length is not the payload's"));
    }
    let mut writer = store.begin(descriptor).await?;
    // Each frame goes into the writer's buffer before the next is read, so a slow disk stops the
    // socket.
    while let Some(frame) = next_frame(&mut body).await? {
        writer.write(&frame).await?;
        metrics::counter!("riquet_node_received_bytes_total").increment(frame.len() as u64);
    }
    Ok(empty(match writer.finish().await? {
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

async fn get(store: &ShardStore, id: ShardId, headers: &HeaderMap) -> Answer {
    let range = headers.get(header::RANGE).map(parse_range).transpose()?;
    let partial = range.is_some();
    let reader = store.read(id, range).await.inspect_err(|error| {
        if matches!(error, Error::Damaged) {
            tracing::error!(disk = %store.disk(), shard = %id, "damaged record");
            metrics::counter!("riquet_node_damaged_records_total").increment(1);
        }
    })?;
    let range = reader.range();
    let mut answer = Response::builder()
        .header(DESCRIPTOR, reader.descriptor().to_header())
        .header(header::CONTENT_LENGTH, range.end - range.start);
    if partial {
        let total = reader.descriptor().payload_len;
        let value = format!("bytes {}-{}/{total}", range.start, range.end - 1);
        answer = answer
            .status(StatusCode::PARTIAL_CONTENT)
            .header(header::CONTENT_RANGE, value);
    }
    Ok(answer
        .body(payload_body(reader))
        .expect("the headers are valid"))
}

/// The pieces of a shard; hyper asks for the next when the socket has taken enough.
fn payload_body(reader: ShardReader) -> AnswerBody {
    let pieces = stream::try_unfold(reader, |mut reader| async move {
        let Some(piece) = reader.next().await? else {
            return Ok(None);
        };
        metrics::counter!("riquet_node_sent_bytes_total").increment(piece.len() as u64);
        Ok::<_, Error>(Some((Frame::data(piece), reader)))
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

async fn head(store: &ShardStore, id: ShardId) -> Answer {
    let descriptor = store.describe(id).await?;
    let mut answer = empty(StatusCode::OK);
    let value = HeaderValue::try_from(descriptor.to_header()).expect("hexadecimal");
    answer.headers_mut().insert(DESCRIPTOR, value);
    Ok(answer)
}
