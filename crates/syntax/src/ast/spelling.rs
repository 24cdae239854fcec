//! How operators between expressions are spelt.

use super::{BinaryOp, ListOp};

impl BinaryOp {
    /// Returns the operator as it is written.
    pub fn text(self) -> &'static str {
        match self {
            BinaryOp::Or => "or",
            BinaryOp::And => "and",
            BinaryOp::Equal => "==",
            BinaryOp::NotEqual => "!=",
            BinaryOp::EqualIgnoreCase => "=~",
            BinaryOp::NotEqualIgnoreCase => "!~",
            BinaryOp::Less => "<",
            BinaryOp::LessOrEqual => "<=",
            BinaryOp::Greater => ">",
            BinaryOp::GreaterOrEqual => ">=",
            BinaryOp::Add => "+",
            BinaryOp::Subtract => "-",
            BinaryOp::Multiply => "*",
            BinaryOp::Divide => "/",
            BinaryOp::Modulo => "%",
            BinaryOp::Contains => "contains",
            BinaryOp::NotContains => "!contains",
            BinaryOp::ContainsCs => "contains_cs",
            BinaryOp::NotContainsCs => "!contains_cs",
            BinaryOp::StartsWith => "startswith",
            BinaryOp::NotStartsWith => "!startswith",
            BinaryOp::StartsWithCs => "startswith_cs",
            BinaryOp::NotStartsWithCs => "!startswith_cs",
            BinaryOp::EndsWith => "endswith",
            BinaryOp::NotEndsWith => "!endswith",
            BinaryOp::EndsWithCs => "endswith_cs",
            BinaryOp::NotEndsWithCs => "!endswith_cs",
            BinaryOp::Has => "has",
            BinaryOp::NotHas => "!has",
            BinaryOp::HasCs => "has_cs",
            BinaryOp::NotHasCs => "!has_cs",
            BinaryOp::HasPrefix => "hasprefix",
            BinaryOp::NotHasPrefix => "!hasprefix",
            BinaryOp::HasPrefixCs => "hasprefix_cs",
            BinaryOp::NotHasPrefixCs => "!hasprefix_cs",
            BinaryOp::HasSuffix => "hassuffix",
            BinaryOp::NotHasSuffix => "!hassuffix",
            BinaryOp::HasSuffixCs => "hassuffix_cs",
            BinaryOp::NotHasSuffixCs => "!hassuffix_cs",
            BinaryOp::Like => "like",
            BinaryOp::NotLike => "notlike",
            BinaryOp::LikeCs => "likecs",
            BinaryOp::NotLikeCs => "notlikecs",
            BinaryOp::MatchesRegex => "matches regex",
            BinaryOp::Search => ":",
        }
    }
}

impl ListOp {
    /// Returns the operator as it is written.
    pub fn text(self) -> &'static str {
        match self {
            ListOp::In => "in",
            ListOp::NotIn => "!in",
            ListOp::InIgnoreCase => "in~",
            ListOp::NotInIgnoreCase => "!in~",
            ListOp::HasAny => "has_any",
            ListOp::HasAll => "has_all",
        }
    }
}
