//! Which version of the protocols between processes a request is of.
//!
//! Every request names its version; one that names none is of version 1, from before there was a second.
//! A process understands all versions from the oldest that may run beside it during an upgrade to its own.
//! A request of another is refused as a whole, before anything of it is believed, in words that say what to
//! do: within a version, formats only grow, by fields at the end that older readers pass over.

use http::{HeaderMap, HeaderValue};

/// Header: the version of a request.
pub const PROTOCOL_HEADER: &str = "riquet-protocol";

/// The version that this program speaks.
pub const PROTOCOL: u32 = 1;

/// The oldest that it understands.
pub const OLDEST_PROTOCOL: u32 = 1;

/// A request is of a version that is not understood here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this process understands versions {OLDEST_PROTOCOL} to {PROTOCOL} of Riquet's protocols, and the \
     request is of version {0}: upgrade all storage nodes, one after the other, before gateways and tools"
)]
pub struct OtherProtocol(String);

/// Names the version of a request.
pub fn stamp(headers: &mut HeaderMap) {
    headers.insert(PROTOCOL_HEADER, HeaderValue::from(PROTOCOL));
}

/// Refuses a request of a version that is not understood.
///
/// # Errors
/// [`OtherProtocol`], for people.
pub fn check(headers: &HeaderMap) -> Result<(), OtherProtocol> {
    let Some(version) = headers.get(PROTOCOL_HEADER) else {
        return Ok(());
    };
    let text = String::from_utf8_lossy(version.as_bytes());
    match text.parse::<u32>() {
        Ok(OLDEST_PROTOCOL..=PROTOCOL) => Ok(()),
        _ => Err(OtherProtocol(text.into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_versions_are_refused_in_words() {
        let mut headers = HeaderMap::new();
        assert_eq!(check(&headers), Ok(()), "from before there were versions");
        stamp(&mut headers);
        assert_eq!(check(&headers), Ok(()));
        for other in ["0", "2", "x", ""] {
            headers.insert(PROTOCOL_HEADER, HeaderValue::from_static(other));
            let why = check(&headers).unwrap_err().to_string();
            assert!(why.contains("upgrade all storage nodes"), "{why}");
        }
    }
}
