//! Background work, as operators see it and ask for it.

use std::time::Duration;

use http::{HeaderMap, Response};
use riquet_cluster::id::DiskId;
use riquet_cluster::wire::shard::ErrorCode;
use riquet_cluster::wire::upkeep::{DiskUpkeep, JobKind, RunNumber, UpkeepReport};

use super::Node;
use super::answer::{AnswerBody, Refusal, document};

/// How the work on each disk stands.
pub(super) fn report(node: &Node) -> Response<AnswerBody> {
    let of_disk = |(disk, upkeep): (&DiskId, &crate::upkeep::Upkeep)| DiskUpkeep {
        disk: *disk,
        jobs: JobKind::ALL
            .into_iter()
            .map(|kind| (kind, upkeep.job(kind).report()))
            .collect(),
        moves: upkeep.moves.report(),
    };
    let report = UpkeepReport {
        disks: node.upkeep.iter().map(of_disk).collect(),
        repair: node.repaired.report(),
    };
    cbor(&report)
}

/// Begins a run of a job on a disk.
pub(super) fn begin(
    node: &Node,
    headers: &HeaderMap,
    disk: DiskId,
    job: JobKind,
    older_than: Duration,
) -> Result<Response<AnswerBody>, Refusal> {
    node.layout.check_cluster(headers)?;
    let upkeep = node
        .upkeep
        .get(&disk)
        .ok_or_else(|| Refusal::new(ErrorCode::DiskUnavailable, "no such disk on this node"))?;
    let run = upkeep.job(job).ask(older_than);
    Ok(cbor(&RunNumber { run }))
}

fn cbor(value: &impl minicbor::Encode<()>) -> Response<AnswerBody> {
    let bytes = minicbor::to_vec(value).expect("encoding into memory does not fail");
    document("application/cbor", bytes)
}
