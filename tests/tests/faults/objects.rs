//! Objects of every shape that faults must not touch.

use std::collections::BTreeMap;

use libtest_mimic::Failed;
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, KIB, MIB};
use riquet_tests::s3::{Request, S3};

use crate::metrics;

/// Inline, one short stripe, several stripes, borders of each, and two chunks.
const SIZES_BYTES: [u64; 9] = [
    0,
    1,
    4 * KIB,
    4 * KIB + 1,
    64 * KIB,
    256 * KIB + 1,
    MIB + 1,
    5 * MIB + 3,
    65 * MIB,
];

/// What a bucket must hold.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    bucket: String,
    /// Length in bytes and SHA-256 by key.
    expected: BTreeMap<String, (u64, String)>,
}

impl Objects {
    /// None yet, in a new bucket.
    pub(crate) fn in_new_bucket(s3: &S3, bucket: &str) -> Result<Self, Failed> {
        s3.put(&format!("/{bucket}"), &[])?;
        Ok(Self {
            bucket: bucket.to_owned(),
            expected: BTreeMap::new(),
        })
    }

    /// Bytes of all of them.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.expected
            .values()
            .map(|(size_bytes, _)| size_bytes)
            .sum()
    }

    /// The path of a key.
    pub(crate) fn path(&self, key: &str) -> String {
        format!("/{}/{key}", self.bucket)
    }

    /// Stores one object.
    pub(crate) fn put(&mut self, s3: &S3, key: &str, bytes: &[u8]) -> Result<(), Failed> {
        s3.put(&self.path(key), bytes)
            .map_err(|error| explained(&error, &format!("PUT {key}")))?;
        self.note(key, bytes);
        Ok(())
    }

    /// Notes that `key` was stored by other means.
    pub(crate) fn note(&mut self, key: &str, bytes: &[u8]) {
        let size_bytes = bytes.len() as u64;
        let entry = (size_bytes, data::sha256(bytes));
        self.expected.insert(key.to_owned(), entry);
    }

    /// Stores an object of each shape, and one in parts, under keys that start with `prefix`.
    pub(crate) fn put_all_shapes(
        &mut self,
        s3: &S3,
        prefix: &str,
        seed: u64,
    ) -> Result<(), Failed> {
        for size_bytes in SIZES_BYTES {
            let bytes = data::bytes(seed + size_bytes, size_bytes);
            self.put(s3, &format!("{prefix}/{size_bytes}"), &bytes)?;
        }
        let key = format!("{prefix}/in parts");
        let parts = [data::bytes(seed, 5 * MIB), data::bytes(seed + 1, 100_001)];
        let path = self.path(&key);
        let upload = s3.create_upload(&path)?;
        let mut etags = Vec::new();
        for (bytes, number) in parts.iter().zip(1..) {
            let answer = s3.send(S3::part(&path, &upload, number), bytes)?;
            etags.push(etag(&answer.expect(200)?)?);
        }
        s3.complete(&path, &upload, &etags)?;
        self.note(&key, &parts.concat());
        Ok(())
    }

    /// Like [`Self::put_all_shapes`], until no shard is owed: a write may be acknowledged with one
    /// shard less at each site, and faults that leave just enough need them all.
    pub(crate) fn put_all_shapes_in_full(
        &mut self,
        cluster: &Cluster,
        site: Site,
        prefix: &str,
        seed: u64,
    ) -> Result<(), Failed> {
        /// A busy machine may make a disk too slow a few times.
        const ATTEMPTS: u32 = 5;
        metrics::await_all_nodes_up(cluster)?;
        for _ in 0..ATTEMPTS {
            let owed = || metrics::sum(cluster, site, "riquet_gateway_shards_owed_total");
            let owed_before = owed()?;
            self.put_all_shapes(&cluster.s3(site), prefix, seed)?;
            if owed()? <= owed_before {
                return Ok(());
            }
        }
        Err("shards are owed each time".into())
    }

    /// Expects no more what only the metadata held.
    pub(crate) fn forget_inline(&mut self) {
        self.expected
            .retain(|_, (size_bytes, _)| *size_bytes > 4 * KIB);
    }

    /// Deletes one object.
    pub(crate) fn delete(&mut self, s3: &S3, key: &str) -> Result<(), Failed> {
        s3.ask("DELETE", &self.path(key))?.expect(204)?;
        self.expected.remove(key);
        Ok(())
    }

    /// Everything reads back right, in full and in part, and the listing is exact.
    pub(crate) fn verify(&self, s3: &S3) -> Result<(), Failed> {
        self.verify_acknowledged(s3)?;
        let keys: Vec<&String> = self.expected.keys().collect();
        assert_eq!(s3.keys(&self.bucket, "")?.iter().collect::<Vec<_>>(), keys);
        Ok(())
    }

    /// One of them, whichever that number falls on, reads back right.
    pub(crate) fn verify_one(&self, s3: &S3, number: u64) -> Result<(), Failed> {
        let at = number as usize % self.expected.len();
        let (key, expected) = self.expected.iter().nth(at).ok_or("there are none")?;
        let found = s3.sha256(&self.path(key))?;
        match found == *expected {
            true => Ok(()),
            false => Err(format!("{key} reads back as {found:?}, not as {expected:?}").into()),
        }
    }

    /// Everything reads back right. More may be listed: a write whose answer was an error or was
    /// lost may have happened all the same.
    pub(crate) fn verify_acknowledged(&self, s3: &S3) -> Result<(), Failed> {
        for (key, (size_bytes, hash)) in &self.expected {
            let found = s3
                .sha256(&self.path(key))
                .map_err(|error| explained(&error, &format!("GET {key}")))?;
            assert_eq!(found, (*size_bytes, hash.clone()), "{key}");
            let head = s3.ask("HEAD", &self.path(key))?.expect(200)?;
            let length = head.header("content-length");
            assert_eq!(length, Some(size_bytes.to_string().as_str()), "{key}");
            if *size_bytes > 2 {
                let last = Request::new("GET", self.path(key)).header("range", "bytes=-2");
                let answer = s3.send(last, &[])?.expect(206)?;
                assert_eq!(answer.body.len(), 2, "{key}");
            }
        }
        let listed = s3.keys(&self.bucket, "")?;
        for key in self.expected.keys() {
            assert!(listed.binary_search(key).is_ok(), "{key} is not listed");
        }
        Ok(())
    }
}

/// The failure, after what was being done.
pub(crate) fn explained(failure: &Failed, doing: &str) -> Failed {
    format!("{doing}: {}", failure.message().unwrap_or("no message")).into()
}

/// The ETag of an answer.
pub(crate) fn etag(answer: &riquet_tests::s3::Answer) -> Result<String, Failed> {
    let etag = answer.header("etag").ok_or("an answer without an ETag")?;
    Ok(etag.to_owned())
}
