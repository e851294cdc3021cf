//! The shape of a policy's JSON, before any meaning: which fields there are and of what type.
//!
//! Doubled names are refused at every level, also in the maps of `Principal` and `Condition`: two
//! readers of the same text must not see two policies.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{
    Deserialize, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde_json::error::Category;

use super::flaw::Flaw;
use super::pattern::Syntax;

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Document {
    #[serde(default, deserialize_with = "present")]
    version: Option<String>,
    /// Any text; nothing reads it.
    #[serde(default, rename = "Id", deserialize_with = "present")]
    _id: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) statement: Option<OneOrMany<RawStatement>>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct RawStatement {
    #[serde(default, deserialize_with = "present")]
    pub(super) sid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) effect: Option<Effect>,
    #[serde(default, deserialize_with = "present")]
    pub(super) principal: Option<RawPrincipal>,
    #[serde(default, deserialize_with = "present")]
    pub(super) not_principal: Option<RawPrincipal>,
    #[serde(default, deserialize_with = "present")]
    pub(super) action: Option<OneOrMany<String>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) not_action: Option<OneOrMany<String>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) resource: Option<OneOrMany<String>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) not_resource: Option<OneOrMany<String>>,
    #[serde(default)]
    pub(super) condition: Entries<Entries<OneOrMany<Scalar>>>,
}

/// What a statement that applies does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub(super) enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, serde::Deserialize)]
#[serde(untagged, expecting = "expected \"*\" or an object of principals")]
pub(super) enum RawPrincipal {
    Text(String),
    Map(Entries<OneOrMany<String>>),
}

/// The values of a field that can be one value or a list of them.
#[derive(Debug)]
pub(super) struct OneOrMany<T>(pub(super) Vec<T>);

/// A value of a condition; numbers and truth values may be written without quotes.
#[derive(Debug, serde::Deserialize)]
#[serde(untagged, expecting = "expected a text, a number or a truth value")]
pub(super) enum Scalar {
    Text(String),
    Bool(bool),
    Number(serde_json::Number),
}

/// An object's entries in their order, each name once.
#[derive(Debug)]
pub(super) struct Entries<T>(pub(super) Vec<(String, T)>);

impl Document {
    pub(super) fn parse(text: &str) -> Result<Self, Flaw> {
        if !text.starts_with('{') {
            return Err(Flaw::NotJson);
        }
        serde_json::from_str(text).map_err(|error| match error.classify() {
            Category::Data => Flaw::Shape(error.to_string()),
            Category::Syntax | Category::Eof | Category::Io => Flaw::NotJson,
        })
    }

    /// Documents of the older version, which is that of one without a version, have no variables.
    pub(super) fn syntax(&self) -> Result<Syntax, Flaw> {
        match self.version.as_deref() {
            Some("2012-10-17") => Ok(Syntax::Variables),
            Some("2008-10-17") | None => Ok(Syntax::Plain),
            Some(_) => Err(Flaw::Version),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Bool(bool) => bool.fmt(f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut seen = HashSet::new();
        let mut entries = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, T>()? {
            if !seen.insert(name.clone()) {
                return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
            }
            entries.push((name, value));
        }
        Ok(Entries(entries))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor(PhantomData))
    }
}

/// Hands whatever isn't a list on to the value's own type, whose errors then say what is wrong.
struct OneOrManyVisitor<T>(PhantomData<T>);

/// Methods that read one value of a type of JSON.
macro_rules! visit_one {
    ($($visit:ident $json:ty;)*) => {$(
        fn $visit<E: serde::de::Error>(self, value: $json) -> Result<Self::Value, E> {
            T::deserialize(value.into_deserializer()).map(|one| OneOrMany(vec![one]))
        }
    )*};
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrManyVisitor<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or a list of values")
    }

    visit_one! {
        visit_str &str;
        visit_bool bool;
        visit_u64 u64;
        visit_i64 i64;
        visit_f64 f64;
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|one| OneOrMany(vec![one]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMany)
    }
}

/// Reads a field that may be left out, but not be `null`.
fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}
