//! Rust files to the places that reach outside: files, sockets, clocks, the environment, and `unsafe`.
//!
//! Looks at paths as they are written, `std::fs` in code, macros and (nested) `use`: an alias of `std` would escape it.
//! Next: `testing.rs`.

use crate::Finding;
use crate::tree::{Role, RustFile};
use syn::spanned::Spanned;
use syn::visit::Visit;

/// The crates that may reach outside: processors, `fleet`, `cli` (docs/STYLE.md, "Dependencies"), and those for tests.
const OUTWARD_CRATES: &[&str] = &[
    "inprocess",
    "kernel",
    "collector",
    "gateway",
    "fleet",
    "cli",
    "capi",
    "e2e",
    "generate",
    "load",
    "fixture",
    "tidy",
];

/// The modules of `std` that reach outside.
const OUTWARD_MODULES: &[&str] = &["fs", "net", "env", "time"];

/// What those modules hold that is a plain value and reaches nothing.
const PLAIN_VALUES: &[&str] = &["Duration", "IpAddr", "Ipv4Addr", "Ipv6Addr", "AddrParseError"];

/// The files that may hold `unsafe` (docs/STYLE.md, "Unsafe"); one that ends in `/` is a folder.
const UNSAFE_FILES: &[&str] = &[
    "crates/jit/src/call.rs",
    "crates/jit/src/call/batch.rs",
    "crates/jit/src/helpers.rs",
    "crates/kernel/src/sys.rs",
    "crates/kernel/src/sys/",
    "crates/rules/src/mmap.rs",
    "crates/capi/",
];

/// Returns the places outside tests where a crate reaches outside that may not.
pub fn outside(file: &RustFile) -> Vec<Finding> {
    if file.role != Role::Source || OUTWARD_CRATES.contains(&file.crate_name()) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (path, line) in std_paths(file).into_iter().filter(|(_, line)| !file.is_test_line(*line)) {
        let module = path.get(1).map_or("", String::as_str);
        if OUTWARD_MODULES.contains(&module) && !is_plain_value(&path) {
            let message = format!(
                "`{}` in crate `{}`: only processors, fleet and cli reach outside; take it as a parameter",
                path.join("::"),
                file.crate_name()
            );
            findings.push(Finding::new(&file.path, line, "reach", message));
        }
    }
    findings
}

/// Returns the places with `unsafe` outside the files that may hold it.
pub fn unsafety(file: &RustFile) -> Vec<Finding> {
    let is_allowed =
        UNSAFE_FILES.iter().any(|name| file.path == *name || (name.ends_with('/') && file.path.starts_with(name)));
    if is_allowed {
        return Vec::new();
    }
    let found = file.tokens.iter().filter(|(token, _)| token == "unsafe" || token == "unsafe_code");
    let message = "`unsafe` here: it may stand only in the files listed in docs/STYLE.md, \"Unsafe\"";
    found.map(|(_, line)| Finding::new(&file.path, *line, "unsafe", message)).collect()
}

/// Says whether a path below `std` names a type that reaches nothing, such as a duration or an address.
pub(crate) fn is_plain_value(path: &[String]) -> bool {
    path.get(2).is_some_and(|item| PLAIN_VALUES.contains(&item.as_str()))
}

/// Returns every path that begins with `std`, with the line where it is written.
pub(crate) fn std_paths(file: &RustFile) -> Vec<(Vec<String>, usize)> {
    let mut imports = Imports { paths: Vec::new() };
    imports.visit_file(&file.syntax);
    let mut paths = imports.paths;
    for index in 0..file.tokens.len() {
        if file.tokens[index].0 == "std" {
            paths.push((path_at(&file.tokens, index), file.tokens[index].1));
        }
    }
    paths.retain(|(path, _)| path.len() > 1 && path[0] == "std");
    paths.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
    paths.dedup();
    paths
}

/// Returns the names of the path whose first name is at `index`.
fn path_at(tokens: &[(String, usize)], index: usize) -> Vec<String> {
    let mut path = vec![tokens[index].0.clone()];
    let mut rest = &tokens[index + 1..];
    while let [(a, _), (b, _), (name, _), tail @ ..] = rest {
        let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if a != ":" || b != ":" || !is_name {
            break;
        }
        path.push(name.clone());
        rest = tail;
    }
    path
}

/// Collects the full path of every leaf of every `use`.
struct Imports {
    paths: Vec<(Vec<String>, usize)>,
}

impl Imports {
    fn add(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let line = tree.span().start().line;
        let with = |ident: &syn::Ident| [prefix, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.paths.push((with(&name.ident), line)),
            syn::UseTree::Rename(rename) => self.paths.push((with(&rename.ident), line)),
            syn::UseTree::Glob(_) => self.paths.push((prefix.to_vec(), line)),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.add(prefix, item)),
        }
    }
}

impl<'ast> Visit<'ast> for Imports {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add(&[], &item.tree);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(path: &str, text: &str) -> RustFile {
        RustFile::new(path, text)
    }

    #[test]
    fn reaching_outside_is_found_however_it_is_written() {
        for bad in [
            "use std::fs;",
            "use std::{io, time::{Duration, Instant}};",
            "use std::net::TcpStream as S;",
            "use std::env::*;",
            "fn f() { std::fs::read(p); }",
            "fn f() { println!(\"{}\", std::env::var(\"A\")); }",
        ] {
            let found = outside(&parsed("crates/sema/src/a.rs", bad));
            assert_eq!(found.len(), 1, "{bad}: {found:?}");
        }
    }

    #[test]
    fn parameters_tests_and_outward_crates_are_fine() {
        for good in [
            "use std::time::Duration;",
            "use std::net::{Ipv4Addr, Ipv6Addr};",
            "use std::io::Read;",
            "const A: &str = env!(\"CARGO_PKG_NAME\");",
            "#[cfg(test)]\nmod tests {\n    use std::fs;\n}",
            "fn f() { other::fs::read(); }",
        ] {
            assert_eq!(outside(&parsed("crates/sema/src/a.rs", good)), [], "{good}");
        }
        assert_eq!(outside(&parsed("crates/cli/src/main.rs", "use std::fs;")), []);
        assert_eq!(outside(&parsed("crates/sema/tests/a.rs", "use std::fs;")), []);
        assert_eq!(outside(&parsed("crates/sema/build.rs", "use std::fs;")), []);
    }

    #[test]
    fn unsafe_stands_in_the_listed_files_only() {
        for bad in ["fn f() { unsafe { g() } }", "#![allow(unsafe_code)]", "unsafe impl Send for A {}"] {
            assert_eq!(unsafety(&parsed("crates/value/src/a.rs", bad)).len(), 1, "{bad}");
            assert_eq!(unsafety(&parsed("crates/jit/src/call.rs", bad)), [], "{bad}");
        }
        assert_eq!(unsafety(&parsed("crates/value/src/a.rs", "// unsafe\nconst A: &str = \"unsafe\";")), []);
    }
}
