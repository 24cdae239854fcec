//! Hostile queries and telemetry: each is a clear error, without a panic and within a bounded address space.

mod common;

use common::{Ran, file, folder, ran, root};
use std::io::Write;
use std::process::Command;

/// The address space a run may have, in KiB: the default limit on held rows (512 MiB) and room for the rest.
const ADDRESS_SPACE_KIB: u64 = 1_500_000;

/// Runs `dtq` under a bound on its memory: passing it would be an abort, which fails the test.
fn bounded(arguments: &[&str]) -> Ran {
    let output = Command::new("sh")
        .args(["-c", &format!("ulimit -v {ADDRESS_SPACE_KIB} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_dtq")])
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("sh starts");
    ran(output)
}

fn query(name: &str, text: &str) -> Ran {
    bounded(&["run", "-f", &file(&folder(name), "q.kql", text.as_bytes())])
}

#[test]
fn ten_thousand_nested_parentheses() {
    let ran = query("parentheses", &format!("print x = {}1{}", "(".repeat(10_000), ")".repeat(10_000))).code(78);
    assert!(ran.stderr.contains("E1002"), "{:.300}", ran.stderr);
    let open = query("parentheses-open", &format!("print x = {}", "(".repeat(10_000))).code(78);
    assert!(open.stderr.contains("E1002"), "{:.300}", open.stderr);
}

#[test]
fn other_kinds_of_nesting() {
    for (name, text) in [
        ("nested-calls", format!("print x = {}1{}", "not(".repeat(10_000), ")".repeat(10_000))),
        ("nested-minus", format!("print x = {}1", "-".repeat(100_000))),
        ("nested-dynamic", format!("print x = dynamic({}{})", "[".repeat(10_000), "]".repeat(10_000))),
        ("long-sum", format!("print x = 1{}", " + 1".repeat(20_000))),
        ("long-or", format!("print x = true{}", " or true".repeat(20_000))),
        ("long-pipe", format!("print x = 1{}", " | extend x = x + 1".repeat(5_000))),
    ] {
        let ran = query(name, &text);
        assert!(ran.code == 0 || (ran.code == 78 && ran.stderr.contains("error[E")), "{name}: {:.500}", ran.stderr);
    }
}

#[test]
fn a_query_of_ten_megabytes() {
    let ran = query("megabytes", &format!("print x = '{}'", "a".repeat(10 << 20))).code(78);
    assert!(ran.stderr.contains("E1001"), "{:.300}", ran.stderr);
    assert!(ran.stderr.len() < 100_000, "the message is not the query: {} bytes", ran.stderr.len());
}

#[test]
fn a_query_of_any_bytes() {
    let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let path = file(&folder("bytes"), "q.kql", &bytes);
    let ran = bounded(&["run", "-f", &path]).code(65);
    assert!(ran.stderr.contains("not UTF-8"), "{:.300}", ran.stderr);
}

#[test]
fn a_regex_that_explodes() {
    let constant = query("regex", "print x = 'a' matches regex '((a{1000}){1000}){1000}'").code(78);
    assert!(constant.stderr.contains("E2011"), "{}", constant.stderr);
    let computed = query(
        "regex-computed",
        "range n from 999 to 1000 step 1 | extend p = strcat('((a{', n, '}){1000}){1000}') | where 'a' matches regex p",
    )
    .code(78);
    assert!(computed.stderr.contains("error[E"), "{}", computed.stderr);
    let backtracking = query("regex-slow", "print x = strrep('a', 5000) matches regex '(a*)*b'").code(0);
    assert_eq!(backtracking.stdout, "{\"x\":false}\n");
}

#[test]
fn a_range_of_a_trillion_rows() {
    let ran = query("range", "range x from 1 to 1000000000000 step 1 | count").code(78);
    assert!(ran.stderr.contains("E3002"), "{}", ran.stderr);
    let taken = query("range-taken", "range x from 1 to 1000000000000 step 1 | take 1");
    assert!(taken.code == 0 || taken.stderr.contains("E3002"), "{}", taken.stderr);
}

#[test]
fn values_that_grow() {
    let ran = query("strrep", "print x = strrep(strrep('a', 1000000), 1000000)");
    assert!(ran.code == 0 || ran.stderr.contains("error[E"), "{:.300}", ran.stderr);
    let list = query("list", "range x from 1 to 100000000 step 1 | extend s = strcat('some text ', x) | sort by s");
    assert!(list.code == 78 && list.stderr.contains("error[E3"), "{:.300}", list.stderr);
}

#[test]
fn a_json_line_of_a_hundred_megabytes() {
    let path = folder("long-line").join("t.ndjson");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    out.write_all(b"{\"x\":1}\n{\"x\":\"").unwrap();
    (0..100).for_each(|_| out.write_all(&vec![b'a'; 1 << 20]).unwrap());
    out.write_all(b"\"}\n{\"x\":3}\n").unwrap();
    out.flush().unwrap();
    drop(out);
    let ran = bounded(&["run", "t | summarize n = count(), total = sum(x)", path.to_str().unwrap()]).code(65);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(ran.stdout, "{\"n\":2,\"total\":4}\n", "all other lines are read");
    assert!(ran.stderr.contains("line 2") && ran.stderr.contains("skipped"), "{}", ran.stderr);
}

#[test]
fn a_decompression_bomb() {
    let path = folder("bomb").join("t.ndjson.gz");
    let encoder = flate2::write::GzEncoder::new(std::fs::File::create(&path).unwrap(), flate2::Compression::best());
    let mut out = std::io::BufWriter::new(encoder);
    let block = vec![b'\n'; 1 << 20];
    (0..256).for_each(|_| out.write_all(&block).unwrap());
    out.into_inner().unwrap().finish().unwrap();
    let ran = bounded(&["run", "t | count", path.to_str().unwrap()]).code(65);
    assert!(ran.stderr.contains("inflates"), "{}", ran.stderr);
}

#[test]
fn deep_and_broken_telemetry() {
    let folder = folder("deep");
    let deep = format!("{{\"x\":{}{}}}\n{{\"x\":1}}\n", "[".repeat(100_000), "]".repeat(100_000));
    let path = file(&folder, "t.ndjson", deep.as_bytes());
    let ran = bounded(&["run", "--format", "ndjson", "t | project x", &path]).code(65);
    assert!(ran.stderr.contains("line 1"), "{:.300}", ran.stderr);
    let bytes: Vec<u8> = (0..=255).rev().cycle().take(100_000).collect();
    for format in ["otlp", "otlp-json", "ndjson", "json", "csv", "tsv", "syslog", "logfmt", "text"] {
        let path = file(&folder, "bytes.bin", &bytes);
        let ran = bounded(&["run", "--format", format, "logs | count", &path]);
        assert!(ran.code == 0 || ran.code == 65, "{format}: {ran:?}");
    }
}
