//! Syslog lines read in the kernel: the same as by the interpreter.

use crate::lines::{self, Random};
use crate::reader::{Reader, is_below_warning, nothing};
use crate::reading::{Field, Reading, compare, path};
use crate::{may_load, number, syslog_lines};
use dtq_ebpf::payload::syslog;
use dtq_record::Format;
use dtq_record::otlp::logs::column;

#[test]
fn syslog_lines_give_the_same() {
    if !may_load("syslog_lines_give_the_same") {
        return;
    }
    let reader = Reader::load(Reading::new(&syslog_lines::paths(), syslog::emit));
    let mut maps = reader.reading.maps();
    let mut random = Random(number("DTQ_SEED", 3));
    let real = ["rfc3164", "rfc5424", "iso"].iter().flat_map(|name| lines::real(&format!("syslog-{name}.log")));
    let mut payloads: Vec<Vec<u8>> = real.collect();
    payloads.extend(syslog_lines::DECIDED.iter().chain(&syslog_lines::KEPT).map(|line| line.to_vec()));
    for case in 0..number("DTQ_CASES", 3_000) {
        let mut line = syslog_lines::line(&mut random);
        if case % 2 == 1 {
            syslog_lines::mutate(&mut random, &mut line);
        }
        payloads.push(line);
    }
    let mut decided = 0;
    for payload in &payloads {
        let found = reader.run(payload);
        assert_eq!(found, reader.reading.run(&mut maps, payload), "{}", payload.escape_ascii());
        compare(&reader.reading, Format::Syslog, payload, lines::now_ticks(), &found);
        decided += usize::from(found.is_ok_and(|fields| fields.iter().all(|field| matches!(field, Field::Known(_)))));
    }
    println!("{} lines, {decided} decided: the kernel reads what the interpreter reads", payloads.len());
    assert!(decided * 2 > payloads.len());
}

#[test]
fn cost_of_syslog_lines() {
    if number("DTQ_MEASURE", 0) == 0 || !may_load("cost_of_syslog_lines") {
        return;
    }
    let severity = [path(column::SEVERITY_NUMBER, None)];
    let one = Reader::load(Reading::judged(&severity, syslog::emit, is_below_warning));
    let all = Reader::load(Reading::judged(&syslog_lines::paths(), syslog::emit, is_below_warning));
    let nothing = nothing();
    for name in ["rfc3164", "rfc5424"] {
        let line = lines::real(&format!("syslog-{name}.log")).swap_remove(1);
        println!(
            "{name}, {} bytes: {} ns for a severity, {} ns for all fields; {} ns for the bytes alone",
            line.len(),
            one.duration_ns(&line),
            all.duration_ns(&line),
            nothing.duration_ns(&line),
        );
    }
}
