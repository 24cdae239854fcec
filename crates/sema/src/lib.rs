//! AST and schema to IR: names resolved, types decided, conversions explicit.
//!
//! Turns a [`ast::Query`] and a [`Catalog`] into a [`Program`], collecting every mistake it can see; an expression that
//! could not be typed swallows what would follow from it. It evaluates nothing over rows: only constants that types or
//! patterns depend on. Read in order: `lowerer` (the state), `env` (lets and functions), `row` (what an expression
//! sees), `literal`, `scalar` (expressions), `operator`, `call`, `special`, `aggregate`, `window`, `naming`, `suggest`,
//! then `pipeline` and the operators in `ops`. [`profile`] stands for itself: what other places refuse of a query.

mod lowerer;

mod env;

mod row;

mod literal;

mod scalar;

mod operator;

mod convert;

mod call;

mod checks;

mod special;

mod known;

mod constant;

mod aggregate;

mod window;

mod naming;

mod suggest;

mod statement;

mod pipeline;

mod ops;

pub mod profile;

use dtq_ir::{Program, RelId, verify};
use dtq_record::stream::{Catalog, Row};
use dtq_source::{Diagnostic, Limits};
use dtq_syntax::ast;
use std::collections::BTreeMap;

/// Runs the part of a program that is lowered already, for operators whose columns depend on data.
pub trait Probe {
    /// Returns the rows of a relation of an unfinished program.
    ///
    /// # Errors
    /// What went wrong, as one sentence.
    fn rows(&self, program: &Program, rel: RelId) -> Result<Vec<Row>, String>;
}

/// Holds what lowering depends on besides the query and the catalog.
#[derive(Default)]
pub struct Options<'a> {
    /// The bounds.
    pub limits: Limits,
    /// The values given for `declare query_parameters`, as text.
    pub params: BTreeMap<String, String>,
    /// Runs a prefix of the query; without it, `bag_unpack` and `pivot` need an explicit schema.
    pub probe: Option<&'a dyn Probe>,
    /// What `now()` is where a constant is needed: ticks since 0001-01-01T00:00Z.
    pub now_ticks: i64,
}

/// Returns the program that a query stands for, unless it has errors, and all diagnostics in the order of their places.
///
/// # Panics
/// When the program breaks a rule of [`verify()`]: a bug of ours.
pub fn lower(query: &ast::Query, catalog: &dyn Catalog, options: &Options<'_>) -> (Option<Program>, Vec<Diagnostic>) {
    let mut lowerer = lowerer::Lowerer::new(catalog, options);
    lowerer.lower_query(query);
    let (program, mut diagnostics) = lowerer.finish();
    diagnostics.sort_by_key(|found| (found.span, found.code));
    if dtq_source::diagnostic::has_errors(&diagnostics) {
        return (None, diagnostics);
    }
    if let Err(violation) = verify(&program) {
        panic!("lowering broke a rule of the IR: {violation}");
    }
    (Some(program), diagnostics)
}
