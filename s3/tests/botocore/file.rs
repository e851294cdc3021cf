//! `docs/s3-compatibility.toml`: what is served of each operation, and which test shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use libtest_mimic::Failed;
use riquet_s3::operation::Status;
use serde::Deserialize;

/// Tests, each with the parameters that it shows.
pub(crate) type Tests = BTreeMap<String, BTreeSet<String>>;

/// The file.
#[derive(Debug, Deserialize)]
pub(crate) struct File {
    /// Parameters that are served alike by every operation that has them.
    pub(crate) everywhere: Tests,
    /// The operations by name.
    #[serde(flatten)]
    pub(crate) operations: BTreeMap<String, Entry>,
}

/// An operation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Entry {
    pub(crate) status: Answer,
    /// The operation whose requests these are.
    pub(crate) same_request_as: Option<String>,
    /// Parameters that are answered with `NotImplemented`.
    #[serde(default)]
    pub(crate) refused: BTreeSet<String>,
    #[serde(default)]
    pub(crate) tests: Tests,
}

/// A status, as the file writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    Implemented,
    NotImplemented,
    SameRequestAs,
    OtherEndpoint,
}

impl File {
    /// Reads the file.
    pub(crate) fn read() -> Result<Self, Failed> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/s3-compatibility.toml");
        Ok(toml::from_str(&std::fs::read_to_string(path)?)?)
    }

    /// Every parameter of `[everywhere]`.
    pub(crate) fn served_everywhere(&self) -> BTreeSet<&str> {
        names(&self.everywhere)
    }
}

impl Entry {
    /// The parameters that some test of its own shows.
    pub(crate) fn served(&self) -> BTreeSet<&str> {
        names(&self.tests)
    }

    /// Whether the status is that of a row of the table.
    pub(crate) fn agrees(&self, status: Status) -> bool {
        let expected = match status {
            Status::Implemented => (Answer::Implemented, None),
            Status::NotImplemented => (Answer::NotImplemented, None),
            Status::SameRequestAs(other) => (Answer::SameRequestAs, Some(other)),
            Status::OtherEndpoint => (Answer::OtherEndpoint, None),
        };
        (self.status, self.same_request_as.as_deref()) == expected
    }
}

fn names(tests: &Tests) -> BTreeSet<&str> {
    tests.values().flatten().map(String::as_str).collect()
}
