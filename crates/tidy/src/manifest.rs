//! Manifests of crates to what stands in them and belongs into the root manifest.
//!
//! Reads lines, not TOML: cargo has read the file before us, so its shape is given. Next: `codes.rs`.

use crate::Finding;
use crate::tree::TextFile;

/// What every package takes from the workspace.
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license", "publish"];

/// Returns the dependencies with a version of their own, and what the package does not take from the workspace.
pub fn check(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut section = String::new();
    let mut seen: Vec<String> = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        }
        seen.push(format!("{section}: {}", line.replace(' ', "")));
        if let Some(name) = own_version(&section, line) {
            let message = format!("`{name}` is not `workspace = true`: its version belongs into the root Cargo.toml");
            findings.push(Finding::new(&file.path, index + 1, "one-version", message));
        }
    }
    for key in INHERITED.iter().filter(|key| !seen.contains(&format!("package: {key}.workspace=true"))) {
        let message = format!("`{key}.workspace = true` is missing in [package]");
        findings.push(Finding::new(&file.path, 1, "one-version", message));
    }
    if !seen.contains(&"lints: workspace=true".to_owned()) {
        let message = "`[lints] workspace = true` is missing: the crate escapes the lints of the workspace";
        findings.push(Finding::new(&file.path, 1, "one-version", message));
    }
    findings
}

/// Returns the name of a dependency that this line gives a source of its own.
fn own_version<'a>(section: &str, line: &'a str) -> Option<&'a str> {
    let (key, _) = line.split_once('=')?;
    let is_shared = line.replace(' ', "").contains("workspace=true");
    let is_list = section.ends_with("dependencies");
    let is_one = section.contains("dependencies.") && ["version", "path", "git"].contains(&key.trim());
    ((is_list && !is_shared) || is_one).then(|| key.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "[package]\nname = \"x\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n[lints]\nworkspace = true\n";

    fn found(text: &str) -> Vec<Finding> {
        check(&TextFile { path: "crates/x/Cargo.toml".to_owned(), text: text.to_owned() })
    }

    #[test]
    fn inherited_versions_are_fine() {
        let rest =
            "[features]\na = []\n[dependencies]\nserde.workspace = true\nb = { workspace = true, optional = true }\n";
        assert_eq!(found(&format!("{HEAD}{rest}")), []);
    }

    #[test]
    fn a_version_of_its_own_is_found() {
        for rest in [
            "[dependencies]\nserde = \"1\"",
            "[dev-dependencies]\nserde = { version = \"1\" }",
            "[target.'cfg(unix)'.dependencies]\nlibc = \"1\"",
            "[dependencies.serde]\nversion = \"1\"",
        ] {
            let findings = found(&format!("{HEAD}{rest}\n"));
            assert_eq!(findings.len(), 1, "{rest}: {findings:?}");
            assert_eq!(findings[0].line, 11);
        }
    }

    #[test]
    fn what_is_not_inherited_is_found() {
        assert_eq!(found(&HEAD.replace("edition.workspace = true", "edition = \"2024\"")).len(), 1);
        assert!(found(&HEAD.replace("[lints]", "[other]"))[0].message.contains("escapes the lints"));
    }
}
