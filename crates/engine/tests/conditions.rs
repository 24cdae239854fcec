//! What `dtq_ir::condition`, `writes` and `effects` say of queries as they are written.

use dtq_engine::{NoTables, Options, Query, compile};
use dtq_ir::condition::Condition;
use dtq_ir::condition::implied::Implied;
use dtq_ir::writes::{self, Write};
use dtq_ir::{ExprKind, RelKind, effects};
use dtq_record::stream::{Catalog, Column, Projection, RowStream, StreamError, TableSchema};
use dtq_value::{Type, Value};

struct Logs;

const COLUMNS: &[(&str, Type)] = &[
    ("Timestamp", Type::DateTime),
    ("TraceId", Type::String),
    ("SeverityNumber", Type::Int),
    ("EventName", Type::String),
    ("Size", Type::Long),
    ("Ratio", Type::Real),
    ("IsError", Type::Bool),
    ("Attributes", Type::Dynamic),
];

impl Catalog for Logs {
    fn schema(&self, table: &str) -> Option<TableSchema> {
        let columns = COLUMNS.iter().map(|(name, ty)| Column::new(*name, *ty)).collect();
        (table == "logs").then(|| TableSchema { name: "logs".to_owned(), columns })
    }

    fn table_names(&self) -> Vec<String> {
        vec!["logs".to_owned()]
    }

    fn scan(&self, table: &str, projection: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        NoTables.scan(table, projection).map(|_| unreachable!("nothing is run here"))
    }
}

fn query(text: &str) -> Query {
    let (query, diagnostics) = compile(text, &Logs, &Options::default());
    query.unwrap_or_else(|| panic!("{text}: {diagnostics:#?}"))
}

/// Returns the condition of a predicate over `logs`, or of a whole query when it begins with `|`.
fn condition(text: &str) -> Condition {
    let text = if text.starts_with('|') { format!("logs {text}") } else { format!("logs | where {text}") };
    let query = query(&text);
    Condition::of_relation(query.program(), query.program().outputs[0].rel).expect("the query is row-local")
}

#[test]
fn what_can_never_be_true_is_found() {
    for text in [
        "false",
        "EventName == 'a' and EventName == 'b'",
        "EventName in ('a', 'b') and EventName in ('c')",
        "EventName in ('a', 'b') and EventName !in ('a', 'b', 'c')",
        "EventName == 'a' and EventName != 'a'",
        "EventName == 'abc' and EventName !startswith 'A'",
        "EventName == 'abc' and strlen(EventName) > 3",
        "EventName startswith_cs 'a' and EventName startswith_cs 'b'",
        "EventName endswith 'xa' and EventName endswith 'b'",
        "EventName has 'term' and EventName !contains 'ter'",
        "EventName =~ 'a' and EventName =~ 'b'",
        "isempty(EventName) and EventName contains 'x'",
        "SeverityNumber > 10 and SeverityNumber < 5",
        "SeverityNumber > 10 and SeverityNumber < 11",
        "SeverityNumber between (5 .. 3)",
        "SeverityNumber in (1, 2) and SeverityNumber > 2",
        "Size > 9.5 and Size < 10",
        "10 < Size and Size <= 10",
        "Ratio > 0.5 and Ratio < 0.5",
        "IsError == true and IsError == false",
        "isnull(Size) and Size > 5",
        "not(Size > 5) and Size >= 6",
        "Timestamp > datetime(2024-01-02) and Timestamp < datetime(2024-01-01)",
        "Attributes.a == 'x' and Attributes.a == 'y'",
        "Attributes['a'] == 'x' and tostring(Attributes.a) == 'y'",
        "tostring(Attributes.a) in ('x', 'y') and Attributes.a == 'z'",
        "Attributes.n == 5 and Attributes.n > 7",
        "isnull(Attributes.n) and Attributes.n > 7",
        "(EventName == 'a' or EventName == 'b') and EventName == 'c'",
        "not(EventName == 'a' or EventName != 'a')",
        "1 > 2 or strlen('abc') == 4",
        "| extend x = strcat(EventName, '!') | where x == 'a' | where x == 'b'",
        "| where EventName == 'a' | project-rename e = EventName | where e == 'b'",
    ] {
        assert!(condition(text).is_never_true(), "{text}");
        assert!(!condition(text).may_overlap(&condition("true")), "{text}");
        assert!(condition(text).implies(&condition("EventName == 'anything'")), "{text}");
    }
}

#[test]
fn what_may_be_true_is_left_alone() {
    for text in [
        "true",
        "EventName == 'a' or EventName == 'b'",
        "EventName =~ 'A' and EventName =~ 'a'",
        "EventName startswith 'ab' and EventName startswith_cs 'A'",
        "EventName == 'abc' and EventName startswith 'A'",
        "SeverityNumber > 10 and SeverityNumber < 12",
        "SeverityNumber >= 10 and SeverityNumber <= 10",
        "Ratio > 0.5 and Ratio < 0.6",
        "not(Ratio < 0.5) and not(Ratio >= 0.5)",
        "Attributes.n == '5' and Attributes.n == 5",
        "Attributes.n in ('5') and Attributes.n in (5)",
        "Attributes.n == 5 and tostring(Attributes.n) == '5.0'",
        "isnull(Size) and Size != 5",
        "rand() > 0.5 and rand() < 0.5",
        "Attributes.a == 'x' and Attributes.b == 'y'",
        "EventName matches regex 'a' and EventName matches regex 'b'",
        "SeverityNumber == SeverityNumber",
        "| extend EventName = 'b' | where TraceId == 'a'",
        "| parse EventName with 'a' part | where part == 'a' | where part == 'b'",
    ] {
        assert!(!condition(text).is_never_true(), "{text}");
        assert!(condition(text).may_overlap(&condition("true")), "{text}");
    }
    for (text, is_always) in [("true", true), ("1 == 1 or Size > 5", true), ("Size > 5", false), ("false", false)] {
        assert_eq!(condition(text).is_always_true(), is_always, "{text}");
    }
}

#[test]
fn implications_are_found() {
    for (given, wanted) in [
        ("EventName == 'a'", "EventName == 'a'"),
        ("EventName == 'a' and Size > 5", "EventName == 'a'"),
        ("EventName == 'a'", "EventName == 'a' or Size > 5"),
        ("EventName == 'a'", "EventName in ('b', 'a')"),
        ("EventName == 'a' or EventName == 'b'", "EventName in ('a', 'b', 'c')"),
        ("EventName in ('a', 'b')", "EventName in ('a', 'b', 'c')"),
        ("EventName !in ('a', 'b', 'c')", "EventName != 'b'"),
        ("EventName !in ('a', 'b', 'c')", "EventName !in ('c', 'a')"),
        ("EventName == 'a'", "EventName != 'b'"),
        ("EventName == 'Health check'", "EventName has 'health'"),
        ("EventName startswith_cs '/health'", "EventName contains 'Heal'"),
        ("EventName startswith_cs '/health'", "EventName startswith '/h'"),
        ("EventName has 'health'", "EventName contains 'heal'"),
        ("EventName !contains 'ab'", "EventName !contains 'xabx'"),
        ("EventName !startswith 'a'", "EventName !startswith_cs 'ab'"),
        ("EventName contains 'x'", "isnotempty(EventName)"),
        ("SeverityNumber >= 17", "SeverityNumber > 9"),
        ("SeverityNumber > 16", "SeverityNumber >= 17"),
        ("SeverityNumber == 17", "SeverityNumber between (10 .. 20)"),
        ("SeverityNumber between (12 .. 15)", "SeverityNumber between (10 .. 20)"),
        ("SeverityNumber in (17, 18)", "SeverityNumber >= 17"),
        ("SeverityNumber >= 17", "SeverityNumber != 9"),
        ("SeverityNumber >= 17", "SeverityNumber !in (1, 5, 9)"),
        ("not(Size < 5)", "Size >= 5"),
        ("Size > 5", "isnotnull(Size)"),
        ("Timestamp > ago(1h)", "Timestamp > ago(1h)"),
        ("Attributes.a == 'x'", "tostring(Attributes['a']) == 'x'"),
        ("Attributes.a == 'xyz'", "Attributes.a startswith 'x'"),
        ("Attributes.a in ('x')", "Attributes.a in ('y', 'x')"),
        ("Attributes.n > 7", "Attributes.n > 5"),
        ("Attributes.n == 7", "Attributes.n > 5"),
        ("| extend x = tolower(EventName) | where x == 'a'", "tolower(EventName) == 'a'"),
        ("| where Size > 5 | project EventName | where EventName == 'a'", "EventName == 'a' and Size > 3"),
        ("iff(Size > 5, IsError, true)", "iff(Size > 5, IsError, true)"),
    ] {
        assert!(condition(given).implies(&condition(wanted)), "{given} => {wanted}");
    }
}

#[test]
fn what_does_not_follow_is_not_claimed() {
    for (given, wanted) in [
        ("true", "EventName == 'a'"),
        ("EventName == 'a' or Size > 5", "EventName == 'a'"),
        ("EventName in ('a', 'b')", "EventName == 'a'"),
        ("EventName startswith 'ab'", "EventName startswith_cs 'a'"),
        ("EventName contains 'ab'", "EventName has 'ab'"),
        ("EventName contains 'ab'", "EventName startswith 'a'"),
        ("EventName !contains 'ab'", "EventName !contains 'a'"),
        ("SeverityNumber > 9", "SeverityNumber >= 17"),
        ("SeverityNumber != 9", "SeverityNumber > 9"),
        ("Size != 5", "isnotnull(Size)"),
        ("not(Ratio < 0.5)", "Ratio >= 0.5"),
        ("rand() < 0.5", "rand() < 0.5"),
        ("Attributes.a == 'x'", "Attributes.b == 'x'"),
        ("Attributes.n == '7'", "Attributes.n == 7"),
        ("| extend EventName = tolower(EventName) | where EventName == 'a'", "EventName == 'a'"),
    ] {
        assert!(!condition(given).implies(&condition(wanted)), "{given} => {wanted}");
    }
    for (left, right, may) in [
        ("EventName == 'a'", "EventName == 'b'", false),
        ("SeverityNumber >= 17", "SeverityNumber < 17", false),
        ("EventName == 'a'", "Size > 5", true),
        ("EventName in ('a', 'b')", "EventName in ('b', 'c')", true),
    ] {
        assert_eq!(condition(left).may_overlap(&condition(right)), may, "{left}; {right}");
    }
}

#[test]
fn conditions_come_apart() {
    let conjuncts = condition("EventName == 'a' and (Size > 5 or Size < 3) and IsError").conjuncts();
    assert_eq!(conjuncts.len(), 3);
    assert_eq!(conjuncts[0], condition("EventName == 'a'"));
    assert_eq!(conjuncts[1].disjuncts(), [condition("Size > 5"), condition("Size < 3")]);
    assert_eq!(condition("EventName == 'a'").disjuncts().len(), 1);
}

#[test]
fn missing_fields_that_drop_records_are_found() {
    for (text, expected) in [
        ("Attributes.size > 5", vec!["size"]),
        ("not(Attributes.size > 5)", vec!["size"]),
        ("SeverityNumber > 9 and toint(Attributes['http.status']) < 500", vec!["http.status"]),
        ("Attributes.a > 1 and Attributes.b > 1", vec!["a", "b"]),
        ("Attributes.size > 5 or isnull(Attributes.size)", vec![]),
        ("Attributes.size > 5 or SeverityNumber > 9", vec![]),
        ("Attributes.a == 'x'", vec![]),
        ("Attributes.a != 'x'", vec![]),
        ("Attributes.a has 'x'", vec![]),
        ("EventName == 'a' and Size > 5", vec![]),
    ] {
        let traps: Vec<String> = condition(text).null_traps().into_iter().map(|path| path.keys.join(".")).collect();
        assert_eq!(traps, expected, "{text}");
    }
}

/// Claims about conditions over random rows: what is said to be impossible or to follow must be so.
#[test]
fn claims_hold_for_random_records() {
    let atoms = [
        "s == 'a'",
        "s == 'ab'",
        "s != 'a'",
        "s in ('a', 'b')",
        "s !in ('ab', 'b')",
        "s startswith 'A'",
        "s !startswith_cs 'a'",
        "s contains 'b'",
        "s !contains 'ab'",
        "s has 'a'",
        "s endswith_cs 'b'",
        "s =~ 'AB'",
        "isempty(s)",
        "n > 1",
        "n <= 1",
        "n < 3",
        "n == 2",
        "n != 2",
        "n in (1, 3)",
        "n between (1 .. 2)",
        "isnull(n)",
        "isnotnull(n)",
        "d == 'a'",
        "d == 2",
        "d == '2'",
        "d > 1",
        "d < 3",
        "d contains 'a'",
        "d in ('a', '2')",
        "d in (1, 2)",
        "isnull(d)",
        "tostring(d) == 'a'",
        "d != 2",
        "r > 1.0",
        "r < 1.5",
        "r >= 1.5",
        "r == 2.0",
        "isnull(r)",
    ];
    let mut context = dtq_value::scalar::Context::new(dtq_source::Limits::default(), 0, 5);
    let mut pick = |bound: usize| (context.next_random() % bound as u64) as usize;
    let mut texts = Vec::new();
    for _ in 0..300 {
        let mut text = atoms[pick(atoms.len())].to_owned();
        for _ in 0..pick(4) {
            let atom = atoms[pick(atoms.len())];
            text = match pick(5) {
                0 => format!("({text}) or {atom}"),
                1 => format!("not({text}) and {atom}"),
                2 => format!("not(({text}) or {atom})"),
                _ => format!("({text}) and {atom}"),
            };
        }
        texts.push(text);
    }
    check_claims(&texts);
}

/// Evaluates every text over the same rows and compares what is said of each, and of neighbours, with that.
fn check_claims(texts: &[String]) {
    let dynamics = [
        "dynamic(null)",
        "dynamic('a')",
        "dynamic('2')",
        "dynamic(2)",
        "dynamic(2.5)",
        "dynamic(true)",
        "dynamic([2])",
    ];
    let mut rows = String::new();
    for s in ["", "a", "b", "ab", "Ab", "a b", "xb"] {
        for n in ["long(null)", "0", "1", "2", "3"] {
            let (d, r) = (
                dynamics[(rows.len() / 7) % dynamics.len()],
                ["real(nan)", "1.25", "real(null)", "2.0"][(rows.len() / 3) % 4],
            );
            rows.push_str(&format!("'{s}', {n}, {d}, {r},"));
        }
    }
    let table = format!("datatable(s: string, n: long, d: dynamic, r: real)[{}]", rows.trim_end_matches(','));
    let options = Options::default();
    let compiled: Vec<Query> = texts
        .iter()
        .map(|text| {
            let (query, wrong) = compile(&format!("let T = {table}; T | project x = {text}"), &NoTables, &options);
            query.unwrap_or_else(|| panic!("{text}: {wrong:?}"))
        })
        .collect();
    let answers: Vec<Vec<bool>> = compiled
        .iter()
        .map(|query| {
            let rows = query.run(&NoTables, &options).and_then(|mut run| run.rest(0)).expect("nothing here fails");
            rows.into_iter().map(|row| row[0] == Value::Bool(true)).collect()
        })
        .collect();
    let conditions: Vec<Condition> = texts.iter().map(|text| over_fields(text)).collect();
    let mut claimed_count = 0;
    for (index, (text, condition)) in texts.iter().zip(&conditions).enumerate() {
        if condition.is_never_true() {
            claimed_count += 1;
            assert!(!answers[index].contains(&true), "{text} is said to be never true");
        }
        for other in 0..texts.len() {
            if condition.implies(&conditions[other]) {
                claimed_count += 1;
                let holds = answers[index].iter().zip(&answers[other]).all(|(given, wanted)| !given || *wanted);
                assert!(holds, "{text} => {}", texts[other]);
            }
            if !condition.may_overlap(&conditions[other]) {
                let both = answers[index].iter().zip(&answers[other]).any(|(left, right)| *left && *right);
                assert!(!both, "{text}; {} are said to exclude each other", texts[other]);
            }
        }
    }
    assert!(claimed_count > texts.len() * 2, "only {claimed_count} claims");
}

/// Returns the condition of a text over a table whose columns are those of the rows.
fn over_fields(text: &str) -> Condition {
    struct T;
    impl Catalog for T {
        fn schema(&self, table: &str) -> Option<TableSchema> {
            let columns = [("s", Type::String), ("n", Type::Long), ("d", Type::Dynamic), ("r", Type::Real)];
            let columns = columns.iter().map(|(name, ty)| Column::new(*name, *ty)).collect();
            Some(TableSchema { name: table.to_owned(), columns })
        }
        fn table_names(&self) -> Vec<String> {
            vec!["T".to_owned()]
        }
        fn scan(&self, table: &str, projection: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
            NoTables.scan(table, projection).map(|_| unreachable!("nothing is run here"))
        }
    }
    let (query, wrong) = compile(&format!("T | where {text}"), &T, &Options::default());
    let query = query.unwrap_or_else(|| panic!("{text}: {wrong:?}"));
    Condition::of_relation(query.program(), query.program().outputs[0].rel).expect("it is row-local")
}

#[test]
fn what_becomes_of_each_column_is_told() {
    let query = query(
        "logs | where Size > 5 | extend Size = Size * 2, Extra = 1 | project-away TraceId \
         | project-rename Renamed = Ratio | extend Ratio = Renamed | parse EventName with 'x' Parsed: bool \
         | project-away IsError | project-rename IsError = Parsed",
    );
    let program = query.program();
    let found = writes::of(program, program.outputs[0].rel).expect("it is row-local");
    assert_eq!(found.table, "logs");
    assert!(matches!(program.rel(found.scan).kind, RelKind::Scan { .. }));
    let write = |name: &str| found.columns.iter().find(|(column, _)| column == name).map(|(_, write)| *write);
    assert_eq!(write("EventName"), Some(Write::Kept));
    assert_eq!(write("Attributes"), Some(Write::Kept));
    assert_eq!(write("TraceId"), Some(Write::Dropped));
    assert_eq!(write("Ratio"), Some(Write::Kept), "it has its own value again");
    assert!(matches!(write("IsError"), Some(Write::Parsed(_))));
    let Some(Write::Changed { expr, .. }) = write("Size") else { panic!("{:?}", write("Size")) };
    assert!(matches!(&program.expr(expr).kind, ExprKind::Call { function, .. } if function.name == "*"));
    let names: Vec<&str> = found
        .added
        .iter()
        .map(|position| program.rel(program.outputs[0].rel).columns[*position as usize].name.as_str())
        .collect();
    assert_eq!(names, ["Renamed", "Extra"]);
    let swapped = self::query("logs | project TraceId = EventName, EventName = TraceId");
    let found = writes::of(swapped.program(), swapped.program().outputs[0].rel).expect("it is row-local");
    assert!(matches!(found.columns[1].1, Write::Changed { .. }) && matches!(found.columns[3].1, Write::Changed { .. }));
    let grouped = self::query("logs | summarize count() by EventName");
    assert!(writes::of(grouped.program(), grouped.program().outputs[0].rel).is_err());
}

/// Returns conditions made of a few claims, some of which follow from others.
fn some_conditions() -> Vec<Condition> {
    let claims = [
        "SeverityNumber >= 9",
        "SeverityNumber >= 17",
        "SeverityNumber between (9 .. 12)",
        "EventName == 'abc'",
        "EventName startswith_cs 'a'",
        "EventName !startswith 'B'",
        "EventName in ('abc', 'd')",
        "strlen(EventName) < 5",
        "strlen(strcat(EventName, TraceId)) == 5",
        "TraceId == 'xy'",
        "isnotempty(EventName)",
        "isnotnull(Size)",
        "Size > 5 and Ratio < 1.5",
        "not(IsError)",
        "tostring(Attributes['a.b']) contains_cs 'abcd'",
        "Attributes['a.b'] contains 'bc'",
        "Size == strlen('abc')",
        "now() > datetime(2020-01-01)",
        "true",
        "rand() > 0.5",
    ];
    let mut texts: Vec<String> = claims.map(str::to_owned).to_vec();
    for (at, left) in claims.iter().enumerate() {
        for step in [1, 3, 7] {
            let (right, third) = (claims[(at + step) % claims.len()], claims[(at * step + 5) % claims.len()]);
            texts.push(format!("({left}) and ({right})"));
            texts.push(format!("({left}) or ({right})"));
            texts.push(format!("({left}) and (({right}) or not({third}))"));
        }
    }
    texts.iter().map(|text| condition(text)).collect()
}

#[test]
fn the_first_that_follows_is_found_among_many_as_by_asking_each() {
    let conditions = some_conditions();
    let wanted = |at: usize| (at % 5 != 3).then(|| &conditions[at]);
    let mut among = Implied::new((0..conditions.len()).map(wanted).collect());
    let mut found_count = 0;
    for (at, condition) in conditions.iter().enumerate() {
        for (range, step) in [(0..conditions.len(), 1), (0..at, 1), (at / 2..at, 1), (0..at, 2)] {
            let is_eligible = |other: usize| other != at && other.is_multiple_of(step);
            let follows = |other: &usize| wanted(*other).is_some_and(|other| condition.implies(other));
            let expected = range.clone().find(|other| is_eligible(*other) && follows(other));
            assert_eq!(among.first(condition, range, is_eligible), expected, "{condition:?}");
            found_count += usize::from(expected.is_some());
        }
    }
    assert!(found_count > conditions.len(), "{found_count} follow");
}

#[test]
fn effects_are_told() {
    for (text, time, random) in [
        ("logs | where Timestamp > ago(1h)", true, false),
        ("print now()", true, false),
        ("print rand(), new_guid()", false, true),
        ("logs | sample 5", false, true),
        ("let unused = now(); logs | where Size > 5", false, false),
        ("logs | where Size > toscalar(print rand())", false, true),
    ] {
        let found = effects::of(query(text).program());
        assert_eq!((found.has_time, found.has_random, found.has_state), (time, random, false), "{text}");
    }
}
