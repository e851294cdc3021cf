//! Every bound of this crate, with its reason.

/// Longest object key, bytes; S3's own limit.
pub const KEY_BYTES: usize = 1024;
/// Largest object stored inside its metadata record, bytes: below it, a record costs less than
/// the shards' headers would.
pub const INLINE_BYTES: usize = 4 * 1024;
/// Most items in one answer of a listing; S3's own page.
pub const PAGE_ITEMS: usize = 1000;
/// Most parts of a multipart upload; S3's own limit.
pub const PARTS: u32 = 10_000;
/// Smallest part that may be followed by another, bytes; S3's own limit.
pub const PART_MIN_BYTES: u64 = 5 * 1024 * 1024;
/// Largest body of a proposal or query, bytes. A completion names 10,000 parts at under 200 bytes.
pub const MESSAGE_BYTES: usize = 8 * 1024 * 1024;
/// Largest answer that a client accepts, bytes: an object of 10,000 parts, each with blobs and
/// checksums, stays well below.
pub const ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Most remembered outcomes per group: half a minute of retries at 8,000 proposals per second.
pub const DEDUP_ENTRIES: u64 = 262_144;
/// How long an outcome is remembered when the count does not evict it sooner, ms.
pub const DEDUP_MS: u64 = 10 * 60 * 1000;
/// Furthest that a proposer's clock may be from the voter's, ms.
pub const CLOCK_SKEW_MS: u64 = 2 * 60 * 1000;
/// How long a client goes on retrying one request, ms. Shorter than what `DEDUP_ENTRIES` covers.
pub const CLIENT_DEADLINE_MS: u64 = 15_000;
/// How long a single attempt may take before the client tries again, ms: a little longer than a
/// leader waits for a site that fell silent.
pub const ATTEMPT_MS: u64 = 2_500;
/// How long after its creation a blob may still be committed, ms: a week, as the longest upload
/// of one part that anybody waits for. Past it a tombstone is no longer needed.
pub const BLOB_COMMIT_WINDOW_MS: u64 = 7 * 24 * 3600 * 1000;
/// How long a completed upload answers a repeated completion, ms.
pub const COMPLETED_UPLOAD_MS: u64 = 24 * 3600 * 1000;
/// Most completed uploads remembered per group.
pub const COMPLETED_UPLOADS: u64 = 100_000;
/// Most expired entries (outcomes, completed uploads, tombstones) that one command evicts: more
/// than it can add, so the families shrink, and few enough that no command is slow.
pub const EVICTIONS_PER_COMMAND: usize = 3;
/// Most parts of abandoned uploads that one sweep of a sealed tablet collects.
pub const SWEEP_PARTS: usize = 10_000;
/// Most records that one sweep of a moved tablet removes: as a sweep of a sealed one, a command
/// that holds up its group for milliseconds.
pub const SWEEP_RECORDS: usize = 5_000;
/// Most bytes of records copied by one command when a tablet moves, unless a single one is larger:
/// few enough that the log's other entries do not wait for them.
pub const COPY_BYTES: usize = 1024 * 1024;
/// Most entries that one query for a copy, or for a tablet's debts, walks over.
pub const COPY_WALK: usize = 10_000;
/// Largest block of records in a backup, bytes; only a single large record makes one larger than
/// [`COPY_BYTES`]. With its framing it fits a proposal of [`MESSAGE_BYTES`].
pub const BLOCK_MAX_BYTES: usize = 7 * 1024 * 1024;
/// Exports that a voter streams at once: each pins a state of its group and a thread.
pub const EXPORTS: usize = 2;
/// Blocks of an export that wait to be sent.
pub const EXPORT_BLOCKS: usize = 4;
/// How long an export waits for its reader to take, or its voter to send, the next block, ms.
pub const EXPORT_STALL_MS: u64 = 60_000;
/// Numbers of buckets that a restore passes over: more than the buckets that anybody made since the
/// backup.
pub const PASSED_BUCKETS: u64 = 1 << 20;
/// Most events of a group that wait for one target; what happens while so many do goes untold. At some
/// 500 bytes each, 50 MB of records.
pub const EVENTS_PER_QUEUE: u64 = 100_000;
/// Most objects that one query counts.
pub const COUNT_KEYS: u64 = 10_000;
/// Most tablets of a bucket: its map is one record that clients fetch whole.
pub const TABLETS_PER_BUCKET: usize = 4096;
/// Objects above which a tablet is split: moving one copies its records in a few seconds, well
/// within [`CLIENT_DEADLINE_MS`].
pub const TABLET_SPLIT_KEYS: u64 = 500_000;
/// Bytes of records above which a tablet is split.
pub const TABLET_SPLIT_BYTES: u64 = 256 * 1024 * 1024;
/// Changes per second above which a tablet is split, so that its halves can go to two groups: half
/// of what one group's log takes.
pub const TABLET_SPLIT_WRITES_PER_S: u64 = 4_000;
/// Fewest objects of a tablet that is split for its load: below it a few keys are hot, and a split
/// would not part them.
pub const TABLET_SPLIT_LOAD_KEYS: u64 = 1_000;
/// Most actions of one plan to even out groups: the next plan sees what they came to.
pub const PLAN_ACTIONS: usize = 8;
/// How long an operation waits for a change of a tablet before it takes the change's steps itself,
/// ms: who began it is probably dead.
pub const CHANGE_PATIENCE_MS: u64 = 1_000;
/// Memory of all groups' write buffers together, bytes.
pub const WRITE_BUFFERS_BYTES: usize = 128 * 1024 * 1024;
/// Memory of the block cache that all groups share, bytes.
pub const BLOCK_CACHE_BYTES: usize = 256 * 1024 * 1024;
/// Layouts of which it is remembered what made them.
pub const LAYOUT_CHANGES: u64 = 10_000;
/// How long a watcher of the layout is kept waiting before it is told that nothing changed, ms.
pub const LAYOUT_POLL_MS: u64 = 20_000;
/// Buckets whose records a client remembers.
pub const CACHED_BUCKETS: u64 = 10_000;
/// How long a client believes a bucket's record before asking again, ms. Whether the bucket is still
/// the same the key group checks at every use; but how it is configured, nobody else tells.
pub const BUCKET_TTL_MS: u64 = 1_000;
