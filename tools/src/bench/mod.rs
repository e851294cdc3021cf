//! `riquet bench`: loads an S3 endpoint, and says how fast it was and what it cost.
//!
//! Bodies are slices of one random buffer and answers are dropped frame by frame, so memory does
//! not grow with the size of objects, and the CPU time of this program stays small beside the
//! servers'.

mod cpu;
mod load;
pub(crate) mod options;
mod report;
mod stats;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use indicatif::{ProgressBar, ProgressStyle};
use rand::Rng;

use self::cpu::Meter;
use self::load::{Stretch, Target};
use self::options::{BenchArgs, Load};
use self::report::Report;
use self::stats::Record;
use crate::error::Error;
use crate::s3::{Endpoint, Failure, Payload, Signer, UploadBody};

/// Region when the environment names none.
const DEFAULT_REGION: &str = "us-east-1";

/// Runs the command.
pub(crate) async fn run(args: Box<BenchArgs>) -> Result<(), Error> {
    let variable = |name: &'static str| {
        std::env::var(name).map_err(|_| Error::NoEnvironment { variable: name })
    };
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for text in &args.endpoint {
        endpoints.push(text.parse()?);
    }
    if endpoints.is_empty() {
        endpoints.push(variable("AWS_ENDPOINT_URL")?.parse()?);
    }
    let signer = Signer::new(
        &variable("AWS_ACCESS_KEY_ID")?,
        &variable("AWS_SECRET_ACCESS_KEY")?,
        &variable("AWS_REGION").unwrap_or_else(|_| DEFAULT_REGION.into()),
        if args.signed {
            Payload::Signed
        } else {
            Payload::Unsigned
        },
    );
    let meter = Meter::new(args.dir.as_deref())?;
    let (report, record) = measure(&args, endpoints, signer, &meter).await?;
    if args.json {
        println!("{}", report.to_json());
    } else {
        println!("{}", report.to_text());
    }
    check(&record)
}

/// An error when requests of the record failed.
fn check(record: &Record) -> Result<(), Error> {
    match (record.totals(), record.first_error()) {
        ((done, failed), Some(first)) => Err(Error::OperationsFailed {
            failed,
            total: done + failed,
            first: first.to_owned(),
        }),
        (_, None) => Ok(()),
    }
}

/// Makes what the load needs, does the load, and removes everything again.
async fn measure(
    args: &BenchArgs,
    endpoints: Vec<Endpoint>,
    signer: Signer,
    meter: &Meter,
) -> Result<(Report, Record), Error> {
    let run_id = uuid::Uuid::new_v4().simple().to_string();
    let mut data = vec![0; load::BUFFER_SIZE];
    rand::rng().fill_bytes(&mut data);
    let target = Arc::new(Target {
        endpoints,
        signer,
        bucket: args
            .bucket
            .clone()
            .unwrap_or_else(|| format!("riquet-bench-{}", &run_id[..12])),
        prefix: args.prefix.clone().unwrap_or(run_id),
        folders: args.folders,
        size: args.size,
        data: Bytes::from(data),
        stop: AtomicBool::new(false),
        next_object: AtomicU64::new(0),
    });
    let ours = create_bucket(&target).await?;
    stop_on_interrupt(&target);
    let measured = load_and_report(args, &target, meter).await;
    if !args.keep {
        remove(&target, args.concurrency, ours).await?;
    }
    measured
}

async fn load_and_report(
    args: &BenchArgs,
    target: &Arc<Target>,
    meter: &Meter,
) -> Result<(Report, Record), Error> {
    let prepared = args.prepared_objects();
    if prepared > 0 {
        let bar = progress("preparing");
        let (record, _) = load::run(target, stretch(Load::Put, args.concurrency, prepared)).await;
        bar.finish_and_clear();
        check(&record)?;
    }
    let bar = progress("measuring");
    let before = meter.read()?;
    let (record, elapsed) = load::run(
        target,
        Stretch {
            load: args.load,
            concurrency: args.concurrency,
            prepared,
            operation_limit: args.operation_limit(),
            time_limit: args.time_limit(),
        },
    )
    .await;
    let used = meter.used(&before, &meter.read()?);
    bar.finish_and_clear();
    let report = Report::new(
        args.load,
        args.size,
        args.concurrency,
        &record,
        elapsed,
        &used,
    );
    Ok((report, record))
}

/// A stretch of `operations` requests, however long they take.
fn stretch(load: Load, concurrency: u16, operations: u64) -> Stretch {
    Stretch {
        load,
        concurrency,
        prepared: 0,
        operation_limit: operations,
        time_limit: None,
    }
}

/// Whether the bucket is removed at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bucket {
    /// It was made for this run.
    Ours,
    /// It was there before.
    Theirs,
}

async fn create_bucket(target: &Target) -> Result<Bucket, Error> {
    let path = format!("/{}", target.bucket);
    let mut client = target.client(0);
    let fail = |operation: &str| {
        let operation = format!("{operation} {}", target.bucket);
        move |why| Error::S3 { operation, why }
    };
    match client
        .call(Method::HEAD, &path, UploadBody::default())
        .await
    {
        Ok(_) => Ok(Bucket::Theirs),
        Err(Failure::Refused { status: 404, .. }) => {
            client
                .call(Method::PUT, &path, UploadBody::default())
                .await
                .map_err(fail("making bucket"))?;
            Ok(Bucket::Ours)
        }
        Err(why) => Err(fail("looking for bucket")(why)),
    }
}

/// Removes every object of this run, then the bucket if it was made for it.
async fn remove(target: &Arc<Target>, concurrency: u16, bucket: Bucket) -> Result<(), Error> {
    // The person who interrupted a load still wants it cleaned up.
    target.stop.store(false, Ordering::Relaxed);
    let objects = target.next_object.load(Ordering::Relaxed);
    let bar = progress("removing");
    let (record, _) = load::run(target, stretch(Load::Delete, concurrency, objects)).await;
    bar.finish_and_clear();
    check(&record)?;
    if bucket == Bucket::Ours {
        let path = format!("/{}", target.bucket);
        target
            .client(0)
            .call(Method::DELETE, &path, UploadBody::default())
            .await
            .map_err(|why| Error::S3 {
                operation: format!("removing bucket {}", target.bucket),
                why,
            })?;
    }
    Ok(())
}

/// Ends the load early at Ctrl-C; what it made is still removed.
fn stop_on_interrupt(target: &Arc<Target>) {
    let target = Arc::clone(target);
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            target.stop.store(true, Ordering::Relaxed);
        }
    });
}

/// A sign of life on a terminal; nothing elsewhere.
fn progress(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}")
        .expect("the template is well formed");
    let bar = ProgressBar::new_spinner()
        .with_style(style)
        .with_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests;
