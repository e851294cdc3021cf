//! The one place where inner errors become S3 codes.

use riquet_metadata::Error as MetadataError;
use riquet_s3::conditions::precondition_failed;
use riquet_s3::{Error as S3Error, ErrorCode};

use crate::data::{DataError, WriteError};
use crate::encryption::{KeyError, KeyServiceError};

/// Why a request is not answered with success.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Said in the protocol's own terms already.
    #[error(transparent)]
    S3(#[from] S3Error),
    /// The metadata said no, or nothing.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// Bytes can't be written or read now.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The key of an object can't be had.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl From<ErrorCode> for Error {
    fn from(code: ErrorCode) -> Self {
        Self::S3(code.into())
    }
}

impl From<WriteError<Error>> for Error {
    fn from(error: WriteError<Error>) -> Self {
        match error {
            WriteError::Source(error) => error,
            WriteError::Length { .. } => ErrorCode::IncompleteBody.into(),
            WriteError::Data(error) => error.into(),
        }
    }
}

impl Error {
    /// The same, where what a header says was to hold: a precondition that failed is told by its
    /// header's name. Clients know by it that the object was there already.
    pub(crate) fn of_write(self, header: Option<&'static str>) -> Self {
        match (&self, header) {
            (Self::Metadata(MetadataError::PreconditionFailed), Some(header)) => {
                Self::S3(precondition_failed(header))
            }
            _ => self,
        }
    }

    /// What the client is told.
    pub(crate) fn into_s3(self) -> S3Error {
        match self {
            Self::S3(error) => error,
            Self::Metadata(error) => of_metadata(error),
            Self::Data(error) => of_data(&error),
            Self::Key(error) => of_key(&error),
        }
    }
}

/// Where nothing was changed and a retry may succeed, the answer is 503, which every SDK retries.
/// Where it isn't known, it is 500: retried as well, but no promise that nothing was done.
fn of_metadata(error: MetadataError) -> S3Error {
    use MetadataError as M;
    let code = match error {
        M::NoSuchBucket => ErrorCode::NoSuchBucket,
        M::BucketNotEmpty => ErrorCode::BucketNotEmpty,
        M::NoSuchKey => ErrorCode::NoSuchKey,
        M::NoSuchVersion => ErrorCode::NoSuchVersion,
        M::IsDeleteMarker => ErrorCode::MethodNotAllowed,
        M::VersionLocked => {
            return S3Error::new(ErrorCode::AccessDenied)
                .message("Access Denied because object protected by object lock.");
        }
        M::PreconditionFailed => ErrorCode::PreconditionFailed,
        M::NoSuchUpload => ErrorCode::NoSuchUpload,
        M::InvalidPart { number } => {
            return S3Error::new(ErrorCode::InvalidPart).field("PartNumber", number.to_string());
        }
        M::InvalidPartOrder => ErrorCode::InvalidPartOrder,
        M::EntityTooSmall { number, size_bytes } => return entity_too_small(number, size_bytes),
        M::SizeMismatch { .. } => {
            return S3Error::new(ErrorCode::InvalidRequest).message(
                "The provided 'x-amz-mp-object-size' header does not match what was computed.",
            );
        }
        // The data must be sent again: to a bucket looked up anew, or as a new blob.
        M::StaleBucket | M::BlobRefused { .. } => ErrorCode::ServiceUnavailable,
        M::Unavailable | M::NotBootstrapped | M::ClockSkew => ErrorCode::ServiceUnavailable,
        M::Uncertain => ErrorCode::InternalError,
        M::OtherCluster(_) | M::LayoutConflict { .. } | M::TooLarge | M::Protocol(_) => {
            tracing::error!(%error, "the metadata nodes and this gateway don't fit together");
            ErrorCode::InternalError
        }
    };
    code.into()
}

fn of_data(error: &DataError) -> S3Error {
    tracing::warn!(%error, "the data path failed a request");
    match error {
        DataError::TooFewNodes { .. } | DataError::TooFewCells { .. } => {
            ErrorCode::ServiceUnavailable.into()
        }
        DataError::NoProfile | DataError::Sealed(_) => ErrorCode::InternalError.into(),
    }
}

fn of_key(error: &KeyError) -> S3Error {
    match error {
        KeyError::OtherCustomerKey => S3Error::new(ErrorCode::InvalidRequest)
            .message("The provided encryption parameters did not match the ones used originally."),
        KeyError::NoKeyService => S3Error::new(ErrorCode::NotImplemented)
            .message("No key service is configured for aws:kms"),
        KeyError::Service(KeyServiceError::NoSuchKey(name)) => {
            S3Error::new(ErrorCode::KmsNotFoundException).field("KeyId", name.clone())
        }
        KeyError::Service(KeyServiceError::DoesNotOpen) | KeyError::Damaged(_) => {
            tracing::error!(%error, "an object's key can't be opened");
            ErrorCode::InternalError.into()
        }
    }
}

/// A part that only the last one may be as small as.
pub(crate) fn entity_too_small(number: u32, size_bytes: u64) -> S3Error {
    S3Error::new(ErrorCode::EntityTooSmall)
        .field("ProposedSize", size_bytes.to_string())
        .field(
            "MinSizeAllowed",
            riquet_metadata::limits::PART_MIN_BYTES.to_string(),
        )
        .field("PartNumber", number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_retried_is_answered_so_that_it_is() {
        for error in [MetadataError::Unavailable, MetadataError::StaleBucket] {
            assert_eq!(Error::from(error).into_s3().status(), 503);
        }
        assert_eq!(
            Error::from(MetadataError::Uncertain).into_s3().status(),
            500
        );
        assert_eq!(
            Error::from(MetadataError::PreconditionFailed)
                .into_s3()
                .status(),
            412
        );
    }

    #[test]
    fn a_failed_precondition_names_its_header() {
        let refused = Error::from(MetadataError::PreconditionFailed);
        let error = refused.of_write(Some("If-None-Match")).into_s3();
        assert_eq!(error.code(), ErrorCode::PreconditionFailed);
        assert_eq!(error.fields(), [("Condition", "If-None-Match".into())]);
        let stale = Error::from(MetadataError::StaleBucket);
        assert!(matches!(
            stale.of_write(Some("If-None-Match")),
            Error::Metadata(MetadataError::StaleBucket)
        ));
    }

    #[test]
    fn a_body_of_the_wrong_length_is_incomplete() {
        let error = Error::from(WriteError::<Error>::Length { announced: 5 });
        assert_eq!(error.into_s3().code(), ErrorCode::IncompleteBody);
    }
}
