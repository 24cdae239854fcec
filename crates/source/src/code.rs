//! The stable codes of diagnostics. A number is never reused; each has a fixture.

use serde::{Serialize, Serializer};
use std::fmt;

/// Declares the codes with their numbers and one line about each.
macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $number:literal,)*) => {
        /// Names a kind of mistake by a stable number: 1xxx syntax, 2xxx meaning, 3xxx run time, 4xxx a backend refuses, 5xxx
        /// rule files and rule sets.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Code {
            $($(#[doc = $doc])* $name = $number,)*
        }

        impl Code {
            /// Every code, in order of number.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// Returns the explanation of the code: its documentation text.
            pub fn explanation(self) -> &'static str {
                match self {
                    $(Code::$name => concat!($($doc,)*),)*
                }
            }
        }
    };
}

codes! {
    /// The query is longer than the limit.
    E1001 = 1001,
    /// Expressions or pipelines are nested deeper than the limit.
    E1002 = 1002,
    /// A character that cannot start any token.
    E1003 = 1003,
    /// A string literal is not closed.
    E1004 = 1004,
    /// An escape in a string literal is not known.
    E1005 = 1005,
    /// Something else was expected here.
    E1007 = 1007,
    /// A closing bracket is missing or does not match.
    E1008 = 1008,
    /// The name after `|` is not an operator.
    E1009 = 1009,
    /// A habit from another language (`=` for `==`, `&&` for `and`, SQL words).
    E1010 = 1010,
    /// A keyword in the wrong case.
    E1011 = 1011,
    /// A reserved keyword used as a name without brackets.
    E1012 = 1012,
    /// A malformed dynamic (JSON) literal.
    E1013 = 1013,
    /// The query is empty.
    E1014 = 1014,
    /// A parameter of an operator (`kind=`, `hint.`...) is not known or has a wrong value.
    E1015 = 1015,
    /// A bare number or word is glued to the next token (`5minutes`, `!hasx`).
    E1016 = 1016,

    /// No column, variable or parameter has this name.
    E2001 = 2001,
    /// No table has this name.
    E2002 = 2002,
    /// No function has this name.
    E2003 = 2003,
    /// The types of an operator's operands do not fit.
    E2004 = 2004,
    /// A function's arguments do not fit any of its signatures.
    E2005 = 2005,
    /// A scalar stands where a table is needed, or the reverse.
    E2006 = 2006,
    /// A name is declared twice.
    E2007 = 2007,
    /// An aggregate stands outside `summarize`, or a plain column inside without one.
    E2008 = 2008,
    /// A dynamic is used where its type must be stated: write the cast.
    E2009 = 2009,
    /// A constant is needed here.
    E2010 = 2010,
    /// A regular expression does not compile or is larger than the limit.
    E2011 = 2011,
    /// Both sides of a join condition come from the same table, or the condition is not an equality.
    E2012 = 2012,
    /// A function calls itself.
    E2013 = 2013,
    /// Rows must be ordered (`sort`, `serialize`) before this function.
    E2014 = 2014,
    /// A value in a `datatable` has the wrong type, or the count does not divide by the columns.
    E2015 = 2015,
    /// A column name is ambiguous.
    E2016 = 2016,
    /// A literal cannot be converted to the type needed.
    E2017 = 2017,
    /// A parameter of a function or query has no value.
    E2018 = 2018,
    /// The construct is part of the language but not implemented yet.
    E2900 = 2900,
    /// The query expands to more nodes than the limit.
    E2901 = 2901,

    /// `Attributes.a.b` reads a nested property, not the key `a.b`.
    E2101 = 2101,
    /// `SeverityNumber < n` also holds for records without severity (0).
    E2102 = 2102,
    /// A comparison that is always true, always false or always null.
    E2103 = 2103,

    /// Rows held by operators pass the memory limit.
    E3001 = 3001,
    /// An operator produces more rows than the limit.
    E3002 = 3002,
    /// A value grows past the limit on its size or nesting.
    E3003 = 3003,
    /// A run-time regular expression does not compile or is larger than the limit.
    E3004 = 3004,
    /// `toscalar` or `assert` failed at run time.
    E3005 = 3005,
    /// A run, or a compilation, took longer than the time it was given.
    E3006 = 3006,
    /// A step of `range` is zero or leads away from the end.
    E3007 = 3007,
    /// Input data cannot be read.
    E3008 = 3008,
    /// A value that the field of a record, or a metric, cannot take.
    E3009 = 3009,
    /// Rules make too many records from one request, or make them from records that rules made too deep.
    E3010 = 3010,

    /// An Azure Monitor transformation reads no table but `source`.
    E4101 = 4101,
    /// An Azure Monitor transformation has no such operator.
    E4102 = 4102,
    /// An Azure Monitor transformation has no such operator between values.
    E4103 = 4103,
    /// An Azure Monitor transformation has no such function.
    E4104 = 4104,
    /// An Azure Monitor transformation fills at most ten columns in one `parse`.
    E4105 = 4105,
    /// An Azure Monitor transformation has no such statement, literal or place for a table.
    E4106 = 4106,
    /// An Azure Monitor transformation gives at most one row.
    E4107 = 4107,

    /// What of a rule the kernel decides, and what stays in user space.
    E4201 = 4201,
    /// Nothing of a rule goes into the kernel.
    E4202 = 4202,
    /// Nothing of a rule goes into the kernel, though its `tiers` name it.
    E4203 = 4203,

    /// A rule file, or a file that it names, passes a limit or is not UTF-8.
    E5001 = 5001,
    /// A rule file is not YAML.
    E5002 = 5002,
    /// A construct of YAML that rule files do not use.
    E5003 = 5003,
    /// No key has this name here.
    E5004 = 5004,
    /// A key, or an item of a list of different things, stands twice.
    E5005 = 5005,
    /// A key that is always needed is missing.
    E5006 = 5006,
    /// A value has the wrong type.
    E5007 = 5007,
    /// A word is not one of those that the key takes.
    E5008 = 5008,
    /// A name, time, length of time, size, rate or version is malformed.
    E5009 = 5009,
    /// A number or length is outside of its range.
    E5010 = 5010,
    /// A key does not go with the destination or with another key.
    E5011 = 5011,
    /// A key that the destination or another rule needs is missing.
    E5012 = 5012,
    /// A name is used twice.
    E5013 = 5013,
    /// Nothing has the name that is used, or nothing uses what has the name.
    E5014 = 5014,
    /// The phase does not fit the destination.
    E5015 = 5015,
    /// The rule cannot run at several tiers.
    E5016 = 5016,
    /// A protective rule expires.
    E5017 = 5017,
    /// A rule has expired or will soon.
    E5018 = 5018,
    /// A file that the rule file names is not beside it or cannot be read.
    E5020 = 5020,
    /// YAML takes a part of a query for a comment.
    E5021 = 5021,
    /// A setting has no effect.
    E5022 = 5022,
    /// How a column becomes a metric contradicts itself.
    E5023 = 5023,

    /// A rule reads no telemetry, or a table whose rows are not its records.
    E5101 = 5101,
    /// A rule's query needs more than one record at a time.
    E5102 = 5102,
    /// A column that `to: replace` cannot write.
    E5103 = 5103,
    /// A row that is no log record.
    E5104 = 5104,
    /// A column that becomes no metric.
    E5105 = 5105,
    /// A `summarize` without one window.
    E5106 = 5106,
    /// A subquery that cannot be kept up to date as its table changes.
    E5107 = 5107,
    /// A change of what tells the series of a metric apart.
    E5108 = 5108,
    /// A column that `on_error: strip` cannot empty.
    E5109 = 5109,
    /// A table of a rule file that cannot be read.
    E5110 = 5110,
    /// Keys of a recorder and of the rule that empties it differ in type.
    E5111 = 5111,
    /// Something that rules may say and that does not work yet.
    E5112 = 5112,
    /// A `scan` that rules cannot follow record by record.
    E5113 = 5113,

    /// A rule that can never match.
    E5151 = 5151,
    /// A rule whose records an earlier one takes.
    E5152 = 5152,
    /// An earlier rule or tier takes records that a later one counts.
    E5153 = 5153,
    /// A `to: replace` that drops records for lack of a field.
    E5154 = 5154,
    /// Spans that are dropped without those below them.
    E5155 = 5155,
    /// Cumulative points that are added up.
    E5156 = 5156,
}

impl Code {
    /// Returns the number, e.g. 2004.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// Returns the code whose text is `E` and four digits, or `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.strip_prefix('E')?.parse::<u16>().ok()?;
        Self::ALL.iter().copied().find(|code| code.number() == number)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "E{:04}", self.number())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_within_each_thousand_block_and_are_unique() {
        let mut numbers: Vec<u16> = Code::ALL.iter().map(|code| code.number()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| Code::parse(&code.to_string()) == Some(*code)));
    }
}
