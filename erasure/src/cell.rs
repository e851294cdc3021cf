//! A cell as it came from the network: a list of byte fragments.
//!
//! Fragments are kept as they arrived, at whatever lengths, so that nothing is
//! copied together between the socket and the encoder.

use bytes::Bytes;

/// Bytes of one cell in order, as fragments. Cloning shares the bytes.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    /// Never empty fragments: the encoder advances at least one byte for each.
    fragments: Vec<Bytes>,
    /// Sum of the fragments' lengths, in bytes.
    len: usize,
}

impl Cell {
    /// A cell without bytes.
    pub fn new() -> Cell {
        Cell::default()
    }

    /// Appends a fragment; an empty one is dropped.
    pub fn push(&mut self, fragment: Bytes) {
        if !fragment.is_empty() {
            self.len += fragment.len();
            self.fragments.push(fragment);
        }
    }

    /// Length of all fragments together, in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the cell has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The fragments in order; none is empty.
    pub fn fragments(&self) -> &[Bytes] {
        &self.fragments
    }

    /// Walks the fragments in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Bytes> {
        self.fragments.iter()
    }
}

impl From<Bytes> for Cell {
    fn from(fragment: Bytes) -> Cell {
        Cell::from_iter([fragment])
    }
}

impl Extend<Bytes> for Cell {
    fn extend<I: IntoIterator<Item = Bytes>>(&mut self, fragments: I) {
        fragments
            .into_iter()
            .for_each(|fragment| self.push(fragment));
    }
}

impl FromIterator<Bytes> for Cell {
    fn from_iter<I: IntoIterator<Item = Bytes>>(fragments: I) -> Cell {
        let mut cell = Cell::new();
        cell.extend(fragments);
        cell
    }
}

impl IntoIterator for Cell {
    type Item = Bytes;
    type IntoIter = std::vec::IntoIter<Bytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.fragments.into_iter()
    }
}

impl<'a> IntoIterator for &'a Cell {
    type Item = &'a Bytes;
    type IntoIter = std::slice::Iter<'a, Bytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_fragments_are_dropped() {
        let mut cell = Cell::from_iter(["ab", "", "cde"].map(Bytes::from));
        cell.push(Bytes::new());
        assert_eq!((cell.len(), cell.fragments().len()), (5, 2));
        assert!(Cell::from(Bytes::new()).is_empty());
    }
}
