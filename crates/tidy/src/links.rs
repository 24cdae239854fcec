//! Markdown to links that lead nowhere: a relative path without a file, an anchor without a heading.
//!
//! Links to other sites are not followed: that would need the network. Next: `tests/repository.rs`.

use crate::Finding;
use crate::tree::TextFile;
use std::path::{Component, Path, PathBuf};

/// Returns the relative links of a markdown file that do not resolve.
///
/// `exists` says whether a path from the root is there; `text_of` gives the text of a markdown file, for its headings.
pub fn check(file: &TextFile, exists: impl Fn(&str) -> bool, text_of: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (target, line) in links(&file.text) {
        let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
        let resolved = if path.is_empty() { file.path.clone() } else { resolve(&file.path, path) };
        if !exists(&resolved) {
            let message = format!("`{target}` leads to {resolved}, which is not there");
            findings.push(Finding::new(&file.path, line, "links", message));
        } else if !anchor.is_empty() && !text_of(&resolved).is_some_and(|text| has_heading(&text, anchor)) {
            let message = format!("`{target}`: no heading of {resolved} is #{anchor}");
            findings.push(Finding::new(&file.path, line, "links", message));
        }
    }
    findings
}

/// Returns the targets of relative links outside code, with their lines.
fn links(text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (line, number) in prose(text) {
        for (start, _) in line.match_indices("](") {
            let target = line[start + 2..].split(')').next().unwrap_or("");
            let target = target.split_whitespace().next().unwrap_or("").trim_matches(['<', '>']);
            let is_elsewhere = target.contains("://") || target.starts_with("mailto:");
            if !target.is_empty() && !is_elsewhere {
                found.push((target.to_owned(), number));
            }
        }
    }
    found
}

/// Returns the lines outside fenced blocks, without what stands in backticks, numbered from 1.
fn prose(text: &str) -> Vec<(String, usize)> {
    let mut fence: Option<String> = None;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        let ticks: String = trimmed.chars().take_while(|c| *c == '`').collect();
        match &fence {
            Some(open) if trimmed.trim_end() == open => fence = None,
            Some(_) => {}
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => lines.push((without_code(line), index + 1)),
        }
    }
    lines
}

fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("")
}

/// Returns `target`, written in the file `from`, as a path from the root.
fn resolve(from: &str, target: &str) -> String {
    let mut path = Path::new(from).parent().map(PathBuf::from).unwrap_or_default();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir if path.parent().is_some() => drop(path.pop()),
            Component::ParentDir => path.push(".."),
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path.to_string_lossy().replace('\\', "/")
}

/// Says whether a heading has this anchor: lower case, blanks as `-`, other punctuation dropped.
fn has_heading(text: &str, anchor: &str) -> bool {
    let is_kept = |c: &char| c.is_alphanumeric() || "-_ ".contains(*c);
    let slug = |title: &str| title.trim().to_lowercase().chars().filter(is_kept).collect::<String>().replace(' ', "-");
    text.lines().filter(|line| line.starts_with('#')).any(|line| slug(line.trim_start_matches('#')) == anchor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let file = TextFile { path: "docs/a.md".to_owned(), text: text.to_owned() };
        let exists = |path: &str| ["docs/a.md", "docs/b.md", "README.md", "docs/decisions"].contains(&path);
        let text_of = |path: &str| (path == "docs/b.md").then(|| "# One `two`, three\n".to_owned());
        check(&file, exists, text_of).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_that_resolve_are_fine() {
        let text = "[a](b.md) [b](../README.md) [c](b.md#one-two-three) [d](decisions/) [e](https://x.org/y)\n\
                    `[f](none.md)`\n```text\n[g](none.md)\n```\n";
        assert_eq!(found(text), Vec::<String>::new());
    }

    #[test]
    fn a_link_to_nothing_is_found_with_its_line() {
        assert_eq!(found("ok\n[a](c.md)"), ["docs/a.md:2: [links] `c.md` leads to docs/c.md, which is not there"]);
        assert_eq!(found("[a](b.md) and [b](../docs.md)").len(), 1);
        assert_eq!(found("[a](b.md#four)"), ["docs/a.md:1: [links] `b.md#four`: no heading of docs/b.md is #four"]);
    }
}
