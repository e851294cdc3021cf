//! Lost shards come back by every kernel: all losses of small profiles, random
//! ones of large profiles, only the shards and the part asked for.

mod common;

use common::shards::{framed, kernels, noisy_data, reference, shuffled};
use common::strategies::{cases, profile};
use proptest::prelude::*;
use proptest::sample::select;
use riquet_erasure::{Codec, Error};

#[test]
fn every_loss_of_small_profiles_is_rebuilt() {
    const LEN: usize = 67;
    let profiles: &[(usize, usize)] = if cfg!(miri) {
        &[(1, 1), (2, 2)]
    } else {
        &[
            (1, 1),
            (1, 3),
            (2, 1),
            (2, 2),
            (3, 3),
            (4, 2),
            (4, 4),
            (5, 4),
            (8, 2),
            (2, 8),
        ]
    };
    for kernel in kernels() {
        for &(data, parity) in profiles {
            let codec = Codec::with_kernel(data, parity, kernel).unwrap();
            let shards = reference(parity, &noisy_data(7, data, LEN));
            for present in 0u32..1 << codec.total() {
                let (read, lost): (Vec<usize>, Vec<usize>) =
                    (0..codec.total()).partition(|shard| present >> shard & 1 == 1);
                let inputs: Vec<(usize, &[u8])> = read
                    .iter()
                    .rev()
                    .map(|&shard| (shard, shards[shard].as_slice()))
                    .collect();
                if read.len() < data {
                    let refused = codec.reconstruct(&inputs, &[], &mut []);
                    let expected = Error::TooFewShards {
                        needed: data,
                        present: read.len(),
                    };
                    assert_eq!(refused, Err(expected));
                    continue;
                }
                let rebuilt = framed(lost.len(), LEN, |out| {
                    codec.reconstruct(&inputs, &lost, out).unwrap();
                });
                for (bytes, &shard) in rebuilt.iter().zip(&lost) {
                    assert_eq!(
                        *bytes, shards[shard],
                        "{kernel} {data}+{parity} {present:b}"
                    );
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(8))]

    /// As many shards are lost as the code can bear, whichever they are.
    #[test]
    #[cfg_attr(miri, ignore = "inverts matrices of 200 rows")]
    fn random_losses_of_large_profiles_are_rebuilt(
        (data, parity) in select(vec![
            (16, 16), (20, 60), (64, 64), (100, 28), (127, 128), (200, 55), (223, 32), (254, 1),
            (1, 254),
        ]),
        seed: u64,
    ) {
        const LEN: usize = 150;
        let shards = reference(parity, &noisy_data(seed, data, LEN));
        let order = shuffled(seed, data + parity);
        let (read, lost) = order.split_at(data);
        let present: Vec<(usize, &[u8])> =
            read.iter().map(|&shard| (shard, shards[shard].as_slice())).collect();
        for kernel in kernels() {
            let codec = Codec::with_kernel(data, parity, kernel).unwrap();
            let rebuilt = framed(parity, LEN, |out| {
                codec.reconstruct(&present, lost, out).unwrap();
            });
            for (bytes, &shard) in rebuilt.iter().zip(lost) {
                prop_assert!(*bytes == shards[shard], "{kernel} {data}+{parity}: shard {shard}");
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn any_wanted_shards_are_rebuilt_from_any_part(
        ((data, parity), order) in profile().prop_flat_map(|(data, parity)| {
            let all: Vec<usize> = (0..data + parity).collect();
            (Just((data, parity)), Just(all).prop_shuffle())
        }),
        extra in 0usize..3,
        wanted_count in 1usize..8,
        seed: u64,
        part in (0usize..300, 0usize..300),
        kernel in select(kernels()),
    ) {
        let codec = Codec::with_kernel(data, parity, kernel).unwrap();
        let shards = reference(parity, &noisy_data(seed, data, 300));
        let part = part.0.min(part.1)..part.0.max(part.1);
        let (read, lost) = order.split_at(data + extra.min(parity - 1));
        let wanted = &lost[..wanted_count.min(lost.len())];
        let present: Vec<(usize, &[u8])> =
            read.iter().map(|&shard| (shard, &shards[shard][part.clone()])).collect();
        // Twice: the second time the plan comes from the cache.
        for _ in 0..2 {
            let rebuilt = framed(wanted.len(), part.len(), |out| {
                codec.reconstruct(&present, wanted, out).unwrap();
            });
            for (bytes, &shard) in rebuilt.iter().zip(wanted) {
                prop_assert!(*bytes == shards[shard][part.clone()], "{kernel}: shard {shard}");
            }
        }
    }
}

#[test]
fn a_present_shard_may_be_wanted_too() {
    for kernel in kernels() {
        let codec = Codec::with_kernel(3, 2, kernel).unwrap();
        let shards = reference(2, &noisy_data(1, 3, 100));
        let present: Vec<(usize, &[u8])> = [4, 1, 0, 2]
            .map(|shard| (shard, shards[shard].as_slice()))
            .into();
        // Shard 4 is read, shard 2 is listed but not read.
        let rebuilt = framed(2, 100, |out| {
            codec.reconstruct(&present, &[2, 4], out).unwrap()
        });
        assert_eq!(rebuilt, [shards[2].clone(), shards[4].clone()]);
    }
}
