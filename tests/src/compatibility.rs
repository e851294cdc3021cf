//! What `docs/s3-compatibility.toml` says that tests show, held against what they have shown.
//!
//! Page and file would drift from the tests if a name in them were only a name: so a test that the
//! file names must call the operation with the parameters written there, and with success.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use toml::{Table, Value as Toml};

/// The section of parameters that any operation may show.
const EVERYWHERE: &str = "everywhere";

/// No call of an SDK but a form of a browser, which no hook of boto3 sees.
const UNSEEN: &str = "PostObject";

/// Something that a test has to show.
#[derive(Debug, PartialEq)]
struct Claim {
    test: String,
    /// An operation, or [`EVERYWHERE`].
    operation: String,
    parameters: BTreeSet<String>,
}

/// What the file says; a failure is the same for every trial.
static CLAIMS: LazyLock<Result<Vec<Claim>, String>> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/s3-compatibility.toml");
    let text = std::fs::read_to_string(&path);
    text.map_err(|error| error.to_string())
        .and_then(|text| claims(&text))
        .map_err(|error| format!("{}: {error}", path.display()))
});

/// Fails when `test` is named in the file and has not shown all that the file says.
///
/// `shown` holds the parameters of each operation that was called with success.
///
/// # Errors
/// The operations and parameters that it lacks.
pub fn check(test: &str, shown: &Value) -> Result<(), Failed> {
    let claims = CLAIMS.as_ref()?;
    let of_test = claims.iter().filter(|claim| claim.test == test);
    let lacking: Vec<_> = of_test.filter_map(|claim| claim.lacks(shown)).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    Err(format!(
        "docs/s3-compatibility.toml says that this test shows what it never called with success:\n{}",
        lacking.join("\n")
    )
    .into())
}

/// A trial that every test named in the file is one of `trials`.
pub fn every_test_exists(trials: &[Trial]) -> Trial {
    let known: BTreeSet<_> = trials.iter().map(|trial| trial.name().to_owned()).collect();
    Trial::test("compatibility::every_test_exists", move || {
        let named: BTreeSet<_> = CLAIMS.as_ref()?.iter().map(|claim| &claim.test).collect();
        let unknown: Vec<_> = named
            .into_iter()
            .filter(|test| !known.contains(*test))
            .map(String::as_str)
            .collect();
        if unknown.is_empty() {
            Ok(())
        } else {
            Err(format!(
                "docs/s3-compatibility.toml names no tests: {}",
                unknown.join(", ")
            )
            .into())
        }
    })
}

impl Claim {
    /// What of it was not shown, in words.
    fn lacks(&self, shown: &Value) -> Option<String> {
        if self.operation == UNSEEN {
            return None;
        }
        let called = shown.as_object().into_iter().flatten();
        let called: Vec<_> = called
            .filter(|(name, _)| self.operation == EVERYWHERE || **name == self.operation)
            .collect();
        if called.is_empty() {
            return Some(self.operation.clone());
        }
        let sent: BTreeSet<_> = called
            .iter()
            .filter_map(|(_, names)| names.as_array())
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let lacking = self.parameters.iter().map(String::as_str);
        let lacking: Vec<_> = lacking.filter(|name| !sent.contains(name)).collect();
        (!lacking.is_empty()).then(|| format!("{}: {}", self.operation, lacking.join(", ")))
    }
}

fn claims(text: &str) -> Result<Vec<Claim>, String> {
    let file: Table = text.parse().map_err(|error| format!("{error}"))?;
    let mut claims = Vec::new();
    for (operation, entry) in &file {
        let tests = if operation == EVERYWHERE {
            Some(entry)
        } else {
            entry.get("tests")
        };
        let tests = tests.and_then(Toml::as_table).into_iter().flatten();
        for (test, parameters) in tests {
            let parameters = parameters.as_array();
            let parameters = parameters.ok_or(format!("{operation}: {test} has no list"))?;
            let parameters = parameters.iter().filter_map(Toml::as_str);
            claims.push(Claim {
                test: test.clone(),
                operation: operation.clone(),
                parameters: parameters.map(str::to_owned).collect(),
            });
        }
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FILE: &str = r#"
        [everywhere]
        "m::owner" = ["Owner"]
        [GetObject]
        status = "implemented"
        [GetObject.tests]
        "m::ranges" = ["Key", "Range"]
        [PutBucketAbac]
        status = "not-implemented"
    "#;

    #[test]
    fn a_claim_is_shown_by_its_own_operation() {
        let claims = claims(FILE).unwrap();
        let [get, owner] = &claims[..] else {
            panic!("{claims:?}")
        };
        assert_eq!(
            (get.test.as_str(), get.operation.as_str()),
            ("m::ranges", "GetObject")
        );
        assert_eq!(get.lacks(&json!({"GetObject": ["Key", "Range"]})), None);
        let less = json!({"GetObject": ["Key"], "HeadObject": ["Range"]});
        assert_eq!(get.lacks(&less).unwrap(), "GetObject: Range");
        assert_eq!(get.lacks(&json!({})).unwrap(), "GetObject");
        assert_eq!(owner.lacks(&json!({"HeadObject": ["Owner"]})), None);
        assert_eq!(owner.lacks(&less).unwrap(), "everywhere: Owner");
    }
}
