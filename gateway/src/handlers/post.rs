//! PostObject: an upload from an HTML form.

use riquet_metadata::limits::INLINE_BYTES;
use riquet_s3::config::tagging::{TagSet, Tagged};
use riquet_s3::post::{PostFile, PostObjectInput, PostObjectOutput};
use riquet_s3::{Checksum, ChecksumAlgorithm};

use super::put::{self, New};
use super::{Answer, Context, UPLOAD_MAX_BYTES, whole};
use crate::error::Error;
use crate::ingest::{Origin, ingest_unsized};

impl Origin for PostFile {
    async fn next(&mut self) -> Option<Result<bytes::Bytes, Error>> {
        let next = futures_util::StreamExt::next(self).await?;
        Some(next.map_err(Error::from))
    }

    fn trailer(&self) -> Option<Checksum> {
        None
    }
}

/// Stores the file of a form whose sender may store it.
pub(crate) async fn post_object(
    cx: &Context,
    mut input: PostObjectInput,
    mut file: PostFile,
    bucket_url: String,
) -> Answer {
    if let Some(document) = &input.tagging {
        input.put.tags = TagSet::parse(document.as_bytes(), Tagged::Object)?;
    }
    let new = New::prepare(cx, &input.put).await?;
    let mut digests = input.payload.digest_spec();
    digests.default_checksum = Some(ChecksumAlgorithm::Crc64Nvme);
    let destination = new.destination(cx, INLINE_BYTES as u64);
    let (received, length_bytes) = ingest_unsized(
        &cx.gateway,
        destination,
        UPLOAD_MAX_BYTES,
        &mut file,
        &digests,
    )
    .await?;
    let stored = new.store(cx, &input.put, received).await?;
    let output = PostObjectOutput {
        put: stored.output.clone(),
        bucket: input.put.bucket.clone(),
        key: input.put.key.clone(),
        bucket_url,
        success: input.success,
    };
    let response = output.into_response();
    let response = put::announced(cx, &input.put, &stored, length_bytes, response).await;
    Ok(whole(response))
}
