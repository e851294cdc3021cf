//! Buckets mounted as folders.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;

use crate::client::{Run, run};

/// Seconds until a mount must be there, or gone.
const MOUNT_TIMEOUT_S: u64 = 30;
/// How often the list of mounts is read while waiting.
const POLL: Duration = Duration::from_millis(20);

/// A mounted folder, served by a process in the foreground; unmounted on drop.
#[derive(Debug)]
pub struct Mount<'a> {
    folder: &'a Path,
    process: Child,
}

impl<'a> Mount<'a> {
    /// Starts `command`, which serves `folder` until it is unmounted, and waits for the mount.
    ///
    /// # Errors
    /// When there is no mount in time.
    pub fn start(command: &Run, folder: &'a Path) -> Result<Self, Failed> {
        let log = std::fs::File::create(folder.with_extension("log"))?;
        let process = command
            .command()
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut mount = Self { folder, process };
        let since = Instant::now();
        while !is_mounted(folder)? {
            let ended = mount.process.try_wait()?;
            if ended.is_some() || since.elapsed().as_secs() > MOUNT_TIMEOUT_S {
                let log = std::fs::read_to_string(folder.with_extension("log"))?;
                return Err(format!("no mount ({ended:?}): {log}").into());
            }
            std::thread::sleep(POLL);
        }
        Ok(mount)
    }

    /// Unmounts, and waits until what was written has been uploaded.
    ///
    /// # Errors
    /// When the mount is busy or its process does not end.
    pub fn unmount(mut self) -> Result<(), Failed> {
        self.release()?;
        let since = Instant::now();
        while self.process.try_wait()?.is_none() {
            if since.elapsed().as_secs() > MOUNT_TIMEOUT_S {
                return Err("the mount's process did not end".into());
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn release(&self) -> Result<(), Failed> {
        let program = if crate::paths::which("fusermount3").is_some() {
            "fusermount3"
        } else {
            "fusermount"
        };
        let command = Run::new(program).arg("-u").arg(self.folder);
        run(&command, MOUNT_TIMEOUT_S)?;
        Ok(())
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        if is_mounted(self.folder).unwrap_or(false) {
            // Lazily, if a failed test left a file open.
            let lazy = Run::new("umount").arg("-l").arg(self.folder);
            if self.release().is_err() && run(&lazy, MOUNT_TIMEOUT_S).is_err() {
                eprintln!("{} stays mounted", self.folder.display());
            }
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn is_mounted(folder: &Path) -> std::io::Result<bool> {
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    let folder = folder.to_string_lossy();
    Ok(mounts
        .lines()
        .any(|line| line.split(' ').nth(1) == Some(&folder)))
}
