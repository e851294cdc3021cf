//! Which blobs hold a range of an object, and what their streams are, where they are sealed.

use std::ops::Range;

use riquet_metadata::record::{BlobRef, Content, Part};

use super::sealed::{Damaged, Stream};

/// A range of one blob.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) blob: BlobRef,
    /// What it is, if it is sealed.
    pub(super) stream: Option<Stream>,
    /// The bytes of it: of the plaintext, if it is sealed.
    pub(super) range: Range<u64>,
}

/// The pieces that hold `range` of plain content.
pub(super) fn plain(content: &Content, range: Range<u64>) -> Vec<Piece> {
    let blobs = content.blobs();
    cut(blobs.map(|blob| (blob, None, blob.length_bytes)), range)
}

/// The pieces that hold `range` of sealed content.
///
/// # Errors
/// For content of a shape that no writer made: a stream in several blobs, a part without a salt.
pub(super) fn sealed(content: &Content, range: Range<u64>) -> Result<Vec<Piece>, Damaged> {
    let streams: Vec<_> = match content {
        Content::Inline(_) => Vec::new(),
        Content::Blobs(blobs) => match blobs.as_slice() {
            [blob] => vec![(blob, Some(Stream::Object), content.plain_bytes())],
            _ => return Err(Damaged),
        },
        Content::Parts(parts) => {
            let streams = parts.iter().filter(|part| part.size_bytes > 0);
            streams.map(stream_of_part).collect::<Result<_, _>>()?
        }
    };
    Ok(cut(streams.into_iter(), range))
}

fn stream_of_part(part: &Part) -> Result<(&BlobRef, Option<Stream>, u64), Damaged> {
    let salt = part.salt.ok_or(Damaged)?;
    let stream = Stream::Part {
        number: part.number,
        salt,
    };
    match &part.content {
        Content::Blobs(blobs) if blobs.len() == 1 && part.plain_bytes() == part.size_bytes => {
            Ok((&blobs[0], Some(stream), part.size_bytes))
        }
        _ => Err(Damaged),
    }
}

/// Cuts a range at the borders of blobs, each with its length before it was sealed.
fn cut<'a>(
    blobs: impl Iterator<Item = (&'a BlobRef, Option<Stream>, u64)>,
    range: Range<u64>,
) -> Vec<Piece> {
    let mut at = 0;
    let mut pieces = Vec::new();
    for (blob, stream, length_bytes) in blobs {
        let here = at..at + length_bytes;
        let (start, end) = (range.start.max(here.start), range.end.min(here.end));
        if start < end {
            pieces.push(Piece {
                blob: blob.clone(),
                stream,
                range: start - at..end - at,
            });
        }
        at = here.end;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use riquet_cluster::id::BlobId;
    use riquet_cluster::profile::ProfileId;
    use riquet_metadata::record::{ETag, PACKAGE_BYTES, Salt, sealed_length};

    use super::*;

    fn blob(id: u128, length_bytes: u64) -> BlobRef {
        BlobRef {
            id: BlobId::from_u128(id),
            length_bytes,
            profile: ProfileId(0),
            chunk_size_bytes: 64,
            epochs: Vec::new(),
        }
    }

    #[test]
    fn a_range_is_cut_at_the_blobs_borders() {
        let content = Content::Blobs(vec![blob(1, 10), blob(2, 20), blob(3, 5)]);
        let cut = |range| {
            plain(&content, range)
                .into_iter()
                .map(|piece| (piece.blob.id.as_u128(), piece.range))
                .collect::<Vec<_>>()
        };
        assert_eq!(cut(0..35), [(1, 0..10), (2, 0..20), (3, 0..5)]);
        assert_eq!(cut(10..30), [(2, 0..20)]);
        assert_eq!(cut(9..31), [(1, 9..10), (2, 0..20), (3, 0..1)]);
        assert_eq!(cut(12..13), [(2, 2..3)]);
        assert!(cut(7..7).is_empty());
    }

    #[test]
    fn a_range_of_sealed_parts_is_one_of_their_plaintext() {
        let part = |number: u32, size_bytes| Part {
            number,
            size_bytes,
            etag: ETag::whole([0; 16]),
            checksums: Vec::new(),
            content: Content::Blobs(vec![blob(number.into(), sealed_length(size_bytes))]),
            modified_ms: 0,
            salt: Some(Salt([number as u8; 16])),
        };
        let parts = [part(1, 2 * PACKAGE_BYTES), part(4, 100)];
        let content = Content::Parts(parts.to_vec());
        let cut = |range| {
            sealed(&content, range)
                .expect("as it is written")
                .into_iter()
                .map(|piece| (piece.stream, piece.range))
                .collect::<Vec<_>>()
        };
        let stream = |number: u32| {
            Some(Stream::Part {
                number,
                salt: Salt([number as u8; 16]),
            })
        };
        let border = 2 * PACKAGE_BYTES;
        assert_eq!(cut(0..1), [(stream(1), 0..1)]);
        assert_eq!(
            cut(border - 1..border + 2),
            [(stream(1), border - 1..border), (stream(4), 0..2)]
        );
        let [mut one, other] = parts;
        one.salt = None;
        assert_eq!(
            sealed(&Content::Parts(vec![one, other]), 0..1),
            Err(Damaged)
        );
        let two = Content::Blobs(vec![blob(1, 20), blob(2, 20)]);
        assert_eq!(sealed(&two, 0..1), Err(Damaged));
    }
}
