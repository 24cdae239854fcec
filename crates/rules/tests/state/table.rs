use crate::{entries, key, key_shape, other_key_shape};
use dtq_record::stream::Row;
use dtq_rules::state::bounds::Bounds;
use dtq_rules::state::table::{Inserted, KeyedTable, TableSpec};
use dtq_value::{Str, Type, Value};
use proptest::prelude::*;

fn spec(bounds: Bounds) -> TableSpec {
    TableSpec { key: key_shape(), columns: vec![(Str::from("v"), Type::Long)], bounds }
}

fn row(number: i64) -> Row {
    vec![Value::Long(number)]
}

fn long(row: &Row) -> i64 {
    match row[0] {
        Value::Long(number) => number,
        _ => panic!("rows of the test are longs"),
    }
}

#[test]
fn a_row_is_found_until_its_time_is_over() {
    let mut table = KeyedTable::new(spec(entries(10)));
    assert_eq!(table.insert(key(1), row(10), 100, 50), Inserted::default());
    assert_eq!(table.get(&key(1), 149), Some(&row(10)));
    assert_eq!(table.get(&key(1), 150), None);
    assert_eq!(table.get(&key(2), 100), None);
    assert_eq!(table.expire(149), Vec::<Row>::new());
    assert_eq!(table.expire(150), vec![row(10)]);
    assert_eq!(table.counts().entries, 0);
    assert_eq!(table.counts().bytes, 0);
}

#[test]
fn a_second_insert_replaces_the_row_and_begins_its_time_anew() {
    let mut table = KeyedTable::new(spec(entries(10)));
    table.insert(key(1), row(10), 100, 50);
    let version = table.counts().version;
    assert_eq!(table.insert(key(1), row(10), 120, 50).replaced, Some(row(10)));
    assert_eq!(table.counts().version, version, "the rows that can be seen are the same");
    assert_eq!(table.get(&key(1), 169), Some(&row(10)));
    assert_eq!(table.insert(key(1), row(11), 130, 1).replaced, Some(row(10)));
    assert_ne!(table.counts().version, version);
    assert_eq!(table.get(&key(1), 169), Some(&row(11)), "a shorter time takes nothing away");
    assert_eq!((table.counts().inserted, table.counts().refreshed), (1, 2));
}

#[test]
fn a_row_whose_time_is_over_when_it_comes_changes_nothing() {
    let mut table = KeyedTable::new(spec(entries(10)));
    table.insert(key(1), row(10), 100, 50);
    let late = Inserted { is_late: true, ..Inserted::default() };
    assert_eq!(table.insert(key(1), row(11), 50, 50), late, "the row that is there is of later");
    assert_eq!(table.insert(key(2), row(20), 50, 50), late);
    assert_eq!(table.insert(key(2), row(20), 51, 50), Inserted::default());
    let rows: Vec<i64> = table.iter(0).map(|(_, row)| long(row)).collect();
    let counts = table.counts();
    assert_eq!((rows, counts.inserted, counts.refreshed, counts.late), (vec![10, 20], 2, 0, 2));
}

#[test]
fn rows_go_when_no_records_come_and_the_time_stays() {
    let mut table = KeyedTable::new(spec(entries(10)));
    table.insert(key(1), row(10), 100, 50);
    assert_eq!(table.idle_out(149), Vec::<Row>::new());
    assert_eq!(table.get(&key(1), 100), Some(&row(10)));
    assert_eq!(table.idle_out(150), vec![row(10)]);
    assert_eq!(table.idle_out(i64::MAX), Vec::<Row>::new());
    assert_eq!(table.insert(key(1), row(11), 101, 50), Inserted::default());
    assert_eq!(table.get(&key(1), 101), Some(&row(11)));
    assert_eq!((table.counts().inserted, table.counts().expired, table.counts().entries), (2, 1, 1));
}

#[test]
fn the_row_that_expires_soonest_is_evicted() {
    let mut table = KeyedTable::new(spec(entries(2)));
    table.insert(key(1), row(1), 0, 30);
    table.insert(key(2), row(2), 0, 10);
    assert_eq!(table.insert(key(3), row(3), 0, 20).evicted, vec![row(2)]);
    assert_eq!(table.insert(key(4), row(4), 0, 5).evicted, vec![row(4)], "also if it is the new one");
    let rows: Vec<i64> = table.iter(0).map(|(_, row)| long(row)).collect();
    assert_eq!(rows, [1, 3]);
}

#[test]
fn a_row_larger_than_the_table_displaces_nothing_else() {
    let mut table = KeyedTable::new(spec(Bounds { entries_max: 10, bytes_max: 2000 }));
    table.insert(key(1), row(1), 0, 30);
    let large = vec![Value::string("x".repeat(3000))];
    assert_eq!(table.insert(key(2), large.clone(), 0, 30).evicted, vec![large.clone()]);
    assert_eq!(
        table.insert(key(1), large.clone(), 0, 30).evicted,
        vec![large],
        "the old row is not the key's any more"
    );
    assert_eq!(table.counts().entries, 0);
}

#[test]
fn rows_move_to_a_spec_of_the_same_shape() {
    let mut table = KeyedTable::new(spec(entries(10)));
    (0..5).for_each(|number| drop(table.insert(key(number), row(number), number, 100)));
    assert_eq!(table.set_spec(spec(entries(3))), Ok(vec![row(0), row(1)]));
    assert_eq!(table.counts().evicted, 2);
    let other = TableSpec { key: other_key_shape(), ..spec(entries(3)) };
    assert!(!table.is_compatible(&other) && table.set_spec(other).is_err());
    assert_eq!(table.counts().entries, 3);
}

#[test]
fn times_at_the_ends_of_the_range_are_only_far() {
    let mut table = KeyedTable::new(spec(entries(10)));
    table.insert(key(1), row(1), i64::MIN, i64::MIN);
    table.insert(key(2), row(2), i64::MAX - 1, i64::MAX);
    assert_eq!(table.get(&key(2), i64::MAX - 1), Some(&row(2)));
    assert_eq!(table.expire(i64::MAX), vec![row(2)]);
}

#[test]
fn many_rows_over_many_keys_stay_within_the_bounds() {
    let bounds = Bounds { entries_max: 20_000, bytes_max: 6 << 20 };
    let mut table = KeyedTable::new(spec(bounds));
    for number in 0..200_000_i64 {
        let scattered = number.wrapping_mul(7_919) % 50_000;
        table.insert(key(scattered), row(number), number, 1_000_000);
        let counts = table.counts();
        assert!(counts.bytes <= bounds.bytes_max && counts.entries <= bounds.entries_max);
    }
    let counts = table.counts();
    assert_eq!(counts.inserted + counts.refreshed, 200_000);
    assert_eq!(counts.inserted, counts.entries as u64 + counts.expired + counts.evicted);
    assert!(counts.entries > 10_000, "{counts:?}");
}

#[derive(Clone, Debug)]
struct Call {
    key: i64,
    value: i64,
    step: i64,
    for_ticks: i64,
    is_insert: bool,
    is_expired_first: bool,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = (0..8_i64, 0..3_i64, -4..6_i64, 0..25_i64, prop::bool::weighted(0.7), any::<bool>()).prop_map(
        |(key, value, step, for_ticks, is_insert, is_expired_first)| Call {
            key,
            value,
            step,
            for_ticks,
            is_insert,
            is_expired_first,
        },
    );
    prop::collection::vec(call, 0..80)
}

/// Rows as (key, value, expires), in the order in which keys came.
#[derive(Default)]
struct Model {
    rows: Vec<(i64, i64, i64)>,
    watermark: i64,
}

impl Model {
    fn insert(&mut self, call: &Call, now: i64, entries_max: usize) {
        self.expire(now);
        let expires = now + call.for_ticks;
        if expires <= self.watermark {
            return;
        }
        match self.rows.iter_mut().find(|row| row.0 == call.key) {
            Some(row) => *row = (call.key, call.value, row.2.max(expires)),
            None => self.rows.push((call.key, call.value, expires)),
        }
        if self.rows.len() > entries_max {
            let soonest = self.rows.iter().map(|row| row.2).min().unwrap();
            let index = self.rows.iter().position(|row| row.2 == soonest).unwrap();
            self.rows.remove(index);
        }
    }

    fn expire(&mut self, now: i64) {
        self.watermark = self.watermark.max(now);
        let watermark = self.watermark;
        self.rows.retain(|row| row.2 > watermark);
    }
}

proptest! {
    /// Whether `expire` is called in between changes nothing that can be seen.
    #[test]
    fn it_is_the_model_wherever_batches_end(calls in calls(), entries_max in 1..6_usize) {
        let (mut table, mut model, mut now) = (KeyedTable::new(spec(entries(entries_max))), Model::default(), 0);
        let mut seen = 0;
        for call in &calls {
            now = (now + call.step).max(0);
            model.expire(now);
            if call.is_expired_first || !call.is_insert {
                table.expire(now);
            }
            if call.is_insert {
                model.insert(call, now, entries_max);
                table.insert(key(call.key), row(call.value), now, call.for_ticks);
                seen += 1;
            }
            for number in 0..8 {
                let expected = model.rows.iter().find(|row| row.0 == number).map(|found| row(found.1));
                prop_assert_eq!(table.get(&key(number), now), expected.as_ref());
            }
            let rows: Vec<i64> = table.iter(now).map(|(_, row)| long(row)).collect();
            prop_assert_eq!(rows, model.rows.iter().map(|row| row.1).collect::<Vec<_>>());
            let counts = table.counts();
            prop_assert_eq!(counts.inserted, counts.entries as u64 + counts.expired + counts.evicted);
            prop_assert_eq!(counts.inserted + counts.refreshed + counts.late, seen);
        }
        table.expire(i64::MAX);
        prop_assert_eq!((table.counts().entries, table.counts().bytes), (0, 0));
    }

    #[test]
    fn bytes_stay_within_the_bound(sizes in prop::collection::vec((0..20_i64, 0..600_usize, 0..9_i64), 0..60)) {
        let bounds = Bounds { entries_max: 100, bytes_max: 3000 };
        let mut table = KeyedTable::new(spec(bounds));
        for (time, (number, size, for_ticks)) in sizes.into_iter().enumerate() {
            table.insert(key(number), vec![Value::string("x".repeat(size))], time as i64, for_ticks);
            let counts = table.counts();
            prop_assert!(counts.bytes <= bounds.bytes_max);
            prop_assert_eq!(counts.inserted, counts.entries as u64 + counts.expired + counts.evicted);
        }
    }
}
