//! The syntax tree to text, a node a line, indented: for `explain --stage ast` and for fixtures.
//!
//! Says what was understood, not how it was written: no spans, no parentheses' positions, escapes replaced. Stable: the
//! text changes only with the tree.

mod operators;

use crate::ast::{
    Arg, Assignment, Column, DynamicLiteral, Expr, ExprKind, Function, Literal, Name, Param, ParamType, Query,
    Statement,
};

/// Returns the tree as indented text, ending in a newline.
pub fn dump(query: &Query) -> String {
    let mut dump = Dump { out: String::new(), depth: 0 };
    for statement in &query.statements {
        dump.statement(statement);
    }
    dump.out
}

/// Writes nodes.
struct Dump {
    out: String,
    depth: usize,
}

impl Dump {
    /// Writes a line.
    fn line(&mut self, text: &str) {
        self.out.extend(std::iter::repeat_n("  ", self.depth));
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// Writes a line and what is below it.
    fn node(&mut self, text: &str, children: impl FnOnce(&mut Self)) {
        self.line(text);
        self.depth += 1;
        children(self);
        self.depth -= 1;
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Let(found) => {
                self.node(&format!("let {}", name(&found.name)), |dump| dump.expr(&found.value));
            }
            Statement::Set { name: option, value, .. } => {
                self.node(&format!("set {}", name(option)), |dump| dump.maybe("value", value.as_ref()));
            }
            Statement::QueryParameters { params, .. } => {
                self.node("declare query_parameters", |dump| params.iter().for_each(|param| dump.param(param)));
            }
            Statement::Expr(value) => self.expr(value),
            Statement::Unsupported { keyword, .. } => self.line(&format!("unsupported {}", keyword.text)),
        }
    }

    /// Writes an expression.
    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Missing => self.line("missing"),
            ExprKind::Name(found) => self.line(&format!("name {}", name(found))),
            ExprKind::Literal(literal) => self.literal(literal),
            ExprKind::Star => self.line("star"),
            ExprKind::Wildcard(text) => self.line(&format!("wildcard {text}")),
            ExprKind::Unary { op, operand } => self.node(&format!("unary {op:?}"), |dump| dump.expr(operand)),
            ExprKind::Binary { op, left, right, .. } => self.node(&format!("binary {}", op.text()), |dump| {
                dump.expr(left);
                dump.expr(right);
            }),
            ExprKind::List { op, left, items, .. } => self.node(&format!("list {}", op.text()), |dump| {
                dump.expr(left);
                dump.exprs("items", items);
            }),
            ExprKind::Between { is_negated, operand, low, high, .. } => {
                self.node(if *is_negated { "!between" } else { "between" }, |dump| {
                    dump.expr(operand);
                    dump.expr(low);
                    dump.expr(high);
                });
            }
            ExprKind::Path { base, name: member } => {
                self.node(&format!("path {}", name(member)), |dump| dump.expr(base))
            }
            ExprKind::Index { base, index } => self.node("index", |dump| {
                dump.expr(base);
                dump.expr(index);
            }),
            ExprKind::Method { base, name: method, args } => self.node(&format!("method {}", name(method)), |dump| {
                dump.expr(base);
                dump.args(args);
            }),
            ExprKind::Call { name: function, args } => {
                self.node(&format!("call {}", name(function)), |dump| dump.args(args));
            }
            ExprKind::Paren(inner) => self.node("paren", |dump| dump.expr(inner)),
            ExprKind::Pipeline(pipeline) => self.node("pipeline", |dump| {
                dump.expr(&pipeline.source);
                pipeline.operators.iter().for_each(|operator| dump.operator(&operator.kind));
            }),
            ExprKind::Source(source) => self.source(source),
            ExprKind::Function(function) => self.function(function),
            ExprKind::TypeOf(columns) => self.line(&format!("typeof {}", columns_text(columns))),
            ExprKind::Assign(assignment) => self.assignment(assignment),
        }
    }

    fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Dynamic(value) => self.node("dynamic", |dump| dump.dynamic(value)),
            other => self.line(&literal_text(other)),
        }
    }

    fn dynamic(&mut self, value: &DynamicLiteral) {
        match value {
            DynamicLiteral::Scalar(literal, _) => self.literal(literal),
            DynamicLiteral::Array(items) => {
                self.node("array", |dump| items.iter().for_each(|item| dump.dynamic(item)));
            }
            DynamicLiteral::Bag(entries) => self.node("bag", |dump| {
                for (key, value) in entries {
                    dump.node(&format!("key {key:?}"), |dump| dump.dynamic(value));
                }
            }),
        }
    }

    fn function(&mut self, function: &Function) {
        self.node(if function.is_view { "function view" } else { "function" }, |dump| {
            function.params.iter().for_each(|param| dump.param(param));
            function.body.iter().for_each(|statement| dump.statement(statement));
        });
    }

    fn param(&mut self, param: &Param) {
        let ty = match &param.ty {
            ParamType::Scalar(ty) => ty.text.clone(),
            ParamType::Table { is_open: true, .. } => "(*)".to_owned(),
            ParamType::Table { columns, .. } => columns_text(columns),
        };
        self.node(&format!("param {}:{ty}", name(&param.name)), |dump| dump.maybe("default", param.default.as_ref()));
    }

    fn args(&mut self, args: &[Arg]) {
        for arg in args {
            match &arg.name {
                Some(found) => self.node(&format!("arg {}", name(found)), |dump| dump.expr(&arg.value)),
                None => self.expr(&arg.value),
            }
        }
    }

    fn assignment(&mut self, assignment: &Assignment) {
        if assignment.names.is_empty() {
            return self.expr(&assignment.value);
        }
        let names: Vec<String> = assignment.names.iter().map(name).collect();
        self.node(&format!("assign {}", names.join(", ")), |dump| dump.expr(&assignment.value));
    }

    /// Writes a labelled expression, or nothing.
    fn maybe(&mut self, label: &str, value: Option<&Expr>) {
        if let Some(value) = value {
            self.node(label, |dump| dump.expr(value));
        }
    }

    /// Writes labelled expressions, or nothing when there are none.
    fn exprs(&mut self, label: &str, values: &[Expr]) {
        if !values.is_empty() {
            self.node(label, |dump| values.iter().for_each(|value| dump.expr(value)));
        }
    }

    /// Writes labelled assignments, or nothing when there are none.
    fn assignments(&mut self, label: &str, values: &[Assignment]) {
        if !values.is_empty() {
            self.node(label, |dump| values.iter().for_each(|value| dump.assignment(value)));
        }
    }
}

/// Returns a literal other than `dynamic(...)` on one line.
fn literal_text(literal: &Literal) -> String {
    match literal {
        Literal::Bool(value) => format!("bool {value}"),
        Literal::Null => "null".to_owned(),
        Literal::Integer(text) => format!("integer {text}"),
        Literal::Real(text) => format!("real {text}"),
        Literal::TimeSpan(text) => format!("timespan {text}"),
        Literal::String { value, is_hidden: true } => format!("string {value:?} hidden"),
        Literal::String { value, .. } => format!("string {value:?}"),
        Literal::Typed { ty, text } => format!("typed {} {text:?}", ty.text),
        Literal::Dynamic(_) => "dynamic".to_owned(),
    }
}

/// Returns a name, in brackets where it could be taken for something else.
fn name(name: &Name) -> String {
    let is_plain =
        !name.text.is_empty() && name.text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_$.-".contains(&byte));
    if is_plain { name.text.clone() } else { format!("[{:?}]", name.text) }
}

/// Returns column declarations on one line.
fn columns_text(columns: &[Column]) -> String {
    let one = |column: &Column| match (&column.name, &column.ty) {
        (Some(found), Some(ty)) => format!("{}:{}", name(found), ty.text),
        (Some(found), None) => name(found),
        (None, Some(ty)) => ty.text.clone(),
        (None, None) => "*".to_owned(),
    };
    format!("({})", columns.iter().map(one).collect::<Vec<_>>().join(", "))
}
