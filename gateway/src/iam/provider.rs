//! OpenID Connect providers whose word about their users counts.

use riquet_metadata::record::Provider;
use riquet_s3::arn::ProviderArn;
use riquet_s3::iam::{
    self, AddClientIDToOpenIDConnectProvider, CLIENT_IDS_MAX, ClientId,
    CreateOpenIDConnectProvider, DeleteOpenIDConnectProvider, GetOpenIDConnectProvider, Output,
    RemoveClientIDFromOpenIDConnectProvider, Thumbprint, UpdateOpenIDConnectProviderThumbprint,
    quota,
};
use riquet_s3::{Error as S3Error, ErrorCode};

use super::entity::{created_ms, provider_arn, show_tags, stored_tags};
use super::registry::{Registry, limit};
use crate::convert::moment;
use crate::error::Error;

pub(super) async fn create(
    registry: Registry<'_>,
    it: &CreateOpenIDConnectProvider,
) -> Result<Output, Error> {
    let provider = Provider {
        tenant: registry.tenant.id.clone(),
        url: it.url.as_str().to_owned(),
        client_ids: it.client_ids.iter().map(text_of_client).collect(),
        thumbprints: it.thumbprints.iter().map(text_of_thumbprint).collect(),
        tags: stored_tags(&it.tags),
        created_ms: created_ms(),
    };
    let arn = provider_arn(registry.tenant, it.url.without_scheme());
    registry.create(provider, quota::PROVIDERS_MAX).await?;
    Ok(Output::ProviderCreated(arn, it.tags.clone()))
}

pub(super) async fn get(
    registry: Registry<'_>,
    it: &GetOpenIDConnectProvider,
) -> Result<Output, Error> {
    let provider: Provider = registry.get(name(registry, &it.provider_arn)?).await?;
    Ok(Output::Provider(iam::Provider {
        url: provider.url,
        client_ids: provider.client_ids,
        thumbprints: provider.thumbprints,
        create_date: moment(provider.created_ms),
        tags: show_tags(&provider.tags),
    }))
}

pub(super) async fn delete(
    registry: Registry<'_>,
    it: &DeleteOpenIDConnectProvider,
) -> Result<Output, Error> {
    let name = name(registry, &it.provider_arn)?;
    registry.remove::<Provider>(name).await?;
    Ok(Output::Done)
}

pub(super) async fn list(registry: Registry<'_>) -> Result<Output, Error> {
    let providers: Vec<Provider> = registry.all().await?;
    let arns = providers
        .iter()
        .map(|it| provider_arn(registry.tenant, it.name()));
    Ok(Output::Providers(arns.collect()))
}

pub(super) async fn add_client(
    registry: Registry<'_>,
    it: &AddClientIDToOpenIDConnectProvider,
) -> Result<Output, Error> {
    let client = text_of_client(&it.client_id);
    let change = |provider: &mut Provider| {
        if provider.client_ids.contains(&client) {
            return Ok(());
        }
        if provider.client_ids.len() >= CLIENT_IDS_MAX {
            return Err(limit(format!(
                "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {CLIENT_IDS_MAX}"
            )));
        }
        provider.client_ids.push(client.clone());
        Ok(())
    };
    registry
        .edit(name(registry, &it.provider_arn)?, change)
        .await?;
    Ok(Output::Done)
}

pub(super) async fn remove_client(
    registry: Registry<'_>,
    it: &RemoveClientIDFromOpenIDConnectProvider,
) -> Result<Output, Error> {
    let change = |provider: &mut Provider| {
        provider.client_ids.retain(|id| id != it.client_id.as_str());
        Ok(())
    };
    registry
        .edit(name(registry, &it.provider_arn)?, change)
        .await?;
    Ok(Output::Done)
}

pub(super) async fn set_thumbprints(
    registry: Registry<'_>,
    it: &UpdateOpenIDConnectProviderThumbprint,
) -> Result<Output, Error> {
    let change = |provider: &mut Provider| {
        provider.thumbprints = it.thumbprints.iter().map(text_of_thumbprint).collect();
        Ok(())
    };
    registry
        .edit(name(registry, &it.provider_arn)?, change)
        .await?;
    Ok(Output::Done)
}

/// What names a provider of the tenant.
fn name<'a>(registry: Registry<'_>, arn: &'a ProviderArn) -> Result<&'a str, S3Error> {
    let (account, tenant) = (&arn.arn().account, registry.tenant);
    match *account == tenant.id || *account == tenant.name {
        true => Ok(arn.url()),
        false => Err(S3Error::new(ErrorCode::NoSuchEntity)
            .message(format!("OpenIDConnect Provider not found for arn {arn}"))),
    }
}

fn text_of_client(id: &ClientId) -> String {
    id.as_str().to_owned()
}

fn text_of_thumbprint(thumbprint: &Thumbprint) -> String {
    thumbprint.as_str().to_owned()
}
