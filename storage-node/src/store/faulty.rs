//! A disk that fails on demand, for development clusters and tests.
//!
//! [`FaultyEnv`] wraps the machine and watches a file with one word in it, a [`DiskFault`]. The store
//! knows nothing of it, and without the setting that names the file it is not there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rustix::io::Errno;

use super::env::{Env, EnvFile, Space};

/// How often the file is looked at: the longest a fault takes to be felt.
const WATCH_INTERVAL: Duration = Duration::from_millis(50);

/// What is wrong with a disk.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum DiskFault {
    /// Nothing.
    #[default]
    Well,
    /// Reads fail with EIO.
    ReadError,
    /// Writes and syncs fail with EIO.
    WriteError,
    /// Writes and new files fail with ENOSPC, and no space is free.
    Full,
    /// Reads give other bytes than were written, and no error.
    WrongBytes,
    /// Nothing comes back until the disk is well again.
    Hang,
}

impl DiskFault {
    /// The fault with that name.
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "well" => Self::Well,
            "read-error" => Self::ReadError,
            "write-error" => Self::WriteError,
            "full" => Self::Full,
            "wrong-bytes" => Self::WrongBytes,
            "hang" => Self::Hang,
            _ => return None,
        })
    }
}

/// The present fault, and whoever hangs because of it.
#[derive(Default)]
struct Switch {
    fault: Mutex<DiskFault>,
    changed: Condvar,
}

impl Switch {
    fn lock(&self) -> MutexGuard<'_, DiskFault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, fault: DiskFault) {
        *self.lock() = fault;
        self.changed.notify_all();
    }

    /// The fault that an operation meets; waits while the disk hangs.
    fn meet(&self) -> DiskFault {
        let mut fault = self.lock();
        while *fault == DiskFault::Hang {
            let woken = self.changed.wait(fault);
            fault = woken.unwrap_or_else(PoisonError::into_inner);
        }
        *fault
    }

    fn read(&self) -> io::Result<DiskFault> {
        match self.meet() {
            DiskFault::ReadError => Err(Errno::IO.into()),
            fault => Ok(fault),
        }
    }

    fn write(&self) -> io::Result<()> {
        match self.meet() {
            DiskFault::WriteError => Err(Errno::IO.into()),
            DiskFault::Full => Err(Errno::NOSPC.into()),
            _ => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        match self.meet() {
            DiskFault::WriteError => Err(Errno::IO.into()),
            _ => Ok(()),
        }
    }
}

/// A machine whose disk fails as a file says.
pub struct FaultyEnv<E> {
    inner: E,
    switch: Arc<Switch>,
}

impl<E: Env> FaultyEnv<E> {
    /// Wraps `inner`, and watches the file at `path` from now on; an absent one is a disk that is well.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn watch(inner: E, path: PathBuf) -> io::Result<Self> {
        let switch = Arc::new(Switch::default());
        switch.set(fault_in(&path));
        let watched = Arc::downgrade(&switch);
        std::thread::Builder::new()
            .name("riquet-fault".into())
            .spawn(move || watch(&path, &watched))?;
        Ok(Self { inner, switch })
    }

    fn file(&self, inner: Arc<dyn EnvFile>) -> Arc<dyn EnvFile> {
        let switch = Arc::clone(&self.switch);
        Arc::new(FaultyFile { inner, switch })
    }
}

fn watch(path: &Path, switch: &Weak<Switch>) {
    let mut known = fault_in(path);
    while let Some(switch) = switch.upgrade() {
        let fault = fault_in(path);
        if fault != known {
            tracing::warn!(?fault, "the disk's fault changed");
            switch.set(fault);
            known = fault;
        }
        drop(switch);
        std::thread::sleep(WATCH_INTERVAL);
    }
}

fn fault_in(path: &Path) -> DiskFault {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    DiskFault::from_word(text.trim()).unwrap_or_default()
}

impl<E: Env> Env for FaultyEnv<E> {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.switch.read()?;
        self.inner.list(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.switch.sync()?;
        self.inner.sync_dir(path)
    }

    fn read_small(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.switch.read()?;
        self.inner.read_small(path)
    }

    fn write_small(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.switch.write()?;
        self.inner.write_small(path, bytes)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.switch.sync()?;
        self.inner.remove(path)
    }

    fn create(&self, path: &Path, len: u64) -> io::Result<Arc<dyn EnvFile>> {
        self.switch.write()?;
        Ok(self.file(self.inner.create(path, len)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn EnvFile>> {
        self.switch.read()?;
        Ok(self.file(self.inner.open(path)?))
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        // Asked for by those who look after the disk: they must not hang with it.
        let fault = *self.switch.lock();
        let space = self.inner.space(path)?;
        Ok(match fault {
            DiskFault::Full => Space {
                free_bytes: 0,
                ..space
            },
            _ => space,
        })
    }

    fn now_unix_ms(&self) -> u64 {
        self.inner.now_unix_ms()
    }

    fn random_u128(&self) -> u128 {
        self.inner.random_u128()
    }
}

struct FaultyFile {
    inner: Arc<dyn EnvFile>,
    switch: Arc<Switch>,
}

impl EnvFile for FaultyFile {
    fn write_at(&self, block: &[u8], offset: u64) -> io::Result<()> {
        self.switch.write()?;
        self.inner.write_at(block, offset)
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let fault = self.switch.read()?;
        let mut bytes = self.inner.read_at(offset, len)?;
        spoil(fault, &mut bytes);
        Ok(bytes)
    }

    fn read_uncached(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let fault = self.switch.read()?;
        self.inner.read_uncached(offset, into)?;
        spoil(fault, into);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.switch.sync()?;
        self.inner.sync_data()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.switch.sync()?;
        self.inner.truncate(len)
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }
}

/// Makes bytes wrong, as a lying disk does. The first of them are left, so that a header reads.
fn spoil(fault: DiskFault, bytes: &mut [u8]) {
    if fault == DiskFault::WrongBytes
        && let Some(last) = bytes.last_mut()
    {
        *last ^= 1;
    }
}
