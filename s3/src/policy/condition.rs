//! Conditions: an operator, a key, and the values a statement wants the key to have.
//!
//! Several values of the policy are alternatives; an operator that negates wants none of them. A
//! key that is absent fails an operator, and holds under one that negates, under `...IfExists`
//! and under `ForAllValues:`.

use std::cmp::Ordering;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::PolicyKind;
use super::context::{Context, is_known};
use super::document::{Effect, Scalar};
use super::flaw::Flaw;
use super::pattern::{ArnPattern, Pattern, Syntax, Wildcards, any_of};
use super::statement::is_outside;

/// The widest ranges of addresses that don't count as the whole internet.
const NARROW_V4_PREFIX_MIN: u8 = 8;
const NARROW_V6_PREFIX_MIN: u8 = 32;

/// One key under one operator.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    /// In lower case.
    key: String,
    quantifier: Quantifier,
    polarity: Polarity,
    /// Whether the condition holds where the key is absent.
    holds_if_absent: bool,
    test: Test,
}

/// Which of a key's values must pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    /// The key's only value. One of several will do, or all where the operator negates.
    Single,
    All,
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Polarity {
    Positive,
    Negated,
}

/// What a value of the key is held against.
#[derive(Debug, Clone)]
enum Test {
    Text(Vec<Pattern>),
    TextInAnyCase(Vec<Pattern>),
    Number(fn(Ordering) -> bool, Vec<f64>),
    Date(fn(Ordering) -> bool, Vec<Timestamp>),
    Bool(Vec<bool>),
    Binary(Vec<Vec<u8>>),
    Address(Vec<IpNet>),
    Arn(Vec<ArnPattern>),
    /// Whether the key must be absent.
    Null(Vec<bool>),
}

impl Condition {
    pub(super) fn compile(
        operator: &str,
        key: &str,
        values: &[Scalar],
        syntax: Syntax,
        kind: PolicyKind<'_>,
    ) -> Result<Self, Flaw> {
        let unknown = || Flaw::Operator(operator.to_owned());
        let (quantifier, rest) = Quantifier::split_off(operator);
        let (base, if_exists) = match rest.strip_suffix("IfExists") {
            Some(base) => (base, true),
            None => (rest, false),
        };
        // Whether a key exists can't hang on whether it exists, nor on which of its values is
        // asked.
        if base == "Null" && base != operator {
            return Err(unknown());
        }
        let polarity = if base.contains("Not") {
            Polarity::Negated
        } else {
            Polarity::Positive
        };
        let values: Vec<_> = values.iter().map(Scalar::to_string).collect();
        let values = Values {
            operator,
            values: &values,
            syntax,
        };
        let test = Test::compile(base, &values)?.ok_or_else(unknown)?;
        let holds_if_absent = if_exists
            || match quantifier {
                Quantifier::Single => polarity == Polarity::Negated,
                Quantifier::All => true,
                Quantifier::Any => false,
            };
        Ok(Self {
            key: check_key(key, kind)?,
            quantifier,
            polarity,
            holds_if_absent,
            test,
        })
    }

    /// Whether the request has the key as the condition wants it, in a statement of this effect.
    pub(super) fn holds(&self, context: &Context, effect: Effect) -> bool {
        let values = context.values(&self.key);
        if let Test::Null(wanted) = &self.test {
            return wanted.contains(&values.is_empty());
        }
        if values.is_empty() {
            return self.holds_if_absent;
        }
        let mut passes = values.iter().map(|value| {
            let matched = self.test.matches(value, context);
            match self.polarity {
                Polarity::Positive => matched == Some(true),
                Polarity::Negated => is_outside(matched, effect),
            }
        });
        match (self.quantifier, self.polarity) {
            (Quantifier::All, _) | (Quantifier::Single, Polarity::Negated) => passes.all(|it| it),
            (Quantifier::Any, _) | (Quantifier::Single, Polarity::Positive) => passes.any(|it| it),
        }
    }

    /// The key, in lower case.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Whether only requests pass that have the key, with a value out of a fixed list or a narrow
    /// range of addresses.
    pub(super) fn needs_fixed_value(&self) -> bool {
        let is_narrow = |net: &IpNet| match net {
            IpNet::V4(net) => net.prefix_len() >= NARROW_V4_PREFIX_MIN,
            IpNet::V6(net) => net.prefix_len() >= NARROW_V6_PREFIX_MIN,
        };
        self.polarity == Polarity::Positive
            && !self.holds_if_absent
            && match &self.test {
                Test::Text(patterns) | Test::TextInAnyCase(patterns) => {
                    patterns.iter().all(Pattern::is_fixed)
                }
                Test::Arn(patterns) => patterns.iter().all(ArnPattern::is_fixed),
                Test::Address(nets) => nets.iter().all(is_narrow),
                Test::Number(..)
                | Test::Date(..)
                | Test::Bool(_)
                | Test::Binary(_)
                | Test::Null(_) => false,
            }
    }
}

fn check_key(key: &str, kind: PolicyKind<'_>) -> Result<String, Flaw> {
    let lower = key.to_ascii_lowercase();
    if !lower.contains(':') {
        return Err(Flaw::Vendor);
    }
    if matches!(kind, PolicyKind::Bucket { .. }) && !is_known(&lower) {
        return Err(Flaw::ConditionKey(key.to_owned()));
    }
    Ok(lower)
}

impl Quantifier {
    fn split_off(operator: &str) -> (Self, &str) {
        if let Some(rest) = operator.strip_prefix("ForAllValues:") {
            (Self::All, rest)
        } else if let Some(rest) = operator.strip_prefix("ForAnyValue:") {
            (Self::Any, rest)
        } else {
            (Self::Single, operator)
        }
    }
}

impl Test {
    /// The test of an operator without its prefix and suffix, if there is such an operator. Those
    /// with `Not` have the test of those without.
    fn compile(operator: &str, values: &Values<'_>) -> Result<Option<Self>, Flaw> {
        let numbers = |holds| values.parse(number).map(|them| Self::Number(holds, them));
        let dates = |holds| values.parse(moment).map(|them| Self::Date(holds, them));
        let test = match operator {
            "StringEquals" | "StringNotEquals" => Self::Text(values.texts(Wildcards::Literal)?),
            "StringEqualsIgnoreCase" | "StringNotEqualsIgnoreCase" => {
                Self::TextInAnyCase(values.texts(Wildcards::Literal)?)
            }
            "StringLike" | "StringNotLike" => Self::Text(values.texts(Wildcards::Active)?),
            "NumericEquals" | "NumericNotEquals" => numbers(Ordering::is_eq)?,
            "NumericLessThan" => numbers(Ordering::is_lt)?,
            "NumericLessThanEquals" => numbers(Ordering::is_le)?,
            "NumericGreaterThan" => numbers(Ordering::is_gt)?,
            "NumericGreaterThanEquals" => numbers(Ordering::is_ge)?,
            "DateEquals" | "DateNotEquals" => dates(Ordering::is_eq)?,
            "DateLessThan" => dates(Ordering::is_lt)?,
            "DateLessThanEquals" => dates(Ordering::is_le)?,
            "DateGreaterThan" => dates(Ordering::is_gt)?,
            "DateGreaterThanEquals" => dates(Ordering::is_ge)?,
            "Bool" => Self::Bool(values.parse(truth)?),
            "BinaryEquals" => Self::Binary(values.parse(binary)?),
            "IpAddress" | "NotIpAddress" => Self::Address(values.parse(addresses)?),
            "ArnEquals" | "ArnLike" | "ArnNotEquals" | "ArnNotLike" => Self::Arn(values.arns()?),
            "Null" => Self::Null(values.parse(truth)?),
            _ => return Ok(None),
        };
        Ok(Some(test))
    }

    /// Whether a value of the key matches any of the policy's; `None` when that hangs on a
    /// variable without a value. A value that isn't what the operator compares matches nothing.
    fn matches(&self, value: &str, context: &Context) -> Option<bool> {
        let readable = |matched: Option<bool>| Some(matched == Some(true));
        match self {
            Self::Text(patterns) => any_of(patterns, |it| it.matches(value, context)),
            Self::TextInAnyCase(patterns) => {
                any_of(patterns, |it| it.matches_in_any_case(value, context))
            }
            Self::Arn(patterns) => any_of(patterns, |it| it.matches(value, context)),
            Self::Number(holds, wanted) => readable(number(value).map(|value| {
                let order = |it: &f64| value.partial_cmp(it);
                wanted.iter().filter_map(order).any(holds)
            })),
            Self::Date(holds, wanted) => {
                readable(moment(value).map(|value| wanted.iter().any(|it| holds(value.cmp(it)))))
            }
            Self::Bool(wanted) => readable(truth(value).map(|value| wanted.contains(&value))),
            Self::Binary(wanted) => readable(binary(value).map(|value| wanted.contains(&value))),
            Self::Address(nets) => readable(address(value).map(|value| {
                let contains = |net: &IpNet| net.contains(&value);
                nets.iter().any(contains)
            })),
            Self::Null(_) => Some(false),
        }
    }
}

/// The values beside an operator, still texts.
struct Values<'a> {
    operator: &'a str,
    values: &'a [String],
    syntax: Syntax,
}

impl Values<'_> {
    fn parse<T>(&self, parse: fn(&str) -> Option<T>) -> Result<Vec<T>, Flaw> {
        let parse = |value: &String| parse(value).ok_or_else(|| self.flaw(value));
        self.values.iter().map(parse).collect()
    }

    fn texts(&self, wildcards: Wildcards) -> Result<Vec<Pattern>, Flaw> {
        let parse = |value: &String| Pattern::parse(value, self.syntax, wildcards);
        self.values.iter().map(parse).collect()
    }

    fn arns(&self) -> Result<Vec<ArnPattern>, Flaw> {
        let parse =
            |value: &String| ArnPattern::parse(value, self.syntax)?.ok_or_else(|| self.flaw(value));
        self.values.iter().map(parse).collect()
    }

    fn flaw(&self, value: &str) -> Flaw {
        Flaw::ConditionValue {
            operator: self.operator.to_owned(),
            value: value.to_owned(),
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn truth(text: &str) -> Option<bool> {
    text.to_ascii_lowercase().parse().ok()
}

fn binary(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

/// Seconds since 1970, or ISO 8601: a date, or a date and a time, of UTC where it names no zone.
fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse() {
        return Timestamp::from_second(seconds).ok();
    }
    if let Ok(moment) = text.parse() {
        return Some(moment);
    }
    let local: DateTime = match text.parse::<DateTime>() {
        Ok(local) => local,
        Err(_) => text.parse::<Date>().ok()?.into(),
    };
    Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// An IPv4 address that came in through IPv6 is an IPv4 address.
fn address(text: &str) -> Option<IpAddr> {
    text.parse()
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

fn addresses(text: &str) -> Option<IpNet> {
    match text.parse() {
        Ok(net) => Some(net),
        Err(_) => address(text).map(IpNet::from),
    }
}

#[cfg(test)]
mod tests;
