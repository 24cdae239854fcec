//! The entries of the one table of functions and operators, a file a group.
//!
//! Each file is a `pub(crate) static ENTRIES: &[Function]`. To add a function: write its meaning in `dtq_value::scalar`,
//! its entry here, and a fixture that cites an outside source.

mod operators;

mod conditional;

mod conversion;

mod math;

mod datetime;

mod units;

mod string;

mod regex;

mod dynamic;

mod array;

mod network;

mod encoding;

mod hash;

mod series;

mod series_whole;

mod rules;

mod other;

mod internal;

pub use internal::AS_DYNAMIC;

use crate::function::{Function, FunctionRef};
use std::collections::HashMap;
use std::sync::LazyLock;

/// The groups, in the order of the documentation.
static GROUPS: &[&[Function]] = &[
    operators::ENTRIES,
    conditional::ENTRIES,
    conversion::ENTRIES,
    math::ENTRIES,
    datetime::ENTRIES,
    units::ENTRIES,
    string::ENTRIES,
    regex::ENTRIES,
    dynamic::ENTRIES,
    array::ENTRIES,
    network::ENTRIES,
    encoding::ENTRIES,
    hash::ENTRIES,
    series::ENTRIES,
    series_whole::ENTRIES,
    rules::ENTRIES,
    other::ENTRIES,
    internal::ENTRIES,
];

static BY_NAME: LazyLock<HashMap<&'static str, FunctionRef>> = LazyLock::new(|| {
    let entries = all().flat_map(|entry| {
        std::iter::once(entry.name).chain(entry.aliases.iter().copied()).map(move |name| (name, FunctionRef(entry)))
    });
    entries.collect()
});

/// Returns every entry in the order of the documentation.
pub fn all() -> impl Iterator<Item = &'static Function> {
    GROUPS.iter().flat_map(|group| group.iter())
}

/// Returns the function or operator with this name or alias, or `None`; names are case-sensitive.
pub fn by_name(name: &str) -> Option<FunctionRef> {
    BY_NAME.get(name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_once_and_every_entry_is_documented() {
        let mut names: Vec<&str> = all().flat_map(|entry| entry.aliases.iter().chain([&entry.name])).copied().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for entry in all() {
            for (what, text) in [("doc", entry.doc), ("example", entry.example), ("source", entry.source)] {
                assert!(!text.is_empty(), "{} has no {what}", entry.name);
            }
            assert!(!entry.signatures.is_empty(), "{} has no signature", entry.name);
        }
    }
}
