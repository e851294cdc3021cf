//! Reading of a `LifecycleConfiguration`.

use std::collections::HashSet;

use jiff::Timestamp;

use super::check::{check_together, invalid_request};
use super::{
    Expiration, LIFECYCLE_RULES_MAX, LifecycleConfiguration, LifecycleRule,
    NEWER_NONCURRENT_VERSIONS_MAX, NoncurrentAge, NoncurrentTransition, RuleScope, RuleStatus,
    Transition, TransitionMinimum, When, minimum,
};
use crate::config::{ID_CHARACTERS_MAX, derived_id, known, parse_moment};
use crate::error::{Error, ErrorCode, Result};
use crate::request::StorageClass;
use crate::xml::read::{Element, malformed};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// AWS counts days in 32 bits with a sign.
const DAYS_MAX: i64 = i32::MAX as i64;

impl LifecycleConfiguration {
    /// Reads a `LifecycleConfiguration` whose transitions may lead to `classes`. A rule without
    /// an id gets one.
    ///
    /// # Errors
    /// `MalformedXML`; `InvalidArgument` for numbers, dates and ids that are not allowed;
    /// `InvalidRequest` for what does not fit together and for too many rules;
    /// `InvalidStorageClass` for other classes; `InvalidTag`.
    pub fn parse(body: &[u8], classes: &[StorageClass]) -> Result<Self> {
        let root = Element::parse(body, "LifecycleConfiguration")?;
        Ok(Self {
            rules: parse_rules(body, root.only(&["Rule"])?, classes)?,
            transition_minimum: TransitionMinimum::default(),
        })
    }

    /// Reads what [`Self::to_stored`] wrote.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_stored(document: &[u8]) -> Result<Self> {
        let root = Element::parse(document, "LifecycleConfiguration")?;
        let minimum = root.text_of(minimum::ELEMENT)?;
        Ok(Self {
            rules: parse_rules(document, &root, &[StorageClass::OneZoneIa])?,
            transition_minimum: known(TransitionMinimum::from_name, minimum)?,
        })
    }
}

fn parse_rules(
    body: &[u8],
    root: &Element,
    classes: &[StorageClass],
) -> Result<Vec<LifecycleRule>> {
    let elements = root.all("Rule");
    if elements.clone().nth(LIFECYCLE_RULES_MAX).is_some() {
        return Err(invalid_request(
            "The number of lifecycle rules must not exceed the allowed limit of 1000 rules",
        ));
    }
    let rules: Vec<_> = elements
        .enumerate()
        .map(|(index, element)| parse_rule(element, classes, || derived_id(body, index)))
        .collect::<Result<_>>()?;
    if rules.is_empty() {
        return Err(malformed());
    }
    let mut ids = HashSet::new();
    for rule in &rules {
        if !ids.insert(&rule.id) {
            return Err(Error::invalid_argument(
                "ID",
                &rule.id,
                "Rule ID must be unique. Found same ID for more than one rule",
            ));
        }
    }
    Ok(rules)
}

fn parse_rule(
    element: &Element,
    classes: &[StorageClass],
    make_id: impl FnOnce() -> String,
) -> Result<LifecycleRule> {
    element.only(&[
        "ID",
        "Status",
        "Prefix",
        "Filter",
        "Expiration",
        "Transition",
        "NoncurrentVersionExpiration",
        "NoncurrentVersionTransition",
        "AbortIncompleteMultipartUpload",
    ])?;
    let id = match element.optional_text("ID")? {
        None | Some("") => make_id(),
        Some(id) if id.chars().count() > ID_CHARACTERS_MAX => {
            return Err(Error::invalid_argument(
                "ID",
                id,
                "ID length should not exceed allowed limit of 255",
            ));
        }
        Some(id) => id.to_owned(),
    };
    let rule = LifecycleRule {
        id,
        status: known(RuleStatus::from_name, element.text_of("Status")?)?,
        scope: RuleScope::parse(element)?,
        expiration: element
            .optional("Expiration")?
            .map(parse_expiration)
            .transpose()?,
        transitions: parse_transitions(element, classes)?,
        noncurrent_expiration: element
            .optional("NoncurrentVersionExpiration")?
            .map(parse_noncurrent_expiration)
            .transpose()?,
        noncurrent_transitions: parse_noncurrent_transitions(element, classes)?,
        abort_upload_days: element
            .optional("AbortIncompleteMultipartUpload")?
            .map(parse_abort)
            .transpose()?,
    };
    check_together(&rule)?;
    Ok(rule)
}

fn parse_expiration(element: &Element) -> Result<Expiration> {
    element.only(&["Days", "Date", "ExpiredObjectDeleteMarker"])?;
    let when = parse_when(element, "Expiration", 1)?;
    match (when, element.optional_flag("ExpiredObjectDeleteMarker")?) {
        (Some(when), None | Some(false)) => Ok(Expiration::At(when)),
        (None, Some(true)) => Ok(Expiration::LoneMarkers),
        _ => Err(malformed()),
    }
}

/// Reads `Days` or `Date`, not both.
fn parse_when(element: &Element, action: &str, days_min: i64) -> Result<Option<When>> {
    let days = parse_days(element, "Days", action, days_min)?;
    let date = element.optional_text("Date")?.map(parse_date).transpose()?;
    match (days, date) {
        (Some(_), Some(_)) => Err(malformed()),
        (days, date) => Ok(days.map(When::Days).or(date.map(When::Date))),
    }
}

fn parse_days(element: &Element, name: &str, action: &str, min: i64) -> Result<Option<u32>> {
    let Some(days) = element.optional_number::<i64>(name)? else {
        return Ok(None);
    };
    match u32::try_from(days) {
        Ok(count) if (min..=DAYS_MAX).contains(&days) => Ok(Some(count)),
        _ => {
            let kind = if min > 0 { "positive" } else { "nonnegative" };
            Err(Error::invalid_argument(
                name,
                days.to_string(),
                format!("'{name}' for {action} action must be a {kind} integer"),
            ))
        }
    }
}

fn parse_date(text: &str) -> Result<Timestamp> {
    let date = parse_moment(text)?;
    if date.as_millisecond() % DAY_MS != 0 {
        return Err(Error::invalid_argument(
            "Date",
            text,
            "'Date' must be at midnight GMT",
        ));
    }
    Ok(date)
}

fn parse_transitions(rule: &Element, classes: &[StorageClass]) -> Result<Vec<Transition>> {
    let mut transitions: Vec<Transition> = Vec::new();
    for element in rule.all("Transition") {
        element.only(&["Days", "Date", "StorageClass"])?;
        let transition = Transition {
            when: parse_when(element, "Transition", 0)?.ok_or_else(malformed)?,
            storage_class: parse_class(element, classes)?,
        };
        // Every class stands once, so there are never many.
        if transitions
            .iter()
            .any(|other| other.storage_class == transition.storage_class)
        {
            return Err(invalid_request(
                "'StorageClass' must be different for 'Transition' actions in same 'Rule'",
            ));
        }
        transitions.push(transition);
    }
    Ok(transitions)
}

fn parse_noncurrent_transitions(
    rule: &Element,
    classes: &[StorageClass],
) -> Result<Vec<NoncurrentTransition>> {
    let mut transitions: Vec<NoncurrentTransition> = Vec::new();
    for element in rule.all("NoncurrentVersionTransition") {
        element.only(&["NoncurrentDays", "NewerNoncurrentVersions", "StorageClass"])?;
        let transition = NoncurrentTransition {
            age: parse_age(element, "NoncurrentVersionTransition", 0)?,
            storage_class: parse_class(element, classes)?,
        };
        if transitions
            .iter()
            .any(|other| other.storage_class == transition.storage_class)
        {
            return Err(invalid_request(
                "'StorageClass' must be different for 'NoncurrentVersionTransition' actions in \
                 same 'Rule'",
            ));
        }
        transitions.push(transition);
    }
    Ok(transitions)
}

fn parse_noncurrent_expiration(element: &Element) -> Result<NoncurrentAge> {
    element.only(&["NoncurrentDays", "NewerNoncurrentVersions"])?;
    parse_age(element, "NoncurrentVersionExpiration", 1)
}

fn parse_age(element: &Element, action: &str, days_min: i64) -> Result<NoncurrentAge> {
    let days = parse_days(element, "NoncurrentDays", action, days_min)?.ok_or_else(malformed)?;
    let newer_versions = match element.optional_number::<i64>("NewerNoncurrentVersions")? {
        None => None,
        Some(count) => match u32::try_from(count) {
            Ok(versions @ 1..=NEWER_NONCURRENT_VERSIONS_MAX) => Some(versions),
            _ => {
                return Err(Error::invalid_argument(
                    "NewerNoncurrentVersions",
                    count.to_string(),
                    format!(
                        "'NewerNoncurrentVersions' for {action} action must be a positive integer \
                         of at most {NEWER_NONCURRENT_VERSIONS_MAX}"
                    ),
                ));
            }
        },
    };
    Ok(NoncurrentAge {
        days,
        newer_versions,
    })
}

fn parse_abort(element: &Element) -> Result<u32> {
    element.only(&["DaysAfterInitiation"])?;
    let days = parse_days(
        element,
        "DaysAfterInitiation",
        "AbortIncompleteMultipartUpload",
        1,
    )?;
    days.ok_or_else(malformed)
}

fn parse_class(element: &Element, classes: &[StorageClass]) -> Result<StorageClass> {
    let name = element.text_of("StorageClass")?.trim();
    let class = StorageClass::parse(name)?;
    if classes.contains(&class) {
        Ok(class)
    } else {
        Err(Error::new(ErrorCode::InvalidStorageClass).field("StorageClassRequested", name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: [StorageClass; 1] = [StorageClass::OneZoneIa];

    fn document(rules: &[String]) -> String {
        let rules: String = rules
            .iter()
            .map(|rule| format!("<Rule>{rule}</Rule>"))
            .collect();
        format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>")
    }

    fn parse(rules: &[String]) -> Result<LifecycleConfiguration> {
        LifecycleConfiguration::parse(document(rules).as_bytes(), &CLASSES)
    }

    fn rule(inner: &str) -> String {
        format!("<Filter/><Status>Enabled</Status>{inner}")
    }

    const FULL: &str = "<ID>all</ID><Filter><Prefix>a/</Prefix></Filter><Status>Enabled</Status>\
        <Transition><Days>30</Days><StorageClass>ONEZONE_IA</StorageClass></Transition>\
        <Expiration><Days>31</Days></Expiration>\
        <NoncurrentVersionTransition><NoncurrentDays>0</NoncurrentDays>\
        <NewerNoncurrentVersions>1</NewerNoncurrentVersions><StorageClass>ONEZONE_IA</StorageClass>\
        </NoncurrentVersionTransition><NoncurrentVersionExpiration><NoncurrentDays>5\
        </NoncurrentDays><NewerNoncurrentVersions>100</NewerNoncurrentVersions>\
        </NoncurrentVersionExpiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>7\
        </DaysAfterInitiation></AbortIncompleteMultipartUpload>";

    #[test]
    fn rules_are_read_and_written() {
        let markers = "<ID>m</ID><Prefix></Prefix><Status>Disabled</Status>\
            <Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>";
        let dated = "<ID>d</ID><Prefix>p</Prefix><Status>Enabled</Status>\
            <Expiration><Date>2017-09-27T00:00:00.000Z</Date></Expiration>";
        let rules = [FULL.to_owned(), markers.to_owned(), dated.to_owned()];
        let configuration = parse(&rules).unwrap();
        let written = String::from_utf8(configuration.to_xml().to_vec()).unwrap();
        for rule in &rules {
            assert!(
                written.contains(rule.as_str()),
                "{rule} is not in {written}"
            );
        }
        let again = LifecycleConfiguration::parse(written.as_bytes(), &CLASSES).unwrap();
        assert_eq!(again, configuration);
    }

    #[test]
    fn missing_ids_are_made() {
        let expiring = rule("<Expiration><Days>1</Days></Expiration>");
        let rules = [expiring.clone(), format!("<ID></ID>{expiring}")];
        let configuration = parse(&rules).unwrap();
        let [one, two] = configuration.rules() else {
            panic!("{configuration:?}")
        };
        assert!(!one.id.is_empty() && one.id != two.id);
        assert_eq!(parse(&rules).unwrap(), configuration);
    }

    #[test]
    fn rules_are_bounded() {
        let rules = |count: usize| {
            let inner = rule("<Expiration><Days>1</Days></Expiration>");
            (0..count)
                .map(|index| format!("<ID>{index}</ID>{inner}"))
                .collect::<Vec<_>>()
        };
        assert!(parse(&rules(LIFECYCLE_RULES_MAX)).is_ok());
        let code = |rules: &[String]| parse(rules).unwrap_err().code();
        assert_eq!(
            code(&rules(LIFECYCLE_RULES_MAX + 1)),
            ErrorCode::InvalidRequest
        );
        assert_eq!(code(&[]), ErrorCode::MalformedXML);
        assert_eq!(
            code(&[FULL.to_owned(), FULL.to_owned()]),
            ErrorCode::InvalidArgument
        );
        let named = |length: usize| [FULL.replace(">all<", &format!(">{}<", "i".repeat(length)))];
        assert!(parse(&named(255)).is_ok());
        assert_eq!(code(&named(256)), ErrorCode::InvalidArgument);
        for status in ["enabled", "disabled", "invalid"] {
            let rule = FULL.replace("Enabled", status);
            assert_eq!(code(&[rule]), ErrorCode::MalformedXML, "{status}");
        }
    }

    #[test]
    fn bad_actions_are_refused() {
        let transition = |inner: &str| format!("<Transition>{inner}</Transition>");
        let class = "<StorageClass>ONEZONE_IA</StorageClass>";
        for (inner, code) in [
            (String::new(), ErrorCode::InvalidRequest),
            ("<Expiration/>".to_owned(), ErrorCode::MalformedXML),
            (
                "<Expiration><Days>0</Days></Expiration>".to_owned(),
                ErrorCode::InvalidArgument,
            ),
            (
                "<Expiration><Days>2147483648</Days></Expiration>".to_owned(),
                ErrorCode::InvalidArgument,
            ),
            (
                "<Expiration><Days>1</Days><Date>2020-01-01</Date></Expiration>".to_owned(),
                ErrorCode::MalformedXML,
            ),
            (
                "<Expiration><Date>20200101</Date></Expiration>".to_owned(),
                ErrorCode::MalformedXML,
            ),
            (
                "<Expiration><Date>1970-08-22T19:08:21Z</Date></Expiration>".to_owned(),
                ErrorCode::InvalidArgument,
            ),
            (
                "<Expiration><Days>1</Days><ExpiredObjectDeleteMarker>true\
                 </ExpiredObjectDeleteMarker></Expiration>"
                    .to_owned(),
                ErrorCode::MalformedXML,
            ),
            (transition("<Days>1</Days>"), ErrorCode::MalformedXML),
            (transition(class), ErrorCode::MalformedXML),
            (
                transition("<Days>1</Days><StorageClass>GLACIER</StorageClass>"),
                ErrorCode::InvalidStorageClass,
            ),
            (
                transition("<Days>1</Days><StorageClass>STANDARD</StorageClass>"),
                ErrorCode::InvalidStorageClass,
            ),
            (
                transition(&format!("<Days>1</Days>{class}")).repeat(2),
                ErrorCode::InvalidRequest,
            ),
            (
                transition(&format!("<Days>-1</Days>{class}")),
                ErrorCode::InvalidArgument,
            ),
            (
                "<NoncurrentVersionExpiration><NewerNoncurrentVersions>1\
                 </NewerNoncurrentVersions></NoncurrentVersionExpiration>"
                    .to_owned(),
                ErrorCode::MalformedXML,
            ),
            (
                "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>\
                 <NewerNoncurrentVersions>101</NewerNoncurrentVersions>\
                 </NoncurrentVersionExpiration>"
                    .to_owned(),
                ErrorCode::InvalidArgument,
            ),
            (
                "<AbortIncompleteMultipartUpload><DaysAfterInitiation>0</DaysAfterInitiation>\
                 </AbortIncompleteMultipartUpload>"
                    .to_owned(),
                ErrorCode::InvalidArgument,
            ),
        ] {
            assert_eq!(parse(&[rule(&inner)]).unwrap_err().code(), code, "{inner}");
        }
    }
}
