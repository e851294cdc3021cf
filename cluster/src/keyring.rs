//! The cluster's keys: what is stored encrypted (secrets of access keys, keys of encrypted objects,
//! session tokens) is sealed under the first of them.
//!
//! A ring is a TOML file that every gateway has. Its first key seals; all of them open, so that a
//! new key is put in front, and an old one goes when nothing is sealed under it any more:
//!
//! ```toml
//! [[keys]]
//! id = "2026-11"
//! key = "64 hexadecimal digits"
//! ```
//!
//! Sealing is AES-256-GCM with a random nonce. So that no key seals more than the 2^32 messages
//! that random nonces allow (NIST SP 800-38D, 8.3), what is sealed are keys and secrets, never data.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

/// Length of a key, bytes.
pub const KEY_BYTES: usize = 32;

/// Why a ring can't be used, or something sealed not be opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// The file can't be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file isn't a ring. What it holds is never shown.
    #[error("{path} is not a key ring: {why}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It was sealed under a key that the ring doesn't have.
    #[error("the key ring has no key named {0}")]
    UnknownKey(String),
    /// It isn't what was sealed, or was sealed for another purpose.
    #[error("what is sealed does not open")]
    Broken,
}

/// Something sealed.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Sealed {
    /// The id of the key that opens it.
    #[n(0)]
    pub key: String,
    /// The nonce, 12 bytes.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub nonce: [u8; 12],
    /// The ciphertext, and its tag of 16 bytes.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub text: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// The keys of a cluster. There is always one.
pub struct KeyRing {
    keys: Vec<(String, RandomizedNonceKey)>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.keys.iter().map(|(id, _)| id);
        f.debug_list().entries(ids).finish()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    keys: Vec<FileKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileKey {
    id: String,
    key: String,
}

impl Drop for FileKey {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl KeyRing {
    /// Reads a ring from its file.
    ///
    /// # Errors
    /// When the file can't be read or isn't a ring.
    pub fn load(path: &Path) -> Result<Self, KeyRingError> {
        let text = std::fs::read_to_string(path).map(Zeroizing::new);
        let text = text.map_err(|source| KeyRingError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text).map_err(|why| KeyRingError::Malformed {
            path: path.to_owned(),
            why,
        })
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        // The parser's own message would quote the line, and with it a key.
        let file: File = toml::from_str(text).map_err(|_| "it has other content")?;
        let mut ids = BTreeSet::new();
        let mut keys = Vec::with_capacity(file.keys.len());
        for entry in &file.keys {
            if entry.id.is_empty() || !ids.insert(&entry.id) {
                return Err("an id is empty or used twice");
            }
            let mut key = Zeroizing::new([0; KEY_BYTES]);
            hex::decode_to_slice(&entry.key, key.as_mut_slice())
                .map_err(|_| "a key isn't 64 hexadecimal digits")?;
            let key = RandomizedNonceKey::new(&AES_256_GCM, key.as_slice());
            keys.push((entry.id.clone(), key.expect("of the cipher's length")));
        }
        if keys.is_empty() {
            return Err("it has no key");
        }
        Ok(Self { keys })
    }

    /// The file of a ring with one fresh random key.
    ///
    /// # Panics
    /// When the system has no randomness to give.
    #[must_use]
    pub fn fresh_file(id: &str) -> Zeroizing<String> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        aws_lc_rs::rand::fill(key.as_mut_slice()).expect("the system gives randomness");
        let file = File {
            keys: vec![FileKey {
                id: id.to_owned(),
                key: hex::encode(key.as_slice()),
            }],
        };
        Zeroizing::new(toml::to_string(&file).expect("strings are always TOML"))
    }

    /// Seals a short secret for a purpose: only the same `context` opens it, so that nothing sealed
    /// can be put in the place of something else.
    ///
    /// # Panics
    /// When the system has no randomness to give.
    #[must_use]
    pub fn seal(&self, context: &[u8], secret: &[u8]) -> Sealed {
        let (id, key) = self.keys.first().expect("a ring has a key");
        let mut text = secret.to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(context), &mut text)
            .expect("a short text and randomness");
        Sealed {
            key: id.clone(),
            nonce: *nonce.as_ref(),
            text,
        }
    }

    /// Opens what was sealed for `context`.
    ///
    /// # Errors
    /// [`KeyRingError::UnknownKey`], [`KeyRingError::Broken`].
    pub fn open(
        &self,
        context: &[u8],
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, KeyRingError> {
        let (_, key) = self
            .keys
            .iter()
            .find(|(id, _)| *id == sealed.key)
            .ok_or_else(|| KeyRingError::UnknownKey(sealed.key.clone()))?;
        let mut text = Zeroizing::new(sealed.text.clone());
        let nonce = Nonce::from(&sealed.nonce);
        let length = key
            .open_in_place(nonce, Aad::from(context), &mut text)
            .map_err(|_| KeyRingError::Broken)?
            .len();
        text.truncate(length);
        Ok(text)
    }

    /// Whether something is sealed under the key that seals now.
    #[must_use]
    pub fn is_current(&self, sealed: &Sealed) -> bool {
        self.keys.first().is_some_and(|(id, _)| *id == sealed.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(texts: &[&str]) -> KeyRing {
        KeyRing::parse(&texts.concat()).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_for_its_purpose_only() {
        let ring = ring(&[&KeyRing::fresh_file("a")]);
        let sealed = ring.seal(b"purpose", b"secret");
        assert_eq!(
            ring.open(b"purpose", &sealed).unwrap().as_slice(),
            b"secret"
        );
        assert_ne!(ring.seal(b"purpose", b"secret"), sealed, "nonces differ");
        assert!(matches!(
            ring.open(b"other", &sealed),
            Err(KeyRingError::Broken)
        ));
        for position in 0..sealed.text.len() {
            let mut flipped = sealed.clone();
            flipped.text[position] ^= 1;
            assert!(ring.open(b"purpose", &flipped).is_err(), "{position}");
        }
        let text = format!("{sealed:?} {ring:?}");
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn a_new_key_seals_and_old_ones_open() {
        let (old, new) = (KeyRing::fresh_file("old"), KeyRing::fresh_file("new"));
        let before = ring(&[&old]);
        let after = ring(&[&new, &old]);
        let sealed = before.seal(b"p", b"s");
        assert!(before.is_current(&sealed));
        assert!(!after.is_current(&sealed));
        assert_eq!(after.open(b"p", &sealed).unwrap().as_slice(), b"s");
        let again = after.seal(b"p", b"s");
        assert_eq!(again.key, "new");
        assert!(matches!(
            before.open(b"p", &again),
            Err(KeyRingError::UnknownKey(id)) if id == "new"
        ));
    }

    #[test]
    fn other_files_are_refused_without_being_shown() {
        let key = "k".repeat(64);
        let good = hex::encode([7; KEY_BYTES]);
        for text in [
            String::new(),
            "keys = []".to_owned(),
            format!("[[keys]]\nid = 'a'\nkey = '{key}'"),
            format!("[[keys]]\nid = ''\nkey = '{good}'"),
            format!("[[keys]]\nid = 'a'\nkey = '{}'", &good[1..]),
            format!("[[keys]]\nid = 'a'\nkey = '{good}'\n[[keys]]\nid = 'a'\nkey = '{good}'"),
            format!("[[keys]]\nid = 'a'\nkey = '{good}'\nmore = 1"),
        ] {
            let why = KeyRing::parse(&text).expect_err(&text);
            assert!(!why.contains(&key), "{why}");
        }
    }
}
