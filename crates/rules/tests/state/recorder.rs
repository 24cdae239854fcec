use crate::{entries, key, key_shape, other_key_shape};
use dtq_record::otlp::Signal;
use dtq_rules::state::bounds::Bounds;
use dtq_rules::state::recorder::{Flushed, HeldRecord, OnShutdown, Recorder, RecorderSpec};
use proptest::prelude::*;
use std::sync::Arc;

fn spec(keep_ticks: i64, bytes_per_key_max: usize, bounds: Bounds) -> RecorderSpec {
    RecorderSpec { key: key_shape(), keep_ticks, bytes_per_key_max, bounds }
}

fn record(number: u32) -> HeldRecord {
    sized(number, 4, "resource")
}

fn sized(number: u32, size: usize, resource: &str) -> HeldRecord {
    let mut record = number.to_be_bytes().to_vec();
    record.resize(size.max(4), 0);
    HeldRecord {
        signal: Signal::Logs,
        resource: Arc::from(resource.as_bytes()),
        scope: Arc::from(&b"scope"[..]),
        metric: None,
        record,
        time_ticks: 0,
    }
}

fn number(record: &HeldRecord) -> u32 {
    u32::from_be_bytes(*record.record.first_chunk().unwrap())
}

fn numbers(records: &[HeldRecord]) -> Vec<u32> {
    records.iter().map(number).collect()
}

#[test]
fn a_flush_lets_the_records_of_its_key_go_on_in_order() {
    let mut recorder = Recorder::new(spec(100, usize::MAX, entries(10)));
    for (at, (of, id)) in [(1, 1), (2, 2), (1, 3)].into_iter().enumerate() {
        assert_eq!(recorder.hold(key(of), record(id), at as i64), []);
    }
    assert!(!recorder.is_open(&key(1), 3));
    assert_eq!(numbers(&recorder.flush(&key(1), 3, 10, 0).records), [1, 3]);
    assert!(recorder.is_open(&key(1), 12) && !recorder.is_open(&key(1), 13) && !recorder.is_open(&key(2), 3));
    assert_eq!(recorder.flush(&key(3), 4, 10, 0).records, []);
    assert!(recorder.is_open(&key(3), 4), "a key without records is opened too");
    let counts = recorder.counts();
    assert_eq!((counts.recorded, counts.held, counts.flushed, counts.flushes), (3, 1, 2, 2));
}

#[test]
fn a_flush_within_the_cooldown_of_another_is_ignored() {
    let mut recorder = Recorder::new(spec(1000, usize::MAX, entries(10)));
    recorder.flush(&key(1), 0, 10, 60);
    recorder.hold(key(1), record(1), 20);
    assert_eq!(recorder.flush(&key(1), 59, 10, 60), Flushed { is_ignored: true, ..Flushed::default() });
    assert!(!recorder.is_open(&key(1), 59));
    assert_eq!(numbers(&recorder.flush(&key(1), 60, 10, 60).records), [1]);
    assert_eq!((recorder.counts().flushes, recorder.counts().flushes_ignored), (2, 1));
}

#[test]
fn records_are_held_for_the_time_to_keep() {
    let mut recorder = Recorder::new(spec(10, usize::MAX, entries(10)));
    recorder.hold(key(1), record(1), 0);
    recorder.hold(key(2), record(2), 5);
    assert_eq!(numbers(&recorder.hold(key(1), record(3), 10)), [1]);
    let flushed = recorder.flush(&key(1), 15, 0, 0);
    assert_eq!((numbers(&flushed.records), numbers(&flushed.evicted)), (vec![3], vec![2]));
    recorder.hold(key(1), record(4), 3);
    assert_eq!(recorder.expire(24), [], "age counts from when it was held, at 15");
    assert_eq!(numbers(&recorder.expire(25)), [4]);
    assert_eq!(recorder.counts().held_bytes, 0);
}

#[test]
fn what_is_held_and_what_is_open_goes_when_no_records_come_and_the_time_stays() {
    let mut recorder = Recorder::new(spec(10, usize::MAX, entries(10)));
    recorder.hold(key(1), record(1), 100);
    recorder.flush(&key(2), 105, 20, 0);
    assert_eq!(recorder.idle_out(109), []);
    assert_eq!(numbers(&recorder.idle_out(110)), [1]);
    assert!(recorder.is_open(&key(2), 105));
    assert_eq!(recorder.idle_out(i64::MAX), []);
    assert_eq!((recorder.is_open(&key(2), 105), recorder.counts().held_bytes), (false, 0));
    recorder.hold(key(1), record(2), 106);
    assert_eq!((recorder.expire(115), numbers(&recorder.expire(116))), (vec![], vec![2]));
}

#[test]
fn a_full_ring_loses_its_oldest() {
    let mut recorder = Recorder::new(spec(1000, 1000, entries(10)));
    let evicted: Vec<u32> =
        (0..10).flat_map(|id| numbers(&recorder.hold(key(1), sized(id, 100, "resource"), 0))).collect();
    assert!(!evicted.is_empty() && evicted == (0..evicted.len() as u32).collect::<Vec<_>>(), "{evicted:?}");
    let held = recorder.counts().held;
    assert_eq!(numbers(&recorder.hold(key(1), sized(99, 2000, "resource"), 0)), [99], "too large: nothing else leaves");
    assert_eq!(recorder.counts().held, held);
}

#[test]
fn full_rings_lose_the_oldest_of_all() {
    let mut recorder = Recorder::new(spec(1000, usize::MAX, entries(2)));
    recorder.hold(key(1), record(1), 0);
    recorder.hold(key(2), record(2), 0);
    recorder.hold(key(1), record(3), 0);
    assert_eq!(numbers(&recorder.hold(key(3), record(4), 0)), [1, 3], "the ring with the oldest record");
    let spec = spec(1000, usize::MAX, Bounds { entries_max: 9, bytes_max: recorder.counts().held_bytes });
    recorder.set_spec(spec).unwrap();
    assert_eq!(numbers(&recorder.hold(key(3), record(5), 0)), [2], "the oldest record");
}

#[test]
fn at_shutdown_records_go_on_or_are_given_up() {
    let filled = || {
        let mut recorder = Recorder::new(spec(1000, usize::MAX, entries(10)));
        (0..6).for_each(|id| drop(recorder.hold(key(i64::from(id) % 2), record(id), 0)));
        recorder
    };
    let mut recorder = filled();
    assert_eq!(numbers(&recorder.shutdown(OnShutdown::Flush)), [0, 1, 2, 3, 4, 5]);
    assert_eq!((recorder.counts().flushed, recorder.counts().held_bytes), (6, 0));
    let mut recorder = filled();
    assert_eq!(recorder.shutdown(OnShutdown::Discard), []);
    assert_eq!((recorder.counts().discarded, recorder.counts().held_bytes), (6, 0));
}

#[test]
fn records_move_to_other_bounds_and_not_to_another_key() {
    let mut recorder = Recorder::new(spec(1000, usize::MAX, entries(10)));
    (0..6).for_each(|id| drop(recorder.hold(key(i64::from(id) % 2), record(id), i64::from(id))));
    let other = RecorderSpec { key: other_key_shape(), ..recorder.spec().clone() };
    assert!(recorder.set_spec(other).is_err());
    assert_eq!(numbers(&recorder.set_spec(spec(3, usize::MAX, entries(10))).unwrap()), [0, 1, 2]);
    assert_eq!(numbers(&recorder.set_spec(spec(3, usize::MAX, entries(1))).unwrap()), [3, 5]);
    assert_eq!(recorder.counts().held, 1);
}

#[test]
fn many_keys_stay_within_the_bounds() {
    let bounds = Bounds { entries_max: 5_000, bytes_max: 4 << 20 };
    let mut recorder = Recorder::new(spec(50_000, 2_000, bounds));
    for id in 0..100_000_u32 {
        let of = i64::from(id.wrapping_mul(7_919) % 20_000);
        recorder.hold(key(of), sized(id, (id % 200) as usize, "resource"), i64::from(id));
        if id % 100 == 0 {
            recorder.flush(&key(of), i64::from(id), 10, 1_000);
        }
        let counts = recorder.counts();
        assert!(counts.keys <= bounds.entries_max && counts.held_bytes <= bounds.bytes_max);
    }
    let counts = recorder.counts();
    assert_eq!(counts.recorded, counts.held as u64 + counts.evicted + counts.flushed + counts.discarded);
}

#[derive(Clone, Debug)]
enum Call {
    Hold { key: i64, size: usize, resource: usize },
    Flush { key: i64, after: i64, cooldown: i64 },
    Expire,
}

fn calls() -> impl Strategy<Value = Vec<(i64, Call)>> {
    let hold =
        (0..4_i64, 0..120_usize, 0..2_usize).prop_map(|(key, size, resource)| Call::Hold { key, size, resource });
    let flush = (0..4_i64, 0..9_i64, 0..9_i64).prop_map(|(key, after, cooldown)| Call::Flush { key, after, cooldown });
    let call = prop_oneof![6 => hold, 1 => flush, 1 => Just(Call::Expire)];
    prop::collection::vec((-2..4_i64, call), 0..80)
}

const RESOURCES: [&str; 2] = ["the one resource", "another, which is rather longer than the one"];

/// Makes a call and returns which records were evicted and which flushed, in order.
fn make(recorder: &mut Recorder, id: u32, now: i64, call: &Call, resources: [Arc<[u8]>; 2]) -> [Vec<u32>; 2] {
    match call {
        Call::Hold { key: of, size, resource } => {
            let record = HeldRecord { resource: Arc::clone(&resources[*resource]), ..sized(id, *size, "") };
            [numbers(&recorder.hold(key(*of), record, now)), Vec::new()]
        }
        Call::Flush { key: of, after, cooldown } => {
            let flushed = recorder.flush(&key(*of), now, *after, *cooldown);
            [numbers(&flushed.evicted), numbers(&flushed.records)]
        }
        Call::Expire => [numbers(&recorder.expire(now)), Vec::new()],
    }
}

proptest! {
    /// Records of one request share their resource and those of several have copies, and a batch ends with `expire`.
    #[test]
    fn nothing_is_lost_however_records_are_batched(calls in calls(), ends in prop::collection::vec(any::<bool>(), 80)) {
        let bounds = Bounds { entries_max: 3, bytes_max: 4000 };
        let (mut one, mut other) = (Recorder::new(spec(20, 1500, bounds)), Recorder::new(spec(20, 1500, bounds)));
        let (mut out, mut other_out) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        let shared = RESOURCES.map(|resource| Arc::from(resource.as_bytes()));
        let (mut now, mut latest, mut held) = (0, 0, 0);
        for (id, (step, call)) in calls.iter().enumerate() {
            now = (now + step).max(0);
            latest = latest.max(now);
            held += usize::from(matches!(call, Call::Hold { .. }));
            let copies = RESOURCES.map(|resource| Arc::from(resource.as_bytes()));
            let results = make(&mut one, id as u32, now, call, copies);
            let other_results = make(&mut other, id as u32, now, call, shared.clone());
            (0..2).for_each(|side| out[side].extend(results[side].iter().copied()));
            (0..2).for_each(|side| other_out[side].extend(other_results[side].iter().copied()));
            if ends[id] {
                other_out[0].extend(numbers(&other.expire(latest)));
            }
            prop_assert_eq!(&out, &other_out);
            prop_assert_eq!(one.counts(), other.counts());
            let counts = one.counts();
            prop_assert!(counts.held_bytes <= bounds.bytes_max && counts.keys <= bounds.entries_max);
            prop_assert_eq!(counts.recorded, counts.held as u64 + counts.evicted + counts.flushed);
        }
        let last = numbers(&one.shutdown(OnShutdown::Flush));
        prop_assert!(last.is_sorted());
        prop_assert_eq!(out.concat().len() + last.len(), held);
        one.expire(i64::MAX);
        prop_assert_eq!((one.counts().held, one.counts().keys, one.counts().held_bytes), (0, 0, 0));
    }
}
