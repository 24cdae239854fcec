//! The commands of `fixtures/cli/*.console` print what stands below them.

mod common;

use std::path::PathBuf;

#[test]
fn commands_print_what_the_fixtures_say() {
    let folder = common::root().join("fixtures/cli");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("reading {}: {error}", folder.display()));
    let is_transcript = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "console");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(is_transcript).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no transcript in {}", folder.display());
    paths.iter().for_each(|path| common::transcript::check(path));
}

#[test]
fn the_page_for_operators_prints_what_it_says() {
    common::transcript::check(&common::root().join("docs/collect.md"));
}
