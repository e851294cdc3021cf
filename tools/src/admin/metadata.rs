//! `riquet metadata`: how the groups are; their records in a file and back.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::rebuild::{self, RebuildArgs};
use super::{ClusterArgs, backup, status};
use crate::error::Error;

#[derive(Debug, Args)]
pub(crate) struct MetadataArgs {
    #[command(subcommand)]
    pub(crate) command: MetadataCommand,

    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MetadataCommand {
    /// Show who leads each group, and whether its voters keep up
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a backup of all metadata to FILE, while the cluster is in use
    ///
    /// FILE holds the access keys' secrets, sealed, and is readable by its owner only.
    Export {
        /// The file to be made; there must be none
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Restore all metadata from FILE into a cluster that never had a bucket
    ///
    /// The cluster is out of service meanwhile. Objects made after the backup are not in it; those
    /// deleted after it are listed again, though their data may be gone. An import that ended early
    /// is completed by running it again.
    Import {
        /// The backup
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Find objects again by what their shards say of them: the last resort without a backup
    ///
    /// For a cluster whose metadata is lost in part or as a whole and whose storage nodes are not.
    /// Objects of at most 4 KiB, content types and user metadata are lost, deleted objects may come
    /// back. Nothing that the metadata has is replaced.
    Rebuild(RebuildArgs),
    /// Check every byte of the backup FILE, and tell what is in it
    Verify {
        /// The backup
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs one `riquet metadata` command.
pub(crate) async fn run(args: MetadataArgs) -> Result<(), Error> {
    match args.command {
        MetadataCommand::Status { json } => status::run(&args.cluster.client()?, json).await,
        MetadataCommand::Export { file, json } => {
            backup::export(&args.cluster.client()?, &file, json).await
        }
        MetadataCommand::Import { file, json } => {
            backup::import(&args.cluster.client()?, &file, json).await
        }
        MetadataCommand::Rebuild(options) => Box::pin(rebuild::run(&args.cluster, &options)).await,
        MetadataCommand::Verify { file, json } => backup::verify(&file, json),
    }
}
