//! The shard protocol's client. See [`crate::wire::shard`].

mod payload;

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::sync::mpsc;

use crate::Error;
use crate::id::{BlobId, ChunkId, ClusterId, DiskId, Epoch, RequestId, ShardId};
use crate::layout::{Disk, Layout};
use crate::profile::Profile;
use crate::transport::{RequestBody, Transport, empty_body, full_body};
use crate::wire::HEALTH_PATH;
use crate::wire::health::NodeHealth;
use crate::wire::shard::{
    BACKGROUND, BlobList, CLUSTER, DESCRIPTOR, DescriptorPage, EPOCH, ERROR, ErrorCode, LOCAL,
    REQUEST_ID, ShardDescriptor, ShardPage, SlotLoads,
};
use crate::wire::upkeep::{JobKind, RunNumber, UPKEEP_PATH, UpkeepReport};
use payload::PayloadBody;
pub use payload::PayloadReader;

/// Bytes of an answer that is read as a whole, at most: pages and error texts are far smaller.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// A client for shards on any node. Cheap to clone.
#[derive(Clone)]
pub struct NodeClient {
    transport: Transport,
    cluster: ClusterId,
    is_background: bool,
    is_local: bool,
}

/// Where a shard is (to be) kept, and what the request belongs to.
#[derive(Clone, Debug)]
pub struct Target {
    /// `host:port` of the node.
    pub address: String,
    /// The disk on it.
    pub disk: DiskId,
    /// The layout that says so.
    pub epoch: Epoch,
    /// The client's request, for logs.
    pub request: RequestId,
}

impl Target {
    /// Where each shard of a chunk is kept, in order of the code.
    pub fn of_chunk(
        layout: &Layout,
        profile: &Profile,
        chunk: ChunkId,
        request: RequestId,
    ) -> Vec<Self> {
        let pg = layout.pg_of(profile, chunk);
        let slots = layout.slots(profile, pg).iter();
        let targets = slots.map(|index| Self::on_disk(layout, layout.disk(*index), request));
        targets.collect()
    }

    /// A disk of the layout.
    pub fn on_disk(layout: &Layout, disk: &Disk, request: RequestId) -> Self {
        Self {
            address: layout.node_of(disk).address.clone(),
            disk: disk.id,
            epoch: layout.epoch,
            request,
        }
    }
}

/// The feeding end of a shard's body. Dropping it before the whole payload was sent cuts the
/// request, and the node stores nothing.
pub type PayloadSender = mpsc::Sender<Bytes>;

impl NodeClient {
    /// A client for the nodes of `cluster`.
    pub fn new(transport: Transport, cluster: ClusterId) -> Self {
        Self {
            transport,
            cluster,
            is_background: false,
            is_local: false,
        }
    }

    /// The same client, for work that nobody waits for: nodes may put it off.
    pub fn in_background(self) -> Self {
        Self {
            is_background: true,
            ..self
        }
    }

    /// The same client, for questions about the disks themselves: what one of them lacks because it is
    /// still on its way there is not there.
    pub fn locally(self) -> Self {
        Self {
            is_local: true,
            ..self
        }
    }

    /// Stores a shard whose payload comes through `payload`, and returns once the node has it
    /// durably. The payload must add up to `descriptor.payload_len`.
    pub async fn put(
        &self,
        target: &Target,
        descriptor: &ShardDescriptor,
        payload: mpsc::Receiver<Bytes>,
    ) -> Result<(), Error> {
        let body = PayloadBody::new(payload, descriptor.payload_len);
        let request = self
            .request(Method::PUT, target, &shard_path(target.disk, descriptor.id))
            .header(DESCRIPTOR, descriptor.to_header())
            .header(header::CONTENT_LENGTH, descriptor.payload_len)
            .body(RequestBody::new(body))
            .expect("the parts of the request are valid");
        let answer = self.transport.send("put", request).await?;
        expect_success(target, answer).await.map(drop)
    }

    /// Reads `range` of a shard's payload, or all of it.
    pub async fn get(
        &self,
        target: &Target,
        shard: ShardId,
        range: Option<Range<u64>>,
    ) -> Result<PayloadReader, Error> {
        let mut request = self.request(Method::GET, target, &shard_path(target.disk, shard));
        if let Some(range) = &range {
            assert!(range.start < range.end, "an empty range is not asked for");
            let value = format!("bytes={}-{}", range.start, range.end - 1);
            request = request.header(header::RANGE, value);
        }
        let request = request
            .body(empty_body())
            .expect("the parts of the request are valid");
        let (answer, call) = self.transport.call("get", request).await?;
        let answer = expect_success(target, answer).await?;
        let length = answer
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|v| v.to_str().ok()?.parse().ok())
            .ok_or(Error::Protocol("a shard without content-length"))?;
        let wanted_status = if range.is_some() {
            StatusCode::PARTIAL_CONTENT
        } else {
            StatusCode::OK
        };
        if answer.status() != wanted_status || range.is_some_and(|r| r.end - r.start != length) {
            return Err(Error::Protocol("another range than was asked for"));
        }
        let peer = target.address.clone();
        Ok(PayloadReader::new(peer, answer, length, call))
    }

    /// A shard's descriptor, if the disk holds it.
    pub async fn head(&self, target: &Target, shard: ShardId) -> Result<ShardDescriptor, Error> {
        let request = self
            .request(Method::HEAD, target, &shard_path(target.disk, shard))
            .body(empty_body())
            .expect("the parts of the request are valid");
        let answer = expect_success(target, self.transport.send("head", request).await?).await?;
        answer
            .headers()
            .get(DESCRIPTOR)
            .and_then(|v| ShardDescriptor::from_header(v.to_str().ok()?))
            .ok_or(Error::Protocol("a shard without descriptor"))
    }

    /// Makes the disk forget a shard, durably. Succeeds too when it was not there.
    pub async fn delete(&self, target: &Target, shard: ShardId) -> Result<(), Error> {
        let request = self
            .request(Method::DELETE, target, &shard_path(target.disk, shard))
            .body(empty_body())
            .expect("the parts of the request are valid");
        expect_success(target, self.transport.send("delete", request).await?)
            .await
            .map(drop)
    }

    /// Tells a disk's node that a shard's bytes are not what was written, so that it looks.
    pub async fn suspect(&self, target: &Target, shard: ShardId) -> Result<(), Error> {
        let path = format!("{}/suspect", shard_path(target.disk, shard));
        let request = self
            .request(Method::POST, target, &path)
            .body(empty_body())
            .expect("the parts of the request are valid");
        expect_success(target, self.transport.send("suspect", request).await?)
            .await
            .map(drop)
    }

    /// Makes a disk forget every shard of these blobs (at most [`MAX_BLOBS`]), durably.
    ///
    /// [`MAX_BLOBS`]: crate::wire::shard::MAX_BLOBS
    ///
    /// # Errors
    /// [`Error::Overloaded`] while a shard of them is being written: some may be left.
    pub async fn remove_blobs(&self, target: &Target, blobs: &[BlobId]) -> Result<(), Error> {
        let list = BlobList {
            blobs: blobs.to_vec(),
        };
        let body = minicbor::to_vec(&list).expect("encoding into memory does not fail");
        let request = self
            .request(
                Method::POST,
                target,
                &format!("/v1/disks/{}/removals", target.disk),
            )
            .body(full_body(body.into()))
            .expect("the parts of the request are valid");
        expect_success(target, self.transport.send("remove-blobs", request).await?)
            .await
            .map(drop)
    }

    /// What a node says about itself.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Protocol`].
    pub async fn health(&self, address: &str) -> Result<NodeHealth, Error> {
        let target = node_alone(address);
        let request = Request::get(format!("http://{address}{HEALTH_PATH}"))
            .body(empty_body())
            .map_err(|_| Error::Refused(format!("{address:?} is no address")))?;
        let answer = expect_success(&target, self.transport.send("health", request).await?).await?;
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES)
            .collect()
            .await
            .map_err(|e| unreachable(&target, &e.to_string()))?;
        serde_json::from_slice(&body.to_bytes()).map_err(|_| Error::Protocol("another document"))
    }

    /// How the background work of a node stands.
    pub async fn upkeep(&self, address: &str) -> Result<UpkeepReport, Error> {
        let request = Request::get(format!("http://{address}{UPKEEP_PATH}"));
        self.ask("upkeep", address, request).await
    }

    /// Has a run of a job on a disk begin now, of what is at least so old. Returns its number.
    pub async fn begin_job(
        &self,
        address: &str,
        disk: DiskId,
        job: JobKind,
        older_than: Duration,
    ) -> Result<u64, Error> {
        let (job, age_s) = (job.word(), older_than.as_secs());
        let request = Request::post(format!(
            "http://{address}/v1/disks/{disk}/jobs/{job}?older_than_s={age_s}"
        ));
        let number: RunNumber = self.ask("begin-job", address, request).await?;
        Ok(number.run)
    }

    /// Sends a request that no layout has a part in, and reads the document that comes back.
    async fn ask<P: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        name: &'static str,
        address: &str,
        request: http::request::Builder,
    ) -> Result<P, Error> {
        let target = node_alone(address);
        let request = request
            .header(CLUSTER, self.cluster.to_string())
            .body(empty_body())
            .expect("the parts of the request are valid");
        let answer = expect_success(&target, self.transport.send(name, request).await?).await?;
        document(&target, answer).await
    }

    /// Up to `max` shards of a disk, in order of id, after `after`.
    pub async fn list(
        &self,
        target: &Target,
        after: Option<ShardId>,
        max: usize,
    ) -> Result<ShardPage, Error> {
        let path = format!("/v1/disks/{}/shards", target.disk);
        self.page("list", target, path, after, max).await
    }

    /// What a disk holds, slot by slot.
    pub async fn slot_loads(&self, target: &Target) -> Result<SlotLoads, Error> {
        let path = format!("/v1/disks/{}/slots", target.disk);
        self.read("slots", target, &path).await
    }

    /// Up to `max` shards of a disk after `after`, with what their records say of them.
    pub async fn describe(
        &self,
        target: &Target,
        after: Option<ShardId>,
        max: usize,
    ) -> Result<DescriptorPage, Error> {
        let path = format!("/v1/disks/{}/descriptors", target.disk);
        self.page("describe", target, path, after, max).await
    }

    async fn page<P: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        name: &'static str,
        target: &Target,
        mut path: String,
        after: Option<ShardId>,
        max: usize,
    ) -> Result<P, Error> {
        path.push_str(&format!("?max={max}"));
        if let Some(after) = after {
            path.push_str(&format!("&after={after}"));
        }
        self.read(name, target, &path).await
    }

    /// Reads a document about a disk.
    async fn read<P: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        name: &'static str,
        target: &Target,
        path: &str,
    ) -> Result<P, Error> {
        let request = self
            .request(Method::GET, target, path)
            .body(empty_body())
            .expect("the parts of the request are valid");
        let answer = expect_success(target, self.transport.send(name, request).await?).await?;
        document(target, answer).await
    }

    fn request(&self, method: Method, target: &Target, path: &str) -> http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", target.address))
            .header(CLUSTER, self.cluster.to_string())
            .header(EPOCH, target.epoch.0)
            .header(REQUEST_ID, target.request.to_string());
        let marks = [(BACKGROUND, self.is_background), (LOCAL, self.is_local)];
        let marks = marks.into_iter().filter(|(_, is_set)| *is_set);
        marks.fold(request, |request, (mark, _)| request.header(mark, "1"))
    }
}

/// A node that is asked about itself, in which no layout has a part.
fn node_alone(address: &str) -> Target {
    Target {
        address: address.to_owned(),
        disk: DiskId::from_u128(0),
        epoch: Epoch::default(),
        request: RequestId::from_u128(0),
    }
}

/// Reads an answer's document.
async fn document<P: for<'b> minicbor::Decode<'b, ()>>(
    target: &Target,
    answer: Response<Incoming>,
) -> Result<P, Error> {
    let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES)
        .collect()
        .await
        .map_err(|e| unreachable(target, &e.to_string()))?;
    minicbor::decode(&body.to_bytes()).map_err(|_| Error::Protocol("another document"))
}

fn shard_path(disk: DiskId, shard: ShardId) -> String {
    format!("/v1/disks/{disk}/shards/{shard}")
}

fn unreachable(target: &Target, why: &str) -> Error {
    Error::Unreachable {
        peer: target.address.clone(),
        why: why.to_owned(),
    }
}

async fn expect_success(
    target: &Target,
    answer: Response<Incoming>,
) -> Result<Response<Incoming>, Error> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let header = |name| answer.headers().get(name).and_then(|v| v.to_str().ok());
    let Some(code) = header(ERROR).and_then(ErrorCode::from_word) else {
        return Err(unreachable(target, &format!("status {}", answer.status())));
    };
    let epoch = header(EPOCH)
        .and_then(|v| v.parse().ok())
        .map(Epoch)
        .unwrap_or_default();
    let text = match Limited::new(answer.into_body(), MAX_ANSWER_BYTES)
        .collect()
        .await
    {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).trim().to_owned(),
        Err(_) => String::new(),
    };
    Err(code.into_error(epoch, text))
}
