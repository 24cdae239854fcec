//! This repository to the places where it breaks a rule that `docs/STYLE.md` marks as checked.
//!
//! Every rule is a function from texts to findings, so that its own test can feed it a bad example; only [`tree`] and
//! [`arrows::packages`] look at the disk. `tests/repository.rs` applies all of them to the repository.
//! Read in order: [`tree`] (which files there are and what they are), then the rules.

pub mod tree;

pub mod size;

pub mod text;

pub mod reach;

pub mod testing;

pub mod entries;

pub mod arrows;

pub mod manifest;

pub mod codes;

pub mod golden;

pub mod links;

use std::fmt;

/// A place that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, from the root of the repository.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// The rule's short name.
    pub rule: &'static str,
    /// What is wrong and how to put it right.
    pub message: String,
}

impl Finding {
    /// Returns a finding.
    pub fn new(path: &str, line: usize, rule: &'static str, message: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line, rule, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: [{}] {}", self.path, self.line, self.rule, self.message)
    }
}
