//! The expressions that a program evaluates for its rows, to native code; what has none stays with the interpreter.
//!
//! Which expressions those are follows from the operators: whatever they evaluate over a row, but for plain columns and
//! constants, which cost nothing. What is evaluated once a run (a count, a bound) and the steps of `scan`, whose rows
//! are made while they are read, are interpreted. Native code gives what the interpreter gives, faults included.
//!
//! Native code has no null in a column of strings, and a table has none; but a column that a query computes may hold one
//! (`substring` at a position that is null). Over such a row the interpreter is asked. Next: `env`, which asks for it.

use dtq_interp::Subqueries;
use dtq_ir::{ExprId, ExprKind, Program, RelId, RelKind, Sees, reads};
use dtq_jit::{Code, Compiler, Entry, EntryKind, Input, Listing, NativeContext, Refusal, Verdict};
use dtq_value::scalar::Fault;
use dtq_value::{Type, Value};
use rustc_hash::FxHashSet;
use std::collections::BTreeSet;

/// How many expressions are compiled together; one that is refused is found by halves.
const UNIT_SIZE: usize = 64;

/// Nodes of all expressions that are compiled, counted as trees: some tens of microseconds each.
const NODES_MAX: u64 = 20_000;

/// Holds the native code of a program, for any number of runs and threads.
#[derive(Debug)]
pub struct Native {
    units: Vec<Code>,
    /// For each expression its functions.
    functions: Vec<Functions>,
    /// The columns of strings that functions read, those of one function together.
    texts: Vec<u32>,
    report: NativeReport,
}

/// Says what of a program is native code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NativeReport {
    /// Size of the code in bytes.
    pub code_bytes: usize,
    /// How many functions there are.
    pub function_count: usize,
    /// The expressions that are interpreted, and why.
    pub interpreted: Vec<(ExprId, Refusal)>,
}

/// Holds what a function of a program looks like, or why there is none.
#[derive(Clone, Debug)]
pub struct NativeListing {
    /// The relation that evaluates the expression, the first one of those that do.
    pub rel: RelId,
    /// The expression.
    pub expr: ExprId,
    /// Whether it is asked only whether it is true.
    pub is_condition: bool,
    /// The function.
    pub listing: Result<Listing, Refusal>,
}

/// Names the functions of an expression: it may be asked for its value, or only whether it is true.
#[derive(Clone, Copy, Debug, Default)]
struct Functions {
    value: Option<Place>,
    condition: Option<Place>,
}

/// Names a function by its unit and its position there, and the columns of strings that it reads.
#[derive(Clone, Copy, Debug)]
struct Place {
    unit: u32,
    index: u32,
    texts_start: u32,
    texts_end: u32,
}

/// Holds an expression that an operator evaluates for each row.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    rel: RelId,
    expr: ExprId,
    is_condition: bool,
}

impl Native {
    /// Compiles the expressions of a program for this machine.
    ///
    /// # Errors
    /// When nothing can be compiled here: an unknown machine, or no executable memory. An expression without native code
    /// is no error; it is in the report.
    ///
    /// # Cost
    /// Some 50 to 100 microseconds an expression.
    pub fn compile(program: &Program) -> Result<Self, Refusal> {
        let compiler = Compiler::host()?;
        let inputs = inputs(program);
        let mut native = Self {
            units: Vec::new(),
            functions: vec![Functions::default(); program.exprs().len()],
            texts: Vec::new(),
            report: NativeReport::default(),
        };
        let mut wanted = Vec::new();
        for (one, refusal) in evaluated(program) {
            match refusal {
                Some(refusal) => native.report.interpreted.push((one.expr, refusal)),
                None => wanted.push(one),
            }
        }
        for unit in wanted.chunks(UNIT_SIZE) {
            native.add(&compiler, (program, &inputs), unit)?;
        }
        native.report.interpreted.sort_by_key(|(expr, _)| *expr);
        Ok(native)
    }

    /// Compiles a unit; when it is refused, its halves.
    fn add(
        &mut self,
        compiler: &Compiler,
        (program, inputs): (&Program, &[Input]),
        wanted: &[Wanted],
    ) -> Result<(), Refusal> {
        let entries: Vec<Entry<'_>> = wanted.iter().map(|one| one.entry(program, inputs)).collect();
        match compiler.compile(&entries) {
            Ok(code) => self.add_unit(code, program, wanted),
            Err(refusal @ (Refusal::Memory(_) | Refusal::Target(_))) => return Err(refusal),
            Err(refusal) if wanted.len() < 2 => {
                self.report.interpreted.extend(wanted.iter().map(|one| (one.expr, refusal.clone())));
            }
            Err(_) => {
                let (left, right) = wanted.split_at(wanted.len() / 2);
                self.add(compiler, (program, inputs), left)?;
                self.add(compiler, (program, inputs), right)?;
            }
        }
        Ok(())
    }

    fn add_unit(&mut self, code: Code, program: &Program, wanted: &[Wanted]) {
        let unit = u32::try_from(self.units.len()).expect("units are bounded by the nodes that are compiled");
        self.report.code_bytes += code.size();
        self.report.function_count += wanted.len();
        for (one, index) in wanted.iter().zip(0..) {
            let texts_start = self.texts.len() as u32;
            self.texts.extend(text_columns(program, one.expr));
            let texts_end = self.texts.len() as u32;
            let functions = &mut self.functions[one.expr.0 as usize];
            let place = if one.is_condition { &mut functions.condition } else { &mut functions.value };
            *place = Some(Place { unit, index, texts_start, texts_end });
        }
        self.units.push(code);
    }

    /// Returns what is native code.
    pub fn report(&self) -> &NativeReport {
        &self.report
    }

    /// Says whether the code can be that of a program.
    pub(crate) fn is_of(&self, program: &Program) -> bool {
        self.functions.len() == program.exprs().len()
    }

    /// Says whether a row has no null where a function reads a string.
    #[inline]
    fn fits(&self, place: Place, row: &[Value]) -> bool {
        let texts = &self.texts[place.texts_start as usize..place.texts_end as usize];
        texts.iter().all(|column| !matches!(row[*column as usize], Value::Null))
    }

    /// Returns the value of an expression over a row; `None` when the interpreter has to evaluate it.
    #[inline]
    pub(crate) fn eval(
        &self,
        expr: ExprId,
        (ctx, subqueries): (&mut NativeContext, &Subqueries),
        row: &[Value],
    ) -> Option<Result<Value, Fault>> {
        let place = self.functions[expr.0 as usize].value.filter(|place| self.fits(*place, row))?;
        let function = self.units[place.unit as usize].value(place.index);
        Some(function.eval_row(ctx, &Yielded(subqueries), row))
    }

    /// Says whether a condition is true over a row; `None` when the interpreter has to evaluate it.
    #[inline]
    pub(crate) fn holds(
        &self,
        expr: ExprId,
        (ctx, subqueries): (&mut NativeContext, &Subqueries),
        row: &[Value],
    ) -> Option<Result<bool, Fault>> {
        let place = self.functions[expr.0 as usize].condition.filter(|place| self.fits(*place, row))?;
        let condition = self.units[place.unit as usize].condition(place.index);
        Some(condition.decide_row(ctx, &Yielded(subqueries), row).map(|verdict| verdict == Verdict::True))
    }
}

impl NativeReport {
    /// Returns the name of what evaluates the expressions, for statistics.
    pub fn engine(&self) -> &'static str {
        match (self.function_count, self.interpreted.len()) {
            (_, 0) => "jit",
            (0, _) => "interp",
            _ => "jit and interp",
        }
    }
}

/// Returns the functions of a program as text, in the order of its relations.
///
/// # Errors
/// When there is no native code for this machine.
pub fn listings(program: &Program) -> Result<Vec<NativeListing>, Refusal> {
    let compiler = Compiler::host()?;
    let inputs = inputs(program);
    let listing = |one: &Wanted| {
        let mut functions = compiler.listings(&[one.entry(program, &inputs)])?;
        Ok(functions.swap_remove(0))
    };
    let found = evaluated(program).into_iter().map(|(one, refusal)| {
        let Wanted { rel, expr, is_condition } = one;
        NativeListing { rel, expr, is_condition, listing: refusal.map_or_else(|| listing(&one), Err) }
    });
    Ok(found.collect())
}

impl Wanted {
    fn entry<'e>(&self, program: &'e Program, inputs: &'e [Input]) -> Entry<'e> {
        let kind = if self.is_condition { EntryKind::Filter } else { EntryKind::Value };
        Entry { program, expr: self.expr, inputs, kind }
    }
}

/// Returns the expressions that operators evaluate over rows, each once, with what is known to speak against native code.
fn evaluated(program: &Program) -> Vec<(Wanted, Option<Refusal>)> {
    let sizes = sizes(program);
    let mut nodes_left = NODES_MAX;
    let mut seen = FxHashSet::default();
    let mut found = Vec::new();
    for (index, is_reached) in reads::reached(program).into_iter().enumerate() {
        if !is_reached {
            continue;
        }
        let rel = RelId(u32::try_from(index).expect("relations are bounded by the nodes of a program"));
        let kind = &program.rel(rel).kind;
        kind.clone().visit_exprs_mut(&mut |expr, sees, is_condition| {
            let one = Wanted { rel, expr: *expr, is_condition };
            if sees == Sees::Nothing || is_plain(program, *expr) || !seen.insert((*expr, is_condition)) {
                return;
            }
            let refusal = refusal(kind, sees, sizes[expr.0 as usize], &mut nodes_left);
            found.push((one, refusal));
        });
    }
    found
}

/// Returns why an expression of this size is not compiled, or takes its size from what is left.
fn refusal(kind: &RelKind, sees: Sees, node_count: u64, nodes_left: &mut u64) -> Option<Refusal> {
    if sees == Sees::More && matches!(kind, RelKind::ScanSteps(_)) {
        return Some(Refusal::Construct("a step of `scan` reads its states".to_owned()));
    }
    let Some(left) = nodes_left.checked_sub(node_count) else {
        return Some(Refusal::Size(format!("the expressions of the query have more than {NODES_MAX} nodes")));
    };
    *nodes_left = left;
    None
}

/// Says whether an expression is a value that is only copied.
fn is_plain(program: &Program, expr: ExprId) -> bool {
    matches!(program.expr(expr).kind, ExprKind::Const(_) | ExprKind::Column(_) | ExprKind::Scalar(_))
}

/// Returns the columns of strings that an expression reads.
fn text_columns(program: &Program, root: ExprId) -> BTreeSet<u32> {
    let (mut found, mut seen, mut pending) = (BTreeSet::new(), FxHashSet::default(), vec![root]);
    while let Some(id) = pending.pop() {
        if !seen.insert(id) {
            continue;
        }
        let expr = program.expr(id);
        match expr.kind {
            ExprKind::Column(column) if expr.ty == Type::String => drop(found.insert(column)),
            _ => pending.extend(expr.kind.children()),
        }
    }
    found
}

/// Returns how many nodes each expression has as a tree.
fn sizes(program: &Program) -> Vec<u64> {
    let mut sizes: Vec<u64> = Vec::with_capacity(program.exprs().len());
    for expr in program.exprs() {
        let children = expr.kind.children().into_iter().map(|child| sizes[child.0 as usize]);
        sizes.push(children.fold(1, u64::saturating_add));
    }
    sizes
}

/// Returns where columns are: at their position in the row, whichever relation's it is.
fn inputs(program: &Program) -> Vec<Input> {
    let width = program.rels().iter().map(|rel| rel.columns.len()).max().unwrap_or(0);
    (0..u32::try_from(width).unwrap_or(u32::MAX)).map(Input::Row).collect()
}

/// What subqueries yielded, as native code asks for it.
struct Yielded<'s>(&'s Subqueries);

impl dtq_jit::Subqueries for Yielded<'_> {
    fn scalar(&self, rel: RelId) -> Result<Value, Fault> {
        self.0.scalar(rel)
    }

    fn is_member(&self, rel: RelId, value: &Value, is_negated: bool, is_case_ignored: bool) -> Result<Value, Fault> {
        Ok(self.0.members(rel, is_case_ignored)?.contains(value, is_negated))
    }
}
