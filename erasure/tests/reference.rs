//! Our shards are those of the crate reed-solomon-erasure, byte for byte, by
//! every kernel: random profiles, lengths and fragmentations.

mod common;

use common::shards::{Frame, Place, cell, framed, kernels, noisy_data, reference, slices};
use common::strategies::{any_profile, cases, length, profile, usual_profile};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use reed_solomon_erasure::galois_8::ReedSolomon;
use riquet_erasure::{Cell, Codec};

proptest! {
    #![proptest_config(cases(48))]

    /// Byte i of data shard i is 1 and the rest is 0, so the parity shards are
    /// the rows of the generator.
    #[test]
    fn the_generator_is_the_references((data, parity) in any_profile()) {
        let units: Vec<Vec<u8>> = (0..data)
            .map(|shard| (0..data).map(|place| u8::from(place == shard)).collect())
            .collect();
        let shards = reference(parity, &units);
        for kernel in kernels() {
            let codec = Codec::with_kernel(data, parity, kernel).unwrap();
            let rows = framed(parity, data, |out| codec.encode(&slices(&units), out).unwrap());
            prop_assert!(rows == shards[data..], "{kernel}: the generator differs");
        }
    }

    /// Each side rebuilds what the other encoded.
    #[test]
    fn either_decodes_the_others_shards(
        ((data, parity), order) in profile().prop_flat_map(|(data, parity)| {
            let all: Vec<usize> = (0..data + parity).collect();
            (Just((data, parity)), Just(all).prop_shuffle())
        }),
        lost in 0usize..=255,
        seed: u64,
        kernel in select(kernels()),
    ) {
        const LEN: usize = 77;
        let codec = Codec::with_kernel(data, parity, kernel).unwrap();
        let mut shards = noisy_data(seed, data, LEN);
        shards.extend(framed(parity, LEN, |out| {
            codec.encode(&slices(&shards), out).unwrap();
        }));
        let (lost, read) = order.split_at(lost.min(parity));

        let mut partial: Vec<Option<Vec<u8>>> = shards.iter().cloned().map(Some).collect();
        lost.iter().for_each(|&shard| partial[shard] = None);
        ReedSolomon::new(data, parity).unwrap().reconstruct(&mut partial).unwrap();
        let rebuilt: Vec<Vec<u8>> = partial.into_iter().flatten().collect();
        prop_assert!(rebuilt == shards, "the reference can't decode {kernel}");

        let shards = reference(parity, &shards[..data]);
        let present: Vec<(usize, &[u8])> =
            read.iter().map(|&shard| (shard, shards[shard].as_slice())).collect();
        let rebuilt = framed(lost.len(), LEN, |out| {
            codec.reconstruct(&present, lost, out).unwrap();
        });
        for (bytes, &shard) in rebuilt.iter().zip(lost) {
            prop_assert!(*bytes == shards[shard], "{kernel}: shard {shard}");
        }
    }
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn encodes_and_verifies_as_the_reference_does(
        (data, parity) in profile(),
        len in length(),
        seed: u64,
        kernel in select(kernels()),
        flip: Index,
        bit in 0u8..8,
    ) {
        let codec = Codec::with_kernel(data, parity, kernel).unwrap();
        let mut shards = reference(parity, &noisy_data(seed, data, len));
        let written = framed(parity, len, |out| {
            codec.encode(&slices(&shards[..data]), out).unwrap();
        });
        prop_assert!(written == shards[data..], "{kernel}: parity differs");

        prop_assert_eq!(codec.verify(&slices(&shards)), Ok(true));
        if len > 0 {
            let place = flip.index(shards.len() * len);
            shards[place / len][place % len] ^= 1 << bit;
            prop_assert_eq!(codec.verify(&slices(&shards)), Ok(false));
        }
    }

    #[test]
    fn fragments_and_short_cells_change_nothing(
        (data, parity) in usual_profile(),
        cell_len in length(),
        seed: u64,
        lens in prop::collection::vec(any::<Index>(), 16),
        full in prop::collection::vec(prop::bool::weighted(0.7), 16),
        cuts in prop::collection::vec(prop::collection::vec(any::<usize>(), 0..6), 40),
        order in Just((0..40usize).collect::<Vec<_>>()).prop_shuffle(),
        kernel in select(kernels()),
    ) {
        let codec = Codec::with_kernel(data, parity, kernel).unwrap();
        let mut contents = noisy_data(seed, data, cell_len);
        let mut cells = Vec::new();
        for (shard, bytes) in contents.iter_mut().enumerate() {
            let len = if full[shard] { cell_len } else { lens[shard].index(cell_len + 1) };
            cells.push(cell(&bytes[..len], &cuts[shard]));
            bytes[len..].fill(0);
        }
        let shards = reference(parity, &contents);
        let written = framed(parity, cell_len, |out| {
            codec.encode_cells(&cells, cell_len, out).unwrap();
        });
        prop_assert!(written == shards[data..], "{kernel}: parity differs");

        // Any shards, in any order, fragmented: the others come back.
        cells.extend((data..codec.total()).map(|shard| cell(&shards[shard], &cuts[shard])));
        let order: Vec<usize> = order.into_iter().filter(|&shard| shard < cells.len()).collect();
        let (read, wanted) = order.split_at(data);
        let present: Vec<(usize, &Cell)> = read.iter().map(|&s| (s, &cells[s])).collect();
        let rebuilt = framed(wanted.len(), cell_len, |out| {
            codec.reconstruct_cells(&present, cell_len, wanted, out).unwrap();
        });
        for (bytes, &shard) in rebuilt.iter().zip(wanted) {
            prop_assert!(*bytes == shards[shard], "{kernel}: shard {shard} differs");
        }
    }
}

/// One output at a time up to more than any kernel's block, at every length up
/// to three steps of the widest: all paths through the shared loop.
#[test]
fn every_block_size_and_length() {
    let (most, lens): (usize, Vec<usize>) = if cfg!(miri) {
        (5, vec![0, 1, 63, 64, 65, 129])
    } else {
        let long = [191, 192, 193, 255, 256, 257, 383, 384, 385];
        (17, (0..=130).chain(long).collect())
    };
    for kernel in kernels() {
        for parity in 1..=most {
            let codec = Codec::with_kernel(3, parity, kernel).unwrap();
            for &len in &lens {
                let shards = reference(parity, &noisy_data(parity as u64, 3, len));
                let written = framed(parity, len, |out| {
                    codec.encode(&slices(&shards[..3]), out).unwrap();
                });
                assert!(
                    written == shards[3..],
                    "{kernel}, {parity} outputs, {len} bytes"
                );
            }
        }
    }
}

/// Long enough for several strips, with a last one cut short.
#[test]
#[cfg_attr(miri, ignore = "the same paths are taken with short shards")]
fn long_shards_go_strip_by_strip() {
    for kernel in kernels() {
        let codec = Codec::with_kernel(10, 19, kernel).unwrap();
        let shards = reference(19, &noisy_data(3, 10, 70_001));
        let written = framed(19, 70_001, |out| {
            codec.encode(&slices(&shards[..10]), out).unwrap();
        });
        assert!(written == shards[10..], "{kernel}");
        assert_eq!(codec.verify(&slices(&shards)), Ok(true));
    }
}

/// Larger than the caches, and aligned alike: outputs may be written past them.
/// The last strip ends before its outputs would be aligned.
#[test]
#[cfg_attr(miri, ignore = "interpreting megabytes takes hours")]
fn outputs_larger_than_the_caches() {
    const LEN: usize = (1 << 20) + 13;
    for (data, parity) in [(10, 2), (3, 9)] {
        let shards = reference(parity, &noisy_data(5, data, LEN));
        for kernel in kernels() {
            let codec = Codec::with_kernel(data, parity, kernel).unwrap();
            for before in [0, 17] {
                let frame = Frame {
                    before,
                    after: 80,
                    place: Place::Together,
                };
                let written = frame.around(vec![LEN; parity], |out| {
                    codec.encode(&slices(&shards[..data]), out).unwrap();
                });
                assert!(written == shards[data..], "{kernel}, {before} bytes in");
            }
        }
    }
}
