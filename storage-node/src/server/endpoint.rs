//! A request line, parsed once.

use std::time::Duration;

use http::{Method, Uri};
use riquet_cluster::id::{DiskId, ShardId};
use riquet_cluster::wire::shard::{ErrorCode, MAX_DESCRIPTOR_PAGE, MAX_PAGE};
use riquet_cluster::wire::upkeep::JobKind;

use super::answer::Refusal;

/// What a request is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// The node answers, and this is the state of its disks; for gateways.
    Health,
    /// The process lives.
    Alive,
    /// It can serve.
    Ready,
    Metrics,
    Upkeep,
    BeginJob {
        disk: DiskId,
        job: JobKind,
        older_than: Duration,
    },
    Shard(ShardCall),
}

/// A request of the shard protocol.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ShardCall {
    pub(super) disk: DiskId,
    pub(super) action: ShardAction,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum ShardAction {
    Put(ShardId),
    Get(ShardId),
    Head(ShardId),
    Delete(ShardId),
    List { after: Option<ShardId>, max: usize },
    Describe { after: Option<ShardId>, max: usize },
    Slots,
    RemoveBlobs,
    Suspect(ShardId),
}

impl Endpoint {
    pub(super) fn parse(method: &Method, uri: &Uri) -> Result<Self, Refusal> {
        let path = uri.path().trim_start_matches('/');
        let segments: Vec<&str> = path.splitn(6, '/').collect();
        match (method, &segments[..]) {
            (&Method::GET | &Method::HEAD, ["v1", "health"]) => Ok(Self::Health),
            (&Method::GET | &Method::HEAD, ["health"]) => Ok(Self::Alive),
            (&Method::GET | &Method::HEAD, ["ready"]) => Ok(Self::Ready),
            (&Method::GET, ["metrics"]) => Ok(Self::Metrics),
            (&Method::GET, ["v1", "upkeep"]) => Ok(Self::Upkeep),
            (&Method::POST, ["v1", "disks", disk, "jobs", job]) => Ok(Self::BeginJob {
                disk: parse(disk)?,
                job: JobKind::from_word(job).ok_or_else(|| Refusal::malformed("no such job"))?,
                older_than: parse_age(uri.query().unwrap_or_default())?,
            }),
            (_, ["v1", "disks", disk, "shards"]) if method == Method::GET => {
                let (after, max) = parse_page(uri.query().unwrap_or_default(), MAX_PAGE)?;
                Ok(Self::Shard(ShardCall {
                    disk: parse(disk)?,
                    action: ShardAction::List { after, max },
                }))
            }
            (&Method::GET, ["v1", "disks", disk, "descriptors"]) => {
                let query = uri.query().unwrap_or_default();
                let (after, max) = parse_page(query, MAX_DESCRIPTOR_PAGE)?;
                Ok(Self::Shard(ShardCall {
                    disk: parse(disk)?,
                    action: ShardAction::Describe { after, max },
                }))
            }
            (&Method::GET, ["v1", "disks", disk, "slots"]) => Ok(Self::Shard(ShardCall {
                disk: parse(disk)?,
                action: ShardAction::Slots,
            })),
            (&Method::POST, ["v1", "disks", disk, "shards", shard, "suspect"]) => {
                Ok(Self::Shard(ShardCall {
                    disk: parse(disk)?,
                    action: ShardAction::Suspect(parse(shard)?),
                }))
            }
            (&Method::POST, ["v1", "disks", disk, "removals"]) => Ok(Self::Shard(ShardCall {
                disk: parse(disk)?,
                action: ShardAction::RemoveBlobs,
            })),
            (_, ["v1", "disks", disk, "shards", shard]) => {
                let shard = parse(shard)?;
                let action = match *method {
                    Method::PUT => ShardAction::Put(shard),
                    Method::GET => ShardAction::Get(shard),
                    Method::HEAD => ShardAction::Head(shard),
                    Method::DELETE => ShardAction::Delete(shard),
                    _ => return Err(unknown(method, uri)),
                };
                Ok(Self::Shard(ShardCall {
                    disk: parse(disk)?,
                    action,
                }))
            }
            _ => Err(unknown(method, uri)),
        }
    }

    /// The name in metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Alive => "alive",
            Self::Ready => "ready",
            Self::Metrics => "metrics",
            Self::Upkeep => "upkeep",
            Self::BeginJob { .. } => "begin-job",
            Self::Shard(call) => match call.action {
                ShardAction::Put(_) => "put",
                ShardAction::Get(_) => "get",
                ShardAction::Head(_) => "head",
                ShardAction::Delete(_) => "delete",
                ShardAction::List { .. } => "list",
                ShardAction::Describe { .. } => "describe",
                ShardAction::Slots => "slots",
                ShardAction::RemoveBlobs => "remove-blobs",
                ShardAction::Suspect(_) => "suspect",
            },
        }
    }
}

/// After which shard, and how many.
fn parse_page(query: &str, largest: usize) -> Result<(Option<ShardId>, usize), Refusal> {
    let (mut after, mut max) = (None, largest);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("after", value)) => after = Some(parse(value)?),
            Some(("max", value)) => {
                max = value
                    .parse()
                    .map_err(|_| Refusal::malformed("max is a number"))?;
            }
            _ => return Err(Refusal::malformed(format!("unknown parameter {pair:?}"))),
        }
    }
    Ok((after, max.clamp(1, largest)))
}

/// How old what a job looks at must be.
fn parse_age(query: &str) -> Result<Duration, Refusal> {
    let Some(seconds) = query.strip_prefix("older_than_s=") else {
        return Err(Refusal::malformed("older_than_s is missing"));
    };
    let seconds = seconds.parse();
    let seconds = seconds.map_err(|_| Refusal::malformed("older_than_s is a number"))?;
    Ok(Duration::from_secs(seconds))
}

fn parse<T: std::str::FromStr<Err = riquet_cluster::Error>>(text: &str) -> Result<T, Refusal> {
    text.parse()
        .map_err(|error: riquet_cluster::Error| Refusal::malformed(error.to_string()))
}

fn unknown(method: &Method, uri: &Uri) -> Refusal {
    Refusal::new(
        ErrorCode::Refused,
        format!("no such endpoint: {method} {}", uri.path()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: &str = "00000000000000000000000000000007";

    fn parse_line(method: Method, uri: &str) -> Result<Endpoint, Refusal> {
        Endpoint::parse(&method, &uri.parse().unwrap())
    }

    #[test]
    fn the_shard_protocol_parses() {
        let shard = format!("{DISK}-3-11");
        let disk = DiskId::from_u128(7);
        let id: ShardId = shard.parse().unwrap();
        let path = format!("/v1/disks/{DISK}/shards/{shard}");
        let call = |action| Endpoint::Shard(ShardCall { disk, action });
        assert_eq!(
            parse_line(Method::PUT, &path).unwrap(),
            call(ShardAction::Put(id))
        );
        assert_eq!(
            parse_line(Method::DELETE, &path).unwrap(),
            call(ShardAction::Delete(id))
        );
        let list = format!("/v1/disks/{DISK}/shards?max=5&after={shard}");
        let expected = call(ShardAction::List {
            after: Some(id),
            max: 5,
        });
        assert_eq!(parse_line(Method::GET, &list).unwrap(), expected);
        assert_eq!(
            parse_line(Method::GET, "/v1/health").unwrap(),
            Endpoint::Health
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for path in [
            "/",
            "/v1/disks/x/shards/y",
            "/v1/disks",
            "/v2/health",
            "/v1/health/x",
        ] {
            assert!(parse_line(Method::GET, path).is_err(), "{path}");
        }
        let list = format!("/v1/disks/{DISK}/shards?max=many");
        assert!(parse_line(Method::GET, &list).is_err());
        assert!(parse_line(Method::POST, &format!("/v1/disks/{DISK}/shards")).is_err());
    }
}
