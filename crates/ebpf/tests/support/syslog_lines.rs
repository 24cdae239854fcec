//! Lines of syslog: generated ones, mutated ones, odd ones.

use crate::lines::Random;
use crate::reading::path;
use dtq_record::otlp::fill::FieldPath;
use dtq_record::otlp::logs::column;

/// Returns the fields that syslog lines are read for.
pub fn paths() -> Vec<FieldPath> {
    vec![
        path(column::SEVERITY_NUMBER, None),
        path(column::SEVERITY_TEXT, None),
        path(column::BODY, None),
        path(column::ATTRIBUTES, Some("syslog.facility")),
        path(column::ATTRIBUTES, Some("syslog.version")),
        path(column::ATTRIBUTES, Some("syslog.procid")),
        path(column::ATTRIBUTES, Some("syslog.msgid")),
        path(column::RESOURCE, Some("host.name")),
        path(column::RESOURCE, Some("service.name")),
        path(column::ATTRIBUTES, Some("other")),
        path(column::RESOURCE, Some("other")),
        path(column::TRACE_FLAGS, None),
        path(column::TRACE_ID, None),
        path(column::EVENT_NAME, None),
        path(column::OBSERVED_TIMESTAMP, None),
        path(column::SCOPE, Some("Name")),
    ]
}

/// Returns a line of one of the forms.
pub fn line(random: &mut Random) -> Vec<u8> {
    let priority = format!("<{}>", random.below(192));
    let text = text(random);
    let tag = random.pick(&["su: ", "sshd[42]: ", "a.b/c-d[x y]: ", "kernel: ", "t:", "no tag ", "x[1]:", "[7]: ", ""]);
    let host = random.pick(&["web", "shop-1.example.com", "10.0.0.1", "fe80::1", "-", "h"]);
    let traditional = traditional(random);
    let iso = iso(random);
    let head = match random.below(6) {
        5 => format!("{priority}{} {tag}", if random.below(3) > 0 { traditional } else { iso }),
        0 => format!("{priority}{traditional} {host} {tag}"),
        1 => format!("{priority}{iso} {host} {tag}"),
        2 => format!("{} {host} {tag}", if random.below(2) == 0 { traditional } else { iso }),
        _ => {
            let app = random.pick(&["su", "evntslog", "-", "a/very/long/name/of/a/program"]);
            let process = random.pick(&["-", "42", "8710"]);
            let id = random.pick(&["-", "ID47", "TCPIN"]);
            let time = if random.below(4) == 0 { "-".to_owned() } else { iso };
            format!("{priority}1 {time} {host} {app} {process} {id} {}", data(random))
        }
    };
    let end = random.pick(&["", "", "\n", "\r\n", "\r"]);
    [head.as_bytes(), &text, end.as_bytes()].concat()
}

fn data(random: &mut Random) -> &'static str {
    let known = [
        "- ",
        "-",
        "[a b=\"c\"] ",
        "[a@1 b=\"c\" d=\"e \\\" ] f\"][g h=\"[\\\\\"] ",
        "[x]",
        "[x]] ",
        "- \u{FEFF}",
        "[origin swVersion=\"2.1\" ip=\"192.0.2.1\"] ",
    ];
    random.pick(&known)
}

fn traditional(random: &mut Random) -> String {
    let month = random.pick(&["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]);
    let day = 1 + random.below(29);
    format!("{month} {day:2} {}", clock(random))
}

fn clock(random: &mut Random) -> String {
    format!("{:02}:{:02}:{:02}", random.below(24), random.below(60), random.below(61))
}

fn iso(random: &mut Random) -> String {
    let (year, month, day) = (1999 + random.below(102), 1 + random.below(12), 1 + random.below(28));
    let day = if random.below(8) == 0 && month != 2 { 29 + random.below(2) } else { day };
    let fraction = random.pick(&["", ".5", ".145710", ",003", ".123456789"]);
    let zone = random.pick(&["Z", "z", "+00:00", "-05:30", "+14:59"]);
    format!("{year}-{month:02}-{day:02}T{}{fraction}{zone}", clock(random))
}

fn text(random: &mut Random) -> Vec<u8> {
    let words =
        ["error", "Accepted publickey for", " ", "a:b", "[x]", "\u{e4}\u{f6}", "\0", "\t", "'su root' failed", "1"];
    let mut text = Vec::new();
    for _ in 0..random.below(12) {
        text.extend_from_slice(random.pick(&words).as_bytes());
        text.push(b' ');
    }
    if random.below(8) == 0 {
        text.push(0xFF);
    }
    text
}

/// Changes some bytes.
pub fn mutate(random: &mut Random, line: &mut Vec<u8>) {
    let bytes = b" :[]<>-\"\\\n\r\0\xFF\xEF0123456789TZJan.,{}tfnue+";
    for _ in 0..1 + random.below(3) {
        let at = random.below(line.len().max(1)).min(line.len());
        let at = if random.below(2) == 0 { at.min(random.below(60)) } else { at };
        let byte = bytes[random.below(bytes.len())];
        match random.below(5) {
            0 if at < line.len() => drop(line.remove(at)),
            1 => line.insert(at, byte),
            2 => line.truncate(at),
            3 if at < line.len() => line[at] = line[at].wrapping_add(1),
            _ if at < line.len() => line[at] = byte,
            _ => line.push(byte),
        }
    }
    if line.is_empty() {
        line.push(b'x');
    }
}

/// Lines that are odd and still decided.
pub const DECIDED: [&[u8]; 16] = [
    b"<191>1 2400-02-29T00:00:00Z h a p i -",
    b"<13>Nov 26 10:30:00 root: hello",
    b"<13>Nov 26 10:30:00 sshd[42]: hello",
    b"<13>2026-11-26T10:30:00Z a:b: hello",
    b"<013>Nov  4 09:05:06 h x",
    b"<0>Feb 29 09:05:60 h x",
    b"<191>1 2024-02-29T00:00:00Z h a p i -",
    b"<191>1 2000-02-29T00:00:00Z h a p i -x",
    b"<191>1 - h a p i",
    b"<191>1 - h a p  -",
    b"<191>1 - - - - - -",
    b"<191>1 - h a p i [a b=\"c\"]",
    b"<1>Nov  4 09:05:06 h tag[unclosed: x",
    b"<1>Nov  4 09:05:06 h tag[1]x: y",
    b"<1>Nov  4 09:05:06 h tag\x7f: y",
    b"<1>Nov 04 09:05:06 h \r",
];

/// Lines that user space has to read.
pub const KEPT: [&[u8]; 21] = [
    b"<1>1 2200-02-29T00:00:00Z h a p i -",
    b"Nov 26 10:30:00 root: hello",
    b"<13>Nov 26 10:30:00 []: hello",
    b"x",
    b"\n",
    b"<",
    b"<192>Nov  4 09:05:06 h x",
    b"<>Nov  4 09:05:06 h x",
    b"<1234>Nov  4 09:05:06 h x",
    b"<1>Nov  4 09:05:06 h",
    b"<1>Nov  4 09:05:06  h x",
    b"<1>Nov  0 09:05:06 h x",
    b"<1>Nov 31 09:05:06 h x",
    b"<1>Feb 30 09:05:06 h x",
    b"<1>nov  4 09:05:06 h x",
    b"<1>Nov  4 24:05:06 h x",
    b"<1>Nov  4 09:05:06 h x\ny",
    b"<1>1 2023-02-29T00:00:00Z h a p i -",
    b"<1>1 1900-02-29T00:00:00Z h a p i -",
    b"<1>1 - h a p i [a b=\"c\" x",
    b"<1>1 - h a p i x",
];
