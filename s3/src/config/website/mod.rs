//! `WebsiteConfiguration`: a bucket served as pages to browsers.

mod decide;
mod routing;

use bytes::Bytes;

pub use decide::{WebsiteDecision, WebsiteRequest};
pub use routing::{Condition, HostName, KeyReplacement, Protocol, Redirect, RoutingRule};

use crate::error::{Error, ErrorCode, Result};
use crate::name::OBJECT_KEY_BYTES_MAX;
use crate::xml::read::{Element, malformed};
use crate::xml::write::XmlWriter;

/// The most routing rules of a bucket.
pub const ROUTING_RULES_MAX: usize = 50;

/// How a bucket answers browsers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebsiteConfiguration {
    /// By sending them elsewhere.
    RedirectAll {
        /// The host.
        host: HostName,
        /// The protocol; without one, that of the request.
        protocol: Option<Protocol>,
    },
    /// With its objects.
    Pages(Pages),
}

/// How a bucket's objects are pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages {
    /// What stands for a folder: the end of the key of its page.
    pub index_suffix: String,
    /// The key of the page that is shown for an error.
    pub error_key: Option<String>,
    /// When to redirect instead; the first that applies does.
    pub routing_rules: Vec<RoutingRule>,
}

impl WebsiteConfiguration {
    /// Reads a `WebsiteConfiguration`.
    ///
    /// # Errors
    /// `MalformedXML`; `InvalidArgument` for a missing or bad index document; `InvalidRequest`
    /// for bad or too many rules.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let root = Element::parse(body, "WebsiteConfiguration")?;
        root.only(&[
            "IndexDocument",
            "ErrorDocument",
            "RedirectAllRequestsTo",
            "RoutingRules",
        ])?;
        let index = root.optional("IndexDocument")?;
        let error = root.optional("ErrorDocument")?;
        let rules = root.optional("RoutingRules")?;
        match root.optional("RedirectAllRequestsTo")? {
            Some(_) if index.is_some() || error.is_some() || rules.is_some() => {
                Err(invalid_request(
                    "RedirectAllRequestsTo cannot be provided in conjunction with other Routing \
                     Rules.",
                ))
            }
            Some(redirect) => {
                redirect.only(&["HostName", "Protocol"])?;
                Ok(Self::RedirectAll {
                    host: HostName::parse(redirect.text_of("HostName")?)?,
                    protocol: Protocol::optional(redirect)?,
                })
            }
            None => Ok(Self::Pages(Pages {
                index_suffix: parse_index(index)?,
                error_key: error.map(parse_error_key).transpose()?,
                routing_rules: rules.map(parse_rules).transpose()?.unwrap_or_default(),
            })),
        }
    }

    /// The document.
    #[must_use]
    pub fn to_xml(&self) -> Bytes {
        XmlWriter::document("WebsiteConfiguration", |writer| match self {
            Self::RedirectAll { host, protocol } => {
                writer.element("RedirectAllRequestsTo", |writer| {
                    writer.text("HostName", host.as_str());
                    writer.optional("Protocol", protocol.map(Protocol::as_str));
                });
            }
            Self::Pages(pages) => pages.write(writer),
        })
    }
}

impl Pages {
    fn write(&self, writer: &mut XmlWriter) {
        writer.element("IndexDocument", |writer| {
            writer.text("Suffix", &self.index_suffix)
        });
        if let Some(key) = &self.error_key {
            writer.element("ErrorDocument", |writer| writer.text("Key", key));
        }
        if !self.routing_rules.is_empty() {
            writer.element("RoutingRules", |writer| {
                for rule in &self.routing_rules {
                    writer.element("RoutingRule", |writer| rule.write(writer));
                }
            });
        }
    }
}

fn parse_index(element: Option<&Element>) -> Result<String> {
    let Some(element) = element else {
        return Err(Error::new(ErrorCode::InvalidArgument).message(
            "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty",
        ));
    };
    let suffix = element.only(&["Suffix"])?.text_of("Suffix")?;
    if suffix.is_empty() || suffix.contains('/') || suffix.len() > OBJECT_KEY_BYTES_MAX {
        return Err(Error::invalid_argument(
            "IndexDocument",
            suffix,
            "The IndexDocument Suffix is not well formed",
        ));
    }
    Ok(suffix.to_owned())
}

fn parse_error_key(element: &Element) -> Result<String> {
    let key = element.only(&["Key"])?.text_of("Key")?;
    if key.is_empty() || key.len() > OBJECT_KEY_BYTES_MAX {
        return Err(Error::invalid_argument(
            "ErrorDocument",
            key,
            "The ErrorDocument Key is not well formed",
        ));
    }
    Ok(key.to_owned())
}

fn parse_rules(element: &Element) -> Result<Vec<RoutingRule>> {
    let rules = element.only(&["RoutingRule"])?.all("RoutingRule");
    let count = rules.clone().count();
    match count {
        0 => Err(malformed()),
        1..=ROUTING_RULES_MAX => rules.map(RoutingRule::parse).collect(),
        _ => Err(invalid_request(format!(
            "{count} routing rules provided, the number of routing rules in a website \
             configuration is limited to {ROUTING_RULES_MAX}."
        ))),
    }
}

fn invalid_request(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::InvalidRequest).message(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(inner: &str) -> Result<WebsiteConfiguration> {
        let name = "WebsiteConfiguration";
        WebsiteConfiguration::parse(format!("<{name}>{inner}</{name}>").as_bytes())
    }

    const INDEX: &str = "<IndexDocument><Suffix>index.html</Suffix></IndexDocument>";

    #[test]
    fn configurations_are_read_and_written() {
        for inner in [
            "<RedirectAllRequestsTo><HostName>example.com</HostName><Protocol>https</Protocol>\
             </RedirectAllRequestsTo>",
            INDEX,
            &format!(
                "{INDEX}<ErrorDocument><Key>e/404.html</Key></ErrorDocument><RoutingRules>\
                 <RoutingRule><Condition><KeyPrefixEquals>docs/</KeyPrefixEquals>\
                 <HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition>\
                 <Redirect><Protocol>https</Protocol><HostName>a.b:80</HostName>\
                 <ReplaceKeyPrefixWith>documents/</ReplaceKeyPrefixWith>\
                 <HttpRedirectCode>302</HttpRedirectCode></Redirect></RoutingRule><RoutingRule>\
                 <Redirect><ReplaceKeyWith>x</ReplaceKeyWith></Redirect></RoutingRule>\
                 </RoutingRules>"
            ),
        ] {
            let configuration = parse(inner).unwrap();
            let written = String::from_utf8(configuration.to_xml().to_vec()).unwrap();
            assert!(written.contains(inner), "{inner} is not in {written}");
        }
    }

    #[test]
    fn bad_configurations_are_refused() {
        let all = "<RedirectAllRequestsTo><HostName>h</HostName></RedirectAllRequestsTo>";
        let rule = "<RoutingRule><Redirect><HostName>h</HostName></Redirect></RoutingRule>";
        let rules = |count| format!("{INDEX}<RoutingRules>{}</RoutingRules>", rule.repeat(count));
        assert!(parse(&rules(ROUTING_RULES_MAX)).is_ok());
        for (inner, code) in [
            (String::new(), ErrorCode::InvalidArgument),
            (INDEX.replace("index", "a/b"), ErrorCode::InvalidArgument),
            (INDEX.replace("index.html", ""), ErrorCode::InvalidArgument),
            (
                format!("{INDEX}<ErrorDocument><Key/></ErrorDocument>"),
                ErrorCode::InvalidArgument,
            ),
            (format!("{INDEX}{all}"), ErrorCode::InvalidRequest),
            (all.replace(">h<", ">h/path<"), ErrorCode::InvalidRequest),
            (
                all.replace("</HostName>", "</HostName><Protocol>ftp</Protocol>"),
                ErrorCode::InvalidRequest,
            ),
            (rules(0), ErrorCode::MalformedXML),
            (rules(ROUTING_RULES_MAX + 1), ErrorCode::InvalidRequest),
        ] {
            assert_eq!(parse(&inner).unwrap_err().code(), code, "{inner}");
        }
    }
}
