//! What a client is told of a request that failed.

use http::Response;
use http::request::Parts;
use riquet_s3::response::error::{ErrorContext, render};
use riquet_s3::{Error as S3Error, ErrorCode};

use crate::answer::AnswerBody;
use crate::client_body::ClientBody;
use crate::error::Error;
use crate::gateway::Gateway;

/// What the client is told of an error. Of a body that broke off, only this side knows whether
/// its sender fell silent.
pub(crate) fn to_client(error: Error, body: &ClientBody) -> S3Error {
    let error = error.into_s3();
    if body.was_silent() && error.code() == ErrorCode::IncompleteBody {
        return ErrorCode::RequestTimeout.into();
    }
    error
}

/// The answer that tells it.
pub(crate) fn render_error(
    gateway: &Gateway,
    head: &Parts,
    request_id: &str,
    error: S3Error,
) -> Response<AnswerBody> {
    if error.status().is_server_error() {
        tracing::warn!(path = head.uri.path(), %error, "request failed");
    }
    let context = ErrorContext {
        resource: head.uri.path(),
        request_id,
        host_id: &gateway.host_id,
        method: &head.method,
    };
    render(&error, &context).map(AnswerBody::whole)
}
