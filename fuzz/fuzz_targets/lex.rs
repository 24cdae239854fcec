//! Any bytes to tokens: every byte is in a token, a comment, white space or a diagnostic, and spans rise.
#![no_main]

use dtq_fuzz::{Share, query};
use dtq_generate::{Choices, Events};
use dtq_source::{Diagnostic, Limits};
use dtq_syntax::lexer;
use libfuzzer_sys::fuzz_target;

static SHARE: Share = Share::new();

fuzz_target!(|bytes: &[u8]| {
    // The first byte says whether the rest is a text or choices of a generator.
    let Some((kind, rest)) = bytes.split_first() else { return };
    let text = match kind % 8 {
        0 => String::from_utf8_lossy(rest).into_owned(),
        1 => query::text(rest),
        _ => dtq_generate::query(&mut Choices::Bytes(rest), &[Events::table()]),
    };
    let lexed = lexer::lex(&text, &Limits::default());
    let mut spans: Vec<_> = lexed.tokens.iter().map(|token| token.span).chain(lexed.comments.iter().copied()).collect();
    spans.sort();
    let mut end = 0;
    for span in &spans {
        let between = &text[end..span.start as usize];
        assert!(
            between.chars().all(|char| char.is_whitespace() || matches!(char, '\u{feff}' | '\u{a0}')),
            "lost: {between:?}"
        );
        end = span.end as usize;
    }
    assert!(text[end..].chars().all(|char| char.is_whitespace() || matches!(char, '\u{feff}' | '\u{a0}')));
    SHARE.count(!lexed.diagnostics.iter().any(Diagnostic::is_error));
});
