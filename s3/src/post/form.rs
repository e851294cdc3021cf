//! Reading of a form: its fields whole, its file as a stream.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use http_body::Body;
use multer::{Field, Multipart};

use super::fields::{self, FormFields, too_much_before_the_file};
use super::file::PostFile;
use super::pieces::{Pieces, Prelude};
use crate::error::{Error, ErrorCode, Result};
use crate::name::ObjectKey;

/// The longest boundary; RFC 2046 allows 70 characters.
const BOUNDARY_BYTES_MAX: usize = 200;

/// A form that has a key and a file.
#[derive(Debug)]
pub struct PostForm {
    /// The fields before the file, its name put in.
    pub fields: FormFields,
    /// The object's key.
    pub key: ObjectKey,
    /// The file.
    pub file: PostFile,
}

impl PostForm {
    /// Reads a form up to its file.
    ///
    /// # Errors
    /// `PreconditionFailed` (no form), `MalformedPOSTRequest`, `IncompleteBody` (the connection
    /// broke), `MaxPostPreDataLengthExceededError`, `InvalidArgument` (no file or no key),
    /// `KeyTooLongError`.
    pub async fn read<B>(headers: &HeaderMap, body: B) -> Result<Self>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let boundary = boundary(headers.get(CONTENT_TYPE))?;
        let prelude = Prelude::default();
        let pieces = Pieces::new(body, prelude.clone());
        let mut parts = Multipart::new(pieces, boundary);
        let mut fields = FormFields::default();
        while let Some(mut part) = within(&prelude, parts.next_field()).await? {
            let name = part
                .name()
                .ok_or(ErrorCode::MalformedPOSTRequest)?
                .to_owned();
            // Not every part with a file name is a file: some clients name them all.
            if name.eq_ignore_ascii_case("file") {
                prelude.end();
                return Self::with_file(fields, part);
            }
            let value = read_value(&mut part, &prelude, fields.room_bytes()).await?;
            fields.push(&name, &value)?;
        }
        Err(Error::invalid_argument(
            "file",
            "0",
            "POST requires exactly one file upload per request.",
        ))
    }

    fn with_file(mut fields: FormFields, file: Field<'static>) -> Result<Self> {
        // Without any name, as opposed to an empty one, AWS leaves the variable as it is.
        if let Some(path) = file.file_name() {
            fields.expand_filename(path)?;
        }
        let key = match fields.get("key") {
            None => return Err(fields::missing("key")),
            Some("") => {
                return Err(Error::invalid_argument(
                    "key",
                    "",
                    "User key must have a length greater than 0.",
                ));
            }
            Some(key) => ObjectKey::parse(key)?,
        };
        Ok(Self {
            fields,
            key,
            file: PostFile::new(file),
        })
    }
}

fn boundary(content_type: Option<&HeaderValue>) -> Result<String> {
    let text = content_type.and_then(|value| value.to_str().ok());
    match multer::parse_boundary(text.unwrap_or("")) {
        Ok(boundary) if (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()) => Ok(boundary),
        Ok(_) | Err(multer::Error::NoBoundary) => Err(ErrorCode::MalformedPOSTRequest.into()),
        Err(_) => Err(Error::new(ErrorCode::PreconditionFailed).field(
            "Condition",
            "Bucket POST must be of the enclosure-type multipart/form-data",
        )),
    }
}

/// Waits for the reader, unless it waits for more than may come before the file.
async fn within<T>(
    prelude: &Prelude,
    reading: impl Future<Output = Result<T, multer::Error>>,
) -> Result<T> {
    let mut reading = pin!(reading);
    poll_fn(|context| match reading.as_mut().poll(context) {
        Poll::Pending if prelude.is_exhausted() => Poll::Ready(Err(too_much_before_the_file())),
        polled => polled.map_err(error_of),
    })
    .await
}

async fn read_value(
    part: &mut Field<'static>,
    prelude: &Prelude,
    bytes_max: usize,
) -> Result<String> {
    let mut value = Vec::new();
    while let Some(bytes) = within(prelude, part.chunk()).await? {
        if value.len() + bytes.len() > bytes_max {
            return Err(too_much_before_the_file());
        }
        value.extend_from_slice(&bytes);
    }
    String::from_utf8(value).map_err(|_| ErrorCode::MalformedPOSTRequest.into())
}

/// What the multipart reader failed with: our own error, if it came through it.
pub(super) fn error_of(error: multer::Error) -> Error {
    match error {
        multer::Error::StreamReadFailed(error) => match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(_) => ErrorCode::IncompleteBody.into(),
        },
        _ => ErrorCode::MalformedPOSTRequest.into(),
    }
}

#[cfg(test)]
mod tests;
