//! The cluster's folder: where each file is, and who holds it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::topology::Topology;
use crate::error::Error;
use crate::files::{self, Readers};
use crate::process::ProcessId;

/// An existing cluster folder, by its absolute path.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
}

/// Held while processes are started or stopped, so that two commands don't undo each other.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Folder {
    /// Makes the folder at `dir` and its subfolders where missing.
    pub(crate) fn create(dir: &Path) -> Result<Self, Error> {
        for sub in ["config", "data", "logs", "pids"] {
            let path = dir.join(sub);
            fs::create_dir_all(&path).map_err(Error::file("create", path))?;
        }
        let root = fs::canonicalize(dir).map_err(Error::file("resolve", dir))?;
        Ok(Self { root })
    }

    /// The cluster in `dir`.
    pub(crate) fn open(dir: &Path) -> Result<(Self, Topology), Error> {
        let missing = || Error::NoCluster {
            dir: dir.to_owned(),
        };
        let root = fs::canonicalize(dir).map_err(|_| missing())?;
        let folder = Self { root };
        let topology = folder.topology()?.ok_or_else(missing)?;
        Ok((folder, topology))
    }

    /// The topology, if the cluster was made already.
    pub(crate) fn topology(&self) -> Result<Option<Topology>, Error> {
        let path = self.topology_file();
        if !path.exists() {
            return Ok(None);
        }
        toml::from_str(&files::read(&path)?)
            .map(Some)
            .map_err(|e| Error::Damaged {
                path,
                why: e.to_string(),
            })
    }

    /// Waits until no other command starts or stops processes here.
    pub(crate) fn lock(&self) -> Result<Lock, Error> {
        let path = self.root.join("lock");
        let file = File::create(&path).map_err(Error::file("create", &path))?;
        file.lock().map_err(Error::file("lock", &path))?;
        Ok(Lock { _file: file })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn topology_file(&self) -> PathBuf {
        self.root.join("cluster.toml")
    }

    pub(crate) fn credentials_file(&self) -> PathBuf {
        self.root.join("credentials.toml")
    }

    /// The cluster's key ring.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.root.join("cluster.keys")
    }

    /// The gateways' keys for SSE-KMS.
    pub(crate) fn kms_file(&self) -> PathBuf {
        self.root.join("kms.toml")
    }

    pub(crate) fn environment_file(&self) -> PathBuf {
        self.root.join("env")
    }

    /// What is wrong with a node's disks, by `riquet dev disk`.
    pub(crate) fn disk_fault_file(&self, name: &str) -> PathBuf {
        self.data_dir(name).join("disk-fault")
    }

    pub(crate) fn partition_file(&self) -> PathBuf {
        self.root.join("partition")
    }

    pub(crate) fn config_file(&self, name: &str) -> PathBuf {
        self.root.join("config").join(format!("{name}.toml"))
    }

    pub(crate) fn data_dir(&self, name: &str) -> PathBuf {
        self.root.join("data").join(name)
    }

    pub(crate) fn log_file(&self, name: &str) -> PathBuf {
        self.root.join("logs").join(format!("{name}.log"))
    }

    pub(crate) fn pid_file(&self, name: &str) -> PathBuf {
        self.root.join("pids").join(name)
    }

    /// Notes that the process `name` runs as `pid`.
    pub(crate) fn write_pid(&self, name: &str, pid: i32) -> Result<(), Error> {
        // Prepared beside `pids`, whose every file is a process.
        let next = self.root.join(format!(".{name}.pid"));
        files::replace(&next, &format!("{pid}\n"), Readers::Anyone)?;
        let path = self.pid_file(name);
        fs::rename(&next, &path).map_err(Error::file("write", path))
    }

    /// The running process `name`. A stale note of it is removed.
    pub(crate) fn running(&self, name: &str) -> Result<Option<ProcessId>, Error> {
        let path = self.pid_file(name);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::file("read", path)(e)),
        };
        let id = text
            .trim()
            .parse()
            .ok()
            .and_then(|pid| ProcessId::verified(pid, &self.config_file(name)));
        if id.is_none() {
            self.remove_pid(name)?;
        }
        Ok(id)
    }

    /// Forgets the process `name`.
    pub(crate) fn remove_pid(&self, name: &str) -> Result<(), Error> {
        let path = self.pid_file(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::file("remove", path)(e)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_and_foreign_pids_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(dir.path()).unwrap();
        // This test's own process runs, but was not started with that configuration.
        for text in [
            std::process::id().to_string(),
            "not a number".into(),
            "1".into(),
        ] {
            fs::write(folder.pid_file("toulouse-1"), text).unwrap();
            assert_eq!(folder.running("toulouse-1").unwrap(), None);
            assert!(!folder.pid_file("toulouse-1").exists());
        }
    }

    #[test]
    fn a_folder_without_a_cluster_says_how_to_make_one() {
        let dir = tempfile::tempdir().unwrap();
        let error = Folder::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("riquet dev up"), "{error}");
        Folder::create(dir.path()).unwrap();
        let folder = Folder::create(dir.path()).unwrap();
        fs::write(folder.topology_file(), "members = 3").unwrap();
        assert!(matches!(
            Folder::open(dir.path()),
            Err(Error::Damaged { .. })
        ));
    }
}
