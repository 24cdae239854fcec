//! Rows of one partition, in order, against the steps of `scan`: what goes out, and what is remembered.
//!
//! Keeps nothing itself: what is remembered is a [`ScanState`] that someone else holds, so that the operator and rows
//! that are pushed in are matched by the same code. Never sorts. Next: `scan_steps.rs`.
//!
//! # Source
//! Kusto documentation, "scan operator", "Scan logic": the state of a step, the two checks, the reverse order of steps.

use crate::budget::{row_bytes, values_bytes};
use crate::env::Env;
use dtq_interp::Cells;
use dtq_ir::rel::{ScanOutput, ScanSteps};
use dtq_ir::{ExprId, ExprKind, Program};
use dtq_record::stream::{Column, Row};
use dtq_source::Code;
use dtq_value::Value;
use dtq_value::scalar::Fault;
use rustc_hash::FxHashSet;
use std::collections::BTreeSet;

/// Holds what the steps of a `scan` remember of one partition; nothing, to begin with.
///
/// Has a place for each step once some step remembers something, so that rows which begin nothing allocate nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScanState(Vec<Option<Sequence>>);

/// What a step remembers of an active sequence.
#[derive(Clone, Debug, PartialEq)]
struct Sequence {
    /// The cells of this step and those before it that some expression reads, as [`Matcher::kept`] orders them.
    cells: Vec<Value>,
    match_id: i64,
    /// For `output=last`: the row that goes out unless another one of the same step follows.
    last: Option<Row>,
}

impl ScanState {
    /// Returns about how many bytes it takes: 0 when nothing is remembered, so that it need not be kept.
    pub fn bytes(&self) -> usize {
        if self.0.iter().all(Option::is_none) {
            return 0;
        }
        let remembered =
            |sequence: &Sequence| values_bytes(&sequence.cells) + sequence.last.as_ref().map_or(0, row_bytes);
        size_of_val(self.0.as_slice()) + self.0.iter().flatten().map(remembered).sum::<usize>()
    }

    fn sequence(&self, step: usize) -> Option<&Sequence> {
        self.0.get(step)?.as_ref()
    }

    /// Returns the rows that steps with `output=last` still owe when no more rows come.
    pub fn finish(self) -> Vec<Row> {
        self.0.into_iter().flatten().filter_map(|sequence| sequence.last).collect()
    }
}

/// Matches rows against the steps of one `scan`.
pub(crate) struct Matcher<'a> {
    scan: &'a ScanSteps,
    input_width: usize,
    /// Positions of the remembered cells that expressions read, counted from the end of the input row, ascending.
    kept: Vec<usize>,
    /// For each step, how many of the kept cells belong to the steps before it; then how many there are.
    starts: Vec<usize>,
    /// What the kept cells are before their step has matched: missing, or the default of a declared column.
    empty: Vec<Value>,
    defaults: Vec<Value>,
}

impl<'a> Matcher<'a> {
    /// Returns what matches the rows of an input with these columns.
    ///
    /// # Errors
    /// [`Code::E2900`] for a step marked `optional`.
    pub(crate) fn new(env: &mut Env<'a>, scan: &'a ScanSteps, input_columns: &[Column]) -> Result<Self, Fault> {
        if scan.steps.iter().any(|step| step.is_optional) {
            return Err(Fault::new(Code::E2900, "a step of `scan` marked `optional` is not supported yet"));
        }
        let defaults: Vec<ExprId> = scan.declared.iter().map(|(_, default)| *default).collect();
        let defaults = env.eval_all(&defaults, &[])?;
        let missing = input_columns.iter().map(|column| Value::missing(column.ty));
        let remembered: Row = missing.chain(defaults.iter().cloned()).collect();
        let kept = cells_read(env.program(), scan, input_columns.len());
        let starts = (0..=scan.steps.len()).map(|step| kept.partition_point(|cell| *cell < step * remembered.len()));
        Ok(Self {
            scan,
            input_width: input_columns.len(),
            starts: starts.collect(),
            empty: kept.iter().map(|cell| remembered[cell % remembered.len()].clone()).collect(),
            kept,
            defaults,
        })
    }

    /// Matches a row against all steps, the last one first, and adds the rows that go out to `output`.
    ///
    /// # Errors
    /// When a function fails; steps after the one that failed have taken the row, the others have not.
    ///
    /// # Panics
    /// When the state has another number of steps.
    pub(crate) fn push(
        &self,
        env: &mut Env<'a>,
        state: &mut ScanState,
        row: &[Value],
        next_match_id: &mut i64,
        output: &mut Vec<Row>,
    ) -> Result<(), Fault> {
        let step_count = self.scan.steps.len();
        assert!(state.0.is_empty() || state.0.len() == step_count, "the state is of another scan");
        for step in (0..step_count).rev() {
            let before = step.checked_sub(1).and_then(|before| state.sequence(before));
            let sequence = if before.is_some() && self.meets(env, step, row, before)? {
                let extended = self.extend(env, step, row, before)?;
                // The state of the step before is promoted; what this step had is given up.
                let mut promoted = state.0[step - 1].take().expect("just seen");
                output.extend(promoted.last.take());
                output.extend(state.0[step].take().and_then(|given_up| given_up.last));
                self.take_row(step, extended, promoted, output)
            } else {
                let own = state.sequence(step);
                if !(step == 0 || own.is_some()) || !self.meets(env, step, row, own)? {
                    continue;
                }
                let extended = self.extend(env, step, row, own)?;
                state.0.resize(step_count, None);
                let own = state.0[step].take().unwrap_or_else(|| Sequence::new(next_match_id));
                self.take_row(step, extended, own, output)
            };
            state.0[step] = Some(sequence);
        }
        Ok(())
    }

    fn meets(&self, env: &mut Env<'a>, step: usize, row: &[Value], seen: Option<&Sequence>) -> Result<bool, Fault> {
        let cells = StepCells { matcher: self, row, seen };
        env.poll()?;
        env.interpreter.holds(self.scan.steps[step].condition, &cells, &mut env.ctx.scalar)
    }

    /// Returns a row with the declared columns as the step assigns them.
    fn extend(&self, env: &mut Env<'a>, step: usize, row: &[Value], seen: Option<&Sequence>) -> Result<Row, Fault> {
        let cells = StepCells { matcher: self, row, seen };
        let mut extended = Vec::with_capacity(row.len() + self.defaults.len() + 1);
        extended.extend_from_slice(row);
        extended.extend_from_slice(&self.defaults);
        for (column, value) in &self.scan.steps[step].assignments {
            env.poll()?;
            extended[row.len() + *column as usize] = env.interpreter.eval(*value, &cells, &mut env.ctx.scalar)?;
        }
        Ok(extended)
    }

    /// Makes a row the one that a step remembers, and gives it out as the step says.
    fn take_row(&self, step: usize, mut extended: Row, mut sequence: Sequence, output: &mut Vec<Row>) -> Sequence {
        let (start, end) = (self.starts[step], self.starts[step + 1]);
        // A sequence has the cells of the step before when it is promoted, and its own when the step matches again.
        sequence.cells.truncate(start);
        let width = extended.len();
        sequence.cells.extend(self.kept[start..end].iter().map(|cell| extended[cell - step * width].clone()));
        if self.scan.has_match_id {
            extended.push(Value::Long(sequence.match_id));
        }
        match self.scan.steps[step].output {
            ScanOutput::All => output.push(extended),
            ScanOutput::Last => sequence.last = Some(extended),
            ScanOutput::None => {}
        }
        sequence
    }
}

impl Sequence {
    fn new(next_match_id: &mut i64) -> Self {
        let match_id = *next_match_id;
        *next_match_id = match_id.wrapping_add(1);
        Self { cells: Vec::new(), match_id, last: None }
    }
}

/// What expressions of a step see: the input row, then what each step remembers.
struct StepCells<'s> {
    matcher: &'s Matcher<'s>,
    row: &'s [Value],
    seen: Option<&'s Sequence>,
}

impl Cells for StepCells<'_> {
    fn cell(&self, index: usize) -> Result<Value, Fault> {
        let Some(remembered) = index.checked_sub(self.matcher.input_width) else {
            return Ok(self.row[index].clone());
        };
        let position = self.matcher.kept.binary_search(&remembered).expect("every cell that is read is kept");
        let seen = self.seen.and_then(|sequence| sequence.cells.get(position));
        Ok(seen.unwrap_or(&self.matcher.empty[position]).clone())
    }
}

/// Returns the positions of the remembered cells that expressions of steps read, ascending.
fn cells_read(program: &Program, scan: &ScanSteps, input_width: usize) -> Vec<usize> {
    let mut read = BTreeSet::new();
    let mut seen = FxHashSet::default();
    let assigned = scan.steps.iter().flat_map(|step| step.assignments.iter().map(|(_, value)| *value));
    let mut pending: Vec<ExprId> = scan.steps.iter().map(|step| step.condition).chain(assigned).collect();
    while let Some(expr) = pending.pop() {
        if !seen.insert(expr) {
            continue;
        }
        let kind = &program.expr(expr).kind;
        if let ExprKind::Column(index) = kind {
            read.extend((*index as usize).checked_sub(input_width));
        }
        pending.extend(kind.children());
    }
    read.into_iter().collect()
}
