//! The S3 gateway: serves the operations of the s3 crate over the cluster.
//!
//! ```text
//! server -> service -> identity -> access -> handlers -> data path, metadata client
//! ```
//!
//! * [`config`]: settings from a file, the environment and flags; plain data.
//! * `server`: listeners, connections, orderly stop. `admin`: health and metrics.
//! * `service`: the way of one request, from its head to its answer.
//! * `identity`: who makes a request. `access`: whether they may.
//! * `calls`: the same for calls of IAM and STS, which `iam` and `sts` answer.
//! * `handlers`: one file for each family of operations.
//! * `access_log`: what was asked of buckets, delivered into others.
//! * `website`: buckets as web sites. `notify`: webhooks that are told of changes.
//! * [`data`]: object bytes to shards and back.
//! * `lifecycle`: what the rules of buckets say is due is done, in the background.
//! * `error`: the one place where inner errors become S3 codes. `refusal`: how clients are told.

mod access;
mod access_log;
mod admin;
mod admission;
mod answer;
mod calls;
mod client_body;
pub mod config;
mod convert;
mod cors;
pub mod data;
mod documents;
mod encryption;
mod error;
mod gateway;
mod handlers;
mod iam;
mod identity;
mod ingest;
mod lifecycle;
mod names;
mod notify;
mod refusal;
mod server;
mod service;
mod sts;
mod telemetry;
mod website;

use std::process::ExitCode;

use clap::Parser as _;
use riquet_cluster::failpoint;
use riquet_cluster::telemetry::metrics::{Exporter, note_build};
use riquet_cluster::telemetry::traces::Service;

pub use config::{Flags, Settings};
pub use encryption::KeyFileError;
pub use gateway::{Gateway, StartError};
pub use server::Listeners;
pub use telemetry::METRICS;

/// The process: reads settings, serves until asked to stop, and says how it went.
pub fn main() -> ExitCode {
    let settings = Settings::load(&Flags::parse());
    let service = settings.as_ref().ok().map(|settings| Service {
        program: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        name: &settings.name,
        site: &settings.site,
    });
    let traces = riquet_cluster::telemetry::start("info", service.as_ref());
    failpoint::arm();
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => {
            tracing::error!(%error, "settings refused");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "no runtime");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(settings));
    traces.stop();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the gateway stopped");
            ExitCode::FAILURE
        }
    }
}

/// Serves until the process is asked to stop by SIGTERM or SIGINT.
///
/// # Errors
/// When an address can't be listened on, or the cluster is not as the settings say.
pub async fn run(settings: Settings) -> Result<(), StartError> {
    let metrics = Exporter::install(&[METRICS, riquet_metadata::telemetry::CLIENT])?;
    let (name, site) = (&settings.name, &settings.site);
    note_build("gateway", name, site, env!("CARGO_PKG_VERSION"));
    // Bound before the metadata answer: a client of a starting cluster waits in the queue of
    // connections instead of being refused.
    let listeners = Listeners::bind(&settings).await?;
    listeners
        .serve(settings, metrics, server::stop_signal()?)
        .await
}
