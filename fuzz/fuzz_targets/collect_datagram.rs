//! Any datagrams of syslog and JSON to one request: it can be read, has a record for each that was taken, and its size is
//! what was said.
#![no_main]

use dtq_fuzz::Share;
use dtq_record::otlp::Signal;
use dtq_record::otlp::index::RequestIndex;
use dtq_record::otlp::rows::rows;
use dtq_record::text::messages::{Arrival, MessageFormat, Messages, Taken};
use dtq_source::Limits;
use libfuzzer_sys::fuzz_target;

static SHARE: Share = Share::new();

/// When datagrams arrive: 2025-11-23.
const NOW: i64 = 639_000_000_000_000_000;

/// What messages are made of: random bytes are a text, which is a record, too, and nothing more is read of it.
const PIECES: &[&str] = &[
    "<34>1 2024-01-01T00:00:00.123Z host app 12 id ",
    "<34>Oct 11 22:14:15 host app[12]: ",
    "[a@1 k=\"v\" q=\"\\\"]\\]\"][b x=\"\u{e9}\"] ",
    "- - - - - ",
    "<999>",
    "{\"time\":\"2024-01-01T00:00:00Z\",\"level\":\"warn\",\"message\":\"m\",\"a\":{\"b\":[1,2.5,null,true]}}",
    "{\"message\":",
    "{\"trace_id\":\"0123456789abcdef0123456789abcdef\",\"ts\":1700000000,\"k\":\"",
    "[[[[",
    "\u{feff}",
    "}",
    "\"",
    "\r\n",
    "text",
];

fn message(part: &[u8]) -> Vec<u8> {
    let Some((kind, rest)) = part.split_first() else { return Vec::new() };
    let (chosen, tail) = rest.split_at(rest.len().min(usize::from(kind % 4)));
    let pieces: String = chosen.iter().map(|byte| PIECES[usize::from(*byte) % PIECES.len()]).collect();
    [pieces.as_bytes(), tail].concat()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let format = if kind % 2 == 0 { MessageFormat::Syslog } else { MessageFormat::Json };
    let limits = Limits::default();
    let mut messages = Messages::new(format, &limits);
    for _ in 0..2 {
        let mut taken = 0;
        for part in rest.split(|byte| *byte == 0xFF) {
            match messages.push(&message(part), Arrival { now_ticks: NOW, is_observed: kind % 3 == 0 }) {
                Taken::Record => taken += 1,
                Taken::Blank => {}
                Taken::Malformed(reason) => assert!(!reason.is_empty()),
            }
        }
        assert_eq!(messages.count(), taken);
        let said = messages.size_bytes();
        let request = messages.take();
        let mut index = RequestIndex::default();
        index.read(Signal::Logs, &request).expect("it is a request");
        assert_eq!(index.records().len(), taken);
        assert_eq!(rows(Signal::Logs, &request, &limits).expect("its records can be read").len(), taken);
        assert!(request.len() <= said + 16, "{} bytes, {said} said", request.len());
        assert_eq!((messages.count(), messages.size_bytes()), (0, 0));
        SHARE.count(taken > 0);
    }
});
