//! Laws that hold for any rows: an operator equals another way of saying the same, or a model written for the test.

mod build;

use build::*;
use dtq_ir::rel::{JoinKind, SortKey};
use dtq_ir::{ExprId, Program, RelId, RelKind};
use dtq_record::stream::Row;
use dtq_value::{Type, Value};
use proptest::prelude::*;

const COLUMNS: [(&str, Type); 2] = [("k", Type::Long), ("v", Type::Long)];

/// Returns rows of two small longs, each sometimes null.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    let value = prop_oneof![1 => Just(Value::Null), 5 => (0_i64..6).prop_map(Value::Long)];
    prop::collection::vec((value.clone(), value).prop_map(|(k, v)| vec![k, v]), 0..40)
}

/// Returns the result of a program that `make` builds over an input of these rows, checked for several batch sizes.
fn result(rows: &[Row], make: impl FnOnce(&mut Builder, RelId, [ExprId; 2]) -> RelId) -> Vec<Row> {
    let mut build = Builder::default();
    let input = build.values(&COLUMNS, rows.to_vec());
    let columns = [build.column(0, Type::Long), build.column(1, Type::Long)];
    let rel = make(&mut build, input, columns);
    let program: Program = build.output(rel);
    run(&program)
}

fn sort_key(expr: ExprId, is_ascending: bool) -> SortKey {
    SortKey { expr, is_ascending, is_nulls_first: is_ascending }
}

/// Returns what a join of a kind must give, by comparing every pair.
fn join_model(kind: JoinKind, left: &[Row], right: &[Row]) -> Vec<Row> {
    let matches = |l: &Row, r: &Row| !l[0].is_null() && l[0] == r[0];
    let none = vec![Value::Null, Value::Null];
    let concat = |l: &Row, r: &Row| [l.clone(), r.clone()].concat();
    let pairs = |left: &[Row]| -> Vec<Row> {
        left.iter()
            .flat_map(|l| right.iter().filter(|r| matches(l, r)).map(|r| concat(l, r)).collect::<Vec<_>>())
            .collect()
    };
    let lonely = |l: &&Row| !right.iter().any(|r| matches(l, r));
    let lonely_right = |r: &&Row| !left.iter().any(|l| matches(l, r));
    let left_outer = || -> Vec<Row> {
        let rows = left.iter().flat_map(|l| {
            let partners = pairs(std::slice::from_ref(l));
            if partners.is_empty() { vec![concat(l, &none)] } else { partners }
        });
        rows.collect()
    };
    let right_rest = || right.iter().filter(lonely_right).map(|r| concat(&none, r));
    match kind {
        JoinKind::Inner => pairs(left),
        JoinKind::InnerUnique => {
            let first = |index: usize| left[..index].iter().all(|before| before[0] != left[index][0]);
            let unique: Vec<Row> =
                (0..left.len()).filter(|index| first(*index)).map(|index| left[index].clone()).collect();
            pairs(&unique)
        }
        JoinKind::LeftOuter => left_outer(),
        JoinKind::RightOuter => pairs(left).into_iter().chain(right_rest()).collect(),
        JoinKind::FullOuter => left_outer().into_iter().chain(right_rest()).collect(),
        JoinKind::LeftSemi => left.iter().filter(|l| !lonely(l)).cloned().collect(),
        JoinKind::LeftAnti => left.iter().filter(lonely).cloned().collect(),
        JoinKind::RightSemi => right.iter().filter(|r| !lonely_right(r)).cloned().collect(),
        JoinKind::RightAnti => right.iter().filter(lonely_right).cloned().collect(),
    }
}

const KINDS: [JoinKind; 9] = [
    JoinKind::InnerUnique,
    JoinKind::Inner,
    JoinKind::LeftOuter,
    JoinKind::RightOuter,
    JoinKind::FullOuter,
    JoinKind::LeftSemi,
    JoinKind::RightSemi,
    JoinKind::LeftAnti,
    JoinKind::RightAnti,
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn top_is_sort_then_take(rows in rows(), count in -1_i64..12, is_ascending: bool) {
        let top = result(&rows, |build, input, [k, _]| {
            let count = build.long(count);
            build.rel(RelKind::Top { input, count, keys: vec![sort_key(k, is_ascending)] }, &COLUMNS)
        });
        let sorted = result(&rows, |build, input, [k, _]| {
            let count = build.long(count);
            let input = build.rel(RelKind::Sort { input, keys: vec![sort_key(k, is_ascending)] }, &COLUMNS);
            build.rel(RelKind::Take { input, count }, &COLUMNS)
        });
        prop_assert_eq!(top, sorted);
    }

    #[test]
    fn distinct_is_summarize_without_aggregates(rows in rows()) {
        let distinct = result(&rows, |build, input, _| build.rel(RelKind::Distinct { input }, &COLUMNS));
        let grouped = result(&rows, |build, input, columns| {
            build.rel(RelKind::Aggregate { input, keys: columns.to_vec(), aggregates: Vec::new() }, &COLUMNS)
        });
        prop_assert_eq!(distinct, grouped);
    }

    #[test]
    fn counts_of_groups_add_up_to_the_rows(rows in rows()) {
        let groups = result(&rows, |build, input, [k, _]| {
            let aggregates = vec![build.call_aggregate(&COUNT, &[], &[Type::Long])];
            build.rel(RelKind::Aggregate { input, keys: vec![k], aggregates }, &COLUMNS)
        });
        let total: i64 = groups.iter().map(|row| match row[1] {
            Value::Long(count) => count,
            _ => panic!("a count is a long"),
        }).sum();
        prop_assert_eq!(total, rows.len() as i64);
    }

    #[test]
    fn a_join_gives_what_comparing_every_pair_gives(left in rows(), right in rows()) {
        for kind in KINDS {
            let joined = result(&left, |build, input, [k, _]| {
                let right = build.values(&COLUMNS, right.clone());
                let columns: Vec<_> = COLUMNS.iter().chain(&COLUMNS).copied().collect();
                build.rel(RelKind::Join { left: input, right, kind, keys: vec![(k, k)] }, &columns)
            });
            prop_assert_eq!(joined, join_model(kind, &left, &right), "{:?}", kind);
        }
    }

    #[test]
    fn a_filter_before_a_union_is_a_filter_after_it(rows in rows(), bound in 0_i64..6) {
        let filter = |build: &mut Builder, input, v| {
            let bound = build.long(bound);
            let predicate = build.call(&GREATER, &[v, bound], Type::Bool);
            build.rel(RelKind::Filter { input, predicate }, &COLUMNS)
        };
        let before = result(&rows, |build, input, [_, v]| {
            let (first, second) = (filter(build, input, v), filter(build, input, v));
            build.rel(RelKind::Union { inputs: vec![first, second] }, &COLUMNS)
        });
        let after = result(&rows, |build, input, [_, v]| {
            let both = build.rel(RelKind::Union { inputs: vec![input, input] }, &COLUMNS);
            filter(build, both, v)
        });
        prop_assert_eq!(before, after);
    }
}
