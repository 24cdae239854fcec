//! Fixtures and golden tests to kinds of block that no golden test compares.
//!
//! Also reads every fixture, so that a malformed one fails here even if the stage it is for has no test yet.
//! Next: `links.rs`.

use crate::Finding;
use crate::tree::TextFile;
use dtq_fixture::{Case, EXPECTATIONS};

/// Returns the first use of each kind of expectation that no `crates/*/tests/golden.rs` names.
pub fn check(cases: &[Case], golden_tests: &[TextFile]) -> Vec<Finding> {
    let is_compared = |kind: &str| golden_tests.iter().any(|file| file.text.contains(&format!("\"{kind}\"")));
    let mut findings = Vec::new();
    for kind in EXPECTATIONS.iter().filter(|kind| !is_compared(kind)) {
        let Some(case) = cases.iter().find(|case| case.block(kind).is_some()) else {
            continue;
        };
        let line = case.block(kind).map_or(case.line, |block| block.line);
        let message = format!("nothing compares `{kind}` blocks: check them in the tests/golden.rs of their crate");
        findings.push(Finding::new(&case.path.to_string_lossy(), line, "golden", message));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_kind_that_nothing_compares_is_found() {
        let cases = dtq_fixture::parse(Path::new("fixtures/a.md"), "# A\n```kql\nT\n```\n```ast\n```\n```fmt\n```\n");
        let cases = cases.expect("well formed");
        let path = "crates/syntax/tests/golden.rs".to_owned();
        let test = TextFile { path, text: "case.check(&mut run, \"ast\", || x)".to_owned() };
        let found = check(&cases, std::slice::from_ref(&test));
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().starts_with("fixtures/a.md:7: [golden] nothing compares `fmt`"), "{}", found[0]);
    }
}
