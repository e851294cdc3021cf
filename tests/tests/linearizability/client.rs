//! One client: sends a request, and tells what it learned in the terms of the model.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use libtest_mimic::Failed;
use md5::{Digest, Md5};
use riquet_tests::cluster::Site;
use riquet_tests::data::{self, KIB};
use riquet_tests::s3::{self, Request, S3};

use crate::history::{Event, Object};
use crate::model::{Action, Answer, Change, Condition, KEYS, State, Value};

/// Bytes of the values, taken in turn: in the metadata's record up to 4 KiB, else on the nodes. Most
/// are small, so that a run of an hour fills no disk.
const SIZES_BYTES: [u64; 7] = [100, 4 * KIB, 1000, 4 * KIB + 1, 200, 2 * KIB, 20 * KIB];
/// Of so many values in turn the last has several cells.
const LARGE: Value = 50;
/// Bytes of those.
const LARGE_BYTES: u64 = 150 * KIB;

/// Of so many values in turn the last is uploaded in parts.
const IN_PARTS: Value = 8;

/// The bytes of a value: no two values have the same.
fn body(value: Value) -> Vec<u8> {
    let size_bytes = if value % LARGE == LARGE - 1 {
        LARGE_BYTES
    } else {
        SIZES_BYTES[value as usize % SIZES_BYTES.len()]
    };
    data::bytes(u64::from(value), size_bytes)
}

/// The values that were ever sent, and the clock that all clients share.
#[derive(Debug)]
pub(crate) struct Values {
    next: AtomicU32,
    by_etag: Mutex<HashMap<String, Value>>,
    start: Instant,
}

impl Values {
    pub(crate) fn new() -> Self {
        Self {
            next: AtomicU32::new(1),
            by_etag: Mutex::default(),
            start: Instant::now(),
        }
    }

    /// A value of its own, known by its ETag from now on.
    pub(crate) fn fresh(&self) -> Value {
        let value = self.next.fetch_add(1, Ordering::Relaxed);
        let mut by_etag = self.by_etag.lock().unwrap_or_else(PoisonError::into_inner);
        by_etag.insert(etag(value), value);
        value
    }

    /// The value with this ETag, quoted or bare.
    fn of_etag(&self, etag: &str) -> Result<Value, Failed> {
        let bare = etag.replace("&quot;", "").replace('"', "");
        let by_etag = self.by_etag.lock().unwrap_or_else(PoisonError::into_inner);
        let value = by_etag.get(&bare).copied();
        value.ok_or_else(|| format!("nobody wrote what has the ETag {etag}").into())
    }

    /// µs since the start.
    pub(crate) fn now_us(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_micros()).expect("a run ends")
    }
}

/// The ETag of a value without its quotes: the MD5 of its bytes, or what an upload of one part
/// makes of it.
fn etag(value: Value) -> String {
    let digest = Md5::digest(body(value));
    if is_in_parts(value) {
        format!("{}-1", hex::encode(Md5::digest(digest)))
    } else {
        hex::encode(digest)
    }
}

fn is_in_parts(value: Value) -> bool {
    value % IN_PARTS == IN_PARTS - 1
}

/// What a client wants.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wish {
    Write(usize, Change, Condition),
    Get(usize),
    Head(usize),
    List,
}

/// A client of one gateway.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    pub(crate) number: u32,
    pub(crate) gateway: Site,
    pub(crate) s3: S3,
    pub(crate) values: &'a Values,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Told {
    /// Something that belongs to the history.
    Event(Event),
    /// Nothing: a read that failed, or a request that was never sent.
    Nothing,
}

impl Client<'_> {
    /// Sends one request.
    ///
    /// # Errors
    /// When the answer is one that no fault excuses.
    pub(crate) fn ask(&self, bucket: &str, object: Object, wish: Wish) -> Result<Told, Failed> {
        let folder = format!("{}/{}", object.round, object.slot);
        let path = |key: usize| format!("/{bucket}/{folder}/{key}");
        // The bytes are made before the clock is read: the span shall be short.
        let (request, sent) = match wish {
            Wish::Get(key) => (Request::new("GET", path(key)), Vec::new()),
            Wish::Head(key) => (Request::new("HEAD", path(key)), Vec::new()),
            Wish::List => {
                let request = Request::new("GET", format!("/{bucket}"))
                    .query("list-type", 2)
                    .query("prefix", format!("{folder}/"));
                (request, Vec::new())
            }
            Wish::Write(key, change, condition) => {
                let (request, sent) = match change {
                    Change::Put(value) if is_in_parts(value) => {
                        // It takes effect when it is completed; until then nothing is written.
                        let Ok(completion) = self.upload(&path(key), value) else {
                            return Ok(Told::Nothing);
                        };
                        completion
                    }
                    Change::Put(value) => (Request::new("PUT", path(key)), body(value)),
                    Change::Delete => (Request::new("DELETE", path(key)), Vec::new()),
                };
                let request = match condition {
                    Condition::Always => request,
                    Condition::Absent => request.header("if-none-match", "*"),
                    Condition::Holds(value) => {
                        request.header("if-match", format!("\"{}\"", etag(value)))
                    }
                };
                (request, sent)
            }
        };
        let call_us = self.values.now_us();
        let answer = self.s3.send(request, &sent);
        let return_us = self.values.now_us();
        let action = match wish {
            Wish::Write(key, change, condition) => written(&answer)?.map(|answer| Action::Write {
                key,
                change,
                condition,
                answer,
            }),
            Wish::Get(key) => self
                .read(answer, true)?
                .map(|seen| Action::Read { key, seen }),
            Wish::Head(key) => self
                .read(answer, false)?
                .map(|seen| Action::Read { key, seen }),
            Wish::List => self
                .listed(answer, &folder)?
                .map(|seen| Action::List { seen }),
        };
        Ok(match action {
            None => Told::Nothing,
            Some(action) => Told::Event(Event {
                client: self.number,
                gateway: self.gateway,
                object,
                call_us,
                return_us,
                action,
            }),
        })
    }

    /// Uploads a value as a part; the request, with its body, that makes an object of it.
    fn upload(&self, path: &str, value: Value) -> Result<(Request<'static>, Vec<u8>), Failed> {
        let id = self.s3.create_upload(path)?;
        let part = self
            .s3
            .send(S3::part(path, &id, 1), &body(value))?
            .expect(200)?;
        let etag = part.header("etag").ok_or("a part without ETag")?;
        let xml = format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>\
             </CompleteMultipartUpload>"
        );
        let request = Request::new("POST", path).query("uploadId", id);
        Ok((request, xml.into_bytes()))
    }

    /// What a GET or HEAD saw; nothing when it failed.
    fn read(
        &self,
        answer: Result<s3::Answer, Failed>,
        has_body: bool,
    ) -> Result<Option<Option<Value>>, Failed> {
        let Some(answer) = served(answer)? else {
            return Ok(None);
        };
        match answer.status {
            // A HEAD's answer has no body to say what is missing.
            404 if !has_body || answer.element("Code").as_deref() == Some("NoSuchKey") => {
                Ok(Some(None))
            }
            200 => {
                let etag = answer.header("etag").ok_or("an object without ETag")?;
                let value = self.values.of_etag(etag)?;
                if has_body && answer.body != body(value) {
                    return Err(format!("value {value} has other bytes than were sent").into());
                }
                Ok(Some(Some(value)))
            }
            _ => Err(unexcused(&answer)),
        }
    }

    /// What a listing saw; nothing when it failed.
    fn listed(
        &self,
        answer: Result<s3::Answer, Failed>,
        folder: &str,
    ) -> Result<Option<State>, Failed> {
        let Some(answer) = served(answer)? else {
            return Ok(None);
        };
        let answer = answer.expect(200)?;
        let xml = answer.text();
        let (keys, etags) = (s3::elements(&xml, "Key"), s3::elements(&xml, "ETag"));
        if keys.len() != etags.len() || answer.element("IsTruncated").as_deref() != Some("false") {
            return Err(format!("a strange listing: {xml}").into());
        }
        let mut seen = [None; KEYS];
        for (key, etag) in keys.iter().zip(&etags) {
            let key: usize = key
                .strip_prefix(&format!("{folder}/"))
                .ok_or_else(|| format!("{key} does not begin with {folder}"))?
                .parse()?;
            if seen[key].replace(self.values.of_etag(etag)?).is_some() {
                return Err(format!("a key is listed twice: {xml}").into());
            }
        }
        Ok(Some(seen))
    }
}

/// The answer to a read; nothing when a fault kept it away.
fn served(answer: Result<s3::Answer, Failed>) -> Result<Option<s3::Answer>, Failed> {
    Ok(answer
        .ok()
        .filter(|answer| !matches!(answer.status, 500 | 503)))
}

/// What a write was told; nothing when it was surely never sent.
fn written(answer: &Result<s3::Answer, Failed>) -> Result<Option<Answer>, Failed> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            // Only connecting can fail so.
            let was_sent = !error
                .message()
                .is_some_and(|text| text.contains("Connection refused"));
            return Ok(was_sent.then_some(Answer::Uncertain));
        }
    };
    let code = answer.element("Code").unwrap_or_default();
    // A completion may fail after it has begun its answer with 200.
    Ok(Some(match (answer.status, code.as_str()) {
        (200 | 204, "") => Answer::Done,
        (200 | 412, "PreconditionFailed") => Answer::PreconditionFailed,
        (200 | 404, "NoSuchKey") => Answer::NoSuchKey,
        (200, "ServiceUnavailable" | "SlowDown") | (503, _) => Answer::Refused,
        (200, "InternalError") | (500, _) => Answer::Uncertain,
        _ => return Err(unexcused(answer)),
    }))
}

fn unexcused(answer: &s3::Answer) -> Failed {
    format!(
        "no fault excuses the status {}: {}",
        answer.status,
        answer.text()
    )
    .into()
}
