//! `dtq kernel` and its neighbours, as far as they need no rights: compiled, explained, checked, probed.
//!
//! What they print stands in `fixtures/cli/kernel.console`; what runs is tested in `tests/live`.

mod common;

use common::{dtq, file, folder};
use std::process::Command;

const RULES: &str = "fixtures/cli/rules/kernel.yaml";
const PAYLOADS: [&str; 3] = ["syslog", "json", "otlp"];

#[test]
fn the_page_shows_what_commands_print() {
    common::transcript::check(&common::root().join("docs/kernel-cli.md"));
}

#[test]
fn rules_become_an_object() {
    let folder = folder("kernel-compile");
    for payload in PAYLOADS {
        for front in ["unix", "udp"] {
            let path = folder.join(format!("{payload}-{front}.o"));
            let arguments = ["kernel", "compile", "--payload", payload, "--front", front, RULES, "-o"];
            let ran = dtq(&[&arguments[..], &[path.to_str().unwrap()]].concat()).code(0);
            assert!(ran.stdout.is_empty() && ran.stderr.contains("no-debug: goes down"), "{ran:?}");
            let object = std::fs::read(&path).unwrap();
            // An ELF file of 64 bits, little endian, for the machine `EM_BPF`.
            assert!(object.starts_with(b"\x7fELF\x02\x01") && object[18..20] == [247, 0], "{payload} {front}");
        }
    }
}

#[test]
fn an_object_goes_to_stdout_that_is_no_terminal() {
    let command = common::command(&["kernel", "compile", "--payload", "otlp", RULES]).output().unwrap();
    assert!(command.status.success() && command.stdout.starts_with(b"\x7fELF"), "{command:?}");
}

#[test]
fn what_becomes_of_rules_is_json() {
    let arguments = ["kernel", "compile", "--payload", "json", "--output", "json", RULES, "-o", "/dev/null"];
    let ran = dtq(&arguments).code(0);
    let line = ran.stderr.lines().find(|line| line.starts_with('{')).expect("one object");
    let report: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((&report["payload"], &report["front"]), (&"json".into(), &"unix".into()));
    let rules = report["rules"].as_array().unwrap();
    let of = |name: &str| rules.iter().find(|rule| rule["rule"] == name).unwrap();
    assert_eq!((&of("no-debug")["goes"], &of("no-debug")["position"]), (&"whole".into(), &0.into()));
    assert_eq!(
        (&of("no-sessions")["goes"], &of("no-sessions")["stays"][0]["part"]),
        (&"part".into(), &"hash(tostring(Body)) % 10 > 0".into())
    );
    assert_eq!((&of("errors")["goes"], &of("errors")["position"]), (&"nothing".into(), &serde_json::Value::Null));
    assert!(report["instructions"].as_u64().unwrap() > 100);
    assert!(report["maps"].as_array().unwrap().iter().any(|map| map["name"] == "counts"));
}

#[test]
fn rules_of_which_nothing_goes_down_are_78() {
    let folder = folder("kernel-nothing");
    let path = folder.join("none.o");
    let arguments = ["kernel", "compile", "--payload", "otlp", "fixtures/cli/rules/kernel-none.yaml", "-o"];
    let ran = dtq(&[&arguments[..], &[path.to_str().unwrap()]].concat()).code(78);
    assert!(ran.stderr.contains("one-in-ten: stays up") && !path.exists(), "{ran:?}");
    let arguments =
        ["explain", "--stage", "ebpf", "--payload", "otlp", "--rules", "fixtures/cli/rules/kernel-none.yaml"];
    assert!(dtq(&arguments).code(78).stdout.is_empty());
    let wrong = file(&folder, "wrong.yaml", b"rules: [");
    dtq(&["kernel", "compile", "--payload", "otlp", &wrong]).code(78);
    dtq(&["kernel", "compile", "--payload", "otlp", "no/such.yaml"]).code(65);
}

#[test]
fn what_has_no_room_beside_others_is_not_said_to_go_down() {
    let folder = folder("kernel-fields");
    let mut text = "apiVersion: dtq/v1\nrules:\n".to_owned();
    for rule in 0..40 {
        let condition = format!("Attributes.a{rule} == 'x' or Attributes.b{rule} == 'x'");
        text += &format!("  - name: rule-{rule}\n    to: drop\n    kql: logs | where {condition}\n");
    }
    let path = file(&folder, "rules.yaml", text.as_bytes());
    let ran = dtq(&["kernel", "compile", "--payload", "otlp", "--output", "json", &path, "-o", "/dev/null"]).code(0);
    let line = ran.stderr.lines().find(|line| line.starts_with('{')).expect("one object");
    let report: serde_json::Value = serde_json::from_str(line).unwrap();
    let rules = report["rules"].as_array().unwrap();
    assert_eq!((&rules[0]["goes"], &rules[39]["goes"]), (&"whole".into(), &"nothing".into()));
    assert!(rules[39]["reason"].as_str().unwrap().contains("no room"), "{}", rules[39]);
    assert!(rules[39]["down"].as_array().unwrap().is_empty(), "{}", rules[39]);
}

#[test]
fn a_query_is_explained_as_a_rule_that_drops() {
    let folder = folder("kernel-explain");
    let query = "logs | where SeverityNumber between (1 .. 8) and Body contains 'ping'";
    let path = file(&folder, "q.kql", query.as_bytes());
    for payload in PAYLOADS {
        let arguments = ["explain", "--stage", "ebpf", "--payload", payload];
        let ran = dtq(&[&arguments[..], &[query]].concat()).code(0);
        assert!(ran.stdout.starts_with("; query: goes down\n;   down: "), "{}", ran.stdout);
        assert!(ran.stdout.contains("\n; map[1] counts: percpu_array") && ran.stdout.contains("\n    0: r6 = r1\n"));
        assert!(ran.stdout.contains(": exit\n"), "{}", ran.stdout);
        let of_file = dtq(&[&arguments[..], &["--file", &path]].concat()).code(0);
        assert_eq!(of_file.stdout, ran.stdout);
        let udp = dtq(&[&arguments[..], &["--front", "udp", query]].concat()).code(0);
        assert_ne!(udp.stdout, ran.stdout);
    }
}

#[test]
fn every_rule_has_a_note_for_the_kernel() {
    let ran = dtq(&["check", "--profile", "kernel", "--output", "json", RULES]).code(0);
    let found: Vec<serde_json::Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("a diagnostic is JSON")).collect();
    let notes: Vec<&serde_json::Value> = found.iter().filter(|one| one["severity"] == "note").collect();
    for name in ["errors", "no-debug", "no-sessions", "no-polling", "no-noise", "later"] {
        let says = |note: &&&serde_json::Value| note["message"].as_str().unwrap().contains(&format!("`{name}`"));
        assert!(notes.iter().any(|note| says(&note)), "{name}: {}", ran.stdout);
    }
    let without = dtq(&["check", "--output", "json", RULES]).code(0);
    assert!(!without.stdout.contains("E42"), "{}", without.stdout);
    let github = dtq(&["check", "--profile", "kernel", "--output", "github", RULES]).code(0);
    assert!(github.stdout.contains("::notice file=") && github.stdout.contains("title=E4201"), "{}", github.stdout);
}

#[test]
fn every_query_of_several_is_checked() {
    let folder = folder("kernel-check");
    let good = file(&folder, "good.kql", b"logs | where SeverityNumber == 5");
    let bad = file(&folder, "bad.kql", b"logs | where Nope == 5");
    let arguments = ["check", "--profile", "kernel", "-f", &good, "-f", &bad, "--output", "json"];
    let ran = dtq(&arguments).code(78);
    assert!(ran.stdout.contains("E4201") && ran.stdout.contains("E2001"), "{}", ran.stdout);
}

#[test]
fn the_probe_answers_for_every_feature() {
    let ran = dtq(&["kernel", "probe", "--output", "json"]).code(0);
    let probe: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let features = probe["features"].as_object().unwrap();
    assert!(features.len() > 10 && features.contains_key("socket-filter"), "{probe}");
    for answer in features.values() {
        assert!(
            answer == "yes" || answer["no"]["remedy"].is_string() || answer["unknown"]["reason"].is_string(),
            "{answer}"
        );
    }
    let text = dtq(&["kernel", "probe"]).code(0).stdout;
    assert!(text.starts_with("level ") && text.contains("filter on a socket"), "{text}");
}

#[test]
fn nothing_is_attached_by_a_process_that_is_not_there() {
    let ran = dtq(&["kernel", "detach", "4294967295"]).code(64);
    assert!(ran.stderr.contains("has nothing attached"), "{}", ran.stderr);
    dtq(&["kernel", "status", "4294967295"]).code(64);
}

#[test]
fn an_object_is_what_bpftool_reads() {
    // Reading needs no right; loading is tested with the library.
    let folder = folder("kernel-bpftool");
    let path = folder.join("rules.o");
    let path = path.to_str().unwrap();
    dtq(&["kernel", "compile", "--payload", "syslog", RULES, "-o", path]).code(0);
    match Command::new("bpftool").args(["btf", "dump", "file", path]).output() {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(text.contains("'counts'"), "{text}");
        }
        other => eprintln!("SKIPPED: an_object_is_what_bpftool_reads: bpftool does not run here: {other:?}"),
    }
}
