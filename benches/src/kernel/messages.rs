//! Messages of syslog to the records of a request, as `dtq collect` makes them of datagrams: nanoseconds a message.

use crate::engine::NOW_TICKS;
use cpu_time::ThreadTime;
use dtq_record::text::messages::{Arrival, MessageFormat, Messages, Taken};
use dtq_source::Limits;

/// What this part of the group is called.
pub const NAME: &str = "messages";

/// Messages of one run, and of one request.
const MESSAGES: usize = 200_000;
const BATCH: usize = 1_000;
/// Runs of which the least counts.
const ROUNDS: usize = 7;

/// Lines of each form.
const LINES: [(&str, &str); 4] = [
    (
        "RFC 3164",
        "<31>Oct 11 22:14:15 web-3 nginx[812]: GET /api/v1/items 200 612 0.013 upstream=10.0.3.7:8080 user=alice",
    ),
    ("as syslog(3) writes", "<31>Oct 11 22:14:15 nginx[812]: GET /api/v1/items 200 612 0.013 upstream=10.0.3.7:8080"),
    (
        "RFC 5424",
        "<31>1 2026-10-11T22:14:15.003Z web-3 nginx 812 - - GET /api/v1/items 200 612 0.013 upstream=10.0.3.7:8080",
    ),
    (
        "RFC 5424 with structured data",
        "<31>1 2026-10-11T22:14:15.003Z web-3 nginx 812 - [a@1 status=\"200\" bytes=\"612\"] GET /api/v1/items",
    ),
];

/// Measures all forms, in batches and one by one, and prints them.
pub fn run() {
    println!("\n{:46} {:>10} {:>10}", "CPU nanoseconds a message", "in 1,000s", "alone");
    for (name, line) in LINES {
        let least = [BATCH, 1].map(|batch| (0..ROUNDS).map(|_| round(line, batch)).fold(f64::MAX, f64::min));
        println!("{name:46} {:10.0} {:10.0}", least[0], least[1]);
    }
}

fn round(line: &str, batch: usize) -> f64 {
    let mut messages = Messages::new(MessageFormat::Syslog, &Limits::default());
    let arrival = Arrival { now_ticks: NOW_TICKS, is_observed: true };
    let start = ThreadTime::now();
    for _ in 0..MESSAGES / batch {
        for _ in 0..batch {
            assert_eq!(messages.push(std::hint::black_box(line.as_bytes()), arrival), Taken::Record);
        }
        std::hint::black_box(messages.take());
    }
    start.elapsed().as_nanos() as f64 / MESSAGES as f64
}
