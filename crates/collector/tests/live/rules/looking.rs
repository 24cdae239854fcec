//! Looking at live traffic: `tap` and `top`.

use crate::common::*;
use dtq_collector::rules::protocol::{Client, Request, TapRequest, TopRequest};
use dtq_collector::rules::{Bounds, Rules, Settings};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Hides secrets, then drops what is not wanted, then hides nothing more.
const RULES: &str =
    "  - {name: hide, to: replace, kql: \"logs | extend Body = iif(Body == 'secret', '***', tostring(Body))\"}
  - {name: no-debug, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}
  - {name: no-trace, to: drop, kql: logs | where SeverityNumber == 9}
";

fn tap(query: &str) -> TapRequest {
    TapRequest { query: query.to_owned(), rate: Some(10_000), ..TapRequest::default() }
}

/// Begins a tap, which listens when this returns.
fn listen(place: &Place, request: TapRequest) -> Client {
    let mut client = place.client();
    let answer = client.ask(&Request::Tap(request)).unwrap();
    assert!(answer.ok, "{answer:?}");
    client
}

/// Returns the next line, before the deadline; lines come once a second in any case.
fn next_line(client: &mut Client, start: Instant) -> Value {
    assert!(start.elapsed() < DEADLINE, "what is waited for does not come");
    client.next_line().unwrap().expect("it goes on")
}

/// Returns the next rows of a tap, as many as wanted.
fn next_rows(client: &mut Client, count: usize) -> Vec<Value> {
    let (mut found, start) = (Vec::new(), Instant::now());
    while found.len() < count {
        let line = next_line(client, start);
        assert!(line.get("end").is_none(), "{line}");
        found.extend(line.get("row").cloned());
    }
    found
}

fn rows(client: &mut Client) -> Vec<Value> {
    let (mut found, start) = (Vec::new(), Instant::now());
    loop {
        let line = next_line(client, start);
        if let Some(end) = line.get("end") {
            assert!(end.get("records").is_some(), "{line}");
            return found;
        }
        found.extend(line.get("row").cloned());
    }
}

#[test]
fn a_tap_sees_what_is_there_at_its_point() {
    let place = Place::new(RULES);
    let (rules, _owed) = place.start();
    let all = request(&[(5, "debug"), (9, "info"), (17, "secret")]);
    let seen = |request: TapRequest, count: usize| {
        let mut client = listen(&place, request);
        let _ = judge(&rules, &all);
        let rows = next_rows(&mut client, count);
        rows.iter().map(|row| row["Body"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let query = "logs | project Body";
    assert_eq!(seen(tap(query), 3), ["debug", "info", "***"]);
    assert_eq!(seen(TapRequest { unredacted: true, ..tap(query) }, 3), ["debug", "info", "secret"]);
    assert_eq!(seen(TapRequest { before: Some("no-trace".into()), ..tap(query) }, 2), ["info", "***"]);
    assert_eq!(seen(TapRequest { after: Some("no-trace".into()), ..tap(query) }, 1), ["***"]);
    let deep = TapRequest { before: Some("hide".into()), unredacted: true, ..tap(query) };
    assert_eq!(seen(deep, 3), ["debug", "info", "secret"]);
    let deep = TapRequest { after: Some("hide".into()), unredacted: true, ..tap(query) };
    assert_eq!(seen(deep, 3), ["debug", "info", "***"]);
    assert_eq!(seen(tap("logs | where SeverityNumber > 9 | project Body"), 1), ["***"]);
    // Redaction that is off for an operator's reasons is not off for those who look.
    place.done(&Request::Ripcord { also_protective: 0 });
    assert_eq!(seen(tap(query), 3), ["debug", "info", "***"]);
    let audit = place.audit();
    let taps: Vec<_> = audit.iter().filter(|line| line["op"] == "tap").collect();
    assert_eq!(taps.len(), 8);
    assert_eq!((&taps[1]["unredacted"], &taps[1]["query"]), (&true.into(), &query.into()));
}

#[test]
fn a_tap_ends_with_its_query_and_follows_other_rules() {
    let place = Place::new(RULES);
    let (rules, _owed) = place.start();
    let one = request(&[(9, "a"), (17, "b"), (17, "c")]);
    let mut client = listen(
        &place,
        tap(
            "logs | where SeverityNumber > 9 | take 3 | extend n = strlen(tostring(Body)) | project Body, n, Timestamp",
        ),
    );
    let (_, _) = (judge(&rules, &one), judge(&rules, &one));
    let found = rows(&mut client);
    let expected = serde_json::json!({"Body": "b", "n": 1, "Timestamp": "2023-11-14T22:13:20.0000000Z"});
    assert_eq!((found.len(), &found[0]), (3, &expected));
    let mut client = listen(&place, TapRequest { after: Some("no-trace".into()), ..tap("logs | project Body") });
    let _ = judge(&rules, &one);
    assert_eq!(next_rows(&mut client, 2).len(), 2);
    place.done(&Request::Off { rule: "no-trace".into() });
    let _ = judge(&rules, &one);
    assert_eq!(next_rows(&mut client, 3)[0]["Body"], "a");
    // Its rule goes: the tap says so.
    place.write("  - {name: other, to: drop, kql: logs | where SeverityNumber == 1}\n");
    place.until(|status| status.version == 2);
    let _ = judge(&rules, &one);
    let start = Instant::now();
    let end = loop {
        let line = next_line(&mut client, start);
        if line.get("end").is_some() {
            break line;
        }
    };
    assert!(end["because"].as_str().unwrap().contains("`no-trace`"), "{end}");
}

#[test]
fn a_tap_refuses_what_it_cannot_show() {
    let place = Place::new(RULES);
    let (_rules, _owed) = place.start();
    for (request, message) in [
        (tap("logs | summarize count()"), "one record"),
        (tap("logs | sort by Timestamp"), "one record"),
        (tap("logs | join (logs) on TraceId"), "one record"),
        (tap("print 1"), "one record"),
        (tap("logs | where Bodi == 1"), "Bodi"),
        (tap("other"), "other"),
        (TapRequest { before: Some("nowhere".into()), ..tap("logs") }, "`nowhere`"),
        (TapRequest { before: Some("hide".into()), ..tap("logs") }, "--unredacted"),
        (TapRequest { before: Some("hide".into()), after: Some("hide".into()), ..tap("logs") }, "not both"),
    ] {
        let answer = place.ask(&Request::Tap(request));
        let said = format!("{} {}", answer.message, answer.diagnostics.concat());
        assert!(!answer.ok && said.contains(message), "{answer:?}");
    }
}

#[test]
fn a_tap_that_nobody_reads_does_not_hold_up_requests() {
    let place = Place::new(RULES);
    let bounds = Bounds { sample_requests: 4, listeners: 1, ..place.settings().bounds };
    let (rules, _owed) = Rules::start(Settings { bounds, ..place.settings() }).unwrap();
    let mut client = listen(&place, tap("logs"));
    assert!(place.ask(&Request::Tap(tap("logs"))).message.contains("already"));
    let large = "x".repeat(10_000);
    let one = request(&vec![(17, large.as_str()); 10]);
    // More than a socket holds: the tap stands still, and everything is judged all the same.
    for _ in 0..500 {
        assert_eq!(left(&one, &judge(&rules, &one)).len(), 10);
    }
    assert_eq!(rules.shared().counts.judged.load(Ordering::Relaxed), 500);
    // Whoever reads again is told what was left out.
    let (mut left_out, start) = (0, Instant::now());
    while left_out == 0 {
        let line = next_line(&mut client, start);
        left_out = line["counts"]["requests_left_out"].as_u64().unwrap_or(0);
    }
    assert!(left_out < 500);
}

#[test]
fn a_request_that_would_cost_too_much_is_not_looked_at() {
    let place = Place::new(RULES);
    let bounds = Bounds { sample_records: 5, sample_request_bytes: 2_000, ..place.settings().bounds };
    let (rules, _owed) = Rules::start(Settings { bounds, ..place.settings() }).unwrap();
    let mut client = listen(&place, tap("logs | project Body"));
    let mut top = place.client();
    assert!(top.ask(&Request::Top(TopRequest { window_ms: 100, ..TopRequest::default() })).unwrap().ok);
    let large = "x".repeat(3_000);
    for one in [request(&[(17, "many"); 6]), request(&[(17, large.as_str())]), request(&[(17, "small")])] {
        assert!(!left(&one, &judge(&rules, &one)).is_empty());
    }
    assert_eq!(next_rows(&mut client, 1), [serde_json::json!({"Body": "small"})]);
    let start = Instant::now();
    let counts = loop {
        let line = next_line(&mut client, start);
        if let Some(counts) = line.get("counts") {
            break counts.clone();
        }
    };
    assert_eq!((&counts["too_large"], &counts["records"]), (&2.into(), &1.into()));
    let mut seen = (0, 0);
    while seen.0 + seen.1 < 3 {
        let line = next_line(&mut top, start);
        let count = |key: &str| line["top"][key].as_u64().unwrap_or(0);
        seen = (seen.0 + count("too_large"), seen.1 + count("records"));
    }
    assert_eq!(seen, (2, 1));
}

#[test]
fn a_tap_shows_no_more_than_its_rate() {
    let place = Place::new(RULES);
    let (rules, _owed) = place.start();
    let mut client = listen(&place, TapRequest { rate: Some(2), ..tap("logs | project Body") });
    let one = request(&[(9, "a"); 10]);
    let _ = judge(&rules, &one);
    let (mut shown, start) = (0, Instant::now());
    let counts = loop {
        let line = next_line(&mut client, start);
        shown += usize::from(line.get("row").is_some());
        if let Some(counts) = line.get("counts").filter(|counts| counts["records"] == 10) {
            break counts.clone();
        }
    };
    // Seconds may have ended between the rows, more of them where this waits for a processor.
    assert!((2..10).contains(&shown), "{shown}");
    assert_eq!(counts["rows"].as_u64().unwrap() + counts["rows_withheld"].as_u64().unwrap(), 10);
}

/// Adds windows of a top until so many records came.
fn tops(client: &mut Client, records: u64) -> BTreeMap<String, (u64, u64)> {
    let (mut sums, start) = (BTreeMap::<String, (u64, u64)>::new(), Instant::now());
    while sums.values().map(|(records, _)| records).sum::<u64>() < records {
        let line = next_line(client, start);
        for event in line["top"]["events"].as_array().into_iter().flatten() {
            let part = |key: &str| event[key].as_str().unwrap().to_owned();
            let name = format!("{} {} {} {}", part("table"), part("event"), part("severity"), part("service"));
            let sum = sums.entry(name).or_default();
            sum.0 += event["records"].as_u64().unwrap();
            sum.1 += event["bytes"].as_u64().unwrap();
            assert_eq!(event["missed_at_most"], 0);
        }
    }
    sums
}

#[test]
fn top_counts_a_known_mix() {
    let place = Place::new(RULES);
    let (rules, _owed) = place.start();
    let mut client = place.client();
    let wanted = TopRequest { window_ms: 100, ..TopRequest::default() };
    assert!(client.ask(&Request::Top(wanted)).unwrap().ok);
    let mut sizes = BTreeMap::new();
    for at in 0..100 {
        let mut banner = record(9, "welcome");
        banner.event_name = "LogWelcomeBanner".into();
        let text = format!("user {at} logged in");
        let mut records = vec![record(9, &text), record(17, "secret"), banner.clone(), banner];
        if at % 10 == 0 {
            records.push(record(5, "rare"));
        }
        for (name, record) in [("pattern", &records[0]), ("banner", &records[2])] {
            let length = prost::Message::encoded_len(record);
            *sizes.entry(name).or_insert(0) += (length + 2) as u64;
        }
        let _ = judge(&rules, &request_of(if at < 50 { "cart" } else { "shop" }, records));
    }
    let counted = tops(&mut client, 410);
    let counts: Vec<_> = counted.iter().map(|(name, (records, _))| format!("{records} {name}")).collect();
    let expected = [
        "100 logs LogWelcomeBanner INFO cart",
        "100 logs LogWelcomeBanner INFO shop",
        "50 logs *** ERROR cart",
        "5 logs rare DEBUG cart",
        "5 logs rare DEBUG shop",
        "50 logs *** ERROR shop",
        "50 logs user * logged in INFO cart",
        "50 logs user * logged in INFO shop",
    ];
    let (mut counts, mut expected) = (counts, expected.map(str::to_owned).to_vec());
    counts.sort();
    expected.sort();
    assert_eq!(counts, expected);
    let bytes =
        |part: &str| counted.iter().filter(|(name, _)| name.contains(part)).map(|(_, (_, bytes))| bytes).sum::<u64>();
    assert_eq!((bytes("LogWelcomeBanner"), bytes("logged in")), (sizes["banner"] * 2, sizes["pattern"]));
}

#[test]
fn top_ends_after_one_window() {
    let place = Place::new(RULES);
    let (_rules, _owed) = place.start();
    let mut client = place.client();
    assert!(client.ask(&Request::Top(TopRequest { window_ms: 100, once: true, ..TopRequest::default() })).unwrap().ok);
    assert_eq!(client.next_line().unwrap().unwrap()["top"]["records"], 0);
    // The connection goes on to other things.
    assert!(client.ask(&Request::Status).unwrap().ok);
}
