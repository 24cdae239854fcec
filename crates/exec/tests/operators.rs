//! Operators over programs built by hand, so that they are judged without parser and sema.
//!
//! Every program here runs with several batch sizes: a result must not depend on where a batch ends.

mod build;

use build::*;
use dtq_exec::{Options, Run};
use dtq_interp::eval::OPERAND_DEPTH_MAX;
use dtq_ir::rel::{JoinKind, MvItem, SortKey};
use dtq_ir::{ExprId, Program, RelKind};
use dtq_record::stream::Row;
use dtq_source::{Code, Limits};
use dtq_value::{Type, Value};

#[test]
fn take_stops_reading_its_input_and_only_columns_in_use_are_asked_for() {
    let mut build = Builder::default();
    let scan = build.rel(RelKind::Scan { table: "numbers".into() }, &Numbers::COLUMNS);
    let (x, limit, count) = (build.column(0, Type::Long), build.long(4), build.long(3));
    let predicate = build.call(&GREATER, &[x, limit], Type::Bool);
    let filter = build.rel(RelKind::Filter { input: scan, predicate }, &Numbers::COLUMNS);
    let take = build.rel(RelKind::Take { input: filter, count }, &Numbers::COLUMNS);
    let y = build.column(1, Type::Long);
    let project = build.rel(RelKind::Project { input: take, exprs: vec![y] }, &[("y", Type::Long)]);
    let program = build.output(project);
    let catalog = Numbers::new(1_000_000);
    let options = Options { batch_rows: 5, ..Options::default() };
    let rows = Run::new(&program, &catalog, options).unwrap().rest(0).unwrap();
    assert_eq!(rows, longs(&[5, 6, 7]));
    assert!(catalog.read.get() <= 10, "read {} rows", catalog.read.get());
    assert_eq!(catalog.projection.take(), [true, true, false], "the filter reads x, the project y");
}

#[test]
fn a_range_too_long_fails_before_its_first_row_unless_little_of_it_is_wanted() {
    let mut build = Builder::default();
    let range = build.range(1, 1_000_000_000_000);
    let fault = run_with(&build.output(range), 1024, Limits::default()).unwrap_err();
    assert_eq!(fault.code, Code::E3002);

    let mut build = Builder::default();
    let range = build.range(1, 1_000_000_000_000);
    let count = build.long(3);
    let take = build.rel(RelKind::Take { input: range, count }, &[("x", Type::Long)]);
    assert_eq!(run(&build.output(take)), longs(&[1, 2, 3]));
}

#[test]
fn summarize_groups_in_the_order_first_seen_and_counts_an_empty_input() {
    let mut build = Builder::default();
    let input = build.values(
        &[("k", Type::Long), ("v", Type::Long)],
        vec![
            vec![Value::Long(2), Value::Long(10)],
            vec![Value::Null, Value::Long(1)],
            vec![Value::Long(2), Value::Null],
            vec![Value::Null, Value::Long(2)],
        ],
    );
    let (k, v) = (build.column(0, Type::Long), build.column(1, Type::Long));
    let aggregates = vec![
        build.call_aggregate(&COUNT, &[], &[Type::Long]),
        build.call_aggregate(&SUM, &[v], &[Type::Long]),
        build.call_aggregate(&LIST, &[v], &[Type::Dynamic]),
    ];
    let columns = [("k", Type::Long), ("n", Type::Long), ("s", Type::Long), ("l", Type::Dynamic)];
    let group = build.rel(RelKind::Aggregate { input, keys: vec![k], aggregates }, &columns);
    let list = |items: &[i64]| Value::array(items.iter().map(|item| Value::Long(*item)).collect());
    let expected = vec![
        vec![Value::Long(2), Value::Long(2), Value::Long(10), list(&[10])],
        vec![Value::Null, Value::Long(2), Value::Long(3), list(&[1, 2])],
    ];
    assert_eq!(run(&build.output(group)), expected);

    let mut build = Builder::default();
    let input = build.values(&[("v", Type::Long)], Vec::new());
    let aggregates = vec![build.call_aggregate(&COUNT, &[], &[Type::Long])];
    let group = build.rel(RelKind::Aggregate { input, keys: Vec::new(), aggregates }, &[("n", Type::Long)]);
    assert_eq!(run(&build.output(group)), longs(&[0]));
}

#[test]
fn arg_max_skips_nulls_but_keeps_a_group_of_nulls() {
    let mut build = Builder::default();
    let row = |k: i64, t: Option<i64>, v: i64| vec![Value::Long(k), t.map_or(Value::Null, Value::Long), Value::Long(v)];
    let rows = vec![row(1, None, 1), row(1, Some(5), 2), row(1, Some(4), 3), row(2, None, 4), row(2, None, 5)];
    let input = build.values(&[("k", Type::Long), ("t", Type::Long), ("v", Type::Long)], rows);
    let exprs: Vec<ExprId> = (0..3).map(|index| build.column(index, Type::Long)).collect();
    let aggregates = vec![build.call_aggregate(&ARG_MAX, &exprs[1..], &[Type::Long, Type::Long])];
    let columns = [("k", Type::Long), ("t", Type::Long), ("v", Type::Long)];
    let group = build.rel(RelKind::Aggregate { input, keys: vec![exprs[0]], aggregates }, &columns);
    assert_eq!(run(&build.output(group)), vec![row(1, Some(5), 2), row(2, None, 4)]);
}

#[test]
fn sort_places_nulls_and_nan_as_documented() {
    let order = |is_ascending: bool, is_nulls_first: bool| {
        let mut build = Builder::default();
        let reals = [5.0, f64::NAN, f64::INFINITY, 0.0, f64::NEG_INFINITY, -5.0];
        let mut rows: Vec<Row> = reals.iter().map(|value| vec![Value::Real(*value)]).collect();
        rows.insert(3, vec![Value::Null]);
        let input = build.values(&[("x", Type::Real)], rows);
        let expr = build.column(0, Type::Real);
        let keys = vec![SortKey { expr, is_ascending, is_nulls_first }];
        let sort = build.rel(RelKind::Sort { input, keys }, &[("x", Type::Real)]);
        let text = |row: &Row| match row[0] {
            Value::Real(value) => value.to_string(),
            _ => "null".to_string(),
        };
        run(&build.output(sort)).iter().map(text).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(order(true, true), "null NaN -inf -5 0 5 inf");
    assert_eq!(order(false, true), "null NaN inf 5 0 -5 -inf");
    assert_eq!(order(true, false), "-inf -5 0 5 inf NaN null");
    assert_eq!(order(false, false), "inf 5 0 -5 -inf NaN null");
}

#[test]
fn every_kind_of_join_pairs_as_documented_and_null_keys_do_not_match() {
    let join = |kind: JoinKind, columns: usize| {
        let mut build = Builder::default();
        let row = |key: Option<i64>, v: i64| vec![key.map_or(Value::Null, Value::Long), Value::Long(v)];
        let schema = [("k", Type::Long), ("v", Type::Long)];
        let left = build.values(&schema, vec![row(Some(1), 1), row(Some(1), 2), row(Some(2), 3), row(None, 4)]);
        let right = build.values(&schema, vec![row(Some(1), 10), row(Some(1), 20), row(Some(3), 30), row(None, 40)]);
        let key = build.column(0, Type::Long);
        let output = [("k", Type::Long), ("v", Type::Long), ("k1", Type::Long), ("v1", Type::Long)];
        let join = build.rel(RelKind::Join { left, right, kind, keys: vec![(key, key)] }, &output[..columns]);
        let rows = run(&build.output(join));
        let text = |value: &Value| match value {
            Value::Long(value) => value.to_string(),
            _ => "-".to_string(),
        };
        rows.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join(",")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(join(JoinKind::Inner, 4), "1,1,1,10 1,1,1,20 1,2,1,10 1,2,1,20");
    assert_eq!(join(JoinKind::InnerUnique, 4), "1,1,1,10 1,1,1,20");
    assert_eq!(join(JoinKind::LeftOuter, 4), "1,1,1,10 1,1,1,20 1,2,1,10 1,2,1,20 2,3,-,- -,4,-,-");
    assert_eq!(join(JoinKind::RightOuter, 4), "1,1,1,10 1,1,1,20 1,2,1,10 1,2,1,20 -,-,3,30 -,-,-,40");
    assert_eq!(join(JoinKind::FullOuter, 4), "1,1,1,10 1,1,1,20 1,2,1,10 1,2,1,20 2,3,-,- -,4,-,- -,-,3,30 -,-,-,40");
    assert_eq!(join(JoinKind::LeftSemi, 2), "1,1 1,2");
    assert_eq!(join(JoinKind::LeftAnti, 2), "2,3 -,4");
    assert_eq!(join(JoinKind::RightSemi, 2), "1,10 1,20");
    assert_eq!(join(JoinKind::RightAnti, 2), "3,30 -,40");
}

#[test]
fn mv_expand_gives_a_row_for_null_and_none_for_an_empty_array() {
    let mut build = Builder::default();
    let array = |items: &[i64]| Value::array(items.iter().map(|item| Value::Long(*item)).collect());
    let input = build.values(
        &[("a", Type::Dynamic)],
        vec![vec![array(&[1, 2])], vec![Value::Null], vec![array(&[])], vec![Value::Long(7)]],
    );
    let expr = build.column(0, Type::Dynamic);
    let kind = RelKind::MvExpand {
        input,
        items: vec![MvItem { expr, column: 0, ty: Type::Long }],
        has_index: true,
        limit: None,
        is_bag_to_array: false,
        drops_empty: false,
    };
    let expand = build.rel(kind, &[("a", Type::Long), ("i", Type::Long)]);
    let row = |a: Value, i: i64| vec![a, Value::Long(i)];
    let expected = vec![row(Value::Long(1), 0), row(Value::Long(2), 1), row(Value::Null, 0), row(Value::Long(7), 0)];
    assert_eq!(run(&build.output(expand)), expected);
}

#[test]
fn a_join_that_explodes_ends_at_the_limit_on_produced_rows() {
    let mut build = Builder::default();
    let (left, right) = (build.range(1, 2_000), build.range(1, 2_000));
    let key = build.long(1);
    let kind = RelKind::Join { left, right, kind: JoinKind::Inner, keys: vec![(key, key)] };
    let join = build.rel(kind, &[("x", Type::Long), ("x1", Type::Long)]);
    let limits = Limits { produced_rows_max: 10_000, ..Limits::default() };
    assert_eq!(run_with(&build.output(join), 64, limits).unwrap_err().code, Code::E3002);
}

#[test]
fn holding_more_than_the_budget_names_the_operator() {
    let mut build = Builder::default();
    let input = build.range(1, 100_000);
    let expr = build.column(0, Type::Long);
    let keys = vec![SortKey { expr, is_ascending: false, is_nulls_first: false }];
    let sort = build.rel(RelKind::Sort { input, keys }, &[("x", Type::Long)]);
    let limits = Limits { held_bytes_max: 1 << 20, ..Limits::default() };
    let fault = run_with(&build.output(sort), 1024, limits).unwrap_err();
    assert_eq!(fault.code, Code::E3001);
    assert!(fault.message.contains("`sort`"), "{}", fault.message);
}

/// Returns a program that prints 1 + 1 + ... nested along the first or the second operand.
fn nested_sum(depth: u32, is_first: bool) -> Program {
    let mut build = Builder::default();
    let one = build.long(1);
    let sum = (0..depth).fold(one, |sum, _| {
        let args = if is_first { [sum, one] } else { [one, sum] };
        build.call(&ADD, &args, Type::Long)
    });
    let input = build.values(&[], vec![Vec::new()]);
    let project = build.rel(RelKind::Project { input, exprs: vec![sum] }, &[("x", Type::Long)]);
    build.output(project)
}

#[test]
fn the_deepest_expression_allowed_fits_a_small_stack() {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(|| {
        let deepest = run(&nested_sum(OPERAND_DEPTH_MAX, false));
        let chain = run(&nested_sum(100_000, true));
        let deeper = run_with(&nested_sum(OPERAND_DEPTH_MAX + 1, false), 1, Limits::default());
        (deepest, chain, deeper.unwrap_err().code)
    });
    let (deepest, chain, refused) = thread.unwrap().join().unwrap();
    assert_eq!(deepest, longs(&[i64::from(OPERAND_DEPTH_MAX) + 1]));
    assert_eq!(chain, longs(&[100_001]));
    assert_eq!(refused, Code::E2901);
}

#[test]
fn the_longest_pipeline_allowed_fits_a_small_stack() {
    let pipeline = |length: u32| {
        let mut build = Builder::default();
        let count = build.long(2);
        let first = build.range(1, 9);
        let take = |rel, _| build.rel(RelKind::Take { input: rel, count }, &[("x", Type::Long)]);
        let last = (0..length).fold(first, take);
        build.output(last)
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        let refused = run_with(&pipeline(501), 1, Limits::default()).unwrap_err().code;
        (run(&pipeline(500)), refused)
    });
    let (rows, refused) = thread.unwrap().join().unwrap();
    assert_eq!(rows, longs(&[1, 2]));
    assert_eq!(refused, Code::E2901);
}
