//! Routing rules: when a request is redirected, and where to.

use http::StatusCode;
use http::uri::Authority;

use super::invalid_request;
use crate::config::named;
use crate::error::Result;
use crate::name::OBJECT_KEY_BYTES_MAX;
use crate::xml::read::{Element, malformed};
use crate::xml::write::XmlWriter;

named! {
    /// The protocol of a redirect.
    Protocol {
        /// Plain.
        Http = "http",
        /// Encrypted.
        Https = "https",
    }
}

/// The host of a redirect, perhaps with a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(Authority);

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutingRule {
    /// When it applies.
    pub condition: Condition,
    /// What it does.
    pub redirect: Redirect,
}

/// What must all hold of a request. Empty, it holds of every one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// The key begins so.
    pub key_prefix: Option<String>,
    /// The answer would be this error.
    pub error: Option<StatusCode>,
}

/// Where a request is redirected to; what is left open is as in the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// The protocol.
    pub protocol: Option<Protocol>,
    /// The host.
    pub host: Option<HostName>,
    /// The key.
    pub key: KeyReplacement,
    /// The status of the answer; without one, 301.
    pub status: Option<StatusCode>,
}

/// What becomes of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyReplacement {
    /// It stays.
    Keep,
    /// The prefix that the condition names becomes this.
    Prefix(String),
    /// It becomes this.
    Whole(String),
}

impl Protocol {
    pub(super) fn optional(element: &Element) -> Result<Option<Self>> {
        let Some(name) = element.optional_text("Protocol")? else {
            return Ok(None);
        };
        let protocol = Self::from_name(name.trim()).ok_or_else(|| {
            invalid_request(
                "Invalid protocol, protocol can be http or https. If not defined the protocol \
                 will be selected automatically.",
            )
        })?;
        Ok(Some(protocol))
    }
}

impl HostName {
    /// Reads a host. It goes into a header, so it must be one.
    pub(super) fn parse(text: &str) -> Result<Self> {
        match text.trim().parse::<Authority>() {
            Ok(host) if !host.host().is_empty() && !host.as_str().contains('@') => Ok(Self(host)),
            _ => Err(invalid_request("The HostName is not well formed")),
        }
    }

    /// The host.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl RoutingRule {
    pub(super) fn parse(element: &Element) -> Result<Self> {
        element.only(&["Condition", "Redirect"])?;
        let condition = element.optional("Condition")?;
        Ok(Self {
            condition: condition
                .map(Condition::parse)
                .transpose()?
                .unwrap_or_default(),
            redirect: Redirect::parse(element.required("Redirect")?)?,
        })
    }

    pub(super) fn write(&self, writer: &mut XmlWriter) {
        if self.condition != Condition::default() {
            writer.element("Condition", |writer| self.condition.write(writer));
        }
        writer.element("Redirect", |writer| self.redirect.write(writer));
    }
}

impl Condition {
    fn parse(element: &Element) -> Result<Self> {
        element.only(&["KeyPrefixEquals", "HttpErrorCodeReturnedEquals"])?;
        let error = element.optional_text("HttpErrorCodeReturnedEquals")?;
        let condition = Self {
            key_prefix: optional_key(element, "KeyPrefixEquals")?,
            error: error.map(error_status).transpose()?,
        };
        if condition == Self::default() {
            return Err(invalid_request(
                "Condition cannot be empty. To redirect all requests without a condition, the \
                 condition element shouldn't be present.",
            ));
        }
        Ok(condition)
    }

    fn write(&self, writer: &mut XmlWriter) {
        writer.optional("KeyPrefixEquals", self.key_prefix.as_deref());
        if let Some(error) = self.error {
            writer.value("HttpErrorCodeReturnedEquals", error.as_u16());
        }
    }

    /// Whether it holds of a key, and of the error it is answered with, if any. A condition
    /// without an error holds before the object is looked for.
    pub(super) fn holds(&self, key: &str, error: Option<StatusCode>) -> bool {
        self.error == error && key.starts_with(self.key_prefix.as_deref().unwrap_or_default())
    }
}

impl Redirect {
    fn parse(element: &Element) -> Result<Self> {
        element.only(&[
            "Protocol",
            "HostName",
            "ReplaceKeyPrefixWith",
            "ReplaceKeyWith",
            "HttpRedirectCode",
        ])?;
        let key = match (
            optional_key(element, "ReplaceKeyPrefixWith")?,
            optional_key(element, "ReplaceKeyWith")?,
        ) {
            (None, None) => KeyReplacement::Keep,
            (Some(prefix), None) => KeyReplacement::Prefix(prefix),
            (None, Some(key)) => KeyReplacement::Whole(key),
            (Some(_), Some(_)) => {
                return Err(invalid_request(
                    "You can only define ReplaceKeyPrefix or ReplaceKey but not both.",
                ));
            }
        };
        let host = element.optional_text("HostName")?;
        let status = element.optional_text("HttpRedirectCode")?;
        let redirect = Self {
            protocol: Protocol::optional(element)?,
            host: host.map(HostName::parse).transpose()?,
            key,
            status: status.map(redirect_status).transpose()?,
        };
        // One that changes nothing would lead a browser in circles.
        let changes_nothing = redirect.protocol.is_none()
            && redirect.host.is_none()
            && redirect.key == KeyReplacement::Keep
            && redirect.status.is_none();
        if changes_nothing {
            return Err(malformed());
        }
        Ok(redirect)
    }

    fn write(&self, writer: &mut XmlWriter) {
        writer.optional("Protocol", self.protocol.map(Protocol::as_str));
        writer.optional("HostName", self.host.as_ref().map(HostName::as_str));
        match &self.key {
            KeyReplacement::Keep => {}
            KeyReplacement::Prefix(prefix) => writer.text("ReplaceKeyPrefixWith", prefix),
            KeyReplacement::Whole(key) => writer.text("ReplaceKeyWith", key),
        }
        if let Some(status) = self.status {
            writer.value("HttpRedirectCode", status.as_u16());
        }
    }
}

fn optional_key(element: &Element, name: &str) -> Result<Option<String>> {
    match element.optional_text(name)? {
        Some(text) if text.len() > OBJECT_KEY_BYTES_MAX => Err(invalid_request(format!(
            "The {name} is longer than any key"
        ))),
        text => Ok(text.map(str::to_owned)),
    }
}

fn error_status(text: &str) -> Result<StatusCode> {
    match text.trim().parse::<StatusCode>() {
        Ok(status) if status.is_client_error() || status.is_server_error() => Ok(status),
        _ => Err(invalid_request(format!(
            "The provided HTTP error code ({text}) is not valid. Valid codes are 4XX or 5XX."
        ))),
    }
}

fn redirect_status(text: &str) -> Result<StatusCode> {
    match text.trim().parse::<StatusCode>() {
        Ok(status) if status.is_redirection() && status != StatusCode::MULTIPLE_CHOICES => {
            Ok(status)
        }
        _ => Err(invalid_request(format!(
            "The provided HTTP redirect code ({text}) is not valid. Valid codes are 3XX except \
             300."
        ))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorCode;

    fn parse(inner: &str) -> Result<RoutingRule> {
        let document = format!("<R>{inner}</R>");
        RoutingRule::parse(&Element::parse(document.as_bytes(), "R")?)
    }

    #[test]
    fn bad_rules_are_refused() {
        let redirect = "<Redirect><HostName>h</HostName></Redirect>";
        for (inner, code) in [
            (String::new(), ErrorCode::MalformedXML),
            ("<Redirect/>".to_owned(), ErrorCode::MalformedXML),
            (format!("<Condition/>{redirect}"), ErrorCode::InvalidRequest),
            (
                "<Redirect><ReplaceKeyWith>a</ReplaceKeyWith><ReplaceKeyPrefixWith>b\
                 </ReplaceKeyPrefixWith></Redirect>"
                    .to_owned(),
                ErrorCode::InvalidRequest,
            ),
            (redirect.replace(">h<", ">a b<"), ErrorCode::InvalidRequest),
            (
                redirect.replace(">h<", ">user@h<"),
                ErrorCode::InvalidRequest,
            ),
            (redirect.replace(">h<", "><"), ErrorCode::InvalidRequest),
        ] {
            assert_eq!(parse(&inner).unwrap_err().code(), code, "{inner}");
        }
        for (status, error_is_legal, redirect_is_legal) in [
            ("399", false, true),
            ("404", true, false),
            ("599", true, false),
            ("600", false, false),
            ("300", false, false),
            ("301", false, true),
            ("x", false, false),
        ] {
            let condition = format!(
                "<Condition><HttpErrorCodeReturnedEquals>{status}</HttpErrorCodeReturnedEquals>\
                 </Condition>{redirect}"
            );
            assert_eq!(parse(&condition).is_ok(), error_is_legal, "{status}");
            let code =
                format!("<Redirect><HttpRedirectCode>{status}</HttpRedirectCode></Redirect>");
            assert_eq!(parse(&code).is_ok(), redirect_is_legal, "{status}");
        }
    }

    proptest! {
        #[test]
        fn hosts_never_panic_and_fit_a_header(text in "[a-c@:/.\\[\\] 0-9\r\né]{0,12}") {
            if let Ok(host) = HostName::parse(&text) {
                prop_assert!(http::HeaderValue::from_str(host.as_str()).is_ok());
            }
        }
    }
}
