//! Calls of IAM and STS: the way of one, from its head to its answer. They come to the same address
//! as requests to the store, and are told apart by what they are signed for.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body_util::{BodyExt as _, Limited};
use riquet_s3::auth::{self, Service};
use riquet_s3::aws_query::{self, Addressed, FORM_BYTES_MAX, Form};
use riquet_s3::operation::Query;
use riquet_s3::{Error as S3Error, ErrorCode, iam as iam_types, sts as sts_types};

use crate::access::context;
use crate::answer::AnswerBody;
use crate::client_body::ClientBody;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::identity::Caller;
use crate::service::expects_continue;
use crate::{iam, sts};

/// Answers a call, and says what metrics call it.
pub(crate) async fn answer(
    gateway: &Gateway,
    head: &Parts,
    body: &mut ClientBody,
    addressed: Addressed,
    request_id: &str,
) -> (&'static str, Response<AnswerBody>) {
    let service = addressed.service();
    let (name, response) = match run(gateway, head, body, addressed, request_id).await {
        Ok(answered) => answered,
        Err(error) => {
            body.drain(expects_continue(head)).await;
            let error = error.into_s3();
            if error.status().is_server_error() {
                tracing::warn!(%error, "call failed");
            }
            let response = aws_query::answer::error(&error, service, request_id);
            (service.as_str(), response)
        }
    };
    (name, response.map(AnswerBody::whole))
}

async fn run(
    gateway: &Gateway,
    head: &Parts,
    body: &mut ClientBody,
    addressed: Addressed,
    request_id: &str,
) -> Result<(&'static str, Response<Bytes>), Error> {
    let service = addressed.service();
    let bytes = read(gateway, body).await?;
    let caller = authenticate(gateway, head, service, &bytes).await?;
    let form = Form::read(head, &bytes, service)?;
    let conditions = context::of_request(head, &Query::default(), &caller);
    if service == Service::Sts {
        let output = sts::answer(gateway, &caller, form, conditions).await?;
        let response = sts_types::render(&output, request_id);
        return Ok((output.action().as_str(), response));
    }
    let tenant = caller
        .tenant()
        .ok_or(ErrorCode::MissingAuthenticationToken)?;
    // A user's temporary credentials are good for everything but these, as at AWS: whoever finds
    // them must not be able to make lasting ones.
    if caller.session().is_some() && !caller.is_role() {
        return Err(ErrorCode::InvalidClientTokenId.into());
    }
    let (action, output) = iam::answer(gateway, &caller, tenant, form, conditions).await?;
    let response = iam_types::render(action, &output, request_id);
    Ok((action.as_str(), response))
}

/// The form, which is in memory as a whole; how many are is bounded.
async fn read(gateway: &Gateway, body: &mut ClientBody) -> Result<Bytes, Error> {
    let _turn = gateway.admission.upload().await?;
    match Limited::new(body, FORM_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(S3Error::new(ErrorCode::ValidationError)
                .message("The request is too long.")
                .into())
        }
        Err(_) => Err(ErrorCode::IncompleteBody.into()),
    }
}

async fn authenticate(
    gateway: &Gateway,
    head: &Parts,
    service: Service,
    body: &[u8],
) -> Result<Arc<Caller>, Error> {
    let claim = auth::parse_call(head, service, body)?;
    let Some(access_key) = claim.access_key_id() else {
        return Ok(Arc::new(Caller::anonymous()));
    };
    let directory = &gateway.directory;
    let signed_in = directory.sign_in(access_key, claim.session_token()).await?;
    let (region, now) = (&gateway.settings.region, SystemTime::now());
    claim.verify(head, &signed_in.secret, region, now)?;
    Ok(signed_in.caller)
}
