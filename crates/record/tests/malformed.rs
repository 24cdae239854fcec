//! Bad input: the record is skipped and counted with its place and reason, nothing else is lost, memory stays bounded.
#![allow(clippy::unwrap_used)]

use dtq_record::stream::{Catalog, Projection, Row};
use dtq_record::{Format, Input, Inputs, Options, Report};
use dtq_source::Limits;
use dtq_value::{Str, Value};
use std::io::{self, Read, Write};

fn probe(input: Input, limits: &Limits) -> Inputs {
    Inputs::probe(vec![input], &Options::default(), limits).unwrap()
}

fn scan(inputs: &Inputs, table: &str) -> Result<Vec<Row>, String> {
    let width = inputs.schema(table).unwrap().columns.len();
    let mut stream = inputs.scan(table, &Projection::all(width)).map_err(|error| error.to_string())?;
    let mut rows = Vec::new();
    while stream.read(&mut rows).map_err(|error| error.to_string())? {}
    Ok(rows)
}

fn read(bytes: impl Into<Vec<u8>>, table: &str) -> (Vec<Row>, Report) {
    let inputs = probe(Input::from_bytes("in", "own", bytes.into()), &Limits::default());
    let rows = scan(&inputs, table).unwrap();
    (rows, inputs.report())
}

fn places(report: &Report) -> Vec<String> {
    report.skips.iter().map(|skip| format!("{}: {}", skip.place, skip.reason)).collect()
}

fn column(name: &str) -> usize {
    dtq_record::tables::standard("logs").unwrap().columns.iter().position(|column| column.name == name).unwrap()
}

fn texts(rows: &[Row], name: &str) -> Vec<String> {
    rows.iter().map(|row| format!("{:?}", row[column(name)])).collect()
}

// --- protobuf by hand ---

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 128 {
        out.push(value as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn message(number: u32, content: &[u8]) -> Vec<u8> {
    [varint(u64::from(number << 3 | 2)), varint(content.len() as u64), content.to_vec()].concat()
}

fn fixed64(number: u32, value: u64) -> Vec<u8> {
    [varint(u64::from(number << 3 | 1)), value.to_le_bytes().to_vec()].concat()
}

fn text_value(text: &str) -> Vec<u8> {
    message(1, text.as_bytes())
}

fn key_value(key: &str, value: &[u8]) -> Vec<u8> {
    [message(1, key.as_bytes()), message(2, value)].concat()
}

fn log(severity: &str) -> Vec<u8> {
    [fixed64(1, 1_700_000_000_000_000_000), message(3, severity.as_bytes())].concat()
}

fn request(records: &[Vec<u8>]) -> Vec<u8> {
    let records: Vec<u8> = records.iter().flat_map(|record| message(2, record)).collect();
    message(1, &message(2, &records))
}

#[test]
fn fields_may_come_in_any_order_repeated_padded_and_unknown() {
    let resource = message(1, &message(1, &key_value("service.name", &text_value("late"))));
    let padded_tag_and_length = [vec![0x9A, 0x80, 0x00], vec![0x81, 0x80, 0x80, 0x00], b"a".to_vec()].concat();
    let group = vec![0xFB, 0x07, 0x08, 0x01, 0xFC, 0x07];
    let strindex = message(6, &[varint(3 << 3), varint(5), message(2, &[varint(8 << 3), varint(7)].concat())].concat());
    let record = [
        group,
        strindex,
        message(6, &key_value("k", &text_value("first"))),
        padded_tag_and_length,
        message(6, &key_value("k", &text_value("second"))),
        message(3, b"second"),
        message(5, &[text_value("body"), [varint(3 << 3), varint(9)].concat()].concat()),
        message(900, b"unknown"),
    ]
    .concat();
    // The resource stands behind the records.
    let bytes = message(1, &[message(2, &message(2, &record)), resource, message(7, b"?")].concat());
    let (rows, report) = read(bytes, "logs");
    assert_eq!((rows.len(), report.skipped_count), (1, 0), "{report:?}");
    assert_eq!(rows[0][column("SeverityText")], Value::string("a"));
    assert_eq!(rows[0][column("Body")], Value::string("body"));
    let Value::Bag(attributes) = &rows[0][column("Attributes")] else { panic!() };
    assert_eq!(attributes.get(b"k"), Some(&Value::string("first")));
    assert_eq!(attributes.get(b""), None);
    let Value::Bag(resource) = &rows[0][column("Resource")] else { panic!() };
    assert_eq!(resource.get(b"service.name"), Some(&Value::string("late")));
}

#[test]
fn a_malformed_record_is_skipped_with_its_offset_and_the_others_stay() {
    let wrong_type = [varint(1 << 3), varint(5)].concat();
    let cut_field = vec![0x1A, 0x50, b'x'];
    let bytes = request(&[log("a"), wrong_type.clone(), log("b"), cut_field, log("c")]);
    let (rows, report) = read(bytes.clone(), "logs");
    assert_eq!(texts(&rows, "SeverityText"), ["String(\"a\")", "String(\"b\")", "String(\"c\")"]);
    assert_eq!(report.skipped_count, 2);
    let offset = bytes.windows(2).position(|window| window == [0x08, 0x05]).unwrap();
    assert_eq!(places(&report)[0], format!("byte {offset}: a known field has the wrong wire type"));
    assert!(places(&report)[1].ends_with("a length reaches beyond the end"));
}

#[test]
fn a_value_nested_without_end_costs_its_record() {
    // AnyValue { array_value { values { array_value ...
    let mut value = text_value("deep");
    for _ in 0..20_000 {
        value = message(5, &message(1, &value));
        if value.len() > 2_000_000 {
            break;
        }
    }
    let (rows, report) = read(request(&[log("a"), message(5, &value), log("b")]), "logs");
    assert_eq!(texts(&rows, "SeverityText"), ["String(\"a\")", "String(\"b\")"]);
    assert!(places(&report)[0].ends_with("a value is nested too deep"), "{:?}", places(&report));
}

#[test]
fn a_file_that_is_cut_gives_what_is_complete() {
    let whole = request(&[log("a"), log("b"), log("c")]);
    let delimited = [varint(whole.len() as u64), whole.clone(), varint(whole.len() as u64), whole.clone()].concat();
    let (rows, report) = read(&delimited[..delimited.len() - 3], "logs");
    assert_eq!((rows.len(), report.skipped_count), (5, 1), "{report:?}");
    let (rows, report) = read(&whole[..whole.len() - 1], "logs");
    assert_eq!((rows.len(), report.skipped_count), (2, 1));
    assert!(places(&report)[0].ends_with("the input ends 1 bytes early"), "{:?}", places(&report));
}

#[test]
fn lines_over_the_limit_are_read_past() {
    let limits = Limits { record_bytes_max: 1 << 20, ..Limits::default() };
    // 100 MB in one line, given by a reader that never holds it.
    let open = || -> io::Result<Box<dyn Read>> {
        let long = io::repeat(b'x').take(100 << 20);
        Ok(Box::new(io::Cursor::new("{\"a\":1}\n{\"a\":\"").chain(long).chain(io::Cursor::new("\"}\n{\"a\":3}\n"))))
    };
    for format in [Format::Ndjson, Format::Json] {
        let inputs = probe(Input::new("in", "own", Box::new(open)).with_format(format), &limits);
        let rows = scan(&inputs, "own").unwrap();
        assert_eq!(rows, [vec![Value::Long(1)], vec![Value::Long(3)]], "{format}");
        assert_eq!(inputs.report().skipped_count, 1, "{format}");
        assert!(places(&inputs.report())[0].starts_with("line 2: the"), "{:?}", places(&inputs.report()));
    }
}

#[test]
fn json_nested_without_end_costs_its_record() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let unclosed = format!("{{\"a\":{}", "{\"b\":".repeat(100_000));
    let (rows, report) = read(format!("{{\"a\":0}}\n{deep}\n{unclosed}\n{{\"a\":1}}\n"), "logs");
    assert_eq!(rows.len(), 2);
    assert_eq!(report.skipped_count, 2);
    assert!(
        places(&report)[0].starts_with("line 2: malformed JSON: a value is nested too deep"),
        "{:?}",
        places(&report)
    );
    // A column that is not read is passed over, however deep.
    let inputs =
        probe(Input::from_bytes("in", "own", format!("{{\"b\":1}}\n{deep}\n").into_bytes()), &Limits::default());
    let mut rows = Vec::new();
    let is_read = inputs.schema("own").unwrap().columns.iter().map(|column| column.name == "b").collect();
    let mut stream = inputs.scan("own", &Projection::columns(is_read)).unwrap();
    while stream.read(&mut rows).unwrap() {}
    assert_eq!(rows.len(), 2);
}

#[test]
fn malformed_json_lines_are_skipped_with_line_and_column() {
    let text = "{\"a\":1}\n{\"a\":}\nnot json\n[1]\n{\"a\":2} x\n\n{\"a\":3,\"a\":4}\n{\"a\":5";
    let (rows, report) = read(text, "own");
    assert_eq!(rows, [vec![Value::Long(1)], vec![Value::Long(3)]]);
    assert_eq!(report.skipped_count, 5);
    let lines: Vec<String> = report.skips.iter().map(|skip| skip.place.to_string()).collect();
    assert_eq!(lines, ["line 2", "line 3", "line 4", "line 5", "line 8"]);
    assert_eq!(places(&report)[0], "line 2: malformed JSON: expected value (column 6)");
}

#[test]
fn nul_bytes_and_bytes_that_are_not_utf8() {
    let (rows, report) = read(b"{\"a\":\"x\\u0000y\"}\n{\"a\":\"caf\xE9\"}\n{\"a\":\"\0\"}\n".to_vec(), "own");
    assert_eq!(rows[0], [Value::string("x\0y")]);
    assert_eq!(rows[1], [Value::string("caf\u{FFFD}")]);
    assert_eq!((rows.len(), report.skipped_count, report.notes.len()), (2, 1, 1), "{report:?}");
    let (rows, _) = read(b"caf\xE9\n\0\0\nplain\n".to_vec(), "logs");
    assert_eq!(rows[0][column("Body")], Value::String(Str::from(&b"caf\xE9"[..])));
    assert_eq!(rows.len(), 3);
}

#[test]
fn a_decompression_bomb_is_an_error_and_no_exhausted_host() {
    let limits = Limits { inflation_ratio_max: 100, ..Limits::default() };
    let zeros = vec![0u8; 64 << 20];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&zeros).unwrap();
    for bomb in [gzip.finish().unwrap(), zstd::encode_all(zeros.as_slice(), 1).unwrap()] {
        let error = match Inputs::probe(vec![Input::from_bytes("in.gz", "own", bomb)], &Options::default(), &limits) {
            Err(error) => error.to_string(),
            Ok(inputs) => scan(&inputs, "logs").unwrap_err(),
        };
        assert_eq!(error, "error[E3008]: cannot read in.gz: it inflates to more than 100 times its size");
    }
}

#[test]
fn a_cut_gzip_file_gives_what_was_there() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    for number in 0..20_000 {
        writeln!(gzip, "{{\"a\":{number},\"b\":\"{:x}\"}}", number * 7919 % 65_521).unwrap();
    }
    let bytes = gzip.finish().unwrap();
    let (rows, report) = read(&bytes[..bytes.len() / 2], "own");
    assert!(rows.len() > 1_000, "{}", rows.len());
    assert!(places(&report).iter().any(|text| text.contains("compressed data is cut")), "{:?}", places(&report));
}

#[test]
fn csv_records_with_the_wrong_number_of_fields_and_open_quotes() {
    let text = "a,b\n1,2\n1\n1,2,3\n\"x\ny\",4\n5,\"open\n6,7\n";
    let input = Input::from_bytes("in", "own", text.as_bytes().to_vec()).with_format(Format::Csv);
    let inputs = probe(input, &Limits::default());
    let (rows, report) = (scan(&inputs, "own").unwrap(), inputs.report());
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert_eq!(rows[1][0], Value::string("x\ny"));
    let expected = [
        "line 3: the record has 1 fields where 2 are expected",
        "line 4: the record has 3 fields where 2 are expected",
        "line 7: a quote does not end",
    ];
    assert_eq!(places(&report), expected);
}

#[test]
fn values_that_do_not_fit_become_null_and_are_counted() {
    let limits = Limits { sampled_records_max: 1, ..Limits::default() };
    let text = "{\"n\":1,\"s\":\"x\",\"t\":\"2026-01-01\"}\n{\"n\":\"many\",\"s\":5,\"t\":\"soon\",\"new\":1}\n";
    let inputs = probe(Input::from_bytes("in", "own", text.as_bytes().to_vec()), &limits);
    let rows = scan(&inputs, "own").unwrap();
    assert_eq!(rows[1], [Value::Null, Value::string("5"), Value::Null]);
    let report = inputs.report();
    let misfits: Vec<String> = report.misfits.iter().map(ToString::to_string).collect();
    assert_eq!(misfits[0], "in: line 2: column `n` is long; values that are not became null: 1");
    assert_eq!((report.misfit_count, report.skipped_count), (2, 0));
    assert!(report.notes[0].contains("key `new` does not occur among the sampled records"));
}

#[test]
fn an_input_that_can_be_read_once_says_so_the_second_time() {
    let reader = Box::new(io::Cursor::new(b"{\"a\":1}\n{\"a\":2}\n".to_vec()));
    let inputs = probe(Input::once("standard input", "stdin", reader), &Limits::default());
    assert_eq!(scan(&inputs, "stdin").unwrap().len(), 2);
    assert!(scan(&inputs, "stdin").unwrap_err().contains("can be read only once"));
}

#[test]
fn an_empty_input_is_a_table_without_rows() {
    let (rows, report) = read("", "logs");
    assert_eq!((rows.len(), report.skipped_count), (0, 0));
}

#[test]
fn nesting_has_the_same_bound_in_protobuf_and_in_json() {
    let nesting_max = Limits::default().value_nesting_max;
    for (depth, count) in [(nesting_max, 1), (nesting_max + 1, 0)] {
        let protobuf = (0..depth).fold(text_value("x"), |value, _| message(5, &message(1, &value)));
        let json = format!(
            r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"severityText":"a","body":{}{{"stringValue":"x"}}{}}}]}}]}}]}}"#,
            r#"{"arrayValue":{"values":["#.repeat(depth),
            "]}}".repeat(depth)
        );
        let bytes = request(&[[message(3, b"a"), message(5, &protobuf)].concat()]);
        for bytes in [bytes, json.into_bytes()] {
            let (rows, report) = read(bytes, "logs");
            assert_eq!((rows.len(), report.skipped_count), (count, 1 - count as u64), "{depth}: {report:?}");
        }
    }
}
