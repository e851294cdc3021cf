//! Brings index and segments together at start (`docs/FORMAT.md`, Recovery).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use riquet_cluster::id::ShardId;

use super::StoreOptions;
use super::env::{BLOCK_BYTES, Env};
use super::identity::SEGMENT_FOLDER;
use super::index::{Changes, Entry, Index, Live, Mark};
use super::progress::Progress;
use super::record::{BLOCK, Header, Kind, SegmentHead, Shape};
use super::scan::{End, Place, Records, find_end, whole};
use super::segment::{Log, Segment, ToSeal, segment_number, segment_path};
use super::tombstone::{self, Tombstone};
use crate::error::{Error, IoContext};

/// A disk ready to be used.
pub(super) struct Recovered {
    pub(super) log: Log,
    pub(super) index: Index,
    pub(super) live: BTreeMap<u64, Live>,
}

/// A segment as found.
struct Found {
    segment: Arc<Segment>,
    len: u64,
    end: End,
}

pub(super) fn recover(
    env: Arc<dyn Env>,
    options: &StoreOptions,
    progress: &mut Progress,
) -> Result<Recovered, Error> {
    let folder = options.path.join(SEGMENT_FOLDER);
    let disk_id = options.disk.as_u128();
    let (found, numbers) = find_segments(&*env, &folder, disk_id)?;
    let last_number = numbers.last().copied().unwrap_or(0);
    let Opened {
        index,
        mark,
        mut live,
        is_new,
    } = open_index(&options.index_path, &numbers)?;
    // What an index that is lost knew of may be gone too, and nobody can tell. Noted before a mark is
    // set: until then, every recovery finds what this one found.
    if is_new || found.len() < numbers.len() {
        progress.note_losses(&*env, &options.path)?;
    }
    forget_gone(&index, &mut live, &numbers)?;
    let mut replay = Replay {
        index: &index,
        live,
        tombstones: HashMap::new(),
        next_sequence: mark.next_sequence,
        records: 0,
    };
    let mut unsealed = Vec::new();
    for (number, found) in &found {
        let tail = replay.segment(found, mark)?;
        if found.end == End::Open {
            unsealed.push((*number, tail));
        }
    }
    replay.apply_tombstones()?;
    let Replay {
        live,
        mut next_sequence,
        records,
        ..
    } = replay;
    for (number, tail) in &unsealed {
        let segment = Arc::clone(&found[number].segment);
        ToSeal {
            segment,
            tail: *tail,
            sequence: next_sequence,
        }
        .seal(Kind::RecoveredSeal, env.now_unix_ms())?;
        next_sequence += 1;
    }
    let next_number = mark.segment.max(last_number + 1);
    let mut changes = Changes::default();
    changes.mark(Mark {
        segment: next_number,
        offset: 0,
        next_sequence,
    });
    index.apply(changes)?;
    index.flush()?;
    if records > 0 || !unsealed.is_empty() {
        tracing::info!(
            path = %options.path.display(),
            records,
            segments = unsealed.len(),
            "recovered what the index had missed"
        );
    }
    let open = found
        .into_iter()
        .map(|(number, found)| (number, found.segment))
        .collect();
    let next = (next_number, next_sequence);
    let log = Log::new(env, folder, disk_id, options, open, next);
    Ok(Recovered { log, index, live })
}

/// Opens every segment that is whole enough to be one; also returns the numbers of all files that
/// stay, damaged ones too.
fn find_segments(
    env: &dyn Env,
    folder: &Path,
    disk_id: u128,
) -> Result<(BTreeMap<u64, Found>, BTreeSet<u64>), Error> {
    let names = env.list(folder).doing("list the segments")?;
    let mut numbers: BTreeSet<u64> = names
        .iter()
        .filter_map(|name| segment_number(name))
        .collect();
    let mut found = BTreeMap::new();
    for number in numbers.clone() {
        let path = segment_path(folder, number);
        let file = env.open(&path).doing("open a segment")?;
        let len = file.size().doing("ask for a segment's length")?;
        let block = match len {
            BLOCK.. => file
                .read_at(0, BLOCK_BYTES)
                .doing("read a segment's head")?,
            _ => Vec::new(),
        };
        let head = SegmentHead::decode(&block);
        match head.filter(|head| head.number == number && head.disk_id == disk_id) {
            Some(head) => {
                let segment = Arc::new(Segment::new(number, head.nonce, file));
                let end = find_end(&segment, len)?;
                if end != End::Open {
                    segment.note_sealed();
                }
                found.insert(number, Found { segment, len, end });
            }
            // The head fits one sector, so it is whole or zeros: a segment whose making was cut short.
            None if block.iter().all(|&byte| byte == 0) => {
                env.remove(&path).doing("remove an unused segment")?;
                // The mark must not go past the number after the last file (see `open_index`).
                numbers.remove(&number);
            }
            // Never removed: it may hold shards that somebody can still save.
            None => {
                tracing::error!(path = %path.display(), "segment with a damaged head; left out")
            }
        }
    }
    Ok((found, numbers))
}

/// An index that belongs to the segments.
struct Opened {
    index: Index,
    mark: Mark,
    live: BTreeMap<u64, Live>,
    /// It was lost, or never there.
    is_new: bool,
}

/// Opens the index, or begins a new one where it is lost or belongs to other segments.
fn open_index(path: &Path, numbers: &BTreeSet<u64>) -> Result<Opened, Error> {
    const START: Mark = Mark {
        segment: 0,
        offset: 0,
        next_sequence: 1,
    };
    let last_number = numbers.last().copied().unwrap_or(0);
    match Index::open(path).and_then(|index| Ok((index.mark()?, index.live()?, index))) {
        Ok((mark, live, index)) => {
            // One without a mark was lost, or its making was cut short.
            let is_new = mark.is_none();
            let mark = mark.unwrap_or(START);
            // An index that is older than a compaction names segments that are gone: what it has
            // there was moved or deleted since, and the segments know which.
            let gone = live
                .iter()
                .find(|(number, live)| live.shards > 0 && !numbers.contains(number));
            match gone {
                None if mark.segment <= last_number + 1 => {
                    return Ok(Opened {
                        index,
                        mark,
                        live,
                        is_new,
                    });
                }
                None => tracing::error!(
                    mark = mark.segment,
                    last_number,
                    "index of other segments; rebuilding"
                ),
                Some((number, _)) => tracing::error!(
                    segment = number,
                    "index with shards in a segment that is gone; rebuilding"
                ),
            }
        }
        Err(error) => tracing::error!(%error, "unreadable index; rebuilding"),
    }
    std::fs::remove_dir_all(path).doing("remove the index")?;
    Ok(Opened {
        index: Index::open(path)?,
        mark: START,
        live: BTreeMap::new(),
        is_new: true,
    })
}

/// Forgets the figures of segments that are gone; [`open_index`] saw that no shard was in them.
fn forget_gone(
    index: &Index,
    live: &mut BTreeMap<u64, Live>,
    numbers: &BTreeSet<u64>,
) -> Result<(), Error> {
    let mut changes = Changes::default();
    live.retain(|number, live| {
        let there = numbers.contains(number);
        if !there {
            debug_assert_eq!(live.shards, 0, "or the index was made anew");
            changes.forget(*number);
        }
        there
    });
    index.apply(changes)
}

struct Replay<'a> {
    index: &'a Index,
    live: BTreeMap<u64, Live>,
    /// Deleted shards, by the sequence of their last tombstone. Applied last: until then the index
    /// has the highest sequence that was written for each shard, in whatever order they came.
    tombstones: HashMap<ShardId, u64>,
    next_sequence: u64,
    records: u64,
}

impl Replay<'_> {
    /// Replays a segment from the mark on, and returns the end of its last record.
    fn segment(&mut self, found: &Found, mark: Mark) -> Result<u64, Error> {
        let segment = &*found.segment;
        let settled = segment.number < mark.segment;
        if settled && found.end != End::Open {
            return Ok(found.len);
        }
        if found.end == End::Open {
            // What a reader sees now may be only in the machine's cache; the index must not know it
            // before it is durable.
            segment.file.sync_data().doing("sync a segment")?;
        }
        let from = match segment.number == mark.segment {
            true => mark.offset,
            false => BLOCK,
        };
        let vouched = found.end == End::Sealed { vouched: true };
        let mut records = Records::from(segment, found.len, from);
        while let Some((header, place)) = records.next()? {
            self.next_sequence = self.next_sequence.max(header.sequence + 1);
            if !settled && let Some(crc) = whole(segment, &header, place, vouched)? {
                self.record(segment, header, place, crc)?;
            }
        }
        Ok(records.tail())
    }

    fn record(
        &mut self,
        segment: &Segment,
        header: Header,
        place: Place,
        payload_crc: u64,
    ) -> Result<(), Error> {
        self.records += 1;
        match header.kind {
            Kind::Shard(descriptor) => {
                let entry = Entry {
                    segment: segment.number,
                    offset: place.offset,
                    header_bytes: u16::try_from(place.header_bytes).expect("below a block"),
                    record_bytes: header.record_bytes,
                    payload_crc,
                    sequence: header.sequence,
                    written_ms: header.written_ms,
                    shape: Shape::of(&descriptor),
                };
                self.put(&descriptor.id, &entry)
            }
            Kind::Tombstones | Kind::Carried => {
                for Tombstone { id, sequence } in tombstone::read(segment, &header, place)? {
                    let last = self.tombstones.entry(id).or_default();
                    *last = sequence.max(*last);
                }
                Ok(())
            }
            Kind::Seal | Kind::RecoveredSeal => Ok(()),
        }
    }

    fn put(&mut self, id: &ShardId, entry: &Entry) -> Result<(), Error> {
        let mut changes = Changes::default();
        match self.index.get(id)? {
            // Indexed before the crash, and counted then.
            Some(old) if (old.segment, old.offset) == (entry.segment, entry.offset) => {
                return Ok(());
            }
            // Superseded, or the other copy of a shard that was being moved: equal sequences mean
            // equal records, and either one will do. It may have been counted before; counted
            // twice, a dead record keeps no more tombstones than counted once.
            Some(old) if old.sequence >= entry.sequence => {
                self.account(&mut changes, entry.segment, |live| live.add_dead(entry));
            }
            old => {
                changes.put(id, entry);
                if let Some(old) = old {
                    self.account(&mut changes, old.segment, |live| live.remove(&old));
                }
                self.account(&mut changes, entry.segment, |live| live.add(entry));
            }
        }
        self.index.apply(changes)
    }

    fn account(&mut self, changes: &mut Changes, segment: u64, change: impl FnOnce(&mut Live)) {
        let live = self.live.entry(segment).or_default();
        change(live);
        changes.live(segment, *live);
    }

    fn apply_tombstones(&mut self) -> Result<(), Error> {
        for (id, sequence) in std::mem::take(&mut self.tombstones) {
            let Some(entry) = self.index.get(&id)? else {
                continue;
            };
            if entry.sequence < sequence {
                let mut changes = Changes::default();
                changes.delete(&id);
                self.account(&mut changes, entry.segment, |live| live.remove(&entry));
                self.index.apply(changes)?;
            }
        }
        Ok(())
    }
}
