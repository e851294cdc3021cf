//! The loss of a gateway, or of a site, between a change and the word of it: it is told nevertheless.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::s3::{Request, S3};
use serde_json::Value;

use crate::trial;

/// The bucket whose changes are told.
const BUCKET: &str = "/events";

/// How long an event may take: as long as the dead gateway's hold on the queue, and an election.
const PATIENCE: Duration = Duration::from_secs(45);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("events::gateway_dies_after_the_commit", gateway_dies),
        trial("events::site_is_lost_before_the_word", site_is_lost),
    ]
}

/// A webhook that takes everything.
struct Webhook {
    bodies: Receiver<Value>,
}

impl Webhook {
    fn listen(port: u16) -> Result<Self, Failed> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let (sender, bodies) = mpsc::channel();
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let sender = sender.clone();
                std::thread::spawn(move || {
                    // A connection that breaks is the sender's to repeat.
                    let _ = take(connection, &sender);
                });
            }
        });
        Ok(Self { bodies })
    }

    /// Waits for the event of a key.
    fn event(&self, key: &str) -> Result<Value, Failed> {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let body = self
                .bodies
                .recv_timeout(left)
                .map_err(|_| format!("nobody told of {key}"))?;
            if body["Records"][0]["s3"]["object"]["key"] == *key {
                return Ok(body["Records"][0].clone());
            }
        }
    }

    /// Waits until all these keys were told of: there is an order for each key, and none between them.
    fn all(&self, mut keys: BTreeSet<String>) -> Result<(), Failed> {
        let end = Instant::now() + PATIENCE;
        while !keys.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            let body = self.bodies.recv_timeout(left);
            let body = body.map_err(|_| format!("nobody told of {keys:?}"))?;
            if let Some(key) = body["Records"][0]["s3"]["object"]["key"].as_str() {
                keys.remove(key);
            }
        }
        Ok(())
    }
}

/// Reads one request and takes its body.
fn take(connection: TcpStream, bodies: &Sender<Value>) -> Result<(), Failed> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim().to_ascii_lowercase().split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse()?,
            Some(_) => {}
            None if line.trim().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    bodies.send(serde_json::from_slice(&body)?)?;
    let mut connection = connection;
    connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    Ok(())
}

/// Makes the bucket, and has the webhook told of what is stored in it.
fn prepare(s3: &S3) -> Result<(), Failed> {
    s3.send(Request::new("PUT", BUCKET), &[])?.expect(200)?;
    let configuration = "<NotificationConfiguration><QueueConfiguration>\
        <Queue>arn:riquet:sqs::dev:webhook</Queue><Event>s3:ObjectCreated:*</Event>\
        </QueueConfiguration></NotificationConfiguration>";
    let request = Request::new("PUT", BUCKET)
        .query("notification", "")
        .header("x-amz-skip-destination-validation", "true")
        .size_bytes(configuration.len() as u64);
    s3.send(request, configuration.as_bytes())?.expect(200)?;
    Ok(())
}

fn put(s3: &S3, key: &str) -> Result<(), Failed> {
    let request = Request::new("PUT", format!("{BUCKET}/{key}")).size_bytes(1);
    s3.send(request, b"x")?.expect(200)?;
    Ok(())
}

fn gateway_dies(cluster: &Cluster) -> Result<(), Failed> {
    let (toulouse, montpellier) = (cluster.s3(Site::Toulouse), cluster.s3(Site::Montpellier));
    prepare(&montpellier)?;
    let gateway = Site::Toulouse.gateway();
    cluster.arm_failpoints(Some("gateway::put::committed=return"));
    cluster.kill(&[&gateway])?;
    cluster.start_again(&[&gateway])?;
    assert!(
        put(&toulouse, "k").is_err(),
        "an answer from a dead gateway"
    );
    let webhook = Webhook::listen(cluster.webhook_port())?;
    let event = webhook.event("k")?;
    assert_eq!(event["eventName"], "ObjectCreated:Put");
    let get = Request::new("GET", format!("{BUCKET}/k"));
    assert_eq!(montpellier.send(get, &[])?.expect(200)?.body, b"x");
    Ok(())
}

fn site_is_lost(cluster: &Cluster) -> Result<(), Failed> {
    let (toulouse, montpellier) = (cluster.s3(Site::Toulouse), cluster.s3(Site::Montpellier));
    prepare(&toulouse)?;
    // Nobody listens yet, so that the word of it waits.
    for number in 0..20 {
        put(&toulouse, &format!("k{number}"))?;
    }
    cluster.kill_site(Site::Toulouse)?;
    let webhook = Webhook::listen(cluster.webhook_port())?;
    webhook.all((0..20).map(|number| format!("k{number}")).collect())?;
    // What comes after is told as well.
    put(&montpellier, "later")?;
    webhook.event("later")?;
    Ok(())
}
