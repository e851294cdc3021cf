//! What a webhook is sent: events as AWS writes them.

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use riquet_metadata::query::ListedEvent;
use riquet_metadata::record::{Document, VersionName};
use riquet_s3::time::to_iso8601;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::convert;
use crate::handlers::Context;
use crate::names::plain_name;

/// The version of the format that is written.
const EVENT_VERSION: &str = "2.3";

/// What stays as it is in an event's key, which is encoded as in an HTML form.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/')
    .remove(b' ');

/// Who did what where: what only the gateway knows that takes the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    region: String,
    bucket: String,
    bucket_owner: String,
    principal: String,
    source_address: String,
    request_id: String,
    host_id: String,
}

impl Origin {
    pub(super) fn of(cx: &Context) -> Self {
        Self {
            region: cx.bucket().region.clone(),
            bucket: plain_name(&cx.bucket().name).to_owned(),
            bucket_owner: cx.bucket().owner.clone(),
            principal: cx.caller.user_id(),
            source_address: cx.peer.ip().to_string(),
            request_id: cx.request.to_string(),
            host_id: cx.gateway.host_id.clone(),
        }
    }

    pub(super) fn to_json(&self) -> Bytes {
        let text = serde_json::to_vec(self);
        text.expect("texts are always JSON").into()
    }
}

/// The body that tells of an event. None: the stored event does not read, which is nobody's to mend.
pub(super) fn body(listed: &ListedEvent) -> Option<Bytes> {
    let event = &listed.event;
    let Document(origin) = &event.origin;
    let origin: Origin = serde_json::from_slice(origin).ok()?;
    let key = convert::key_text(&event.key);
    let mut object = Map::new();
    let key = utf8_percent_encode(&key, FORM)
        .to_string()
        .replace(' ', "+");
    object.insert("key".to_owned(), key.into());
    if let Some(size_bytes) = event.size_bytes {
        object.insert("size".to_owned(), size_bytes.into());
    }
    if let Some(etag) = &event.etag {
        object.insert("eTag".to_owned(), etag.to_string().into());
    }
    if let Some(VersionName::Kept(version)) = event.version {
        object.insert("versionId".to_owned(), version.to_string().into());
    }
    object.insert(
        "sequencer".to_owned(),
        format!("{:016X}", listed.number).into(),
    );
    let record = json!({
        "eventVersion": EVENT_VERSION,
        "eventSource": "aws:s3",
        "awsRegion": origin.region,
        "eventTime": to_iso8601(convert::moment(event.at_ms)),
        "eventName": event.name.strip_prefix("s3:").unwrap_or(&event.name),
        "userIdentity": {"principalId": origin.principal},
        "requestParameters": {"sourceIPAddress": origin.source_address},
        "responseElements": {
            "x-amz-request-id": origin.request_id,
            "x-amz-id-2": origin.host_id,
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": event.rule,
            "bucket": {
                "name": origin.bucket,
                "ownerIdentity": {"principalId": origin.bucket_owner},
                "arn": format!("arn:aws:s3:::{}", origin.bucket),
            },
            "object": object,
        },
    });
    Some(text(&json!({"Records": [record]})))
}

/// The body that is sent to see whether a target takes any.
pub(super) fn test_body(cx: &Context, now_ms: u64) -> Bytes {
    text(&json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": to_iso8601(convert::moment(now_ms)),
        "Bucket": cx.bucket().name,
        "RequestId": cx.request.to_string(),
        "HostId": cx.gateway.host_id,
    }))
}

fn text(value: &Value) -> Bytes {
    value.to_string().into()
}

#[cfg(test)]
mod tests {
    use riquet_metadata::record::{ETag, Event, VersionId};

    use super::*;

    #[test]
    fn an_event_reads_as_at_aws() {
        let origin = Origin {
            region: "eu-west-1".to_owned(),
            bucket: "b".to_owned(),
            bucket_owner: "ada".to_owned(),
            principal: "eve".to_owned(),
            source_address: "192.0.2.1".to_owned(),
            request_id: "R".to_owned(),
            host_id: "H".to_owned(),
        };
        let version = VersionId {
            modified_ms: 5,
            sequence: 7,
        };
        let event = Event {
            at_ms: 1_500,
            name: "s3:ObjectCreated:Put".to_owned(),
            rule: "rule".to_owned(),
            key: "a b/\u{e9}+".into(),
            size_bytes: Some(3),
            etag: Some(ETag::whole([0; 16])),
            version: Some(VersionName::Kept(version)),
            origin: Document(origin.to_json()),
        };
        let listed = ListedEvent {
            number: 0x2a,
            event,
        };
        let body = body(&listed).expect("it reads");
        let told: Value = serde_json::from_slice(&body).expect("it is JSON");
        let record = &told["Records"][0];
        for (pointer, expected) in [
            ("/eventName", "ObjectCreated:Put"),
            ("/eventTime", "1970-01-01T00:00:01.500Z"),
            ("/awsRegion", "eu-west-1"),
            ("/userIdentity/principalId", "eve"),
            ("/requestParameters/sourceIPAddress", "192.0.2.1"),
            ("/responseElements/x-amz-request-id", "R"),
            ("/s3/configurationId", "rule"),
            ("/s3/bucket/arn", "arn:aws:s3:::b"),
            ("/s3/bucket/ownerIdentity/principalId", "ada"),
            ("/s3/object/key", "a+b/%C3%A9%2B"),
            ("/s3/object/sequencer", "000000000000002A"),
            ("/s3/object/versionId", &version.to_string()),
        ] {
            let found = record.pointer(pointer).and_then(Value::as_str);
            assert_eq!(found, Some(expected), "{pointer}");
        }
        assert_eq!(record["s3"]["object"]["size"], 3);
    }
}
