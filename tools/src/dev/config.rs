//! The configuration file of each process.
//!
//! Field names are those of `storage-node` and `gateway`; both refuse names that they don't know.

use std::collections::BTreeMap;
use std::path::PathBuf;

use riquet_cluster::id::DiskId;
use serde::Serialize;

use super::folder::Folder;
use super::topology::{ARBITER, Member, Role, Topology};

/// The region of development clusters: the one that clients assume when none is set.
pub(crate) const REGION: &str = "us-east-1";

/// Hosts whose subdomains are buckets. `localhost` and its subdomains resolve to this machine.
const BASE_DOMAINS: [&str; 2] = ["s3.localhost", "localhost"];

/// Domain under which buckets are web sites.
const WEBSITE_DOMAINS: [&str; 1] = ["web.localhost"];

/// How long access logs wait: nobody likes to wait for them while developing.
const ACCESS_LOG_WAIT_MS: u64 = 1_000;

/// The name of the one webhook.
const WEBHOOK: &str = "dev";

/// Length of a segment: a dozen disks share one filesystem, and each has one segment allocated.
const SEGMENT_BYTES: u64 = 128 << 20;

/// How long a development cluster leaves garbage to its readers: short enough to be seen to go.
const GARBAGE_GRACE_SECONDS: u64 = 10;

/// Age at which it takes shards without a commit for orphans.
const ORPHAN_AGE_SECONDS: u64 = 15 * 60;

#[derive(Debug, Serialize)]
struct StorageNodeConfig<'a> {
    name: &'a str,
    site: &'a str,
    listen: &'a str,
    roles: Vec<Role>,
    data_dir: PathBuf,
    metadata: Vec<String>,
    fault_file: PathBuf,
    disk_fault_file: PathBuf,
    segment_bytes: u64,
    garbage_grace_seconds: u64,
    orphan_age_seconds: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    disks: Vec<DiskConfig>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    voters: Vec<VoterConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    voter: Option<VoterConfig<'a>>,
}

#[derive(Debug, Serialize)]
struct VoterConfig<'a> {
    name: &'a str,
    id: u64,
    endpoint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct DiskConfig {
    path: PathBuf,
    id: DiskId,
}

#[derive(Debug, Serialize)]
struct GatewayConfig<'a> {
    name: &'a str,
    site: &'a str,
    listen: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_listen: Option<&'a str>,
    region: &'a str,
    base_domains: [&'a str; 2],
    website_domains: [&'a str; 1],
    access_log_wait_ms: u64,
    metadata: Vec<String>,
    key_file: PathBuf,
    kms_file: PathBuf,
    fault_file: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifecycle: Option<LifecycleConfig>,
    notifications: BTreeMap<&'a str, Webhook>,
}

#[derive(Debug, Serialize)]
struct LifecycleConfig {
    day_seconds: u32,
}

/// Where events can be told to.
#[derive(Debug, Serialize)]
struct Webhook {
    url: String,
}

/// The text of `member`'s configuration file.
pub(crate) fn render(folder: &Folder, topology: &Topology, member: &Member) -> String {
    let (name, site, listen) = (&*member.name, &*member.site, &*member.address);
    let metadata = topology.metadata(site);
    let fault_file = folder.partition_file();
    let text = match member.role {
        Role::Data | Role::Meta => toml::to_string(&StorageNodeConfig {
            name,
            site,
            listen,
            roles: roles(member),
            data_dir: folder.data_dir(name),
            metadata,
            fault_file,
            disk_fault_file: folder.disk_fault_file(name),
            segment_bytes: SEGMENT_BYTES,
            garbage_grace_seconds: GARBAGE_GRACE_SECONDS,
            orphan_age_seconds: ORPHAN_AGE_SECONDS,
            disks: member
                .disks
                .iter()
                .map(|disk| DiskConfig {
                    path: folder.data_dir(name).join(&disk.path),
                    id: disk.id,
                })
                .collect(),
            voters: founders(topology, member),
            voter: member.joined.then(|| voter(member)).flatten(),
        }),
        Role::Gateway => toml::to_string(&GatewayConfig {
            name,
            site,
            listen,
            admin_listen: member.admin_address.as_deref(),
            region: REGION,
            base_domains: BASE_DOMAINS,
            website_domains: WEBSITE_DOMAINS,
            access_log_wait_ms: ACCESS_LOG_WAIT_MS,
            metadata,
            key_file: folder.key_file(),
            kms_file: folder.kms_file(),
            fault_file,
            notifications: webhooks(topology),
            lifecycle: topology
                .lifecycle_day_seconds
                .map(|day_seconds| LifecycleConfig { day_seconds }),
        }),
    };
    text.expect("configurations hold only text and lists")
}

/// One webhook, at the port after the gateways': for whoever listens there.
fn webhooks(topology: &Topology) -> BTreeMap<&'static str, Webhook> {
    let port = topology.port.saturating_add(2);
    let url = format!("http://127.0.0.1:{port}/");
    [(WEBHOOK, Webhook { url })].into()
}

fn roles(member: &Member) -> Vec<Role> {
    let mut roles = vec![member.role];
    if member.voter.is_some() && member.role != Role::Meta {
        roles.push(Role::Meta);
    }
    roles
}

/// Those who voted when the cluster began, for one who votes.
fn founders<'a>(topology: &'a Topology, member: &Member) -> Vec<VoterConfig<'a>> {
    if member.voter.is_none() {
        return Vec::new();
    }
    let founders = topology.voters().filter(|voter| !voter.joined);
    founders.filter_map(voter).collect()
}

fn voter(member: &Member) -> Option<VoterConfig<'_>> {
    Some(VoterConfig {
        name: &member.name,
        id: member.voter?,
        endpoint: &member.address,
        site: (member.site != ARBITER).then_some(&*member.site),
    })
}

#[cfg(test)]
mod tests {
    use super::super::topology::tests::small;
    use super::*;

    fn parsed(name: &str) -> (PathBuf, toml::Table) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(dir.path()).unwrap();
        let topology = small();
        let text = render(&folder, &topology, topology.member(name).unwrap());
        (folder.root().to_owned(), text.parse().unwrap())
    }

    #[test]
    fn a_data_node_has_its_disks_under_its_data_folder() {
        let (root, table) = parsed("montpellier-2");
        assert_eq!(table["site"].as_str(), Some("montpellier"));
        let roles = table["roles"].as_array().unwrap();
        assert_eq!(roles[..], ["data".into(), "meta".into()]);
        assert_eq!(table["metadata"].as_array().unwrap().len(), 5);
        let voters = table["voters"].as_array().unwrap();
        assert_eq!(voters[3]["name"].as_str(), Some("montpellier-2"));
        assert_eq!(voters[3]["endpoint"], table["listen"]);
        assert!(!voters[4].as_table().unwrap().contains_key("site"));
        let disks = table["disks"].as_array().unwrap();
        assert_eq!(disks.len(), 3);
        let path = disks[2]["path"].as_str().unwrap();
        assert_eq!(PathBuf::from(path), root.join("data/montpellier-2/disk-2"));
        assert!(disks[0]["id"].as_str().unwrap().parse::<DiskId>().is_ok());
    }

    #[test]
    fn who_joined_later_did_not_begin_the_cluster() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(dir.path()).unwrap();
        let mut topology = small();
        topology.let_join("toulouse-2").unwrap();
        let text = render(&folder, &topology, topology.member("toulouse-2").unwrap());
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["voters"].as_array().unwrap().len(), 4);
        assert_eq!(table["voter"]["id"].as_integer(), Some(6));
        let text = render(&folder, &topology, topology.member("toulouse-1").unwrap());
        assert!(!text.parse::<toml::Table>().unwrap().contains_key("voter"));
    }

    #[test]
    fn the_arbiter_is_its_own_metadata_node() {
        let (_, table) = parsed("arbiter");
        assert_eq!(table["roles"][0].as_str(), Some("meta"));
        assert_eq!(table["metadata"][0], table["listen"]);
        assert!(!table.contains_key("disks"));
    }

    #[test]
    fn a_gateway_serves_the_region_that_clients_assume() {
        let (_, table) = parsed("gateway-toulouse");
        assert_eq!(table["listen"].as_str(), Some("127.0.0.1:9000"));
        assert_eq!(table["region"].as_str(), Some("us-east-1"));
        assert!(table["admin_listen"].is_str());
        assert!(table["fault_file"].is_str());
        assert!(!table.contains_key("lifecycle"));
    }

    #[test]
    fn a_short_day_is_told_to_gateways_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(dir.path()).unwrap();
        let mut topology = small();
        topology.lifecycle_day_seconds = Some(2);
        let table = |name: &str| {
            let text = render(&folder, &topology, topology.member(name).unwrap());
            text.parse::<toml::Table>().unwrap()
        };
        let day = &table("gateway-toulouse")["lifecycle"]["day_seconds"];
        assert_eq!(day.as_integer(), Some(2));
        assert!(!table("toulouse-1").contains_key("lifecycle"));
    }
}
