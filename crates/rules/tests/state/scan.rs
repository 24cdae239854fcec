use crate::{entries, key, key_shape, other_key_shape};
use dtq_engine::{Options, compile};
use dtq_exec::{ScanState, Scanning};
use dtq_interp::{RowIdentity, Subqueries};
use dtq_record::stream::{Catalog, Column, Projection, Row, RowStream, StreamError, TableSchema};
use dtq_rules::state::bounds::Bounds;
use dtq_rules::state::scan::{EndedPartition, Pushed, ScanSpec, ScanStates};
use dtq_value::{Str, Type, Value};
use proptest::prelude::*;

fn spec(bounds: Bounds) -> ScanSpec {
    ScanSpec {
        key: key_shape(),
        pipeline: Str::from("T | scan partition by k with (step s: true;)"),
        columns: vec![(Str::from("v"), Type::Long)],
        idle_ticks: 100,
        bounds,
    }
}

/// A state of the test: the numbers of its rows, none after 0.
type Numbers = Vec<i64>;

fn states(bounds: Bounds) -> ScanStates<Numbers> {
    ScanStates::new(spec(bounds), |numbers| numbers.len() * 8)
}

/// Pushes a number, which gives the match id that a new sequence takes.
fn push(states: &mut ScanStates<Numbers>, partition: i64, now: i64, number: i64) -> Pushed<Option<i64>, Numbers> {
    states.push(key(partition), now, Vec::new, |numbers, next_match_id| {
        if number == 0 {
            numbers.clear();
            return None;
        }
        numbers.push(number);
        (numbers.len() == 1).then(|| {
            *next_match_id += 1;
            *next_match_id - 1
        })
    })
}

fn ended(partitions: &[EndedPartition<Numbers>]) -> Vec<(i64, Numbers)> {
    partitions.iter().map(|one| (number_of(&one.key), one.state.clone())).collect()
}

fn number_of(key: &RowIdentity) -> i64 {
    match key.0[0] {
        Value::Long(number) => number,
        _ => panic!("keys of the test are longs"),
    }
}

#[test]
fn a_partition_ends_when_record_time_has_passed_it_by() {
    let mut states = states(entries(10));
    assert_eq!(push(&mut states, 1, 0, 7), Pushed { ended: vec![], given: Some(0), evicted: vec![] });
    assert_eq!(push(&mut states, 2, 50, 8).given, Some(1), "match ids are those of all partitions");
    assert_eq!(push(&mut states, 1, 99, 9).given, None);
    assert_eq!(states.advance(149), []);
    assert_eq!(ended(&states.advance(150)), [(2, vec![8])]);
    let pushed = push(&mut states, 1, 199, 5);
    assert_eq!((ended(&pushed.ended), pushed.given), (vec![(1, vec![7, 9])], Some(2)), "the row begins anew");
    let counts = states.counts();
    assert_eq!((counts.partitions, counts.rows, counts.begun, counts.ended), (1, 4, 3, 2));
    assert_eq!(ended(&states.shutdown()), [(1, vec![5])]);
    assert_eq!((states.counts().partitions, states.counts().bytes), (0, 0));
}

#[test]
fn a_row_out_of_order_keeps_its_partition_for_as_long_as_any() {
    let mut states = states(entries(10));
    push(&mut states, 1, 1_000, 1);
    push(&mut states, 2, 0, 2);
    assert_eq!(states.advance(1_099), []);
    assert_eq!(ended(&states.advance(1_100)), [(1, vec![1]), (2, vec![2])]);
}

#[test]
fn what_remembers_nothing_is_not_held() {
    let mut states = states(entries(2));
    push(&mut states, 1, 0, 1);
    for partition in 2..10 {
        assert_eq!(push(&mut states, partition, 1, 0).evicted, []);
    }
    assert_eq!((states.counts().partitions, states.counts().begun), (1, 1));
    push(&mut states, 1, 1, 0);
    assert_eq!((states.counts().partitions, states.counts().bytes, states.counts().emptied), (0, 0, 1));
}

#[test]
fn the_partition_idle_longest_is_evicted_and_one_too_large_alone() {
    let mut states = states(entries(2));
    push(&mut states, 1, 0, 1);
    push(&mut states, 2, 0, 2);
    push(&mut states, 1, 0, 3);
    assert_eq!(ended(&push(&mut states, 3, 0, 4).evicted), [(2, vec![2])]);
    let bytes_max = states.counts().bytes + 100;
    let shrunk = states.set_spec(spec(Bounds { entries_max: 10, bytes_max }));
    assert_eq!(shrunk, Ok(vec![]));
    let mut evicted = Vec::new();
    while evicted.is_empty() {
        evicted = push(&mut states, 1, 0, 5).evicted;
        assert!(states.counts().bytes <= bytes_max);
    }
    assert_eq!(ended(&evicted), [(3, vec![4])]);
    evicted.clear();
    push(&mut states, 2, 0, 6);
    while evicted.is_empty() {
        evicted = push(&mut states, 1, 0, 5).evicted;
    }
    assert_eq!(number_of(&evicted[0].key), 2, "it was idle, and there is room for the other alone");
    evicted.clear();
    while evicted.is_empty() {
        evicted = push(&mut states, 1, 0, 5).evicted;
    }
    assert_eq!((evicted.len(), number_of(&evicted[0].key), states.counts().bytes), (1, 1, 0));
}

#[test]
fn all_partitions_end_when_no_records_come() {
    let mut states = states(entries(10));
    push(&mut states, 1, 0, 1);
    push(&mut states, 2, 1, 2);
    assert_eq!((states.tick(1_000), states.tick(1_099)), (vec![], vec![]));
    states.advance(1);
    assert_eq!((states.tick(1_100), states.tick(1_199)), (vec![], vec![]), "there was a record in between");
    assert_eq!(ended(&states.tick(1_200)), [(1, vec![1]), (2, vec![2])]);
    assert_eq!(states.counts().ended, 2);
}

#[test]
fn states_move_to_a_spec_of_the_same_shape() {
    let mut states = states(entries(10));
    (0..5).for_each(|number| drop(push(&mut states, number, number, 1)));
    let shorter = ScanSpec { idle_ticks: 2, ..spec(entries(3)) };
    assert_eq!(ended(&states.set_spec(shorter).unwrap()), [(0, vec![1]), (1, vec![1])]);
    assert_eq!(ended(&states.advance(4)), [(2, vec![1])]);
    for other in [
        ScanSpec { key: other_key_shape(), ..spec(entries(3)) },
        ScanSpec { pipeline: Str::from("T | scan with (step s: false;)"), ..spec(entries(3)) },
        ScanSpec { columns: vec![(Str::from("v"), Type::Int)], ..spec(entries(3)) },
    ] {
        assert!(!states.is_compatible(&other) && states.set_spec(other).is_err());
    }
    assert_eq!(push(&mut states, 9, 4, 1).given, Some(5), "match ids go on");
}

#[test]
fn times_at_the_ends_of_the_range_are_only_far() {
    let mut states = states(entries(10));
    push(&mut states, 1, i64::MIN, 1);
    assert_eq!(ended(&push(&mut states, 2, i64::MAX, 2).ended), [(1, vec![1])]);
    assert_eq!(states.advance(i64::MIN), []);
    assert_eq!((states.tick(i64::MIN), ended(&states.tick(i64::MAX))), (vec![], vec![(2, vec![2])]));
}

#[test]
fn many_rows_over_many_partitions_stay_within_the_bounds() {
    let bounds = Bounds { entries_max: 20_000, bytes_max: 4 << 20 };
    let mut states = states(bounds);
    for number in 0..200_000_i64 {
        push(&mut states, number.wrapping_mul(7_919) % 50_000, number / 2_000, number % 7);
        let counts = states.counts();
        assert!(counts.bytes <= bounds.bytes_max && counts.partitions <= bounds.entries_max);
    }
    let counts = states.counts();
    assert_eq!(counts.begun, counts.partitions as u64 + counts.ended + counts.evicted + counts.emptied);
    assert!(counts.evicted > 0 && counts.partitions > 10_000, "{counts:?}");
}

#[derive(Clone, Debug)]
struct Call {
    partition: i64,
    number: i64,
    step: i64,
    is_push: bool,
    is_advanced_first: bool,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = (0..6_i64, 0..4_i64, -30..60_i64, prop::bool::weighted(0.8), any::<bool>()).prop_map(
        |(partition, number, step, is_push, is_advanced_first)| Call {
            partition,
            number,
            step,
            is_push,
            is_advanced_first,
        },
    );
    prop::collection::vec(call, 0..80)
}

/// Partitions as (number, state, greatest time when it was touched), the longest idle first.
#[derive(Default)]
struct Model {
    partitions: Vec<(i64, Numbers, i64)>,
    watermark: i64,
}

impl Model {
    fn advance(&mut self, now: i64) -> Vec<(i64, Numbers)> {
        self.watermark = self.watermark.max(now);
        let watermark = self.watermark;
        let over = self.partitions.extract_if(.., |one| watermark - one.2 >= 100);
        over.map(|(number, state, _)| (number, state)).collect()
    }

    fn push(&mut self, call: &Call, entries_max: usize) -> Vec<(i64, Numbers)> {
        let index = self.partitions.iter().position(|one| one.0 == call.partition);
        let mut state = index.map_or(Vec::new(), |index| self.partitions.remove(index).1);
        if call.number == 0 {
            return Vec::new();
        }
        state.push(call.number);
        self.partitions.push((call.partition, state, self.watermark));
        let excess = self.partitions.len().saturating_sub(entries_max);
        self.partitions.drain(..excess).map(|(number, state, _)| (number, state)).collect()
    }
}

proptest! {
    /// That a record's time was told before changes nothing.
    #[test]
    fn it_is_the_model_wherever_records_are_told_of(calls in calls(), entries_max in 1..6_usize) {
        let (mut states, mut model, mut now) = (states(entries(entries_max)), Model::default(), 0);
        for call in &calls {
            now = (now + call.step).max(0);
            let expected = model.advance(now);
            let mut found = Vec::new();
            if call.is_advanced_first || !call.is_push {
                found.extend(ended(&states.advance(now)));
            }
            if call.is_push {
                let pushed = push(&mut states, call.partition, now, call.number);
                found.extend(ended(&pushed.ended));
                prop_assert_eq!(ended(&pushed.evicted), model.push(call, entries_max));
            }
            prop_assert_eq!(found, expected);
            let counts = states.counts();
            prop_assert_eq!(counts.partitions, model.partitions.len());
            prop_assert_eq!(counts.begun, counts.partitions as u64 + counts.ended + counts.evicted + counts.emptied);
        }
        let left: Vec<(i64, Numbers)> = model.partitions.into_iter().map(|(number, state, _)| (number, state)).collect();
        prop_assert_eq!(ended(&states.shutdown()), left);
        prop_assert_eq!((states.counts().partitions, states.counts().bytes), (0, 0));
    }

    #[test]
    fn bytes_stay_within_the_bound(pushes in prop::collection::vec((0..20_i64, 0..9_i64), 0..200)) {
        let bounds = Bounds { entries_max: 100, bytes_max: 2000 };
        let mut states = states(bounds);
        for (partition, number) in pushes {
            push(&mut states, partition, 0, number);
            prop_assert!(states.counts().bytes <= bounds.bytes_max);
        }
        states.shutdown();
        prop_assert_eq!(states.counts().bytes, 0);
    }
}

/// The table that queries of the test name; its rows are pushed in.
struct Logs;

impl Catalog for Logs {
    fn schema(&self, table: &str) -> Option<TableSchema> {
        let columns = [("t", Type::Long), ("user", Type::String), ("event", Type::String)];
        let columns = columns.iter().map(|(name, ty)| Column::new(*name, *ty)).collect();
        (table == "Logs").then(|| TableSchema { name: table.into(), columns })
    }

    fn table_names(&self) -> Vec<String> {
        vec!["Logs".into()]
    }

    fn scan(&self, table: &str, _projection: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        panic!("nothing reads {table}")
    }
}

/// Counts the failures before a success by user; a user who was silent for long owes the count of failures.
const LOGINS: &str = r#"
Logs
| scan with_match_id=m order by t asc partition by user declare (failures: long = 0) with
(
    step failed output=last: event == "fail" => failures = failed.failures + 1;
    step entered: event == "ok" => failures = failed.failures;
    step left output=none: event == "bye";
)"#;

/// Returns a row as time, user, event, failures, match id; or its first columns.
fn shown(row: &Row) -> String {
    let shown = row.iter().map(|value| match value {
        Value::Long(number) => number.to_string(),
        Value::String(text) => text.to_string(),
        other => panic!("the query gives no {other:?}"),
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// What states of a real `scan` give, with a new [`Scanning`] for each record.
#[test]
fn a_query_remembers_sequences_from_record_to_record() {
    let (query, diagnostics) = compile(LOGINS, &Logs, &Options::default());
    let query = query.unwrap_or_else(|| panic!("{diagnostics:?}"));
    let program = query.program();
    let rel = program.outputs[0].rel;
    let mut states = ScanStates::new(spec(entries(10)), ScanState::bytes);
    let mut subqueries = Subqueries::default();
    let mut output = Vec::new();
    let owed = |ended: Vec<EndedPartition<ScanState>>, output: &mut Vec<String>| {
        let rows = ended.into_iter().flat_map(|one| one.state.finish());
        output.extend(rows.map(|row| format!("owed {}", shown(&row))));
    };
    for line in ["0 a fail", "10 b ok", "20 b fail", "30 a fail", "40 a ok", "50 c fail", "125 a fail", "140 d bye"] {
        let [time, user, event] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("three words") };
        let time: i64 = time.parse().unwrap();
        let row: Row = vec![Value::Long(time), Value::string(user), Value::string(event)];
        let options = dtq_exec::Options::default();
        let mut scanning = Scanning::new(program, rel, &Logs, subqueries, options).unwrap();
        let key = RowIdentity(scanning.partition_of(&row).unwrap());
        let pushed = states.push(key, time, ScanState::default, |state, next_match_id| {
            scanning.push(state, &row, next_match_id).unwrap()
        });
        owed(pushed.ended, &mut output);
        output.extend(pushed.given.iter().map(shown));
        subqueries = scanning.into_subqueries();
    }
    owed(states.shutdown(), &mut output);
    let expected = ["30 a fail 2 0", "40 a ok 2 0", "owed 20 b fail 1 1", "owed 50 c fail 1 2", "owed 125 a fail 1 3"];
    assert_eq!(output, expected);
    let counts = states.counts();
    assert_eq!((counts.begun, counts.ended, counts.rows), (3, 3, 8), "user d begins no sequence");
}
