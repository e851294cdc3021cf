//! What `riquet bench` is asked to do.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;

/// What the load consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Load {
    /// Upload objects
    Put,
    /// Download whole objects
    Get,
    /// Ask for objects' headers
    Head,
    /// List the first 1000 objects
    List,
    /// List all objects, page after page of 1000
    Scan,
    /// List what is at the top: folders, not objects
    Folders,
    /// Delete objects, until none is left
    Delete,
    /// 55 % GET, 25 % PUT, 10 % HEAD, 5 % LIST, 5 % DELETE
    Mixed,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value().expect("no variant is skipped");
        f.write_str(value.get_name())
    }
}

/// The account comes from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, which the file
/// DIR/env of a development cluster sets.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// The load
    #[arg(value_enum)]
    pub(crate) load: Load,
    /// Size of each object: 4KiB, 64MiB, 1GiB, 1000000
    #[arg(long, default_value = "1MiB", value_parser = parse_size)]
    pub(crate) size: u64,
    /// Requests in flight, each on its own connection
    #[arg(long, short = 'c', default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) concurrency: u16,
    /// How long to go on: 10s, 500ms, 2m [default: 10s, unless --count is given]
    #[arg(long, value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// How many operations to do in all
    #[arg(long)]
    pub(crate) count: Option<u64>,
    /// Objects uploaded beforehand, for loads that read or delete them [default: as the load needs]
    #[arg(long)]
    pub(crate) objects: Option<u64>,
    /// Folders that the objects are spread over
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) folders: u64,
    /// What the objects' names begin with: lists those that an earlier run left with --keep, if
    /// --objects is 0 [default: a new one]
    #[arg(long, requires = "bucket")]
    pub(crate) prefix: Option<String>,
    /// Endpoint; several are used in turn [default: AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Vec<String>,
    /// Bucket to use; one that exists is kept, with what else it holds [default: a new one]
    #[arg(long)]
    pub(crate) bucket: Option<String>,
    /// Sign the bodies too, which costs this program their SHA-256
    #[arg(long)]
    pub(crate) signed: bool,
    /// Folder of the development cluster whose processes' CPU time is reported
    #[arg(long, value_name = "DIR", env = "RIQUET_DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Leave the objects and the bucket
    #[arg(long)]
    pub(crate) keep: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How long a load goes on unless something is said.
const DEFAULT_DURATION: Duration = Duration::from_secs(10);

/// Objects from this size on are big: a few of them keep every connection busy.
const BIG_OBJECT: u64 = 16 * 1024 * 1024;

impl BenchArgs {
    /// When to stop, unless the count comes first.
    pub(crate) fn time_limit(&self) -> Option<Duration> {
        match (self.duration, self.count) {
            (None, None) if self.load != Load::Delete => Some(DEFAULT_DURATION),
            (duration, _) => duration,
        }
    }

    /// How many objects to upload beforehand.
    pub(crate) fn prepared_objects(&self) -> u64 {
        let concurrency = u64::from(self.concurrency);
        match (self.load, self.objects) {
            (Load::Put, _) => 0,
            (_, Some(objects)) => objects,
            (Load::Delete, None) => self.count.unwrap_or(1000),
            (Load::List | Load::Scan | Load::Folders, None) => 1000,
            (Load::Get | Load::Head | Load::Mixed, None) if self.size >= BIG_OBJECT => concurrency,
            (Load::Get | Load::Head | Load::Mixed, None) => concurrency.max(256),
        }
    }

    /// How many operations to do at most.
    pub(crate) fn operation_limit(&self) -> u64 {
        let limit = self.count.unwrap_or(u64::MAX);
        match self.load {
            Load::Delete => limit.min(self.prepared_objects()),
            _ => limit,
        }
    }
}

fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split_unit(text)?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err("units are B, KiB, MiB, GiB, KB, MB, GB".into()),
    };
    number
        .checked_mul(factor)
        .filter(|size| *size <= 5 << 30)
        .ok_or_else(|| "one PUT takes at most 5 GiB".into())
}

/// A time such as `10s`, `5m` or `24h`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text)?;
    let factor_ms = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("units are ms, s, m, h".into()),
    };
    number
        .checked_mul(factor_ms)
        .filter(|ms| (1..=86_400_000).contains(ms))
        .map(Duration::from_millis)
        .ok_or_else(|| "between 1 ms and a day".into())
}

fn split_unit(text: &str) -> Result<(u64, &str), String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number = number
        .parse()
        .map_err(|_| "a whole number, then its unit".to_owned())?;
    Ok((number, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, size) in [
            ("0", 0),
            ("4KiB", 4096),
            ("64 MiB", 64 << 20),
            ("1g", 1 << 30),
            ("5GiB", 5 << 30),
            ("1MB", 1_000_000),
        ] {
            assert_eq!(parse_size(text), Ok(size), "{text}");
        }
        for text in ["", "KiB", "-1", "1.5MiB", "6GiB", "1TiB", "99999999999GiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("7"), Ok(Duration::from_secs(7)));
        for text in ["", "0s", "s", "25h", "1d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
