//! Queries made of what an optimizer looks for, and of what only looks like it, over a table of values that meet them.
//!
//! [`crate::query`] calls every function; here few constants stand again and again, so that chains, contradictions and
//! duplicates occur, and rows in which one operand is null, fails or is not ASCII.

use crate::Choices;
use dtq_record::stream::{Catalog, Column, Projection, Row, RowStream, StreamError, TableSchema};
use dtq_value::{Bag, Str, Type, Value};

/// A table `T` whose rows are made of few values, drawn from a seed.
#[derive(Clone, Copy, Debug)]
pub struct Patterns {
    /// What the rows are drawn from.
    pub seed: u64,
    /// How many rows there are.
    pub row_count: usize,
}

const COLUMNS: [(&str, Type); 11] = [
    ("s", Type::String),
    ("t", Type::String),
    ("a", Type::Long),
    ("b", Type::Long),
    ("i", Type::Int),
    ("r", Type::Real),
    ("p", Type::Bool),
    ("q", Type::Bool),
    ("w", Type::DateTime),
    ("d", Type::Dynamic),
    ("e", Type::Dynamic),
];

/// Texts that stand in rows and queries: empty, of either case, with letters whose case is not that of ASCII.
const TEXTS: [&str; 16] = [
    "", "a", "A", "ab", "AB", "abc", "xab", "k", "K", "\u{212a}", "\u{130}", "s\u{17f}", "a b", "a.b", "5", "\u{e9}ab",
];

const PATTERNS: [&str; 24] = [
    "", "ab", "^ab", "ab$", "^ab$", "^", "$", "^$", ".*ab", "ab.*", "^.*ab", "ab.*$", "(?i)ab", "(?i)k", "(?i)^AB$",
    "a|b", "(ab)", r"a\.b", r"^a\.b$", "a.b", "[a]b", "(?m)^ab", "(?:a)(b)", r"\bab",
];

const LONGS: [i64; 8] = [-1, 0, 1, 2, 3, 5, i64::MIN, i64::MAX];

const REALS: [f64; 6] = [0.0, -0.0, 1.5, f64::NAN, f64::INFINITY, 2.0];

/// 2000-01-01 and some days after it.
const TICKS: [i64; 4] = [630_822_816_000_000_000, 630_823_680_000_000_000, 0, i64::MAX];

impl Patterns {
    /// Returns its name and columns.
    pub fn table() -> TableSchema {
        let columns = COLUMNS.iter().map(|(name, ty)| Column::new(*name, *ty)).collect();
        TableSchema { name: "T".to_owned(), columns }
    }

    fn rows(self) -> Vec<Row> {
        let mut choices = Choices::Seed(self.seed);
        (0..self.row_count).map(|_| COLUMNS.iter().map(|(_, ty)| cell(&mut choices, *ty)).collect()).collect()
    }
}

fn cell(choices: &mut Choices<'_>, ty: Type) -> Value {
    if ty != Type::String && choices.one_in(4) {
        return Value::Null;
    }
    match ty {
        Type::Bool => Value::Bool(choices.below(2) == 0),
        Type::Int => Value::Int(*choices.pick(&[-1, 0, 1, 2, 5, i32::MIN])),
        Type::Long => Value::Long(*choices.pick(&LONGS)),
        Type::Real => Value::Real(*choices.pick(&REALS)),
        Type::String => match choices.below(12) {
            0 => Value::String(Str::from(&b"\xffab\xe9"[..])),
            1 => Value::String(Str::from(&b"ab\n"[..])),
            _ => Value::string(*choices.pick(&TEXTS)),
        },
        Type::DateTime => Value::DateTime(*choices.pick(&TICKS)),
        _ => dynamic(choices),
    }
}

fn dynamic(choices: &mut Choices<'_>) -> Value {
    match choices.below(8) {
        0 => Value::Long(*choices.pick(&LONGS)),
        1 => Value::Real(*choices.pick(&REALS)),
        2 => Value::Bool(true),
        3 => Value::array(vec![Value::string("a"), Value::Long(5), Value::Null]),
        4 => {
            let mut bag = Bag::new();
            bag.set(Str::from("k"), Value::string(*choices.pick(&TEXTS)));
            bag.set(Str::from("n"), Value::Long(*choices.pick(&LONGS)));
            Value::bag(bag)
        }
        _ => Value::string(*choices.pick(&TEXTS)),
    }
}

struct Once(Option<Vec<Row>>);

impl RowStream for Once {
    fn read(&mut self, batch: &mut Vec<Row>) -> Result<bool, StreamError> {
        batch.extend(self.0.take().into_iter().flatten());
        Ok(false)
    }
}

impl Catalog for Patterns {
    fn schema(&self, table: &str) -> Option<TableSchema> {
        (table == "T").then(Self::table)
    }

    fn table_names(&self) -> Vec<String> {
        vec!["T".to_owned()]
    }

    fn scan(&self, _table: &str, _projection: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        Ok(Box::new(Once(Some(self.rows()))))
    }
}

/// Returns a query over the table `T`.
pub fn query(choices: &mut Choices<'_>) -> String {
    let mut text = "T".to_owned();
    for index in 0..1 + choices.below(4) {
        let operator = match choices.below(12) {
            0..=4 => format!("where {}", condition(choices, 3)),
            5 => format!("extend c{index} = {}", condition(choices, 3)),
            6 => format!("extend a = {}, b = a + 1", long(choices, 2)),
            7 => format!("extend s = {}", string(choices)),
            8 => "sort by a asc, s desc".to_owned(),
            9 => format!("project-reorder {}", choices.pick(&["w", "e", "q"])),
            // A dynamic cannot be a key.
            10 => "distinct s, t, a, b, i, r, p, q, w\n| extend d = dynamic(5), e = dynamic(null)".to_owned(),
            _ => format!("extend v{index} = {}", case(choices)),
        };
        text.push_str("\n| ");
        text.push_str(&operator);
    }
    match choices.below(5) {
        0 => text.push_str("\n| summarize n = count(), m = max(a) by s"),
        1 => text.push_str(&format!("\n| summarize n = countif({}) by p", condition(choices, 2))),
        2 => text.push_str("\n| project a, s"),
        3 => text.push_str(&format!("\n| project x = {}, y = {}", condition(choices, 3), case(choices))),
        _ => {}
    }
    text
}

/// Returns a bool over the columns of `T`.
pub fn condition(choices: &mut Choices<'_>, depth: usize) -> String {
    if depth == 0 {
        return atom(choices);
    }
    let mut sub = |choices: &mut Choices<'_>| condition(choices, depth - 1);
    match choices.below(14) {
        0..=2 => chain(choices, "and", &mut sub),
        3 | 4 => chain(choices, "or", &mut sub),
        5 => equalities(choices),
        6 => format!("not({})", sub(choices)),
        7 => format!("iff({}, {}, {})", sub(choices), sub(choices), sub(choices)),
        8 => format!("(({}) {} {})", sub(choices), choices.pick(&["==", "!="]), choices.pick(&["true", "false"])),
        9 => format!("coalesce({}, {}, {})", sub(choices), sub(choices), choices.pick(&["true", "false", "p"])),
        10 => format!("iff({}, true, {})", sub(choices), choices.pick(&["false", "q"])),
        _ => atom(choices),
    }
}

fn chain(choices: &mut Choices<'_>, link: &str, sub: &mut dyn FnMut(&mut Choices<'_>) -> String) -> String {
    let operands: Vec<String> = (0..2 + choices.below(4)).map(|_| sub(choices)).collect();
    format!("({})", operands.join(&format!(" {link} ")))
}

/// Returns a chain of comparisons of one operand with constants.
fn equalities(choices: &mut Choices<'_>) -> String {
    let subject = *choices.pick(&["s", "a", "i", "d", "t", "tostring(d)", "r", "w"]);
    let (link, operator) = *choices.pick(&[("or", "=="), ("and", "!="), ("or", "=~"), ("or", "has"), ("and", "has")]);
    let operands: Vec<String> = (0..2 + choices.below(4))
        .map(|_| match subject {
            "a" | "i" | "r" => format!("{subject} {} {}", if link == "or" { "==" } else { "!=" }, number(choices)),
            "w" => format!("w {} {}", if link == "or" { "==" } else { "!=" }, date(choices)),
            _ if choices.one_in(6) => format!("{subject} in ({}, {})", text(choices), text(choices)),
            _ => format!("{subject} {operator} {}", text(choices)),
        })
        .collect();
    format!("({})", operands.join(&format!(" {link} ")))
}

fn text(choices: &mut Choices<'_>) -> String {
    format!("\"{}\"", choices.pick(&TEXTS))
}

fn number(choices: &mut Choices<'_>) -> String {
    let number = *choices.pick(&["-1", "0", "1", "2", "3", "5", "1.5", "long(null)"]);
    if number.starts_with('-') { format!("({number})") } else { number.to_owned() }
}

fn date(choices: &mut Choices<'_>) -> String {
    choices.pick(&["datetime(2000-01-01)", "datetime(2000-01-02)", "datetime(2001-01-01)"]).to_string()
}

fn long(choices: &mut Choices<'_>, depth: usize) -> String {
    match choices.below(if depth == 0 { 3 } else { 8 }) {
        0 => "a".to_owned(),
        1 => "b".to_owned(),
        2 => choices.pick(&["1", "2", "long(null)", "tolong(i)"]).to_string(),
        3 => {
            format!("({} {} {})", long(choices, depth - 1), choices.pick(&["+", "-", "*", "/", "%"]), long(choices, 0))
        }
        4 => format!("iff({}, {}, {})", condition(choices, 1), long(choices, depth - 1), long(choices, 0)),
        5 => format!("coalesce({}, {})", long(choices, depth - 1), long(choices, depth - 1)),
        6 => "strlen(s)".to_owned(),
        _ => "tolong(d)".to_owned(),
    }
}

fn string(choices: &mut Choices<'_>) -> String {
    match choices.below(8) {
        0 | 1 => "s".to_owned(),
        2 => "t".to_owned(),
        3 => "tostring(d)".to_owned(),
        4 => "tolower(s)".to_owned(),
        5 => "toupper(t)".to_owned(),
        6 => "tostring(d.k)".to_owned(),
        _ => "strcat(s, t)".to_owned(),
    }
}

fn case(choices: &mut Choices<'_>) -> String {
    let subject = *choices.pick(&["s", "t", "tostring(d)"]);
    let arms: Vec<String> = (0..1 + choices.below(4))
        .map(|_| {
            let condition = match choices.below(4) {
                0 => condition(choices, 1),
                _ => format!("{subject} == {}", text(choices)),
            };
            format!("{condition}, {}", choices.pick(&["1", "2", "a"]))
        })
        .collect();
    format!("case({}, {})", arms.join(", "), choices.pick(&["1", "b", "long(null)"]))
}

fn atom(choices: &mut Choices<'_>) -> String {
    const ORDERS: [&str; 6] = ["<", "<=", ">", ">=", "==", "!="];
    const WORDS: [&str; 14] = [
        "==",
        "!=",
        "=~",
        "!~",
        "contains",
        "contains_cs",
        "!contains",
        "startswith",
        "startswith_cs",
        "endswith_cs",
        "has",
        "has_cs",
        "!has",
        "hasprefix",
    ];
    match choices.below(20) {
        0..=4 => format!("{} {} {}", string(choices), choices.pick(&WORDS), text(choices)),
        5 => format!("{} matches regex @'{}'", choices.pick(&["s", "t", "d"]), choices.pick(&PATTERNS)),
        6 => format!("d {} {}", choices.pick(&WORDS), text(choices)),
        7..=9 => {
            let operand = *choices.pick(&["a", "b", "i", "r", "a + b"]);
            format!("{operand} {} {}", choices.pick(&ORDERS), number(choices))
        }
        10 => format!("{} {} {}", number(choices), choices.pick(&ORDERS), choices.pick(&["a", "r"])),
        11 => format!("a {} ({} .. {})", choices.pick(&["between", "!between"]), number(choices), number(choices)),
        12 => format!(
            "{}({})",
            choices.pick(&["isnull", "isnotnull", "isempty", "isnotempty"]),
            choices.pick(&["s", "a", "d", "r"])
        ),
        13 => format!(
            "strlen({}) {} {}",
            choices.pick(&["s", "d"]),
            choices.pick(&ORDERS),
            choices.pick(&["0", "1", "2"])
        ),
        14 => format!("indexof(s, {}) {} {}", text(choices), choices.pick(&ORDERS), choices.pick(&["0", "(-1)", "1"])),
        15 => format!(
            "{} {} ({}, {})",
            choices.pick(&["s", "tolower(s)"]),
            choices.pick(&["in", "!in", "in~"]),
            text(choices),
            text(choices)
        ),
        16 => choices.pick(&["p", "q", "true", "false", "bool(null)", "p == q"]).to_string(),
        17 => format!("d.n {} {}", choices.pick(&ORDERS), number(choices)),
        18 => match choices.below(4) {
            0 => "assert(a != 5, 'five')".to_owned(),
            1 => "rand() < 0.5".to_owned(),
            2 => "strrep(s, 2) == 'abab'".to_owned(),
            _ => format!("s matches regex {}", choices.pick(&["t", "strcat('^', 'ab')"])),
        },
        _ => format!("w {} {}", choices.pick(&ORDERS), date(choices)),
    }
}
