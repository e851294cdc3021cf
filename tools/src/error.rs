//! What can go wrong, by what the person at the keyboard can do about it.

use std::io;
use std::path::PathBuf;

use crate::s3;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot start the asynchronous runtime: {0}")]
    Runtime(#[source] io::Error),
    #[error("cannot {action} {path}: {source}", path = path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{path} is damaged ({why}); restore it, or remove the folder to start anew", path = path.display())]
    Damaged { path: PathBuf, why: String },
    #[error("there is no cluster in {dir}; make one with: riquet dev up --dir {dir}", dir = dir.display())]
    NoCluster { dir: PathBuf },
    #[error("the cluster in {dir} was made with {what} {present}; leave the option out, or choose another --dir", dir = dir.display())]
    FixedAtCreation {
        dir: PathBuf,
        what: &'static str,
        present: String,
    },
    #[error("no process is named {name}; there are: {known}")]
    UnknownProcess { name: String, known: String },
    #[error("no site is named {name}; there are: {known}")]
    UnknownSite { name: String, known: String },
    #[error("{name} has no disks; those of storage nodes can fail")]
    NoDisks { name: String },
    #[error("{name} is no storage node and can't vote on metadata")]
    CanNotVote { name: String },
    #[error("{name} is no storage node, or votes on metadata: it can't be removed")]
    CanNotLeave { name: String },
    #[error("there is no {kind} named {name:?}")]
    NoSuch { kind: &'static str, name: String },
    #[error("{0} exists already, or its id or e-mail address is taken")]
    Taken(String),
    #[error("{name} can't be removed: {why}")]
    StillNeeded { name: String, why: String },
    #[error("{0:?} can't be a name: 1 to 64 letters, digits or any of + = , . @ _ -")]
    BadName(String),
    #[error("{path} is not a policy: {why}", path = path.display())]
    BadPolicy { path: PathBuf, why: String },
    #[error(transparent)]
    Keys(#[from] riquet_cluster::keyring::KeyRingError),
    #[error("invalid cluster: {0}")]
    Cluster(#[from] riquet_cluster::Error),
    #[error(
        "{address} (for {name}) is taken by another process; stop that one, or choose other ports with --port and a new --dir"
    )]
    PortTaken { name: String, address: String },
    #[error("no {wanted} free ports below {end}; stop some servers first")]
    NoFreePorts { wanted: usize, end: u16 },
    #[error("the program {path} is missing; build it with: cargo build --release", path = path.display())]
    ProgramMissing { path: PathBuf },
    #[error("{name} ended ({status}) while starting; the end of {log}:\n{tail}", log = log.display())]
    Died {
        name: String,
        status: String,
        log: PathBuf,
        tail: String,
    },
    #[error("{name} was not ready after {waited_s} s ({last}); see {log}", log = log.display())]
    NotReady {
        name: String,
        waited_s: u64,
        last: String,
        log: PathBuf,
    },
    #[error("{name} (process {pid}) does not end")]
    WillNotEnd { name: String, pid: i32 },
    #[error("interrupted; what had been started was stopped")]
    Interrupted,
    #[error("metadata: {0}")]
    Metadata(#[from] riquet_metadata::Error),
    #[error("{0} does not answer")]
    VoterSilent(String),
    #[error("no voter has the number or address {0}; see: riquet voter list")]
    UnknownVoter(String),
    #[error(
        "another voter has, or had, the number {0}: a voter that lost its disk needs a new one"
    )]
    VoterNumberTaken(u64),
    #[error("nobody would be left to vote")]
    NobodyLeft,
    #[error("every group serves: there is nothing to fail over")]
    NothingToFailOver,
    #[error("voters at more than one site answer ({0}): name the one that is to go on alone")]
    SurvivorUnclear(String),
    #[error("no voter answers")]
    NoVoterAnswers,
    #[error("{disks} disks don't hold what the metadata says, or can't be asked")]
    DisksDiffer { disks: usize },
    #[error("{node}: {why}; the other disks did it")]
    JobFailed { node: String, why: String },
    #[error("{0}")]
    NotPromotable(#[from] riquet_metadata::failover::NotPromotable),
    #[error("group {group} is not promoted: what its voters hold has changed; run this again")]
    PromotionMoved { group: u32 },
    #[error("group {group} does not serve yet; see: riquet voter list")]
    StillStopped { group: u32 },
    #[error("there is nothing to split there: a tablet needs two objects, and a key inside of it")]
    NothingToSplit,
    #[error("the tablet has changed meanwhile; see: riquet tablet list")]
    TabletMoved,
    #[error("no key group {group}; there are 1 to {key_groups}")]
    NoSuchGroup { group: u32, key_groups: u32 },
    #[error("not confirmed; nothing was changed")]
    NotConfirmed,
    #[error("not confirmed: standard input is no terminal; give --yes")]
    CanNotAsk,
    #[error("{path}: {source}", path = path.display())]
    Backup {
        path: PathBuf,
        source: riquet_metadata::backup::BackupError,
    },
    #[error(
        "{silent} disks did not tell all their shards; start their nodes, or give --without-silent-disks"
    )]
    SilentDisks { silent: usize },
    #[error("another bucket is named {name}; choose another name with --name ID=NAME")]
    BucketNameTaken { name: String },
    #[error("{path} exists; choose another name, or remove it", path = path.display())]
    Exists { path: PathBuf },
    #[error("{variable} is not set; type: . DIR/env (DIR is the cluster's folder)")]
    NoEnvironment { variable: &'static str },
    #[error("{message} ({code})")]
    Refused { code: String, message: String },
    #[error(
        "no gateway can be reached ({tried}); check that one runs there, and that the URL is its admin_listen address"
    )]
    AdminUnreachable { tried: String },
    #[error(
        "{url} was asked, and its answer was lost ({why}); it may have been done: see riquet layout history"
    )]
    AnswerLost { url: String, why: String },
    #[error(
        "{url} does not speak the admin API ({why}); give the admin_listen address of a gateway"
    )]
    NotTheApi { url: String, why: String },
    #[error(
        "it is not said {what}: give {option}, set {variable}, or write {key} into a profile in {path}", path = path.display()
    )]
    NotConfigured {
        what: &'static str,
        option: &'static str,
        variable: &'static str,
        key: &'static str,
        path: PathBuf,
    },
    #[error(
        "there is no key to sign with: set RIQUET_ADMIN_ACCESS_KEY_ID and RIQUET_ADMIN_SECRET_ACCESS_KEY, or write access_key_id and secret_access_key into a profile in {path}", path = path.display()
    )]
    NoAdminKey { path: PathBuf },
    #[error("there is no cluster {name} in {path}; there are: {known}", path = path.display())]
    UnknownCluster {
        name: String,
        path: PathBuf,
        known: String,
    },
    #[error("{path} is no profile file: {why}", path = path.display())]
    BadProfile { path: PathBuf, why: String },
    #[error("{path} holds secrets, and others may read it; type: chmod 600 {path}", path = path.display())]
    ExposedProfile { path: PathBuf },
    #[error("the secret_command of cluster {cluster} gives no secret: {why}")]
    SecretCommand { cluster: String, why: String },
    #[error("{path} does not describe a cluster: {why}", path = path.display())]
    BadClusterFile { path: PathBuf, why: String },
    #[error("{name} ({address}) can't begin a cluster: {why}")]
    UnfitFounder {
        name: String,
        address: String,
        why: String,
    },
    #[error("{path} is no plan: {why}; make one with: riquet rebalance plan --out FILE.json", path = path.display())]
    BadPlan { path: PathBuf, why: String },
    #[error("{prefix} begins the ids of {count} disks; give more of it")]
    AmbiguousDisk { prefix: String, count: usize },
    #[error("{value:?} is not an endpoint; one looks like http://127.0.0.1:9000")]
    BadEndpoint { value: String },
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
    #[error("{operation}: {why}")]
    S3 { operation: String, why: s3::Failure },
    #[error(transparent)]
    Simulation(#[from] crate::simulate::SettingsError),
    #[error(transparent)]
    Plot(#[from] crate::simulate::PlotError),
    #[error("{failed} of {total} operations failed; first: {first}")]
    OperationsFailed {
        failed: u64,
        total: u64,
        first: String,
    },
}

impl Error {
    /// Whether it may be over by itself: nobody answers, or those who do can't reach the metadata.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::AdminUnreachable { .. } => true,
            Self::Refused { code, .. } => code == "metadata-unavailable",
            _ => false,
        }
    }

    /// For `map_err`: what was being done to which file.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }
}
