//! `check` and `fmt`: what they print for whom, and what they exit with.

mod common;

use common::{dtq, dtq_with, file, folder};

#[test]
fn a_good_query_is_silent() {
    let ran = dtq(&["check", "logs | where SeverityNumber >= 17 | project Body"]).code(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
}

#[test]
fn five_mistakes_are_five_diagnostics() {
    let query = "logs | where Bod == 'a' | extend x = nofunc(1) | extend y = SeverityNumber has 'x' \
                 | summarize z = sun(SeverityNumber) by Attr | where 1 + true";
    let ran = dtq(&["check", "--output", "json", query]).code(78);
    assert!(ran.stdout.lines().count() >= 5, "{}", ran.stdout);
}

#[test]
fn machines_get_json_and_github_annotations() {
    let folder = folder("check");
    let good = file(&folder, "good.kql", b"print 1");
    let bad = file(&folder, "bad.kql", b"print\n  nope");
    let ran = dtq(&["check", "-f", &good, "-f", &bad, "--output", "json"]).code(78);
    let line: serde_json::Value = serde_json::from_str(ran.stdout.trim()).expect("one diagnostic, as JSON");
    assert_eq!((&line["line"], &line["column"], &line["code"]), (&2.into(), &3.into(), &"E2001".into()));
    assert!(line["file"].as_str().unwrap().ends_with("bad.kql"));
    let ran = dtq(&["check", "-f", &bad, "--output", "github"]).code(78);
    assert!(ran.stdout.starts_with("::error file=") && ran.stdout.contains("line=2"), "{}", ran.stdout);
}

#[test]
fn files_give_the_tables_that_a_query_reads() {
    dtq(&["check", "orders | where amount > 3.5", "fixtures/telemetry/orders.csv"]).code(0);
    dtq(&["check", "orders | where amount > 3.5"]).code(78);
    dtq(&["check", "--table", "orders", "--schema", "amount:real", "orders | where amount > 3.5"]).code(0);
}

#[test]
fn a_profile_adds_what_the_place_refuses() {
    let good =
        "source | where SeverityNumber > 9 | extend Place = geo_location('1.0.0.5') | project Country = Place.Country";
    dtq(&["check", "--profile", "azure-dcr", good]).code(0);
    let bad = "source | where Attributes.a in~ ('x') | summarize count() | extend y = nope(1)";
    let ran = dtq(&["check", "--profile", "azure-dcr", "--output", "json", bad]).code(78);
    for code in ["E4102", "E4103", "E2003"] {
        assert!(ran.stdout.contains(code), "{}", ran.stdout);
    }
    let ran = dtq(&["check", "--output", "json", good]).code(78);
    assert!(ran.stdout.contains("geo_location") && !ran.stdout.contains("E41"), "{}", ran.stdout);
}

#[test]
fn fmt_goes_from_stdin_to_stdout() {
    let formatted = dtq_with(&["fmt"], b"T|where   a>1 // why\n|take 5").code(0).stdout;
    assert!(formatted.contains("| where a > 1") && formatted.contains("// why"), "{formatted}");
    assert_eq!(dtq_with(&["fmt", "-"], formatted.as_bytes()).code(0).stdout, formatted);
}

#[test]
fn fmt_checks_and_writes_files() {
    let folder = folder("fmt");
    let path = file(&folder, "q.kql", b"T|take   5");
    let ran = dtq(&["fmt", "--check", &path]).code(1);
    assert_eq!(ran.stdout.trim(), path);
    dtq(&["fmt", "--write", &path]).code(0);
    dtq(&["fmt", "--check", &path]).code(0);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside the file");
}

#[test]
fn fmt_refuses_what_it_does_not_understand() {
    let folder = folder("fmt-wrong");
    let path = file(&folder, "q.kql", b"T | where (");
    let ran = dtq(&["fmt", "--write", &path]).code(78);
    assert!(ran.stderr.contains("error[E1"), "{}", ran.stderr);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "T | where (");
}

#[test]
fn only_rules_that_can_run_have_an_order() {
    let folder = folder("check-order");
    let rules = |second: &str| {
        let text = format!(
            "apiVersion: dtq/v1\nrules:\n  - {{name: a, to: drop, kql: logs | where SeverityNumber > 3}}\n  \
             - {{name: b, to: drop, kql: logs | where {second} > 3}}\n"
        );
        file(&folder, "rules.yaml", text.as_bytes())
    };
    let ran = dtq(&["check", &rules("TraceFlags")]).code(0);
    assert!(ran.stdout.starts_with("Order"), "{}", ran.stdout);
    let ran = dtq(&["check", &rules("Nope")]).code(78);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("error[E2001]"), "{}{}", ran.stdout, ran.stderr);
}
