//! Rust files to functions and files that are too long.
//!
//! A function's size runs from `fn` to its closing brace, without attributes and documentation. The one exception of
//! STYLE is decided so: with its longest flat `match` counted as one line it has to fit. A match is flat if every arm
//! is one expression that decides nothing itself: no block of several statements, no `if`, no `match`, no loop.
//! Next: `text.rs`.

use crate::Finding;
use crate::tree::{Role, RustFile, is_cfg_test};
use syn::spanned::Spanned;
use syn::visit::Visit;

/// Lines of a function (STYLE, "Order and size").
const FUNCTION_LINES_MAX: usize = 70;

/// Lines of a file before its tests (STYLE, "Order and size").
const FILE_LINES_MAX: usize = 600;

/// Returns the functions that are too long.
pub fn functions(file: &RustFile) -> Vec<Finding> {
    let mut visitor = Functions { file, findings: Vec::new() };
    visitor.visit_file(&file.syntax);
    visitor.findings
}

/// Returns a finding if the file is too long before its tests; a file that is nothing but tests has no bound.
pub fn file(file: &RustFile) -> Option<Finding> {
    let is_test_module = |item: &&syn::Item| matches!(item, syn::Item::Mod(module) if module.content.is_some() && is_cfg_test(&module.attrs));
    let tests = file.syntax.items.iter().find(is_test_module).map(|item| item.span().start().line - 1);
    let size = tests.unwrap_or_else(|| file.text.lines().count());
    let message = format!("{size} lines before its tests, at most {FILE_LINES_MAX}: move a part that has a name out");
    let is_bounded = matches!(file.role, Role::Source | Role::Build);
    (is_bounded && size > FILE_LINES_MAX).then(|| Finding::new(&file.path, size, "file-size", message))
}

struct Functions<'a> {
    file: &'a RustFile,
    findings: Vec<Finding>,
}

impl Functions<'_> {
    fn check(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (first, last) = (signature.span().start().line, block.span().end().line);
        let size = last - first + 1;
        let mut matches = FlatMatches { longest: 0 };
        matches.visit_block(block);
        if size - matches.longest.saturating_sub(1) > FUNCTION_LINES_MAX {
            let message = format!(
                "`{}` has {size} lines, at most {FUNCTION_LINES_MAX}: give a part a name and call it (a single flat \
                 `match` may be longer: docs/STYLE.md)",
                signature.ident
            );
            self.findings.push(Finding::new(&self.file.path, first, "function-size", message));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.check(&item.sig, &item.block);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.check(&item.sig, &item.block);
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.check(&item.sig, block);
        }
        syn::visit::visit_trait_item_fn(self, item);
    }
}

/// Finds the size in lines of the longest flat `match`.
struct FlatMatches {
    longest: usize,
}

impl<'ast> Visit<'ast> for FlatMatches {
    fn visit_expr_match(&mut self, expr: &'ast syn::ExprMatch) {
        if expr.arms.iter().all(|arm| is_one_expression(&arm.body)) {
            self.longest = self.longest.max(expr.span().end().line - expr.span().start().line + 1);
        }
        syn::visit::visit_expr_match(self, expr);
    }
}

/// Says whether an arm's body is one expression without a decision; `{ x }`, which rustfmt writes, is `x`.
fn is_one_expression(body: &syn::Expr) -> bool {
    match body {
        syn::Expr::Block(block) => match block.block.stmts.as_slice() {
            [] => true,
            [syn::Stmt::Expr(inner, _)] => is_one_expression(inner),
            [syn::Stmt::Macro(_)] => true,
            _ => false,
        },
        syn::Expr::If(_) | syn::Expr::Match(_) | syn::Expr::Loop(_) | syn::Expr::While(_) => false,
        syn::Expr::ForLoop(_) | syn::Expr::Unsafe(_) | syn::Expr::Async(_) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> RustFile {
        RustFile::new("crates/x/src/a.rs", text)
    }

    fn function(line_count: usize) -> String {
        format!("/// Doc.\nfn long() {{\n{}}}\n", "    step();\n".repeat(line_count - 2))
    }

    #[test]
    fn a_function_of_71_lines_is_found_and_one_of_70_is_not() {
        assert_eq!(functions(&parsed(&function(70))), []);
        let found = functions(&parsed(&function(71)));
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().starts_with("crates/x/src/a.rs:2: [function-size] `long` has 71 lines"));
    }

    #[test]
    fn methods_and_trait_defaults_count() {
        let body = "step();\n".repeat(80);
        let text = format!("impl A {{ fn a(&self) {{\n{body}}} }}\ntrait B {{ fn b() {{\n{body}}} }}\n");
        assert_eq!(functions(&parsed(&text)).len(), 2);
    }

    #[test]
    fn a_flat_match_may_be_longer_and_one_that_decides_may_not() {
        let arms = |arm: &str| format!("fn f(x: X) -> u8 {{\n    match x {{\n{}    }}\n}}\n", arm.repeat(100));
        assert_eq!(functions(&parsed(&arms("        X::A => { call(1) }\n"))), []);
        assert_eq!(functions(&parsed(&arms("        X::A => { let a = 1; call(a) }\n"))).len(), 1);
        assert_eq!(functions(&parsed(&arms("        X::A => if y { 1 } else { 2 },\n"))).len(), 1);
    }

    #[test]
    fn a_flat_match_does_not_excuse_a_long_rest() {
        let text = format!(
            "fn f(x: X) {{\n{}    match x {{\n{}    }}\n}}\n",
            "    step();\n".repeat(70),
            "        X::A => call(),\n".repeat(20)
        );
        assert_eq!(functions(&parsed(&text)).len(), 1);
    }

    #[test]
    fn a_file_is_measured_before_its_tests() {
        let body = "const A: u8 = 1;\n".repeat(600);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{body}}}\n");
        assert_eq!(file(&parsed(&format!("{body}{tests}"))), None);
        let found = file(&parsed(&format!("{body}const B: u8 = 1;\n{tests}"))).expect("too long");
        assert!(found.message.starts_with("601 lines"), "{found}");
        assert_eq!(file(&RustFile::new("crates/x/tests/a.rs", &body.repeat(2))), None);
    }
}
