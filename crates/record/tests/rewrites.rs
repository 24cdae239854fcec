//! Edits of records that are not OTLP: what is written reads back as what was meant, and nothing else changes.
//!
//! `DTQ_CASES` sets how many random files are edited.
#![allow(clippy::unwrap_used)]

use dtq_record::otlp::logs::column;
use dtq_record::stream::Row;
use dtq_record::text::rewrite::Rows;
use dtq_record::{Format, Input, Inputs, Options};
use dtq_source::Limits;
use dtq_value::{Bag, Str, Value, json};
use proptest::collection::vec;
use proptest::prelude::*;

/// Noon of a day, in ticks, from which years are inferred.
const NOW_TICKS: i64 = 638_995_392_000_000_000;

type Edit<'e> = &'e dyn Fn(&mut Row);

fn inputs(format: Format, text: &[u8]) -> Inputs {
    let input = Input::from_bytes("input", "input", text.to_vec()).with_format(format);
    Inputs::probe(vec![input], &Options { now_ticks: NOW_TICKS }, &Limits::default()).unwrap()
}

/// Edits every record of an input; what has no place is told.
fn edited(format: Format, text: &[u8], edit: Edit<'_>) -> (Vec<u8>, Vec<String>) {
    let (out, refused, _) = edited_each(format, text, edit);
    (out, refused)
}

/// Edits every record of an input; says of each whether it was written, and why not.
fn edited_each(format: Format, text: &[u8], edit: Edit<'_>) -> (Vec<u8>, Vec<String>, Vec<bool>) {
    let inputs = inputs(format, text);
    let mut originals = inputs.originals(0).unwrap().unwrap();
    let mut rewriter = originals.rewriter();
    let (mut out, mut refused) = (originals.mark().unwrap().to_vec(), Vec::new());
    let mut written = Vec::new();
    while let Some(original) = originals.next_record().unwrap() {
        let mut bytes = original.bytes.to_vec();
        if let Some(row) = &original.row {
            let mut after = row.clone();
            edit(&mut after);
            let rewritten = rewriter.rewrite(original.bytes, &Rows { read: row, before: row, after: &after });
            written.push(rewritten.is_ok());
            match rewritten {
                Ok(edited) => bytes = edited,
                Err(no_place) => refused.push(no_place.to_string()),
            }
        }
        out.extend(bytes);
        out.extend_from_slice(original.end);
    }
    (out, refused, written)
}

fn rows(format: Format, text: &[u8]) -> Vec<Row> {
    let inputs = inputs(format, text);
    let mut originals = inputs.originals(0).unwrap().unwrap();
    let mut rows = Vec::new();
    while let Some(original) = originals.next_record().unwrap() {
        rows.extend(original.row);
    }
    rows
}

fn set_key(row: &mut Row, column: usize, key: &str, value: Option<Value>) {
    let mut bag = if let Value::Bag(bag) = &row[column] { Bag::clone(bag) } else { Bag::new() };
    match value {
        Some(value) => bag.set(Str::from(key), value),
        None => drop(bag.remove(key.as_bytes())),
    }
    row[column] = Value::bag(bag);
}

fn attribute(key: &'static str, value: Option<&'static str>) -> impl Fn(&mut Row) {
    move |row| set_key(row, column::ATTRIBUTES, key, value.map(Value::string))
}

fn resource(key: &'static str, value: Option<&'static str>) -> impl Fn(&mut Row) {
    move |row| set_key(row, column::RESOURCE, key, value.map(Value::string))
}

fn body(text: &'static str) -> impl Fn(&mut Row) {
    move |row| row[column::BODY] = Value::string(text)
}

fn severity(text: Option<&'static str>, number: Option<i32>) -> impl Fn(&mut Row) {
    move |row| {
        if let Some(text) = text {
            row[column::SEVERITY_TEXT] = Value::string(text);
        }
        if let Some(number) = number {
            row[column::SEVERITY_NUMBER] = Value::Int(number);
        }
    }
}

#[track_caller]
fn becomes(format: Format, text: &str, edit: Edit<'_>, expected: &str) {
    let (out, refused) = edited(format, text.as_bytes(), edit);
    assert_eq!(refused, [""; 0]);
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[track_caller]
fn is_refused(format: Format, text: &str, edit: Edit<'_>, reason: &str) {
    let (out, refused) = edited(format, text.as_bytes(), edit);
    assert_eq!(refused, [reason]);
    assert_eq!(String::from_utf8(out).unwrap(), text);
}

#[test]
fn csv_cells_change_and_others_stay() {
    let file = "level,msg,a,b\r\n\"info\",hi ,1.50,\"x\"\r\n";
    let csv = |edit: Edit<'_>, line: &str| becomes(Format::Csv, file, edit, &format!("level,msg,a,b\r\n{line}\r\n"));
    csv(&attribute("a", Some("2")), "\"info\",hi ,2,\"x\"");
    csv(&attribute("a", Some("p,q")), "\"info\",hi ,\"p,q\",\"x\"");
    csv(&attribute("b", Some("say \"y\"\nz")), "\"info\",hi ,1.50,\"say \"\"y\"\"\nz\"");
    csv(&attribute("a", None), "\"info\",hi ,,\"x\"");
    csv(&body(""), "\"info\",,1.50,\"x\"");
    csv(&severity(Some("warn"), None), "\"warn\",hi ,1.50,\"x\"");
    csv(&severity(Some("error"), Some(17)), "\"error\",hi ,1.50,\"x\"");
    let nested = |row: &mut Row| set_key(row, column::ATTRIBUTES, "a", Some(Value::array(vec![Value::Long(1)])));
    csv(&nested, "\"info\",hi ,[1],\"x\"");
    is_refused(Format::Csv, file, &attribute("c", Some("1")), "Attributes[\"c\"] has no column in the file");
    is_refused(Format::Csv, file, &severity(None, Some(17)), "SeverityNumber has no key in the record");
    let wrong = "SeverityNumber does not follow from SeverityText, which is what the record holds";
    is_refused(Format::Csv, file, &severity(Some("info2"), Some(21)), wrong);
    is_refused(
        Format::Csv,
        file,
        &resource("host.name", Some("h")),
        "Resource[\"host.name\"] has no key in the record",
    );
    // A line with nothing in it is no record.
    becomes(Format::Csv, "k,v\nx,\n\t,\n", &attribute("k", None), "k,v\n,\n,\n");
    becomes(Format::Csv, "name\n\"x\"\n", &attribute("name", None), "name\n\"\"\n");
}

#[test]
fn tsv_is_csv_with_tabs() {
    let file = "a\tb\n1,2\t3\n";
    becomes(Format::Tsv, file, &attribute("b", Some("4,5")), "a\tb\n1,2\t4,5\n");
    becomes(Format::Tsv, file, &attribute("a", Some("p\tq")), "a\tb\n\"p\tq\"\t3\n");
    becomes(Format::Tsv, file, &|row| row[column::ATTRIBUTES] = Value::bag(Bag::new()), "a\tb\n\t\"\"\n");
}

#[test]
fn logfmt_pairs_change_go_and_are_added() {
    let line = " level=info  msg=\"a b\" n=1 ok e= n=2 \n";
    let logfmt = |edit: Edit<'_>, expected: &str| becomes(Format::Logfmt, line, edit, expected);
    logfmt(&attribute("n", Some("5")), " level=info  msg=\"a b\" n=5 ok e= \n");
    logfmt(&attribute("n", None), " level=info  msg=\"a b\" ok e= \n");
    logfmt(&attribute("ok", Some("no")), " level=info  msg=\"a b\" n=1 ok=no e= n=2 \n");
    logfmt(&attribute("e", Some("x=y")), " level=info  msg=\"a b\" n=1 ok e=\"x=y\" n=2 \n");
    logfmt(
        &attribute("new", Some("q\"\\\n\u{1}")),
        " level=info  msg=\"a b\" n=1 ok e= n=2 new=\"q\\\"\\\\\\n\\u0001\" \n",
    );
    logfmt(&body("c"), " level=info  msg=\"c\" n=1 ok e= n=2 \n");
    logfmt(&body(""), " level=info n=1 ok e= n=2 \n");
    logfmt(&severity(Some("warn"), Some(13)), " level=warn  msg=\"a b\" n=1 ok e= n=2 \n");
    is_refused(
        Format::Logfmt,
        line,
        &attribute("a b", Some("1")),
        "Attributes[\"a b\"] is no key that logfmt can write",
    );
    is_refused(Format::Logfmt, line, &attribute("message", Some("1")), "the edit would change Body, too");
    is_refused(Format::Logfmt, "a=1\n", &attribute("a", None), "Attributes[\"a\"] leaves nothing of the record");
    is_refused(Format::Logfmt, "a=1 b\n", &attribute("a", None), "Attributes[\"a\"] leaves a record that is malformed");
}

#[test]
fn syslog_lines_of_rfc_5424() {
    let line = "<34>1 2003-10-11T22:14:15.003Z host su - ID47 [ex@1 k=\"v\\\"\" l=\"w\"][origin ip=\"::1\"] \u{FEFF}hi there\n";
    let head = "<34>1 2003-10-11T22:14:15.003Z host su - ID47";
    let data = "[ex@1 k=\"v\\\"\" l=\"w\"][origin ip=\"::1\"]";
    let text = "\u{FEFF}hi there\n";
    let syslog = |edit: Edit<'_>, expected: &str| becomes(Format::Syslog, line, edit, expected);
    syslog(&body("bye"), &format!("{head} {data} \u{FEFF}bye\n"));
    syslog(&severity(Some("warning"), None), &format!("<36>{} {data} {text}", &head[4..]));
    syslog(&severity(Some("ERROR"), Some(17)), &format!("<35>{} {data} {text}", &head[4..]));
    syslog(&severity(None, Some(5)), &format!("<39>{} {data} {text}", &head[4..]));
    syslog(&attribute("syslog.facility", Some("local7")), &format!("<186>{} {data} {text}", &head[4..]));
    syslog(&attribute("syslog.procid", Some("7")), &format!("{} {data} {text}", head.replace(" - ", " 7 ")));
    syslog(&attribute("syslog.msgid", None), &format!("{} {data} {text}", head.replace("ID47", "-")));
    syslog(&resource("host.name", Some("web")), &format!("{} {data} {text}", head.replace("host", "web")));
    syslog(&resource("service.name", None), &format!("{} {data} {text}", head.replace("su", "-")));
    syslog(
        &attribute("syslog.ex@1.k", Some("]")),
        &format!("{head} [ex@1 k=\"\\]\" l=\"w\"][origin ip=\"::1\"] {text}"),
    );
    syslog(&attribute("syslog.ex@1.k", None), &format!("{head} [ex@1 l=\"w\"][origin ip=\"::1\"] {text}"));
    syslog(&attribute("client.address", None), &format!("{head} [ex@1 k=\"v\\\"\" l=\"w\"][origin] {text}"));
    syslog(
        &attribute("syslog.ex@1.m", Some("n")),
        &format!("{head} [ex@1 k=\"v\\\"\" l=\"w\" m=\"n\"][origin ip=\"::1\"] {text}"),
    );
    syslog(&attribute("syslog.new@2.a.m", Some("n")), &format!("{head} {data}[new@2.a m=\"n\"] {text}"));
    let bare = "<34>1 - host su - - -\n";
    becomes(Format::Syslog, bare, &attribute("syslog.new@2.m", Some("n")), "<34>1 - host su - - [new@2 m=\"n\"]\n");
    becomes(Format::Syslog, bare, &body("hi"), "<34>1 - host su - - - hi\n");
    is_refused(
        Format::Syslog,
        line,
        &attribute("tier", Some("x")),
        "Attributes[\"tier\"] has no place in a syslog line",
    );
    is_refused(Format::Syslog, line, &body("a\nb"), "Body is no longer on one line");
    is_refused(Format::Syslog, line, &severity(Some("loud"), None), "SeverityText is no severity of syslog");
    let word = "Resource[\"host.name\"] is no word that a syslog header can hold";
    is_refused(Format::Syslog, line, &resource("host.name", Some("a b")), word);
}

#[test]
fn syslog_lines_of_rfc_3164_and_of_files() {
    let line = "<34>Oct 11 22:14:15 mymachine su: 'su root' failed\n";
    let syslog = |edit: Edit<'_>, expected: &str| becomes(Format::Syslog, line, edit, expected);
    syslog(&body("ok"), "<34>Oct 11 22:14:15 mymachine su: ok\n");
    syslog(&body(" ok"), "<34>Oct 11 22:14:15 mymachine su:  ok\n");
    syslog(&severity(Some("info"), Some(9)), "<38>Oct 11 22:14:15 mymachine su: 'su root' failed\n");
    syslog(&resource("host.name", Some("web")), "<34>Oct 11 22:14:15 web su: 'su root' failed\n");
    syslog(&resource("service.name", Some("sudo")), "<34>Oct 11 22:14:15 mymachine sudo: 'su root' failed\n");
    syslog(&attribute("syslog.procid", Some("4")), "<34>Oct 11 22:14:15 mymachine su[4]: 'su root' failed\n");
    let no_place = "Attributes[\"syslog.msgid\"] has no place in a syslog line";
    is_refused(Format::Syslog, line, &attribute("syslog.msgid", Some("4")), no_place);
    is_refused(Format::Syslog, line, &resource("host.name", None), "Resource[\"host.name\"] cannot be left out");
    let of_file = "Jan  5 01:02:03 web sshd[42]: Accepted\n";
    becomes(Format::Syslog, of_file, &attribute("syslog.procid", None), "Jan  5 01:02:03 web sshd: Accepted\n");
    let severe = severity(Some("err"), None);
    is_refused(Format::Syslog, of_file, &severe, "SeverityText has no place in a line without a priority");
    let untagged = "Jan  5 01:02:03 web Accepted\n";
    becomes(Format::Syslog, untagged, &body("Refused"), "Jan  5 01:02:03 web Refused\n");
    let tagged = body("now: Refused");
    is_refused(Format::Syslog, untagged, &tagged, "Body would be read back as something else");
    becomes(Format::Syslog, "no syslog\n", &body("x"), "x\n");
}

#[test]
fn lines_of_text_hold_a_body_only() {
    becomes(Format::Text, "a b\r\n\nc", &body("x"), "x\r\n\nx");
    becomes(Format::Text, "a b\n", &|row| row[column::BODY] = Value::Long(5), "5\n");
    becomes(Format::Text, "a b\n", &body(""), "\n");
    is_refused(Format::Text, "a\n", &body("a\nb"), "Body is no longer on one line");
    is_refused(Format::Text, "a\n", &body("a\r"), "Body is no longer on one line");
    is_refused(Format::Text, "a\n", &attribute("k", Some("v")), "Attributes[\"k\"] has no place in a line of text");
}

#[test]
fn only_members_of_json_that_changed_are_written() {
    let record = "{\"msg\" : \"hi\", \"a\": 1.50, \"b\":[ 1 ], \"c\": 2}\n";
    let ndjson = |edit: Edit<'_>, expected: &str| becomes(Format::Ndjson, record, edit, expected);
    let long = |row: &mut Row| set_key(row, column::ATTRIBUTES, "c", Some(Value::Long(3)));
    ndjson(&long, "{\"msg\" : \"hi\", \"a\": 1.50, \"b\":[ 1 ], \"c\": 3}\n");
    ndjson(&attribute("b", None), "{\"msg\" : \"hi\", \"a\": 1.50, \"c\": 2}\n");
    ndjson(&|row| row[column::ATTRIBUTES] = Value::bag(Bag::new()), "{\"msg\" : \"hi\"}\n");
    ndjson(&attribute("d\"", Some("x")), "{\"msg\" : \"hi\", \"a\": 1.50, \"b\":[ 1 ], \"c\": 2,\"d\\\"\":\"x\"}\n");
    ndjson(&body("ho"), "{\"msg\" : \"ho\", \"a\": 1.50, \"b\":[ 1 ], \"c\": 2}\n");
    ndjson(&body(""), "{\"a\": 1.50, \"b\":[ 1 ], \"c\": 2}\n");
    let null = |row: &mut Row| set_key(row, column::ATTRIBUTES, "c", Some(Value::Null));
    ndjson(&null, "{\"msg\" : \"hi\", \"a\": 1.50, \"b\":[ 1 ], \"c\": null}\n");
    becomes(Format::Ndjson, "{\"a\":1,\"b\":2,\"a\":3}\n", &attribute("a", Some("x")), "{\"a\":\"x\",\"b\":2}\n");
    is_refused(Format::Ndjson, "{\"a\":1}\n", &body("hi"), "Body has no key in the record");
    // The better key keeps its place, or the other would be the message.
    let two = "{\"message\":\"secret\",\"msg\":\"x\"}\n";
    becomes(Format::Ndjson, two, &body(""), "{\"message\":\"\",\"msg\":\"x\"}\n");
    is_refused(Format::Ndjson, record, &attribute("message", Some("x")), "the edit would change Body, too");
}

#[test]
fn what_is_malformed_stands_among_the_records() {
    let file = b"\xEF\xBB\xBFa,b\n1,2\n3\n4,\"5\n6,7\n";
    let (out, refused) = edited(Format::Csv, file, &attribute("b", Some("x")));
    assert_eq!(refused, [""; 0]);
    assert_eq!(String::from_utf8(out).unwrap(), "\u{FEFF}a,b\n1,x\n3\n4,\"5\n6,x\n");
}

/// Texts that are hard to write somewhere.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,4}",
        "[ \\t\"',;=\\[\\]\\\\:<>{}.-]{0,5}",
        "[a-z \"\n\r,=]{0,6}",
        Just("-".to_owned()),
        Just("007".to_owned()),
        Just("Zo\u{EB}\u{1}".to_owned()),
        Just("<34>1 - h a p i - x".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        5 => text().prop_map(|text| Some(Value::string(text))),
        1 => any::<i64>().prop_map(|number| Some(Value::Long(number))),
        1 => any::<bool>().prop_map(|is_true| Some(Value::Bool(is_true))),
        1 => Just(Some(Value::Null)),
        1 => Just(None),
    ]
}

/// The column, the key and the new value of an edit.
type RandomEdit = (usize, String, Option<Value>);

fn edit() -> impl Strategy<Value = RandomEdit> {
    let keys = ["a", "b", "msg", "level", "syslog.procid", "syslog.facility", "syslog.ex@1.k", "syslog.q.r", "new", ""];
    let key = prop_oneof![
        prop::sample::select(keys.to_vec()).prop_map(str::to_owned),
        prop::sample::select(vec!["host.name", "service.name"]).prop_map(str::to_owned),
        text(),
    ];
    let columns = vec![
        column::BODY,
        column::SEVERITY_TEXT,
        column::TRACE_ID,
        column::ATTRIBUTES,
        column::ATTRIBUTES,
        column::RESOURCE,
    ];
    (prop::sample::select(columns), key, value())
}

fn apply(row: &mut Row, (column, key, value): &RandomEdit) {
    match *column {
        column::ATTRIBUTES | column::RESOURCE => set_key(row, *column, key, value.clone()),
        column::BODY => row[column::BODY] = value.clone().unwrap_or_default(),
        other => row[other] = Value::string(value.as_ref().map(shown).unwrap_or_default()),
    }
}

/// Returns what a format that has texts only keeps of a value.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.as_text().parse().map_or(text.to_string(), |number: f64| format!("{number:?}")),
        Value::Long(number) => format!("{:?}", *number as f64),
        other => String::from_utf8(json::to_bytes(other)).unwrap(),
    }
}

/// Returns what of a row is compared: severity is one thing in two columns, and what is empty may be absent.
fn comparable(row: &Row) -> Vec<(usize, String, String)> {
    let mut parts = Vec::new();
    for (at, value) in row.iter().enumerate() {
        match value {
            Value::Bag(bag) if at != column::SCOPE && at != column::BODY => {
                parts.extend(bag.iter().map(|(key, value)| (at, key.to_string(), shown(value))));
            }
            _ if matches!(at, column::SEVERITY_TEXT | column::SEVERITY_NUMBER | column::SCOPE) => {}
            value => parts.push((at, String::new(), shown(value))),
        }
    }
    parts.retain(|(_, _, text)| !text.is_empty());
    parts.sort();
    parts
}

const FILES: [(Format, &str); 6] = [
    (Format::Csv, "a,b,msg,level\nx,1,hello,info\n\"y,z\",2,\"a \"\"b\"\"\",warn\n,,,\n"),
    (Format::Tsv, "a\tb\tmsg\r\nx\t1\thello\r\n\"y\tz\"\t2\tthere\r\n"),
    (Format::Logfmt, "a=x b=1 msg=hello level=info\n\na=\"y z\" flag msg=\"\\\"q\\\"\" b=2\n"),
    (
        Format::Syslog,
        "<34>1 2003-10-11T22:14:15.003Z host su 1 ID47 [ex@1 k=\"v\" a=\"b\"] hello\n<13>Oct 11 22:14:15 web su[1]: there\n\
         Jan  5 01:02:03 web no tag\nplain\n<34>1 - - - - - -\n",
    ),
    (Format::Text, "hello there\n\n  x\r\nlast"),
    (
        Format::Ndjson,
        "{\"a\":\"x\", \"b\":1,\"msg\":\"hello\",\"level\":\"info\"}\n{\"message\":\"m\",\"msg\":\"n\",\"a\":null}\n{}\n",
    ),
];

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("DTQ_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(400),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn edited_records_read_as_what_was_meant(file in 0..FILES.len(), edits in vec(edit(), 1..4)) {
        let (format, text) = FILES[file];
        let before = rows(format, text.as_bytes());
        let mut current = text.as_bytes().to_vec();
        for edit in &edits {
            let meant = std::cell::RefCell::new(Vec::new());
            let note = |row: &mut Row| {
                let came = row.clone();
                apply(row, edit);
                meant.borrow_mut().push((came, row.clone()));
            };
            let (out, _, written) = edited_each(format, &current, &note);
            let rows_meant = meant.into_inner().into_iter().zip(written);
            let rows_meant = rows_meant.map(|((came, edited), is_written)| if is_written { edited } else { came });
            // A line of text that has become empty is no record.
            let is_left = |row: &Row| format != Format::Text || !shown(&row[column::BODY]).trim().is_empty();
            let meant: Vec<_> = rows_meant.filter(is_left).map(|row| comparable(&row)).collect();
            let found: Vec<_> = rows(format, &out).iter().map(comparable).collect();
            prop_assert_eq!(meant, found, "{:?} {:?}", edit, String::from_utf8_lossy(&out));
            current = out;
        }
        prop_assert!(format == Format::Text || rows(format, &current).len() == before.len());
    }

    #[test]
    fn what_no_rule_changes_stays(file in 0..FILES.len(), mark in any::<bool>(), cut in any::<prop::sample::Index>()) {
        let (format, text) = FILES[file];
        let mut bytes = if mark { b"\xEF\xBB\xBF".to_vec() } else { Vec::new() };
        bytes.extend_from_slice(&text.as_bytes()[..cut.index(text.len() + 1)]);
        prop_assert_eq!(edited(format, &bytes, &|_| ()), (bytes.clone(), Vec::new()));
    }
}
