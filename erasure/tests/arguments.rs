//! Wrong arguments are refused with the error that names them, before a byte is
//! written.

mod common;

use bytes::Bytes;
use common::shards::{CANARY, framed};
use riquet_erasure::{Cell, Codec, Error};

const LONG: &[u8] = &[1; 9];
const SHORT: &[u8] = &[2; 8];
const ZERO: (usize, &[u8]) = (0, SHORT);
const ONE: (usize, &[u8]) = (1, SHORT);

/// Makes a call with two outputs of 8 bytes that must fail and leave them alone.
fn refused(call: impl FnOnce(&mut [&mut [u8]]) -> Result<(), Error>, expected: Error) {
    let outputs = framed(2, 8, |out| assert_eq!(call(out), Err(expected)));
    assert_eq!(outputs, [[CANARY; 8]; 2]);
}

fn codec() -> Codec {
    Codec::new(2, 2).unwrap()
}

fn count(expected: usize, actual: usize) -> Error {
    Error::ShardCount { expected, actual }
}

fn length(expected: usize, actual: usize) -> Error {
    Error::Length { expected, actual }
}

fn cell(bytes: &'static [u8]) -> Cell {
    Cell::from(Bytes::from_static(bytes))
}

#[test]
fn profiles_without_a_code() {
    for (data, parity) in [(0, 1), (1, 0), (255, 1), (1, 255), (usize::MAX, 1)] {
        let refused = Codec::new(data, parity).unwrap_err();
        assert_eq!(refused, Error::Profile { data, parity });
    }
}

#[test]
fn encoding() {
    let codec = codec();
    refused(|out| codec.encode(&[SHORT], out), count(2, 1));
    refused(|out| codec.encode(&[SHORT; 2], &mut out[..1]), count(2, 1));
    refused(|out| codec.encode(&[SHORT, LONG], out), length(8, 9));
    refused(|out| codec.encode(&[LONG, LONG], out), length(9, 8));
}

#[test]
fn encoding_cells() {
    let codec = codec();
    let (long, short) = ([LONG, SHORT].map(cell), [SHORT, SHORT].map(cell));
    refused(|out| codec.encode_cells(&long, 8, out), length(8, 9));
    refused(|out| codec.encode_cells(&short, 9, out), length(9, 8));
    refused(|out| codec.encode_cells(&short[..1], 8, out), count(2, 1));
}

/// Calls both ways to reconstruct, from slices and from cells; both must refuse.
fn rebuild_refused(present: &[(usize, &'static [u8])], wanted: &[usize], expected: Error) {
    let codec = codec();
    refused(
        |out| codec.reconstruct(present, wanted, out),
        expected.clone(),
    );
    let cells: Vec<Cell> = present.iter().map(|&(_, bytes)| cell(bytes)).collect();
    let present: Vec<(usize, &Cell)> = present
        .iter()
        .zip(&cells)
        .map(|(&(shard, _), cell)| (shard, cell))
        .collect();
    refused(
        |out| codec.reconstruct_cells(&present, 8, wanted, out),
        expected,
    );
}

#[test]
fn reconstructing() {
    let outside = Error::ShardIndex { index: 4, total: 4 };
    let repeated = |index| Error::RepeatedShard { index };
    let too_few = Error::TooFewShards {
        needed: 2,
        present: 1,
    };
    rebuild_refused(&[ZERO], &[2, 3], too_few);
    rebuild_refused(&[ZERO, (4, SHORT)], &[2, 3], outside.clone());
    rebuild_refused(&[ZERO, ZERO], &[2, 3], repeated(0));
    rebuild_refused(&[ZERO, ONE, ONE], &[2, 3], repeated(1));
    rebuild_refused(&[ZERO, ONE], &[2, 4], outside);
    rebuild_refused(&[ZERO, ONE], &[3, 3], repeated(3));
    rebuild_refused(&[ZERO, ONE], &[3], count(1, 2));
    rebuild_refused(&[ZERO, (1, LONG)], &[2, 3], length(8, 9));
    // Cells may be shorter than the outputs, slices may not.
    let codec = codec();
    refused(
        |out| codec.reconstruct(&[(0, LONG), (1, LONG)], &[2, 3], out),
        length(9, 8),
    );
    let short = cell(SHORT);
    refused(
        |out| codec.reconstruct_cells(&[(0, &short), (1, &short)], 9, &[2, 3], out),
        length(9, 8),
    );
}

#[test]
fn verifying() {
    let codec = codec();
    assert_eq!(codec.verify(&[SHORT; 3]), Err(count(4, 3)));
    let shards = [SHORT, SHORT, LONG, SHORT];
    assert_eq!(codec.verify(&shards), Err(length(8, 9)));
}
