//! AssumeRoleWithWebIdentity: the bearer of an identity provider's token becomes a role for a while.
//!
//! The provider must be registered in the role's tenant, the token signed by it, meant for one of its
//! clients, and not out of date; then the role's trust policy decides, which may ask what the token
//! says. A provider registered without any client takes tokens meant for whomever: its trust policies
//! must ask.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, dangerous, decode, decode_header};
use riquet_metadata::record::{Provider, provider_name};
use riquet_s3::policy::Context;
use riquet_s3::sts::{AssumeRoleWithWebIdentity, Output, WebIdentity};
use riquet_s3::{Error as S3Error, ErrorCode};
use serde::Deserialize;
use std::collections::BTreeMap;

use super::assume::{self, Narrowing};
use crate::error::Error;
use crate::gateway::Gateway;
use crate::iam::{Registry, provider_arn};
use crate::identity::Caller;

/// What tokens may be signed with.
const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::PS256,
];

/// The most tags of a session.
const TAGS_MAX: usize = 50;

/// What a token says, as far as it counts.
#[derive(Debug, Clone, Default, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    #[serde(default)]
    aud: OneOrMany,
    azp: Option<String>,
    #[serde(default)]
    amr: OneOrMany,
    #[serde(rename = "https://aws.amazon.com/tags", default)]
    tags: Tags,
}

/// The tags that a token gives the session.
#[derive(Debug, Clone, Default, Deserialize)]
struct Tags {
    #[serde(default)]
    principal_tags: BTreeMap<String, OneOrMany>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// Answers AssumeRoleWithWebIdentity.
pub(super) async fn assume(
    gateway: &Gateway,
    caller: &Caller,
    it: &AssumeRoleWithWebIdentity,
    mut conditions: Context,
) -> Result<Output, Error> {
    // Whoever signs it too is nobody else for that.
    tracing::debug!(caller = caller.arn(), "a web identity is presented");
    let token = it.token.as_str();
    let unverified: Claims = dangerous::insecure_decode_claims(token)
        .map_err(|_| invalid("The ID Token provided is not a valid JWT."))?;
    let tags = tags_of(&unverified)?;
    let role = &it.role;
    let found = assume::find(gateway, role, &it.session_name, &tags, &mut conditions);
    // Where there is no such role, there is nobody who could trust the token.
    let trust = found.await?.ok_or_else(not_authorized)?;
    let registry = Registry::new(&gateway.metadata, trust.tenant());
    let issuer = unverified.iss.as_str();
    let provider = registry.find::<Provider>(provider_name(issuer)).await?;
    let provider = provider.filter(|provider| is_same_url(&provider.url, issuer));
    let provider = provider.ok_or_else(|| {
        invalid(&format!(
            "No OpenIDConnect provider found in your account for {issuer}"
        ))
    })?;
    let header = decode_header(token).map_err(|_| invalid("The token's header is not valid."))?;
    let key = gateway
        .issuers
        .key(&provider.url, header.kid.as_deref(), header.alg)
        .await?;
    let claims = verify(token, &key, header.alg, issuer)?;
    let audience = audience(&claims, &provider.client_ids)?;

    describe(&claims, provider.name(), &audience, &mut conditions);
    let arn = provider_arn(trust.tenant(), provider.name());
    for action in assume::actions("sts:AssumeRoleWithWebIdentity", &tags) {
        if !trust.lets_bearer(&arn, action, &conditions) {
            return Err(not_authorized().into());
        }
    }
    let narrowing = Narrowing {
        policy: it.policy.as_ref(),
        managed: &it.policy_arns,
    };
    let begin = trust.begin(gateway, &it.session_name, it.duration_s, narrowing, tags);
    let identity = WebIdentity {
        subject: claims.sub,
        provider: arn,
        audience,
    };
    Ok(Output::AssumedRoleWithWebIdentity(begin.await?, identity))
}

/// Checks signature and dates.
fn verify(
    token: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
    issuer: &str,
) -> Result<Claims, S3Error> {
    if !ALGORITHMS.contains(&algorithm) {
        return Err(invalid("The token's algorithm is not supported."));
    }
    let mut validation = Validation::new(algorithm);
    validation.validate_nbf = true;
    // Checked against the provider's clients, of which there may be none.
    validation.validate_aud = false;
    validation.set_issuer(&[issuer]);
    validation.set_required_spec_claims(&["exp", "iss", "sub"]);
    match decode::<Claims>(token, key, &validation) {
        Ok(decoded) => Ok(decoded.claims),
        Err(error) => Err(match error.kind() {
            ErrorKind::ExpiredSignature => S3Error::new(ErrorCode::ExpiredTokenException)
                .message("Token expired: current date/time must be before the expiration"),
            ErrorKind::ImmatureSignature => invalid("Token is not yet valid."),
            _ => invalid("Couldn't verify the token's signature with the provider's keys."),
        }),
    }
}

/// For whom the token is meant, of the provider's clients.
fn audience(claims: &Claims, clients: &[String]) -> Result<String, S3Error> {
    let meant = claims.aud.as_slice().iter().chain(&claims.azp);
    let mut fitting = meant.filter(|it| clients.is_empty() || clients.contains(it));
    let found = fitting.next().cloned();
    found.ok_or_else(|| invalid("Incorrect token audience"))
}

/// What a trust policy may ask about a token.
fn describe(claims: &Claims, provider: &str, audience: &str, conditions: &mut Context) {
    let mut add = |key: &str, value: &str| conditions.add(&format!("{provider}:{key}"), value);
    add("sub", &claims.sub);
    add("aud", audience);
    // Ceph's name for the same.
    add("app_id", audience);
    if let Some(azp) = &claims.azp {
        add("azp", azp);
    }
    for method in claims.amr.as_slice() {
        add("amr", method);
    }
    conditions.add("aws:FederatedProvider", provider);
}

fn tags_of(claims: &Claims) -> Result<Vec<(String, String)>, S3Error> {
    let all = claims.tags.principal_tags.iter();
    let pairs = all.flat_map(|(key, values)| {
        let values = values.as_slice().iter();
        values.map(|value| (key.clone(), value.clone()))
    });
    let tags: Vec<(String, String)> = pairs.take(TAGS_MAX + 1).collect();
    match tags.len() <= TAGS_MAX {
        true => Ok(tags),
        false => Err(invalid("The token has too many tags.")),
    }
}

/// Issuers are compared as they are written, but for a slash at the end.
fn is_same_url(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

fn invalid(message: &str) -> S3Error {
    S3Error::new(ErrorCode::InvalidIdentityToken).message(message.to_owned())
}

fn not_authorized() -> S3Error {
    S3Error::new(ErrorCode::AccessDenied)
        .message("Not authorized to perform sts:AssumeRoleWithWebIdentity")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(json: &str) -> Claims {
        serde_json::from_str(json).expect("claims")
    }

    #[test]
    fn a_token_is_meant_for_a_client() {
        let one = claims(r#"{"iss":"i","sub":"s","aud":"a"}"#);
        let many = claims(r#"{"iss":"i","sub":"s","aud":["x","a"],"azp":"z"}"#);
        let none = claims(r#"{"iss":"i","sub":"s"}"#);
        let clients = ["a".to_owned()];
        assert_eq!(audience(&one, &clients).as_deref(), Ok("a"));
        assert_eq!(audience(&many, &clients).as_deref(), Ok("a"));
        assert_eq!(audience(&many, &["z".to_owned()]).as_deref(), Ok("z"));
        assert_eq!(audience(&many, &[]).as_deref(), Ok("x"));
        for (claims, clients) in [
            (&one, &["b".to_owned()][..]),
            (&none, &clients),
            (&none, &[]),
        ] {
            let error = audience(claims, clients).expect_err("for nobody");
            assert_eq!(error.code(), ErrorCode::InvalidIdentityToken);
        }
    }

    #[test]
    fn tags_of_a_token_are_taken_one_by_one_and_few() {
        let it = claims(
            r#"{"iss":"i","sub":"s","https://aws.amazon.com/tags":
                {"principal_tags":{"a":["1","2"],"b":"3"},"transitive_tag_keys":["a"]}}"#,
        );
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            tags_of(&it),
            Ok(vec![pair("a", "1"), pair("a", "2"), pair("b", "3")])
        );
        let values = vec!["1".to_owned(); TAGS_MAX + 1];
        let tags = Tags {
            principal_tags: [("a".to_owned(), OneOrMany::Many(values))].into(),
        };
        let it = Claims { tags, ..it };
        assert!(tags_of(&it).is_err());
    }
}
