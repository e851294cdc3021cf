//! A network cut between sites, for development clusters and tests.
//!
//! A *partition file* names each process's address with its site, and the pairs of sites that are
//! cut. [`PartitionedDialer`] wraps a dialer and watches that file: while its own site and a peer's
//! are cut, connections to that peer stall in both directions, new and old alike, as if every
//! packet were dropped; once healed, they go on where they were, as TCP does.
//!
//! ```text
//! address 127.0.0.1:7101 toulouse
//! address 127.0.0.1:7201 montpellier
//! cut toulouse montpellier
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use super::dial::{BoxedStream, Dial, DialFuture};

/// How often the file is looked at: the longest a cut takes to be felt.
pub const WATCH_INTERVAL: Duration = Duration::from_millis(50);

/// What a partition file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionFile {
    /// The site of each process's `host:port`.
    pub addresses: BTreeMap<String, String>,
    /// Pairs of sites that are cut, each in alphabetical order.
    pub cuts: BTreeSet<(String, String)>,
}

impl PartitionFile {
    /// Cuts two sites from each other.
    pub fn cut(&mut self, a: &str, b: &str) {
        self.cuts.insert(pair(a, b));
    }

    /// Joins two sites again.
    pub fn heal(&mut self, a: &str, b: &str) {
        self.cuts.remove(&pair(a, b));
    }

    /// Whether a process at `site` is cut from `address`.
    pub fn is_cut(&self, site: &str, address: &str) -> bool {
        self.addresses
            .get(address)
            .is_some_and(|other| self.cuts.contains(&pair(site, other)))
    }

    /// Parses a file's text; lines that it does not know are errors.
    pub fn parse(text: &str) -> io::Result<Self> {
        let mut file = Self::default();
        for line in text.lines() {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                [] => {}
                ["address", address, site] => {
                    file.addresses.insert(address.to_owned(), site.to_owned());
                }
                ["cut", a, b] => file.cut(a, b),
                _ => {
                    let why = format!("not a line of a partition file: {line:?}");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
            }
        }
        Ok(file)
    }

    /// The file's text.
    pub fn render(&self) -> String {
        let addresses = self
            .addresses
            .iter()
            .map(|(a, s)| format!("address {a} {s}\n"));
        let cuts = self.cuts.iter().map(|(a, b)| format!("cut {a} {b}\n"));
        addresses.chain(cuts).collect()
    }

    /// Reads the file at `path`; an absent one cuts nothing.
    pub fn read(path: &Path) -> io::Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(e),
        }
    }

    /// Replaces the file at `path` in one step.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let next = path.with_extension("next");
        std::fs::write(&next, self.render())?;
        std::fs::rename(&next, path)
    }
}

fn pair(a: &str, b: &str) -> (String, String) {
    if a <= b {
        (a.to_owned(), b.to_owned())
    } else {
        (b.to_owned(), a.to_owned())
    }
}

/// A dialer that obeys a partition file.
pub struct PartitionedDialer {
    inner: Arc<dyn Dial>,
    site: String,
    state: watch::Receiver<PartitionFile>,
    links: Arc<Mutex<Vec<Weak<Link>>>>,
}

impl PartitionedDialer {
    /// Wraps `inner` for a process at `site`, and watches the file at `path` from now on. Must be
    /// called within a tokio runtime; the watch ends with the dialer.
    pub fn watch(inner: Arc<dyn Dial>, site: String, path: PathBuf) -> io::Result<Self> {
        let (sender, state) = watch::channel(PartitionFile::read(&path)?);
        let links = Arc::new(Mutex::new(Vec::<Weak<Link>>::new()));
        let (own_site, own_links) = (site.clone(), Arc::downgrade(&links));
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(WATCH_INTERVAL);
            loop {
                tick.tick().await;
                let Some(links) = own_links.upgrade() else {
                    break;
                };
                match PartitionFile::read(&path) {
                    Ok(file) if file != *sender.borrow() => {
                        tracing::warn!(cuts = ?file.cuts, "partition file changed");
                        apply(&links, &own_site, &file);
                        sender.send_replace(file);
                    }
                    Ok(_) => {}
                    Err(e) => {
                        tracing::warn!(error = %e, "partition file unreadable; kept the last")
                    }
                }
            }
        });
        Ok(Self {
            inner,
            site,
            state,
            links,
        })
    }
}

/// Sets every live link to what the file says, and forgets the dead ones.
fn apply(links: &Mutex<Vec<Weak<Link>>>, site: &str, file: &PartitionFile) {
    let mut links = links.lock().expect("no holder panics");
    links.retain(|link| {
        let Some(link) = link.upgrade() else {
            return false;
        };
        link.set_cut(file.is_cut(site, &link.address));
        true
    });
}

impl Dial for PartitionedDialer {
    fn dial(&self, address: String) -> DialFuture {
        let (inner, site, links) = (self.inner.clone(), self.site.clone(), self.links.clone());
        let mut state = self.state.clone();
        Box::pin(async move {
            let healed = state.wait_for(|file| !file.is_cut(&site, &address)).await;
            healed.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            let stream = inner.dial(address.clone()).await?;
            let link = Arc::new(Link {
                address,
                gate: Mutex::new(Gate::default()),
            });
            {
                let mut links = links.lock().expect("no holder panics");
                links.retain(|l| l.strong_count() > 0);
                links.push(Arc::downgrade(&link));
            }
            // The file may have changed while we connected, before the link was listed.
            link.set_cut(state.borrow().is_cut(&site, &link.address));
            Ok(Box::new(GatedStream { stream, link }) as BoxedStream)
        })
    }
}

/// One connection's gate.
struct Link {
    address: String,
    gate: Mutex<Gate>,
}

#[derive(Default)]
struct Gate {
    cut: bool,
    waiting: Vec<Waker>,
}

impl Link {
    fn set_cut(&self, cut: bool) {
        let mut gate = self.gate.lock().expect("no holder panics");
        gate.cut = cut;
        if !cut {
            gate.waiting.drain(..).for_each(Waker::wake);
        }
    }

    /// Ready while the link is whole; otherwise the task is woken when it heals.
    fn poll_whole(&self, cx: &Context<'_>) -> Poll<()> {
        let mut gate = self.gate.lock().expect("no holder panics");
        if !gate.cut {
            return Poll::Ready(());
        }
        if !gate.waiting.iter().any(|w| w.will_wake(cx.waker())) {
            gate.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// A stream that stalls while its link is cut.
struct GatedStream {
    stream: BoxedStream,
    link: Arc<Link>,
}

impl AsyncRead for GatedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        std::task::ready!(self.link.poll_whole(cx));
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for GatedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        std::task::ready!(self.link.poll_whole(cx));
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.link.poll_whole(cx));
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        std::task::ready!(self.link.poll_whole(cx));
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::TcpDialer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[test]
    fn a_file_reads_back_as_written() {
        let mut file = PartitionFile::default();
        file.addresses
            .insert("127.0.0.1:1".into(), "toulouse".into());
        file.cut("toulouse", "montpellier");
        assert_eq!(PartitionFile::parse(&file.render()).unwrap(), file);
        assert!(file.is_cut("montpellier", "127.0.0.1:1"));
        assert!(!file.is_cut("arbiter", "127.0.0.1:1"));
        file.heal("montpellier", "toulouse");
        assert!(file.cuts.is_empty());
        assert!(PartitionFile::parse("cut toulouse").is_err());
    }

    #[tokio::test]
    async fn a_cut_stalls_live_connections_and_healing_resumes_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("partition");
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap().to_string();
        let mut file = PartitionFile::default();
        file.addresses.insert(address.clone(), "montpellier".into());
        file.write(&path).unwrap();
        let dialer =
            PartitionedDialer::watch(Arc::new(TcpDialer), "toulouse".into(), path.clone()).unwrap();
        let (client, accepted) = tokio::join!(dialer.dial(address.clone()), server.accept());
        let (mut client, mut peer) = (client.unwrap(), accepted.unwrap().0);
        client.write_all(b"before").await.unwrap();
        let mut six = [0; 6];
        peer.read_exact(&mut six).await.unwrap();

        file.cut("toulouse", "montpellier");
        file.write(&path).unwrap();
        let mut state = dialer.state.clone();
        state.wait_for(|f| !f.cuts.is_empty()).await.unwrap();
        peer.write_all(b"during").await.unwrap();
        let stalled = tokio::time::timeout(WATCH_INTERVAL * 2, client.read_exact(&mut six)).await;
        assert!(stalled.is_err(), "a cut link delivered bytes");
        let dial = tokio::time::timeout(WATCH_INTERVAL * 2, dialer.dial(address)).await;
        assert!(dial.is_err(), "a cut link connected");

        file.heal("toulouse", "montpellier");
        file.write(&path).unwrap();
        client.read_exact(&mut six).await.unwrap();
        assert_eq!(&six, b"during");
    }
}
