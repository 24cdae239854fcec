//! Every rule, applied to this repository.

use dtq_tidy::tree::{RustFile, TextFile, root, rust_files, texts};
use dtq_tidy::{Finding, arrows, codes, entries, golden, links, manifest, reach, size, testing, text};
use std::fs;

/// Fails with all findings, sorted.
fn expect_none(mut findings: Vec<Finding>) {
    findings.sort();
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} findings (rules: docs/STYLE.md)\n{}", lines.len(), lines.join("\n"));
}

fn over_texts(extension: &str, rule: impl Fn(&TextFile) -> Vec<Finding>) -> Vec<Finding> {
    texts(&root(), &[extension]).iter().flat_map(rule).collect()
}

/// The rules that need the syntax tree: sizes, reach, tests, examples. Each file is parsed once.
#[test]
fn rust_code_keeps_the_rules() {
    let files = rust_files(&root());
    assert!(files.len() > 20, "only {} Rust files found", files.len());
    expect_none(files.iter().flat_map(of_rust).chain(entries::check(&files)).collect());
}

fn of_rust(file: &RustFile) -> Vec<Finding> {
    let sizes = size::functions(file).into_iter().chain(size::file(file));
    let reach = reach::outside(file).into_iter().chain(reach::unsafety(file));
    let tests = testing::surroundings(file).into_iter().chain(testing::ignored(file));
    sizes.chain(reach).chain(tests).collect()
}

#[test]
fn rust_files_are_ascii_and_unfinished_work_names_its_issue() {
    expect_none(over_texts("rs", |file| text::ascii(file).into_iter().chain(text::unfinished(file)).collect()));
}

#[test]
fn file_names_say_something() {
    expect_none(over_texts("rs", |file| text::name(&file.path).into_iter().collect()));
}

#[test]
fn crates_depend_on_each_other_as_the_table_says() {
    let table = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("the page with the table is there");
    let rows = arrows::table(&table);
    assert!(rows.len() > 15, "only {} rows of the crate table understood", rows.len());
    expect_none(arrows::compare(&rows, &arrows::packages(&root())));
}

#[test]
fn versions_stand_in_the_root_manifest() {
    let is_member = |file: &TextFile| file.path.starts_with("crates/") && file.path.ends_with("/Cargo.toml");
    expect_none(over_texts("toml", |file| if is_member(file) { manifest::check(file) } else { Vec::new() }));
}

#[test]
fn every_code_has_a_fixture() {
    let list = fs::read_to_string(root().join(codes::LIST)).expect("the list of codes is where STYLE says");
    let transcripts = texts(&root(), &["console"]);
    expect_none(codes::check(&list, &dtq_fixture::load(&dtq_fixture::root()), &transcripts));
}

#[test]
fn every_kind_of_block_in_fixtures_is_compared() {
    let mut golden_tests = texts(&root(), &["rs"]);
    golden_tests.retain(|file| file.path.starts_with("crates/") && file.path.ends_with("/tests/golden.rs"));
    expect_none(golden::check(&dtq_fixture::load(&dtq_fixture::root()), &golden_tests));
}

#[test]
fn links_in_documents_lead_somewhere() {
    let is_document = |file: &TextFile| {
        file.path.starts_with("docs/") || !file.path.contains('/') || file.path.ends_with("/README.md")
    };
    let exists = |path: &str| root().join(path).exists();
    let text_of = |path: &str| fs::read_to_string(root().join(path)).ok();
    expect_none(over_texts(
        "md",
        |file| if is_document(file) { links::check(file, exists, text_of) } else { Vec::new() },
    ));
}
