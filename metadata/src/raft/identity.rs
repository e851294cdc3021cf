//! Which folder each voter votes from.
//!
//! A voter that lost its folder forgot what it voted for and what it acknowledged. If it were heard
//! under its old number, a majority with it could choose a leader that lacks what was
//! acknowledged. So a folder gets a name when it is made, every voter asks the others for theirs once
//! and keeps them beside its log, and calls between voters carry both names: who is called refuses
//! a call that is meant for another folder, and one from another folder than it knows, and whoever
//! calls drops an answer from another.
//!
//! Until a voter has asked, which takes it a second from when both run, it hears whoever has the number.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Limited};
use riquet_cluster::transport::{Transport, empty_body};

use super::host::RaftHost;
use super::limits::{LEADERSHIP_MS, STATUS_MS};
use super::log::LogStore;
use crate::codec::Record;
use crate::limits::MESSAGE_BYTES;
use crate::voters::{STATUS_PATH, VoterStatus};

/// In a call: the number of the voter that calls.
const CALLER: HeaderName = HeaderName::from_static("riquet-voter");
/// In a call and in an answer: the folder of the voter it is from.
const FROM: HeaderName = HeaderName::from_static("riquet-voter-folder");
/// In a call: the folder of the voter that is meant.
const MEANT: HeaderName = HeaderName::from_static("riquet-voter-folder-meant");

/// Somebody is not who others take it for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stranger {
    #[error("the caller lost the folder that it voted from")]
    Caller,
    #[error("the voter that was called lost the folder that it voted from")]
    Called,
}

/// The folder of a voter, and those of the voters that it knows.
pub(super) struct Folders {
    voter: u64,
    own: String,
    log: Arc<LogStore>,
    /// By their voters' numbers. What is here is durable, and stays.
    known: RwLock<BTreeMap<u64, String>>,
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn value(name: &str) -> HeaderValue {
    HeaderValue::from_str(name).expect("hexadecimal digits")
}

impl Folders {
    pub(super) fn open(voter: u64, log: Arc<LogStore>) -> io::Result<Arc<Self>> {
        let (own, known) = (log.name()?, log.known_folders()?);
        Ok(Arc::new(Self {
            voter,
            own,
            log,
            known: RwLock::new(known),
        }))
    }

    /// The voter whose folder this is.
    pub(super) fn voter(&self) -> u64 {
        self.voter
    }

    /// The folder that a voter votes from, as far as it is known.
    pub(super) fn of(&self, voter: u64) -> Option<String> {
        if voter == self.voter {
            return Some(self.own.clone());
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&voter).cloned()
    }

    fn is_another(&self, voter: u64, folder: &str) -> bool {
        self.of(voter).is_some_and(|known| known != folder)
    }

    /// Says in a call who calls, and whom.
    pub(super) fn address(&self, call: &mut HeaderMap, to: u64) {
        call.insert(CALLER, HeaderValue::from(self.voter));
        call.insert(FROM, value(&self.own));
        if let Some(folder) = self.of(to) {
            call.insert(MEANT, value(&folder));
        }
    }

    /// Lets a call through from a voter that is who it was, to one that is.
    pub(super) fn admit(&self, call: &HeaderMap) -> Result<(), Stranger> {
        if text(call, MEANT).is_some_and(|meant| meant != self.own) {
            return Err(Stranger::Called);
        }
        let caller = text(call, CALLER).and_then(|number| number.parse().ok());
        match (caller, text(call, FROM)) {
            (Some(caller), Some(folder)) if !self.is_another(caller, folder) => Ok(()),
            _ => Err(Stranger::Caller),
        }
    }

    /// Says in an answer who gives it.
    pub(super) fn sign(&self, answer: &mut HeaderMap) {
        answer.insert(FROM, value(&self.own));
    }

    /// Takes an answer from the voter that is meant, and no other.
    pub(super) fn recognize(&self, answer: &HeaderMap, from: u64) -> Result<(), Stranger> {
        match text(answer, FROM) {
            Some(folder) if !self.is_another(from, folder) => Ok(()),
            _ => Err(Stranger::Called),
        }
    }

    /// Keeps the name of a voter's folder, unless one is known.
    async fn keep(&self, voter: u64, folder: String) -> io::Result<()> {
        if self.of(voter).is_some() {
            return Ok(());
        }
        self.log.keep_folder(voter, &folder).await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(voter).or_insert(folder);
        Ok(())
    }
}

/// As long as a host lives, asks the voters in its groups for their folders' names once. It is not
/// kept from ending meanwhile.
pub(super) async fn acquaint(host: Weak<RaftHost>) {
    loop {
        let Some((unknown, transport)) = host.upgrade().map(|host| {
            let mut peers = host.peers();
            peers.retain(|(voter, _)| host.folders().of(*voter).is_none());
            (peers, host.transport().clone())
        }) else {
            return;
        };
        for (voter, endpoint) in unknown {
            let status = ask(&transport, &endpoint).await;
            let told = status.filter(|status| status.voter.id == voter);
            let Some(folder) = told.and_then(|status| status.voter.folder) else {
                continue;
            };
            let Some(host) = host.upgrade() else { return };
            if let Err(error) = host.folders().keep(voter, folder).await {
                tracing::warn!(voter, %error, "the name of a voter's folder is not kept");
            }
        }
        tokio::time::sleep(Duration::from_millis(LEADERSHIP_MS)).await;
    }
}

/// What a voter tells of itself, if it answers.
async fn ask(transport: &Transport, endpoint: &str) -> Option<VoterStatus> {
    let request = Request::post(format!("http://{endpoint}{STATUS_PATH}")).body(empty_body());
    let asked = async {
        let response = transport.send("meta/status", request.ok()?).await.ok()?;
        let body = Limited::new(response.into_body(), MESSAGE_BYTES).collect();
        VoterStatus::from_bytes(&body.await.ok()?.to_bytes()).ok()
    };
    let within = Duration::from_millis(STATUS_MS);
    tokio::time::timeout(within, asked).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rocks::Shared;

    fn folders(voter: u64, path: &std::path::Path) -> Arc<Folders> {
        let path = path.join(voter.to_string());
        let log = LogStore::open(&path, &Shared::new(&path)).unwrap();
        Folders::open(voter, log).unwrap()
    }

    /// What comes of a call, and of its answer.
    fn call(from: &Folders, to: &Folders) -> Result<(), Stranger> {
        let (mut call, mut answer) = (HeaderMap::new(), HeaderMap::new());
        from.address(&mut call, to.voter);
        to.sign(&mut answer);
        to.admit(&call)?;
        from.recognize(&answer, to.voter)
    }

    #[tokio::test]
    async fn a_voter_that_lost_its_folder_is_a_stranger_to_who_knew_it() {
        let path = tempfile::tempdir().unwrap();
        let (one, two, three) = (
            folders(1, path.path()),
            folders(2, path.path()),
            folders(3, path.path()),
        );
        one.keep(2, two.own.clone()).await.unwrap();
        for (from, to) in [(&one, &two), (&two, &one), (&three, &two), (&two, &three)] {
            assert_eq!(call(from, to), Ok(()));
        }
        let elsewhere = tempfile::tempdir().unwrap();
        let anew = folders(2, elsewhere.path());
        // Its name stays the first for one that comes back, too.
        one.keep(2, anew.own.clone()).await.unwrap();
        drop(one);
        let one = folders(1, path.path());
        assert_eq!(call(&one, &two), Ok(()));
        assert_eq!(call(&one, &anew), Err(Stranger::Called));
        assert_eq!(call(&anew, &one), Err(Stranger::Caller));
        assert_eq!(call(&three, &anew), Ok(()));
        // Who answers without having been asked for its folder is looked at as well.
        let mut answer = HeaderMap::new();
        assert_eq!(one.recognize(&answer, 2), Err(Stranger::Called));
        anew.sign(&mut answer);
        assert_eq!(one.recognize(&answer, 2), Err(Stranger::Called));
        assert_eq!(one.admit(&HeaderMap::new()), Err(Stranger::Caller));
    }
}
