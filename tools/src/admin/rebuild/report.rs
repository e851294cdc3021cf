//! What a rebuild found and did.

use serde::Serialize;

use super::catalogue::Content;
use crate::error::Error;
use crate::output;

/// Keys that are listed one by one, at most; all are counted.
const LISTED_KEYS: usize = 1000;

/// What a rebuild found and did.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) disks: u64,
    /// Disks that did not tell all their shards, and why.
    pub(super) silent_disks: Vec<String>,
    pub(super) shards: u64,
    pub(super) damaged_shards: u64,
    pub(super) whole_blobs: u64,
    pub(super) partial_blobs: u64,
    pub(super) buckets: Vec<BucketReport>,
    /// Objects to be stored.
    objects: u64,
    object_bytes: u64,
    /// Of these, those that are parts of an upload: whether it was completed is not known.
    from_uploads: u64,
    /// Of these, those that miss shards.
    degraded: u64,
    /// Keys of which the newest is not whole.
    not_whole: u64,
    not_whole_keys: Vec<LostKey>,
    pub(super) stored: u64,
    /// Not stored, as the metadata has an object of that key.
    pub(super) present: u64,
    /// Not stored, as the metadata knows that they were deleted or replaced.
    pub(super) known: u64,
}

/// A key of which the newest is not whole.
#[derive(Debug, Serialize)]
struct LostKey {
    bucket: u64,
    key: String,
    why: &'static str,
    /// Whether something older is there instead.
    older_found: bool,
}

/// A bucket that shards tell of.
#[derive(Debug, Serialize)]
pub(super) struct BucketReport {
    id: u64,
    name: Option<String>,
    what: &'static str,
    objects: u64,
    bytes: u64,
    /// Objects that are older than the bucket, and so of another one that had its number.
    foreign: u64,
}

impl BucketReport {
    pub(super) fn new(id: u64, objects: &[(Vec<u8>, Content)]) -> Self {
        Self {
            id,
            name: None,
            what: "was deleted, left out",
            objects: objects.len() as u64,
            bytes: objects
                .iter()
                .map(|(_, content)| content.length_bytes())
                .sum(),
            foreign: 0,
        }
    }

    pub(super) fn exists(&mut self, name: &str, foreign: u64) {
        self.name = Some(name.to_owned());
        self.what = "exists";
        self.foreign = foreign;
    }

    pub(super) fn recovered(&mut self, name: &str) {
        self.name = Some(name.to_owned());
        self.what = "new name";
    }
}

impl Report {
    pub(super) fn count(&mut self, content: &Content) {
        self.objects += 1;
        self.object_bytes += content.length_bytes();
        self.from_uploads += u64::from(matches!(content, Content::Parts(_)));
        self.degraded += u64::from(content.blobs().any(|blob| blob.missing_shards > 0));
    }

    pub(super) fn note_lost(
        &mut self,
        bucket: u64,
        key: &[u8],
        why: &'static str,
        older_found: bool,
    ) {
        self.not_whole += 1;
        if self.not_whole_keys.len() < LISTED_KEYS {
            self.not_whole_keys.push(LostKey {
                bucket,
                key: String::from_utf8_lossy(key).into_owned(),
                why,
                older_found,
            });
        }
    }

    pub(super) fn print(&self, json: bool) -> Result<(), Error> {
        match json {
            true => println!("{}", output::json(self)),
            false => println!("{}", self.text()),
        }
        Ok(())
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let counts = [
            ("disks", self.disks),
            ("shards", self.shards),
            ("damaged shards", self.damaged_shards),
            ("blobs that are whole", self.whole_blobs),
            ("blobs that are not", self.partial_blobs),
            ("objects to store", self.objects),
            ("their bytes", self.object_bytes),
            ("of them from uploads in parts", self.from_uploads),
            ("of them with missing shards", self.degraded),
            ("keys whose newest is not whole", self.not_whole),
            ("stored", self.stored),
            ("left, as the key has an object", self.present),
            ("left, as deleted or replaced", self.known),
        ];
        let counts = counts.map(|(what, count)| vec![what.to_owned(), count.to_string()]);
        let mut text = output::table(&["what", "count"], &counts, 1);
        let buckets = self.buckets.iter().map(|bucket| {
            vec![
                bucket.name.clone().unwrap_or_default(),
                bucket.what.to_owned(),
                bucket.id.to_string(),
                bucket.objects.to_string(),
                bucket.bytes.to_string(),
                bucket.foreign.to_string(),
            ]
        });
        let titles = ["bucket", "what", "id", "objects", "bytes", "not of it"];
        text.push('\n');
        text.push_str(&output::table(&titles, &buckets.collect::<Vec<_>>(), 2));
        let lost = self.not_whole_keys.iter().map(|lost| {
            let instead = match lost.older_found {
                true => "an older one",
                false => "nothing",
            };
            vec![
                lost.bucket.to_string(),
                lost.key.clone(),
                lost.why.to_owned(),
                instead.to_owned(),
            ]
        });
        let lost: Vec<_> = lost.collect();
        if !lost.is_empty() {
            text.push('\n');
            let titles = ["bucket", "key", "why it is not whole", "stored instead"];
            text.push_str(&output::table(&titles, &lost, 4));
        }
        for silent in &self.silent_disks {
            text.push_str("\nno answer from disk ");
            text.push_str(silent);
        }
        text
    }
}
