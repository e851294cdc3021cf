//! What a request for a page is answered with.

use http::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    HostName, KeyReplacement, Pages, Protocol, Redirect, RoutingRule, WebsiteConfiguration,
};

/// What stays as it is in the path of a URL.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// A request for a page.
#[derive(Debug, Clone, Copy)]
pub struct WebsiteRequest<'a> {
    /// The protocol it came with.
    pub protocol: Protocol,
    /// The host it was sent to, as its `Host` header says.
    pub host: &'a str,
    /// The key: the path without the slash at its beginning.
    pub key: &'a str,
}

/// What a request is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebsiteDecision {
    /// A redirect.
    Redirect {
        /// Its status.
        status: StatusCode,
        /// Its `Location`.
        location: String,
    },
    /// The object with this key; after an error, with the status of the error.
    Document(String),
    /// The error as it is.
    Error,
}

impl WebsiteConfiguration {
    /// What to do with a request before any object is looked for.
    #[must_use]
    pub fn before(&self, request: &WebsiteRequest<'_>) -> WebsiteDecision {
        match self {
            Self::RedirectAll { host, protocol } => WebsiteDecision::Redirect {
                status: StatusCode::MOVED_PERMANENTLY,
                location: location(request, *protocol, Some(host), request.key),
            },
            Self::Pages(pages) => pages
                .redirect(request, None)
                .unwrap_or_else(|| WebsiteDecision::Document(pages.document_key(request.key))),
        }
    }

    /// What to do when that came to an error.
    #[must_use]
    pub fn after_error(&self, request: &WebsiteRequest<'_>, error: StatusCode) -> WebsiteDecision {
        let Self::Pages(pages) = self else {
            return WebsiteDecision::Error;
        };
        if let Some(redirect) = pages.redirect(request, Some(error)) {
            return redirect;
        }
        match &pages.error_key {
            Some(key) if error.is_client_error() => WebsiteDecision::Document(key.clone()),
            _ => WebsiteDecision::Error,
        }
    }

    /// What to do when there is no object with the key, but one for the folder of that name, whose
    /// key is [`Pages::folder_key`].
    #[must_use]
    pub fn to_folder(request: &WebsiteRequest<'_>) -> WebsiteDecision {
        let path = utf8_percent_encode(request.key, PATH);
        WebsiteDecision::Redirect {
            status: StatusCode::FOUND,
            location: format!("/{path}/"),
        }
    }
}

impl Pages {
    /// The key of the object that is shown for a key: a folder's is its index.
    #[must_use]
    pub fn document_key(&self, key: &str) -> String {
        if key.is_empty() || key.ends_with('/') {
            format!("{key}{}", self.index_suffix)
        } else {
            key.to_owned()
        }
    }

    /// The key of the object that is shown for the folder named by a key without a slash at its
    /// end.
    #[must_use]
    pub fn folder_key(&self, key: &str) -> String {
        format!("{key}/{}", self.index_suffix)
    }

    fn redirect(
        &self,
        request: &WebsiteRequest<'_>,
        error: Option<StatusCode>,
    ) -> Option<WebsiteDecision> {
        let mut rules = self.routing_rules.iter();
        rules
            .find(|rule| rule.condition.holds(request.key, error))
            .map(|rule| rule.apply(request))
    }
}

impl RoutingRule {
    fn apply(&self, request: &WebsiteRequest<'_>) -> WebsiteDecision {
        let Redirect {
            protocol,
            host,
            key,
            status,
        } = &self.redirect;
        let key = match key {
            KeyReplacement::Keep => request.key.to_owned(),
            KeyReplacement::Whole(key) => key.clone(),
            KeyReplacement::Prefix(new) => {
                let old = self.condition.key_prefix.as_deref().unwrap_or_default();
                let rest = request.key.strip_prefix(old).unwrap_or(request.key);
                format!("{new}{rest}")
            }
        };
        WebsiteDecision::Redirect {
            status: status.unwrap_or(StatusCode::MOVED_PERMANENTLY),
            location: location(request, *protocol, host.as_ref(), &key),
        }
    }
}

/// The URL of a key; what isn't given is as in the request.
fn location(
    request: &WebsiteRequest<'_>,
    protocol: Option<Protocol>,
    host: Option<&HostName>,
    key: &str,
) -> String {
    let protocol = protocol.unwrap_or(request.protocol).as_str();
    let host = host.map_or(request.host, HostName::as_str);
    format!("{protocol}://{host}/{}", utf8_percent_encode(key, PATH))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(key: &str) -> WebsiteRequest<'_> {
        WebsiteRequest {
            protocol: Protocol::Http,
            host: "site.test",
            key,
        }
    }

    fn parse(inner: &str) -> WebsiteConfiguration {
        let document = format!("<WebsiteConfiguration>{inner}</WebsiteConfiguration>");
        WebsiteConfiguration::parse(document.as_bytes()).unwrap()
    }

    fn pages() -> WebsiteConfiguration {
        parse(
            "<IndexDocument><Suffix>i.html</Suffix></IndexDocument><ErrorDocument><Key>e.html\
             </Key></ErrorDocument><RoutingRules><RoutingRule><Condition><KeyPrefixEquals>docs/\
             </KeyPrefixEquals></Condition><Redirect><ReplaceKeyPrefixWith>d/\
             </ReplaceKeyPrefixWith></Redirect></RoutingRule><RoutingRule><Condition>\
             <HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition><Redirect>\
             <Protocol>https</Protocol><HostName>other.test</HostName><HttpRedirectCode>302\
             </HttpRedirectCode></Redirect></RoutingRule></RoutingRules>",
        )
    }

    fn redirect(status: u16, location: &str) -> WebsiteDecision {
        WebsiteDecision::Redirect {
            status: StatusCode::from_u16(status).unwrap(),
            location: location.to_owned(),
        }
    }

    #[test]
    fn keys_are_documents_folders_or_redirects() {
        let document = |key: &str| WebsiteDecision::Document(key.to_owned());
        for (key, expected) in [
            ("", document("i.html")),
            ("a/", document("a/i.html")),
            ("a", document("a")),
            ("docs/x y", redirect(301, "http://site.test/d/x%20y")),
        ] {
            assert_eq!(pages().before(&request(key)), expected, "{key}");
        }
        let folder = WebsiteConfiguration::to_folder(&request("a é"));
        assert_eq!(folder, redirect(302, "/a%20%C3%A9/"));
    }

    #[test]
    fn errors_are_redirected_or_shown() {
        let after =
            |status: u16| pages().after_error(&request("x"), StatusCode::from_u16(status).unwrap());
        assert_eq!(after(404), redirect(302, "https://other.test/x"));
        assert_eq!(after(403), WebsiteDecision::Document("e.html".to_owned()));
        assert_eq!(after(503), WebsiteDecision::Error);
    }

    #[test]
    fn everything_can_go_elsewhere() {
        let all =
            parse("<RedirectAllRequestsTo><HostName>other.test</HostName></RedirectAllRequestsTo>");
        assert_eq!(
            all.before(&request("a")),
            redirect(301, "http://other.test/a")
        );
        let error = all.after_error(&request("a"), StatusCode::NOT_FOUND);
        assert_eq!(error, WebsiteDecision::Error);
    }

    proptest! {
        /// No key breaks out of the header or the host it is put behind.
        #[test]
        fn locations_are_headers(key in "\\PC{0,20}|[\\x00-\\x7f]{0,20}") {
            for decision in [
                pages().after_error(&request(&key), StatusCode::NOT_FOUND),
                WebsiteConfiguration::to_folder(&request(&key)),
            ] {
                let WebsiteDecision::Redirect { location, .. } = decision else {
                    panic!("{decision:?}")
                };
                prop_assert!(location.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
