//! The repository on disk to parsed Rust files and plain texts, with what each file is.
//!
//! Looks only into the folders of the project, so build output and other checkouts below the root do not count.
//! Next: `size.rs` and the other rules.

use proc_macro2::{LineColumn, TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, str};
use syn::spanned::Spanned;
use syn::visit::Visit;

/// The folders that belong to the project, and the files at the top.
const FOLDERS: &[&str] = &["crates", "docs", "fixtures", "fuzz", "benches", "grammar", ".ci"];

/// Folders that tools fill.
const SKIPPED: &[&str] = &["target", "node_modules", "corpus", "artifacts", "__pycache__"];

/// Says what a Rust file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Part of a crate, perhaps with tests inside.
    Source,
    /// Only for tests, benches or fuzzing.
    Test,
    /// A test that may use loopback and deadlines: below `tests/live`.
    LiveTest,
    /// A build script.
    Build,
}

/// A text of the repository.
#[derive(Clone, Debug)]
pub struct TextFile {
    /// Its path from the root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A Rust file, parsed.
#[derive(Debug)]
pub struct RustFile {
    /// Its path from the root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
    /// What it is for.
    pub role: Role,
    /// Its syntax tree.
    pub syntax: syn::File,
    /// All tokens, those inside macro calls too, in order: text and line.
    pub tokens: Vec<(String, usize)>,
    /// First and last line of each item under `#[cfg(test)]`.
    pub test_lines: Vec<(usize, usize)>,
}

impl RustFile {
    /// Returns the file parsed.
    ///
    /// # Panics
    /// If the text is not Rust: a file that does not parse cannot be judged.
    pub fn new(path: &str, text: &str) -> RustFile {
        let stream: TokenStream = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut finder = TestItems::default();
        finder.visit_file(&syntax);
        let (path, text) = (path.to_owned(), text.to_owned());
        RustFile { role: role(&path), path, text, syntax, tokens, test_lines: finder.lines }
    }

    /// Says whether the line belongs to a test.
    pub fn is_test_line(&self, line: usize) -> bool {
        matches!(self.role, Role::Test | Role::LiveTest)
            || self.test_lines.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }

    /// Returns the name of the crate below `crates/`, or `""`.
    pub fn crate_name(&self) -> &str {
        self.path.strip_prefix("crates/").and_then(|rest| rest.split('/').next()).unwrap_or("")
    }
}

/// Returns the root of this repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns all Rust files of the project, parsed.
pub fn rust_files(root: &Path) -> Vec<RustFile> {
    let mut files: Vec<RustFile> =
        texts(root, &["rs"]).iter().map(|file| RustFile::new(&file.path, &file.text)).collect();
    let test_modules: BTreeSet<String> = files.iter().flat_map(test_module_paths).collect();
    for file in files.iter_mut().filter(|file| test_modules.contains(&file.path)) {
        file.role = Role::Test;
    }
    files
}

/// Returns the texts of the project whose names end in one of these extensions, sorted by path.
pub fn texts(root: &Path, extensions: &[&str]) -> Vec<TextFile> {
    let mut paths = Vec::new();
    for folder in FOLDERS {
        collect(&root.join(folder), &mut paths);
    }
    paths.extend(entries(root).into_iter().filter(|path| path.is_file()));
    paths.retain(|path| path.extension().is_some_and(|end| extensions.iter().any(|wanted| end == *wanted)));
    paths.sort();
    paths.iter().map(|path| read(root, path)).collect()
}

fn read(root: &Path, path: &Path) -> TextFile {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()));
    let relative = path.strip_prefix(root).expect("collected below the root").to_string_lossy().replace('\\', "/");
    TextFile { path: relative, text: String::from_utf8_lossy(&bytes).into_owned() }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for path in entries(folder) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !SKIPPED.contains(&name.as_str()) {
            collect(&path, paths);
        } else if path.is_file() {
            paths.push(path);
        }
    }
}

/// Returns what a folder holds; nothing if there is no such folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.map(|entry| entry.expect("a listed entry can be read").path()).collect()
}

fn role(path: &str) -> Role {
    let parts: Vec<&str> = path.split('/').collect();
    let is_below = |name: &str| parts[..parts.len() - 1].contains(&name);
    let file = parts[parts.len() - 1];
    if path.contains("/tests/live/") || path.ends_with("/tests/live.rs") {
        Role::LiveTest
    } else if is_below("tests") || is_below("benches") || is_below("examples") || is_below("fuzz") || file == "tests.rs"
    {
        Role::Test
    } else if file == "build.rs" && !is_below("src") {
        Role::Build
    } else {
        Role::Source
    }
}

fn flatten(stream: TokenStream, tokens: &mut Vec<(String, usize)>) {
    for tree in stream {
        let LineColumn { line, .. } = tree.span().start();
        match tree {
            TokenTree::Group(group) => flatten(group.stream(), tokens),
            other => tokens.push((other.to_string(), line)),
        }
    }
}

/// Says whether the attributes hold `#[cfg(test)]`, alone or with other conditions.
pub(crate) fn is_cfg_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else {
            return false;
        };
        let is_word = |tree: &TokenTree| matches!(tree, TokenTree::Ident(ident) if ident == "test");
        let has_word = |tree: TokenTree| match tree {
            TokenTree::Group(group) => group.stream().into_iter().any(|inner| is_word(&inner)),
            other => is_word(&other),
        };
        let is_negated = list.tokens.to_string().starts_with("not");
        attribute.path().is_ident("cfg") && !is_negated && list.tokens.clone().into_iter().any(has_word)
    })
}

/// Finds the items under `#[cfg(test)]`.
#[derive(Default)]
struct TestItems {
    lines: Vec<(usize, usize)>,
}

impl<'ast> Visit<'ast> for TestItems {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if is_cfg_test(item_attributes(item)) {
            self.lines.push((item.span().start().line, item.span().end().line));
        } else {
            syn::visit::visit_item(self, item);
        }
    }
}

fn item_attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        _ => &[],
    }
}

/// Returns the paths that `#[cfg(test)] mod name;` in this file may mean.
fn test_module_paths(file: &RustFile) -> Vec<String> {
    let folder = match file.path.strip_suffix("/mod.rs").or_else(|| file.path.strip_suffix("/lib.rs")) {
        Some(folder) => folder.to_owned(),
        None => file.path.trim_end_matches(".rs").to_owned(),
    };
    let modules = file.syntax.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() && is_cfg_test(&module.attrs) => Some(&module.ident),
        _ => None,
    });
    modules.flat_map(|name| [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_follow_the_path() {
        for (path, expected) in [
            ("crates/x/src/a.rs", Role::Source),
            ("crates/x/src/a/tests.rs", Role::Test),
            ("crates/x/tests/golden.rs", Role::Test),
            ("crates/x/tests/live/main.rs", Role::LiveTest),
            ("crates/x/build.rs", Role::Build),
            ("crates/x/src/build.rs", Role::Source),
            ("fuzz/fuzz_targets/parse.rs", Role::Test),
        ] {
            assert_eq!(role(path), expected, "{path}");
        }
    }

    #[test]
    fn test_items_are_found_by_their_attribute() {
        let text = "fn a() {}\n#[cfg(all(test, unix))]\nmod tests {\n    fn b() {}\n}\n#[cfg(not(test))]\nfn c() {}\n";
        let file = RustFile::new("crates/x/src/a.rs", text);
        let lines: Vec<usize> = (1..=7).filter(|line| file.is_test_line(*line)).collect();
        assert_eq!(lines, [2, 3, 4, 5]);
    }

    #[test]
    fn a_module_declared_for_tests_is_a_test_file() {
        let file = RustFile::new("crates/x/src/lib.rs", "#[cfg(test)]\nmod samples;\nmod other;\n");
        assert_eq!(test_module_paths(&file), ["crates/x/src/samples.rs", "crates/x/src/samples/mod.rs"]);
    }

    #[test]
    fn this_repository_is_found() {
        let files = texts(&root(), &["rs"]);
        assert!(files.iter().any(|file| file.path == "crates/tidy/src/tree.rs"));
        assert!(files.iter().all(|file| !file.path.contains("/target/")));
    }
}
