//! Bucket policies: kept as their owners wrote them, and read with every request.

use riquet_metadata::record::{Document, DocumentKind};
use riquet_s3::request::{PutBucketPolicyInput, SelfAccess};
use riquet_s3::response::{BucketPolicyOutput, BucketPolicyStatus, NoContent};
use riquet_s3::{Error as S3Error, ErrorCode};

use super::{Answer, Context, document, whole};
use crate::access::{BucketPolicy, parse_policy};
use crate::error::Error;

pub(super) async fn get(cx: &Context) -> Answer {
    let kind = DocumentKind::Policy;
    let found = cx.metadata().bucket_document(cx.bucket().id, kind).await?;
    let Document(text) = found.ok_or_else(|| no_policy(cx))?;
    Ok(whole(BucketPolicyOutput { text }.into_response()))
}

pub(super) async fn put(cx: &Context, input: &PutBucketPolicyInput) -> Answer {
    let policy = parse_policy(cx.bucket(), &input.text, &cx.gateway.directory).await?;
    let policy = BucketPolicy::new(policy);
    if policy.is_public && cx.rules().block.block_public_policy {
        return Err(ErrorCode::AccessDenied.into());
    }
    if input.self_access == SelfAccess::Kept && shuts_out(cx, &policy) {
        return Err(S3Error::new(ErrorCode::MalformedPolicy)
            .message("Policy would keep you from changing it again")
            .into());
    }
    document::configure(cx, DocumentKind::Policy, Some(input.text.clone())).await?;
    Ok(whole(NoContent.into_response()))
}

/// Whether with this policy the caller could not put another one. The bucket's owner always can.
fn shuts_out(cx: &Context, policy: &BucketPolicy) -> bool {
    let action = "s3:PutBucketPolicy";
    cx.caller.canonical_id() != cx.bucket().owner && cx.is_denied_by(policy, action)
}

pub(super) async fn status(cx: &Context) -> Answer {
    // AWS looks at the policy only, and has no answer without one. Whoever asks wants to know
    // whether the bucket is public, and a list can make it so as well.
    let rules = cx.rules();
    let by_policy = rules.policy.as_ref().is_some_and(|policy| policy.is_public);
    let by_list = rules.effective_acl().is_some_and(|acl| acl.is_public());
    let status = match by_policy || by_list {
        true => BucketPolicyStatus::Public,
        false => BucketPolicyStatus::NotPublic,
    };
    Ok(whole(status.into_response()))
}

fn no_policy(cx: &Context) -> Error {
    S3Error::new(ErrorCode::NoSuchBucketPolicy)
        .field("BucketName", crate::names::plain_name(&cx.bucket().name))
        .into()
}
