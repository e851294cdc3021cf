//! A call's parameters, each taken once; what is left over was not understood.
//!
//! A list is written as `Tags.member.1.Key=a&Tags.member.1.Value=b`, an empty one as `Tags=`.

use std::collections::BTreeMap;
use std::str::FromStr;

use http::Method;
use http::request::Parts;

use super::is_form;
use super::values::{PageRequest, Tag, TagKey, Value, invalid};
use crate::auth::Service;
use crate::error::{Error, ErrorCode, Result};
use crate::operation::Query;
use crate::policy::{Policy, PolicyKind};

/// The most bytes of a form: a policy of 128 KiB fits, percent-encoded.
pub const FORM_BYTES_MAX: usize = 512 * 1024;

/// The most parameters of a call: AWS's longest lists, all at once, come to half of it.
const PARAMETERS_MAX: usize = 512;

/// The most tags of anything in IAM, and of a session.
const TAGS_MAX: usize = 50;

/// What starts the names of parameters that belong to the signature.
const OF_SIGNATURE: &str = "X-Amz-";

/// The parameters that no operation has taken yet.
#[derive(Debug)]
pub struct Form {
    action: String,
    parameters: BTreeMap<String, String>,
}

impl Form {
    /// Reads the form of a call to `service`, from its body or, where that is no form, from its
    /// query alone.
    ///
    /// # Errors
    /// `MalformedQueryString`, `MissingAction`, `InvalidAction` (another version's) or
    /// `ValidationError` (too long).
    pub fn read(head: &Parts, body: &[u8], service: Service) -> Result<Self> {
        if body.len() > FORM_BYTES_MAX {
            return Err(too_long());
        }
        let has_form = head.method == Method::POST && is_form(&head.headers);
        let body = if has_form { body } else { b"" };
        let body = std::str::from_utf8(body).map_err(|_| malformed())?;
        let raw = [head.uri.query().unwrap_or(""), body];
        // Counted before anything is decoded, so that many tiny ones cost no memory.
        let count: usize = raw.iter().map(|raw| raw.split('&').count()).sum();
        if count > PARAMETERS_MAX {
            return Err(too_long());
        }

        let mut parameters = BTreeMap::new();
        for raw in raw {
            let query = Query::parse(raw).map_err(|_| malformed())?;
            for (name, value) in query
                .iter()
                .filter(|(name, _)| !name.starts_with(OF_SIGNATURE))
            {
                if parameters
                    .insert(name.to_owned(), value.to_owned())
                    .is_some()
                {
                    return Err(malformed());
                }
            }
        }
        let action = parameters.remove("Action").filter(|it| !it.is_empty());
        let action = action.ok_or(ErrorCode::MissingAction)?;
        let form = Self { action, parameters };
        form.of_version(service.version())
    }

    fn of_version(mut self, version: &str) -> Result<Self> {
        match self.parameters.remove("Version") {
            Some(named) if named != version => Err(no_such_action(&self.action, &named)),
            _ => Ok(self),
        }
    }

    /// What is called.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.action
    }

    /// The error for an action that `service` hasn't.
    pub(crate) fn unknown_action(&self, service: Service) -> Error {
        no_such_action(&self.action, service.version())
    }

    /// A parameter that must be there.
    pub(crate) fn required<T: Value>(&mut self, name: &'static str) -> Result<T> {
        self.optional(name)?.ok_or_else(|| missing(name))
    }

    /// A parameter that may be there.
    pub(crate) fn optional<T: Value>(&mut self, name: &'static str) -> Result<Option<T>> {
        let text = self.parameters.remove(name);
        text.map(|text| T::read(name, text)).transpose()
    }

    /// A parameter that has a default.
    pub(crate) fn or_default<T: Value + Default>(&mut self, name: &'static str) -> Result<T> {
        Ok(self.optional(name)?.unwrap_or_default())
    }

    /// A list, empty if it isn't there.
    pub(crate) fn list<T: Value>(&mut self, name: &'static str, most: usize) -> Result<Vec<T>> {
        let members = self.members(name, most)?;
        let texts = members.into_values().map(|mut fields| {
            let text = fields.remove("").ok_or_else(|| missing(name))?;
            no_others(name, &fields)?;
            T::read(name, text)
        });
        texts.collect()
    }

    /// A list whose members are structures with this one field.
    pub(crate) fn list_of<T: Value>(
        &mut self,
        name: &'static str,
        field: &'static str,
        most: usize,
    ) -> Result<Vec<T>> {
        let members = self.members(name, most)?;
        let texts = members.into_values().map(|mut fields| {
            let text = fields.remove(field).ok_or_else(|| missing(name))?;
            no_others(name, &fields)?;
            T::read(name, text)
        });
        texts.collect()
    }

    /// As [`Form::list`], of which there must be at least one member.
    pub(crate) fn required_list<T: Value>(
        &mut self,
        name: &'static str,
        most: usize,
    ) -> Result<Vec<T>> {
        let list = self.list(name, most)?;
        if list.is_empty() {
            return Err(missing(name));
        }
        Ok(list)
    }

    /// Tags with distinct keys, in the order given.
    pub(crate) fn tags(&mut self, name: &'static str) -> Result<Vec<Tag>> {
        let mut tags: Vec<Tag> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for (_, mut fields) in self.members(name, TAGS_MAX)? {
            let key = fields
                .remove("Key")
                .ok_or_else(|| missing("Tags.member.Key"))?;
            let value = fields.remove("Value");
            no_others(name, &fields)?;
            let value = value.ok_or_else(|| missing("Tags.member.Value"))?;
            let tag = Tag::new(TagKey::read(name, key)?, value)?;
            if !seen.insert(tag.key.folded()) {
                return Err(Error::new(ErrorCode::InvalidInput).message(
                    "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
                ));
            }
            tags.push(tag);
        }
        Ok(tags)
    }

    /// As [`Form::tags`], of which there must be at least one.
    pub(crate) fn required_tags(&mut self, name: &'static str) -> Result<Vec<Tag>> {
        let tags = self.tags(name)?;
        if tags.is_empty() {
            return Err(missing(name));
        }
        Ok(tags)
    }

    /// The keys of tags, `most` as AWS allows for tags.
    pub(crate) fn tag_keys(&mut self, name: &'static str) -> Result<Vec<TagKey>> {
        self.list(name, TAGS_MAX)
    }

    /// As [`Form::tag_keys`], of which there must be at least one.
    pub(crate) fn required_tag_keys(&mut self, name: &'static str) -> Result<Vec<TagKey>> {
        self.required_list(name, TAGS_MAX)
    }

    /// A policy that must be there.
    pub(crate) fn policy(&mut self, name: &'static str, kind: PolicyKind<'_>) -> Result<Policy> {
        self.optional_policy(name, kind)?
            .ok_or_else(|| missing(name))
    }

    /// A policy that may be there.
    pub(crate) fn optional_policy(
        &mut self,
        name: &'static str,
        kind: PolicyKind<'_>,
    ) -> Result<Option<Policy>> {
        let text = self.parameters.remove(name);
        text.map(|text| Policy::parse(text.as_bytes(), kind))
            .transpose()
    }

    /// A number within bounds.
    pub(crate) fn number<T>(&mut self, name: &'static str, least: T, most: T) -> Result<Option<T>>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.parameters.remove(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) if number >= least && number <= most => Ok(Some(number)),
            _ => Err(invalid(
                name,
                &text,
                format_args!("Member must have value between {least} and {most}"),
            )),
        }
    }

    /// A truth value, false if it isn't there.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool> {
        match self.parameters.remove(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(text) => Err(invalid(name, text, "Member must be true or false")),
        }
    }

    /// Where in a list the caller is, and how much of it is wanted.
    pub(crate) fn page(&mut self) -> Result<PageRequest> {
        PageRequest::read(self)
    }

    /// Ends the reading: a parameter that nobody took is one that isn't honoured.
    pub(crate) fn finish(self) -> Result<()> {
        match self.parameters.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(Error::new(ErrorCode::NotImplemented)
                .message(format!("The parameter {name} is not implemented."))),
        }
    }

    /// Takes the members of a list apart: by index, then by field, which is empty for a member
    /// that is text.
    fn members(
        &mut self,
        name: &'static str,
        most: usize,
    ) -> Result<BTreeMap<u32, BTreeMap<String, String>>> {
        if self.parameters.get(name).is_some_and(String::is_empty) {
            self.parameters.remove(name);
        }
        let prefix = format!("{name}.member.");
        let names: Vec<String> = self
            .parameters
            .range(prefix.clone()..)
            .map(|(found, _)| found.clone())
            .take_while(|found| found.starts_with(&prefix))
            .collect();
        let mut members: BTreeMap<u32, BTreeMap<String, String>> = BTreeMap::new();
        for found in names {
            let rest = &found[prefix.len()..];
            let (index, field) = rest.split_once('.').unwrap_or((rest, ""));
            let index = index.parse().map_err(|_| malformed())?;
            let value = self.parameters.remove(&found).unwrap_or_default();
            members
                .entry(index)
                .or_default()
                .insert(field.to_owned(), value);
        }
        if members.len() > most {
            let length = members.len().to_string();
            let constraint = format_args!("Member must have length less than or equal to {most}");
            return Err(invalid(name, &length, constraint));
        }
        Ok(members)
    }
}

fn no_others(name: &'static str, fields: &BTreeMap<String, String>) -> Result<()> {
    match fields.keys().next() {
        None => Ok(()),
        Some(field) => Err(Error::new(ErrorCode::NotImplemented).message(format!(
            "The parameter {name}.member.{field} is not implemented."
        ))),
    }
}

fn malformed() -> Error {
    ErrorCode::MalformedQueryString.into()
}

fn too_long() -> Error {
    Error::new(ErrorCode::ValidationError).message("The request has too many parameters.")
}

fn missing(name: &'static str) -> Error {
    Error::new(ErrorCode::MissingParameter)
        .message(format!("The request must contain the parameter {name}."))
}

fn no_such_action(action: &str, version: &str) -> Error {
    Error::new(ErrorCode::InvalidAction).message(format!(
        "Could not find operation {action} for version {version}"
    ))
}

#[cfg(test)]
pub(crate) mod tests;
