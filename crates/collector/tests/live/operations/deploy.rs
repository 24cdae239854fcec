//! The files of `docs/deploy` and the table of metrics, against what the collector does.
//!
//! What needs a program that is not there says so loudly: `promtool` (Debian: prometheus), `systemd-analyze` (systemd).

#![allow(clippy::print_stderr, reason = "what is skipped is for people")]

use dtq_collector::collector::Collector;
use dtq_collector::config;
use dtq_collector::events::Events;
use dtq_collector::pipeline::Judge;
use dtq_collector::rules::{self, Rules};
use dtq_collector::sockets::Sockets;
use dtq_collector::telemetry::family::{Family, Kind};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn documents(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

fn read(name: &str) -> String {
    let path = documents(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the documents of a YAML file.
fn yaml(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns everything that is counted by a collector with a rule.
fn families() -> Vec<Family> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yaml");
    let rule =
        "apiVersion: dtq/v1\nrules:\n  - {name: low, to: drop, kql: logs | where SeverityNumber between (1 .. 4)}\n";
    std::fs::write(&file, rule).unwrap();
    let rule_settings = rules::Settings {
        files: vec![file],
        socket: Some(folder.path().join("socket")),
        state: Some(folder.path().join("state")),
        ..rules::Settings::default()
    };
    let (rules, _owed) = Rules::start(rule_settings).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, own.cert.pem()).unwrap();
    std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    let yaml = format!(
        "listen: [{{address: '127.0.0.1:0', tls: {{certificate: '{}', key: '{}'}}}}]\nadmin: off\n\
         destinations: {{backend: {{endpoint: 'http://127.0.0.1:1'}}}}\n\
         datagrams: [{{address: '127.0.0.1:0', kernel: off}}]\n",
        certificate.display(),
        key.display()
    );
    let read = config::read(yaml.as_bytes(), &|_| None);
    let config = read.config.unwrap_or_else(|| panic!("{:?}", read.errors));
    runtime.block_on(async {
        let sockets = Sockets::bind(&config.settings, &config.datagrams).unwrap();
        let collector = Collector::start_on(sockets, config.settings, rules, None, Events::silent()).await.unwrap();
        let families = collector.admin().families();
        collector.stop().await;
        families
    })
}

fn names() -> BTreeSet<String> {
    families().into_iter().map(|family| family.name).collect()
}

/// Returns the metrics that an expression of PromQL names.
fn named(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("dtq_") || word.starts_with("process_")).map(str::to_owned).collect()
}

/// Runs a program and returns what it says where it fails; skips loudly where it is not there.
fn run(program: &str, arguments: &[&str], folder: &Path, stdin: &str) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        eprintln!("SKIPPED: {program} {arguments:?}: there is no {program} on this machine");
        return Ok(());
    };
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said).into_owned()) }
}

#[test]
fn names_of_metrics_follow_the_conventions() {
    let families = families();
    for family in &families {
        assert_eq!(family.kind == Kind::Counter, family.name.ends_with("_total"), "{}", family.name);
        assert!(family.help.ends_with('.'), "{}: {}", family.name, family.help);
        assert!(!family.name.contains("nanosecond") && !family.name.contains("_ms"), "{}", family.name);
        let labels = family.series.iter().flat_map(|series| series.labels.iter().map(|(label, _)| *label));
        let known = ["signal", "cause", "destination", "rule", "severity", "socket", "version", "role", "name"];
        labels.for_each(|label| assert!(known.contains(&label), "{}: {label}", family.name));
    }
    let unique: BTreeSet<_> = families.iter().map(|family| &family.name).collect();
    assert_eq!(unique.len(), families.len(), "a name stands for one family");
    let mut text = String::new();
    dtq_collector::telemetry::text::append(&mut text, &families);
    assert_eq!(run("promtool", &["check", "metrics"], Path::new("/"), &text), Ok(()));
}

#[test]
fn alerts_are_right_and_about_metrics_that_there_are() {
    let folder = documents("deploy/prometheus");
    let alerts = &yaml(&read("deploy/prometheus/alerts.yaml"))[0];
    let known = names();
    let rules = alerts["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() > 10);
    for rule in rules {
        let named = named(rule["expr"].as_str().unwrap());
        assert!(!named.is_empty() && named.is_subset(&known), "{}: {named:?}", rule["alert"]);
        assert!(rule["annotations"]["summary"].is_string() && rule["annotations"]["description"].is_string());
    }
    // Each alert is explained to who is woken by it.
    let page = read("collect.md");
    rules.iter().for_each(|rule| assert!(page.contains(rule["alert"].as_str().unwrap()), "{}", rule["alert"]));
    assert_eq!(run("promtool", &["check", "rules", "alerts.yaml"], &folder, ""), Ok(()));
    assert_eq!(run("promtool", &["test", "rules", "alerts_test.yaml"], &folder, ""), Ok(()));
}

#[test]
fn the_dashboard_is_about_metrics_that_there_are() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/dtq-collect.json")).expect("JSON");
    let known = names();
    let (mut shown, mut ids, mut below) = (BTreeSet::new(), BTreeSet::new(), 0);
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "an id stands twice");
        let place = &panel["gridPos"];
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{place}");
        below = below.max(place["y"].as_u64().unwrap());
        for target in panel["targets"].as_array().into_iter().flatten() {
            let named = named(target["expr"].as_str().unwrap());
            assert!(!named.is_empty() && named.is_subset(&known), "{}: {named:?}", panel["title"]);
            shown.extend(named);
        }
    }
    assert!(below > 20 && shown.len() > 30, "{}", shown.len());
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    let unit = read("deploy/systemd/dtq-collect.service");
    for line in ["Type=notify", "WatchdogSec=30", "ExecReload=/bin/kill -HUP $MAINPID", "MemoryDenyWriteExecute=no"] {
        assert!(unit.lines().any(|one| one == line), "{line}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dtq-collect.service");
    std::fs::write(&file, unit.replace("/usr/bin/dtq", "/bin/true")).unwrap();
    let file = file.to_str().unwrap();
    let verified = run("systemd-analyze", &["verify", "--man=no", file], folder.path(), "");
    assert_eq!(verified, Ok(()));
    // In tenths: what is exposed at most. What is left is the network, which is what it is for.
    let hardened = ["security", "--offline=true", "--threshold=20", "--no-pager", file];
    assert_eq!(run("systemd-analyze", &hardened, folder.path(), ""), Ok(()));
    let configuration = config::read(read("deploy/systemd/collect.yaml").as_bytes(), &|_| None);
    assert_eq!((configuration.errors, configuration.warnings), (vec![], vec![]));
}

/// Checks a configuration as it stands in a ConfigMap, and returns it.
fn configured(text: &str) -> config::Config {
    let read = config::read(text.as_bytes(), &|name| (name == "DTQ_TOKEN").then(|| "t0ken".to_owned()));
    assert_eq!(read.errors, vec![], "{text}");
    // That the state is shown to the pod's network is what probes need.
    let others: Vec<_> = read.warnings.iter().filter(|one| !one.message.contains("counts and names")).collect();
    assert!(others.is_empty(), "{others:?}");
    read.config.unwrap()
}

#[test]
fn manifests_hold_configurations_and_rules_that_are_right() {
    for name in ["sidecar", "gateway"] {
        let documents = yaml(&read(&format!("deploy/kubernetes/{name}.yaml")));
        let of_kind = |kind: &str| documents.iter().filter(move |one| one["kind"] == kind).collect::<Vec<_>>();
        let maps = of_kind("ConfigMap");
        let config = configured(maps[0]["data"]["collect.yaml"].as_str().unwrap());
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in maps[1]["data"].as_object().unwrap() {
            std::fs::write(folder.path().join(file), text.as_str().unwrap()).unwrap();
        }
        let files = vec![folder.path().to_path_buf()];
        let checked = Rules::check(&rules::Settings { files, ..rules::Settings::default() });
        // That a span may lose its parent is said of any rule that drops some of a trace, and health checks are all of one.
        let warnings = checked.unwrap_or_else(|errors| panic!("{name}: {errors:?}"));
        assert!(warnings.iter().all(|one| one.starts_with("warning[E5155]")), "{name}: {warnings:?}");
        let workload = documents.iter().find(|one| !one["spec"]["template"].is_null()).unwrap();
        let pod = &workload["spec"]["template"]["spec"];
        let containers = ["initContainers", "containers"].into_iter().flat_map(|key| pod[key].as_array()).flatten();
        let dtq = containers.into_iter().find(|one| one["name"] == "dtq").unwrap();
        let ports: Vec<_> = dtq["ports"].as_array().unwrap().iter().map(|one| one["containerPort"].as_u64()).collect();
        assert!(ports.contains(&config.settings.admin.map(|address| u64::from(address.port()))), "{ports:?}");
        for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz"), ("startupProbe", "/readyz")] {
            assert_eq!(dtq[probe]["httpGet"]["path"], path);
            assert_eq!(dtq[probe]["httpGet"]["port"], "dtq-state");
        }
        assert_eq!(dtq["securityContext"]["readOnlyRootFilesystem"], true);
        assert_eq!(dtq["securityContext"]["allowPrivilegeEscalation"], false);
        assert_eq!(dtq["securityContext"]["capabilities"]["drop"][0], "ALL");
        assert_eq!(
            (&pod["securityContext"]["runAsNonRoot"], &dtq["resources"]["limits"]["memory"].is_null()),
            (&true.into(), &false)
        );
        let end = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(end > config.settings.drain.as_secs() + 10, "what waits is to be sent before the end");
        assert_volumes(pod, workload, dtq, &config);
    }
}

/// Checks that what the configuration names is mounted, and what is mounted is there.
fn assert_volumes(pod: &Value, workload: &Value, dtq: &Value, config: &config::Config) {
    let name = |one: &Value| one["name"].as_str().map(str::to_owned);
    let claims = workload["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
    let claims = claims.filter_map(|one| name(&one["metadata"]));
    let volumes: BTreeSet<_> = pod["volumes"].as_array().unwrap().iter().filter_map(name).chain(claims).collect();
    let mounts = dtq["volumeMounts"].as_array().unwrap();
    mounts.iter().for_each(|one| assert!(volumes.contains(&name(one).unwrap()), "{one}"));
    let paths: Vec<_> = mounts.iter().map(|one| Path::new(one["mountPath"].as_str().unwrap())).collect();
    let tls = config.settings.ports.iter().filter_map(|port| port.tls.as_ref()).flat_map(|tls| tls.paths());
    let rules = config.rules.files.iter().chain(&config.rules.socket).chain(&config.rules.state).cloned();
    for path in tls.chain(rules) {
        assert!(paths.iter().any(|mount| path.starts_with(mount)), "{} is not mounted", path.display());
    }
}

/// Each instruction of the Containerfile is one that there is, and what it copies and starts is what is built. Without an
/// engine of containers on the machine, that is all that is checked.
#[test]
fn the_containerfile_is_written_as_one() {
    let text = read("deploy/Containerfile").replace("\\\n", " ");
    let lines: Vec<(&str, &str)> = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(' ').expect(line))
        .collect();
    let known =
        ["FROM", "WORKDIR", "COPY", "RUN", "LABEL", "USER", "EXPOSE", "VOLUME", "STOPSIGNAL", "ENTRYPOINT", "CMD"];
    lines.iter().for_each(|(word, _)| assert!(known.contains(word), "{word}"));
    assert_eq!(lines.iter().filter(|(word, _)| *word == "FROM").count(), 2);
    let of = |wanted: &str| lines.iter().rev().find(|(word, _)| *word == wanted).unwrap().1;
    assert!(!of("USER").starts_with('0') && of("USER") != "root");
    assert_eq!(of("STOPSIGNAL"), "SIGTERM");
    let list = |word: &str| serde_json::from_str::<Vec<String>>(of(word)).expect("the form of a list");
    assert_eq!(list("ENTRYPOINT"), ["/usr/local/bin/dtq"]);
    assert_eq!(list("CMD")[..3], ["collect", "--config", "/etc/dtq/collect.yaml"]);
    let toolchain = lines[0].1.split(':').nth(1).unwrap().split('-').next().unwrap();
    let workspace = std::fs::read_to_string(documents("../Cargo.toml")).unwrap();
    assert!(workspace.contains(&format!("rust-version = \"{toolchain}\"")), "{toolchain}");
}

/// The lines around the table of metrics.
const TABLE: (&str, &str) = ("<!-- metrics: begin -->\n", "<!-- metrics: end -->\n");

#[test]
fn the_page_has_every_metric() {
    let families = families();
    let mut table = "| name | labels | what |\n|---|---|---|\n".to_owned();
    for family in &families {
        let labels = family.series.first().map(|series| series.labels.iter().map(|(label, _)| *label));
        let labels: Vec<_> = labels.into_iter().flatten().collect();
        table += &format!("| `{}` | {} | {} |\n", family.name, labels.join(", "), family.help);
    }
    let page = read("collect.md");
    let (before, rest) = page.split_once(TABLE.0).expect("the beginning of the table");
    let (shown, after) = rest.split_once(TABLE.1).expect("the end of the table");
    if std::env::var_os("DTQ_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(documents("collect.md"), [before, TABLE.0, &table, TABLE.1, after].concat()).unwrap();
        return;
    }
    assert_eq!(shown, table, "DTQ_BLESS=1 writes the table of docs/collect.md");
}

#[test]
fn a_judge_counts_nothing_where_there_are_no_rules() {
    assert_eq!(dtq_collector::pipeline::KeepAll.families(), vec![]);
}
