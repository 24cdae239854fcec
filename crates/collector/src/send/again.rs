//! An attempt that failed to when the next one is made, if one is.
//!
//! Knows no clock: what is left of the time of a sender and of a request is told. Next: `delivery.rs`.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Holds what decides when an attempt that failed is made again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again {
    /// What the destination asks for, if it does.
    pub after: Option<Duration>,
    /// How long is waited else.
    pub own: Duration,
    /// The shortest of such waits.
    pub initial: Duration,
    /// How long the last attempt took, as the next may.
    pub attempt: Duration,
}

impl Again {
    /// Returns how long to wait, where a sender waits for `sender` still and a request is given up after `request`;
    /// `None` when trying again is not for here.
    ///
    /// What a destination asks for is kept to the letter or handed on. The own waits are shorter towards the end, so that
    /// the time of a sender is used: some do not try again.
    pub fn wait(self, sender: Option<Duration>, request: Duration) -> Option<Duration> {
        let wait = match (self.after, sender) {
            (Some(after), _) => after,
            (None, None) => self.own,
            (None, Some(left)) => Some(self.own.min(left / 2)).filter(|_| left / 2 >= self.initial)?,
        };
        let is_in_time = sender.is_none_or(|left| wait.saturating_add(self.attempt) < left);
        (is_in_time && wait < request).then_some(wait)
    }
}

/// Returns a time between half of it and all of it, so that not all are asked at the same moment.
pub(super) fn jittered(backoff: Duration) -> Duration {
    // Every state of the standard library's hasher has keys of its own, which are random enough to spread senders.
    let random = RandomState::new().hash_one(0) as f64 / u64::MAX as f64;
    backoff.div_f64(2.0) + backoff.mul_f64(random / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_a_destination_asks_for_is_waited_out_or_handed_on() {
        let asked =
            |after, attempt| Again { after: Some(ms(after)), own: ms(200), initial: ms(200), attempt: ms(attempt) };
        let request = ms(300_000);
        assert_eq!(asked(5_000, 10).wait(Some(ms(8_000)), request), Some(ms(5_000)), "longer than two seconds");
        assert_eq!(asked(5_000, 10).wait(Some(ms(5_000)), request), None, "the sender would be told too late");
        assert_eq!(asked(5_000, 4_000).wait(Some(ms(8_000)), request), None, "an attempt takes its time");
        assert_eq!(asked(1_000, 0).wait(Some(ms(900)), request), None, "however short");
        assert_eq!(asked(3_600_000, 0).wait(None, request), None, "longer than a request is worth");
        assert_eq!(asked(60_000, 0).wait(None, request), Some(ms(60_000)));
        let ever = Again { after: Some(Duration::MAX), own: ms(200), initial: ms(200), attempt: ms(1) };
        assert_eq!(ever.wait(Some(ms(8_000)), request), None);
        assert_eq!(ever.wait(None, request), None);
    }

    #[test]
    fn own_waits_use_the_time_of_a_sender_and_leave_some_to_tell_it() {
        let again = |own, attempt| Again { after: None, own: ms(own), initial: ms(200), attempt: ms(attempt) };
        let waited = |again: Again, sender| again.wait(sender, ms(300_000));
        assert_eq!(waited(again(200, 0), Some(ms(8_000))), Some(ms(200)));
        assert_eq!(waited(again(6_400, 0), Some(ms(1_800))), Some(ms(900)), "not past the end");
        assert_eq!(waited(again(6_400, 0), Some(ms(399))), None);
        assert_eq!(waited(again(200, 7_950), Some(ms(8_000))), None, "no attempt would end in time");
        assert_eq!(waited(again(30_000, 9_000), None), Some(ms(30_000)), "nobody waits");
        assert!((0..100).all(|_| (ms(50)..=ms(100)).contains(&jittered(ms(100)))));
    }
}
