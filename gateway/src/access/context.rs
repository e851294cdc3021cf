//! What conditions of policies may ask about a request.

use http::header::{HeaderMap, REFERER, USER_AGENT};
use http::request::Parts;
use riquet_cluster::clock::now_ms;
use riquet_s3::config::tagging::TagSet;
use riquet_s3::operation::Query;
use riquet_s3::policy::{Context, S3_CONDITION_KEYS};

use crate::convert;
use crate::identity::Caller;
use crate::service::peer;

/// Parameters of the query that conditions may ask about.
const PARAMETERS: [(&str, &str); 4] = [
    ("prefix", "s3:prefix"),
    ("delimiter", "s3:delimiter"),
    ("max-keys", "s3:max-keys"),
    ("versionId", "s3:VersionId"),
];

/// Headers that conditions call otherwise than the protocol does.
const HEADERS: [(&str, &str); 5] = [
    ("if-match", "s3:if-match"),
    ("if-none-match", "s3:if-none-match"),
    ("x-amz-object-lock-mode", "s3:object-lock-mode"),
    (
        "x-amz-object-lock-retain-until-date",
        "s3:object-lock-retain-until-date",
    ),
    ("x-amz-object-lock-legal-hold", "s3:object-lock-legal-hold"),
];

/// All that is known of a request before its bucket or object is looked at.
pub(crate) fn of_request(head: &Parts, query: &Query, caller: &Caller) -> Context {
    let mut context = Context::new();
    caller.describe(&mut context);
    let now = convert::moment(now_ms());
    context.add("aws:CurrentTime", now.to_string());
    context.add("aws:EpochTime", now.as_second().to_string());
    context.add("aws:SecureTransport", "false");
    let address = peer(head).ip().to_canonical();
    context.add("aws:SourceIp", address.to_string());
    for (header, key) in [(USER_AGENT, "aws:UserAgent"), (REFERER, "aws:Referer")] {
        if let Some(value) = text(&head.headers, header.as_str()) {
            context.add(key, value);
        }
    }
    if !caller.is_anonymous() {
        let is_presigned = query.get_ignoring_case("X-Amz-Signature").is_some();
        let kind = if is_presigned {
            "REST-QUERY-STRING"
        } else {
            "REST-HEADER"
        };
        context.add("s3:authType", kind);
        context.add("s3:signatureversion", "AWS4-HMAC-SHA256");
    }
    of_operation(&head.headers, query, &mut context);
    context
}

/// What the operation's headers and query say.
fn of_operation(headers: &HeaderMap, query: &Query, context: &mut Context) {
    for (parameter, key) in PARAMETERS {
        if let Some(value) = query.get(parameter) {
            context.add(key, value);
        }
    }
    for (header, key) in HEADERS {
        if let Some(value) = text(headers, header) {
            context.add(key, value);
        }
    }
    for key in S3_CONDITION_KEYS {
        let Some(header) = key
            .strip_prefix("s3:")
            .filter(|it| it.starts_with("x-amz-"))
        else {
            continue;
        };
        let value = text(headers, header).or_else(|| query.get_ignoring_case(header));
        if let Some(value) = value {
            // `/bucket/key` and `bucket/key` are the same source.
            let value = match header {
                "x-amz-copy-source" => value.trim_start_matches('/'),
                _ => value,
            };
            context.add(key, value);
        }
    }
    let tags = text(headers, "x-amz-tagging").and_then(|it| TagSet::parse_header(it).ok());
    for (key, value) in tags.into_iter().flat_map(TagSet::into_pairs) {
        context.add(&format!("s3:RequestObjectTag/{key}"), value);
        context.add("s3:RequestObjectTagKeys", key);
    }
}

/// The tags that an object has.
pub(crate) fn add_object_tags(tags: &[(String, String)], context: &mut Context) {
    for (key, value) in tags {
        context.add(&format!("s3:ExistingObjectTag/{key}"), value.as_str());
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
