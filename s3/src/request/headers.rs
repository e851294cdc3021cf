//! What a client stores with an object besides its bytes: content headers, user metadata and
//! storage class.

use http::{HeaderName, HeaderValue};

use super::fields::Fields;
use crate::error::{Error, ErrorCode, Result};

/// The most bytes of all user metadata names and values together.
pub const USER_METADATA_BYTES_MAX: usize = 2048;

/// What stands before a user metadata name in a header.
pub const USER_METADATA_PREFIX: &str = "x-amz-meta-";

/// The headers stored with an object and returned with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectHeaders {
    /// `Content-Type`; where there is none, answers say `binary/octet-stream`.
    pub content_type: Option<String>,
    /// `Content-Encoding`, without the `aws-chunked` of the transfer.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Expires`, as the client wrote it.
    pub expires: Option<String>,
    /// `x-amz-website-redirect-location`: where a web site sends those who ask for the object.
    pub website_redirect: Option<String>,
    /// The user metadata.
    pub metadata: UserMetadata,
}

impl ObjectHeaders {
    pub(crate) fn parse(fields: Fields<'_>) -> Result<Self> {
        Ok(Self {
            content_type: fields.header_owned("content-type")?,
            content_encoding: fields
                .header("content-encoding")?
                .and_then(content_encoding_of_the_object),
            content_language: fields.header_owned("content-language")?,
            content_disposition: fields.header_owned("content-disposition")?,
            cache_control: fields.header_owned("cache-control")?,
            expires: fields.header_owned("expires")?,
            website_redirect: website_redirect(fields)?,
            metadata: UserMetadata::parse(fields)?,
        })
    }
}

/// The most bytes of a redirect location.
const REDIRECT_BYTES_MAX: usize = 2048;

/// Where a web site is to send those who ask for the object: another object or another site.
pub(crate) fn website_redirect(fields: Fields<'_>) -> Result<Option<String>> {
    let Some(location) = fields.header_owned("x-amz-website-redirect-location")? else {
        return Ok(None);
    };
    if !["/", "http://", "https://"]
        .iter()
        .any(|start| location.starts_with(start))
    {
        return Err(ErrorCode::InvalidRedirectLocation.into());
    }
    // It may have come in the query, and returns as a header.
    if location.len() > REDIRECT_BYTES_MAX || HeaderValue::from_str(&location).is_err() {
        let why = "The website redirect location is too long or no header value.";
        return Err(Error::new(ErrorCode::InvalidRedirectLocation).message(why));
    }
    Ok(Some(location))
}

/// `aws-chunked` frames the transfer and is no property of the object.
fn content_encoding_of_the_object(value: &str) -> Option<String> {
    let codings = value.split(',');
    let kept: Vec<_> = codings
        .filter(|coding| !coding.trim().eq_ignore_ascii_case("aws-chunked"))
        .collect();
    // What remains is given back as it was written, spaces between included.
    let kept = kept.join(",");
    let kept = kept.trim();
    (!kept.is_empty()).then(|| kept.to_owned())
}

/// The `x-amz-meta-*` headers of an object: names without the prefix, in lower case and order,
/// with values as the client sent them; at most [`USER_METADATA_BYTES_MAX`] when parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserMetadata(Vec<(String, String)>);

impl UserMetadata {
    /// Metadata read back from storage.
    #[must_use]
    pub fn from_stored(mut pairs: Vec<(String, String)>) -> Self {
        pairs.sort();
        Self(pairs)
    }

    fn parse(fields: Fields<'_>) -> Result<Self> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for name in fields.headers.keys() {
            let Some(short) = name.as_str().strip_prefix(USER_METADATA_PREFIX) else {
                continue;
            };
            let values: Vec<_> = fields.headers.get_all(name).iter().collect();
            let values = values
                .iter()
                .map(|value| std::str::from_utf8(value.as_bytes()).map(str::trim))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|_| Error::invalid_argument(name.as_str(), "", "Metadata is not UTF-8"))?;
            pairs.push((short.to_owned(), values.join(",")));
        }
        for (name, value) in fields.query.iter() {
            let name = name.to_ascii_lowercase();
            let Some(short) = name.strip_prefix(USER_METADATA_PREFIX) else {
                continue;
            };
            if !fields.headers.contains_key(&name) {
                // It returns as a header, so it must be able to be one.
                if HeaderName::try_from(&name).is_err() || HeaderValue::from_str(value).is_err() {
                    return Err(Error::invalid_argument(name, value, "Bad metadata"));
                }
                pairs.push((short.to_owned(), value.to_owned()));
            }
        }
        pairs.sort();
        let metadata = Self(pairs);
        let size_bytes = metadata.size_bytes();
        if size_bytes > USER_METADATA_BYTES_MAX {
            return Err(Error::new(ErrorCode::MetadataTooLarge)
                .field("Size", size_bytes.to_string())
                .field("MaxSizeAllowed", USER_METADATA_BYTES_MAX.to_string()));
        }
        Ok(metadata)
    }

    /// The names (without prefix) and values, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The names and values, to be stored.
    #[must_use]
    pub fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }

    /// The bytes of all names and values.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.0
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum()
    }
}

/// How many sites hold an object's shards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum StorageClass {
    /// Every site; survives the loss of one.
    #[default]
    Standard,
    /// One site.
    OneZoneIa,
}

impl StorageClass {
    /// The name in headers and XML.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::OneZoneIa => "ONEZONE_IA",
        }
    }

    /// Reads a name.
    ///
    /// # Errors
    /// `InvalidStorageClass` for a class this store does not offer.
    pub fn parse(name: &str) -> Result<Self> {
        [Self::Standard, Self::OneZoneIa]
            .into_iter()
            .find(|class| class.as_str() == name)
            .ok_or_else(|| {
                Error::new(ErrorCode::InvalidStorageClass).field("StorageClassRequested", name)
            })
    }

    /// The class a write asks for, if it asks for one.
    pub(crate) fn requested(fields: Fields<'_>) -> Result<Option<Self>> {
        fields
            .header("x-amz-storage-class")?
            .map(Self::parse)
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::operation::Query;

    fn with<T>(
        pairs: &[(&'static str, &str)],
        read: impl Fn(Fields<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                HeaderName::from_static(name),
                value.as_bytes().try_into().unwrap(),
            );
        }
        read(Fields {
            headers: &headers,
            query: &Query::default(),
        })
    }

    #[test]
    fn aws_chunked_is_no_coding_of_the_object() {
        let coding = |value: &str| {
            with(&[("content-encoding", value)], ObjectHeaders::parse)
                .unwrap()
                .content_encoding
        };
        assert_eq!(coding("aws-chunked"), None);
        assert_eq!(coding("gzip, aws-chunked").as_deref(), Some("gzip"));
        assert_eq!(coding("AWS-CHUNKED,gzip, br").as_deref(), Some("gzip, br"));
        assert_eq!(coding("deflate, gzip").as_deref(), Some("deflate, gzip"));
        assert_eq!(coding(""), None);
    }

    #[test]
    fn metadata_is_sorted_joined_and_bounded() {
        let pairs = [
            ("x-amz-meta-b", "2"),
            ("x-amz-meta-a", "é"),
            ("x-amz-meta-b", "3"),
        ];
        let metadata = with(&pairs, UserMetadata::parse).unwrap();
        assert_eq!(
            metadata.iter().collect::<Vec<_>>(),
            [("a", "é"), ("b", "2,3")]
        );
        assert_eq!(metadata.size_bytes(), 7);
        let fits = "v".repeat(USER_METADATA_BYTES_MAX - 1);
        assert!(with(&[("x-amz-meta-k", &fits)], UserMetadata::parse).is_ok());
        let error = with(&[("x-amz-meta-kk", &fits)], UserMetadata::parse).unwrap_err();
        assert_eq!(error.code(), ErrorCode::MetadataTooLarge);
    }

    #[test]
    fn storage_classes() {
        assert_eq!(
            StorageClass::parse("ONEZONE_IA").unwrap(),
            StorageClass::OneZoneIa
        );
        let error = StorageClass::parse("GLACIER").unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidStorageClass);
    }
}
