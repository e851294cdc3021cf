//! What is sealed opens, by any range, and nothing else does.

use std::collections::VecDeque;
use std::convert::Infallible;

use bytes::Bytes;
use proptest::prelude::*;
use riquet_metadata::record::{PACKAGE_BYTES, PACKAGE_TAG_BYTES, Salt, sealed_length};

use super::super::write::Source;
use super::open::Opener;
use super::{Damaged, DataKey, Sealing, Stream, StreamKey, open_whole, seal_whole};

const PACKAGE: usize = PACKAGE_BYTES as usize;
const SEALED: usize = (PACKAGE_BYTES + PACKAGE_TAG_BYTES) as usize;

fn key() -> DataKey {
    DataKey::from_bytes(&[7; 32]).expect("a key's length")
}

fn part_key(number: u32, salt: Salt) -> StreamKey {
    key().stream(Stream::Part { number, salt })
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn seal(plain: &[u8]) -> Bytes {
    seal_whole(key().stream(Stream::Object), Bytes::copy_from_slice(plain))
}

/// Opens a range of a stream that is said to have `said` bytes, in slices of `step`.
fn open(
    sealed: &[u8],
    said: u64,
    range: std::ops::Range<u64>,
    step: usize,
) -> Result<Vec<u8>, Damaged> {
    let (mut opener, read) = Opener::new(key().stream(Stream::Object), said, range);
    let mut out = Vec::new();
    let end = (read.end as usize).min(sealed.len());
    for slice in sealed[read.start as usize..end].chunks(step) {
        out.extend(opener.open(vec![Bytes::copy_from_slice(slice)])?);
    }
    Ok(out.concat())
}

fn open_all(sealed: &[u8], plain: usize) -> Result<Vec<u8>, Damaged> {
    open(sealed, sealed.len() as u64, 0..plain as u64, 10_000)
}

struct Pieces(VecDeque<Bytes>);

impl Source for Pieces {
    type Error = Infallible;
    async fn next(&mut self) -> Option<Result<Bytes, Infallible>> {
        self.0.pop_front().map(Ok)
    }
}

/// Lengths around the borders of packages.
fn lengths() -> impl Strategy<Value = usize> {
    (0..4_usize, 0..4_usize, any::<bool>()).prop_map(|(packages, around, is_above)| {
        let border = packages * PACKAGE;
        let length = if is_above {
            border + around
        } else {
            border.saturating_sub(around)
        };
        length.max(1)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_range_opens_to_the_plaintext(
        length in lengths(),
        from in any::<prop::sample::Index>(),
        count in any::<prop::sample::Index>(),
        step in 1..200_000_usize,
    ) {
        let plain = text(length);
        let sealed = seal(&plain);
        prop_assert_eq!(sealed.len() as u64, sealed_length(length as u64));
        let from = from.index(length);
        let to = from + 1 + count.index(length - from);
        let opened = open(&sealed, sealed.len() as u64, from as u64..to as u64, step);
        prop_assert!(opened == Ok(plain[from..to].to_vec()));
    }

    #[test]
    fn a_stream_is_sealed_as_its_bytes_are(length in lengths(), step in 1_000..200_000_usize) {
        let plain = text(length);
        let mut source = Pieces(plain.chunks(step).map(Bytes::copy_from_slice).collect());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let streamed = runtime.block_on(async {
            let mut sealing = Sealing::new(&mut source, key().stream(Stream::Object), length as u64);
            let mut packages = Vec::new();
            while let Some(package) = sealing.next().await {
                packages.push(package.unwrap());
            }
            packages.concat()
        });
        prop_assert!(streamed == seal(&plain));
    }

    #[test]
    fn a_flipped_bit_is_noticed(
        length in lengths(),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let mut sealed = seal(&text(length)).to_vec();
        let at = at.index(sealed.len());
        sealed[at] ^= 1 << bit;
        prop_assert!(open_all(&sealed, length) == Err(Damaged));
    }
}

#[test]
fn packages_that_are_missing_or_moved_are_noticed() {
    let plain = text(3 * PACKAGE);
    let sealed = seal(&plain);
    let package = |index: usize| &sealed[index * SEALED..(index + 1) * SEALED];
    for (order, what) in [
        (vec![0, 1], "the last is missing"),
        (vec![1, 2], "the first is missing"),
        (vec![1, 0, 2], "two are swapped"),
        (vec![0, 0, 2], "one is there twice"),
        (vec![0, 2], "one in the middle is missing"),
        (vec![0, 1, 2, 2], "there is one too many"),
    ] {
        let forged: Vec<u8> = order
            .iter()
            .flat_map(|index| package(*index))
            .copied()
            .collect();
        assert_eq!(
            open_all(&forged, order.len() * PACKAGE),
            Err(Damaged),
            "{what}"
        );
    }
    let cut = &sealed[..2 * SEALED + 100];
    assert_eq!(
        open_all(cut, 2 * PACKAGE + 84),
        Err(Damaged),
        "the end is cut off"
    );
    assert_eq!(open_all(&sealed, plain.len()), Ok(plain));
}

#[test]
fn no_two_streams_have_a_key_in_common() {
    let (one, other) = (Salt([1; 16]), Salt([2; 16]));
    let keys = [
        key().stream(Stream::Object),
        part_key(1, one),
        part_key(2, one),
        part_key(1, other),
        DataKey::from_bytes(&[8; 32])
            .unwrap()
            .stream(Stream::Object),
    ];
    let mut sealed: Vec<Bytes> = keys
        .map(|key| seal_whole(key, Bytes::from_static(b"the same")))
        .into();
    sealed.sort();
    sealed.dedup();
    assert_eq!(sealed.len(), 5);
    assert!(DataKey::from_bytes(&[0; 31]).is_none());
}

#[test]
fn what_is_there_as_a_whole_is_opened_as_a_whole() {
    let open = |sealed: &[u8]| {
        open_whole(
            key().stream(Stream::Object),
            &Bytes::copy_from_slice(sealed),
        )
    };
    for plain in [&b""[..], b"a", &text(PACKAGE + 5)] {
        assert_eq!(open(&seal(plain)).as_deref(), Ok(plain));
    }
    assert!(seal(b"").is_empty());
    assert_eq!(open(&seal(b"a")[..16]), Err(Damaged));
    assert_eq!(open(b"short"), Err(Damaged));
}

#[tokio::test]
async fn bytes_past_the_announced_are_passed_on_to_be_refused() {
    let mut source = Pieces([Bytes::from_static(b"hello")].into());
    let mut sealing = Sealing::new(&mut source, key().stream(Stream::Object), 3);
    let mut length = 0;
    while let Some(bytes) = sealing.next().await {
        length += bytes.unwrap().len() as u64;
    }
    assert!(length > sealed_length(3));
}
