//! Inputs large enough for several threads: the same result, notes and faults for any number of them.

mod common;

use common::{Ran, dtq};
use std::fmt::Write;

const QUERY: &str = "large | where n >= 5 and (resource['service.name'] == 'checkout' or attributes.code >= 500) \
                     and body contains_cs 'timeout' | project n, body, attributes.code, resource['service.name']";

/// Returns some megabytes of NDJSON with now and then a line that is malformed, escaped, cut, or has another key.
fn lines() -> String {
    let mut text = String::new();
    for index in 0..30_000_u32 {
        let word = ["timeout", "all is well", r"\u0074imeout", r#"a \"timeout\""#, "TIMEOUT"][index as usize % 5];
        let service = ["checkout", "cart", "auth"][index as usize % 3];
        let padding = "x".repeat(index as usize % 60);
        match index % 1_000 {
            777 => text.push_str("{\"body\":\"cut timeout"),
            778 => text.push_str("{\"body\":\"timeout\" \"n\":1}"),
            779 if index > 2_000 => text.push_str("{\"n\":\"no number\",\"body\":\"timeout\"}"),
            _ => write!(
                text,
                "{{\"n\":{index},\"body\":\"{word} {padding}\",\"attributes\":{{\"code\":{},\"more\":[1,{{\"a\":2}}]}},\
                 \"resource\":{{\"service.name\":\"{service}\",\"host\":\"h\"}}}}",
                200 + 100 * (index % 4)
            )
            .expect("memory takes text"),
        }
        text.push('\n');
    }
    text
}

fn run(path: &str, query: &str, more: &[&str]) -> Ran {
    dtq(&[&["run", query, path], more].concat())
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let folder = tempfile::tempdir().expect("the host has room");
    let path = folder.path().join("large.ndjson");
    std::fs::write(&path, lines()).expect("the host has room");
    let path = path.to_str().expect("a path of the host is text");
    for query in
        [QUERY, "large | count", "logs | where tostring(Body) has 'timeout' | summarize count() by SeverityText"]
    {
        let expected = run(path, query, &["--threads", "1"]);
        assert_eq!(expected.code, 65, "{}", expected.stderr);
        for threads in if query == QUERY { &["2", "3"][..] } else { &["2"] } {
            let found = run(path, query, &["--threads", threads]);
            assert_eq!((found.code, &found.stdout), (expected.code, &expected.stdout), "{query}");
            assert_eq!(found.stderr, expected.stderr, "{query}");
        }
        assert_eq!(run(path, query, &["--no-opt"]).stdout, expected.stdout, "{query}");
    }
    let stats = run(path, QUERY, &["--threads", "2", "--stats=json", "--lenient"]);
    let last: serde_json::Value =
        serde_json::from_str(stats.stderr.trim_end().lines().last().expect("it has statistics"))
            .expect("statistics are JSON");
    assert_eq!(last["threads"], 2);
    assert!(last["passed_over"].as_u64().expect("a count") > 5_000, "{last}");
    let alone = run(path, "large | take 3", &["--threads", "2", "--stats=json", "--lenient"]);
    assert!(alone.stderr.contains("\"threads\":1"), "a small part needs no other thread: {}", alone.stderr);
}
