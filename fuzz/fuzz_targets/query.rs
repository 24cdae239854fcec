//! Text to answer: whatever is accepted prints and parses back as a program, and runs within its bounds.
#![no_main]

use dtq_engine::{Options, compile};
use dtq_fuzz::{Share, query};
use dtq_generate::{Choices, Events};
use dtq_source::Limits;
use libfuzzer_sys::fuzz_target;

static SHARE: Share = Share::new();

/// Returns the text for an input: as it is, by the grammar, or well-typed.
fn text(kind: u8, rest: &[u8]) -> String {
    match kind % 8 {
        0 => String::from_utf8_lossy(rest).into_owned(),
        1 => query::text(rest),
        _ => dtq_generate::query(&mut Choices::Bytes(rest), &[Events::table()]),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let limits = Limits {
        held_bytes_max: 8 << 20,
        produced_rows_max: 1_000,
        value_bytes_max: 1 << 16,
        ..Limits::default()
    };
    let options = Options { limits, now_ticks: 638_396_640_000_000_000, ..Options::default() };
    let (compiled, diagnostics) = compile(&text(*kind, rest), &Events, &options);
    assert!(compiled.is_some() || !diagnostics.is_empty(), "refused without a reason");
    SHARE.count(compiled.is_some());
    let Some(compiled) = compiled else { return };
    let printed = dtq_ir::text::print(compiled.program());
    let parsed = dtq_ir::text::parse(&printed, &options.limits).expect("what was printed parses");
    assert_eq!(dtq_ir::text::print(&parsed), printed);
    if let Ok(mut run) = compiled.run(&Events, &options) {
        while let Ok(Some(_)) = run.next_batch(0) {}
    }
});
