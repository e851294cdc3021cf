//! Connections in memory: slow, cut by direction, and broken by the crash of an end.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use riquet_cluster::transport::{BoxedStream, Dial, DialFuture};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};

use super::dice;

/// Bytes on their way in one direction of a connection.
const WINDOW_BYTES: usize = 256 * 1024;

/// Whoever sends and receives: voters by their numbers, clients by others.
pub(super) type Place = u64;

/// Whether a run of a voter has ended. It ends for all others at once, though its tasks need time.
pub(super) type Life = watch::Receiver<bool>;

/// All links there are.
pub(super) struct Network {
    /// Directions in which nothing arrives, from and to.
    cuts: watch::Sender<BTreeSet<(Place, Place)>>,
    doors: Mutex<BTreeMap<Place, Door>>,
}

#[derive(Clone)]
struct Door {
    life: Life,
    arrivals: mpsc::UnboundedSender<DuplexStream>,
}

impl Network {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            cuts: watch::Sender::default(),
            doors: Mutex::default(),
        })
    }

    pub(super) fn cut(&self, directions: impl IntoIterator<Item = (Place, Place)>) {
        self.cuts.send_modify(|cuts| cuts.extend(directions));
    }

    pub(super) fn heal(&self) {
        self.cuts.send_replace(BTreeSet::new());
    }

    pub(super) fn is_cut(&self, from: Place, to: Place) -> bool {
        self.cuts.borrow().contains(&(from, to))
    }

    /// Takes the connections to a voter from now on.
    pub(super) fn listen(&self, at: Place, life: Life) -> mpsc::UnboundedReceiver<DuplexStream> {
        let (arrivals, arrived) = mpsc::unbounded_channel();
        let door = Door { life, arrivals };
        self.doors.lock().unwrap().insert(at, door);
        arrived
    }

    /// Time on the way. What is lost is sent again by TCP, later.
    pub(super) async fn travel(&self) {
        let late_ms = match dice::one_in(50) {
            true => dice::below(800),
            false => 0,
        };
        tokio::time::sleep(Duration::from_micros(
            300 + dice::below(3_000) + late_ms * 1000,
        ))
        .await;
    }

    async fn connect(
        self: Arc<Self>,
        from: Place,
        life: Life,
        to: Place,
    ) -> io::Result<BoxedStream> {
        self.travel().await;
        self.open(from, to).await;
        let door = self.doors.lock().unwrap().get(&to).cloned();
        let door = door.filter(|door| !*door.life.borrow() && !*life.borrow());
        let door = door.ok_or(io::ErrorKind::ConnectionRefused)?;
        let (ours, near) = tokio::io::duplex(WINDOW_BYTES);
        let (theirs, far) = tokio::io::duplex(WINDOW_BYTES);
        let lives = [life, door.life];
        let (near_read, near_write) = tokio::io::split(near);
        let (far_read, far_write) = tokio::io::split(far);
        tokio::spawn(
            self.clone()
                .relay((from, to), near_read, far_write, lives.clone()),
        );
        tokio::spawn(self.relay((to, from), far_read, near_write, lives));
        let arrived = door.arrivals.send(theirs);
        arrived.map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(Box::new(ours))
    }

    /// Waits until a direction is not cut.
    async fn open(&self, from: Place, to: Place) {
        let mut cuts = self.cuts.subscribe();
        let _ = cuts.wait_for(|cuts| !cuts.contains(&(from, to))).await;
    }

    async fn relay(
        self: Arc<Self>,
        (from, to): (Place, Place),
        mut read: ReadHalf<DuplexStream>,
        mut write: WriteHalf<DuplexStream>,
        [mut one, mut other]: [Life; 2],
    ) {
        let copy = async {
            let mut piece = vec![0; 16 * 1024];
            while let Ok(size @ 1..) = read.read(&mut piece).await {
                self.travel().await;
                self.open(from, to).await;
                if write.write_all(&piece[..size]).await.is_err() {
                    break;
                }
            }
        };
        tokio::select! {
            biased;
            _ = one.wait_for(|ended| *ended) => {}
            _ = other.wait_for(|ended| *ended) => {}
            () = copy => {}
        }
        let _ = write.shutdown().await;
    }
}

/// A voter's way out.
pub(super) struct Dialer {
    pub(super) network: Arc<Network>,
    pub(super) from: Place,
    pub(super) life: Life,
}

impl Dial for Dialer {
    fn dial(&self, address: String) -> DialFuture {
        let to = address.trim_start_matches("voter-").split(':').next();
        let to = to.and_then(|to| to.parse().ok());
        let (network, from, life) = (self.network.clone(), self.from, self.life.clone());
        Box::pin(async move {
            let to = to.ok_or(io::ErrorKind::NotFound)?;
            network.connect(from, life, to).await
        })
    }
}
