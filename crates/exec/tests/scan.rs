//! `scan` held against a model of its documented logic, both as an operator and with rows pushed in one at a time.

#![allow(clippy::unwrap_used)]

mod build;

use build::*;
use dtq_exec::{Options, Run, ScanState, Scanning};
use dtq_interp::Subqueries;
use dtq_ir::rel::{ScanOutput, ScanStep, ScanSteps};
use dtq_ir::{Program, RelId, RelKind};
use dtq_record::stream::{Column, Row};
use dtq_value::{Type, Value};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Partition and value of each row.
const COLUMNS: [(&str, Type); 2] = [("k", Type::Long), ("v", Type::Long)];
/// Columns that a step remembers: those and one declared.
const WIDTH: usize = 3;
const DEFAULT: i64 = 10;

#[derive(Clone, Copy, Debug)]
enum Condition {
    /// The row's value is greater.
    AboveNumber(i64),
    /// The row's value is greater than this column of what this step remembers.
    AboveRemembered(usize, usize),
    /// What this step remembers in this column is greater than the row's value.
    BelowRemembered(usize, usize),
}

#[derive(Clone, Copy, Debug)]
struct Step {
    condition: Condition,
    /// The declared column becomes the row's value plus the declared column that this step remembers.
    adds: Option<usize>,
    output: ScanOutput,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let remembered = || (0..4_usize, 1..WIDTH);
    let condition = prop_oneof![
        3 => (-1..5_i64).prop_map(Condition::AboveNumber),
        1 => remembered().prop_map(|(step, column)| Condition::AboveRemembered(step, column)),
        1 => remembered().prop_map(|(step, column)| Condition::BelowRemembered(step, column)),
    ];
    let output = prop_oneof![Just(ScanOutput::All), Just(ScanOutput::Last), Just(ScanOutput::None)];
    let step = (condition, prop::option::of(0..4_usize), output).prop_map(|(condition, adds, output)| Step {
        condition,
        adds,
        output,
    });
    prop::collection::vec(step, 1..5).prop_map(|mut steps| {
        let count = steps.len();
        for step in &mut steps {
            step.adds = step.adds.map(|other| other % count);
            match &mut step.condition {
                Condition::AboveRemembered(other, _) | Condition::BelowRemembered(other, _) => *other %= count,
                Condition::AboveNumber(_) => {}
            }
        }
        steps
    })
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let value = prop_oneof![1 => Just(Value::Null), 8 => (0_i64..6).prop_map(Value::Long)];
    prop::collection::vec((0_i64..3, value).prop_map(|(k, v)| vec![Value::Long(k), v]), 0..40)
}

/// Returns a program of one `scan` over these rows.
fn program(steps: &[Step], rows: &[Row]) -> (Program, RelId) {
    let mut build = Builder::default();
    let input = build.values(&COLUMNS, rows.to_vec());
    let remembered = |step: usize, column: usize| (COLUMNS.len() + step * WIDTH + column) as u32;
    let key = build.column(0, Type::Long);
    let value = build.column(1, Type::Long);
    let default = build.long(DEFAULT);
    let steps = steps.iter().enumerate().map(|(index, step)| {
        let (left, right) = match step.condition {
            Condition::AboveNumber(number) => (value, build.long(number)),
            Condition::AboveRemembered(step, column) => (value, build.column(remembered(step, column), Type::Long)),
            Condition::BelowRemembered(step, column) => (build.column(remembered(step, column), Type::Long), value),
        };
        let condition = build.call(&GREATER, &[left, right], Type::Bool);
        let assignments = step.adds.map(|other| {
            let other = build.column(remembered(other, 2), Type::Long);
            (0, build.call(&ADD, &[value, other], Type::Long))
        });
        let name = format!("s{index}");
        let assignments = assignments.into_iter().collect();
        ScanStep { name, condition, assignments, output: step.output, is_optional: false }
    });
    let steps = steps.collect();
    let scan = ScanSteps {
        input,
        declared: vec![(Column::new("d", Type::Long), default)],
        has_match_id: true,
        partition: vec![key],
        order: Vec::new(),
        steps,
    };
    let columns = [COLUMNS[0], COLUMNS[1], ("d", Type::Long), ("m", Type::Long)];
    let rel = build.rel(RelKind::ScanSteps(Box::new(scan)), &columns);
    (build.output(rel), rel)
}

fn long(value: &Value) -> Option<i64> {
    match value {
        Value::Long(number) => Some(*number),
        _ => None,
    }
}

/// The table of the documentation: for each step a row of each step up to it, in whole.
struct Model<'s> {
    steps: &'s [Step],
    states: Vec<Option<ModelState>>,
}

#[derive(Clone)]
struct ModelState {
    rows: Vec<Row>,
    match_id: i64,
    last: Option<Row>,
}

impl<'s> Model<'s> {
    fn new(steps: &'s [Step]) -> Self {
        Self { steps, states: vec![None; steps.len()] }
    }

    fn push(&mut self, row: &Row, next_match_id: &mut i64) -> Vec<Row> {
        let mut output = Vec::new();
        for step in (0..self.steps.len()).rev() {
            let before = if step == 0 { None } else { self.states[step - 1].clone() };
            let before = before.filter(|before| self.meets(step, row, Some(before)));
            let own = self.states[step].clone();
            let mut state = if let Some(mut promoted) = before {
                self.states[step - 1] = None;
                output.extend(promoted.last.take());
                output.extend(own.and_then(|own| own.last));
                promoted
            } else if (step == 0 || own.is_some()) && self.meets(step, row, own.as_ref()) {
                own.unwrap_or_else(|| {
                    *next_match_id += 1;
                    ModelState { rows: Vec::new(), match_id: *next_match_id - 1, last: None }
                })
            } else {
                continue;
            };
            let sum = self.steps[step].adds.map(|other| {
                let seen = self.remembered(Some(&state), other, 2);
                Some(long(&row[1])? + seen?)
            });
            let declared = sum.map_or(Value::Long(DEFAULT), |sum| sum.map_or(Value::Null, Value::Long));
            let extended = vec![row[0].clone(), row[1].clone(), declared];
            state.rows.truncate(step);
            state.rows.push(extended.clone());
            let extended = [extended, vec![Value::Long(state.match_id)]].concat();
            match self.steps[step].output {
                ScanOutput::All => output.push(extended),
                ScanOutput::Last => state.last = Some(extended),
                ScanOutput::None => {}
            }
            self.states[step] = Some(state);
        }
        output
    }

    fn remembered(&self, state: Option<&ModelState>, step: usize, column: usize) -> Option<i64> {
        match state.and_then(|state| state.rows.get(step)) {
            Some(row) => long(&row[column]),
            None => (column == 2).then_some(DEFAULT),
        }
    }

    fn meets(&self, step: usize, row: &Row, state: Option<&ModelState>) -> bool {
        let value = long(&row[1]);
        let (left, right) = match self.steps[step].condition {
            Condition::AboveNumber(number) => (value, Some(number)),
            Condition::AboveRemembered(step, column) => (value, self.remembered(state, step, column)),
            Condition::BelowRemembered(step, column) => (self.remembered(state, step, column), value),
        };
        left.zip(right).is_some_and(|(left, right)| left > right)
    }

    fn finish(self) -> Vec<Row> {
        self.states.into_iter().flatten().filter_map(|state| state.last).collect()
    }
}

/// Returns the rows of one partition after the other, keys in the order in which they were first seen.
fn by_partition(rows: &[Row]) -> Vec<Vec<Row>> {
    let mut parts: Vec<Vec<Row>> = Vec::new();
    for row in rows {
        match parts.iter_mut().find(|part| part[0][0] == row[0]) {
            Some(part) => part.push(row.clone()),
            None => parts.push(vec![row.clone()]),
        }
    }
    parts
}

/// Returns what goes out when rows are pushed in, with a new [`Scanning`] after every `batch_rows` of them.
fn pushed(program: &Program, rel: RelId, rows: &[Row], batch_rows: usize) -> (Vec<Row>, usize) {
    let catalog = Numbers::new(0);
    let (mut subqueries, mut next_match_id, mut output) = (Subqueries::default(), 0, Vec::new());
    let mut states: BTreeMap<Option<i64>, ScanState> = BTreeMap::new();
    for batch in rows.chunks(batch_rows) {
        let mut scanning = Scanning::new(program, rel, &catalog, subqueries, Options::default()).unwrap();
        for row in batch {
            let key = long(&scanning.partition_of(row).unwrap()[0]);
            let state = states.entry(key).or_default();
            output.extend(scanning.push(state, row, &mut next_match_id).unwrap());
        }
        subqueries = scanning.into_subqueries();
    }
    let went_out = output.len();
    output.extend(states.into_values().flat_map(ScanState::finish));
    (output, went_out)
}

proptest! {
    #[test]
    fn the_operator_is_the_model(steps in steps(), rows in rows()) {
        let (program, _) = program(&steps, &rows);
        let (mut expected, mut next_match_id) = (Vec::new(), 0);
        for part in by_partition(&rows) {
            let mut model = Model::new(&steps);
            part.iter().for_each(|row| expected.extend(model.push(row, &mut next_match_id)));
            expected.extend(model.finish());
        }
        prop_assert_eq!(run(&program), expected);
    }

    /// Rows of partitions come mixed, so that match ids are given in another order than by the operator.
    #[test]
    fn rows_pushed_in_are_the_model_wherever_batches_end(steps in steps(), rows in rows(), batch_rows in 1..9_usize) {
        let (program, rel) = program(&steps, &rows);
        let (mut expected, mut next_match_id) = (Vec::new(), 0);
        let mut models: BTreeMap<Option<i64>, Model<'_>> = BTreeMap::new();
        for row in &rows {
            let model = models.entry(long(&row[0])).or_insert_with(|| Model::new(&steps));
            expected.extend(model.push(row, &mut next_match_id));
        }
        let went_out = expected.len();
        expected.extend(models.into_values().flat_map(Model::finish));
        prop_assert_eq!(pushed(&program, rel, &rows, batch_rows), (expected, went_out));
    }

    #[test]
    fn rows_pushed_in_are_those_of_the_operator(steps in steps(), rows in rows()) {
        let (program, rel) = program(&steps, &rows);
        let operator = run(&program);
        let (pushed, _) = pushed(&program, rel, &rows, rows.len().max(1));
        for key in 0..3 {
            let of_key = |rows: &[Row]| -> (Vec<Row>, Vec<usize>) {
                let rows: Vec<&Row> = rows.iter().filter(|row| row[0] == Value::Long(key)).collect();
                let mut ids: Vec<i64> = rows.iter().filter_map(|row| long(&row[3])).collect();
                let order: Vec<i64> = { ids.sort_unstable(); ids.dedup(); ids };
                let place = |row: &&Row| order.binary_search(&long(&row[3]).unwrap()).unwrap();
                (rows.iter().map(|row| row[..3].to_vec()).collect(), rows.iter().map(place).collect())
            };
            prop_assert_eq!(of_key(&pushed), of_key(&operator));
        }
    }

    /// An empty state takes no bytes, any other some, and as much as another that is equal.
    #[test]
    fn bytes_say_whether_something_is_remembered(steps in steps(), rows in rows()) {
        let (program, rel) = program(&steps, &rows);
        let catalog = Numbers::new(0);
        let options = Options::default();
        let mut scanning = Scanning::new(&program, rel, &catalog, Subqueries::default(), options).unwrap();
        let (mut state, mut next_match_id) = (ScanState::default(), 0);
        for row in &rows {
            scanning.push(&mut state, row, &mut next_match_id).unwrap();
            prop_assert_eq!(state.bytes() == 0, state == ScanState::default());
            prop_assert_eq!(state.bytes() == 0, next_match_id == 0);
        }
    }
}

/// What no expression reads is not remembered, however large it is.
#[test]
fn a_state_holds_only_what_steps_read() {
    let steps = [
        Step { condition: Condition::AboveNumber(0), adds: None, output: ScanOutput::None },
        Step { condition: Condition::AboveRemembered(0, 1), adds: None, output: ScanOutput::All },
    ];
    let (program, rel) = program(&steps, &[]);
    let catalog = Numbers::new(0);
    let mut scanning = Scanning::new(&program, rel, &catalog, Subqueries::default(), Options::default()).unwrap();
    let mut bytes = Vec::new();
    for size in [0, 100_000] {
        let mut state = ScanState::default();
        let row = [Value::string("x".repeat(size)), Value::Long(1)];
        assert_eq!(scanning.push(&mut state, &row, &mut 0).unwrap(), Vec::<Row>::new());
        bytes.push(state.bytes());
    }
    assert_eq!(bytes[0], bytes[1]);
    assert!(bytes[0] > 0 && bytes[0] < 1_000, "{bytes:?}");
}

#[test]
fn a_step_marked_optional_is_refused() {
    let (mut program, rel) =
        program(&[Step { condition: Condition::AboveNumber(0), adds: None, output: ScanOutput::All }], &[]);
    let RelKind::ScanSteps(mut scan) = program.rel(rel).kind.clone() else { panic!("the program is a scan") };
    scan.steps[0].is_optional = true;
    let columns = program.rel(rel).columns.clone();
    let optional = program.add_rel(dtq_ir::Rel { columns, kind: RelKind::ScanSteps(scan), ..program.rel(rel).clone() });
    program.outputs[0].rel = optional;
    let catalog = Numbers::new(0);
    let fault = Scanning::new(&program, optional, &catalog, Subqueries::default(), Options::default()).err();
    assert_eq!(fault.map(|fault| fault.code), Some(dtq_source::Code::E2900));
    let fault = Run::new(&program, &catalog, Options::default()).unwrap().rest(0).err();
    assert_eq!(fault.map(|fault| fault.code), Some(dtq_source::Code::E2900));
}
