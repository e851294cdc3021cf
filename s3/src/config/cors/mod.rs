//! `CORSConfiguration`: which pages of other origins may have a browser use a bucket.

mod answer;

use bytes::Bytes;
use http::{HeaderName, Method};

pub use answer::{CorsAnswer, CorsRequest, VARY, not_enabled};

use super::ID_CHARACTERS_MAX;
use crate::error::{Error, ErrorCode, Result};
use crate::xml::read::{Element, malformed};
use crate::xml::write::XmlWriter;

/// The most rules of a bucket.
pub const CORS_RULES_MAX: usize = 100;

/// The largest document, as AWS documents it. It bounds what matching may cost.
pub const CORS_BYTES_MAX: usize = 64 * 1024;

/// The methods a rule may allow.
const METHODS: [Method; 5] = [
    Method::GET,
    Method::PUT,
    Method::HEAD,
    Method::POST,
    Method::DELETE,
];

/// The rules of a bucket; the first that matches a request answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsConfiguration {
    rules: Vec<CorsRule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsRule {
    /// Its name.
    pub id: Option<String>,
    /// The origins, at least one.
    pub allowed_origins: Vec<Pattern>,
    /// The methods, at least one.
    pub allowed_methods: Vec<Method>,
    /// The request headers.
    pub allowed_headers: Vec<Pattern>,
    /// The response headers that scripts may read.
    pub expose_headers: Vec<String>,
    /// How long a browser may remember the answer to a preflight request.
    pub max_age_seconds: Option<u32>,
}

/// Text with at most one `*`, which stands for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    fn parse(text: &str, element: &'static str) -> Result<Self> {
        if text.bytes().filter(|byte| *byte == b'*').count() > 1 {
            return Err(invalid(format!(
                "{element} \"{text}\" can not have more than one wildcard."
            )));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches everything.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0 == "*"
    }

    /// Whether it matches, with the case of letters.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.matches_by(text.as_bytes(), <[u8]>::eq)
    }

    /// Whether it matches, whatever the case of ASCII letters.
    #[must_use]
    pub fn matches_ignoring_case(&self, text: &str) -> bool {
        self.matches_by(text.as_bytes(), <[u8]>::eq_ignore_ascii_case)
    }

    fn matches_by(&self, text: &[u8], equal: fn(&[u8], &[u8]) -> bool) -> bool {
        match self.0.split_once('*') {
            None => equal(self.0.as_bytes(), text),
            Some((head, tail)) => {
                let (head, tail) = (head.as_bytes(), tail.as_bytes());
                text.len() >= head.len() + tail.len()
                    && equal(head, &text[..head.len()])
                    && equal(tail, &text[text.len() - tail.len()..])
            }
        }
    }
}

impl CorsConfiguration {
    /// The rules: 1 to [`CORS_RULES_MAX`].
    #[must_use]
    pub fn rules(&self) -> &[CorsRule] {
        &self.rules
    }

    /// Reads a `CORSConfiguration`.
    ///
    /// # Errors
    /// `MalformedXML`; `InvalidRequest` for an unknown method, a second wildcard, a wildcard in a
    /// header to expose, or too many rules.
    pub fn parse(body: &[u8]) -> Result<Self> {
        if body.len() > CORS_BYTES_MAX {
            return Err(malformed());
        }
        let root = Element::parse(body, "CORSConfiguration")?;
        let elements = root.only(&["CORSRule"])?.all("CORSRule");
        let rules: Vec<_> = elements.map(CorsRule::parse).collect::<Result<_>>()?;
        match rules.len() {
            0 => Err(malformed()),
            1..=CORS_RULES_MAX => Ok(Self { rules }),
            _ => Err(invalid(
                "The number of CORS rules should not exceed allowed limit of 100 rules.",
            )),
        }
    }

    /// The document.
    #[must_use]
    pub fn to_xml(&self) -> Bytes {
        XmlWriter::document("CORSConfiguration", |writer| {
            for rule in &self.rules {
                writer.element("CORSRule", |writer| rule.write(writer));
            }
        })
    }
}

impl CorsRule {
    fn parse(rule: &Element) -> Result<Self> {
        rule.only(&[
            "ID",
            "AllowedOrigin",
            "AllowedMethod",
            "AllowedHeader",
            "ExposeHeader",
            "MaxAgeSeconds",
        ])?;
        let id = rule.optional_text("ID")?;
        if id.is_some_and(|id| id.chars().count() > ID_CHARACTERS_MAX) {
            return Err(invalid("ID length should not exceed allowed limit of 255"));
        }
        let parsed = Self {
            id: id.filter(|id| !id.is_empty()).map(str::to_owned),
            allowed_origins: each(rule, "AllowedOrigin", |text| {
                Pattern::parse(text, "AllowedOrigin")
            })?,
            allowed_methods: each(rule, "AllowedMethod", method)?,
            allowed_headers: each(rule, "AllowedHeader", |text| {
                Pattern::parse(text, "AllowedHeader")
            })?,
            expose_headers: each(rule, "ExposeHeader", exposed)?,
            max_age_seconds: rule.optional_number("MaxAgeSeconds")?,
        };
        if parsed.allowed_origins.is_empty() || parsed.allowed_methods.is_empty() {
            return Err(malformed());
        }
        Ok(parsed)
    }

    fn write(&self, writer: &mut XmlWriter) {
        writer.optional("ID", self.id.as_deref());
        for origin in &self.allowed_origins {
            writer.text("AllowedOrigin", origin.as_str());
        }
        for method in &self.allowed_methods {
            writer.text("AllowedMethod", method.as_str());
        }
        for header in &self.allowed_headers {
            writer.text("AllowedHeader", header.as_str());
        }
        for header in &self.expose_headers {
            writer.text("ExposeHeader", header);
        }
        if let Some(seconds) = self.max_age_seconds {
            writer.value("MaxAgeSeconds", seconds);
        }
    }
}

/// Reads every child of a name.
fn each<T>(rule: &Element, name: &str, read: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
    rule.all(name)
        .map(|element| read(element.leaf()?.trim()))
        .collect()
}

fn method(text: &str) -> Result<Method> {
    METHODS
        .into_iter()
        .find(|method| method.as_str() == text)
        .ok_or_else(|| {
            invalid(format!(
                "Found unsupported HTTP method in CORS config. Unsupported method is {text}"
            ))
        })
}

/// Keeps the name as it was written, for so it is answered.
fn exposed(text: &str) -> Result<String> {
    if text.contains('*') {
        return Err(invalid(format!(
            "ExposeHeader \"{text}\" contains wildcard. We currently do not support wildcard for \
             ExposeHeader."
        )));
    }
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(invalid(format!(
            "ExposeHeader \"{text}\" is not a header's name."
        ))),
    }
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::InvalidRequest).message(message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINIMAL: &str = "<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>";

    fn parse(rules: &[&str]) -> Result<CorsConfiguration> {
        let rules: String = rules
            .iter()
            .map(|rule| format!("<CORSRule>{rule}</CORSRule>"))
            .collect();
        CorsConfiguration::parse(
            format!("<CORSConfiguration>{rules}</CORSConfiguration>").as_bytes(),
        )
    }

    #[test]
    fn rules_are_read_and_written() {
        let full = "<ID>one</ID><AllowedOrigin>http://*.example.com</AllowedOrigin>\
             <AllowedOrigin>https://b</AllowedOrigin><AllowedMethod>PUT</AllowedMethod>\
             <AllowedMethod>DELETE</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader>\
             <ExposeHeader>x-amz-request-id</ExposeHeader><MaxAgeSeconds>3000</MaxAgeSeconds>";
        let configuration = parse(&[full, MINIMAL]).unwrap();
        assert_eq!(configuration.rules()[0].max_age_seconds, Some(3000));
        assert_eq!(
            configuration.rules()[0].allowed_methods,
            [Method::PUT, Method::DELETE]
        );
        let written = String::from_utf8(configuration.to_xml().to_vec()).unwrap();
        assert!(written.contains(full), "{written}");
        assert_eq!(
            CorsConfiguration::parse(written.as_bytes()).unwrap(),
            configuration
        );
    }

    #[test]
    fn bad_rules_are_refused() {
        let with = |more: &str| parse(&[&format!("{MINIMAL}{more}")]).unwrap_err().code();
        for more in [
            "<AllowedMethod>OPTIONS</AllowedMethod>",
            "<AllowedMethod>get</AllowedMethod>",
            "<AllowedOrigin>*.a.*</AllowedOrigin>",
            "<AllowedHeader>**</AllowedHeader>",
            "<ExposeHeader>*</ExposeHeader>",
            "<ExposeHeader>a\r\nb: c</ExposeHeader>",
            &format!("<ID>{}</ID>", "i".repeat(256)),
        ] {
            assert_eq!(with(more), ErrorCode::InvalidRequest, "{more}");
        }
        for more in ["<MaxAgeSeconds>-1</MaxAgeSeconds>", "<Other/>"] {
            assert_eq!(with(more), ErrorCode::MalformedXML, "{more}");
        }
        assert!(parse(&[MINIMAL; CORS_RULES_MAX]).is_ok());
        let code = |rules: &[&str]| parse(rules).unwrap_err().code();
        assert_eq!(
            code(&[MINIMAL; CORS_RULES_MAX + 1]),
            ErrorCode::InvalidRequest
        );
        assert_eq!(code(&[]), ErrorCode::MalformedXML);
        assert_eq!(
            code(&["<AllowedMethod>GET</AllowedMethod>"]),
            ErrorCode::MalformedXML
        );
        assert_eq!(
            code(&["<AllowedOrigin>*</AllowedOrigin>"]),
            ErrorCode::MalformedXML
        );
        let large = " ".repeat(CORS_BYTES_MAX);
        assert_eq!(code(&[MINIMAL, &large]), ErrorCode::MalformedXML);
    }

    proptest! {
        /// A pattern matches what is made from it by filling in the star.
        #[test]
        fn patterns_match_what_fills_them(head in "[a-cé]{0,4}", fill in "[a-cé]{0,4}", tail in "[a-c]{0,4}") {
            let pattern = Pattern::parse(&format!("{head}*{tail}"), "AllowedOrigin").unwrap();
            let filled = format!("{head}{fill}{tail}");
            prop_assert!(pattern.matches(&filled));
            prop_assert!(pattern.matches_ignoring_case(&filled.to_ascii_uppercase()));
            let longer = format!("{filled}-");
            prop_assert_eq!(pattern.matches(&longer), tail.is_empty());
        }
    }
}
