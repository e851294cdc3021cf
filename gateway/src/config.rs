//! Settings: a TOML file, overridden by the environment, overridden by flags.
//!
//! ```toml
//! name = "gateway-toulouse"
//! site = "toulouse"
//! listen = "127.0.0.1:9000"
//! admin_listen = "127.0.0.1:9001"
//! metadata = ["127.0.0.1:7500"]
//! key_file = "/etc/riquet/cluster.keys"
//! region = "eu-west-1"
//! base_domains = ["s3.example.org"]
//! website_domains = ["web.example.org"]
//!
//! [notifications.audit]
//! url = "http://127.0.0.1:8080/events"
//!
//! [limits]
//! uploads_max = 128
//!
//! [lifecycle]
//! bytes_per_second = 67108864
//! ```

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderValue, Uri};
use riquet_s3::config::lifecycle::Day;
use serde::Deserialize;

/// The longest name of a webhook, which is a part of ARNs and of stored keys.
const WEBHOOK_NAME_BYTES_MAX: usize = 64;

/// Everything a gateway is told when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Its own name, for logs and answers' host ids.
    pub name: String,
    /// Name of the site where it stands: it reads from there first.
    pub site: String,
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where operators ask for health, metrics and the admin API; not for clients.
    pub admin_listen: SocketAddr,
    /// TLS there; none: plain HTTP, for networks that only operators are in.
    #[serde(default)]
    pub admin_tls: Option<TlsSettings>,
    /// `host:port` of metadata nodes.
    pub metadata: Vec<String>,
    /// The cluster's key ring (see `riquet_cluster::keyring`).
    pub key_file: PathBuf,
    /// The region that clients sign for.
    #[serde(default = "default_region")]
    pub region: String,
    /// Domains under which buckets are addressed as `bucket.domain`.
    #[serde(default)]
    pub base_domains: Vec<String>,
    /// Domains under which buckets are web sites, as `bucket.domain`.
    #[serde(default)]
    pub website_domains: Vec<String>,
    /// Webhooks that buckets' notifications can go to, by name: the same at every gateway.
    #[serde(default)]
    pub notifications: BTreeMap<String, Webhook>,
    /// How long a line of an access log waits before it is delivered, at most, ms.
    #[serde(default = "default_access_log_wait_ms")]
    pub access_log_wait_ms: u64,
    /// Keys for SSE-KMS (see docs/ENCRYPTION.md), the same at every gateway.
    #[serde(default)]
    pub kms_file: Option<PathBuf>,
    /// The partition file of a development cluster (see `riquet_cluster::transport::partition`).
    #[serde(default)]
    pub fault_file: Option<PathBuf>,
    /// Bounds.
    #[serde(default)]
    pub limits: Limits,
    /// The work that buckets' lifecycles ask for.
    #[serde(default)]
    pub lifecycle: LifecycleSettings,
}

/// Five minutes: few objects, and soon enough for whoever looks into what just happened.
fn default_access_log_wait_ms() -> u64 {
    300_000
}

/// TLS for operators. Files are PEM, read when the gateway starts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// The certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Authority that clients' certificates must be of; none: they need none.
    #[serde(default)]
    pub client_authority: Option<PathBuf>,
}

/// A webhook that events can be told to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where events are posted. Plain HTTP: what needs encryption gets it from a proxy beside the
    /// gateway.
    pub url: WebhookUrl,
    /// The `Authorization` header of every event.
    #[serde(default)]
    pub authorization: Option<Authorization>,
}

/// An `http` URL.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct WebhookUrl(pub Uri);

impl TryFrom<String> for WebhookUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.parse::<Uri>() {
            Ok(url) if url.scheme_str() == Some("http") && url.host().is_some() => Ok(Self(url)),
            _ => Err("not a URL that begins with http://"),
        }
    }
}

/// The value of an `Authorization` header, which logs do not show.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Authorization(pub HeaderValue);

impl TryFrom<String> for Authorization {
    type Error = http::header::InvalidHeaderValue;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut value = HeaderValue::from_str(&text)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

/// How the work goes that buckets' lifecycles ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LifecycleSettings {
    /// For tests only, never where data matters: a day has so many seconds wherever rules count days, and
    /// buckets are gone through several times in each. Answers go on announcing real dates.
    pub day_seconds: Option<u32>,
    /// Versions that are changed, at most, in a second.
    pub objects_per_second: u64,
    /// Bytes that are moved to another class, at most, in a second.
    pub bytes_per_second: u64,
}

impl Default for LifecycleSettings {
    fn default() -> Self {
        Self {
            day_seconds: None,
            objects_per_second: 1000,
            bytes_per_second: 64 << 20,
        }
    }
}

impl LifecycleSettings {
    /// The length of a day.
    pub fn day(&self) -> Day {
        self.day_seconds.map_or(Day::Calendar, Day::Seconds)
    }
}

/// What bounds the memory and the patience of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Open connections of clients; more wait in the system's queue. Each reads at most 256 KiB
    /// ahead.
    pub connections_max: usize,
    /// Bodies taken in at once (uploads, copies, documents). A fast client's upload takes about
    /// 7 MiB (stripes in flight, buffers of twelve connections), a slow client's far less.
    pub uploads_max: usize,
    /// Bodies sent at once, copies' sources included. A fast client's download takes about 6 MiB
    /// (1.5 MiB read ahead, buffers of four connections).
    pub downloads_max: usize,
    /// How long a request waits for its turn before it's told to slow down, ms.
    pub turn_wait_ms: u64,
    /// How long a connection may stay without a whole request head, ms.
    pub head_wait_ms: u64,
    /// How long a client may leave a body without a byte, ms.
    pub body_wait_ms: u64,
    /// How long running requests may go on after the process is asked to stop, ms.
    pub stop_wait_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 2048,
            uploads_max: 128,
            downloads_max: 256,
            turn_wait_ms: 10_000,
            head_wait_ms: 60_000,
            body_wait_ms: 60_000,
            stop_wait_ms: 15_000,
        }
    }
}

impl Limits {
    /// [`Self::turn_wait_ms`].
    pub fn turn_wait(&self) -> Duration {
        Duration::from_millis(self.turn_wait_ms)
    }

    /// [`Self::head_wait_ms`].
    pub fn head_wait(&self) -> Duration {
        Duration::from_millis(self.head_wait_ms)
    }

    /// [`Self::body_wait_ms`].
    pub fn body_wait(&self) -> Duration {
        Duration::from_millis(self.body_wait_ms)
    }

    /// [`Self::stop_wait_ms`].
    pub fn stop_wait(&self) -> Duration {
        Duration::from_millis(self.stop_wait_ms)
    }
}

/// The command line; each flag has an environment variable of the same name.
#[derive(Debug, Clone, Default, clap::Parser)]
#[command(
    name = "riquet-gateway",
    version,
    about = "Serves S3 over a Riquet cluster"
)]
pub struct Flags {
    /// TOML file with the settings.
    #[arg(long, env = "RIQUET_CONFIG")]
    pub config: Option<PathBuf>,
    /// This gateway's name.
    #[arg(long, env = "RIQUET_NAME")]
    pub name: Option<String>,
    /// Name of the site where it stands.
    #[arg(long, env = "RIQUET_SITE")]
    pub site: Option<String>,
    /// Address for clients.
    #[arg(long, env = "RIQUET_LISTEN")]
    pub listen: Option<String>,
    /// Address for health and metrics.
    #[arg(long, env = "RIQUET_ADMIN_LISTEN")]
    pub admin_listen: Option<String>,
    /// Metadata nodes, `host:port`, separated by commas.
    #[arg(long, env = "RIQUET_METADATA", value_delimiter = ',')]
    pub metadata: Option<Vec<String>>,
    /// File with the cluster's key ring.
    #[arg(long, env = "RIQUET_KEY_FILE")]
    pub key_file: Option<PathBuf>,
    /// The region that clients sign for.
    #[arg(long, env = "RIQUET_REGION")]
    pub region: Option<String>,
    /// Domains of virtual-host buckets, separated by commas.
    #[arg(long, env = "RIQUET_BASE_DOMAINS", value_delimiter = ',')]
    pub base_domains: Option<Vec<String>>,
    /// Domains of web sites, separated by commas.
    #[arg(long, env = "RIQUET_WEBSITE_DOMAINS", value_delimiter = ',')]
    pub website_domains: Option<Vec<String>>,
    /// Keys for SSE-KMS.
    #[arg(long, env = "RIQUET_KMS_FILE")]
    pub kms_file: Option<PathBuf>,
    /// Partition file of a development cluster.
    #[arg(long, env = "RIQUET_FAULT_FILE")]
    pub fault_file: Option<PathBuf>,
    /// For tests only: the length of a day in the rules of lifecycles, seconds.
    #[arg(long, env = "RIQUET_LIFECYCLE_DAY_SECONDS")]
    pub lifecycle_day_seconds: Option<u32>,
}

/// Why settings are refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A setting is missing, unknown or of the wrong kind.
    #[error("settings: {0}")]
    Invalid(#[from] toml::de::Error),
    /// A setting has a value that can't work.
    #[error("setting {name}: {why}")]
    Unusable {
        /// The setting.
        name: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Settings {
    /// Reads the file that the flags name, if any, and lays the flags over it.
    ///
    /// # Errors
    /// When the file can't be read or what results is not a full set of usable settings.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        let mut table = match &flags.config {
            Some(path) => read_table(path)?,
            None => toml::Table::new(),
        };
        flags.lay_over(&mut table);
        let settings: Self = table.try_into()?;
        settings.check()?;
        Ok(settings)
    }

    /// [`Self::access_log_wait_ms`].
    pub fn access_log_wait(&self) -> Duration {
        Duration::from_millis(self.access_log_wait_ms)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |name, why| Err(ConfigError::Unusable { name, why });
        if self.name.is_empty() {
            return refuse("name", "is empty");
        }
        if self.metadata.is_empty() {
            return refuse("metadata", "names no node");
        }
        let is_name = |name: &String| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=WEBHOOK_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain)
        };
        if !self.notifications.keys().all(is_name) {
            return refuse(
                "notifications",
                "a name is of up to 64 of A-Z, a-z, 0-9, - and _",
            );
        }
        if self.region.is_empty() {
            return refuse("region", "is empty");
        }
        let limits = &self.limits;
        if limits.connections_max == 0 || limits.uploads_max == 0 || limits.downloads_max == 0 {
            return refuse("limits", "a bound of zero lets nothing through");
        }
        let lifecycle = &self.lifecycle;
        if lifecycle.day_seconds == Some(0) {
            return refuse("lifecycle.day_seconds", "a day has at least one second");
        }
        if lifecycle.objects_per_second == 0 || lifecycle.bytes_per_second == 0 {
            return refuse("lifecycle", "a rate of zero lets nothing happen");
        }
        Ok(())
    }
}

fn read_table(path: &Path) -> Result<toml::Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    Ok(text.parse()?)
}

impl Flags {
    fn lay_over(&self, table: &mut toml::Table) {
        let texts = [
            ("name", &self.name),
            ("site", &self.site),
            ("listen", &self.listen),
            ("admin_listen", &self.admin_listen),
            ("region", &self.region),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                table.insert(name.to_owned(), value.clone().into());
            }
        }
        for (name, values) in [
            ("metadata", &self.metadata),
            ("base_domains", &self.base_domains),
            ("website_domains", &self.website_domains),
        ] {
            if let Some(values) = values {
                table.insert(name.to_owned(), values.clone().into());
            }
        }
        for (name, path) in [
            ("key_file", &self.key_file),
            ("kms_file", &self.kms_file),
            ("fault_file", &self.fault_file),
        ] {
            if let Some(path) = path {
                let path = path.to_string_lossy().into_owned();
                table.insert(name.to_owned(), path.into());
            }
        }
        if let Some(seconds) = self.lifecycle_day_seconds {
            let lifecycle = table
                .entry("lifecycle")
                .or_insert_with(|| toml::Table::new().into());
            // Where the file has something else there, that is refused with the rest.
            if let Some(lifecycle) = lifecycle.as_table_mut() {
                lifecycle.insert("day_seconds".to_owned(), i64::from(seconds).into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const FILE: &str = r#"
        name = "g"
        site = "toulouse"
        listen = "127.0.0.1:9000"
        admin_listen = "127.0.0.1:9001"
        metadata = ["127.0.0.1:7500"]
        key_file = "/etc/riquet/keys.toml"
        [limits]
        uploads_max = 3
    "#;

    fn load(text: &str, flags: Flags) -> Result<Settings, ConfigError> {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("room for it");
        Settings::load(&Flags {
            config: Some(file.path().to_owned()),
            ..flags
        })
    }

    #[test]
    fn the_file_gives_settings_and_the_rest_has_defaults() {
        let settings = load(FILE, Flags::default()).expect("a full set");
        assert_eq!(settings.listen.port(), 9000);
        assert_eq!(settings.region, "us-east-1");
        assert_eq!(settings.limits.uploads_max, 3);
        assert_eq!(
            settings.limits.downloads_max,
            Limits::default().downloads_max
        );
    }

    #[test]
    fn webhooks_are_named_and_reached_in_plain_text() {
        let with = |lines: &str| load(&format!("{FILE}\n{lines}"), Flags::default());
        let settings = with(
            "[notifications.audit-1]\nurl = \"http://h:1/x\"\nauthorization = \"Bearer secret\"",
        );
        let settings = settings.expect("a full set");
        assert_eq!(settings.notifications["audit-1"].url.0.path(), "/x");
        assert!(!format!("{settings:?}").contains("secret"));
        for refused in [
            "[notifications.a]\nurl = \"https://h\"",
            "[notifications.a]\nurl = \"/x\"",
            "[notifications.\"a:b\"]\nurl = \"http://h\"",
            "[notifications.a]\nurl = \"http://h\"\nauthorization = \"a\\nb\"",
        ] {
            assert!(with(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn flags_win_over_the_file() {
        let flags = Flags {
            site: Some("montpellier".into()),
            metadata: Some(vec!["a:1".into(), "b:2".into()]),
            ..Flags::default()
        };
        let settings = load(FILE, flags).expect("a full set");
        assert_eq!(settings.site, "montpellier");
        assert_eq!(settings.metadata, ["a:1", "b:2"]);
        assert_eq!(settings.name, "g");
    }

    #[test]
    fn a_day_is_a_day_unless_told_otherwise() {
        let day = |text: &str, seconds| {
            let flags = Flags {
                lifecycle_day_seconds: seconds,
                ..Flags::default()
            };
            load(text, flags).map(|settings| settings.lifecycle.day())
        };
        let short = format!("{FILE}\n[lifecycle]\nday_seconds = 10");
        for (text, flag, expected) in [
            (FILE, None, Day::Calendar),
            (FILE, Some(2), Day::Seconds(2)),
            (&short, None, Day::Seconds(10)),
            (&short, Some(2), Day::Seconds(2)),
        ] {
            assert_eq!(day(text, flag).expect("a full set"), expected);
        }
        assert!(matches!(
            day(FILE, Some(0)),
            Err(ConfigError::Unusable { .. })
        ));
    }

    #[test]
    fn a_misspelt_or_missing_setting_is_refused() {
        let misspelt = FILE.replace("site =", "sight =");
        assert!(matches!(
            load(&misspelt, Flags::default()),
            Err(ConfigError::Invalid(_))
        ));
        let empty = FILE.replace("[\"127.0.0.1:7500\"]", "[]");
        let refused = load(&empty, Flags::default());
        assert!(matches!(
            refused,
            Err(ConfigError::Unusable {
                name: "metadata",
                ..
            })
        ));
    }
}
