//! Brings index and segments together at start (`docs/FORMAT.md`, Recovery).

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use riquet_cluster::id::ShardId;

use super::StoreOptions;
use super::env::{BLOCK_BYTES, Env};
use super::identity::SEGMENT_FOLDER;
use super::index::{Changes, Entry, Index, Live, Mark};
use super::record::{BLOCK, FOOTER_BYTES, Footer, Header, Kind, SegmentHead, Shape, checksum};
use super::segment::{Log, Segment, ToSeal, segment_number, segment_path};
use crate::error::{Error, IoContext};

/// Read at once while looking for headers: a hole passes at this stride.
const WINDOW_BYTES: u64 = 128 * 1024;

/// Read at once while checking a payload.
const CHECK_BYTES: u64 = 1024 * 1024;

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

/// How a segment ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Without a seal: it was written to when the last life ended.
    Open,
    /// With a seal; `vouched` as the life that wrote it left it.
    Sealed { vouched: bool },
}

pub(super) fn recover(env: Arc<dyn Env>, options: &StoreOptions) -> Result<Recovered, Error> {
    let folder = options.path.join(SEGMENT_FOLDER);
    let disk_id = options.disk.as_u128();
    let (found, last_number) = find_segments(&*env, &folder, disk_id)?;
    let (index, mark) = open_index(&options.index_path, last_number)?;
    let live = index.live()?;
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
    let log = Log::new(env, folder, disk_id, options.segment_bytes, open, next);
    Ok(Recovered { log, index, live })
}

/// Opens every segment that is whole enough to be one; also returns the highest number seen.
fn find_segments(
    env: &dyn Env,
    folder: &Path,
    disk_id: u128,
) -> Result<(BTreeMap<u64, Found>, u64), Error> {
    let names = env.list(folder).doing("list the segments")?;
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|name| segment_number(name))
        .collect();
    numbers.sort_unstable();
    let last_number = numbers.last().copied().unwrap_or(0);
    let mut found = BTreeMap::new();
    for number in numbers {
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
                let segment = Arc::new(Segment {
                    number,
                    nonce: head.nonce,
                    file,
                });
                let end = find_end(&segment, len)?;
                found.insert(number, Found { segment, len, end });
            }
            // The head fits one sector, so it is whole or zeros: a segment whose making was cut short.
            None if block.iter().all(|&byte| byte == 0) => {
                env.remove(&path).doing("remove an unused segment")?;
            }
            // Never removed: it may hold shards that somebody can still save.
            None => {
                tracing::error!(path = %path.display(), "segment with a damaged head; left out")
            }
        }
    }
    Ok((found, last_number))
}

fn find_end(segment: &Segment, len: u64) -> Result<End, Error> {
    if len < 2 * BLOCK || !len.is_multiple_of(BLOCK) {
        return Ok(End::Open);
    }
    let last = segment
        .file
        .read_at(len - BLOCK, BLOCK_BYTES)
        .doing("read a segment's end")?;
    Ok(match Header::decode(&last, segment.nonce) {
        Some((
            Header {
                kind: Kind::Seal, ..
            },
            _,
        )) => End::Sealed { vouched: true },
        Some((
            Header {
                kind: Kind::RecoveredSeal,
                ..
            },
            _,
        )) => End::Sealed { vouched: false },
        _ => End::Open,
    })
}

/// Opens the index, or begins a new one where it is lost or belongs to other segments.
fn open_index(path: &Path, last_number: u64) -> Result<(Index, Mark), Error> {
    match Index::open(path).and_then(|index| Ok((index.mark()?, index))) {
        Ok((Some(mark), index)) if mark.segment <= last_number + 1 => return Ok((index, mark)),
        Ok((None, index)) => {
            return Ok((
                index,
                Mark {
                    segment: 0,
                    offset: 0,
                    next_sequence: 1,
                },
            ));
        }
        Ok((Some(mark), _)) => {
            tracing::error!(
                mark = mark.segment,
                last_number,
                "index of other segments; rebuilding"
            )
        }
        Err(error) => tracing::error!(%error, "unreadable index; rebuilding"),
    }
    std::fs::remove_dir_all(path).doing("remove the index")?;
    Ok((
        Index::open(path)?,
        Mark {
            segment: 0,
            offset: 0,
            next_sequence: 1,
        },
    ))
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
        let mut window = Window {
            segment,
            len: found.len,
            start: 0,
            bytes: Vec::new(),
        };
        let mut offset = match segment.number == mark.segment {
            true => mark.offset.max(BLOCK),
            false => BLOCK,
        };
        let mut tail = offset;
        while offset + BLOCK <= found.len {
            let header = Header::decode(window.block(offset)?, segment.nonce);
            let Some((header, header_bytes)) =
                header.filter(|(header, _)| header.record_bytes <= found.len - offset)
            else {
                offset += BLOCK;
                continue;
            };
            if matches!(header.kind, Kind::Seal | Kind::RecoveredSeal) {
                // In an open segment: sealed, but not cut before the power went.
                return Ok(offset);
            }
            self.next_sequence = self.next_sequence.max(header.sequence + 1);
            let record_bytes = header.record_bytes;
            let vouched = found.end == End::Sealed { vouched: true };
            let place = Place {
                offset,
                header_bytes,
                vouched,
            };
            if !settled && let Some(crc) = whole(segment, &header, place)? {
                self.record(segment, header, place, crc)?;
            }
            offset += record_bytes;
            tail = offset;
        }
        Ok(tail)
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
            Kind::Tombstones => {
                let start = place.offset + place.header_bytes as u64;
                let len = usize::try_from(header.payload_bytes).expect("fits a segment");
                let payload = segment.file.read_at(start, len).doing("read tombstones")?;
                for id in payload.as_chunks::<{ ShardId::LEN }>().0 {
                    let last = self.tombstones.entry(ShardId::from_bytes(*id)).or_default();
                    *last = header.sequence.max(*last);
                }
                Ok(())
            }
            Kind::Seal | Kind::RecoveredSeal => Ok(()),
        }
    }

    fn put(&mut self, id: &ShardId, entry: &Entry) -> Result<(), Error> {
        let old = self.index.get(id)?;
        if old.is_some_and(|old| old.sequence >= entry.sequence) {
            return Ok(());
        }
        let mut changes = Changes::default();
        changes.put(id, entry);
        if let Some(old) = old {
            self.account(&mut changes, old.segment, |live| live.remove(&old));
        }
        self.account(&mut changes, entry.segment, |live| live.add(entry));
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

/// Where a record was found.
#[derive(Clone, Copy)]
struct Place {
    offset: u64,
    header_bytes: usize,
    /// A seal stands behind the payloads of this segment.
    vouched: bool,
}

/// The payload's checksum if the record is whole. Where a seal vouches for payloads, only the
/// footer is read.
fn whole(segment: &Segment, header: &Header, place: Place) -> Result<Option<u64>, Error> {
    let start = place.offset + place.header_bytes as u64;
    let end = start + header.payload_bytes;
    let footer = segment
        .file
        .read_at(end, FOOTER_BYTES)
        .doing("read a footer")?;
    let Some(footer) = Footer::decode(&footer).filter(|f| f.sequence == header.sequence) else {
        return Ok(None);
    };
    if !place.vouched {
        let mut crc = checksum();
        let mut at = start;
        while at < end {
            let len = CHECK_BYTES.min(end - at);
            crc.update(
                &segment
                    .file
                    .read_at(at, len as usize)
                    .doing("read a payload")?,
            );
            at += len;
        }
        if crc.finalize() != footer.payload_crc {
            return Ok(None);
        }
    }
    Ok(Some(footer.payload_crc))
}

/// Blocks of a segment, read in long strides.
struct Window<'a> {
    segment: &'a Segment,
    len: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    fn block(&mut self, offset: u64) -> Result<&[u8], Error> {
        let inside = offset >= self.start && offset + BLOCK <= self.start + self.bytes.len() as u64;
        if !inside {
            let len = WINDOW_BYTES.min(self.len - offset) as usize;
            self.bytes = self
                .segment
                .file
                .read_at(offset, len)
                .doing("scan a segment")?;
            self.start = offset;
        }
        let at = (offset - self.start) as usize;
        Ok(&self.bytes[at..at + BLOCK_BYTES])
    }
}
