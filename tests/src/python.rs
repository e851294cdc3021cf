//! Test functions in Python as trials: one trial for each `def test_...` of a file.
//!
//! The functions run in worker processes that live as long as the suite, so that a trial does not
//! pay for starting Python and importing boto3.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::client::Run;
use crate::cluster::{Cluster, Site};
use crate::paths;
use crate::skip::Need;
use crate::suite::Shared;

/// A trial for each test function of `python/MODULE.py`.
///
/// A line `@needs("large")` or `@needs("awscrt")` right above a function says what it needs
/// beyond boto3. The file is read as text here, so that the trials of a machine without boto3 are
/// listed, and ignored.
///
/// # Panics
/// When the file is missing or names an unknown need.
pub fn trials(shared: &Shared, module: &'static str) -> Vec<Trial> {
    let file = paths::python_tests().join(format!("{module}.py"));
    let text = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
    let workers = Workers::default();
    functions(&text)
        .into_iter()
        .map(|(function, needs)| {
            let (workers, name) = (workers.clone(), format!("{module}::{function}"));
            shared.trial(name, &needs, move |cluster| {
                workers.run(cluster, module, &function)
            })
        })
        .collect()
}

/// The test functions of a file in order, each with its needs.
fn functions(text: &str) -> Vec<(String, Vec<Need>)> {
    let mut functions = Vec::new();
    let mut needs = vec![Need::PythonModule("boto3")];
    for line in text.lines() {
        if let Some(need) = line.strip_prefix("@needs(\"") {
            needs.push(match need.trim_end_matches("\")") {
                "large" => Need::Large,
                "awscrt" => Need::PythonModule("awscrt"),
                other => panic!("unknown need {other}"),
            });
        } else if let Some(rest) = line.strip_prefix("def test_") {
            let end = rest.find('(').unwrap_or(rest.len());
            let needs = std::mem::replace(&mut needs, vec![Need::PythonModule("boto3")]);
            functions.push((format!("test_{}", &rest[..end]), needs));
        }
    }
    functions
}

/// Worker processes that wait for a trial.
#[derive(Clone, Debug, Default)]
struct Workers(Arc<Mutex<Vec<Worker>>>);

impl Workers {
    fn run(&self, cluster: &Cluster, module: &str, function: &str) -> Result<(), Failed> {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut worker = match idle {
            Some(worker) => worker,
            None => Worker::start(cluster)?,
        };
        // A worker that fails to answer is dropped, and ended with it.
        let answer = worker.ask(&json!({"module": module, "function": function}))?;
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(worker);
        match answer["failure"].as_str() {
            None => Ok(()),
            Some(failure) => Err(failure.into()),
        }
    }
}

/// A Python process that runs one test function at a time.
#[derive(Debug)]
struct Worker {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Worker {
    fn start(cluster: &Cluster) -> Result<Self, Failed> {
        let mut process = Run::new("python")
            .arg(paths::python_tests().join("worker.py"))
            .for_cluster(cluster, Site::Toulouse)
            .env("RIQUET_OTHER_URL", cluster.endpoint(Site::Montpellier))
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = process.stdin.take().ok_or("no input")?;
        let output = BufReader::new(process.stdout.take().ok_or("no output")?);
        Ok(Self {
            process,
            input,
            output,
        })
    }

    /// Runs one function. The worker itself bounds the time that it takes.
    fn ask(&mut self, question: &Value) -> Result<Value, Failed> {
        writeln!(self.input, "{question}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() {
            return Err("the Python worker ended".into());
        }
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_listed_with_their_needs() {
        let text = "def test_a(t):\n    pass\n@needs(\"large\")\ndef test_b(t):\ndef helper():\n";
        let found = functions(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].0, "test_a");
        assert_eq!(found[1].0, "test_b");
        assert_eq!(found[0].1, [Need::PythonModule("boto3")]);
        assert_eq!(found[1].1, [Need::PythonModule("boto3"), Need::Large]);
    }
}
