//! Who may do what: the one decision between authentication and the handlers.
//!
//! A decision is asked with what a policy will need (the caller, the IAM action of the operation
//! table, the resource). Today's only rule: a bucket and what is in it are its owner's.

use riquet_metadata::record::{Account, Bucket};
use riquet_s3::{Error, ErrorCode};

/// What is to be done, and to what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access<'a> {
    /// The IAM action, such as `s3:GetObject`.
    pub(crate) action: &'static str,
    /// The bucket; none where the operation is about the account, or the bucket is yet to be.
    pub(crate) bucket: Option<&'a Bucket>,
}

/// Refuses what `caller` may not do.
///
/// # Errors
/// `AccessDenied`.
pub(crate) fn authorize(caller: &Account, access: Access<'_>) -> Result<(), Error> {
    match access.bucket {
        Some(bucket) if bucket.owner != caller.user_id => {
            tracing::debug!(user = caller.user_id, action = access.action, "denied");
            Err(ErrorCode::AccessDenied.into())
        }
        // What is one's own, and what is yet to be made.
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use riquet_metadata::id::BucketId;
    use riquet_metadata::record::{Secret, Versioning};

    use super::*;

    #[test]
    fn a_bucket_is_its_owners_alone() {
        let account = |user: &str| Account {
            user_id: user.to_owned(),
            display_name: user.to_owned(),
            access_key: "AK".to_owned(),
            secret: Secret("s".to_owned()),
            created_ms: 0,
        };
        let bucket = Bucket {
            id: BucketId(1),
            name: "b-1".to_owned(),
            owner: "ada".to_owned(),
            created_ms: 0,
            region: "r".to_owned(),
            tablets: Vec::new(),
            versioning: Versioning::Never,
            has_locks: false,
            documents: Vec::new(),
        };
        let access = Access {
            action: "s3:GetObject",
            bucket: Some(&bucket),
        };
        assert!(authorize(&account("ada"), access).is_ok());
        let denied = authorize(&account("eve"), access).expect_err("not hers");
        assert_eq!(denied.code(), ErrorCode::AccessDenied);
        let none = Access {
            action: "s3:CreateBucket",
            bucket: None,
        };
        assert!(authorize(&account("eve"), none).is_ok());
    }
}
