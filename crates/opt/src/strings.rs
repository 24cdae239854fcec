//! Searching in strings by the cheapest operator that finds the same.
//!
//! A regular expression that only finds a text becomes a search for it; `tolower(x) == "a"` becomes `x =~ "a"`;
//! ignoring the case of a text without letters ends; a dynamic is searched without making its text a string. All of this
//! is exact over any bytes, and for a string that may be null, which equals nothing and has no length. One thing can be
//! noticed: `tolower` and `toupper` fail where their result is larger than
//! `value_bytes_max`, and the operator in their place does not. Fixtures: `fixtures/opt/strings.md`.

use crate::build::Builder;
use crate::pattern::Plain;
use crate::walk::{Node, Rule};
use dtq_ir::{ExprId, ExprKind};
use dtq_value::{Type, Value};

/// The pass.
pub(crate) struct Strings;

impl Rule for Strings {
    fn apply(&mut self, build: &mut Builder<'_>, node: &Node) -> Option<ExprId> {
        let ExprKind::Call { function, args, .. } = &node.kind else { return None };
        let name = function.0.name;
        match (name, args.as_slice()) {
            ("in" | "!in" | "in~" | "!in~", [_, ..]) => without_case_call_in_list(build, node, name, args),
            (_, [left, right]) => {
                let (left, right) = (*left, *right);
                regex(build, node, name, left, right)
                    .or_else(|| length(build, node, name, left, right))
                    .or_else(|| position(build, node, name, left, right))
                    .or_else(|| searched(build, node, name, left, right))
            }
            _ => None,
        }
    }
}

/// `x matches regex "^ab"` is `x startswith_cs "ab"`.
fn regex(build: &mut Builder<'_>, node: &Node, name: &str, left: ExprId, right: ExprId) -> Option<ExprId> {
    let plain = if name == "matches regex" { Plain::of(build.text_constant(right)?)? } else { return None };
    let span = build.span(right);
    let operator = plain.operator();
    if operator == "==" && is_null_string(build, left) {
        return None;
    }
    let needle = build.add_constant(Value::string(plain.text), Type::String, span);
    build.call(operator, &[left, needle], Type::Bool, node.span)
}

/// `strlen(x) > 0` is `isnotempty(x)` of a string; the length of a dynamic is null where it is missing.
fn length(build: &mut Builder<'_>, node: &Node, name: &str, left: ExprId, right: ExprId) -> Option<ExprId> {
    let text = match build.as_call(left)? {
        ("strlen" | "string_size", [text]) if build.ty(*text) == Type::String && !is_null_string(build, *text) => *text,
        _ => return None,
    };
    let found = match (name, whole_constant(build, right)?) {
        ("==" | "<=", 0) | ("<", 1) => "isempty",
        ("!=" | ">", 0) | (">=", 1) => "isnotempty",
        _ => return None,
    };
    build.call(found, &[text], Type::Bool, node.span)
}

/// `indexof(x, "a") >= 0` is `x contains_cs "a"`.
fn position(build: &mut Builder<'_>, node: &Node, name: &str, left: ExprId, right: ExprId) -> Option<ExprId> {
    let (text, needle) = match build.as_call(left)? {
        ("indexof", [text, needle]) => (*text, *needle),
        _ => return None,
    };
    let found = match (name, whole_constant(build, right)?) {
        ("==" | "<=", -1) | ("<", 0) => "!contains_cs",
        ("!=" | ">", -1) | (">=", 0) => "contains_cs",
        ("==", 0) => "startswith_cs",
        ("!=", 0) => "!startswith_cs",
        _ => return None,
    };
    build.call(found, &[text, needle], Type::Bool, node.span)
}

fn is_null_string(build: &Builder<'_>, id: ExprId) -> bool {
    build.ty(id) == Type::String && build.info(id).may_be_null
}

fn whole_constant(build: &Builder<'_>, id: ExprId) -> Option<i64> {
    build.constant(id).and_then(dtq_value::scalar::args::as_long)
}

/// How an operator searches.
struct Search {
    /// Its name without `!` and `_cs`: `==` for both kinds of equality.
    stem: &'static str,
    is_negated: bool,
    is_case_ignored: bool,
}

impl Search {
    fn of(name: &str) -> Option<Self> {
        let (is_negated, is_case_ignored) = match name {
            "==" => return Some(Self { stem: "==", is_negated: false, is_case_ignored: false }),
            "!=" => return Some(Self { stem: "==", is_negated: true, is_case_ignored: false }),
            "=~" => return Some(Self { stem: "==", is_negated: false, is_case_ignored: true }),
            "!~" => return Some(Self { stem: "==", is_negated: true, is_case_ignored: true }),
            _ => (name.starts_with('!'), !name.ends_with("_cs")),
        };
        let stem = name.trim_start_matches('!').trim_end_matches("_cs");
        let stems = ["contains", "startswith", "endswith", "has", "hasprefix", "hassuffix"];
        let stem = stems.into_iter().find(|known| *known == stem)?;
        Some(Self { stem, is_negated, is_case_ignored })
    }

    fn operator(&self) -> String {
        match (self.stem, self.is_negated, self.is_case_ignored) {
            ("==", false, false) => "==".to_owned(),
            ("==", true, false) => "!=".to_owned(),
            ("==", false, true) => "=~".to_owned(),
            ("==", true, true) => "!~".to_owned(),
            (stem, is_negated, is_case_ignored) => {
                format!("{}{stem}{}", if is_negated { "!" } else { "" }, if is_case_ignored { "" } else { "_cs" })
            }
        }
    }
}

/// A search for a constant text.
fn searched(build: &mut Builder<'_>, node: &Node, name: &str, left: ExprId, right: ExprId) -> Option<ExprId> {
    let search = Search::of(name)?;
    let needle = build.text_constant(right)?;
    let ty = build.ty(left);
    if !matches!(ty, Type::String | Type::Dynamic) {
        return None;
    }
    if needle.is_empty() && search.stem != "==" && build.info(left).is_droppable() {
        return Some(build.add_bool(!search.is_negated, node.span));
    }
    // A null string is searched as "", but equals nothing.
    let is_exact = search.stem != "==" || !is_null_string(build, left);
    if search.is_case_ignored && is_exact && !needle.iter().any(u8::is_ascii_alphabetic) {
        let exact = Search { is_case_ignored: false, ..search };
        return build.call(&exact.operator(), &[left, right], Type::Bool, node.span);
    }
    let (inner_name, inner) = build.as_call(left)?;
    let [inner] = *inner else { return None };
    match inner_name {
        "tostring" if build.ty(inner) == Type::Dynamic => {
            build.call(&search.operator(), &[inner, right], Type::Bool, node.span)
        }
        "tolower" | "toupper" if matches!(search.stem, "==" | "contains" | "startswith" | "endswith") => {
            let is_fine =
                is_case_of_ascii(needle, inner_name == "tolower", search.is_case_ignored, search.stem == "==");
            let folded = Search { is_case_ignored: true, ..search };
            is_fine.then(|| build.call(&folded.operator(), &[inner, right], Type::Bool, node.span)).flatten()
        }
        _ => None,
    }
}

/// `tolower(x) in ("a", "b")` is `x in~ ("a", "b")`.
fn without_case_call_in_list(build: &mut Builder<'_>, node: &Node, name: &str, args: &[ExprId]) -> Option<ExprId> {
    let (inner_name, inner) = build.as_call(args[0])?;
    let [inner] = *inner else { return None };
    if !matches!(inner_name, "tolower" | "toupper") {
        return None;
    }
    let is_lower = inner_name == "tolower";
    let is_case_ignored = name.ends_with('~');
    let is_fine = |item: &ExprId| {
        build.text_constant(*item).is_some_and(|text| is_case_of_ascii(text, is_lower, is_case_ignored, true))
    };
    if !args[1..].iter().all(is_fine) {
        return None;
    }
    let list = if name.starts_with('!') { "!in~" } else { "in~" };
    let args: Vec<ExprId> = std::iter::once(inner).chain(args[1..].iter().copied()).collect();
    build.call(list, &args, Type::Bool, node.span)
}

/// Letters of ASCII that are the whole lower case of a letter that is not ASCII: of the Kelvin sign.
const LOWER_OF_OTHERS: &[u8] = b"k";

/// Letters of ASCII in the lower case of letters that are not: of the Kelvin sign and of the capital I with a dot.
const IN_LOWER_OF_OTHERS: &[u8] = b"ik";

/// Letters of ASCII that are the whole upper case of a letter that is not ASCII, or of a ligature.
const UPPER_OF_OTHERS: &[u8] = b"filst";

/// Letters of ASCII in the upper case of letters that are not.
const IN_UPPER_OF_OTHERS: &[u8] = b"afhijlnstwy";

/// Says whether `tolower(x) == text` holds exactly where `x =~ text` does, or the like for `toupper`.
///
/// `is_whole` says whether all of the text is compared; a search for a part of it may end inside of what one letter
/// became. Where the operator looks at case, the text must be in the case that the function gives.
fn is_case_of_ascii(text: &[u8], is_lower: bool, is_case_ignored: bool, is_whole: bool) -> bool {
    let confused = match (is_lower, is_whole) {
        (true, true) => LOWER_OF_OTHERS,
        (true, false) => IN_LOWER_OF_OTHERS,
        (false, true) => UPPER_OF_OTHERS,
        (false, false) => IN_UPPER_OF_OTHERS,
    };
    let has_case = |byte: &u8| if is_lower { !byte.is_ascii_uppercase() } else { !byte.is_ascii_lowercase() };
    text.is_ascii()
        && (is_case_ignored || text.iter().all(has_case))
        && !text.iter().any(|byte| confused.contains(&byte.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Collects what case mappings of characters beyond ASCII give.
    fn found(map: fn(char) -> String, is_whole: bool) -> Vec<u8> {
        let mut letters: Vec<u8> = ('\u{80}'..=char::MAX)
            .map(map)
            .filter(|mapped| !is_whole || mapped.is_ascii())
            .flat_map(|mapped| mapped.into_bytes())
            .filter(u8::is_ascii)
            .map(|byte| byte.to_ascii_lowercase())
            .collect();
        letters.sort_unstable();
        letters.dedup();
        letters
    }

    #[test]
    fn letters_confused_are_those_of_unicode() {
        let lower = |c: char| c.to_lowercase().collect::<String>();
        let upper = |c: char| c.to_uppercase().collect::<String>();
        assert_eq!(found(lower, true), LOWER_OF_OTHERS);
        assert_eq!(found(lower, false), IN_LOWER_OF_OTHERS);
        assert_eq!(found(upper, true), UPPER_OF_OTHERS);
        assert_eq!(found(upper, false), IN_UPPER_OF_OTHERS);
    }
}
