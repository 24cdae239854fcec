//! Why rules cannot start. Next: `modes.rs`.

use std::fmt;

/// Says why rules cannot start.
#[derive(Debug)]
pub enum Refusal {
    /// The rule files are wrong, and there is no earlier version: what is wrong with them.
    Rules(Vec<String>),
    /// The system refuses something.
    System(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rules(diagnostics) => f.write_str(&diagnostics.concat()),
            Self::System(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Refusal {}
