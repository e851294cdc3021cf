//! The condition keys of a request and their values.
//!
//! Whoever asks for a decision fills what it knows. A key that is left out counts as absent, which
//! conditions can see, so a key that applies to the request must be there:
//!
//! * always: `aws:SourceIp`, `aws:SecureTransport`, `aws:CurrentTime` (ISO 8601), `aws:EpochTime`
//!   (seconds), `aws:UserAgent` and `aws:Referer` when sent, `s3:authType`, `s3:signatureversion`,
//!   `s3:signatureAge` (milliseconds, presigned requests), `s3:TlsVersion`, `s3:ResourceAccount`
//!   and `aws:ResourceAccount`;
//! * of a caller who isn't anonymous: `aws:PrincipalType` (`Account`, `User`, `AssumedRole`),
//!   `aws:PrincipalArn` (a session's is its role's), `aws:PrincipalAccount`, `aws:userid`,
//!   `aws:username` (users only), `aws:PrincipalTag/<key>`, and `aws:TokenIssueTime` of a session;
//! * of an anonymous caller: `aws:PrincipalType` `Anonymous` and `aws:userid` `anonymous`;
//! * of a service: `aws:PrincipalIsAWSService`, `aws:SourceArn`, `aws:SourceAccount`;
//! * of the operation: those of [`S3_CONDITION_KEYS`] that its headers, its query or the object
//!   give a value to.

use std::collections::BTreeMap;

/// The keys of S3, in lower case; those that end in `/` are followed by a tag's key. A bucket's
/// policy can name no other `s3:` key.
pub const S3_CONDITION_KEYS: &[&str] = &[
    "s3:accessgrantsinstancearn",
    "s3:accesspointnetworkorigin",
    "s3:accesspointtag/",
    "s3:authtype",
    "s3:buckettag/",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "s3:delimiter",
    "s3:existingjoboperation",
    "s3:existingjobpriority",
    "s3:existingobjecttag/",
    "s3:if-match",
    "s3:if-none-match",
    "s3:inventoryaccessibleoptionalfields",
    "s3:isreplicationpauserequest",
    "s3:jobsuspendedcause",
    "s3:locationconstraint",
    "s3:max-keys",
    "s3:object-lock-legal-hold",
    "s3:object-lock-mode",
    "s3:object-lock-remaining-retention-days",
    "s3:object-lock-retain-until-date",
    "s3:objectcreationoperation",
    "s3:prefix",
    "s3:requestjoboperation",
    "s3:requestjobpriority",
    "s3:requestobjecttag/",
    "s3:requestobjecttagkeys",
    "s3:resourceaccount",
    "s3:resourcetag/",
    "s3:signatureage",
    "s3:signatureversion",
    "s3:tlsversion",
    "s3:versionid",
    "s3:x-amz-acl",
    "s3:x-amz-content-sha256",
    "s3:x-amz-copy-source",
    "s3:x-amz-grant-full-control",
    "s3:x-amz-grant-read",
    "s3:x-amz-grant-read-acp",
    "s3:x-amz-grant-write",
    "s3:x-amz-grant-write-acp",
    "s3:x-amz-metadata-directive",
    "s3:x-amz-object-ownership",
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-server-side-encryption-customer-algorithm",
    "s3:x-amz-storage-class",
    "s3:x-amz-website-redirect-location",
];

/// Whether a bucket's policy may name `key`, which is in lower case. Keys of other vendors
/// (`aws:`, and those of identity providers) come and go and aren't checked.
pub(super) fn is_known(key: &str) -> bool {
    if !key.starts_with("s3:") {
        return true;
    }
    let family = key.find('/').map_or(key, |slash| &key[..=slash]);
    S3_CONDITION_KEYS.binary_search(&family).is_ok()
}

/// Condition keys and their values. Names are the same in any case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    /// A context without keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value to a key; a key of several values (`s3:RequestObjectTagKeys`) is filled by
    /// adding each.
    pub fn add(&mut self, key: &str, value: impl Into<String>) {
        let values = self.0.entry(key.to_ascii_lowercase()).or_default();
        values.push(value.into());
    }

    /// The values of a key in lower case; none when it is absent.
    pub(super) fn values(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// The value of a key in lower case, if it has exactly one.
    pub(super) fn single(&self, key: &str) -> Option<&str> {
        match self.values(key) {
            [value] => Some(value),
            _ => None,
        }
    }
}

impl<K: AsRef<str>, V: Into<String>> FromIterator<(K, V)> for Context {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut context = Self::new();
        for (key, value) in pairs {
            context.add(key.as_ref(), value);
        }
        context
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_searched() {
        assert!(S3_CONDITION_KEYS.is_sorted());
        assert!(
            S3_CONDITION_KEYS
                .iter()
                .all(|key| *key == key.to_ascii_lowercase())
        );
        for known in [
            "s3:prefix",
            "s3:existingobjecttag/a/b",
            "aws:anything",
            "x.org/r:sub",
        ] {
            assert!(is_known(known), "{known}");
        }
        for unknown in ["s3:prefixes", "s3:prefix/a", "s3:existingobjecttag", "s3:"] {
            assert!(!is_known(unknown), "{unknown}");
        }
    }

    #[test]
    fn keys_are_the_same_in_any_case() {
        let context: Context = [
            ("aws:TagKeys", "a"),
            ("AWS:tagkeys", "b"),
            ("aws:userid", "u"),
        ]
        .into_iter()
        .collect();
        assert_eq!(context.values("aws:tagkeys"), ["a", "b"]);
        assert_eq!(context.single("aws:tagkeys"), None);
        assert_eq!(context.single("aws:userid"), Some("u"));
        assert!(context.values("aws:username").is_empty());
    }
}
