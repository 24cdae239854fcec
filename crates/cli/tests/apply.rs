//! `dtq apply`: what leaves, compared byte for byte and field by field; and `dtq new`, whose rules do what they say.

mod common;

use common::{dtq, dtq_with, file, folder, root};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use std::path::Path;

const NO_BANNER: &str = "fixtures/cli/rules/no-banner.yaml";
const NO_SECRET: &str = "fixtures/cli/rules/no-secret.yaml";
const LOGS: &str = "fixtures/telemetry/logs.otlp";
const LOGS_JSON: &str = "fixtures/telemetry/logs.otlp.jsonl";

/// Applies rules to a file and returns the bytes that leave.
fn applied(test: &str, rules: &str, input: &str) -> Vec<u8> {
    let folder = folder(test);
    let out = folder.join("out");
    let ran =
        dtq(&["apply", "--rules", rules, "--out", out.to_str().expect("the recorded file is whole"), input]).code(0);
    assert!(ran.stdout.is_empty(), "{}", ran.stdout);
    std::fs::read(out).expect("the recorded file is whole")
}

fn read(path: &str) -> Vec<u8> {
    std::fs::read(root().join(path)).expect("the recorded file is whole")
}

fn delimited(mut bytes: &[u8]) -> Vec<ExportLogsServiceRequest> {
    let mut requests = Vec::new();
    while !bytes.is_empty() {
        requests
            .push(ExportLogsServiceRequest::decode_length_delimited(&mut bytes).expect("the recorded file is whole"));
    }
    requests
}

fn lines(bytes: &[u8]) -> Vec<ExportLogsServiceRequest> {
    std::str::from_utf8(bytes)
        .expect("the recorded file is whole")
        .lines()
        .map(|line| serde_json::from_str(line).expect("the recorded file is whole"))
        .collect()
}

/// The event name as `customDimensions` has it: the attribute, or else the record's own.
fn is_banner(record: &LogRecord) -> bool {
    let attribute = record.attributes.iter().find(|attribute| attribute.key == "EventName");
    match attribute.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(name)) => name == "LogWelcomeBanner",
        Some(_) => false,
        None => record.event_name == "LogWelcomeBanner",
    }
}

/// Edits every record by `edit`, which says whether it stays; what is empty then disappears.
fn edited(
    mut requests: Vec<ExportLogsServiceRequest>,
    edit: impl Fn(&mut LogRecord) -> bool,
) -> Vec<ExportLogsServiceRequest> {
    for request in &mut requests {
        for resource in &mut request.resource_logs {
            for scope in &mut resource.scope_logs {
                scope.log_records.retain_mut(&edit);
            }
            resource.scope_logs.retain(|scope| !scope.log_records.is_empty());
        }
        request.resource_logs.retain(|resource| !resource.scope_logs.is_empty());
    }
    requests.retain(|request| !request.resource_logs.is_empty());
    requests
}

fn without_banner(record: &mut LogRecord) -> bool {
    !is_banner(record)
}

fn without_secret(record: &mut LogRecord) -> bool {
    if is_banner(record) {
        record.attributes.retain(|attribute| attribute.key != "secret");
    }
    true
}

#[test]
fn the_contracts_queries_do_to_protobuf_what_prost_does() {
    let before = delimited(&read(LOGS));
    let records = |requests: &[ExportLogsServiceRequest]| -> usize {
        let scopes = requests.iter().flat_map(|request| &request.resource_logs).flat_map(|it| &it.scope_logs);
        scopes.map(|scope| scope.log_records.len()).sum()
    };
    let dropped = edited(before.clone(), without_banner);
    assert_eq!((records(&before), records(&dropped)), (134, 132));
    assert_eq!(delimited(&applied("prost-banner", NO_BANNER, LOGS)), dropped);
    let stripped = edited(before.clone(), without_secret);
    assert_ne!(stripped, before);
    assert_eq!(delimited(&applied("prost-secret", NO_SECRET, LOGS)), stripped);
}

#[test]
fn the_contracts_queries_do_to_json_what_prost_does() {
    let before = lines(&read(LOGS_JSON));
    assert_eq!(lines(&applied("json-banner", NO_BANNER, LOGS_JSON)), edited(before.clone(), without_banner));
    let stripped = edited(before.clone(), without_secret);
    assert_ne!(stripped, before);
    assert_eq!(lines(&applied("json-secret", NO_SECRET, LOGS_JSON)), stripped);
}

#[test]
fn what_no_rule_changes_leaves_as_the_bytes_that_came() {
    let folder = folder("unchanged");
    let rules = file(
        &folder,
        "rules.yaml",
        b"apiVersion: dtq/v1\nrules:\n  - {name: never, to: drop, kql: logs | where tostring(Body) == 'no such body'}\n\
          \x20 - {name: same, to: replace, kql: \"logs | extend Attributes = bag_remove_keys(Attributes, dynamic(['no such key']))\"}\n",
    );
    for name in [
        "logs.otlp",
        "logs-one.otlp",
        "logs.otlp.jsonl",
        "metrics.otlp",
        "metrics.otlp.jsonl",
        "traces.otlp",
        "traces.otlp.jsonl",
        "frontend.ndjson",
        "orders.csv",
        "postgres.csv",
        "postgres.log",
        "postgres.ndjson",
        "nginx-access.log",
        "alertmanager.logfmt",
        "syslog-iso.log",
        "syslog-rfc3164.log",
        "syslog-rfc5424.log",
    ] {
        let input = format!("fixtures/telemetry/{name}");
        let out = folder.join(name);
        dtq(&["apply", "--rules", &rules, "--out", out.to_str().expect("the recorded file is whole"), &input]).code(0);
        assert!(std::fs::read(out).expect("the recorded file is whole") == read(&input), "{name}");
    }
}

#[test]
fn without_files_stdin_is_read() {
    let ran = dtq_with(&["apply", "-r", NO_BANNER], b"{\"msg\":\"a\"}\n\n{\"msg\": \"b\"}").code(0);
    assert_eq!(ran.stdout, "{\"msg\":\"a\"}\n\n{\"msg\": \"b\"}");
    assert!(ran.stderr.contains("records: 2 in = 2 out"), "{}", ran.stderr);
}

#[test]
fn dropped_records_are_absent_and_layouts_stay() {
    let folder = folder("absent");
    let rules = file(
        &folder,
        "rules.yaml",
        b"apiVersion: dtq/v1\nrules:\n  - {name: no-b, to: drop, kql: logs | where tostring(Attributes.k) == 'b'}\n",
    );
    for (input, expected) in [
        ("k,n\na,1\nb,2\n\"b\",3\nc,4\n", "k,n\na,1\nc,4\n"),
        ("{\"k\":\"b\"}\r\n{\"k\":\"a\"}\r\n{\"k\":\"b\"}", "{\"k\":\"a\"}\r\n"),
        ("[{\"k\":\"a\"},\n {\"k\":\"b\"}, {\"k\": \"c\"}]", "[\n{\"k\":\"a\"},\n{\"k\": \"c\"}\n]\n"),
        ("[{\"k\":\"b\"},\n {\"k\":\"b\"}]", "[]\n"),
        ("{\n\"k\":\"a\"}\n{\n\"k\":\"b\"}\n", "{\n\"k\":\"a\"}\n"),
        ("k=a n=1\nk=b n=2\nk=c n=3\n", "k=a n=1\nk=c n=3\n"),
    ] {
        assert_eq!(dtq_with(&["apply", "-r", &rules, "-"], input.as_bytes()).code(0).stdout, expected, "{input}");
    }
}

#[test]
fn lines_of_many_hosts_keep_their_order_and_their_edits() {
    let folder = folder("hosts");
    let rules = file(
        &folder,
        "rules.yaml",
        b"apiVersion: dtq/v1\nrules:\n\
          \x20 - {name: hosts, to: replace, kql: 'resources | extend Attributes = bag_set_key(Attributes, \"host.name\", strcat(tostring(Attributes[\"host.name\"]), \"-x\"))'}\n\
          \x20 - {name: no-2, to: drop, kql: 'logs | where tostring(Body) endswith \"2\"'}\n\
          \x20 - {name: mark, to: replace, kql: 'logs | extend Body = iff(tostring(Body) endswith \"5\", strcat(tostring(Body), \"!\"), tostring(Body))'}\n",
    );
    // More than one request holds, hosts that alternate, and lines that are no records among them.
    let (mut input, mut expected) = (String::new(), String::new());
    for number in 0..2_000 {
        let host = ["a", "b", "c"][number / 2 % 3];
        let end = if number % 3 == 0 { "\r\n" } else { "\n" };
        input += &format!("<13>1 - {host} app - - - n {number}{end}");
        if number % 10 != 2 {
            let mark = if number % 10 == 5 { "!" } else { "" };
            expected += &format!("<13>1 - {host}-x app - - - n {number}{mark}{end}");
        }
        if number % 100 == 7 {
            input += "\n";
            expected += "\n";
        }
    }
    let arguments = ["apply", "-r", &rules, "--format", "syslog", "-"];
    let ran = dtq_with(&arguments, input.as_bytes()).code(0);
    assert!(ran.stdout == expected, "{}", ran.stderr);
    assert!(ran.stderr.contains("records: 2000 in = 1800 out + 200 dropped"), "{}", ran.stderr);
}

#[test]
fn an_edit_without_a_place_undoes_its_rule_and_no_other() {
    let folder = folder("no-place");
    let rule = |name: &str, more: &str, kql: &str| format!("  - {{name: {name}, to: replace, {more} kql: '{kql}'}}\n");
    let hide = rule("hide", "", "logs | extend Attributes = bag_remove_keys(Attributes, dynamic([\"mail\"]))");
    let rename = "logs | extend Attributes = iff(isnotempty(Attributes.k), \
                  bag_remove_keys(bag_set_key(Attributes, \"o\", Attributes.k), dynamic([\"k\"])), Attributes)";
    let upper = rule(
        "upper",
        "",
        "logs | extend Attributes = bag_set_key(Attributes, \"n\", strcat(tostring(Attributes.n), \"0\"))",
    );
    let input = b"k,mail,n\na,a@x,1\nb,b@x,2\n";
    for (more, expected, law) in [
        ("", "k,mail,n\na,,10\nb,,20\n", "records: 2 in = 2 out;"),
        ("on_error: drop,", "k,mail,n\n", "records: 2 in = 0 out + 2 dropped;"),
    ] {
        let text = format!("apiVersion: dtq/v1\nrules:\n{hide}{}{upper}", rule("rename", more, rename));
        let rules = file(&folder, "rules.yaml", text.as_bytes());
        let ran = dtq_with(&["apply", "-r", &rules, "-"], input).code(65);
        assert_eq!(ran.stdout, expected);
        assert!(ran.stderr.contains("`rename`: an edit cannot be written: stdin: line 2: "), "{}", ran.stderr);
        assert!(ran.stderr.contains(law), "{}", ran.stderr);
        let ran = dtq_with(&["apply", "-r", &rules, "--lenient", "--report", "-", "--out", "/dev/null", "-"], input);
        let ran = ran.code(0);
        let report = ran.stderr.lines().last().expect("a report");
        let report: serde_json::Value = serde_json::from_str(report).expect("a report");
        let count = |name: &str| report["rules"][1][name].as_u64();
        assert_eq!((count("errors"), count("edited"), report["unwritten"].as_u64()), (Some(2), Some(0), Some(2)));
        assert_eq!(report["is_conserved"], true);
    }
}

#[test]
fn records_that_rules_make_go_to_a_file_of_their_own() {
    let folder = folder("made");
    let rules = file(
        &folder,
        "rules.yaml",
        b"apiVersion: dtq/v1\nrules:\n  - {name: alarm, to: logs, kql: 'logs | where tostring(Attributes.k) == \"b\" | project Body'}\n",
    );
    let made = folder.join("made.jsonl").to_str().expect("the path is UTF-8").to_owned();
    let input = b"k,msg\na,x\nb,y\n";
    let ran = dtq_with(&["apply", "-r", &rules, "--logs", &made, "-"], input).code(0);
    assert_eq!(ran.stdout.as_bytes(), input);
    let made = lines(&std::fs::read(made).expect("the file was made"));
    assert_eq!(made[0].resource_logs[0].scope_logs[0].log_records.len(), 1);
    let ran = dtq_with(&["apply", "-r", &rules, "-"], input).code(0);
    assert!(ran.stderr.contains("of logs that rules made had no place to go"), "{}", ran.stderr);
}

#[test]
fn rules_with_mistakes_write_nothing() {
    let folder = folder("mistakes");
    let out = folder.join("out");
    let rules = "fixtures/cli/rules/wrong.yaml";
    let ran =
        dtq(&["apply", "--rules", rules, "--out", out.to_str().expect("the recorded file is whole"), LOGS]).code(78);
    assert!(!out.exists() && ran.stdout.is_empty());
    assert!(ran.stderr.contains("wrong.yaml:4:"), "{}", ran.stderr);
}

#[test]
fn the_report_is_json_and_nothing_is_lost() {
    let folder = folder("report");
    let path = |name: &str| folder.join(name).to_str().expect("the recorded file is whole").to_owned();
    let (report, errors, metrics) = (path("report.json"), path("errors.jsonl"), path("metrics.otlp"));
    let named = format!("errors={errors}");
    let rules = "fixtures/cli/rules/several.yaml";
    let outputs = ["--report", &report, "--out", &named, "--out", "/dev/null", "--metrics", &metrics];
    let arguments = [&["apply", "-r", rules, "--stats=json"][..], &outputs, &[LOGS]].concat();
    let ran = dtq(&arguments).code(0);
    let stats: serde_json::Value = serde_json::from_str(ran.stderr.trim()).expect("the recorded file is whole");
    assert_eq!(stats["records"], 134);
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(report).expect("the recorded file is whole"))
        .expect("the recorded file is whole");
    assert_eq!(report["is_conserved"], true);
    let totals = &report["totals"];
    let count = |name: &str| totals[name].as_u64().expect("the recorded file is whole");
    assert_eq!(count("records_in") + count("created"), count("records_out") + count("dropped"));
    let copied = report["rules"]
        .as_array()
        .expect("the recorded file is whole")
        .iter()
        .find(|rule| rule["rule"] == "errors-apart")
        .expect("the recorded file is whole");
    let routed = lines(&std::fs::read(errors).expect("the recorded file is whole"));
    let severe = routed.iter().flat_map(|it| &it.resource_logs).flat_map(|it| &it.scope_logs);
    let severe: Vec<i32> = severe.flat_map(|it| &it.log_records).map(|record| record.severity_number).collect();
    assert_eq!(copied["copied"], severe.len());
    assert!(severe.len() == 10 && severe.iter().all(|number| *number >= 17), "{severe:?}");
    assert!(!std::fs::read(metrics).expect("the recorded file is whole").is_empty());
}

/// A rule that cannot do what it says: it is said on stderr, and stands as a log record in the file of notices.
#[test]
fn what_rules_say_of_themselves_is_a_log_record() {
    let folder = folder("notices");
    let rules = file(
        &folder,
        "rules.yaml",
        b"apiVersion: dtq/v1\nrules:\n  - {name: odd, to: replace, kql: 'logs | extend TraceId = \"no id\"'}\n",
    );
    let (out, notices) = (folder.join("out.otlp"), folder.join("notices.jsonl"));
    let [out, notices] = [&out, &notices].map(|path| path.to_str().expect("the path is text"));
    let now = "2025-11-23T12:40:00Z";
    let arguments = ["apply", "--now", now, "--rules", &rules, "--out", out, "--notices", notices, LOGS];
    let ran = dtq(&arguments).code(0);
    assert!(ran.stderr.contains("note: rule `odd`: cannot judge a record: "), "{}", ran.stderr);
    assert_eq!(std::fs::read(out).expect("it was written"), read(LOGS));
    let requests = lines(&std::fs::read(notices).expect("it was written"));
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    let record = &request.resource_logs[0].scope_logs[0].log_records[0];
    assert_eq!((record.event_name.as_str(), record.severity_text.as_str()), ("dtq.rule.error", "WARN"));
    assert_eq!(record.time_unix_nano, 1_763_901_600_000_000_000);
    let rule = &record.attributes[0];
    let name = rule.value.as_ref().and_then(|value| value.value.clone());
    assert_eq!((rule.key.as_str(), name), ("dtq.rule", Some(Value::StringValue("odd".to_owned()))));
    // Where a file is read it cannot be written.
    dtq(&["apply", "--rules", &rules, "--notices", &rules, LOGS]).code(64);
}

#[test]
fn what_cannot_be_read_passes_is_counted_and_ends_with_65() {
    let folder = folder("malformed");
    let good = read(LOGS_JSON);
    let bad = b"{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"severityNumber\":\"x\"}]}]}]}\n";
    let input = file(&folder, "in.jsonl", &[&good[..], bad].concat());
    let out = folder.join("out");
    let arguments = ["apply", "-r", NO_BANNER, "--out", out.to_str().expect("the recorded file is whole"), &input];
    let ran = dtq(&arguments).code(65);
    assert!(ran.stderr.contains("skipped: "), "{}", ran.stderr);
    assert!(std::fs::read(&out).expect("the recorded file is whole").ends_with(bad));
    dtq(&[&arguments[..], &["--lenient"]].concat()).code(0);
    let mut cut = read(LOGS);
    cut.truncate(cut.len() - 7);
    let input = file(&folder, "cut.otlp", &cut);
    dtq(&["apply", "-r", NO_BANNER, "--out", out.to_str().expect("the recorded file is whole"), &input]).code(65);
    // A protective rule lets nothing pass that it has not judged.
    let rules = file(
        &folder,
        "rules.yaml",
        b"apiVersion: dtq/v1\nrules:\n  - {name: strict, to: drop, on_error: drop, kql: logs | where tostring(Body) == 'no'}\n",
    );
    let ran = dtq_with(&["apply", "-r", &rules, "-"], b"{\"msg\":\"a\"}\n{\"msg\":\n{\"msg\":\"b\"}\n").code(65);
    assert_eq!(ran.stdout, "{\"msg\":\"a\"}\n{\"msg\":\"b\"}\n");
}

#[test]
fn a_begun_rule_drops_the_record_it_is_like() {
    let folder = folder("begun");
    for (from, like) in [
        ("logs.otlp", 1),
        ("logs.otlp", 100),
        ("traces.otlp", 7),
        ("metrics.otlp", 20),
        ("frontend.ndjson", 2),
        ("syslog-rfc5424.log", 2),
        ("postgres.log", 9),
        ("nginx-access.log", 3),
    ] {
        let from = format!("fixtures/telemetry/{from}");
        let name = format!(
            "{}-{like}.yaml",
            Path::new(&from)
                .file_name()
                .expect("the recorded file is whole")
                .to_str()
                .expect("the recorded file is whole")
        );
        let rules = folder.join(name).to_str().expect("the recorded file is whole").to_owned();
        let begun = dtq(&["new", "drop", "--from", &from, "--like", &like.to_string(), "--out", &rules]).code(0);
        dtq(&["check", &rules]).code(0);
        dtq(&["test", &rules]).code(0);
        let out = folder.join("out").to_str().expect("the recorded file is whole").to_owned();
        let ran = dtq(&["apply", "-r", &rules, "--report", "-", "--out", &out, &from]).code(0);
        let report: serde_json::Value =
            serde_json::from_str(&ran.stderr[ran.stderr.find("\n{").map_or(0, |at| at + 1)..]).expect("a report");
        let dropped = &report["rules"][0]["dropped"];
        assert!(dropped.as_u64().expect("the recorded file is whole") >= 1, "{from}: {report}");
        assert!(begun.stderr.contains(&format!("drops {dropped} of ")), "{from}: {} {dropped}", begun.stderr);
    }
}

#[test]
fn the_report_has_samples_of_a_rule_that_observes() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let rules = folder.join("observe.yaml");
    let text = "apiVersion: dtq/v1\nrules:\n  - {name: errors, mode: observe, to: drop, kql: 'logs | where SeverityText == \"ERROR\"'}\n";
    std::fs::write(&rules, text).expect("the folder can be written");
    let (rules, from) = (rules.to_str().expect("the path is UTF-8"), "fixtures/telemetry/logs-one.otlp");
    let ran = dtq(&["apply", "-r", rules, "--report", "-", "--out", "/dev/null", from]).code(0);
    let report: serde_json::Value = serde_json::from_str(ran.stderr.trim()).expect("a report");
    let rule = &report["rules"][0];
    assert_eq!((rule["matched"].as_u64(), rule["dropped"].as_u64()), (Some(3), Some(0)), "{report}");
    let samples = rule["samples"].as_array().expect("a list");
    assert_eq!(samples.len(), 3);
    let record = &samples[0]["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    assert_eq!(record["severityText"], "ERROR");
}
