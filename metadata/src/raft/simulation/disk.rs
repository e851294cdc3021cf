//! A disk in memory that forgets in a crash what was not synced.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use super::super::disk::{Change, Disk, KeyValue, See};

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// What a voter's log is written on, which outlives the voter's crashes.
#[derive(Default)]
pub(super) struct Platter(Mutex<Written>);

#[derive(Default)]
struct Written {
    /// The run of the voter that may use it: who crashed may still try.
    run: u32,
    seen: Records,
    durable: Records,
    unsynced: Vec<Vec<Change>>,
}

/// A platter as one run of a voter sees it.
pub(super) struct MemoryDisk {
    platter: Arc<Platter>,
    run: u32,
}

fn make(records: &mut Records, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Put { key, value } => {
                records.insert(key.clone(), value.clone());
            }
            Change::Remove { from, end } => {
                let keys: Vec<_> = records.range(from.clone()..end.clone()).collect();
                let keys: Vec<_> = keys.into_iter().map(|(key, _)| key.clone()).collect();
                keys.iter().for_each(|key| drop(records.remove(key)));
            }
        }
    }
}

impl Platter {
    /// For the next run of the voter.
    pub(super) fn mount(self: &Arc<Self>) -> Arc<MemoryDisk> {
        let platter = self.clone();
        let run = self.0.lock().unwrap().run;
        Arc::new(MemoryDisk { platter, run })
    }

    /// Ends the present run. Of what was not synced the first `kept` in a hundred batches stay.
    pub(super) fn crash(&self, kept: usize) {
        let mut written = self.0.lock().unwrap();
        let written = &mut *written;
        written.run += 1;
        let kept = written.unsynced.len() * kept / 100;
        for changes in written.unsynced.drain(..).take(kept) {
            make(&mut written.durable, &changes);
        }
        written.seen = written.durable.clone();
    }

    /// Whether bytes would be found in the log after a crash at this moment.
    pub(super) fn keeps(&self, bytes: &[u8]) -> bool {
        let written = self.0.lock().unwrap();
        let mut newest = written.durable.values().rev();
        newest.any(|value| value.windows(bytes.len()).any(|window| window == bytes))
    }

    /// What the log holds under a key, synced or not.
    pub(super) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.lock().unwrap().seen.get(key).cloned()
    }
}

impl MemoryDisk {
    fn with<T>(&self, work: impl FnOnce(&mut Written) -> T) -> io::Result<T> {
        let mut written = self.platter.0.lock().unwrap();
        match written.run == self.run {
            true => Ok(work(&mut written)),
            false => Err(io::Error::other("the voter crashed")),
        }
    }
}

impl Disk for MemoryDisk {
    fn write(&self, changes: Vec<Change>) -> io::Result<()> {
        self.with(|written| {
            make(&mut written.seen, &changes);
            written.unsynced.push(changes);
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|written| {
            for changes in written.unsynced.drain(..) {
                make(&mut written.durable, &changes);
            }
        })
    }

    fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.with(|written| written.seen.get(key).cloned())
    }

    fn last(&self, key: &[u8]) -> io::Result<Option<KeyValue>> {
        self.with(|written| {
            let last = written.seen.range(..=key.to_vec()).next_back();
            last.map(|(key, value)| (key.clone(), value.clone()))
        })
    }

    fn scan(&self, key: &[u8], see: &mut See<'_>) -> io::Result<()> {
        self.with(|written| {
            for (key, value) in written.seen.range(key.to_vec()..) {
                if see(key, value)?.is_break() {
                    break;
                }
            }
            Ok(())
        })?
    }
}
