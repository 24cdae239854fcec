//! Fixtures whose blocks this crate makes: `tokens`, `ast`, `fmt`, and `diagnostics` of the cases in `fixtures/syntax`.

use dtq_source::{Limits, render};
use dtq_syntax::lexer;

/// Returns one token a line, comments after them.
fn tokens(text: &str) -> String {
    let lexed = lexer::lex(text, &Limits::default());
    let mut out = String::new();
    for token in &lexed.tokens {
        out.push_str(&format!("{:?} {}\n", token.kind, &text[token.span.range()]));
    }
    for comment in &lexed.comments {
        out.push_str(&format!("Comment {}\n", &text[comment.range()]));
    }
    out
}

fn formatted(text: &str) -> String {
    dtq_syntax::format(text, &Limits::default()).unwrap_or_else(|diagnostics| render::golden(&diagnostics))
}

/// Returns the limits that the case sets.
fn limits(case: &dtq_fixture::Case) -> Limits {
    let size_max = case.attribute("query_bytes_max").map(|text| text.parse().expect("a count of bytes"));
    let standard = Limits::default();
    Limits { query_bytes_max: size_max.unwrap_or(standard.query_bytes_max), ..standard }
}

#[test]
fn golden() {
    let mut run = dtq_fixture::Run::new("syntax");
    for case in dtq_fixture::load(&dtq_fixture::root()) {
        case.check(&mut run, "tokens", || tokens(case.query()));
        case.check(&mut run, "ast", || dtq_syntax::dump(&dtq_syntax::parse(case.query(), &Limits::default()).0));
        case.check(&mut run, "fmt", || formatted(case.query()));
        // Elsewhere the stages above add their own diagnostics, and compare them.
        if case.path.starts_with(dtq_fixture::root().join("syntax")) {
            case.check(&mut run, "diagnostics", || render::golden(&dtq_syntax::parse(case.query(), &limits(&case)).1));
        }
    }
    run.finish();
}

#[test]
fn fixes_remove_the_mistake_they_belong_to() {
    for case in dtq_fixture::load(&dtq_fixture::root().join("syntax")) {
        let text = case.query();
        let (_, found) = dtq_syntax::parse(text, &limits(&case));
        for diagnostic in &found {
            let Some(fix) = &diagnostic.fix else { continue };
            let mut fixed = text.to_owned();
            fixed.replace_range(fix.span.range(), &fix.replacement);
            let (_, left) = dtq_syntax::parse(&fixed, &Limits::default());
            assert!(
                left.len() < found.len(),
                "{}: the fix of `{}` leaves:\n{fixed}\n{}",
                case.name,
                diagnostic.message,
                render::golden(&left)
            );
        }
    }
}
