//! The text of a query or expression in a rule, and its diagnostics shown where it is written.
//!
//! Never compiles it. Next: `read.rs`.

use crate::file::place::TextMap;
use crate::file::rule::RuleFile;
use dtq_source::{Diagnostic, SourceText, Span};
use std::sync::Arc;

/// Holds KQL that a rule says, and where it stands.
#[derive(Clone, Debug)]
pub struct QueryText {
    /// The KQL.
    pub text: String,
    /// From places in it to places in the file that holds it.
    pub map: Arc<TextMap>,
    /// The file, when it is not the rule file itself.
    pub beside: Option<Arc<SourceText>>,
    /// Where the rule file says the query, or names the file that holds it.
    pub span: Span,
}

impl QueryText {
    /// Returns the text that holds the query: that of its own file, or of the rule file.
    pub fn source<'f>(&'f self, file: &'f RuleFile) -> &'f SourceText {
        self.beside.as_deref().unwrap_or(&file.source)
    }

    /// Returns a diagnostic about the query as one about the rule file.
    ///
    /// Of a query in a file of its own it shows where the rule file names that file, and says the place in it.
    #[must_use]
    pub fn locate(&self, diagnostic: Diagnostic) -> Diagnostic {
        let Some(source) = &self.beside else { return self.place(diagnostic) };
        let (line, column) = source.line_column(diagnostic.span.start);
        let text = source.text().lines().nth(line.saturating_sub(1)).unwrap_or("").trim();
        let place = format!("{}:{line}:{column}: {text}", source.name());
        Diagnostic { span: self.span, fix: None, ..diagnostic }.note(place)
    }

    /// Returns a diagnostic about the query as one about [`QueryText::source`].
    ///
    /// A fix stays where it can be made there without YAML reading the result as something else.
    #[must_use]
    pub fn place(&self, mut diagnostic: Diagnostic) -> Diagnostic {
        diagnostic.span = self.map.span(diagnostic.span);
        diagnostic.fix = diagnostic.fix.as_ref().and_then(|fix| self.map.fix(fix));
        diagnostic
    }
}
