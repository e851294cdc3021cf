//! Grants in headers: `x-amz-grant-read: id="..", emailAddress="..", uri=".."`.

use super::request::{RequestedGrant, RequestedGrantee};
use super::{GRANTS_MAX, Group, Permission};
use crate::error::{Error, ErrorCode, Result};

/// The headers, in the order in which their grants are listed.
pub(super) const GRANT_HEADERS: [(&str, Permission); 5] = [
    ("x-amz-grant-read", Permission::Read),
    ("x-amz-grant-write", Permission::Write),
    ("x-amz-grant-read-acp", Permission::ReadAcp),
    ("x-amz-grant-write-acp", Permission::WriteAcp),
    ("x-amz-grant-full-control", Permission::FullControl),
];

/// Appends the grants of one header.
pub(super) fn parse_into(
    grants: &mut Vec<RequestedGrant>,
    header: &'static str,
    permission: Permission,
    value: &str,
) -> Result<()> {
    for item in value.split(',') {
        if grants.len() == GRANTS_MAX {
            return Err(ErrorCode::MalformedACLError.into());
        }
        let grantee = parse_grantee(header, item.trim())?;
        grants.push(RequestedGrant {
            grantee,
            permission,
        });
    }
    Ok(())
}

fn parse_grantee(header: &'static str, item: &str) -> Result<RequestedGrantee> {
    let unknown = || Error::invalid_argument(header, item, "Argument format not recognized");
    let (kind, value) = item.split_once('=').ok_or_else(unknown)?;
    let value = unquoted(value.trim())
        .filter(|value| !value.is_empty())
        .ok_or_else(unknown)?;
    match kind.trim() {
        "id" => Ok(RequestedGrantee::Id(value.to_owned())),
        "emailAddress" => Ok(RequestedGrantee::EmailAddress(value.to_owned())),
        "uri" => Group::from_uri(value)
            .map(RequestedGrantee::Group)
            .ok_or_else(|| Error::invalid_argument("uri", value, "Invalid group uri")),
        _ => Err(unknown()),
    }
}

/// A value with or without quotes around it; `None` where a quote stands alone.
fn unquoted(value: &str) -> Option<&str> {
    let inner = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => value,
    };
    (!inner.contains('"')).then_some(inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(value: &str) -> Result<Vec<RequestedGrantee>> {
        let mut grants = Vec::new();
        parse_into(&mut grants, "x-amz-grant-read", Permission::Read, value)?;
        Ok(grants.into_iter().map(|grant| grant.grantee).collect())
    }

    #[test]
    fn lists_of_grantees() {
        let id = |text: &str| RequestedGrantee::Id(text.to_owned());
        let email = |text: &str| RequestedGrantee::EmailAddress(text.to_owned());
        let group = RequestedGrantee::Group(Group::AllUsers);
        for (value, expected) in [
            ("id=a", vec![id("a")]),
            ("id=\"a\"", vec![id("a")]),
            (
                "id=\"a\", emailAddress = \"x@y.z\" ,id=b",
                vec![id("a"), email("x@y.z"), id("b")],
            ),
            (
                "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"",
                vec![group],
            ),
            ("id=a=b", vec![id("a=b")]),
        ] {
            assert_eq!(parse(value).unwrap(), expected, "{value}");
        }
    }

    #[test]
    fn anything_else_is_an_invalid_argument() {
        for (value, name) in [
            ("", "x-amz-grant-read"),
            ("a", "x-amz-grant-read"),
            ("id=", "x-amz-grant-read"),
            ("id=\"\"", "x-amz-grant-read"),
            ("id=\"a", "x-amz-grant-read"),
            ("id=a\"", "x-amz-grant-read"),
            ("id=\"", "x-amz-grant-read"),
            ("id=a,", "x-amz-grant-read"),
            ("user=a", "x-amz-grant-read"),
            ("uri=http://example.com/", "uri"),
        ] {
            let error = parse(value).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument, "{value}");
            assert_eq!(error.fields()[0].1, name, "{value}");
        }
    }

    #[test]
    fn a_hundred_grants_at_most() {
        let list = |count: usize| vec!["id=a"; count].join(",");
        assert_eq!(parse(&list(GRANTS_MAX)).unwrap().len(), GRANTS_MAX);
        let error = parse(&list(GRANTS_MAX + 1)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::MalformedACLError);
    }

    proptest! {
        #[test]
        fn no_list_panics(value in "[idur=\", a:/]{0,40}|\\PC{0,40}") {
            for grantee in parse(&value).into_iter().flatten() {
                prop_assert_ne!(grantee, RequestedGrantee::Id(String::new()));
            }
        }
    }
}
