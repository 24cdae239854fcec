//! Payloads of each format: as programs write them, with odd parts, mutated, and recorded ones.

use crate::random::Random;
use crate::rules::WORDS;
use dtq_ebpf::payload::Format;
use dtq_record::wire::{
    append_bytes_field as append_bytes, append_fixed32_field as append_fixed32, append_fixed64_field as append_fixed64,
    append_message_field as message, append_varint_field as append_number,
};
use std::sync::LazyLock;

/// Bytes that a test run takes.
const SIZE_MAX: usize = 3_000;

/// Returns a payload.
pub fn payload(random: &mut Random, format: Format) -> Vec<u8> {
    let mutates = random.one_in(4);
    payload_of(random, format, mutates)
}

/// Returns a payload that is mutated or not.
pub fn payload_of(random: &mut Random, format: Format, mutates: bool) -> Vec<u8> {
    let mut bytes = match format {
        Format::Syslog => syslog(random),
        Format::Json => json(random),
        Format::Otlp => otlp(random),
    };
    if mutates {
        mutate(random, &mut bytes);
    }
    bytes.truncate(SIZE_MAX);
    bytes
}

fn words(random: &mut Random, most: usize) -> String {
    let count = random.below(most + 1);
    (0..count).map(|_| random.pick(&WORDS)).collect::<Vec<_>>().join(random.pick(&[" ", "-", "", "_", " ."]))
}

static RECORDED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/telemetry/");
    let names = ["rfc3164", "rfc5424", "traditional", "iso"];
    let files = names.map(|name| std::fs::read(format!("{folder}syslog-{name}.log")).unwrap());
    let lines = files.iter().flat_map(|file| file.split(|byte| *byte == b'\n'));
    lines.filter(|line| !line.is_empty() && line.len() < SIZE_MAX).map(<[u8]>::to_vec).collect()
});

fn syslog(random: &mut Random) -> Vec<u8> {
    if random.one_in(6) {
        return RECORDED[random.below(RECORDED.len())].clone();
    }
    let priority = random.below(192);
    let host = random.pick(&["web", "error", "shop-1", "-"]);
    let app = random.pick(&["su", "sshd", "timeout", "err", "-"]);
    let process = random.pick(&["7", "42", "-", "8710"]);
    let text = words(random, 6);
    let line = match random.below(3) {
        0 => format!("<{priority}>Oct 11 22:14:15 {host} {app}[{process}]: {text}"),
        1 => format!("<{priority}>Nov  4 09:05:06 {host} {app}: {text}"),
        _ => format!("<{priority}>1 2026-10-11T22:14:15.003Z {host} {app} {process} ID47 - {text}"),
    };
    [line.as_bytes(), random.pick(&["", "", "\n"]).as_bytes()].concat()
}

fn json(random: &mut Random) -> Vec<u8> {
    let mut parts: Vec<String> = Vec::new();
    for key in ["a", "b", "c.d", "n", "r", "message", "level", "x"] {
        if random.one_in(3) {
            continue;
        }
        let value = match (key, random.below(12)) {
            ("n", 0..9) => {
                random.pick(&["0", "5", "17", "42", "-1", "500", "9007199254740993", "4294967303"]).to_owned()
            }
            ("r", 0..9) => random.pick(&["2.5", "499.5", "500.0", "1e3", "17", "-0.0"]).to_owned(),
            ("level", 0..9) => format!("\"{}\"", random.pick(&["info", "WARN", "error", "debug", "odd"])),
            (_, 0..9) => format!("\"{}\"", words(random, 4)),
            (_, 9) => random.pick(&["true", "false", "null", "7", "2.5"]).to_owned(),
            (_, 10) => random.pick(&["[1,\"]\"]", "{\"a\":{\"b\":\"}\"}}", "[]", "{}"]).to_owned(),
            _ => random.pick(&["\"a\\nb\"", "\"\\u0041\"", "\"\\\"\""]).to_owned(),
        };
        let blank = random.pick(&["", " "]);
        parts.push(format!("\"{key}\":{blank}{value}"));
        if random.one_in(30) {
            parts.push(format!("\"{key}\":\"again\""));
        }
    }
    let end = random.pick(&["", "", "\n"]);
    format!("{{{}}}{end}", parts.join(random.pick(&[",", ", "]))).into_bytes()
}

fn any(random: &mut Random, out: &mut Vec<u8>) {
    match random.below(14) {
        0..7 => append_bytes(out, 1, words(random, 4).as_bytes()),
        7..9 => append_number(out, 3, random.pick(&[0_u64, 5, 17, 42, 500, u64::MAX, 4_294_967_303, 1 << 53])),
        9..11 => append_fixed64(out, 4, random.pick(&[2.5, 499.5, 500.5, 17.0, -0.0, f64::NAN, 1e300]).to_bits()),
        11 => append_number(out, 2, random.below(2) as u64),
        12 => message(out, 5, |array| message(array, 1, |item| append_bytes(item, 1, b"inside"))),
        _ => {}
    }
}

fn attribute(random: &mut Random, out: &mut Vec<u8>, number: u32, key: &str) {
    message(out, number, |pair| {
        append_bytes(pair, 1, key.as_bytes());
        if !random.one_in(20) {
            message(pair, 2, |value| any(random, value));
        }
    });
}

fn record(random: &mut Random, out: &mut Vec<u8>) {
    if !random.one_in(4) {
        append_fixed64(out, 1, random.pick(&[0, 1_700_000_000_000_000_000, 1_760_000_000_000_000_123]));
    }
    if !random.one_in(4) {
        append_fixed64(out, 11, random.pick(&[0, 1_760_000_000_000_000_123]));
    }
    if !random.one_in(5) {
        append_number(out, 2, random.below(24) as u64);
    }
    if !random.one_in(3) {
        append_bytes(out, 3, random.pick(&WORDS).as_bytes());
    }
    if !random.one_in(5) {
        message(out, 5, |body| any(random, body));
    }
    for key in ["EventName", "a", "b", "n", "r", "x", "a longer key that nobody asks for"] {
        if !random.one_in(3) {
            attribute(random, out, 6, key);
        }
        if random.one_in(40) {
            attribute(random, out, 6, key);
        }
    }
    if random.one_in(2) {
        append_fixed32(out, 8, random.below(300) as u32);
    }
    if random.one_in(2) {
        append_bytes(out, 9, &[7; 16]);
    }
    if random.one_in(3) {
        append_bytes(out, 12, random.pick(&WORDS).as_bytes());
    }
}

fn otlp(random: &mut Random) -> Vec<u8> {
    let mut request = Vec::new();
    for _ in 0..if random.one_in(4) { 2 } else { 1 } {
        message(&mut request, 1, |resource_logs| {
            if !random.one_in(5) {
                message(resource_logs, 1, |resource| attribute(random, resource, 1, "service.name"));
            }
            for _ in 0..if random.one_in(5) { 2 } else { 1 } {
                message(resource_logs, 2, |scope_logs| {
                    if !random.one_in(3) {
                        message(scope_logs, 1, |scope| append_bytes(scope, 1, random.pick(&WORDS).as_bytes()));
                    }
                    let most = random.pick(&[1, 1, 1, 2, 4]);
                    for _ in 0..random.below(most + 1) {
                        message(scope_logs, 2, |out| record(random, out));
                    }
                    if random.one_in(4) {
                        append_bytes(scope_logs, 3, b"https://schema");
                    }
                });
            }
        });
    }
    request
}

/// Changes some bytes.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..1 + random.below(3) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => drop(bytes.remove(at)),
            1 => bytes.insert(at, random.pick(b" :[]<>-\"\\\n\0\xFF\x0A\x12\x80,{}0")),
            2 if random.one_in(4) => bytes.truncate(at),
            3 => bytes[at] = bytes[at].wrapping_add(1),
            4 => {
                let end = (at + 1 + random.below(12)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => bytes[at] = random.next() as u8,
        }
    }
}
