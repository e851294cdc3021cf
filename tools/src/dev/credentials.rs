//! The access keys of a cluster's people, made once for each cluster.

use std::path::Path;

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::files::{self, Readers};

/// Characters of an access key id, as AWS uses them.
pub(crate) const KEY_ID_CHARACTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Characters of a secret: no `/` or `+`, so that it needs no quoting anywhere.
const SECRET_CHARACTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// An access key and its secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
}

/// The keys of all who may use the cluster from the beginning.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Keychain {
    /// The first user's.
    pub(crate) main: Credentials,
    /// The second user's.
    pub(crate) alt: Credentials,
    /// Of a user of another tenant.
    pub(crate) tenant: Credentials,
    /// The default tenant's own.
    pub(crate) iam: Credentials,
    /// A second tenant's own.
    pub(crate) iam_alt: Credentials,
}

impl Keychain {
    /// Those stored at `path`, made and stored there first if it does not exist.
    pub(crate) fn load_or_create(path: &Path) -> Result<Self, Error> {
        if path.exists() {
            return toml::from_str(&files::read(path)?).map_err(|e| Error::Damaged {
                path: path.to_owned(),
                // Not the parser's message, which quotes the line: it may be the secret.
                why: format!("unexpected content at {:?}", e.span().unwrap_or_default()),
            });
        }
        let fresh = Self::random();
        let text = toml::to_string(&fresh).expect("strings are always TOML");
        files::replace(path, &text, Readers::Owner)?;
        Ok(fresh)
    }

    fn random() -> Self {
        Self {
            main: Credentials::random(),
            alt: Credentials::random(),
            tenant: Credentials::random(),
            iam: Credentials::random(),
            iam_alt: Credentials::random(),
        }
    }
}

impl Credentials {
    /// Fresh ones.
    pub(crate) fn random() -> Self {
        Self {
            access_key_id: format!("AKIA{}", random_text(KEY_ID_CHARACTERS, 16)),
            secret_access_key: random_text(SECRET_CHARACTERS, 40),
        }
    }
}

/// `length` characters, each drawn evenly by a cryptographic generator.
pub(crate) fn random_text(characters: &[u8], length: usize) -> String {
    let mut generator = rand::rng();
    (0..length)
        .map(|_| char::from(characters[generator.random_range(0..characters.len())]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_then_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("credentials.toml");
        let first = Keychain::load_or_create(&path).unwrap();
        assert_eq!(first.main.access_key_id.len(), 20);
        assert_eq!(first.main.secret_access_key.len(), 40);
        assert!(first.main != first.alt);
        let again = Keychain::load_or_create(&path).unwrap();
        assert!(first == again);
        let other = Keychain::load_or_create(&dir.path().join("other.toml")).unwrap();
        assert!(first != other);
    }

    #[test]
    fn damage_is_reported_without_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("credentials.toml");
        std::fs::write(&path, "secret_access_key = 'TOPSECRET").unwrap();
        let Err(error) = Keychain::load_or_create(&path) else {
            panic!("it is not TOML");
        };
        assert!(!error.to_string().contains("TOPSECRET"), "{error}");
    }
}
