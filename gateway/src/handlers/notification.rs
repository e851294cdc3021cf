//! Whom a bucket tells of what happens to its objects.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use riquet_metadata::record::{Document, DocumentKind};
use riquet_s3::config::notification::{EventBridge, NotificationConfiguration};
use riquet_s3::request::{DestinationCheck, PutNotificationInput};
use riquet_s3::response::{ConfigurationOutput, Done};
use riquet_s3::{Error as S3Error, ErrorCode};

use super::{Answer, Context, document, whole};
use crate::notify;

/// A bucket that was never told answers an empty document.
pub(super) async fn get(cx: &Context) -> Answer {
    let kind = DocumentKind::Notification;
    let found = cx.metadata().bucket_document(cx.bucket().id, kind).await?;
    let nobody = || NotificationConfiguration::default().to_xml();
    let document = found.map_or_else(nobody, |Document(stored)| stored);
    Ok(whole(ConfigurationOutput { document }.into_response()))
}

pub(super) async fn put(cx: &Context, input: &PutNotificationInput) -> Answer {
    let configuration = &input.configuration;
    if configuration.event_bridge() == EventBridge::Enabled {
        let why = "There is no event bus to tell";
        return Err(S3Error::new(ErrorCode::NotImplemented).message(why).into());
    }
    check_targets(cx, configuration, input.check).await?;
    let tells = !configuration.targets().is_empty();
    let document = tells.then(|| configuration.to_xml());
    document::configure(cx, DocumentKind::Notification, document).await?;
    cx.gateway
        .documents
        .notification
        .forget(cx.bucket().id)
        .await;
    Ok(whole(Done.into_response()))
}

/// # Errors
/// `InvalidArgument` for a target that the gateways do not know, or that does not answer.
async fn check_targets(
    cx: &Context,
    configuration: &NotificationConfiguration,
    check: DestinationCheck,
) -> Result<(), S3Error> {
    let arns: BTreeSet<&str> = configuration
        .targets()
        .iter()
        .map(|target| target.arn.as_str())
        .collect();
    for arn in &arns {
        if !notify::is_known(cx, arn) {
            return Err(no_destination(arn, "The destination does not exist"));
        }
    }
    if check == DestinationCheck::Skipped {
        return Ok(());
    }
    let tests = arns.into_iter().map(|arn| async move {
        let answer = notify::test(cx, arn).await;
        answer.map_err(|error| no_destination(arn, &error.to_string()))
    });
    try_join_all(tests).await?;
    Ok(())
}

fn no_destination(arn: &str, why: &str) -> S3Error {
    let message = "Unable to validate the following destination configurations";
    S3Error::invalid_argument(arn, why, message)
}
