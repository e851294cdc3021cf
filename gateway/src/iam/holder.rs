//! The policies of a user, group or role: its own, and managed ones that are attached.

use riquet_metadata::record::{
    Attachment, Group, InlinePolicy, ManagedPolicy, Policies, Role, User,
};
use riquet_s3::arn::PolicyArn;
use riquet_s3::aws_query::PageRequest;
use riquet_s3::iam::{self, Output, Owner, PathPrefix, PolicyName, managed, quota};
use riquet_s3::policy::Policy;
use riquet_s3::{Error as S3Error, ErrorCode};

use super::entity::{Entity, policy_arn};
use super::policy;
use super::registry::{Registry, limit, page_of};
use crate::error::Error;

/// What has policies.
pub(super) trait Holder: Entity + Clone {
    /// The most characters of its own policies together.
    const INLINE_CHARS_MAX: usize;
    /// The most policies attached to it.
    const ATTACHED_MAX: usize;

    fn name(&self) -> &str;

    fn policies(&self) -> &Policies;

    fn policies_mut(&mut self) -> &mut Policies;

    fn owner(name: String) -> Owner;
}

macro_rules! holders {
    ($($type:ident: $chars:ident, $attached:ident;)*) => {$(
        impl Holder for $type {
            const INLINE_CHARS_MAX: usize = quota::$chars;
            const ATTACHED_MAX: usize = quota::$attached;

            fn name(&self) -> &str {
                &self.name
            }

            fn policies(&self) -> &Policies {
                &self.policies
            }

            fn policies_mut(&mut self) -> &mut Policies {
                &mut self.policies
            }

            fn owner(name: String) -> Owner {
                Owner::$type(name)
            }
        }
    )*};
}
holders! {
    User: USER_POLICIES_CHARS_MAX, ATTACHED_PER_USER_MAX;
    Group: GROUP_POLICIES_CHARS_MAX, ATTACHED_PER_GROUP_MAX;
    Role: ROLE_POLICIES_CHARS_MAX, ATTACHED_PER_ROLE_MAX;
}

pub(super) async fn put_inline<T: Holder>(
    registry: Registry<'_>,
    holder: &str,
    name: &PolicyName,
    document: &Policy,
) -> Result<Output, Error> {
    let change = |it: &mut T| {
        let inline = &mut it.policies_mut().inline;
        let text = document.text().to_owned();
        match inline
            .iter_mut()
            .find(|policy| is_called(&policy.name, name))
        {
            Some(policy) => policy.text = text,
            None => {
                let name = name.as_str().to_owned();
                inline.push(InlinePolicy { name, text });
                inline.sort_by(|one, other| one.name.cmp(&other.name));
            }
        }
        let texts = inline.iter().map(|policy| policy.text.as_str());
        quota::check_size(texts, T::INLINE_CHARS_MAX)
    };
    registry.edit::<T>(holder, change).await?;
    Ok(Output::Done)
}

pub(super) async fn get_inline<T: Holder>(
    registry: Registry<'_>,
    holder: &str,
    name: &PolicyName,
) -> Result<Output, Error> {
    let it: T = registry.get(holder).await?;
    let mut inline = it.policies().inline.iter();
    let found = inline.find(|policy| is_called(&policy.name, name));
    let found = found.ok_or_else(|| no_such_policy(T::NOUN, name))?;
    Ok(Output::InlinePolicy(iam::InlinePolicy {
        owner: T::owner(it.name().to_owned()),
        policy_name: found.name.clone(),
        policy_document: found.text.clone(),
    }))
}

pub(super) async fn delete_inline<T: Holder>(
    registry: Registry<'_>,
    holder: &str,
    name: &PolicyName,
) -> Result<Output, Error> {
    let change = |it: &mut T| {
        let inline = &mut it.policies_mut().inline;
        let before = inline.len();
        inline.retain(|policy| !is_called(&policy.name, name));
        match inline.len() < before {
            true => Ok(()),
            false => Err(no_such_policy(T::NOUN, name)),
        }
    };
    registry.edit::<T>(holder, change).await?;
    Ok(Output::Done)
}

pub(super) async fn list_inline<T: Holder>(
    registry: Registry<'_>,
    holder: &str,
    page: &PageRequest,
) -> Result<Output, Error> {
    let it: T = registry.get(holder).await?;
    let names = it
        .policies()
        .inline
        .iter()
        .map(|policy| policy.name.clone());
    Ok(Output::PolicyNames(page_of(page, names, |it| it, |it| it)))
}

pub(super) async fn attach<T: Holder>(
    registry: Registry<'_>,
    holder: &str,
    arn: &PolicyArn,
) -> Result<Output, Error> {
    let attachment = attachment(registry, arn).await?;
    let change = |it: &mut T| {
        let attached = &mut it.policies_mut().attached;
        if attached.contains(&attachment) {
            return Ok(());
        }
        if attached.len() >= T::ATTACHED_MAX {
            let (noun, most) = (T::NOUN, T::ATTACHED_MAX);
            return Err(limit(format!(
                "Cannot exceed quota for policies attached to a {noun}: {most}"
            )));
        }
        attached.push(attachment.clone());
        Ok(())
    };
    registry.edit::<T>(holder, change).await?;
    Ok(Output::Done)
}

pub(super) async fn detach<T: Holder>(
    registry: Registry<'_>,
    holder: &str,
    arn: &PolicyArn,
) -> Result<Output, Error> {
    let attachment = attachment(registry, arn).await?;
    let change = |it: &mut T| {
        let attached = &mut it.policies_mut().attached;
        let before = attached.len();
        attached.retain(|other| *other != attachment);
        match attached.len() < before {
            true => Ok(()),
            false => Err(S3Error::new(ErrorCode::NoSuchEntity)
                .message(format!("Policy {arn} was not found."))),
        }
    };
    registry.edit::<T>(holder, change).await?;
    Ok(Output::Done)
}

pub(super) async fn list_attached<T: Holder>(
    registry: Registry<'_>,
    holder: &str,
    prefix: &PathPrefix,
    page: &PageRequest,
) -> Result<Output, Error> {
    let it: T = registry.get(holder).await?;
    let mut attached = Vec::new();
    for attachment in &it.policies().attached {
        let (path, name, arn) = match attachment {
            Attachment::Vendor(arn) => {
                let name = arn.rsplit('/').next().unwrap_or_default();
                ("/".to_owned(), name.to_owned(), arn.clone())
            }
            Attachment::Tenant(name) => {
                let Some(policy) = registry.find::<ManagedPolicy>(name).await? else {
                    continue;
                };
                let arn = policy_arn(registry.tenant, &policy.path, &policy.name);
                (policy.path, policy.name, arn)
            }
        };
        if prefix.matches(&path) {
            attached.push(iam::AttachedPolicy {
                policy_name: name,
                policy_arn: arn,
            });
        }
    }
    let name = |it: &iam::AttachedPolicy| it.policy_name.clone();
    let keyed = attached.into_iter().map(|it| (name(&it), it));
    Ok(Output::AttachedPolicies(page_of(
        page,
        keyed,
        |(name, _)| name,
        |(_, it)| it,
    )))
}

/// How a policy is attached: one of the tenant's, or one that every tenant has.
async fn attachment(registry: Registry<'_>, arn: &PolicyArn) -> Result<Attachment, Error> {
    if managed::find(arn).is_some() {
        return Ok(Attachment::Vendor(arn.to_string()));
    }
    let policy = policy::by_arn(registry, arn).await?;
    Ok(Attachment::Tenant(policy.name))
}

/// Names of policies are the same in any case.
fn is_called(stored: &str, name: &PolicyName) -> bool {
    stored.eq_ignore_ascii_case(name.as_str())
}

fn no_such_policy(noun: &str, name: &PolicyName) -> S3Error {
    S3Error::new(ErrorCode::NoSuchEntity).message(format!(
        "The {noun} policy with name {name} cannot be found."
    ))
}
