//! Text to tree and back: formatting keeps tokens and tree, and formatting twice is formatting once.
#![no_main]

use dtq_fuzz::{Share, query};
use dtq_source::Limits;
use dtq_syntax::{dump, format, lexer, parse};
use libfuzzer_sys::fuzz_target;

static SHARE: Share = Share::new();

fn tokens(text: &str) -> Vec<&str> {
    lexer::lex(text, &Limits::default()).tokens.iter().map(|token| &text[token.span.range()]).collect()
}

fuzz_target!(|bytes: &[u8]| {
    // The first byte says whether the rest is a text or choices of the generator.
    let Some((kind, rest)) = bytes.split_first() else { return };
    let text = if kind % 8 == 0 { String::from_utf8_lossy(rest).into_owned() } else { query::text(rest) };
    let limits = Limits::default();
    let (tree, diagnostics) = parse(&text, &limits);
    for diagnostic in &diagnostics {
        assert!(text.get(diagnostic.span.range()).is_some(), "{diagnostic:?}");
    }
    SHARE.count(diagnostics.is_empty());
    let Ok(once) = format(&text, &limits) else { return };
    assert_eq!(tokens(&text), tokens(&once));
    let (again, left) = parse(&once, &limits);
    assert!(left.is_empty(), "{once:?}: {left:?}");
    assert_eq!(dump(&tree), dump(&again));
    assert_eq!(format(&once, &limits).as_deref(), Ok(once.as_str()));
});
