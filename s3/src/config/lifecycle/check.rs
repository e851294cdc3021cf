//! What the parts of a rule ask of each other.

use std::borrow::Cow;

use super::{Expiration, LifecycleRule, RuleScope, When};
use crate::error::{Error, ErrorCode, Result};

/// Checks what each part of a rule asks of the others.
pub(super) fn check_together(rule: &LifecycleRule) -> Result<()> {
    let has_action = rule.expiration.is_some()
        || !rule.transitions.is_empty()
        || rule.noncurrent_expiration.is_some()
        || !rule.noncurrent_transitions.is_empty()
        || rule.abort_upload_days.is_some();
    if !has_action {
        return Err(invalid_request(
            "At least one action needs to be specified in a rule",
        ));
    }
    if let RuleScope::Filter(filter) = &rule.scope {
        // Uploads and delete markers have neither tags nor a size.
        let needs_object = if rule.abort_upload_days.is_some() {
            Some("AbortIncompleteMultipartUpload")
        } else if rule.expiration == Some(Expiration::LoneMarkers) {
            Some("ExpiredObjectDeleteMarker")
        } else {
            None
        };
        let has_size = filter.size_greater_than.is_some() || filter.size_less_than.is_some();
        match needs_object {
            Some(action) if !filter.tags.is_empty() => {
                return Err(invalid_request(format!(
                    "{action} cannot be specified with Tags."
                )));
            }
            Some(action) if has_size => {
                return Err(invalid_request(format!(
                    "{action} cannot be specified with Object Size."
                )));
            }
            _ => {}
        }
    }
    check_times(rule)
}

/// Days and dates can't be compared, and what expired can't move any more.
fn check_times(rule: &LifecycleRule) -> Result<()> {
    let expiration = match rule.expiration {
        Some(Expiration::At(when)) => Some(when),
        _ => None,
    };
    let transitions = rule.transitions.iter().map(|transition| transition.when);
    let mut kinds = transitions
        .clone()
        .chain(expiration)
        .map(|when| matches!(when, When::Days(_)));
    if let Some(first) = kinds.next()
        && kinds.any(|kind| kind != first)
    {
        return Err(invalid_request(
            "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle \
             rule",
        ));
    }
    for transition in transitions {
        let (name, is_early) = match (expiration, transition) {
            (Some(When::Days(end)), When::Days(days)) => ("Days", end <= days),
            (Some(When::Date(end)), When::Date(date)) => ("Date", end <= date),
            _ => continue,
        };
        if is_early {
            return Err(Error::new(ErrorCode::InvalidArgument).message(format!(
                "'{name}' in the Expiration action must be later than '{name}' in the Transition \
                 action"
            )));
        }
    }
    Ok(())
}

pub(super) fn invalid_request(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::InvalidRequest).message(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::lifecycle::LifecycleConfiguration;
    use crate::request::StorageClass;

    fn code(filter: &str, actions: &str) -> Option<ErrorCode> {
        let document = format!(
            "<LifecycleConfiguration><Rule><Filter>{filter}</Filter><Status>Enabled</Status>\
             {actions}</Rule></LifecycleConfiguration>"
        );
        LifecycleConfiguration::parse(document.as_bytes(), &[StorageClass::OneZoneIa])
            .err()
            .map(|error| error.code())
    }

    #[test]
    fn uploads_and_markers_have_no_tags_or_size() {
        let tag = "<Tag><Key>a</Key><Value>1</Value></Tag>";
        let size = "<ObjectSizeGreaterThan>1</ObjectSizeGreaterThan>";
        let abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1\
            </DaysAfterInitiation></AbortIncompleteMultipartUpload>";
        let markers = "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>\
            </Expiration>";
        for actions in [abort, markers] {
            assert_eq!(code("<Prefix>a</Prefix>", actions), None);
            assert_eq!(code(tag, actions), Some(ErrorCode::InvalidRequest));
            assert_eq!(code(size, actions), Some(ErrorCode::InvalidRequest));
        }
        assert_eq!(code(tag, "<Expiration><Days>1</Days></Expiration>"), None);
    }

    #[test]
    fn versions_move_before_they_expire() {
        let actions = |transition: &str, expiration: &str| {
            format!(
                "<Transition>{transition}<StorageClass>ONEZONE_IA</StorageClass></Transition>\
                 <Expiration>{expiration}</Expiration>"
            )
        };
        for (transition, expiration, expected) in [
            ("<Days>1</Days>", "<Days>2</Days>", None),
            (
                "<Days>2</Days>",
                "<Days>2</Days>",
                Some(ErrorCode::InvalidArgument),
            ),
            ("<Date>2030-01-01</Date>", "<Date>2030-01-02</Date>", None),
            (
                "<Date>2030-01-02</Date>",
                "<Date>2030-01-01</Date>",
                Some(ErrorCode::InvalidArgument),
            ),
            (
                "<Date>2030-01-02</Date>",
                "<Days>9</Days>",
                Some(ErrorCode::InvalidRequest),
            ),
        ] {
            let found = code("", &actions(transition, expiration));
            assert_eq!(found, expected, "{transition} {expiration}");
        }
    }
}
