//! Text to a verified program.
//!
//! Never reads a row of a table, but for those operators whose columns are named by rows (`pivot`, `bag_unpack`).
//! Next: `run.rs`, which runs the program.

use dtq_ir::Program;
#[cfg(feature = "exec")]
use dtq_ir::rel::RelId;
use dtq_opt::Report;
#[cfg(feature = "exec")]
use dtq_record::stream::Row;
use dtq_record::stream::{Catalog, Column, Projection, RowStream, StreamError, TableSchema};
use dtq_source::{Budget, Code, Diagnostic, Limits, Span, Timer, diagnostic};
use std::collections::BTreeMap;

/// Holds what the host decides about compiling and running a query.
///
/// # Example
/// ```
/// use dtq_engine::{Budget, NoTables, Options, compile};
///
/// // A clock that a test moves; a host passes one that gives the nanoseconds of `Instant` or of the thread.
/// let ns = std::cell::Cell::new(0);
/// let clock = || ns.replace(ns.get() + 1_000_000);
/// let budget = Budget { bytes_max: 8 << 20, ..Budget::of_time(20_000_000, &clock) };
/// let options = Options { budget, ..Options::default() };
/// let (query, _) = compile("range x from 1 to 10000000 step 1 | count", &NoTables, &options);
/// let query = query.expect("it compiles in time");
/// let fault = query.run(&NoTables, &options)?.rest(0).expect_err("it does not end in time");
/// assert_eq!(fault.code, dtq_source::Code::E3006);
/// # Ok::<(), dtq_value::scalar::Fault>(())
/// ```
#[derive(Clone, Default)]
pub struct Options<'a> {
    /// The bounds on single things: nesting, counts, sizes.
    pub limits: Limits,
    /// What a compilation, and each run, may take in all.
    ///
    /// Its bytes lower all limits in bytes; its time is asked for between the stages of a compilation, once a batch of rows,
    /// and every few thousand expressions. Past it there is no query, and a run ends, with `E3006`.
    pub budget: Budget<'a>,
    /// What `now()` gives: ticks of 100 ns since 0001-01-01T00:00Z.
    pub now_ticks: i64,
    /// Seed of `rand()`, `new_guid()` and `sample`.
    pub random_seed: u64,
    /// Values for `declare query_parameters`, as literals of KQL.
    pub params: BTreeMap<String, String>,
    /// Whether the program runs as it is written, without the optimizer, and tables give whole values and all records.
    pub without_optimizer: bool,
    /// What evaluates the expressions of a run.
    pub engine: Engine,
}

impl Options<'_> {
    /// Returns the bounds with those of the budget.
    pub(crate) fn bounds(&self) -> Limits {
        self.budget.apply_to(&self.limits)
    }
}

/// Names what evaluates expressions; the results are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Native code for queries that read tables, where the build, the machine and the system have it; else the interpreter.
    ///
    /// Compiling takes some 50 to 100 microseconds an expression, which a query without tables does not win back.
    #[default]
    Auto,
    /// Native code, or an error where there is none. An expression that has none is interpreted, and in the report.
    Jit,
    /// The interpreter.
    Interp,
}

/// Holds a compiled query, to be run any number of times and from any threads at once.
///
/// It depends on no catalog, only on the columns that its tables had. A clone shares the native code.
///
/// # Example
/// ```
/// use dtq_engine::{NoTables, Options, compile};
///
/// let (query, _) = compile("range x from 1 to 4 step 1 | summarize total = sum(x)", &NoTables, &Options::default());
/// let query = query.expect("there are no errors");
/// assert_eq!(query.columns()[0].name, "total");
/// let answers = std::thread::scope(|scope| {
///     let run = || query.run(&NoTables, &Options::default())?.rest(0);
///     [scope.spawn(run), scope.spawn(run)].map(|thread| thread.join().expect("a run does not panic"))
/// });
/// assert_eq!(answers[0], Ok(vec![vec![dtq_value::Value::Long(10)]]));
/// assert_eq!(answers[0], answers[1]);
/// ```
#[derive(Clone, Debug)]
pub struct Query {
    pub(crate) program: Program,
    optimized: Option<(Program, Report)>,
    #[cfg(feature = "exec")]
    pub(crate) native: crate::run::NativeCell,
}

/// Returns the compiled query, unless there are errors, and every error and warning about it.
///
/// Diagnostics come in the order of their places. Starts no thread and keeps nothing: the same text, catalog and options
/// give the same.
///
/// # Errors
/// Not as a `Result`: diagnostics `E1xxx` (syntax) and `E2xxx` (meaning) come back beside `None`; `E3006` when the time
/// of the budget is over.
///
/// # Panics
/// When the front end yields a program that breaks its own rules: a bug of ours.
///
/// # Example
/// ```
/// use dtq_engine::{NoTables, Options, compile};
///
/// let (query, diagnostics) = compile("print x = 1 + 'a'", &NoTables, &Options::default());
/// assert!(query.is_none());
/// assert!(diagnostics.iter().all(|one| one.is_error() && one.code.number() / 1000 == 2));
/// ```
pub fn compile(text: &str, catalog: &dyn Catalog, options: &Options<'_>) -> (Option<Query>, Vec<Diagnostic>) {
    let (timer, limits) = (options.budget.start(), options.bounds());
    let (ast, mut diagnostics) = dtq_syntax::parse(text, &limits);
    if diagnostic::has_errors(&diagnostics) || is_late(timer, text, &mut diagnostics) {
        return (None, diagnostics);
    }
    #[cfg(feature = "exec")]
    let probe = Probe { catalog, options, timer };
    let sema_options = dtq_sema::Options {
        limits: limits.clone(),
        params: options.params.clone(),
        #[cfg(feature = "exec")]
        probe: Some(&probe),
        #[cfg(not(feature = "exec"))]
        probe: None,
        now_ticks: options.now_ticks,
    };
    let (program, more) = dtq_sema::lower(&ast, catalog, &sema_options);
    diagnostics.extend(more);
    let Some(program) = program.filter(|_| !is_late(timer, text, &mut diagnostics)) else {
        return (None, diagnostics);
    };
    let query = Query::new(program, limits, options);
    let is_late = is_late(timer, text, &mut diagnostics);
    ((!is_late).then_some(query), diagnostics)
}

/// Says whether the time of a compilation is over; adds the error when it is.
fn is_late(timer: Timer<'_>, text: &str, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let is_over = timer.is_over();
    if is_over {
        let message = "compiling took longer than the time it was given";
        diagnostics.push(Diagnostic::error(Code::E3006, Span::new(0, text.len()), message).label("give it more time"));
    }
    is_over
}

impl Query {
    fn new(program: Program, limits: Limits, options: &Options<'_>) -> Self {
        let passes = dtq_opt::Options { limits, ..dtq_opt::Options::default() };
        let optimized = (!options.without_optimizer).then(|| dtq_opt::optimize(&program, &passes));
        Self {
            program,
            optimized,
            #[cfg(feature = "exec")]
            native: crate::run::NativeCell::default(),
        }
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

    /// Returns the columns of the first result; of a query without one, none.
    pub fn columns(&self) -> &[Column] {
        match self.program.outputs.first() {
            Some(output) => &self.program.rel(output.rel).columns,
            None => &[],
        }
    }
}

/// Runs the beginning of a query while the rest of it is still being compiled.
#[cfg(feature = "exec")]
struct Probe<'a> {
    catalog: &'a dyn Catalog,
    options: &'a Options<'a>,
    timer: Timer<'a>,
}

#[cfg(feature = "exec")]
impl dtq_sema::Probe for Probe<'_> {
    fn rows(&self, program: &Program, rel: RelId) -> Result<Vec<Row>, String> {
        let mut program = program.clone();
        program.outputs = vec![dtq_ir::Output { name: "probe".to_owned(), rel }];
        let options = crate::run::exec_options(self.options, self.timer);
        let run = dtq_exec::Run::new(&program, self.catalog, options);
        run.and_then(|mut run| run.rest(0)).map_err(|fault| fault.message)
    }
}

/// A catalog without tables, for `print`, `range` and `datatable`.
///
/// # Example
/// ```
/// use dtq_engine::{NoTables, Options, compile};
///
/// let (query, diagnostics) = compile("logs | count", &NoTables, &Options::default());
/// assert!(query.is_none() && diagnostics[0].message.contains("logs"));
/// ```
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
