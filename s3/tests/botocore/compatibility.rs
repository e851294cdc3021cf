//! The compatibility file holds what the table of operations holds, and every parameter of the
//! model is in it: served and shown by a test, or refused.

use std::collections::BTreeSet;

use libtest_mimic::Failed;
use riquet_s3::operation::table::TABLE;
use serde_json::Value;

use super::file::{Answer, Entry, File};
use super::model::Models;
use super::told;

/// The same operations as the table, each with the same status, and tests where it is implemented.
pub(crate) fn statuses() -> Result<(), Failed> {
    let mut file = File::read()?;
    let mut faults = Vec::new();
    for row in TABLE {
        let Some(entry) = file.operations.remove(row.name.as_str()) else {
            faults.push(format!("{} is missing", row.name));
            continue;
        };
        if !entry.agrees(row.status) {
            faults.push(format!("{}: the table says {:?}", row.name, row.status));
        }
        let is_implemented = entry.status == Answer::Implemented;
        if is_implemented == entry.tests.is_empty() {
            faults.push(format!("{}: tests belong to what is served", row.name));
        }
        if !is_implemented && !entry.refused.is_empty() {
            faults.push(format!("{}: all of it is refused", row.name));
        }
    }
    let unknown = file.operations.into_keys();
    faults.extend(unknown.map(|name| format!("{name} is not in the table")));
    told(faults)
}

/// What is served and what is refused are together the parameters of the model.
pub(crate) fn parameters(models: &Models) -> Result<(), Failed> {
    let file = File::read()?;
    let model = models.read("s3/2006-03-01")?;
    let everywhere = file.served_everywhere();
    let mut faults = Vec::new();
    for (name, entry) in &file.operations {
        if entry.status == Answer::Implemented {
            compare(
                name,
                entry,
                &members(&model, name),
                &everywhere,
                &mut faults,
            );
        }
    }
    told(faults)
}

fn members<'a>(model: &'a Value, operation: &str) -> BTreeSet<&'a str> {
    let input = &model["operations"][operation]["input"]["shape"];
    let shape = &model["shapes"][input.as_str().unwrap_or_default()];
    let members = shape["members"].as_object().into_iter().flatten();
    members.map(|(name, _)| name.as_str()).collect()
}

fn compare(
    operation: &str,
    entry: &Entry,
    members: &BTreeSet<&str>,
    everywhere: &BTreeSet<&str>,
    faults: &mut Vec<String>,
) {
    let served = entry.served();
    let refused: BTreeSet<_> = entry.refused.iter().map(String::as_str).collect();
    let mut say = |name: &str, what| faults.push(format!("{operation}: {name} {what}"));
    for name in members {
        let is_served = served.contains(name) || everywhere.contains(name);
        match (is_served, refused.contains(name)) {
            (true, true) => say(name, "is both served and refused"),
            (false, false) => say(name, "is missing"),
            _ => {}
        }
    }
    for name in served
        .union(&refused)
        .filter(|name| !members.contains(*name))
    {
        say(name, "is unknown to botocore");
    }
}
