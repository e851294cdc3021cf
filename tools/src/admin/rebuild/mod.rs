//! `riquet metadata rebuild --from-shards`: objects found again by what their shards say of them.

mod blobs;
mod catalogue;
mod report;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use clap::Args;
use futures_util::StreamExt;
use riquet_cluster::layout::Layout;
use riquet_cluster::node_client::NodeClient;
use riquet_cluster::transport::Transport;
use riquet_metadata::command::{RecoverBucket, RecoverObject};
use riquet_metadata::id::BucketId;
use riquet_metadata::limits::CLOCK_SKEW_MS;
use riquet_metadata::record::{
    self, BlobRef, Bucket, ETag, Identity, IdentityAlias, IdentityKind, ObjectBody, ObjectVersion,
    Part, StorageClass,
};
use riquet_metadata::{BucketFate, Client, ObjectKey, Recovered};

use super::{ClusterArgs, confirm};
use crate::error::Error;
use blobs::{Blob, Gathering};
use catalogue::{Catalogue, Chosen, Content, Name};
use report::{BucketReport, Report};

/// Objects that are stored at the same time.
const CONCURRENCY: usize = 32;
/// Region of buckets that are made anew.
const REGION: &str = "us-east-1";
/// Accounts of which the first is looked for.
const USERS: u32 = 1000;

#[derive(Debug, Args)]
pub(crate) struct RebuildArgs {
    /// Ask all storage nodes for their shards
    #[arg(long, required = true)]
    pub(crate) from_shards: bool,
    /// Only report what is found
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Don't ask before objects are stored
    #[arg(long)]
    pub(crate) yes: bool,
    /// Go on although disks of the layout don't answer
    #[arg(long)]
    pub(crate) without_silent_disks: bool,
    /// Name of a bucket that the metadata does not have; also recovers one that was deleted
    /// [default: recovered-ID]
    #[arg(long = "name", value_name = "ID=NAME", value_parser = parse_name)]
    pub(crate) names: Vec<(u64, String)>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn parse_name(text: &str) -> Result<(u64, String), String> {
    let (id, name) = text.split_once('=').ok_or("one looks like 7=name")?;
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = (3..=63).contains(&name.len())
        && name.chars().all(|c| is_plain(c) || "-.".contains(c))
        && name.starts_with(is_plain)
        && name.ends_with(is_plain);
    if !fits {
        return Err(format!("{name:?} is no name of a bucket"));
    }
    let id = id.parse().map_err(|_| format!("{id:?} is no number"))?;
    Ok((id, name.to_owned()))
}

/// What is not brought back, told before anything is done.
const WARNING: &str = "\
This is the last resort, for a cluster without a backup of its metadata. It stores an object for each
key of which a bucket's shards are found, and replaces nothing that the metadata has. Not recovered:
  objects of at most 4 KiB, and the keys of encrypted ones, which only the metadata held;
  content types, user metadata, checksums; ETags are made up (of the form ID-N);
  accounts, names and owners of buckets, and uploads in progress as such.
What comes back though it should not: objects whose shards were not collected yet when they were
deleted, and uploads that were not completed but have all parts up to some number.";

pub(crate) async fn run(cluster: &ClusterArgs, args: &RebuildArgs) -> Result<(), Error> {
    let client = cluster.client()?;
    let state = client.cluster().await?;
    let nodes = NodeClient::new(Transport::tcp(), state.cluster);
    let mut report = Report::default();
    let chosen = find(&state.layout, &nodes, &mut report).await;
    let plan = plan(&client, args, chosen, &mut report).await?;
    if args.dry_run {
        return report.print(args.json);
    }
    if !report.silent_disks.is_empty() && !args.without_silent_disks {
        report.print(args.json)?;
        let silent = report.silent_disks.len();
        return Err(Error::SilentDisks { silent });
    }
    if !args.yes {
        eprintln!("{WARNING}\n");
        eprintln!("{}", report.text());
        confirm("yes")?;
    }
    store(&client, &state.layout, plan, &mut report).await?;
    report.print(args.json)
}

/// What each key's object is, by the shards of all disks.
async fn find(layout: &Layout, nodes: &NodeClient, report: &mut Report) -> Vec<(Name, Chosen)> {
    let mut catalogue = Catalogue::default();
    let mut gathering: Option<Gathering> = None;
    let (mut whole, mut partial) = (0, 0);
    let mut finish = |gathering: Gathering| {
        let gathered = gathering.finish();
        match gathered.blob {
            Ok(_) => whole += 1,
            Err(_) => partial += 1,
        }
        catalogue.add(gathered);
    };
    let scanned = scan::scan(layout, nodes, |shard| match &mut gathering {
        Some(present) if present.takes(&shard) => present.add(&shard),
        present => {
            if let Some(done) = present.replace(Gathering::begin(layout, &shard)) {
                finish(done);
            }
        }
    })
    .await;
    gathering.into_iter().for_each(&mut finish);
    report.disks = scanned.disks;
    report.shards = scanned.shards;
    report.damaged_shards = scanned.damaged;
    let silent = scanned.silent.into_iter();
    report.silent_disks = silent.map(|(id, why)| format!("{id}: {why}")).collect();
    (report.whole_blobs, report.partial_blobs) = (whole, partial);
    catalogue.into_chosen().collect()
}

/// A bucket to be filled.
struct Plan {
    id: BucketId,
    present: Option<Box<Bucket>>,
    name: String,
    created_ms: u64,
    objects: Vec<(Vec<u8>, Content)>,
}

/// What is to be stored where, by ascending buckets: the numbers of those that are made rise, so that
/// one which is not there, and whose number is not above all, was deleted.
async fn plan(
    client: &Client,
    args: &RebuildArgs,
    chosen: Vec<(Name, Chosen)>,
    report: &mut Report,
) -> Result<Vec<Plan>, Error> {
    let mut buckets: BTreeMap<u64, Vec<(Vec<u8>, Content)>> = BTreeMap::new();
    for ((bucket, key), chosen) in chosen {
        if let Some(why) = chosen.fault {
            report.note_lost(bucket, &key, why, chosen.content.is_some());
        }
        if let Some(content) = chosen.content {
            buckets.entry(bucket).or_default().push((key, content));
        }
    }
    let mut plans = Vec::new();
    for (number, mut objects) in buckets {
        let id = BucketId(number);
        let fate = client.bucket_fate(id).await?;
        let given = args.names.iter().find(|(id, _)| *id == number);
        let given = given.map(|(_, name)| name.clone());
        let mut told = BucketReport::new(number, &objects);
        let first_ms = objects
            .iter()
            .map(|(_, content)| content.written_ms())
            .min();
        let (name, present, created_ms) = match fate {
            BucketFate::Exists(bucket) => {
                // A number that was given twice, to a bucket of a lost control group before.
                let before = objects.len();
                let is_ours = |written_ms: u64| written_ms + CLOCK_SKEW_MS >= bucket.created_ms;
                objects.retain(|(_, content)| is_ours(content.written_ms()));
                told.exists(&bucket.name, (before - objects.len()) as u64);
                (bucket.name.clone(), Some(bucket), 0)
            }
            BucketFate::Gone if given.is_none() => {
                report.buckets.push(told);
                continue;
            }
            BucketFate::Gone | BucketFate::Unknown => {
                let name = given.unwrap_or_else(|| format!("recovered-{number}"));
                told.recovered(&name);
                (name, None, first_ms.unwrap_or_default())
            }
        };
        report.buckets.push(told);
        for (_, content) in &objects {
            report.count(content);
        }
        plans.push(Plan {
            id,
            present,
            name,
            created_ms,
            objects,
        });
    }
    Ok(plans)
}

/// Whose the buckets are from now on: the first user of the default tenant that owns what it makes, or
/// else the tenant. The tenant's id, and the owner's canonical id.
async fn heir(client: &Client) -> Result<(String, String), Error> {
    let default = IdentityAlias::TenantName(String::new());
    let found = client.identity_known_as(default).await?;
    let tenant = found
        .ok_or(riquet_metadata::Error::NotBootstrapped)?
        .identity
        .name()
        .name;
    let users = client.identities(IdentityKind::User, &tenant, None, USERS);
    let (users, _) = users.await?;
    let owners = users.into_iter().filter_map(|user| match user.identity {
        Identity::User(user) => Some((user.created_ms, user.canonical_id?)),
        _ => None,
    });
    let first = owners.min_by_key(|(created_ms, _)| *created_ms);
    let owner = first.map_or_else(|| tenant.clone(), |(_, owner)| owner);
    Ok((tenant, owner))
}

async fn store(
    client: &Client,
    layout: &Layout,
    plans: Vec<Plan>,
    report: &mut Report,
) -> Result<(), Error> {
    let (tenant, owner) = heir(client).await?;
    let mut ready = Vec::new();
    for plan in plans {
        let bucket = match plan.present {
            Some(bucket) => *bucket,
            None => {
                let made = client.recover_bucket(RecoverBucket {
                    id: plan.id,
                    name: plan.name.clone(),
                    owner: owner.clone(),
                    tenant: tenant.clone(),
                    region: REGION.to_owned(),
                    created_ms: plan.created_ms,
                });
                made.await?
            }
        };
        if bucket.id != plan.id {
            return Err(Error::BucketNameTaken { name: plan.name });
        }
        ready.push((bucket, plan.objects));
    }
    for (bucket, objects) in ready {
        client.recover_tablets(&bucket).await?;
        let bucket = &bucket;
        let stores = objects.into_iter().map(|(key, content)| {
            let object = object(layout, bucket, key, content);
            async move { client.recover_object(bucket, object).await }
        });
        let mut stores = futures_util::stream::iter(stores).buffer_unordered(CONCURRENCY);
        while let Some(recovered) = stores.next().await {
            match recovered? {
                Recovered::Stored => report.stored += 1,
                Recovered::Present => report.present += 1,
                Recovered::Known => report.known += 1,
            }
        }
    }
    Ok(())
}

/// The object that a key's blobs make. Its tag can't be taken for an MD5.
fn object(layout: &Layout, bucket: &Bucket, key: Vec<u8>, content: Content) -> RecoverObject {
    let modified_ms = content.written_ms();
    let mut blobs = content.blobs();
    let first = blobs.next().expect("an object that was chosen has a blob");
    let count = 1 + blobs.count();
    let etag = tag(
        first,
        u32::try_from(count).expect("part numbers end at 10,000"),
    );
    let is_one_zone = layout.one_zone.contains(&first.profile);
    let storage_class = match is_one_zone {
        true => StorageClass::OneZoneIa,
        false => StorageClass::Standard,
    };
    let content = match content {
        Content::Object(blob) => record::Content::Blobs(vec![blob_ref(layout, blob)]),
        Content::Parts(parts) => {
            let parts = parts.into_iter().map(|(number, blob)| Part {
                number: number.into(),
                size_bytes: blob.length_bytes,
                etag: tag(&blob, 1),
                checksums: Vec::new(),
                modified_ms: blob.written_ms,
                salt: None,
                content: record::Content::Blobs(vec![blob_ref(layout, blob)]),
            });
            record::Content::Parts(parts.collect())
        }
    };
    let owner = bucket.owner.clone();
    let mut version = ObjectVersion::proposed(etag, storage_class, owner, ObjectBody::of(content));
    version.head.modified_ms = modified_ms;
    let key = ObjectKey::from(key);
    RecoverObject { key, version }
}

fn tag(blob: &Blob, parts: u32) -> ETag {
    ETag {
        md5: blob.id.to_bytes(),
        parts: Some(parts),
    }
}

fn blob_ref(layout: &Layout, blob: Blob) -> BlobRef {
    let profile = layout.profile(blob.profile);
    let profile = profile.expect("a blob of an unknown profile is not whole");
    BlobRef {
        id: blob.id,
        length_bytes: blob.length_bytes,
        profile: blob.profile,
        chunk_size_bytes: profile.chunk_size,
        epochs: blob.epochs.into(),
    }
}
