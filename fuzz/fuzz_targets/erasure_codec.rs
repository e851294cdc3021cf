//! Every kernel encodes, verifies and rebuilds as the crate reed-solomon-erasure
//! does, byte for byte, whatever the profile, the lengths, the alignments, the
//! fragments and the losses; and it writes its outputs only.

#![no_main]

mod erasure;

use arbitrary::{Arbitrary, Result, Unstructured};
use erasure::shards::{CANARY, Frame, cell, noisy_data, reference, shuffled, slices};
use erasure::{frame, kernel, profile};
use libfuzzer_sys::fuzz_target;
use riquet_erasure::{Cell, Codec, Kernel};

/// Most byte products of one encoding, so that the slowest kernel takes a
/// millisecond or so.
const MAX_PRODUCTS: usize = 1 << 20;

#[derive(Debug, Arbitrary)]
struct Case {
    #[arbitrary(with = profile)]
    profile: (usize, usize),
    #[arbitrary(with = kernel)]
    kernel: Kernel,
    #[arbitrary(with = length)]
    cell_len: usize,
    #[arbitrary(with = frame)]
    frame: Frame,
    /// What the data shards hold.
    contents: u64,
    /// Which shards are read, and in which order.
    order: u64,
    /// How many more are listed than are read.
    listed: u8,
    /// Which shards are wanted, and how many of them.
    wanted: (u64, u8),
    /// The part of the shards that is rebuilt, in 65536ths of the length.
    part: (u16, u16),
    /// The byte that is damaged, and by how much.
    damage: (u32, u8),
    /// The inputs' forms, over and over.
    forms: Vec<Form>,
}

/// The form in which a shard is put in.
#[derive(Debug, Default, Arbitrary)]
struct Form {
    /// As a slice: its distance from an aligned address.
    offset: u8,
    /// As a cell: its length, if not whole, and where it is cut.
    len: Option<u16>,
    cuts: Vec<u16>,
}

/// Mostly a few steps of a kernel, sometimes several strips of a plan and a few
/// bytes.
fn length(u: &mut Unstructured<'_>) -> Result<usize> {
    Ok(match u.int_in_range(0..=31)? {
        31 => u.int_in_range(0..=140_000)?,
        24..=30 => u.int_in_range(1..=24)? * 1024 + u.int_in_range(0..=140)?,
        _ => u.int_in_range(0..=600)?,
    })
}

/// Bytes at a distance from an aligned address, up to the allocation's end.
struct Shifted {
    buffer: Vec<u8>,
    start: usize,
}

impl Shifted {
    fn new(bytes: &[u8], form: &Form) -> Shifted {
        let start = usize::from(form.offset % 64);
        let mut buffer = vec![CANARY; start + bytes.len()];
        buffer[start..].copy_from_slice(bytes);
        Shifted { buffer, start }
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }
}

fn shift(shards: &[Vec<u8>], forms: &[Form]) -> Vec<Shifted> {
    let forms = forms.iter().cycle();
    shards
        .iter()
        .zip(forms)
        .map(|(shard, form)| Shifted::new(shard, form))
        .collect()
}

impl Case {
    fn check(mut self) {
        let (data, parity) = self.profile;
        self.cell_len = self.cell_len.min(MAX_PRODUCTS / (data * parity));
        self.forms.push(Form::default());
        let codec = Codec::with_kernel(data, parity, self.kernel).unwrap();

        // The lengths of the cells decide what the data is.
        let mut contents = noisy_data(self.contents, data, self.cell_len);
        let mut cells = Vec::new();
        for (bytes, form) in contents.iter_mut().zip(self.forms.iter().cycle()) {
            let len = form
                .len
                .map_or(self.cell_len, |len| usize::from(len) % (self.cell_len + 1));
            cells.push(cut(&bytes[..len], form));
            bytes[len..].fill(0);
        }
        let shards = reference(parity, &contents);
        for (bytes, form) in shards.iter().zip(self.forms.iter().cycle()).skip(data) {
            cells.push(cut(bytes, form));
        }

        self.check_encoding(&codec, &shards, &cells[..data]);
        self.check_verifying(&codec, shards.clone());
        self.check_rebuilding(&codec, &shards, &cells);
    }

    fn check_encoding(&self, codec: &Codec, shards: &[Vec<u8>], cells: &[Cell]) {
        let (data, parity) = shards.split_at(codec.data());
        let lens = || parity.iter().map(Vec::len);
        let inputs = shift(data, &self.forms);
        let inputs: Vec<&[u8]> = inputs.iter().map(Shifted::bytes).collect();
        let written = self
            .frame
            .around(lens(), |out| codec.encode(&inputs, out).unwrap());
        assert!(written == parity, "parity of slices differs");
        let written = self.frame.around(lens(), |out| {
            codec.encode_cells(cells, self.cell_len, out).unwrap();
        });
        assert!(written == parity, "parity of cells differs");
    }

    fn check_verifying(&self, codec: &Codec, mut shards: Vec<Vec<u8>>) {
        let inputs = shift(&shards, &self.forms);
        let inputs: Vec<&[u8]> = inputs.iter().map(Shifted::bytes).collect();
        assert_eq!(codec.verify(&inputs), Ok(true));
        if self.cell_len > 0 {
            let (place, by) = self.damage;
            let place = place as usize % (shards.len() * self.cell_len);
            shards[place / self.cell_len][place % self.cell_len] ^= by.max(1);
            assert_eq!(codec.verify(&slices(&shards)), Ok(false));
        }
    }

    fn check_rebuilding(&self, codec: &Codec, shards: &[Vec<u8>], cells: &[Cell]) {
        let order = shuffled(self.order, codec.total());
        let listed = codec.data() + usize::from(self.listed) % (codec.parity() + 1);
        let (read, unread) = order[..listed].split_at(codec.data());
        let (seed, count) = self.wanted;
        let wanted = &shuffled(seed, codec.total())[..usize::from(count) % (codec.total() + 1)];

        // The same part of every shard; those listed but not read may hold anything.
        let place = |share: u16| (usize::from(share) * (self.cell_len + 1)) >> 16;
        let ends = (place(self.part.0), place(self.part.1));
        let part = ends.0.min(ends.1)..ends.0.max(ends.1);
        let mut parts: Vec<Vec<u8>> = read
            .iter()
            .map(|&shard| shards[shard][part.clone()].to_vec())
            .collect();
        parts.resize(listed, vec![CANARY; part.len()]);
        let inputs = shift(&parts, &self.forms);
        let present: Vec<(usize, &[u8])> = order
            .iter()
            .copied()
            .zip(inputs.iter().map(Shifted::bytes))
            .collect();
        // Twice: the second time the plan comes from the cache.
        for _ in 0..2 {
            let lens = wanted.iter().map(|_| part.len());
            let rebuilt = self.frame.around(lens, |out| {
                codec.reconstruct(&present, wanted, out).unwrap();
            });
            for (bytes, &shard) in rebuilt.iter().zip(wanted) {
                assert!(
                    *bytes == shards[shard][part.clone()],
                    "part of shard {shard} differs"
                );
            }
        }

        let empty = Cell::new();
        let present: Vec<(usize, &Cell)> = read
            .iter()
            .map(|&shard| (shard, &cells[shard]))
            .chain(unread.iter().map(|&shard| (shard, &empty)))
            .collect();
        let lens = wanted.iter().map(|_| self.cell_len);
        let rebuilt = self.frame.around(lens, |out| {
            codec
                .reconstruct_cells(&present, self.cell_len, wanted, out)
                .unwrap();
        });
        for (bytes, &shard) in rebuilt.iter().zip(wanted) {
            assert!(*bytes == shards[shard], "shard {shard} of cells differs");
        }
    }
}

fn cut(bytes: &[u8], form: &Form) -> Cell {
    let cuts: Vec<usize> = form.cuts.iter().copied().map(usize::from).collect();
    cell(bytes, &cuts)
}

fuzz_target!(|case: Case| case.check());
