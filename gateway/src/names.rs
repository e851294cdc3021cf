//! Names of buckets. Clients see a bucket's name in its tenant's namespace; the metadata keeps one
//! list of names, where a bucket outside the default namespace is `namespace:name`.

use riquet_metadata::record::Bucket;
use riquet_s3::name::BucketName;

use crate::identity::Caller;

/// The stored name of the bucket that a caller means.
pub(crate) fn stored_name(name: &BucketName, caller: &Caller) -> String {
    match name.namespace().unwrap_or_else(|| caller.namespace()) {
        "" => name.as_str().to_owned(),
        namespace => format!("{namespace}:{}", name.as_str()),
    }
}

/// The stored name of the bucket that another bucket's configuration means.
pub(crate) fn stored_beside(name: &BucketName, bucket: &Bucket) -> String {
    let beside = bucket.name.split_once(':').map_or("", |(it, _)| it);
    match name.namespace().unwrap_or(beside) {
        "" => name.as_str().to_owned(),
        namespace => format!("{namespace}:{}", name.as_str()),
    }
}

/// A stored name as clients see it.
pub(crate) fn plain_name(stored: &str) -> &str {
    stored.split_once(':').map_or(stored, |(_, name)| name)
}
