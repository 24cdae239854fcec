//! A fuzzer's bytes to the text of a query: a small grammar walked with one byte a choice.
//!
//! A part of the texts is damaged on purpose, so that error paths are reached as well. Bytes that are used up give the
//! shortest choice, hence it always ends.

use arbitrary::{Result, Unstructured};

/// Returns the text of a query.
pub fn text(bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut source = Unstructured::new(bytes);
    // Running out of bytes ends the text early, which is an input like any other.
    let _ = Writer { out: &mut out, bytes: &mut source, depth: 0 }.query();
    out
}

/// Writes one query.
struct Writer<'o, 'b, 'd> {
    out: &'o mut String,
    bytes: &'b mut Unstructured<'d>,
    depth: usize,
}

const NAMES: &[&str] =
    &["a", "b", "Body", "Attributes", "['x y']", "a.b", "d[\"k\"]", "d[0]", "Timestamp", "count", "$left.a"];
const TABLES: &[&str] =
    &["T", "logs", "spans", "datatable(a:long, b:string)[1, \"x\"]", "print a = 1", "range x from 1 to 9 step 2"];
const LITERALS: &[&str] = &[
    "1",
    "-2",
    "0x1F",
    "1.5",
    "1e3",
    "5m",
    "1.5h",
    "\"s\"",
    "'it\\'s'",
    "@\"v\"\"w\"",
    "h'x'",
    "```f```",
    "true",
    "\"a\" 'b'",
    "datetime(2024-01-01)",
    "int(null)",
    "real(nan)",
    "guid(74be27de-1e4e-49d9-b579-fe0b331d3642)",
    "timespan(1.02:03:04)",
    "dynamic([1, {\"k\": null}])",
    "dynamic({})",
    "decimal(1.5)",
];
const BINARY: &[&str] = &[
    "==",
    "!=",
    "=~",
    "!~",
    "<",
    "<=",
    ">",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "and",
    "or",
    "has",
    "!has",
    "contains_cs",
    "startswith",
    "!endswith",
    "hasprefix",
    "matches regex",
];
const FUNCTIONS: &[&str] =
    &["strlen", "not", "tostring", "iff", "strcat", "bin", "ago", "count", "sum", "arg_max", "make_list"];
const DAMAGE: &[&str] =
    &["|", "(", ")", ",", "\"", "&&", "=", "not ", "[", "}", ";", "like", " where", "\u{201c}", "#", "5mins"];

impl Writer<'_, '_, '_> {
    fn pick(&mut self, from: &[&'static str]) -> Result<()> {
        let text = *self.bytes.choose(from)?;
        self.out.push_str(text);
        Ok(())
    }

    fn chance(&mut self, percent: u8) -> Result<bool> {
        // When the bytes are used up this is 0, which has to end every loop.
        Ok(self.bytes.int_in_range(0..=99u8)? >= 100 - percent)
    }

    fn query(&mut self) -> Result<()> {
        while self.chance(20)? {
            self.out.push_str("let v = ");
            if self.chance(30)? {
                self.out.push_str("(p:long, q:string = \"d\") { ");
                self.pipeline()?;
                self.out.push_str(" }");
            } else {
                self.expression()?;
            }
            self.out.push_str(";\n");
        }
        self.pipeline()?;
        if self.chance(15)? {
            self.pick(DAMAGE)?;
        }
        Ok(())
    }

    fn pipeline(&mut self) -> Result<()> {
        self.pick(TABLES)?;
        while self.chance(65)? {
            let has_note = self.chance(10)?;
            self.out.push_str(if has_note { " // note\n| " } else { " | " });
            self.operator()?;
        }
        Ok(())
    }

    fn list(&mut self, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        item(self)?;
        while self.chance(35)? {
            self.out.push_str(", ");
            item(self)?;
        }
        Ok(())
    }

    fn assignment(&mut self) -> Result<()> {
        if self.chance(50)? {
            self.pick(&["x = ", "['n m'] = ", "a = "])?;
        }
        self.expression()
    }

    fn operator(&mut self) -> Result<()> {
        let kind = self.bytes.int_in_range(0..=15u8)?;
        let keywords = [
            "where ",
            "extend ",
            "project ",
            "summarize ",
            "sort by ",
            "take 5",
            "join kind=inner (",
            "mv-expand ",
            "distinct ",
            "top 3 by ",
            "count",
            "parse Body with * \"k=\" v:long *",
            "union A*, (",
            "project-away a, b*",
            "make-series count() on ",
            "mv-apply ",
        ];
        self.out.push_str(keywords[usize::from(kind)]);
        match kind {
            0 => self.expression(),
            1 | 2 => self.list(Self::assignment),
            3 => {
                self.list(Self::assignment)?;
                self.out.push_str(" by ");
                self.list(Self::assignment)
            }
            4 | 9 => {
                self.expression()?;
                self.pick(&["", " asc", " desc nulls last"])
            }
            6 | 12 => {
                self.nested(Self::pipeline)?;
                self.out.push_str(if kind == 6 { ") on a, $left.b == $right.c" } else { ")" });
                Ok(())
            }
            7 => {
                self.assignment()?;
                self.pick(&["", " to typeof(long)", " limit 4"])
            }
            8 => self.list(|writer| writer.pick(NAMES)),
            14 => {
                self.pick(NAMES)?;
                self.out.push_str(" step 1h by b");
                Ok(())
            }
            15 => {
                self.pick(NAMES)?;
                self.out.push_str(" on (where a > 1 | take 2)");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Writes something one level deeper, or a name where it is deep already.
    fn nested(&mut self, write: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if self.depth > 12 {
            self.out.push('T');
            return Ok(());
        }
        self.depth += 1;
        let result = write(self);
        self.depth -= 1;
        result
    }

    fn expression(&mut self) -> Result<()> {
        self.nested(|writer| match writer.bytes.int_in_range(0..=9u8)? {
            0..=2 => writer.pick(NAMES),
            3 | 4 => writer.pick(LITERALS),
            5 | 6 => {
                writer.out.push('(');
                writer.expression()?;
                writer.out.push_str(") ");
                writer.pick(BINARY)?;
                writer.out.push_str(" (");
                writer.expression()?;
                writer.out.push(')');
                Ok(())
            }
            7 => {
                writer.pick(FUNCTIONS)?;
                writer.out.push('(');
                writer.list(Self::expression)?;
                writer.out.push(')');
                Ok(())
            }
            8 => {
                writer.pick(NAMES)?;
                writer.pick(&[" in (", " !in~ (", " has_any ("])?;
                writer.list(Self::expression)?;
                writer.out.push(')');
                Ok(())
            }
            _ => {
                writer.pick(NAMES)?;
                writer.out.push_str(" between (1 .. ");
                writer.expression()?;
                writer.out.push(')');
                Ok(())
            }
        })
    }
}
