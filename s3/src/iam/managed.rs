//! The managed policies that every account has: those of AWS that make sense here, word for word.

use super::{Path, VersionId};
use crate::arn::{AWS_ACCOUNT, Arn, Entity, PolicyArn, Resource};

/// A managed policy that comes with the store.
#[derive(Debug, PartialEq, Eq)]
pub struct ManagedPolicy {
    /// Its name; the path of all of them is `/`.
    pub name: &'static str,
    /// Its id.
    pub id: &'static str,
    /// The one version there is.
    pub version: VersionId,
    /// What it is for.
    pub description: &'static str,
    /// What it says.
    pub document: &'static str,
}

impl ManagedPolicy {
    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> Arn {
        let (path, name) = (Path::default(), self.name.to_owned());
        Arn::new(AWS_ACCOUNT, Resource::Policy(Entity { path, name }))
    }
}

/// Finds a policy by its ARN. Names are the same in any case, but ARNs aren't.
#[must_use]
pub fn find(arn: &PolicyArn) -> Option<&'static ManagedPolicy> {
    let entity = arn.policy();
    let is_aws = arn.arn().account == AWS_ACCOUNT && entity.path == Path::default();
    let mut policies = MANAGED_POLICIES.iter();
    policies.find(|policy| is_aws && policy.name == entity.name)
}

/// All of them, in order of name.
pub const MANAGED_POLICIES: &[ManagedPolicy] = &[
    ManagedPolicy {
        name: "AdministratorAccess",
        id: "ANPAIWMBCKSKIEE64ZLYK",
        version: VersionId(1),
        description: "Provides full access to AWS services and resources.",
        document: r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "*",
            "Resource": "*"
        }
    ]
}"#,
    },
    ManagedPolicy {
        name: "AmazonS3FullAccess",
        id: "ANPAIFIR6V6BVTRAHWINE",
        version: VersionId(2),
        description: "Provides full access to all buckets via the AWS Management Console.",
        document: r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "s3:*",
                "s3-object-lambda:*"
            ],
            "Resource": "*"
        }
    ]
}"#,
    },
    ManagedPolicy {
        name: "AmazonS3ReadOnlyAccess",
        id: "ANPAIZTJ4DXE7G6AGAE6M",
        version: VersionId(3),
        description: "Provides read only access to all buckets via the AWS Management Console.",
        document: r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "s3:Get*",
                "s3:List*",
                "s3:Describe*",
                "s3-object-lambda:Get*",
                "s3-object-lambda:List*"
            ],
            "Resource": "*"
        }
    ]
}"#,
    },
    ManagedPolicy {
        name: "AmazonSNSFullAccess",
        id: "ANPAJWEKLCXXUNT2SOLSG",
        version: VersionId(1),
        description: "Provides full access to Amazon SNS via the AWS Management Console.",
        document: r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Action": [
                "sns:*"
            ],
            "Effect": "Allow",
            "Resource": "*"
        }
    ]
}"#,
    },
    ManagedPolicy {
        name: "AmazonSNSReadOnlyAccess",
        id: "ANPAIZGQCQTFOFPMHSB6W",
        version: VersionId(1),
        description: "Provides read only access to Amazon SNS via the AWS Management Console.",
        document: r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "sns:GetTopicAttributes",
                "sns:List*"
            ],
            "Resource": "*"
        }
    ]
}"#,
    },
    ManagedPolicy {
        name: "IAMFullAccess",
        id: "ANPAI7XKCFMBPM3QQRRVQ",
        version: VersionId(2),
        description: "Provides full access to IAM via the AWS Management Console.",
        document: r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "iam:*",
                "organizations:DescribeAccount",
                "organizations:DescribeOrganization",
                "organizations:DescribeOrganizationalUnit",
                "organizations:DescribePolicy",
                "organizations:ListChildren",
                "organizations:ListParents",
                "organizations:ListPoliciesForTarget",
                "organizations:ListRoots",
                "organizations:ListPolicies",
                "organizations:ListTargetsForPolicy"
            ],
            "Resource": "*"
        }
    ]
}"#,
    },
    ManagedPolicy {
        name: "IAMReadOnlyAccess",
        id: "ANPAJKSO7NDY4T57MWDSQ",
        version: VersionId(4),
        description: "Provides read only access to IAM via the AWS Management Console.",
        document: r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "iam:GenerateCredentialReport",
                "iam:GenerateServiceLastAccessedDetails",
                "iam:Get*",
                "iam:List*",
                "iam:SimulateCustomPolicy",
                "iam:SimulatePrincipalPolicy"
            ],
            "Resource": "*"
        }
    ]
}"#,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws_query::Value as _;
    use crate::policy::{Account, Caller, Context, Decision, Policy, PolicyKind, Request, decide};

    #[test]
    fn each_is_found_and_parses() {
        assert!(MANAGED_POLICIES.is_sorted_by_key(|policy| policy.name));
        for policy in MANAGED_POLICIES {
            let arn = policy.arn().to_string();
            assert_eq!(arn, format!("arn:aws:iam::aws:policy/{}", policy.name));
            let arn = PolicyArn::read("PolicyArn", arn).unwrap();
            assert_eq!(find(&arn), Some(policy));
            Policy::parse(policy.document.as_bytes(), PolicyKind::Identity).unwrap();
        }
        for other in [
            "arn:aws:iam::123456789012:policy/AmazonS3FullAccess",
            "arn:aws:iam::aws:policy/job-function/AmazonS3FullAccess",
            "arn:aws:iam::aws:policy/NoSuchPolicy",
        ] {
            assert_eq!(
                find(&PolicyArn::read("PolicyArn", other.to_owned()).unwrap()),
                None
            );
        }
    }

    #[test]
    fn they_allow_what_their_names_say() {
        let context = Context::new();
        let caller = Caller::User {
            account: Account::plain("1"),
            canonical_id: "c",
            arn: "arn:aws:iam::1:user/u",
        };
        for (name, action, expected) in [
            ("AdministratorAccess", "iam:CreateUser", Decision::Allow),
            ("AmazonS3FullAccess", "s3:PutObject", Decision::Allow),
            ("AmazonS3FullAccess", "iam:GetUser", Decision::Silent),
            ("AmazonS3ReadOnlyAccess", "s3:GetObject", Decision::Allow),
            ("AmazonS3ReadOnlyAccess", "s3:ListBucket", Decision::Allow),
            ("AmazonS3ReadOnlyAccess", "s3:PutObject", Decision::Silent),
            ("AmazonSNSReadOnlyAccess", "sns:ListTopics", Decision::Allow),
            (
                "AmazonSNSReadOnlyAccess",
                "sns:CreateTopic",
                Decision::Silent,
            ),
            ("AmazonSNSFullAccess", "sns:CreateTopic", Decision::Allow),
            ("IAMFullAccess", "iam:CreateUser", Decision::Allow),
            ("IAMReadOnlyAccess", "iam:ListUsers", Decision::Allow),
            ("IAMReadOnlyAccess", "iam:CreateUser", Decision::Silent),
        ] {
            let mut policies = MANAGED_POLICIES.iter();
            let managed = policies.find(|policy| policy.name == name).unwrap();
            let document = managed.document.as_bytes();
            let policy = Policy::parse(document, PolicyKind::Identity).unwrap();
            let request = Request {
                caller,
                action,
                resource: "arn:aws:s3:::bucket/key",
                resource_account: Account::plain("1"),
                context: &context,
            };
            assert_eq!(decide([&policy], &request), expected, "{name} {action}");
        }
    }
}
