//! Families to the text format of Prometheus.
//!
//! # Source
//! Prometheus documentation, "Exposition formats", the text-based format: escapes in label values are `\\`, `\"`, `\n`.
//! Next: `process.rs`.

use super::family::{Family, Kind, Value};
use std::fmt::Write;

/// Appends families; one without numbers is announced all the same, so that its name can be found.
pub fn append(out: &mut String, families: &[Family]) {
    for family in families {
        append_family(out, family);
    }
}

fn append_family(out: &mut String, family: &Family) {
    let Family { name, help, series, .. } = family;
    let kind = match family.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
    };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for one in series {
        out.push_str(name);
        for (index, (label, value)) in one.labels.iter().enumerate() {
            let open = if index == 0 { '{' } else { ',' };
            let _ = write!(out, "{open}{label}=\"{}\"", escaped(value));
        }
        out.push_str(if one.labels.is_empty() { " " } else { "} " });
        let _ = match one.value {
            Value::Whole(value) => writeln!(out, "{value}"),
            Value::Real(value) => writeln!(out, "{value}"),
        };
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_numbers_are_plain() {
        let family = Family::new("a_seconds_total", Kind::Counter, "What.")
            .with(vec![("rule", "a\"b\\\n".to_owned()), ("x", String::new())], 0.25)
            .with(Vec::new(), 7);
        let mut text = String::new();
        append(&mut text, &[family]);
        let expected = "# HELP a_seconds_total What.\n# TYPE a_seconds_total counter\n\
                        a_seconds_total{rule=\"a\\\"b\\\\\\n\",x=\"\"} 0.25\na_seconds_total 7\n";
        assert_eq!(text, expected);
    }
}
