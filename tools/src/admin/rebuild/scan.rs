//! All shards of all disks, in the order of their ids.
//!
//! Each disk tells its own in that order, page by page, so that all of a blob's come together: two
//! pages of each disk are in memory, however many shards there are.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use riquet_cluster::id::{DiskId, RequestId, ShardId};
use riquet_cluster::layout::Layout;
use riquet_cluster::node_client::{NodeClient, Target};
use riquet_cluster::wire::shard::{DescriptorPage, MAX_DESCRIPTOR_PAGE, StoredShard};
use tokio::sync::mpsc;

/// Tries of one page.
const TRIES: u32 = 3;
/// How long a disk may take for a page, s: each shard may cost it a seek.
const PAGE_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause between two tries, ms.
const PAUSE: Duration = Duration::from_millis(500);

/// How the scan went.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    pub(super) disks: u64,
    pub(super) shards: u64,
    pub(super) damaged: u64,
    /// Disks that did not tell all, and why.
    pub(super) silent: Vec<(DiskId, String)>,
}

type Page = Result<DescriptorPage, riquet_cluster::Error>;

/// A disk's shards that are still to come.
struct Disk {
    id: DiskId,
    shards: VecDeque<StoredShard>,
    pages: mpsc::Receiver<Page>,
}

/// Gives every shard to `take`.
pub(super) async fn scan(
    layout: &Layout,
    nodes: &NodeClient,
    mut take: impl FnMut(StoredShard),
) -> Scanned {
    let mut scanned = Scanned::default();
    let mut disks = Vec::new();
    for (_, disk) in layout.present_disks() {
        let target = Target {
            address: layout.node_of(disk).address.clone(),
            disk: disk.id,
            epoch: layout.epoch,
            request: RequestId::from_u128(rand::random()),
        };
        // One page waits while the next is read.
        let (sender, pages) = mpsc::channel(1);
        tokio::spawn(read_pages(nodes.clone(), target, sender));
        disks.push(Disk {
            id: disk.id,
            shards: VecDeque::new(),
            pages,
        });
    }
    scanned.disks = disks.len() as u64;
    let mut next = BinaryHeap::new();
    for (place, disk) in disks.iter_mut().enumerate() {
        next.extend(
            disk.first(&mut scanned)
                .await
                .map(|id| Reverse((id, place))),
        );
    }
    while let Some(Reverse((_, place))) = next.pop() {
        let disk = &mut disks[place];
        let shard = disk.shards.pop_front().expect("its id was seen");
        scanned.shards += 1;
        take(shard);
        next.extend(
            disk.first(&mut scanned)
                .await
                .map(|id| Reverse((id, place))),
        );
    }
    scanned
}

impl Disk {
    /// The id of the disk's next shard.
    async fn first(&mut self, scanned: &mut Scanned) -> Option<ShardId> {
        while self.shards.is_empty() {
            match self.pages.recv().await? {
                Ok(page) => {
                    scanned.damaged += page.damaged.len() as u64;
                    self.shards = page.shards.into();
                }
                Err(error) => scanned.silent.push((self.id, error.to_string())),
            }
        }
        self.shards.front().map(|shard| shard.descriptor.id)
    }
}

async fn read_pages(nodes: NodeClient, target: Target, pages: mpsc::Sender<Page>) {
    let mut after = None;
    loop {
        let page = read_page(&nodes, &target, after).await;
        let next = page.as_ref().ok().and_then(|page| page.next);
        if pages.send(page).await.is_err() || next.is_none() {
            return;
        }
        after = next;
    }
}

async fn read_page(nodes: &NodeClient, target: &Target, after: Option<ShardId>) -> Page {
    let mut tries = 0;
    loop {
        tries += 1;
        let page = nodes.describe(target, after, MAX_DESCRIPTOR_PAGE);
        let error = match tokio::time::timeout(PAGE_TIMEOUT, page).await {
            Ok(Ok(page)) => return Ok(page),
            Ok(Err(error)) => error,
            Err(_) => riquet_cluster::Error::Unreachable {
                peer: target.address.clone(),
                why: "no answer in time".to_owned(),
            },
        };
        if tries == TRIES {
            return Err(error);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
