//! Syslog lines read by eBPF, and by user space: what is decided is the same. `DTQ_CASES=1000000` makes a longer run.

#[path = "support/reading.rs"]
mod reading;

#[path = "support/lines.rs"]
mod lines;

#[path = "support/syslog_lines.rs"]
mod syslog_lines;

use dtq_ebpf::payload::syslog;
use dtq_record::Format;
use dtq_value::Value;
use lines::Random;
use reading::{Field, Reading, compare};

#[test]
fn decided_lines_are_as_user_space_reads_them() {
    let reading = Reading::new(&syslog_lines::paths(), syslog::emit);
    let mut maps = reading.maps();
    let cases = std::env::var("DTQ_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(6_000);
    let mut random = Random(7);
    let (mut decided, mut mutated_decided) = (0, 0);
    for case in 0..cases {
        let mut line = syslog_lines::line(&mut random);
        let is_mutated = case % 2 == 1;
        if is_mutated {
            syslog_lines::mutate(&mut random, &mut line);
        }
        let found = reading.run(&mut maps, &line);
        let count = compare(&reading, Format::Syslog, &line, lines::now_ticks(), &found);
        if is_mutated { mutated_decided += count.min(1) } else { decided += count.min(1) }
    }
    println!("{decided} of {} lines decided, {mutated_decided} of as many mutated ones", cases / 2);
    assert!(decided * 10 >= cases / 2 * 9 && mutated_decided * 8 >= cases);
}

#[test]
fn real_lines_are_decided() {
    let reading = Reading::new(&syslog_lines::paths(), syslog::emit);
    let mut maps = reading.maps();
    for name in ["rfc3164", "rfc5424", "traditional", "iso"] {
        for line in lines::real(&format!("syslog-{name}.log")) {
            let found = reading.run(&mut maps, &line);
            let count = compare(&reading, Format::Syslog, &line, lines::now_ticks(), &found);
            assert_eq!(count, reading.paths.len(), "{:?}: {found:?}", line.escape_ascii());
        }
    }
}

#[test]
fn odd_lines() {
    let reading = Reading::new(&syslog_lines::paths(), syslog::emit);
    let mut maps = reading.maps();
    let mut is_decided = |line: &[u8]| {
        let found = reading.run(&mut maps, line);
        compare(&reading, Format::Syslog, line, lines::now_ticks(), &found) > 0
    };
    for line in syslog_lines::DECIDED {
        assert!(is_decided(line), "{:?}", line.escape_ascii());
    }
    for line in syslog_lines::KEPT {
        assert!(!is_decided(line), "{:?}", line.escape_ascii());
    }
}

#[test]
fn a_line_has_its_parts() {
    let reading = Reading::new(&syslog_lines::paths(), syslog::emit);
    let mut maps = reading.maps();
    let fields = reading.run(&mut maps, b"<34>Oct 11 22:14:15 mymachine su[7]: 'su root' failed\n").unwrap();
    let text = |text: &str| Field::Known(Value::string(text));
    let number = |number| Field::Known(Value::Long(number));
    let known =
        [number(18), text("crit"), text("'su root' failed"), text("auth"), Field::Known(Value::Null), text("7")];
    assert_eq!(&fields[..known.len()], known);
}
