//! Expressions over rows to terms over the fields of a table.

use crate::expr::{ExprId, ExprKind};
use crate::function::{Effect, FunctionRef, Nulls};
use crate::functions;
use crate::program::Program;
use crate::reads::Path;
use crate::rel::{ParsePiece, RelId, RelKind};
use dtq_source::Limits;
use dtq_value::scalar::{Call, Context};
use dtq_value::{Type, Value};

/// How many nodes the terms of one condition have, columns substituted; what is beyond is unknown.
const NODES_MAX: usize = 20_000;

/// How deep a term is; what is beyond is unknown.
const DEPTH_MAX: u32 = 200;

/// Holds a value over the fields of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// A constant.
    Const(Value),
    /// A field, with its type.
    Field(Path, Type),
    /// A call whose result depends on nothing but its arguments and the time of the run.
    Call {
        /// The entry.
        function: FunctionRef,
        /// Which of its signatures.
        signature: u8,
        /// The type of the result.
        ty: Type,
        /// Arguments.
        args: Vec<Term>,
    },
    /// `and`.
    And(Box<Term>, Box<Term>),
    /// `or`.
    Or(Box<Term>, Box<Term>),
    /// `iff`, `case`, `coalesce`, an element of a dynamic: kept for comparing only.
    Node(NodeKind, Vec<Term>),
    /// Anything else: never the same as another.
    Unknown(Unlike),
}

/// Names a node that is only compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// `iff` and `case`: conditions and values in turn, then the last value.
    Case,
    /// `coalesce`.
    Coalesce,
    /// An element or a computed property: the dynamic, the index.
    Element,
}

/// Is not equal to itself.
#[derive(Clone, Copy, Debug)]
pub struct Unlike;

impl PartialEq for Unlike {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

impl Term {
    pub(super) fn unknown() -> Self {
        Term::Unknown(Unlike)
    }

    /// Returns the type where it is known.
    pub fn ty(&self) -> Option<Type> {
        match self {
            Term::Field(_, ty) | Term::Call { ty, .. } => Some(*ty),
            Term::And(..) | Term::Or(..) => Some(Type::Bool),
            Term::Const(_) | Term::Node(..) | Term::Unknown(_) => None,
        }
    }

    /// Returns the operands.
    pub fn children(&self) -> Vec<&Term> {
        match self {
            Term::Call { args, .. } | Term::Node(_, args) => args.iter().collect(),
            Term::And(left, right) | Term::Or(left, right) => vec![left, right],
            Term::Const(_) | Term::Field(..) | Term::Unknown(_) => Vec::new(),
        }
    }

    /// Returns the same over other fields, each of which `to` names.
    #[must_use]
    pub fn map_fields(&self, to: &mut impl FnMut(&Path) -> Path) -> Self {
        let mut all = |terms: &[Term]| terms.iter().map(|term| term.map_fields(to)).collect::<Vec<_>>();
        match self {
            Term::Field(path, ty) => Term::Field(to(path), *ty),
            Term::Call { function, signature, ty, args } => {
                Term::Call { function: *function, signature: *signature, ty: *ty, args: all(args) }
            }
            Term::Node(kind, args) => Term::Node(*kind, all(args)),
            Term::And(left, right) => Term::And(Box::new(left.map_fields(to)), Box::new(right.map_fields(to))),
            Term::Or(left, right) => Term::Or(Box::new(left.map_fields(to)), Box::new(right.map_fields(to))),
            Term::Const(_) | Term::Unknown(_) => self.clone(),
        }
    }

    /// Returns the value if every `subject` inside has this one, or `None` when it depends on more.
    pub fn value_with(&self, subject: &Term, value: &Value) -> Option<Value> {
        if self == subject {
            return Some(value.clone());
        }
        match self {
            Term::Const(value) => Some(value.clone()),
            Term::Call { function, signature, ty, args } => {
                let args: Option<Vec<Value>> = args.iter().map(|arg| arg.value_with(subject, value)).collect();
                applied(*function, *signature, *ty, &args?)
            }
            _ => None,
        }
    }
}

/// Returns what a call of constants gives, or `None` when that depends on the run or fails.
pub(super) fn applied(function: FunctionRef, signature: u8, ty: Type, args: &[Value]) -> Option<Value> {
    if function.effect != Effect::Pure {
        return None;
    }
    if function.nulls == Nulls::Propagate && args.iter().any(Value::is_null) {
        return Some(Value::missing(ty));
    }
    let mut ctx = Context::new(Limits::default(), 0, 0);
    (function.signatures.get(usize::from(signature))?.eval)(&mut Call { args, pooled: None, ctx: &mut ctx }).ok()
}

/// Turns the expressions of one program into terms.
pub(super) struct Builder<'p> {
    program: &'p Program,
    nodes_left: usize,
}

/// Says where the columns of an expression come from.
#[derive(Clone, Copy)]
enum Row {
    /// From this relation, and behind it from a table.
    Of(RelId),
    /// Nobody asks: a column is a field of its own.
    Itself,
}

impl<'p> Builder<'p> {
    pub(super) fn new(program: &'p Program) -> Self {
        Self { program, nodes_left: NODES_MAX }
    }

    /// Returns the term of an expression over the rows of a relation.
    pub(super) fn expr(&mut self, input: RelId, id: ExprId) -> Term {
        self.at(Row::Of(input), id, DEPTH_MAX)
    }

    /// Returns the term of an expression over a row whose columns are taken as they are.
    pub(super) fn over_row(&mut self, id: ExprId) -> Term {
        self.at(Row::Itself, id, DEPTH_MAX)
    }

    fn at(&mut self, input: Row, id: ExprId, depth_left: u32) -> Term {
        if depth_left == 0 || self.nodes_left == 0 {
            return Term::unknown();
        }
        self.nodes_left -= 1;
        let depth_left = depth_left - 1;
        let expr = self.program.expr(id);
        match &expr.kind {
            ExprKind::Const(value) => Term::Const(value.clone()),
            ExprKind::Column(position) => match input {
                Row::Of(rel) => self.column(rel, *position, depth_left),
                Row::Itself => own_column(*position, expr.ty),
            },
            ExprKind::And(left, right) => {
                let [left, right] = [left, right].map(|side| Box::new(self.at(input, *side, depth_left)));
                Term::And(left, right)
            }
            ExprKind::Or(left, right) => {
                let [left, right] = [left, right].map(|side| Box::new(self.at(input, *side, depth_left)));
                Term::Or(left, right)
            }
            ExprKind::Call { function, signature, args, pooled: _ } => {
                let args = args.iter().map(|arg| self.at(input, *arg, depth_left)).collect();
                call(*function, *signature, expr.ty, args)
            }
            ExprKind::Property { base, key } => {
                let base = self.at(input, *base, depth_left);
                property(base, Value::String(key.clone()), expr.ty)
            }
            ExprKind::Element { base, index } => {
                let base = self.at(input, *base, depth_left);
                match self.at(input, *index, depth_left) {
                    Term::Const(index) => property(base, index, expr.ty),
                    index => Term::Node(NodeKind::Element, vec![base, index]),
                }
            }
            ExprKind::Case { .. } => self.node(NodeKind::Case, input, &expr.kind.children(), depth_left),
            ExprKind::Coalesce(items) => self.node(NodeKind::Coalesce, input, items, depth_left),
            // A table inside an expression may change from one record to the next.
            ExprKind::Scalar(_) | ExprKind::InRel { .. } => Term::unknown(),
        }
    }

    fn node(&mut self, kind: NodeKind, input: Row, children: &[ExprId], depth_left: u32) -> Term {
        Term::Node(kind, children.iter().map(|child| self.at(input, *child, depth_left)).collect())
    }

    /// Returns the term of a column of a relation.
    fn column(&mut self, rel: RelId, position: u32, depth_left: u32) -> Term {
        let (mut rel, program) = (rel, self.program);
        loop {
            let found = program.rel(rel);
            rel = match &found.kind {
                RelKind::Scan { table } => {
                    let Some(column) = found.columns.get(position as usize) else { return Term::unknown() };
                    let path = Path { table: table.clone(), column: column.name.clone(), keys: Vec::new() };
                    return Term::Field(path, column.ty);
                }
                RelKind::Filter { input, .. } | RelKind::Materialize { input } => *input,
                RelKind::Project { input, exprs } => {
                    let Some(expr) = exprs.get(position as usize) else { return Term::unknown() };
                    return self.at(Row::Of(*input), *expr, depth_left);
                }
                RelKind::Parse(parse) => {
                    let is_captured =
                        |piece: &ParsePiece| matches!(piece, ParsePiece::Column(column, _) if *column == position);
                    if parse.pieces.iter().any(is_captured) {
                        return Term::unknown();
                    }
                    parse.input
                }
                RelKind::ParseKv(parse) => {
                    if parse.keys.iter().any(|(_, column, _)| *column == position) {
                        return Term::unknown();
                    }
                    parse.input
                }
                _ => return Term::unknown(),
            };
        }
    }
}

fn own_column(position: u32, ty: Type) -> Term {
    Term::Field(Path { table: String::new(), column: position.to_string(), keys: Vec::new() }, ty)
}

/// Returns a call in the one form in which equal things are the same term.
fn call(function: FunctionRef, signature: u8, ty: Type, args: Vec<Term>) -> Term {
    if matches!(function.effect, Effect::Random | Effect::State) {
        return Term::unknown();
    }
    let constants: Option<Vec<Value>> =
        args.iter().map(|arg| if let Term::Const(value) = arg { Some(value.clone()) } else { None }).collect();
    if let Some(value) = constants.and_then(|args| applied(function, signature, ty, &args)) {
        return Term::Const(value);
    }
    match (function.name, args.as_slice()) {
        // A dynamic beside a text compares as its text does.
        ("==" | "!=", [left, Term::Const(Value::String(_))]) if left.ty() == Some(Type::Dynamic) => {
            let text = text_of(left.clone());
            Term::Call { function, signature: 0, ty, args: vec![text, args[1].clone()] }
        }
        _ => Term::Call { function, signature, ty, args },
    }
}

fn text_of(value: Term) -> Term {
    let function = functions::by_name("tostring").expect("`tostring` is in the table");
    Term::Call { function, signature: 0, ty: Type::String, args: vec![value] }
}

fn property(base: Term, index: Value, ty: Type) -> Term {
    match (base, index) {
        // A path holds text: two keys that are not might look alike.
        (Term::Field(mut path, Type::Dynamic), Value::String(key)) if std::str::from_utf8(key.as_bytes()).is_ok() => {
            path.keys.push(key.as_text().into_owned());
            Term::Field(path, ty)
        }
        (base, index) => Term::Node(NodeKind::Element, vec![base, Term::Const(index)]),
    }
}
