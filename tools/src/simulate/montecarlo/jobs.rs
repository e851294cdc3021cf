//! Sets of what waits for repair.

use rand::{Rng, RngExt};

/// Marks an item that is in no set.
const NOWHERE: u32 = u32::MAX;

/// Items numbered from 0, each in one of several sets or in none: moved in constant time, and drawn at
/// random.
pub(super) struct Sets {
    sets: Vec<Vec<u32>>,
    /// Each item's set and place in it.
    places: Vec<(u32, u32)>,
}

impl Sets {
    /// `sets` empty sets for `items` items.
    pub(super) fn new(sets: usize, items: usize) -> Self {
        Self {
            sets: vec![Vec::new(); sets],
            places: vec![(NOWHERE, 0); items],
        }
    }

    /// Puts `item` into `set`, out of the one that it was in.
    pub(super) fn put(&mut self, item: u32, set: usize) {
        if self.places[item as usize].0 == set as u32 {
            return;
        }
        self.remove(item);
        self.places[item as usize] = (set as u32, self.sets[set].len() as u32);
        self.sets[set].push(item);
    }

    /// Takes `item` out of the set that it is in, if it is in one.
    pub(super) fn remove(&mut self, item: u32) {
        let (set, place) = self.places[item as usize];
        if set == NOWHERE {
            return;
        }
        self.places[item as usize].0 = NOWHERE;
        let items = &mut self.sets[set as usize];
        items.swap_remove(place as usize);
        if let Some(moved) = items.get(place as usize) {
            self.places[*moved as usize].1 = place;
        }
    }

    /// Empties all sets.
    pub(super) fn clear(&mut self) {
        for set in &mut self.sets {
            for item in set.drain(..) {
                self.places[item as usize].0 = NOWHERE;
            }
        }
    }

    /// Items in `set`.
    pub(super) fn len(&self, set: usize) -> usize {
        self.sets[set].len()
    }

    /// Some item of `set`.
    pub(super) fn first(&self, set: usize) -> Option<u32> {
        self.sets[set].first().copied()
    }

    /// An item of `set`, each as likely as another.
    pub(super) fn draw(&self, set: usize, random: &mut impl Rng) -> u32 {
        let items = &self.sets[set];
        items[random.random_range(0..items.len())]
    }
}
