//! Input of GetObjectAttributes: which attributes, and which of the parts.

use super::Target;
use super::encryption::{CustomerKey, CustomerKeyOf, refuse_on_read};
use super::fields::Fields;
use super::multipart::PARTS_PER_PAGE_MAX;
use super::object::VersionId;
use crate::error::{Error, ErrorCode, Result};
use crate::name::{BucketName, ObjectKey};

/// The header that names the attributes.
const ATTRIBUTES: &str = "x-amz-object-attributes";

/// The input of GetObjectAttributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetObjectAttributesInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The version, where the client names one.
    pub version_id: Option<VersionId>,
    /// What is asked for.
    pub wanted: WantedAttributes,
    /// Only parts with higher numbers.
    pub part_number_marker: u32,
    /// The most parts to answer, 0 to [`PARTS_PER_PAGE_MAX`].
    pub max_parts: u32,
    /// The key that a customer encrypted the object with.
    pub customer_key: Option<CustomerKey>,
}

/// Which attributes of an object are asked for; at least one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WantedAttributes {
    /// `ETag`.
    pub etag: bool,
    /// `Checksum`.
    pub checksum: bool,
    /// `ObjectParts`.
    pub parts: bool,
    /// `StorageClass`.
    pub storage_class: bool,
    /// `ObjectSize`.
    pub size: bool,
}

impl GetObjectAttributesInput {
    pub(crate) fn parse(target: Target, fields: Fields<'_>) -> Result<Self> {
        refuse_on_read(fields)?;
        Ok(Self {
            bucket: target.bucket,
            key: target.key,
            version_id: VersionId::requested(fields)?,
            wanted: WantedAttributes::parse(fields)?,
            part_number_marker: fields
                .header_count("x-amz-part-number-marker")?
                .unwrap_or(0),
            max_parts: fields
                .header_count("x-amz-max-parts")?
                .map_or(PARTS_PER_PAGE_MAX, |max| max.min(PARTS_PER_PAGE_MAX)),
            customer_key: CustomerKey::parse(fields, CustomerKeyOf::Object)?,
        })
    }
}

impl WantedAttributes {
    /// Clients send one header with commas, or several headers.
    fn parse(fields: Fields<'_>) -> Result<Self> {
        let mut wanted = Self::default();
        let headers = fields.headers.get_all(ATTRIBUTES).iter();
        let texts: Vec<&str> = headers
            .map(|value| value.to_str().unwrap_or("\u{fffd}"))
            .collect();
        let in_query = match texts.is_empty() {
            true => fields.header(ATTRIBUTES)?,
            false => None,
        };
        for name in texts
            .into_iter()
            .chain(in_query)
            .flat_map(|text| text.split(','))
        {
            match name.trim() {
                "" => {}
                "ETag" => wanted.etag = true,
                "Checksum" => wanted.checksum = true,
                "ObjectParts" => wanted.parts = true,
                "StorageClass" => wanted.storage_class = true,
                "ObjectSize" => wanted.size = true,
                other => {
                    let why = "Invalid attribute name specified.";
                    return Err(Error::invalid_argument(ATTRIBUTES, other, why));
                }
            }
        }
        if wanted == Self::default() {
            return Err(Error::new(ErrorCode::InvalidRequest).message(
                "The x-amz-object-attributes header specifying the attributes to be retrieved is \
                 either missing or empty",
            ));
        }
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::operation::Query;

    fn parse(headers: &[(&'static str, &str)], query: &str) -> Result<GetObjectAttributesInput> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let target = Target {
            bucket: BucketName::parse("abc").unwrap(),
            key: ObjectKey::parse("k").unwrap(),
        };
        let fields = Fields {
            headers: &map,
            query: &Query::parse(query).unwrap(),
        };
        GetObjectAttributesInput::parse(target, fields)
    }

    #[test]
    fn attributes_stand_in_one_header_or_in_several() {
        let one = parse(&[(ATTRIBUTES, "ETag, ObjectSize")], "").unwrap();
        let several = parse(&[(ATTRIBUTES, "ETag"), (ATTRIBUTES, "ObjectSize")], "").unwrap();
        let signed = parse(&[], "X-Amz-Object-Attributes=ETag%2CObjectSize").unwrap();
        assert!(one.wanted.etag && one.wanted.size && !one.wanted.parts);
        assert_eq!(one, several);
        assert_eq!(one, signed);
        let code = |headers: &[_]| parse(headers, "").unwrap_err().code();
        assert_eq!(code(&[]), ErrorCode::InvalidRequest);
        assert_eq!(code(&[(ATTRIBUTES, " , ")]), ErrorCode::InvalidRequest);
        assert_eq!(code(&[(ATTRIBUTES, "etag")]), ErrorCode::InvalidArgument);
    }

    #[test]
    fn pages_of_parts_are_bounded() {
        let page = |name, value| parse(&[(ATTRIBUTES, "ObjectParts"), (name, value)], "");
        assert_eq!(page("x-amz-max-parts", "5000").unwrap().max_parts, 1000);
        assert_eq!(page("x-amz-max-parts", "0").unwrap().max_parts, 0);
        let after = page("x-amz-part-number-marker", "3").unwrap();
        assert_eq!((after.part_number_marker, after.max_parts), (3, 1000));
        for bad in ["-1", "x", "2147483648"] {
            let error = page("x-amz-max-parts", bad).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument, "{bad}");
        }
    }
}
