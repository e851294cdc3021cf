//! The names of IAM's and STS's entities that are unique in all the world, built and taken apart.
//!
//! `arn:aws:iam::account:user/path/name`, and likewise `group`, `role` and `policy`;
//! `arn:aws:iam::account:oidc-provider/host/path`; `arn:aws:iam::account:root`;
//! `arn:aws:sts::account:assumed-role/role/session`. The account is `aws` for the policies that
//! come with the store, and may be empty.

use std::fmt;
use std::str::FromStr;

use crate::aws_query::{Value, check_length};
use crate::error::{Error, ErrorCode, Result};
use crate::iam::Path;

/// The account of the managed policies that come with the store.
pub const AWS_ACCOUNT: &str = "aws";

/// The bounds of an ARN's length.
const ARN_CHARS_MIN: usize = 20;
const ARN_CHARS_MAX: usize = 2048;

/// The longest name of an account.
const ACCOUNT_CHARS_MAX: usize = 64;

/// A name that is unique in all the world.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arn {
    /// The account's id.
    pub account: String,
    /// What it names within the account.
    pub resource: Resource,
}

/// What an ARN names within its account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// The account itself.
    Root,
    /// A user.
    User(Entity),
    /// A group.
    Group(Entity),
    /// A role.
    Role(Entity),
    /// A managed policy.
    Policy(Entity),
    /// An OpenID Connect provider, by its URL without the scheme.
    OidcProvider(String),
    /// A session of a role.
    AssumedRole {
        /// The role's name, without its path.
        role: String,
        /// The session's name.
        session: String,
    },
}

/// An entity within an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entity {
    /// Where it is.
    pub path: Path,
    /// Its name, which is unique without the path.
    pub name: String,
}

/// A text is not the ARN of anything here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an ARN of IAM or STS")]
pub struct NotAnArn;

impl Arn {
    /// The ARN of a resource in an account.
    #[must_use]
    pub fn new(account: impl Into<String>, resource: Resource) -> Self {
        let account = account.into();
        Self { account, resource }
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = match self.resource {
            Resource::AssumedRole { .. } => "sts",
            _ => "iam",
        };
        write!(f, "arn:aws:{service}::{}:{}", self.account, self.resource)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("root"),
            Self::User(entity) => write!(f, "user{entity}"),
            Self::Group(entity) => write!(f, "group{entity}"),
            Self::Role(entity) => write!(f, "role{entity}"),
            Self::Policy(entity) => write!(f, "policy{entity}"),
            Self::OidcProvider(url) => write!(f, "oidc-provider/{url}"),
            Self::AssumedRole { role, session } => write!(f, "assumed-role/{role}/{session}"),
        }
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.path.as_str(), self.name)
    }
}

impl FromStr for Arn {
    type Err = NotAnArn;

    fn from_str(text: &str) -> Result<Self, NotAnArn> {
        if text.len() > ARN_CHARS_MAX {
            return Err(NotAnArn);
        }
        let rest = text.strip_prefix("arn:aws:").ok_or(NotAnArn)?;
        let (service, rest) = rest.split_once("::").ok_or(NotAnArn)?;
        let (account, resource) = rest.split_once(':').ok_or(NotAnArn)?;
        let is_account = account.len() <= ACCOUNT_CHARS_MAX
            && account
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let resource = match service {
            "iam" => iam_resource(resource),
            "sts" => sts_resource(resource),
            _ => None,
        };
        match resource {
            Some(resource) if is_account => Ok(Self::new(account, resource)),
            _ => Err(NotAnArn),
        }
    }
}

fn iam_resource(text: &str) -> Option<Resource> {
    if text == "root" {
        return Some(Resource::Root);
    }
    let (kind, rest) = text.split_at(text.find('/')?);
    if kind == "oidc-provider" {
        let url = &rest[1..];
        let is_url = !url.is_empty() && url.bytes().all(|byte| byte.is_ascii_graphic());
        return is_url.then(|| Resource::OidcProvider(url.to_owned()));
    }
    let kind = match kind {
        "user" => Resource::User,
        "group" => Resource::Group,
        "role" => Resource::Role,
        "policy" => Resource::Policy,
        _ => return None,
    };
    let (path, name) = rest.split_at(rest.rfind('/')? + 1);
    let path = Path::parse(path)?;
    is_name(name).then(|| {
        let name = name.to_owned();
        kind(Entity { path, name })
    })
}

fn sts_resource(text: &str) -> Option<Resource> {
    let (role, session) = text.strip_prefix("assumed-role/")?.split_once('/')?;
    (is_name(role) && is_name(session)).then(|| Resource::AssumedRole {
        role: role.to_owned(),
        session: session.to_owned(),
    })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(crate::iam::is_name_character)
}

/// Declares parameters that are ARNs of one kind.
macro_rules! arns_of {
    ($($(#[$meta:meta])* $type:ident: $variant:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arn);

        impl $type {
            /// The ARN.
            #[must_use]
            pub const fn arn(&self) -> &Arn {
                &self.0
            }
        }

        impl Value for $type {
            fn read(name: &'static str, text: String) -> Result<Self> {
                check_length(name, &text, ARN_CHARS_MIN, ARN_CHARS_MAX)?;
                match text.parse() {
                    Ok(arn @ Arn { resource: Resource::$variant { .. }, .. }) => Ok(Self(arn)),
                    _ => Err(Error::new(ErrorCode::InvalidInput)
                        .message(format!("ARN {text} is not valid."))),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

arns_of! {
    /// The ARN of a managed policy.
    PolicyArn: Policy;
    /// The ARN of a role.
    RoleArn: Role;
    /// The ARN of an OpenID Connect provider.
    ProviderArn: OidcProvider;
}

impl PolicyArn {
    /// The path and name of the policy.
    #[must_use]
    pub fn policy(&self) -> &Entity {
        entity(&self.0)
    }
}

impl RoleArn {
    /// The path and name of the role.
    #[must_use]
    pub fn role(&self) -> &Entity {
        entity(&self.0)
    }
}

fn entity(arn: &Arn) -> &Entity {
    match &arn.resource {
        Resource::Policy(entity) | Resource::Role(entity) => entity,
        _ => unreachable!("it was read as one of these"),
    }
}

impl ProviderArn {
    /// The URL of the provider, without the scheme.
    #[must_use]
    pub fn url(&self) -> &str {
        match &self.0.resource {
            Resource::OidcProvider(url) => url,
            _ => unreachable!("it was read as one"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn arns_are_read_and_written_alike() {
        for text in [
            "arn:aws:iam::123456789012:root",
            "arn:aws:iam::123456789012:user/Bob",
            "arn:aws:iam::123456789012:user/division_abc/sub/Bob",
            "arn:aws:iam::RGW33567154695143645:group/g",
            "arn:aws:iam:::role/r",
            "arn:aws:iam::aws:policy/AmazonS3FullAccess",
            "arn:aws:iam::aws:policy/service-role/X",
            "arn:aws:iam::1:oidc-provider/localhost:8180/auth/realms/demo",
            "arn:aws:sts::1:assumed-role/r/s@x",
        ] {
            assert_eq!(text.parse::<Arn>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "arn",
            "arn:aws:iam::1:",
            "arn:aws:iam::1:user",
            "arn:aws:iam::1:user/",
            "arn:aws:iam::1:user/a/",
            "arn:aws:iam::1:user//a",
            "arn:aws:iam::1:user/a b",
            "arn:aws:iam::1:user/*",
            "arn:aws:iam:us-east-1:1:user/a",
            "arn:aws-cn:iam::1:user/a",
            "arn:aws:iam::a/b:user/a",
            "arn:aws:iam::1:oidc-provider/",
            "arn:aws:iam::1:assumed-role/r/s",
            "arn:aws:sts::1:assumed-role/r",
            "arn:aws:sts::1:role/r",
            "arn:aws:s3:::bucket",
            &format!("arn:aws:iam::1:oidc-provider/{}", "x".repeat(2048)),
        ] {
            assert_eq!(text.parse::<Arn>(), Err(NotAnArn), "{text}");
        }
    }

    #[test]
    fn parameters_take_one_kind() {
        let code = |text: &str| PolicyArn::read("PolicyArn", text.to_owned()).map_err(|e| e.code());
        let policy = code("arn:aws:iam::aws:policy/x/Full").unwrap();
        assert_eq!(
            (policy.policy().path.as_str(), policy.policy().name.as_str()),
            ("/x/", "Full")
        );
        assert_eq!(
            code("arn:aws:iam::1:role/a-role"),
            Err(ErrorCode::InvalidInput)
        );
        assert_eq!(code("policy"), Err(ErrorCode::ValidationError));
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(text in "arn:aws:(iam|sts)::[a0]{0,3}:(root|user|role|oidc-provider|assumed-role)[/a:é*.]{0,9}") {
            if let Ok(arn) = text.parse::<Arn>() {
                prop_assert_eq!(arn.to_string(), text);
            }
        }
    }
}
