//! What a table is told of a query changes nothing but the work: the same rows with and without it, over generated lines.

use dtq_engine::{Options, compile};
use dtq_record::input::{Input, Inputs};
use dtq_record::stream::Row;
use dtq_source::Limits;
use std::fmt::Write;

/// Gives numbers that only look random (Marsaglia's xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len())]
    }
}

/// Parts of strings as JSON spells them: plain, escaped, in other case, beyond ASCII.
const SPELLINGS: [&str; 24] = [
    "timeout",
    "Timeout",
    "TIMEOUT",
    "time",
    "out",
    r"\u0074imeout",
    r"time\u006Fut",
    r"tim\u0065",
    " ",
    "a/b",
    r"a\/b",
    r#"\"quoted\""#,
    r"\\",
    r"\n",
    r"\t",
    r"\b",
    r"\u0001",
    "gr\u{fc}n",
    r"gr\u00fcn",
    "1000",
    "true",
    "x,y",
    "[1",
    "{",
];

/// Texts that queries look for, as KQL spells them.
const TEXTS: [&str; 22] = [
    "timeout",
    "TimeOut",
    "time",
    "imeo",
    "a/b",
    "\\\"quoted",
    "quoted",
    "\\\\",
    "gr\u{fc}n",
    "1000",
    "000.0",
    "true",
    "True",
    "null",
    "x,y",
    "1,2",
    "\\nx",
    "u0001",
    "key",
    "k\\\":\\\"",
    "0001time",
    "out a",
];

fn string(numbers: &mut Numbers, json: &mut String) {
    json.push('"');
    for _ in 0..numbers.below(4) {
        json.push_str(numbers.of(&SPELLINGS));
    }
    json.push('"');
}

fn value(numbers: &mut Numbers, depth: usize, json: &mut String) {
    match numbers.below(if depth == 0 { 8 } else { 11 }) {
        0..4 => string(numbers, json),
        4 => json.push_str(numbers.of(&["1", "1000", "1e3", "-0.5", "1E+20", "12345678901234567890", "0.1e-7"])),
        5 => json.push_str(numbers.of(&["true", "false"])),
        6 => json.push_str("null"),
        7 => json.push_str(numbers.of(&["{}", "[]", "[1, 2]", "[true, null]"])),
        8 => {
            json.push_str("[ ");
            value(numbers, depth - 1, json);
            json.push_str(" , ");
            value(numbers, depth - 1, json);
            json.push(']');
        }
        _ => object(numbers, depth - 1, json),
    }
}

fn object(numbers: &mut Numbers, depth: usize, json: &mut String) {
    json.push('{');
    for index in 0..numbers.below(5) {
        json.push_str(if index > 0 { ", " } else { "" });
        let key = numbers.of(&["key", "a.b", "timeout", r"k\u0065y", "inner", "other"]);
        write!(json, "\"{key}\": ").expect("memory takes text");
        value(numbers, depth, json);
    }
    json.push('}');
}

fn line(numbers: &mut Numbers) -> String {
    let mut json = String::from("{");
    for (index, key) in ["n", "body", "message", "level", "bag", "list"].into_iter().enumerate() {
        if numbers.below(6) == 0 {
            continue;
        }
        json.push_str(if json.len() > 1 { "," } else { "" });
        write!(json, "\"{key}\":").expect("memory takes text");
        match key {
            "n" => write!(json, "{}", numbers.below(20)).expect("memory takes text"),
            "level" => json.push_str(numbers.of(&["\"error\"", "\"warn timeout\"", "3"])),
            "bag" if numbers.below(4) > 0 => object(numbers, 2, &mut json),
            _ => value(numbers, index % 3, &mut json),
        }
    }
    json.push('}');
    match numbers.below(24) {
        0 => json[..numbers.below(json.len())].chars().take(200).collect(),
        1 => json + " ",
        2 => json + "\r",
        3 => format!("  {json}"),
        4 => String::new(),
        5 => json + "x}",
        6 => numbers.of(&["timeout", "{timeout}", "{\"body\":\"timeout\"", "[1]", "{}"]).to_owned(),
        _ => json,
    }
}

fn condition(numbers: &mut Numbers, depth: usize) -> String {
    match numbers.below(if depth == 0 { 6 } else { 9 }) {
        0..5 => {
            let subject = numbers.of(&[
                "tostring(body)",
                "tostring(message)",
                "tostring(Body)",
                "SeverityText",
                "tostring(bag)",
                "tostring(bag.key)",
                "tostring(bag['a.b'])",
                "tostring(bag.inner.key)",
                "tostring(Attributes.bag.key)",
                "tostring(Attributes)",
                "tostring(Attributes.list)",
                "tostring(list)",
                "tostring(list[0])",
            ]);
            let text = numbers.of(&TEXTS);
            match numbers.below(5) {
                0 => format!("{subject} in ('{text}', \"{}\")", numbers.of(&TEXTS)).replace('\'', "\""),
                1 => format!("not({subject} has \"{text}\")"),
                _ => {
                    let operator = numbers.of(&["contains", "contains_cs", "has", "has_cs", "startswith", "==", "=~"]);
                    format!("{subject} {operator} \"{text}\"")
                }
            }
        }
        5 => format!("n >= {}", numbers.below(20)),
        6 => format!("({} or {})", condition(numbers, depth - 1), condition(numbers, depth - 1)),
        _ => format!("({} and {})", condition(numbers, depth - 1), condition(numbers, depth - 1)),
    }
}

fn query(numbers: &mut Numbers) -> String {
    let table = numbers.of(&["logs", "logs", "t"]);
    let mut text = format!("{table} | where {}", condition(numbers, 2));
    if numbers.below(2) == 0 {
        write!(text, " | where {}", condition(numbers, 1)).expect("memory takes text");
    }
    let end = numbers.of(&[
        "",
        " | project n, bag.key, bag.inner",
        " | extend k = bag.key | summarize count() by tostring(k), n",
        " | project bag, x = bag.inner.key | where isnotnull(x)",
        " | summarize count(), make_list(bag.key)",
        " | mv-expand bag | project bag.key",
        " | project list[0], list.key",
    ]);
    if table == "t" { (text + end).replace("Body", "body").replace("SeverityText", "level") } else { text + end }
}

fn rows(text: &str, inputs: &Inputs, without_optimizer: bool) -> Option<Result<Vec<Row>, String>> {
    let options = Options { without_optimizer, ..Options::default() };
    let (query, _) = compile(text, inputs, &options);
    let query = query?;
    let run = query.run(inputs, &options);
    Some(run.and_then(|mut run| run.rest(0)).map_err(|fault| fault.to_string()))
}

#[test]
fn what_a_table_leaves_out_was_not_looked_at() {
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let (mut run_count, mut row_count, mut passed_over) = (0, 0, 0);
    for _ in 0..2_000 {
        let lines: Vec<String> = (0..numbers.below(30)).map(|_| line(&mut numbers)).collect();
        let mut bytes = lines.join("\n").into_bytes();
        if numbers.below(10) == 0 && !bytes.is_empty() {
            let at = numbers.below(bytes.len());
            bytes[at] = 0xFF;
        }
        let input = Input::from_bytes("t.ndjson", "t", bytes.clone()).with_format(dtq_record::Format::Ndjson);
        let read = dtq_record::Options::default();
        let inputs = Inputs::probe(vec![input], &read, &Limits::default()).expect("memory can be read");
        let text = query(&mut numbers);
        let Some(expected) = rows(&text, &inputs, true) else { continue };
        let found = rows(&text, &inputs, false).expect("it compiles either way");
        assert_eq!(found, expected, "{text}\n{}", String::from_utf8_lossy(&bytes));
        run_count += 1;
        row_count += found.map_or(0, |rows| rows.len());
        passed_over += inputs.report().records_passed_over;
    }
    assert!(run_count > 300 && row_count > 300 && passed_over > 300, "{run_count} {row_count} {passed_over}");
}
