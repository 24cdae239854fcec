//! `scan`: matches ordered rows against steps that remember what matched before.
//!
//! # Source
//! Kusto documentation, "scan operator", "Scan logic": the state of a step, the two checks, the reverse order of steps.

use crate::budget::Hold;
use crate::env::Env;
use crate::operator::{BoxedOperator, Operator};
use crate::order::{Direction, compare_keys};
use crate::sort::Held;
use dtq_interp::RowIdentity;
use dtq_ir::ExprId;
use dtq_ir::rel::{ScanOutput, ScanSteps};
use dtq_record::stream::{Column, Row};
use dtq_source::Code;
use dtq_value::Value;
use dtq_value::scalar::Fault;
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

/// Runs the steps over the rows of each partition.
pub(crate) struct Scan<'a> {
    input: BoxedOperator<'a>,
    scan: &'a ScanSteps,
    /// What each step remembers before it has matched: nothing of the input columns, the defaults of the declared ones.
    empty: Row,
    defaults: Row,
    hold: Option<Hold>,
    output: Option<Held>,
}

/// What a step remembers: one remembered row for itself and each step before it.
#[derive(Clone)]
struct StepState {
    remembered: Vec<Row>,
    match_id: i64,
    /// For `output=last`: the row that goes out unless another one of the same step follows.
    last: Option<Row>,
}

/// Matches the rows of one partition.
struct Matcher<'s, 'a> {
    scan: &'s Scan<'a>,
    states: Vec<Option<StepState>>,
    next_match_id: i64,
}

impl<'a> Scan<'a> {
    /// Returns the operator.
    ///
    /// # Errors
    /// [`Code::E2900`] for a step marked `optional`.
    pub(crate) fn new(
        env: &mut Env<'a>,
        input: BoxedOperator<'a>,
        scan: &'a ScanSteps,
        input_columns: &[Column],
    ) -> Result<Self, Fault> {
        if scan.steps.iter().any(|step| step.is_optional) {
            return Err(Fault::new(Code::E2900, "a step of `scan` marked `optional` is not supported yet"));
        }
        let defaults: Vec<ExprId> = scan.declared.iter().map(|(_, default)| *default).collect();
        let defaults = env.eval_all(&defaults, &[])?;
        let missing = |column: &Column| Value::missing(column.ty);
        Ok(Self {
            input,
            scan,
            empty: input_columns.iter().map(missing).chain(defaults.iter().cloned()).collect(),
            defaults,
            hold: Some(env.budget.hold("scan")),
            output: None,
        })
    }

    fn run(&mut self, env: &mut Env<'a>, hold: &mut Hold) -> Result<Vec<Row>, Fault> {
        let mut parts: IndexMap<RowIdentity, Vec<(Row, Row)>, FxBuildHasher> = IndexMap::default();
        let order: Vec<ExprId> = self.scan.order.iter().map(|key| key.expr).collect();
        while let Some(batch) = self.input.next(env)? {
            for row in batch {
                let key = RowIdentity(env.eval_all(&self.scan.partition, &row)?);
                let sort_key = env.eval_all(&order, &row)?;
                hold.add_row(&row)?;
                hold.add_row(&sort_key)?;
                parts.entry(key).or_default().push((sort_key, row));
            }
        }
        let directions = Direction::of(&self.scan.order);
        let mut output = Vec::new();
        let mut next_match_id = 0;
        for mut rows in parts.into_values() {
            rows.sort_by(|left, right| compare_keys(&directions, &left.0, &right.0));
            let states = vec![None; self.scan.steps.len()];
            let mut matcher = Matcher { scan: self, states, next_match_id };
            for (_, row) in rows {
                matcher.match_row(env, &row, &mut output)?;
            }
            matcher.states.iter_mut().flatten().for_each(|state| output.extend(state.last.take()));
            next_match_id = matcher.next_match_id;
        }
        for row in &output {
            hold.add_row(row)?;
        }
        Ok(output)
    }
}

impl<'a> Matcher<'_, 'a> {
    /// Matches a row against all steps, the last one first.
    fn match_row(&mut self, env: &mut Env<'a>, row: &Row, output: &mut Vec<Row>) -> Result<(), Fault> {
        for step in (0..self.states.len()).rev() {
            let before = step.checked_sub(1).and_then(|before| self.states[before].as_ref());
            if before.is_some() && self.meets(env, step, row, before)? {
                // The state of the step before is promoted; what this step had is given up.
                let mut state = self.states[step - 1].take().expect("just seen");
                output.extend(state.last.take());
                output.extend(self.states[step].as_mut().and_then(|state| state.last.take()));
                self.take_row(env, step, row, state, output)?;
                continue;
            }
            let own = self.states[step].as_ref();
            if (step == 0 || own.is_some()) && self.meets(env, step, row, own)? {
                let state = self.states[step].take().unwrap_or_else(|| self.new_sequence());
                self.take_row(env, step, row, state, output)?;
            }
        }
        Ok(())
    }

    fn new_sequence(&mut self) -> StepState {
        let match_id = self.next_match_id;
        self.next_match_id += 1;
        StepState { remembered: Vec::new(), match_id, last: None }
    }

    /// Returns the row that expressions of a step see: the input row, then what each step remembers.
    fn visible(&self, row: &Row, state: Option<&StepState>) -> Row {
        let mut visible = row.clone();
        for step in 0..self.states.len() {
            let remembered = state.and_then(|state| state.remembered.get(step));
            visible.extend_from_slice(remembered.unwrap_or(&self.scan.empty));
        }
        visible
    }

    fn meets(&self, env: &mut Env<'a>, step: usize, row: &Row, state: Option<&StepState>) -> Result<bool, Fault> {
        env.holds(self.scan.scan.steps[step].condition, &self.visible(row, state))
    }

    /// Makes a row the one that a step remembers, and gives it out as the step says.
    fn take_row(
        &mut self,
        env: &mut Env<'a>,
        step: usize,
        row: &Row,
        mut state: StepState,
        output: &mut Vec<Row>,
    ) -> Result<(), Fault> {
        let definition = &self.scan.scan.steps[step];
        let visible = self.visible(row, Some(&state));
        let mut extended = row.clone();
        extended.extend_from_slice(&self.scan.defaults);
        for (column, value) in &definition.assignments {
            extended[row.len() + *column as usize] = env.eval(*value, &visible)?;
        }
        state.remembered.resize(step + 1, self.scan.empty.clone());
        state.remembered[step] = extended.clone();
        if self.scan.scan.has_match_id {
            extended.push(Value::Long(state.match_id));
        }
        match definition.output {
            ScanOutput::All => output.push(extended),
            ScanOutput::Last => state.last = Some(extended),
            ScanOutput::None => {}
        }
        self.states[step] = Some(state);
        Ok(())
    }
}

impl<'a> Operator<'a> for Scan<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        if let Some(mut hold) = self.hold.take() {
            let rows = self.run(env, &mut hold)?;
            self.output = Some(Held::new(rows, hold));
        }
        Ok(self.output.as_mut().and_then(|output| output.next(env.batch_rows)))
    }
}
