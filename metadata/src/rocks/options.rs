//! How RocksDB is set up, and what all groups of a voter share: block cache and write buffers.

use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, Options, WriteBufferManager,
};
use rustix::fs::{Mode, OFlags};

use crate::limits::{BLOCK_CACHE_BYTES, WRITE_BUFFERS_BYTES};

/// Write buffer of one group, bytes; together they keep to [`WRITE_BUFFERS_BYTES`].
const STATE_BUFFER_BYTES: usize = 16 * 1024 * 1024;
/// Write buffer of the log, bytes. Most entries are dropped before they reach a table.
const LOG_BUFFER_BYTES: usize = 32 * 1024 * 1024;
/// Of so many neighbouring keys of a table,
const DELETION_WINDOW_KEYS: usize = 4096;
/// this many marks of removal make it due for compaction.
const DELETION_TRIGGER_KEYS: usize = 2048;
/// Values from this size on, bytes, lie in files of their own and are not written again whenever the
/// keys around them are: small objects' bytes, and most of the log.
const BLOB_BYTES: u64 = 512;
/// The share of dead values in the oldest of those files that has the live ones moved out of it.
/// The log of a group that is seldom written would keep all of them otherwise.
const BLOB_DEAD_SHARE: f64 = 0.5;
/// Files that one database keeps open.
const OPEN_FILES: i32 = 128;
/// Bloom bits per key: one in a hundred lookups of an absent key reads a block in vain. Absent
/// keys are the rule here: every new object, blob and request is looked up first.
const BLOOM_BITS: f64 = 10.0;

/// Memory shared by all groups of a voter.
pub(crate) struct Shared {
    cache: Cache,
    buffers: WriteBufferManager,
    has_direct_writes: bool,
}

/// Whether a folder's filesystem takes writes past the page cache, which cost far less and do not
/// drive out of memory what is read.
fn takes_direct_writes(folder: &Path) -> bool {
    let nameless = OFlags::TMPFILE | OFlags::WRONLY | OFlags::DIRECT;
    rustix::fs::open(folder, nameless, Mode::RUSR | Mode::WUSR).is_ok()
}

impl Shared {
    /// For databases in this folder, which exists.
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            has_direct_writes: takes_direct_writes(folder),
            cache: Cache::new_lru_cache(BLOCK_CACHE_BYTES),
            // Past the bound the largest buffer is flushed; writers are not stalled.
            buffers: WriteBufferManager::new_write_buffer_manager(WRITE_BUFFERS_BYTES, false),
        }
    }

    fn base(&self) -> Options {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_max_open_files(OPEN_FILES);
        options.set_write_buffer_manager(&self.buffers);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_keep_log_file_num(2);
        options.set_use_direct_io_for_flush_and_compaction(self.has_direct_writes);
        options.set_enable_blob_files(true);
        options.set_min_blob_size(BLOB_BYTES);
        options.set_blob_compression_type(DBCompressionType::Lz4);
        options.set_blob_cache(&self.cache);
        options.set_enable_blob_gc(true);
        options.set_blob_gc_force_threshold(BLOB_DEAD_SHARE);
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&self.cache);
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        table.set_bloom_filter(BLOOM_BITS, false);
        table.set_format_version(5);
        options.set_block_based_table_factory(&table);
        options
    }

    pub(super) fn state(&self) -> Options {
        let mut options = self.base();
        options.set_write_buffer_size(STATE_BUFFER_BYTES);
        // A listing walks over the marks of removed keys until a compaction drops them: one that
        // finds a table full of them must not wait for the table to grow old.
        options.add_compact_on_deletion_collector_factory(
            DELETION_WINDOW_KEYS,
            DELETION_TRIGGER_KEYS,
            0.0,
        );
        options
    }

    pub(crate) fn log(&self) -> Options {
        let mut options = self.base();
        options.set_write_buffer_size(LOG_BUFFER_BYTES);
        // A torn last write was never acknowledged. Damage before it may have been: refuse to
        // open rather than forget it.
        options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        options
    }
}
