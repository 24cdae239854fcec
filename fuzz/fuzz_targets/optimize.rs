//! Text to two answers, with the optimizer and without: the same rows, or the same fault.
#![no_main]

use dtq_engine::{Options, compile};
use dtq_fuzz::Share;
use dtq_generate::{Choices, Events, Patterns};
use dtq_record::stream::Catalog;
use dtq_source::{Code, Limits};
use libfuzzer_sys::fuzz_target;

static SHARE: Share = Share::new();

/// Returns what a query gives, written so that no two values look alike, or the code with which it fails; `None` when it
/// is not accepted.
fn answer(text: &str, catalog: &dyn Catalog, without_optimizer: bool) -> Option<Result<String, Code>> {
    let limits = Limits { held_bytes_max: 64 << 20, produced_rows_max: 1_000, ..Limits::default() };
    let options =
        Options { limits, now_ticks: 638_396_640_000_000_000, without_optimizer, ..Options::default() };
    let query = compile(text, catalog, &options).0?;
    let rows = query.run(catalog, &options).and_then(|mut run| run.rest(0));
    Some(rows.map(|rows| format!("{rows:?}")).map_err(|fault| fault.code))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let choices = &mut Choices::Bytes(rest);
    let (text, catalog): (String, &dyn Catalog) = match kind % 4 {
        0 => (dtq_generate::query(choices, &[Events::table()]), &Events),
        _ => (dtq_generate::patterns::query(choices), &Patterns { seed: 7, row_count: 40 }),
    };
    let with = answer(&text, catalog, false);
    SHARE.count(with.is_some());
    let without = answer(&text, catalog, true);
    // A bound that is not passed any more is no difference.
    let is_bound = |answer: &Option<Result<String, Code>>| {
        matches!(answer, Some(Err(Code::E2901 | Code::E3001 | Code::E3002 | Code::E3003)))
    };
    assert!(with == without || is_bound(&without), "{text}\nwith: {with:?}\nwithout: {without:?}");
});
