//! Inputs of the listings of a bucket's objects, versions and uploads.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use super::fields::Fields;
use super::object::VersionId;
use crate::error::{Error, Result};
use crate::name::{BucketName, OBJECT_KEY_BYTES_MAX};

/// The most entries (keys and common prefixes together) of one page.
pub const KEYS_PER_PAGE_MAX: u32 = 1000;

/// How keys are written in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodingType {
    /// Percent-encoded, so that any key survives XML.
    Url,
}

/// What all listings share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListCommon {
    /// The bucket.
    pub bucket: BucketName,
    /// Only keys that begin with this; may be empty.
    pub prefix: String,
    /// Keys that agree up to the first delimiter after the prefix become one common prefix. Never
    /// empty.
    pub delimiter: Option<String>,
    /// The most entries to answer, 0 to [`KEYS_PER_PAGE_MAX`].
    pub max_keys: u32,
    /// How keys are written in the answer.
    pub encoding: Option<EncodingType>,
}

impl ListCommon {
    fn parse(bucket: BucketName, fields: Fields<'_>, max_name: &'static str) -> Result<Self> {
        let encoding = match fields.non_empty("encoding-type") {
            None => None,
            Some(name) if name.eq_ignore_ascii_case("url") => Some(EncodingType::Url),
            Some(name) => {
                return Err(Error::invalid_argument(
                    "encoding-type",
                    name,
                    "Invalid Encoding Method specified in Request",
                ));
            }
        };
        let delimiter = fields.non_empty("delimiter");
        // An extension of Ceph's. Order costs nothing here, so that it is kept in any case.
        let is_unordered = fields
            .parameter("allow-unordered")
            .is_some_and(|text| text.eq_ignore_ascii_case("true"));
        if is_unordered && delimiter.is_some() {
            return Err(Error::invalid_argument(
                "allow-unordered",
                "true",
                "An unordered listing takes no delimiter",
            ));
        }
        Ok(Self {
            bucket,
            prefix: fields.non_empty("prefix").unwrap_or_default(),
            delimiter,
            max_keys: fields.count(max_name, 0, KEYS_PER_PAGE_MAX)?,
            encoding,
        })
    }

    /// Where a page begins whose marker is the last entry of the page before: behind all keys of
    /// a common prefix if the marker is one, else behind the key.
    #[must_use]
    pub fn position_of_marker(&self, marker: &str) -> ListPosition {
        let is_common_prefix = match (&self.delimiter, marker.strip_prefix(&self.prefix)) {
            (Some(delimiter), Some(rest)) => rest
                .find(delimiter.as_str())
                .is_some_and(|at| at + delimiter.len() == rest.len()),
            _ => false,
        };
        if is_common_prefix {
            ListPosition::AfterPrefix(marker.to_owned())
        } else {
            ListPosition::AfterKey(marker.to_owned())
        }
    }
}

/// A place between two entries of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListPosition {
    /// Behind this key, whether it exists or not.
    AfterKey(String),
    /// Behind every key that begins with this.
    AfterPrefix(String),
}

impl ListPosition {
    /// The opaque text of a continuation token.
    #[must_use]
    pub fn to_token(&self) -> String {
        let (kind, text) = match self {
            Self::AfterKey(key) => ('k', key),
            Self::AfterPrefix(prefix) => ('p', prefix),
        };
        BASE64.encode(format!("{kind}{text}"))
    }

    /// Reads [`ListPosition::to_token`].
    ///
    /// # Errors
    /// `InvalidArgument` for anything else.
    pub fn from_token(token: &str) -> Result<Self> {
        Self::decode(token).ok_or_else(|| {
            Error::invalid_argument(
                "continuation-token",
                token,
                "The continuation token provided is incorrect",
            )
        })
    }

    fn decode(token: &str) -> Option<Self> {
        let text = String::from_utf8(BASE64.decode(token).ok()?).ok()?;
        if text.len() > 1 + OBJECT_KEY_BYTES_MAX {
            return None;
        }
        match text.split_at_checked(1)? {
            ("k", key) => Some(Self::AfterKey(key.to_owned())),
            ("p", prefix) => Some(Self::AfterPrefix(prefix.to_owned())),
            _ => None,
        }
    }
}

/// The input of ListObjects, the first version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListObjectsInput {
    /// What all listings share.
    pub list: ListCommon,
    /// The last entry of the page before, or any text.
    pub marker: Option<String>,
}

impl ListObjectsInput {
    pub(crate) fn parse(bucket: BucketName, fields: Fields<'_>) -> Result<Self> {
        Ok(Self {
            list: ListCommon::parse(bucket, fields, "max-keys")?,
            marker: fields.non_empty("marker"),
        })
    }

    /// Where the page begins.
    #[must_use]
    pub fn start(&self) -> Option<ListPosition> {
        self.marker
            .as_deref()
            .map(|marker| self.list.position_of_marker(marker))
    }
}

/// The input of ListObjectsV2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListObjectsV2Input {
    /// What all listings share.
    pub list: ListCommon,
    /// Only keys behind this one.
    pub start_after: Option<String>,
    /// Where the page before ended; outranks `start_after`.
    pub continuation: Option<ListPosition>,
    /// The token that says so, as it is told back. An empty one stands for the beginning.
    pub token: Option<String>,
    /// Whether entries name their owner.
    pub fetch_owner: bool,
}

impl ListObjectsV2Input {
    pub(crate) fn parse(bucket: BucketName, fields: Fields<'_>) -> Result<Self> {
        let fetch_owner = fields
            .parameter("fetch-owner")
            .is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let token = fields.parameter("continuation-token");
        Ok(Self {
            list: ListCommon::parse(bucket, fields, "max-keys")?,
            start_after: fields.non_empty("start-after"),
            continuation: token
                .filter(|text| !text.is_empty())
                .map(ListPosition::from_token)
                .transpose()?,
            token: token.map(str::to_owned),
            fetch_owner,
        })
    }

    /// Where the page begins.
    #[must_use]
    pub fn start(&self) -> Option<ListPosition> {
        let start_after = || self.start_after.clone().map(ListPosition::AfterKey);
        self.continuation.clone().or_else(start_after)
    }
}

/// A place between two entries of a listing of versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionPosition {
    /// Behind every version of what the position names.
    After(ListPosition),
    /// Behind this version of this key.
    AfterVersion(String, VersionId),
}

/// The input of ListObjectVersions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListObjectVersionsInput {
    /// What all listings share.
    pub list: ListCommon,
    /// The last entry of the page before, or any text.
    pub key_marker: Option<String>,
    /// The last version of the page before.
    pub version_id_marker: Option<VersionId>,
}

impl ListObjectVersionsInput {
    pub(crate) fn parse(bucket: BucketName, fields: Fields<'_>) -> Result<Self> {
        let key_marker = fields.non_empty("key-marker");
        let version_id_marker = fields.non_empty("version-id-marker");
        if let (None, Some(version)) = (&key_marker, &version_id_marker) {
            return Err(Error::invalid_argument(
                "version-id-marker",
                version,
                "A version-id marker cannot be specified without a key marker.",
            ));
        }
        Ok(Self {
            list: ListCommon::parse(bucket, fields, "max-keys")?,
            key_marker,
            version_id_marker: version_id_marker
                .as_deref()
                .map(VersionId::parse)
                .transpose()?,
        })
    }

    /// Where the page begins.
    #[must_use]
    pub fn start(&self) -> Option<VersionPosition> {
        let marker = self.key_marker.as_deref()?;
        Some(match &self.version_id_marker {
            Some(version) => VersionPosition::AfterVersion(marker.to_owned(), version.clone()),
            None => VersionPosition::After(self.list.position_of_marker(marker)),
        })
    }
}

/// The input of ListMultipartUploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListMultipartUploadsInput {
    /// What all listings share; `max_keys` is `max-uploads`.
    pub list: ListCommon,
    /// The key of the page before's last upload, or any text.
    pub key_marker: Option<String>,
    /// The upload the page before ended with: uploads of `key_marker` behind it are still wanted.
    /// Always `None` without `key_marker`.
    pub upload_id_marker: Option<String>,
}

impl ListMultipartUploadsInput {
    pub(crate) fn parse(bucket: BucketName, fields: Fields<'_>) -> Result<Self> {
        let key_marker = fields.non_empty("key-marker");
        // AWS ignores an upload marker without a key.
        let upload_id_marker = fields
            .non_empty("upload-id-marker")
            .filter(|_| key_marker.is_some());
        Ok(Self {
            list: ListCommon::parse(bucket, fields, "max-uploads")?,
            key_marker,
            upload_id_marker,
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorCode;
    use crate::operation::Query;

    fn with<T>(raw: &str, read: impl Fn(BucketName, Fields<'_>) -> Result<T>) -> Result<T> {
        let query = Query::parse(raw).unwrap();
        let fields = Fields {
            headers: &HeaderMap::new(),
            query: &query,
        };
        read(BucketName::parse("abc").unwrap(), fields)
    }

    #[test]
    fn defaults() {
        let input = with("list-type=2&prefix=&delimiter=", ListObjectsV2Input::parse).unwrap();
        assert_eq!(input.list.prefix, "");
        assert_eq!(input.list.delimiter, None);
        assert_eq!(input.list.max_keys, 1000);
        assert_eq!(input.start(), None);
        assert!(!input.fetch_owner);
    }

    #[test]
    fn a_token_outranks_start_after() {
        let token = ListPosition::AfterPrefix("a/".to_owned()).to_token();
        let raw = format!("start-after=z&continuation-token={token}");
        let input = with(&raw, ListObjectsV2Input::parse).unwrap();
        assert_eq!(
            input.start(),
            Some(ListPosition::AfterPrefix("a/".to_owned()))
        );
        let input = with("continuation-token=", ListObjectsV2Input::parse).unwrap();
        assert_eq!((input.start(), input.token.as_deref()), (None, Some("")));
        let input = with("start-after=a/", ListObjectsV2Input::parse).unwrap();
        assert_eq!(input.start(), Some(ListPosition::AfterKey("a/".to_owned())));
    }

    #[test]
    fn a_marker_is_a_prefix_only_where_the_listing_would_show_it_as_one() {
        let start = |raw: &str| with(raw, ListObjectsInput::parse).unwrap().start().unwrap();
        let key = |text: &str| ListPosition::AfterKey(text.to_owned());
        let prefix = |text: &str| ListPosition::AfterPrefix(text.to_owned());
        assert_eq!(start("marker=a/"), key("a/"));
        assert_eq!(start("marker=a/&delimiter=/"), prefix("a/"));
        assert_eq!(start("marker=a/b/&delimiter=/"), key("a/b/"));
        assert_eq!(start("marker=a/b/&delimiter=/&prefix=a/"), prefix("a/b/"));
        assert_eq!(start("marker=a/&delimiter=/&prefix=a/"), key("a/"));
    }

    #[test]
    fn bad_parameters_are_refused() {
        for raw in [
            "encoding-type=xml",
            "max-keys=-1",
            "allow-unordered=true&delimiter=/",
            "continuation-token=*",
            "continuation-token=eA",
        ] {
            let error = with(raw, ListObjectsV2Input::parse).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument, "{raw}");
        }
        assert!(with("version-id-marker=null", ListObjectVersionsInput::parse).is_err());
        let uploads = with("upload-id-marker=x", ListMultipartUploadsInput::parse).unwrap();
        assert_eq!(uploads.upload_id_marker, None);
    }

    proptest! {
        #[test]
        fn tokens_round_trip(text in "\\PC{0,100}", is_key: bool) {
            let position =
                if is_key { ListPosition::AfterKey(text) } else { ListPosition::AfterPrefix(text) };
            prop_assert_eq!(ListPosition::from_token(&position.to_token()).unwrap(), position);
        }
    }
}
