//! What the rules answer to a browser: to the preflight request that asks, and to the actual
//! request that follows.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY as VARY_NAME,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{CorsConfiguration, CorsRule, METHODS};
use crate::error::{Error, ErrorCode, Result};

/// The value of `Vary` in every answer with CORS headers, so that no cache gives it to a page of
/// another origin.
pub const VARY: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

/// The most headers that a request may ask for; more are not allowed by any rule.
const REQUEST_HEADERS_MAX: usize = 100;

/// What a browser asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsRequest<'a> {
    /// The page's origin.
    pub origin: &'a str,
    /// The method.
    pub method: Method,
    /// The headers, as they were listed.
    pub headers: Vec<&'a str>,
}

impl<'a> CorsRequest<'a> {
    /// Reads a preflight request: `OPTIONS` with the question in its headers.
    ///
    /// # Errors
    /// `BadRequest` without an origin or a method; `AccessForbidden` for more headers than any
    /// rule could mean.
    pub fn preflight(headers: &'a HeaderMap) -> Result<Self> {
        let bad = |message: String| Error::new(ErrorCode::BadRequest).message(message);
        let origin = text(headers, &ORIGIN).ok_or_else(|| {
            bad("Insufficient information. Origin request header needed.".to_owned())
        })?;
        let asked = text(headers, &ACCESS_CONTROL_REQUEST_METHOD);
        let method = known_method(asked).ok_or_else(|| {
            let asked = asked.unwrap_or("null");
            bad(format!("Invalid Access-Control-Request-Method: {asked}"))
        })?;
        Ok(Self {
            origin,
            method,
            headers: requested_headers(headers)?,
        })
    }

    /// Reads what an actual request asks, if it comes from a page of another origin. Where it
    /// repeats the question of its preflight, that is what the rules are asked.
    #[must_use]
    pub fn actual(method: &Method, headers: &'a HeaderMap) -> Option<Self> {
        let origin = text(headers, &ORIGIN)?;
        let method = match text(headers, &ACCESS_CONTROL_REQUEST_METHOD) {
            None => method.clone(),
            asked => known_method(asked)?,
        };
        Some(Self {
            origin,
            method,
            headers: requested_headers(headers).ok()?,
        })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    (!text.is_empty()).then_some(text)
}

fn known_method(name: Option<&str>) -> Option<Method> {
    METHODS
        .into_iter()
        .find(|method| Some(method.as_str()) == name)
}

fn requested_headers(headers: &HeaderMap) -> Result<Vec<&str>> {
    let listed = text(headers, &ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
    let names: Vec<_> = listed
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .take(REQUEST_HEADERS_MAX + 1)
        .collect();
    if names.len() > REQUEST_HEADERS_MAX {
        return Err(ErrorCode::AccessForbidden.into());
    }
    Ok(names)
}

/// The headers that a rule adds to an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsAnswer {
    /// `Access-Control-Allow-Origin`: the origin, or `*` where the rule allows any. Only with an
    /// origin there is `Access-Control-Allow-Credentials: true`.
    pub allow_origin: String,
    /// `Access-Control-Allow-Methods`: all that the rule allows.
    pub allow_methods: String,
    /// `Access-Control-Allow-Headers`: those that were asked for.
    pub allow_headers: Option<String>,
    /// `Access-Control-Expose-Headers`.
    pub expose_headers: Option<String>,
    /// `Access-Control-Max-Age`.
    pub max_age_seconds: Option<u32>,
}

impl CorsConfiguration {
    /// What the first rule that matches answers.
    #[must_use]
    pub fn answer(&self, request: &CorsRequest<'_>) -> Option<CorsAnswer> {
        self.rules.iter().find_map(|rule| rule.answer(request))
    }

    /// What the first rule that matches answers to a preflight request.
    ///
    /// # Errors
    /// `AccessForbidden` where none does.
    pub fn answer_preflight(&self, request: &CorsRequest<'_>) -> Result<CorsAnswer> {
        self.answer(request)
            .ok_or_else(|| ErrorCode::AccessForbidden.into())
    }
}

/// The answer to a preflight request for a bucket without rules.
#[must_use]
pub fn not_enabled() -> Error {
    Error::new(ErrorCode::AccessForbidden)
        .message("CORSResponse: CORS is not enabled for this bucket.")
}

impl CorsRule {
    fn answer(&self, request: &CorsRequest<'_>) -> Option<CorsAnswer> {
        let mut origins = self.allowed_origins.iter();
        let origin = origins.find(|pattern| pattern.matches(request.origin))?;
        if !self.allowed_methods.contains(&request.method) {
            return None;
        }
        let is_allowed = |header: &&str| {
            self.allowed_headers
                .iter()
                .any(|pattern| pattern.matches_ignoring_case(header))
        };
        if !request.headers.iter().all(is_allowed) {
            return None;
        }
        let allow_origin = if origin.is_any() { "*" } else { request.origin };
        Some(CorsAnswer {
            allow_origin: allow_origin.to_owned(),
            allow_methods: listed(&self.allowed_methods, Method::as_str).unwrap_or_default(),
            allow_headers: listed(&request.headers, |name| name).map(|all| all.to_lowercase()),
            expose_headers: listed(&self.expose_headers, String::as_str),
            max_age_seconds: self.max_age_seconds,
        })
    }
}

fn listed<T>(items: &[T], text: impl Fn(&T) -> &str) -> Option<String> {
    let texts: Vec<_> = items.iter().map(text).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

impl CorsAnswer {
    /// Puts the headers on an answer.
    pub fn apply(&self, headers: &mut HeaderMap) {
        let with_origin = (self.allow_origin != "*").then_some("true");
        let max_age = self.max_age_seconds.map(|seconds| seconds.to_string());
        let all = [
            (
                ACCESS_CONTROL_ALLOW_ORIGIN,
                Some(self.allow_origin.as_str()),
            ),
            (
                ACCESS_CONTROL_ALLOW_METHODS,
                Some(self.allow_methods.as_str()),
            ),
            (ACCESS_CONTROL_ALLOW_HEADERS, self.allow_headers.as_deref()),
            (
                ACCESS_CONTROL_EXPOSE_HEADERS,
                self.expose_headers.as_deref(),
            ),
            (ACCESS_CONTROL_MAX_AGE, max_age.as_deref()),
            (ACCESS_CONTROL_ALLOW_CREDENTIALS, with_origin),
            (VARY_NAME, Some(VARY)),
        ];
        for (name, value) in all {
            // What came in a header can go out in one.
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(rules: &[(&str, &str, &str)]) -> CorsConfiguration {
        let rules: String = rules
            .iter()
            .map(|(origin, method, more)| {
                format!(
                    "<CORSRule><AllowedOrigin>{origin}</AllowedOrigin><AllowedMethod>{method}\
                     </AllowedMethod>{more}</CORSRule>"
                )
            })
            .collect();
        let document = format!("<CORSConfiguration>{rules}</CORSConfiguration>");
        CorsConfiguration::parse(document.as_bytes()).unwrap()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        pairs.collect()
    }

    fn origin_and_methods(
        configuration: &CorsConfiguration,
        method: &Method,
        pairs: &[(&'static str, &str)],
    ) -> Option<(String, String)> {
        let headers = headers(pairs);
        let answer = configuration.answer(&CorsRequest::actual(method, &headers)?)?;
        Some((answer.allow_origin, answer.allow_methods))
    }

    #[test]
    fn origins_and_methods_decide() {
        let configuration = rules(&[
            ("*suffix", "GET", ""),
            ("start*end", "GET", ""),
            ("prefix*", "GET", ""),
            ("*.put", "PUT", ""),
        ]);
        for (origin, is_allowed) in [
            ("foo.suffix", true),
            ("foo.bar", false),
            ("foo.suffix.get", false),
            ("startend", true),
            ("start12end", true),
            ("0start12end", false),
            ("prefix", true),
            ("prefix.suffix", true),
            ("bla.prefix", false),
            ("FOO.SUFFIX", false),
        ] {
            let expected = is_allowed.then(|| (origin.to_owned(), "GET".to_owned()));
            let answer = origin_and_methods(&configuration, &Method::GET, &[("origin", origin)]);
            assert_eq!(answer, expected, "{origin}");
        }
        let put = |pairs: &[(&'static str, &str)]| {
            origin_and_methods(&configuration, &Method::PUT, pairs)
        };
        let asked = "access-control-request-method";
        assert_eq!(put(&[("origin", "foo.suffix")]), None);
        assert_eq!(put(&[("origin", "foo.suffix"), (asked, "PUT")]), None);
        assert_eq!(put(&[("origin", "foo.suffix"), (asked, "PATCH")]), None);
        assert!(put(&[("origin", "foo.suffix"), (asked, "GET")]).is_some());
        assert!(put(&[("origin", "foo.put")]).is_some());
        assert_eq!(put(&[]), None);
    }

    #[test]
    fn a_preflight_asks_with_origin_and_method() {
        let code = |pairs: &[(&'static str, &str)]| {
            CorsRequest::preflight(&headers(pairs)).unwrap_err().code()
        };
        assert_eq!(code(&[]), ErrorCode::BadRequest);
        assert_eq!(code(&[("origin", "a")]), ErrorCode::BadRequest);
        let asked = "access-control-request-method";
        assert_eq!(
            code(&[("origin", "a"), (asked, "OPTIONS")]),
            ErrorCode::BadRequest
        );
        let many = "a,".repeat(REQUEST_HEADERS_MAX + 1);
        let listed = "access-control-request-headers";
        assert_eq!(
            code(&[("origin", "a"), (asked, "GET"), (listed, &many)]),
            ErrorCode::AccessForbidden
        );
        let fits = headers(&[("origin", "a"), (asked, "GET"), (listed, "X-A, x-b,,")]);
        let request = CorsRequest::preflight(&fits).unwrap();
        assert_eq!(request.headers, ["X-A", "x-b"]);
        let error = rules(&[("b", "GET", "")])
            .answer_preflight(&request)
            .unwrap_err();
        assert_eq!(error.status(), 403);
    }

    #[test]
    fn every_requested_header_must_be_allowed() {
        let configuration = rules(&[
            ("*", "GET", ""),
            (
                "http://a",
                "GET",
                "<AllowedHeader>X-Amz-*</AllowedHeader><AllowedHeader>range</AllowedHeader>\
                 <ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>9</MaxAgeSeconds>",
            ),
        ]);
        let answer = |requested: &[&'static str]| {
            configuration.answer(&CorsRequest {
                origin: "http://a",
                method: Method::GET,
                headers: requested.to_vec(),
            })
        };
        assert_eq!(answer(&[]).unwrap().allow_origin, "*");
        assert_eq!(answer(&["x-other"]), None);
        assert_eq!(answer(&["Range", "x-other"]), None);
        let mut headers = HeaderMap::new();
        answer(&["Range", "x-amz-date"])
            .unwrap()
            .apply(&mut headers);
        for (name, value) in [
            ("access-control-allow-origin", "http://a"),
            ("access-control-allow-methods", "GET"),
            ("access-control-allow-headers", "range, x-amz-date"),
            ("access-control-expose-headers", "ETag"),
            ("access-control-max-age", "9"),
            ("access-control-allow-credentials", "true"),
            ("vary", VARY),
        ] {
            assert_eq!(headers[name], value, "{name}");
        }
        let mut headers = HeaderMap::new();
        answer(&[]).unwrap().apply(&mut headers);
        assert!(!headers.contains_key("access-control-allow-credentials"));
    }
}
