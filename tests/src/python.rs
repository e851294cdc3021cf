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
use crate::compatibility;
use crate::paths::{self, Venv};
use crate::skip::Need;
use crate::suite::Shared;

/// A trial for each test function of `python/MODULE.py`, which needs boto3 and no more.
///
/// # Panics
/// As [`Python::trials`].
pub fn trials(shared: &Shared, module: &'static str) -> Vec<Trial> {
    Python::of(Venv::Clients).trials(shared, "boto3", module)
}

/// The Python of one virtual environment. Its modules share their workers.
#[derive(Clone, Debug)]
pub struct Python {
    venv: Venv,
    workers: Workers,
}

impl Python {
    /// The Python of `venv`, without workers yet.
    pub fn of(venv: Venv) -> Self {
        let workers = Workers::default();
        Self { venv, workers }
    }

    /// A trial for each test function of `python/MODULE.py`, which tests `library`.
    ///
    /// A line `@needs("large")` or `@needs("awscrt")` right above a function says what it needs
    /// beyond that. The file is read as text here, so that the trials of a machine without the
    /// library are listed, and ignored.
    ///
    /// # Panics
    /// When the file is missing or names an unknown need.
    pub fn trials(
        &self,
        shared: &Shared,
        library: &'static str,
        module: &'static str,
    ) -> Vec<Trial> {
        let file = paths::python_tests().join(format!("{module}.py"));
        let text = std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
        functions(&text, self.venv)
            .into_iter()
            .map(|(function, mut needs)| {
                needs.insert(0, Need::PythonModule(self.venv, library));
                let (python, name) = (self.clone(), format!("{module}::{function}"));
                shared.trial(name, &needs, move |cluster| {
                    python.run(cluster, module, &function)
                })
            })
            .collect()
    }

    fn run(&self, cluster: &Cluster, module: &str, function: &str) -> Result<(), Failed> {
        let mut worker = match self.workers.take() {
            Some(worker) => worker,
            None => Worker::start(cluster, self.venv)?,
        };
        // A worker that fails to answer is dropped, and ended with it.
        let answer = worker.ask(&json!({"module": module, "function": function}))?;
        self.workers.give(worker);
        match answer["failure"].as_str() {
            None => compatibility::check(&format!("{module}::{function}"), &answer["shown"]),
            Some(failure) => Err(failure.into()),
        }
    }
}

/// The test functions of a file in order, each with its needs.
fn functions(text: &str, venv: Venv) -> Vec<(String, Vec<Need>)> {
    let mut functions = Vec::new();
    let mut needs = Vec::new();
    for line in text.lines() {
        if let Some(need) = line.strip_prefix("@needs(\"") {
            needs.push(match need.trim_end_matches("\")") {
                "large" => Need::Large,
                "awscrt" => Need::PythonModule(venv, "awscrt"),
                other => panic!("unknown need {other}"),
            });
        } else if let Some(rest) = line.strip_prefix("def test_") {
            let end = rest.find('(').unwrap_or(rest.len());
            functions.push((format!("test_{}", &rest[..end]), std::mem::take(&mut needs)));
        }
    }
    functions
}

/// Worker processes that wait for a trial.
#[derive(Clone, Debug, Default)]
struct Workers(Arc<Mutex<Vec<Worker>>>);

impl Workers {
    fn take(&self) -> Option<Worker> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give(&self, worker: Worker) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(worker);
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
    fn start(cluster: &Cluster, venv: Venv) -> Result<Self, Failed> {
        let mut process = Run::new(venv.python())
            .arg(paths::python_tests().join("worker.py"))
            .for_cluster(cluster, Site::Toulouse)
            .env("RIQUET_OTHER_URL", cluster.endpoint(Site::Montpellier))
            .env("RIQUET_WEBHOOK_PORT", cluster.webhook_port().to_string())
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
        let found = functions(text, Venv::Clients);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].0, "test_a");
        assert_eq!(found[1].0, "test_b");
        assert_eq!(found[0].1, []);
        assert_eq!(found[1].1, [Need::Large]);
    }
}
