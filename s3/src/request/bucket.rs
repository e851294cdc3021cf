//! Inputs of the operations on buckets and on the account.

use super::fields::Fields;
use crate::acl::RequestedAcl;
use crate::config::ownership::ObjectOwnership;
use crate::error::{Error, ErrorCode, Result};
use crate::name::BucketName;
use crate::xml::read::Element;

/// The most buckets one ListBuckets answers.
pub const BUCKETS_PER_PAGE_MAX: u32 = 10_000;

/// The input of ListBuckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListBucketsInput {
    /// Only buckets that begin with this.
    pub prefix: Option<String>,
    /// The most buckets to answer, 1 to [`BUCKETS_PER_PAGE_MAX`].
    pub max_buckets: u32,
    /// The last bucket of the page before, as given in that answer.
    pub continuation_token: Option<String>,
    /// Only buckets of this region.
    pub bucket_region: Option<String>,
}

impl ListBucketsInput {
    pub(crate) fn parse(fields: Fields<'_>) -> Result<Self> {
        Ok(Self {
            prefix: fields.non_empty("prefix"),
            max_buckets: fields.count("max-buckets", 1, BUCKETS_PER_PAGE_MAX)?,
            continuation_token: fields.non_empty("continuation-token"),
            bucket_region: fields.non_empty("bucket-region"),
        })
    }
}

/// The input of CreateBucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateBucketInput {
    /// The bucket to create.
    pub bucket: BucketName,
    /// The region the client wants it in; a region other than the store's own is answered with
    /// `IllegalLocationConstraintException`.
    pub location: Option<String>,
    /// Whether its versions can be locked.
    pub object_lock: ObjectLockAtCreation,
    /// Who may do what with it, where the client says.
    pub acl: Option<RequestedAcl>,
    /// Who is to own what others write into it, where the client says.
    pub object_ownership: Option<ObjectOwnership>,
}

/// Whether a new bucket's versions can be locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectLockAtCreation {
    /// They can, so all are kept.
    Enabled,
    /// They can't.
    Disabled,
}

impl ObjectLockAtCreation {
    fn parse(fields: Fields<'_>) -> Result<Self> {
        Ok(match fields.flag("x-amz-bucket-object-lock-enabled")? {
            true => Self::Enabled,
            false => Self::Disabled,
        })
    }
}

impl CreateBucketInput {
    pub(crate) fn parse(bucket: BucketName, fields: Fields<'_>, body: &[u8]) -> Result<Self> {
        let object_lock = ObjectLockAtCreation::parse(fields)?;
        let acl = RequestedAcl::from_headers(fields.headers, fields.query)?;
        let ownership = fields.header("x-amz-object-ownership")?;
        let object_ownership = ownership.map(ObjectOwnership::parse_header).transpose()?;
        if body.is_empty() {
            return Ok(Self {
                bucket,
                location: None,
                object_lock,
                acl,
                object_ownership,
            });
        }
        let root = Element::parse(body, "CreateBucketConfiguration")?;
        // Directory buckets and tags.
        if ["Location", "Bucket", "Tags"]
            .iter()
            .any(|name| root.all(name).next().is_some())
        {
            return Err(Error::new(ErrorCode::NotImplemented)
                .message("The bucket configuration asks for what is not implemented"));
        }
        let location = root
            .only(&["LocationConstraint"])?
            .optional_text("LocationConstraint")?;
        let location = location.filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Self {
            bucket,
            location,
            object_lock,
            acl,
            object_ownership,
        })
    }
}

/// The input of the operations that configure a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketConfiguration<T> {
    /// The bucket.
    pub bucket: BucketName,
    /// Its configuration from now on.
    pub configuration: T,
}

/// The input of the operations that take a bucket and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketInput {
    /// The bucket.
    pub bucket: BucketName,
}

/// The input of the operations that list configurations of which a bucket may have several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListConfigurationsInput {
    /// The bucket.
    pub bucket: BucketName,
}

impl ListConfigurationsInput {
    /// Every list ends with its first page, so that nobody was given a token.
    pub(crate) fn parse(bucket: BucketName, fields: Fields<'_>) -> Result<Self> {
        match fields.non_empty("continuation-token") {
            None => Ok(Self { bucket }),
            Some(token) => Err(Error::invalid_argument(
                "continuation-token",
                token,
                "The continuation token provided is incorrect",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn create_bucket_reads_the_location() {
        let (headers, query) = (http::HeaderMap::new(), crate::operation::Query::default());
        let fields = Fields {
            headers: &headers,
            query: &query,
        };
        let parse = |body: &str| {
            let bucket = BucketName::parse("abc").unwrap();
            CreateBucketInput::parse(bucket, fields, body.as_bytes())
        };
        let wrap = |inner: &str| {
            format!(
                "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                 {inner}</CreateBucketConfiguration>"
            )
        };
        assert_eq!(parse("").unwrap().location, None);
        assert_eq!(parse(&wrap("")).unwrap().location, None);
        let located = wrap("<LocationConstraint>eu-west-3</LocationConstraint>");
        assert_eq!(
            parse(&located).unwrap().location.as_deref(),
            Some("eu-west-3")
        );
        let code = |body: &str| parse(body).unwrap_err().code();
        assert_eq!(code("<Wrong/>"), ErrorCode::MalformedXML);
        assert_eq!(code(&wrap("<Other/>")), ErrorCode::MalformedXML);
        let directory = wrap("<Bucket><Type>Directory</Type></Bucket>");
        assert_eq!(code(&directory), ErrorCode::NotImplemented);
    }
}
