//! The answer of GetBucketAcl and GetObjectAcl.

use bytes::Bytes;
use http::Response;

use super::Owner;
use crate::acl::{Acl, Grant, Grantee};
use crate::xml::write::{self as xml, XmlWriter};

/// The namespace of the attribute that tells a grantee's kind.
const XSI: (&str, &str) = ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance");

/// The answer where nothing but the owner is stored: who may do everything, and nobody else may
/// do anything.
#[derive(Debug, Clone)]
pub struct AclOutput {
    /// The owner.
    pub owner: Owner,
}

impl AclOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        Acl::private(self.owner).into_response()
    }
}

impl Acl {
    /// The answer, groups before accounts: the order means nothing, and clients were seen that
    /// rely on this one.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let (groups, accounts): (Vec<_>, Vec<_>) = self
            .grants
            .iter()
            .partition(|grant| matches!(grant.grantee, Grantee::Group(_)));
        xml::ok(XmlWriter::document("AccessControlPolicy", |writer| {
            writer.owner("Owner", &self.owner);
            writer.element("AccessControlList", |writer| {
                for grant in groups.into_iter().chain(accounts) {
                    writer.element("Grant", |writer| write_grant(writer, grant));
                }
            });
        }))
    }
}

fn write_grant(writer: &mut XmlWriter, grant: &Grant) {
    match &grant.grantee {
        Grantee::Account(account) => {
            let attributes = [XSI, ("xsi:type", "CanonicalUser")];
            writer.element_with("Grantee", &attributes, |writer| {
                writer.text("ID", &account.id);
                writer.text("DisplayName", &account.display_name);
            });
        }
        Grantee::Group(group) => {
            let attributes = [XSI, ("xsi:type", "Group")];
            writer.element_with("Grantee", &attributes, |writer| {
                writer.text("URI", group.uri());
            });
        }
    }
    writer.text("Permission", grant.permission.as_str());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::CannedAcl;

    #[test]
    fn a_list_is_written_as_aws_does() {
        let owner = Owner {
            id: "o1".to_owned(),
            display_name: "Owner & Co".to_owned(),
        };
        let answer = CannedAcl::PublicRead.expand(owner.clone(), &owner);
        let answer = answer.into_response();
        let body = std::str::from_utf8(answer.body()).unwrap();
        let (_, body) = body.split_once("?>\n").unwrap();
        assert_eq!(
            body,
            "<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>o1\
             </ID><DisplayName>Owner &amp; Co</DisplayName></Owner><AccessControlList><Grant>\
             <Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\">\
             <URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee>\
             <Permission>READ</Permission></Grant><Grant><Grantee \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">\
             <ID>o1</ID><DisplayName>Owner &amp; Co</DisplayName></Grantee>\
             <Permission>FULL_CONTROL</Permission></Grant></AccessControlList>\
             </AccessControlPolicy>"
        );
        let private = AclOutput { owner }.into_response();
        let body = std::str::from_utf8(private.body()).unwrap();
        assert_eq!(body.matches("<Grant>").count(), 1);
        assert!(body.contains("xsi:type=\"CanonicalUser\"><ID>o1</ID>"));
    }
}
