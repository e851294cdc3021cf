//! The keys of a key service, for SSE-KMS, made once for each cluster.

use std::path::Path;

use serde::Serialize;

use crate::error::Error;
use crate::files::{self, Readers};

/// Their names, of which the first is the default: those that Ceph's suite of S3 tests asks for.
pub(crate) const KMS_KEYS: [&str; 2] = ["testkey-1", "testkey-2"];

#[derive(Serialize)]
struct KmsFile {
    default: &'static str,
    key: [KmsKey; 2],
}

#[derive(Serialize)]
struct KmsKey {
    id: &'static str,
    secrets: [String; 1],
}

/// Makes the file if it is missing.
pub(crate) fn create(path: &Path) -> Result<(), Error> {
    if path.exists() {
        return Ok(());
    }
    let file = KmsFile {
        default: KMS_KEYS[0],
        key: KMS_KEYS.map(|id| KmsKey {
            id,
            secrets: [hex::encode(rand::random::<[u8; 32]>())],
        }),
    };
    let text = toml::to_string(&file).expect("strings are always TOML");
    files::replace(path, &text, Readers::Owner)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn keys_are_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kms.toml");
        create(&path).unwrap();
        let made = fs::read_to_string(&path).unwrap();
        assert!(made.contains(KMS_KEYS[0]) && made.contains(KMS_KEYS[1]));
        create(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), made);
    }
}
