//! Objects of JSON read by eBPF, and by user space: what is decided is the same. `DTQ_CASES=1000000` makes a longer run.

#[path = "support/reading.rs"]
mod reading;

#[path = "support/lines.rs"]
mod lines;

#[path = "support/json_objects.rs"]
mod json_objects;

use dtq_ebpf::payload::json;
use dtq_record::Format;
use dtq_value::Value;
use lines::Random;
use reading::{Field, Reading, compare};

#[test]
fn decided_objects_are_as_user_space_reads_them() {
    let reading = Reading::new(&json_objects::paths(), json::emit);
    let mut maps = reading.maps();
    let cases = std::env::var("DTQ_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(6_000);
    let mut random = Random(11);
    let mut decided = [0; 2];
    let mut fields = 0;
    for case in 0..cases {
        let mut text = json_objects::text(&mut random);
        if case % 2 == 1 {
            json_objects::mutate(&mut random, &mut text);
        }
        let found = reading.run(&mut maps, &text);
        let format = if case % 4 < 2 { Format::Ndjson } else { Format::Json };
        let count = compare(&reading, format, &text, lines::now_ticks(), &found);
        decided[case % 2] += count.min(1);
        fields += count;
    }
    println!(
        "{} of {} objects decided, {} of as many mutated ones; {fields} fields",
        decided[0],
        cases / 2,
        decided[1]
    );
    assert!(decided[0] * 10 >= cases / 2 * 6 && decided[1] * 10 >= cases && fields > cases * 5);
}

#[test]
fn real_objects_are_decided() {
    let reading = Reading::new(&json_objects::paths(), json::emit);
    let mut maps = reading.maps();
    for name in ["frontend.ndjson", "nginx-access.ndjson", "postgres.ndjson"] {
        let (mut count, mut decided) = (0, 0);
        for line in lines::real(name) {
            let found = reading.run(&mut maps, &line);
            count += 1;
            decided += usize::from(compare(&reading, Format::Ndjson, &line, lines::now_ticks(), &found) > 10);
        }
        println!("{name}: {decided} of {count} decided");
        assert!(decided * 10 >= count * 8, "{decided} of {count} of {name}");
    }
}

#[test]
fn odd_objects() {
    let reading = Reading::new(&json_objects::paths(), json::emit);
    let mut maps = reading.maps();
    let mut is_decided = |text: &[u8]| {
        let found = reading.run(&mut maps, text);
        compare(&reading, Format::Ndjson, text, lines::now_ticks(), &found) > 0
    };
    for text in json_objects::DECIDED {
        assert!(is_decided(text), "{:?}", text.escape_ascii());
    }
    for text in json_objects::KEPT {
        assert!(!is_decided(text), "{:?}", text.escape_ascii());
    }
}

#[test]
fn an_object_has_its_parts() {
    let reading = Reading::new(&json_objects::paths(), json::emit);
    let mut maps = reading.maps();
    let text =
        br#"{"level":"Warn","msg":"disk full","a":-12,"b":true,"ab":"x","status":1.5,"path":[{}],"abcdefgh":"\n"}"#;
    let fields = reading.run(&mut maps, text).unwrap();
    let string = |text: &str| Field::Known(Value::string(text));
    assert_eq!(fields[..3], [Field::Known(Value::Long(13)), string("Warn"), string("disk full")]);
    let known = [Field::Known(Value::Long(-12)), Field::Known(Value::Bool(true)), string("x")];
    assert_eq!(fields[8..11], known);
    let undecided: Vec<_> =
        [dtq_ebpf::layout::Reason::Type, dtq_ebpf::layout::Reason::Type, dtq_ebpf::layout::Reason::Escaped]
            .map(|reason| Field::Undecided(reason as u32))
            .into();
    assert_eq!(fields[11..14], undecided[..]);
}

#[test]
fn texts_are_decided_when_they_are_utf8() {
    let reading = Reading::new(&[reading::path(dtq_record::otlp::logs::column::BODY, None)], json::emit);
    let mut maps = reading.maps();
    // First and last bytes of all ranges, and some between.
    let bytes = *b"a\x7F\x80\x8F\x90\x9F\xA0\xBF\xC1\xC2\xDF\xE0\xE1\xEC\xED\xEE\xEF\xF0\xF1\xF3\xF4\xF5\xFF";
    let mut counts = [0; 2];
    let count = bytes.len();
    for case in 0..count * count * 8 {
        let [first, second] = [case % count, case / count % count].map(|at| bytes[at]);
        let more = case / count / count;
        let mut text = [&[first, second][..], &b"\x80\xBF\x80"[..more % 4]].concat();
        if more >= 4 {
            text.splice(0..0, "\u{e4}bc \u{10FFFF}\u{20AC} and further".bytes());
        }
        let payload = [b"{\"msg\":\"", &text[..], b"\",\"x\":1}"].concat();
        let found = reading.run(&mut maps, &payload);
        let is_utf8 = std::str::from_utf8(&text).is_ok();
        let expected = if is_utf8 { Field::Known(Value::string(&text[..])) } else { Field::Undecided(7) };
        assert_eq!(found, Ok(vec![expected]), "{}", payload.escape_ascii());
        counts[usize::from(is_utf8)] += 1;
    }
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
}
