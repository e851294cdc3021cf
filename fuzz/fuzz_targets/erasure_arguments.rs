//! Arguments that a codec can't serve are refused with an error that names a
//! mistake of theirs, and no output changes; all others are served. A model of
//! the documented rules decides which are which.

#![no_main]

mod erasure;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use erasure::shards::{CANARY, Frame};
use erasure::{frame, kernel};
use libfuzzer_sys::fuzz_target;
use riquet_erasure::{Cell, Codec, Error, Kernel, MAX_SHARDS};

#[derive(Debug, Arbitrary)]
struct Case {
    #[arbitrary(with = small_profile)]
    profile: (usize, usize),
    #[arbitrary(with = kernel)]
    kernel: Kernel,
    #[arbitrary(with = frame)]
    frame: Frame,
    /// Counts of a code that may not exist.
    counts: (u16, u16),
    /// Name of a kernel that may not exist.
    name: String,
    call: Call,
    /// Length of all ranges, before the edits.
    len: u8,
    /// What makes the arguments differ from right ones.
    edits: Vec<Edit>,
}

/// The rules are the same for all sizes.
fn small_profile(u: &mut Unstructured<'_>) -> arbitrary::Result<(usize, usize)> {
    Ok((u.int_in_range(1..=8)?, u.int_in_range(1..=8)?))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
enum Call {
    Encode,
    EncodeCells,
    Reconstruct,
    ReconstructCells,
    Verify,
}

/// A change to one of the lists; places are taken modulo the list's length.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Edit {
    DropInput(u8),
    AddInput(u16, Length),
    InputShard(u8, u16),
    InputLen(u8, Length),
    DropWanted(u8),
    AddWanted(u16),
    WantedShard(u8, u16),
    DropOutput(u8),
    AddOutput(Length),
    OutputLen(u8, Length),
    CellLen(Length),
    /// A longer list of inputs that is right in itself.
    AllInputs,
}

/// A length beside the one of all the others.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Length {
    Same,
    Less,
    More,
    Any(u8),
}

impl Length {
    fn beside(self, len: usize) -> usize {
        match self {
            Length::Same => len,
            Length::Less => len.saturating_sub(1),
            Length::More => len + 1,
            Length::Any(len) => usize::from(len),
        }
    }
}

/// What a call is given.
struct Arguments {
    call: Call,
    data: usize,
    parity: usize,
    cell_len: usize,
    /// Shard numbers, where the call takes them, and lengths.
    inputs: Vec<(usize, usize)>,
    wanted: Vec<usize>,
    /// Lengths.
    outputs: Vec<usize>,
}

/// A count or shard number; the last stands for the largest there is.
fn number(number: u16) -> usize {
    match number {
        u16::MAX => usize::MAX,
        _ => usize::from(number) % (MAX_SHARDS + 3),
    }
}

fn at<T>(list: &mut [T], place: u8) -> Option<&mut T> {
    let place = usize::from(place) % list.len().max(1);
    list.get_mut(place)
}

fn drop_at<T>(list: &mut Vec<T>, place: u8) {
    if !list.is_empty() {
        list.remove(usize::from(place) % list.len());
    }
}

impl Arguments {
    /// Right ones.
    fn new(call: Call, (data, parity): (usize, usize), len: usize) -> Arguments {
        let (inputs, outputs) = match call {
            Call::Verify => (0..data + parity, 0),
            Call::Encode | Call::EncodeCells => (0..data, parity),
            Call::Reconstruct | Call::ReconstructCells => (parity..data + parity, parity),
        };
        Arguments {
            call,
            data,
            parity,
            cell_len: len,
            inputs: inputs.map(|shard| (shard, len)).collect(),
            wanted: (0..parity).collect(),
            outputs: vec![len; outputs],
        }
    }

    fn edit(&mut self, edit: Edit) {
        match edit {
            Edit::DropInput(place) => drop_at(&mut self.inputs, place),
            Edit::AddInput(shard, len) => {
                self.inputs.push((number(shard), len.beside(self.cell_len)));
            }
            Edit::InputShard(place, shard) => {
                if let Some(input) = at(&mut self.inputs, place) {
                    input.0 = number(shard);
                }
            }
            Edit::InputLen(place, len) => {
                if let Some(input) = at(&mut self.inputs, place) {
                    input.1 = len.beside(self.cell_len);
                }
            }
            Edit::DropWanted(place) => drop_at(&mut self.wanted, place),
            Edit::AddWanted(shard) => self.wanted.push(number(shard)),
            Edit::WantedShard(place, shard) => {
                if let Some(wanted) = at(&mut self.wanted, place) {
                    *wanted = number(shard);
                }
            }
            Edit::DropOutput(place) => drop_at(&mut self.outputs, place),
            // Verifying takes none.
            Edit::AddOutput(_) if self.call == Call::Verify => {}
            Edit::AddOutput(len) => self.outputs.push(len.beside(self.cell_len)),
            Edit::OutputLen(place, len) => {
                if let Some(output) = at(&mut self.outputs, place) {
                    *output = len.beside(self.cell_len);
                }
            }
            Edit::CellLen(len) => self.cell_len = len.beside(self.cell_len),
            Edit::AllInputs => {
                let all = 0..self.data + self.parity;
                self.inputs = all.map(|shard| (shard, self.cell_len)).collect();
            }
        }
    }

    /// Every mistake that the rules know, as the error that names it.
    fn mistakes(&self) -> Vec<Error> {
        let mut mistakes = Vec::new();
        match self.call {
            Call::Encode | Call::EncodeCells => {
                mistakes.extend(count(self.data, self.inputs.len()));
                mistakes.extend(count(self.parity, self.outputs.len()));
            }
            Call::Reconstruct | Call::ReconstructCells => {
                let (needed, present) = (self.data, self.inputs.len());
                if present < needed {
                    mistakes.push(Error::TooFewShards { needed, present });
                }
                let shards: Vec<usize> = self.inputs.iter().map(|input| input.0).collect();
                self.list_mistakes(&shards, &mut mistakes);
                self.list_mistakes(&self.wanted, &mut mistakes);
                mistakes.extend(count(self.wanted.len(), self.outputs.len()));
            }
            Call::Verify => mistakes.extend(count(self.data + self.parity, self.inputs.len())),
        }
        let inputs = self.inputs.iter().map(|input| input.1);
        let outputs = self.outputs.iter().copied();
        let length = |expected, actual| Error::Length { expected, actual };
        match self.call {
            Call::EncodeCells | Call::ReconstructCells => {
                let due = self.cell_len;
                let too_long = inputs.filter(|&len| len > due);
                let different = outputs.filter(|&len| len != due);
                mistakes.extend(too_long.chain(different).map(|len| length(due, len)));
            }
            Call::Encode | Call::Reconstruct | Call::Verify => {
                if let Some(&(_, due)) = self.inputs.first() {
                    let different = inputs.chain(outputs).filter(|&len| len != due);
                    mistakes.extend(different.map(|len| length(due, len)));
                }
            }
        }
        mistakes
    }

    /// Shard numbers outside the code, and those that come again.
    fn list_mistakes(&self, shards: &[usize], mistakes: &mut Vec<Error>) {
        let total = self.data + self.parity;
        for (place, &index) in shards.iter().enumerate() {
            if index >= total {
                mistakes.push(Error::ShardIndex { index, total });
            } else if shards[..place].contains(&index) {
                mistakes.push(Error::RepeatedShard { index });
            }
        }
    }

    /// Makes the call and returns its result and its outputs.
    fn make(&self, codec: &Codec, frame: Frame) -> (Result<(), Error>, Vec<Vec<u8>>) {
        let buffers: Vec<Vec<u8>> = self.inputs.iter().map(|&(_, len)| vec![7; len]).collect();
        let slices: Vec<&[u8]> = buffers.iter().map(Vec::as_slice).collect();
        let cells: Vec<Cell> = buffers
            .iter()
            .map(|bytes| Cell::from(Bytes::copy_from_slice(bytes)))
            .collect();
        let shards = || self.inputs.iter().map(|input| input.0);
        let mut result = Ok(());
        let outputs = frame.around(self.outputs.iter().copied(), |out| {
            result = match self.call {
                Call::Encode => codec.encode(&slices, out),
                Call::EncodeCells => codec.encode_cells(&cells, self.cell_len, out),
                Call::Reconstruct => {
                    let present: Vec<(usize, &[u8])> =
                        shards().zip(slices.iter().copied()).collect();
                    codec.reconstruct(&present, &self.wanted, out)
                }
                Call::ReconstructCells => {
                    let present: Vec<(usize, &Cell)> = shards().zip(&cells).collect();
                    codec.reconstruct_cells(&present, self.cell_len, &self.wanted, out)
                }
                Call::Verify => codec.verify(&slices).map(|_| ()),
            };
        });
        (result, outputs)
    }
}

/// The mistake of a list that is too short or too long.
fn count(expected: usize, actual: usize) -> Option<Error> {
    (expected != actual).then_some(Error::ShardCount { expected, actual })
}

impl Case {
    fn check(self) {
        self.check_construction();
        let (data, parity) = self.profile;
        let codec = Codec::with_kernel(data, parity, self.kernel).unwrap();
        let mut arguments = Arguments::new(self.call, self.profile, usize::from(self.len));
        // More than a few edits only hide each other.
        self.edits
            .iter()
            .take(3)
            .for_each(|&edit| arguments.edit(edit));

        let mistakes = arguments.mistakes();
        let (result, outputs) = arguments.make(&codec, self.frame);
        match result {
            Ok(()) => assert!(mistakes.is_empty(), "served in spite of {mistakes:?}"),
            Err(error) => {
                assert!(
                    mistakes.contains(&error),
                    "{error:?} is not among {mistakes:?}"
                );
                assert!(
                    outputs.iter().flatten().all(|&byte| byte == CANARY),
                    "a refused call wrote"
                );
            }
        }
    }

    fn check_construction(&self) {
        let (data, parity) = (number(self.counts.0), number(self.counts.1));
        if data == 0 || parity == 0 || data.saturating_add(parity) > MAX_SHARDS {
            let refused = Codec::with_kernel(data, parity, self.kernel).unwrap_err();
            assert_eq!(refused, Error::Profile { data, parity });
        }
        match self.name.parse::<Kernel>() {
            Ok(kernel) => assert_eq!(kernel.name(), self.name),
            Err(error) => {
                let name = self.name.clone();
                assert!(Kernel::available().all(|kernel| kernel.name() != name));
                assert_eq!(error, Error::Kernel { name });
            }
        }
    }
}

fuzz_target!(|case: Case| case.check());
