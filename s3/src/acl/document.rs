//! The `AccessControlPolicy` document of PutBucketAcl and PutObjectAcl.

use super::request::{RequestedGrant, RequestedGrantee};
use super::{GRANTS_MAX, Group, Permission};
use crate::error::{Error, ErrorCode, Result};
use crate::xml::read::Element;

/// A document's content.
pub(super) struct Document {
    pub(super) owner_id: String,
    pub(super) grants: Vec<RequestedGrant>,
}

/// Reads a document.
///
/// Whatever isn't well formed or doesn't follow the schema is `MalformedACLError`; a group that
/// isn't there is `InvalidArgument`.
pub(super) fn parse(body: &[u8]) -> Result<Document> {
    let read = || {
        let root = Element::parse(body, "AccessControlPolicy")?;
        root.only(&["Owner", "AccessControlList"])?;
        let owner = root.optional("Owner")?.ok_or_else(malformed)?;
        let owner_id = owner.only(&["ID", "DisplayName"])?.text_of("ID")?;
        let list = root.optional("AccessControlList")?.ok_or_else(malformed)?;
        list.only(&["Grant"])?;
        if list.all("Grant").count() > GRANTS_MAX {
            return Err(malformed());
        }
        Ok(Document {
            owner_id: owner_id.trim().to_owned(),
            grants: list.all("Grant").map(parse_grant).collect::<Result<_>>()?,
        })
    };
    // The reader of documents knows no better name for what it refuses.
    read().map_err(|error| match error.code() {
        ErrorCode::MalformedXML => malformed(),
        _ => error,
    })
}

fn malformed() -> Error {
    ErrorCode::MalformedACLError.into()
}

fn parse_grant(grant: &Element) -> Result<RequestedGrant> {
    let grantee = grant
        .only(&["Grantee", "Permission"])?
        .optional("Grantee")?;
    let permission = grant.text_of("Permission")?.trim();
    Ok(RequestedGrant {
        grantee: parse_grantee(grantee.ok_or_else(malformed)?)?,
        permission: Permission::from_name(permission).ok_or_else(malformed)?,
    })
}

fn parse_grantee(grantee: &Element) -> Result<RequestedGrantee> {
    // The schema has types that can't be told apart without the attribute.
    let text = |name| Ok::<_, Error>(grantee.text_of(name)?.trim());
    match grantee.schema_type() {
        Some("CanonicalUser") => {
            grantee.only(&["ID", "DisplayName"])?;
            Ok(RequestedGrantee::Id(text("ID")?.to_owned()))
        }
        Some("AmazonCustomerByEmail") => {
            grantee.only(&["EmailAddress"])?;
            Ok(RequestedGrantee::EmailAddress(
                text("EmailAddress")?.to_owned(),
            ))
        }
        Some("Group") => {
            let uri = grantee.only(&["URI"]).and_then(|_| text("URI"))?;
            Group::from_uri(uri)
                .map(RequestedGrantee::Group)
                .ok_or_else(|| Error::invalid_argument("Group/URI", uri, "Invalid group uri"))
        }
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grant(kind: &str, grantee: &str, permission: &str) -> String {
        format!(
            "<Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
             xsi:type=\"{kind}\">{grantee}</Grantee><Permission>{permission}</Permission></Grant>"
        )
    }

    fn document(grants: &str) -> String {
        format!(
            "<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>o\
             </ID><DisplayName>n</DisplayName></Owner><AccessControlList>{grants}\
             </AccessControlList></AccessControlPolicy>"
        )
    }

    #[test]
    fn every_kind_of_grantee_is_read() {
        let uri = "<URI>http://acs.amazonaws.com/groups/global/AuthenticatedUsers</URI>";
        let grants = [
            grant("CanonicalUser", "<ID>a</ID>", "READ"),
            grant(
                "CanonicalUser",
                "<DisplayName>B</DisplayName><ID>b</ID>",
                "FULL_CONTROL",
            ),
            grant(
                "AmazonCustomerByEmail",
                "<EmailAddress>x@y.z</EmailAddress>",
                "WRITE_ACP",
            ),
            grant("Group", uri, "READ_ACP"),
        ];
        let parsed = parse(document(&grants.concat()).as_bytes()).unwrap();
        assert_eq!(parsed.owner_id, "o");
        let expected = [
            (RequestedGrantee::Id("a".to_owned()), Permission::Read),
            (
                RequestedGrantee::Id("b".to_owned()),
                Permission::FullControl,
            ),
            (
                RequestedGrantee::EmailAddress("x@y.z".to_owned()),
                Permission::WriteAcp,
            ),
            (
                RequestedGrantee::Group(Group::AuthenticatedUsers),
                Permission::ReadAcp,
            ),
        ];
        let expected = expected.map(|(grantee, permission)| RequestedGrant {
            grantee,
            permission,
        });
        assert_eq!(parsed.grants, expected);
        assert!(parse(document("").as_bytes()).unwrap().grants.is_empty());
    }

    #[test]
    fn what_the_schema_refuses_is_malformed() {
        let fine = grant("CanonicalUser", "<ID>a</ID>", "READ");
        assert!(parse(document(&fine.repeat(GRANTS_MAX)).as_bytes()).is_ok());
        for body in [
            String::new(),
            "<AccessControlPolicy/>".to_owned(),
            "<AccessControlPolicy><AccessControlList/></AccessControlPolicy>".to_owned(),
            "<AccessControlPolicy><Owner><ID>o</ID></Owner></AccessControlPolicy>".to_owned(),
            document(&fine).replace("AccessControlPolicy", "Tagging"),
            document(&fine).replace("<ID>o</ID>", ""),
            document(&fine).replace("xsi:type", "xsi:kind"),
            document(&fine).replace("CanonicalUser", "User"),
            document(&fine).replace("READ", "read"),
            document(&fine).replace("READ", ""),
            document(&fine).replace("<ID>a</ID>", "<URI>a</URI>"),
            document("<Grant/>"),
            document("<Grantee/>"),
            document(&fine.repeat(GRANTS_MAX + 1)),
        ] {
            let error = parse(body.as_bytes()).err().expect(&body);
            assert_eq!(error.code(), ErrorCode::MalformedACLError, "{body}");
        }
    }

    #[test]
    fn groups_must_exist() {
        let body = document(&grant("Group", "<URI>http://example.com/</URI>", "READ"));
        let error = parse(body.as_bytes()).err().unwrap();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert_eq!(error.fields()[0].1, "Group/URI");
    }

    proptest! {
        /// A document that lost some of its bytes is read or refused, but nothing worse.
        #[test]
        fn no_document_panics(from in 0_usize..400, length in 1_usize..40) {
            let grants = grant("CanonicalUser", "<ID>a</ID>", "READ");
            let mut body = document(&grants).into_bytes();
            let from = from.min(body.len());
            let to = (from + length).min(body.len());
            body.drain(from..to);
            if let Err(error) = parse(&body) {
                prop_assert_eq!(error.code(), ErrorCode::MalformedACLError);
            }
        }
    }
}
