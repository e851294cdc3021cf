//! What the node exchanges with other sites: counted on the connections that come in, whatever they carry.
//!
//! Whoever asks names its site in each request, and whoever is asked counts. So of all that is sent
//! between two processes each byte is counted by one of them, requests of gateways too, of which nobody
//! has a list.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::HeaderMap;
use riquet_cluster::wire::health::SiteTraffic;
use riquet_cluster::wire::site;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How often it is taken down how much there was.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);

/// Samples that are kept: a rate is that of the last minute.
const SAMPLES: usize = 12;

/// Sites that are told apart: a name costs memory, and anybody who can connect can make one up.
const MAX_SITES: usize = 16;

/// What the node exchanges with each other site.
#[derive(Debug)]
pub struct Traffic {
    own: String,
    links: Mutex<BTreeMap<String, Arc<Link>>>,
}

/// What is exchanged with one site.
#[derive(Debug)]
struct Link {
    counted: Counts,
    /// When, and how much there had been, the oldest first.
    samples: Mutex<VecDeque<(Instant, u64, u64)>>,
}

#[derive(Debug, Default)]
struct Counts {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Counts {
    fn add(&self, received: u64, sent: u64) {
        self.received.fetch_add(received, Ordering::Relaxed);
        self.sent.fetch_add(sent, Ordering::Relaxed);
    }

    fn get(&self) -> (u64, u64) {
        let received = self.received.load(Ordering::Relaxed);
        (received, self.sent.load(Ordering::Relaxed))
    }
}

impl Link {
    fn new() -> Self {
        Self {
            counted: Counts::default(),
            samples: Mutex::new(VecDeque::from([(Instant::now(), 0, 0)])),
        }
    }

    fn sample(&self) {
        let (received, sent) = self.counted.get();
        let mut samples = lock(&self.samples);
        if samples.len() > SAMPLES {
            samples.pop_front();
        }
        samples.push_back((Instant::now(), received, sent));
    }

    /// Bytes per second that came and went, of the last minute.
    fn rates(&self) -> (u64, u64) {
        let (received, sent) = self.counted.get();
        let samples = lock(&self.samples);
        let Some((since, received_then, sent_then)) = samples.front() else {
            return (0, 0);
        };
        let seconds = since.elapsed().as_secs_f64().max(1.0);
        let rate = |bytes: u64| (bytes as f64 / seconds) as u64;
        (rate(received - received_then), rate(sent - sent_then))
    }
}

impl Traffic {
    /// That of a node at this site: nothing yet.
    pub fn of(own: &str) -> Self {
        Self {
            own: own.to_owned(),
            links: Mutex::default(),
        }
    }

    /// Takes down again and again how much there was, until it is dropped.
    pub async fn sample(self: Arc<Self>) {
        let mut turns = tokio::time::interval(SAMPLE_INTERVAL);
        loop {
            turns.tick().await;
            lock(&self.links).values().for_each(|link| link.sample());
        }
    }

    /// What was exchanged with each other site.
    pub fn report(&self) -> Vec<SiteTraffic> {
        let links = lock(&self.links);
        let report = |(site, link): (&String, &Arc<Link>)| {
            let (received_bytes, sent_bytes) = link.counted.get();
            let (received_bytes_per_second, sent_bytes_per_second) = link.rates();
            SiteTraffic {
                site: site.clone(),
                received_bytes,
                sent_bytes,
                received_bytes_per_second,
                sent_bytes_per_second,
            }
        };
        links.iter().map(report).collect()
    }

    /// The link to a site; none to the node's own.
    fn link(&self, site: &str) -> Option<Arc<Link>> {
        if site == self.own {
            return None;
        }
        let mut links = lock(&self.links);
        if !links.contains_key(site) && links.len() >= MAX_SITES {
            return None;
        }
        let link = links.entry(site.to_owned());
        Some(Arc::clone(link.or_insert_with(|| Arc::new(Link::new()))))
    }
}

/// What one connection carries. Whose it is, its first request tells.
#[derive(Debug, Default)]
pub(super) struct Carried {
    before: Counts,
    link: OnceLock<Option<Arc<Link>>>,
}

impl Carried {
    /// Learns from a request at which site its sender is.
    pub(super) fn identify(&self, traffic: &Traffic, headers: &HeaderMap) {
        if self.link.get().is_some() {
            return;
        }
        let link = site::of(headers).and_then(|site| traffic.link(site));
        if let Some(link) = &link {
            let (received, sent) = self.before.get();
            link.counted.add(received, sent);
        }
        // Of two requests at once, which HTTP/2 allows, both would tell the same.
        let _ = self.link.set(link);
    }

    fn count(&self, received: usize, sent: usize) {
        let (received, sent) = (received as u64, sent as u64);
        match self.link.get() {
            Some(Some(link)) => link.counted.add(received, sent),
            Some(None) => {}
            None => self.before.add(received, sent),
        }
    }
}

/// A connection whose bytes are counted.
pub(super) struct Counted {
    pub(super) stream: TcpStream,
    pub(super) carried: Arc<Carried>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.carried.count(buf.filled().len() - before, 0);
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.count_written(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.count_written(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Counted {
    fn count_written(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = written {
            self.carried.count(0, *bytes);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(site: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(site::SITE_HEADER, site.parse().unwrap());
        headers
    }

    #[tokio::test(start_paused = true)]
    async fn what_other_sites_sent_is_counted_from_the_first_byte() {
        let traffic = Arc::new(Traffic::of("toulouse"));
        let sampling = tokio::spawn(Arc::clone(&traffic).sample());
        let (near, far) = (Carried::default(), Carried::default());
        for (carried, site) in [(&near, "toulouse"), (&far, "montpellier")] {
            carried.count(100, 0);
            carried.identify(&traffic, &from(site));
            carried.count(500, 2000);
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        let report = traffic.report();
        assert_eq!(report.len(), 1);
        assert_eq!(report[0].site, "montpellier");
        assert_eq!(
            (report[0].received_bytes, report[0].sent_bytes),
            (600, 2000)
        );
        assert_eq!(report[0].received_bytes_per_second, 60);
        assert_eq!(report[0].sent_bytes_per_second, 200);
        // What was long ago does not count for the rate.
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(traffic.report()[0].sent_bytes_per_second, 0);
        sampling.abort();
    }

    #[test]
    fn sites_that_are_made_up_cost_no_memory() {
        let traffic = Traffic::of("toulouse");
        for number in 0..1000 {
            let carried = Carried::default();
            carried.identify(&traffic, &from(&format!("site-{number}")));
        }
        assert_eq!(traffic.report().len(), MAX_SITES);
    }
}
