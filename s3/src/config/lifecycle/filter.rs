//! What a rule is for: reading, writing and matching of its prefix or filter.

use super::VersionFacts;
use super::check::invalid_request;
use crate::config::tagging::{TagSet, Tagged};
use crate::error::Result;
use crate::name::OBJECT_KEY_BYTES_MAX;
use crate::xml::read::{Element, malformed};
use crate::xml::write::XmlWriter;

/// What a rule is for. The two ways to write it are answered as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleScope {
    /// Keys that begin so: the old way, a `Prefix` in the rule itself.
    Prefix(String),
    /// A `Filter`.
    Filter(Filter),
}

/// What must all hold of an object. Empty, it holds of every one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The key begins so.
    pub prefix: Option<String>,
    /// It has these tags.
    pub tags: TagSet,
    /// It has more bytes.
    pub size_greater_than: Option<u64>,
    /// It has fewer bytes.
    pub size_less_than: Option<u64>,
}

impl RuleScope {
    /// Reads the `Prefix` or the `Filter` of a rule.
    pub(super) fn parse(rule: &Element) -> Result<Self> {
        match (rule.optional_text("Prefix")?, rule.optional("Filter")?) {
            (Some(prefix), None) => Ok(Self::Prefix(checked_prefix(prefix)?)),
            (None, Some(filter)) => Ok(Self::Filter(parse_filter(filter)?)),
            _ => Err(malformed()),
        }
    }

    pub(super) fn write(&self, writer: &mut XmlWriter) {
        match self {
            Self::Prefix(prefix) => writer.text("Prefix", prefix),
            Self::Filter(filter) => writer.element("Filter", |writer| filter.write(writer)),
        }
    }

    /// What the keys begin with.
    pub(super) fn prefix(&self) -> &str {
        match self {
            Self::Prefix(prefix) => prefix,
            Self::Filter(filter) => filter.prefix.as_deref().unwrap_or_default(),
        }
    }

    /// Whether it holds of a version.
    pub(super) fn is_for(&self, version: &VersionFacts<'_>) -> bool {
        match self {
            Self::Prefix(prefix) => version.key.starts_with(prefix),
            Self::Filter(filter) => filter.is_for(version),
        }
    }
}

/// Reads a filter. By the schema it holds one condition, or an `And` of some; clients write
/// several side by side too, whose meaning is the same.
fn parse_filter(filter: &Element) -> Result<Filter> {
    const CONDITIONS: [&str; 4] = [
        "Prefix",
        "Tag",
        "ObjectSizeGreaterThan",
        "ObjectSizeLessThan",
    ];
    let names = [CONDITIONS.as_slice(), &["And"]].concat();
    let mut conditions = parse_conditions(filter.only(&names)?)?;
    if let Some(and) = filter.optional("And")? {
        conditions = conditions.and(parse_conditions(and.only(&CONDITIONS)?)?)?;
    }
    if let (Some(more), Some(less)) = (conditions.size_greater_than, conditions.size_less_than)
        && less <= more
    {
        return Err(invalid_request(
            "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.",
        ));
    }
    Ok(conditions)
}

fn parse_conditions(element: &Element) -> Result<Filter> {
    let prefix = element.optional_text("Prefix")?;
    Ok(Filter {
        prefix: prefix.map(checked_prefix).transpose()?,
        tags: TagSet::from_elements(element, Tagged::Object)?,
        size_greater_than: element.optional_number("ObjectSizeGreaterThan")?,
        size_less_than: element.optional_number("ObjectSizeLessThan")?,
    })
}

impl Filter {
    /// The filter of what both filters hold of. Where both name a prefix, one must begin with the
    /// other; nothing else may be said twice.
    fn and(self, other: Self) -> Result<Self> {
        let prefix = match (self.prefix, other.prefix) {
            (Some(one), Some(two)) if one.starts_with(&two) => Some(one),
            (Some(one), Some(two)) if two.starts_with(&one) => Some(two),
            (Some(_), Some(_)) => return Err(malformed()),
            (one, two) => one.or(two),
        };
        let tags = self.tags.and(other.tags)?;
        let only_one = |one: Option<u64>, two: Option<u64>| match (one, two) {
            (Some(_), Some(_)) => Err(malformed()),
            (one, two) => Ok(one.or(two)),
        };
        Ok(Self {
            prefix,
            tags,
            size_greater_than: only_one(self.size_greater_than, other.size_greater_than)?,
            size_less_than: only_one(self.size_less_than, other.size_less_than)?,
        })
    }
}

fn checked_prefix(prefix: &str) -> Result<String> {
    if prefix.len() > OBJECT_KEY_BYTES_MAX {
        return Err(invalid_request("The maximum size of a prefix is 1024."));
    }
    Ok(prefix.to_owned())
}

impl Filter {
    /// How many conditions there are.
    fn conditions(&self) -> usize {
        let others = [
            self.prefix.is_some(),
            self.size_greater_than.is_some(),
            self.size_less_than.is_some(),
        ];
        self.tags.len() + others.into_iter().filter(|is_there| *is_there).count()
    }

    fn write(&self, writer: &mut XmlWriter) {
        if self.conditions() > 1 {
            writer.element("And", |writer| self.write_conditions(writer));
        } else {
            self.write_conditions(writer);
        }
    }

    fn write_conditions(&self, writer: &mut XmlWriter) {
        writer.optional("Prefix", self.prefix.as_deref());
        self.tags.write_elements(writer);
        if let Some(bytes) = self.size_greater_than {
            writer.value("ObjectSizeGreaterThan", bytes);
        }
        if let Some(bytes) = self.size_less_than {
            writer.value("ObjectSizeLessThan", bytes);
        }
    }

    fn is_for(&self, version: &VersionFacts<'_>) -> bool {
        version
            .key
            .starts_with(self.prefix.as_deref().unwrap_or_default())
            && self
                .tags
                .iter()
                .all(|(key, value)| version.tags.get(key) == Some(value))
            && self
                .size_greater_than
                .is_none_or(|bytes| version.size_bytes > bytes)
            && self
                .size_less_than
                .is_none_or(|bytes| version.size_bytes < bytes)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::config::lifecycle::VersionState;
    use crate::error::ErrorCode;
    use crate::request::StorageClass;

    fn parse(inner: &str) -> Result<RuleScope> {
        let document = format!("<Rule>{inner}</Rule>");
        RuleScope::parse(&Element::parse(document.as_bytes(), "Rule")?)
    }

    fn written(scope: &RuleScope) -> String {
        let document = XmlWriter::plain_document("Rule", |writer| scope.write(writer));
        let text = String::from_utf8(document.to_vec()).unwrap();
        let (_, inner) = text.split_once("<Rule>").unwrap();
        inner.strip_suffix("</Rule>").unwrap().to_owned()
    }

    fn holds(scope: &RuleScope, key: &str, tags: &[(&str, &str)], size_bytes: u64) -> bool {
        let tags = tags
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        scope.is_for(&VersionFacts {
            key,
            tags: &TagSet::from_stored(tags.collect()),
            size_bytes,
            storage_class: StorageClass::Standard,
            created: Timestamp::UNIX_EPOCH,
            state: VersionState::Current,
        })
    }

    const TAG: &str = "<Tag><Key>a</Key><Value>1</Value></Tag>";

    #[test]
    fn scopes_are_answered_as_they_came() {
        for inner in [
            "<Prefix></Prefix>",
            "<Prefix>logs/</Prefix>",
            "<Filter></Filter>",
            "<Filter><Prefix></Prefix></Filter>",
            &format!("<Filter>{TAG}</Filter>"),
            "<Filter><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></Filter>",
            &format!(
                "<Filter><And><Prefix>p</Prefix>{TAG}<ObjectSizeGreaterThan>5\
                 </ObjectSizeGreaterThan><ObjectSizeLessThan>9</ObjectSizeLessThan></And></Filter>"
            ),
        ] {
            assert_eq!(written(&parse(inner).unwrap()), inner);
        }
    }

    #[test]
    fn conditions_side_by_side_must_all_hold() {
        let inner = format!(
            "<Filter><Prefix>days1/</Prefix>{TAG}<And><Prefix>days1</Prefix>\
             <Tag><Key>b</Key><Value>2</Value></Tag></And></Filter>"
        );
        let scope = parse(&inner).unwrap();
        assert!(holds(
            &scope,
            "days1/x",
            &[("a", "1"), ("b", "2"), ("c", "")],
            0
        ));
        assert!(!holds(&scope, "days1/x", &[("a", "1")], 0));
        assert!(!holds(&scope, "days1x", &[("a", "1"), ("b", "2")], 0));
        let again = parse(&written(&scope)).unwrap();
        assert_eq!(again, scope);
    }

    #[test]
    fn sizes_are_exclusive() {
        let scope = parse(
            "<Filter><And><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan>\
             <ObjectSizeLessThan>7</ObjectSizeLessThan></And></Filter>",
        )
        .unwrap();
        for (size_bytes, is_held) in [(5, false), (6, true), (7, false)] {
            assert_eq!(holds(&scope, "k", &[], size_bytes), is_held, "{size_bytes}");
        }
    }

    #[test]
    fn bad_scopes_are_refused() {
        for (inner, code) in [
            ("", ErrorCode::MalformedXML),
            ("<Prefix/><Filter/>", ErrorCode::MalformedXML),
            ("<Filter><Other/></Filter>", ErrorCode::MalformedXML),
            (
                "<Filter><Prefix>a</Prefix><And><Prefix>b</Prefix></And></Filter>",
                ErrorCode::MalformedXML,
            ),
            (
                "<Filter><ObjectSizeLessThan>-1</ObjectSizeLessThan></Filter>",
                ErrorCode::MalformedXML,
            ),
            (
                "<Filter><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan>\
                 <And><ObjectSizeLessThan>5</ObjectSizeLessThan></And></Filter>",
                ErrorCode::InvalidRequest,
            ),
            (
                &format!("<Filter>{TAG}{TAG}</Filter>"),
                ErrorCode::InvalidTag,
            ),
            (
                &format!("<Prefix>{}</Prefix>", "p".repeat(1025)),
                ErrorCode::InvalidRequest,
            ),
        ] {
            assert_eq!(parse(inner).unwrap_err().code(), code, "{inner}");
        }
    }

    proptest! {
        #[test]
        fn filters_round_trip(
            prefix in proptest::option::of("[a-c/&]{0,3}"),
            tags in proptest::collection::btree_map("[a-c]{1,2}", "[a-c]{0,2}", 0..3),
            more in proptest::option::of(0_u64..9),
            less in proptest::option::of(10_u64..19),
        ) {
            let scope = RuleScope::Filter(Filter {
                prefix,
                tags: TagSet::from_stored(tags.into_iter().collect()),
                size_greater_than: more,
                size_less_than: less,
            });
            prop_assert_eq!(parse(&written(&scope)).unwrap(), scope);
        }
    }
}
