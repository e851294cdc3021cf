//! Loads against a small S3 look-alike in this process.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Mutex;

use clap::Parser;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::*;
use crate::cli::{Cli, Command};

/// Objects and buckets by path, with their bytes; and how many requests of each method came.
#[derive(Default)]
struct Fake {
    stored: Mutex<BTreeMap<String, Bytes>>,
    requests: Mutex<BTreeMap<String, u64>>,
    refuse_gets: AtomicBool,
}

impl Fake {
    async fn answer(&self, request: Request<Incoming>) -> (StatusCode, Bytes) {
        assert!(request.headers().contains_key("authorization"));
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let query = request.uri().query().is_some();
        let length = request.headers().get("content-length").cloned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        *self
            .requests
            .lock()
            .unwrap()
            .entry(method.to_string())
            .or_default() += 1;
        let mut stored = self.stored.lock().unwrap();
        match method {
            Method::PUT => {
                if let Some(length) = length {
                    assert_eq!(length.to_str().unwrap(), body.len().to_string());
                }
                stored.insert(path, body);
                (StatusCode::OK, Bytes::new())
            }
            Method::DELETE => {
                stored.remove(&path);
                (StatusCode::NO_CONTENT, Bytes::new())
            }
            Method::GET if query => (StatusCode::OK, Bytes::from_static(b"<ListBucketResult/>")),
            Method::GET if self.refuse_gets.load(Ordering::Relaxed) => (
                StatusCode::SERVICE_UNAVAILABLE,
                Bytes::from_static(b"<Error><Code>SlowDown</Code></Error>"),
            ),
            _ => match stored.get(&path) {
                Some(bytes) => (StatusCode::OK, bytes.clone()),
                None => (StatusCode::NOT_FOUND, Bytes::new()),
            },
        }
    }

    async fn serve(self: Arc<Self>) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let fake = Arc::clone(&self);
                let service = service_fn(move |request| {
                    let fake = Arc::clone(&fake);
                    async move {
                        let (status, body) = fake.answer(request).await;
                        let mut response = Response::new(Full::new(body));
                        *response.status_mut() = status;
                        Ok::<_, Infallible>(response)
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        endpoint.parse().unwrap()
    }
}

async fn bench(fake: &Arc<Fake>, line: &str) -> Result<(Report, Record), Error> {
    let endpoint = Arc::clone(fake).serve().await;
    let words = ["riquet", "bench"].into_iter().chain(line.split(' '));
    let Command::Bench(args) = Cli::parse_from(words).command else {
        panic!("not a bench line: {line}")
    };
    let signer = Signer::new("AKIA", "secret", DEFAULT_REGION, Payload::Unsigned);
    measure(&args, vec![endpoint], signer, &Meter::new(None).unwrap()).await
}

#[tokio::test]
async fn every_load_counts_its_requests_and_cleans_up() {
    for load in [
        "put", "get", "head", "list", "scan", "folders", "delete", "mixed",
    ] {
        let fake = Arc::new(Fake::default());
        let line = format!("{load} --size 70000 -c 3 --count 40 --objects 40");
        let (_, record) = bench(&fake, &line).await.unwrap();
        assert_eq!(record.totals(), (40, 0), "{load}");
        let left = fake.stored.lock().unwrap().len();
        assert_eq!(left, 0, "{load} left things behind");
    }
}

#[tokio::test]
async fn uploads_are_of_the_size_asked_and_differ() {
    let fake = Arc::new(Fake::default());
    bench(&fake, "put --size 300000 -c 2 --count 5 --keep")
        .await
        .unwrap();
    let stored = fake.stored.lock().unwrap();
    let mut objects: Vec<_> = stored.values().filter(|b| !b.is_empty()).collect();
    assert!(objects.iter().all(|o| o.len() == 300_000));
    objects.sort();
    objects.dedup();
    assert_eq!(objects.len(), 5);
}

#[tokio::test]
async fn empty_objects_are_put_and_read() {
    let fake = Arc::new(Fake::default());
    let (_, record) = bench(&fake, "get --size 0 -c 2 --count 4 --objects 2")
        .await
        .unwrap();
    assert_eq!((record.totals(), record.bytes()), ((4, 0), 0));
}

#[tokio::test]
async fn a_bucket_that_was_there_stays() {
    let fake = Arc::new(Fake::default());
    fake.stored
        .lock()
        .unwrap()
        .insert("/mine".into(), Bytes::new());
    bench(&fake, "put --size 10 --count 3 --bucket mine")
        .await
        .unwrap();
    let stored = fake.stored.lock().unwrap();
    assert_eq!(stored.keys().collect::<Vec<_>>(), ["/mine"]);
}

#[tokio::test]
async fn refusals_are_counted_and_named() {
    let fake = Arc::new(Fake::default());
    fake.refuse_gets.store(true, Ordering::Relaxed);
    let (_, record) = bench(&fake, "get --size 10 -c 1 --count 3 --objects 1")
        .await
        .unwrap();
    assert_eq!(record.totals(), (0, 3));
    let error = check(&record).unwrap_err().to_string();
    assert!(
        error.contains("503") && error.contains("SlowDown"),
        "{error}"
    );
}

#[tokio::test]
async fn a_time_limit_ends_the_load() {
    let fake = Arc::new(Fake::default());
    let (_, record) = bench(&fake, "head --size 10 -c 2 --duration 50ms --objects 2")
        .await
        .unwrap();
    let (done, failed) = record.totals();
    assert!(done > 0);
    assert_eq!(failed, 0);
}
