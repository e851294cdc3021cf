//! Tokens of temporary credentials: all that there is to know of a session, sealed. Nothing is
//! stored, so a session begun at one site is known at the other, and by every gateway at once.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use minicbor::{Decode, Encode};
use riquet_cluster::keyring::{KeyRing, Sealed};
use riquet_metadata::record::IdentityName;
use riquet_s3::{Error as S3Error, ErrorCode};

/// What tokens are sealed for.
const CONTEXT: &[u8] = b"session token";

/// The most characters of a token that is looked at.
const TOKEN_BYTES_MAX: usize = 16 << 10;

/// What a session is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum SessionKind {
    /// A tenant or user with other credentials.
    #[n(0)]
    Same,
    /// A role that somebody became.
    #[n(1)]
    Role,
}

/// What a token says.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Claims {
    /// The access key's id.
    #[n(0)]
    pub(crate) key: String,
    /// Its secret.
    #[n(1)]
    pub(crate) secret: String,
    /// The tenant, user or role that it is of.
    #[n(2)]
    pub(crate) who: IdentityName,
    /// What it is of.
    #[n(3)]
    pub(crate) kind: SessionKind,
    /// The name that a role's session was given.
    #[n(4)]
    pub(crate) session_name: String,
    /// The policies that it is narrowed to.
    #[n(5)]
    pub(crate) policies: Vec<String>,
    /// When it began, ms since 1970.
    #[n(6)]
    pub(crate) issued_ms: u64,
    /// When it ends, ms since 1970.
    #[n(7)]
    pub(crate) expires_ms: u64,
    /// The id of the user or role: another of the same name has another.
    #[n(8)]
    pub(crate) id: String,
    /// The tags that it was given, keys and values.
    #[n(9)]
    pub(crate) tags: Vec<(String, String)>,
}

impl Claims {
    /// Whether the token fits the key that a request names, and its time hasn't passed.
    ///
    /// # Errors
    /// `InvalidToken`, `ExpiredToken`.
    pub(super) fn check(&self, key: &str, now_ms: u64) -> Result<(), S3Error> {
        if self.key != key {
            return Err(ErrorCode::InvalidToken.into());
        }
        match now_ms < self.expires_ms {
            true => Ok(()),
            false => Err(ErrorCode::ExpiredToken.into()),
        }
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("key", &self.key)
            .field("who", &self.who)
            .field("expires_ms", &self.expires_ms)
            .finish_non_exhaustive()
    }
}

/// Seals and opens tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    keys: Arc<KeyRing>,
}

impl Tokens {
    pub(crate) const fn new(keys: Arc<KeyRing>) -> Self {
        Self { keys }
    }

    /// The token that says this.
    pub(crate) fn seal(&self, claims: &Claims) -> String {
        let text = minicbor::to_vec(claims).expect("a Vec takes every write");
        let sealed = self.keys.seal(CONTEXT, &text);
        BASE64.encode(minicbor::to_vec(&sealed).expect("a Vec takes every write"))
    }

    /// What a token says.
    ///
    /// # Errors
    /// `InvalidToken` for what is none of ours.
    pub(crate) fn open(&self, token: &str) -> Result<Claims, S3Error> {
        let claims = || {
            let bytes = BASE64.decode(token).ok()?;
            let sealed: Sealed = minicbor::decode(&bytes).ok()?;
            let text = self.keys.open(CONTEXT, &sealed).ok()?;
            minicbor::decode(&text).ok()
        };
        (token.len() <= TOKEN_BYTES_MAX)
            .then(claims)
            .flatten()
            .ok_or_else(|| ErrorCode::InvalidToken.into())
    }
}

#[cfg(test)]
mod tests {
    use riquet_metadata::record::IdentityKind;

    use super::*;

    fn tokens() -> Tokens {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("ring");
        std::fs::write(&path, KeyRing::fresh_file("k").as_str()).expect("written");
        Tokens::new(Arc::new(KeyRing::load(&path).expect("a ring")))
    }

    #[test]
    fn a_token_says_what_it_was_made_of_to_its_cluster_only() {
        let claims = Claims {
            key: "ASIA".to_owned(),
            secret: "secret".to_owned(),
            who: IdentityName {
                kind: IdentityKind::User,
                tenant: "1".to_owned(),
                name: "ada".to_owned(),
            },
            kind: SessionKind::Same,
            session_name: String::new(),
            policies: vec!["{}".to_owned()],
            issued_ms: 1,
            expires_ms: 2,
            id: "AIDA".to_owned(),
            tags: vec![("team".to_owned(), "blue".to_owned())],
        };
        let (ours, others) = (tokens(), tokens());
        let token = ours.seal(&claims);
        let code = |key: &str, now_ms| claims.check(key, now_ms).map_err(|error| error.code());
        assert_eq!(code("ASIA", 1), Ok(()));
        assert_eq!(code("ASIA", 2), Err(ErrorCode::ExpiredToken));
        assert_eq!(code("ASIB", 1), Err(ErrorCode::InvalidToken));
        assert_eq!(ours.open(&token), Ok(claims));
        for foreign in [others.open(&token), ours.open("AAAA"), ours.open("?")] {
            let error = foreign.expect_err("not of this cluster");
            assert_eq!(error.code(), ErrorCode::InvalidToken);
        }
    }
}
