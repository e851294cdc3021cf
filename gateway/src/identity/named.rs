//! The accounts that an access control list names, looked up before the list is made of them.

use std::collections::BTreeMap;

use riquet_s3::acl::{Accounts, RequestedGrant, RequestedGrantee};
use riquet_s3::response::Owner;

use super::Directory;
use crate::error::Error;

/// Those that were found.
#[derive(Debug, Default)]
pub(crate) struct Named {
    by_id: BTreeMap<String, Owner>,
    by_address: BTreeMap<String, Owner>,
}

impl Named {
    /// Looks for each grantee once.
    ///
    /// # Errors
    /// Those of the metadata.
    pub(crate) async fn find(
        directory: &Directory,
        grants: &[RequestedGrant],
    ) -> Result<Self, Error> {
        let mut named = Self::default();
        for grant in grants {
            match &grant.grantee {
                RequestedGrantee::Id(id) => {
                    if let Some(account) = directory.account(id).await? {
                        named.by_id.insert(id.clone(), account.owner.clone());
                    }
                }
                RequestedGrantee::EmailAddress(address) => {
                    if let Some(account) = directory.account_of_email(address).await? {
                        named.by_address.insert(address.clone(), account.owner);
                    }
                }
                RequestedGrantee::Group(_) => {}
            }
        }
        Ok(named)
    }

    /// Whether a grant is to somebody who is there.
    pub(crate) fn knows(&self, grant: &RequestedGrant) -> bool {
        match &grant.grantee {
            RequestedGrantee::Id(id) => self.by_id.contains_key(id),
            RequestedGrantee::EmailAddress(address) => self.by_address.contains_key(address),
            RequestedGrantee::Group(_) => true,
        }
    }
}

impl Accounts for Named {
    fn by_id(&self, id: &str) -> Option<Owner> {
        self.by_id.get(id).cloned()
    }

    fn by_email_address(&self, address: &str) -> Option<Owner> {
        self.by_address.get(address).cloned()
    }
}
