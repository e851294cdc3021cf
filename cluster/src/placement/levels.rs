//! How far a flow's vertices are from its sources, counted in edges that it may use, and what of
//! that is used up: what one search finds, and paths are then taken from.

use super::site::Local;

/// A disk, or the pool, which has the position after the last disk.
pub(super) type Vertex = usize;

/// How many tight edges are between the sources and each vertex, up to the nearest sinks; and what
/// of it is used up.
#[derive(Default)]
pub(super) struct Levels {
    /// Of every vertex; none: not reached, or it leads nowhere any more.
    pub(super) of: Vec<Option<usize>>,
    /// The vertices of each level that still lead somewhere; of the last one the sinks only.
    pub(super) turns: Vec<Turns>,
    /// The groups whose slots each disk may still pass on, the next one last; none: not asked yet.
    pub(super) left: Vec<Option<Vec<usize>>>,
}

impl Levels {
    /// Takes out a vertex of a level from which no sink can be reached any more.
    pub(super) fn close(&mut self, vertex: Vertex, level: usize) {
        self.of[vertex] = None;
        self.turns[level].remove(vertex);
    }
}

/// Vertices that take turns, so that what one disk gives goes to many.
#[derive(Default)]
pub(super) struct Turns {
    vertices: Vec<Vertex>,
    next: usize,
}

impl Turns {
    pub(super) fn of(vertices: Vec<Vertex>) -> Self {
        Self { vertices, next: 0 }
    }

    /// The position of the first vertex, from the one whose turn it is, that is `wanted`.
    pub(super) fn find(&self, wanted: impl Fn(Vertex) -> bool) -> Option<usize> {
        let later = self.next..self.vertices.len();
        later
            .chain(0..self.next)
            .find(|at| wanted(self.vertices[*at]))
    }

    /// The vertex at a position, whose turn is over.
    pub(super) fn take(&mut self, at: usize) -> Vertex {
        self.next = at + 1;
        self.vertices[at]
    }

    pub(super) fn remove(&mut self, vertex: Vertex) {
        let at = self.vertices.iter().position(|v| *v == vertex);
        let at = at.expect("what is closed was open");
        self.vertices.remove(at);
        self.next -= usize::from(at < self.next);
    }
}

/// The search for levels: what is not to be looked at again.
pub(super) struct Search {
    /// Disks by their potential, but for those that were reached.
    pub(super) unreached: Vec<Vec<Local>>,
    /// By group: the least height of its slots that were explored.
    pub(super) lowest_seen: Vec<Option<usize>>,
}

impl Search {
    pub(super) fn new(groups: usize, potentials: &[usize]) -> Self {
        let highest = potentials.iter().max().copied().unwrap_or(0);
        let mut unreached = vec![Vec::new(); highest + 1];
        let disks = potentials.len() - 1;
        for (disk, potential) in potentials[..disks].iter().enumerate() {
            unreached[*potential].push(disk);
        }
        Self {
            unreached,
            lowest_seen: vec![None; groups],
        }
    }
}
