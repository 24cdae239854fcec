//! Arguments, exit codes, what goes to stdout and what to stderr.

mod common;

use common::{command, dtq, dtq_with, file, folder, ran};
use std::process::Stdio;

const LOGS: &str = "fixtures/telemetry/logs.otlp";

#[test]
fn a_query_without_input_runs() {
    assert_eq!(dtq(&["run", "print x = 1 + 2"]).code(0).stdout, "{\"x\":3}\n");
}

#[test]
fn a_query_comes_from_a_file_or_stdin() {
    let folder = folder("query-file");
    let path = file(&folder, "q.kql", b"print x = 7");
    assert_eq!(dtq(&["run", "-f", &path]).code(0).stdout, "{\"x\":7}\n");
    assert_eq!(dtq_with(&["run", "--file", "-"], b"print x = 8").code(0).stdout, "{\"x\":8}\n");
    let counted = dtq(&["run", "-f", &file(&folder, "n.kql", b"logs | count"), LOGS]).code(0);
    assert_eq!(counted.stdout, "{\"Count\":134}\n");
}

#[test]
fn wrong_usage_is_64() {
    for arguments in [
        &["run"][..],
        &["frobnicate"],
        &["run", "--nonsense", "print 1"],
        &["run", "--output", "xml", "print 1"],
        &["run", "--now", "yesterday", "print 1"],
        &["run", "--param", "x", "print 1"],
        &["run", "--seed", "x", "print 1"],
        &["run", "--limit-memory", "lots", "print 1"],
        &["run", "--schema", "a", "print 1"],
        &["run", "--engine", "fast", "print 1"],
        &["run", "print 1", "fixtures"],
        &["run", "print 1", "-", "-"],
        &["run", "--batch", "x.jsonl"],
        &["run", "--output", "csv", "print 1; print 2"],
        &["explain", "print 1"],
        &["explain", "--stage", "ebpf", "print 1"],
        &["fmt", "--check", "--write", "x"],
        &["fmt", "--write"],
        &["completions", "tcl"],
        &["help", "nothing-of-this-name"],
    ] {
        let ran = dtq(arguments).code(64);
        assert!(ran.stdout.is_empty() && ran.stderr.starts_with("error: "), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn no_command_shows_what_there_is() {
    let ran = dtq(&[]).code(64);
    assert!(ran.stderr.contains("no command is given") && ran.stderr.contains("dtq <COMMAND>"), "{}", ran.stderr);
    assert!(dtq(&["--help"]).code(0).stdout.contains("Exit codes"));
    assert!(dtq(&["--version"]).code(0).stdout.starts_with("dtq 0."));
}

#[test]
fn a_wrong_query_is_78_and_says_where() {
    let ran = dtq(&["run", "logs | where Severitytext == 'x'", LOGS]).code(78);
    assert!(ran.stdout.is_empty());
    assert!(ran.stderr.contains("error[E2001]") && ran.stderr.contains("SeverityText"), "{}", ran.stderr);
    assert!(!ran.stderr.contains('\x1b'), "colours only on a terminal");
}

#[test]
fn a_query_that_fails_is_78() {
    let ran = dtq(&["run", "print x = toscalar(range x from 1 to 10 step 1 | where assert(x < 5, 'too big'))"]);
    assert!(ran.code == 78 && ran.stderr.contains("E3005"), "{ran:?}");
}

#[test]
fn unreadable_input_is_65() {
    for path in ["no/such/file.json", "no/such/*.json"] {
        let ran = dtq(&["run", "logs | count", path]).code(65);
        assert!(ran.stderr.contains("no/such"), "{}", ran.stderr);
    }
}

#[test]
fn a_skipped_record_is_65_unless_lenient() {
    let folder = folder("skipped");
    let path = file(&folder, "t.ndjson", b"{\"x\":1}\n{\"x\":\n{\"x\":3}\n");
    let ran = dtq(&["run", "t | summarize sum(x)", &path]).code(65);
    assert_eq!(ran.stdout, "{\"sum_x\":4}\n");
    assert!(ran.stderr.contains("line 2") && ran.stderr.contains("1 record was skipped"), "{}", ran.stderr);
    let lenient = dtq(&["run", "--lenient", "t | summarize sum(x)", &path]).code(0);
    assert!(lenient.stderr.contains("line 2"), "{}", lenient.stderr);
}

#[test]
fn forgotten_input_is_named() {
    let ran = dtq(&["run", "logs | count"]).code(78);
    assert!(ran.stderr.contains("no input is given"), "{}", ran.stderr);
    let swapped = dtq(&["run", LOGS, "logs | count"]);
    assert!(swapped.code != 0, "{swapped:?}");
}

#[test]
fn a_file_in_place_of_the_query_is_recognised() {
    let ran = dtq(&["run", LOGS]).code(78);
    assert!(ran.stderr.contains("is a file; the query comes first"), "{}", ran.stderr);
}

#[test]
fn inputs_are_files_globs_and_stdin() {
    let bytes = std::fs::read(common::root().join(LOGS)).unwrap();
    assert_eq!(dtq_with(&["run", "logs | count", "-"], &bytes).code(0).stdout, "{\"Count\":134}\n");
    let glob = dtq(&["run", "logs | count", "fixtures/telemetry/logs*.otlp"]).code(0);
    assert_eq!(glob.stdout, "{\"Count\":152}\n");
    let both = dtq_with(&["run", "logs | count", "fixtures/telemetry/logs-one.otlp.gz", "-"], &bytes).code(0);
    assert_eq!(both.stdout, "{\"Count\":152}\n");
}

#[test]
fn stdin_can_be_read_twice_when_it_is_short() {
    let query = "stdin | join kind=inner stdin on x | count";
    let ran = dtq_with(&["run", "--format", "ndjson", query, "-"], b"{\"x\":1}\n{\"x\":2}\n").code(0);
    assert_eq!(ran.stdout, "{\"Count\":2}\n");
}

#[test]
fn tables_are_named_by_stem_or_argument() {
    let path = "fixtures/telemetry/orders.csv";
    assert_eq!(dtq(&["run", "orders | count", path]).code(0).stdout, "{\"Count\":58}\n");
    assert_eq!(dtq(&["run", "--table", "o", "o | count", path]).code(0).stdout, "{\"Count\":58}\n");
}

#[test]
fn types_can_be_declared() {
    let query = "t | project x, y = gettype(x)";
    let arguments = ["run", "--format", "ndjson", "--table", "t", "--schema", "x:string", query, "-"];
    let ran = dtq_with(&arguments, b"{\"x\":1}\n").code(0);
    assert_eq!(ran.stdout, "{\"x\":\"1\",\"y\":\"string\"}\n");
}

#[test]
fn time_seed_and_parameters_are_arguments() {
    let ran = dtq(&["run", "--now", "2024-02-03T04:05:06.7Z", "print t = now()"]).code(0);
    assert_eq!(ran.stdout, "{\"t\":\"2024-02-03T04:05:06.7Z\"}\n");
    let random = |seed: &str| dtq(&["run", "--seed", seed, "print r = rand(), g = new_guid()"]).code(0).stdout;
    assert_eq!(random("1"), random("1"));
    assert_ne!(random("1"), random("2"));
    let query = "declare query_parameters(who:string, n:long = 3); print who = who, n = n";
    let ran = dtq(&["run", "--param", "who=ann=b", query]).code(0);
    assert_eq!(ran.stdout, "{\"who\":\"ann=b\",\"n\":3}\n");
}

#[test]
fn memory_can_be_limited() {
    let query = "range x from 1 to 1000000 step 1 | sort by x asc | count";
    let ran = dtq(&["run", "--limit-memory", "1MiB", query]).code(78);
    assert!(ran.stderr.contains("E3001"), "{}", ran.stderr);
}

#[test]
fn statistics_go_to_stderr() {
    let ran = dtq(&["run", "--stats=json", "logs | count", LOGS]).code(0);
    assert_eq!(ran.stdout, "{\"Count\":134}\n");
    let stats: serde_json::Value = serde_json::from_str(ran.stderr.trim()).expect("statistics are JSON");
    assert_eq!(stats["records"], 134);
    assert_eq!(stats["skipped"], 0);
    assert_eq!(stats["engine"], "jit");
    assert!(stats["bytes"].as_u64().unwrap() > 10_000);
    assert!(["open", "compile", "read", "run"].iter().all(|stage| stats["ns"][stage].is_u64()), "{stats}");
    assert!(dtq(&["run", "--stats", "print 1"]).code(0).stderr.starts_with("stats: 0 records"));
}

#[test]
fn statistics_name_the_engine() {
    let engine = |arguments: &[&str]| {
        let ran = dtq(&[&["run", "--stats=json"], arguments].concat()).code(0);
        let stats: serde_json::Value = serde_json::from_str(ran.stderr.trim()).expect("statistics are JSON");
        (stats["engine"].clone(), stats["expressions"].clone())
    };
    let query = "logs | where SeverityNumber > 8 | summarize count() by tolower(SeverityText)";
    assert_eq!(engine(&[query, LOGS]), ("jit".into(), serde_json::json!({"jit": 2, "interp": 0})));
    assert_eq!(engine(&["--engine", "interp", query, LOGS]), ("interp".into(), serde_json::Value::Null));
    // Without input compiling would take longer than the query; asked for, it is done.
    assert_eq!(engine(&["print x = rand()"]), ("interp".into(), serde_json::Value::Null));
    assert_eq!(
        engine(&["--engine", "jit", "print x = rand()"]),
        ("jit".into(), serde_json::json!({"jit": 1, "interp": 0}))
    );
    let scan = "logs | where SeverityNumber > 8 | sort by Timestamp asc | scan with (step a: SeverityNumber > 9;)";
    assert_eq!(engine(&[scan, LOGS]).0, "jit and interp");
    let text = dtq(&["run", "--stats", scan, LOGS]).code(0).stderr;
    assert!(text.contains("engine jit and interp (1 of 2 expressions interpreted)"), "{text}");
}

#[test]
fn what_was_null_everywhere_is_named() {
    let query = "logs | where Attributes['EventNam'] == 'x' and SeverityText != 'y' | project Body";
    let ran = dtq(&["run", query, LOGS]).code(0);
    assert!(ran.stderr.contains("`Attributes[\"EventNam\"]` was null in all 134 records of `logs`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("did you mean `EventName`?"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("SeverityText") && !ran.stderr.contains("Body"), "{}", ran.stderr);
}

#[test]
fn a_path_is_followed_through_names() {
    let query = "logs | extend a = Attributes | extend e = tostring(a['EventNam']) | where e == 'x'";
    let ran = dtq(&["run", query, LOGS]).code(0);
    assert!(ran.stderr.contains("`Attributes[\"EventNam\"]`"), "{}", ran.stderr);
}

#[test]
fn what_some_record_has_is_not_named() {
    let query = "logs | where Attributes['EventName'] == 'LogWelcomeBanner' | count";
    let ran = dtq(&["run", query, LOGS]).code(0);
    assert_eq!(ran.stderr, "");
}

#[test]
fn a_table_without_records_is_named() {
    let ran = dtq(&["run", "spans | count", LOGS]).code(0);
    assert!(ran.stderr.contains("no records of `spans`"), "{}", ran.stderr);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = command(&["run", "range x from 1 to 1000000 step 1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ran = ran(child.wait_with_output().unwrap()).code(0);
    assert_eq!(ran.stderr, "");
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_74() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command(&["run", "range x from 1 to 100000 step 1"]).stdout(full).output().unwrap();
    let ran = ran(output).code(74);
    assert!(ran.stderr.contains("writing the output failed"), "{}", ran.stderr);
}

#[test]
fn tables_lists_what_a_query_can_name() {
    let ran = dtq(&["tables", "fixtures/telemetry/orders.csv"]).code(0);
    assert!(ran.stdout.contains(r#"{"TableName":"orders","ColumnName":"id","ColumnType":"long"}"#), "{}", ran.stdout);
    let standard = dtq(&["tables"]).code(0).stdout;
    for table in ["logs", "metrics", "spans", "traces", "OTELLogs", "AppTraces", "source"] {
        assert!(standard.contains(&format!("{{\"TableName\":\"{table}\"")), "{table}");
    }
}

#[test]
fn explain_prints_tree_and_program() {
    let tree = dtq(&["explain", "--stage", "ast", "print x = 1"]).code(0).stdout;
    assert!(tree.to_lowercase().contains("print"), "{tree}");
    let program = dtq(&["explain", "--stage", "ir", "logs | where SeverityNumber > 8"]).code(0).stdout;
    assert!(program.contains("logs"), "{program}");
    let query = "logs | where SeverityNumber > 8 and Body has 'x' | extend n = strlen(EventName) | project n";
    let clif = dtq(&["explain", "--stage", "clif", query]).code(0).stdout;
    let headers: Vec<&str> = clif.lines().filter(|line| line.starts_with("; @")).collect();
    assert!(headers[0].contains("Filter, condition") && headers[0].contains("SeverityNumber > 8 and"), "{clif}");
    assert!(headers[1].contains("Project, value") && headers[1].ends_with("strlen(EventName)"), "{clif}");
    assert!(headers.len() == 2 && clif.contains("block0"), "{clif}");
    let asm = dtq(&["explain", "--stage", "asm", query]).code(0).stdout;
    assert!(asm.lines().filter(|line| line.starts_with("; @")).eq(headers) && asm.contains("ret"), "{asm}");
    let wrong = dtq(&["explain", "--stage", "ast", "logs | where ("]).code(78);
    assert!(!wrong.stdout.is_empty() && wrong.stderr.contains("error[E1"), "{wrong:?}");
}
