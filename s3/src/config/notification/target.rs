//! One target of notifications: a topic, a queue or a function, with the events and keys it is
//! told of.

use super::EventPattern;
use crate::config::ID_CHARACTERS_MAX;
use crate::error::{Error, Result};
use crate::name::OBJECT_KEY_BYTES_MAX;
use crate::xml::read::{Element, malformed};
use crate::xml::write::XmlWriter;

/// The longest ARN.
const ARN_BYTES_MAX: usize = 2048;

/// A target and what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its id, unique in the configuration.
    pub id: String,
    /// What kind it is of.
    pub service: Service,
    /// Its ARN, of that service.
    pub arn: String,
    /// The events, at least one, each once.
    pub events: Vec<EventPattern>,
    /// The keys.
    pub filter: KeyFilter,
}

/// The kinds of targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// A topic.
    Topic,
    /// A queue.
    Queue,
    /// A function.
    Function,
}

/// Which keys a target is told of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// Those that begin so.
    pub prefix: Option<String>,
    /// And end so.
    pub suffix: Option<String>,
}

impl Service {
    pub(super) const ALL: [Self; 3] = [Self::Topic, Self::Queue, Self::Function];

    /// The element of a target.
    pub(super) const fn element(self) -> &'static str {
        match self {
            Self::Topic => "TopicConfiguration",
            Self::Queue => "QueueConfiguration",
            Self::Function => "CloudFunctionConfiguration",
        }
    }

    /// The element of its ARN.
    const fn arn_element(self) -> &'static str {
        match self {
            Self::Topic => "Topic",
            Self::Queue => "Queue",
            Self::Function => "CloudFunction",
        }
    }

    /// The service in its ARN.
    const fn arn_service(self) -> &'static str {
        match self {
            Self::Topic => "sns",
            Self::Queue => "sqs",
            Self::Function => "lambda",
        }
    }
}

impl Target {
    pub(super) fn parse(
        service: Service,
        element: &Element,
        make_id: impl FnOnce() -> String,
    ) -> Result<Self> {
        element.only(&["Id", service.arn_element(), "Event", "Filter"])?;
        let id = match element.optional_text("Id")? {
            None | Some("") => make_id(),
            Some(id) if id.chars().count() > ID_CHARACTERS_MAX => {
                return Err(Error::invalid_argument(
                    "Id",
                    id,
                    "ID length should not exceed allowed limit of 255",
                ));
            }
            Some(id) => id.to_owned(),
        };
        let mut events: Vec<_> = element
            .all("Event")
            .map(|event| EventPattern::parse(event.leaf()?.trim()))
            .collect::<Result<_>>()?;
        // Few names are known, so that without doubles the events are few.
        events.sort();
        events.dedup();
        if events.is_empty() {
            return Err(malformed());
        }
        let filter = element.optional("Filter")?;
        Ok(Self {
            id,
            service,
            arn: parse_arn(service, element.text_of(service.arn_element())?.trim())?,
            events,
            filter: filter
                .map(KeyFilter::parse)
                .transpose()?
                .unwrap_or_default(),
        })
    }

    pub(super) fn write(&self, writer: &mut XmlWriter) {
        writer.text("Id", &self.id);
        writer.text(self.service.arn_element(), &self.arn);
        for event in &self.events {
            writer.text("Event", event.as_str());
        }
        self.filter.write(writer);
    }

    /// Whether it is told of an event, such as `s3:ObjectCreated:Put`, of a key.
    #[must_use]
    pub fn matches(&self, event: &str, key: &str) -> bool {
        self.events.iter().any(|pattern| pattern.matches(event)) && self.filter.matches(key)
    }

    /// Whether some event of some key is for both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.filter.overlaps(&other.filter)
            && self
                .events
                .iter()
                .any(|one| other.events.iter().any(|two| one.overlaps(*two)))
    }
}

/// Reads `arn:partition:service:region:account:name`; the parts between service and name may be
/// empty.
fn parse_arn(service: Service, arn: &str) -> Result<String> {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let is_well_formed = match parts[..] {
        [scheme, partition, named, _, _, name] => {
            scheme == "arn"
                && !partition.is_empty()
                && named == service.arn_service()
                && !name.is_empty()
        }
        _ => false,
    };
    let is_legal = arn.len() <= ARN_BYTES_MAX && arn.bytes().all(|byte| byte.is_ascii_graphic());
    if is_well_formed && is_legal {
        Ok(arn.to_owned())
    } else {
        Err(Error::invalid_argument(
            service.arn_element(),
            arn,
            "The ARN is not well formed",
        ))
    }
}

impl KeyFilter {
    fn parse(element: &Element) -> Result<Self> {
        let mut filter = Self::default();
        let Some(key) = element.only(&["S3Key"])?.optional("S3Key")? else {
            return Ok(filter);
        };
        for rule in key.only(&["FilterRule"])?.all("FilterRule") {
            rule.only(&["Name", "Value"])?;
            let name = rule.text_of("Name")?.trim();
            let refused =
                |message: &'static str| Err(Error::invalid_argument("FilterRule", name, message));
            let value = rule.text_of("Value")?;
            if value.len() > OBJECT_KEY_BYTES_MAX {
                return refused(
                    "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation",
                );
            }
            let place = match name.to_ascii_lowercase().as_str() {
                "prefix" => &mut filter.prefix,
                "suffix" => &mut filter.suffix,
                _ => return refused("filter rule name must be either prefix or suffix"),
            };
            if place.replace(value.to_owned()).is_some() {
                return refused("Cannot specify more than one prefix or suffix rule in a filter.");
            }
        }
        Ok(filter)
    }

    fn write(&self, writer: &mut XmlWriter) {
        if *self == Self::default() {
            return;
        }
        let rules = [("prefix", &self.prefix), ("suffix", &self.suffix)];
        writer.element("Filter", |writer| {
            writer.element("S3Key", |writer| {
                for (name, value) in rules {
                    let Some(value) = value else { continue };
                    writer.element("FilterRule", |writer| {
                        writer.text("Name", name);
                        writer.text("Value", value);
                    });
                }
            });
        });
    }

    fn matches(&self, key: &str) -> bool {
        key.starts_with(self.prefix()) && key.ends_with(self.suffix())
    }

    /// Whether some key passes both: the longer prefix begins with the shorter, and likewise the
    /// suffixes.
    fn overlaps(&self, other: &Self) -> bool {
        let (one, two) = (self.prefix(), other.prefix());
        let prefixes = one.starts_with(two) || two.starts_with(one);
        let (one, two) = (self.suffix(), other.suffix());
        prefixes && (one.ends_with(two) || two.ends_with(one))
    }

    fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or_default()
    }

    fn suffix(&self) -> &str {
        self.suffix.as_deref().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorCode;

    fn parse(inner: &str) -> Result<Target> {
        let document = format!("<T>{inner}</T>");
        let element = Element::parse(document.as_bytes(), "T")?;
        Target::parse(Service::Topic, &element, || "made".to_owned())
    }

    const TOPIC: &str = "<Topic>arn:aws:sns:::a:b</Topic>";
    const EVENT: &str = "<Event>s3:ObjectCreated:Put</Event>";

    #[test]
    fn a_target_needs_an_arn_and_an_event() {
        let target = parse(&format!("{TOPIC}{EVENT}{EVENT}")).unwrap();
        assert_eq!((target.id.as_str(), target.events.len()), ("made", 1));
        let rule = |name: &str, value: &str| {
            format!("<FilterRule><Name>{name}</Name><Value>{value}</Value></FilterRule>")
        };
        let with_rules =
            |rules: &str| format!("{TOPIC}{EVENT}<Filter><S3Key>{rules}</S3Key></Filter>");
        let both = parse(&with_rules(
            &[rule("Prefix", "a"), rule("suffix", "b")].concat(),
        ));
        assert!(both.unwrap().matches("s3:ObjectCreated:Put", "ab"));
        for (inner, code) in [
            (TOPIC.to_owned(), ErrorCode::MalformedXML),
            (EVENT.to_owned(), ErrorCode::MalformedXML),
            (
                format!("{TOPIC}<Event>s3:x</Event>"),
                ErrorCode::InvalidArgument,
            ),
            (
                format!("{}{EVENT}", TOPIC.replace("sns", "sqs")),
                ErrorCode::InvalidArgument,
            ),
            (
                format!("{}{EVENT}", TOPIC.replace("arn:aws", "arn:")),
                ErrorCode::InvalidArgument,
            ),
            (
                format!("<Topic>arn:aws:sns</Topic>{EVENT}"),
                ErrorCode::InvalidArgument,
            ),
            (
                format!("<Id>{}</Id>{TOPIC}{EVENT}", "i".repeat(256)),
                ErrorCode::InvalidArgument,
            ),
            (with_rules(&rule("middle", "a")), ErrorCode::InvalidArgument),
            (
                with_rules(&rule("prefix", "a").repeat(2)),
                ErrorCode::InvalidArgument,
            ),
            (
                with_rules(&rule("prefix", &"a".repeat(1025))),
                ErrorCode::InvalidArgument,
            ),
        ] {
            assert_eq!(parse(&inner).unwrap_err().code(), code, "{inner}");
        }
    }

    proptest! {
        /// Two filters that pass the same key overlap.
        #[test]
        fn filters_that_share_a_key_overlap(key in "[ab]{0,4}", cuts in proptest::array::uniform4(0_usize..5)) {
            let cut = |index: usize| cuts[index].min(key.len());
            let filter = |prefix: usize, suffix: usize| KeyFilter {
                prefix: Some(key[..prefix].to_owned()),
                suffix: Some(key[suffix..].to_owned()),
            };
            let (one, two) = (filter(cut(0), cut(1)), filter(cut(2), cut(3)));
            prop_assert!(one.matches(&key) && two.matches(&key));
            prop_assert!(one.overlaps(&two));
        }
    }
}
