//! Event notifications: webhooks are told what happens to the objects of buckets that ask for it.
//!
//! ```text
//! change of an object + whom to tell of what it may come to
//!   -> one commit: the change, and an event for each of those in the queue of its target
//!   -> a gateway holds the queue, posts its events in order, and drops those that were taken
//! ```
//! The event is as durable as the change. A gateway that dies while it tells leaves the queue to the
//! next one after [`deliver::HOLD`], so an event may be told twice, but none is lost.

mod deliver;
mod message;
mod target;

pub(crate) use deliver::Deliverer;
pub(crate) use target::Targets;

use std::ops::Deref;
use std::sync::Arc;

use riquet_cluster::clock::now_ms;
use riquet_metadata::Client;
use riquet_metadata::command::{Happening, Notice, Notices};
use riquet_metadata::record::Document;
use riquet_s3::config::notification::NotificationConfiguration;
use tokio::sync::Notify;

use crate::error::Error;
use crate::handlers::Context;
use message::Origin;
use target::{PostError, Target};

/// What a change of an object may come to, and what S3 calls that.
pub(crate) type Possible = &'static [(Happening, &'static str)];

/// PutObject.
pub(crate) const PUT: Possible = &[(Happening::Stored, "s3:ObjectCreated:Put")];
/// CopyObject.
pub(crate) const COPY: Possible = &[(Happening::Stored, "s3:ObjectCreated:Copy")];
/// CompleteMultipartUpload.
pub(crate) const COMPLETE: Possible = &[(
    Happening::Stored,
    "s3:ObjectCreated:CompleteMultipartUpload",
)];
/// DeleteObject, DeleteObjects.
pub(crate) const DELETE: Possible = &[
    (Happening::Removed, "s3:ObjectRemoved:Delete"),
    (Happening::Hidden, "s3:ObjectRemoved:DeleteMarkerCreated"),
];
/// PutObjectTagging.
pub(crate) const PUT_TAGS: Possible = &[(Happening::Altered, "s3:ObjectTagging:Put")];
/// DeleteObjectTagging.
pub(crate) const DELETE_TAGS: Possible = &[(Happening::Altered, "s3:ObjectTagging:Delete")];
/// PutObjectAcl.
pub(crate) const PUT_ACL: Possible = &[(Happening::Altered, "s3:ObjectAcl:Put")];

/// A metadata client whose changes are told. Once it is dropped, this gateway looks for what to tell.
pub(crate) struct Telling {
    client: Client,
    wake: Option<Arc<Notify>>,
}

impl Deref for Telling {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if let Some(wake) = &self.wake {
            wake.notify_waiters();
        }
    }
}

/// A metadata client whose change of the key is told to those whom the bucket's configuration names.
///
/// # Errors
/// When the configuration can't be read: a change that would go untold is not made.
pub(crate) async fn telling(cx: &Context, key: &str, possible: Possible) -> Result<Telling, Error> {
    let metadata = &cx.gateway.metadata;
    let notices = match cx
        .gateway
        .documents
        .notification
        .of(metadata, cx.bucket())
        .await?
    {
        Some(rules) => notices(&rules, key, possible),
        None => Vec::new(),
    };
    if notices.is_empty() {
        return Ok(Telling {
            client: metadata.clone(),
            wake: None,
        });
    }
    let origin = Document(Origin::of(cx).to_json());
    Ok(Telling {
        client: metadata.telling(Notices { origin, notices }),
        wake: Some(cx.gateway.targets.wake.clone()),
    })
}

/// Whether an ARN names a webhook of the settings.
pub(crate) fn is_known(cx: &Context, arn: &str) -> bool {
    target_of(cx, arn).is_some()
}

/// Sends a webhook what AWS sends to see whether it takes anything.
///
/// # Errors
/// When it does not.
pub(crate) async fn test(cx: &Context, arn: &str) -> Result<(), PostError> {
    match target_of(cx, arn) {
        Some(target) => target.post(message::test_body(cx, now_ms())).await,
        None => Ok(()),
    }
}

fn target_of<'a>(cx: &'a Context, arn: &str) -> Option<&'a Target> {
    cx.gateway.targets.get(target::name_in_arn(arn)?)
}

fn notices(
    configuration: &NotificationConfiguration,
    key: &str,
    possible: Possible,
) -> Vec<Notice> {
    let of_one = |&(when, event): &(Happening, &'static str)| {
        let targets = configuration.matching(event, key);
        targets.filter_map(move |target| {
            Some(Notice {
                when,
                name: event.to_owned(),
                target: target::name_in_arn(&target.arn)?.to_owned(),
                rule: target.id.clone(),
            })
        })
    };
    possible.iter().flat_map(of_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_its_own_notice() {
        let rule = |id: &str, event: &str, prefix: &str| {
            format!(
                "<QueueConfiguration><Id>{id}</Id><Queue>arn:riquet:sqs::t-{id}:webhook</Queue>\
                 <Event>{event}</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>{prefix}\
                 </Value></FilterRule></S3Key></Filter></QueueConfiguration>"
            )
        };
        let document = format!(
            "<NotificationConfiguration>{}{}{}</NotificationConfiguration>",
            rule("a", "s3:ObjectRemoved:Delete", "x/"),
            rule("b", "s3:ObjectRemoved:DeleteMarkerCreated", ""),
            rule("c", "s3:ObjectCreated:*", "")
        );
        let configuration =
            NotificationConfiguration::parse(document.as_bytes()).expect("well formed");
        let targets = |key: &str, possible| -> Vec<(Happening, String)> {
            let notices = notices(&configuration, key, possible).into_iter();
            notices.map(|notice| (notice.when, notice.target)).collect()
        };
        let hidden = (Happening::Hidden, "t-b".to_owned());
        let removed = (Happening::Removed, "t-a".to_owned());
        assert_eq!(targets("x/k", DELETE), [removed, hidden.clone()]);
        assert_eq!(targets("k", DELETE), [hidden]);
        assert_eq!(targets("k", COPY), [(Happening::Stored, "t-c".to_owned())]);
        assert!(targets("k", PUT_TAGS).is_empty());
    }
}
