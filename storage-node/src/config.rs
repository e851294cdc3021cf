//! Settings of a storage node: a TOML file, over it the environment (`RIQUET_...`), over it flags.

use std::path::PathBuf;

use clap::Parser;
use riquet_cluster::id::DiskId;
use serde::Deserialize;

use crate::error::Error;

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Stores shards.
    Data,
    /// Hosts metadata groups.
    Meta,
}

/// One disk of the node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskSettings {
    /// Folder of the disk.
    pub path: PathBuf,
    /// The disk that should be there; an empty folder becomes it.
    pub id: DiskId,
}

/// A voter on metadata.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoterSettings {
    /// The node's name.
    pub name: String,
    /// Its number among the voters, never given to another.
    pub id: u64,
    /// Where it serves, `host:port`.
    pub endpoint: String,
    /// The data site it stands at; none: an arbiter.
    pub site: Option<String>,
}

/// Settings of a node; see [`Settings::load`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The node's name, unique in the cluster, as in the layout.
    pub name: String,
    /// The site it stands at.
    pub site: String,
    /// `host:port` to serve on.
    pub listen: String,
    /// What it does.
    pub roles: Vec<Role>,
    /// Folder of what is not on the data disks: the metadata groups lie in `meta` there.
    pub data_dir: PathBuf,
    /// The data disks.
    #[serde(default)]
    pub disks: Vec<DiskSettings>,
    /// `host:port` of the metadata nodes, the nearest first.
    pub metadata: Vec<String>,
    /// Who votes on metadata in a new cluster, this node among them if it has the role. A cluster
    /// that has begun keeps its own list.
    #[serde(default)]
    pub voters: Vec<VoterSettings>,
    /// This node as a voter, if it is none of those: it waits until it is added.
    pub voter: Option<VoterSettings>,
    /// Development only: the partition file that connections to other sites obey.
    pub fault_file: Option<PathBuf>,
    /// Development only: a file that says what is wrong with the disks.
    pub disk_fault_file: Option<PathBuf>,
    /// Length of a segment file; by default 1/1024 of the filesystem, from 64 MiB to 1 GiB.
    pub segment_bytes: Option<u64>,
    /// Memory for shards on their way to one disk.
    #[serde(default = "default_buffer_bytes")]
    pub write_buffer_bytes: usize,
    /// Memory for shards on their way from one disk.
    #[serde(default = "default_buffer_bytes")]
    pub read_buffer_bytes: usize,
    /// Bytes that repair may read for this node's disks in a second.
    #[serde(default = "default_repair_bytes")]
    pub repair_bytes_per_second: u64,
    /// How long users may wait for a shard before repair, scrub and compaction go slower, milliseconds.
    #[serde(default = "default_tolerated_wait")]
    pub tolerated_wait_ms: u64,
    /// Days within which every shard is read and checked once.
    #[serde(default = "default_scrub_days")]
    pub scrub_period_days: u64,
    /// Bytes of a disk that may be read and checked in a second.
    #[serde(default = "default_scrub_bytes")]
    pub scrub_bytes_per_second: u64,
    /// Bytes of a disk that may be copied in a second, to give back the room of what was removed.
    #[serde(default = "default_compaction_bytes")]
    pub compaction_bytes_per_second: u64,
    /// How long the shards of what was deleted or overwritten stay for those who began to read it,
    /// seconds.
    #[serde(default = "default_garbage_grace")]
    pub garbage_grace_seconds: u64,
    /// Age at which shards that no commit names are removed, seconds: an upload that takes longer
    /// than this from one of its shards to the next fails.
    #[serde(default = "default_orphan_age")]
    pub orphan_age_seconds: u64,
    /// Metadata groups for keys that this node hosts; fixed when its `data_dir` is first used.
    #[serde(default = "default_key_groups")]
    pub key_groups: u32,
}

fn default_buffer_bytes() -> usize {
    32 << 20
}

fn default_repair_bytes() -> u64 {
    200 << 20
}

fn default_tolerated_wait() -> u64 {
    50
}

fn default_scrub_days() -> u64 {
    30
}

fn default_scrub_bytes() -> u64 {
    64 << 20
}

fn default_compaction_bytes() -> u64 {
    64 << 20
}

fn default_garbage_grace() -> u64 {
    10 * 60
}

fn default_orphan_age() -> u64 {
    24 * 3600
}

fn default_key_groups() -> u32 {
    8
}

/// The command line of `riquet-storage-node`.
#[derive(Debug, Parser)]
#[command(name = "riquet-storage-node", version, about = "A Riquet storage node")]
pub struct Flags {
    /// The settings file (TOML).
    #[arg(long, env = "RIQUET_CONFIG")]
    config: Option<PathBuf>,
    /// The node's name.
    #[arg(long, env = "RIQUET_NAME")]
    name: Option<String>,
    /// The site it stands at.
    #[arg(long, env = "RIQUET_SITE")]
    site: Option<String>,
    /// host:port to serve on.
    #[arg(long, env = "RIQUET_LISTEN")]
    listen: Option<String>,
    /// data, meta, or both.
    #[arg(long, env = "RIQUET_ROLES", value_delimiter = ',')]
    roles: Option<Vec<String>>,
    /// Folder of what is not on the data disks.
    #[arg(long, env = "RIQUET_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// host:port of the metadata nodes.
    #[arg(long, env = "RIQUET_METADATA", value_delimiter = ',')]
    metadata: Option<Vec<String>>,
    /// Development only: the partition file.
    #[arg(long, env = "RIQUET_FAULT_FILE")]
    fault_file: Option<PathBuf>,
}

impl Settings {
    /// The settings that a command line and its file amount to, checked.
    ///
    /// # Errors
    /// [`Error::Settings`] says what is missing, unknown or inconsistent.
    pub fn load(flags: &Flags) -> Result<Self, Error> {
        let text = |path: &Option<PathBuf>| path.as_ref().map(|p| p.display().to_string());
        let mut builder = config::Config::builder();
        if let Some(path) = &flags.config {
            let file = config::File::from(path.clone()).format(config::FileFormat::Toml);
            builder = builder.add_source(file);
        }
        let build = || -> Result<Self, config::ConfigError> {
            builder
                .set_override_option("name", flags.name.clone())?
                .set_override_option("site", flags.site.clone())?
                .set_override_option("listen", flags.listen.clone())?
                .set_override_option("roles", flags.roles.clone())?
                .set_override_option("data_dir", text(&flags.data_dir))?
                .set_override_option("metadata", flags.metadata.clone())?
                .set_override_option("fault_file", text(&flags.fault_file))?
                .build()?
                .try_deserialize()
        };
        let settings = build().map_err(|error| Error::Settings(error.to_string()))?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), Error> {
        let refuse = |why: &str| Err(Error::Settings(why.to_owned()));
        if self.roles.is_empty() {
            return refuse("roles: at least one of data and meta");
        }
        if self.has(Role::Data) && self.disks.is_empty() {
            return refuse("role data needs at least one entry in disks");
        }
        if self.metadata.is_empty() {
            return refuse("metadata: at least one host:port");
        }
        if self.has(Role::Meta) && self.own_voter().is_none() {
            return refuse("role meta needs an entry of this node's name in voters, or voter");
        }
        let mut voters: Vec<&VoterSettings> = Vec::new();
        for voter in self.voters.iter().chain(&self.voter) {
            let twin = |other: &&VoterSettings| other.id == voter.id || other.name == voter.name;
            if voters.iter().any(twin) {
                let name = &voter.name;
                return Err(Error::Settings(format!("voters: {name} is there twice")));
            }
            voters.push(voter);
        }
        if self.key_groups == 0 {
            return refuse("key_groups: at least 1");
        }
        for (i, disk) in self.disks.iter().enumerate() {
            let twin = |other: &DiskSettings| other.id == disk.id || other.path == disk.path;
            if self.disks[..i].iter().any(twin) {
                return Err(Error::Settings(format!(
                    "disks: {} is there twice",
                    disk.id
                )));
            }
        }
        Ok(())
    }

    /// This node as a voter, if it is one or waits to be.
    pub fn own_voter(&self) -> Option<&VoterSettings> {
        let mut all = self.voters.iter().chain(&self.voter);
        all.find(|voter| voter.name == self.name)
    }

    /// Whether the node has this role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, flags: &[&str]) -> Result<Settings, Error> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.toml");
        std::fs::write(&path, file).unwrap();
        let path = path.to_str().unwrap();
        let args = ["node", "--config", path]
            .into_iter()
            .chain(flags.iter().copied());
        Settings::load(&Flags::parse_from(args))
    }

    const FILE: &str = r#"
        name = "toulouse-1"
        site = "toulouse"
        listen = "127.0.0.1:0"
        roles = ["data"]
        data_dir = "/srv/riquet"
        metadata = ["127.0.0.1:1"]
        [[disks]]
        path = "/srv/disk-0"
        id = "00000000000000000000000000000007"
    "#;

    fn voter(name: &str, id: u64) -> String {
        format!("[[voters]]\nname = \"{name}\"\nid = {id}\nendpoint = \"127.0.0.1:0\"\n")
    }

    #[test]
    fn a_voter_must_be_listed_and_listed_once() {
        let meta = FILE.replace("[\"data\"]", "[\"data\", \"meta\"]");
        assert!(load(&meta, &[]).is_err());
        assert!(load(&format!("{meta}{}", voter("toulouse-2", 1)), &[]).is_err());
        let listed = format!("{meta}{}", voter("toulouse-1", 1));
        assert_eq!(load(&listed, &[]).unwrap().own_voter().unwrap().id, 1);
        let waits = |name, id| voter(name, id).replace("[[voters]]", "[voter]");
        for twin in [
            voter("toulouse-1", 2),
            voter("toulouse-2", 1),
            waits("toulouse-1", 2),
        ] {
            assert!(load(&format!("{listed}{twin}"), &[]).is_err());
        }
        let waiting = format!("{meta}{}{}", voter("toulouse-2", 1), waits("toulouse-1", 6));
        let settings = load(&waiting, &[]).unwrap();
        assert_eq!(settings.own_voter().unwrap().id, 6);
    }

    #[test]
    fn flags_win_over_the_file() {
        let file = format!("{FILE}{}", voter("other", 7));
        let settings = load(&file, &["--name", "other", "--roles", "data,meta"]).unwrap();
        assert_eq!(settings.name, "other");
        assert_eq!(settings.own_voter().unwrap().id, 7);
        assert_eq!(settings.site, "toulouse");
        assert_eq!(settings.roles, [Role::Data, Role::Meta]);
        assert_eq!(settings.disks[0].id, DiskId::from_u128(7));
        assert_eq!(settings.key_groups, 8);
    }

    #[test]
    fn unknown_missing_and_doubled_settings_are_refused() {
        assert!(load(&format!("nmae = \"x\"\n{FILE}"), &[]).is_err());
        assert!(load(&FILE.replace("site", "# site"), &[]).is_err());
        assert!(load(&FILE.replace("[\"data\"]", "[]"), &[]).is_err());
        let twice = FILE.replace("[[disks]]", "") + FILE.split_once("[[disks]]").unwrap().1;
        assert!(load(&twice, &[]).is_err());
        let disks = FILE.split_once("[[disks]]").unwrap().1;
        assert!(load(&format!("{FILE}[[disks]]{disks}"), &[]).is_err());
    }
}
