//! Which blobs are whole, and which of them are objects.

use proptest::prelude::*;
use riquet_cluster::id::{BlobId, ChunkId, ClusterId, Epoch, ShardId};
use riquet_cluster::layout::{Layout, Migration, Pg};
use riquet_cluster::profile::{Profile, ProfileId, SiteId};
use riquet_cluster::wire::shard::{Owner, PartOwner, ShardDescriptor, StoredShard};

use super::blobs::{Blob, Fault, Gathered, Gathering};
use super::catalogue::{Catalogue, Chosen, Content};
use super::parse_name;

const K: u8 = 2;
const TOTAL: u8 = 6;
const CHUNK_BYTES: u64 = 1000;

fn layout() -> Layout {
    Layout {
        cluster: ClusterId::from_u128(1),
        epoch: Epoch(1),
        sites: Vec::new(),
        nodes: Vec::new(),
        disks: Vec::new(),
        profiles: vec![Profile {
            id: ProfileId(0),
            name: "2/3".to_owned(),
            data: K,
            per_site: TOTAL / 2,
            sites: vec![SiteId(0), SiteId(1)],
            cell_size: 64,
            chunk_size: CHUNK_BYTES,
        }],
        tables: Vec::new(),
        standard: ProfileId(0),
        one_zone: Vec::new(),
        migration: Migration::default(),
        change: None,
    }
}

fn owner(part: Option<(u8, u16)>) -> Owner {
    Owner {
        bucket: 7,
        key: b"key".to_vec(),
        part: part.map(|(upload, number)| PartOwner {
            upload: [upload; 16],
            number,
        }),
        sealed: false,
    }
}

/// A shard of a blob of `length` bytes.
fn shard(seq: u32, index: u8, length: u64, says_length: bool) -> StoredShard {
    StoredShard {
        descriptor: ShardDescriptor {
            id: ShardId {
                chunk: ChunkId {
                    blob: BlobId::from_u128(1),
                    seq,
                },
                index,
            },
            profile: ProfileId(0),
            data: K,
            total: TOTAL,
            cell_size: 64,
            chunk_len: CHUNK_BYTES.min(length - u64::from(seq) * CHUNK_BYTES),
            payload_len: 1,
            pg: Pg(0),
            epoch: Epoch(1),
            owner: owner(None),
            blob_len: says_length.then_some(length),
        },
        written_ms: 100 + u64::from(seq),
    }
}

fn gather(shards: &[StoredShard]) -> Gathered {
    let mut gathering = Gathering::begin(&layout(), &shards[0]);
    for shard in &shards[1..] {
        assert!(gathering.takes(shard));
        gathering.add(shard);
    }
    gathering.finish()
}

proptest! {
    /// A blob counts exactly if each of its chunks can be read; a shard found twice counts once.
    #[test]
    fn a_blob_is_whole_if_each_chunk_has_enough_shards(
        length in 1..4 * CHUNK_BYTES,
        says_length: bool,
        present in proptest::collection::vec(0..1u32 << TOTAL, 4),
        repeated in 0..TOTAL,
    ) {
        let chunks = length.div_ceil(CHUNK_BYTES) as u32;
        let mut shards = Vec::new();
        for seq in 0..chunks {
            for index in 0..TOTAL {
                if present[seq as usize] >> index & 1 == 1 {
                    shards.push(shard(seq, index, length, says_length));
                    if index == repeated {
                        shards.push(shard(seq, index, length, says_length));
                    }
                }
            }
        }
        prop_assume!(!shards.is_empty());
        let counts = || (0..chunks).map(|seq| present[seq as usize].count_ones());
        let is_readable = counts().all(|count| count >= u32::from(K));
        let is_told = says_length || !length.is_multiple_of(CHUNK_BYTES);
        let gathered = gather(&shards);
        match gathered.blob {
            Ok(blob) => {
                // Without the length, chunks missing at the end are only noticed behind a full one.
                prop_assert!(is_readable && is_told);
                prop_assert_eq!(blob.length_bytes, length);
                let found: u32 = counts().sum();
                prop_assert_eq!(blob.missing_shards, chunks * u32::from(TOTAL) - found);
                prop_assert_eq!(blob.written_ms, 100 + u64::from(chunks) - 1);
            }
            Err(fault) => {
                prop_assert!(!is_readable || !is_told, "{fault:?}");
                if is_readable {
                    prop_assert_eq!(fault, Fault::UnknownLength);
                }
            }
        }
    }
}

#[test]
fn what_is_encrypted_is_told_and_not_brought_back() {
    let mut shards: Vec<_> = (0..TOTAL).map(|index| shard(0, index, 5, true)).collect();
    assert!(gather(&shards).blob.is_ok());
    for shard in &mut shards {
        shard.descriptor.owner.sealed = true;
    }
    assert_eq!(gather(&shards).blob, Err(Fault::Sealed));
}

#[test]
fn shards_that_disagree_make_no_blob() {
    let good = |seq| (0..K).map(move |index| shard(seq, index, 1500, true));
    let all: Vec<StoredShard> = good(0).chain(good(1)).collect();
    assert!(gather(&all).blob.is_ok());
    let alterations: [fn(&mut StoredShard); 4] = [
        |shard| shard.descriptor.owner.key.push(b'x'),
        |shard| shard.descriptor.chunk_len -= 1,
        |shard| shard.descriptor.blob_len = Some(1501),
        |shard| shard.descriptor.data += 1,
    ];
    for (n, alter) in alterations.into_iter().enumerate() {
        let mut all = all.clone();
        alter(&mut all[1]);
        assert_eq!(gather(&all).blob, Err(Fault::Contradiction), "{n}");
    }
}

fn blob(id: u128, written_ms: u64, length_bytes: u64) -> Blob {
    Blob {
        id: BlobId::from_u128(id),
        length_bytes,
        profile: ProfileId(0),
        epochs: Box::default(),
        written_ms,
        missing_shards: 0,
    }
}

/// Upload and number, if it is a part; the blob, or when it was written and what is wrong with it.
type FoundBlob = (Option<(u8, u16)>, Result<Blob, (u64, Fault)>);

/// What one key's object is.
fn choose(found: &[FoundBlob]) -> Chosen {
    let mut catalogue = Catalogue::default();
    for (part, blob) in found {
        catalogue.add(Gathered {
            owner: owner(*part),
            written_ms: match blob {
                Ok(blob) => blob.written_ms,
                Err((written_ms, _)) => *written_ms,
            },
            blob: blob.clone().map_err(|(_, fault)| fault),
        });
    }
    let mut chosen: Vec<_> = catalogue.into_chosen().collect();
    assert_eq!(chosen.len(), 1);
    let (name, chosen) = chosen.remove(0);
    assert_eq!(name, (7, b"key".to_vec()));
    chosen
}

const LARGE: u64 = 5 << 20;

#[test]
fn the_newest_that_is_whole_is_the_object() {
    let (old, new) = (blob(2, 10, 5), blob(1, 20, 6));
    let parts = [blob(3, 15, LARGE), blob(4, 30, 1)];
    let object = |blob: &Blob| Some(Content::Object(blob.clone()));
    let whole = |content| Chosen {
        content,
        fault: None,
    };
    for order in [[&old, &new], [&new, &old]] {
        let found = order.map(|blob| (None, Ok(blob.clone())));
        assert_eq!(choose(&found), whole(object(&new)));
    }
    let upload = [1, 2].map(|number| {
        (
            Some((1, number)),
            Ok(parts[usize::from(number) - 1].clone()),
        )
    });
    let mut all = upload.to_vec();
    all.push((None, Ok(new.clone())));
    let [first, second] = parts;
    let as_parts = Content::Parts(vec![(1, first.clone()), (2, second.clone())]);
    assert_eq!(choose(&all), whole(Some(as_parts)));
    // A part that was sent again counts once, as it was last.
    let again = blob(5, 40, 2);
    all.push((Some((1, 2)), Ok(again.clone())));
    let as_parts = Content::Parts(vec![(1, first), (2, again)]);
    assert_eq!(choose(&all), whole(Some(as_parts)));
}

#[test]
fn what_is_not_whole_is_told_and_never_chosen() {
    let old = blob(1, 10, 5);
    let part = |number, blob| (Some((1, number)), Ok(blob));
    let gap = [part(1, blob(2, 20, LARGE)), part(3, blob(3, 21, 1))];
    let small = [part(1, blob(2, 20, LARGE - 1)), part(2, blob(3, 21, 1))];
    let late = [part(2, blob(2, 20, LARGE)), part(3, blob(3, 21, 1))];
    let lost = [(None, Err((20, Fault::TooFewShards)))];
    for found in [gap.as_slice(), &small, &late, &lost] {
        let chosen = choose(found);
        assert_eq!(chosen.content, None);
        assert!(chosen.fault.is_some());
        let with_older = [found, &[(None, Ok(old.clone()))]].concat();
        let chosen = choose(&with_older);
        assert_eq!(chosen.content, Some(Content::Object(old.clone())));
        assert!(chosen.fault.is_some(), "the newer one is told");
        let newer = blob(9, 30, 5);
        let with_newer = [found, &[(None, Ok(newer.clone()))]].concat();
        let chosen = choose(&with_newer);
        assert_eq!(chosen.content, Some(Content::Object(newer)));
        assert_eq!(chosen.fault, None, "replaced long ago");
    }
}

#[test]
fn names_are_checked() {
    assert_eq!(
        parse_name("7=my-bucket").unwrap(),
        (7, "my-bucket".to_owned())
    );
    for wrong in ["", "7", "x=abc", "7=ab", "7=-abc", "7=Abc", "7=a/b"] {
        assert!(parse_name(wrong).is_err(), "{wrong}");
    }
}
