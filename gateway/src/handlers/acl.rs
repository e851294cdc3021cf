//! Access control lists: read, put, and those that new buckets and objects come with.

use riquet_metadata::command::{Alteration, NewDocument};
use riquet_metadata::record::{Document, DocumentKind};
use riquet_s3::acl::{Acl, CannedAcl, RequestedAcl};
use riquet_s3::config::ownership::ObjectOwnership;
use riquet_s3::request::{ObjectInput, PutBucketAclInput, PutObjectAclInput};
use riquet_s3::response::{Done, Owner};
use riquet_s3::{Error as S3Error, ErrorCode};

use super::{Answer, Context, alter, document, get, whole};
use crate::access::{Ownership, Rules, object_acl};
use crate::error::Error;
use crate::identity::Named;
use crate::notify;

/// What a new object is stored with: whose it is, and its list unless it is the owner's alone.
pub(super) struct NewAccess {
    pub(super) owner: String,
    pub(super) acl: Option<Document>,
}

pub(super) async fn get_bucket_acl(cx: &Context) -> Answer {
    let acl = bucket_acl(cx).await?;
    Ok(whole(acl.into_response()))
}

/// The bucket's list, with the owner's name as it is now.
async fn bucket_acl(cx: &Context) -> Result<Acl, Error> {
    let owner = owner_named(cx, &cx.bucket().owner).await?;
    Ok(match &cx.rules().acl {
        Some(acl) => acl.clone(),
        None => Acl::private(owner),
    })
}

pub(super) async fn put_bucket_acl(cx: &Context, input: &PutBucketAclInput) -> Answer {
    let owner = owner_named(cx, &cx.bucket().owner).await?;
    let acl = resolve(cx, &input.acl, owner.clone(), &owner).await?;
    check_enforced(cx.rules(), &input.acl)?;
    check_block(cx.rules(), &acl)?;
    document::put(cx, DocumentKind::Acl, acl.to_stored()).await
}

pub(super) async fn get_object_acl(cx: &Context, input: &ObjectInput) -> Answer {
    let version = input.version_id.as_ref();
    let object = get::find(cx, cx.bucket(), input.key.as_str(), version).await?;
    let acl = match object.body.acl {
        Some(_) => object_acl(&object)?,
        None => Acl::private(owner_named(cx, &object.head.owner).await?),
    };
    Ok(whole(acl.into_response()))
}

pub(super) async fn put_object_acl(cx: &Context, input: &PutObjectAclInput) -> Answer {
    let version = input.version_id.as_ref();
    let object = get::find(cx, cx.bucket(), input.key.as_str(), version).await?;
    let owner = owner_named(cx, &object.head.owner).await?;
    let bucket_owner = owner_named(cx, &cx.bucket().owner).await?;
    let acl = resolve(cx, &input.acl, owner, &bucket_owner).await?;
    check_enforced(cx.rules(), &input.acl)?;
    check_block(cx.rules(), &acl)?;
    let alteration = Alteration::Acl(Some(Document(acl.to_stored())));
    alter(cx, &input.key, version, alteration, notify::PUT_ACL).await?;
    Ok(whole(Done.into_response()))
}

/// What a new object is stored with.
///
/// # Errors
/// `AccessControlListNotSupported` where the bucket has none, `AccessDenied` where it must not be
/// public, and what naming accounts that there aren't answers.
pub(super) async fn of_new_object(
    cx: &Context,
    asked: Option<&RequestedAcl>,
) -> Result<NewAccess, Error> {
    let writer = cx.caller.owner();
    let bucket_owner = &cx.bucket().owner;
    let gives_away = matches!(
        asked,
        Some(RequestedAcl::Canned(CannedAcl::BucketOwnerFullControl))
    );
    let is_bucket_owners = match cx.rules().ownership {
        Ownership::BucketOwnerEnforced => true,
        Ownership::BucketOwnerPreferred => gives_away,
        Ownership::Writer => false,
    };
    if let Some(asked) = asked {
        check_enforced(cx.rules(), asked)?;
    }
    if is_bucket_owners {
        return Ok(NewAccess {
            owner: bucket_owner.clone(),
            acl: None,
        });
    }
    let acl = match asked {
        None | Some(RequestedAcl::Canned(CannedAcl::Private)) => None,
        Some(asked) => {
            let bucket_owner = owner_named(cx, bucket_owner).await?;
            let acl = resolve(cx, asked, writer.clone(), &bucket_owner).await?;
            check_block(cx.rules(), &acl)?;
            Some(Document(acl.to_stored()))
        }
    };
    Ok(NewAccess {
        owner: writer.id,
        acl,
    })
}

/// The list that a new bucket is made with, unless it is the owner's alone.
pub(super) async fn of_new_bucket(
    cx: &Context,
    asked: Option<&RequestedAcl>,
    ownership: Option<ObjectOwnership>,
) -> Result<Option<NewDocument>, Error> {
    let rules = Rules {
        ownership: ownership.map(Ownership::from).unwrap_or_default(),
        ..Rules::default()
    };
    if let Some(asked) = asked {
        check_enforced(&rules, asked)?;
    }
    let Some(asked) = asked.filter(|asked| **asked != RequestedAcl::Canned(CannedAcl::Private))
    else {
        return Ok(None);
    };
    let owner = cx.caller.owner();
    let acl = resolve(cx, asked, owner.clone(), &owner).await?;
    Ok(Some(NewDocument {
        kind: DocumentKind::Acl,
        document: Document(acl.to_stored()),
    }))
}

/// Whoever a canonical id belongs to. Somebody who is gone has no name but the id.
pub(super) async fn owner_named(cx: &Context, canonical_id: &str) -> Result<Owner, Error> {
    if cx.caller.canonical_id() == canonical_id {
        return Ok(cx.caller.owner());
    }
    let found = cx.gateway.directory.account(canonical_id).await?;
    Ok(match found {
        Some(account) => account.owner.clone(),
        None => Owner {
            id: canonical_id.to_owned(),
            display_name: canonical_id.to_owned(),
        },
    })
}

async fn resolve(
    cx: &Context,
    asked: &RequestedAcl,
    owner: Owner,
    bucket_owner: &Owner,
) -> Result<Acl, Error> {
    let grants = match asked {
        RequestedAcl::Canned(_) => &[][..],
        RequestedAcl::Grants(grants) | RequestedAcl::Document { grants, .. } => grants,
    };
    let named = Named::find(&cx.gateway.directory, grants).await?;
    Ok(asked.clone().resolve(owner, bucket_owner, &named)?)
}

/// Where lists don't count, only those may be put that say what holds anyway.
fn check_enforced(rules: &Rules, asked: &RequestedAcl) -> Result<(), S3Error> {
    let says_what_holds = matches!(
        asked,
        RequestedAcl::Canned(CannedAcl::BucketOwnerFullControl)
    );
    if rules.ownership != Ownership::BucketOwnerEnforced || says_what_holds {
        return Ok(());
    }
    Err(S3Error::new(ErrorCode::AccessControlListNotSupported)
        .message("The bucket does not allow ACLs"))
}

/// Lists that share the bucket are taken back before none counts any more: nobody is shut out
/// unawares.
///
/// # Errors
/// `InvalidBucketAclWithObjectOwnership`.
pub(super) fn check_before(cx: &Context, ownership: ObjectOwnership) -> Result<(), S3Error> {
    let is_shared = cx.rules().acl.as_ref().is_some_and(Acl::is_shared);
    match ownership {
        ObjectOwnership::BucketOwnerEnforced if is_shared => {
            Err(ErrorCode::InvalidBucketAclWithObjectOwnership.into())
        }
        _ => Ok(()),
    }
}

fn check_block(rules: &Rules, acl: &Acl) -> Result<(), S3Error> {
    if rules.block.block_public_acls && acl.is_public() {
        return Err(ErrorCode::AccessDenied.into());
    }
    Ok(())
}
