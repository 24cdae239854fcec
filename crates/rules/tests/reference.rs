//! `docs/rules.md` and `docs/rules.schema.json`, which come from the table of keys; and the examples in the text.

use dtq_rules::file::keys::{Key, Place};
use dtq_rules::file::{Files, Options, check_together, read, schema::schema};
use dtq_source::{Code, render};
use std::fs;
use std::path::{Path, PathBuf};

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

/// Compares a file with what it should be, or writes it when blessed.
fn compare(name: &str, made: &str) {
    let path = docs(name);
    if std::env::var_os("DTQ_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, made).expect("the file can be written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == made, "docs/{name} is not up to date: DTQ_BLESS=1 cargo test -p dtq-rules --test reference");
}

#[test]
fn the_schema_is_published() {
    compare("rules.schema.json", &schema());
}

#[test]
fn the_reference_has_every_key_and_code() {
    let text = fs::read_to_string(docs("rules.md")).expect("docs/rules.md is there");
    let mut made = text;
    for place in Place::ALL {
        made = filled(&made, &format!("<!-- keys: {place:?} -->\n"), &table(*place));
    }
    made = filled(&made, "<!-- codes -->\n", &codes());
    compare("rules.md", &made);
}

/// Returns the text with what stands between the marker and the end replaced.
fn filled(text: &str, marker: &str, content: &str) -> String {
    let start = text.find(marker).unwrap_or_else(|| panic!("docs/rules.md has no line {marker}")) + marker.len();
    let end = start + text[start..].find("<!-- end -->").expect("a marker has an end");
    format!("{}{content}{}", &text[..start], &text[end..])
}

fn table(place: Place) -> String {
    let mut out = format!("\n| key of {} | default | says | example |\n|---|---|---|---|\n", place.title());
    for key in place.keys() {
        let cell = |text: &str| text.replace('|', "\\|");
        let default = match (key.is_required, key.default) {
            (true, _) => "**required**",
            (false, "") => "",
            (false, default) => &shown_default(default),
        };
        let only = only(key);
        let example = key.example;
        out.push_str(&format!("| `{}` | {default} | {}{only} | `{}` |\n", key.name, cell(key.about), cell(example)));
    }
    out.push('\n');
    out
}

/// Returns a default as code when it is a value and not a sentence.
fn shown_default(default: &str) -> String {
    let is_value = !default.contains(' ') && !matches!(default, "none" | "never");
    if is_value { format!("`{default}`") } else { default.replace('|', "\\|") }
}

fn only(key: &Key) -> String {
    let names: Vec<String> = key.destinations.iter().map(|word| format!("`{word}`")).collect();
    if names.is_empty() { String::new() } else { format!(" Only with {}.", names.join(", ")) }
}

fn codes() -> String {
    let mut out = "\n| code | says |\n|---|---|\n".to_owned();
    for code in Code::ALL.iter().filter(|code| (5001..5200).contains(&code.number())) {
        out.push_str(&format!("| {code} | {} |\n", code.explanation().trim()));
    }
    out.push('\n');
    out
}

/// Has whatever file an example names.
struct Anything;

impl Files for Anything {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Ok(b"spans".to_vec())
    }
}

#[test]
fn examples_of_the_reference_have_no_mistakes() {
    let text = fs::read_to_string(docs("rules.md")).expect("docs/rules.md is there");
    let examples: Vec<&str> = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 7, "only {} examples", examples.len());
    for example in examples {
        let (file, found) = read("rules.yaml", example.as_bytes(), &Anything, &Options::default());
        assert!(found.is_empty(), "{}\n{example}", render::golden(&found));
        assert_eq!(check_together(std::slice::from_ref(&file)), [], "{example}");
        if example.contains("owners.csv") {
            // Its table is no real file here.
            continue;
        }
        let compiled = dtq_rules::compile::compile(&[file], &dtq_rules::compile::Options::default());
        // That children lose their parent is true of a rule that drops health checks.
        let said = compiled.diagnostics.iter().filter(|one| one.diagnostic.code != Code::E5155);
        assert_eq!(said.collect::<Vec<_>>(), Vec::<&dtq_rules::file::Located>::new(), "{example}");
    }
}
