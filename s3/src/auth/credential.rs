//! The credential of a signature: whose it is, and the scope that its key is derived for.

use super::claim::Place;
use super::service::Service;
use crate::error::Error;

/// A credential whose form is right.
pub(super) struct Credential {
    pub(super) access_key_id: String,
    pub(super) region: String,
    pub(super) scope: String,
}

impl Credential {
    /// Reads `AKID/20130524/us-east-1/s3/aws4_request`. The region is compared later, when the
    /// caller has said which one this is; clients that were given none leave it empty.
    pub(super) fn parse(
        text: &str,
        timestamp: &str,
        place: Place,
        expected: Service,
    ) -> Result<Self, Error> {
        let malformed = || {
            place.malformed_credential(
                "the Credential is mal-formed; expecting \
                 \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
            )
        };
        let mut fields = text.rsplitn(5, '/');
        let fields: [Option<&str>; 5] = std::array::from_fn(|_| fields.next());
        let [
            Some(terminal),
            Some(service),
            Some(region),
            Some(date),
            Some(access_key_id),
        ] = fields
        else {
            return Err(malformed());
        };
        if [terminal, service, date, access_key_id].contains(&"") {
            return Err(malformed());
        }
        if terminal != "aws4_request" {
            return Err(place.malformed_credential(&format!(
                "incorrect terminal \"{terminal}\". This endpoint uses \"aws4_request\"."
            )));
        }
        if service != expected.as_str() {
            return Err(place.malformed_credential(&format!(
                "incorrect service \"{service}\". This endpoint belongs to \"{}\".",
                expected.as_str()
            )));
        }
        let day = &timestamp[..8];
        if date != day {
            return Err(place.malformed_credential(&format!(
                "Invalid credential date \"{date}\". This date is not the same as X-Amz-Date: \
                 \"{day}\"."
            )));
        }
        Ok(Self {
            access_key_id: access_key_id.to_owned(),
            region: region.to_owned(),
            scope: format!("{date}/{region}/{service}/{terminal}"),
        })
    }
}
