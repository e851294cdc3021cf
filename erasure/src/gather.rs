//! Walks several fragmented cells in step: from one fragment boundary of any of
//! them to the next, so that each cell is one plain range.

use std::ops::Range;

use arrayvec::ArrayVec;
use bytes::Bytes;

use crate::plan::Sources;
use crate::{Cell, MAX_SHARDS};

/// What a cell that has ended goes on with. Stretches are no longer than this
/// from where the first cell ends.
static PADDING: [u8; 4 << 10] = [0; 4 << 10];

/// The walk. A cell shorter than it counts as padded with zeros.
pub(crate) struct Gather<'a> {
    /// Where byte 0 of each cell would be, were it all of its current fragment.
    sources: Sources,
    cursors: ArrayVec<Cursor<'a>, MAX_SHARDS>,
    at: usize,
    len: usize,
}

/// What is left of one cell.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    /// Offset in the cell where the current fragment ends.
    fragment_end: usize,
    /// The fragments after it.
    rest: &'a [Bytes],
}

impl<'a> Gather<'a> {
    /// A walk over `len` bytes of cells none of which is longer, each with the
    /// column of the matrix that it is multiplied with; every column has one.
    pub(crate) fn new(
        len: usize,
        cells: impl ExactSizeIterator<Item = (usize, &'a Cell)>,
    ) -> Gather<'a> {
        let mut gather = Gather {
            sources: Sources::new(),
            cursors: ArrayVec::new(),
            at: 0,
            len,
        };
        for _ in 0..cells.len() {
            gather.sources.push(std::ptr::null());
            gather.cursors.push(Cursor {
                fragment_end: 0,
                rest: &[],
            });
        }
        for (column, cell) in cells {
            assert!(cell.len() <= len, "no cell is longer than the walk");
            gather.cursors[column].rest = cell.fragments();
        }
        gather
    }

    /// The next stretch of offsets without a fragment boundary inside, and the
    /// sources over it, by column.
    pub(crate) fn next_stretch(&mut self) -> Option<(&[*const u8], Range<usize>)> {
        if self.at == self.len {
            return None;
        }
        let start = self.at;
        let mut end = self.len;
        for (source, cursor) in self.sources.iter_mut().zip(&mut self.cursors) {
            if cursor.fragment_end == start {
                let fragment = match cursor.rest.split_first() {
                    Some((fragment, rest)) => {
                        cursor.rest = rest;
                        &fragment[..]
                    }
                    None => &PADDING,
                };
                cursor.fragment_end = start + fragment.len();
                *source = fragment.as_ptr().wrapping_sub(start);
            }
            end = end.min(cursor.fragment_end);
        }
        assert!(start < end, "fragments aren't empty");
        self.at = end;
        Some((&self.sources, start..end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_end_at_every_boundary() {
        let cell = |parts: &[&'static str]| -> Cell {
            parts
                .iter()
                .map(|part| Bytes::from_static(part.as_bytes()))
                .collect()
        };
        let cells = [
            cell(&["abc", "de", "f"]),
            cell(&[]),
            cell(&["ghi", "jk"]),
            cell(&["l"]),
        ];
        let mut gather = Gather::new(8, cells.iter().enumerate());
        let mut stretches = Vec::new();
        while let Some((sources, range)) = gather.next_stretch() {
            let read = |base: &*const u8| {
                let from = base.wrapping_add(range.start);
                // SAFETY: a walk's sources are readable over its stretches.
                unsafe { std::slice::from_raw_parts(from, range.len()) }.to_vec()
            };
            let bytes: Vec<Vec<u8>> = sources.iter().map(read).collect();
            stretches.push((range, bytes.concat()));
        }
        let expected: [(Range<usize>, &[u8]); 5] = [
            (0..1, b"a\0gl"),
            (1..3, b"bc\0\0hi\0\0"),
            (3..5, b"de\0\0jk\0\0"),
            (5..6, b"f\0\0\0"),
            (6..8, b"\0\0\0\0\0\0\0\0"),
        ];
        assert_eq!(
            stretches,
            expected.map(|(range, bytes)| (range, bytes.to_vec()))
        );
    }

    #[test]
    fn padding_is_as_long_as_it_must_be() {
        let len = 3 * PADDING.len() + 1;
        let cells = [Cell::from(Bytes::from_static(b"a"))];
        let mut gather = Gather::new(len, cells.iter().enumerate());
        let mut lengths = Vec::new();
        while let Some((_, range)) = gather.next_stretch() {
            lengths.push(range.len());
        }
        assert_eq!(lengths, [1, PADDING.len(), PADDING.len(), PADDING.len()]);
    }
}
