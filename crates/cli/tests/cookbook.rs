//! The rule files of `docs/cookbook` pass their tests, show all their conditions both ways, and are in its index.

mod common;

use common::dtq;
use std::path::{Path, PathBuf};

fn cookbook() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cookbook")
}

fn rule_files() -> Vec<String> {
    let entries = std::fs::read_dir(cookbook()).expect("docs/cookbook is there");
    let names = entries.map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".yaml")).collect();
    names.sort();
    names
}

#[test]
fn every_recipe_passes_its_tests() {
    let names = rule_files();
    assert!(names.len() >= 20, "only {} recipes", names.len());
    for name in names {
        let path = cookbook().join(&name);
        let path = path.to_str().expect("the path is UTF-8");
        let ran = dtq(&["test", "--engine", "jit", path]).code(0);
        assert_eq!(dtq(&["test", "--engine", "interp", path]).code(0).stdout, ran.stdout, "{name}");
        assert!(!ran.stdout.contains("note "), "{name} has conditions that its tests do not show:\n{}", ran.stdout);
        // How many warnings there are is said, and what they are by `check`.
        let said = ran.stderr.lines().filter(|line| !line.starts_with("note: ")).count();
        assert_eq!(said, 0, "{name}: {}", ran.stderr);
    }
}

#[test]
fn all_recipes_together_are_one_rule_set() {
    let paths: Vec<String> =
        rule_files().iter().map(|name| cookbook().join(name).to_str().expect("UTF-8").to_owned()).collect();
    let mut arguments = vec!["test"];
    arguments.extend(paths.iter().map(String::as_str));
    dtq(&arguments).code(0);
}

#[test]
fn the_index_names_every_recipe() {
    let index = std::fs::read_to_string(cookbook().join("README.md")).expect("the index is there");
    for name in rule_files() {
        assert_eq!(index.matches(&format!("]({name})")).count(), 1, "{name}");
    }
}
