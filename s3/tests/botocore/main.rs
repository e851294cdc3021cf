//! Holds the table of operations against the model of S3 that AWS ships in botocore, so that an
//! operation AWS adds cannot go unnoticed, nor a header or parameter be ignored silently; the
//! compatibility file against both; and what is spoken of IAM and STS against their models.
//!
//! Where there is no botocore the tests that need its models count as ignored.

mod calls;
mod compatibility;
mod file;
mod model;
mod page;

use std::collections::BTreeMap;
use std::process::ExitCode;

use http::Request;
use libtest_mimic::{Arguments, Failed, Trial};
use model::Models;
use riquet_s3::operation::table::TABLE;
use riquet_s3::operation::{OperationInfo, OperationName, Router, Scope, Status};
use riquet_s3::request::Operation;
use serde_json::Value;

/// Operations of the S3 API reference that are no calls of a client library.
const NOT_IN_BOTOCORE: [&str; 1] = ["PostObject"];

/// Query selectors that botocore models as required parameters or leaves to the caller.
const NOT_IN_REQUEST_URI: [&str; 4] = ["uploadId", "partNumber", "id", "annotationName"];

/// Headers that no typed input holds, each with the reason why that is no loss.
const NOT_IN_INPUTS: [(&str, &str); 10] = [
    ("Content-Length", "read with the body"),
    ("Content-MD5", "read with the body"),
    ("x-amz-checksum-", "read with the body"),
    ("x-amz-sdk-checksum-algorithm", "read with the body"),
    (
        "x-amz-expected-bucket-owner",
        "compared before the input is read",
    ),
    ("x-amz-request-payer", "nobody is charged for requests"),
    ("x-amz-bypass-governance-retention", "nothing is retained"),
    (
        "x-amz-optional-object-attributes",
        "no object is ever restored from an archive",
    ),
    (
        "x-amz-tagging-directive",
        "no object has tags; unknown values are refused",
    ),
    (
        "upload-id-marker",
        "means something with a key-marker alone",
    ),
];

/// Values of which at least one makes a difference wherever a header or parameter is read.
const CANDIDATES: [&str; 9] = [
    "x",
    "7",
    "null",
    "true",
    "ENABLED",
    "Wed, 21 Oct 2015 07:28:00 GMT",
    "bytes=0-1",
    "url",
    "REPLACE",
];

type Check = fn(&Models) -> Result<(), Failed>;

const CHECKS: [(&str, Check); 5] = [
    ("the_table_holds_every_operation", compare),
    ("no_header_or_parameter_is_ignored_silently", find_ignored),
    ("the_file_holds_every_parameter", compatibility::parameters),
    ("calls_are_read_by_their_models", calls::inputs),
    ("answers_are_written_by_their_models", calls::outputs),
];

type CheckOfTable = fn() -> Result<(), Failed>;

/// Those that need no model.
const CHECKS_OF_TABLE: [(&str, CheckOfTable); 2] = [
    ("the_file_holds_the_table", compatibility::statuses),
    ("the_page_shows_the_file", page::check),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let models = Models::find();
    if models.is_none() {
        eprintln!("skipped: no botocore found; install it or set RIQUET_BOTOCORE_DIR");
    }
    let of_models = CHECKS.map(|(name, check)| match models.clone() {
        Some(models) => Trial::test(name, move || check(&models)),
        None => Trial::test(name, || Ok(()))
            .with_kind("skipped: no botocore")
            .with_ignored_flag(true),
    });
    let of_table = CHECKS_OF_TABLE.map(|(name, check)| Trial::test(name, check));
    let trials = of_models.into_iter().chain(of_table).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn told(faults: Vec<String>) -> Result<(), Failed> {
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("\n").into())
    }
}

fn compare(models: &Models) -> Result<(), Failed> {
    let model = models.read("s3/2006-03-01")?;
    let operations = model["operations"]
        .as_object()
        .ok_or("the model has no operations")?;
    let mut rows: BTreeMap<&str, &OperationInfo> =
        TABLE.iter().map(|row| (row.name.as_str(), row)).collect();
    let mut differences = Vec::new();
    for (name, operation) in operations {
        match rows.remove(name.as_str()) {
            Some(row) => compare_row(row, &operation["http"], &mut differences),
            None => differences.push(format!("{name} is missing")),
        }
    }
    let unknown = rows
        .into_keys()
        .filter(|name| !NOT_IN_BOTOCORE.contains(name));
    differences.extend(unknown.map(|name| format!("{name} is unknown to botocore")));
    told(differences)
}

fn compare_row(row: &OperationInfo, http: &Value, differences: &mut Vec<String>) {
    let method = http["method"].as_str().unwrap_or_default();
    let uri = http["requestUri"].as_str().unwrap_or_default();
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let scope = match path {
        "/{Bucket}/{Key+}" => Scope::Object,
        "/{Bucket}" => Scope::Bucket,
        _ => Scope::Service,
    };
    let selectors: Vec<_> = query
        .split('&')
        .filter(|selector| !selector.is_empty())
        .collect();
    let ours: Vec<_> = row
        .query
        .iter()
        .copied()
        .filter(|name| !NOT_IN_REQUEST_URI.contains(name))
        .collect();
    if row.method.as_str() != method || row.scope != scope || ours != selectors {
        differences.push(format!("{}: botocore says {method} {uri}", row.name));
    }
}

fn find_ignored(models: &Models) -> Result<(), Failed> {
    let model = models.read("s3/2006-03-01")?;
    let mut ignored = Vec::new();
    for row in TABLE.iter().filter(|row| row.status == Status::Implemented) {
        let operation = &model["operations"][row.name.as_str()];
        let Some(shape) = operation["input"]["shape"].as_str() else {
            continue;
        };
        let members = model["shapes"][shape]["members"].as_object();
        for member in members.into_iter().flat_map(|members| members.values()) {
            let place = member["location"].as_str().unwrap_or_default();
            let name = member["locationName"].as_str().unwrap_or_default();
            let known = NOT_IN_INPUTS
                .iter()
                .any(|(known, _)| name.starts_with(known));
            if matches!(place, "header" | "querystring") && !known && is_ignored(row, place, name)?
            {
                ignored.push(format!("{}: {place} {name}", row.name));
            }
        }
    }
    told(ignored)
}

/// Whether no value of the header or parameter changes what an operation is read as.
fn is_ignored(row: &OperationInfo, place: &str, name: &str) -> Result<bool, Failed> {
    // What selected the operation was read.
    let selects = row.headers.contains(&name)
        || row
            .query
            .iter()
            .any(|selector| selector.split('=').next() == Some(name));
    if selects {
        return Ok(false);
    }
    let plain = read_operation(row, None)
        .map_err(|error| format!("{} without {name} is refused: {error}", row.name))?;
    Ok(CANDIDATES.iter().all(|value| {
        read_operation(row, Some((place, name, value))).is_ok_and(|operation| operation == plain)
    }))
}

/// Reads the smallest request of an operation, with one header or parameter more.
fn read_operation(
    row: &OperationInfo,
    extra: Option<(&str, &str, &str)>,
) -> riquet_s3::Result<Operation> {
    let path = match row.scope {
        Scope::Service => "/",
        Scope::Bucket => "/abc",
        Scope::Object => "/abc/key",
    };
    let query = row.query.join("&").replace("partNumber", "partNumber=1");
    let mut target = format!("{path}?{query}");
    let mut request = Request::builder().method(&row.method);
    if row.headers.contains(&"x-amz-copy-source") {
        request = request.header("x-amz-copy-source", "abc/other");
        // Content headers and tags mean something to a copy that replaces the source's.
        for directive in ["x-amz-metadata-directive", "x-amz-tagging-directive"] {
            if extra.is_none_or(|(_, name, _)| name != directive) {
                request = request.header(directive, "REPLACE");
            }
        }
    }
    if row.name == OperationName::DeleteObjects {
        request = request.header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==");
    }
    let asks_attributes = extra.is_none_or(|(_, name, _)| name != "x-amz-object-attributes");
    if row.name == OperationName::GetObjectAttributes && asks_attributes {
        request = request.header("x-amz-object-attributes", "ETag");
    }
    let body = row.name.smallest_document();
    match extra {
        Some(("header", name, value)) => request = request.header(name, value),
        Some((_, name, value)) => {
            let value = value.replace(' ', "%20");
            target.push_str(&format!("&{name}={value}"));
        }
        None => {}
    }
    let head = request
        .uri(target)
        .body(())
        .expect("a legal request")
        .into_parts()
        .0;
    let route = Router::default().route(&head)?;
    Operation::parse(route, &head.headers, body.as_bytes())
}
