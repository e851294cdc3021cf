//! What all requests share.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use riquet_cluster::keyring::{KeyRing, KeyRingError};
use riquet_cluster::node_client::NodeClient;
use riquet_cluster::telemetry::metrics::BuildError;
use riquet_cluster::transport::partition::PartitionedDialer;
use riquet_cluster::transport::{Dial, TcpDialer, Transport};
use riquet_metadata::query::ClusterState;
use riquet_metadata::record::Bucket;
use riquet_metadata::{Client, LayoutWatch};
use riquet_s3::operation::Router;

use crate::access::{Known, RuleBook};
use crate::access_log::AccessLog;
use crate::admission::Admission;
use crate::config::Settings;
use crate::data::{DataPath, Health};
use crate::documents::KnownDocuments;
use crate::encryption::{KeyFileError, KeyService, LocalKeys};
use crate::error::Error;
use crate::identity::Directory;
use crate::lifecycle;
use crate::notify::{Deliverer, Targets};
use crate::sts::Issuers;

/// How long a starting gateway waits between two tries to learn the cluster's layout.
const CONNECT_INTERVAL: Duration = Duration::from_millis(250);

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address can't be listened on, a signal not awaited, or the fault file not read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The metrics recorder can't be installed.
    #[error("metrics: {0}")]
    Metrics(#[from] BuildError),
    /// The cluster's key ring can't be used.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    /// The metadata nodes refuse.
    #[error("metadata: {0}")]
    Metadata(#[from] riquet_metadata::Error),
    /// The layout has no site of the name in the settings.
    #[error("the cluster has no site named {0}")]
    UnknownSite(String),
    /// The file of the key service's keys can't be used.
    #[error("keys of the key service: {0}")]
    KeyService(#[from] KeyFileError),
}

/// What all requests share.
pub struct Gateway {
    pub(crate) settings: Settings,
    pub(crate) router: Router,
    /// Finds the buckets of web sites in host names.
    pub(crate) sites: Router,
    pub(crate) targets: Targets,
    pub(crate) documents: KnownDocuments,
    pub(crate) access_log: AccessLog,
    pub(crate) metadata: Client,
    /// The way to other processes.
    pub(crate) transport: Transport,
    pub(crate) directory: Directory,
    pub(crate) rules: RuleBook,
    pub(crate) issuers: Issuers,
    pub(crate) data: DataPath,
    pub(crate) admission: Admission,
    /// Tells the targets of events as long as the gateway lives.
    _deliverer: Deliverer,
    /// What answers announce of buckets' lifecycles.
    pub(crate) lifecycle_rules: lifecycle::Rules,
    /// What seals secrets and keys that are stored.
    pub(crate) keys: Arc<KeyRing>,
    /// What keeps keys for SSE-KMS.
    pub(crate) key_service: Option<Box<dyn KeyService>>,
    /// Follows the layout for the data path as long as the gateway lives.
    _layout: LayoutWatch,
    /// `x-amz-id-2` of every answer.
    pub(crate) host_id: String,
}

impl Gateway {
    /// Learns the cluster's layout from the metadata nodes, waiting until they answer.
    ///
    /// # Errors
    /// When they refuse, or the layout lacks the gateway's site.
    pub async fn connect(settings: Settings) -> Result<Arc<Self>, StartError> {
        let keys = Arc::new(KeyRing::load(&settings.key_file)?);
        let key_service = match &settings.kms_file {
            Some(path) => Some(Box::new(LocalKeys::load(path)?) as Box<dyn KeyService>),
            None => None,
        };
        let transport = Transport::new(dialer(&settings)?).at_site(&settings.site);
        let metadata = Client::new(transport.clone(), settings.metadata.clone());
        let cluster = await_cluster(&metadata).await?;
        let layout = LayoutWatch::start(metadata.clone()).await?;
        let site = layout
            .load()
            .site_named(&settings.site)
            .map(|site| site.id)
            .ok_or_else(|| StartError::UnknownSite(settings.site.clone()))?;
        let nodes = NodeClient::new(transport.clone(), cluster.cluster);
        let health = Health::watch(transport.clone(), layout.shared());
        tracing::info!(
            name = settings.name,
            site = settings.site,
            cluster = %cluster.cluster,
            epoch = %cluster.layout.epoch,
            "connected"
        );
        let targets = Targets::new(&settings.notifications);
        Ok(Arc::new(Self {
            sites: Router::new(settings.website_domains.iter().cloned()),
            _deliverer: Deliverer::start(&metadata, &targets),
            targets,
            documents: KnownDocuments::default(),
            access_log: AccessLog::default(),
            router: Router::new(settings.base_domains.iter().cloned()),
            data: DataPath::new(nodes, layout.shared(), site, health),
            admission: Admission::new(&settings.limits),
            directory: Directory::new(metadata.clone(), keys.clone()),
            rules: RuleBook::new(metadata.clone()),
            lifecycle_rules: lifecycle::Rules::new(metadata.clone()),
            keys,
            key_service,
            issuers: Issuers::new(),
            host_id: host_id(&settings.name),
            _layout: layout,
            metadata,
            transport,
            settings,
        }))
    }

    /// A bucket beside what its documents say about access.
    pub(crate) async fn know(&self, bucket: Arc<Bucket>) -> Result<Known, Error> {
        let rules = self.rules.of(&bucket, &self.directory).await?;
        Ok(Known { bucket, rules })
    }
}

fn dialer(settings: &Settings) -> io::Result<Arc<dyn Dial>> {
    let tcp: Arc<dyn Dial> = Arc::new(TcpDialer);
    Ok(match &settings.fault_file {
        Some(path) => Arc::new(PartitionedDialer::watch(
            tcp,
            settings.site.clone(),
            path.clone(),
        )?),
        None => tcp,
    })
}

/// The cluster, once its metadata answer and it has been bootstrapped.
async fn await_cluster(metadata: &Client) -> Result<ClusterState, riquet_metadata::Error> {
    let mut tick = tokio::time::interval(CONNECT_INTERVAL);
    loop {
        tick.tick().await;
        match metadata.cluster().await {
            Ok(cluster) => return Ok(cluster),
            Err(
                error @ (riquet_metadata::Error::Unavailable
                | riquet_metadata::Error::NotBootstrapped),
            ) => tracing::info!(%error, "waiting for the cluster"),
            Err(error) => return Err(error),
        }
    }
}

/// An opaque text that tells one gateway's answers from another's.
fn host_id(name: &str) -> String {
    hex::encode(&blake3::hash(name.as_bytes()).as_bytes()[..24])
}
