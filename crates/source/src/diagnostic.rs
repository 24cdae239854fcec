//! What a stage says about a mistake: code, place, reason and remedy.

use crate::{Code, Span};
use serde::Serialize;

/// Says how bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is wrong; it says what becomes of something.
    Note,
    /// The query runs, but probably not as meant.
    Warning,
    /// The query is refused.
    Error,
}

/// Holds a replacement of text that removes the mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// The bytes to replace; empty to insert.
    pub span: Span,
    /// The text to put there.
    pub replacement: String,
}

/// Holds one mistake or warning about a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The stable code, from which the severity follows unless it was lowered.
    pub code: Code,
    /// Error, warning or note.
    pub severity: Severity,
    /// Where it is.
    pub span: Span,
    /// What is wrong: one sentence without a full stop, naming things in backquotes.
    pub message: String,
    /// What to write instead, shown under the marked text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// The change that repairs it, where there is one that is surely meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// Further explanation, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// Returns an error with this code, place and message.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, severity: Severity::Error, span, message, label: String::new(), fix: None, notes: Vec::new() }
    }

    /// Returns a warning with this code, place and message.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// Returns a note with this code, place and message.
    pub fn remark(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::error(code, span, message) }
    }

    /// Sets the text shown under the marked place: what to write.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Sets the change that repairs it; the label, when still empty, says it too.
    #[must_use]
    pub fn fix(mut self, span: Span, replacement: impl Into<String>) -> Self {
        let replacement = replacement.into();
        if self.label.is_empty() {
            self.label = format!("write `{replacement}`");
        }
        self.fix = Some(Fix { span, replacement });
        self
    }

    /// Adds a line of explanation.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Says whether it refuses the query.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Says whether any of these refuses the query.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(Diagnostic::is_error)
}
