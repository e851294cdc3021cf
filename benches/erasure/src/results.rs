//! What criterion leaves behind: a folder per bench, with its name and estimates.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::Value;

/// The median time of every bench, ns, by group and function.
pub(crate) struct Results {
    median_ns: HashMap<(String, String), f64>,
}

impl Results {
    /// Reads the newest measurements under criterion's folder.
    pub(crate) fn read(folder: &Path) -> io::Result<Results> {
        let mut median_ns = HashMap::new();
        for group in fs::read_dir(folder)? {
            let Ok(functions) = fs::read_dir(group?.path()) else {
                continue;
            };
            for function in functions {
                let newest = function?.path().join("new");
                let Ok(name) = fs::read(newest.join("benchmark.json")) else {
                    continue;
                };
                let name: Value = serde_json::from_slice(&name)?;
                let estimates = fs::read(newest.join("estimates.json"))?;
                let estimates: Value = serde_json::from_slice(&estimates)?;
                let text = |key: &str| name[key].as_str().unwrap_or_default().to_owned();
                if let Some(ns) = estimates["median"]["point_estimate"].as_f64() {
                    median_ns.insert((text("group_id"), text("function_id")), ns);
                }
            }
        }
        Ok(Results { median_ns })
    }

    /// How fast `bytes` were done, GB/s (1e9); none: not measured.
    pub(crate) fn gb_per_second(&self, group: &str, function: &str, bytes: usize) -> Option<f64> {
        let key = (group.to_owned(), function.to_owned());
        self.median_ns.get(&key).map(|ns| bytes as f64 / ns)
    }
}
