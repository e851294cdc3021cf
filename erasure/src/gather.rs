//! Walks several fragmented cells in step: from one fragment boundary of any of
//! them to the next, where each cell that has bytes left is one plain range.

use std::ops::Range;

use bytes::Bytes;

use crate::kernel::Source;
use crate::plan::Sources;
use crate::{Cell, MAX_SHARDS};

/// The walk. Cells end at their length; what a shorter one lacks is zero, so it
/// is left out of the sources from there on.
pub(crate) struct Gather<'a> {
    /// The current fragment of each cell with bytes left, in the first `live`
    /// places. Their order changes when a cell ends.
    sources: Sources,
    cursors: [Cursor<'a>; MAX_SHARDS],
    live: usize,
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
    /// matrix column that it is multiplied with.
    pub(crate) fn new(len: usize, cells: impl Iterator<Item = (usize, &'a Cell)>) -> Gather<'a> {
        let mut gather = Gather {
            sources: [Source::NONE; MAX_SHARDS],
            cursors: [Cursor {
                fragment_end: 0,
                rest: &[],
            }; MAX_SHARDS],
            live: 0,
            at: 0,
            len,
        };
        for (column, cell) in cells {
            assert!(cell.len() <= len, "no cell is longer than the walk");
            gather.sources[gather.live].column = column;
            gather.cursors[gather.live].rest = cell.fragments();
            gather.live += 1;
        }
        gather
    }

    /// The next stretch of offsets without a fragment boundary inside, and the
    /// sources that have bytes there.
    pub(crate) fn next_stretch(&mut self) -> Option<(&[Source], Range<usize>)> {
        if self.at == self.len {
            return None;
        }
        self.enter_fragments();
        let start = self.at;
        let ends = self.cursors[..self.live]
            .iter()
            .map(|cursor| cursor.fragment_end);
        self.at = ends.min().unwrap_or(self.len);
        assert!(
            start < self.at && self.at <= self.len,
            "fragments aren't empty, cells fit"
        );
        Some((&self.sources[..self.live], start..self.at))
    }

    /// Moves every cell whose fragment has just ended to its next one, and drops
    /// those that have none.
    fn enter_fragments(&mut self) {
        let mut i = 0;
        while i < self.live {
            let cursor = &mut self.cursors[i];
            if cursor.fragment_end == self.at {
                let Some((fragment, rest)) = cursor.rest.split_first() else {
                    self.live -= 1;
                    self.cursors[i] = self.cursors[self.live];
                    self.sources[i] = self.sources[self.live];
                    continue;
                };
                *cursor = Cursor {
                    fragment_end: self.at + fragment.len(),
                    rest,
                };
                self.sources[i].base = fragment.as_ptr().wrapping_sub(self.at);
            }
            i += 1;
        }
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
            let mut columns: Vec<usize> = sources.iter().map(|source| source.column).collect();
            columns.sort_unstable();
            stretches.push((range, columns));
        }
        assert_eq!(
            stretches,
            [
                (0..1, vec![0, 2, 3]),
                (1..3, vec![0, 2]),
                (3..5, vec![0, 2]),
                (5..6, vec![0]),
                (6..8, vec![]),
            ]
        );
    }
}
