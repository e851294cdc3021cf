//! What this machine lacks, decided before any trial runs.
//!
//! A trial that needs something missing is built as one that only tells its reason: it is
//! counted as ignored, never as passed, even with `--include-ignored`.

use libtest_mimic::{Completion, Failed, Trial};

use crate::paths::{self, Venv};

/// Something a trial needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A program on `PATH` or in the virtual environment.
    Program(&'static str),
    /// A module of a virtual environment's Python.
    PythonModule(Venv, &'static str),
    /// A package for Node.js, and Node.js.
    NodePackage(&'static str),
    /// FUSE mounts: `/dev/fuse`, and a `fusermount` of either generation.
    Fuse,
    /// The wish for tests of many GiB: `RIQUET_E2E_LARGE=1`.
    Large,
}

impl Need {
    /// Why this machine cannot meet the need, or `None` when it can.
    fn missing(self) -> Option<String> {
        match self {
            Self::Program(name) => paths::which(name)
                .is_none()
                .then(|| format!("{name} is not installed")),
            Self::PythonModule(venv, name) => (!has_python_module(venv, name))
                .then(|| format!("no Python module {name} in {}", venv.folder().display())),
            Self::NodePackage(name) => Self::Program("node").missing().or_else(|| {
                let folder = paths::node_modules();
                (!folder.join(name).is_dir())
                    .then(|| format!("no Node.js package {name} in {}", folder.display()))
            }),
            Self::Fuse => {
                let device = std::fs::OpenOptions::new()
                    .read(true)
                    .write(true)
                    .open("/dev/fuse");
                if let Err(error) = device {
                    Some(format!("cannot open /dev/fuse: {error}"))
                } else if ["fusermount3", "fusermount"]
                    .iter()
                    .all(|name| paths::which(name).is_none())
                {
                    Some("fusermount is not installed".to_owned())
                } else {
                    None
                }
            }
            Self::Large => std::env::var_os("RIQUET_E2E_LARGE")
                .is_none_or(|value| value != "1")
                .then(|| "RIQUET_E2E_LARGE=1 is not set".to_owned()),
        }
    }
}

fn has_python_module(venv: Venv, name: &str) -> bool {
    let Ok(versions) = std::fs::read_dir(venv.folder().join("lib")) else {
        return false;
    };
    versions
        .flatten()
        .any(|version| version.path().join("site-packages").join(name).is_dir())
}

/// Why this machine cannot meet all of `needs`, or `None` when it can.
pub fn reason(needs: &[Need]) -> Option<String> {
    needs.iter().find_map(|need| need.missing())
}

/// A trial that runs `run` when the machine has all `needs`, and is ignored otherwise.
pub fn trial(
    name: impl Into<String>,
    needs: &[Need],
    run: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    match reason(needs) {
        None => Trial::test(name, run),
        Some(reason) => Trial::ignorable_test(name, move || Ok(Completion::ignored_with(&reason))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_a_reason() {
        let absent = Need::Program("no-such-program-anywhere");
        let reason = reason(&[Need::Program("sh"), absent]).unwrap();
        assert!(reason.contains("no-such-program-anywhere"));
        assert_eq!(super::reason(&[Need::Program("sh")]), None);
    }
}
