//! What rule files mean: values, defaults, order, and the places of queries.

use dtq_rules::file::keys::{KEYS, Key, Place, Shape};
use dtq_rules::file::rule::{
    Above, Count, Destination, Given, MetricKind, MetricsOutput, Mode, OnError, OnFull, OnShutdown, Phase, Rate,
    RecorderBounds, RuleLimits, Temporality, TestTime, Tier,
};
use dtq_rules::file::{Files, NoFiles, Options, Rule, RuleFile, RuleRef, check_together, order, read};
use dtq_source::{Code, Diagnostic, Span};
use dtq_value::Value;
use dtq_value::scalar::time;

const SECOND: i64 = 10_000_000;

/// Returns a file without mistakes.
fn file(text: &str) -> RuleFile {
    let (file, found) = read("rules.yaml", text.as_bytes(), &NoFiles, &Options::default());
    assert_eq!(found, [], "{text}");
    assert!(file.is_complete);
    file
}

/// Returns a file with one rule of these keys.
fn rule(keys: &str) -> String {
    let indented: String = keys.lines().map(|line| format!("    {line}\n")).collect();
    format!("apiVersion: dtq/v1\nrules:\n  - name: r\n{indented}")
}

#[test]
fn the_example_of_the_contract_is_read_in_full() {
    let text = r#"
apiVersion: dtq/v1
rules:
  - name: no-health-checks
    owner: web-team
    reason: 60 % of span volume, never looked at
    expires: 2027-03-31T00:00:00Z            # optional
    tiers: [in-process, kernel, collector, gateway]
    mode: enforce
    to: drop
    on_error: pass
    kql: |
      spans | where tostring(Attributes["url.path"]) in ("/healthz", "/readyz") and StatusCode != "Error"
    limits: {ns_per_record: 2000, state_bytes: 1MiB}
    tests:
      - name: probes go, their failures stay
        given:
          - {Attributes: {url.path: /healthz}}
          - {Attributes: {url.path: /healthz, n: 5, r: 0.5, b: true, x: null, l: [1, "2"]}, StatusCode: Error}
        at: 2026-01-01T00:00:00Z
        then: {matched: 1, dropped: 1, records: [{StatusCode: Error}]}
"#;
    let file = file(text);
    let rule = &file.rules[0];
    assert_eq!(rule.name.value, "no-health-checks");
    assert_eq!(file.source.slice(rule.name.span), "no-health-checks");
    assert_eq!(rule.owner.as_ref().map(|owner| owner.value.as_str()), Some("web-team"));
    assert_eq!(rule.reason.as_ref().map(|reason| reason.value.as_str()), Some("60 % of span volume, never looked at"));
    assert_eq!(rule.expires_ticks.as_ref().map(|it| it.value), time::parse_datetime(b"2027-03-31"));
    assert_eq!(rule.tiers.value, [Tier::InProcess, Tier::Kernel, Tier::Collector, Tier::Gateway]);
    assert_eq!((rule.mode, rule.phase), (Mode::Enforce, Phase::Reduce));
    assert_eq!(rule.to.value, Destination::Drop);
    assert_eq!(rule.on_error.value, OnError::Pass);
    assert_eq!(rule.limits, RuleLimits { ns_per_record: Some(2000), state_bytes: Some(1 << 20), series: None });
    assert!(rule.query.text.starts_with("spans | where") && rule.query.text.ends_with("\"Error\"\n"));
    let test = &rule.tests[0];
    assert_eq!(test.name, "probes go, their failures stay");
    let step = &test.steps[0];
    assert_eq!(step.at, TestTime::At(time::parse_datetime(b"2026-01-01").unwrap()));
    let Given::Rows { table: None, rows } = &step.given else { panic!("{:?}", step.given) };
    let Value::Bag(bag) = &rows[1].columns[0].1 else { panic!("{:?}", rows[1]) };
    assert_eq!(bag.get(b"url.path"), Some(&Value::string("/healthz")));
    assert_eq!(bag.get(b"n"), Some(&Value::Long(5)));
    assert_eq!(bag.get(b"r"), Some(&Value::Real(0.5)));
    assert_eq!(bag.get(b"b"), Some(&Value::Bool(true)));
    assert_eq!(bag.get(b"x"), Some(&Value::Null));
    assert_eq!(bag.get(b"l"), Some(&Value::array(vec![Value::Long(1), Value::string("2")])));
    let counts: Vec<(Count, u64)> = step.then.counts.iter().map(|(count, value)| (*count, value.value)).collect();
    assert_eq!(counts, [(Count::Matched, 1), (Count::Dropped, 1)]);
    assert_eq!(step.then.records.as_ref().map(Vec::len), Some(1));
}

#[test]
fn what_is_not_written_has_the_documented_default() {
    let drop = file(&rule("to: drop\nkql: logs")).rules.remove(0);
    assert_eq!(drop.tiers.value.len(), 4);
    assert_eq!((drop.mode, drop.phase, drop.is_durable), (Mode::Enforce, Phase::Reduce, false));
    assert_eq!(drop.limits, RuleLimits::default());
    let limited = file(&rule("to: drop\nabove: {rate: 30/5m}\nkql: logs")).rules.remove(0);
    assert_eq!(limited.tiers.value, [Tier::Collector]);
    let rate = Rate { count: 30, period_ticks: 300 * SECOND };
    assert_eq!(limited.above.map(|above| above.value), Some(Above { rate, burst: 30 }));
    let held = file(&rule("to: recorder:x\nrecorder: {keep: 1m}\nkql: logs")).rules.remove(0);
    let bounds = RecorderBounds {
        keep_ticks: 60 * SECOND,
        bytes_per_key: 1 << 20,
        keys: 10_000,
        on_full: OnFull::Oldest,
        on_shutdown: OnShutdown::Discard,
    };
    assert!(matches!(&held.to.value, Destination::Recorder { bounds: found, .. } if *found == bounds));
    let flush = file(&rule("to: flush:x\nkql: logs")).rules.remove(0);
    assert!(matches!(&flush.to.value, Destination::Flush { after_ticks: 0, cooldown_ticks: 0, .. }));
}

#[test]
fn metrics_of_all_kinds() {
    let text = rule(
        "to: metrics\nconsume: true\nresource: [service]\nlateness: 1m\nidle: 5m\nmetrics:\n  g: {name: g, type: gauge}\n  \
         s: {name: s, type: sum, monotonic: false, temporality: cumulative, unit: \"{error}\", description: d}\n  \
         h: {name: h, type: histogram, bounds: [0, 0.5, 1]}\n  e: {name: e, type: exponential_histogram}\nkql: logs",
    );
    let rule = file(&text).rules.remove(0);
    assert_eq!(rule.phase, Phase::Reduce, "it takes records away");
    let Destination::Metrics(metrics) = &rule.to.value else { panic!("{:?}", rule.to) };
    assert!(metrics.is_consumed);
    assert_eq!(metrics.lateness_ticks.as_ref().map(|it| it.value), Some(60 * SECOND));
    let kinds: Vec<&MetricKind> = metrics.columns.iter().map(|column| &column.kind.value).collect();
    let delta = Temporality::Delta;
    assert_eq!(*kinds[0], MetricKind::Gauge);
    assert_eq!(*kinds[1], MetricKind::Sum { temporality: Temporality::Cumulative, is_monotonic: false });
    assert_eq!(*kinds[2], MetricKind::Histogram { temporality: delta, bounds: Some(vec![0.0, 0.5, 1.0]) });
    assert_eq!(*kinds[3], MetricKind::ExponentialHistogram { temporality: delta, max_size: 160, max_scale: 20 });
    assert_eq!((metrics.columns[1].unit.as_str(), metrics.columns[1].description.as_str()), ("{error}", "d"));
}

#[test]
fn steps_of_a_test() {
    let text = rule(
        "to: drop\nkql: logs\ntests:\n  - with: [r]\n    steps:\n      - {given: [{Body: a}]}\n      \
         - {after: 5m}\n      - {given: {table: spans, rows: []}, then: {dropped: 0}}",
    );
    let rule = file(&text).rules.remove(0);
    let times: Vec<TestTime> = rule.tests[0].steps.iter().map(|step| step.at).collect();
    assert_eq!(times, [TestTime::Same, TestTime::Later(300 * SECOND), TestTime::Same]);
    assert!(matches!(rule.tests[0].steps[1].given, Given::Nothing));
    assert!(matches!(&rule.tests[0].steps[2].given, Given::Rows { table: Some(table), .. } if table.value == "spans"));
    assert_eq!(time::parse_datetime(b"2024-01-01"), Some(TestTime::START_TICKS));
}

#[test]
fn on_error_strips_columns_at_their_places() {
    let file = file(&rule("to: replace\non_error: strip:Body, Attributes\nkql: logs"));
    let OnError::Strip(columns) = &file.rules[0].on_error.value else { panic!("{:?}", file.rules[0].on_error) };
    let places: Vec<&str> = columns.iter().map(|column| file.source.slice(column.span)).collect();
    assert_eq!(places, ["Body", "Attributes"]);
    assert!(file.rules[0].is_protective());
    assert_eq!(file.rules[0].phase, Phase::Redact);
}

#[test]
fn rules_run_by_phase_then_file_then_place() {
    let entry = |name: &str, keys: &str| format!("  - {{name: {name}, kql: logs, {keys}}}\n");
    let head = "apiVersion: dtq/v1\nrules:\n";
    let first = [
        head.to_owned(),
        entry("drop", "to: drop"),
        entry("hold", "to: 'recorder:x', recorder: {keep: 1m}"),
        entry("count", "to: metrics, metrics: {n: {name: n, type: sum}}"),
        entry("flush", "to: 'flush:x'"),
        entry("edit", "to: replace"),
    ]
    .concat();
    let second = [
        head.to_owned(),
        entry("copy", "to: 'route:cold', copy: true"),
        entry("protect", "to: drop, on_error: drop"),
        entry("late-edit", "to: replace, phase: reduce"),
        entry("route", "to: 'route:cold'"),
    ]
    .concat();
    let files = [file(&first), file(&second)];
    assert_eq!(check_together(&files), []);
    let name = |it: &RuleRef| files[it.file].rules[it.rule].name.value.clone();
    let names: Vec<String> = order(&files).iter().map(name).collect();
    assert_eq!(names, ["edit", "protect", "count", "flush", "copy", "drop", "hold", "late-edit", "route"]);
}

/// Returns the place in the file of a word of the query.
fn place<'f>(file: &'f RuleFile, word: &str) -> &'f str {
    let query = &file.rules[0].query;
    let start = query.text.find(word).expect("the word is in the query");
    file.source.slice(query.map.span(Span::new(start, start + word.len())))
}

#[test]
fn places_in_queries_are_exact_in_every_style() {
    for kql in [
        "kql: logs | where wrong == 1",
        "kql: 'logs | where ''a'' == wrong'",
        "kql: \"logs | where \\\"\\u00e9\\\" == wrong\"",
        "kql: |\n  logs\n    | where x == 1\n\n    | where wrong == 2",
        "kql: |2\n    logs\n   | where wrong == 2",
        "kql: |-\n\n  logs\n  | where wrong == 2\n\n",
        "kql: |\n  // \u{e9}\u{e8}\n  logs | where wrong",
        "kql: >\n  logs\n  | where wrong == 2",
        "kql: logs\n  | where wrong == 2",
        "kql: \"logs\n\n  | where wrong\"",
        "kql: {file: x.kql}",
    ] {
        struct One;
        impl Files for One {
            fn read(&self, _: &str) -> Result<Vec<u8>, String> {
                Ok(b"logs | where wrong".to_vec())
            }
        }
        for text in [rule(&format!("to: drop\n{kql}")), rule(&format!("to: drop\n{kql}")).replace('\n', "\r\n")] {
            let (file, found) = read("rules.yaml", text.as_bytes(), &One, &Options::default());
            assert_eq!(found, [], "{text}");
            let query = &file.rules[0].query;
            let start = query.text.find("wrong").expect("the word is in the query");
            let span = query.map.span(Span::new(start, start + 5));
            assert_eq!(query.source(&file).slice(span), "wrong", "{text:?}");
        }
    }
}

#[test]
fn a_diagnostic_of_a_query_keeps_its_fix_only_where_yaml_reads_it_unchanged() {
    let placed = |kql: &str, replacement: &str| {
        let file = file(&rule(&format!("to: drop\n{kql}")));
        let start = file.rules[0].query.text.find("wrong").expect("the word is in the query");
        let span = Span::new(start, start + 5);
        let diagnostic = Diagnostic::error(Code::E2001, span, "m").fix(span, replacement);
        let placed = file.rules[0].query.place(diagnostic);
        assert_eq!(file.source.slice(placed.span), "wrong");
        placed.fix.map(|fix| file.source.slice(fix.span).to_owned())
    };
    assert_eq!(placed("kql: |\n  logs | where wrong", "Body[\"a: b\"]").as_deref(), Some("wrong"));
    assert_eq!(placed("kql: logs | where wrong", "Body").as_deref(), Some("wrong"));
    assert_eq!(placed("kql: logs | where wrong", "Body has \": #\""), None);
    assert_eq!(placed("kql: \"logs | where wrong\"", "Body has \"x\""), None);
    assert_eq!(place(&file(&rule("to: drop\nkql: logs | where wrong")), "wrong"), "wrong");
}

#[test]
fn every_key_has_an_example_that_is_read() {
    let is_free = |key: &&Key| matches!(key.place, Place::Rule) && !matches!(key.name, "name" | "to" | "kql" | "tests");
    for key in KEYS.iter().filter(is_free) {
        let needs = match key.destinations {
            [] => "to: drop\nabove: {rate: 1/s}",
            ["metrics", "table", "recorder"] | ["table"] => "to: table:t\nfor: 1m",
            ["drop", "replace", "route"] => "to: drop",
            ["replace"] => "to: replace",
            ["recorder"] => "to: recorder:x\nrecorder: {keep: 1m}",
            ["flush"] => "to: flush:x",
            ["route"] => "to: route:x",
            ["metrics"] => "to: metrics\nmetrics: {n: {name: n, type: sum}}",
            others => panic!("no rule for {others:?}"),
        };
        let others: Vec<&str> = needs.lines().filter(|line| !line.starts_with(&format!("{}:", key.name))).collect();
        let example = match (key.shape, key.name) {
            (_, "tiers") => "[collector]",
            (Shape::Text, _) => &format!("'{}'", key.example),
            _ => key.example,
        };
        file(&rule(&format!("{}\nkql: logs\n{}: {example}", others.join("\n"), key.name)));
    }
}

#[test]
fn warnings_never_hide_an_error_and_the_last_message_says_that_there_are_more() {
    let entry = |index: usize| format!("  - {{name: r{index}, to: drop, kql: logs, expires: 2001-01-01}}\n");
    let options = Options { now_ticks: TestTime::START_TICKS, ..Options::default() };
    let text = format!("apiVersion: dtq/v1\nrules:\n{}  - {{name: x}}\n", (0..200).map(entry).collect::<String>());
    let (file, found) = read("rules.yaml", text.as_bytes(), &NoFiles, &options);
    assert!(!file.is_complete);
    assert_eq!(found.iter().filter(|diagnostic| diagnostic.is_error()).count(), 2);
    assert_eq!(found.len(), options.limits.diagnostics_max + 2);
    assert_eq!(found.last().unwrap().notes, ["there are more, which are not shown"]);
}

#[test]
fn defaults_of_metrics_are_those_of_the_reference() {
    for (name, ticks) in [("interval", MetricsOutput::INTERVAL_TICKS), ("lateness", MetricsOutput::LATENESS_TICKS)] {
        let default = Place::Rule.key(name).unwrap().default;
        assert_eq!(time::parse_timespan(default.as_bytes()), Some(ticks), "{name}");
    }
    assert_eq!(Place::Rule.key("idle").unwrap().default, "10m with `scan`, 60s with `summarize`");
    assert_eq!(time::parse_timespan(b"10m"), Some(Rule::SCAN_IDLE_TICKS));
    assert_eq!(time::parse_timespan(b"60s"), Some(MetricsOutput::IDLE_TICKS));
    assert_eq!(Place::Limits.key("series").unwrap().default, RuleLimits::SERIES.to_string());
}
