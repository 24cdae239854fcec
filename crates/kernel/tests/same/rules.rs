//! Rule sets with conditions over what payloads of a format hold; some parts are none that the kernel decides.

use crate::random::Random;
use dtq_ebpf::payload::Format;

/// Texts that payloads hold, overlap and nearly equal one another.
pub const WORDS: [&str; 16] = [
    "error",
    "ERROR",
    "Error",
    "err",
    "time",
    "timeout",
    "TimeOut",
    "out of time",
    "a-b",
    "x_y",
    "7",
    "42",
    "",
    "info",
    "LogWelcomeBanner",
    "\u{e9}t\u{e9}",
];

pub fn texts(format: Format) -> &'static [&'static str] {
    match format {
        Format::Syslog => &[
            "Body",
            "tostring(Body)",
            "SeverityText",
            "Attributes[\"syslog.facility\"]",
            "Attributes[\"syslog.procid\"]",
            "Resource[\"host.name\"]",
            "Resource[\"service.name\"]",
            "Attributes[\"other\"]",
        ],
        Format::Json => &[
            "Body",
            "tostring(Attributes[\"a\"])",
            "Attributes[\"a\"]",
            "Attributes[\"b\"]",
            "Attributes[\"c.d\"]",
            "Attributes[\"other\"]",
        ],
        Format::Otlp => &[
            "Body",
            "EventName",
            "SeverityText",
            "Attributes[\"EventName\"]",
            "tostring(Attributes[\"a\"])",
            "Attributes[\"b\"]",
            "Resource[\"service.name\"]",
            "Scope.Name",
        ],
    }
}

pub fn numbers(format: Format) -> &'static [&'static str] {
    match format {
        Format::Syslog => {
            &["SeverityNumber", "Attributes[\"syslog.version\"]", "tolong(Attributes[\"syslog.procid\"])"]
        }
        Format::Json => {
            &["Attributes[\"n\"]", "tolong(Attributes[\"n\"])", "toint(Attributes[\"n\"])", "toreal(Attributes[\"r\"])"]
        }
        Format::Otlp => &[
            "SeverityNumber",
            "Attributes[\"n\"]",
            "tolong(Attributes[\"n\"])",
            "toint(Attributes[\"n\"])",
            "toreal(Attributes[\"r\"])",
            "todouble(Attributes[\"n\"])",
            "TraceFlags",
        ],
    }
}

/// Returns a rule file.
pub fn set(random: &mut Random, format: Format) -> String {
    let mut yaml = "apiVersion: dtq/v1\nrules:\n".to_owned();
    // Most sets are small, so that single rules are seen; a few are as large as a filter may be.
    let count = if random.one_in(60) { 64 } else { 1 + random.below(3) };
    for rule in 0..count {
        let to = if random.one_in(3) { "replace" } else { "drop" };
        let table = if format == Format::Otlp && random.one_in(5) { "traces" } else { "logs" };
        let depth = random.below(3);
        let mut text = condition(random, format, depth);
        if table == "traces" {
            text = format!("customDimensions.EventName == \"{}\" or message contains \"err\"", random.pick(&WORDS));
        }
        let text = text.replace('\'', "''");
        yaml += &format!("  - {{name: r{rule}, to: {to}, kql: '{table} | where {text}'}}\n");
    }
    yaml
}

pub fn condition(random: &mut Random, format: Format, depth: usize) -> String {
    if depth == 0 {
        return leaf(random, format);
    }
    let mut inner = || condition(random, format, depth - 1);
    let (left, right) = (inner(), inner());
    match random.below(8) {
        0..3 => format!("({left} and {right})"),
        3..6 => format!("({left} or {right})"),
        6 => format!("not({left})"),
        _ => format!("iff({left}, {right}, {})", leaf(random, format)),
    }
}

fn leaf(random: &mut Random, format: Format) -> String {
    let text = random.pick(texts(format));
    let number = random.pick(numbers(format));
    let word = random.pick(&WORDS);
    let constant = random.pick(&["0", "1", "5", "9", "13", "17", "42", "-1", "4294967303", "2.5", "500", "17.0"]);
    match random.below(16) {
        0..6 => {
            let operators = [
                "==",
                "!=",
                "contains",
                "contains_cs",
                "!contains",
                "has",
                "has_cs",
                "!has",
                "startswith",
                "startswith_cs",
                "endswith",
                "endswith_cs",
                "hasprefix",
                "hassuffix_cs",
                "!startswith",
            ];
            format!("{text} {} \"{word}\"", random.pick(&operators))
        }
        6 => format!("tostring({text}) =~ \"{word}\""),
        7..10 => format!("{number} {} {constant}", random.pick(&["==", "!=", "<", "<=", ">", ">="])),
        10 => format!("SeverityNumber between ({} .. {})", random.below(12), 8 + random.below(12)),
        11 => {
            let words: Vec<String> =
                (0..1 + random.below(12)).map(|_| format!("\"{}\"", random.pick(&WORDS))).collect();
            let operator = random.pick(&["in", "!in", "in~", "has_any"]);
            format!("tostring({text}) {operator} ({})", words.join(", "))
        }
        12 => format!("{}({text})", random.pick(&["isempty", "isnotempty", "isnull", "isnotnull"])),
        13 => format!("{} in ({}, 5, 13)", random.pick(&["SeverityNumber", number]), random.below(20)),
        14 if format == Format::Otlp => random
            .pick(&[
                "Timestamp > datetime(2024-01-01)",
                "Timestamp == ObservedTimestamp",
                "SeverityNumber + 1 > TraceFlags * 2",
                "isnull(Timestamp)",
            ])
            .to_owned(),
        // None that the kernel decides.
        _ => random.pick(&["strlen(tostring(Body)) > 9", "tolower(tostring(Body)) == \"error\"", "true"]).to_owned(),
    }
}
