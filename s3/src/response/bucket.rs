//! Answers of the operations on buckets and on the account.

use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderValue, Response};
use jiff::Timestamp;

use super::{Owner, header_text};
use crate::name::BucketName;
use crate::time::to_iso8601;
use crate::xml::write::{self as xml, XmlWriter};

/// The region whose location constraint AWS leaves empty.
const DEFAULT_REGION: &str = "us-east-1";

/// The answer of ListBuckets.
#[derive(Debug, Clone)]
pub struct ListBucketsOutput {
    /// The account.
    pub owner: Owner,
    /// The region of the buckets.
    pub region: String,
    /// The buckets, in order of name.
    pub buckets: Vec<BucketEntry>,
    /// The prefix that was asked for.
    pub prefix: Option<String>,
    /// What continues the listing, if there are more: the last bucket's name.
    pub next: Option<String>,
}

/// A bucket in a listing.
#[derive(Debug, Clone)]
pub struct BucketEntry {
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
}

impl ListBucketsOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        xml::ok(XmlWriter::document("ListAllMyBucketsResult", |writer| {
            writer.owner("Owner", &self.owner);
            writer.element("Buckets", |writer| {
                for bucket in &self.buckets {
                    writer.element("Bucket", |writer| {
                        writer.text("Name", &bucket.name);
                        writer.text("CreationDate", &to_iso8601(bucket.created));
                        writer.text("BucketRegion", &self.region);
                    });
                }
            });
            writer.optional("Prefix", self.prefix.as_deref());
            writer.optional("ContinuationToken", self.next.as_deref());
        }))
    }
}

/// The answer of CreateBucket.
#[derive(Debug, Clone)]
pub struct CreateBucketOutput {
    /// The bucket.
    pub bucket: BucketName,
}

impl CreateBucketOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        if let Some(location) = header_text(&format!("/{}", self.bucket)) {
            response.headers_mut().insert(LOCATION, location);
        }
        response
    }
}

/// The answer of HeadBucket.
#[derive(Debug, Clone)]
pub struct HeadBucketOutput {
    /// The bucket's region.
    pub region: String,
}

impl HeadBucketOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        if let Some(region) = header_text(&self.region) {
            headers.insert("x-amz-bucket-region", region);
        }
        headers.insert(
            "x-amz-access-point-alias",
            HeaderValue::from_static("false"),
        );
        response
    }
}

/// The answer of GetBucketLocation.
#[derive(Debug, Clone)]
pub struct GetBucketLocationOutput {
    /// The bucket's region.
    pub region: String,
}

impl GetBucketLocationOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        xml::ok(XmlWriter::document("LocationConstraint", |writer| {
            if self.region != DEFAULT_REGION {
                writer.escaped(&self.region);
            }
        }))
    }
}

/// The answer of the operations that show a configuration: its document.
#[derive(Debug, Clone)]
pub struct ConfigurationOutput {
    /// The XML document.
    pub document: Bytes,
}

impl ConfigurationOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        xml::ok(self.document)
    }
}

/// The answer of the operations that list configurations of which a bucket may have several: none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmptyListOutput {
    /// Of ListBucketAnalyticsConfigurations.
    Analytics,
    /// Of ListBucketIntelligentTieringConfigurations.
    IntelligentTiering,
    /// Of ListBucketInventoryConfigurations.
    Inventory,
    /// Of ListBucketMetricsConfigurations.
    Metrics,
}

impl EmptyListOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let root = match self {
            Self::Analytics => "ListBucketAnalyticsConfigurationResult",
            Self::IntelligentTiering => "ListBucketIntelligentTieringConfigurationsOutput",
            Self::Inventory => "ListInventoryConfigurationsResult",
            Self::Metrics => "ListMetricsConfigurationsResult",
        };
        xml::ok(XmlWriter::document(root, |writer| {
            writer.value("IsTruncated", false);
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::from_unix_ms;

    fn owner() -> Owner {
        Owner {
            id: "o1".to_owned(),
            display_name: "Owner & Co".to_owned(),
        }
    }

    fn body(response: &Response<Bytes>) -> &str {
        std::str::from_utf8(response.body()).unwrap()
    }

    #[test]
    fn buckets_are_listed() {
        let entry = BucketEntry {
            name: "abc".to_owned(),
            created: from_unix_ms(1),
        };
        let output = ListBucketsOutput {
            owner: owner(),
            region: "eu-west-3".to_owned(),
            buckets: vec![entry],
            prefix: Some("a".to_owned()),
            next: None,
        };
        let response = output.into_response();
        assert!(body(&response).ends_with(
            "<ListAllMyBucketsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner>\
             <ID>o1</ID><DisplayName>Owner &amp; Co</DisplayName></Owner><Buckets><Bucket><Name>abc\
             </Name><CreationDate>1970-01-01T00:00:00.001Z</CreationDate><BucketRegion>eu-west-3\
             </BucketRegion></Bucket></Buckets><Prefix>a</Prefix></ListAllMyBucketsResult>"
        ));
    }

    #[test]
    fn locations() {
        let location = |region: &str| {
            let output = GetBucketLocationOutput {
                region: region.to_owned(),
            };
            body(&output.into_response()).to_owned()
        };
        assert!(location("eu-west-3").contains("/\">eu-west-3</LocationConstraint>"));
        assert!(location("us-east-1").contains("/\"></LocationConstraint>"));
        let bucket = BucketName::parse("abc").unwrap();
        let created = CreateBucketOutput { bucket }.into_response();
        assert_eq!(created.headers()["location"], "/abc");
    }
}
