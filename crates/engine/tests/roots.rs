//! Expressions over one row, optimized by themselves, as rules have them.

use dtq_engine::{Options, compile};
use dtq_generate::Patterns;
use dtq_ir::{ExprId, ExprKind, Program, RelKind};
use dtq_opt::{Root, optimize_roots};

/// Returns the program of a query over the table `T` and the predicate of its last `where`.
fn predicate(text: &str) -> (Program, ExprId) {
    let options = Options { without_optimizer: true, ..Options::default() };
    let (query, diagnostics) = compile(text, &Patterns { seed: 0, row_count: 0 }, &options);
    let program = query.unwrap_or_else(|| panic!("{diagnostics:?}")).program().clone();
    let is_filter = |kind: &RelKind| if let RelKind::Filter { predicate, .. } = kind { Some(*predicate) } else { None };
    let found = program.rels().iter().rev().find_map(|rel| is_filter(&rel.kind)).expect("the query has a filter");
    (program, found)
}

fn names(program: &Program, root: ExprId) -> Vec<String> {
    let (mut names, mut open) = (Vec::new(), vec![root]);
    while let Some(id) = open.pop() {
        let kind = &program.expr(id).kind;
        match kind {
            ExprKind::Call { function, .. } => names.push(function.name.to_owned()),
            ExprKind::And(..) => names.push("and".to_owned()),
            ExprKind::Or(..) => names.push("or".to_owned()),
            _ => {}
        }
        open.extend(kind.children().into_iter().rev());
    }
    names
}

fn optimized(text: &str, options: &dtq_opt::Options) -> Vec<String> {
    let (program, expr) = predicate(text);
    let roots = [Root { expr, is_condition: true }];
    let (program, found, _) = optimize_roots(&program, &roots, options, &|_| true);
    names(&program, found[0])
}

#[test]
fn a_condition_is_optimized_without_its_relation() {
    let options = dtq_opt::Options::default();
    let text = "T | where s contains 'x' and (a == 1 or a == 2) and b > 0";
    assert_eq!(optimized(text, &options), ["and", "and", ">", "in", "contains"]);
}

#[test]
fn where_reading_can_fail_everything_is_read_as_before() {
    let options = dtq_opt::Options { columns_may_fail: true, ..dtq_opt::Options::default() };
    let kept = "T | where s contains 'x' and a == 1 and a > 0";
    assert_eq!(optimized(kept, &options), ["and", "and", "contains", "==", ">"]);
    // Neighbours that read the same subject are joined; what stands apart is not.
    let joined = "T | where s == 'x' or s == 'y' or a == 1 or s == 'z'";
    assert_eq!(optimized(joined, &options), ["or", "or", "in", "==", "=="]);
    assert_eq!(optimized("T | where tolower(s) == 'x' and true", &options), ["=~"]);
}

#[test]
fn measured_shares_win_over_guesses() {
    let text = "T | where s contains 'x' and a == 1";
    let (program, expr) = predicate(text);
    let ExprKind::And(contains, equals) = program.expr(expr).kind else { panic!("an `and`") };
    let mut options = dtq_opt::Options::default();
    assert_eq!(optimized(text, &options), ["and", "==", "contains"]);
    options.feedback.set(dtq_opt::fingerprint(&program, contains), 0.0);
    options.feedback.set(dtq_opt::fingerprint(&program, equals), 1.0);
    assert_eq!(optimized(text, &options), ["and", "contains", "=="]);
}

#[test]
fn a_pass_can_be_left_out() {
    let mut options = dtq_opt::Options::default();
    options.disabled.insert("order".to_owned());
    assert_eq!(optimized("T | where s contains 'x' and a == 1", &options), ["and", "contains", "=="]);
}
