//! Query text to positions, diagnostics with stable codes, and the limits that bound everything.
//!
//! Turns byte offsets into lines and columns, and collected [`Diagnostic`]s into text for people, JSON for machines
//! and annotations for GitHub. It never decides what is wrong: the stages above do, and name a [`Code`].
//! Read in order: [`span`], [`code`], [`diagnostic`], [`render`], [`limits`], [`budget`].

pub mod span;

pub mod code;

pub mod diagnostic;

pub mod render;

pub mod limits;

pub mod budget;

pub use budget::{Budget, Timer};
pub use code::Code;
pub use diagnostic::{Diagnostic, Fix, Severity};
pub use limits::Limits;
pub use span::{SourceText, Span};
