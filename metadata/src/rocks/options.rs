//! How RocksDB is set up, and what all groups of a voter share: block cache and write buffers.

use rocksdb::{
    BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, Options, WriteBufferManager,
};

use crate::limits::{BLOCK_CACHE_BYTES, WRITE_BUFFERS_BYTES};

/// Write buffer of one group, bytes; together they keep to [`WRITE_BUFFERS_BYTES`].
const STATE_BUFFER_BYTES: usize = 16 * 1024 * 1024;
/// Write buffer of the log, bytes. Most entries are dropped before they reach a table.
const LOG_BUFFER_BYTES: usize = 32 * 1024 * 1024;
/// Of so many neighbouring keys of a table,
const DELETION_WINDOW_KEYS: usize = 4096;
/// this many marks of removal make it due for compaction.
const DELETION_TRIGGER_KEYS: usize = 2048;
/// Files that one database keeps open.
const OPEN_FILES: i32 = 128;
/// Bloom bits per key: one in a hundred lookups of an absent key reads a block in vain. Absent
/// keys are the rule here: every new object, blob and request is looked up first.
const BLOOM_BITS: f64 = 10.0;

/// Memory shared by all groups of a voter.
pub(crate) struct Shared {
    cache: Cache,
    buffers: WriteBufferManager,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self {
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
