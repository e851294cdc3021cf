//! OpenID Connect providers, whose tokens can be exchanged for a role's credentials.

use http::Uri;

use super::input::inputs;
use super::{ClientId, Target, Thumbprint};
use crate::arn::ProviderArn;
use crate::aws_query::{Tag, Value, check_length};
use crate::error::{Error, ErrorCode, Result};

/// The most client ids of a provider.
pub const CLIENT_IDS_MAX: usize = 100;

/// The most thumbprints of a provider.
pub const THUMBPRINTS_MAX: usize = 5;

/// The longest URL of a provider.
const URL_CHARS_MAX: usize = 255;

/// Where a provider is: what its tokens name as their issuer.
///
/// `https`, or `http` for trying things out: whether keys that come in the clear are believed is for
/// whoever asks for them to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderUrl(String);

impl ProviderUrl {
    /// The whole URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL without its scheme, which names the provider in ARNs and condition keys.
    #[must_use]
    pub fn without_scheme(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, rest)| rest)
    }
}

impl Value for ProviderUrl {
    fn read(name: &'static str, text: String) -> Result<Self> {
        check_length(name, &text, 1, URL_CHARS_MAX)?;
        if is_provider(&text) {
            return Ok(Self(text));
        }
        Err(Error::new(ErrorCode::ValidationError).message("Invalid Open ID Connect Provider URL"))
    }
}

fn is_provider(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    let is_url = match (uri.scheme_str(), uri.host()) {
        (Some("https" | "http"), Some(host)) => !host.is_empty(),
        _ => false,
    };
    let has_user = uri.authority().is_some_and(|it| it.as_str().contains('@'));
    is_url && !has_user && uri.query().is_none() && !text.contains('#')
}

inputs! {
    CreateOpenIDConnectProvider {
        url: ProviderUrl = required("Url"),
        client_ids: Vec<ClientId> = list("ClientIDList", CLIENT_IDS_MAX),
        thumbprints: Vec<Thumbprint> = list("ThumbprintList", THUMBPRINTS_MAX),
        tags: Vec<Tag> = tags("Tags"),
    } => |it| Target::NewProvider(&it.url);

    GetOpenIDConnectProvider {
        provider_arn: ProviderArn = required("OpenIDConnectProviderArn"),
    } => |it| Target::Provider(&it.provider_arn);

    DeleteOpenIDConnectProvider {
        provider_arn: ProviderArn = required("OpenIDConnectProviderArn"),
    } => |it| Target::Provider(&it.provider_arn);

    ListOpenIDConnectProviders {} => |_| Target::Everything;

    AddClientIDToOpenIDConnectProvider {
        provider_arn: ProviderArn = required("OpenIDConnectProviderArn"),
        client_id: ClientId = required("ClientID"),
    } => |it| Target::Provider(&it.provider_arn);

    RemoveClientIDFromOpenIDConnectProvider {
        provider_arn: ProviderArn = required("OpenIDConnectProviderArn"),
        client_id: ClientId = required("ClientID"),
    } => |it| Target::Provider(&it.provider_arn);

    UpdateOpenIDConnectProviderThumbprint {
        provider_arn: ProviderArn = required("OpenIDConnectProviderArn"),
        thumbprints: Vec<Thumbprint> = required_list("ThumbprintList", THUMBPRINTS_MAX),
    } => |it| Target::Provider(&it.provider_arn);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_urls_of_hosts() {
        for (text, without_scheme) in [
            ("https://server.example.com", "server.example.com"),
            (
                "https://a.b:8443/auth/realms/demo",
                "a.b:8443/auth/realms/demo",
            ),
            (
                "http://localhost:8180/auth/realms/demo",
                "localhost:8180/auth/realms/demo",
            ),
            ("http://[::1]:80/", "[::1]:80/"),
            ("http://x/y/example.com", "x/y/example.com"),
        ] {
            let url = ProviderUrl::read("Url", text.to_owned()).unwrap();
            assert_eq!((url.as_str(), url.without_scheme()), (text, without_scheme));
        }
        for text in [
            "",
            "server.example.com",
            "https://",
            "https://user@a.b",
            "https://a.b/?x=1",
            "https://a.b/#x",
            "ftp://a.b",
            "https://a b",
            &format!("https://{}", "a".repeat(255)),
        ] {
            let error = ProviderUrl::read("Url", text.to_owned()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::ValidationError, "{text}");
        }
    }
}
