//! Who else may use a bucket's access logs.

use riquet_metadata::record::Document;
use riquet_s3::acl::{CannedAcl, RequestedAcl, RequestedGrant};
use riquet_s3::config::logging::LogTarget;
use riquet_s3::response::Owner;

use crate::error::Error;
use crate::identity::{Directory, Named};

/// Checks the grants when they are asked for.
///
/// # Errors
/// `InvalidArgument` (an unknown group or id), `UnresolvableGrantByEmailAddress`.
pub(crate) async fn check(
    directory: &Directory,
    target: &LogTarget,
    owner: &Owner,
) -> Result<(), Error> {
    let grants = target.requested_grants()?;
    let named = Named::find(directory, &grants).await?;
    RequestedAcl::Grants(grants).resolve(owner.clone(), owner, &named)?;
    Ok(())
}

/// The list that a log is stored with, beyond its owner's rights. Whoever is gone by now is left out.
///
/// # Errors
/// As [`check`].
pub(super) async fn list(
    directory: &Directory,
    target: &LogTarget,
    owner: &Owner,
) -> Result<Option<Document>, Error> {
    let mut grants = target.requested_grants()?;
    let named = Named::find(directory, &grants).await?;
    grants.retain(|grant: &RequestedGrant| named.knows(grant));
    if grants.is_empty() {
        return Ok(None);
    }
    let granted = RequestedAcl::Grants(grants).resolve(owner.clone(), owner, &named)?;
    let mut acl = CannedAcl::Private.expand(owner.clone(), owner);
    acl.grants.extend(granted.grants);
    Ok(Some(Document(acl.to_stored())))
}
