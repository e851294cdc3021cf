//! One line of an access log, in the format of AWS.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use riquet_cluster::clock::now_ms;
use riquet_metadata::record::Bucket;
use riquet_s3::config::logging::LogTarget;
use riquet_s3::operation::{OperationInfo, OperationName, Scope};

use super::{Line, LineSender};
use crate::convert;
use crate::names::plain_name;

/// What can't stand between quotes.
const QUOTED: &AsciiSet = &CONTROLS.add(b'"');

/// What stays as it is in a key.
const KEY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// What is known of a request when its answer begins.
pub(super) struct Asked {
    pub(super) source: Arc<Bucket>,
    pub(super) target: LogTarget,
    pub(super) peer: SocketAddr,
    /// None: nobody whom the gateway knows.
    pub(super) requester: Option<String>,
    pub(super) request_id: String,
    pub(super) host_id: String,
    pub(super) operation: String,
    pub(super) key: Option<String>,
    pub(super) status: StatusCode,
    pub(super) error: Option<String>,
    pub(super) object_size_bytes: Option<u64>,
    pub(super) version_id: Option<String>,
    pub(super) turn_around: Duration,
}

/// What is known when its last byte is gone.
pub(crate) struct Exchanged {
    pub(crate) sent_bytes: u64,
    pub(crate) duration: Duration,
}

/// A line that waits for the end of its request.
pub(crate) struct AccessRecord {
    asked: Asked,
    /// What the request's head says, as the line shows it.
    head: HeadFields,
    at_ms: u64,
    sender: LineSender,
}

struct HeadFields {
    request: String,
    referer: String,
    agent: String,
    signature: &'static str,
    authentication: &'static str,
    host: String,
}

impl AccessRecord {
    pub(super) fn new(asked: Asked, head: &Parts, sender: LineSender) -> Self {
        Self {
            asked,
            head: HeadFields::of(head),
            at_ms: now_ms(),
            sender,
        }
    }

    /// Leaves the line to be delivered.
    pub(crate) fn finish(self, exchanged: &Exchanged) {
        let text = self.line(exchanged);
        self.sender.send(Line {
            source: self.asked.source,
            target: self.asked.target,
            text,
            at_ms: self.at_ms,
        });
    }

    fn line(&self, exchanged: &Exchanged) -> String {
        let Self { asked, head, .. } = self;
        let time = convert::moment(self.at_ms).strftime("%d/%b/%Y:%H:%M:%S +0000");
        let key = asked.key.as_deref().filter(|key| !key.is_empty());
        let key = key.map(|key| utf8_percent_encode(key, KEY).to_string());
        let size = asked.object_size_bytes.map(|bytes| bytes.to_string());
        let sent = (exchanged.sent_bytes > 0).then(|| exchanged.sent_bytes.to_string());
        let mut line = format!(
            "{} {} [{time}] {} {} {} {} {} \"{}\" {} {} {} {} {} {}",
            asked.source.owner,
            plain_name(&asked.source.name),
            asked.peer.ip(),
            or_dash(asked.requester.as_deref()),
            asked.request_id,
            asked.operation,
            or_dash(key.as_deref()),
            head.request,
            asked.status.as_u16(),
            or_dash(asked.error.as_deref()),
            or_dash(sent.as_deref()),
            or_dash(size.as_deref()),
            exchanged.duration.as_millis(),
            asked.turn_around.as_millis(),
        );
        // No cipher and no TLS: connections are not encrypted. No access points.
        let _ = writeln!(
            line,
            " \"{}\" \"{}\" {} {} {} - {} {} - - -",
            head.referer,
            head.agent,
            or_dash(asked.version_id.as_deref()),
            asked.host_id,
            head.signature,
            head.authentication,
            head.host,
        );
        line
    }
}

fn or_dash(text: Option<&str>) -> &str {
    text.unwrap_or("-")
}

impl HeadFields {
    fn of(head: &Parts) -> Self {
        let (signature, authentication) = signature(head);
        let target = head.uri.path_and_query();
        let target = target.map_or("/", |target| target.as_str());
        let request = format!("{} {target} {:?}", head.method, head.version);
        let text = |name: HeaderName| {
            let value = head.headers.get(name).and_then(|value| value.to_str().ok());
            value.map_or_else(|| "-".to_owned(), quoted)
        };
        let host = head.uri.authority().map(|host| host.as_str().to_owned());
        Self {
            request: quoted(&request),
            referer: text(header::REFERER),
            agent: text(header::USER_AGENT),
            signature,
            authentication,
            host: host
                .unwrap_or_else(|| text(header::HOST))
                .replace(' ', "%20"),
        }
    }
}

/// How a request was signed.
fn signature(head: &Parts) -> (&'static str, &'static str) {
    let authorization = head.headers.get(header::AUTHORIZATION);
    if let Some(value) = authorization {
        return match value.as_bytes().starts_with(b"AWS4-") {
            true => ("SigV4", "AuthHeader"),
            false => ("SigV2", "AuthHeader"),
        };
    }
    let query = head.uri.query().unwrap_or_default();
    let has = |name: &str| {
        let mut names = query.split('&').filter_map(|pair| pair.split('=').next());
        names.any(|found| found.eq_ignore_ascii_case(name))
    };
    match (has("x-amz-signature"), has("signature")) {
        (true, _) => ("SigV4", "QueryString"),
        (false, true) => ("SigV2", "QueryString"),
        (false, false) => ("-", "-"),
    }
}

/// A text between quotes: it ends where it seems to end, and is of one line.
fn quoted(text: &str) -> String {
    utf8_percent_encode(text, QUOTED).to_string()
}

/// What AWS calls an operation in its logs.
pub(super) fn operation_name(operation: &OperationInfo) -> String {
    use OperationName as Op;
    match operation.name {
        Op::CopyObject => return "REST.COPY.OBJECT".to_owned(),
        Op::UploadPartCopy => return "REST.COPY.PART".to_owned(),
        Op::DeleteObjects => return "REST.POST.MULTI_OBJECT_DELETE".to_owned(),
        _ => {}
    }
    let resource = match (operation.name, operation.scope) {
        (Op::UploadPart, _) => "PART".to_owned(),
        (Op::CompleteMultipartUpload | Op::AbortMultipartUpload | Op::ListParts, _) => {
            "UPLOAD".to_owned()
        }
        (Op::ListObjectsV2, _) => "BUCKET".to_owned(),
        (Op::ListObjectVersions, _) => "BUCKETVERSIONS".to_owned(),
        (Op::GetObjectTagging | Op::PutObjectTagging | Op::DeleteObjectTagging, _) => {
            "OBJECT_TAGGING".to_owned()
        }
        (_, Scope::Service) => "SERVICE".to_owned(),
        (_, scope) => match operation.query.first() {
            Some(subresource) => subresource.to_ascii_uppercase().replace('-', "_"),
            None if scope == Scope::Bucket => "BUCKET".to_owned(),
            None => "OBJECT".to_owned(),
        },
    };
    format!("REST.{}.{resource}", operation.method)
}

#[cfg(test)]
mod tests {
    use http::Request;
    use riquet_metadata::id::BucketId;
    use riquet_metadata::record::Versioning;
    use riquet_s3::config::logging::LogKeyFormat;
    use riquet_s3::name::BucketName;
    use tokio::sync::mpsc;

    use super::*;

    fn record(request: Request<()>) -> AccessRecord {
        let source = Bucket {
            tenant: String::new(),
            id: BucketId(1),
            name: "b-1".to_owned(),
            owner: "ada".to_owned(),
            created_ms: 0,
            region: "r".to_owned(),
            tablets: Vec::new(),
            versioning: Versioning::Never,
            has_locks: false,
            documents: Vec::new(),
        };
        let asked = Asked {
            source: Arc::new(source),
            target: LogTarget {
                bucket: BucketName::parse("logs").expect("a legal name"),
                prefix: String::new(),
                grants: Vec::new(),
                key_format: LogKeyFormat::Simple,
            },
            peer: "192.0.2.3:1".parse().expect("an address"),
            requester: Some("eve".to_owned()),
            request_id: "R".to_owned(),
            host_id: "H".to_owned(),
            operation: operation_name(OperationName::GetObject.info()),
            key: Some("a \"b".to_owned()),
            status: StatusCode::NOT_FOUND,
            error: Some("NoSuchKey".to_owned()),
            object_size_bytes: None,
            version_id: None,
            turn_around: Duration::from_millis(3),
        };
        let (sender, _) = mpsc::channel(1);
        let head = request.into_parts().0;
        AccessRecord {
            at_ms: 1_549_411_238_000,
            ..AccessRecord::new(asked, &head, LineSender(sender))
        }
    }

    #[test]
    fn a_line_reads_as_at_aws() {
        let request = Request::get("/b-1/a%20%22b?x-amz-signature=1")
            .header("host", "h:9000")
            .header("user-agent", "curl \"x\" é")
            .body(())
            .expect("a legal request");
        let exchanged = Exchanged {
            sent_bytes: 113,
            duration: Duration::from_millis(7),
        };
        assert_eq!(
            record(request).line(&exchanged),
            "ada b-1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 eve R REST.GET.OBJECT a%20%22b \
             \"GET /b-1/a%20%22b?x-amz-signature=1 HTTP/1.1\" 404 NoSuchKey 113 - 7 3 \"-\" \
             \"-\" - H SigV4 - QueryString h:9000 - - -\n"
        );
    }

    #[test]
    fn nothing_that_a_client_sends_ends_a_line_or_a_quote() {
        assert_eq!(quoted("a\"b\r\nc\u{e9}"), "a%22b%0D%0Ac%C3%A9");
    }

    #[test]
    fn operations_have_the_names_of_aws() {
        for (operation, name) in [
            (OperationName::PutObject, "REST.PUT.OBJECT"),
            (OperationName::CopyObject, "REST.COPY.OBJECT"),
            (OperationName::CreateMultipartUpload, "REST.POST.UPLOADS"),
            (OperationName::UploadPart, "REST.PUT.PART"),
            (OperationName::ListObjectsV2, "REST.GET.BUCKET"),
            (OperationName::GetBucketVersioning, "REST.GET.VERSIONING"),
            (OperationName::DeleteBucket, "REST.DELETE.BUCKET"),
            (
                OperationName::GetObjectLockConfiguration,
                "REST.GET.OBJECT_LOCK",
            ),
        ] {
            assert_eq!(operation_name(operation.info()), name);
        }
    }
}
