//! A backup's file: blocks, each vouched for by a hash of the whole file up to it.
//!
//! ```text
//! file     "RQBACKUP" | format 4 | head | group, group, .. | end
//! group    begin | records, records, .. | close
//! block    kind 1 | length 4 | body | BLAKE3 of all bytes of the file before this hash 32
//! ```
//!
//! | kind | body |
//! | --- | --- |
//! | `H` head | one byte of format version and [`Head`] in CBOR |
//! | `G` begin | group 4 |
//! | `R` records | see [`super::blocks`] |
//! | `C` close | blocks of records 8, records 8 |
//! | `E` end | groups 4 |
//!
//! Integers are big-endian. Groups come in ascending order, the control group first, each once. The
//! last hash names the backup. As each hash covers all that comes before it, a file that was cut,
//! spliced or altered anywhere does not read to its end.

use std::io::{self, Read, Write};

use blake3::Hasher;
use minicbor::{Decode, Encode};

use super::BackupError;
use crate::codec::Record;
use crate::command::{RawRecord, RestoreId};
use crate::id::{ClusterId, Epoch, GroupId};
use crate::limits::BLOCK_MAX_BYTES;

const MAGIC: &[u8; 8] = b"RQBACKUP";
/// The format that this release writes, and the only one that it reads.
const FORMAT: u32 = 1;
const HASH_BYTES: usize = 32;

/// What a backup is of.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Head {
    /// The cluster.
    #[n(0)]
    pub cluster: ClusterId,
    /// Epoch of its layout.
    #[n(1)]
    pub epoch: Epoch,
    /// Number of its key groups.
    #[n(2)]
    pub key_groups: u32,
    /// When the export began, ms since 1970.
    #[n(3)]
    pub exported_ms: u64,
    /// Version of the program that exported.
    #[n(4)]
    pub program: String,
}

impl Record for Head {
    const VERSION: u8 = 1;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Head = b'H',
    Begin = b'G',
    Records = b'R',
    Close = b'C',
    End = b'E',
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        let all = [
            Self::Head,
            Self::Begin,
            Self::Records,
            Self::Close,
            Self::End,
        ];
        all.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// Writes a backup's file.
pub(super) struct Writer<W> {
    to: W,
    hash: Hasher,
    groups: u32,
    blocks: u64,
    records: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn begin(to: W, head: &Head) -> io::Result<Self> {
        let mut writer = Self {
            to,
            hash: Hasher::new(),
            groups: 0,
            blocks: 0,
            records: 0,
        };
        writer.put(MAGIC)?;
        writer.put(&FORMAT.to_be_bytes())?;
        writer.block(Kind::Head, &head.to_bytes())?;
        Ok(writer)
    }

    /// Begins the next group.
    pub(super) fn group(&mut self) -> io::Result<()> {
        let group = self.groups;
        self.groups += 1;
        self.block(Kind::Begin, &group.to_be_bytes())
    }

    /// Writes a block of the group's records, of which there are `records`.
    pub(super) fn records(&mut self, block: &[u8], records: u64) -> io::Result<()> {
        self.blocks += 1;
        self.records += records;
        self.block(Kind::Records, block)
    }

    pub(super) fn close_group(&mut self) -> io::Result<()> {
        let (blocks, records) = (self.blocks, self.records);
        (self.blocks, self.records) = (0, 0);
        let body = [blocks.to_be_bytes(), records.to_be_bytes()].concat();
        self.block(Kind::Close, &body)
    }

    pub(super) fn end(mut self) -> io::Result<W> {
        self.block(Kind::End, &self.groups.to_be_bytes())?;
        self.to.flush()?;
        Ok(self.to)
    }

    fn block(&mut self, kind: Kind, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len()).expect("a block is smaller than that");
        self.put(&[kind as u8])?;
        self.put(&length.to_be_bytes())?;
        self.put(body)?;
        let hash = *self.hash.finalize().as_bytes();
        self.put(&hash)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.to.write_all(bytes)
    }
}

/// The next thing in a backup's file.
#[derive(Debug, PartialEq)]
pub(super) enum Item {
    /// A group's records follow.
    Group(GroupId),
    /// A block of them.
    Records(Vec<RawRecord>),
    /// All blocks of the group were read: so many.
    Closed { blocks: u64 },
    /// All of the file was read; this names it.
    End(RestoreId),
}

/// Reads a backup's file, and believes nothing that is not vouched for.
pub(super) struct Reader<R> {
    from: R,
    hash: Hasher,
    /// Bytes read.
    offset: u64,
    head: Head,
    groups: u32,
    is_in_group: bool,
    blocks: u64,
    records: u64,
}

impl<R: Read> Reader<R> {
    pub(super) fn begin(from: R) -> Result<Self, BackupError> {
        let mut reader = Self {
            from,
            hash: Hasher::new(),
            offset: 0,
            head: Head {
                cluster: ClusterId::from_u128(0),
                epoch: Epoch(0),
                key_groups: 0,
                exported_ms: 0,
                program: String::new(),
            },
            groups: 0,
            is_in_group: false,
            blocks: 0,
            records: 0,
        };
        if reader.take(MAGIC.len()).ok().as_deref() != Some(MAGIC) {
            return Err(BackupError::NotABackup);
        }
        let format = reader.take(4)?;
        let found = u32::from_be_bytes(format.try_into().expect("four bytes were taken"));
        if found != FORMAT {
            return Err(BackupError::UnknownFormat {
                found,
                newest: FORMAT,
            });
        }
        let (kind, body) = reader.block()?;
        if kind != Kind::Head {
            return Err(reader.damaged("no head"));
        }
        reader.head = Head::from_bytes(&body).map_err(|_| reader.damaged("the head"))?;
        Ok(reader)
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    pub(super) fn next(&mut self) -> Result<Item, BackupError> {
        let (kind, body) = self.block()?;
        match (kind, self.is_in_group) {
            (Kind::Begin, false) => {
                if body != self.groups.to_be_bytes() || self.groups > self.head.key_groups {
                    return Err(self.damaged("a group out of order"));
                }
                let group = GroupId(self.groups);
                self.groups += 1;
                self.is_in_group = true;
                Ok(Item::Group(group))
            }
            (Kind::Records, true) => {
                let records =
                    super::blocks::records(&body).ok_or_else(|| self.damaged("the records"))?;
                self.blocks += 1;
                self.records += records.len() as u64;
                Ok(Item::Records(records))
            }
            (Kind::Close, true) => {
                let counted = [self.blocks.to_be_bytes(), self.records.to_be_bytes()].concat();
                if body != counted {
                    return Err(self.damaged("a group's counts"));
                }
                let blocks = self.blocks;
                (self.blocks, self.records, self.is_in_group) = (0, 0, false);
                Ok(Item::Closed { blocks })
            }
            (Kind::End, false) => {
                let is_whole = u64::from(self.groups) == u64::from(self.head.key_groups) + 1;
                if body != self.groups.to_be_bytes() || !is_whole {
                    return Err(self.damaged("the number of groups"));
                }
                let mut more = [0];
                if self.from.read(&mut more)? != 0 {
                    return Err(self.damaged("bytes after its end"));
                }
                Ok(Item::End(RestoreId(*self.hash.finalize().as_bytes())))
            }
            _ => Err(self.damaged("a block out of order")),
        }
    }

    fn block(&mut self) -> Result<(Kind, Vec<u8>), BackupError> {
        let start = self.take(5)?;
        let kind = Kind::of(start[0]).ok_or_else(|| self.damaged("a block's kind"))?;
        let length = u32::from_be_bytes(start[1..].try_into().expect("four bytes of five"));
        if length as usize > BLOCK_MAX_BYTES {
            return Err(self.damaged("a block's length"));
        }
        let body = self.take(length as usize)?;
        let expected = *self.hash.finalize().as_bytes();
        if self.take(HASH_BYTES)? != expected {
            return Err(self.damaged("a hash does not match"));
        }
        Ok((kind, body))
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, BackupError> {
        let mut bytes = vec![0; length];
        self.from
            .read_exact(&mut bytes)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => BackupError::Truncated,
                _ => error.into(),
            })?;
        self.hash.update(&bytes);
        self.offset += length as u64;
        Ok(bytes)
    }

    fn damaged(&self, what: &'static str) -> BackupError {
        BackupError::Damaged {
            before_bytes: self.offset,
            what,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::blocks;
    use proptest::prelude::*;

    type Groups = Vec<Vec<Vec<(Vec<u8>, Vec<u8>)>>>;

    fn head(groups: &Groups) -> Head {
        Head {
            cluster: ClusterId::from_u128(7),
            epoch: Epoch(3),
            key_groups: u32::try_from(groups.len() - 1).unwrap(),
            exported_ms: 1,
            program: "test".to_owned(),
        }
    }

    fn write(groups: &Groups) -> Vec<u8> {
        let mut writer = Writer::begin(Vec::new(), &head(groups)).unwrap();
        for group in groups {
            writer.group().unwrap();
            for records in group {
                let mut block = Vec::new();
                for (key, value) in records {
                    blocks::put(&mut block, key, value);
                }
                writer.records(&block, records.len() as u64).unwrap();
            }
            writer.close_group().unwrap();
        }
        writer.end().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<(Head, Groups), BackupError> {
        let mut reader = Reader::begin(bytes)?;
        let mut groups = Groups::new();
        loop {
            match reader.next()? {
                Item::Group(_) => groups.push(Vec::new()),
                Item::Records(records) => {
                    let records = records.into_iter().map(|r| (r.key, r.value)).collect();
                    groups.last_mut().unwrap().push(records);
                }
                Item::Closed { blocks } => {
                    assert_eq!(blocks, groups.last().unwrap().len() as u64);
                }
                Item::End(_) => return Ok((reader.head().clone(), groups)),
            }
        }
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 0..20)
    }

    fn groups() -> impl Strategy<Value = Groups> {
        let records = proptest::collection::vec((bytes(), bytes()), 0..4);
        let group = proptest::collection::vec(records, 0..3);
        proptest::collection::vec(group, 1..4)
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(groups in groups()) {
            let (found, read) = read(&write(&groups)).unwrap();
            prop_assert_eq!(found, head(&groups));
            prop_assert_eq!(read, groups);
        }

        #[test]
        fn whatever_was_cut_or_flipped_or_added_is_found(groups in groups()) {
            let mut file = write(&groups);
            for length in 0..file.len() {
                prop_assert!(read(&file[..length]).is_err(), "cut at {length}");
            }
            for place in 0..file.len() {
                for bit in [0, 3, 7] {
                    file[place] ^= 1 << bit;
                    prop_assert!(read(&file).is_err(), "bit {bit} of byte {place}");
                    file[place] ^= 1 << bit;
                }
            }
            file.push(0);
            prop_assert!(read(&file).is_err());
        }
    }

    #[test]
    fn parts_of_two_files_make_none() {
        let one = write(&vec![vec![vec![(vec![1], vec![1])]], vec![]]);
        let two = write(&vec![vec![vec![(vec![1], vec![2])]], vec![]]);
        assert_eq!(one.len(), two.len());
        for place in 1..one.len() {
            let spliced = [&one[..place], &two[place..]].concat();
            assert_eq!(read(&spliced).is_ok(), spliced == one || spliced == two);
        }
    }

    #[test]
    fn an_unknown_format_is_named() {
        let mut file = write(&vec![vec![]]);
        file[11] = 2;
        assert!(matches!(
            read(&file),
            Err(BackupError::UnknownFormat { found: 2, .. })
        ));
        assert!(matches!(read(b"x"), Err(BackupError::NotABackup)));
    }
}
