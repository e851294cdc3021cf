//! A list as a request brings it, and its way to one that can be stored.

use http::HeaderMap;

use super::grant_headers::{self, GRANT_HEADERS};
use super::{Acl, CannedAcl, Grant, Grantee, Group, Permission, document};
use crate::error::{Error, ErrorCode, Result};
use crate::operation::Query;
use crate::request::fields::Fields;
use crate::response::Owner;

/// A list as it is asked for. Its accounts may not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestedAcl {
    /// By name.
    Canned(CannedAcl),
    /// By `x-amz-grant-*` headers. Nothing is implied, not even the owner's full control.
    Grants(Vec<RequestedGrant>),
    /// By a document.
    Document {
        /// Whom the client takes for the owner.
        owner_id: String,
        /// The grants.
        grants: Vec<RequestedGrant>,
    },
}

/// A grant as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedGrant {
    /// To whom.
    pub grantee: RequestedGrantee,
    /// What.
    pub permission: Permission,
}

/// A grantee as a client names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestedGrantee {
    /// By canonical id.
    Id(String),
    /// By e-mail address.
    EmailAddress(String),
    /// A group.
    Group(Group),
}

/// The accounts that there are.
pub trait Accounts {
    /// The account of a canonical id.
    fn by_id(&self, id: &str) -> Option<Owner>;

    /// The account of an e-mail address.
    fn by_email_address(&self, address: &str) -> Option<Owner>;
}

impl RequestedAcl {
    /// The list that the headers of a write ask for (or the query of a presigned one), if any;
    /// without one, private is meant.
    ///
    /// # Errors
    /// `InvalidArgument` (unknown name or group, malformed grants), `InvalidRequest` (both a name
    /// and grants), `MalformedACLError` (too many grants).
    pub fn from_headers(headers: &HeaderMap, query: &Query) -> Result<Option<Self>> {
        let fields = Fields { headers, query };
        let canned = fields.header("x-amz-acl")?;
        let mut grants = Vec::new();
        for (header, permission) in GRANT_HEADERS {
            if let Some(value) = fields.header(header)? {
                grant_headers::parse_into(&mut grants, header, permission, value)?;
            }
        }
        match (canned, grants.is_empty()) {
            (None, true) => Ok(None),
            (None, false) => Ok(Some(Self::Grants(grants))),
            (Some(name), true) => CannedAcl::parse(name).map(Self::Canned).map(Some),
            (Some(_), false) => Err(Error::new(ErrorCode::InvalidRequest)
                .message("Specifying both Canned ACLs and Header Grants is not allowed")),
        }
    }

    /// The list of PutBucketAcl and PutObjectAcl, which stands either in the headers or in the
    /// body.
    ///
    /// # Errors
    /// As [`Self::from_headers`]; `MissingSecurityHeader` (neither), `UnexpectedContent` (both),
    /// `MalformedACLError`.
    pub fn from_put(headers: &HeaderMap, query: &Query, body: &[u8]) -> Result<Self> {
        match (Self::from_headers(headers, query)?, body.is_empty()) {
            (Some(acl), true) => Ok(acl),
            (Some(_), false) => Err(Error::new(ErrorCode::UnexpectedContent)
                .message("This request does not support content")),
            (None, true) => Err(Error::new(ErrorCode::MissingSecurityHeader)
                .message("Your request was missing a required header")
                .field("MissingHeaderName", "x-amz-acl")),
            (None, false) => document::parse(body).map(|document| Self::Document {
                owner_id: document.owner_id,
                grants: document.grants,
            }),
        }
    }

    /// The list to store with something that `owner` owns in (or that is) a bucket of
    /// `bucket_owner`'s.
    ///
    /// # Errors
    /// `InvalidArgument` (unknown id), `UnresolvableGrantByEmailAddress`, `AccessDenied` (a
    /// document that names another owner).
    pub fn resolve(
        self,
        owner: Owner,
        bucket_owner: &Owner,
        accounts: &impl Accounts,
    ) -> Result<Acl> {
        let (argument, grants) = match self {
            Self::Canned(canned) => return Ok(canned.expand(owner, bucket_owner)),
            Self::Grants(grants) => ("id", grants),
            // Nobody can give away what they own.
            Self::Document { owner_id, .. } if owner_id != owner.id => {
                return Err(ErrorCode::AccessDenied.into());
            }
            Self::Document { grants, .. } => ("CanonicalUser/ID", grants),
        };
        let grants = grants.into_iter().map(|grant| {
            Ok(Grant {
                grantee: grant.grantee.resolve(accounts, argument)?,
                permission: grant.permission,
            })
        });
        let grants = grants.collect::<Result<_>>()?;
        Ok(Acl { owner, grants })
    }
}

impl RequestedGrantee {
    /// The grantee by canonical id; `argument` is what an error calls the id.
    fn resolve(self, accounts: &impl Accounts, argument: &'static str) -> Result<Grantee> {
        match self {
            Self::Group(group) => Ok(Grantee::Group(group)),
            Self::Id(id) => match accounts.by_id(&id) {
                Some(account) => Ok(Grantee::Account(account)),
                None => Err(Error::invalid_argument(argument, id, "Invalid id")),
            },
            Self::EmailAddress(address) => match accounts.by_email_address(&address) {
                Some(account) => Ok(Grantee::Account(account)),
                None => Err(Error::new(ErrorCode::UnresolvableGrantByEmailAddress)
                    .field("EmailAddress", address)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    /// Accounts `a` to `d` with addresses like `a@example.com`.
    struct Four;

    impl Accounts for Four {
        fn by_id(&self, id: &str) -> Option<Owner> {
            ["a", "b", "c", "d"].contains(&id).then(|| account(id))
        }

        fn by_email_address(&self, address: &str) -> Option<Owner> {
            self.by_id(address.strip_suffix("@example.com")?)
        }
    }

    fn account(id: &str) -> Owner {
        Owner {
            id: id.to_owned(),
            display_name: format!("<{id}> & co"),
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value).unwrap();
            (HeaderName::from_static(name), value)
        });
        pairs.collect()
    }

    fn from_headers(pairs: &[(&'static str, &str)]) -> Result<Option<RequestedAcl>> {
        RequestedAcl::from_headers(&headers(pairs), &Query::default())
    }

    #[test]
    fn headers_name_or_list() {
        assert_eq!(from_headers(&[("x-amz-meta-a", "b")]).unwrap(), None);
        let canned = RequestedAcl::Canned(CannedAcl::PublicRead);
        assert_eq!(
            from_headers(&[("x-amz-acl", "public-read")]).unwrap(),
            Some(canned.clone())
        );
        let query = Query::parse("X-Amz-Acl=public-read").unwrap();
        let presigned = RequestedAcl::from_headers(&HeaderMap::new(), &query).unwrap();
        assert_eq!(presigned, Some(canned));

        let requested = from_headers(&[
            ("x-amz-grant-full-control", "id=a"),
            ("x-amz-grant-write", "emailAddress=\"c@example.com\""),
            ("x-amz-grant-read", "id=b"),
        ]);
        let acl = requested.unwrap().unwrap();
        let acl = acl.resolve(account("d"), &account("d"), &Four).unwrap();
        let expected = [
            ("b", Permission::Read),
            ("c", Permission::Write),
            ("a", Permission::FullControl),
        ];
        let expected = expected.map(|(id, permission)| Grant::to_account(&account(id), permission));
        assert_eq!(acl.owner, account("d"));
        assert_eq!(acl.grants, expected);
    }

    #[test]
    fn headers_and_bodies_exclude_each_other() {
        let body = "<AccessControlPolicy><Owner><ID>a</ID></Owner><AccessControlList/>\
                    </AccessControlPolicy>";
        let put = |pairs: &[(&'static str, &str)], body: &str| {
            RequestedAcl::from_put(&headers(pairs), &Query::default(), body.as_bytes())
                .map_err(|error| error.code())
        };
        let named = [("x-amz-acl", "private")];
        let both = [("x-amz-acl", "private"), ("x-amz-grant-read", "id=a")];
        assert!(put(&named, "").is_ok());
        assert!(put(&[], body).is_ok());
        assert_eq!(put(&named, body), Err(ErrorCode::UnexpectedContent));
        assert_eq!(put(&[], ""), Err(ErrorCode::MissingSecurityHeader));
        assert_eq!(put(&[], "x"), Err(ErrorCode::MalformedACLError));
        assert_eq!(put(&both, ""), Err(ErrorCode::InvalidRequest));
    }

    #[test]
    fn strangers_cannot_be_granted_anything() {
        let resolve = |grantee: RequestedGrantee| {
            let grants = vec![RequestedGrant {
                grantee,
                permission: Permission::Read,
            }];
            RequestedAcl::Grants(grants)
                .resolve(account("a"), &account("a"), &Four)
                .unwrap_err()
        };
        let error = resolve(RequestedGrantee::Id("e".to_owned()));
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        let error = resolve(RequestedGrantee::EmailAddress("e@example.com".to_owned()));
        assert_eq!(error.code(), ErrorCode::UnresolvableGrantByEmailAddress);
        let theft = RequestedAcl::Document {
            owner_id: "b".to_owned(),
            grants: Vec::new(),
        };
        let error = theft.resolve(account("a"), &account("a"), &Four);
        assert_eq!(error.unwrap_err().code(), ErrorCode::AccessDenied);
    }

    fn any_grant() -> impl Strategy<Value = Grant> {
        let grantee = prop_oneof![
            "[a-d]".prop_map(|id| Grantee::Account(account(&id))),
            prop::sample::select(Group::ALL.to_vec()).prop_map(Grantee::Group),
        ];
        let permission = prop::sample::select(Permission::ALL.to_vec());
        (grantee, permission).prop_map(|(grantee, permission)| Grant {
            grantee,
            permission,
        })
    }

    proptest! {
        /// What GetObjectAcl answers can be put back, as clients do that change one grant of many.
        #[test]
        fn an_answer_can_be_put_back(grants in prop::collection::vec(any_grant(), 0..100)) {
            let mut acl = Acl { owner: account("a"), grants };
            let answer = acl.clone().into_response();
            let back = RequestedAcl::from_put(&HeaderMap::new(), &Query::default(), answer.body());
            let back = back.unwrap().resolve(account("a"), &account("b"), &Four).unwrap();
            // Groups are answered first.
            acl.grants.sort_by_key(|grant| matches!(grant.grantee, Grantee::Account(_)));
            prop_assert_eq!(back, acl);
        }
    }
}
