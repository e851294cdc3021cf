//! Which clients there are, said before any trial runs: `docs/CLIENTS.md` names those that passed.

use riquet_tests::client::{Run, outcome};
use riquet_tests::paths::{self, Venv};
use serde_json::Value;

/// Programs, with the argument that makes them tell their version.
const PROGRAMS: [(&str, &str); 8] = [
    ("aws", "--version"),
    ("rclone", "version"),
    ("s3fs", "--version"),
    ("s3cmd", "--version"),
    ("restic", "version"),
    ("curl", "--version"),
    ("node", "--version"),
    ("python", "--version"),
];

/// Python packages, by where they are installed.
const MODULES: [(Venv, &[&str]); 3] = [
    (Venv::Clients, &["boto3"]),
    (Venv::OldBoto3, &["boto3"]),
    (
        Venv::Data,
        &[
            "s3fs",
            "pyarrow",
            "zarr",
            "obstore",
            "deltalake",
            "icechunk",
            "duckdb",
            "rasterio",
        ],
    ),
];

/// Packages for Node.js.
const NODE_PACKAGES: [&str; 2] = ["@aws-sdk/client-s3", "@aws-sdk/lib-storage"];

/// Seconds for a program to tell its version.
const TIMEOUT_S: u64 = 30;

/// Prints a line for each client that is there, and nothing for those that are not: their trials
/// say what is missing.
pub(crate) fn print() {
    let programs: Vec<_> = PROGRAMS
        .into_iter()
        .filter(|(name, _)| paths::which(name).is_some())
        .map(|(name, argument)| std::thread::spawn(move || program(name, argument)))
        .collect();
    let told = programs.into_iter().filter_map(|p| p.join().ok().flatten());
    let modules = MODULES
        .into_iter()
        .flat_map(|(venv, names)| names.iter().filter_map(move |name| module(venv, name)));
    let packages = NODE_PACKAGES.into_iter().filter_map(node_package);
    for line in told.chain(modules).chain(packages) {
        eprintln!("client: {line}");
    }
}

/// The first line that a program prints.
fn program(name: &str, argument: &str) -> Option<String> {
    let told = outcome(&Run::new(name).arg(argument), TIMEOUT_S).ok()?;
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    let line = text.lines().next()?.trim().to_owned();
    // Node.js tells a bare number.
    Some(if line.starts_with('v') {
        format!("{name} {line}")
    } else {
        line
    })
}

/// The version in the name of the folder that pip makes for a package.
fn module(venv: Venv, name: &str) -> Option<String> {
    let versions = std::fs::read_dir(venv.folder().join("lib")).ok()?;
    versions
        .flatten()
        .filter_map(|python| std::fs::read_dir(python.path().join("site-packages")).ok())
        .flat_map(|packages| packages.flatten())
        .find_map(|package| {
            let folder = package.file_name().into_string().ok()?;
            let version = folder.strip_suffix(".dist-info")?.strip_prefix(name)?;
            Some(format!("{name} {}", version.strip_prefix('-')?))
        })
}

fn node_package(name: &str) -> Option<String> {
    let file = paths::node_modules().join(name).join("package.json");
    let package: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    Some(format!("{name} {}", package["version"].as_str()?))
}
