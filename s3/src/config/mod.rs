//! The XML documents that configure buckets and objects.
//!
//! Each is a type that can only hold what S3 allows, with `parse` for what a client sends,
//! `to_xml` for what is answered (and may be stored: it parses back to the same value), and the
//! decisions that follow from it. A decision takes what it needs, the time included, as
//! arguments.

pub mod accelerate;
pub mod cors;
pub mod encryption;
pub mod lifecycle;
pub mod logging;
pub mod notification;
pub mod object_lock;
pub mod ownership;
pub mod public_access_block;
pub mod request_payment;
pub mod tagging;
pub mod versioning;
pub mod website;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use sha2::{Digest as _, Sha256};

use crate::error::Result;
use crate::xml::read::malformed;

/// The most characters in the id of a rule.
const ID_CHARACTERS_MAX: usize = 255;

/// Declares an enumeration whose values have the names that XML and headers use.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// The name in XML and headers.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Reads a name, whose case matters.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}
use named;

/// Reads a name from a document, where an unknown one is malformed.
fn known<T>(from_name: fn(&str) -> Option<T>, text: &str) -> Result<T> {
    from_name(text.trim()).ok_or_else(malformed)
}

/// Reads an ISO 8601 moment; one without an offset is in UTC, one without a time is at midnight.
/// What is finer than a millisecond is dropped, for S3 never answers it.
fn parse_moment(text: &str) -> Result<Timestamp> {
    let text = text.trim();
    // The basic form, without hyphens, is not taken.
    if text.as_bytes().get(4) != Some(&b'-') {
        return Err(malformed());
    }
    let moment = text
        .parse::<Timestamp>()
        .or_else(|_| {
            text.parse::<DateTime>()
                .and_then(|local| Offset::UTC.to_timestamp(local))
        })
        .map_err(|_| malformed())?;
    let ms = moment.as_millisecond();
    if ms < 0 {
        return Err(malformed());
    }
    Timestamp::from_millisecond(ms).map_err(|_| malformed())
}

/// An id for a rule that came without one: the same for the same place in the same document, so
/// that writing a document twice changes nothing.
fn derived_id(document: &[u8], index: usize) -> String {
    let mut hash = Sha256::new();
    hash.update(index.to_le_bytes());
    hash.update(document);
    hex::encode(&hash.finalize()[..24])
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::request::StorageClass;

    #[test]
    fn moments_are_read_in_the_extended_form() {
        let ms = |text: &str| parse_moment(text).map(Timestamp::as_millisecond);
        for text in [
            "2017-09-27",
            "2017-09-27T00:00:00",
            "2017-09-27T00:00:00Z",
            "2017-09-27T02:00:00.000999+02:00",
        ] {
            assert_eq!(ms(text).unwrap(), 1_506_470_400_000, "{text}");
        }
        for text in ["20170927", "2017", "", "1969-12-31", "2017-13-01", "soon"] {
            assert!(ms(text).is_err(), "{text}");
        }
    }

    #[test]
    fn derived_ids_differ_by_place_and_document() {
        let id = derived_id(b"a", 0);
        assert_eq!(id.len(), 48);
        assert_eq!(id, derived_id(b"a", 0));
        assert_ne!(id, derived_id(b"a", 1));
        assert_ne!(id, derived_id(b"b", 0));
    }

    /// A document of every kind.
    const SAMPLES: [&str; 14] = [
        "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
        "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
        "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>\
         </OwnershipControls>",
        "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>\
         </PublicAccessBlockConfiguration>",
        "<CORSConfiguration><CORSRule><ID>i</ID><AllowedOrigin>h*t</AllowedOrigin><AllowedMethod>\
         GET</AllowedMethod><AllowedHeader>x</AllowedHeader><ExposeHeader>y</ExposeHeader>\
         <MaxAgeSeconds>1</MaxAgeSeconds></CORSRule></CORSConfiguration>",
        "<LifecycleConfiguration><Rule><ID>i</ID><Filter><And><Prefix>p</Prefix><Tag><Key>a</Key>\
         <Value>b</Value></Tag></And></Filter><Status>Enabled</Status><Expiration><Days>1</Days>\
         </Expiration></Rule></LifecycleConfiguration>",
        "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>\
         <DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule>\
         </ObjectLockConfiguration>",
        "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate>\
         </Retention>",
        "<LegalHold><Status>ON</Status></LegalHold>",
        "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
         <SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>\
         </ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
        "<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket><TargetPrefix>p\
         </TargetPrefix></LoggingEnabled></BucketLoggingStatus>",
        "<NotificationConfiguration><QueueConfiguration><Queue>arn:aws:sqs:::q</Queue><Event>\
         s3:ObjectCreated:*</Event></QueueConfiguration></NotificationConfiguration>",
        "<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument><RoutingRules>\
         <RoutingRule><Redirect><HostName>h</HostName></Redirect></RoutingRule></RoutingRules>\
         </WebsiteConfiguration>",
        "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>",
    ];

    /// Whether a document is accepted; if it is, it must survive being written.
    fn is_stable<T: PartialEq + Debug>(
        body: &[u8],
        parse: impl Fn(&[u8]) -> Result<T>,
        write: impl Fn(&T) -> Bytes,
    ) -> bool {
        let Ok(value) = parse(body) else { return false };
        assert_eq!(parse(&write(&value)).as_ref(), Ok(&value));
        true
    }

    /// How many kinds of configuration accept a document.
    fn accepted(body: &[u8]) -> usize {
        let epoch = Timestamp::UNIX_EPOCH;
        let parse_retention =
            |body: &[u8]| object_lock::Retention::parse(body, epoch)?.ok_or_else(malformed);
        let parse_lifecycle = |body: &[u8]| {
            lifecycle::LifecycleConfiguration::parse(body, &[StorageClass::OneZoneIa])
        };
        let results = [
            is_stable(
                body,
                |body| tagging::TagSet::parse(body, tagging::Tagged::Bucket),
                tagging::TagSet::to_xml,
            ),
            is_stable(body, versioning::VersioningStatus::parse, |status| {
                versioning::Versioning::Set(*status).to_xml()
            }),
            is_stable(body, ownership::ObjectOwnership::parse, |value| {
                value.to_xml()
            }),
            is_stable(
                body,
                public_access_block::PublicAccessBlock::parse,
                |value| value.to_xml(),
            ),
            is_stable(
                body,
                cors::CorsConfiguration::parse,
                cors::CorsConfiguration::to_xml,
            ),
            is_stable(
                body,
                parse_lifecycle,
                lifecycle::LifecycleConfiguration::to_xml,
            ),
            is_stable(
                body,
                object_lock::ObjectLockConfiguration::parse,
                object_lock::ObjectLockConfiguration::to_xml,
            ),
            is_stable(body, parse_retention, object_lock::Retention::to_xml),
            is_stable(body, object_lock::LegalHold::parse, |value| value.to_xml()),
            is_stable(
                body,
                encryption::BucketEncryption::parse,
                encryption::BucketEncryption::to_xml,
            ),
            is_stable(
                body,
                logging::BucketLogging::parse,
                logging::BucketLogging::to_xml,
            ),
            is_stable(
                body,
                notification::NotificationConfiguration::parse,
                notification::NotificationConfiguration::to_xml,
            ),
            is_stable(
                body,
                website::WebsiteConfiguration::parse,
                website::WebsiteConfiguration::to_xml,
            ),
            is_stable(body, request_payment::Payer::parse, |value| value.to_xml()),
        ];
        results
            .into_iter()
            .filter(|is_accepted| *is_accepted)
            .count()
    }

    #[test]
    fn every_sample_is_of_one_kind() {
        for sample in SAMPLES {
            assert_eq!(accepted(sample.as_bytes()), 1, "{sample}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Whatever is cut out of a document, doubled or put into it: reading never panics, and
        /// what is accepted can be written and read again.
        #[test]
        fn damaged_documents_are_refused_or_stable(
            sample in 0..SAMPLES.len(),
            cut in (0.0..1.0_f64, 0.0..1.0_f64),
            copies in 0_usize..3,
            inserted in "[<>/&;#x*a-c0-9é \\x00-\\x1f\"-]{0,6}",
        ) {
            let sample = SAMPLES[sample];
            let at = |share: f64| (share * sample.len() as f64) as usize;
            let (start, end) = (at(cut.0.min(cut.1)), at(cut.0.max(cut.1)));
            let damaged = [
                &sample[..start],
                &sample[start..end].repeat(copies),
                &inserted,
                &sample[end..],
            ]
            .concat();
            prop_assert!(accepted(damaged.as_bytes()) <= 1);
        }
    }
}
