//! `BucketLoggingStatus`: where the access log of a bucket is delivered.

use bytes::Bytes;

use super::{known, named};
use crate::acl::{Group, Permission, RequestedGrant, RequestedGrantee};
use crate::error::{Error, ErrorCode, Result};
use crate::name::{BucketName, OBJECT_KEY_BYTES_MAX};
use crate::xml::read::{Element, malformed};
use crate::xml::write::XmlWriter;

/// The most grants on the logs.
pub const TARGET_GRANTS_MAX: usize = 100;

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// A bucket's logging: nothing, or where to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketLogging {
    /// Where to, if at all.
    pub target: Option<LogTarget>,
}

/// Where an access log is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTarget {
    /// The bucket.
    pub bucket: BucketName,
    /// What the keys of the logs begin with.
    pub prefix: String,
    /// Who else may use the logs.
    pub grants: Vec<LogGrant>,
    /// How their keys go on.
    pub key_format: LogKeyFormat,
}

impl LogTarget {
    /// The grants as an access control list asks for them.
    ///
    /// # Errors
    /// `InvalidArgument` for a group that there isn't.
    pub fn requested_grants(&self) -> Result<Vec<RequestedGrant>> {
        self.grants.iter().map(LogGrant::requested).collect()
    }
}

/// A grant on the logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogGrant {
    /// To whom.
    pub grantee: LogGrantee,
    /// Of what.
    pub permission: LogPermission,
}

/// Whom a grant on the logs is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogGrantee {
    /// An account by its canonical id.
    CanonicalUser {
        /// The id.
        id: String,
        /// The name for people, as the client wrote it.
        display_name: Option<String>,
    },
    /// An account by its e-mail address.
    Email(String),
    /// A group by its URI.
    Group(String),
}

named! {
    /// What a grant on the logs allows.
    LogPermission {
        /// Everything.
        FullControl = "FULL_CONTROL",
        /// Reading.
        Read = "READ",
        /// Writing.
        Write = "WRITE",
    }
}

/// How the key of a log goes on after the prefix.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogKeyFormat {
    /// With the time; also where the client leaves it open.
    #[default]
    Simple,
    /// With account, region, bucket and day as folders.
    Partitioned(PartitionDateSource),
}

named! {
    /// Which time makes the folders.
    PartitionDateSource {
        /// That of the requests.
        EventTime = "EventTime",
        /// That of the log.
        DeliveryTime = "DeliveryTime",
    }
}

impl BucketLogging {
    /// Reads a `BucketLoggingStatus`.
    ///
    /// # Errors
    /// `MalformedXML`; `InvalidTargetBucketForLogging` for a name no bucket can have;
    /// `InvalidArgument` for a prefix no key can begin with.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let root = Element::parse(body, "BucketLoggingStatus")?;
        let enabled = root.only(&["LoggingEnabled"])?.optional("LoggingEnabled")?;
        Ok(Self {
            target: enabled.map(LogTarget::parse).transpose()?,
        })
    }

    /// The document.
    #[must_use]
    pub fn to_xml(&self) -> Bytes {
        XmlWriter::document("BucketLoggingStatus", |writer| {
            if let Some(target) = &self.target {
                writer.element("LoggingEnabled", |writer| target.write(writer));
            }
        })
    }
}

impl LogTarget {
    fn parse(element: &Element) -> Result<Self> {
        element.only(&[
            "TargetBucket",
            "TargetPrefix",
            "TargetGrants",
            "TargetObjectKeyFormat",
        ])?;
        let name = element.text_of("TargetBucket")?.trim();
        let bucket = BucketName::parse(name).map_err(|_| {
            Error::new(ErrorCode::InvalidTargetBucketForLogging).field("TargetBucket", name)
        })?;
        let prefix = element.text_of("TargetPrefix")?;
        if prefix.len() > OBJECT_KEY_BYTES_MAX {
            return Err(Error::invalid_argument(
                "TargetPrefix",
                prefix,
                "The target prefix is longer than any key",
            ));
        }
        let grants = match element.optional("TargetGrants")? {
            None => Vec::new(),
            Some(grants) => parse_grants(grants)?,
        };
        let key_format = element.optional("TargetObjectKeyFormat")?;
        Ok(Self {
            bucket,
            prefix: prefix.to_owned(),
            grants,
            key_format: key_format.map_or(Ok(LogKeyFormat::Simple), LogKeyFormat::parse)?,
        })
    }

    fn write(&self, writer: &mut XmlWriter) {
        writer.text("TargetBucket", self.bucket.in_namespace());
        writer.text("TargetPrefix", &self.prefix);
        if !self.grants.is_empty() {
            writer.element("TargetGrants", |writer| {
                for grant in &self.grants {
                    writer.element("Grant", |writer| grant.write(writer));
                }
            });
        }
        writer.element("TargetObjectKeyFormat", |writer| {
            self.key_format.write(writer)
        });
    }
}

impl LogKeyFormat {
    fn parse(element: &Element) -> Result<Self> {
        element.only(&["SimplePrefix", "PartitionedPrefix"])?;
        let simple = element.optional("SimplePrefix")?;
        match (simple, element.optional("PartitionedPrefix")?) {
            (Some(simple), None) => {
                simple.only(&[])?;
                Ok(Self::Simple)
            }
            (None, Some(partitioned)) => {
                let source = partitioned
                    .only(&["PartitionDateSource"])?
                    .text_of("PartitionDateSource")?;
                Ok(Self::Partitioned(known(
                    PartitionDateSource::from_name,
                    source,
                )?))
            }
            _ => Err(malformed()),
        }
    }

    fn write(self, writer: &mut XmlWriter) {
        match self {
            Self::Simple => writer.element("SimplePrefix", |_| {}),
            Self::Partitioned(source) => writer.element("PartitionedPrefix", |writer| {
                writer.text("PartitionDateSource", source.as_str());
            }),
        }
    }
}

fn parse_grants(grants: &Element) -> Result<Vec<LogGrant>> {
    let grants: Vec<_> = grants
        .only(&["Grant"])?
        .all("Grant")
        .take(TARGET_GRANTS_MAX + 1)
        .map(LogGrant::parse)
        .collect::<Result<_>>()?;
    if grants.len() > TARGET_GRANTS_MAX {
        return Err(malformed());
    }
    Ok(grants)
}

impl LogGrant {
    fn requested(&self) -> Result<RequestedGrant> {
        let grantee = match &self.grantee {
            LogGrantee::CanonicalUser { id, .. } => RequestedGrantee::Id(id.clone()),
            LogGrantee::Email(address) => RequestedGrantee::EmailAddress(address.clone()),
            LogGrantee::Group(uri) => {
                RequestedGrantee::Group(Group::from_uri(uri).ok_or_else(|| {
                    Error::invalid_argument("Group/URI", uri.as_str(), "Invalid group uri")
                })?)
            }
        };
        let permission = match self.permission {
            LogPermission::FullControl => Permission::FullControl,
            LogPermission::Read => Permission::Read,
            LogPermission::Write => Permission::Write,
        };
        Ok(RequestedGrant {
            grantee,
            permission,
        })
    }

    fn parse(element: &Element) -> Result<Self> {
        element.only(&["Grantee", "Permission"])?;
        Ok(Self {
            grantee: LogGrantee::parse(element.required("Grantee")?)?,
            permission: known(LogPermission::from_name, element.text_of("Permission")?)?,
        })
    }

    fn write(&self, writer: &mut XmlWriter) {
        let attributes = [("xmlns:xsi", XSI), ("xsi:type", self.grantee.kind())];
        writer.element_with("Grantee", &attributes, |writer| self.grantee.write(writer));
        writer.text("Permission", self.permission.as_str());
    }
}

impl LogGrantee {
    /// Reads a grantee, whose kind shows in what it is named by.
    fn parse(element: &Element) -> Result<Self> {
        element.only(&["ID", "DisplayName", "EmailAddress", "URI"])?;
        let id = element.optional_text("ID")?;
        let email = element.optional_text("EmailAddress")?;
        match (id, email, element.optional_text("URI")?) {
            (Some(id), None, None) if !id.is_empty() => Ok(Self::CanonicalUser {
                id: id.to_owned(),
                display_name: element.optional_text("DisplayName")?.map(str::to_owned),
            }),
            (None, Some(email), None) if !email.is_empty() => Ok(Self::Email(email.to_owned())),
            (None, None, Some(uri)) if !uri.is_empty() => Ok(Self::Group(uri.to_owned())),
            _ => Err(malformed()),
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::CanonicalUser { .. } => "CanonicalUser",
            Self::Email(_) => "AmazonCustomerByEmail",
            Self::Group(_) => "Group",
        }
    }

    fn write(&self, writer: &mut XmlWriter) {
        match self {
            Self::CanonicalUser { id, display_name } => {
                writer.text("ID", id);
                writer.optional("DisplayName", display_name.as_deref());
            }
            Self::Email(address) => writer.text("EmailAddress", address),
            Self::Group(uri) => writer.text("URI", uri),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(inner: &str) -> Result<BucketLogging> {
        let document = format!(
            "<BucketLoggingStatus><LoggingEnabled>{inner}</LoggingEnabled></BucketLoggingStatus>"
        );
        BucketLogging::parse(document.as_bytes())
    }

    const TARGET: &str = "<TargetBucket>logs</TargetBucket><TargetPrefix>a/</TargetPrefix>";

    #[test]
    fn targets_are_read_and_written() {
        let none = BucketLogging::parse(b"<BucketLoggingStatus/>").unwrap();
        assert_eq!(none, BucketLogging::default());
        assert_eq!(BucketLogging::parse(&none.to_xml()).unwrap(), none);
        let logging = parse(&format!(
            "{TARGET}<TargetGrants><Grant><Grantee><ID>o</ID></Grantee><Permission>READ\
             </Permission></Grant><Grant><Grantee><EmailAddress>a@b</EmailAddress></Grantee>\
             <Permission>WRITE</Permission></Grant></TargetGrants>"
        ))
        .unwrap();
        let target = logging.target.as_ref().unwrap();
        assert_eq!(target.key_format, LogKeyFormat::Simple);
        assert_eq!(
            target.grants[1].grantee,
            LogGrantee::Email("a@b".to_owned())
        );
        let written = String::from_utf8(logging.to_xml().to_vec()).unwrap();
        assert!(written.contains("xsi:type=\"CanonicalUser\"><ID>o</ID></Grantee>"));
        assert!(written.contains("<TargetObjectKeyFormat><SimplePrefix></SimplePrefix>"));
    }

    #[test]
    fn bad_targets_are_refused() {
        let grant = |inner: &str| format!("{TARGET}<TargetGrants>{inner}</TargetGrants>");
        let format =
            |inner: &str| format!("{TARGET}<TargetObjectKeyFormat>{inner}</TargetObjectKeyFormat>");
        let full = "<Grant><Grantee><URI>u</URI></Grantee><Permission>READ</Permission></Grant>";
        assert!(parse(&grant(&full.repeat(TARGET_GRANTS_MAX))).is_ok());
        for (inner, code) in [
            (String::new(), ErrorCode::MalformedXML),
            (
                "<TargetBucket>logs</TargetBucket>".to_owned(),
                ErrorCode::MalformedXML,
            ),
            (
                TARGET.replace("logs", "No_Bucket"),
                ErrorCode::InvalidTargetBucketForLogging,
            ),
            (
                TARGET.replace("a/", &"p".repeat(1025)),
                ErrorCode::InvalidArgument,
            ),
            (
                grant(&full.replace("READ", "READ_ACP")),
                ErrorCode::MalformedXML,
            ),
            (grant(&full.replace(">u<", "><")), ErrorCode::MalformedXML),
            (
                grant(&full.repeat(TARGET_GRANTS_MAX + 1)),
                ErrorCode::MalformedXML,
            ),
            (format(""), ErrorCode::MalformedXML),
            (
                format(
                    "<PartitionedPrefix><PartitionDateSource>kaboom</PartitionDateSource>\
                     </PartitionedPrefix>",
                ),
                ErrorCode::MalformedXML,
            ),
        ] {
            assert_eq!(parse(&inner).unwrap_err().code(), code, "{inner}");
        }
    }

    proptest! {
        #[test]
        fn targets_round_trip(
            bucket in "(|:|physics:)logs",
            prefix in "[a-c/&é ]{0,5}",
            text in "[a-c&]{1,4}",
            kind in 0..3,
            key_format in 0..3,
        ) {
            let grantee = match kind {
                0 => LogGrantee::CanonicalUser { id: text.clone(), display_name: Some(text) },
                1 => LogGrantee::Email(text),
                _ => LogGrantee::Group(text),
            };
            let key_format = match key_format {
                0 => LogKeyFormat::Simple,
                1 => LogKeyFormat::Partitioned(PartitionDateSource::EventTime),
                _ => LogKeyFormat::Partitioned(PartitionDateSource::DeliveryTime),
            };
            let logging = BucketLogging {
                target: Some(LogTarget {
                    bucket: BucketName::parse(&bucket).unwrap(),
                    prefix,
                    grants: vec![LogGrant { grantee, permission: LogPermission::FullControl }],
                    key_format,
                }),
            };
            prop_assert_eq!(BucketLogging::parse(&logging.to_xml()).unwrap(), logging);
        }
    }
}
