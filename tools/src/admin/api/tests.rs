//! The client before gateways that answer what they are told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use riquet_cluster::admin::NewWeight;
use riquet_cluster::id::Epoch;
use tokio::net::TcpListener;

use super::*;
use crate::tls::TlsFiles;

/// What was done, as the API says it.
const CHANGED: &str = r#"{"epoch":7,"what":"done","since":"a newer release"}"#;

/// A gateway that answers everything alike, and counts what it was asked.
struct Fake {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Fake {
    async fn answering(status: u16, text: &'static str) -> Self {
        Self::serving(move |request: &Request<Incoming>| {
            let signed = request.headers()["authorization"].to_str().unwrap();
            assert!(
                signed.contains("/eu-west-3/riquet/aws4_request"),
                "{signed}"
            );
            let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            Some(response)
        })
        .await
    }

    /// One that takes requests and dies of them.
    async fn dying() -> Self {
        Self::serving(|_: &Request<Incoming>| None).await
    }

    async fn serving(
        answer: impl Fn(&Request<Incoming>) -> Option<Response<Full<Bytes>>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(answer));
        let counted = asked.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (counted, answer) = (counted.clone(), answer.clone());
                let service = service_fn(move |request| {
                    counted.fetch_add(1, Ordering::SeqCst);
                    let response = answer(&request).ok_or(std::io::ErrorKind::BrokenPipe);
                    async move { response.map_err(std::io::Error::from) }
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // That a connection breaks is what some of the tests are about.
                tokio::spawn(async move { drop(connection.await) });
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// An address at which nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn api(urls: &[&str]) -> Api {
    let access = AdminAccess {
        urls: urls.iter().map(|url| (*url).to_owned()).collect(),
        access_key_id: "AKIA".into(),
        secret_access_key: "secret".into(),
        region: "eu-west-3".into(),
        tls: TlsFiles::default(),
    };
    Api::new(&access).unwrap()
}

#[tokio::test]
async fn answers_are_understood_and_kept_as_they_came() {
    let gateway = Fake::answering(200, CHANGED).await;
    let mut api = api(&[&gateway.url]);
    let weight = NewWeight { weight: 3 };
    let path = format!("/v1/nodes/{}/weight", segment("a b/é"));
    assert_eq!(path, "/v1/nodes/a%20b%2F%C3%A9/weight");
    let changed = api.change_with(Method::PUT, &path, &weight).await.unwrap();
    assert_eq!(
        (changed.view.epoch, &*changed.view.what),
        (Epoch(7), "done")
    );
    assert_eq!(changed.document["since"], "a newer release");
}

#[tokio::test]
async fn a_refusal_is_an_error_with_its_word() {
    let refusal = r#"{"code":"unknown-node","message":"there is no node x"}"#;
    let gateway = Fake::answering(404, refusal).await;
    let error = api(&[&gateway.url])
        .change(Method::POST, "/v1/nodes/x/drain")
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "there is no node x (unknown-node)");
    assert!(!error.is_passing());
}

#[tokio::test]
async fn the_next_gateway_is_asked_when_one_can_not_be_reached() {
    let (absent, well) = (nobody().await, Fake::answering(200, CHANGED).await);
    let starting = Fake::answering(503, "not ready\n").await;
    let mut api = api(&[&absent, &starting.url, &well.url]);
    for _ in 0..2 {
        api.change(Method::POST, "/v1/rebalance/pause")
            .await
            .unwrap();
    }
    // The second time, the one that answered is asked first.
    assert_eq!((starting.asked(), well.asked()), (1, 2));
}

#[tokio::test]
async fn nobody_there_is_said_with_every_address() {
    let (first, second) = (nobody().await, nobody().await);
    let outcome = api(&[&first, &second]).get::<Value>("/v1/status").await;
    let error = outcome.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&first) && text.contains(&second), "{text}");
    assert!(error.is_passing());
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_not_made_twice() {
    let (dying, well) = (Fake::dying().await, Fake::answering(200, CHANGED).await);
    let mut api = api(&[&dying.url, &well.url]);
    let outcome = api.change(Method::POST, "/v1/rebalance/pause").await;
    assert!(matches!(outcome, Err(Error::AnswerLost { .. })));
    assert_eq!((dying.asked(), well.asked()), (1, 0));
    // A question harms nobody.
    let status = api.get::<Value>("/v1/status").await.unwrap();
    assert_eq!(status.document["epoch"], 7);
}

#[tokio::test]
async fn metadata_out_of_reach_of_one_gateway_is_asked_for_at_another() {
    let refusal = r#"{"code":"metadata-unavailable","message":"no leader"}"#;
    let (cut_off, well) = (
        Fake::answering(503, refusal).await,
        Fake::answering(200, CHANGED).await,
    );
    let mut both = api(&[&cut_off.url, &well.url]);
    both.get::<Value>("/v1/status").await.unwrap();
    let error = api(&[&cut_off.url]).get::<Value>("/v1/status").await;
    assert!(error.unwrap_err().is_passing());
}

#[tokio::test]
async fn who_speaks_something_else_is_no_gateway() {
    for (status, text) in [(404, "no such page\n"), (200, "<html>"), (200, "[]")] {
        let other = Fake::answering(status, text).await;
        let outcome = api(&[&other.url]).change(Method::POST, "/v1/x").await;
        assert!(matches!(outcome, Err(Error::NotTheApi { .. })), "{text}");
    }
}
