//! Walks a segment by the headers of its records, as recovery and compaction do.

use super::env::BLOCK_BYTES;
use super::record::{BLOCK, FOOTER_BYTES, Footer, Header, Kind, checksum};
use super::segment::Segment;
use crate::error::{Error, IoContext};

/// Read at once while looking for headers: a hole passes at this stride.
const WINDOW_BYTES: u64 = 128 * 1024;

/// Read at once while checking a payload.
const CHECK_BYTES: u64 = 1024 * 1024;

/// How a segment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Without a seal: it is written to, or was when the last life ended.
    Open,
    /// With a seal; `vouched` as the life that wrote it left it.
    Sealed { vouched: bool },
}

pub(super) fn find_end(segment: &Segment, len: u64) -> Result<End, Error> {
    if len < 2 * BLOCK || !len.is_multiple_of(BLOCK) {
        return Ok(End::Open);
    }
    let last = segment
        .file
        .read_at(len - BLOCK, BLOCK_BYTES)
        .doing("read a segment's end")?;
    let header = Header::decode(&last, segment.nonce).map(|(header, _)| header.kind);
    Ok(match header {
        Some(Kind::Seal) => End::Sealed { vouched: true },
        Some(Kind::RecoveredSeal) => End::Sealed { vouched: false },
        _ => End::Open,
    })
}

/// Where a record was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) header_bytes: usize,
}

impl Place {
    pub(super) fn payload_start(self) -> u64 {
        self.offset + self.header_bytes as u64
    }
}

/// The records of a segment in order, whole or not.
pub(super) struct Records<'a> {
    segment: &'a Segment,
    len: u64,
    next: u64,
    tail: u64,
    window_start: u64,
    window: Vec<u8>,
}

impl<'a> Records<'a> {
    /// Those at `from` or after it in a segment of `len` bytes.
    pub(super) fn from(segment: &'a Segment, len: u64, from: u64) -> Self {
        let from = from.max(BLOCK);
        Self {
            segment,
            len,
            next: from,
            tail: from,
            window_start: 0,
            window: Vec::new(),
        }
    }

    /// The next record; `None` at the seal or the end.
    pub(super) fn next(&mut self) -> Result<Option<(Header, Place)>, Error> {
        while self.next + BLOCK <= self.len {
            let offset = self.next;
            let nonce = self.segment.nonce;
            let found = Header::decode(self.block(offset)?, nonce);
            let Some((header, header_bytes)) =
                found.filter(|(header, _)| header.record_bytes <= self.len - offset)
            else {
                self.next += BLOCK;
                continue;
            };
            if matches!(header.kind, Kind::Seal | Kind::RecoveredSeal) {
                // In an open segment: sealed, but not cut before the power went.
                self.next = self.len;
                self.tail = offset;
                return Ok(None);
            }
            self.next += header.record_bytes;
            self.tail = self.next;
            let place = Place {
                offset,
                header_bytes,
            };
            return Ok(Some((header, place)));
        }
        Ok(None)
    }

    /// The end of the last record that was met, or the seal.
    pub(super) fn tail(&self) -> u64 {
        self.tail
    }

    fn block(&mut self, offset: u64) -> Result<&[u8], Error> {
        let end = self.window_start + self.window.len() as u64;
        if offset < self.window_start || offset + BLOCK > end {
            let len = WINDOW_BYTES.min(self.len - offset) as usize;
            self.window = self
                .segment
                .file
                .read_at(offset, len)
                .doing("scan a segment")?;
            self.window_start = offset;
        }
        let at = (offset - self.window_start) as usize;
        Ok(&self.window[at..at + BLOCK_BYTES])
    }
}

/// What the footer of a record says, if there is one.
pub(super) fn footer(
    segment: &Segment,
    header: &Header,
    place: Place,
) -> Result<Option<Footer>, Error> {
    let end = place.payload_start() + header.payload_bytes;
    let footer = segment
        .file
        .read_at(end, FOOTER_BYTES)
        .doing("read a footer")?;
    Ok(Footer::decode(&footer).filter(|footer| footer.sequence == header.sequence))
}

/// The payload's checksum if the record is whole. Where a seal vouches for payloads, only the
/// footer is read.
pub(super) fn whole(
    segment: &Segment,
    header: &Header,
    place: Place,
    vouched: bool,
) -> Result<Option<u64>, Error> {
    let Some(footer) = footer(segment, header, place)? else {
        return Ok(None);
    };
    if !vouched {
        let mut crc = checksum();
        let mut at = place.payload_start();
        let end = at + header.payload_bytes;
        while at < end {
            let len = CHECK_BYTES.min(end - at);
            let piece = segment.file.read_at(at, len as usize);
            crc.update(&piece.doing("read a payload")?);
            at += len;
        }
        if crc.finalize() != footer.payload_crc {
            return Ok(None);
        }
    }
    Ok(Some(footer.payload_crc))
}
