//! The identities of one tenant: looked up, listed, made, changed and removed.

use riquet_metadata::Client;
use riquet_metadata::command::{IdentityChange, IdentityOutcome};
use riquet_metadata::record::{IdentityName, StoredIdentity, Tenant};
use riquet_s3::aws_query::{Page, PageRequest};
use riquet_s3::{Error as S3Error, ErrorCode};

use super::entity::Entity;
use crate::error::Error;

/// How many identities are asked for at once: with their policies they come to a few megabytes.
const PAGE: u32 = 200;

/// How often a change is thought out anew because another came first.
const TRIES_MAX: usize = 16;

/// The identities of one tenant.
#[derive(Clone, Copy)]
pub(crate) struct Registry<'a> {
    metadata: &'a Client,
    pub(crate) tenant: &'a Tenant,
}

impl<'a> Registry<'a> {
    pub(crate) const fn new(metadata: &'a Client, tenant: &'a Tenant) -> Self {
        Self { metadata, tenant }
    }

    fn name<T: Entity>(&self, name: &str) -> IdentityName {
        IdentityName {
            kind: T::KIND,
            tenant: self.tenant.id.clone(),
            name: name.to_owned(),
        }
    }

    async fn stored<T: Entity>(&self, name: &str) -> Result<(T, u64), Error> {
        let found: Option<StoredIdentity> = self.metadata.identity(self.name::<T>(name)).await?;
        let revised = |found: StoredIdentity| Some((T::of(found.identity)?, found.revision));
        let found = found.and_then(revised);
        Ok(found.ok_or_else(|| missing::<T>(name))?)
    }

    /// One by name.
    pub(crate) async fn find<T: Entity>(&self, name: &str) -> Result<Option<T>, Error> {
        let found = self.metadata.identity(self.name::<T>(name)).await?;
        Ok(found.and_then(|found| T::of(found.identity)))
    }

    /// One that must be there.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub(crate) async fn get<T: Entity>(&self, name: &str) -> Result<T, Error> {
        Ok(self.stored(name).await?.0)
    }

    /// All of a kind. There are no more than quotas allow.
    pub(crate) async fn all<T: Entity>(&self) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let tenant = &self.tenant.id;
            let page = self.metadata.identities(T::KIND, tenant, after, PAGE);
            let (identities, more) = page.await?;
            after = identities.last().map(|last| last.identity.name().name);
            all.extend(identities.into_iter().filter_map(|it| T::of(it.identity)));
            if !more || after.is_none() {
                return Ok(all);
            }
        }
    }

    /// Makes one, of which there may be `most`.
    ///
    /// # Errors
    /// `EntityAlreadyExists`, `LimitExceeded`.
    pub(crate) async fn create<T: Entity>(&self, entity: T, most: usize) -> Result<(), Error> {
        if self.all::<T>().await?.len() >= most {
            return Err(limit(format!("Cannot exceed quota for {}s: {most}", T::NOUN)).into());
        }
        self.put_new(entity).await
    }

    /// Makes one of those that are counted otherwise.
    ///
    /// # Errors
    /// `EntityAlreadyExists`.
    pub(crate) async fn put_new<T: Entity>(&self, entity: T) -> Result<(), Error> {
        let identity = entity.into_identity();
        let name = identity.name().name;
        let change = IdentityChange::Create(Box::new(identity));
        settle::<T>(self.metadata.change_identity(change).await?, &name)
    }

    /// Changes one; `change` may run more than once, on what is there by then.
    ///
    /// # Errors
    /// `NoSuchEntity`, `EntityAlreadyExists` (it was to get another's name), and those of `change`.
    pub(crate) async fn edit<T: Entity + Clone>(
        &self,
        name: &str,
        mut change: impl FnMut(&mut T) -> Result<(), S3Error>,
    ) -> Result<T, Error> {
        for _ in 0..TRIES_MAX {
            let (before, revision) = self.stored::<T>(name).await?;
            let mut after = before;
            change(&mut after)?;
            let identity = after.clone().into_identity();
            let new_name = identity.name().name;
            let replace = IdentityChange::Replace {
                name: self.name::<T>(name),
                revision,
                identity: Box::new(identity),
            };
            match self.metadata.change_identity(replace).await? {
                IdentityOutcome::Stale => {}
                outcome => return settle::<T>(outcome, &new_name).map(|()| after),
            }
        }
        Err(ErrorCode::ConcurrentModification.into())
    }

    /// Removes one.
    ///
    /// # Errors
    /// `NoSuchEntity`, `DeleteConflict`.
    pub(crate) async fn remove<T: Entity>(&self, name: &str) -> Result<(), Error> {
        let change = IdentityChange::Remove {
            name: self.name::<T>(name),
        };
        settle::<T>(self.metadata.change_identity(change).await?, name)
    }
}

fn settle<T: Entity>(outcome: IdentityOutcome, name: &str) -> Result<(), Error> {
    let error = match outcome {
        IdentityOutcome::Done => return Ok(()),
        IdentityOutcome::Exists => S3Error::new(ErrorCode::EntityAlreadyExists).message(format!(
            "{} with name {name} already exists.",
            capital(T::NOUN)
        )),
        // What it names went away meanwhile: a policy, a group, a user.
        IdentityOutcome::Missing(other) if other.kind != T::KIND => {
            let kind = format!("{:?}", other.kind).to_lowercase();
            S3Error::new(ErrorCode::NoSuchEntity)
                .message(format!("The {kind} {} cannot be found.", other.name))
        }
        IdentityOutcome::Missing(_) => missing::<T>(name),
        IdentityOutcome::Stale => ErrorCode::ConcurrentModification.into(),
        IdentityOutcome::InUse(why) => S3Error::new(ErrorCode::DeleteConflict)
            .message(format!("Cannot delete the {} {name}: {why}.", T::NOUN)),
    };
    Err(error.into())
}

/// The error for one that isn't there.
pub(super) fn missing<T: Entity>(name: &str) -> S3Error {
    S3Error::new(ErrorCode::NoSuchEntity)
        .message(format!("The {} with name {name} cannot be found.", T::NOUN))
}

/// The error for one too many.
pub(super) fn limit(message: String) -> S3Error {
    S3Error::new(ErrorCode::LimitExceeded).message(message)
}

fn capital(noun: &str) -> String {
    let mut noun = noun.to_owned();
    if let Some(first) = noun.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    noun
}

/// A page of entities in order of name, whatever the case of its letters.
pub(super) fn page_of<T, U>(
    page: &PageRequest,
    entities: impl IntoIterator<Item = T>,
    name: impl Fn(&T) -> &str,
    mut show: impl FnMut(T) -> U,
) -> Page<U> {
    let keyed = entities
        .into_iter()
        .map(|it| (name(&it).to_lowercase(), it));
    let mut keyed: Vec<(String, T)> = keyed.collect();
    keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
    page.cut(keyed, |(key, _)| key).map(|(_, it)| show(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_in_order_of_names_in_any_case() {
        let names = ["ac", "Ad", "aa", "Ab"];
        let mut page = PageRequest {
            marker: None,
            max_items: 1,
        };
        let mut seen = Vec::new();
        loop {
            let found = page_of(&page, names, |it| it, |it| it);
            seen.extend(found.items);
            page.marker = found.next_marker;
            if page.marker.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["aa", "Ab", "ac", "Ad"]);
    }
}
