//! The admin API: requests as types, who may make them, and what answers them. See
//! `riquet_cluster::admin` for what is asked and answered.

use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use riquet_cluster::admin::{Apply, NewDisks, NewNode, NewPace, NewWeight, Replacement};
use riquet_cluster::id::{DiskId, Epoch};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::AdminError;
use super::{authority, changes, layout, plan, status};
use crate::gateway::Gateway;

/// Bytes of a request's document, at most: a node with hundreds of disks.
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// How long a request's document may take to come.
const DOCUMENT_WAIT: Duration = Duration::from_secs(10);

/// Layouts in one page of the history, at most.
const MAX_HISTORY: u32 = 1000;

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    Status,
    Layout,
    History { before: Option<Epoch>, max: u32 },
    AddNode(NewNode),
    AddDisks(String, NewDisks),
    RemoveNode(String),
    RemoveDisk(DiskId),
    Drain(Subject),
    Undrain(Subject),
    Weight(Subject, NewWeight),
    Replace(DiskId, Replacement),
    Maintenance(String),
    Service(String),
    Plan,
    Rebalance,
    Apply(Apply),
    Pause,
    Resume,
    Abort,
    Pace(NewPace),
}

/// Which disks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// All of a node.
    Node(String),
    /// One.
    Disk(DiskId),
}

/// Answers a request.
pub(super) async fn answer(gateway: &Gateway, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_DOCUMENT_BYTES).collect();
    let outcome = match tokio::time::timeout(DOCUMENT_WAIT, body).await {
        Ok(Ok(body)) => run(gateway, &head, &body.to_bytes()).await,
        Ok(Err(_)) | Err(_) => Err(AdminError::Malformed(
            "the document is too long, or did not come".into(),
        )),
    };
    match outcome {
        Ok(document) => json(StatusCode::OK, &document),
        Err(error) => {
            tracing::debug!(method = %head.method, path = head.uri.path(), %error, "refused");
            json(error.status(), &error.to_refusal())
        }
    }
}

async fn run(
    gateway: &Gateway,
    head: &Parts,
    body: &Bytes,
) -> Result<serde_json::Value, AdminError> {
    let caller = authority::sign_in(gateway, head, body).await?;
    let call = Call::parse(head, body)?;
    authority::authorize(&caller, head, call.action())?;
    let by = caller.arn().unwrap_or_default();
    let document = match call {
        Call::Status => value(&status::status(gateway).await?),
        Call::Layout => value(&layout::view(gateway).await?),
        Call::History { before, max } => value(&layout::history(gateway, before, max).await?),
        Call::Plan => value(&plan::of_present_layout(gateway).await?),
        Call::Rebalance => value(&status::rebalance(gateway).await?),
        change => value(&changes::make(gateway, &by, change).await?),
    };
    Ok(document)
}

impl Call {
    /// How many names [`Self::action`] has.
    #[cfg(test)]
    pub(super) const ACTIONS: usize = 20;

    pub(super) fn parse(head: &Parts, body: &Bytes) -> Result<Self, AdminError> {
        let path = head.uri.path();
        let segments: Vec<String> = path
            .trim_start_matches('/')
            .split('/')
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let ["v1", rest @ ..] = &segments[..] else {
            return Err(AdminError::NoSuchPath);
        };
        let node = |name: &str| Subject::Node(name.to_owned());
        let get = head.method == Method::GET;
        let (post, put) = (head.method == Method::POST, head.method == Method::PUT);
        let delete = head.method == Method::DELETE;
        Ok(match rest {
            ["status"] if get => Self::Status,
            ["layout"] if get => Self::Layout,
            ["layout", "history"] if get => page(head.uri.query().unwrap_or_default())?,
            ["nodes"] if post => Self::AddNode(document(body)?),
            ["nodes", name] if delete => Self::RemoveNode((*name).to_owned()),
            ["nodes", name, "disks"] if post => Self::AddDisks((*name).to_owned(), document(body)?),
            ["nodes", name, "drain"] if post => Self::Drain(node(name)),
            ["nodes", name, "undrain"] if post => Self::Undrain(node(name)),
            ["nodes", name, "weight"] if put => Self::Weight(node(name), document(body)?),
            ["nodes", name, "maintenance"] if post => Self::Maintenance((*name).to_owned()),
            ["nodes", name, "service"] if post => Self::Service((*name).to_owned()),
            ["disks", id] if delete => Self::RemoveDisk(disk(id)?),
            ["disks", id, "drain"] if post => Self::Drain(Subject::Disk(disk(id)?)),
            ["disks", id, "undrain"] if post => Self::Undrain(Subject::Disk(disk(id)?)),
            ["disks", id, "weight"] if put => {
                Self::Weight(Subject::Disk(disk(id)?), document(body)?)
            }
            ["disks", id, "replacement"] if post => Self::Replace(disk(id)?, document(body)?),
            ["rebalance", "plan"] if get => Self::Plan,
            ["rebalance"] if get => Self::Rebalance,
            ["rebalance"] if post => Self::Apply(document(body)?),
            ["rebalance", "pause"] if post => Self::Pause,
            ["rebalance", "resume"] if post => Self::Resume,
            ["rebalance", "abort"] if post => Self::Abort,
            ["rebalance", "pace"] if put => Self::Pace(document(body)?),
            _ => return Err(AdminError::NoSuchPath),
        })
    }

    /// What policies call it.
    pub(super) fn action(&self) -> &'static str {
        match self {
            Self::Status => "riquet:GetStatus",
            Self::Layout => "riquet:GetLayout",
            Self::History { .. } => "riquet:GetLayoutHistory",
            Self::AddNode(_) => "riquet:AddNode",
            Self::AddDisks(..) => "riquet:AddDisks",
            Self::RemoveNode(_) => "riquet:RemoveNode",
            Self::RemoveDisk(_) => "riquet:RemoveDisk",
            Self::Drain(_) => "riquet:Drain",
            Self::Undrain(_) => "riquet:Undrain",
            Self::Weight(..) => "riquet:SetWeight",
            Self::Replace(..) => "riquet:ReplaceDisk",
            Self::Maintenance(_) => "riquet:BeginMaintenance",
            Self::Service(_) => "riquet:EndMaintenance",
            Self::Plan => "riquet:PlanRebalance",
            Self::Rebalance => "riquet:GetRebalance",
            Self::Apply(_) => "riquet:ApplyRebalance",
            Self::Pause => "riquet:PauseRebalance",
            Self::Resume => "riquet:ResumeRebalance",
            Self::Abort => "riquet:AbortRebalance",
            Self::Pace(_) => "riquet:SetPace",
        }
    }
}

fn page(query: &str) -> Result<Call, AdminError> {
    let malformed = |what: &str| AdminError::Malformed(format!("{what} is a number"));
    let (mut before, mut max) = (None, MAX_HISTORY);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("before", text)) => {
                let epoch = text.parse().map_err(|_| malformed("before"))?;
                before = Some(Epoch(epoch));
            }
            Some(("max", text)) => max = text.parse().map_err(|_| malformed("max"))?,
            _ => return Err(AdminError::Malformed(format!("unknown parameter {pair}"))),
        }
    }
    Ok(Call::History {
        before,
        max: max.clamp(1, MAX_HISTORY),
    })
}

fn disk(text: &str) -> Result<DiskId, AdminError> {
    text.parse()
        .map_err(|_| AdminError::Malformed(format!("{text:?} is no id of a disk")))
}

fn document<T: DeserializeOwned>(body: &Bytes) -> Result<T, AdminError> {
    serde_json::from_slice(body).map_err(|error| AdminError::Malformed(error.to_string()))
}

fn value(document: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(document).expect("texts and numbers")
}

fn json(status: StatusCode, document: &impl Serialize) -> Response<Full<Bytes>> {
    let text = serde_json::to_vec(document).expect("texts and numbers");
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: Method, path: &str, body: &'static str) -> Result<Call, AdminError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(())
            .unwrap();
        Call::parse(
            &request.into_parts().0,
            &Bytes::from_static(body.as_bytes()),
        )
    }

    #[test]
    fn calls_are_read_and_nonsense_is_refused() {
        let disk = "00000000-0000-0000-0000-000000000007";
        assert_eq!(parse(Method::GET, "/v1/status", "").unwrap(), Call::Status);
        assert_eq!(
            parse(Method::POST, "/v1/nodes/a%20b/drain", "").unwrap(),
            Call::Drain(Subject::Node("a b".into()))
        );
        assert_eq!(
            parse(
                Method::PUT,
                &format!("/v1/disks/{disk}/weight"),
                r#"{"weight":3}"#
            )
            .unwrap(),
            Call::Weight(Subject::Disk(DiskId::from_u128(7)), NewWeight { weight: 3 })
        );
        assert_eq!(
            parse(Method::GET, "/v1/layout/history?before=7&max=9999999", "").unwrap(),
            Call::History {
                before: Some(Epoch(7)),
                max: MAX_HISTORY
            }
        );
        for (method, path, body) in [
            (Method::POST, "/v1/status", ""),
            (Method::GET, "/v2/status", ""),
            (Method::GET, "/v1/layout/history?max=x", ""),
            (Method::GET, "/v1/layout/history?most=1", ""),
            (Method::POST, "/v1/nodes", "{}"),
            (
                Method::POST,
                "/v1/nodes",
                r#"{"name":"a","site":"b","address":"c","more":1}"#,
            ),
            (Method::POST, "/v1/disks/x/drain", ""),
            (Method::PUT, "/v1/nodes/a/weight", r#"{"weight":-1}"#),
            (
                Method::PUT,
                "/v1/rebalance/pace",
                r#"{"windows":["8-9=1"]}"#,
            ),
        ] {
            assert!(parse(method, path, body).is_err(), "{path} {body}");
        }
    }
}
