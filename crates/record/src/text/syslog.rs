//! Syslog lines: RFC 5424, RFC 3164, and what rsyslog and the journal write to files (no priority, either time format).
//!
//! Mapped to `logs` as OpenTelemetry's Logs Data Model, Appendix A ("RFC5424 Syslog") and B, has it. A line that is none
//! of these is still a record, with the whole line as message: RFC 3164, 4.3.3.

use crate::otlp::logs::column;
use crate::record::Sink;
use crate::time::{Scanner, TICKS_MAX, TICKS_PER_DAY, days_from_date, decimal, read_iso, year_of};
use dtq_value::{Bag, Str, Value};

/// Columns of a syslog file's own table, in order.
pub(crate) const COLUMNS: [(&str, dtq_value::Type); 9] = [
    ("Time", dtq_value::Type::DateTime),
    ("Facility", dtq_value::Type::String),
    ("Severity", dtq_value::Type::String),
    ("Hostname", dtq_value::Type::String),
    ("AppName", dtq_value::Type::String),
    ("ProcId", dtq_value::Type::String),
    ("MsgId", dtq_value::Type::String),
    ("StructuredData", dtq_value::Type::Dynamic),
    ("Message", dtq_value::Type::String),
];

/// Names of the severities by number and their SeverityNumber (RFC 5424, 6.2.1; Logs Data Model, Appendix B).
pub const SEVERITIES: [(&str, i32); 8] = [
    ("emerg", 21),
    ("alert", 19),
    ("crit", 18),
    ("err", 17),
    ("warning", 13),
    ("notice", 10),
    ("info", 9),
    ("debug", 5),
];

/// Names of the facilities by number (RFC 5424, 6.2.1; the keywords of syslog.conf).
pub const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// Holds the parts of a message as views.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Message<'a> {
    /// Facility and severity.
    pub priority: Option<u8>,
    /// VERSION
    pub version: Option<i64>,
    /// TIMESTAMP
    pub ticks: Option<i64>,
    /// HOSTNAME
    pub host: Option<&'a [u8]>,
    /// APP-NAME, or the tag.
    pub app: Option<&'a [u8]>,
    /// PROCID, or what stands in brackets behind the tag.
    pub process: Option<&'a [u8]>,
    /// MSGID
    pub id: Option<&'a [u8]>,
    /// STRUCTURED-DATA
    pub data: Option<&'a [u8]>,
    /// MSG
    pub text: &'a [u8],
}

/// Reads one line.
pub(crate) fn decode(line: &[u8], now_ticks: i64, sink: &mut dyn Sink) {
    let message = parse(line, now_ticks).unwrap_or(Message { text: line, ..Message::default() });
    fill_own(&message, sink);
    fill_logs(&message, sink);
}

/// Says whether a line has the form of a syslog message.
pub(crate) fn is_syslog(line: &[u8]) -> bool {
    parse(line, TICKS_MAX).is_some_and(|message| message.ticks.is_some() && message.host.is_some())
}

/// Returns the parts of a line; `None` when it is no syslog.
pub(crate) fn parse(line: &[u8], now_ticks: i64) -> Option<Message<'_>> {
    let (priority, rest) = read_priority(line);
    if priority.is_some() && rest.starts_with(b"1 ") {
        return parse_5424(priority, &rest[2..]);
    }
    let mut scanner = Scanner { rest };
    let ticks = match rest.first() {
        // With a blank between date and time it is the log of another program, such as PostgreSQL.
        Some(first) if first.is_ascii_digit() && rest.get(10) == Some(&b'T') => read_iso(&mut scanner)?,
        _ => read_traditional_time(&mut scanner, now_ticks)?,
    };
    scanner.byte(b' ')?;
    let (host, behind) = word(scanner.rest)?;
    if host.ends_with(b":") {
        return parse_local(priority?, ticks, scanner.rest);
    }
    let (app, process, text) = split_tag(behind);
    Some(Message { priority, ticks: Some(ticks), host: Some(host), app, process, text, ..Message::default() })
}

/// Reads `tag[pid]: text` behind the time: `syslog(3)` of the C libraries names no host in what it writes to `/dev/log`.
/// Only with a priority, as files have other lines of this form.
fn parse_local(priority: u8, ticks: i64, rest: &[u8]) -> Option<Message<'_>> {
    let (app, process, text) = split_tag(rest);
    app?;
    Some(Message { priority: Some(priority), ticks: Some(ticks), app, process, text, ..Message::default() })
}

/// Reads `<13>`; without it everything is left.
fn read_priority(line: &[u8]) -> (Option<u8>, &[u8]) {
    let read = || {
        let rest = line.strip_prefix(b"<")?;
        let size = rest.iter().take(4).position(|byte| *byte == b'>')?;
        let priority = decimal(&rest[..size]).filter(|priority| *priority <= 191)?;
        Some((priority as u8, &rest[size + 1..]))
    };
    read().map_or((None, line), |(priority, rest)| (Some(priority), rest))
}

/// Holds the parts of an RFC 5424 message behind its version as they stand, `-` for those that are not there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words<'a> {
    time: &'a [u8],
    /// HOSTNAME
    pub host: &'a [u8],
    /// APP-NAME
    pub app: &'a [u8],
    /// PROCID
    pub process: &'a [u8],
    /// MSGID
    pub id: &'a [u8],
    /// STRUCTURED-DATA
    pub data: &'a [u8],
    /// MSG, without the byte order mark.
    pub text: &'a [u8],
}

/// Reads `TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA [MSG]`.
fn words_5424(rest: &[u8]) -> Option<Words<'_>> {
    let (time, rest) = word(rest)?;
    let (host, rest) = word(rest)?;
    let (app, rest) = word(rest)?;
    let (process, rest) = word(rest)?;
    let (id, rest) = rest.split_at(rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len()));
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let (data, text) = rest.split_at(data_size(rest)?);
    let text = text.strip_prefix(b" ").unwrap_or(text);
    // MSG-UTF8 begins with a byte order mark (RFC 5424, 6.4).
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    Some(Words { time, host, app, process, id, data, text })
}

/// Reads what follows the version.
fn parse_5424(priority: Option<u8>, rest: &[u8]) -> Option<Message<'_>> {
    let Words { time, host, app, process, id, data, text } = words_5424(rest)?;
    let ticks = match time {
        b"-" => None,
        time => Some(crate::time::ticks_from_iso(time)?),
    };
    let set = |part| if part == b"-" { None } else { Some(part) };
    Some(Message {
        priority,
        version: Some(1),
        ticks,
        host: set(host),
        app: set(app),
        process: set(process),
        id: set(id),
        data: set(data).filter(|data| !data.is_empty()),
        text,
    })
}

/// Holds where the parts of a line stand, for those who write some of them anew.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout<'a> {
    /// The digits of the priority and what they say.
    pub priority: Option<(&'a [u8], u8)>,
    /// What stands behind it.
    pub rest: Rest<'a>,
}

/// Holds what stands behind a priority.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rest<'a> {
    /// RFC 5424.
    Words(Words<'a>),
    /// RFC 3164 and lines of files: host, tag, what stands in brackets behind it, text. A line of this machine names no host.
    Tagged(Option<&'a [u8]>, Option<&'a [u8]>, Option<&'a [u8]>, &'a [u8]),
    /// No syslog: the whole line is text.
    Text(&'a [u8]),
}

/// Returns where the parts of a line stand.
pub(crate) fn layout(line: &[u8]) -> Layout<'_> {
    let Some(message) = parse(line, TICKS_MAX) else { return Layout { priority: None, rest: Rest::Text(line) } };
    let (_, behind) = read_priority(line);
    let digits = line.len() - behind.len();
    let priority = message.priority.map(|priority| (&line[1..digits - 1], priority));
    let words = message.version.and_then(|_| words_5424(&behind[2..]));
    let rest = match words {
        Some(words) => Rest::Words(words),
        None => Rest::Tagged(message.host, message.app, message.process, message.text),
    };
    Layout { priority, rest }
}

/// Returns the size of the structured data in front of a message.
fn data_size(rest: &[u8]) -> Option<usize> {
    if rest.is_empty() || rest.starts_with(b"-") {
        return Some(rest.len().min(1));
    }
    let (mut is_open, mut is_quoted, mut is_escaped) = (false, false, false);
    for (at, byte) in rest.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' if is_open => is_quoted = !is_quoted,
            b'[' if !is_quoted => is_open = true,
            b']' if !is_quoted => is_open = false,
            _ if !is_open => return (*byte == b' ' && at > 0).then_some(at),
            _ => {}
        }
    }
    (!is_open).then_some(rest.len())
}

/// Reads `Nov  4 09:05:06`. The year is the one that puts the time nearest to `now`, at most a day ahead of it.
fn read_traditional_time(scanner: &mut Scanner<'_>, now_ticks: i64) -> Option<i64> {
    let name = scanner.rest.first_chunk::<3>()?;
    let month = MONTHS.iter().position(|month| *month == name)? as i64 + 1;
    scanner.rest = &scanner.rest[3..];
    scanner.byte(b' ')?;
    let day = if scanner.byte(b' ').is_some() { scanner.digits(1)? } else { scanner.digits(2)? };
    scanner.byte(b' ')?;
    let clock = scanner.clock_ticks()?;
    let this_year = year_of(now_ticks);
    let in_year = |year| days_from_date(year, month, day).map(|days| days * TICKS_PER_DAY + clock);
    // Up to eight years back, for the 29th of February.
    (0..=8)
        .filter_map(|back| in_year(this_year + 1 - back))
        .find(|ticks| *ticks <= now_ticks.saturating_add(TICKS_PER_DAY))
}

fn word(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let size = rest.iter().position(|byte| *byte == b' ').filter(|size| *size > 0)?;
    Some((&rest[..size], &rest[size + 1..]))
}

type Tag<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, &'a [u8]);

/// Splits `tag[pid]: text`; without a tag all is text.
fn split_tag(rest: &[u8]) -> Tag<'_> {
    let is_tag = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'[' | b':');
    let tag_size = rest.iter().take_while(|byte| is_tag(byte)).count();
    let (tag, behind) = rest.split_at(tag_size);
    let (process, behind) = match behind.strip_prefix(b"[") {
        Some(inside) => match inside.iter().position(|byte| *byte == b']') {
            Some(end) => (Some(&inside[..end]), &inside[end + 1..]),
            None => return (None, None, rest),
        },
        None => (None, behind),
    };
    match behind.strip_prefix(b":") {
        Some(text) if !tag.is_empty() => (Some(tag), process, text.strip_prefix(b" ").unwrap_or(text)),
        _ => (None, None, rest),
    }
}

fn fill_own(message: &Message<'_>, sink: &mut dyn Sink) {
    let Message { priority, ticks, host, app, process, id, data, text, .. } = *message;
    let facility = priority.map(|priority| FACILITIES[usize::from(priority >> 3)].as_bytes());
    let severity = priority.map(|priority| SEVERITIES[usize::from(priority & 7)].0.as_bytes());
    if let Some(ticks) = ticks
        && sink.wants("Time").is_some()
    {
        sink.accept(Value::DateTime(ticks));
    }
    if let Some(data) = data
        && sink.wants("StructuredData").is_some()
    {
        sink.accept(Value::bag(nested_data(data)));
    }
    let texts = [
        ("Facility", facility),
        ("Severity", severity),
        ("Hostname", host),
        ("AppName", app),
        ("ProcId", process),
        ("MsgId", id),
        ("Message", Some(text)),
    ];
    for (key, value) in texts {
        if let Some(value) = value
            && sink.wants(key).is_some()
        {
            sink.accept(Value::string(value));
        }
    }
}

/// Hands the values of `logs` to a sink.
pub(crate) fn fill_logs(message: &Message<'_>, sink: &mut dyn Sink) {
    if let Some(ticks) = message.ticks {
        sink.standard(column::TIMESTAMP, Value::DateTime(ticks));
    }
    if let Some(priority) = message.priority {
        let (name, number) = SEVERITIES[usize::from(priority & 7)];
        sink.standard(column::SEVERITY_TEXT, Value::string(name));
        sink.standard(column::SEVERITY_NUMBER, Value::Int(number));
        sink.attribute("syslog.facility", Value::string(FACILITIES[usize::from(priority >> 3)]));
    }
    if let Some(version) = message.version {
        sink.attribute("syslog.version", Value::Long(version));
    }
    let attributes = [("syslog.procid", message.process), ("syslog.msgid", message.id)];
    for (key, value) in attributes {
        if let Some(value) = value {
            sink.attribute(key, Value::string(value));
        }
    }
    let resource = [("host.name", message.host), ("service.name", message.app)];
    for (key, value) in resource {
        if let Some(value) = value {
            sink.resource(key, Value::string(value));
        }
    }
    if let Some(data) = message.data {
        fill_logs_data(data, sink);
    }
    if sink.reads(column::BODY) {
        sink.standard(column::BODY, Value::string(message.text));
    }
}

/// Puts the parameters of structured data where Appendix A has them.
fn fill_logs_data(data: &[u8], sink: &mut dyn Sink) {
    for Parameter { id, name, value, .. } in parameters(data) {
        match key_of(&id, &name) {
            (true, key) => sink.resource(&key, Value::string(value)),
            (false, key) => sink.attribute(&key, Value::string(value)),
        }
    }
}

/// Returns where a parameter stands in `logs`: whether in Resource, and under which key.
pub(crate) fn key_of(id: &str, name: &str) -> (bool, String) {
    match (id, name) {
        ("origin", "swVersion") => (true, "service.version".to_owned()),
        ("origin", "ip") => (false, "client.address".to_owned()),
        _ => (false, format!("syslog.{id}.{name}")),
    }
}

fn nested_data(data: &[u8]) -> Bag {
    let mut elements: Vec<(String, Bag)> = Vec::new();
    for Parameter { id, name, value, .. } in parameters(data) {
        if elements.last().is_none_or(|(last, _)| *last != id) {
            elements.push((id, Bag::new()));
        }
        if let Some((_, bag)) = elements.last_mut() {
            bag.set_if_absent(Str::from(name), Value::string(value));
        }
    }
    let mut bag = Bag::new();
    for (id, element) in elements {
        bag.set_if_absent(Str::from(id), Value::bag(element));
    }
    bag
}

/// Holds a parameter of structured data.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameter<'a> {
    /// The id of its element.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Vec<u8>,
    /// It as it stands, with the blank in front of it.
    pub raw: &'a [u8],
}

/// Returns the parameters of `[id name="value" ...][...]`.
pub(crate) fn parameters(data: &[u8]) -> Vec<Parameter<'_>> {
    let mut found = Vec::new();
    let mut id = String::new();
    let mut rest = data;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    while let Some((first, behind)) = rest.split_first() {
        match first {
            b'[' => {
                let size = behind.iter().position(|byte| matches!(byte, b' ' | b']')).unwrap_or(behind.len());
                id = text(&behind[..size]);
                rest = &behind[size..];
            }
            b' ' | b']' => rest = behind,
            _ => {
                let Some(size) = rest.iter().position(|byte| *byte == b'=') else { break };
                let name = text(&rest[..size]);
                let (value, behind) = read_value(&rest[size + 1..]);
                let (begin, end) = (data.len() - rest.len(), data.len() - behind.len());
                let begin = begin - usize::from(begin > 0 && data[begin - 1] == b' ');
                found.push(Parameter { id: id.clone(), name, value, raw: &data[begin..end] });
                rest = behind;
            }
        }
    }
    found
}

/// Reads `"value"`; a backslash stands before `"`, `\` and `]` (RFC 5424, 6.3.3).
fn read_value(rest: &[u8]) -> (Vec<u8>, &[u8]) {
    let inside = rest.strip_prefix(b"\"").unwrap_or(rest);
    let mut value = Vec::new();
    let mut bytes = inside.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (byte, inside.get(at + 1)) {
            (b'\\', Some(next @ (b'"' | b'\\' | b']'))) => {
                value.push(*next);
                bytes.next();
            }
            (b'"', _) => return (value, &inside[at + 1..]),
            (other, _) => value.push(*other),
        }
    }
    (value, b"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ticks_from_iso;

    fn ticks(text: &str) -> Option<i64> {
        Some(ticks_from_iso(text.as_bytes()).unwrap())
    }

    #[test]
    fn rfc_5424_examples() {
        // RFC 5424, 6.5, examples 1 and 4.
        let line = b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xEF\xBB\xBF'su root' failed";
        let message = parse(line, 0).unwrap();
        assert_eq!(message.ticks, ticks("2003-10-11T22:14:15.003Z"));
        assert_eq!(
            (message.priority, message.app, message.process, message.id),
            (Some(34), Some(&b"su"[..]), None, Some(&b"ID47"[..]))
        );
        assert_eq!(message.text, b"'su root' failed");
        let line = br#"<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="Appli\"cation"][examplePriority@32473 class="high"]"#;
        let message = parse(line, 0).unwrap();
        assert_eq!(message.text, b"");
        let found = parameters(message.data.unwrap());
        assert_eq!((found[1].id.as_str(), found[1].name.as_str()), ("exampleSDID@32473", "eventSource"));
        assert_eq!(
            (&found[1].value[..], found[1].raw),
            (&b"Appli\"cation"[..], &b" eventSource=\"Appli\\\"cation\""[..])
        );
        assert_eq!(found[2].id, "examplePriority@32473");
    }

    #[test]
    fn rfc_3164_and_file_lines() {
        let now = ticks("2026-01-05T00:00:00Z").unwrap();
        // RFC 3164, 5.4, example 1; the year is inferred.
        let message =
            parse(b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8", now).unwrap();
        assert_eq!(message.ticks, ticks("2025-10-11T22:14:15Z"));
        assert_eq!((message.host, message.app), (Some(&b"mymachine"[..]), Some(&b"su"[..])));
        let message = parse(b"Jan  5 01:02:03 web sshd[42]: Accepted", now).unwrap();
        assert_eq!((message.ticks, message.process), (ticks("2026-01-05T01:02:03Z"), Some(&b"42"[..])));
        let message = parse(b"2026-01-04T10:00:00.5+01:00 web cron[1]: x", now).unwrap();
        assert_eq!(message.ticks, ticks("2026-01-04T09:00:00.5Z"));
        assert_eq!(parse(b"Feb 29 00:00:00 web a: b", now).unwrap().ticks, ticks("2024-02-29T00:00:00Z"));
        // glibc, misc/syslog.c: "<%d>%h %e %T %s[%d]: ".
        let message = parse(b"<13>Jan  5 01:02:03 root[42]: hello: x", now).unwrap();
        assert_eq!((message.host, message.app, message.process), (None, Some(&b"root"[..]), Some(&b"42"[..])));
        assert_eq!((message.priority, message.text), (Some(13), &b"hello: x"[..]));
        assert!(parse(b"Jan  5 01:02:03 root: hello", now).is_none());
        assert!(parse(b"<13>Jan  5 01:02:03 []: hello", now).is_none());
        assert!(!is_syslog(b"<13>Jan  5 01:02:03 root: hello"));
        assert!(parse(b"not syslog at all", now).is_none());
        assert!(!is_syslog(b"<34>garbage"));
        assert!(!is_syslog(b"2026-11-23 23:50:01.123 UTC [42] LOG:  ready"));
    }
}
