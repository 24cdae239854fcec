//! Rules that act only on some of the records that match, to rates and draws of the kernel. Next: `tally.rs`.

use crate::share::Sources;
use dtq_ebpf::Unsupported;
use dtq_ebpf::filter::{Above, Draw};
use dtq_ebpf::predicate::describe;
use dtq_ir::condition::Condition;
use dtq_ir::condition::term::Term;
use dtq_ir::reads::Path;
use dtq_ir::{ExprId, ExprKind};
use dtq_rules::compile::cells::Cells;
use dtq_rules::compile::rule::CompiledRule;
use dtq_value::{Type, Value};

/// Returns the condition `rand() < p` of a rule, and what it is in the kernel.
pub(super) fn draw_of(rule: &CompiledRule) -> Option<(ExprId, Draw)> {
    let program = &rule.flat.program;
    rule.flat.conditions.iter().find_map(|condition| {
        let ExprKind::Call { function, args, .. } = &program.expr(*condition).kind else { return None };
        let (drawn, share) = match (function.name, args.as_slice()) {
            ("<", [drawn, share]) | (">", [share, drawn]) => (drawn, share),
            _ => return None,
        };
        let ExprKind::Call { function, args, .. } = &program.expr(*drawn).kind else { return None };
        let ExprKind::Const(Value::Real(share)) = &program.expr(*share).kind else { return None };
        (function.name == "rand" && args.is_empty()).then(|| (*condition, Draw::of_share(*share)))
    })
}

/// Returns what is done of a draw, and how that differs from user space, in words.
pub(super) fn draw_text(draw: &Draw) -> String {
    format!(
        "drawn with a probability of {}, to 32 bits; a payload goes when all of its records are drawn",
        draw.share()
    )
}

/// Returns the rate above which a rule acts.
///
/// # Errors
/// When its key is no field.
pub(super) fn above_of(
    rule: &CompiledRule,
    cells: &Cells,
    sources: &mut Sources,
) -> Result<Option<Above>, Unsupported> {
    let Some(above) = rule.above else { return Ok(None) };
    let key = match rule.has_key {
        false => None,
        true => Some(key_of(rule, cells, sources).ok_or_else(|| {
            Unsupported::new(
                "it acts above a rate for each key, and its key is no single text or integer of the record",
            )
        })?),
    };
    // Both are nearly always whole; what is left over makes the rate a little higher.
    let period_ns = above.rate.period_ticks.unsigned_abs().saturating_mul(100);
    Ok(Some(Above { key, interval_ns: (period_ns / above.rate.count.max(1)).max(1), burst: above.burst.max(1) }))
}

/// Returns what is done above a rate, and how that differs from user space, in words.
pub(super) fn rate_text(above: &Above) -> String {
    let Above { key, interval_ns, burst } = above;
    let by = key
        .as_ref()
        .map_or(String::new(), |path| format!(" for each {}", describe(&Term::Field(path.clone(), Type::String))));
    format!("above one in {interval_ns} ns and {burst} at once{by}, by the time of arrival and not by that of records")
}

/// Returns the field that is the key of a rule, as it is or as a text.
fn key_of(rule: &CompiledRule, cells: &Cells, sources: &mut Sources) -> Option<Path> {
    let expr = rule.values.get(rule.columns.len()).copied().flatten()?;
    let over_cells = Condition::of_row(&rule.flat.program, expr);
    match over_cells.term().map_fields(&mut |path| sources.name(path, cells)) {
        Term::Field(path, Type::String | Type::Int | Type::Long) => Some(path),
        Term::Call { function, args, .. } if function.name == "tostring" => match args.as_slice() {
            [Term::Field(path, Type::Dynamic | Type::String | Type::Int | Type::Long)] => Some(path.clone()),
            _ => None,
        },
        _ => None,
    }
}
