//! Memory of a gateway stays bounded, however large the object and however slow the client.

use libtest_mimic::{Failed, Trial};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, GIB, MIB, Stream};
use riquet_tests::s3::{Request, S3};
use riquet_tests::skip::{self, Need};

use crate::trial;

/// What a gateway may use at its highest.
const PEAK_LIMIT_BYTES: u64 = 300 * MIB;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("memory::one_gib", |cluster| one_large_object(cluster, GIB)),
        skip::trial("memory::five_gib", &[Need::Large], || {
            Cluster::with(|cluster| one_large_object(cluster, 5 * GIB))
        }),
        trial("memory::slow_readers", slow_readers),
        trial("memory::many_writers", many_writers),
    ]
}

fn assert_bounded(cluster: &Cluster) -> Result<(), Failed> {
    for site in Site::ALL {
        let peak_bytes = cluster.peak_memory_bytes(&site.gateway())?;
        let peak_mib = peak_bytes / MIB;
        assert!(peak_bytes < PEAK_LIMIT_BYTES, "{site:?}: {peak_mib} MiB");
    }
    Ok(())
}

fn one_large_object(cluster: &Cluster, size_bytes: u64) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    s3.put("/memory", &[])?;
    let path = "/memory/large";
    s3.put_stream(path, size_bytes, Stream::new(1, size_bytes))?;
    assert_bounded(cluster)?;
    let expected = (size_bytes, Stream::new(1, size_bytes).sha256());
    for site in Site::ALL {
        assert_eq!(cluster.s3(site).sha256(path)?, expected);
    }
    assert_bounded(cluster)
}

/// Clients that ask for large objects and do not read them.
fn slow_readers(cluster: &Cluster) -> Result<(), Failed> {
    /// As many as a busy day's idle tabs.
    const READERS: usize = 32;
    let s3: S3 = cluster.s3(Site::Toulouse);
    s3.put("/memory", &[])?;
    let bytes = data::bytes(1, 100 * MIB);
    s3.put("/memory/object", &bytes)?;
    let waiting: Vec<_> = (0..READERS)
        .map(|_| s3.begin(&Request::new("GET", "/memory/object")))
        .collect::<Result<_, _>>()?;
    // Others are served meanwhile.
    let (_, hash) = s3.sha256("/memory/object")?;
    assert_eq!(hash, data::sha256(&bytes));
    assert_bounded(cluster)?;
    // One of the slow ones goes on, and gets everything.
    let mut received_bytes = 0;
    let last = waiting.into_iter().next_back().ok_or("no reader")?;
    last.finish_into(&mut |piece| received_bytes += piece.len() as u64)?
        .expect(200)?;
    assert_eq!(received_bytes, 100 * MIB);
    assert_bounded(cluster)
}

/// Many clients that upload at once, as `aws s3 sync` and `rclone` do.
fn many_writers(cluster: &Cluster) -> Result<(), Failed> {
    const WRITERS: u64 = 32;
    let s3 = cluster.s3(Site::Toulouse);
    s3.put("/memory", &[])?;
    let size_bytes = 16 * MIB;
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|seed| {
                let s3 = &s3;
                scope.spawn(move || {
                    let path = format!("/memory/{seed}");
                    s3.put_stream(&path, size_bytes, Stream::new(seed, size_bytes))?;
                    s3.sha256(&path)
                })
            })
            .collect();
        for (writer, seed) in writers.into_iter().zip(0..) {
            let found = writer.join().map_err(|_| "a writer panicked")??;
            assert_eq!(found, (size_bytes, Stream::new(seed, size_bytes).sha256()));
        }
        Ok::<_, Failed>(())
    })?;
    assert_bounded(cluster)
}
