//! From which site a request between processes comes, so that whoever is asked can count what crosses
//! between the sites. Nothing but figures depends on it.

use http::{HeaderMap, HeaderValue};

/// Header: the name of the sender's site.
pub const SITE_HEADER: &str = "riquet-site";

/// A name's bytes, at most: longer ones are passed over.
const MAX_NAME: usize = 64;

/// The header's value for a site; none: its name can't stand in a header.
pub fn value(site: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(site).ok()
}

/// The site that a request names.
pub fn of(headers: &HeaderMap) -> Option<&str> {
    let name = headers.get(SITE_HEADER)?.to_str().ok()?;
    (1..=MAX_NAME).contains(&name.len()).then_some(name)
}
