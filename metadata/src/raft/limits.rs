//! Every bound of this module, with its reason.

/// How often a leader shows that it lives, ms.
pub(super) const HEARTBEAT_MS: u64 = 150;
/// A follower that heard nothing for its leader's lease, which is the longest of these times, and
/// then for a random one between this, ms,
pub(super) const ELECTION_MIN_MS: u64 = 500;
/// and this, ms, asks for votes: a leader's death costs about two seconds.
pub(super) const ELECTION_MAX_MS: u64 = 1000;
/// Most entries of one call between voters.
pub(super) const APPEND_ENTRIES: u64 = 512;
/// Largest body of a call between voters, bytes: its entries may be as large as a proposal.
pub(super) const CALL_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of entries read for one call between voters, after the first: far below [`CALL_BYTES`]
/// with one entry more of the largest size.
pub(super) const READ_BYTES: usize = 16 * 1024 * 1024;
/// How long a voter may take to write and sync the entries of one call, ms. Heartbeats go beside
/// them, so that a slow one deposes nobody.
pub(super) const APPEND_MS: u64 = 2_000;
/// Entries after which a group flushes its state and makes a snapshot of it.
pub(super) const SNAPSHOT_ENTRIES: u64 = 50_000;
/// Entries that stay in the log behind a snapshot: a follower that was away for a while needs no
/// snapshot, and a purge stays far from what is being applied.
pub(super) const KEPT_ENTRIES: u64 = 20_000;
/// Entries that a follower may lack before it is sent a snapshot instead.
pub(super) const LAG_ENTRIES: u64 = 40_000;
/// How long a snapshot may take to arrive, ms.
pub(super) const SNAPSHOT_MS: u64 = 10 * 60 * 1000;
/// Most entries applied in one batch.
pub(super) const APPLY_ENTRIES: usize = 512;
/// How long a proposal may wait for its commit before its proposer is told to ask again, ms.
pub(super) const PROPOSE_MS: u64 = 4_000;
/// How long a read may wait for the proof that its group's leader leads, ms.
pub(super) const READ_MS: u64 = 2_000;
/// Reads that wait for one such proof together.
pub(super) const WAITING_READS: usize = 8192;
/// A site none of whose voters answered the leader for so long is out of service, ms.
pub(super) const SITE_OUT_MS: u64 = 2_000;
/// A site all of whose voters lack more entries than this is catching up, and out of service until
/// it has: outcomes do not wait for a snapshot to arrive. Far more than what is on its way to a
/// site that keeps up.
pub(super) const SITE_LAG: u64 = 10_000;
/// How often leaders look whether another should lead, ms.
pub(super) const LEADERSHIP_MS: u64 = 1_000;
/// For how many such looks the other must be ready: leadership does not follow a voter that comes
/// and goes.
pub(super) const LEADERSHIP_LOOKS: u32 = 5;
/// Entries that a voter may lack and still be handed leadership; it gets them within the call.
pub(super) const LEADERSHIP_LAG: u64 = 100;
/// How long a voter waits for what another tells of itself, ms.
pub(super) const STATUS_MS: u64 = 1_000;
/// How long one call for a change of the voters may take before its caller is told to ask again,
/// ms: a new one may need a snapshot first.
pub(super) const VOTERS_MS: u64 = 60_000;
/// First pause before a group whose core ended is built anew, ms; doubles up to [`REBUILD_MAX_MS`].
pub(super) const REBUILD_MIN_MS: u64 = 100;
/// Longest such pause, ms.
pub(super) const REBUILD_MAX_MS: u64 = 30_000;
/// Bytes of a snapshot's file that are in memory at a time.
pub(super) const PIECE_BYTES: usize = 256 * 1024;
