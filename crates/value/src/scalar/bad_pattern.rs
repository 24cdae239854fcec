//! A pattern that is no regular expression to what to write instead, with the place inside it.
//!
//! Never says that a pattern is good: one that is too large is well formed. Next: `pool.rs`. Tests:
//! `fixtures/sema/places.md`.

use regex_syntax::ast::ErrorKind;

/// Returns what to write in a pattern so that it compiles, or `None` where it is well formed.
///
/// Characters are counted from 1.
pub fn remedy(pattern: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(pattern).ok()?;
    // As the engine parses it: `regex::bytes` with its defaults.
    let (span, change) = match regex_syntax::ParserBuilder::new().utf8(false).build().parse(text).err()? {
        regex_syntax::Error::Parse(error) => (*error.span(), change(error.kind())),
        regex_syntax::Error::Translate(error) => (*error.span(), "write a class or flag that there is"),
        _ => return None,
    };
    let place = text[..span.start.offset].chars().count() + 1;
    let wrong = &text[span.start.offset..span.end.offset];
    let wrong = if wrong.is_empty() { String::new() } else { format!(", `{wrong}`") };
    Some(format!("character {place}{wrong}: {change}"))
}

/// Says what removes a mistake of the syntax.
fn change(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::GroupUnclosed => "close the group with `)`, or write `[(]` for the character",
        ErrorKind::GroupUnopened => "open a group with `(`, or write `[)]` for the character",
        ErrorKind::ClassUnclosed => "close the class with `]`, or write `@\"\\[\"` for the character",
        ErrorKind::ClassRangeInvalid => "write the smaller end of the range first",
        ErrorKind::RepetitionMissing => "write what is repeated in front, or `[*]`, `[+]`, `[?]` for the character",
        ErrorKind::RepetitionCountInvalid => "write the smaller count first",
        ErrorKind::RepetitionCountUnclosed | ErrorKind::RepetitionCountDecimalEmpty => {
            "write counts and `}`, or `[{]` for the character"
        }
        ErrorKind::EscapeUnrecognized
        | ErrorKind::ClassEscapeInvalid
        | ErrorKind::EscapeHexInvalidDigit
        | ErrorKind::EscapeUnexpectedEof => "write `@\"\\\\\"` for a backslash",
        ErrorKind::UnsupportedLookAround => "there is no look-around; write a condition of its own",
        ErrorKind::UnsupportedBackreference => "there are no backreferences; write out what is to come again",
        _ => "write something else here",
    }
}
