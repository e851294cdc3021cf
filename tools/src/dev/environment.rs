//! `DIR/env`: the lines that point S3 clients at the cluster, and the ones printed to people.

use super::config::REGION;
use super::credentials::Keychain;
use super::folder::Folder;
use super::kms::KMS_KEYS;
use super::people::{TENANT_NAME, people};
use super::topology::{ARBITER, DATA_SITES, Topology};
use crate::error::Error;
use crate::files::{self, Readers, shell_quote};

/// Writes `DIR/env`, readable by its owner only: it holds the secret key.
pub(crate) fn write(folder: &Folder, topology: &Topology, keys: &Keychain) -> Result<(), Error> {
    let text = render(folder, topology, keys);
    files::replace(&folder.environment_file(), &text, Readers::Owner)
}

fn render(folder: &Folder, topology: &Topology, keys: &Keychain) -> String {
    let endpoint = |site| topology.endpoint(site).unwrap_or_default();
    let [first, second] = DATA_SITES;
    let admin = |site| {
        let mut gateways = topology.members.iter().filter(|it| it.site == site);
        let address = gateways.find_map(|member| member.admin_address.as_ref());
        format!("http://{}", address.map_or("", String::as_str))
    };
    let dir = folder.root().to_string_lossy().into_owned();
    let key_file = folder.key_file().to_string_lossy().into_owned();
    let lines = [
        ("AWS_ACCESS_KEY_ID", keys.main.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", keys.main.secret_access_key.clone()),
        ("AWS_REGION", REGION.into()),
        ("AWS_DEFAULT_REGION", REGION.into()),
        ("AWS_ENDPOINT_URL", endpoint(first)),
        ("RIQUET_ENDPOINT_TOULOUSE", endpoint(first)),
        ("RIQUET_ENDPOINT_MONTPELLIER", endpoint(second)),
        ("RIQUET_ADMIN_URL", [admin(first), admin(second)].join(",")),
        // The default tenant's own: they may do everything that operators do.
        ("RIQUET_ADMIN_ACCESS_KEY_ID", keys.iam.access_key_id.clone()),
        (
            "RIQUET_ADMIN_SECRET_ACCESS_KEY",
            keys.iam.secret_access_key.clone(),
        ),
        ("RIQUET_METADATA", topology.metadata(ARBITER).join(",")),
        ("RIQUET_KEY_FILE", key_file),
        ("RIQUET_DIR", dir),
        ("RIQUET_KMS_KEY_ID", KMS_KEYS[0].into()),
        // A ready-made remote, `riquet:`.
        ("RCLONE_CONFIG_RIQUET_TYPE", "s3".into()),
        ("RCLONE_CONFIG_RIQUET_PROVIDER", "Other".into()),
        ("RCLONE_CONFIG_RIQUET_ENV_AUTH", "true".into()),
        ("RCLONE_CONFIG_RIQUET_REGION", REGION.into()),
        ("RCLONE_CONFIG_RIQUET_ENDPOINT", endpoint(first)),
    ];
    let mut lines: Vec<(String, String)> = lines
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    for person in people(topology, keys) {
        let mut add = |name, value: &str| {
            lines.push((format!("{}_{name}", person.prefix), value.to_owned()));
        };
        add("ACCESS_KEY_ID", &person.credentials.access_key_id);
        add("SECRET_ACCESS_KEY", &person.credentials.secret_access_key);
        add("USER_ID", &person.user_id);
        add("DISPLAY_NAME", person.display_name);
        add("EMAIL", &person.email);
    }
    lines.push(("RIQUET_TENANT_NAME".to_owned(), TENANT_NAME.to_owned()));
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
  {riquet} status
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
        let mut keys = Keychain::load_or_create(&folder.credentials_file()).unwrap();
        keys.main.access_key_id = "AKIAEXAMPLE".into();
        keys.main.secret_access_key = "secret".into();
        keys.iam.access_key_id = "AKIATENANT".into();
        let topology = small();
        let admin = |site: &str| {
            let name = format!("gateway-{site}");
            let gateway = topology.member(&name).unwrap();
            gateway.admin_address.clone().unwrap()
        };
        let (first, second) = (admin("toulouse"), admin("montpellier"));
        write(&folder, &topology, &keys).unwrap();
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
            "RIQUET_ALT_USER_ID=alt".into(),
            "RIQUET_TENANT_USER_ID=testx$tenant".into(),
            "AWS_ENDPOINT_URL=http://127.0.0.1:9000".into(),
            "RIQUET_ENDPOINT_MONTPELLIER=http://127.0.0.1:9001".into(),
            format!("RIQUET_ADMIN_URL=http://{first},http://{second}"),
            "RIQUET_ADMIN_ACCESS_KEY_ID=AKIATENANT".into(),
            format!("RIQUET_DIR={}", folder.root().display()),
        ] {
            assert!(seen.lines().any(|l| l == line), "{line} in {seen}");
        }
    }
}
