//! Objects of JSON read in the kernel: the same as by the interpreter.

use crate::lines::{self, Random};
use crate::reader::{Reader, is_below_warning, nothing};
use crate::reading::{Reading, compare, path};
use crate::{json_objects, may_load, number};
use dtq_ebpf::payload::json;
use dtq_record::Format;
use dtq_record::otlp::logs::column;

#[test]
fn objects_give_the_same() {
    if !may_load("objects_give_the_same") {
        return;
    }
    let reader = Reader::load(Reading::new(&json_objects::paths(), json::emit));
    let mut maps = reader.reading.maps();
    let mut random = Random(number("DTQ_SEED", 5));
    let mut payloads: Vec<Vec<u8>> = ["frontend", "nginx-access", "postgres"]
        .iter()
        .flat_map(|name| lines::real(&format!("{name}.ndjson")))
        .collect();
    payloads.extend(json_objects::DECIDED.iter().chain(&json_objects::KEPT).map(|text| text.to_vec()));
    for case in 0..number("DTQ_CASES", 3_000) {
        let mut text = json_objects::text(&mut random);
        if case % 2 == 1 {
            json_objects::mutate(&mut random, &mut text);
        }
        payloads.push(text);
    }
    // A packet of a test run is shorter than a page.
    payloads.retain(|payload| payload.len() <= 3_000);
    let mut decided = 0;
    for payload in &payloads {
        let found = reader.run(payload);
        assert_eq!(found, reader.reading.run(&mut maps, payload), "{}", payload.escape_ascii());
        compare(&reader.reading, Format::Ndjson, payload, lines::now_ticks(), &found);
        decided += usize::from(found.is_ok());
    }
    println!("{} objects, {decided} decided: the kernel reads what the interpreter reads", payloads.len());
    assert!(decided * 3 > payloads.len());
}

#[test]
fn cost_of_objects() {
    if number("DTQ_MEASURE", 0) == 0 || !may_load("cost_of_objects") {
        return;
    }
    let severity = [path(column::SEVERITY_NUMBER, None)];
    let attribute = [path(column::SEVERITY_NUMBER, None), path(column::ATTRIBUTES, Some("status"))];
    let one = Reader::load(Reading::judged(&severity, json::emit, is_below_warning));
    let two = Reader::load(Reading::judged(&attribute, json::emit, is_below_warning));
    let all = Reader::load(Reading::judged(&json_objects::paths(), json::emit, is_below_warning));
    let nothing = nothing();
    let short: &[u8] = br#"{"level":30,"time":1795478798614,"service":"frontend","method":"GET","path":"/healthz","status":200,"ms":6.707486000000017,"trace":"327b7a95be23ae75b1eb667bcc07b987","msg":"request"}"#;
    let long: &[u8] = br#"{"timestamp":"2026-11-24T00:06:57.145710Z","level":"info","service":"checkout","host":"shop-1","pid":4711,"message":"order accepted and handed over to payment","order_id":"o-20261124-000042","customer":"c-117","amount":129.90,"currency":"EUR","items":3,"retry":false,"http.request.method":"POST","status":200}"#;
    for object in [short, long] {
        println!(
            "JSON, {} bytes: {} ns for a severity, {} ns with an attribute, {} ns for all fields; {} ns for the bytes alone",
            object.len(),
            one.duration_ns(object),
            two.duration_ns(object),
            all.duration_ns(object),
            nothing.duration_ns(object),
        );
    }
}
