//! What gateways and nodes count, from their operators' pages.

use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use riquet_tests::client::{Run, run};
use riquet_tests::cluster::{Cluster, Site};

/// Seconds until the gateways must have noticed that a node is back.
const NOTICE_TIMEOUT_S: u64 = 15;
/// How often they are asked.
const POLL: Duration = Duration::from_millis(50);
/// Seconds for one page.
const PAGE_TIMEOUT_S: u64 = 30;

/// The sum of a gateway's metric over its labels; 0 when it is not there.
pub(crate) fn sum(cluster: &Cluster, site: Site, name: &str) -> Result<f64, Failed> {
    let config = format!("{}.toml", site.gateway());
    let config = std::fs::read_to_string(cluster.dir().join("config").join(config))?;
    let address = config
        .lines()
        .find_map(|line| line.strip_prefix("admin_listen = "))
        .ok_or("no admin_listen")?
        .trim_matches('"');
    total(address, |labelled| labelled.split('{').next() == Some(name))
}

/// The sum, over all nodes of a site that run, of the metrics whose name and labels fit.
pub(crate) fn sum_of_nodes(
    cluster: &Cluster,
    site: Site,
    fits: impl Fn(&str) -> bool,
) -> Result<f64, Failed> {
    let mut sum = 0.0;
    let of_site = format!("{}-", site.name());
    for name in cluster
        .pids()?
        .keys()
        .filter(|name| name.starts_with(&of_site))
    {
        sum += total(&cluster.address(name)?, &fits)?;
    }
    Ok(sum)
}

fn total(address: &str, fits: impl Fn(&str) -> bool) -> Result<f64, Failed> {
    let url = format!("http://{address}/metrics");
    let page = run(&Run::new("curl").args(["-sSf", &url]), PAGE_TIMEOUT_S)?;
    let mut sum = 0.0;
    for line in String::from_utf8(page)?.lines() {
        let (labelled, value) = line.rsplit_once(' ').unwrap_or_default();
        if fits(labelled) {
            sum += value.parse::<f64>()?;
        }
    }
    Ok(sum)
}

/// Waits until both gateways take every storage node for up.
pub(crate) fn await_all_nodes_up(cluster: &Cluster) -> Result<(), Failed> {
    let since = Instant::now();
    for site in Site::ALL {
        while sum(cluster, site, "riquet_gateway_nodes_down")? > 0.0 {
            if since.elapsed().as_secs() > NOTICE_TIMEOUT_S {
                return Err(format!("{site:?} still takes nodes for down").into());
            }
            std::thread::sleep(POLL);
        }
    }
    Ok(())
}
