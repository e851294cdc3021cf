//! Clients at both sites, who repeat what they get no answer to.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::dice;
use super::network::Place;
use super::record::{Action, Condition, Said, Value};
use super::voters::{GROUP, SITES, World};
use crate::command::{
    DeleteObject, KeyCommand, KeyOutcome, Outcome, Preconditions, Proposal, PutObject, TagMatch,
};
use crate::id::{BucketId, ObjectKey};
use crate::query::{Answer, KeyAnswer, KeyQuery, Query};
use crate::record::{ETag, Versioning};
use crate::testing::{START_MS, inline, open_tablet, proposal, version};
use crate::{Replica, ReplicaError};

const BUCKET: BucketId = BucketId(1);
/// Keys that the clients use.
const KEYS: u64 = 3;
/// How long a client goes on about one request, ms.
const PATIENCE_MS: u64 = 8_000;
/// How long it waits before it asks again, ms.
const PAUSE_MS: u64 = 60;

/// A client, at one of the sites.
pub(super) struct Client {
    world: Arc<World>,
    place: Place,
    /// Whom it takes for the leader.
    leader: Place,
    /// The next number of its own for a request or a value.
    next: u32,
    seen: Option<Value>,
}

fn tag(value: Value) -> ETag {
    ETag::whole(u128::from(value).to_be_bytes())
}

fn value_of(tag: &ETag) -> Value {
    Value::from_str_radix(&tag.to_string()[24..], 16).expect("the tag of a value")
}

impl Client {
    pub(super) fn new(world: &Arc<World>, place: Place) -> Self {
        Self {
            world: world.clone(),
            place,
            leader: 1 + place % SITES.len() as u64,
            next: u32::try_from(place).expect("places are few") * 100_000,
            seen: None,
        }
    }

    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// Asks for one thing after another.
    pub(super) async fn work(mut self, until: Instant) {
        while Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(dice::below(400))).await;
            let key = dice::below(KEYS);
            match dice::below(10) {
                0..4 => drop(self.read(key).await),
                kind => {
                    let value = (kind != 9).then(|| self.number());
                    let condition = match (dice::below(4), self.seen) {
                        (0, _) if value.is_some() => Condition::Absent,
                        (1 | 2, Some(seen)) => Condition::Holds(seen),
                        _ => Condition::Always,
                    };
                    self.write(key, value, condition).await;
                }
            }
        }
    }

    /// Makes the clients' bucket; whether there was an answer.
    pub(super) async fn prepare(&mut self) -> bool {
        let request = u128::from(self.number());
        let opening = proposal(request, START_MS, open_tablet(BUCKET));
        self.propose(&opening).await.is_some()
    }

    /// Reads a key; whether there was an answer.
    pub(super) async fn read(&mut self, key: u64) -> bool {
        let from = self
            .world
            .record
            .note(format_args!("{} reads {key}", self.place));
        let query = Query::Keys(KeyQuery::GetObject {
            bucket: BUCKET,
            key: ObjectKey::from(format!("key-{key}")),
            version: None,
        });
        let ask = |world: Arc<World>, place, leader| {
            let query = query.clone();
            async move {
                world
                    .ask(place, leader, |host| async move {
                        host.query(GROUP, query).await
                    })
                    .await
            }
        };
        let Some(answer) = self.until_answered(ask).await else {
            return false;
        };
        let Answer::Keys(KeyAnswer::Object(found)) = answer else {
            self.world.record.mistake(format!("a read got {answer:?}"));
            return false;
        };
        let found = found.map(|object| value_of(&object.head.etag));
        self.seen = found.or(self.seen);
        self.world.record.request(key, from, Action::Read(found));
        true
    }

    /// Writes or removes a key; whether there was an answer.
    pub(super) async fn write(
        &mut self,
        key: u64,
        value: Option<Value>,
        condition: Condition,
    ) -> bool {
        let request = u128::from(self.number());
        let from = self
            .world
            .record
            .note(format_args!("{} writes {key}", self.place));
        let preconditions = match condition {
            Condition::Always => Preconditions::default(),
            Condition::Absent => Preconditions {
                if_none_match: Some(TagMatch::Any),
                ..Preconditions::default()
            },
            Condition::Holds(value) => Preconditions {
                if_match: Some(TagMatch::OneOf(vec![tag(value)])),
                ..Preconditions::default()
            },
        };
        let (bucket, key_name) = (BUCKET, ObjectKey::from(format!("key-{key}")));
        let command = match value {
            Some(value) => KeyCommand::PutObject {
                bucket,
                put: Box::new(PutObject {
                    key: key_name,
                    version: version(tag(value), inline("x")),
                    preconditions,
                    debts: Vec::new(),
                    versioning: Versioning::Never,
                }),
            },
            None => KeyCommand::DeleteObject {
                bucket,
                delete: Box::new(DeleteObject {
                    preconditions,
                    ..DeleteObject::of_key(key_name)
                }),
            },
        };
        let proposal = proposal(request, START_MS + 1, command);
        let outcome = self.propose(&proposal).await;
        let said = match &outcome {
            Some(Outcome::Keys(KeyOutcome::Stored(_) | KeyOutcome::Deleted(_))) => Said::Done,
            Some(Outcome::Keys(KeyOutcome::PreconditionFailed)) => Said::Failed,
            Some(Outcome::Keys(KeyOutcome::NoSuchKey)) => Said::NoSuchKey,
            None => Said::Unknown,
            other => {
                self.world.record.mistake(format!("a write got {other:?}"));
                Said::Unknown
            }
        };
        if said == Said::Done {
            self.seen = value.or(self.seen);
        }
        let action = Action::Write(value, condition, said);
        self.world.record.request(key, from, action);
        outcome.is_some()
    }

    async fn propose(&mut self, proposal: &Proposal) -> Option<Outcome> {
        let ask = |world: Arc<World>, place, leader| {
            let (proposal, known) = (proposal.clone(), world.clone());
            async move {
                let tell = |host: Arc<crate::raft::RaftHost>| async move {
                    let outcome = host.propose(GROUP, proposal.clone()).await;
                    if outcome.is_ok() && known.runs_as(leader, &host) {
                        known.check_held(&proposal);
                    }
                    outcome
                };
                world.ask(place, leader, tell).await
            }
        };
        self.until_answered(ask).await
    }

    /// Asks one voter after another, the leader first, until one knows.
    async fn until_answered<T, F>(
        &mut self,
        ask: impl Fn(Arc<World>, Place, Place) -> F,
    ) -> Option<T>
    where
        F: Future<Output = Option<Result<T, ReplicaError>>>,
    {
        let deadline = Instant::now() + Duration::from_millis(PATIENCE_MS);
        while Instant::now() < deadline {
            let another = 1 + dice::below(SITES.len() as u64);
            match ask(self.world.clone(), self.place, self.leader).await {
                Some(Ok(answer)) => return Some(answer),
                Some(Err(ReplicaError::NotLeader(Some(leader)))) => {
                    self.leader = self.world.number_of(&leader).unwrap_or(another);
                }
                _ => self.leader = another,
            }
            tokio::time::sleep(Duration::from_millis(dice::below(PAUSE_MS))).await;
        }
        None
    }
}
