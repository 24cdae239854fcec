//! What came of tests, as plain data with places.

use crate::file::rule::Spanned;
use dtq_source::Span;

/// Holds what came of the tests of a rule.
#[derive(Clone, Debug)]
pub struct RuleReport {
    /// The name of the rule and its place in its file.
    pub rule: Spanned<String>,
    /// Position of its file.
    pub file: usize,
    /// Its tests, in the order of the file.
    pub tests: Vec<TestReport>,
    /// What its examples lack, each a sentence.
    pub lacks: Vec<String>,
    /// The conditions of its query that no test made true, or none false.
    pub never_varied: Vec<NeverVaried>,
}

impl RuleReport {
    /// Says whether all tests passed and no example is missing.
    pub fn is_passed(&self) -> bool {
        self.lacks.is_empty() && self.tests.iter().all(|test| test.mismatches.is_empty())
    }
}

/// Holds what came of one test.
#[derive(Clone, Debug)]
pub struct TestReport {
    /// Its name; a test without one is called by its number.
    pub name: String,
    /// All of it in the file.
    pub span: Span,
    /// What was not as expected.
    pub mismatches: Vec<Mismatch>,
}

/// Holds one thing that was not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Where the file says what is expected.
    pub span: Span,
    /// What is compared: `dropped`, `records[0].Body`, or what could not be done.
    pub what: String,
    /// What was expected; `""` when nothing could be compared.
    pub expected: String,
    /// What came, or why nothing could.
    pub came: String,
}

impl Mismatch {
    pub(crate) fn failed(span: Span, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { span, what: what.into(), expected: String::new(), came: why.into() }
    }
}

/// Says which outcome a condition never had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was never true.
    True,
    /// It was never false or null.
    False,
    /// It was never evaluated at all.
    Any,
}

/// Holds a condition that tests did not show both ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeverVaried {
    /// The condition as it is written.
    pub text: String,
    /// Its place in the file that holds the query.
    pub span: Span,
    /// What it never was.
    pub never: Outcome,
}
