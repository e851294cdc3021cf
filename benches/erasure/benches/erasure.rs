//! Encoding and rebuilding, by ours and every peer, row by row: all peers of a
//! row run right after each other, so that a noisy machine treats them alike.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use riquet_benches_erasure::work::Residence;
use riquet_benches_erasure::{Operation, Peer, Row, Stripes, peers};

fn rows(criterion: &mut Criterion) {
    let peers = peers::all();
    for row in Row::all() {
        let stripes = Stripes::new(&row);
        check_bytes(&row, &peers);
        let mut group = criterion.benchmark_group(row.group());
        group.throughput(Throughput::Bytes(row.data_bytes() as u64));
        for peer in &peers {
            let mut work = peer.prepare(&row, &stripes);
            let mut turn = 0;
            group.bench_function(peer.name(), |bencher| {
                bencher.iter(|| {
                    work(turn);
                    turn = if turn + 1 == stripes.stripes().len() {
                        0
                    } else {
                        turn + 1
                    };
                });
            });
        }
    }
}

/// Every peer whose shards are said to be ours computes the same bytes.
fn check_bytes(row: &Row, peers: &[Box<dyn Peer>]) {
    let row = &Row {
        residence: Residence::Cache,
        ..*row
    };
    let (_, computed) = row.shards();
    let mut expected = None;
    for peer in peers.iter().filter(|peer| peer.is_interchangeable()) {
        // Parity that belongs to the data, first: rebuilding reads it.
        let stripes = Stripes::new(row);
        let encode = Row {
            operation: Operation::Encode,
            ..*row
        };
        peers[0].prepare(&encode, &stripes)(0);
        peer.prepare(row, &stripes)(0);
        let bytes: Vec<Vec<u8>> = computed
            .iter()
            .map(|&s| stripes.stripes()[0].shard(s).to_vec())
            .collect();
        let expected = expected.get_or_insert_with(|| bytes.clone());
        assert!(
            bytes == *expected,
            "{} differs in {}",
            peer.name(),
            row.group()
        );
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(300))
        .sample_size(15);
    targets = rows
}
criterion_main!(benches);
