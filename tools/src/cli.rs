//! The command line, as types.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::admin::cluster::ClusterCommandArgs;
use crate::admin::disks::DiskArgs;
use crate::admin::failover::FailoverArgs;
use crate::admin::garbage::GarbageArgs;
use crate::admin::identity::keys::KeyArgs;
use crate::admin::identity::policies::PolicyArgs;
use crate::admin::identity::tenants::TenantsArgs;
use crate::admin::identity::users::UserArgs;
use crate::admin::layout::LayoutArgs;
use crate::admin::lifecycle::LifecycleArgs;
use crate::admin::metadata::MetadataArgs;
use crate::admin::nodes::NodeArgs;
use crate::admin::overview::StatusArgs;
use crate::admin::rebalance::RebalanceArgs;
use crate::admin::repair::RepairArgs;
use crate::admin::scrub::ScrubArgs;
use crate::admin::tablets::TabletArgs;
use crate::admin::voters::VoterArgs;
use crate::bench::options::BenchArgs;
use crate::dev::topology::ProfileShape;
use crate::shell::{CompletionsArgs, ManArgs};
use crate::simulate::SimulateArgs;

/// Riquet: one object store over two sites.
#[derive(Debug, Parser)]
#[command(name = "riquet", version, about, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole two-site cluster on this machine, and break it on purpose
    Dev(DevArgs),
    /// Make a cluster of storage nodes that run and belong to none yet
    Cluster(ClusterCommandArgs),
    /// Show how the cluster is, on one screen
    ///
    /// In words first: HEALTHY, DEGRADED (everything is served, and something is missing) or CRITICAL
    /// (something is not served, or the next failure may lose data), and why.
    Status(StatusArgs),
    /// Show the layout, and what made it so
    Layout(LayoutArgs),
    /// Show, add, drain and remove storage nodes, and take them out for a while
    Node(NodeArgs),
    /// Show, add, drain, replace and remove disks
    Disk(DiskArgs),
    /// Plan, begin, watch and pace what gives every disk its share
    Rebalance(RebalanceArgs),
    /// Show, back up, restore and rebuild a cluster's metadata
    Metadata(MetadataArgs),
    /// Show, make and remove tenants: establishments with users and buckets of their own
    Tenant(TenantsArgs),
    /// Show, make and remove those who use the store
    User(UserArgs),
    /// Show, make, rotate and remove access keys
    Key(KeyArgs),
    /// Show and change what users may do
    Policy(PolicyArgs),
    /// Load an S3 endpoint and report throughput, latency and CPU
    Bench(Box<BenchArgs>),
    /// Show and change how buckets are cut into tablets, and which groups hold them
    Tablet(TabletArgs),
    /// Show what waits to be removed, and find what uploads left behind
    Garbage(GarbageArgs),
    /// Show how far the lifecycles of buckets are
    Lifecycle(LifecycleArgs),
    /// Check what the disks hold, byte by byte
    Scrub(ScrubArgs),
    /// Show what is to be repaired
    Repair(RepairArgs),
    /// Show and change who votes on metadata
    Voter(VoterArgs),
    /// Let a site go on alone after the other was lost
    ///
    /// Needed where metadata has no arbiter, or lost it together with a site.
    Failover(FailoverArgs),
    /// Compute how durable a cluster would be, and what it would cost
    ///
    /// Needs no cluster: it takes numbers, from flags or a file.
    Simulate(Box<SimulateArgs>),
    /// Print completions for a shell
    Completions(CompletionsArgs),
    /// Write man pages of all commands
    Man(ManArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    #[command(subcommand)]
    pub(crate) command: DevCommand,

    /// Folder that holds the cluster: its data, logs, configuration and credentials
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "RIQUET_DIR",
        default_value = "target/dev"
    )]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DevCommand {
    /// Start a cluster, or restart the one in DIR with its data
    ///
    /// Starts whatever does not run yet: storage nodes at Toulouse and Montpellier, the arbiter,
    /// and a gateway at each site. Without --detach it stays until Ctrl-C, then stops everything.
    /// DIR/env holds the lines that point S3 clients at the cluster.
    Up(UpArgs),
    /// Stop every process of the cluster; data stays
    Down,
    /// List the processes of the cluster
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Kill processes at once (SIGKILL), as a power cut would
    Kill(Selection),
    /// Start processes that were killed, and wait until they answer
    Start(Selection),
    /// Stop processes in good order, and start them again, as for an upgrade
    Restart(Selection),
    /// Start one more storage node, which is not in the layout yet
    ///
    /// Prints the line that takes it into the layout.
    AddNode {
        /// Where it stands: toulouse or montpellier
        site: String,
    },
    /// Stop a storage node that was taken out of the layout, and remove its data
    RemoveNode {
        /// The node
        name: String,
    },
    /// Cut a site from the other data site: what they send each other is dropped
    ///
    /// The arbiter stays reachable from both sites unless --from-arbiter is given, and clients
    /// always reach both gateways.
    Partition {
        /// The site to cut off
        site: String,
        /// Cut it from the arbiter too
        #[arg(long)]
        from_arbiter: bool,
    },
    /// Have a storage node vote on metadata under a new number
    ///
    /// It forgets what it knew of the metadata, and waits: `riquet voter add` makes it vote.
    Voter {
        /// The node
        name: String,
    },
    /// Kill leading voters again and again under load, and report how long writes waited
    Drill(DrillArgs),
    /// Let the disks of a storage node fail, or be well again
    ///
    /// The node runs on: its reads or writes fail, give wrong bytes, find no room, or don't come back.
    Disk {
        /// The node
        name: String,
        /// What is wrong with its disks from now on
        #[arg(value_enum)]
        fault: DiskFault,
    },
    /// Undo every cut of a site
    Heal {
        /// The site to join again
        site: String,
    },
}

/// What is wrong with a disk.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum DiskFault {
    /// Nothing
    Well,
    /// Reads fail
    ReadError,
    /// Writes and syncs fail
    WriteError,
    /// There is no room
    Full,
    /// Reads give other bytes than were written
    WrongBytes,
    /// Nothing comes back until the disk is well
    Hang,
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Port of Toulouse's gateway; Montpellier's is the next one [default: 9000]
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(u16).range(1..=65534))]
    pub(crate) port: Option<u16>,
    /// Storage nodes at each site [default: 6]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) nodes_per_site: Option<u16>,
    /// Storage profile: K data shards, S shards at each site (S > K) [default: 4/6]
    #[arg(long, value_name = "K/S")]
    pub(crate) profile: Option<ProfileShape>,
    /// Leave the arbiter out: each site needs the other, until `riquet failover` says otherwise
    #[arg(long)]
    pub(crate) without_arbiter: bool,
    /// For tests only: a day of lifecycle rules has N seconds [default: a real day]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) lifecycle_day_seconds: Option<u32>,
    /// Return once the cluster is ready, leaving it running
    #[arg(long)]
    pub(crate) detach: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DrillArgs {
    /// How often a voter is killed
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) kills: u16,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which processes a command is about.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Selection {
    /// Processes, such as toulouse-1, arbiter or gateway-montpellier
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Every process of a site, its gateway included
    #[arg(long, value_name = "SITE")]
    pub(crate) site: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does() {
        fn look(command: &clap::Command) {
            for inner in command
                .get_subcommands()
                .filter(|it| it.get_name() != "help")
            {
                assert!(inner.get_about().is_some(), "{}", inner.get_name());
                look(inner);
            }
        }
        look(&Cli::command());
    }

    #[test]
    fn contract_lines_parse() {
        for line in [
            "riquet dev up --dir d --port 9000 --nodes-per-site 6 --profile 4/6 --detach",
            "riquet dev kill toulouse-1",
            "riquet dev kill --site toulouse --dir d",
            "riquet dev start --site toulouse",
            "riquet dev disk toulouse-1 wrong-bytes",
            "riquet dev partition toulouse",
            "riquet dev heal toulouse",
            "riquet dev status --json",
            "riquet dev down",
            "riquet cluster init --file cluster.toml --yes --json",
            "riquet tenant create ut3 --key-file k",
            "riquet user create ada --tenant ut3 --key-file k",
            "riquet key create --user ada --tenant ut3 --expires-in 90d --key-file k",
            "riquet key rotate AKIA --grace 1h --key-file k",
            "riquet policy put read p.json --user ada",
            "riquet voter list --json --metadata 127.0.0.1:1,127.0.0.1:2",
            "riquet voter add 127.0.0.1:3 127.0.0.1:4",
            "riquet voter remove 3",
            "riquet voter replace 3 127.0.0.1:4",
            "riquet repair check --json",
            "riquet repair losses",
            "riquet scrub start",
            "riquet scrub status --json",
            "riquet garbage status --json",
            "riquet lifecycle status --json",
            "riquet dev up --lifecycle-day-seconds 10",
            "riquet garbage sweep --older-than 60s",
            "riquet failover --yes",
            "riquet failover montpellier",
            "riquet metadata export f --json",
            "riquet metadata import f --metadata a:1,b:2",
            "riquet metadata verify f",
            "riquet metadata status --json",
            "riquet tablet list",
            "riquet tablet split bucket --at key --json",
            "riquet tablet move bucket --of key --to 3",
            "riquet dev drill --kills 20 --json",
            "riquet simulate --profile 8/10,3-copy --disk-afr 2 --trials 0 --plot f.svg --json",
            "riquet bench scan --objects 0 --folders 10 --bucket b --prefix p",
            "riquet metadata rebuild --from-shards --dry-run --name 7=seven --json",
            "riquet bench put --size 64MiB --concurrency 4 --duration 5s --json",
            "riquet status",
            "riquet status --watch --json",
            "riquet status --watch 5 --cluster lab",
            "riquet layout show --json --admin-url http://a:1,http://b:2",
            "riquet layout history --limit 3",
            "riquet node list --json",
            "riquet node add n7 --site toulouse --address 127.0.0.1:7",
            "riquet node add n7 --site t --address a:7 --disk 00000000000000000000000000000007=4",
            "riquet node drain n1",
            "riquet node drain n1 --yes",
            "riquet node drain n1 --apply --yes",
            "riquet node undrain n1",
            "riquet node remove n1 --yes",
            "riquet node maintenance n1 --end",
            "riquet node weight n1 400",
            "riquet disk list",
            "riquet disk add n1",
            "riquet disk drain a1 --apply",
            "riquet disk undrain a1",
            "riquet disk remove a1 --yes",
            "riquet disk replace a1 b2 --yes",
            "riquet disk weight a1 400",
            "riquet rebalance plan --out f.json --disks --json",
            "riquet rebalance apply --plan f.json --yes --watch",
            "riquet rebalance apply",
            "riquet rebalance status --watch",
            "riquet rebalance pause",
            "riquet rebalance resume",
            "riquet rebalance abort --yes",
            "riquet rebalance pace --mib 64 --window 08:00-19:00=8 --window 22:00-05:00=0",
            "riquet rebalance pace --no-windows",
            "riquet completions bash",
            "riquet man d",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap_or_else(|e| panic!("{line}: {e}"));
        }
        for line in [
            "riquet cluster init",
            "riquet dev kill",
            "riquet metadata rebuild --yes",
            "riquet dev up --profile 6/6",
            "riquet dev up --profile 6",
            "riquet dev up --port 65535",
            "riquet bench put --size 0x",
            "riquet status --watch 0",
            "riquet node add n7 --site toulouse",
            "riquet node weight n1 0",
            "riquet disk weight a1 -1",
            "riquet rebalance pace",
            "riquet rebalance pace --window 8-9=1",
            "riquet rebalance pace --no-windows --window 08:00-19:00=8",
            "riquet layout history --limit 0",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
