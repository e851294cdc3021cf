//! One statement, compiled: whom, which actions and which resources it is about, and when.

use super::condition::Condition;
use super::document::{Effect, OneOrMany, RawStatement};
use super::evaluate::Request;
use super::flaw::Flaw;
use super::pattern::{ArnPattern, Pattern, Syntax, Wildcards, any_of};
use super::principal::{Grantee, Principals};
use super::{Context, PolicyKind};

#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) id: Option<String>,
    pub(super) effect: Effect,
    pub(super) principals: Principals,
    actions: Actions,
    resources: Resources,
    pub(super) conditions: Vec<Condition>,
}

/// Patterns of actions in lower case.
#[derive(Debug, Clone)]
enum Actions {
    Only(Vec<Pattern>),
    AllBut(Vec<Pattern>),
}

#[derive(Debug, Clone)]
enum Resources {
    /// The role that the policy is attached to.
    Attached,
    Only(Vec<ArnPattern>),
    AllBut(Vec<ArnPattern>),
}

impl Statement {
    pub(super) fn compile(
        raw: RawStatement,
        syntax: Syntax,
        kind: PolicyKind<'_>,
    ) -> Result<Self, Flaw> {
        let effect = raw.effect.ok_or(Flaw::Missing("Effect"))?;
        let principals = match kind {
            PolicyKind::Bucket { .. } | PolicyKind::RoleTrust => {
                Principals::compile(raw.principal, raw.not_principal, effect)?
            }
            PolicyKind::Identity | PolicyKind::Session => {
                prohibit(raw.principal, "Principal")?;
                prohibit(raw.not_principal, "NotPrincipal")?;
                Principals::Attached
            }
        };
        let actions = Actions::compile(raw.action, raw.not_action, kind)?;
        let resources = if let PolicyKind::RoleTrust = kind {
            prohibit(raw.resource, "Resource")?;
            prohibit(raw.not_resource, "NotResource")?;
            Resources::Attached
        } else {
            Resources::compile(raw.resource, raw.not_resource, syntax, kind)?
        };
        let mut conditions = Vec::new();
        for (operator, keys) in raw.condition.0 {
            for (key, values) in keys.0 {
                let values = values.0;
                conditions.push(Condition::compile(&operator, &key, &values, syntax, kind)?);
            }
        }
        Ok(Self {
            id: raw.sid,
            effect,
            principals,
            actions,
            resources,
            conditions,
        })
    }

    /// How the statement names the caller, if it applies to the request at all. `action` is the
    /// request's in lower case.
    pub(super) fn applies(&self, request: &Request<'_>, action: &str) -> Option<Grantee> {
        let grantee = self.principals.name(request.caller)?;
        let applies = self.actions.include(action)
            && self.resources.include(request, self.effect)
            && self
                .conditions
                .iter()
                .all(|condition| condition.holds(request.context, self.effect));
        applies.then_some(grantee)
    }
}

/// Whether something is outside a list of patterns, given whether it matched any. Where that hangs
/// on a variable without a value, an `Allow` leaves out what it may have meant to leave out, and a
/// `Deny` spares nothing.
pub(super) fn is_outside(matched: Option<bool>, effect: Effect) -> bool {
    match effect {
        Effect::Allow => matched == Some(false),
        Effect::Deny => matched != Some(true),
    }
}

impl Actions {
    fn compile(
        only: Option<OneOrMany<String>>,
        all_but: Option<OneOrMany<String>>,
        kind: PolicyKind<'_>,
    ) -> Result<Self, Flaw> {
        let parse = |texts: Vec<String>| {
            let patterns = texts.iter().map(|text| parse_action(text, kind));
            patterns.collect::<Result<Vec<_>, _>>()
        };
        match one_of("Action", only, all_but)? {
            Element::Only(texts) => parse(texts).map(Self::Only),
            Element::AllBut(texts) => parse(texts).map(Self::AllBut),
        }
    }

    fn include(&self, action: &str) -> bool {
        let no_variables = Context::new();
        let matches = |patterns: &[Pattern]| {
            any_of(patterns, |it| it.matches(action, &no_variables)) == Some(true)
        };
        match self {
            Self::Only(patterns) => matches(patterns),
            Self::AllBut(patterns) => !matches(patterns),
        }
    }
}

fn parse_action(text: &str, kind: PolicyKind<'_>) -> Result<Pattern, Flaw> {
    let lower = text.to_ascii_lowercase();
    if lower != "*" {
        let (vendor, name) = lower.split_once(':').ok_or(Flaw::Vendor)?;
        let is_vendor = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if vendor.is_empty() || !vendor.bytes().all(is_vendor) {
            return Err(Flaw::Vendor);
        }
        let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'*' | b'?');
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(Flaw::Action);
        }
        match (kind, vendor) {
            (PolicyKind::Bucket { .. }, "s3")
            | (PolicyKind::RoleTrust, "sts")
            | (PolicyKind::Identity | PolicyKind::Session, _) => {}
            (PolicyKind::Bucket { .. }, _) => return Err(Flaw::Action),
            (PolicyKind::RoleTrust, _) => return Err(Flaw::TrustAction),
        }
    }
    Pattern::parse(&lower, Syntax::Plain, Wildcards::Active)
}

impl Resources {
    fn compile(
        only: Option<OneOrMany<String>>,
        all_but: Option<OneOrMany<String>>,
        syntax: Syntax,
        kind: PolicyKind<'_>,
    ) -> Result<Self, Flaw> {
        let parse = |texts: Vec<String>| {
            let patterns = texts.iter().map(|text| parse_resource(text, syntax, kind));
            patterns.collect::<Result<Vec<_>, _>>()
        };
        match one_of("Resource", only, all_but)? {
            Element::Only(texts) => parse(texts).map(Self::Only),
            Element::AllBut(texts) => parse(texts).map(Self::AllBut),
        }
    }

    fn include(&self, request: &Request<'_>, effect: Effect) -> bool {
        let accounts = request.written_accounts();
        let matches = |patterns: &[ArnPattern]| {
            any_of(patterns, |it| {
                it.matches_with(request.resource, &accounts, request.context)
            })
        };
        match self {
            Self::Attached => true,
            Self::Only(patterns) => matches(patterns) == Some(true),
            Self::AllBut(patterns) => is_outside(matches(patterns), effect),
        }
    }
}

fn parse_resource(text: &str, syntax: Syntax, kind: PolicyKind<'_>) -> Result<ArnPattern, Flaw> {
    let pattern = ArnPattern::parse(text, syntax)?;
    match kind {
        PolicyKind::Bucket { bucket, account } => pattern
            .filter(|it| it.is_within_bucket(bucket.as_str(), account))
            .ok_or(Flaw::BucketResource),
        _ => pattern.ok_or_else(|| Flaw::Resource(text.to_owned())),
    }
}

/// An element that can be given as itself or as its opposite.
enum Element {
    Only(Vec<String>),
    AllBut(Vec<String>),
}

fn one_of(
    name: &'static str,
    only: Option<OneOrMany<String>>,
    all_but: Option<OneOrMany<String>>,
) -> Result<Element, Flaw> {
    let element = match (only, all_but) {
        (Some(only), None) => Element::Only(only.0),
        (None, Some(all_but)) => Element::AllBut(all_but.0),
        (Some(_), Some(_)) => return Err(Flaw::Both(name)),
        (None, None) => return Err(Flaw::Missing(name)),
    };
    match &element {
        Element::Only(texts) | Element::AllBut(texts) if texts.is_empty() => {
            Err(Flaw::Missing(name))
        }
        _ => Ok(element),
    }
}

fn prohibit<T>(field: Option<T>, name: &'static str) -> Result<(), Flaw> {
    match field {
        Some(_) => Err(Flaw::Prohibited(name)),
        None => Ok(()),
    }
}
