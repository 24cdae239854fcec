//! Arguments that a type alone does not describe: units, formats, regular expressions, arrays and bags.

use crate::Choices;

const DATE_PARTS: &[&str] =
    &["'year'", "'quarter'", "'month'", "'day'", "'hour'", "'minute'", "'second'", "'millisecond'", "'nanosecond'"];
const REGEXES: &[&str] = &["'(a)'", "@'(\\d+)'", "'([a-z]+)'", "'(x|y)'", "@'(\\w+)'"];
const DATE_FORMATS: &[&str] = &["'yyyy-MM-dd'", "'yy-MM-dd HH:mm:ss'", "'HH:mm:ss.fffffff'", "'M/d/yyyy h:m tt'"];
const TIMESPAN_FORMATS: &[&str] = &["'dd.hh:mm:ss'", "'h:m:s.fff'", "'d HH:mm'"];

/// Returns the constant that a function wants at a position, or `None` if any value of its type will do.
pub(crate) fn word(choices: &mut Choices<'_>, function: &str, index: usize) -> Option<String> {
    let words = match (function, index) {
        ("datetime_part" | "datetime_diff" | "datetime_add", 0) => DATE_PARTS,
        ("format_datetime", 1) => DATE_FORMATS,
        ("format_timespan", 1) => TIMESPAN_FORMATS,
        ("countof", 2) => &["'normal'", "'regex'"],
        ("round", 1) => &["0", "2", "-1"],
        ("indexof" | "indexof_regex" | "array_index_of", 4) => &["1", "2"],
        ("extract" | "extract_all" | "trim" | "trim_start" | "trim_end", 0) => REGEXES,
        ("matches regex" | "!matches regex" | "indexof_regex" | "replace_regex", 1) => REGEXES,
        ("extract", 1) => &["0", "1"],
        _ => return None,
    };
    Some((*choices.pick(words)).to_owned())
}

/// Returns a dynamic argument: an array or a bag as the function wants, or a value of which only running it tells.
///
/// Microsoft's binder follows the shape of dynamic values and refuses a bag where an array is meant; text read as JSON
/// has no shape that it knows, so that wrong shapes still reach whatever runs the query.
pub(crate) fn dynamic_argument(choices: &mut Choices<'_>, function: &str, value: String) -> String {
    if !function.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return value;
    }
    let is_bag = function.starts_with("bag_") || function == "treepath";
    match choices.below(3) {
        0 if is_bag => value_of_unknown_shape("dynamic({'a':1,'b':{'c':'x'}})"),
        0 if function.starts_with("series_") => "dynamic([1,2.5,-3,4])".to_owned(),
        _ => value_of_unknown_shape(&value),
    }
}

fn value_of_unknown_shape(value: &str) -> String {
    format!("todynamic(tostring({value}))")
}
