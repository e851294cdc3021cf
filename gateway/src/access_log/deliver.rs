//! Collects lines by bucket, and writes them as objects.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use riquet_cluster::clock::now_ms;
use riquet_cluster::id::RequestId;
use riquet_cluster::wire::shard::Owner;
use riquet_metadata::command::{Preconditions, PutObject};
use riquet_metadata::id::{BucketId, ObjectKey};
use riquet_metadata::limits::INLINE_BYTES;
use riquet_metadata::record::{
    Bucket, ContentHeaders, ETag, ObjectBody, ObjectVersion, StorageClass,
};
use riquet_s3::body::DigestSpec;
use riquet_s3::config::logging::{LogKeyFormat, LogTarget, PartitionDateSource};
use riquet_s3::{Checksum, ChecksumAlgorithm, ErrorCode};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Line, grants, lost};
use crate::convert;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::ingest::{Destination, Ingested, Origin, ingest};
use crate::names::{plain_name, stored_beside};

/// A log of so many bytes is written at once.
const LOG_BYTES: usize = 4 << 20;

/// What all logs together may take, bytes; lines that come while they do are lost.
const ALL_LOGS_BYTES: usize = 64 << 20;

/// How often it is looked whether a log is old enough.
const TICK: Duration = Duration::from_millis(500);

/// How long an object may take to be written.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

/// Lines of one bucket that wait.
struct Log {
    source: Arc<Bucket>,
    target: LogTarget,
    text: String,
    lines: u64,
    first_ms: u64,
    /// When it is due.
    due: Instant,
}

/// The logs that wait.
pub(super) struct Deliveries {
    gateway: Arc<Gateway>,
    logs: BTreeMap<BucketId, Log>,
    bytes: usize,
}

impl Deliveries {
    pub(super) fn new(gateway: Arc<Gateway>) -> Self {
        Self {
            gateway,
            logs: BTreeMap::new(),
            bytes: 0,
        }
    }

    pub(super) async fn run(
        mut self,
        mut lines: mpsc::Receiver<Line>,
        mut stop: oneshot::Receiver<()>,
    ) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(line) = lines.recv() => self.add(line).await,
                _ = tick.tick() => self.write(|log| log.due <= Instant::now()).await,
                _ = &mut stop => break,
            }
        }
        while let Ok(line) = lines.try_recv() {
            self.add(line).await;
        }
        self.write(|_| true).await;
    }

    async fn add(&mut self, line: Line) {
        if self.bytes + line.text.len() > ALL_LOGS_BYTES {
            lost("too much waits", 1);
            return;
        }
        let id = line.source.id;
        let is_for_another = |log: &Log| log.target != line.target;
        if self.logs.get(&id).is_some_and(is_for_another)
            && let Some(log) = self.take(id)
        {
            self.write_one(log).await;
        }
        self.bytes += line.text.len();
        let wait = self.gateway.settings.access_log_wait();
        let log = self.logs.entry(id).or_insert_with(|| Log {
            source: line.source.clone(),
            target: line.target.clone(),
            text: String::new(),
            lines: 0,
            first_ms: line.at_ms,
            due: Instant::now() + wait,
        });
        log.text.push_str(&line.text);
        log.lines += 1;
        if log.text.len() >= LOG_BYTES
            && let Some(log) = self.take(id)
        {
            self.write_one(log).await;
        }
    }

    fn take(&mut self, id: BucketId) -> Option<Log> {
        let log = self.logs.remove(&id)?;
        self.bytes -= log.text.len();
        Some(log)
    }

    async fn write(&mut self, is_due: impl Fn(&Log) -> bool) {
        let due = self.logs.iter().filter(|(_, log)| is_due(log));
        let due: Vec<BucketId> = due.map(|(id, _)| *id).collect();
        for id in due {
            if let Some(log) = self.take(id) {
                self.write_one(log).await;
            }
        }
    }

    /// A log that can't be written is lost: a bucket that takes none must not hold up the others.
    async fn write_one(&self, log: Log) {
        let (lines, source) = (log.lines, log.source.name.clone());
        let write = write(&self.gateway, log);
        let outcome = tokio::time::timeout(WRITE_TIMEOUT, write).await;
        let outcome = outcome.unwrap_or_else(|_| Err(ErrorCode::ServiceUnavailable.into()));
        if let Err(error) = outcome {
            tracing::warn!(bucket = source, lines, %error, "an access log is lost");
            lost("not written", lines);
        }
    }
}

async fn write(gateway: &Gateway, log: Log) -> Result<(), Error> {
    let key = ObjectKey::from(key_of(&log, now_ms(), Uuid::new_v4()).as_str());
    let bucket = gateway
        .metadata
        .bucket_now(&stored_beside(&log.target.bucket, &log.source))
        .await?;
    // It may be another's by now.
    if bucket.owner != log.source.owner {
        return Err(ErrorCode::AccessDenied.into());
    }
    let text = Bytes::from(log.text);
    let length_bytes = text.len() as u64;
    let destination = Destination {
        owner: Owner {
            bucket: bucket.id.0,
            key: key.as_bytes().to_vec(),
            part: None,
            sealed: false,
        },
        class: StorageClass::Standard,
        request: RequestId::from_u128(Uuid::now_v7().as_u128()),
        inline_max_bytes: INLINE_BYTES as u64,
        key: None,
    };
    let mut digests = DigestSpec::default();
    digests.md5 = true;
    digests.default_checksum = Some(ChecksumAlgorithm::Crc64Nvme);
    let mut origin = Whole(Some(text));
    let Ingested {
        content,
        debts,
        md5,
        checksum,
        pending,
    } = ingest(gateway, destination, length_bytes, &mut origin, &digests).await?;
    let account = gateway.directory.account(&bucket.owner).await?;
    let acl = match account {
        Some(account) => grants::list(&gateway.directory, &log.target, &account.owner).await?,
        None => None,
    };
    let body = ObjectBody {
        acl,
        headers: ContentHeaders {
            content_type: Some("text/plain".to_owned()),
            ..ContentHeaders::default()
        },
        checksums: checksum.iter().map(convert::stored_checksum).collect(),
        ..ObjectBody::of(content)
    };
    let (etag, owner) = (ETag::whole(md5), bucket.owner.clone());
    let put = PutObject {
        key,
        version: ObjectVersion::proposed(etag, StorageClass::Standard, owner, body),
        preconditions: Preconditions::default(),
        debts,
        versioning: bucket.versioning,
    };
    pending
        .commit(gateway.metadata.put_object(&bucket, put))
        .await?;
    Ok(())
}

/// The key of a log that is written at a moment.
fn key_of(log: &Log, now_ms: u64, unique: Uuid) -> String {
    let (prefix, source) = (&log.target.prefix, &log.source);
    let unique = &unique.simple().to_string().to_ascii_uppercase()[..16];
    let now = convert::moment(now_ms);
    let name = now.strftime("%Y-%m-%d-%H-%M-%S");
    match log.target.key_format {
        LogKeyFormat::Simple => format!("{prefix}{name}-{unique}"),
        LogKeyFormat::Partitioned(date) => {
            let (owner, region, bucket) = (&source.owner, &source.region, plain_name(&source.name));
            let day = match date {
                PartitionDateSource::DeliveryTime => now,
                PartitionDateSource::EventTime => convert::moment(log.first_ms),
            };
            let name = match date {
                PartitionDateSource::DeliveryTime => name.to_string(),
                // Of the day, all of which the folder is for.
                PartitionDateSource::EventTime => day.strftime("%Y-%m-%d-00-00-00").to_string(),
            };
            let folder = day.strftime("%Y/%m/%d");
            format!("{prefix}{owner}/{region}/{bucket}/{folder}/{name}-{unique}")
        }
    }
}

/// Bytes that are there already.
struct Whole(Option<Bytes>);

impl Origin for Whole {
    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        self.0.take().map(Ok)
    }

    fn trailer(&self) -> Option<Checksum> {
        None
    }
}

#[cfg(test)]
mod tests {
    use riquet_metadata::record::Versioning;
    use riquet_s3::name::BucketName;

    use super::*;

    #[test]
    fn keys_are_as_the_bucket_wants_them() {
        let key = |key_format| {
            let source = Bucket {
                tenant: String::new(),
                id: BucketId(1),
                name: "b-1".to_owned(),
                owner: "ada".to_owned(),
                created_ms: 0,
                region: "eu".to_owned(),
                tablets: Vec::new(),
                versioning: Versioning::Never,
                has_locks: false,
                documents: Vec::new(),
            };
            let log = Log {
                source: Arc::new(source),
                target: LogTarget {
                    bucket: BucketName::parse("logs").expect("a legal name"),
                    prefix: "p/".to_owned(),
                    grants: Vec::new(),
                    key_format,
                },
                text: String::new(),
                lines: 0,
                first_ms: 1_549_411_138_000,
                due: Instant::now(),
            };
            key_of(&log, 1_549_497_638_000, Uuid::from_u128(0x0a << 120))
        };
        let unique = "0A00000000000000";
        for (format, expected) in [
            (LogKeyFormat::Simple, "p/2019-02-07-00-00-38"),
            (
                LogKeyFormat::Partitioned(PartitionDateSource::DeliveryTime),
                "p/ada/eu/b-1/2019/02/07/2019-02-07-00-00-38",
            ),
            (
                LogKeyFormat::Partitioned(PartitionDateSource::EventTime),
                "p/ada/eu/b-1/2019/02/05/2019-02-05-00-00-00",
            ),
        ] {
            assert_eq!(key(format), format!("{expected}-{unique}"));
        }
    }
}
