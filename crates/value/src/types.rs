//! Kusto's scalar types.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Names a scalar type.
///
/// # Source
/// Kusto documentation, "Scalar data types".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Type {
    /// True, false or null.
    Bool,
    /// 32-bit signed integer.
    Int,
    /// 64-bit signed integer; what a bare integer literal is.
    Long,
    /// 64-bit IEEE 754 number.
    Real,
    /// Decimal number.
    Decimal,
    /// Bytes meant as UTF-8; never null.
    String,
    /// 100 ns ticks since 0001-01-01T00:00Z.
    DateTime,
    /// 100 ns ticks.
    TimeSpan,
    /// 128-bit identifier.
    Guid,
    /// Any of the above, an array or a bag.
    Dynamic,
}

impl Type {
    /// Every type.
    pub const ALL: [Type; 10] = [
        Type::Bool,
        Type::Int,
        Type::Long,
        Type::Real,
        Type::Decimal,
        Type::String,
        Type::DateTime,
        Type::TimeSpan,
        Type::Guid,
        Type::Dynamic,
    ];

    /// Returns Kusto's name of the type: `bool`, `int`, `long`, `real`...
    pub fn name(self) -> &'static str {
        match self {
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Long => "long",
            Type::Real => "real",
            Type::Decimal => "decimal",
            Type::String => "string",
            Type::DateTime => "datetime",
            Type::TimeSpan => "timespan",
            Type::Guid => "guid",
            Type::Dynamic => "dynamic",
        }
    }

    /// Returns the type with this name or alias (`boolean`, `double`, `date`, `time`, `uuid`, `int64`...), or `None`.
    ///
    /// # Source
    /// Kusto documentation, "Scalar data types": the list of additional names.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "bool" | "boolean" => Type::Bool,
            "int" | "int32" => Type::Int,
            "long" | "int64" => Type::Long,
            "real" | "double" => Type::Real,
            "decimal" => Type::Decimal,
            "string" => Type::String,
            "datetime" | "date" => Type::DateTime,
            "timespan" | "time" => Type::TimeSpan,
            "guid" | "uuid" | "uniqueid" => Type::Guid,
            "dynamic" => Type::Dynamic,
            _ => return None,
        })
    }

    /// Says whether it is `int`, `long`, `real` or `decimal`.
    pub fn is_numeric(self) -> bool {
        matches!(self, Type::Int | Type::Long | Type::Real | Type::Decimal)
    }

    /// Says whether it is `int` or `long`.
    pub fn is_integer(self) -> bool {
        matches!(self, Type::Int | Type::Long)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `{:#}` has the article, for sentences: `an int`, `a long`.
        match (f.alternate(), self) {
            (false, _) => f.write_str(self.name()),
            (true, Type::Int) => f.write_str("an int"),
            (true, _) => write!(f, "a {}", self.name()),
        }
    }
}
