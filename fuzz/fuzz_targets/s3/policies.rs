//! Policies: read, asked, and read again from their text.

use http::Method;
use riquet_s3::BucketName;
use riquet_s3::policy::{
    Account, Caller, Context, Decision, Policy, PolicyKind, Request, allowed_as, decide,
};

use super::answers::check_error;

const ACCOUNT: Account<'_> = Account {
    id: "123456789012",
    name: "tenant",
};

const CALLERS: [Caller<'_>; 4] = [
    Caller::Anonymous,
    Caller::Root {
        account: ACCOUNT,
        canonical_id: "c",
    },
    Caller::User {
        account: ACCOUNT,
        canonical_id: "c",
        arn: "arn:aws:iam::123456789012:user/u",
    },
    Caller::Service {
        name: "s.amazonaws.com",
    },
];

/// Whether a text is taken as a policy of the kind of this number.
pub(crate) fn check(kind: usize, text: &[u8]) -> bool {
    let bucket = BucketName::parse("bucket").unwrap();
    let kind = [
        PolicyKind::Bucket {
            bucket: &bucket,
            account: ACCOUNT,
        },
        PolicyKind::Identity,
        PolicyKind::Session,
        PolicyKind::RoleTrust,
    ][kind];
    match Policy::parse(text, kind) {
        Ok(policy) => {
            assert_eq!(policy.text().as_bytes(), text);
            let again = Policy::parse(policy.text().as_bytes(), kind).unwrap();
            assert_eq!(policy.is_public(), again.is_public());
            CALLERS.into_iter().for_each(|caller| ask(&policy, caller));
            true
        }
        Err(error) => {
            check_error(&error, &Method::PUT, "/bucket?policy");
            false
        }
    }
}

fn ask(policy: &Policy, caller: Caller<'_>) {
    let mut context = Context::new();
    for (key, value) in [
        ("aws:SourceIp", "10.1.2.3"),
        ("aws:CurrentTime", "2026-01-01T00:00:00Z"),
        ("aws:SecureTransport", "false"),
        ("aws:username", "u*?${aws:userid}"),
        ("aws:TagKeys", "a"),
        ("aws:TagKeys", "b"),
        ("s3:prefix", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"),
        ("s3:max-keys", "7"),
    ] {
        context.add(key, value);
    }
    for (action, resource) in [
        (
            "s3:GetObject",
            "arn:aws:s3:::bucket/u/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ),
        ("s3:ListBucket", "arn:aws:s3:::bucket"),
        ("sts:AssumeRole", "arn:aws:iam::123456789012:role/r"),
    ] {
        let request = Request {
            caller,
            action,
            resource,
            resource_account: ACCOUNT,
            context: &context,
        };
        let decision = decide([policy], &request);
        assert_eq!(decide([policy, policy], &request), decision);
        let allowed = allowed_as([policy], &request).is_some();
        assert_eq!(allowed, decision == Decision::Allow);
    }
}
