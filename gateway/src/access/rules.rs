//! What a bucket's own documents say about access to it, parsed once and remembered for a second.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use riquet_metadata::Client;
use riquet_metadata::id::BucketId;
use riquet_metadata::limits::BUCKET_TTL_MS;
use riquet_metadata::record::{Bucket, Document, DocumentKind};
use riquet_s3::acl::Acl;
use riquet_s3::config::ownership::ObjectOwnership;
use riquet_s3::config::public_access_block::PublicAccessBlock;
use riquet_s3::name::BucketName;
use riquet_s3::policy::{Account, Policy, PolicyKind};
use riquet_s3::{Error as S3Error, ErrorCode};

use crate::error::Error;
use crate::identity::{Directory, account_of};
use crate::names::plain_name;

/// Buckets whose rules are remembered.
const REMEMBERED: u64 = 10_000;

/// The kinds of documents that are about access.
const KINDS: [DocumentKind; 4] = [
    DocumentKind::Acl,
    DocumentKind::Policy,
    DocumentKind::PublicAccessBlock,
    DocumentKind::OwnershipControls,
];

/// What a bucket's documents say about access.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) policy: Option<BucketPolicy>,
    /// None: the owner's alone.
    pub(crate) acl: Option<Acl>,
    pub(crate) block: PublicAccessBlock,
    pub(crate) ownership: Ownership,
}

/// A bucket's policy.
#[derive(Debug)]
pub(crate) struct BucketPolicy {
    pub(crate) policy: Policy,
    /// Whether it asks about the tags that an object has.
    pub(crate) asks_tags: bool,
    /// Whether it lets in everybody.
    pub(crate) is_public: bool,
}

impl BucketPolicy {
    pub(crate) fn new(policy: Policy) -> Self {
        let text = policy.text().to_ascii_lowercase();
        Self {
            asks_tags: text.contains("s3:existingobjecttag/"),
            is_public: policy.is_public(),
            policy,
        }
    }
}

/// Whether access control lists count, and whose an object is that another uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Ownership {
    /// Lists count, and objects are their writers'. Where nothing else is said: as at AWS before
    /// April 2023, and as at Ceph's.
    #[default]
    Writer,
    /// Lists count; an object that is uploaded with `bucket-owner-full-control` is the bucket
    /// owner's.
    BucketOwnerPreferred,
    /// Lists don't count, and everything is the bucket owner's.
    BucketOwnerEnforced,
}

impl From<ObjectOwnership> for Ownership {
    fn from(ownership: ObjectOwnership) -> Self {
        match ownership {
            ObjectOwnership::ObjectWriter => Self::Writer,
            ObjectOwnership::BucketOwnerPreferred => Self::BucketOwnerPreferred,
            ObjectOwnership::BucketOwnerEnforced => Self::BucketOwnerEnforced,
        }
    }
}

impl Rules {
    /// The bucket's list as it counts; none: the owner's alone.
    pub(crate) fn effective_acl(&self) -> Option<Acl> {
        let acl = self.acl.clone()?;
        match self.ownership {
            Ownership::BucketOwnerEnforced => None,
            _ => Some(self.unblocked(acl)),
        }
    }

    /// A list with what the public access block leaves of it.
    pub(crate) fn unblocked(&self, acl: Acl) -> Acl {
        match self.block.ignore_public_acls {
            true => acl.without_public_grants(),
            false => acl,
        }
    }
}

/// Reads buckets' rules.
pub(crate) struct RuleBook {
    metadata: Client,
    rules: Cache<BucketId, Arc<Rules>>,
}

impl RuleBook {
    pub(crate) fn new(metadata: Client) -> Self {
        Self {
            metadata,
            rules: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(Duration::from_millis(BUCKET_TTL_MS))
                .build(),
        }
    }

    /// Forgets a bucket's rules, after a change that is to count at once.
    pub(crate) async fn forget(&self, bucket: BucketId) {
        self.rules.invalidate(&bucket).await;
    }

    /// A bucket's rules.
    ///
    /// # Errors
    /// `InternalError` for a document that doesn't read back: nothing may be allowed, then.
    pub(crate) async fn of(
        &self,
        bucket: &Bucket,
        directory: &Directory,
    ) -> Result<Arc<Rules>, Error> {
        // Most buckets have none of them.
        if !bucket.documents.iter().any(|kind| KINDS.contains(kind)) {
            return Ok(Arc::default());
        }
        if let Some(known) = self.rules.get(&bucket.id).await {
            return Ok(known);
        }
        let rules = Arc::new(self.read(bucket, directory).await?);
        self.rules.insert(bucket.id, rules.clone()).await;
        Ok(rules)
    }

    async fn read(&self, bucket: &Bucket, directory: &Directory) -> Result<Rules, Error> {
        let mut rules = Rules::default();
        for kind in KINDS {
            if !bucket.documents.contains(&kind) {
                continue;
            }
            let found = self.metadata.bucket_document(bucket.id, kind).await?;
            let Some(Document(text)) = found else {
                continue;
            };
            let unreadable = |error: &dyn std::fmt::Display| {
                tracing::error!(bucket = bucket.name, ?kind, %error, "a document doesn't read back");
                S3Error::new(ErrorCode::InternalError)
            };
            match kind {
                DocumentKind::Policy => {
                    let policy = parse_policy(bucket, &text, directory).await?;
                    rules.policy = Some(BucketPolicy::new(policy));
                }
                DocumentKind::Acl => {
                    let acl = serde_json::from_slice(&text).map_err(|error| unreadable(&error))?;
                    rules.acl = Some(acl);
                }
                DocumentKind::PublicAccessBlock => {
                    let block = PublicAccessBlock::parse(&text);
                    rules.block = block.map_err(|error| unreadable(&error))?;
                }
                _ => {
                    let ownership = ObjectOwnership::parse(&text);
                    rules.ownership = ownership.map_err(|error| unreadable(&error))?.into();
                }
            }
        }
        Ok(rules)
    }
}

/// Reads a policy as a bucket's.
///
/// # Errors
/// `MalformedPolicy`.
pub(crate) async fn parse_policy(
    bucket: &Bucket,
    text: &[u8],
    directory: &Directory,
) -> Result<Policy, Error> {
    let tenant = directory.tenant(&bucket.tenant).await?;
    let account = tenant
        .as_ref()
        .map_or_else(|| Account::plain(&bucket.tenant), account_of);
    let name = BucketName::parse(plain_name(&bucket.name))?;
    let kind = PolicyKind::Bucket {
        bucket: &name,
        account,
    };
    Ok(Policy::parse(text, kind)?)
}
