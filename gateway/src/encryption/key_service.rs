//! Key services: what keeps named keys, and seals data keys under them (SSE-KMS).
//!
//! The one there is, [`LocalKeys`], reads its keys from a file:
//!
//! ```toml
//! default = "main"
//!
//! [[key]]
//! id = "main"
//! aliases = ["alias/main"]
//! # Each 64 hexadecimal digits. The first seals, all open.
//! secrets = ["..."]
//! ```

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::envelope;
use crate::data::KEY_BYTES;

/// Keeps keys that never leave it. What is sealed is bound to a context.
pub(crate) trait KeyService: Send + Sync {
    /// Seals `plain` under a key; without one, under the service's default.
    fn seal<'a>(
        &'a self,
        key_id: Option<&'a str>,
        context: &'a [u8],
        plain: &'a [u8],
    ) -> BoxFuture<'a, Result<Sealed, KeyServiceError>>;

    /// Opens what was sealed under a key.
    fn open<'a>(
        &'a self,
        key_id: &'a str,
        context: &'a [u8],
        sealed: &'a [u8],
    ) -> BoxFuture<'a, Result<Zeroizing<Vec<u8>>, KeyServiceError>>;
}

/// What a key service sealed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// The key's name from now on: no alias, as that may be given to another key.
    pub(crate) key_id: String,
    pub(crate) bytes: Vec<u8>,
}

/// Why a key service did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyServiceError {
    /// It has no such key, or no default.
    #[error("the key service has no key {0:?}")]
    NoSuchKey(String),
    /// What it was given was not sealed under that key and context.
    #[error("a sealed key does not open")]
    DoesNotOpen,
}

/// Why a file of keys is refused. Nothing of the file is quoted: it holds secrets.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It can't be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no file of keys.
    #[error("{path}: {why}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// Keys of a file.
pub(crate) struct LocalKeys {
    default: Option<String>,
    keys: HashMap<String, Vec<Secret>>,
    /// Ids by alias.
    aliases: HashMap<String, String>,
}

type Secret = Zeroizing<[u8; KEY_BYTES]>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    default: Option<String>,
    #[serde(default)]
    key: Vec<KeyEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    secrets: Vec<String>,
}

impl LocalKeys {
    /// The keys of a file.
    ///
    /// # Errors
    /// When it can't be read, or isn't such a file.
    pub(crate) fn load(path: &Path) -> Result<Self, KeyFileError> {
        let text = std::fs::read_to_string(path).map_err(|source| KeyFileError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&Zeroizing::new(text)).map_err(|why| KeyFileError::Invalid {
            path: path.to_owned(),
            why,
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: KeyFile = toml::from_str(text)
            // Not the parser's message, which quotes the line.
            .map_err(|error| {
                format!(
                    "unexpected content at {:?}",
                    error.span().unwrap_or_default()
                )
            })?;
        let mut this = Self {
            default: None,
            keys: HashMap::new(),
            aliases: HashMap::new(),
        };
        for entry in file.key {
            let KeyEntry {
                id,
                aliases,
                secrets,
            } = entry;
            let is_name = |name: &str| {
                let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte);
                !name.is_empty() && name.bytes().all(is_plain)
            };
            if !is_name(&id) || id.starts_with("alias/") {
                return Err(format!("{id:?} is no id: letters, digits, -, _ and /"));
            }
            if secrets.is_empty() {
                return Err(format!("key {id} has no secret"));
            }
            let secrets = secrets.iter().map(|secret| {
                let mut bytes = Zeroizing::new([0; KEY_BYTES]);
                hex::decode_to_slice(secret, bytes.as_mut_slice()).ok()?;
                Some(bytes)
            });
            let secrets: Option<Vec<Secret>> = secrets.collect();
            let secrets = secrets
                .ok_or_else(|| format!("a secret of key {id} is not 64 hexadecimal digits"))?;
            for alias in aliases {
                if !is_name(&alias) || !alias.starts_with("alias/") {
                    return Err(format!("{alias:?} is no alias: one begins with alias/"));
                }
                if this.aliases.insert(alias.clone(), id.clone()).is_some() {
                    return Err(format!("{alias} is there twice"));
                }
            }
            if this.keys.insert(id.clone(), secrets).is_some() {
                return Err(format!("key {id} is there twice"));
            }
        }
        if let Some(default) = &file.default {
            this.secrets(default)
                .map_err(|_| format!("there is no key {default}, which is to be the default"))?;
        }
        this.default = file.default;
        Ok(this)
    }

    /// The id or alias in a name, which may be an ARN: `arn:PARTITION:kms:REGION:ACCOUNT:key/ID`.
    fn local_name(name: &str) -> &str {
        let Some(arn) = name.strip_prefix("arn:") else {
            return name;
        };
        let resource = arn.splitn(5, ':').nth(4).unwrap_or(name);
        resource.strip_prefix("key/").unwrap_or(resource)
    }

    fn secrets(&self, name: &str) -> Result<&[Secret], KeyServiceError> {
        let local = Self::local_name(name);
        let id = self.aliases.get(local).map_or(local, String::as_str);
        match self.keys.get(id) {
            Some(secrets) => Ok(secrets),
            None => Err(KeyServiceError::NoSuchKey(name.to_owned())),
        }
    }

    fn seal_now(
        &self,
        key_id: Option<&str>,
        context: &[u8],
        plain: &[u8],
    ) -> Result<Sealed, KeyServiceError> {
        let default = || KeyServiceError::NoSuchKey("(default)".to_owned());
        let name = key_id.or(self.default.as_deref()).ok_or_else(default)?;
        let newest = &self.secrets(name)?[0];
        let key_id = match self.aliases.get(Self::local_name(name)) {
            Some(id) => id.clone(),
            None => name.to_owned(),
        };
        let bytes = envelope::seal(newest, context, plain);
        Ok(Sealed { key_id, bytes })
    }

    fn open_now(
        &self,
        key_id: &str,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyServiceError> {
        self.secrets(key_id)?
            .iter()
            .find_map(|secret| envelope::open(secret, context, sealed))
            .ok_or(KeyServiceError::DoesNotOpen)
    }
}

impl KeyService for LocalKeys {
    fn seal<'a>(
        &'a self,
        key_id: Option<&'a str>,
        context: &'a [u8],
        plain: &'a [u8],
    ) -> BoxFuture<'a, Result<Sealed, KeyServiceError>> {
        ready(self.seal_now(key_id, context, plain)).boxed()
    }

    fn open<'a>(
        &'a self,
        key_id: &'a str,
        context: &'a [u8],
        sealed: &'a [u8],
    ) -> BoxFuture<'a, Result<Zeroizing<Vec<u8>>, KeyServiceError>> {
        ready(self.open_now(key_id, context, sealed)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of one key, with these secrets.
    fn file(secrets: &[u8]) -> String {
        let secrets: Vec<String> = secrets
            .iter()
            .map(|byte| hex::encode([*byte; KEY_BYTES]))
            .collect();
        format!(
            "default = \"alias/main\"\n[[key]]\nid = \"one\"\naliases = [\"alias/main\"]\n\
             secrets = {secrets:?}\n"
        )
    }

    fn keys(secrets: &[u8]) -> LocalKeys {
        LocalKeys::parse(&file(secrets)).expect("a good file")
    }

    #[test]
    fn a_key_has_many_names() {
        let keys = keys(&[1]);
        for (asked, told) in [
            (None, "one"),
            (Some("one"), "one"),
            (Some("alias/main"), "one"),
            (Some("arn:aws:kms:eu:1:alias/main"), "one"),
            (Some("arn:aws:kms:eu:1:key/one"), "arn:aws:kms:eu:1:key/one"),
        ] {
            let sealed = keys.seal_now(asked, b"c", b"secret").expect("a known key");
            assert_eq!(sealed.key_id, told);
            let opened = keys.open_now(&sealed.key_id, b"c", &sealed.bytes);
            assert_eq!(opened.as_deref().map(Vec::as_slice), Ok(&b"secret"[..]));
            let elsewhere = keys.open_now(&sealed.key_id, b"d", &sealed.bytes);
            assert_eq!(elsewhere, Err(KeyServiceError::DoesNotOpen));
        }
        for unknown in ["two", "alias/two", "arn:aws:kms:eu:1:key/two", "arn:", ""] {
            let refused = keys.seal_now(Some(unknown), b"c", b"secret");
            assert_eq!(refused, Err(KeyServiceError::NoSuchKey(unknown.to_owned())));
        }
    }

    #[test]
    fn a_retired_secret_still_opens() {
        let sealed = keys(&[1])
            .seal_now(None, b"c", b"secret")
            .expect("a default");
        assert!(keys(&[2, 1]).open_now("one", b"c", &sealed.bytes).is_ok());
        assert!(keys(&[2]).open_now("one", b"c", &sealed.bytes).is_err());
        let newer = keys(&[2, 1])
            .seal_now(None, b"c", b"secret")
            .expect("a default");
        assert!(keys(&[2]).open_now("one", b"c", &newer.bytes).is_ok());
    }

    #[test]
    fn what_is_no_file_of_keys_is_refused_without_a_quote() {
        let good = file(&[1]);
        let secret = hex::encode([1; KEY_BYTES]);
        for bad in [
            good.replace("id =", "name ="),
            good.replace("default = \"alias/main\"", "default = \"two\""),
            good.replace("id = \"one\"", "id = \"a b\""),
            good.replace("[\"alias/main\"]", "[\"main\"]"),
            good.replace(&secret, &secret[4..]),
            good.replace(&format!("\"{secret}\""), ""),
            format!("{good}[[key]]\nid = \"one\"\nsecrets = [\"{secret}\"]\n"),
            good.replace(']', ""),
        ] {
            let Err(why) = LocalKeys::parse(&bad) else {
                panic!("{bad}")
            };
            assert!(!why.contains(&secret[4..]), "{why}");
        }
        let without_default = good.replace("default = \"alias/main\"", "");
        let keys = LocalKeys::parse(&without_default).expect("a default is not needed");
        assert!(keys.seal_now(None, b"c", b"secret").is_err());
    }
}
