//! Results of tests to JUnit XML, which build servers read. Next: `test.rs`.

use crate::commands::test::{place, sentence};
use dtq_rules::file::RuleFile;
use dtq_rules::test::RuleReport;
use std::fmt::Write;

/// Returns the results as a document: a suite a rule, a case a test, and one for examples that are missing.
///
/// # Source
/// The schema of the Jenkins xUnit plugin, `junit-10.xsd`.
pub fn xml(files: &[RuleFile], reports: &[RuleReport]) -> String {
    let failures: usize = reports.iter().map(failures).sum();
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    line(&mut out, &format!("<testsuites name=\"dtq test\" tests=\"{}\" failures=\"{failures}\">", count(reports)));
    for report in reports {
        suite(&mut out, &files[report.file], report);
    }
    line(&mut out, "</testsuites>");
    out
}

fn count(reports: &[RuleReport]) -> usize {
    reports.iter().map(cases).sum()
}

fn cases(report: &RuleReport) -> usize {
    report.tests.len() + usize::from(!report.lacks.is_empty())
}

fn failures(report: &RuleReport) -> usize {
    let failed = report.tests.iter().filter(|test| !test.mismatches.is_empty()).count();
    failed + usize::from(!report.lacks.is_empty())
}

fn suite(out: &mut String, file: &RuleFile, report: &RuleReport) {
    let source = &file.source;
    let rule = escaped(&report.rule.value);
    let (tests, failures) = (cases(report), failures(report));
    line(out, &format!("  <testsuite name=\"{rule}\" tests=\"{tests}\" failures=\"{failures}\">"));
    for test in &report.tests {
        let name = escaped(&test.name);
        let (at, _) = source.line_column(test.span.start);
        let head = format!(
            "    <testcase classname=\"{rule}\" name=\"{name}\" file=\"{}\" line=\"{at}\"",
            escaped(source.name())
        );
        let sentences: Vec<String> = test
            .mismatches
            .iter()
            .map(|mismatch| format!("{}: {}", place(source, mismatch.span), sentence(mismatch)))
            .collect();
        case(out, &head, &sentences);
    }
    if !report.lacks.is_empty() {
        case(out, &format!("    <testcase classname=\"{rule}\" name=\"has examples\""), &report.lacks);
    }
    line(out, "  </testsuite>");
}

fn case(out: &mut String, head: &str, failures: &[String]) {
    if failures.is_empty() {
        line(out, &format!("{head}/>"));
        return;
    }
    line(out, &format!("{head}>"));
    let message = escaped(&failures[0]);
    line(out, &format!("      <failure message=\"{message}\">{}</failure>", escaped(&failures.join("\n"))));
    line(out, "    </testcase>");
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("writing to a string cannot fail");
}

/// Returns text as it stands in an element or an attribute; what XML cannot hold becomes U+FFFD.
///
/// # Source
/// XML 1.0, 2.2 "Characters" and 3.3.3 "Attribute-Value Normalization".
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => write!(out, "&#{};", c as u32).expect("writing to a string cannot fail"),
            '\u{0}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_an_element_or_an_attribute() {
        assert_eq!(escaped("a<b> & \"c\" 'd'"), "a&lt;b&gt; &amp; &quot;c&quot; &apos;d&apos;");
        assert_eq!(escaped("]]>"), "]]&gt;");
        assert_eq!(escaped("a\nb\tc\r"), "a&#10;b&#9;c&#13;");
    }

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        assert_eq!(escaped("a\u{0}\u{1b}[31m\u{FFFE}"), "a\u{FFFD}\u{FFFD}[31m\u{FFFD}");
        assert_eq!(escaped("\u{e9}\u{1F600}"), "\u{e9}\u{1F600}");
    }
}
