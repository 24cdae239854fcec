//! Objects of JSON: generated ones, mutated ones, odd ones.

use crate::lines::Random;
use crate::reading::path;
use dtq_record::otlp::fill::FieldPath;
use dtq_record::otlp::logs::column;

/// Returns the fields that objects are read for.
pub fn paths() -> Vec<FieldPath> {
    let mut paths = vec![
        path(column::SEVERITY_NUMBER, None),
        path(column::SEVERITY_TEXT, None),
        path(column::BODY, None),
        path(column::TRACE_FLAGS, None),
        path(column::EVENT_NAME, None),
        path(column::OBSERVED_TIMESTAMP, None),
        path(column::SCOPE, Some("Name")),
        path(column::RESOURCE, Some("service")),
    ];
    paths.extend(KEYS.map(|key| path(column::ATTRIBUTES, Some(key))));
    paths.push(path(column::ATTRIBUTES, Some("status")));
    paths
}

const KEYS: [&str; 10] =
    ["a", "b", "ab", "status", "path", "abcdefgh", "abcdefghi", "abcdefgi", "http.response.status_code", "service"];

/// Returns an object, or what is nearly one.
pub fn text(random: &mut Random) -> Vec<u8> {
    let mut text = Vec::new();
    let is_strange = random.below(8) == 0;
    text.extend_from_slice(random.pick(&["", "", "", " ", "\t "]).as_bytes());
    object(random, &mut text, 1, is_strange);
    text.extend_from_slice(random.pick(&["", "", "\n", " \r\n", "\n\n"]).as_bytes());
    text
}

fn object(random: &mut Random, text: &mut Vec<u8>, depth: usize, is_strange: bool) {
    let known = ["level", "severity", "msg", "message", "body", "lvl", "PRIORITY", "error_severity", "event_message"];
    text.push(b'{');
    for index in 0..random.below(9) {
        if index > 0 {
            text.extend_from_slice(random.pick(&[",", ", ", ",", " , "]).as_bytes());
        }
        let key = match random.below(12) {
            0..5 => random.pick(&KEYS),
            5..9 => random.pick(&known),
            9 if is_strange => random.pick(&["\\u0061", "a\\n", "\u{e4}", "", "\\ud800"]),
            _ => random.pick(&["time", "other", "x", "abcdefghijklmnopqrstuvwxyz", "trace_id"]),
        };
        text.extend_from_slice(format!("\"{key}\"{}", random.pick(&[":", ": ", ":", " : "])).as_bytes());
        value(random, text, depth, is_strange);
    }
    text.push(b'}');
}

fn value(random: &mut Random, text: &mut Vec<u8>, depth: usize, is_strange: bool) {
    let words = [
        "warn",
        "INFO",
        "Information",
        "informational",
        "emergency",
        "\u{e4}rger",
        "/healthz",
        "",
        " error ",
        "debug5",
    ];
    match random.below(14) {
        0 if depth < 10 => object(random, text, depth + 1, is_strange),
        1 if depth < 10 => {
            text.push(b'[');
            for index in 0..random.below(4) {
                if index > 0 {
                    text.push(b',');
                }
                value(random, text, depth + 1, is_strange);
            }
            text.push(b']');
        }
        2..5 => {
            let number = random.next() as i64 >> random.below(64);
            text.extend_from_slice(number.to_string().as_bytes());
        }
        5 => text.extend_from_slice(random.pick(&["true", "false", "null"]).as_bytes()),
        6 => {
            let numbers =
                ["0", "-0", "1.5", "-12.25e3", "1e5", "0.0", "9223372036854775807", "18446744073709551616", "30"];
            text.extend_from_slice(random.pick(&numbers).as_bytes());
        }
        7 if is_strange => {
            let strange = [
                "01",
                "1.",
                ".5",
                "-",
                "+1",
                "1e",
                "1e400",
                "nul",
                "tru",
                "True",
                "NaN",
                "\"\\x\"",
                "\"\\ud800\"",
                "\"\t\"",
            ];
            text.extend_from_slice(random.pick(&strange).as_bytes());
        }
        8 => text.extend_from_slice(random.pick(&["\"a\\\"b\"", "\"\\u00e4\\n\"", "\"{\\\\\"", "\"}]\""]).as_bytes()),
        9 if is_strange => text.extend_from_slice(b"\"\xFF\xC3\""),
        _ => text.extend_from_slice(format!("\"{}\"", random.pick(&words)).as_bytes()),
    }
}

/// Changes some bytes of an object.
pub fn mutate(random: &mut Random, text: &mut Vec<u8>) {
    let bytes = b"{}[]:,\"\\ \n\r\t\0\xFF\xC30123456789-+.eEtfnuabcd";
    for _ in 0..1 + random.below(2) {
        let at = random.below(text.len().max(1));
        let byte = bytes[random.below(bytes.len())];
        match random.below(6) {
            0 if at < text.len() => drop(text.remove(at)),
            1 => text.insert(at.min(text.len()), byte),
            2 if random.below(4) == 0 => text.truncate(at),
            3 if at < text.len() => text[at] = text[at].wrapping_add(1),
            4 if at < text.len() => {
                let (begin, end) = (at, (at + random.below(20)).min(text.len()));
                let piece = text[begin..end].to_vec();
                let to = random.below(text.len());
                text.splice(to..to, piece);
            }
            _ if at < text.len() => text[at] = byte,
            _ => text.push(byte),
        }
    }
    if text.is_empty() {
        text.push(b'{');
    }
}

/// Objects that are odd and still decided.
pub const DECIDED: [&[u8]; 14] = [
    b"{}",
    b" {}\n",
    b"{\"a\":1,\"a\":2}",
    b"{\"a\":null,\"a\":2}",
    b"{\"message\":null,\"msg\":\"x\"}",
    b"{\"msg\":1,\"message\":true,\"body\":\"x\"}",
    b"{\"level\":30,\"severity\":\"Warn\"}",
    b"{\"level\":[1],\"lvl\":\"warn\"}",
    b"{\"level\":null}",
    b"{\"level\":false}",
    b"{\"x\":[[[[[[[]]]]]]]}",
    b"{\"x\":\"\\ud7ff\\uD7FF\\\\\"}",
    b"{\"x\":1e99,\"y\":-0.0E-07,\"a\":-999999999999999999}",
    b"{\"x\":\"\xFF\",\"\xC3\":1,\"a\":\"b\"}",
];

/// Objects that user space has to read, or skip.
pub const KEPT: [&[u8]; 31] = [
    b"{}\n\n",
    b"x",
    b"\n",
    b"[{}]",
    b"{}{}",
    b"{}\n{}",
    b"{}x",
    b"{\"a\":1,}",
    b"{,\"a\":1}",
    b"{\"a\" 1}",
    b"{\"a\":1 \"b\":2}",
    b"{\"a\":01}",
    b"{\"a\":1.}",
    b"{\"a\":-}",
    b"{\"a\":+1}",
    b"{\"a\":1e400}",
    b"{\"a\":tru}",
    b"{\"a\":nulls}",
    b"{\"a\":\"\\x\"}",
    b"{\"a\":\"\\u12g4\"}",
    b"{\"x\":\"\\ud800\"}",
    b"{\"a\":\"\t\"}",
    b"{\"a\":\"x}",
    b"{\"a\":[1,]}",
    b"{\"a\":[1}",
    b"{\"a\":{]}",
    b"{\"a\":\n1}",
    b"{\"\\u0061\":1}",
    b"{\"message\":1,\"message\":2}",
    b"{\"x\":[[[[[[[[]]]]]]]]}",
    b"\xEF\xBB\xBF{}",
];
