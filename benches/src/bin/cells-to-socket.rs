//! What a copy costs on the way from the page cache to a socket: the ways in which a storage node could
//! send cells, by the CPU time of the thread that sends.
//!
//! ```sh
//! cargo run --release -p riquet-benches --bin cells-to-socket -- FOLDER
//! ```
//!
//! A file of 256 MiB is sent sixteen times over a loopback connection, in pieces as readers ask for them: read
//! into a fresh buffer and written, as the node does; read into one buffer that is used again; and
//! with `sendfile`, which leaves the page in the cache and hands the socket a reference to it. The ways
//! take turns, so that all meet the same machine.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// As the node has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FILE_BYTES: u64 = 256 << 20;
const PIECE_BYTES: usize = 512 << 10;
const ROUNDS: usize = 16;

type Way = fn(&File, &mut TcpStream, &mut [u8]) -> io::Result<()>;

const WAYS: [(&str, Way); 3] = [
    ("fresh buffers", fresh),
    ("one buffer", reused),
    ("sendfile", sendfile),
];

fn main() -> io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: cells-to-socket FOLDER");
        std::process::exit(2);
    };
    let file = cached_file(Path::new(&folder))?;
    let mut socket = drained_connection()?;
    let mut buffer = vec![0; PIECE_BYTES];
    let mut spent = [Duration::ZERO; WAYS.len()];
    for _ in 0..ROUNDS {
        for ((_, way), spent) in WAYS.iter().zip(&mut spent) {
            let before = thread_cpu();
            way(&file, &mut socket, &mut buffer)?;
            *spent += thread_cpu() - before;
        }
    }
    let gib = (FILE_BYTES * ROUNDS as u64) as f64 / f64::from(1 << 30);
    for ((name, _), spent) in WAYS.iter().zip(spent) {
        println!("{name}: {:.3} CPU-s per GiB", spent.as_secs_f64() / gib);
    }
    Ok(())
}

/// Every page of it has been read.
fn cached_file(folder: &Path) -> io::Result<File> {
    let mut file = tempfile::tempfile_in(folder)?;
    let piece: Vec<u8> = (0..PIECE_BYTES).map(|at| at as u8).collect();
    for _ in 0..FILE_BYTES / PIECE_BYTES as u64 {
        file.write_all(&piece)?;
    }
    file.sync_all()?;
    Ok(file)
}

/// A connection whose other end is read as fast as it can be.
fn drained_connection() -> io::Result<TcpStream> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let sender = TcpStream::connect(listener.local_addr()?)?;
    let (mut receiver, _) = listener.accept()?;
    std::thread::spawn(move || {
        let mut into = vec![0; PIECE_BYTES];
        while receiver.read(&mut into).is_ok_and(|read| read > 0) {}
    });
    Ok(sender)
}

fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

fn pieces() -> impl Iterator<Item = u64> {
    (0..FILE_BYTES).step_by(PIECE_BYTES)
}

fn fresh(file: &File, socket: &mut TcpStream, _: &mut [u8]) -> io::Result<()> {
    for at in pieces() {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let spare = piece.spare_capacity_mut();
        let (read, _) = rustix::io::pread(file, spare, at)?;
        socket.write_all(read)?;
    }
    Ok(())
}

fn reused(file: &File, socket: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    for at in pieces() {
        file.read_exact_at(buffer, at)?;
        socket.write_all(buffer)?;
    }
    Ok(())
}

fn sendfile(file: &File, socket: &mut TcpStream, _: &mut [u8]) -> io::Result<()> {
    let mut at = 0;
    while at < FILE_BYTES {
        rustix::fs::sendfile(&*socket, file, Some(&mut at), PIECE_BYTES)?;
    }
    Ok(())
}
