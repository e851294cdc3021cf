//! Where the programs under test, the Python environment and the scripts are.

use std::path::{Path, PathBuf};

/// The folder cargo builds into.
fn target() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies in the workspace");
    match std::env::var_os("CARGO_TARGET_DIR") {
        // A relative folder is relative to where cargo was called: the workspace's root.
        Some(folder) => workspace.join(folder),
        None => workspace.join("target"),
    }
}

/// The program `name` of this workspace: from `RIQUET_BIN_DIR`, else cargo's release folder.
pub fn binary(name: &str) -> PathBuf {
    match std::env::var_os("RIQUET_BIN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => target().join("release"),
    }
    .join(name)
}

/// The Python virtual environment with boto3 and the clients written in Python: `RIQUET_VENV`,
/// else `venv` in cargo's folder.
pub fn venv() -> PathBuf {
    match std::env::var_os("RIQUET_VENV") {
        Some(folder) => PathBuf::from(folder),
        None => target().join("venv"),
    }
}

/// One of the Python virtual environments that `make setup` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Venv {
    /// The newest boto3, and the clients that are programs.
    Clients,
    /// Libraries for data, which want a botocore of their own.
    Data,
    /// A boto3 from before checksums were sent without being asked for.
    OldBoto3,
}

impl Venv {
    /// Its folder: beside [`venv`], with the name continued.
    pub fn folder(self) -> PathBuf {
        let mut folder = venv().into_os_string();
        folder.push(match self {
            Self::Clients => "",
            Self::Data => "-data",
            Self::OldBoto3 => "-old-boto3",
        });
        folder.into()
    }

    /// Its Python.
    pub fn python(self) -> PathBuf {
        self.folder().join("bin/python")
    }
}

/// The folder of the packages for Node.js: `node` beside [`venv`].
pub fn node_modules() -> PathBuf {
    venv().with_file_name("node").join("node_modules")
}

/// The folder of the test scripts in Python.
pub fn python_tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}

/// The folder of the test scripts for Node.js.
pub fn node_tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("node")
}

/// The program `name` in the virtual environment, among the tools that `make setup` keeps, or on `PATH`.
pub fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    [venv().join("bin"), target().join("tools/bin")]
        .into_iter()
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
