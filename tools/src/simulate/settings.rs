//! What is simulated: one struct of numbers with defaults, from flags over a TOML file over defaults,
//! and the one place where they are checked.
//!
//! `docs/SIMULATE.md` says where each default comes from.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};

use super::scheme::{Scheme, SchemeError};

/// Hours of a year, leap years counted in.
pub(super) const HOURS_PER_YEAR: f64 = 8766.0;

/// Disks of the largest cluster that is simulated.
const MOST_DISKS: u32 = 10_000;

/// Usable TB of the largest cluster that is simulated: 100 PB.
const MOST_USABLE_TB: f64 = 100_000.0;

/// Placement groups at most: the Monte Carlo simulation keeps some 100 bytes of each shard.
const MOST_GROUPS: u32 = 65_536;

/// Events that the Monte Carlo simulation of one profile may take: some minutes.
const MOST_EVENTS: f64 = 4e9;

/// Schemes that are compared unless others are asked for.
const DEFAULT_SCHEMES: [&str; 4] = ["8/10", "4/6", "3-copy", "2x8+4"];

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path}: {source}", path = path.display())]
    Toml {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    #[error("{name} is {value}; it must be {wanted}")]
    OutOfRange {
        name: &'static str,
        value: f64,
        wanted: &'static str,
    },
    #[error("no profile is given")]
    NoProfile,
    #[error("profile {text:?}: {why}")]
    BadProfile { text: String, why: SchemeError },
    #[error("profile {scheme} needs two sites")]
    NeedsTwoSites { scheme: String },
    #[error("profile {scheme} needs {needed} disks at a site, there are {present}")]
    TooFewDisks {
        scheme: String,
        needed: u32,
        present: u32,
    },
    #[error(
        "profile {scheme}: with {nodes} nodes at a site, one holds {shards} shards of a group, and the loss of {survived} is survived; add nodes"
    )]
    TooFewNodes {
        scheme: String,
        nodes: u32,
        shards: u32,
        survived: u32,
    },
    #[error(
        "profile {scheme}: {groups} placement groups do not give each of {disks} disks a shard"
    )]
    TooFewGroups {
        scheme: String,
        groups: u32,
        disks: u32,
    },
    #[error("{disks} disks are more than the {MOST_DISKS} that are simulated")]
    TooManyDisks { disks: u64 },
    #[error(
        "profile {scheme}: {usable_tb:.0} usable TB are more than the 100 PB that are simulated"
    )]
    TooBig { scheme: String, usable_tb: f64 },
    #[error(
        "about {events:.0e} events would have to be simulated, more than {MOST_EVENTS:.0e}; give fewer --trials or --years"
    )]
    TooManyEvents { events: f64 },
}

/// Makes [`Settings`], and [`Overrides`] with the same fields, each optional, as flags and TOML keys.
macro_rules! settings {
    ($($help:literal $name:ident: $type:ty = $default:literal, $allowed:ident;)*) => {
        /// All numbers of a simulation.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        pub(crate) struct Settings {
            /// The schemes that are compared.
            pub(crate) profile: Vec<Scheme>,
            $(#[doc = $help] pub(crate) $name: $type,)*
        }

        impl Default for Settings {
            fn default() -> Self {
                let scheme = |text: &&str| text.parse().expect("the default schemes are well formed");
                Self {
                    profile: DEFAULT_SCHEMES.iter().map(scheme).collect(),
                    $($name: $default,)*
                }
            }
        }

        /// What a file or the command line says about a simulation.
        #[derive(Args, Clone, Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct Overrides {
            /// Profiles to compare: K/S over two sites, K+M at one, N-copy over two sites, 2xK+M
            /// mirrored stores [default: 8/10,4/6,3-copy,2x8+4]
            #[arg(long, value_name = "PROFILES", value_delimiter = ',')]
            profile: Option<Vec<String>>,
            $(
                #[arg(long, value_name = "N", allow_negative_numbers = true,
                    help = concat!($help, " [default: ", stringify!($default), "]"))]
                $name: Option<$type>,
            )*
        }

        impl Overrides {
            /// `self`, and `other` where that says nothing.
            fn or(self, other: Self) -> Self {
                Self {
                    profile: self.profile.or(other.profile),
                    $($name: self.$name.or(other.$name),)*
                }
            }

            /// These values over the defaults, not checked yet.
            fn over_defaults(self) -> Result<Settings, SettingsError> {
                let defaults = Settings::default();
                Ok(Settings {
                    profile: match self.profile {
                        None => defaults.profile,
                        Some(texts) => schemes(&texts)?,
                    },
                    $($name: self.$name.unwrap_or(defaults.$name),)*
                })
            }
        }

        impl Settings {
            /// Checks each number by itself.
            fn check_ranges(&self) -> Result<(), SettingsError> {
                $(
                    let value = self.$name as f64;
                    if !Allowed::$allowed.holds(value) {
                        let (name, wanted) = (stringify!($name), Allowed::$allowed.wanted());
                        return Err(SettingsError::OutOfRange { name, value, wanted });
                    }
                )*
                Ok(())
            }
        }
    };
}

settings! {
    "Sites that hold data, 1 or 2" sites: u32 = 2, OneOrTwo;
    "Storage nodes at each site" nodes_per_site: u32 = 12, Positive;
    "Disks of each node" disks_per_node: u32 = 24, Positive;
    "Size of a disk, TB" disk_tb: f64 = 20.0, Positive;
    "How full disks are, percent" used_percent: f64 = 80.0, Percent;
    "Placement groups of each profile" placement_groups: u32 = 4096, Groups;
    "Disks that fail in a year, percent" disk_afr: f64 = 1.57, NotNegative;
    "Nodes that fail in a year, percent" node_afr: f64 = 5.0, NotNegative;
    "Failures of nodes that take what is on their disks, percent" node_loss_percent: f64 = 2.0, PercentOrNone;
    "Hours until a node that failed is back" node_mttr_hours: f64 = 24.0, Positive;
    "Outages of each site in a year: nothing is lost" site_outages_per_year: f64 = 0.5, NotNegative;
    "Hours that an outage of a site lasts" site_outage_hours: f64 = 8.0, Positive;
    "Losses of each site in a year: all of it is lost" site_loss_per_year: f64 = 0.001, NotNegative;
    "Days until a lost site has new hardware" site_replacement_days: f64 = 180.0, Positive;
    "Cells that go bad unnoticed on a disk in a year" latent_errors_per_disk_year: f64 = 0.013, NotNegative;
    "Days within which every shard is checked" scrub_period_days: f64 = 30.0, Positive;
    "MiB/s that a node reads for repair" repair_mib_per_node: f64 = 64.0, Positive;
    "MiB/s that a disk writes" disk_mib: f64 = 200.0, Positive;
    "Gbit/s between the sites for repair" intersite_gbit: f64 = 10.0, Positive;
    "Minutes until a loss is noticed and repair begins" detection_minutes: f64 = 15.0, NotNegative;
    "Power of a disk, W" disk_watts: f64 = 8.0, NotNegative;
    "Power of a node without its disks, W" node_watts: f64 = 250.0, NotNegative;
    "Power of the sites over that of nodes and disks" pue: f64 = 1.56, AtLeastOne;
    "Grams of CO2 equivalent for a kWh" gco2e_per_kwh: f64 = 52.0, NotNegative;
    "Price of a kWh, EUR" eur_per_kwh: f64 = 0.18, NotNegative;
    "Price of a disk, EUR" disk_eur: f64 = 400.0, NotNegative;
    "Price of a node without its disks, EUR" node_eur: f64 = 6000.0, NotNegative;
    "Years over which the hardware is paid" amortisation_years: f64 = 5.0, Positive;
    "Monte Carlo: years of each trial" years: u32 = 10, Positive;
    "Monte Carlo: trials; 0 leaves it out" trials: u32 = 1000, NotNegative;
    "Monte Carlo: seed of the random numbers" seed: u64 = 1, NotNegative;
}

/// Which numbers a setting takes.
enum Allowed {
    Positive,
    NotNegative,
    Percent,
    PercentOrNone,
    AtLeastOne,
    OneOrTwo,
    Groups,
}

impl Allowed {
    fn holds(&self, value: f64) -> bool {
        value.is_finite()
            && match self {
                Self::Positive => value > 0.0,
                Self::NotNegative => value >= 0.0,
                Self::Percent => value > 0.0 && value <= 100.0,
                Self::PercentOrNone => (0.0..=100.0).contains(&value),
                Self::AtLeastOne => value >= 1.0,
                Self::OneOrTwo => value == 1.0 || value == 2.0,
                Self::Groups => (1.0..=f64::from(MOST_GROUPS)).contains(&value),
            }
    }

    fn wanted(&self) -> &'static str {
        match self {
            Self::Positive => "more than 0",
            Self::NotNegative => "0 or more",
            Self::Percent => "more than 0 and at most 100",
            Self::PercentOrNone => "0 to 100",
            Self::AtLeastOne => "1 or more",
            Self::OneOrTwo => "1 or 2",
            Self::Groups => "1 to 65536",
        }
    }
}

impl Settings {
    /// What the flags say, over what `file` says, over the defaults; checked.
    ///
    /// # Errors
    /// When the file can't be read or has unknown keys, or the cluster can't be.
    pub(crate) fn load(file: Option<&Path>, flags: Overrides) -> Result<Self, SettingsError> {
        let from_file = match file {
            None => Overrides::default(),
            Some(path) => read(path)?,
        };
        let settings = flags.or(from_file).over_defaults()?;
        settings.validate()?;
        Ok(settings)
    }

    /// Checks that such a cluster can be, and be simulated.
    pub(super) fn validate(&self) -> Result<(), SettingsError> {
        self.check_ranges()?;
        if self.profile.is_empty() {
            return Err(SettingsError::NoProfile);
        }
        let disks = [self.sites, self.nodes_per_site, self.disks_per_node];
        // As u128, since three u32 may pass 64 bits.
        let disks: u128 = disks.into_iter().map(u128::from).product();
        if disks > u128::from(MOST_DISKS) {
            let disks = u64::try_from(disks).unwrap_or(u64::MAX);
            return Err(SettingsError::TooManyDisks { disks });
        }
        self.profile.iter().try_for_each(|it| self.check_scheme(it))
    }

    fn check_scheme(&self, scheme: &Scheme) -> Result<(), SettingsError> {
        let name = || scheme.to_string();
        if scheme.sites() > self.sites {
            return Err(SettingsError::NeedsTwoSites { scheme: name() });
        }
        let needed = scheme.shards(0).max(scheme.shards(1));
        let present = self.disks_per_site();
        if needed > present {
            return Err(SettingsError::TooFewDisks {
                scheme: name(),
                needed,
                present,
            });
        }
        let shards = needed.div_ceil(self.nodes_per_site);
        let survived = scheme.spare([scheme.shards(0), scheme.shards(1)]);
        // A single shard a node is as well spread as can be.
        if shards > 1 && shards > survived {
            return Err(SettingsError::TooFewNodes {
                scheme: name(),
                nodes: self.nodes_per_site,
                shards,
                survived,
            });
        }
        if f64::from(self.placement_groups) * scheme.shards_per_site() < f64::from(present) {
            return Err(SettingsError::TooFewGroups {
                scheme: name(),
                groups: self.placement_groups,
                disks: present,
            });
        }
        let usable_tb = self.usable_tb(scheme);
        if usable_tb > MOST_USABLE_TB {
            return Err(SettingsError::TooBig {
                scheme: name(),
                usable_tb,
            });
        }
        let shards = f64::from(self.placement_groups) * f64::from(scheme.total());
        // Each loss of a shard ends with its repair.
        let per_hour = 2.0 * shards * (self.disk_failures_per_hour() + self.node_losses_per_hour());
        let hours = f64::from(self.trials) * f64::from(self.years) * HOURS_PER_YEAR;
        let events = per_hour * hours;
        if events > MOST_EVENTS {
            return Err(SettingsError::TooManyEvents { events });
        }
        Ok(())
    }

    /// Disks at each site.
    pub(super) fn disks_per_site(&self) -> u32 {
        self.nodes_per_site * self.disks_per_node
    }

    /// TB on the disks' labels, all sites together.
    pub(super) fn raw_tb(&self) -> f64 {
        f64::from(self.sites) * f64::from(self.disks_per_site()) * self.disk_tb
    }

    /// TB of objects that the cluster holds when its disks are as full as they are to be.
    pub(super) fn usable_tb(&self, scheme: &Scheme) -> f64 {
        self.raw_tb() * self.used_percent / 100.0 / scheme.overhead()
    }

    /// Failures of one disk in an hour.
    pub(super) fn disk_failures_per_hour(&self) -> f64 {
        self.disk_afr / 100.0 / HOURS_PER_YEAR
    }

    /// Failures of one node in an hour that take its disks with it.
    pub(super) fn node_losses_per_hour(&self) -> f64 {
        self.node_afr / 100.0 * self.node_loss_percent / 100.0 / HOURS_PER_YEAR
    }
}

fn read(path: &Path) -> Result<Overrides, SettingsError> {
    let text = std::fs::read_to_string(path).map_err(|source| SettingsError::Read {
        path: path.to_owned(),
        source,
    })?;
    toml::from_str(&text).map_err(|source| SettingsError::Toml {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

fn schemes(texts: &[String]) -> Result<Vec<Scheme>, SettingsError> {
    let parse = |text: &String| {
        text.parse().map_err(|why| SettingsError::BadProfile {
            text: text.clone(),
            why,
        })
    };
    texts.iter().map(parse).collect()
}
