//! Every kernel that this CPU has, held byte for byte to the crate
//! reed-solomon-erasure: random profiles, lengths, fragmentations and losses,
//! and all losses of small profiles.

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use reed_solomon_erasure::galois_8::ReedSolomon;
use riquet_erasure::{Cell, Codec, Error, Kernel};

/// Lengths around the vector sizes and steps of the kernels, and a few odd ones.
const LENGTHS: [usize; 22] = [
    0, 1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 95, 127, 128, 129, 191, 192, 200, 255, 1000, 5003,
];

/// Bytes that outputs start with and are framed by, to notice what isn't (or
/// mustn't be) written.
const CANARY: u8 = 0xa5;
const FRAME: usize = 80;

/// All shards of a code as the reference encodes them.
fn reference(parity: usize, data: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut shards = data.to_vec();
    shards.resize(data.len() + parity, vec![0; data[0].len()]);
    // The reference refuses empty shards.
    if !data[0].is_empty() {
        ReedSolomon::new(data.len(), parity)
            .unwrap()
            .encode(&mut shards)
            .unwrap();
    }
    shards
}

/// Runs `call` on outputs inside canary frames and returns what it wrote.
fn framed(count: usize, len: usize, call: impl FnOnce(&mut [&mut [u8]])) -> Vec<Vec<u8>> {
    let mut buffers = vec![vec![CANARY; len + 2 * FRAME]; count];
    // Odd offsets: outputs need no alignment.
    let at = |output: usize| FRAME - output % 7;
    let mut slices: Vec<&mut [u8]> = buffers
        .iter_mut()
        .enumerate()
        .map(|(output, buffer)| &mut buffer[at(output)..][..len])
        .collect();
    call(&mut slices);
    buffers
        .into_iter()
        .enumerate()
        .map(|(output, buffer)| {
            let (before, rest) = buffer.split_at(at(output));
            let (written, after) = rest.split_at(len);
            assert!(
                before.iter().chain(after).all(|&byte| byte == CANARY),
                "out of bounds"
            );
            written.to_vec()
        })
        .collect()
}

fn kernels() -> Vec<Kernel> {
    Kernel::available().collect()
}

fn slices(shards: &[Vec<u8>]) -> Vec<&[u8]> {
    shards.iter().map(Vec::as_slice).collect()
}

/// Pseudo-random bytes, enough to tell any two shards apart.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn noisy_data(seed: u64, count: usize, len: usize) -> Vec<Vec<u8>> {
    (0..count as u64)
        .map(|shard| noise(seed ^ shard << 32, len))
        .collect()
}

/// Data and parity counts: mostly usual ones, some of up to 255 shards.
fn profile() -> impl Strategy<Value = (usize, usize)> {
    let large = (1usize..=254).prop_flat_map(|data| (Just(data), 1..=255 - data));
    prop_oneof![6 => (1usize..=16, 1usize..=24), 1 => large, 1 => Just((127, 128))]
}

/// Cuts bytes into fragments at the given places, some of them empty.
fn cell(bytes: &[u8], cuts: &[Index]) -> Cell {
    let whole = Bytes::copy_from_slice(bytes);
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places
        .windows(2)
        .map(|ends| whole.slice(ends[0]..ends[1]))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn encodes_and_verifies_as_the_reference_does(
        (data, parity) in profile(),
        len in select(&LENGTHS[..]),
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
        (data, parity) in (1usize..=12, 1usize..=14),
        cell_len in select(&LENGTHS[..]),
        seed: u64,
        lens in prop::collection::vec(any::<Index>(), 12),
        full in prop::collection::vec(prop::bool::weighted(0.7), 12),
        cuts in prop::collection::vec(prop::collection::vec(any::<Index>(), 0..6), 26),
        order in Just((0..26usize).collect::<Vec<_>>()).prop_shuffle(),
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

    #[test]
    fn rebuilds_any_wanted_shards_from_any_part(
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

    #[test]
    fn the_reference_decodes_our_shards(
        (data, parity) in (1usize..=10, 1usize..=10),
        lost in subsequence((0..20usize).collect::<Vec<_>>(), 0..=10),
        seed: u64,
    ) {
        let codec = Codec::new(data, parity).unwrap();
        let mut shards = noisy_data(seed, data, 77);
        shards.extend(framed(parity, 77, |out| {
            codec.encode(&slices(&shards), out).unwrap();
        }));
        let lost: Vec<usize> =
            lost.into_iter().filter(|&shard| shard < codec.total()).take(parity).collect();
        let mut partial: Vec<Option<Vec<u8>>> = shards.iter().cloned().map(Some).collect();
        lost.iter().for_each(|&shard| partial[shard] = None);
        ReedSolomon::new(data, parity).unwrap().reconstruct(&mut partial).unwrap();
        let rebuilt: Vec<Vec<u8>> = partial.into_iter().flatten().collect();
        prop_assert_eq!(rebuilt, shards);
    }
}

#[test]
fn every_loss_of_small_profiles_is_rebuilt() {
    const LEN: usize = 67;
    for kernel in Kernel::available() {
        for (data, parity) in [
            (1, 1),
            (1, 3),
            (2, 1),
            (2, 2),
            (3, 3),
            (4, 2),
            (4, 4),
            (5, 4),
        ] {
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

/// One output at a time up to more than any kernel's block, at every length up
/// to three steps of the widest: all paths through the shared loop.
#[test]
fn every_block_size_and_length() {
    for kernel in Kernel::available() {
        for parity in 1..=17 {
            let codec = Codec::with_kernel(3, parity, kernel).unwrap();
            for len in (0..=130).chain([191, 192, 193, 255, 256, 257, 383, 384, 385]) {
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
fn long_shards_go_strip_by_strip() {
    for kernel in Kernel::available() {
        let codec = Codec::with_kernel(10, 19, kernel).unwrap();
        let shards = reference(19, &noisy_data(3, 10, 70_001));
        let written = framed(19, 70_001, |out| {
            codec.encode(&slices(&shards[..10]), out).unwrap();
        });
        assert!(written == shards[10..], "{kernel}");
        assert_eq!(codec.verify(&slices(&shards)), Ok(true));
    }
}

#[test]
fn a_present_shard_may_be_wanted_too() {
    let codec = Codec::new(3, 2).unwrap();
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

/// Makes a call with two outputs of 8 bytes that must fail and leave them alone.
fn refused(call: impl FnOnce(&mut [&mut [u8]]) -> Result<(), Error>, expected: Error) {
    let (mut a, mut b) = ([CANARY; 8], [CANARY; 8]);
    assert_eq!(call(&mut [&mut a, &mut b]), Err(expected));
    assert_eq!((a, b), ([CANARY; 8], [CANARY; 8]));
}

#[test]
fn wrong_arguments_are_refused_and_write_nothing() {
    for (data, parity) in [(0, 1), (1, 0), (255, 1), (1, 255), (usize::MAX, 1)] {
        assert_eq!(
            Codec::new(data, parity).unwrap_err(),
            Error::Profile { data, parity }
        );
    }
    let codec = Codec::new(2, 2).unwrap();
    let (long, short) = (&[1u8; 9][..], &[2u8; 8][..]);
    let count = |expected, actual| Error::ShardCount { expected, actual };
    let length = |expected, actual| Error::Length { expected, actual };

    refused(|out| codec.encode(&[short], out), count(2, 1));
    refused(
        |out| codec.encode(&[short, short], &mut out[..1]),
        count(2, 1),
    );
    refused(|out| codec.encode(&[short, long], out), length(8, 9));
    refused(|out| codec.encode(&[long, long], out), length(9, 8));

    let cell = |bytes: &[u8]| Cell::from(Bytes::copy_from_slice(bytes));
    refused(
        |out| codec.encode_cells(&[cell(long), cell(short)], 8, out),
        length(8, 9),
    );
    refused(
        |out| codec.encode_cells(&[cell(short), cell(short)], 9, out),
        length(9, 8),
    );
    refused(
        |out| codec.encode_cells(&[cell(short)], 8, out),
        count(2, 1),
    );

    let rebuild = |present: &[(usize, &[u8])], wanted: &[usize], out: &mut [&mut [u8]]| {
        codec.reconstruct(present, wanted, out)
    };
    let (zero, one) = ((0, short), (1, short));
    let outside = Error::ShardIndex { index: 4, total: 4 };
    refused(
        |out| rebuild(&[zero], &[2, 3], out),
        Error::TooFewShards {
            needed: 2,
            present: 1,
        },
    );
    refused(
        |out| rebuild(&[zero, (4, short)], &[2, 3], out),
        outside.clone(),
    );
    refused(
        |out| rebuild(&[zero, zero], &[2, 3], out),
        Error::RepeatedShard { index: 0 },
    );
    refused(
        |out| rebuild(&[zero, one, one], &[2, 3], out),
        Error::RepeatedShard { index: 1 },
    );
    refused(|out| rebuild(&[zero, one], &[2, 4], out), outside);
    refused(
        |out| rebuild(&[zero, one], &[3, 3], out),
        Error::RepeatedShard { index: 3 },
    );
    refused(|out| rebuild(&[zero, one], &[3], out), count(1, 2));
    refused(
        |out| rebuild(&[zero, (1, long)], &[2, 3], out),
        length(8, 9),
    );
    refused(
        |out| rebuild(&[(0, long), (1, long)], &[2, 3], out),
        length(9, 8),
    );

    assert_eq!(codec.verify(&[short; 3]), Err(count(4, 3)));
    assert_eq!(
        codec.verify(&[short, short, long, short]),
        Err(length(8, 9))
    );
}

/// Runs itself in processes of its own, because the choice is made once in each.
#[test]
fn the_environment_forces_a_kernel() {
    const NAME: &str = "the_environment_forces_a_kernel";
    const CHILD: &str = "RIQUET_ERASURE_TEST_CHILD";
    const FORCE: &str = "RIQUET_ERASURE_KERNEL";
    if std::env::var_os(CHILD).is_some() {
        let name = std::env::var(FORCE).unwrap();
        match Codec::new(2, 1) {
            Ok(codec) => assert_eq!(codec.kernel().name(), name),
            Err(error) => {
                assert!(Kernel::available().all(|kernel| kernel.name() != name));
                assert_eq!(error, Error::Kernel { name });
            }
        }
        return;
    }
    for name in Kernel::available().map(Kernel::name).chain(["abacus"]) {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME])
            .env(CHILD, "1")
            .env(FORCE, name)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}
