//! Power, emissions, money, and how often the data can be reached.

use serde::Serialize;

use super::scheme::Scheme;
use super::settings::{HOURS_PER_YEAR, Settings};

/// What a cluster takes in a year, whichever scheme it uses, but for the last figure.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Costs {
    /// Power of nodes and disks, without what the sites add.
    pub(super) watts: f64,
    /// Energy with what the sites add.
    pub(super) kwh_per_year: f64,
    pub(super) kgco2e_per_year: f64,
    /// Hardware, spread over its years, and energy.
    pub(super) eur_per_usable_tb_year: f64,
}

impl Costs {
    /// The costs of such a cluster.
    pub(super) fn new(settings: &Settings, scheme: &Scheme) -> Self {
        let nodes = f64::from(settings.sites) * f64::from(settings.nodes_per_site);
        let disks = nodes * f64::from(settings.disks_per_node);
        let watts = nodes * settings.node_watts + disks * settings.disk_watts;
        let kwh_per_year = watts * settings.pue * HOURS_PER_YEAR / 1000.0;
        let hardware = nodes * settings.node_eur + disks * settings.disk_eur;
        let eur = hardware / settings.amortisation_years + kwh_per_year * settings.eur_per_kwh;
        Self {
            watts,
            kwh_per_year,
            kgco2e_per_year: kwh_per_year * settings.gco2e_per_kwh / 1000.0,
            eur_per_usable_tb_year: eur / settings.usable_tb(scheme),
        }
    }
}

/// Share of the time in which an object can't be read, since too many nodes or sites are away.
///
/// Each node and site is away by itself, for as long as it takes on average; shards that are lost do
/// not count, there are fewer of them by far. Clients are taken to reach every site that is up.
pub(super) fn unavailability(settings: &Settings, scheme: &Scheme) -> f64 {
    let share = |rate: f64, hours: f64| rate * hours / (HOURS_PER_YEAR + rate * hours);
    let node = share(settings.node_afr / 100.0, settings.node_mttr_hours);
    let outage = share(settings.site_outages_per_year, settings.site_outage_hours);
    let gone = share(
        settings.site_loss_per_year,
        settings.site_replacement_days * 24.0,
    );
    let site = 1.0 - (1.0 - outage) * (1.0 - gone);
    let sides = [0, 1].map(|side| reachable(scheme.shards(side), node, site));
    let mut unreadable = 0.0;
    for (here, p) in (0..).zip(&sides[0]) {
        for (there, q) in (0..).zip(&sides[1]) {
            if !scheme.is_readable([here, there]) {
                unreadable += p * q;
            }
        }
    }
    unreadable
}

/// Probabilities that 0, 1, .. of a side's shards are reachable.
fn reachable(shards: u32, node_away: f64, site_away: f64) -> Vec<f64> {
    let mut counts = vec![1.0];
    for _ in 0..shards {
        let mut next = vec![0.0; counts.len() + 1];
        for (count, p) in counts.iter().enumerate() {
            next[count] += p * node_away;
            next[count + 1] += p * (1.0 - node_away);
        }
        counts = next;
    }
    counts.iter_mut().for_each(|p| *p *= 1.0 - site_away);
    counts[0] += site_away;
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_at_one_site_is_away_with_the_site() {
        let settings = Settings {
            node_afr: 0.0,
            site_loss_per_year: 0.0,
            site_outages_per_year: 1.0,
            site_outage_hours: 87.66,
            ..Settings::default()
        };
        let away = |text: &str| unavailability(&settings, &text.parse().unwrap());
        let site: f64 = 0.01 / 1.01;
        assert!((away("8+4") / site - 1.0).abs() < 1e-9);
        assert!((away("8/10") / site.powi(2) - 1.0).abs() < 1e-9);
    }
}
