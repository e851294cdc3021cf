//! One request and its retries: which voter to ask, when to ask again, when to give up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Limited};
use riquet_cluster::step;
use riquet_cluster::telemetry::traces::fail;
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use super::caller::{AnswerStream, Caller, NoAnswer};
use crate::clock;
use crate::codec::Record;
use crate::command::{
    Command, KeyCommand, KeyOutcome, Outcome, Proposal, RestoreCommand, RestoreOutcome,
    SystemCommand, SystemOutcome,
};
use crate::error::Error;
use crate::id::GroupId;
use crate::limits::{ANSWER_BYTES, ATTEMPT_MS, CLIENT_DEADLINE_MS, LAYOUT_POLL_MS, MESSAGE_BYTES};
use crate::query::{Answer, KeyAnswer, KeyQuery, Query, RestoreState, SystemAnswer, SystemQuery};
use crate::voters::{
    PROMOTE_PATH, PromoteAnswer, PromoteRequest, STATUS_PATH, VOTERS_PATH, VoterChange,
    VoterStatus, VotersAnswer, VotersRequest,
};
use crate::wire::{
    EXPORT_PATH, ExportRequest, PROPOSE_PATH, ProposeRequest, QUERY_PATH, QueryRequest,
    RELAY_PROPOSE_PATH, RELAY_QUERY_PATH, Refusal,
};

/// First pause between two tries, ms; doubles up to [`PAUSE_MAX_MS`].
const PAUSE_MIN_MS: u64 = 10;
/// How long a voter may take for a change of the voters, ms: one more may need a snapshot first.
const VOTERS_ATTEMPT_MS: u64 = 70_000;
/// Longest pause between two tries, ms.
const PAUSE_MAX_MS: u64 = 320;

/// How long a voter that gave no answer is asked last, ms.
const SILENT_MS: u64 = 10_000;

/// Calls voters: of each group the one that led it last.
pub(super) struct Calls {
    caller: Arc<dyn Caller>,
    endpoints: Vec<String>,
    leaders: Mutex<HashMap<GroupId, String>>,
    /// When a voter last gave no answer.
    silent: Mutex<HashMap<String, Instant>>,
}

/// How a request went when it came to no outcome.
enum Failure {
    /// Certainly nothing was done.
    Refused(Error),
    /// No answer within the deadline, or none that tells.
    Unanswered,
}

/// Takes down how long a request and its retries took, and in its span how it failed.
fn note(kind: &'static str, began: Instant, answer: &Result<Bytes, Failure>, step: &Span) {
    metrics::histogram!("riquet_metadata_client_seconds", "kind" => kind).record(began.elapsed());
    match answer {
        Ok(_) => {}
        Err(Failure::Refused(error)) => fail(step, error),
        Err(Failure::Unanswered) => {
            metrics::counter!("riquet_metadata_client_unanswered_total", "kind" => kind)
                .increment(1);
            fail(step, &"unanswered");
        }
    }
}

impl Calls {
    pub(super) fn new(caller: Arc<dyn Caller>, endpoints: Vec<String>) -> Self {
        assert!(!endpoints.is_empty(), "a client needs a voter to ask");
        Self {
            caller,
            endpoints,
            leaders: Mutex::default(),
            silent: Mutex::default(),
        }
    }

    /// Whom to ask first.
    fn leader_of(&self, group: GroupId) -> String {
        let leaders = self.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        leaders.get(&group).unwrap_or(&self.endpoints[0]).clone()
    }

    /// Notes who leads a group, unless somebody noted otherwise since `asked` was chosen.
    fn set_leader(&self, group: GroupId, asked: &str, leader: &str) {
        let mut leaders = self.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        if leaders.get(&group).is_none_or(|noted| noted == asked) {
            leaders.insert(group, leader.to_owned());
        }
    }

    /// Whom to ask after a voter that was asked in vain: the first of the others that was not
    /// silent lately, as a cut makes a whole site silent; else simply the one after it.
    fn next_to(&self, asked: &str) -> String {
        let place = self.endpoints.iter().position(|endpoint| endpoint == asked);
        let after = place.map_or(0, |place| place + 1);
        let others = self.endpoints.iter().cycle().skip(after);
        let mut others = others.take(self.endpoints.len());
        let next = others.find(|next| *next != asked && !self.was_silent(next));
        next.unwrap_or(&self.endpoints[after % self.endpoints.len()])
            .clone()
    }

    fn was_silent(&self, endpoint: &str) -> bool {
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let at = silent.get(endpoint);
        at.is_some_and(|at| at.elapsed() < Duration::from_millis(SILENT_MS))
    }

    fn set_silent(&self, endpoint: &str) {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.insert(endpoint.to_owned(), Instant::now());
    }

    pub(super) async fn propose_system(
        &self,
        command: SystemCommand,
    ) -> Result<SystemOutcome, Error> {
        match self
            .propose(GroupId::SYSTEM, Command::System(command))
            .await?
        {
            Outcome::System(SystemOutcome::NotBootstrapped) => Err(Error::NotBootstrapped),
            Outcome::System(outcome) => Ok(outcome),
            _ => Err(Error::Protocol("another group's outcome")),
        }
    }

    pub(super) async fn propose_keys(
        &self,
        group: GroupId,
        command: KeyCommand,
    ) -> Result<KeyOutcome, Error> {
        match self.propose(group, Command::Keys(command)).await? {
            Outcome::Keys(outcome) => Ok(outcome),
            _ => Err(Error::Protocol("another group's outcome")),
        }
    }

    async fn propose(&self, group: GroupId, command: Command) -> Result<Outcome, Error> {
        let request = ProposeRequest {
            group,
            proposal: Proposal {
                request: clock::fresh_request(),
                timestamp_ms: clock::now_ms(),
                command,
            },
        };
        let body = Bytes::from(request.to_bytes());
        if body.len() > MESSAGE_BYTES {
            return Err(Error::TooLarge);
        }
        let began = Instant::now();
        let step = step!("metadata propose", riquet.group = i64::from(group.0));
        let attempt = Duration::from_millis(ATTEMPT_MS);
        let answer = self.retry(group, PROPOSE_PATH, body, attempt);
        let answer = answer.instrument(step.clone()).await;
        note("propose", began, &answer, &step);
        match answer {
            Ok(bytes) => match Outcome::from_bytes(&bytes) {
                // An earlier try may have been applied, or none: the group no longer knows.
                Ok(Outcome::Expired) => Err(Error::Uncertain),
                Ok(outcome) => Ok(outcome),
                Err(_) => Err(Error::Protocol("an outcome that does not read")),
            },
            Err(Failure::Refused(error)) => Err(error),
            Err(Failure::Unanswered) => Err(Error::Uncertain),
        }
    }

    pub(super) async fn query_system(&self, query: SystemQuery) -> Result<SystemAnswer, Error> {
        match self.query(GroupId::SYSTEM, Query::System(query)).await? {
            Answer::System(answer) => Ok(answer),
            _ => Err(Error::Protocol("another group's answer")),
        }
    }

    pub(super) async fn query_keys(
        &self,
        group: GroupId,
        query: KeyQuery,
    ) -> Result<KeyAnswer, Error> {
        match self.query(group, Query::Keys(query)).await? {
            Answer::Keys(answer) => Ok(answer),
            _ => Err(Error::Protocol("another group's answer")),
        }
    }

    async fn query(&self, group: GroupId, query: Query) -> Result<Answer, Error> {
        let waits = matches!(query, Query::System(SystemQuery::WaitLayout { .. }));
        let attempt_ms = ATTEMPT_MS + if waits { LAYOUT_POLL_MS } else { 0 };
        let body = Bytes::from(QueryRequest { group, query }.to_bytes());
        let began = Instant::now();
        let step = step!("metadata query", riquet.group = i64::from(group.0));
        let answer = self.retry(group, QUERY_PATH, body, Duration::from_millis(attempt_ms));
        let answer = answer.instrument(step.clone()).await;
        if !waits {
            note("query", began, &answer, &step);
        }
        match answer {
            Ok(bytes) => Answer::from_bytes(&bytes)
                .map_err(|_| Error::Protocol("an answer that does not read")),
            Err(Failure::Refused(error)) => Err(error),
            Err(Failure::Unanswered) => Err(Error::Unavailable),
        }
    }

    pub(super) async fn change_voters(
        &self,
        group: GroupId,
        change: VoterChange,
    ) -> Result<VotersAnswer, Error> {
        let body = Bytes::from(VotersRequest { group, change }.to_bytes());
        let attempt = Duration::from_millis(VOTERS_ATTEMPT_MS);
        match self.retry(group, VOTERS_PATH, body, attempt).await {
            Ok(bytes) => VotersAnswer::from_bytes(&bytes)
                .map_err(|_| Error::Protocol("an answer that does not read")),
            Err(Failure::Refused(error)) => Err(error),
            Err(Failure::Unanswered) => Err(Error::Uncertain),
        }
    }

    pub(super) fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    pub(super) async fn voter_status(&self, endpoint: &str) -> Result<VoterStatus, Error> {
        let answer = self.ask_once(endpoint, STATUS_PATH, Bytes::new()).await?;
        VoterStatus::from_bytes(&answer).map_err(|_| Error::Protocol("a status that does not read"))
    }

    pub(super) async fn promote(
        &self,
        endpoint: &str,
        request: &PromoteRequest,
    ) -> Result<PromoteAnswer, Error> {
        let body = Bytes::from(request.to_bytes());
        let answer = self.ask_once(endpoint, PROMOTE_PATH, body).await;
        // It may have been done all the same.
        let answer = answer.map_err(|error| match error {
            Error::Unavailable => Error::Uncertain,
            other => other,
        })?;
        PromoteAnswer::from_bytes(&answer)
            .map_err(|_| Error::Protocol("an answer that does not read"))
    }

    /// Asks one voter, once.
    async fn ask_once(
        &self,
        endpoint: &str,
        path: &'static str,
        body: Bytes,
    ) -> Result<Bytes, Error> {
        let within = Duration::from_millis(ATTEMPT_MS);
        let call = self.caller.call(endpoint, path, body);
        match tokio::time::timeout(within, call).await {
            Ok(Ok((StatusCode::OK, answer))) => Ok(answer),
            Ok(Ok((_, answer))) => match Refusal::from_bytes(&answer) {
                Ok(Refusal::Malformed) | Err(_) => {
                    Err(Error::Protocol("the voter does not know us"))
                }
                Ok(_) => Err(Error::Unavailable),
            },
            Ok(Err(NoAnswer)) | Err(_) => Err(Error::Unavailable),
        }
    }

    pub(super) async fn restore(
        &self,
        group: GroupId,
        command: RestoreCommand,
    ) -> Result<RestoreOutcome, Error> {
        match self.propose(group, Command::Restore(command)).await? {
            Outcome::Restore(outcome) => Ok(outcome),
            _ => Err(Error::Protocol("another command's outcome")),
        }
    }

    pub(super) async fn restore_state(&self, group: GroupId) -> Result<RestoreState, Error> {
        match self.query(group, Query::Restore).await? {
            Answer::Restore(state) => Ok(state),
            _ => Err(Error::Protocol("an answer to another question")),
        }
    }

    /// Asks leaders for a group's records until one begins to stream them.
    pub(super) async fn export(&self, group: GroupId) -> Result<AnswerStream, Error> {
        let body = Bytes::from(ExportRequest { group }.to_bytes());
        let deadline = Instant::now() + Duration::from_millis(CLIENT_DEADLINE_MS);
        let mut endpoint = self.leader_of(group);
        loop {
            let call = self.caller.open(&endpoint, EXPORT_PATH, body.clone());
            let refusal = match tokio::time::timeout(Duration::from_millis(ATTEMPT_MS), call).await
            {
                Ok(Ok((StatusCode::OK, stream))) => return Ok(stream),
                Ok(Ok((_, stream))) => refusal_in(stream).await,
                Ok(Err(NoAnswer)) | Err(_) => {
                    self.set_silent(&endpoint);
                    None
                }
            };
            let leader = match refusal {
                Some(Refusal::Malformed) => {
                    return Err(Error::Protocol("the voter does not know us"));
                }
                Some(Refusal::NotLeader { leader }) => leader,
                _ => None,
            };
            endpoint = leader.unwrap_or_else(|| self.next_to(&endpoint));
            if Instant::now() >= deadline {
                return Err(Error::Unavailable);
            }
            tokio::time::sleep(Duration::from_millis(PAUSE_MIN_MS)).await;
        }
    }

    /// Posts the same bytes until a voter answers with 200, a refusal is final, or time is up.
    async fn retry(
        &self,
        group: GroupId,
        path: &'static str,
        body: Bytes,
        attempt: Duration,
    ) -> Result<Bytes, Failure> {
        let deadline = Instant::now() + Duration::from_millis(CLIENT_DEADLINE_MS).max(attempt);
        let mut pause_ms = PAUSE_MIN_MS;
        let mut may_be_done = false;
        let mut endpoint = self.leader_of(group);
        loop {
            // Where a leader that can't be reached would be asked, another voter is asked to ask it.
            let is_relayed = path != VOTERS_PATH && self.was_silent(&endpoint);
            let asked = match is_relayed {
                true => self.next_to(&endpoint),
                false => endpoint.clone(),
            };
            let path = match (is_relayed, path) {
                (true, PROPOSE_PATH) => RELAY_PROPOSE_PATH,
                (true, _) => RELAY_QUERY_PATH,
                (false, path) => path,
            };
            let until = deadline.min(Instant::now() + attempt);
            let call = self.caller.call(&asked, path, body.clone());
            let refusal = match tokio::time::timeout_at(until, call).await {
                Ok(Ok((StatusCode::OK, answer))) => {
                    self.set_leader(group, &endpoint, &endpoint);
                    return Ok(answer);
                }
                Ok(Ok((_, answer))) => Refusal::from_bytes(&answer).ok(),
                Ok(Err(NoAnswer)) | Err(_) => {
                    self.set_silent(&asked);
                    None
                }
            };
            may_be_done |= !refusal.as_ref().is_some_and(Refusal::is_certain);
            let (is_final, leader) = match refusal {
                Some(Refusal::ClockSkew) => (Some(Error::ClockSkew), None),
                Some(Refusal::Malformed) => {
                    (Some(Error::Protocol("the voter does not know us")), None)
                }
                Some(Refusal::TooLarge) => (Some(Error::TooLarge), None),
                Some(Refusal::NotLeader { leader }) => (None, leader),
                Some(
                    Refusal::NotHere | Refusal::Stopped | Refusal::Unavailable | Refusal::Restoring,
                )
                | None => (None, None),
            };
            if let Some(error) = is_final {
                return Err(if may_be_done {
                    Failure::Unanswered
                } else {
                    Failure::Refused(error)
                });
            }
            // A voter that names another is believed at once, but not over and over: two could
            // name each other while a third is being elected.
            let is_told = leader.as_ref().is_some_and(|leader| *leader != endpoint);
            let next = leader.unwrap_or_else(|| self.next_to(&asked));
            self.set_leader(group, &endpoint, &next);
            endpoint = next;
            if is_told && pause_ms == PAUSE_MIN_MS {
                pause_ms *= 2;
                continue;
            }
            if Instant::now() + Duration::from_millis(pause_ms) >= deadline {
                return Err(if may_be_done {
                    Failure::Unanswered
                } else {
                    Failure::Refused(Error::Unavailable)
                });
            }
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            pause_ms = (pause_ms * 2).min(PAUSE_MAX_MS);
        }
    }
}

/// Why a voter did not stream what it was asked for, if that can be read.
async fn refusal_in(body: AnswerStream) -> Option<Refusal> {
    let body = Limited::new(body, ANSWER_BYTES).collect();
    let body = tokio::time::timeout(Duration::from_millis(ATTEMPT_MS), body).await;
    Refusal::from_bytes(&body.ok()?.ok()?.to_bytes()).ok()
}
