//! The policy of a signed form: until when it may be sent, and what its fields may hold.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::fields::FormFields;
use crate::error::{Error, ErrorCode, Result};
use crate::name::BucketName;

/// Fields that need no condition: those of the signature itself, and the file's checksums, which
/// can only take files away from what the policy allows. (AWS wants conditions for the latter.)
const FREE_FIELDS: [&str; 5] = [
    "awsaccesskeyid",
    "file",
    "policy",
    "signature",
    "x-amz-signature",
];

/// Beginnings of the names of more such fields.
const FREE_PREFIXES: [&str; 2] = ["x-ignore-", "x-amz-checksum-"];

/// A policy whose signature was good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostPolicy {
    expiration: Timestamp,
    conditions: Vec<Condition>,
    length: LengthRange,
}

/// The lengths a file may have, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LengthRange {
    /// The least.
    pub min_bytes: u64,
    /// The most.
    pub max_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    operator: Operator,
    /// As the policy has it, for errors: with the dollar sign.
    operand: String,
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equals,
    StartsWith,
}

impl LengthRange {
    /// Any length.
    pub const ANY: Self = Self {
        min_bytes: 0,
        max_bytes: u64::MAX,
    };

    /// The lengths that are in both. There may be none.
    fn intersection(self, other: Self) -> Self {
        Self {
            min_bytes: self.min_bytes.max(other.min_bytes),
            max_bytes: self.max_bytes.min(other.max_bytes),
        }
    }
}

fn invalid(detail: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::InvalidPolicyDocument).message(format!("Invalid Policy: {detail}"))
}

fn denied(detail: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::AccessDenied).message(format!("Invalid according to Policy: {detail}"))
}

impl PostPolicy {
    /// Reads the text of the field: JSON in base64.
    ///
    /// # Errors
    /// `InvalidPolicyDocument`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let json = BASE64
            .decode(text)
            .map_err(|_| invalid("Invalid Base64 encoding."))?;
        let mut document: Map<String, Value> =
            serde_json::from_slice(&json).map_err(|_| invalid("Invalid JSON."))?;
        let expiration = document.remove("expiration");
        let conditions = document.remove("conditions");
        if let Some(name) = document.keys().next() {
            return Err(invalid(format!("Unexpected: '{}'", name.to_lowercase())));
        }
        let mut policy = Self {
            expiration: parse_expiration(expiration)?,
            conditions: Vec::new(),
            length: LengthRange::ANY,
        };
        match conditions {
            None => return Err(invalid("Policy missing conditions.")),
            Some(Value::Array(conditions)) => {
                for condition in conditions {
                    policy.add(condition)?;
                }
            }
            Some(_) => return Err(invalid("Invalid 'conditions' value: must be a List.")),
        }
        Ok(policy)
    }

    fn add(&mut self, condition: Value) -> Result<()> {
        match condition {
            Value::Object(simple) => self.add_simple(simple),
            Value::Array(list) => self.add_list(&list),
            _ => Err(invalid("Invalid Condition: must be a List or Object.")),
        }
    }

    /// `{"field": "value"}`.
    fn add_simple(&mut self, simple: Map<String, Value>) -> Result<()> {
        let mut properties = simple.into_iter();
        let (Some((name, value)), None) = (properties.next(), properties.next()) else {
            return Err(invalid(
                "Invalid Simple-Condition: Simple-Conditions must have exactly one property \
                 specified.",
            ));
        };
        let Value::String(value) = value else {
            return Err(invalid("Invalid Simple-Condition: value must be a string."));
        };
        self.conditions.push(Condition {
            operator: Operator::Equals,
            operand: format!("${name}"),
            value,
        });
        Ok(())
    }

    /// `["operator", "$field", "value"]` or `["content-length-range", min, max]`.
    fn add_list(&mut self, list: &[Value]) -> Result<()> {
        let name = list
            .first()
            .and_then(Value::as_str)
            .ok_or_else(|| invalid("Invalid Condition: missing operation identifier."))?;
        let [_, first, second] = list else {
            return Err(invalid(format!(
                "Invalid {name}: wrong number of arguments."
            )));
        };
        let operator = match name.to_ascii_lowercase().as_str() {
            "content-length-range" => {
                self.length = self.length.intersection(LengthRange {
                    min_bytes: parse_length(name, first)?,
                    max_bytes: parse_length(name, second)?,
                });
                return Ok(());
            }
            "eq" => Operator::Equals,
            "starts-with" => Operator::StartsWith,
            _ => {
                let message = format!("Invalid Condition: unknown operation '{name}'.");
                return Err(invalid(message));
            }
        };
        let (Value::String(operand), Value::String(value)) = (first, second) else {
            return Err(invalid(format!(
                "Invalid {name}: arguments must be strings."
            )));
        };
        self.conditions.push(Condition {
            operator,
            operand: operand.clone(),
            value: value.clone(),
        });
        Ok(())
    }

    /// Checks a form sent to `bucket` at the moment `now`. What it returns the file must be held
    /// to.
    ///
    /// # Errors
    /// `AccessDenied`: the policy has expired, a condition does not hold or a field has none.
    pub fn check(
        &self,
        fields: &FormFields,
        bucket: &BucketName,
        now: Timestamp,
    ) -> Result<LengthRange> {
        if now > self.expiration {
            return Err(denied("Policy expired."));
        }
        for condition in &self.conditions {
            if !condition.holds(fields, bucket) {
                return Err(denied(format!("Policy Condition failed: {condition}")));
            }
        }
        // A policy that is silent about the bucket would be good for all of its signer's.
        let names = fields.names().chain([("bucket", "bucket")]);
        for (name_as_sent, name) in names {
            let free = FREE_FIELDS.contains(&name)
                || FREE_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
            if !free
                && !self
                    .conditions
                    .iter()
                    .any(|condition| condition.names(name))
            {
                return Err(denied(format!("Extra input fields: {name_as_sent}")));
            }
        }
        Ok(self.length)
    }
}

impl Condition {
    /// The name of the field, in any case; without its dollar sign it's no name.
    fn field(&self) -> Option<&str> {
        self.operand.strip_prefix('$')
    }

    fn names(&self, name: &str) -> bool {
        let field = self.field();
        field.is_some_and(|field| field.eq_ignore_ascii_case(name))
    }

    fn holds(&self, fields: &FormFields, bucket: &BucketName) -> bool {
        let Some(name) = self.field().map(str::to_ascii_lowercase) else {
            return false;
        };
        // The bucket is the one the form was sent to, whatever a field says; and a field that is
        // not there is an empty one.
        let found = match name.as_str() {
            "bucket" => bucket.as_str(),
            name => fields.get(name).unwrap_or(""),
        };
        match self.operator {
            Operator::Equals => found == self.value,
            Operator::StartsWith if name == "content-type" => found
                .split(',')
                .all(|kind| kind.trim_start().starts_with(&self.value)),
            Operator::StartsWith => found.starts_with(&self.value),
        }
    }
}

/// As AWS shows a condition, whatever its form in the policy.
impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let operator = match self.operator {
            Operator::Equals => "eq",
            Operator::StartsWith => "starts-with",
        };
        let json = |text: &str| Value::from(text);
        let (operand, value) = (json(&self.operand), json(&self.value));
        write!(f, "[\"{operator}\", {operand}, {value}]")
    }
}

/// ISO 8601 in UTC; AWS takes no other zone.
fn parse_expiration(expiration: Option<Value>) -> Result<Timestamp> {
    let expiration = expiration.ok_or_else(|| invalid("Policy missing expiration."))?;
    let moment = expiration
        .as_str()
        .filter(|text| text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T'))
        .and_then(|text| text.parse().ok());
    moment.ok_or_else(|| {
        let text = expiration.as_str().unwrap_or("");
        invalid(format!("Invalid 'expiration' value: '{text}'"))
    })
}

/// A number, also one in quotes.
fn parse_length(operator: &str, value: &Value) -> Result<u64> {
    let length = match value {
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        value => value.as_u64(),
    };
    length.ok_or_else(|| invalid(format!("Invalid {operator}: arguments must be lengths.")))
}

#[cfg(test)]
mod tests;
