//! Changes and requests that others are told of: by webhooks, and in logs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use riquet_metadata::query::ListRequest;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::support::{self, Store};

const PATIENCE: Duration = Duration::from_secs(20);

/// A webhook that answers what it is told to, then takes everything.
struct Hook {
    taken: mpsc::UnboundedReceiver<Value>,
    address: std::net::SocketAddr,
}

impl Hook {
    async fn refusing(answers: &[StatusCode]) -> Self {
        let answers = Arc::new(Mutex::new(VecDeque::from(answers.to_vec())));
        let (sender, taken) = mpsc::unbounded_channel();
        let address = support::serve(move |request| {
            let (answers, sender) = (answers.clone(), sender.clone());
            async move {
                let body = request
                    .into_body()
                    .collect()
                    .await
                    .expect("whole")
                    .to_bytes();
                let answer = answers.lock().expect("no holder panics").pop_front();
                let status = answer.unwrap_or(StatusCode::OK);
                if status == StatusCode::OK {
                    let body = serde_json::from_slice(&body).expect("JSON");
                    sender.send(body).expect("somebody listens");
                }
                let mut response = Response::new(Empty::new().boxed());
                *response.status_mut() = status;
                response
            }
        });
        let address = address.await;
        Self { taken, address }
    }

    async fn next(&mut self) -> Value {
        let next = tokio::time::timeout(PATIENCE, self.taken.recv());
        next.await.expect("it is told in time").expect("it listens")
    }
}

fn rules(events: &str) -> String {
    format!(
        "<NotificationConfiguration><QueueConfiguration><Id>i</Id><Queue>\
         arn:riquet:sqs::hook:webhook</Queue><Event>{events}</Event></QueueConfiguration>\
         </NotificationConfiguration>"
    )
}

/// How many events wait in all groups.
async fn waiting(store: &Store) -> u64 {
    let mut waiting = 0;
    for group in store.metadata.event_groups().await.expect("they answer") {
        let queues = store
            .metadata
            .event_queues(group)
            .await
            .expect("it answers");
        waiting += queues
            .iter()
            .map(|listed| listed.queue.waiting)
            .sum::<u64>();
    }
    waiting
}

#[tokio::test]
async fn what_is_refused_is_told_again_in_order() {
    let mut hook = Hook::refusing(&[StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE]).await;
    let store = Store::start_telling(hook.address).await;
    store.put("/bucket", "").await;
    let set = store
        .put("/bucket?notification", rules("s3:ObjectCreated:*"))
        .await;
    assert_eq!(set.status, 200, "{}", set.text());
    assert_eq!(hook.next().await["Event"], "s3:TestEvent");
    for size in 1..=3 {
        assert_eq!(store.put("/bucket/k", vec![0; size]).await.status, 200);
    }
    store.call(Method::DELETE, "/bucket/k", &[], "").await;
    for size in 1..=3 {
        let record = hook.next().await["Records"][0].clone();
        assert_eq!(record["eventName"], "ObjectCreated:Put");
        assert_eq!(record["s3"]["object"]["size"], size);
        assert_eq!(record["userIdentity"]["principalId"], "AIDAADA");
    }
    let emptied = async {
        while waiting(&store).await > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, emptied)
        .await
        .expect("all is told");
    store.stop().await;
}

#[tokio::test]
async fn a_target_that_takes_nothing_is_not_configured() {
    let refusals = [StatusCode::NOT_FOUND; 1];
    let hook = Hook::refusing(&refusals).await;
    let store = Store::start_telling(hook.address).await;
    store.put("/bucket", "").await;
    let document = rules("s3:ObjectCreated:*");
    for rules in [document.clone(), document.replace("hook", "nobody")] {
        let refused = store.put("/bucket?notification", rules).await;
        assert_eq!(refused.element("Code"), "InvalidArgument");
    }
    let found = store.get("/bucket?notification").await;
    assert!(!found.text().contains("QueueConfiguration"));
    store.stop().await;
}

#[tokio::test]
async fn a_stop_delivers_the_logs_that_wait() {
    let store = Store::start().await;
    store.put("/bucket", "").await;
    store.put("/logs", "").await;
    let target = "<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket>\
        <TargetPrefix>p/</TargetPrefix></LoggingEnabled></BucketLoggingStatus>";
    assert_eq!(store.put("/bucket?logging", target).await.status, 200);
    store.put("/bucket/k", "x").await;
    store.get("/bucket/none").await;
    let metadata = store.metadata.clone();
    store.stop().await;
    let bucket = metadata.bucket("logs").await.expect("it is there");
    let all = ListRequest {
        prefix: "p/".into(),
        delimiter: "".into(),
        start: None,
        max: 10,
    };
    let page = metadata
        .list_objects(&bucket, all)
        .await
        .expect("it answers");
    let [listed] = &page.objects[..] else {
        panic!("{:?}", page.objects);
    };
    let log = metadata.get_object(&bucket, &listed.key).await;
    let log = log.expect("it answers").expect("it is there");
    let riquet_metadata::record::Content::Inline(text) = &log.body.content else {
        panic!("a few lines are short");
    };
    let text = std::str::from_utf8(text).expect("a text");
    let lines: Vec<&str> = text.lines().collect();
    // The configuration itself was asked for before there was a log.
    let logged = |sign: &str| lines.iter().any(|line| line.contains(sign));
    assert!(
        logged(" REST.PUT.OBJECT k ") && logged(" 404 NoSuchKey "),
        "{text}"
    );
}

#[tokio::test]
async fn a_site_is_told_by_its_host() {
    let store = Store::start().await;
    store.put("/bucket", "").await;
    let redirect = "<WebsiteConfiguration><RedirectAllRequestsTo><HostName>example.org</HostName>\
        </RedirectAllRequestsTo></WebsiteConfiguration>";
    assert_eq!(store.put("/bucket?website", redirect).await.status, 200);
    let ask = |host: &str| {
        let request = http::Request::get("/page").header("host", host);
        store.send(
            request
                .body(http_body_util::Full::new(Bytes::new()))
                .expect("legal"),
        )
    };
    let moved = ask("bucket.web.test").await;
    assert_eq!(moved.status, 301);
    assert_eq!(moved.header("location"), "http://example.org/page");
    assert!(!moved.header("x-amz-request-id").is_empty());
    let nobody = ask("other.web.test").await;
    assert_eq!(
        (nobody.status.as_u16(), nobody.header("x-amz-error-code")),
        (404, "NoSuchBucket")
    );
    assert!(nobody.text().contains("<h1>404 Not Found</h1>"));
    // No site: a request of S3, which names its bucket in the path.
    let unsigned = ask("web.test").await;
    assert_eq!(
        (unsigned.status.as_u16(), unsigned.element("Code")),
        (404, "NoSuchBucket")
    );
}
