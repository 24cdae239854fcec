//! A query to what an Azure Monitor transformation (`transformKql` of a data collection rule) would refuse of it.
//!
//! Looks at what is written, not at what it means: the service has lists of operators and functions by name, so that an
//! alias can be refused where its twin is allowed. It types nothing; that is [`crate::lower`]'s part.
//!
//! The lists are those of Microsoft's page "Supported KQL features in Azure Monitor transformations" (of 2026-01-20).
//! `and` and `or` are in none of them and in its examples, so they are allowed; `iff` is in its examples and refused,
//! since `iif` is the one in the list. Fixtures: `fixtures/profile/`.

use dtq_source::{Code, Diagnostic, Limits, Span};
use dtq_syntax::ast::{self, BinaryOp, ExprKind, ListOp, Literal, OperatorKind, ParsePiece, Source};

/// The only table of a transformation.
const TABLE: &str = "source";

/// How many columns one `parse` may fill.
///
/// # Source
/// The page above, "Parse command".
const PARSE_COLUMNS_MAX: usize = 10;

/// The functions of a transformation, separated by spaces.
///
/// # Source
/// The page above, "Scalar functions", "Special functions", "Supported scalar operators"; `columnifexists` stands under
/// "Supported tabular operators".
const FUNCTIONS: &str = "\
binary_and binary_or binary_not binary_shift_left binary_shift_right binary_xor \
tobool todatetime todouble toreal toguid toint tolong tostring totimespan \
ago datetime_add datetime_diff datetime_part dayofmonth dayofweek dayofyear endofday endofmonth endofweek endofyear \
getmonth getyear hourofday make_datetime make_timespan now startofday startofmonth startofweek startofyear weekofyear \
array_concat array_length pack_array pack parse_json parse_xml zip \
abs bin floor ceiling exp exp10 exp2 isfinite isinf isnan log log10 log2 pow round sign \
case iif max_of min_of \
base64_encodestring base64_decodestring countof extract extract_all indexof isempty isnotempty split strcat \
strcat_delim strlen substring tolower toupper hash_sha256 \
gettype isnotnull isnull columnifexists parse_cef_dictionary geo_location";

/// Functions that a transformation has and dtq does not: they are no mistakes under this profile.
pub const FUNCTIONS_ELSEWHERE: [&str; 3] = ["parse_xml", "parse_cef_dictionary", "geo_location"];

/// Functions with another name in the list of a transformation.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("iff", "iif"),
    ("column_ifexists", "columnifexists"),
    ("base64_encode_tostring", "base64_encodestring"),
    ("base64_decode_tostring", "base64_decodestring"),
    ("bag_pack", "pack"),
    ("pack_dictionary", "pack"),
    ("todynamic", "parse_json"),
    ("parsejson", "parse_json"),
    ("monthofyear", "getmonth"),
    ("week_of_year", "weekofyear"),
    ("datepart", "datetime_part"),
    ("toboolean", "tobool"),
    ("totime", "totimespan"),
    ("notempty", "isnotempty"),
    ("notnull", "isnotnull"),
    ("extractall", "extract_all"),
    ("arraylength", "array_length"),
];

/// Returns an error for each place that a transformation refuses, in the order of the places; `text` is the query's.
///
/// # Errors
/// Not as a `Result`: the diagnostics `E4101` to `E4107`, at most `Limits::diagnostics_max`.
pub fn azure_dcr(query: &ast::Query, text: &str, limits: &Limits) -> Vec<Diagnostic> {
    let mut check = Check { text, names: Vec::new(), found: Vec::new() };
    let mut result_count = 0;
    for statement in &query.statements {
        check.statement(statement);
        if let ast::Statement::Expr(expr) = statement {
            result_count += 1;
            if result_count > 1 {
                check.refuse(Code::E4107, expr.span, "a transformation has one result");
            }
        }
    }
    check.found.sort_by_key(|found| (found.span, found.code));
    check.found.truncate(limits.diagnostics_max);
    check.found
}

struct Check<'q> {
    text: &'q str,
    /// Names that `let` and parameters declare; never removed, since KQL has no name twice in a block.
    names: Vec<&'q str>,
    found: Vec<Diagnostic>,
}

impl<'q> Check<'q> {
    fn refuse(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.found.push(Diagnostic::error(code, span, message));
    }

    fn refuse_with(&mut self, code: Code, span: Span, message: impl Into<String>, label: impl Into<String>) {
        self.found.push(Diagnostic::error(code, span, message).label(label));
    }

    fn written(&self, span: Span) -> &'q str {
        self.text.get(span.range()).unwrap_or_default()
    }

    fn is_declared(&self, name: &str) -> bool {
        self.names.contains(&name)
    }

    fn statement(&mut self, statement: &'q ast::Statement) {
        match statement {
            ast::Statement::Let(found) => {
                self.value(&found.value);
                self.names.push(&found.name.text);
            }
            ast::Statement::Expr(expr) => self.value(expr),
            ast::Statement::Set { span, .. }
            | ast::Statement::QueryParameters { span, .. }
            | ast::Statement::Unsupported { span, .. } => {
                let keyword = self.written(*span).split_whitespace().next().unwrap_or_default();
                self.refuse(Code::E4106, *span, format!("a transformation has no statement `{keyword}`"));
            }
        }
    }

    /// Checks what a statement or a `let` holds: a table, a value or a function.
    fn value(&mut self, expr: &'q ast::Expr) {
        match &expr.kind {
            ExprKind::Paren(inner) => self.value(inner),
            ExprKind::Name(_) | ExprKind::Wildcard(_) | ExprKind::Source(_) => self.input(expr),
            ExprKind::Pipeline(pipeline) => {
                self.input(&pipeline.source);
                pipeline.operators.iter().for_each(|operator| self.operator(operator));
            }
            ExprKind::Function(function) => self.function(function),
            _ => self.scalar(expr),
        }
    }

    fn function(&mut self, function: &'q ast::Function) {
        for param in &function.params {
            if let ast::ParamType::Table { span, .. } = &param.ty {
                self.refuse(Code::E4106, *span, "a function of a transformation takes scalars, no tables");
            }
            self.names.push(&param.name.text);
        }
        function.body.iter().for_each(|statement| self.statement(statement));
    }

    /// Checks what feeds a pipeline.
    fn input(&mut self, expr: &'q ast::Expr) {
        match &expr.kind {
            ExprKind::Paren(_) | ExprKind::Pipeline(_) => self.value(expr),
            ExprKind::Name(name) if name.text == TABLE || self.is_declared(&name.text) => {}
            ExprKind::Call { name, args } if self.is_declared(&name.text) => {
                args.iter().for_each(|arg| self.scalar(&arg.value));
            }
            ExprKind::Source(found) => self.source(found, expr.span),
            ExprKind::Missing => {}
            _ => {
                let message = format!("a transformation reads the table `{TABLE}` only");
                self.refuse_with(Code::E4101, expr.span, message, format!("write `{TABLE}`"));
            }
        }
    }

    fn source(&mut self, source: &'q Source, span: Span) {
        match source {
            Source::Print(columns) => columns.iter().for_each(|column| self.scalar(&column.value)),
            Source::DataTable { columns, values } => {
                if values.len() > columns.len() {
                    self.refuse(Code::E4107, span, "a transformation gives at most one row, and this has more");
                }
                values.iter().for_each(|value| self.scalar(value));
            }
            _ => self.refuse_operator(span),
        }
    }

    fn operator(&mut self, operator: &'q ast::Operator) {
        match &operator.kind {
            OperatorKind::Missing | OperatorKind::ProjectAway(_) | OperatorKind::ProjectRename(_) => {}
            OperatorKind::Where(_, predicate) => self.scalar(predicate),
            OperatorKind::Extend(columns) | OperatorKind::Project(columns) => {
                columns.iter().for_each(|column| self.scalar(&column.value));
            }
            OperatorKind::Parse(parse) if !parse.is_where => self.parse(parse, operator.keyword_span),
            _ => self.refuse_operator(operator.keyword_span),
        }
    }

    fn refuse_operator(&mut self, span: Span) {
        let keyword = self.written(span).split_whitespace().next().unwrap_or_default();
        let label = match keyword {
            "project-keep" | "project-reorder" => "write `project`",
            "parse-where" => "write `parse`, then `where`",
            "parse-kv" => "write `parse` or `extract(...)`",
            "filter" => "write `where`",
            _ => "a transformation sees one record at a time and gives it or not",
        };
        self.refuse_with(Code::E4102, span, format!("a transformation has no operator `{keyword}`"), label);
    }

    fn parse(&mut self, parse: &'q ast::Parse, span: Span) {
        self.scalar(&parse.value);
        let count = parse.pattern.iter().filter(|piece| matches!(piece, ParsePiece::Column(_))).count();
        if count > PARSE_COLUMNS_MAX {
            let message = format!("`parse` fills {count} columns; in a transformation at most {PARSE_COLUMNS_MAX}");
            self.refuse_with(Code::E4105, span, message, "split it into several `parse`");
        }
    }

    fn scalar(&mut self, expr: &'q ast::Expr) {
        match &expr.kind {
            ExprKind::Missing | ExprKind::Name(_) | ExprKind::Star | ExprKind::Wildcard(_) | ExprKind::TypeOf(_) => {}
            ExprKind::Literal(literal) => self.literal(literal, expr.span),
            ExprKind::Unary { operand: inner, .. } | ExprKind::Paren(inner) | ExprKind::Path { base: inner, .. } => {
                self.scalar(inner);
            }
            ExprKind::Index { base, index } => [base, index].into_iter().for_each(|part| self.scalar(part)),
            ExprKind::Binary { op, op_span, left, right } => {
                self.binary(*op, *op_span);
                [left, right].into_iter().for_each(|operand| self.scalar(operand));
            }
            ExprKind::List { op, op_span, left, items } => {
                self.list(*op, *op_span);
                self.scalar(left);
                items.iter().for_each(|item| self.scalar(item));
            }
            ExprKind::Between { op_span, operand, low, high, .. } => {
                self.refuse_scalar_operator(*op_span, "write it with `>=` and `<=`");
                [operand, low, high].into_iter().for_each(|part| self.scalar(part));
            }
            ExprKind::Call { name, args } => {
                self.call(name);
                args.iter().for_each(|arg| self.scalar(&arg.value));
            }
            ExprKind::Method { name, .. } => {
                self.refuse(
                    Code::E4106,
                    expr.span,
                    format!("a transformation cannot reach elsewhere: `{}`", name.text),
                );
            }
            ExprKind::Pipeline(_) | ExprKind::Source(_) => {
                self.refuse(Code::E4106, expr.span, "a transformation has no tables inside expressions");
            }
            ExprKind::Function(function) => self.function(function),
            ExprKind::Assign(assignment) => self.scalar(&assignment.value),
        }
    }

    fn literal(&mut self, literal: &Literal, span: Span) {
        if !matches!(literal, Literal::Dynamic(_)) {
            return;
        }
        let diagnostic = Diagnostic::error(Code::E4106, span, "a transformation has no dynamic literals");
        let content = self.written(span).split_once('(').and_then(|(_, rest)| rest.rsplit_once(')'));
        // With a quote or an escape inside, or no strict JSON, the text cannot simply move into a string.
        let is_plain = |text: &str| {
            !text.contains(['\'', '\\', '\n', '\r'])
                && dtq_value::json::parse(text.as_bytes(), Limits::default().value_nesting_max).is_ok()
        };
        self.found.push(match content {
            Some((content, _)) if is_plain(content.trim()) => {
                diagnostic.fix(span, format!("parse_json('{}')", content.trim()))
            }
            _ => diagnostic.label("write `parse_json('...')`"),
        });
    }

    fn binary(&mut self, op: BinaryOp, span: Span) {
        use BinaryOp as Op;
        match op {
            Op::HasPrefix | Op::HasPrefixCs | Op::NotHasPrefix | Op::NotHasPrefixCs => {
                self.refuse_scalar_operator(span, "write `matches regex`");
            }
            Op::HasSuffix | Op::HasSuffixCs | Op::NotHasSuffix | Op::NotHasSuffixCs => {
                self.refuse_scalar_operator(span, "write `matches regex`");
            }
            Op::Like | Op::NotLike | Op::LikeCs | Op::NotLikeCs | Op::Search => {
                self.refuse_scalar_operator(span, "write `matches regex` or `contains`");
            }
            _ => {}
        }
    }

    fn list(&mut self, op: ListOp, span: Span) {
        match op {
            ListOp::In | ListOp::NotIn => {}
            ListOp::InIgnoreCase => self.refuse_scalar_operator(span, "write `=~` for each, joined by `or`"),
            ListOp::NotInIgnoreCase => self.refuse_scalar_operator(span, "write `!~` for each, joined by `and`"),
            ListOp::HasAny => self.refuse_scalar_operator(span, "write `has` for each, joined by `or`"),
            ListOp::HasAll => self.refuse_scalar_operator(span, "write `has` for each, joined by `and`"),
        }
    }

    fn refuse_scalar_operator(&mut self, span: Span, label: &str) {
        let message = format!("a transformation has no scalar operator `{}`", self.written(span));
        self.refuse_with(Code::E4103, span, message, label);
    }

    fn call(&mut self, name: &'q ast::Name) {
        if self.is_declared(&name.text) || FUNCTIONS.split(' ').any(|known| known == name.text) {
            return;
        }
        let message = format!("a transformation has no function `{}`", name.text);
        let diagnostic = Diagnostic::error(Code::E4104, name.span, message);
        let other_name = OTHER_NAMES.iter().find(|(written, _)| *written == name.text);
        self.found.push(match other_name {
            Some((_, allowed)) => diagnostic.fix(name.span, *allowed),
            None if name.text == "not" => diagnostic.label("write the negated operator, such as `!=` or `!has`"),
            None => diagnostic,
        });
    }
}
