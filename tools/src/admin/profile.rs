//! Which cluster commands are about, and by which key: profiles of a file, the environment over them,
//! options over both. A profile that is named by `--cluster` goes over the environment.
//!
//! ```toml
//! default = "lab"
//!
//! [clusters.lab]
//! admin_url = "https://gw1.example.org:9001,https://gw2.example.org:9001"
//! access_key_id = "AKIA..."
//! secret_command = "pass show riquet/lab"   # or secret_access_key = "..."
//! region = "us-east-1"
//! metadata = "n1.example.org:7500,n2.example.org:7500"
//! authority = "/etc/riquet/operators-ca.pem"   # for URLs with https
//! certificate = "/home/me/me.pem"             # where gateways ask for one
//! key = "/home/me/me-key.pem"
//! ```
//!
//! The file is `RIQUET_CONFIG_FILE`, else `riquet/config.toml` in `XDG_CONFIG_HOME`, else in `~/.config`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use serde::Deserialize;

use crate::error::Error;
use crate::tls::TlsFiles;

/// The region that requests are signed for unless something else is said: that of new gateways.
const DEFAULT_REGION: &str = "us-east-1";

/// What others may do with a file.
const OTHERS: u32 = 0o077;

/// Which profile.
#[derive(Debug, Default, Args)]
pub(crate) struct ProfileArgs {
    /// The cluster, by its name in the profile file [default: the file's `default`]
    #[arg(long, global = true, value_name = "NAME")]
    cluster: Option<String>,
}

/// What the environment says.
#[derive(Default)]
pub(crate) struct Environment {
    config_file: Option<PathBuf>,
    config_home: Option<PathBuf>,
    home: Option<PathBuf>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    region: Option<String>,
    admin_url: Option<String>,
    metadata: Option<String>,
    authority: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

/// What commands use of a cluster.
pub(crate) struct Profiles<'a> {
    environment: &'a Environment,
    path: PathBuf,
    chosen: Option<(String, Profile)>,
    /// Whether somebody named the profile: then it goes over the environment, or an order might reach
    /// another cluster than the one that was named.
    is_named: bool,
}

/// Where the admin API is, and by whose key it is asked.
pub(super) struct AdminAccess {
    /// Gateways' addresses for operators, the first to be asked first.
    pub(super) urls: Vec<String>,
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    pub(super) region: String,
    pub(super) tls: TlsFiles,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileFile {
    default: Option<String>,
    #[serde(default)]
    clusters: BTreeMap<String, Profile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    admin_url: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    /// Prints the secret: for those who keep it in a password store.
    secret_command: Option<String>,
    region: Option<String>,
    metadata: Option<String>,
    /// Certificates of the authority of gateways that serve operators over TLS.
    authority: Option<PathBuf>,
    /// One's own certificate, for gateways that ask for one.
    certificate: Option<PathBuf>,
    /// Its key.
    key: Option<PathBuf>,
}

impl Environment {
    /// That of this process.
    pub(crate) fn of_process() -> Self {
        let value = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let path = |name| value(name).map(PathBuf::from);
        Self {
            config_file: path("RIQUET_CONFIG_FILE"),
            config_home: path("XDG_CONFIG_HOME"),
            home: path("HOME"),
            access_key_id: value("RIQUET_ADMIN_ACCESS_KEY_ID"),
            secret_access_key: value("RIQUET_ADMIN_SECRET_ACCESS_KEY"),
            region: value("AWS_REGION"),
            admin_url: value("RIQUET_ADMIN_URL"),
            metadata: value("RIQUET_METADATA"),
            authority: path("RIQUET_ADMIN_AUTHORITY"),
            certificate: path("RIQUET_ADMIN_CERTIFICATE"),
            key: path("RIQUET_ADMIN_KEY"),
        }
    }

    /// Where the profiles are, and whether somebody said so.
    fn profile_file(&self) -> (PathBuf, bool) {
        if let Some(path) = &self.config_file {
            return (path.clone(), true);
        }
        // The XDG specification has relative paths ignored.
        let config_home = self.config_home.clone().filter(|path| path.is_absolute());
        let folder = config_home.unwrap_or_else(|| {
            let home = self.home.clone().unwrap_or_default();
            home.join(".config")
        });
        (folder.join("riquet/config.toml"), false)
    }
}

impl<'a> Profiles<'a> {
    /// The chosen profile, if there is a file and it has one.
    pub(crate) fn load(args: &ProfileArgs, environment: &'a Environment) -> Result<Self, Error> {
        let (path, is_told) = environment.profile_file();
        let file = match File::open(&path) {
            Ok(file) => read(&path, file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_told => ProfileFile {
                default: None,
                clusters: BTreeMap::new(),
            },
            Err(error) => return Err(Error::file("read", path)(error)),
        };
        let ProfileFile {
            default,
            mut clusters,
        } = file;
        let chosen = match args.cluster.clone().or(default) {
            None => None,
            Some(name) => {
                let profile = clusters.remove(&name);
                let profile = profile.ok_or_else(|| Error::UnknownCluster {
                    name: name.clone(),
                    path: path.clone(),
                    known: match clusters.is_empty() {
                        true => "none".to_owned(),
                        false => Vec::from_iter(clusters.into_keys()).join(", "),
                    },
                })?;
                Some((name, profile))
            }
        };
        Ok(Self {
            environment,
            path,
            chosen,
            is_named: args.cluster.is_some(),
        })
    }

    /// The voters on metadata: `told` by an option, or else by the environment or the profile.
    pub(crate) fn metadata(&self, told: &[String]) -> Result<Vec<String>, Error> {
        self.several(told, |it| it.metadata.clone(), &self.environment.metadata)
            .ok_or_else(|| Error::NotConfigured {
                what: "where the voters on metadata are",
                option: "--metadata HOST:PORT,...",
                variable: "RIQUET_METADATA",
                key: "metadata",
                path: self.path.clone(),
            })
    }

    /// The way to the admin API. `told` are URLs by an option.
    pub(super) fn admin(&self, told: &[String]) -> Result<AdminAccess, Error> {
        let environment = self.environment;
        let urls = self.several(told, |it| it.admin_url.clone(), &environment.admin_url);
        let urls = urls.ok_or_else(|| Error::NotConfigured {
            what: "where the gateways' admin API is",
            option: "--admin-url URL,...",
            variable: "RIQUET_ADMIN_URL",
            key: "admin_url",
            path: self.path.clone(),
        })?;
        let (access_key_id, secret_access_key) = self.key()?;
        let region = self.either(|it| it.region.clone(), &environment.region);
        let certificate = self.either(|it| it.certificate.clone(), &environment.certificate);
        let key = self.either(|it| it.key.clone(), &environment.key);
        let tls = TlsFiles {
            authority: self.either(|it| it.authority.clone(), &environment.authority),
            own: certificate.zip(key),
        };
        Ok(AdminAccess {
            urls,
            access_key_id,
            secret_access_key,
            region: region.unwrap_or_else(|| DEFAULT_REGION.to_owned()),
            tls,
        })
    }

    /// What the profile or the environment says: the one that goes over the other, if it says anything.
    fn either<T: Clone>(
        &self,
        of_profile: impl Fn(&Profile) -> Option<T>,
        of_environment: &Option<T>,
    ) -> Option<T> {
        let of_profile = self.profile().and_then(of_profile);
        match self.is_named {
            true => of_profile.or_else(|| of_environment.clone()),
            false => of_environment.clone().or(of_profile),
        }
    }

    /// Id and secret, of one source: halves of two keys sign nothing.
    fn key(&self) -> Result<(String, String), Error> {
        let missing = || Error::NoAdminKey {
            path: self.path.clone(),
        };
        let environment = self.environment;
        let has_key = |(_, profile): &(String, Profile)| profile.access_key_id.is_some();
        let is_profiles = self.is_named && self.chosen.as_ref().is_some_and(has_key);
        match (&environment.access_key_id, &environment.secret_access_key) {
            _ if is_profiles => {}
            (Some(id), Some(secret)) => return Ok((id.clone(), secret.clone())),
            (None, None) => {}
            _ => return Err(missing()),
        }
        let (name, profile) = self.chosen.as_ref().ok_or_else(missing)?;
        let id = profile.access_key_id.clone().ok_or_else(missing)?;
        let secret = match (&profile.secret_access_key, &profile.secret_command) {
            (Some(secret), None) => secret.clone(),
            (None, Some(command)) => secret_of(name, command)?,
            (None, None) => return Err(missing()),
            (Some(_), Some(_)) => {
                return Err(Error::BadProfile {
                    path: self.path.clone(),
                    why: format!("cluster {name} has a secret_access_key and a secret_command"),
                });
            }
        };
        Ok((id, secret))
    }

    fn profile(&self) -> Option<&Profile> {
        self.chosen.as_ref().map(|(_, profile)| profile)
    }

    fn several(
        &self,
        told: &[String],
        of_profile: impl Fn(&Profile) -> Option<String>,
        of_environment: &Option<String>,
    ) -> Option<Vec<String>> {
        let split = |text: &str| -> Vec<String> {
            let parts = text.split(',').map(str::trim);
            let parts = parts.filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect()
        };
        let told: Vec<String> = told.iter().flat_map(|text| split(text)).collect();
        let found = match told.is_empty() {
            true => {
                let found = self.either(of_profile, of_environment);
                found.as_deref().map(split).unwrap_or_default()
            }
            false => told,
        };
        (!found.is_empty()).then_some(found)
    }
}

fn read(path: &Path, mut file: File) -> Result<ProfileFile, Error> {
    let mut text = String::new();
    let mode = file
        .metadata()
        .map(|metadata| metadata.permissions().mode());
    let mode = mode.map_err(Error::file("read", path))?;
    file.read_to_string(&mut text)
        .map_err(Error::file("read", path))?;
    let profiles: ProfileFile = toml::from_str(&text).map_err(|error| Error::BadProfile {
        path: path.to_owned(),
        // Not the lines that toml would quote: they may hold a secret.
        why: error.message().to_owned(),
    })?;
    let has_secret =
        |profile: &Profile| profile.secret_access_key.is_some() || profile.secret_command.is_some();
    match mode & OTHERS != 0 && profiles.clusters.values().any(has_secret) {
        true => Err(Error::ExposedProfile {
            path: path.to_owned(),
        }),
        false => Ok(profiles),
    }
}

/// What a command prints, without the end of its line.
fn secret_of(cluster: &str, command: &str) -> Result<String, Error> {
    let failed = |why: String| Error::SecretCommand {
        cluster: cluster.to_owned(),
        why,
    };
    let mut shell = Command::new("sh");
    // It may ask for a passphrase: the terminal stays its own.
    shell.args(["-c", command]).stderr(Stdio::inherit());
    shell.stdin(Stdio::inherit());
    let output = shell.output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    let text = String::from_utf8(output.stdout);
    let text = text.map_err(|_| failed("it prints no text".to_owned()))?;
    match text.lines().next() {
        Some(secret) if !secret.is_empty() => Ok(secret.to_owned()),
        _ => Err(failed("it prints nothing".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use tempfile::TempDir;

    const FILE: &str = r#"
default = "lab"

[clusters.lab]
admin_url = "http://lab-1:1, http://lab-2:1"
access_key_id = "AKIALAB"
secret_access_key = "lab's"
region = "eu-west-3"
metadata = "m1:7,m2:7"

[clusters.plain]
admin_url = "http://plain:1"
access_key_id = "AKIAPLAIN"
secret_command = "printf 'from the store\n'"
"#;

    fn configured(text: &str, mode: u32) -> (TempDir, Environment) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("riquet/config.toml");
        fs::create_dir(dir.path().join("riquet")).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let environment = Environment {
            config_home: Some(dir.path().to_owned()),
            ..Environment::default()
        };
        (dir, environment)
    }

    fn named(name: &str) -> ProfileArgs {
        ProfileArgs {
            cluster: Some(name.to_owned()),
        }
    }

    #[test]
    fn options_go_over_the_environment_and_that_over_the_profile() {
        let (_dir, mut environment) = configured(FILE, 0o600);
        let by_default = ProfileArgs::default();
        let admin = |environment: &Environment, args: &ProfileArgs, told: &[String]| {
            let access = Profiles::load(args, environment).unwrap().admin(told);
            let access = access.unwrap();
            let AdminAccess {
                urls,
                access_key_id,
                secret_access_key,
                region,
                tls: _,
            } = access;
            (urls.join(" "), access_key_id, secret_access_key, region)
        };
        let of = |a: &str, b: &str, c: &str, d: &str| {
            (a.to_owned(), b.to_owned(), c.to_owned(), d.to_owned())
        };
        assert_eq!(
            admin(&environment, &by_default, &[]),
            of(
                "http://lab-1:1 http://lab-2:1",
                "AKIALAB",
                "lab's",
                "eu-west-3"
            )
        );
        assert_eq!(
            admin(&environment, &named("plain"), &[]),
            of(
                "http://plain:1",
                "AKIAPLAIN",
                "from the store",
                DEFAULT_REGION
            )
        );
        environment.region = Some("us-west-2".into());
        environment.access_key_id = Some("AKIAENV".into());
        environment.secret_access_key = Some("the environment's".into());
        environment.admin_url = Some("http://env:1".into());
        assert_eq!(
            admin(&environment, &by_default, &[]),
            of("http://env:1", "AKIAENV", "the environment's", "us-west-2")
        );
        // Who names a cluster means that one, by its own key.
        assert_eq!(
            admin(&environment, &named("plain"), &[]),
            of("http://plain:1", "AKIAPLAIN", "from the store", "us-west-2")
        );
        assert_eq!(
            admin(&environment, &by_default, &["http://told:1".into()]),
            of("http://told:1", "AKIAENV", "the environment's", "us-west-2")
        );
        let profiles = Profiles::load(&by_default, &environment).unwrap();
        assert_eq!(profiles.metadata(&[]).unwrap(), ["m1:7", "m2:7"]);
        assert_eq!(profiles.metadata(&["o:1".into()]).unwrap(), ["o:1"]);
    }

    #[test]
    fn half_a_key_is_none() {
        let (_dir, mut environment) = configured(FILE, 0o600);
        environment.access_key_id = Some("AKIAENV".into());
        let profiles = Profiles::load(&ProfileArgs::default(), &environment).unwrap();
        assert!(matches!(profiles.admin(&[]), Err(Error::NoAdminKey { .. })));
    }

    #[test]
    fn a_file_with_secrets_is_its_owners_alone() {
        for mode in [0o640, 0o604, 0o666] {
            let (_dir, environment) = configured(FILE, mode);
            let loaded = Profiles::load(&ProfileArgs::default(), &environment);
            let error = loaded.err().expect("it is refused").to_string();
            assert!(error.contains("chmod 600"), "{error}");
        }
        let harmless = "[clusters.a]\nmetadata = \"m:1\"\n";
        let (_dir, environment) = configured(harmless, 0o644);
        assert!(Profiles::load(&named("a"), &environment).is_ok());
    }

    #[test]
    fn what_is_not_there_is_said() {
        let (dir, mut environment) = configured(FILE, 0o600);
        let error = Profiles::load(&named("other"), &environment).err().unwrap();
        assert!(
            error.to_string().ends_with("there are: lab, plain"),
            "{error}"
        );
        // Without a file nothing is known, unless somebody named the file.
        environment.config_home = Some(dir.path().join("elsewhere"));
        let profiles = Profiles::load(&ProfileArgs::default(), &environment).unwrap();
        let error = profiles.metadata(&[]).unwrap_err().to_string();
        assert!(error.contains("RIQUET_METADATA"), "{error}");
        environment.config_file = Some(dir.path().join("none"));
        assert!(Profiles::load(&ProfileArgs::default(), &environment).is_err());
    }

    #[test]
    fn damage_is_told_without_the_secret() {
        let (_dir, environment) = configured("[clusters.a]\nsecret_key = \"hidden\"", 0o600);
        let error = Profiles::load(&ProfileArgs::default(), &environment).err();
        let text = error.unwrap().to_string();
        assert!(
            text.contains("secret_key") && !text.contains("hidden"),
            "{text}"
        );
    }

    #[test]
    fn a_command_that_fails_gives_no_secret() {
        for command in ["exit 3", "true", "printf '\\n'"] {
            assert!(secret_of("a", command).is_err(), "{command}");
        }
    }
}
