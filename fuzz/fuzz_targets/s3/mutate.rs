//! Mutations from examples. What the parsers read is too far from random bytes to be found by
//! chance, so some of the mutations put a legal input in place of one, and some make an input long
//! by repeating a piece of it, as those would who look for work that grows faster than its input.

/// How often one of either kind is made: as one in so many.
const RARE: usize = 64;

/// Mutates the first `size` bytes of `data` into at most `max_size`, whose number is returned.
/// Each example is the number of the parser it is for, and what that one reads.
pub(crate) fn mutate(
    examples: &[(u8, Vec<u8>)],
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
) -> usize {
    let seed = seed as usize;
    let (kind, choice) = (seed % RARE, seed / RARE);
    if size < 2 || kind == 0 {
        let (parser, text) = &examples[choice % examples.len()];
        let text = &text[..text.len().min(max_size.saturating_sub(1))];
        data[0] = *parser;
        data[1..=text.len()].copy_from_slice(text);
        return 1 + text.len();
    }
    if kind == 1 && size < max_size {
        return repeat(data, size, max_size, choice);
    }
    libfuzzer_sys::fuzzer_mutate(data, size, max_size)
}

/// Repeats a piece of the input behind itself for as long as there is room.
fn repeat(data: &mut [u8], size: usize, max_size: usize, choice: usize) -> usize {
    let start = choice % size;
    let piece_len = (1 + choice / size % 256).min(size - start);
    let grown = (size + piece_len * (1 + choice % 4096)).min(max_size);
    let added = grown - size;
    let end = start + piece_len;
    data.copy_within(end..size, end + added);
    for place in end..end + added {
        data[place] = data[place - piece_len];
    }
    grown
}
