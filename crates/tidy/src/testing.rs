//! Test code to what a test may not do: be ignored, sleep, read the clock, use the network.
//!
//! `tests/live` may wait for loopback and read the clock, for deadlines. Next: `entries.rs`.

use crate::Finding;
use crate::reach::{is_plain_value, std_paths};
use crate::tree::{Role, RustFile};
use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::Visit;

/// Paths below `std` that make a test depend on when and where it runs.
const FORBIDDEN: &[(&[&str], &str)] = &[
    (&["thread", "sleep"], "a test does not sleep: make time a parameter"),
    (&["time", "Instant"], "a test does not read the clock: make time a parameter"),
    (&["time", "SystemTime"], "a test does not read the clock: make time a parameter"),
    (&["net"], "a test does not use the network: give it bytes"),
];

/// Names that mean the same after an import of their parent.
const FORBIDDEN_CALLS: &[(&[&str], &str)] = &[
    (&["thread", "sleep"], "a test does not sleep: make time a parameter"),
    (&["Instant", "now"], "a test does not read the clock: make time a parameter"),
    (&["SystemTime", "now"], "a test does not read the clock: make time a parameter"),
];

/// Returns the places in tests that sleep, read the clock or use the network.
pub fn surroundings(file: &RustFile) -> Vec<Finding> {
    if file.role == Role::LiveTest || is_measuring(&file.path) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (path, line) in std_paths(file).into_iter().filter(|(path, _)| !is_plain_value(path)) {
        let is_forbidden = |names: &[&str]| path[1..].iter().zip(names).filter(|(a, b)| a == *b).count() == names.len();
        if let Some((_, why)) = FORBIDDEN.iter().find(|(names, _)| is_forbidden(names)) {
            findings.push(Finding::new(&file.path, line, "test-surroundings", advice(why)));
        }
    }
    for (line, why) in calls(file) {
        findings.push(Finding::new(&file.path, line, "test-surroundings", advice(why)));
    }
    findings.retain(|finding| file.is_test_line(finding.line));
    findings.sort();
    findings.dedup();
    findings
}

/// Returns the tests that are ignored.
pub fn ignored(file: &RustFile) -> Vec<Finding> {
    let mut visitor = Ignored { file, findings: Vec::new() };
    visitor.visit_file(&file.syntax);
    visitor.findings
}

fn advice(why: &str) -> String {
    format!("{why}, or move it to tests/live")
}

/// Says whether a file measures time because that is what it is for.
fn is_measuring(path: &str) -> bool {
    path.starts_with("benches/") || path.contains("/benches/")
}

/// Returns the lines of forbidden calls that begin with an imported name.
fn calls(file: &RustFile) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for window in file.tokens.windows(4) {
        let is_path = window[1].0 == ":" && window[2].0 == ":";
        let matching = FORBIDDEN_CALLS.iter().find(|(names, _)| window[0].0 == names[0] && window[3].0 == names[1]);
        if let (true, Some((_, why))) = (is_path, matching) {
            found.push((window[0].1, *why));
        }
    }
    found
}

struct Ignored<'a> {
    file: &'a RustFile,
    findings: Vec<Finding>,
}

impl<'ast> Visit<'ast> for Ignored<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        for attribute in item.attrs.iter().filter(|attribute| is_ignore(attribute)) {
            let line = attribute.span().start().line;
            let message = format!("`{}` is ignored: repair it or remove it", item.sig.ident);
            self.findings.push(Finding::new(&self.file.path, line, "ignored-test", message));
        }
        syn::visit::visit_item_fn(self, item);
    }
}

/// Says whether the attribute is `ignore`, also inside `cfg_attr`.
fn is_ignore(attribute: &syn::Attribute) -> bool {
    let inner = match &attribute.meta {
        syn::Meta::List(list) if attribute.path().is_ident("cfg_attr") => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    let is_word = |tree: TokenTree| matches!(tree, TokenTree::Ident(ident) if ident == "ignore");
    attribute.path().is_ident("ignore") || inner.into_iter().any(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_test(text: &str) -> RustFile {
        RustFile::new("crates/x/tests/a.rs", text)
    }

    #[test]
    fn sleeping_the_clock_and_the_network_are_found() {
        for bad in [
            "fn f() { std::thread::sleep(d); }",
            "use std::thread; fn f() { thread::sleep(d); }",
            "use std::time::{Duration, Instant};",
            "fn f() { SystemTime::now(); }",
            "use std::net::TcpListener;",
        ] {
            assert_eq!(surroundings(&in_test(bad)).len(), 1, "{bad}: {:?}", surroundings(&in_test(bad)));
        }
    }

    #[test]
    fn live_tests_benches_and_code_outside_tests_are_other_rules() {
        let text = "use std::time::Instant;";
        assert_eq!(surroundings(&RustFile::new("crates/x/tests/live/main.rs", text)), []);
        assert_eq!(surroundings(&RustFile::new("benches/src/main.rs", text)), []);
        assert_eq!(surroundings(&RustFile::new("crates/cli/src/main.rs", text)), []);
        assert_eq!(surroundings(&in_test("use std::time::Duration; use std::fs; use std::net::IpAddr;")), []);
    }

    #[test]
    fn an_ignored_test_is_found() {
        assert_eq!(ignored(&in_test("#[test]\n#[ignore]\nfn a() {}")).len(), 1);
        assert_eq!(ignored(&in_test("#[test]\n#[ignore = \"slow\"]\nfn a() {}")).len(), 1);
        assert_eq!(ignored(&in_test("mod m { #[test]\n#[cfg_attr(unix, ignore)]\nfn a() {} }")).len(), 1);
        assert_eq!(ignored(&in_test("#[test]\nfn ignore() {}")), []);
    }
}
