//! What a filter counts by keys of datagrams on real sockets, while the tables are emptied: each datagram once.
//!
//! `DTQ_CASES=1000000` sends a million.

use crate::filters::DEADLINE;
use crate::{load, may_load, number};
use dtq_ebpf::filter::{Filter, Front};
use dtq_ebpf::payload::Format;
use dtq_kernel::attach::filter::Present;
use dtq_kernel::counts::Counts;
use dtq_kernel::share::{ShareOptions, Shared, share};
use dtq_kernel::{Map, Meter, Program, Socket, SocketFilter};
use dtq_record::otlp::{Signal, rows::rows};
use dtq_rules::compile::{Options, RuleSet, compile};
use dtq_rules::engine::{Counted, CountedRow, Emission};
use dtq_rules::file::{self, NoFiles};
use dtq_source::Limits;
use dtq_value::Value;
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const HOSTS: [&str; 5] = ["web-1", "web-2", "shop", "a.host.with.a.longer.name.than.most.have.example.com", "-"];
/// Of a cost, runs at a time.
const REPEAT: u32 = 20_000;

const COUNTS: &str = "apiVersion: dtq/v1
rules:
  - name: count
    to: metrics
    metrics: {n: {name: lines, type: sum}, s: {name: severities, type: sum}}
    kql: logs | project n = 1, s = SeverityNumber, host = tostring(Resource[\"host.name\"]), SeverityText
  - {name: low, to: drop, kql: logs | where SeverityNumber between (1 .. 12)}
";

fn set(yaml: &str) -> RuleSet {
    let (read, diagnostics) = file::read("rules.yaml", yaml.as_bytes(), &NoFiles, &file::Options::default());
    assert!(read.is_complete, "{diagnostics:?}");
    compile(&[read], &Options::default()).set.unwrap()
}

fn shared(yaml: &str, format: Format) -> (Shared, Filter) {
    let front = Front::UnixDatagram;
    let shared =
        share(&set(yaml), &ShareOptions { format, front, has_lease: false, reads_counts: true, minds_expiry: true });
    let filter = shared.filter.clone().unwrap_or_else(|| panic!("{:?}", shared.rules));
    (shared, filter)
}

fn loaded(filter: &Filter) -> (Program, Vec<Map>) {
    let maps: Vec<Map> = filter.maps.iter().map(|def| Map::create(def).unwrap()).collect();
    (load(&filter.program, &maps), maps)
}

/// Returns the line of a number: half of them are of a low severity.
fn line(number: usize) -> String {
    let host = HOSTS[number % HOSTS.len()];
    format!("<{}>1 2026-10-11T22:14:15.003Z {host} app 7 ID47 - message {number}", 8 + number / 7 % 8)
}

/// Records and the sum of their severities, by host and severity's text.
type Sums = BTreeMap<(String, String), (i64, i64)>;

fn text(value: &Value) -> String {
    if let Value::String(text) = value { text.as_text().into_owned() } else { panic!("{value:?} is no text") }
}

fn add(sums: &mut Sums, counted: Vec<Counted>) {
    for Counted { row, .. } in counted {
        let CountedRow::Measurements(row) = row else { panic!("{row:?} is no row of measurements") };
        let [Value::Long(count), Value::Long(severities), host, severity] = row.as_slice() else { panic!("{row:?}") };
        let sum = sums.entry((text(host), text(severity))).or_default();
        *sum = (sum.0 + count, sum.1 + severities);
    }
}

/// Adds a line that user space has to count, by what it says itself.
fn add_line(sums: &mut Sums, line: &str) {
    // RFC 5424's severities, as OpenTelemetry's data model maps them (fixtures/record/syslog.md).
    let severities = [
        (21, "emerg"),
        (19, "alert"),
        (18, "crit"),
        (17, "err"),
        (13, "warning"),
        (10, "notice"),
        (9, "info"),
        (5, "debug"),
    ];
    let (priority, rest) = line[1..].split_once('>').unwrap();
    let host = rest.split(' ').nth(2).unwrap();
    let severity = severities[priority.parse::<usize>().unwrap() % 8];
    let host = if host == "-" { "" } else { host };
    let sum = sums.entry((host.to_owned(), severity.1.to_owned())).or_default();
    *sum = (sum.0 + 1, sum.1 + severity.0);
}

#[test]
fn each_datagram_is_counted_once_while_tables_are_emptied() {
    if !may_load("each_datagram_is_counted_once_while_tables_are_emptied") {
        return;
    }
    let count = number("DTQ_CASES", 100_000) as usize;
    let (shared, filter) = shared(COUNTS, Format::Syslog);
    let (program, maps) = loaded(&filter);
    let mut counts = Counts::new(filter.tables.as_ref().unwrap(), &shared.readings);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let filter_on = SocketFilter::attach(Socket::own(socket.as_fd()).unwrap(), &program, Present::Refuse).unwrap();
    let (mut dropped, mut kept, mut takes) = (Sums::new(), Sums::new(), 0);
    let sending = AtomicUsize::new(2);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for sender in 0..2 {
            let (path, sending) = (&path, &sending);
            scope.spawn(move || {
                let socket = UnixDatagram::unbound().unwrap();
                socket.connect(path).unwrap();
                for number in (sender..count).step_by(2) {
                    socket.send(line(number).as_bytes()).unwrap();
                }
                sending.fetch_sub(1, Ordering::SeqCst);
            });
        }
        let reader = scope.spawn(|| {
            let (mut kept, mut buffer) = (Sums::new(), [0; 1_024]);
            loop {
                match socket.recv(&mut buffer) {
                    Ok(size) => add_line(&mut kept, std::str::from_utf8(&buffer[..size]).unwrap()),
                    Err(_) if sending.load(Ordering::SeqCst) == 0 => return kept,
                    Err(_) => assert!(start.elapsed() < 5 * DEADLINE, "the senders take too long"),
                }
            }
        });
        while sending.load(Ordering::SeqCst) > 0 {
            match counts.take(&maps) {
                Ok(rows) => add(&mut dropped, rows),
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::TimedOut, "{error}"),
            }
            takes += 1;
        }
        kept = reader.join().unwrap();
    });
    filter_on.detach().unwrap();
    for _ in 0..2 {
        add(&mut dropped, counts.take(&maps).unwrap());
    }
    assert!(counts.take(&maps).unwrap().is_empty(), "all is taken out");
    let mut expected = Sums::new();
    (0..count).for_each(|number| add_line(&mut expected, &line(number)));
    let in_kernel: i64 = dropped.values().map(|sum| sum.0).sum();
    for (key, sum) in &dropped {
        let all = kept.entry(key.clone()).or_default();
        *all = (all.0 + sum.0, all.1 + sum.1);
    }
    println!(
        "{count} datagrams by two senders, {in_kernel} counted and dropped in the kernel; tables emptied {takes} times"
    );
    assert_eq!(kept, expected);
    assert!(in_kernel as usize * 10 > count * 3, "{in_kernel}");
}

#[test]
fn a_table_that_is_full_keeps_payloads() {
    if !may_load("a_table_that_is_full_keeps_payloads") {
        return;
    }
    let yaml = COUNTS.replace("Resource[\"host.name\"]", "Attributes[\"syslog.procid\"]");
    let (shared, filter) = shared(&yaml, Format::Syslog);
    let (program, maps) = loaded(&filter);
    let mut counts = Counts::new(filter.tables.as_ref().unwrap(), &shared.readings);
    let entries = dtq_ebpf::tally::ENTRIES_MAX as usize;
    let line = |process: usize| {
        let line = format!("<15>1 2026-10-11T22:14:15.003Z h app {process} ID47 - message");
        [&[0; 14][..], line.as_bytes()].concat()
    };
    let run = |process: usize| program.test_run(&line(process), 1).unwrap().result;
    let dropped = (1..=entries + 100).filter(|process| run(*process) == 0).count();
    assert!((entries / 2..=entries).contains(&dropped), "{dropped} of {entries}");
    assert_eq!(run(1), 0, "what has an entry is counted");
    let rows = counts.take(&maps).unwrap();
    assert_eq!(rows.iter().map(|row| row.records).sum::<u64>() as usize, dropped + 1);
    assert_eq!(run(entries + 100), 0, "there is room again");
    assert_eq!(counts.take(&maps).unwrap().len(), 1);
}

#[test]
fn a_meter_makes_the_points_of_the_rules() {
    if !may_load("a_meter_makes_the_points_of_the_rules") {
        return;
    }
    let (shared, filter) = shared(COUNTS, Format::Syslog);
    let (program, maps) = loaded(&filter);
    let now = 639_000_000_000_000_000;
    let mut meter = Meter::new(Arc::new(set(COUNTS)), &shared, maps, now).unwrap();
    let mut dropped = 0;
    let mut points: BTreeMap<String, f64> = BTreeMap::new();
    let mut add = |emissions: Vec<Emission>| {
        for emission in emissions {
            for point in rows(Signal::Metrics, &emission.request, &Limits::default()).unwrap() {
                let Value::Real(value) = point[6] else { panic!("{point:?}") };
                *points.entry(text(&point[2])).or_default() += value;
            }
        }
    };
    for round in 1..=4 {
        for number in 0..500 {
            let packet = [&[0; 14][..], line(number).as_bytes()].concat();
            dropped += usize::from(program.test_run(&packet, 1).unwrap().result == 0);
        }
        // Measurements become points every minute.
        let outcome = meter.collect(now + round * 20 * 10_000_000).unwrap();
        assert_eq!(outcome.emissions.is_empty(), round != 3, "{outcome:?}");
        add(outcome.emissions);
    }
    add(meter.finish(now + 81 * 10_000_000).unwrap().emissions);
    assert_eq!(points.get("lines"), Some(&(dropped as f64)), "{points:?}");
    assert!(points["severities"] > 5.0 * dropped as f64, "{points:?}");
}

#[test]
fn as_many_tallies_as_a_filter_has_load() {
    let mut yaml = "apiVersion: dtq/v1\nrules:\n".to_owned();
    for rule in 0..dtq_ebpf::tally::TALLIES_MAX {
        yaml += &format!(
            "  - {{name: count{rule}, to: metrics, metrics: {{n: {{name: n{rule}, type: sum}}, m: {{name: m{rule}, type: gauge}}, \
             s: {{name: s{rule}, type: sum}}}}, kql: 'logs | where Body contains \"word{rule}\" or SeverityNumber > {rule} | summarize \
             n = countif(SeverityNumber > 8), m = max(tolong(Attributes[\"m\"])), s = sum(SeverityNumber * 2) by bin(Timestamp, 1m), \
             a = tostring(Attributes[\"a\"]), b = tostring(Body), SeverityText, h = tostring(Resource[\"host.name\"])'}}\n"
        );
    }
    for rule in 0..20 {
        yaml += &format!("  - {{name: drop{rule}, to: drop, kql: 'logs | where Body has \"drop{rule}\"'}}\n");
    }
    let (shared, filter) = shared(&yaml, Format::Otlp);
    assert!(shared.rules.iter().all(|rule| rule.tally.is_some() || rule.filter_rule.is_some()), "{:?}", shared.rules);
    println!("{} instructions for {} rules", filter.program.len(), shared.rules.len());
    if may_load("as_many_tallies_as_a_filter_has_load") {
        let start = Instant::now();
        loaded(&filter);
        println!("loaded in {} ms", start.elapsed().as_millis());
    }
}

#[test]
fn cost_of_counting() {
    if !may_load("cost_of_counting") {
        return;
    }
    let plain = COUNTS[COUNTS.find("  - {name: low").unwrap()..].to_owned();
    let packet = [&[0; 14][..], line(6 * 7).as_bytes()].concat();
    let cost = |yaml: &str| {
        let (_, filter) = shared(yaml, Format::Syslog);
        let (program, _maps) = loaded(&filter);
        assert_eq!(program.test_run(&packet, 1).unwrap().result, 0);
        (0..5).map(|_| program.test_run(&packet, REPEAT).unwrap().duration_ns).min().unwrap()
    };
    let dropping = cost(&format!("apiVersion: dtq/v1\nrules:\n{plain}"));
    println!(
        "a syslog line of {} bytes: {dropping} ns to drop, {} ns to count by two keys and drop",
        packet.len() - 14,
        cost(COUNTS)
    );
}
