//! Text to a verified program, and a program to a run.

use dtq_exec::{Native, NativeListing, Refusal, Run};
use dtq_ir::rel::RelId;
use dtq_ir::{Program, RelKind};
use dtq_opt::Report;
use dtq_record::stream::{Catalog, Column, Projection, Row, RowStream, StreamError, TableSchema};
use dtq_source::{Code, Diagnostic, Limits, diagnostic};
use dtq_value::scalar::Fault;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Holds what the host decides about compiling and running a query.
#[derive(Clone, Default)]
pub struct Options<'a> {
    /// The bounds.
    pub limits: Limits,
    /// What `now()` gives: ticks of 100 ns since 0001-01-01T00:00Z.
    pub now_ticks: i64,
    /// Seed of `rand()`, `new_guid()` and `sample`.
    pub random_seed: u64,
    /// Values for `declare query_parameters`, as literals of KQL.
    pub params: BTreeMap<String, String>,
    /// Says whether the run should end early; asked once a batch and every few thousand expressions.
    pub is_cancelled: Option<&'a dyn Fn() -> bool>,
    /// Whether the program runs as it is written, without the optimizer, and tables give whole values and all records.
    pub without_optimizer: bool,
    /// What evaluates the expressions of a run.
    pub engine: Engine,
}

/// Names what evaluates expressions; the results are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Native code for queries that read tables, where the machine and the system have it; else the interpreter.
    ///
    /// Compiling takes some 50 to 100 microseconds an expression, which a query without tables does not win back.
    #[default]
    Auto,
    /// Native code, or an error where there is none. An expression that has none is interpreted, and in the report.
    Jit,
    /// The interpreter.
    Interp,
}

impl<'a> Options<'a> {
    fn for_exec(&self) -> dtq_exec::Options<'a> {
        dtq_exec::Options {
            limits: self.limits.clone(),
            now_ticks: self.now_ticks,
            random_seed: self.random_seed,
            is_unoptimized: self.without_optimizer,
            is_cancelled: self.is_cancelled,
            ..dtq_exec::Options::default()
        }
    }
}

/// Holds a compiled query.
#[derive(Clone, Debug)]
pub struct Query {
    program: Program,
    optimized: Option<(Program, Report)>,
    /// Compiled when it is first wanted.
    native: OnceLock<Result<Arc<Native>, Refusal>>,
}

/// Returns the compiled query, unless there are errors, and every error and warning about it.
///
/// # Errors
/// Not as a `Result`: diagnostics `E1xxx` (syntax) and `E2xxx` (meaning) come back beside `None`.
///
/// # Panics
/// When the front end yields a program that breaks its own rules: a bug of ours.
pub fn compile(text: &str, catalog: &dyn Catalog, options: &Options<'_>) -> (Option<Query>, Vec<Diagnostic>) {
    let (ast, mut diagnostics) = dtq_syntax::parse(text, &options.limits);
    if diagnostic::has_errors(&diagnostics) {
        return (None, diagnostics);
    }
    let probe = Probe { catalog, options };
    let sema_options = dtq_sema::Options {
        limits: options.limits.clone(),
        params: options.params.clone(),
        probe: Some(&probe),
        now_ticks: options.now_ticks,
    };
    let (program, more) = dtq_sema::lower(&ast, catalog, &sema_options);
    diagnostics.extend(more);
    (program.map(|program| Query::new(program, options)), diagnostics)
}

impl Query {
    fn new(program: Program, options: &Options<'_>) -> Self {
        let passes = dtq_opt::Options { limits: options.limits.clone(), ..dtq_opt::Options::default() };
        let optimized = (!options.without_optimizer).then(|| dtq_opt::optimize(&program, &passes));
        Self { program, optimized, native: OnceLock::new() }
    }

    /// Returns the program as it is written, for `explain` and for those who build on its parts.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Returns the program that runs: after the optimizer, unless it was left out.
    pub fn optimized(&self) -> &Program {
        self.optimized.as_ref().map_or(&self.program, |(program, _)| program)
    }

    /// Returns what the optimizer did, or `None` when it was left out.
    pub fn passes(&self) -> Option<&Report> {
        self.optimized.as_ref().map(|(_, report)| report)
    }

    /// Returns the columns of the first result.
    pub fn columns(&self) -> &[Column] {
        match self.program.outputs.first() {
            Some(output) => &self.program.rel(output.rel).columns,
            None => &[],
        }
    }

    /// Returns the native code that an engine runs the query with, `None` where that interprets it all.
    ///
    /// It is compiled at the first call, or by the first run, and kept.
    ///
    /// # Errors
    /// When the machine or the system has no native code; [`Engine::Auto`] interprets then, and the host says so.
    pub fn native(&self, engine: Engine) -> Result<Option<&Native>, &Refusal> {
        let is_wanted = match engine {
            Engine::Auto => self.reads_tables(),
            Engine::Jit => true,
            Engine::Interp => false,
        };
        if !is_wanted {
            return Ok(None);
        }
        match self.native.get_or_init(|| Native::compile(self.optimized()).map(Arc::new)) {
            Ok(native) => Ok(Some(native)),
            Err(refusal) => Err(refusal),
        }
    }

    /// Returns the functions that the program becomes as text, for `explain`.
    ///
    /// # Errors
    /// When there is no native code for this machine.
    pub fn listings(&self) -> Result<Vec<NativeListing>, Refusal> {
        dtq_exec::native::listings(self.optimized())
    }

    fn reads_tables(&self) -> bool {
        let program = self.optimized();
        let reached = dtq_ir::reads::reached(program);
        let mut rels = program.rels().iter().zip(reached);
        rels.any(|(rel, is_reached)| is_reached && matches!(rel.kind, RelKind::Scan { .. }))
    }

    /// Returns a run over the tables of `catalog` that has read nothing yet.
    ///
    /// # Errors
    /// `E2901` when the program is nested too deeply to run; `E2900` when [`Engine::Jit`] is wanted and the machine or the
    /// system has no native code.
    pub fn run<'a>(&'a self, catalog: &'a dyn Catalog, options: &Options<'a>) -> Result<Run<'a>, Fault> {
        let native = match self.native(options.engine) {
            Ok(native) => native,
            Err(refusal) if options.engine == Engine::Jit => return Err(Fault::new(Code::E2900, refusal.to_string())),
            Err(_) => None,
        };
        Run::new(self.optimized(), catalog, dtq_exec::Options { native, ..options.for_exec() })
    }
}

/// Runs the beginning of a query while the rest of it is still being compiled.
struct Probe<'a> {
    catalog: &'a dyn Catalog,
    options: &'a Options<'a>,
}

impl dtq_sema::Probe for Probe<'_> {
    fn rows(&self, program: &Program, rel: RelId) -> Result<Vec<Row>, String> {
        let mut program = program.clone();
        program.outputs = vec![dtq_ir::Output { name: "probe".to_owned(), rel }];
        let run = Run::new(&program, self.catalog, self.options.for_exec());
        run.and_then(|mut run| run.rest(0)).map_err(|fault| fault.message)
    }
}

/// A catalog without tables, for `print`, `range` and `datatable`.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTables;

impl Catalog for NoTables {
    fn schema(&self, _table: &str) -> Option<TableSchema> {
        None
    }

    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn scan(&self, table: &str, _projection: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        Err(StreamError { code: Code::E3008, message: format!("there is no table `{table}`") })
    }
}
