//! Rust texts and paths to what stands in them and may not: other characters than ASCII, unfinished work without
//! an issue, a file whose name says nothing.
//!
//! Next: `reach.rs`.

use crate::Finding;
use crate::tree::TextFile;

/// The words that mark unfinished work.
const MARKS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME")];

/// Names that say nothing about what a file holds.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper"];

/// The one file of such a name: the JIT's table of helpers is called so (docs/STYLE.md, "Names").
const NAMED_HELPERS: &str = "crates/jit/src/helpers.rs";

/// Returns the lines with a character that is not ASCII.
pub fn ascii(file: &TextFile) -> Vec<Finding> {
    let other = |line: &str| line.chars().find(|c| !c.is_ascii());
    let found = file.text.lines().enumerate().filter_map(|(index, line)| Some((index + 1, other(line)?)));
    let message = |c: char| format!("U+{:04X} in a Rust file: write it as \\u{{{:x}}} or in ASCII", c as u32, c as u32);
    found.map(|(line, c)| Finding::new(&file.path, line, "ascii", message(c))).collect()
}

/// Returns the marks of unfinished work that name no issue.
pub fn unfinished(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for mark in MARKS.iter().filter(|mark| has_mark_without_issue(line, mark)) {
            let message = format!("a {mark} without an issue: write `{mark}(#12): ...`");
            findings.push(Finding::new(&file.path, index + 1, "todo", message));
        }
    }
    findings
}

/// Returns a finding for a file or folder whose name says nothing.
pub fn name(path: &str) -> Option<Finding> {
    let is_empty_name = |part: &str| EMPTY_NAMES.contains(&part.trim_end_matches(".rs"));
    let message = "this name says nothing: name the file after what it holds";
    let is_found = path != NAMED_HELPERS && path.split('/').any(is_empty_name);
    is_found.then(|| Finding::new(path, 1, "file-name", message))
}

fn has_mark_without_issue(line: &str, mark: &str) -> bool {
    line.match_indices(mark).any(|(start, _)| {
        let is_word_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let after = &line[start + mark.len()..];
        let is_inside_word =
            line[..start].bytes().last().is_some_and(is_word_byte) || after.bytes().next().is_some_and(is_word_byte);
        !is_inside_word && !names_issue(after)
    })
}

/// Says whether the text begins with `(#`, digits and `)`.
fn names_issue(after: &str) -> bool {
    let number = after.strip_prefix("(#").and_then(|rest| rest.split_once(')')).map_or("", |(number, _)| number);
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> TextFile {
        TextFile { path: "crates/x/src/a.rs".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_character_beyond_ascii_is_found_with_its_line() {
        let found = ascii(&file("ok\nlet a = \"\u{e9}\";\n"));
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().starts_with("crates/x/src/a.rs:2: [ascii] U+00E9"), "{}", found[0]);
        assert_eq!(ascii(&file("plain \\u{e9}")), []);
    }

    #[test]
    fn a_mark_needs_an_issue_number() {
        let mark = MARKS[0];
        for bad in [format!("// {mark}: later"), format!("// {mark}(me): x"), format!("// {mark}(#): x"), mark.into()] {
            assert_eq!(unfinished(&file(&bad)).len(), 1, "{bad}");
        }
        for good in [format!("// {mark}(#12): later"), format!("{mark}S"), format!("NO{mark}"), format!("{mark}_MAX")] {
            assert_eq!(unfinished(&file(&good)), [], "{good}");
        }
    }

    #[test]
    fn empty_names_are_found_except_the_helper_table() {
        assert!(name("crates/x/src/utils.rs").is_some());
        assert!(name("crates/x/src/helpers/mod.rs").is_some());
        assert_eq!(name("crates/jit/src/helpers.rs"), None);
        assert_eq!(name("crates/x/src/text.rs"), None);
    }
}
