//! The crate table of `docs/ARCHITECTURE.md` and what cargo knows, to arrows that should not be.
//!
//! Both directions: a dependency that the table does not allow, a crate without a row, a row that says `here` without
//! a crate, and a table that contradicts its own reading order. Next: `manifest.rs`.

use crate::Finding;
use cargo_metadata::{DependencyKind, MetadataCommand};
use std::path::Path;

/// Where the table stands.
const TABLE: &str = "docs/ARCHITECTURE.md";

/// The crates that any crate's tests may use.
const FOR_TESTS: &[&str] = &["fixture", "generate"];

/// One crate of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name, without the prefix of the packages.
    pub name: String,
    /// The crates it may use.
    pub may_use: Vec<String>,
    /// Whether it is said to exist.
    pub is_here: bool,
    /// The line in the table.
    pub line: usize,
}

/// One package of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name, without the prefix.
    pub name: String,
    /// The crates of this workspace it depends on, and whether only its tests do.
    pub uses: Vec<(String, bool)>,
}

/// Returns the rows of the crate table in `text`, in order.
///
/// The table begins with a header whose first cell is `crate` and has five cells a row; names in one cell share the row.
pub fn table(text: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let below_header = text.lines().enumerate().skip_while(|(_, line)| !line.starts_with("| crate |")).skip(2);
    for (index, line) in below_header.take_while(|(_, line)| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        assert!(cells.len() == 5, "{TABLE}:{}: a row of the crate table has five cells", index + 1);
        let above: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
        for name in cells[0].split_whitespace() {
            let may_use = allowed(cells[3], &above);
            let is_here = cells[4].starts_with("here");
            rows.push(Row { name: name.trim_matches('`').to_owned(), may_use, is_here, line: index + 1 });
        }
    }
    rows
}

/// Returns the packages of the workspace as cargo sees them.
///
/// # Panics
/// If cargo cannot be run or refuses.
pub fn packages(root: &Path) -> Vec<Package> {
    let mut command = MetadataCommand::new();
    command.manifest_path(root.join("Cargo.toml")).no_deps().other_options(vec!["--offline".to_owned()]);
    let metadata = command.exec().unwrap_or_else(|error| panic!("cargo metadata: {error}"));
    let short = |name: &str| name.strip_prefix("dtq-").unwrap_or(name).to_owned();
    let package = |package: &cargo_metadata::Package| Package {
        name: if package.name.as_str() == "dtq" { "cli".to_owned() } else { short(package.name.as_str()) },
        uses: package
            .dependencies
            .iter()
            .filter(|dependency| dependency.path.is_some())
            .map(|dependency| (short(&dependency.name), dependency.kind == DependencyKind::Development))
            .collect(),
    };
    metadata.workspace_packages().into_iter().map(package).collect()
}

/// Returns where table and packages differ.
pub fn compare(rows: &[Row], packages: &[Package]) -> Vec<Finding> {
    let mut findings = contradictions(rows);
    for package in packages {
        let Some(index) = rows.iter().position(|row| row.name == package.name) else {
            let message = format!("crate `{}` has no row: add one in reading order", package.name);
            findings.push(Finding::new(TABLE, 1, "arrows", message));
            continue;
        };
        let row = &rows[index];
        if !row.is_here {
            let message = format!("crate `{}` exists and its row does not say `here`", package.name);
            findings.push(Finding::new(TABLE, row.line, "arrows", message));
        }
        findings.extend(package.uses.iter().filter_map(|used| forbidden(&rows[..index], row, used)));
    }
    findings.extend(missing(rows, packages));
    findings
}

/// Returns a finding if `row` may not use this crate; tests may use what stands above them too.
fn forbidden(above: &[Row], row: &Row, (used, is_for_tests): &(String, bool)) -> Option<Finding> {
    let is_above = above.iter().any(|other| other.name == *used);
    let is_allowed = row.may_use.contains(used) || (*is_for_tests && (is_above || FOR_TESTS.contains(&used.as_str())));
    let what = if *is_for_tests { "the tests of" } else { "" };
    let message = format!(
        "{what} `{}` may not use `{used}`: take the arrow out of crates/{}/Cargo.toml, or change the table with a \
         decision note",
        row.name, row.name
    );
    (!is_allowed).then(|| Finding::new(&format!("crates/{}/Cargo.toml", row.name), 1, "arrows", message.trim()))
}

/// Returns the crates that the table lets use what stands below them, or itself, or nothing known.
fn contradictions(rows: &[Row]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        for used in row.may_use.iter().filter(|used| !rows[..index].iter().any(|above| above.name == **used)) {
            let message = format!("`{}` may use `{used}`, which does not stand above it", row.name);
            findings.push(Finding::new(TABLE, row.line, "arrows", message));
        }
    }
    findings
}

fn missing(rows: &[Row], packages: &[Package]) -> Vec<Finding> {
    let has_package = |row: &&Row| packages.iter().any(|package| package.name == row.name);
    let absent = rows.iter().filter(|row| row.is_here && !has_package(row));
    let message = |row: &Row| format!("`{}` is said to be here and is no crate of the workspace", row.name);
    absent.map(|row| Finding::new(TABLE, row.line, "arrows", message(row))).collect()
}

/// Returns the names that a "may use" cell means: `-`, `all above`, or names with commas between.
fn allowed(cell: &str, above: &[String]) -> Vec<String> {
    match cell {
        "-" => Vec::new(),
        "all above" => above.to_vec(),
        names => names.split(',').map(|name| name.trim().trim_matches('`').to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "| crate | turns | into | may use | state |\n|---|---|---|---|---|\n\
        | `source` | a | b | - | here |\n| `value` | a | b | source | here |\n\
        | `jit` `ebpf` | a | b | source, value | planned, issue 4 |\n| `engine` | a | b | all above | here |\n\
        | `fixture` | a | b | - | here |\n";

    fn package(name: &str, uses: &[(&str, bool)]) -> Package {
        Package { name: name.to_owned(), uses: uses.iter().map(|(used, test)| ((*used).to_owned(), *test)).collect() }
    }

    fn findings(source: &[(&str, bool)], value: &[(&str, bool)]) -> Vec<String> {
        let rest = [package("engine", &[("value", false)]), package("fixture", &[])];
        let packages = [&[package("source", source), package("value", value)], &rest[..]].concat();
        compare(&table(TEXT), &packages).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_table_is_read() {
        let rows = table(TEXT);
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["source", "value", "jit", "ebpf", "engine", "fixture"]);
        assert_eq!(rows[3].may_use, ["source", "value"]);
        assert_eq!((rows[3].is_here, rows[3].line), (false, 5));
        assert_eq!(rows[4].may_use, ["source", "value", "jit", "ebpf"]);
    }

    #[test]
    fn arrows_of_the_table_and_tests_that_look_up_are_fine() {
        assert_eq!(findings(&[("fixture", true)], &[("source", false), ("source", true)]), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_that_is_not_in_the_table_is_found() {
        let found = findings(&[("value", false)], &[]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/source/Cargo.toml:1: [arrows] `source` may not use `value`"), "{found:?}");
        assert!(findings(&[("engine", true)], &[])[0].contains("the tests of `source` may not use `engine`"));
        assert_eq!(findings(&[], &[("fixture", false)]).len(), 1);
    }

    #[test]
    fn table_and_workspace_hold_the_same_crates() {
        let rows = table(TEXT);
        let none = compare(&rows, &[]);
        assert_eq!(none.len(), 4, "{none:?}");
        assert!(compare(&[], &[package("new", &[])])[0].message.contains("has no row"));
        let early = compare(&rows[2..3], &[package("jit", &[])]);
        assert!(early.iter().any(|finding| finding.message.contains("does not say `here`")), "{early:?}");
    }

    #[test]
    fn a_table_against_its_reading_order_is_found() {
        let found =
            compare(&table("| crate |\n|---|\n| `a` | x | y | b | planned |\n| `b` | x | y | - | planned |\n"), &[]);
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("does not stand above it"));
    }
}
