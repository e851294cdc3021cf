//! `DIR/env`: the lines that point S3 clients at the cluster, and the ones printed to people.

use super::config::REGION;
use super::credentials::Credentials;
use super::folder::Folder;
use super::topology::{ARBITER, DATA_SITES, Topology};
use crate::error::Error;
use crate::files::{self, Readers, shell_quote};

/// Writes `DIR/env`, readable by its owner only: it holds the secret key.
pub(crate) fn write(
    folder: &Folder,
    topology: &Topology,
    credentials: &Credentials,
) -> Result<(), Error> {
    let text = render(folder, topology, credentials);
    files::replace(&folder.environment_file(), &text, Readers::Owner)
}

fn render(folder: &Folder, topology: &Topology, credentials: &Credentials) -> String {
    let endpoint = |site| topology.endpoint(site).unwrap_or_default();
    let [first, second] = DATA_SITES;
    // The admin API will listen there; today it is the metadata node's internal address.
    let admin = topology
        .metadata(ARBITER)
        .first()
        .cloned()
        .unwrap_or_default();
    let dir = folder.root().to_string_lossy().into_owned();
    let lines = [
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id.clone()),
        (
            "AWS_SECRET_ACCESS_KEY",
            credentials.secret_access_key.clone(),
        ),
        ("AWS_REGION", REGION.into()),
        ("AWS_DEFAULT_REGION", REGION.into()),
        ("AWS_ENDPOINT_URL", endpoint(first)),
        ("RIQUET_ENDPOINT_TOULOUSE", endpoint(first)),
        ("RIQUET_ENDPOINT_MONTPELLIER", endpoint(second)),
        ("RIQUET_ADMIN_URL", format!("http://{admin}")),
        ("RIQUET_METADATA", topology.metadata(ARBITER).join(",")),
        ("RIQUET_DIR", dir),
        // A ready-made remote, `riquet:`.
        ("RCLONE_CONFIG_RIQUET_TYPE", "s3".into()),
        ("RCLONE_CONFIG_RIQUET_PROVIDER", "Other".into()),
        ("RCLONE_CONFIG_RIQUET_ENV_AUTH", "true".into()),
        ("RCLONE_CONFIG_RIQUET_REGION", REGION.into()),
        ("RCLONE_CONFIG_RIQUET_ENDPOINT", endpoint(first)),
    ];
    lines
        .iter()
        .map(|(name, value)| format!("export {name}={}\n", shell_quote(value)))
        .collect()
}

/// What to type next, for the person who started the cluster.
pub(crate) fn greeting(folder: &Folder, topology: &Topology) -> String {
    let endpoint = |site| topology.endpoint(site).unwrap_or_default();
    let [first, second] = DATA_SITES;
    let env = shell_quote(&folder.environment_file().to_string_lossy());
    let own = std::env::current_exe().unwrap_or_else(|_| "riquet".into());
    let riquet = shell_quote(&own.to_string_lossy());
    format!(
        "\
Riquet is ready.
  toulouse     {}
  montpellier  {}

In another shell:
  . {env}
  aws s3 mb s3://essai
  aws s3 cp README.md s3://essai/
  aws s3 ls s3://essai --endpoint-url $RIQUET_ENDPOINT_MONTPELLIER
  rclone copy tools riquet:essai/tools
  rclone check tools riquet:essai/tools
  {riquet} dev status
  {riquet} dev kill --site toulouse
  {riquet} dev start --site toulouse
  {riquet} dev down
",
        endpoint(first),
        endpoint(second),
    )
}

#[cfg(test)]
mod tests {
    use super::super::topology::tests::small;
    use super::*;
    use std::process::Command;

    #[test]
    fn a_shell_that_reads_env_exports_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("with a space")).unwrap();
        let credentials = Credentials {
            access_key_id: "AKIAEXAMPLE".into(),
            secret_access_key: "secret".into(),
        };
        write(&folder, &small(), &credentials).unwrap();
        let output = Command::new("sh")
            .args(["-c", ". \"$0\"; env"])
            .arg(folder.environment_file())
            .output()
            .unwrap();
        let seen = String::from_utf8(output.stdout).unwrap();
        for line in [
            "AWS_ACCESS_KEY_ID=AKIAEXAMPLE".to_owned(),
            "AWS_SECRET_ACCESS_KEY=secret".into(),
            "AWS_REGION=us-east-1".into(),
            "AWS_ENDPOINT_URL=http://127.0.0.1:9000".into(),
            "RIQUET_ENDPOINT_MONTPELLIER=http://127.0.0.1:9001".into(),
            format!("RIQUET_DIR={}", folder.root().display()),
        ] {
            assert!(seen.lines().any(|l| l == line), "{line} in {seen}");
        }
    }
}
