//! What operators see of a cluster: its metrics, whether its processes are ready, where a request is found
//! in their logs, and what it spent its time on.

mod collector;
mod traces;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};

use libtest_mimic::{Failed, Trial};
use riquet_tests::client::{Run, outcome, run, wait_until};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::MIB;
use riquet_tests::s3::Request;
use riquet_tests::skip::{self, Need};
use riquet_tests::suite;
use serde_json::Value;

/// Seconds for one page, or for one look at it.
const TIMEOUT_S: u64 = 30;

fn main() -> ExitCode {
    suite::run(|shared| {
        let curl = Need::Program("curl");
        let mut trials = vec![
            shared.trial(
                "metrics::all_are_there_and_documented",
                &[curl],
                all_are_there_and_documented,
            ),
            shared.trial(
                "metrics::promtool_has_nothing_to_say",
                &[curl, Need::Program("promtool")],
                promtool_has_nothing_to_say,
            ),
            shared.trial(
                "status::tells_what_crosses_between_the_sites",
                &[curl],
                tells_what_crosses_between_the_sites,
            ),
            shared.trial(
                "ready::every_process_says_so",
                &[curl],
                every_process_says_so,
            ),
            shared.trial(
                "admin::over_tls_with_certificates_of_clients",
                &[Need::Program("openssl")],
                over_tls_with_certificates_of_clients,
            ),
            request_in_logs(),
            skip::trial(
                "dashboard::every_expression_is_one",
                &[Need::Program("promtool")],
                every_expression_is_one,
            ),
            Trial::test(
                "alerts::each_is_tested_and_explained",
                each_is_tested_and_explained,
            ),
        ];
        trials.extend(traces::trials());
        trials
    })
}

/// A file of the repository.
fn file(path: &str) -> Result<String, Failed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    Ok(std::fs::read_to_string(root.join(path))?)
}

/// Where each process answers its operators.
fn operators_addresses(cluster: &Cluster) -> Result<BTreeMap<String, String>, Failed> {
    let mut addresses = BTreeMap::new();
    for name in cluster.pids()?.into_keys() {
        let config = cluster.dir().join("config").join(format!("{name}.toml"));
        let config: toml::Table = std::fs::read_to_string(config)?.parse()?;
        let address = match config.get("admin_listen").and_then(toml::Value::as_str) {
            Some(admin) => admin.to_owned(),
            None => cluster.address(&name)?,
        };
        addresses.insert(name, address);
    }
    Ok(addresses)
}

fn page(address: &str, path: &str) -> Result<String, Failed> {
    let url = format!("http://{address}{path}");
    let page = run(&Run::new("curl").args(["-sSf", &url]), TIMEOUT_S)?;
    Ok(String::from_utf8(page)?)
}

/// The metrics of all processes, by process.
fn scrape(cluster: &Cluster) -> Result<BTreeMap<String, String>, Failed> {
    let addresses = operators_addresses(cluster)?.into_iter();
    let pages = addresses.map(|(name, address)| Ok((name, page(&address, "/metrics")?)));
    pages.collect()
}

/// Something of each kind that clients do.
fn traffic(cluster: &Cluster) -> Result<(), Failed> {
    for site in Site::ALL {
        let (s3, bucket) = (cluster.s3(site), format!("/seen-at-{}", site.name()));
        s3.ask("PUT", &bucket)?;
        for (key, size) in [("small", 100), ("large", MIB as usize)] {
            let path = format!("{bucket}/{key}");
            s3.put(&path, &vec![7; size])?;
            s3.ask("GET", &path)?.expect(200)?;
            s3.ask("HEAD", &path)?.expect(200)?;
        }
        s3.ask("GET", &format!("{bucket}/none"))?.expect(404)?;
        s3.ask("DELETE", &format!("{bucket}/small"))?.expect(204)?;
    }
    Ok(())
}

/// Names of metrics in a text, as in an expression or a page of metrics.
fn names(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.split(|c| !is_name(c))
        .filter(|word| word.starts_with("riquet_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

/// The name of a histogram's series, cut to the histogram's.
fn family(name: &str) -> &str {
    ["_bucket", "_sum", "_count"]
        .into_iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name)
}

/// The names in the tables of the documentation.
fn documented() -> Result<BTreeSet<String>, Failed> {
    let rows = file("docs/METRICS.md")?;
    let rows = rows.lines().filter_map(|line| line.strip_prefix("| `"));
    Ok(rows
        .filter_map(|row| Some(row.split_once('`')?.0.to_owned()))
        .filter(|name| name.starts_with("riquet_") || name.starts_with("process_"))
        .collect())
}

/// The expressions of the dashboard.
fn dashboard() -> Result<Vec<String>, Failed> {
    let dashboard: Value = serde_json::from_str(&file("ops/grafana/riquet.json")?)?;
    let panels = dashboard["panels"].as_array().ok_or("no panels")?;
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    let expressions = targets.flatten().map(|target| {
        let expression = target["expr"].as_str().ok_or("no expression")?;
        Ok(expression.to_owned())
    });
    expressions.collect()
}

/// The names in the expressions of the alerts and of the dashboard.
fn asked_for() -> Result<BTreeSet<String>, Failed> {
    let mut asked = BTreeSet::new();
    for line in file("ops/prometheus/riquet.rules.yml")?.lines() {
        if !line.trim_start().starts_with('#') {
            asked.extend(names(line));
        }
    }
    for expression in dashboard()? {
        asked.extend(names(&expression));
    }
    let asked = asked.iter().map(|name| family(name).to_owned());
    Ok(asked.collect())
}

fn all_are_there_and_documented(cluster: &Cluster) -> Result<(), Failed> {
    traffic(cluster)?;
    let (documented, asked_for) = (documented()?, asked_for()?);
    let unknown: Vec<_> = asked_for.difference(&documented).collect();
    if !unknown.is_empty() {
        return Err(format!("asked for, but there is no such metric: {unknown:?}").into());
    }
    // Some are told only after a first look in the background.
    let missing = RefCell::new(Vec::new());
    let waited = wait_until("every metric that is asked for is there", || {
        let pages = scrape(cluster)?;
        let there: BTreeSet<String> = pages.values().flat_map(|page| series(page)).collect();
        *missing.borrow_mut() = asked_for.difference(&there).cloned().collect::<Vec<_>>();
        Ok(missing.borrow().is_empty())
    });
    if waited.is_err() {
        return Err(format!("on no process: {:?}", missing.into_inner()).into());
    }
    for (name, page) in scrape(cluster)? {
        let undocumented: Vec<String> = series(&page)
            .filter(|series| !documented.contains(series))
            .collect();
        if !undocumented.is_empty() {
            return Err(format!("{name}: not in docs/METRICS.md: {undocumented:?}").into());
        }
    }
    Ok(())
}

/// The metrics of a page, by the lines that tell their kind.
fn series(page: &str) -> impl Iterator<Item = String> + '_ {
    let kinds = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    kinds.filter_map(|kind| Some(kind.split_once(' ')?.0.to_owned()))
}

fn promtool_has_nothing_to_say(cluster: &Cluster) -> Result<(), Failed> {
    traffic(cluster)?;
    let folder = tempfile::tempdir()?;
    for (name, page) in scrape(cluster)? {
        let file: PathBuf = folder.path().join(&name);
        std::fs::write(&file, page)?;
        let check = Run::new("sh")
            .args(["-c", r#""$1" check metrics < "$2""#, "sh"])
            .arg(riquet_tests::paths::which("promtool").ok_or("no promtool")?)
            .arg(&file);
        let checked = outcome(&check, TIMEOUT_S)?;
        if checked.code != Some(0) || !checked.stderr.is_empty() {
            let said = String::from_utf8_lossy(&checked.stdout).into_owned() + &checked.stderr;
            return Err(format!("{name}: {said}").into());
        }
    }
    Ok(())
}

/// Has promtool read the dashboard's expressions as if they were rules.
fn every_expression_is_one() -> Result<(), Failed> {
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    for (number, expression) in dashboard()?.into_iter().enumerate() {
        let expression = expression
            .replace("$__rate_interval", "5m")
            .replace("$site", ".*");
        // A text in JSON is one in YAML.
        let expression = Value::from(expression);
        rules += &format!("  - record: dashboard:{number}\n    expr: {expression}\n");
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("dashboard.yml");
    std::fs::write(&file, rules)?;
    let check = Run::new("promtool").args(["check", "rules"]).arg(&file);
    run(&check, TIMEOUT_S)?;
    Ok(())
}

/// An upload of a MiB through one gateway sends the other site's shards there, which are no less.
fn tells_what_crosses_between_the_sites(cluster: &Cluster) -> Result<(), Failed> {
    traffic(cluster)?;
    let status: Value = serde_json::from_str(&cluster.operate(&["status", "--json"])?)?;
    for (from, to) in [("toulouse", "montpellier"), ("montpellier", "toulouse")] {
        let links = status["links"].as_array().ok_or("no links")?;
        let link = links
            .iter()
            .find(|link| link["from"] == from && link["to"] == to);
        let rate = link.and_then(|link| link["bytes_per_second"].as_u64());
        // Of a minute at most.
        if rate.is_none_or(|rate| rate < MIB / 60) {
            return Err(format!("{from} to {to}: {links:?}").into());
        }
    }
    Ok(())
}

fn every_process_says_so(cluster: &Cluster) -> Result<(), Failed> {
    for (name, address) in operators_addresses(cluster)? {
        let alive = page(&address, "/health")?;
        if alive != "alive\n" {
            return Err(format!("{name}: {alive}").into());
        }
        wait_until(&format!("{name} is ready"), || {
            Ok(page(&address, "/ready").is_ok_and(|page| page == "ready\n"))
        })?;
    }
    Ok(())
}

/// Certificates of an authority, for a server on this machine and for a client.
const MAKE_CERTIFICATES: &str = r#"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
    -subj /CN=authority -keyout ca.key -out ca.pem
for who in server client; do
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$who \
        -keyout $who.key -out $who.csr
    printf 'subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' > extensions
    openssl x509 -req -days 2 -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
        -extfile extensions -out $who.pem
done
"#;

/// A process that is killed in the end.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A gateway that serves operators over TLS answers those who have a certificate, and nobody else.
fn over_tls_with_certificates_of_clients(cluster: &Cluster) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let make = Run::new("sh").args(["-ec", MAKE_CERTIFICATES]);
    run(&make.within(folder.path()), TIMEOUT_S)?;
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let free = || -> Result<String, Failed> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        Ok(listener.local_addr()?.to_string())
    };
    let (listen, admin) = (free()?, free()?);
    let config = cluster.dir().join("config/gateway-toulouse.toml");
    let mut config: toml::Table = std::fs::read_to_string(config)?.parse()?;
    config.insert("name".into(), "gateway-tls".into());
    config.insert("listen".into(), listen.into());
    config.insert("admin_listen".into(), admin.clone().into());
    let tls = [
        ("certificate", file("server.pem")),
        ("key", file("server.key")),
        ("client_authority", file("ca.pem")),
    ];
    let tls = tls.map(|(name, path)| (name.to_owned(), path.into()));
    config.insert(
        "admin_tls".into(),
        toml::Value::Table(tls.into_iter().collect()),
    );
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, toml::to_string(&config)?)?;
    let gateway = Command::new(riquet_tests::paths::binary("riquet-gateway"))
        .arg("--config")
        .arg(&path)
        .stderr(std::fs::File::create(folder.path().join("log"))?)
        .spawn()?;
    let _gateway = Killed(gateway);
    let status = || {
        let riquet = Run::new(riquet_tests::paths::binary("riquet")).args(["status", "--json"]);
        let settings = cluster.env().iter();
        let settings = settings.filter(|(name, _)| name.starts_with("RIQUET_ADMIN_"));
        let riquet = settings.fold(riquet, |riquet, (name, value)| riquet.env(name, value));
        riquet
            .env("RIQUET_ADMIN_URL", format!("https://{admin}"))
            .env("RIQUET_ADMIN_AUTHORITY", file("ca.pem"))
    };
    let known = || {
        status()
            .env("RIQUET_ADMIN_CERTIFICATE", file("client.pem"))
            .env("RIQUET_ADMIN_KEY", file("client.key"))
    };
    wait_until("the gateway answers over TLS", || {
        Ok(outcome(&known(), TIMEOUT_S)?.code == Some(0))
    })?;
    let strangers = [
        ("no certificate", status()),
        ("no authority", known().env("RIQUET_ADMIN_AUTHORITY", "")),
        (
            "another authority",
            known().env("RIQUET_ADMIN_AUTHORITY", file("client.pem")),
        ),
        (
            "plain HTTP",
            known().env("RIQUET_ADMIN_URL", format!("http://{admin}")),
        ),
    ];
    for (what, stranger) in strangers {
        match outcome(&stranger, TIMEOUT_S)?.code {
            Some(1) => {}
            code => return Err(format!("with {what} it ended with {code:?}").into()),
        }
    }
    Ok(())
}

/// A request's id is in its answer, and in the lines of the gateway and of the nodes.
fn request_in_logs() -> Trial {
    skip::trial("logs::a_request_is_found_everywhere", &[], || {
        let debug = [
            ("RIQUET_LOG", "debug,openraft=warn,hyper_util=info"),
            ("RIQUET_LOG_FORMAT", "json"),
        ];
        Cluster::with_environment(&debug, |cluster| {
            let s3 = cluster.s3(Site::Toulouse);
            s3.put("/traced", &[])?;
            // Of shards, and of metadata.
            let put = Request::new("PUT", "/traced/object");
            let answer = s3.send(put, &vec![1; MIB as usize])?.expect(200)?;
            let id = answer.header("x-amz-request-id").ok_or("no request id")?;
            wait_until("the request is in the gateway's log", || {
                Ok(lines_of(cluster, id, &["gateway-toulouse"])?.contains("request"))
            })?;
            let nodes: Vec<String> = (1..=6).map(|number| format!("toulouse-{number}")).collect();
            let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
            wait_until("the request is in the nodes' logs", || {
                Ok(lines_of(cluster, id, &nodes)?.contains("answered"))
            })?;
            let everybody = cluster.pids()?.into_keys().collect::<Vec<_>>();
            let everybody: Vec<&str> = everybody.iter().map(String::as_str).collect();
            let paths = paths_of(cluster, id, &everybody)?;
            for part in ["/shards/", "/meta/"] {
                if !paths.iter().any(|path| path.contains(part)) {
                    return Err(format!("nothing of {part} among {paths:?}").into());
                }
            }
            Ok(())
        })
    })
}

/// The lines that processes wrote for a request. Every line must be an object.
fn log_lines(cluster: &Cluster, id: &str, processes: &[&str]) -> Result<Vec<Value>, Failed> {
    let mut lines = Vec::new();
    for process in processes {
        let log = cluster.dir().join("logs").join(format!("{process}.log"));
        let text = std::fs::read_to_string(log)?;
        // The last line may be being written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines() {
            let line: Value = serde_json::from_str(line)
                .map_err(|error| format!("{process} wrote {line:?}: {error}"))?;
            if line["span"]["request_id"] == id {
                lines.push(line);
            }
        }
    }
    Ok(lines)
}

/// What the lines say.
fn lines_of(cluster: &Cluster, id: &str, processes: &[&str]) -> Result<BTreeSet<String>, Failed> {
    let lines = log_lines(cluster, id, processes)?;
    let messages = lines.iter().filter_map(|line| line["message"].as_str());
    Ok(messages.map(str::to_owned).collect())
}

/// What nodes were asked for.
fn paths_of(cluster: &Cluster, id: &str, processes: &[&str]) -> Result<BTreeSet<String>, Failed> {
    let lines = log_lines(cluster, id, processes)?;
    let paths = lines.iter().filter_map(|line| line["path"].as_str());
    Ok(paths.map(str::to_owned).collect())
}

fn each_is_tested_and_explained() -> Result<(), Failed> {
    let (rules, tests, page) = (
        file("ops/prometheus/riquet.rules.yml")?,
        file("ops/prometheus/riquet.test.yml")?,
        file("docs/METRICS.md")?,
    );
    let alerts = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let mut count = 0;
    for alert in alerts {
        count += 1;
        if !tests.contains(&format!("alertname: {alert}\n        exp_alerts:")) {
            return Err(format!("no test shows {alert} fire").into());
        }
        if !page.contains(&format!("| {alert} |")) {
            return Err(format!("docs/METRICS.md does not say what to do for {alert}").into());
        }
    }
    if count == 0 {
        return Err("no alerts were found".into());
    }
    Ok(())
}
