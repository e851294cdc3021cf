//! What the store asks of the machine: files, clock and randomness.
//!
//! The store touches none of them directly, so that tests can put a simulated disk behind it,
//! tear writes and cut the power at any operation. [`OsEnv`] is the real one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice, FallocateFlags, OFlags};

use riquet_cluster::clock::now_ms;

/// Every write to a segment starts at a multiple of this and has a multiple of this as its length:
/// the page size, which satisfies `O_DIRECT` on every block device in use.
pub const BLOCK_BYTES: usize = 4096;

/// Files, clock and randomness of one disk.
pub trait Env: Send + Sync + 'static {
    /// Creates a folder and its parents; it is no error if it exists.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// The names of the entries of a folder, in no order.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Makes the entries of a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Reads a small file whole.
    fn read_small(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Replaces a small file atomically and durably.
    fn write_small(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Creates a file of `len` bytes, allocated and reading as zeros. Fails with
    /// [`io::ErrorKind::StorageFull`] if there is no room for it.
    fn create(&self, path: &Path, len: u64) -> io::Result<Arc<dyn EnvFile>>;
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn EnvFile>>;
    /// Size and free space of the filesystem that holds `path`, in bytes.
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// Wall clock, Unix milliseconds. Only ever stored, never compared with itself.
    fn now_unix_ms(&self) -> u64;
    /// 128 bits that nobody can guess.
    fn random_u128(&self) -> u128;
}

/// One open file; every call may come from several threads at once, for ranges that don't overlap.
pub trait EnvFile: Send + Sync + 'static {
    /// Writes all of `block` at `offset`. Address, length and offset are multiples of
    /// [`BLOCK_BYTES`].
    fn write_at(&self, block: &[u8], offset: u64) -> io::Result<()>;
    /// Reads exactly `len` bytes at `offset`; [`io::ErrorKind::UnexpectedEof`] past the end.
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>>;
    /// Fills `into` from `offset`, as the medium has it now: not from the page cache, where that can be
    /// had. Address, length and offset are multiples of [`BLOCK_BYTES`].
    fn read_uncached(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;
    /// Makes every write that returned before this call durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts the file off at `len` bytes, durably.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// The length of the file in bytes.
    fn size(&self) -> io::Result<u64>;
}

/// Room on a filesystem, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Size of the filesystem.
    pub total_bytes: u64,
    /// What an unprivileged process may still allocate.
    pub free_bytes: u64,
}

/// The operating system.
#[derive(Debug, Default, Clone, Copy)]
pub struct OsEnv;

impl Env for OsEnv {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(path)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn read_small(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn write_small(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let aside = aside_path(path);
        fs::write(&aside, bytes)?;
        File::open(&aside)?.sync_all()?;
        fs::rename(&aside, path)?;
        self.sync_dir(path.parent().unwrap_or(Path::new(".")))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create(&self, path: &Path, len: u64) -> io::Result<Arc<dyn EnvFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        if let Err(error) = allocate(&file, len) {
            drop(file);
            fs::remove_file(path)?;
            return Err(error);
        }
        file.sync_all()?;
        Ok(Arc::new(OsFile {
            path: path.to_owned(),
            buffered: for_random_reads(file)?,
            direct: open_direct(path, OpenOptions::new().write(true))?,
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn EnvFile>> {
        // Only a recovery writes to an existing segment, and only a block: not worth a descriptor.
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(OsFile {
            path: path.to_owned(),
            buffered: for_random_reads(file)?,
            direct: None,
        }))
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(Space {
            total_bytes: stat.f_blocks * stat.f_frsize,
            free_bytes: stat.f_bavail * stat.f_frsize,
        })
    }

    fn now_unix_ms(&self) -> u64 {
        now_ms()
    }

    fn random_u128(&self) -> u128 {
        rand::random()
    }
}

fn aside_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn allocate(file: &File, len: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len) {
        Ok(()) => Ok(()),
        // A filesystem without preallocation: the file is sparse, and "full" shows at the write.
        Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(len),
        Err(error) => Err(error.into()),
    }
}

/// A file with two descriptors: one through the page cache for reads, one past it for writes.
struct OsFile {
    path: PathBuf,
    buffered: File,
    /// `None` for a segment of an earlier life, and where the filesystem refuses `O_DIRECT` (tmpfs):
    /// writes go through the cache.
    direct: Option<File>,
}

/// Without read-ahead, which would fill the cache with ranges that are being written.
fn for_random_reads(file: File) -> io::Result<File> {
    rustix::fs::fadvise(&file, 0, None, Advice::Random)?;
    Ok(file)
}

/// A descriptor that passes the page cache by, where the filesystem has that.
fn open_direct(path: &Path, options: &mut OpenOptions) -> io::Result<Option<File>> {
    let flags = i32::try_from(OFlags::DIRECT.bits()).expect("O_DIRECT is a small flag");
    match options.custom_flags(flags).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
        Err(error) => Err(error),
    }
}

impl EnvFile for OsFile {
    fn write_at(&self, block: &[u8], offset: u64) -> io::Result<()> {
        debug_assert!(block.len().is_multiple_of(BLOCK_BYTES));
        debug_assert!(offset.is_multiple_of(BLOCK_BYTES as u64));
        self.direct
            .as_ref()
            .unwrap_or(&self.buffered)
            .write_all_at(block, offset)
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(len);
        while let Some(wanted) = NonZeroUsize::new(len - bytes.len()) {
            let at = offset + bytes.len() as u64;
            // Into the spare capacity: zeroing it first would touch every byte twice.
            let spare = &mut bytes.spare_capacity_mut()[..wanted.get()];
            let read = match rustix::io::pread(&self.buffered, spare, at) {
                Ok((read, _)) => read.len(),
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // SAFETY: the kernel has just filled `read` bytes of the spare capacity.
            unsafe { bytes.set_len(bytes.len() + read) };
        }
        Ok(bytes)
    }

    fn read_uncached(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        // Opened anew, as it is seldom needed and there are many segments.
        let direct = match open_direct(&self.path, OpenOptions::new().read(true)) {
            Ok(direct) => direct,
            // Removed meanwhile: what is open still can be read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let file = direct.as_ref().unwrap_or(&self.buffered);
        file.read_exact_at(into, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.buffered.sync_data()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.buffered.set_len(len)?;
        self.buffered.sync_all()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.buffered.metadata()?.len())
    }
}
