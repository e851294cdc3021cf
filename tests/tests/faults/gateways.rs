//! The loss of a gateway, or of a client, in the middle of a PUT: no half object is ever seen.

use libtest_mimic::{Failed, Trial};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, MIB};
use riquet_tests::s3::{Exchange, Request, S3};

use crate::objects::Objects;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("gateways::killed_during_a_put", killed_during_a_put),
        trial(
            "gateways::client_gone_during_a_put",
            client_gone_during_a_put,
        ),
    ]
}

/// Sends the first half of a PUT.
fn half_a_put(s3: &S3, path: &str, bytes: &[u8]) -> Result<Exchange, Failed> {
    let mut exchange = s3.begin(&Request::new("PUT", path).size_bytes(bytes.len() as u64))?;
    exchange.send(&bytes[..bytes.len() / 2])?;
    Ok(exchange)
}

fn killed_during_a_put(cluster: &Cluster) -> Result<(), Failed> {
    let (toulouse, montpellier) = (cluster.s3(Site::Toulouse), cluster.s3(Site::Montpellier));
    let mut objects = Objects::in_new_bucket(&toulouse, "gateways")?;
    objects.put(&toulouse, "overwritten", &data::bytes(1, 3 * MIB))?;
    let bytes = data::bytes(2, 32 * MIB);
    let new = half_a_put(&toulouse, &objects.path("new"), &bytes)?;
    let over = half_a_put(&toulouse, &objects.path("overwritten"), &bytes)?;
    let gateway = Site::Toulouse.gateway();
    cluster.kill(&[&gateway])?;
    objects.verify(&montpellier)?;
    for exchange in [new, over] {
        assert!(exchange.finish().is_err(), "an answer from a dead gateway");
    }
    cluster.start_again(&[&gateway])?;
    objects.verify(&toulouse)?;
    // The client tries again.
    objects.put(&toulouse, "new", &bytes)?;
    objects.put(&toulouse, "overwritten", &bytes)?;
    objects.verify(&montpellier)
}

fn client_gone_during_a_put(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    let mut objects = Objects::in_new_bucket(&s3, "gateways")?;
    objects.put(&s3, "overwritten", &data::bytes(1, 3 * MIB))?;
    let bytes = data::bytes(2, 80 * MIB);
    for key in ["new", "overwritten"] {
        drop(half_a_put(&s3, &objects.path(key), &bytes)?);
    }
    let path = objects.path("in parts");
    let upload = s3.create_upload(&path)?;
    let part = S3::part(&path, &upload, 1).size_bytes(bytes.len() as u64);
    let mut exchange = s3.begin(&part)?;
    exchange.send(&bytes[..bytes.len() / 2])?;
    drop(exchange);
    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    let parts = s3.send(Request::new("GET", &path).query("uploadId", &upload), &[])?;
    assert_eq!(parts.expect(200)?.element("PartNumber"), None);
    Ok(())
}
