//! Diagnostics to text for people, JSON lines for machines and annotations for GitHub.

use crate::{Diagnostic, Severity, SourceText};
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

/// Says how text for people is dressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// No escape sequences.
    Plain,
    /// Colours for a terminal.
    Colour,
}

/// Returns the diagnostic with the marked line of the query, as a person reads it; ends in a newline.
pub fn text(source: &SourceText, diagnostic: &Diagnostic, style: Style) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let clip = |offset: u32| floor_char_boundary(source.text(), offset as usize);
    let (start, end) = (clip(diagnostic.span.start), clip(diagnostic.span.end));
    let code = diagnostic.code.to_string();
    let annotation = AnnotationKind::Primary.span(start..end.max(start)).label(diagnostic.label.as_str());
    let snippet = Snippet::source(source.text()).path(source.name()).annotation(annotation);
    let mut group = level.primary_title(diagnostic.message.as_str()).id(code.as_str()).element(snippet);
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Colour => Renderer::styled(),
    };
    let mut out = renderer.render(&[group]);
    out.push('\n');
    out
}

/// The JSON form of a diagnostic: its own fields, and the place as a person counts it.
#[derive(Serialize)]
struct Json<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    #[serde(flatten)]
    diagnostic: &'a Diagnostic,
}

/// Returns the diagnostic as one JSON object on one line, without the newline.
pub fn json(source: &SourceText, diagnostic: &Diagnostic) -> String {
    let (line, column) = source.line_column(diagnostic.span.start);
    let object = Json { file: source.name(), line, column, diagnostic };
    serde_json::to_string(&object).expect("plain strings and numbers always serialize")
}

/// Returns the diagnostic as a GitHub Actions workflow command on one line, without the newline.
///
/// # Source
/// GitHub documentation, "Workflow commands": `%`, CR and LF are escaped; properties also escape `:` and `,`.
pub fn github(source: &SourceText, diagnostic: &Diagnostic) -> String {
    let kind = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let (line, column) = source.line_column(diagnostic.span.start);
    let (end_line, end_column) = source.line_column(diagnostic.span.end);
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let mut message = diagnostic.message.clone();
    if !diagnostic.label.is_empty() {
        message = format!("{message}: {}", diagnostic.label);
    }
    for note in &diagnostic.notes {
        message = format!("{message}\n{note}");
    }
    format!(
        "::{kind} file={},line={line},col={column},endLine={end_line},endColumn={end_column},title={}::{}",
        property(source.name()),
        diagnostic.code,
        data(&message)
    )
}

/// Returns diagnostics as fixtures hold them: a line each with its place in bytes, below it help, fix and notes.
pub fn golden(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        let kind = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let span = diagnostic.span;
        out.push_str(&format!("{kind}[{}] {}..{}: {}\n", diagnostic.code, span.start, span.end, diagnostic.message));
        if !diagnostic.label.is_empty() {
            out.push_str(&format!("  help: {}\n", diagnostic.label));
        }
        if let Some(fix) = &diagnostic.fix {
            out.push_str(&format!("  fix: {}..{} {:?}\n", fix.span.start, fix.span.end, fix.replacement));
        }
        for note in &diagnostic.notes {
            out.push_str(&format!("  note: {note}\n"));
        }
    }
    out
}

/// Returns the largest character boundary at or below `offset` and within the text.
fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, Span};

    fn example() -> (SourceText, Diagnostic) {
        let source = SourceText::new("query.kql", "Logs | where severity has \"err\"");
        let diagnostic =
            Diagnostic::error(Code::E2004, Span::new(13, 21), "`severity` is a long, but `has` searches strings")
                .fix(Span::new(13, 21), "tostring(severity)");
        (source, diagnostic)
    }

    #[test]
    fn text_marks_the_place_and_says_the_remedy() {
        let (source, diagnostic) = example();
        let shown = text(&source, &diagnostic, Style::Plain);
        assert!(shown.contains("error[E2004]: `severity` is a long"), "{shown}");
        assert!(shown.contains("query.kql:1:14"), "{shown}");
        assert!(shown.contains("^^^^^^^^ write `tostring(severity)`"), "{shown}");
    }

    #[test]
    fn a_span_past_the_end_or_inside_a_character_is_clipped() {
        let source = SourceText::new("q", "\u{e9}");
        let diagnostic = Diagnostic::error(Code::E1007, Span::new(1, 99), "m");
        assert!(text(&source, &diagnostic, Style::Plain).contains("E1007"));
    }

    #[test]
    fn github_escapes_properties_and_data() {
        let source = SourceText::new("a,b.kql", "x");
        let diagnostic = Diagnostic::warning(Code::E2102, Span::new(0, 1), "50%\nnext");
        let shown = github(&source, &diagnostic);
        assert_eq!(shown, "::warning file=a%2Cb.kql,line=1,col=1,endLine=1,endColumn=2,title=E2102::50%25%0Anext");
    }

    #[test]
    fn json_is_one_line_with_line_and_column() {
        let (source, diagnostic) = example();
        let value: serde_json::Value = serde_json::from_str(&json(&source, &diagnostic)).unwrap();
        assert_eq!((value["line"].as_u64(), value["column"].as_u64()), (Some(1), Some(14)));
        assert_eq!(value["code"], "E2004");
        assert_eq!(value["fix"]["replacement"], "tostring(severity)");
    }
}
