//! Configurations of which there is little to do here: who pays, acceleration, and those that no bucket
//! has because none can be given one.

use http::Response;
use riquet_metadata::record::{Document, DocumentKind};
use riquet_s3::config::accelerate::Acceleration;
use riquet_s3::config::request_payment::Payer;
use riquet_s3::response::{ConfigurationOutput, Done, EmptyListOutput};
use riquet_s3::{Error as S3Error, ErrorCode};

use super::{Answer, Context, document, whole};
use crate::answer::AnswerBody;

/// A bucket that was never told answers an empty document.
pub(super) async fn get_acceleration(cx: &Context) -> Answer {
    let kind = DocumentKind::Accelerate;
    let found = cx.metadata().bucket_document(cx.bucket().id, kind).await?;
    let document = found.map_or_else(|| Acceleration::to_xml(None), |Document(stored)| stored);
    Ok(whole(ConfigurationOutput { document }.into_response()))
}

/// There are no faster ways than the gateways.
pub(super) async fn put_acceleration(cx: &Context, state: Acceleration) -> Answer {
    match state {
        Acceleration::Enabled => Err(not_implemented("Transfer acceleration").into()),
        Acceleration::Suspended => {
            let document = Acceleration::to_xml(Some(state));
            document::put(cx, DocumentKind::Accelerate, document).await
        }
    }
}

pub(super) fn get_payer() -> Response<AnswerBody> {
    let document = Payer::BucketOwner.to_xml();
    whole(ConfigurationOutput { document }.into_response())
}

/// Nobody is charged, so that only the state of every bucket can be asked for.
pub(super) fn put_payer(payer: Payer) -> Answer {
    match payer {
        Payer::BucketOwner => Ok(whole(Done.into_response())),
        Payer::Requester => Err(not_implemented("Charging the requester").into()),
    }
}

fn not_implemented(what: &str) -> S3Error {
    S3Error::new(ErrorCode::NotImplemented).message(format!("{what} is not implemented"))
}

pub(super) fn none(list: EmptyListOutput) -> Response<AnswerBody> {
    whole(list.into_response())
}
