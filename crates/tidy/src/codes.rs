//! The list of diagnostic codes and the fixtures, to codes that no fixture shows.
//!
//! A fixture is a case below `fixtures/` or a transcript of the command line, `fixtures/cli/*.console`.
//! Reads `crates/source/src/code.rs` as text, for the line of each code. Next: `golden.rs`.

use crate::Finding;
use crate::tree::TextFile;
use dtq_fixture::{Case, EXPECTATIONS};

/// Where the codes stand.
pub const LIST: &str = "crates/source/src/code.rs";

/// Returns each code with its number as written and its line: `E2004 = 2004,`.
pub fn listed(text: &str) -> Vec<(String, String, usize)> {
    let mut codes = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some((name, number)) = line.trim().trim_end_matches(',').split_once(" = ") else {
            continue;
        };
        let digits = name.strip_prefix('E').unwrap_or("");
        let is_code = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_code {
            codes.push((name.to_owned(), number.to_owned(), index + 1));
        }
    }
    codes
}

/// Returns the codes that neither a fixture nor what a transcript prints names, that are listed twice, or have another number than their name.
pub fn check(list: &str, cases: &[Case], transcripts: &[TextFile]) -> Vec<Finding> {
    let codes = listed(list);
    let mut findings = Vec::new();
    for (index, (name, number, line)) in codes.iter().enumerate() {
        let mut report = |message: String| findings.push(Finding::new(LIST, *line, "codes", message));
        if name[1..] != *number {
            report(format!("{name} has the number {number}: write {}", &name[1..]));
        }
        if codes[..index].iter().any(|(other, ..)| other == name) {
            report(format!("{name} is listed twice: a code is never used again"));
        }
        if !cases.iter().any(|case| shows(case, name)) && !transcripts.iter().any(|file| prints(file, name)) {
            report(format!(
                "no fixture names {name}: add a case with it in its `diagnostics`, or a command that ends with it to \
                 fixtures/cli/"
            ));
        }
    }
    findings
}

/// Says whether an expectation of the case holds the code.
fn shows(case: &Case, code: &str) -> bool {
    case.blocks.iter().any(|block| EXPECTATIONS.contains(&block.kind.as_str()) && block.text.contains(code))
}

/// Says whether a command of the transcript reports the code as an error, a warning or a note.
fn prints(transcript: &TextFile, code: &str) -> bool {
    let printed = transcript.text.lines().filter(|line| !line.starts_with(['$', '#']));
    let reported = ["error", "warning", "note"].map(|kind| format!("{kind}[{code}]"));
    printed.into_iter().any(|line| reported.iter().any(|report| line.contains(report)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn fixture(text: &str) -> Vec<Case> {
        let text = format!("# A\nE1003 in prose\n```kql\nE1004\n```\n```diagnostics\n{text}\n```\n");
        dtq_fixture::parse(Path::new("fixtures/a.md"), &text).expect("well formed")
    }

    #[test]
    fn a_code_without_fixture_is_found_with_its_line() {
        let found =
            check("codes! {\n    /// A.\n    E1001 = 1001,\n    E2004 = 2004,\n}", &fixture("error[E1001]"), &[]);
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().starts_with("crates/source/src/code.rs:4: [codes] no fixture names E2004"));
    }

    #[test]
    fn prose_and_queries_show_nothing() {
        assert_eq!(check("E1003 = 1003,\nE1004 = 1004,", &fixture("error[E1001]"), &[]).len(), 2);
    }

    #[test]
    fn what_a_command_prints_shows_a_code() {
        let text = "# error[E1001]\n$ dtq run 'error[E1002]'\nerror[E1003]: no\nsee E1004\n".to_owned();
        let transcript = TextFile { path: "fixtures/cli/a.console".to_owned(), text };
        let list = "E1001 = 1001,\nE1002 = 1002,\nE1003 = 1003,\nE1004 = 1004,";
        let lines: Vec<usize> = check(list, &[], &[transcript]).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [1, 2, 4]);
    }

    #[test]
    fn a_code_twice_or_with_another_number_is_found() {
        let found = check("E1001 = 1001,\nE1001 = 1001,\nE1002 = 1003,", &fixture("E1001 E1002"), &[]);
        let lines: Vec<usize> = found.iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [2, 3]);
    }

    #[test]
    fn the_real_list_is_understood() {
        let path = crate::tree::root().join(LIST);
        let text = std::fs::read_to_string(&path).expect("the list of codes is where STYLE says");
        let codes = listed(&text);
        assert!(codes.len() > 40, "only {} codes found: has the form of the list changed?", codes.len());
    }
}
