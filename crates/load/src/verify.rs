//! What was sent and what was seen, to what is missing.
//!
//! Looks at each single record: a count that fits could hide one lost and one doubled. Next: `main.rs`.

use crate::ids::Id;
use crate::seen::Seen;
use crate::sender::Range;
use serde::Serialize;

/// How many records are named of each kind.
const NAMED_MAX: usize = 10;

/// Holds what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Records that had to arrive.
    pub expected: u64,
    /// Of those, the ones that did.
    pub arrived: u64,
    /// Of those, the ones that the destination itself refused and said so.
    pub rejected: u64,
    /// Of those, the ones that neither arrived nor were refused.
    pub missing: u64,
    /// Records that rules drop.
    pub dropped: u64,
    /// Of those, the ones that arrived all the same.
    pub leaked: u64,
    /// Records that arrived and that nobody sent.
    pub unknown: u64,
    /// The first that are missing.
    pub first_missing: Vec<Id>,
    /// The first that leaked.
    pub first_leaked: Vec<Id>,
}

impl Verdict {
    /// Says whether all that had to arrive did, and nothing else.
    pub fn is_right(&self) -> bool {
        self.missing == 0 && self.leaked == 0 && self.unknown == 0
    }
}

/// Compares what was sent with what was seen; `is_dropped` says which numbers rules drop.
pub fn verify(sent: &[Range], is_dropped: impl Fn(u64) -> bool, seen: &Seen, rejected: &Seen) -> Verdict {
    let mut verdict = Verdict::default();
    for range in sent {
        let mut known = 0;
        for number in range.first..range.end {
            let id = Id { stream: range.stream, number };
            let has_arrived = seen.has(id);
            known += u64::from(has_arrived);
            if is_dropped(number) {
                verdict.dropped += 1;
                if has_arrived {
                    verdict.leaked += 1;
                    name(&mut verdict.first_leaked, id);
                }
                continue;
            }
            verdict.expected += 1;
            if has_arrived {
                verdict.arrived += 1;
            } else if rejected.has(id) {
                verdict.rejected += 1;
            } else {
                verdict.missing += 1;
                name(&mut verdict.first_missing, id);
            }
        }
        verdict.unknown += seen.count(range.stream).saturating_sub(known);
    }
    let is_known = |stream: &u16| sent.iter().any(|range| range.stream == *stream);
    verdict.unknown += seen.streams().filter(|stream| !is_known(stream)).map(|stream| seen.count(stream)).sum::<u64>();
    verdict
}

fn name(named: &mut Vec<Id>, id: Id) {
    if named.len() < NAMED_MAX {
        named.push(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::is_noise;

    #[test]
    fn what_is_missing_leaked_and_unknown_is_found() {
        let id = |stream, number| Id { stream, number };
        let range = Range { stream: 1, first: 0, end: 20 };
        let (mut seen, mut rejected) = (Seen::default(), Seen::default());
        seen.note((0..20).filter(|n| !is_noise(*n)).map(|n| id(1, n))).unwrap();
        let verdict = verify(&[range], is_noise, &seen, &rejected);
        assert!(verdict.is_right(), "{verdict:?}");
        assert_eq!((verdict.expected, verdict.arrived, verdict.dropped), (18, 18, 2));
        seen.note([id(1, 7), id(1, 20), id(9, 0)].into_iter()).unwrap();
        rejected.note([id(1, 22)].into_iter()).unwrap();
        let verdict = verify(&[Range { end: 24, ..range }], is_noise, &seen, &rejected);
        assert_eq!((verdict.missing, verdict.first_missing), (2, vec![id(1, 21), id(1, 23)]));
        assert_eq!((verdict.leaked, verdict.first_leaked), (1, vec![id(1, 7)]));
        assert_eq!((verdict.rejected, verdict.unknown), (1, 1));
    }
}
