//! A client that knows the secret. What it has to sign it learns from the refusal of what it sent
//! before.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use http::Request;
use riquet_s3::auth::{self, Verified};
use riquet_s3::{Error, Result};

pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const DATE: &str = "20130524T000000Z";
pub(crate) const CREDENTIAL: &str = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";

static KEY: LazyLock<Vec<u8>> = LazyLock::new(|| {
    generate_signing_key(SECRET, date(), REGION, "s3")
        .as_ref()
        .to_vec()
});

fn date() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600)
}

pub(crate) fn sign(text: &str) -> String {
    calculate_signature(&*KEY, text.as_bytes())
}

/// The right signature in place of the one that an error says doesn't match.
pub(crate) fn corrected(error: &Error) -> String {
    let mut fields = error.fields().iter();
    let (_, text) = fields.find(|(name, _)| *name == "StringToSign").unwrap();
    sign(text)
}

/// A request that says this of its body, and is signed.
pub(crate) fn request(content_sha256: &str) -> Verified {
    let send = |signature: &str| -> Result<Verified> {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={CREDENTIAL},\
             SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature={signature}"
        );
        let request = Request::put("/bucket/key")
            .header("host", "h")
            .header("x-amz-content-sha256", content_sha256)
            .header("x-amz-date", DATE)
            .header("authorization", authorization);
        let head = request.body(()).unwrap().into_parts().0;
        auth::parse(&head)?.verify(&head, SECRET, REGION, date())
    };
    let refused = send(&"0".repeat(64)).unwrap_err();
    send(&corrected(&refused)).unwrap()
}
