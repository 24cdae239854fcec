//! A compiled query to a run over tables, by native code or the interpreter.
//!
//! Holds no state of a run: [`Run`] does, so that any number of them go on at once. Next: `profile.rs`.

use crate::query::{Engine, Options, Query};
use dtq_exec::{Native, NativeListing, Refusal, Run};
use dtq_ir::RelKind;
use dtq_record::stream::Catalog;
use dtq_source::{Code, Timer};
use dtq_value::scalar::Fault;
use std::sync::{Arc, OnceLock};

/// Holds the native code of a query once it was wanted, or why there is none; clones share it.
pub(crate) type NativeCell = OnceLock<Result<Arc<Native>, Refusal>>;

/// Returns what a run wants to know, without native code.
pub(crate) fn exec_options<'a>(options: &Options<'a>, timer: Timer<'a>) -> dtq_exec::Options<'a> {
    dtq_exec::Options {
        limits: options.bounds(),
        now_ticks: options.now_ticks,
        random_seed: options.random_seed,
        is_unoptimized: options.without_optimizer,
        timer,
        ..dtq_exec::Options::default()
    }
}

impl Query {
    /// Returns the native code that an engine runs the query with, `None` where that interprets it all.
    ///
    /// It is compiled at the first call, or by the first run, and kept: a host that wants its first run fast calls this
    /// where it has time. Other threads that ask meanwhile wait for it. No budget of time ends it.
    ///
    /// # Errors
    /// When the build, the machine or the system has no native code; [`Engine::Auto`] interprets then, and the host says so.
    ///
    /// # Cost
    /// Some 50 to 100 microseconds an expression, once; at most 20,000 nodes are compiled, the rest is interpreted.
    ///
    /// # Example
    /// ```
    /// use dtq_engine::{Engine, NoTables, Options, compile};
    ///
    /// let (query, _) = compile("range x from 1 to 3 step 1 | where x % 2 == 1", &NoTables, &Options::default());
    /// let query = query.expect("there are no errors");
    /// match query.native(Engine::Jit) {
    ///     Ok(native) => assert!(native.is_some_and(|native| native.report().code_bytes > 0)),
    ///     Err(refusal) => println!("interpreted: {refusal}"),
    /// }
    /// assert!(matches!(query.native(Engine::Interp), Ok(None)));
    /// ```
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

    /// Returns a run over the tables of `catalog` that has read nothing yet; its time begins now.
    ///
    /// The tables need the columns that they had when the query was compiled. A run belongs to one thread; other runs of
    /// the query go on beside it.
    ///
    /// # Errors
    /// `E2901` when the program is nested too deeply to run; `E2900` when [`Engine::Jit`] is wanted and the machine or the
    /// system has no native code. What fails while rows are read comes from [`Run::next_batch`]: `E3006` when the time of
    /// the budget is over, `E3001` when its bytes are spent.
    ///
    /// # Example
    /// ```
    /// use dtq_engine::{NoTables, Options, compile};
    ///
    /// let text = "range x from 1 to 5000 step 1 | where x % 2 == 0 | project x";
    /// let (query, _) = compile(text, &NoTables, &Options::default());
    /// let query = query.expect("there are no errors");
    /// let mut run = query.run(&NoTables, &Options::default())?;
    /// let mut row_count = 0;
    /// while let Some(rows) = run.next_batch(0)? {
    ///     row_count += rows.len();
    /// }
    /// assert_eq!(row_count, 2500);
    /// # Ok::<(), dtq_value::scalar::Fault>(())
    /// ```
    pub fn run<'a>(&'a self, catalog: &'a dyn Catalog, options: &Options<'a>) -> Result<Run<'a>, Fault> {
        let timer = options.budget.start();
        let native = match self.native(options.engine) {
            Ok(native) => native,
            Err(refusal) if options.engine == Engine::Jit => return Err(Fault::new(Code::E2900, refusal.to_string())),
            Err(_) => None,
        };
        Run::new(self.optimized(), catalog, dtq_exec::Options { native, ..exec_options(options, timer) })
    }
}
