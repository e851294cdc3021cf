//! The models against closed forms, against each other, and against what must hold of any model.

use clap::Parser;
use proptest::prelude::*;

use super::markov::{Durability, durability};
use super::montecarlo::{self, Sample};
use super::repair::{OtherSite, Repair};
use super::scheme::Scheme;
use super::settings::{HOURS_PER_YEAR, Overrides, Settings, SettingsError};

/// Flags, as clap parses them.
#[derive(Debug, Parser)]
#[command(args_override_self = true)]
struct Flags {
    #[command(flatten)]
    overrides: Overrides,
}

/// The settings that a command line gives.
fn settings(line: &str) -> Result<Settings, SettingsError> {
    let words = ["simulate"].into_iter().chain(line.split_whitespace());
    let flags = Flags::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
    Settings::load(None, flags.overrides)
}

fn scheme(text: &str) -> Scheme {
    text.parse().unwrap()
}

/// Only disks fail, one group stands on as many disks as it has shards, each on its own node.
fn one_group(text: &str) -> (Settings, Scheme) {
    let scheme = scheme(text);
    let settings = Settings {
        profile: vec![scheme],
        sites: scheme.sites(),
        nodes_per_site: scheme.shards(0),
        disks_per_node: 1,
        placement_groups: 1,
        node_afr: 0.0,
        site_outages_per_year: 0.0,
        site_loss_per_year: 0.0,
        latent_errors_per_disk_year: 0.0,
        detection_minutes: 0.0,
        ..Settings::default()
    };
    settings.validate().unwrap();
    (settings, scheme)
}

/// Mean hours until `n` shards of which `k` are needed are lost, each lost at rate `fail` and made
/// anew at rate `mend(lost)`: the closed form of a birth and death chain.
fn mean_time_to_loss(n: u32, k: u32, fail: f64, mend: impl Fn(u32) -> f64) -> f64 {
    let up = |lost: u32| f64::from(n - lost) * fail;
    let down = |lost: u32| f64::from(lost) * mend(lost);
    (0..=n - k)
        .map(|to| {
            (0..=to)
                .map(|from| {
                    let back: f64 = (from + 1..=to).map(|i| down(i) / up(i)).product();
                    back / up(from)
                })
                .sum::<f64>()
        })
        .sum()
}

#[test]
fn one_site_has_the_closed_form_of_raid() {
    // With afr far from 0 as well, where approximations of the closed form would be off.
    for (text, afr) in [
        ("1+1", 2.0),
        ("4+1", 2.0),
        ("8+4", 1.57),
        ("8+4", 400.0),
        ("20+10", 0.5),
    ] {
        let (mut settings, scheme) = one_group(text);
        settings.disk_afr = afr;
        let repair = Repair::new(&settings, &scheme);
        let mend = |lost| 1.0 / repair.local_hours(0, lost, OtherSite::Lacks(0));
        let hours = mean_time_to_loss(scheme.total(), scheme.k(), repair.disk_rate, mend);
        let lost = durability(&settings, &scheme).groups_lost;
        // A lost group begins anew with no shard in repair, where the closed form's last failure is.
        let ratio = lost / (HOURS_PER_YEAR / hours);
        assert!((ratio - 1.0).abs() < 1e-9, "{text} {afr}: {ratio}");
    }
}

#[test]
fn two_disks_that_mirror_each_other_are_the_textbook() {
    let (settings, scheme) = one_group("1+1");
    let repair = Repair::new(&settings, &scheme);
    let (fail, mend) = (
        repair.disk_rate,
        1.0 / repair.local_hours(0, 1, OtherSite::Lacks(0)),
    );
    // Patterson, Gibson and Katz (1988): (3 fail + mend) / (2 fail^2).
    let hours = (3.0 * fail + mend) / (2.0 * fail * fail);
    let lost = durability(&settings, &scheme).groups_lost;
    assert!((lost * hours / HOURS_PER_YEAR - 1.0).abs() < 1e-12);
}

#[test]
fn sites_that_are_lost_are_a_mirror_too() {
    let (mut settings, scheme) = one_group("8/10");
    settings.disk_afr = 0.0;
    settings.site_loss_per_year = 0.01;
    settings.site_replacement_days = 365.25;
    settings.intersite_gbit = 1e6;
    settings.repair_mib_per_node = 1e6;
    settings.disk_mib = 1e6;
    let lost = durability(&settings, &scheme);
    // A loss rate of 0.01 a year and a replacement in one: (3 x 0.01 + 1) / (2 x 0.01^2) years.
    let years = (3.0 * 0.01 + 1.0) / (2.0 * 0.01 * 0.01);
    assert!((lost.sites_lost * years - 1.0).abs() < 1e-2, "{lost:?}");
    assert_eq!(lost.groups_lost, 0.0);
}

/// A cluster so bad that it loses data every few years.
fn bad(text: &str, more: &str) -> (Settings, Scheme) {
    let line = format!(
        "--profile {text} --nodes-per-site 48 --disks-per-node 1 --placement-groups 40 --disk-tb 4 \
         --disk-afr 200 --node-afr 0 --site-loss-per-year 0 --site-outages-per-year 0 \
         --latent-errors-per-disk-year 0 --detection-minutes 0 --intersite-gbit 1000 \
         --years 10 {more}"
    );
    let settings = settings(&line).unwrap();
    let scheme = settings.profile[0];
    (settings, scheme)
}

fn both(settings: &Settings, scheme: &Scheme) -> (Durability, Sample) {
    let sample = montecarlo::sample(settings, scheme).unwrap();
    (durability(settings, scheme), sample)
}

#[test]
fn markov_and_monte_carlo_agree_where_both_can_see() {
    for (text, more) in [
        ("4+2", "--repair-mib-per-node 20"),
        ("2/3", "--repair-mib-per-node 5"),
        ("3-copy", "--repair-mib-per-node 10"),
        ("2x2+1", "--repair-mib-per-node 5"),
        ("2/3", "--repair-mib-per-node 10 --site-loss-per-year 0.1"),
        (
            "2/3",
            "--repair-mib-per-node 5 --site-outages-per-year 12 --site-outage-hours 200",
        ),
        (
            "4+2",
            "--repair-mib-per-node 40 --latent-errors-per-disk-year 0.5",
        ),
        (
            "4+2",
            "--repair-mib-per-node 40 --node-afr 100 --node-loss-percent 100",
        ),
        ("4+2", "--repair-mib-per-node 200 --detection-minutes 10000"),
    ] {
        let (settings, scheme) = bad(text, &format!("{more} --trials 400"));
        let (markov, sample) = both(&settings, &scheme);
        let (markov, seen) = (markov.groups_lost, sample.groups_lost);
        // The chain has only the mean of what waits in queues of repair, which costs some percent.
        let is_within = seen.low * 0.95 <= markov && markov <= seen.high * 1.05;
        assert!(
            seen.value > 0.0 && is_within,
            "{text} {more}: {markov}, seen {seen:?}"
        );
    }
}

#[test]
fn the_chance_of_any_loss_is_an_upper_bound() {
    for text in ["4+2", "3-copy", "2x2+1"] {
        let more = "--repair-mib-per-node 20 --node-afr 100 --node-loss-percent 100 --trials 400";
        let (settings, scheme) = bad(text, more);
        let (markov, sample) = both(&settings, &scheme);
        let seen = sample.loss_in_a_year();
        assert!(
            seen.value > 0.0 && seen.low <= markov.loss_in_a_year(),
            "{text}: {seen:?}"
        );
    }
}

#[test]
fn nothing_seen_says_how_rare_it_must_be() {
    let (mut settings, scheme) = bad("4+2", "--repair-mib-per-node 1000 --trials 100");
    settings.disk_afr = 1.0;
    let seen = montecarlo::sample(&settings, &scheme)
        .unwrap()
        .loss_in_a_year();
    assert_eq!((seen.value, seen.low), (0.0, 0.0));
    // The rule of three.
    assert!((seen.high - 3.0 / 1000.0).abs() < 1e-4);
}

#[test]
fn monte_carlo_does_not_depend_on_the_processors() {
    let (settings, scheme) = bad("4+2", "--repair-mib-per-node 9 --trials 20");
    let once = montecarlo::sample(&settings, &scheme).unwrap();
    let again = montecarlo::sample(&settings, &scheme).unwrap();
    assert_eq!(once.groups_lost, again.groups_lost);
    let (other, _) = bad("4+2", "--repair-mib-per-node 9 --trials 20 --seed 2");
    let other = montecarlo::sample(&other, &scheme).unwrap();
    assert_ne!(once.groups_lost, other.groups_lost);
}

/// What must hold: nines grow or stay when things get better. Equal up to rounding.
fn is_no_worse(better: f64, worse: f64) -> bool {
    better <= worse * (1.0 + 1e-9)
}

fn lost(settings: &Settings, scheme: &Scheme) -> f64 {
    durability(settings, scheme).loss_in_a_year()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn worse_disks_are_never_better(
        afr in 0.01f64..50.0, factor in 1.0f64..10.0, k in 1u32..9, more in 1u32..4,
        site_loss in prop::sample::select(vec![0.0, 0.01]),
    ) {
        let scheme = Scheme::Spread { k, s: k + more };
        // Without losses of nodes: the chain takes the mean of what disks and nodes leave to repair,
        // which falls as the share of nodes does.
        let settings = Settings {
            disk_afr: afr, site_loss_per_year: site_loss, node_afr: 0.0, ..Settings::default()
        };
        let worse = Settings { disk_afr: afr * factor, ..settings.clone() };
        prop_assert!(is_no_worse(lost(&settings, &scheme), lost(&worse, &scheme)));
    }

    #[test]
    fn more_parity_is_never_worse(afr in 0.01f64..20.0, k in 1u32..9, m in 1u32..5) {
        // More nodes than shards: else a node that is lost takes two shards of the wider code.
        let settings = Settings {
            disk_afr: afr, site_loss_per_year: 0.0, nodes_per_site: 20, ..Settings::default()
        };
        for [less, more] in [
            [Scheme::Spread { k, s: k + m }, Scheme::Spread { k, s: k + m + 1 }],
            [Scheme::OneSite { k, m }, Scheme::OneSite { k, m: m + 1 }],
        ] {
            prop_assert!(is_no_worse(lost(&settings, &more), lost(&settings, &less)), "{less}");
        }
    }

    #[test]
    fn faster_repair_is_never_worse(rate in 1.0f64..500.0, factor in 1.0f64..10.0) {
        for scheme in &Settings::default().profile {
            let settings = Settings { repair_mib_per_node: rate, ..Settings::default() };
            let faster = Settings { repair_mib_per_node: rate * factor, ..settings.clone() };
            prop_assert!(is_no_worse(lost(&faster, scheme), lost(&settings, scheme)), "{scheme}");
        }
    }

    #[test]
    fn scheme_texts_read_back(k in 1u32..12, m in 1u32..12) {
        for it in [
            Scheme::Spread { k, s: k + m },
            Scheme::OneSite { k, m },
            Scheme::Mirrored { k, m },
            Scheme::Copies { copies: m + 1 },
        ] {
            prop_assert_eq!(scheme(&it.to_string()), it);
        }
    }
}

#[test]
fn what_the_product_is_for() {
    let settings = Settings::default();
    let lost = |text| lost(&settings, &scheme(text));
    // Three copies do not survive a site and a disk, 8/10 and mirrors do.
    assert!(lost("8/10") < lost("3-copy") / 1e3);
    for (text, survives) in [
        ("8/10", "site + 2"),
        ("3-copy", "site + 0"),
        ("2x8+4", "site + 4"),
        ("8+4", "no site"),
    ] {
        assert_eq!(scheme(text).survives_with_site(), survives, "{text}");
    }
    let spare = |text| {
        let scheme = scheme(text);
        scheme.spare([scheme.shards(0), scheme.shards(1)])
    };
    assert_eq!(
        (spare("8/10"), spare("3-copy"), spare("2x8+4"), spare("8+4")),
        (12, 2, 9, 4)
    );
}

#[test]
fn a_site_repairs_itself_without_traffic() {
    let settings = Settings {
        disk_afr: 1.57,
        ..Settings::default()
    };
    let sent = |text| durability(&settings, &scheme(text)).sent_bytes;
    // Only where a third shard of a group is lost at its site before the first two are made.
    assert!(sent("8/10") < sent("3-copy") / 1e6, "{}", sent("8/10"));
    // Each loss of a third copy crosses: half of all disks' shards, 20 TB x 0.8 a disk in all.
    let disks = f64::from(settings.disks_per_site()) * 2.0;
    let expected = disks * (0.0157 + 0.001) * 16e12 / 3.0;
    assert!(
        (sent("3-copy") / expected - 1.0).abs() < 0.01,
        "{}",
        sent("3-copy") / expected
    );
}

#[test]
fn impossible_settings_are_refused() {
    use SettingsError as E;
    type Refused = fn(&E) -> bool;
    let table: [(&str, Refused); 23] = [
        ("--nodes-per-site 0", |e| {
            matches!(
                e,
                E::OutOfRange {
                    name: "nodes_per_site",
                    ..
                }
            )
        }),
        ("--disk-tb 0", |e| {
            matches!(
                e,
                E::OutOfRange {
                    name: "disk_tb",
                    ..
                }
            )
        }),
        ("--disk-tb -1", |e| matches!(e, E::OutOfRange { .. })),
        ("--disk-afr -1", |e| {
            matches!(
                e,
                E::OutOfRange {
                    name: "disk_afr",
                    ..
                }
            )
        }),
        ("--disk-afr nan", |e| matches!(e, E::OutOfRange { .. })),
        ("--disk-afr inf", |e| matches!(e, E::OutOfRange { .. })),
        ("--used-percent 101", |e| matches!(e, E::OutOfRange { .. })),
        ("--pue 0.9", |e| {
            matches!(e, E::OutOfRange { name: "pue", .. })
        }),
        ("--sites 3", |e| {
            matches!(e, E::OutOfRange { name: "sites", .. })
        }),
        ("--years 0", |e| {
            matches!(e, E::OutOfRange { name: "years", .. })
        }),
        ("--placement-groups 65537", |e| {
            matches!(e, E::OutOfRange { .. })
        }),
        ("--profile 8/8", |e| matches!(e, E::BadProfile { .. })),
        ("--profile 0/1", |e| matches!(e, E::BadProfile { .. })),
        ("--profile 8+0", |e| matches!(e, E::BadProfile { .. })),
        ("--profile 1-copy", |e| matches!(e, E::BadProfile { .. })),
        ("--profile 4294967295+4294967295", |e| {
            matches!(e, E::BadProfile { .. })
        }),
        ("--profile eight", |e| matches!(e, E::BadProfile { .. })),
        ("--sites 1 --profile 8/10", |e| {
            matches!(e, E::NeedsTwoSites { .. })
        }),
        ("--nodes-per-site 3 --disks-per-node 3", |e| {
            matches!(
                e,
                E::TooFewDisks {
                    needed: 10,
                    present: 9,
                    ..
                }
            )
        }),
        ("--profile 8+4 --nodes-per-site 2", |e| {
            matches!(
                e,
                E::TooFewNodes {
                    shards: 6,
                    survived: 4,
                    ..
                }
            )
        }),
        ("--nodes-per-site 1000 --disks-per-node 6", |e| {
            matches!(e, E::TooManyDisks { disks: 12_000 })
        }),
        ("--disk-tb 1000", |e| matches!(e, E::TooBig { .. })),
        ("--disk-afr 5000 --trials 1000000", |e| {
            matches!(e, E::TooManyEvents { .. })
        }),
    ];
    for (line, is_right) in table {
        match settings(line) {
            Ok(_) => panic!("{line}: taken"),
            Err(error) => assert!(is_right(&error), "{line}: {error:?}"),
        }
    }
    assert!(settings("--placement-groups 10").is_err_and(|e| matches!(e, E::TooFewGroups { .. })));
}

#[test]
fn flags_go_over_the_file_over_the_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.toml");
    std::fs::write(
        &path,
        "profile = [\"8+4\"]\ndisk_afr = 3\nnodes_per_site = 20\n",
    )
    .unwrap();
    let flags = Flags::try_parse_from(["simulate", "--nodes-per-site", "30"]).unwrap();
    let both = Settings::load(Some(&path), flags.overrides).unwrap();
    assert_eq!(both.profile, [scheme("8+4")]);
    assert_eq!((both.disk_afr, both.nodes_per_site), (3.0, 30));
    assert_eq!(both.disk_tb, Settings::default().disk_tb);

    std::fs::write(&path, "disk_arf = 3\n").unwrap();
    let error = Settings::load(Some(&path), Overrides::default()).unwrap_err();
    assert!(matches!(error, SettingsError::Toml { .. }) && error.to_string().contains("disk_arf"));
    let missing = Settings::load(Some(&dir.path().join("none")), Overrides::default());
    assert!(matches!(missing, Err(SettingsError::Read { .. })));
}
