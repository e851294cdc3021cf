//! The admin API's description, `docs/admin-api.json`: made of the types and of the routes here, which are
//! each held against what is really parsed.
//!
//! `make admin-api` writes the file anew.

use bytes::Bytes;
use http::{Method, Request};
use riquet_cluster::admin as types;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::api::Call;

/// The environment variable that has the file written instead of compared.
const WRITE: &str = "RIQUET_WRITE_ADMIN_API";

/// The id that examples have.
const DISK: &str = "00000000-0000-0000-0000-000000000007";

struct Route {
    method: Method,
    path: &'static str,
    summary: &'static str,
    /// A document that is taken, and its type.
    body: Option<(Value, Schema)>,
    answer: Schema,
}

fn routes(schemas: &mut SchemaGenerator) -> Vec<Route> {
    fn of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
        schemas.subschema_for::<T>()
    }
    let changed = of::<types::Changed>(schemas);
    let ask = |path, summary, answer| Route {
        method: Method::GET,
        path,
        summary,
        body: None,
        answer,
    };
    let order = |method, path, summary, body| Route {
        method,
        path,
        summary,
        body,
        answer: changed.clone(),
    };
    let (post, put, delete) = (Method::POST, Method::PUT, Method::DELETE);
    let node = json!({"name": "toulouse-7", "site": "toulouse", "address": "10.0.1.7:7500"});
    let weight = (json!({"weight": 18000}), of::<types::NewWeight>(schemas));
    vec![
        ask(
            "/v1/status",
            "How the cluster is",
            of::<types::ClusterStatus>(schemas),
        ),
        ask(
            "/v1/layout",
            "Sites, nodes, disks and what they hold",
            of::<types::LayoutView>(schemas),
        ),
        ask(
            "/v1/layout/history",
            "What made the layouts, the newest first",
            of::<types::History>(schemas),
        ),
        order(
            post.clone(),
            "/v1/nodes",
            "A node comes; it gets its share with the next rebalance",
            Some((node, of::<types::NewNode>(schemas))),
        ),
        order(
            delete.clone(),
            "/v1/nodes/{name}",
            "A node goes, which holds nothing",
            None,
        ),
        order(
            post.clone(),
            "/v1/nodes/{name}/disks",
            "Disks of a node come",
            Some((
                json!({"disks": [{"id": DISK}]}),
                of::<types::NewDisks>(schemas),
            )),
        ),
        order(
            post.clone(),
            "/v1/nodes/{name}/drain",
            "A node is to be emptied",
            None,
        ),
        order(
            post.clone(),
            "/v1/nodes/{name}/undrain",
            "It is not to be emptied",
            None,
        ),
        order(
            put.clone(),
            "/v1/nodes/{name}/weight",
            "The share of its disks",
            Some(weight.clone()),
        ),
        order(
            post.clone(),
            "/v1/nodes/{name}/maintenance",
            "Nobody is to ask a node for anything; refused if writes would stop",
            None,
        ),
        order(
            post.clone(),
            "/v1/nodes/{name}/service",
            "It serves again",
            None,
        ),
        order(
            delete,
            "/v1/disks/{id}",
            "A disk goes, which holds nothing",
            None,
        ),
        order(
            post.clone(),
            "/v1/disks/{id}/drain",
            "A disk is to be emptied",
            None,
        ),
        order(
            post.clone(),
            "/v1/disks/{id}/undrain",
            "It is not to be emptied",
            None,
        ),
        order(
            put.clone(),
            "/v1/disks/{id}/weight",
            "Its share",
            Some(weight),
        ),
        order(
            post.clone(),
            "/v1/disks/{id}/replacement",
            "All slots of a disk move to an empty one, at once",
            Some((json!({"new": DISK}), of::<types::Replacement>(schemas))),
        ),
        ask(
            "/v1/rebalance/plan",
            "What a rebalance would do",
            of::<types::RebalancePlan>(schemas),
        ),
        ask(
            "/v1/rebalance",
            "How the rebalance stands",
            of::<types::RebalanceStatus>(schemas),
        ),
        order(
            post.clone(),
            "/v1/rebalance",
            "Begins what was planned for this layout",
            Some((
                json!({"epoch": 7, "digest": "3b5f97c628259237"}),
                of::<types::Apply>(schemas),
            )),
        ),
        order(
            post.clone(),
            "/v1/rebalance/pause",
            "Nothing moves until it is resumed",
            None,
        ),
        order(post.clone(), "/v1/rebalance/resume", "It goes on", None),
        order(
            post,
            "/v1/rebalance/abort",
            "It is given up; what was moving goes back",
            None,
        ),
        order(
            put,
            "/v1/rebalance/pace",
            "How fast, and at what hours",
            Some((
                json!({"bytes_per_second": 33554432, "windows": ["08:00-19:00=8"]}),
                of::<types::NewPace>(schemas),
            )),
        ),
    ]
}

fn example(path: &str) -> String {
    path.replace("{name}", "toulouse-7").replace("{id}", DISK)
}

fn parsed(route: &Route) -> Call {
    let request = Request::builder().method(route.method.clone());
    let request = request.uri(example(route.path)).body(()).unwrap();
    let body = route.body.as_ref().map(|(example, _)| example.to_string());
    let body = Bytes::from(body.unwrap_or_default());
    Call::parse(&request.into_parts().0, &body)
        .unwrap_or_else(|error| panic!("{} {}: {error}", route.method, route.path))
}

fn document() -> Value {
    let mut schemas = SchemaSettings::openapi3().into_generator();
    let refusal = schemas.subschema_for::<types::Refusal>();
    let mut paths: Map<String, Value> = Map::new();
    for route in routes(&mut schemas) {
        let mut parameters = Vec::new();
        for name in ["name", "id"]
            .iter()
            .filter(|name| route.path.contains(&format!("{{{name}}}")))
        {
            parameters.push(json!({
                "name": name, "in": "path", "required": true, "schema": {"type": "string"},
            }));
        }
        if route.path.ends_with("/history") {
            for name in ["before", "max"] {
                parameters.push(json!({
                    "name": name, "in": "query", "schema": {"type": "integer", "minimum": 0},
                }));
            }
        }
        let mut operation = json!({
            "summary": route.summary,
            "x-riquet-action": parsed(&route).action(),
            "parameters": parameters,
            "responses": {
                "200": {
                    "description": "Done",
                    "content": {"application/json": {"schema": route.answer}},
                },
                "default": {
                    "description": "Refused; nothing was changed",
                    "content": {"application/json": {"schema": refusal}},
                },
            },
        });
        if let Some((example, schema)) = &route.body {
            operation["requestBody"] = json!({
                "required": true,
                "content": {"application/json": {"schema": schema, "example": example}},
            });
        }
        let of_path = paths.entry(route.path).or_insert_with(|| json!({}));
        of_path[route.method.as_str().to_lowercase()] = operation;
    }
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Riquet's admin API",
            "version": "1",
            "description": "What operators ask a gateway, at its admin_listen address. Requests are signed \
                with AWS Signature Version 4 for the service riquet, by keys of the default tenant: its own \
                may do everything, its users what their policies allow (x-riquet-action, on the resource *).",
        },
        "security": [{"sigv4": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": {
                "sigv4": {
                    "type": "apiKey",
                    "name": "Authorization",
                    "in": "header",
                    "description": "AWS4-HMAC-SHA256, service riquet",
                },
            },
        },
    })
}

#[test]
fn the_description_is_the_api() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/admin-api.json");
    let text = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        there == text,
        "docs/admin-api.json is not the API: make admin-api"
    );
}

#[test]
fn every_call_is_described_once() {
    let mut schemas = SchemaSettings::openapi3().into_generator();
    let routes = routes(&mut schemas);
    let mut actions: Vec<_> = routes
        .iter()
        .map(|route| (parsed(route).action(), route.path))
        .collect();
    actions.sort_unstable();
    actions.dedup();
    assert_eq!(actions.len(), routes.len());
    // Drain, undrain and weight are of nodes and of disks.
    let mut names: Vec<_> = actions.into_iter().map(|(action, _)| action).collect();
    names.dedup();
    assert_eq!(names.len(), Call::ACTIONS);
}
