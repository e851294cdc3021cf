//! Answers, and the one place where errors become status and word.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use riquet_cluster::wire::shard::{ERROR, ErrorCode};

use crate::error::Error;

/// The body of an answer; an error in it cuts the connection, which the peer sees as a short body.
pub(super) type AnswerBody = UnsyncBoxBody<Bytes, Error>;

/// A request that failed, as the peer is told.
#[derive(Debug)]
pub(super) struct Refusal {
    code: ErrorCode,
    text: String,
}

impl Refusal {
    pub(super) fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    pub(super) fn malformed(text: impl Into<String>) -> Self {
        Self::new(ErrorCode::Refused, text)
    }

    pub(super) fn into_response(self) -> Response<AnswerBody> {
        let mut answer = Response::new(full(self.text + "\n"));
        *answer.status_mut() =
            StatusCode::from_u16(self.code.status()).expect("the table has statuses");
        answer
            .headers_mut()
            .insert(ERROR, HeaderValue::from_static(self.code.word()));
        answer
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let code = match &error {
            // A damaged record is as good as none: the reader takes another shard.
            Error::NotFound | Error::Damaged => ErrorCode::NoSuchShard,
            Error::Busy => ErrorCode::Overloaded,
            Error::Conflict => ErrorCode::ShardConflict,
            Error::LengthMismatch { .. } | Error::BadShard(_) | Error::BadRange { .. } => {
                ErrorCode::Refused
            }
            Error::DiskFull => ErrorCode::DiskFull,
            Error::DiskFailed
            | Error::Stopped
            | Error::Io { .. }
            | Error::Index(_)
            | Error::IndexEntry
            | Error::WrongDisk { .. }
            | Error::Metadata(_)
            | Error::Settings(_) => ErrorCode::DiskUnavailable,
        };
        Self::new(code, error.to_string())
    }
}

pub(super) fn full(bytes: impl Into<Bytes>) -> AnswerBody {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

pub(super) fn empty(status: StatusCode) -> Response<AnswerBody> {
    let mut answer = Response::new(full(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

pub(super) fn document(
    content_type: &'static str,
    bytes: impl Into<Bytes>,
) -> Response<AnswerBody> {
    let mut answer = Response::new(full(bytes));
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
