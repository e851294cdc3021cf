//! What a signature must be made for, which whoever asks for it to be read knows beforehand.

use super::payload_kind::PayloadKind;
use super::service::Service;
use crate::error::Error;

/// What a signature must be made for.
#[derive(Clone, Copy)]
pub(super) enum Expected {
    /// The store; the request says how its body is covered.
    S3,
    /// A call of this service with exactly this body.
    Call {
        service: Service,
        body_sha256: [u8; 32],
    },
}

impl Expected {
    pub(super) const fn service(self) -> Service {
        match self {
            Self::S3 => Service::S3,
            Self::Call { service, .. } => service,
        }
    }

    /// The text that stands for the body in the canonical request, and what it means. `named` is
    /// what the request itself says, if it must be asked.
    pub(super) fn payload(
        self,
        named: impl FnOnce() -> Result<String, Error>,
    ) -> Result<(String, PayloadKind), Error> {
        match self {
            Self::S3 => {
                let text = named()?;
                let kind = PayloadKind::parse(&text)?;
                Ok((text, kind))
            }
            Self::Call { body_sha256, .. } => {
                Ok((hex::encode(body_sha256), PayloadKind::Sha256(body_sha256)))
            }
        }
    }
}
