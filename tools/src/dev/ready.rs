//! When a process is ready: a node answers at all, a gateway serves a signed request.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hyper::{Method, Request};
use riquet_cluster::transport::{Transport, empty_body};
use riquet_cluster::wire::HEALTH_PATH;

use super::config::REGION;
use super::credentials::Credentials;
use super::topology::{Member, Role};
use crate::error::Error;
use crate::s3::{Client, Failure, Payload, Signer, UploadBody};

/// How long a process may take to become ready: an index is rebuilt after a crash, and a
/// development machine may be busy.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Time between two looks.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(25);

/// One look at a member: `Err` says what is missing still.
pub(crate) async fn probe(member: &Member, credentials: &Credentials) -> Result<(), String> {
    // A process that accepts but never answers must not hold the loop past its deadline.
    let look = tokio::time::timeout(Duration::from_secs(5), async {
        match member.role {
            // A node with a bad disk says so, and is as ready as it will be.
            Role::Data | Role::Meta => ask_health(&member.address).await,
            // Listing buckets takes the server, the account and the metadata: all that a first
            // request of a user needs.
            Role::Gateway => list_buckets(&member.address, credentials)
                .await
                .map_err(|e| e.to_string()),
        }
    });
    look.await.unwrap_or_else(|_| Err("no answer".into()))
}

async fn ask_health(address: &str) -> Result<(), String> {
    let request = Request::get(format!("http://{address}{HEALTH_PATH}"))
        .body(empty_body())
        .expect("addresses in cluster.toml are host:port");
    let answer = Transport::tcp().send("health", request).await;
    answer.map(drop).map_err(|e| e.to_string())
}

async fn list_buckets(address: &str, credentials: &Credentials) -> Result<(), Failure> {
    let signer = Signer::new(
        &credentials.access_key_id,
        &credentials.secret_access_key,
        REGION,
        Payload::Signed,
    );
    let endpoint = format!("http://{address}")
        .parse()
        .expect("addresses in cluster.toml are host:port");
    Client::new(endpoint, signer)
        .call(Method::GET, "/", UploadBody::default())
        .await
        .map(drop)
}

/// The error of a member that did not become ready in time.
pub(crate) fn too_late(member: &Member, since: Instant, last: String, log: PathBuf) -> Error {
    Error::NotReady {
        name: member.name.clone(),
        waited_s: since.elapsed().as_secs(),
        last,
        log,
    }
}
