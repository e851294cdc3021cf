//! `NotificationConfiguration`: who is told of what happens to a bucket's objects.

mod event;
mod target;

use std::collections::HashSet;

use bytes::Bytes;

pub use event::EventPattern;
pub use target::{KeyFilter, Service, Target};

use super::derived_id;
use crate::error::{Error, ErrorCode, Result};
use crate::xml::read::Element;
use crate::xml::write::XmlWriter;

/// The most targets of a bucket.
pub const NOTIFICATION_TARGETS_MAX: usize = 100;

/// The targets of a bucket's events. No two of them get the same event of the same key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotificationConfiguration {
    targets: Vec<Target>,
    event_bridge: EventBridge,
}

/// Whether all events go to the account's event bus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EventBridge {
    /// They do.
    Enabled,
    /// They do not.
    #[default]
    Disabled,
}

impl NotificationConfiguration {
    /// Reads a `NotificationConfiguration`; an empty one asks for nothing. A target without an id
    /// gets one.
    ///
    /// # Errors
    /// `MalformedXML`; `InvalidArgument` for unknown events, bad ARNs, filters and ids, and for
    /// targets that overlap; `InvalidRequest` for too many.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let root = Element::parse(body, "NotificationConfiguration")?;
        let mut names = Service::ALL.map(Service::element).to_vec();
        names.push("EventBridgeConfiguration");
        root.only(&names)?;
        let event_bridge = match root.optional("EventBridgeConfiguration")? {
            Some(element) => {
                element.only(&[])?;
                EventBridge::Enabled
            }
            None => EventBridge::Disabled,
        };
        let elements = Service::ALL
            .into_iter()
            .flat_map(|service| root.all(service.element()).map(move |one| (service, one)));
        let targets: Vec<_> = elements
            .take(NOTIFICATION_TARGETS_MAX + 1)
            .enumerate()
            .map(|(index, (service, element))| {
                Target::parse(service, element, || derived_id(body, index))
            })
            .collect::<Result<_>>()?;
        if targets.len() > NOTIFICATION_TARGETS_MAX {
            return Err(Error::new(ErrorCode::InvalidRequest)
                .message("The number of notification configurations exceeds the limit of 100"));
        }
        check_ids(&targets)?;
        check_overlaps(&targets)?;
        Ok(Self {
            targets,
            event_bridge,
        })
    }

    /// The document.
    #[must_use]
    pub fn to_xml(&self) -> Bytes {
        XmlWriter::document("NotificationConfiguration", |writer| {
            for target in &self.targets {
                writer.element(target.service.element(), |writer| target.write(writer));
            }
            if self.event_bridge == EventBridge::Enabled {
                writer.element("EventBridgeConfiguration", |_| {});
            }
        })
    }

    /// The targets: topics, queues, then functions.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Whether all events go to the account's event bus.
    #[must_use]
    pub fn event_bridge(&self) -> EventBridge {
        self.event_bridge
    }

    /// The targets to tell of an event, such as `s3:ObjectCreated:Put`, of a key.
    pub fn matching<'a>(
        &'a self,
        event: &'a str,
        key: &'a str,
    ) -> impl Iterator<Item = &'a Target> {
        self.targets
            .iter()
            .filter(move |target| target.matches(event, key))
    }
}

fn check_ids(targets: &[Target]) -> Result<()> {
    let mut ids = HashSet::new();
    for target in targets {
        if !ids.insert(&target.id) {
            return Err(Error::invalid_argument(
                "Id",
                &target.id,
                "Same ID used for multiple configurations. IDs must be unique",
            ));
        }
    }
    Ok(())
}

/// With at most [`NOTIFICATION_TARGETS_MAX`] targets, to compare each with each is cheap.
fn check_overlaps(targets: &[Target]) -> Result<()> {
    for (index, one) in targets.iter().enumerate() {
        if targets[index + 1..].iter().any(|two| one.overlaps(two)) {
            return Err(Error::new(ErrorCode::InvalidArgument).message(
                "Configurations overlap. Configurations on the same bucket cannot share a common \
                 event type.",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(id: &str, events: &[&str], filter: &str) -> String {
        let events: String = events
            .iter()
            .map(|event| format!("<Event>{event}</Event>"))
            .collect();
        format!(
            "<QueueConfiguration><Id>{id}</Id><Queue>arn:aws:sqs:eu-west-3:1:q</Queue>{events}\
             {filter}</QueueConfiguration>"
        )
    }

    fn filter(name: &str, value: &str) -> String {
        format!(
            "<Filter><S3Key><FilterRule><Name>{name}</Name><Value>{value}</Value></FilterRule>\
             </S3Key></Filter>"
        )
    }

    fn parse(inner: &str) -> Result<NotificationConfiguration> {
        let name = "NotificationConfiguration";
        NotificationConfiguration::parse(format!("<{name}>{inner}</{name}>").as_bytes())
    }

    const CREATED: &[&str] = &["s3:ObjectCreated:*"];

    #[test]
    fn configurations_are_read_and_written() {
        let topic = "<TopicConfiguration><Id>t</Id><Topic>arn:aws:sns:eu:1:t</Topic>\
            <Event>s3:ObjectRemoved:Delete</Event></TopicConfiguration>";
        let queue = queue("q", CREATED, &filter("prefix", "a&amp;/"));
        let bridge = "<EventBridgeConfiguration></EventBridgeConfiguration>";
        let inner = format!("{topic}{queue}{bridge}");
        let configuration = parse(&inner).unwrap();
        assert_eq!(configuration.event_bridge(), EventBridge::Enabled);
        let written = String::from_utf8(configuration.to_xml().to_vec()).unwrap();
        assert!(written.contains(&inner), "{written}");
        assert_eq!(parse("").unwrap(), NotificationConfiguration::default());
        let ids = |event: &str, key: &str| -> Vec<String> {
            configuration
                .matching(event, key)
                .map(|target| target.id.clone())
                .collect()
        };
        assert_eq!(ids("s3:ObjectCreated:Put", "a&/x"), ["q"]);
        assert!(ids("s3:ObjectCreated:Put", "b").is_empty());
        assert_eq!(ids("s3:ObjectRemoved:Delete", "b"), ["t"]);
    }

    #[test]
    fn targets_may_not_overlap() {
        let put = &["s3:ObjectCreated:Put"][..];
        let removed = &["s3:ObjectRemoved:*"][..];
        for (one, two, is_allowed) in [
            (queue("a", CREATED, ""), queue("b", put, ""), false),
            (queue("a", CREATED, ""), queue("b", removed, ""), true),
            (
                queue("a", CREATED, &filter("prefix", "a/")),
                queue("b", put, &filter("prefix", "a/b")),
                false,
            ),
            (
                queue("a", CREATED, &filter("prefix", "a/")),
                queue("b", put, &filter("prefix", "b/")),
                true,
            ),
            (
                queue("a", CREATED, &filter("suffix", ".jpg")),
                queue("b", put, &filter("suffix", ".png")),
                true,
            ),
            (
                queue("a", CREATED, &filter("suffix", ".jpg")),
                queue("b", put, &filter("prefix", "b/")),
                false,
            ),
            (queue("a", CREATED, ""), queue("a", removed, ""), false),
        ] {
            let result = parse(&format!("{one}{two}"));
            assert_eq!(result.is_ok(), is_allowed, "{one}{two}");
            if let Err(error) = result {
                assert_eq!(error.code(), ErrorCode::InvalidArgument);
            }
        }
    }

    #[test]
    fn targets_are_bounded() {
        let targets = |count: usize| -> String {
            (0..count)
                .map(|index| {
                    queue(
                        &index.to_string(),
                        CREATED,
                        &filter("prefix", &format!("{index}/")),
                    )
                })
                .collect()
        };
        assert!(parse(&targets(NOTIFICATION_TARGETS_MAX)).is_ok());
        let error = parse(&targets(NOTIFICATION_TARGETS_MAX + 1)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
    }
}
