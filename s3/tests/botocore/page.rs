//! `docs/COMPATIBILITY.md`, written from the table of operations and the compatibility file.

use std::path::Path;

use libtest_mimic::Failed;
use riquet_s3::operation::table::TABLE;
use riquet_s3::operation::{OperationInfo, Scope, Status};

use super::file::{Entry, File};

/// Set to write the page instead of comparing it.
const WRITE: &str = "RIQUET_WRITE_COMPATIBILITY";

const HEAD: &str = "\
# Compatibility with S3

Every operation of S3's model, what is served of it, and the tests that show it. `make compatibility`
writes this page from [s3-compatibility.toml](s3-compatibility.toml) and the table of operations in
`s3/src/operation/table.rs`; tests compare the three with each other, with AWS's model, and with what
a cluster answers. The rules behind the operations are in [S3.md](S3.md).

Parameters are named as in the model. Every operation takes the `Bucket` and the `Key` that its request
names. A test is a function of `tests/python`, run by the suite `semantics`.
";

/// What requests themselves show.
const IN_THE_PATH: [&str; 2] = ["Bucket", "Key"];

/// The page is what would be written now.
pub(crate) fn check() -> Result<(), Failed> {
    let page = page(&File::read()?);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/COMPATIBILITY.md");
    if std::env::var_os(WRITE).is_some_and(|value| !value.is_empty()) {
        std::fs::write(path, page)?;
    } else if std::fs::read_to_string(path)? != page {
        return Err("docs/COMPATIBILITY.md is not up to date: run `make compatibility`".into());
    }
    Ok(())
}

fn page(file: &File) -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## Everywhere\n\n| parameters of all operations that have them | test |\n| --- | --- |\n");
    for (test, parameters) in &file.everywhere {
        let parameters: Vec<_> = parameters.iter().map(String::as_str).collect();
        page.push_str(&format!("| {} | `{test}` |\n", parameters.join(", ")));
    }
    page.push_str("\n## Operations\n\n");
    page.push_str("| operation | request | parameters | status | tests |\n");
    page.push_str("| --- | --- | --- | --- | --- |\n");
    for row in TABLE {
        if let Some(entry) = file.operations.get(row.name.as_str()) {
            page.push_str(&line(row, entry));
        }
    }
    page
}

fn line(row: &OperationInfo, entry: &Entry) -> String {
    let status = match row.status {
        Status::Implemented => "yes".to_owned(),
        Status::NotImplemented => "`NotImplemented`".to_owned(),
        Status::SameRequestAs(other) => format!("same request as {other}"),
        Status::OtherEndpoint => "of another kind of endpoint".to_owned(),
    };
    let tests: Vec<_> = entry.tests.keys().map(|test| format!("`{test}`")).collect();
    let cells = [
        row.name.to_string(),
        request(row),
        parameters(entry),
        status,
        tests.join(", "),
    ];
    format!("| {} |\n", cells.join(" | "))
}

fn request(row: &OperationInfo) -> String {
    let path = match row.scope {
        Scope::Service => "/",
        Scope::Bucket => "/bucket",
        Scope::Object => "/bucket/key",
    };
    let query = match row.query {
        [] => String::new(),
        query => format!("?{}", query.join("&")),
    };
    let headers = row.headers.iter();
    let headers: String = headers.map(|name| format!(" with `{name}`")).collect();
    format!("`{} {path}{query}`{headers}", row.method)
}

/// What is served, then what is refused.
fn parameters(entry: &Entry) -> String {
    let mut served = entry.served();
    for name in IN_THE_PATH {
        served.remove(name);
    }
    let served = Vec::from_iter(served).join(", ");
    let refused: Vec<_> = entry.refused.iter().map(String::as_str).collect();
    match (served.is_empty(), refused.is_empty()) {
        (_, true) => served,
        (true, false) => format!("refused: {}", refused.join(", ")),
        (false, false) => format!("{served}; refused: {}", refused.join(", ")),
    }
}
