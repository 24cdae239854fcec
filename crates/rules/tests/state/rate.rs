use crate::{entries, key, key_shape, other_key_shape};
use dtq_rules::state::bounds::Bounds;
use dtq_rules::state::rate::{Rate, RateLimiter, RateSpec};
use proptest::prelude::*;

const SECOND: i64 = 10_000_000;

fn limiter(count: u64, per_ticks: i64, burst: u64, bounds: Bounds) -> RateLimiter {
    RateLimiter::new(RateSpec { key: key_shape(), rate: Rate { count, per_ticks, burst }, bounds })
}

fn admitted(limiter: &mut RateLimiter, number: i64, now: i64, count: usize) -> usize {
    (0..count).filter(|_| limiter.admit(&key(number), now)).count()
}

#[test]
fn a_burst_then_the_rate() {
    let mut limiter = limiter(500, SECOND, 1000, entries(10));
    assert_eq!(admitted(&mut limiter, 1, 0, 1500), 1000);
    assert_eq!(admitted(&mut limiter, 1, SECOND, 1500), 500);
    assert_eq!(admitted(&mut limiter, 1, 100 * SECOND, 1500), 1000);
    assert_eq!(admitted(&mut limiter, 2, 100 * SECOND, 1500), 1000, "each key has its own");
    assert_eq!((limiter.counts().admitted, limiter.counts().excess), (3500, 2500));
}

#[test]
fn records_at_exactly_the_rate_are_all_within_it() {
    let mut seconds = limiter(500, SECOND, 1, entries(10));
    assert!((0..5000).all(|index| seconds.admit(&key(1), index * SECOND / 500)));
    let mut thirds = limiter(3, SECOND, 2, entries(10));
    let ticks = |index: i64| (index * SECOND + 2) / 3;
    assert!(
        (0..3000).all(|index| thirds.admit(&key(1), ticks(index))),
        "where a record takes no whole ticks, with room for the fraction"
    );
    let mut faster = limiter(500, SECOND, 1, entries(10));
    assert!(!(0..5000).all(|index| faster.admit(&key(1), index * (SECOND / 500 - 1))));
}

#[test]
fn time_that_goes_back_refills_nothing() {
    let mut limiter = limiter(1, SECOND, 1, entries(10));
    assert!(limiter.admit(&key(1), 100 * SECOND));
    assert!(!limiter.admit(&key(1), 0));
    assert!(!limiter.admit(&key(1), 100 * SECOND), "nor when it comes back");
    assert!(!limiter.admit(&key(1), 101 * SECOND - 1));
    assert!(limiter.admit(&key(1), 101 * SECOND));
}

#[test]
fn the_key_idle_longest_is_evicted_and_starts_full() {
    let mut limiter = limiter(1, SECOND, 1, entries(2));
    assert!(limiter.admit(&key(1), 0) && limiter.admit(&key(2), 0));
    assert!(!limiter.admit(&key(1), 1));
    assert!(limiter.admit(&key(3), 2), "evicts 2");
    assert!(!limiter.admit(&key(1), 3));
    assert!(limiter.admit(&key(2), 4), "evicts 3");
    let counts = limiter.counts();
    assert_eq!((counts.keys, counts.evicted, counts.added), (2, 2, 4));
}

#[test]
fn a_key_that_has_no_room_is_within_the_rate() {
    let mut limiter = limiter(1, SECOND, 1, Bounds { entries_max: 10, bytes_max: 10 });
    assert_eq!(admitted(&mut limiter, 1, 0, 5), 5);
    assert_eq!((limiter.counts().keys, limiter.counts().bytes, limiter.counts().evicted), (0, 0, 5));
}

#[test]
fn no_rate_at_all_is_the_burst_alone() {
    let mut limiter = limiter(0, 0, 2, entries(2));
    assert_eq!(admitted(&mut limiter, 1, 0, 5), 2);
    assert_eq!(admitted(&mut limiter, 1, i64::MAX, 5), 0);
    assert_eq!((limiter.tick(i64::MIN), limiter.tick(0), limiter.tick(i64::MAX)), (0, 0, 0), "never full again");
}

#[test]
fn keys_that_are_idle_are_forgotten() {
    const MINUTE: i64 = 60 * SECOND;
    let mut limiter = limiter(1, 10 * MINUTE, 2, entries(10));
    assert_eq!((limiter.tick(0), admitted(&mut limiter, 1, 0, 3)), (0, 2));
    assert_eq!(limiter.tick(20 * MINUTE), 0, "it came since the last look");
    assert_eq!(admitted(&mut limiter, 2, 0, 1), 1);
    assert_eq!(limiter.tick(40 * MINUTE - 1), 0);
    assert_eq!(limiter.tick(40 * MINUTE), 1);
    assert_eq!((limiter.counts().keys, limiter.counts().expired), (1, 1));
    assert_eq!((limiter.tick(MINUTE), limiter.tick(21 * MINUTE)), (0, 1), "also when the clock is set back");
    assert_eq!((limiter.counts().keys, limiter.counts().bytes), (0, 0));
    let mut quick = self::limiter(500, SECOND, 500, entries(10));
    quick.tick(0);
    quick.admit(&key(1), 0);
    assert_eq!((quick.tick(10 * MINUTE), quick.tick(20 * MINUTE - 1), quick.tick(20 * MINUTE)), (0, 0, 1));
}

#[test]
fn rates_at_the_ends_of_their_range_are_only_far() {
    for (count, per_ticks, burst) in [(u64::MAX, 1, u64::MAX), (1, i64::MAX, u64::MAX), (u64::MAX, i64::MAX, 1)] {
        let mut limiter = limiter(count, per_ticks, burst, entries(2));
        for now in [i64::MIN, i64::MAX, 0] {
            limiter.tick(now);
            limiter.admit(&key(1), now);
        }
        let rate = Rate { count: 1, per_ticks: i64::MAX, burst: u64::MAX };
        limiter.set_spec(RateSpec { key: key_shape(), rate, bounds: entries(2) }).unwrap();
        assert!(limiter.admit(&key(1), i64::MAX) || limiter.counts().excess > 0);
        limiter.tick(i64::MAX);
    }
}

#[test]
fn buckets_move_to_another_rate() {
    let mut limiter = limiter(1, SECOND, 10, entries(2));
    assert_eq!(admitted(&mut limiter, 1, 0, 4), 4);
    let spec =
        RateSpec { key: key_shape(), rate: Rate { count: 1, per_ticks: 60 * SECOND, burst: 20 }, bounds: entries(2) };
    assert_eq!(limiter.set_spec(spec.clone()), Ok(()));
    assert_eq!(admitted(&mut limiter, 1, 0, 20), 6, "what was left is left");
    assert_eq!(admitted(&mut limiter, 1, 60 * SECOND, 20), 1);
    assert!(limiter.set_spec(RateSpec { key: other_key_shape(), ..spec }).is_err());
}

#[test]
fn many_keys_stay_within_the_bounds() {
    let bounds = Bounds { entries_max: 10_000, bytes_max: 8 << 20 };
    let mut limiter = limiter(5, SECOND, 5, bounds);
    for number in 0..200_000_i64 {
        limiter.admit(&key(number.wrapping_mul(7_919) % 50_000), number);
        assert!(limiter.counts().keys <= bounds.entries_max && limiter.counts().bytes <= bounds.bytes_max);
    }
    let counts = limiter.counts();
    assert_eq!(counts.added, counts.keys as u64 + counts.expired + counts.evicted);
    assert_eq!(counts.admitted + counts.excess, 200_000);
}

proptest! {
    /// The model counts a bucket's level in records, as a fraction of whole numbers.
    #[test]
    fn it_is_the_model_wherever_keys_are_forgotten(
        calls in prop::collection::vec((0..3_i64, -3..8_i64, any::<bool>()), 0..80),
        count in 0..4_u64,
        per_ticks in 1..9_i64,
        burst in 0..4_u64,
    ) {
        let mut limiter = limiter(count, per_ticks, burst, entries(10));
        let mut model = [(None::<i64>, i128::from(burst) * i128::from(per_ticks)); 3];
        let mut now = 0;
        let mut floor = 0;
        for (number, step, is_expired_first) in calls {
            now = (now + step).max(floor);
            // Afterwards no record is older: those are the calls that forgetting must not be seen in.
            if is_expired_first {
                limiter.tick(now);
                now += 3600 * SECOND;
                limiter.tick(now);
                floor = now;
            }
            let (ticks, level) = &mut model[number as usize];
            let elapsed = ticks.map_or(0, |ticks| (now - ticks).max(0));
            *level = (*level + i128::from(elapsed) * i128::from(count)).min(i128::from(burst) * i128::from(per_ticks));
            *ticks = Some(ticks.map_or(now, |ticks| ticks.max(now)));
            let expected = *level >= i128::from(per_ticks);
            *level -= if expected { i128::from(per_ticks) } else { 0 };
            prop_assert_eq!(limiter.admit(&key(number), now), expected);
        }
    }
}
