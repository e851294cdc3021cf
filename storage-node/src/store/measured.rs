//! How long a disk takes, and how much it moves.
//!
//! [`MeasuredEnv`] wraps the machine, outside of whatever makes its disk fail in a test: what a fault costs
//! is measured as the store feels it. The store knows nothing of it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use metrics::{Counter, Histogram};
use riquet_cluster::id::DiskId;

use super::env::{Env, EnvFile, Space};

/// A machine whose disk is measured.
pub struct MeasuredEnv {
    inner: Arc<dyn Env>,
    figures: Arc<Figures>,
}

/// Found once, as looking a series up costs more than a write into the cache of a fast drive.
struct Figures {
    append_seconds: Histogram,
    sync_seconds: Histogram,
    read_seconds: Histogram,
    written_bytes: Counter,
    read_bytes: Counter,
}

impl MeasuredEnv {
    /// Measures what `inner` does to the files of a disk.
    pub fn new(inner: Arc<dyn Env>, disk: DiskId) -> Self {
        let disk = disk.to_string();
        let seconds = |operation: &'static str| {
            metrics::histogram!(
                "riquet_disk_operation_seconds", "disk" => disk.clone(), "operation" => operation
            )
        };
        let figures = Figures {
            append_seconds: seconds("append"),
            sync_seconds: seconds("sync"),
            read_seconds: seconds("read"),
            written_bytes: metrics::counter!(
                "riquet_disk_written_bytes_total", "disk" => disk.clone()
            ),
            read_bytes: metrics::counter!("riquet_disk_read_bytes_total", "disk" => disk.clone()),
        };
        Self {
            inner,
            figures: Arc::new(figures),
        }
    }

    fn file(&self, inner: Arc<dyn EnvFile>) -> Arc<dyn EnvFile> {
        let figures = Arc::clone(&self.figures);
        Arc::new(MeasuredFile { inner, figures })
    }
}

impl Env for MeasuredEnv {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.inner.list(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.sync_dir(path)
    }

    fn read_small(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.inner.read_small(path)
    }

    fn write_small(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_small(path, bytes)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn create(&self, path: &Path, len: u64) -> io::Result<Arc<dyn EnvFile>> {
        Ok(self.file(self.inner.create(path, len)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn EnvFile>> {
        Ok(self.file(self.inner.open(path)?))
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.inner.space(path)
    }

    fn now_unix_ms(&self) -> u64 {
        self.inner.now_unix_ms()
    }

    fn random_u128(&self) -> u128 {
        self.inner.random_u128()
    }
}

struct MeasuredFile {
    inner: Arc<dyn EnvFile>,
    figures: Arc<Figures>,
}

/// Does some work and records how long it took, also where it failed.
fn timed<T>(seconds: &Histogram, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    seconds.record(began.elapsed());
    done
}

impl EnvFile for MeasuredFile {
    fn write_at(&self, block: &[u8], offset: u64) -> io::Result<()> {
        let figures = &self.figures;
        timed(&figures.append_seconds, || {
            self.inner.write_at(block, offset)
        })?;
        figures.written_bytes.increment(block.len() as u64);
        Ok(())
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let figures = &self.figures;
        let read = timed(&figures.read_seconds, || self.inner.read_at(offset, len))?;
        figures.read_bytes.increment(read.len() as u64);
        Ok(read)
    }

    fn read_uncached(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let figures = &self.figures;
        timed(&figures.read_seconds, || {
            self.inner.read_uncached(offset, into)
        })?;
        figures.read_bytes.increment(into.len() as u64);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        timed(&self.figures.sync_seconds, || self.inner.sync_data())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.inner.truncate(len)
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }
}
