//! Decoding plans, kept per loss pattern: which shards are read and which are
//! wanted. A lost disk meets the same few patterns over and over, and inverting
//! a matrix costs more than decoding a cell with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::plan::Plan;

/// Plans kept per code; the least recently used one makes room. Enough for every
/// single and double loss of usual profiles; for the largest codes 256 plans of
/// one shard each are under 1 MiB.
const MAX_PLANS: usize = 256;

/// A set of shard numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct ShardSet {
    words: [u64; 4],
}

impl ShardSet {
    /// Adds a shard number below 256; false if it was there.
    pub(crate) fn insert(&mut self, shard: usize) -> bool {
        let (word, bit) = (&mut self.words[shard / 64], 1 << (shard % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// How many members are smaller than `shard`: its place in ascending order.
    pub(crate) fn rank(&self, shard: usize) -> usize {
        let below = self.words[shard / 64] & ((1 << (shard % 64)) - 1);
        let whole = self.words[..shard / 64]
            .iter()
            .map(|word| word.count_ones());
        (whole.sum::<u32>() + below.count_ones()) as usize
    }

    /// The members, ascending.
    pub(crate) fn members(&self) -> Vec<usize> {
        (0..256)
            .filter(|&shard| self.words[shard / 64] >> (shard % 64) & 1 == 1)
            .collect()
    }
}

/// A loss pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Pattern {
    /// The shards that are read, as many as the code has data shards.
    pub(crate) read: ShardSet,
    /// The shards that are computed.
    pub(crate) wanted: ShardSet,
}

/// The plans of one code.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    plans: HashMap<Pattern, Entry>,
    /// Look-ups so far, the clock that entries are aged by.
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    plan: Arc<Plan>,
    last_used: u64,
}

impl Cache {
    /// The plan for a pattern, made by `make` if it isn't there. `make` runs
    /// unlocked: two threads that miss at once both make it, and one is kept.
    pub(crate) fn get(&self, pattern: Pattern, make: impl FnOnce() -> Plan) -> Arc<Plan> {
        if let Some(plan) = self.look_up(&pattern) {
            return plan;
        }
        let plan = Arc::new(make());
        let mut inner = self.lock();
        while inner.plans.len() >= MAX_PLANS && !inner.plans.contains_key(&pattern) {
            let oldest = inner.plans.iter().min_by_key(|(_, entry)| entry.last_used);
            let oldest = *oldest.expect("a full cache has an oldest entry").0;
            inner.plans.remove(&oldest);
        }
        let last_used = inner.clock;
        inner.plans.insert(
            pattern,
            Entry {
                plan: plan.clone(),
                last_used,
            },
        );
        plan
    }

    fn look_up(&self, pattern: &Pattern) -> Option<Arc<Plan>> {
        let mut inner = self.lock();
        inner.clock += 1;
        let now = inner.clock;
        let entry = inner.plans.get_mut(pattern)?;
        entry.last_used = now;
        Some(entry.plan.clone())
    }

    /// Nothing that holds the lock can panic half-way through a change.
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kernel;
    use crate::matrix::Matrix;

    #[test]
    fn ranks_count_smaller_members() {
        let mut set = ShardSet::default();
        let members = [0, 63, 64, 127, 200, 254];
        assert!(members.iter().rev().all(|&shard| set.insert(shard)));
        assert!(!set.insert(64));
        assert_eq!(set.members(), members);
        for (place, &shard) in members.iter().enumerate() {
            assert_eq!(set.rank(shard), place);
        }
    }

    fn pattern(number: usize) -> Pattern {
        let mut wanted = ShardSet::default();
        wanted.insert(number % 250);
        wanted.insert(250 + number / 250);
        Pattern {
            read: ShardSet::default(),
            wanted,
        }
    }

    #[test]
    fn the_least_recently_used_plan_makes_room() {
        let code = Kernel::Portable.blocks().unwrap();
        let make = || Plan::new(code, &Matrix::generator(1, 2));
        let cache = Cache::default();
        let first = cache.get(pattern(0), make);
        for number in 1..MAX_PLANS {
            cache.get(pattern(number), make);
        }
        assert!(Arc::ptr_eq(
            &first,
            &cache.get(pattern(0), || unreachable!("it is cached"))
        ));
        cache.get(pattern(MAX_PLANS), make);
        assert_eq!(cache.lock().plans.len(), MAX_PLANS);
        assert!(!cache.lock().plans.contains_key(&pattern(1)));
        assert!(cache.lock().plans.contains_key(&pattern(0)));
    }
}
