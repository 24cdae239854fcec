//! The text of a log to what is the same in all logs of its kind: numbers and ids become `*`.
//!
//! A guess for people who look for noise; nothing decides by it. Next: `top.rs`.

/// Characters of a pattern.
const LENGTH_MAX: usize = 120;
/// Bytes of a text that are looked at.
const TEXT_MAX: usize = 1_024;

/// Returns the pattern of a text: words with a digit are `*`, and so is a run of them with only `-`, `:`, `.` or `_` between.
pub(crate) fn pattern(text: &str) -> String {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let (mut out, mut word) = (String::new(), String::new());
    // What stands between the last `*` and here, while it may still belong to it.
    let mut joint: Option<String> = None;
    for c in text[..end].chars().map(Some).chain([None]) {
        match c {
            Some(c) if c.is_alphanumeric() => word.push(c),
            _ => {
                if !word.is_empty() {
                    let is_variable = word.contains(|c: char| c.is_numeric());
                    match (joint.take(), is_variable) {
                        (Some(_), true) => joint = Some(String::new()),
                        (None, true) => {
                            out.push('*');
                            joint = Some(String::new());
                        }
                        (between, false) => {
                            out.push_str(&between.unwrap_or_default());
                            out.push_str(&word);
                        }
                    }
                    word.clear();
                }
                let Some(c) = c else { break };
                match &mut joint {
                    Some(between) if matches!(c, '-' | ':' | '.' | '_') => between.push(c),
                    _ => {
                        out.push_str(&joint.take().unwrap_or_default());
                        // One space for any run of white space, so that layout makes no difference.
                        if !c.is_whitespace() {
                            out.push(c);
                        } else if !out.ends_with(' ') {
                            out.push(' ');
                        }
                    }
                }
            }
        }
    }
    out.push_str(&joint.unwrap_or_default());
    let out = out.trim();
    match out.char_indices().nth(LENGTH_MAX) {
        Some((at, _)) => format!("{}...", &out[..at]),
        None if end < text.len() => format!("{out}..."),
        None => out.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ids_are_the_same() {
        for (text, expected) in [
            ("user 42 logged in from 10.0.0.1:8080", "user * logged in from *"),
            ("order 6ba7b810-9dad-11d1-80b4-00c04fd430c8 failed.", "order * failed."),
            ("2024-01-31T12:00:00Z ready", "* ready"),
            ("took 12ms, 3 rows", "took *, * rows"),
            ("no numbers\n here", "no numbers here"),
            ("stage 1-alpha", "stage *-alpha"),
            ("", ""),
            ("\u{e9}t\u{e9} 2024", "\u{e9}t\u{e9} *"),
        ] {
            assert_eq!(pattern(text), expected, "{text}");
        }
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(pattern(&"ab ".repeat(1_000)).len(), LENGTH_MAX + 3);
        assert!(pattern(&"\u{20ac}".repeat(1_000)).ends_with("..."));
    }
}
