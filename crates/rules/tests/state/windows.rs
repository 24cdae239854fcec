use crate::{key, key_shape, other_key_shape};
use dtq_rules::state::window::{ClosedWindow, Late, WindowSpec, Windows};
use proptest::prelude::*;

fn spec(windows_max: usize, cardinality_max: usize, bytes_max: usize) -> WindowSpec {
    WindowSpec {
        key: key_shape(),
        width_ticks: 10,
        lateness_ticks: 5,
        idle_ticks: 100,
        windows_max,
        cardinality_max,
        bytes_max,
        overflow_key: key(-1),
    }
}

/// Counts a row whose window is that of its time.
fn add(windows: &mut Windows<u64>, number: i64, now: i64) -> Result<u64, Late> {
    let count = windows.entry(now.div_euclid(10) * 10, key(number), now, 8, || 0)?;
    *count += 1;
    Ok(*count)
}

fn groups(window: &ClosedWindow<u64>) -> (i64, Vec<(i64, u64)>) {
    let number = |key: &dtq_interp::RowIdentity| match key.0[0] {
        dtq_value::Value::Long(number) => number,
        _ => panic!("keys of the test are longs"),
    };
    (window.start_ticks, window.groups.iter().map(|(key, count)| (number(key), *count)).collect())
}

fn all_groups(windows: &[ClosedWindow<u64>]) -> Vec<(i64, Vec<(i64, u64)>)> {
    windows.iter().map(groups).collect()
}

#[test]
fn a_window_is_closed_when_record_time_has_passed_its_end_and_lateness() {
    let mut windows = Windows::new(spec(10, 10, usize::MAX));
    assert_eq!((add(&mut windows, 2, 0), add(&mut windows, 1, 9), add(&mut windows, 2, 14)), (Ok(1), Ok(1), Ok(1)));
    assert_eq!(windows.close(), []);
    assert_eq!(add(&mut windows, 2, 3), Ok(2), "its lateness is not over");
    assert_eq!(add(&mut windows, 1, 15), Ok(1));
    assert_eq!(add(&mut windows, 2, 4), Err(Late), "be it taken out yet or not");
    let closed = windows.close();
    assert_eq!(all_groups(&closed), [(0, vec![(2, 2), (1, 1)])]);
    assert_eq!(closed[0].end_ticks, 10);
    assert_eq!(add(&mut windows, 2, 4), Err(Late));
    let counts = windows.counts();
    assert_eq!((counts.windows, counts.groups, counts.rows, counts.late, counts.closed), (1, 2, 7, 2, 1));
    assert_eq!(all_groups(&windows.shutdown()), [(10, vec![(2, 1), (1, 1)])]);
    assert_eq!(windows.counts().bytes, 0);
}

#[test]
fn records_that_no_group_wants_advance_the_time_too() {
    let mut windows = Windows::new(spec(10, 10, usize::MAX));
    add(&mut windows, 1, 0).unwrap();
    windows.advance(15);
    assert_eq!(all_groups(&windows.close()), [(0, vec![(1, 1)])]);
}

#[test]
fn all_windows_are_closed_when_no_records_come() {
    let mut windows = Windows::new(spec(10, 10, usize::MAX));
    add(&mut windows, 1, 0).unwrap();
    add(&mut windows, 1, 10).unwrap();
    windows.tick(1_000);
    windows.tick(1_099);
    assert_eq!(windows.close(), []);
    add(&mut windows, 1, 11).unwrap();
    windows.tick(1_100);
    windows.tick(1_199);
    assert_eq!(windows.close(), [], "there was a record in between");
    windows.tick(1_200);
    assert_eq!(all_groups(&windows.close()), [(0, vec![(1, 1)]), (10, vec![(1, 2)])]);
    assert_eq!(add(&mut windows, 1, 12), Err(Late), "never a second point");
    assert_eq!(add(&mut windows, 1, 20), Ok(1));
    assert_eq!(windows.counts().closed_idle, 2);
}

#[test]
fn a_window_that_has_yet_to_begin_is_the_one_that_has() {
    let windows = Windows::<u64>::new(spec(10, 10, usize::MAX));
    let begun = |start, latest| windows.begun(start, latest);
    assert_eq!((begun(20, 20), begun(20, 29), begun(20, 1_000)), (20, 20, 20));
    assert_eq!((begun(20, 19), begun(20, 10), begun(1_000_003, 19), begun(0, -1)), (10, 10, 13, -10));
    assert_eq!((begun(i64::MAX, i64::MIN), begun(i64::MIN, i64::MAX)), (i64::MIN, i64::MIN));
    let none = Windows::<u64>::new(WindowSpec { width_ticks: 0, ..spec(10, 10, usize::MAX) });
    assert_eq!(none.begun(i64::MAX, 5), 5);
}

#[test]
fn a_wall_clock_that_is_set_back_closes_them_as_ever() {
    let mut windows = Windows::new(spec(10, 10, usize::MAX));
    add(&mut windows, 1, 0).unwrap();
    [1_000, 50, 149].into_iter().for_each(|now| windows.tick(now));
    assert_eq!(windows.close(), []);
    windows.tick(150);
    assert_eq!(all_groups(&windows.close()), [(0, vec![(1, 1)])]);
}

#[test]
fn groups_beyond_the_limit_are_one() {
    let mut windows = Windows::new(spec(10, 2, usize::MAX));
    for number in [1, 2, 3, 4, 1, 3] {
        add(&mut windows, number, 0).unwrap();
    }
    assert_eq!(add(&mut windows, 3, 10), Ok(1), "each window has its own");
    assert_eq!(add(&mut windows, -1, 10), Ok(1), "the key of the excess is never a group of its own");
    assert_eq!(windows.counts().overflowed, 4);
    assert_eq!(all_groups(&windows.shutdown()), [(0, vec![(1, 2), (2, 1), (-1, 3)]), (10, vec![(3, 1), (-1, 1)])]);
}

#[test]
fn the_oldest_window_is_closed_early_when_there_are_too_many() {
    let mut windows = Windows::new(WindowSpec { lateness_ticks: 100, ..spec(2, 10, usize::MAX) });
    add(&mut windows, 1, 10).unwrap();
    add(&mut windows, 1, 20).unwrap();
    assert_eq!(add(&mut windows, 1, 0), Err(Late), "older than all that there is room for");
    assert_eq!(add(&mut windows, 1, 11), Ok(2));
    assert_eq!(add(&mut windows, 1, 30), Ok(1));
    assert_eq!(add(&mut windows, 1, 12), Err(Late));
    assert_eq!(all_groups(&windows.close()), [(10, vec![(1, 2)])]);
    assert_eq!(windows.counts().closed_early, 1);
    assert_eq!(windows.set_spec(WindowSpec { lateness_ticks: 100, ..spec(1, 10, usize::MAX) }), Ok(()));
    assert_eq!(all_groups(&windows.close()), [(20, vec![(1, 1)])]);
    assert!(windows.set_spec(WindowSpec { key: other_key_shape(), ..spec(2, 10, 0) }).is_err());
    assert!(windows.set_spec(WindowSpec { width_ticks: 20, ..spec(2, 10, 0) }).is_err());
    let mut none = Windows::new(spec(0, 10, usize::MAX));
    assert_eq!(add(&mut none, 1, 0), Err(Late));
}

#[test]
fn bytes_beyond_the_bound_are_one_group() {
    let mut windows = Windows::new(spec(10, 1000, 2000));
    for number in 0..100 {
        add(&mut windows, number, 0).unwrap();
    }
    let counts = windows.counts();
    assert!(counts.groups > 2 && counts.groups < 20 && counts.overflowed > 80, "{counts:?}");
    assert!(windows.charge(0, 0) == (counts.bytes <= 2000));
    assert!(!windows.charge(0, 5000));
    let window = &windows.shutdown()[0];
    assert_eq!(window.groups.iter().map(|(_, count)| count).sum::<u64>(), 100);
    assert_eq!(windows.counts().bytes, 0);
}

proptest! {
    #[test]
    fn no_row_is_lost_or_given_twice_wherever_batches_end(
        rows in prop::collection::vec((-6..9_i64, 0..6_i64, any::<bool>()), 0..120),
        windows_max in 1..4_usize,
        cardinality_max in 0..4_usize,
    ) {
        let spec = spec(windows_max, cardinality_max, 1500);
        let (mut whole, mut split) = (Windows::new(spec.clone()), Windows::new(spec));
        let (mut now, mut closed) = (0_i64, Vec::new());
        for (step, number, is_batch_end) in &rows {
            now = (now + step).max(0);
            prop_assert_eq!(add(&mut whole, *number, now), add(&mut split, *number, now));
            if *is_batch_end {
                closed.extend(split.close());
            }
            prop_assert_eq!(whole.counts(), split.counts());
            prop_assert!(whole.counts().windows <= windows_max);
        }
        closed.extend(split.shutdown());
        prop_assert_eq!(all_groups(&closed), all_groups(&whole.shutdown()));
        prop_assert!(closed.windows(2).all(|pair| pair[0].start_ticks < pair[1].start_ticks), "each window once, in order");
        let in_groups: u64 = closed.iter().flat_map(|window| window.groups.iter().map(|(_, count)| count)).sum();
        let counts = whole.counts();
        prop_assert_eq!(counts.rows, counts.late + in_groups);
        prop_assert_eq!((counts.windows, counts.groups, counts.bytes), (0, 0, 0));
    }
}
