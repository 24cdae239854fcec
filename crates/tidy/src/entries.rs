//! Entry points of the crates that others embed to those without an example.
//!
//! An entry point is what a crate hands on by name (`pub use`, in its root or in a module of it) and what one begins
//! with: a function, or a type with a constructor, a public function without `self` that gives it. The example may stand
//! at the type or at one of its functions. Next: `arrows.rs`.

use crate::Finding;
use crate::tree::{Role, RustFile};
use std::collections::BTreeSet;
use syn::visit::Visit;

/// The crates that others link (docs/embedding.md).
const EMBEDDED: &[&str] = &["crates/engine/src/", "crates/rules/src/"];

/// Returns the entry points of embedded crates that have no example.
pub fn check(files: &[RustFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for root in EMBEDDED {
        let own = || files.iter().filter(|file| file.path.starts_with(root) && file.role == Role::Source);
        let is_root = |file: &&RustFile| {
            let place = &file.path[root.len()..];
            place == "lib.rs" || place.strip_suffix("/mod.rs").is_some_and(|module| !module.contains('/'))
        };
        let handed_on: BTreeSet<String> = own().filter(is_root).flat_map(|file| handed_on(&file.syntax)).collect();
        for file in own() {
            findings.extend(entries(file).into_iter().filter(|entry| handed_on.contains(&entry.name)).filter_map(
                |entry| {
                    let message = format!("`{}` is where others begin and has no example (docs/STYLE.md)", entry.name);
                    (!entry.has_example).then(|| Finding::new(&file.path, entry.line, "example", message))
                },
            ));
        }
    }
    findings
}

struct Entry {
    name: String,
    line: usize,
    has_example: bool,
}

/// Returns the names that a file hands on.
fn handed_on(file: &syn::File) -> Vec<String> {
    let mut names = Vec::new();
    for item in &file.items {
        if let syn::Item::Use(item) = item
            && matches!(item.vis, syn::Visibility::Public(_))
        {
            collect(&item.tree, &mut names);
        }
    }
    names
}

fn collect(tree: &syn::UseTree, names: &mut Vec<String>) {
    match tree {
        syn::UseTree::Path(path) => collect(&path.tree, names),
        syn::UseTree::Name(name) => names.push(name.ident.to_string()),
        syn::UseTree::Rename(rename) => names.push(rename.ident.to_string()),
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| collect(tree, names)),
        syn::UseTree::Glob(_) => {}
    }
}

/// Returns the functions of a file, and its types with a constructor.
fn entries(file: &RustFile) -> Vec<Entry> {
    let mut entries = Vec::new();
    for item in &file.syntax.items {
        match item {
            syn::Item::Fn(item) if is_public(&item.vis) => {
                entries.push(entry(&item.sig.ident, has_example(&item.attrs)));
            }
            syn::Item::Struct(item) if is_public(&item.vis) => {
                if let Some(of_functions) = constructed(&item.ident, &file.syntax) {
                    entries.push(entry(&item.ident, of_functions || has_example(&item.attrs)));
                }
            }
            _ => {}
        }
    }
    entries
}

fn entry(name: &syn::Ident, has_example: bool) -> Entry {
    Entry { name: name.to_string(), line: name.span().start().line, has_example }
}

/// Says whether a public function of a type has an example; `None` when the type has no constructor in the file.
fn constructed(name: &syn::Ident, file: &syn::File) -> Option<bool> {
    let of_type = |item: &syn::ItemImpl| matches!(&*item.self_ty, syn::Type::Path(path) if path.path.is_ident(name));
    let impls = file.items.iter().filter_map(|item| match item {
        syn::Item::Impl(item) if item.trait_.is_none() && of_type(item) => Some(item),
        _ => None,
    });
    let functions: Vec<&syn::ImplItemFn> = impls
        .flat_map(|item| &item.items)
        .filter_map(|item| match item {
            syn::ImplItem::Fn(function) if is_public(&function.vis) => Some(function),
            _ => None,
        })
        .collect();
    let has_constructor = functions.iter().any(|function| function.sig.receiver().is_none() && gives_self(function));
    has_constructor.then(|| functions.iter().any(|function| has_example(&function.attrs)))
}

/// Says whether a function gives its type, by itself or in a `Result`.
fn gives_self(function: &syn::ImplItemFn) -> bool {
    let syn::ReturnType::Type(_, given) = &function.sig.output else { return false };
    let mut words = WordSearch { is_found: false };
    words.visit_type(given);
    words.is_found
}

/// Looks for the word `Self` in a type.
struct WordSearch {
    is_found: bool,
}

impl<'ast> Visit<'ast> for WordSearch {
    fn visit_ident(&mut self, ident: &'ast syn::Ident) {
        self.is_found |= ident == "Self";
    }
}

fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

/// Says whether a docstring has a block of code.
fn has_example(attrs: &[syn::Attribute]) -> bool {
    attrs.iter().filter(|attr| attr.path().is_ident("doc")).any(|attr| match &attr.meta {
        syn::Meta::NameValue(doc) => match &doc.value {
            syn::Expr::Lit(literal) => matches!(&literal.lit, syn::Lit::Str(text) if text.value().contains("```")),
            _ => false,
        },
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let root = RustFile::new("crates/engine/src/lib.rs", "pub use a::{begin, Thing as Other, Thing};");
        let file = RustFile::new("crates/engine/src/a.rs", text);
        check(&[root, file]).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn functions_and_constructed_types_need_an_example() {
        assert_eq!(found("/// Begins.\npub fn begin() {}").len(), 1);
        assert_eq!(found("pub struct Thing; impl Thing { pub fn new() -> Self { Thing } }").len(), 1);
        assert_eq!(found("/// ```\n/// begin();\n/// ```\npub fn begin() {}"), [""; 0]);
        let method =
            "pub struct Thing; impl Thing { pub fn new() -> Self { Thing }\n/// ```\n/// ```\npub fn go(&self) {} }";
        assert_eq!(found(method), [""; 0]);
    }

    #[test]
    fn what_is_not_handed_on_or_only_given_out_needs_none() {
        assert_eq!(found("pub fn other() {}\nfn begin() {}"), [""; 0]);
        assert_eq!(found("pub struct Thing; impl Thing { pub fn size(&self) -> usize { 0 } }"), [""; 0]);
    }
}
