//! Expressions over one row, optimized by themselves, as rules have them.

use dtq_engine::{Options, compile};
use dtq_generate::Patterns;
use dtq_ir::{ExprId, ExprKind, Program, RelKind};
use dtq_opt::{Root, are_plain, optimize_roots};

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

/// Conditions in which nothing is found by one look are those in which no pass finds anything.
#[test]
fn what_is_plain_has_nothing_for_any_pass() {
    let options = dtq_opt::Options { columns_may_fail: true, ..dtq_opt::Options::default() };
    let mut plain_count = 0;
    let mut check = |text: &str| {
        let compile_options = Options { without_optimizer: true, ..Options::default() };
        let (query, _) = compile(text, &Patterns { seed: 0, row_count: 0 }, &compile_options);
        let Some(query) = query else { return };
        let program = query.program();
        let filters = program.rels().iter().filter_map(|rel| match rel.kind {
            RelKind::Filter { predicate, .. } => Some(predicate),
            _ => None,
        });
        if are_plain(program, filters) {
            plain_count += 1;
            let (_, report) = dtq_opt::optimize(program, &options);
            // But for `tostring` around a dynamic, which is left where it costs nothing.
            let is_left = |name: &str| name == "strings" && text.contains("tostring(");
            assert!(report.changes.iter().all(|(name, count)| *count == 0 || is_left(name)), "{text}: {report}");
        }
    };
    let subjects = ["s", "t", "a", "b", "w", "p", "tolong(d)", "todouble(d)", "tostring(d)", "d", "r", "strlen(s)"];
    let operators = ["==", "!=", "<", ">=", "contains", "has", "!has_cs", "startswith", "=~", "in", "matches regex"];
    let constants =
        ["1", "0", "-1", "0.5", "true", "''", "'x'", "'1'", "'\u{c9}'", "long(null)", "9223372036854775807"];
    for subject in subjects {
        for operator in operators {
            for constant in constants {
                let constant = if operator == "in" { format!("({constant})") } else { constant.to_owned() };
                check(&format!("T | where {subject} {operator} {constant}"));
                check(&format!("T | where b == 3 or {subject} {operator} {constant}"));
                check(&format!("T | where q and ({subject} {operator} {constant} or t == 'y')"));
            }
        }
    }
    for seed in 0..3_000 {
        let condition = dtq_generate::patterns::condition(&mut dtq_generate::Choices::Seed(seed), 1);
        check(&format!("T | where {condition}"));
    }
    assert!(plain_count > 300, "only {plain_count} conditions were plain");
}
