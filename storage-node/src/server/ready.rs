//! Whether a node lives, and whether it can serve: for whoever starts, stops and balances processes.

use http::{Response, StatusCode};
use riquet_cluster::wire::health::ONLINE;

use super::Node;
use super::answer::{AnswerBody, document};
use super::status::disks;
use crate::config::Role;

/// The process lives.
pub(super) fn alive() -> Response<AnswerBody> {
    document(TEXT, "alive\n")
}

/// Whether it can do what it is there for.
pub(super) fn is_ready(node: &Node) -> bool {
    reasons(node).is_empty()
}

/// The same, and if not, why.
pub(super) fn ready(node: &Node) -> Response<AnswerBody> {
    let reasons = reasons(node);
    if reasons.is_empty() {
        return document(TEXT, "ready\n");
    }
    let mut answer = document(TEXT, format!("not ready\n{}\n", reasons.join("\n")));
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    answer
}

const TEXT: &str = "text/plain; charset=utf-8";

/// What keeps it from serving. A failed disk beside others that serve does not: its shards are owed, and
/// the disk is told of by an alert.
fn reasons(node: &Node) -> Vec<String> {
    let mut reasons = Vec::new();
    if node.layout.known().is_none() {
        reasons.push("no layout of the cluster is known yet".to_owned());
    }
    if node.settings.has(Role::Data) {
        let disks = disks(node);
        let serves = |state: &str| matches!(state, ONLINE | "full");
        if !disks.iter().any(|disk| serves(disk.state.as_str())) {
            reasons.push(format!("none of {} disks serves", disks.len()));
        }
    }
    if let Some(metadata) = &node.metadata {
        for group in metadata.raft.leaderless() {
            reasons.push(format!("metadata {group} has no leader"));
        }
    }
    reasons
}
