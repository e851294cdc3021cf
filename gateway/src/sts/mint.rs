//! Temporary credentials, made.

use riquet_cluster::clock::now_ms;
use riquet_metadata::record::IdentityName;
use riquet_s3::sts::Credentials;

use crate::convert::moment;
use crate::iam::{new_id, new_secret};
use crate::identity::{Claims, SessionKind, Tokens};

/// What a session is to be.
pub(super) struct Session {
    /// The tenant, user or role that it is of.
    pub(super) who: IdentityName,
    /// The id of the same.
    pub(super) id: String,
    pub(super) kind: SessionKind,
    /// Its name, of a role's.
    pub(super) name: String,
    /// What it is narrowed to.
    pub(super) policies: Vec<String>,
    /// Its tags.
    pub(super) tags: Vec<(String, String)>,
}

/// Makes credentials that are good for so long.
pub(super) fn mint(tokens: &Tokens, session: Session, duration_s: u32) -> Credentials {
    let issued_ms = now_ms();
    let claims = Claims {
        key: new_id("ASIA"),
        secret: new_secret().as_str().to_owned(),
        who: session.who,
        kind: session.kind,
        session_name: session.name,
        policies: session.policies,
        issued_ms,
        // To the second, as it is answered.
        expires_ms: issued_ms / 1000 * 1000 + u64::from(duration_s) * 1000,
        id: session.id,
        tags: session.tags,
    };
    Credentials {
        session_token: tokens.seal(&claims),
        expiration: moment(claims.expires_ms),
        access_key_id: claims.key,
        secret_access_key: claims.secret,
    }
}
