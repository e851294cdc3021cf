//! A whole store in one process: a gateway on a real port, metadata and shards in memory.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use riquet_cluster::id::{ClusterId, DiskId, Epoch, ShardId};
use riquet_cluster::keyring::KeyRing;
use riquet_cluster::layout::{Disk, DiskState, Layout, Migration, Node, NodeState, Site};
use riquet_cluster::placement::compute_table;
use riquet_cluster::profile::{Profile, ProfileId, SiteId};
use riquet_cluster::telemetry::metrics::Exporter;
use riquet_cluster::transport::Transport;
use riquet_cluster::wire::shard::{ERROR, ErrorCode};
use riquet_gateway::Listeners;
use riquet_gateway::config::{LifecycleSettings, Limits, Settings, Webhook};
use riquet_metadata::record::{self, AccessKey, KeyState, Policies, Tenant, User};
use riquet_metadata::{Client, MemoryReplica, MetadataService};
use tokio::net::{TcpListener, TcpStream};

/// The key of the account that exists.
pub(crate) const ACCESS_KEY: &str = "AKIARIQUET";
const SECRET: &str = "secret";
const REGION: &str = "eu-west-3";
const NODES: usize = 8;

type Shards = Arc<Mutex<HashMap<ShardId, Bytes>>>;

/// The running store.
pub(crate) struct Store {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// To change things behind the gateway's back.
    pub(crate) metadata: Client,
    nodes: Vec<Shards>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    stopped: tokio::task::JoinHandle<()>,
    /// Holds the key ring.
    _folder: tempfile::TempDir,
}

/// A tenant, and a user of it that owns what it makes.
fn identities(ring: &KeyRing) -> Vec<record::Identity> {
    let tenant = Tenant {
        id: "111111111111".to_owned(),
        name: String::new(),
        namespace: String::new(),
        display_name: "Tenant".to_owned(),
        email: None,
        created_ms: 0,
    };
    let user = User {
        tenant: tenant.id.clone(),
        name: "ada".to_owned(),
        id: "AIDAADA".to_owned(),
        path: "/".to_owned(),
        display_name: "Ada".to_owned(),
        email: None,
        canonical_id: Some("ada".to_owned()),
        groups: Vec::new(),
        policies: Policies::default(),
        tags: Vec::new(),
        created_ms: 0,
    };
    let key = AccessKey {
        id: ACCESS_KEY.to_owned(),
        tenant: tenant.id.clone(),
        user: Some(user.id.clone()),
        secret: ring.seal(&AccessKey::seal_context(ACCESS_KEY), SECRET.as_bytes()),
        state: KeyState::Active,
        created_ms: 0,
        expires_ms: None,
    };
    vec![
        record::Identity::Tenant(tenant),
        record::Identity::User(user),
        record::Identity::Key(key),
    ]
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("ASCII"))
    }

    /// What stands between the first `<name>` and its end.
    pub(crate) fn element(&self, name: &str) -> &str {
        let text = self.text();
        let Some((_, rest)) = text.split_once(&format!("<{name}>")) else {
            return "";
        };
        rest.split_once(&format!("</{name}>"))
            .map_or("", |(inside, _)| inside)
    }
}

impl Store {
    pub(crate) async fn start() -> Self {
        Self::start_with(Limits::default()).await
    }

    pub(crate) async fn start_with(limits: Limits) -> Self {
        Self::start_as(limits, BTreeMap::new()).await
    }

    /// A store whose gateway knows one webhook, `hook`.
    pub(crate) async fn start_telling(address: SocketAddr) -> Self {
        let url = format!("http://{address}/").try_into().expect("a URL");
        let webhook = Webhook {
            url,
            authorization: None,
        };
        let webhooks = [("hook".to_owned(), webhook)].into();
        Self::start_as(Limits::default(), webhooks).await
    }

    async fn start_as(limits: Limits, notifications: BTreeMap<String, Webhook>) -> Self {
        let (mut addresses, mut nodes) = (Vec::new(), Vec::new());
        for _ in 0..NODES {
            let shards = Shards::default();
            nodes.push(shards.clone());
            let node = move |request| keep_shard(request, shards.clone());
            addresses.push(serve(node).await.to_string());
        }
        let service = MetadataService::new(Arc::new(MemoryReplica::new(2)));
        let metadata = serve(move |request| {
            let service = service.clone();
            async move {
                let (head, body) = service.handle(request).await.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                Response::from_parts(head, Full::new(body).boxed())
            }
        });
        let metadata = metadata.await.to_string();
        let client = Client::new(Transport::tcp(), vec![metadata.clone()]);
        let layout = layout(&addresses);
        let folder = tempfile::tempdir().expect("a folder");
        let key_file = folder.path().join("cluster.keys");
        std::fs::write(&key_file, KeyRing::fresh_file("1").as_str()).expect("written");
        let ring = KeyRing::load(&key_file).expect("a ring");
        client
            .bootstrap(layout.cluster, layout, identities(&ring), 2)
            .await
            .expect("a fresh cluster");

        let kms_file = folder.path().join("kms.toml");
        let secret = "05".repeat(32);
        let kms = format!("default = 'main'\n[[key]]\nid = 'main'\nsecrets = ['{secret}']\n");
        std::fs::write(&kms_file, kms).expect("written");
        let any_port: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let settings = Settings {
            name: "gateway".to_owned(),
            site: "toulouse".to_owned(),
            listen: any_port,
            admin_listen: any_port,
            admin_tls: None,
            metadata: vec![metadata],
            key_file,
            region: REGION.to_owned(),
            base_domains: Vec::new(),
            website_domains: vec!["web.test".to_owned()],
            notifications,
            // Longer than any test: logs are written at the stop.
            access_log_wait_ms: 600_000,
            kms_file: Some(kms_file),
            fault_file: None,
            limits,
            lifecycle: LifecycleSettings::default(),
        };
        let listeners = Listeners::bind(&settings).await.expect("free ports");
        let (address, admin) = listeners.addresses().expect("bound");
        let (stop, asked) = tokio::sync::oneshot::channel::<()>();
        let metrics = Exporter::detached();
        let stopped = tokio::spawn(async move {
            let asked = async {
                let _ = asked.await;
            };
            listeners
                .serve(settings, metrics, asked)
                .await
                .expect("the cluster is there");
        });
        Self {
            address,
            admin,
            metadata: client,
            nodes,
            stop: Some(stop),
            stopped,
            _folder: folder,
        }
    }

    /// Asks the gateway to stop and waits until it has.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        self.stopped.await.expect("it stops in order");
    }

    /// Shards on all nodes.
    pub(crate) fn shards(&self) -> usize {
        self.nodes
            .iter()
            .map(|node| node.lock().expect("no holder panics").len())
            .sum()
    }

    /// Whether any shard holds these bytes.
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        let is_in = |shard: &Bytes| shard.windows(bytes.len()).any(|window| window == bytes);
        self.nodes
            .iter()
            .any(|node| node.lock().expect("no holder panics").values().any(is_in))
    }

    /// Has all nodes forget what they hold.
    pub(crate) fn forget_shards(&self) {
        for node in &self.nodes {
            node.lock().expect("no holder panics").clear();
        }
    }

    /// Flips a byte of every shard on the first `count` nodes.
    pub(crate) fn corrupt(&self, count: usize) {
        for node in &self.nodes[..count] {
            for shard in node.lock().expect("no holder panics").values_mut() {
                let mut bytes = shard.to_vec();
                bytes[0] ^= 1;
                *shard = bytes.into();
            }
        }
    }

    /// Waits until nothing is stored any more: discarding goes on in the background.
    pub(crate) async fn await_no_shards(&self) {
        let emptied = async {
            while self.shards() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), emptied)
            .await
            .expect("shards stay behind");
    }

    /// A request with a correct signature, not sent yet.
    pub(crate) fn signed(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Request<Full<Bytes>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string())
            .body(Full::new(body))
            .expect("a request");
        for (name, value) in headers {
            let name = http::HeaderName::try_from(*name).expect("a header's name");
            request
                .headers_mut()
                .insert(name, value.parse().expect("a header's value"));
        }
        sign_request(&mut request, &self.address.to_string());
        request
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let stream = TcpStream::connect(self.address)
            .await
            .expect("the gateway listens");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("HTTP/1.1");
        tokio::spawn(connection);
        read(sender.send_request(request).await.expect("an answer")).await
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let body = body.into();
        let length = body.len();
        let mut request = self.signed(method, path, headers, body);
        // hyper sends none for an empty body; S3 clients do.
        let headers = request.headers_mut();
        headers.insert(http::header::CONTENT_LENGTH, length.into());
        self.send(request).await
    }

    pub(crate) async fn put(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.call(Method::PUT, path, &[], body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, &[], "").await
    }
}

async fn read(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("the whole body").to_bytes();
    Answer {
        status: head.status,
        headers: head.headers,
        body,
    }
}

fn sign_request(request: &mut Request<Full<Bytes>>, authority: &str) {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    let identity: Identity = Credentials::new(ACCESS_KEY, SECRET, None, None, "test").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("s3")
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .expect("every parameter is set")
        .into();
    let uri = format!("http://{authority}{}", request.uri());
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.to_str().expect("ASCII")));
    let signable = SignableRequest::new(
        request.method().as_str(),
        uri,
        headers,
        SignableBody::UnsignedPayload,
    );
    let signed = sign(signable.expect("a URI"), &params).expect("signable");
    signed.into_parts().0.apply_to_request_http1x(request);
}

/// Serves `answer` on a free port.
pub(crate) async fn serve<F, R>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<BoxBody<Bytes, Infallible>>> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let answer = answer.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let answer = answer(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    address
}

/// A storage node, as far as the gateway can tell.
async fn keep_shard(
    request: Request<Incoming>,
    shards: Shards,
) -> Response<BoxBody<Bytes, Infallible>> {
    let status = |status| {
        Response::builder()
            .status(status)
            .body(Empty::new().boxed())
    };
    let refuse = |code: ErrorCode| {
        Response::builder()
            .status(code.status())
            .header(ERROR, code.word())
            .body(Empty::new().boxed())
    };
    let shard = request
        .uri()
        .path()
        .rsplit('/')
        .next()
        .and_then(|text| text.parse().ok());
    let Some(shard) = shard else {
        return status(200).expect("an answer to a probe");
    };
    let response = match *request.method() {
        Method::PUT => match request.into_body().collect().await {
            Ok(body) => {
                shards
                    .lock()
                    .expect("no holder panics")
                    .insert(shard, body.to_bytes());
                status(201)
            }
            Err(_) => refuse(ErrorCode::Refused),
        },
        Method::GET => {
            let payload = shards
                .lock()
                .expect("no holder panics")
                .get(&shard)
                .cloned();
            match (payload, request.headers().get("range")) {
                (None, _) => refuse(ErrorCode::NoSuchShard),
                (Some(payload), None) => Response::builder().body(Full::new(payload).boxed()),
                (Some(payload), Some(range)) => {
                    let range = range.to_str().expect("ASCII");
                    let (from, to) = range["bytes=".len()..].split_once('-').expect("a range");
                    let (from, to): (usize, usize) = (
                        from.parse().expect("a number"),
                        to.parse().expect("a number"),
                    );
                    let slice = payload.slice(from..=to);
                    Response::builder()
                        .status(206)
                        .body(Full::new(slice).boxed())
                }
            }
        }
        Method::DELETE => {
            shards.lock().expect("no holder panics").remove(&shard);
            status(204)
        }
        _ => refuse(ErrorCode::Refused),
    };
    response.expect("a response")
}

/// Two sites of four nodes, profile 2/4, small cells and chunks.
fn layout(addresses: &[String]) -> Layout {
    let profile = Profile {
        id: ProfileId(1),
        name: "2/4".to_owned(),
        data: 2,
        per_site: 4,
        sites: vec![SiteId(0), SiteId(1)],
        cell_size: 4096,
        chunk_size: 16 * 2 * 4096,
    };
    let node = |(index, address): (usize, &String)| Node {
        name: format!("node-{index}"),
        site: SiteId((index / 4) as u8),
        address: address.clone(),
        state: NodeState::default(),
    };
    let nodes: Vec<Node> = addresses.iter().enumerate().map(node).collect();
    let disk = |index: u16| Disk {
        id: DiskId::from_u128(u128::from(index) + 1),
        node: index,
        weight: 1,
        state: DiskState::Active,
    };
    let disks: Vec<Disk> = (0..NODES as u16).map(disk).collect();
    let table = compute_table(&profile, &nodes, &disks, 8).expect("enough disks");
    let site = |(id, name): (u8, &str)| Site {
        id: SiteId(id),
        name: name.to_owned(),
    };
    Layout {
        cluster: ClusterId::from_u128(1),
        epoch: Epoch(1),
        sites: [(0, "toulouse"), (1, "montpellier")].map(site).to_vec(),
        nodes,
        disks,
        standard: profile.id,
        profiles: vec![profile],
        tables: vec![table],
        one_zone: Vec::new(),
        migration: Migration::default(),
        change: None,
    }
}
