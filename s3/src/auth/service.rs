//! The services that a signature can be made for, as its scope names them.

use http::header::AUTHORIZATION;
use http::request::Parts;

use super::canonical::query_parameters;

/// A service spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// The store itself.
    S3,
    /// Users, groups, roles and policies.
    Iam,
    /// Temporary credentials.
    Sts,
    /// Riquet's own, for operators, at an address of its own.
    Riquet,
}

impl Service {
    /// Its name in a scope.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Iam => "iam",
            Self::Sts => "sts",
            Self::Riquet => "riquet",
        }
    }

    /// Whether a signature's region must be the one it is checked in. AWS has one IAM for all
    /// regions, and clients that were told an endpoint sign for STS with whichever they know.
    pub(super) const fn is_regional(self) -> bool {
        matches!(self, Self::S3)
    }

    /// Those that share the store's address.
    fn from_name(name: &str) -> Option<Self> {
        [Self::S3, Self::Iam, Self::Sts]
            .into_iter()
            .find(|service| service.as_str() == name)
    }

    /// The service that a request says it is signed for, before any of it is believed. `None`
    /// without a signature of version 4, or with one for a service unknown here.
    #[must_use]
    pub fn claimed(head: &Parts) -> Option<Self> {
        let credential = match head.headers.get(AUTHORIZATION) {
            Some(value) => {
                let (_, credential) = value.to_str().ok()?.split_once("Credential=")?;
                credential.split(',').next()?.trim().to_owned()
            }
            None => {
                let query = head.uri.query().filter(|raw| raw.contains("X-Amz-"))?;
                let (_, value) =
                    query_parameters(query).find(|(name, _)| name == b"X-Amz-Credential")?;
                String::from_utf8(value).ok()?
            }
        };
        credential.rsplit('/').nth(1).and_then(Self::from_name)
    }
}

#[cfg(test)]
mod tests;
