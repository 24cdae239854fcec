//! The program that a pass makes: equal pure expressions are one node.
//!
//! A node is added after its operands, so that it cannot contain a cycle. What is impure keeps its identity: two calls
//! of `rand()` stay two. Next: `walk.rs`.

use crate::info::{self, ColumnInfo, Info};
use crate::options::Options;
use dtq_ir::{Expr, ExprId, ExprKind, FunctionRef, ParamKind, PoolId, Program, Returns, Signature};
use dtq_source::{Limits, Span};
use dtq_value::{Type, Value};
use rustc_hash::{FxHashMap, FxHasher};
use smallvec::SmallVec;
use std::hash::{Hash, Hasher};

/// Builds a program bottom-up.
pub(crate) struct Builder<'o> {
    /// What there is so far.
    pub program: Program,
    /// The bounds under which constants are prepared.
    pub limits: &'o Limits,
    columns_may_fail: bool,
    infos: Vec<Info>,
    /// The pure nodes by their hash.
    known: FxHashMap<u64, SmallVec<[ExprId; 1]>>,
}

impl<'o> Builder<'o> {
    /// Returns a builder of an empty program.
    pub fn new(options: &'o Options) -> Self {
        let (limits, columns_may_fail) = (&options.limits, options.columns_may_fail);
        Self { program: Program::new(), limits, columns_may_fail, infos: Vec::new(), known: FxHashMap::default() }
    }

    /// Returns the node, which is a new one unless an equal pure one is there.
    pub fn add(&mut self, kind: ExprKind, ty: Type, span: Span) -> ExprId {
        self.add_with(Expr { kind, ty, span }, true)
    }

    /// Returns a column, of which may be known that it is never null: then it is another node than one that may be.
    pub fn add_column(&mut self, index: u32, ty: Type, span: Span, may_be_null: bool) -> ExprId {
        self.add_with(Expr { kind: ExprKind::Column(index), ty, span }, may_be_null)
    }

    fn add_with(&mut self, expr: Expr, is_column_null: bool) -> ExprId {
        let operands: SmallVec<[Info; 4]> = expr.kind.children().iter().map(|child| self.info(*child)).collect();
        let column = ColumnInfo { may_be_null: is_column_null, may_fail: self.columns_may_fail };
        let info = Info::of(&expr, &operands, column);
        if !info.is_pure {
            return self.push(expr, info);
        }
        let hash = hash_of(&expr.kind, expr.ty);
        let candidates = self.known.get(&hash).map_or(&[][..], SmallVec::as_slice);
        let is_found = |id: &&ExprId| {
            let other = self.program.expr(**id);
            other.ty == expr.ty && self.info(**id) == info && is_same_kind(&other.kind, &expr.kind)
        };
        if let Some(found) = candidates.iter().find(is_found) {
            return *found;
        }
        let id = self.push(expr, info);
        self.known.entry(hash).or_default().push(id);
        id
    }

    fn push(&mut self, expr: Expr, info: Info) -> ExprId {
        self.infos.push(info);
        self.program.add_expr(expr)
    }

    /// Returns what is known of a node.
    pub fn info(&self, id: ExprId) -> Info {
        self.infos[id.0 as usize]
    }

    /// Returns what a node is.
    pub fn kind(&self, id: ExprId) -> &ExprKind {
        &self.program.expr(id).kind
    }

    /// Returns the type of a node.
    pub fn ty(&self, id: ExprId) -> Type {
        self.program.expr(id).ty
    }

    /// Returns where a node was written.
    pub fn span(&self, id: ExprId) -> Span {
        self.program.expr(id).span
    }

    /// Returns the constant that a node is.
    pub fn constant(&self, id: ExprId) -> Option<&Value> {
        info::constant(&self.program, id)
    }

    /// Returns the bool that a node is, when it is a constant that is not null.
    pub fn bool_constant(&self, id: ExprId) -> Option<bool> {
        match self.constant(id) {
            Some(Value::Bool(is_true)) => Some(*is_true),
            _ => None,
        }
    }

    /// Says whether a node is the constant null.
    pub fn is_null_constant(&self, id: ExprId) -> bool {
        self.constant(id).is_some_and(Value::is_null)
    }

    /// Returns the text that a node is, when it is a constant.
    pub fn text_constant(&self, id: ExprId) -> Option<&[u8]> {
        match self.constant(id) {
            Some(Value::String(text)) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// Returns a constant.
    pub fn add_constant(&mut self, value: Value, ty: Type, span: Span) -> ExprId {
        self.add(ExprKind::Const(value), ty, span)
    }

    /// Returns a bool constant.
    pub fn add_bool(&mut self, is_true: bool, span: Span) -> ExprId {
        self.add_constant(Value::Bool(is_true), Type::Bool, span)
    }

    /// Returns name and arguments of a call.
    pub fn as_call(&self, id: ExprId) -> Option<(&'static str, &[ExprId])> {
        match self.kind(id) {
            ExprKind::Call { function, args, .. } => Some((function.0.name, args)),
            _ => None,
        }
    }

    /// Returns a call by name whose overload follows from the types of the arguments; `None` when there is none, or when
    /// what constant arguments are built into cannot be built.
    pub fn call(&mut self, name: &str, args: &[ExprId], ty: Type, span: Span) -> Option<ExprId> {
        let function = dtq_ir::functions::by_name(name)?;
        let types: SmallVec<[Type; 4]> = args.iter().map(|arg| self.ty(*arg)).collect();
        let signature = function.signatures.iter().position(|signature| suits(signature, &types, ty))?;
        let pooled = self.prepare(function, args).ok()?;
        let signature = u8::try_from(signature).ok()?;
        Some(self.add(ExprKind::Call { function, signature, args: args.into(), pooled }, ty, span))
    }

    /// Builds what can be built from constant arguments.
    fn prepare(&mut self, function: FunctionRef, args: &[ExprId]) -> Result<Option<PoolId>, dtq_value::scalar::Fault> {
        let Some(prepare) = function.prepare else { return Ok(None) };
        let constants: Vec<Option<&Value>> = args.iter().map(|arg| info::constant(&self.program, *arg)).collect();
        let built = prepare(&constants, self.limits)?;
        drop(constants);
        Ok(built.map(|pooled| self.program.add_pooled(pooled)))
    }

    /// Returns the operands of a chain of `and` (or of `or`) from left to right; one that is no chain is its only one.
    pub fn chain(&self, id: ExprId, link: Link) -> Vec<ExprId> {
        let (mut out, mut open) = (Vec::new(), vec![id]);
        while let Some(id) = open.pop() {
            match (self.kind(id), link) {
                (ExprKind::And(left, right), Link::And) | (ExprKind::Or(left, right), Link::Or) => {
                    open.extend([*right, *left]);
                }
                _ => out.push(id),
            }
        }
        out
    }

    /// Returns the operands in pieces: neighbours that are movable together, each other one by itself.
    pub fn movable_parts<'e>(&self, operands: &'e [ExprId]) -> Vec<&'e [ExprId]> {
        let are_movable = |one: &ExprId, next: &ExprId| self.info(*one).is_movable() && self.info(*next).is_movable();
        operands.chunk_by(are_movable).collect()
    }

    /// Returns the operands joined from the left; there is at least one.
    pub fn join(&mut self, operands: &[ExprId], link: Link) -> ExprId {
        let (first, rest) = operands.split_first().expect("a chain has an operand");
        rest.iter().fold(*first, |left, right| {
            let span = self.span(left).to(self.span(*right));
            self.add(link.node(left, *right), Type::Bool, span)
        })
    }
}

/// Names `and` or `or`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// `and`
    And,
    /// `or`
    Or,
}

impl Link {
    /// Returns the link of a node.
    pub fn of(kind: &ExprKind) -> Option<Self> {
        match kind {
            ExprKind::And(..) => Some(Link::And),
            ExprKind::Or(..) => Some(Link::Or),
            _ => None,
        }
    }

    /// Returns the node that links two operands.
    pub fn node(self, left: ExprId, right: ExprId) -> ExprKind {
        match self {
            Link::And => ExprKind::And(left, right),
            Link::Or => ExprKind::Or(left, right),
        }
    }

    /// Returns the other one.
    pub fn dual(self) -> Self {
        match self {
            Link::And => Link::Or,
            Link::Or => Link::And,
        }
    }

    /// Returns the operand that decides the whole: false of `and`, true of `or`.
    pub fn decisive(self) -> bool {
        self == Link::Or
    }
}

/// Says whether an overload takes arguments of these types and gives this one.
fn suits(signature: &Signature, types: &[Type], ty: Type) -> bool {
    let accepts = |(index, found): (usize, &Type)| {
        signature.param(index).is_some_and(|param| param.kind.accepts(*found) && param.kind != ParamKind::Common)
    };
    signature.returns == Returns::Type(ty) && signature.takes(types.len()) && types.iter().enumerate().all(accepts)
}

/// Says whether two nodes are written alike; entries of the pool follow from constant arguments.
fn is_same_kind(left: &ExprKind, right: &ExprKind) -> bool {
    match (left, right) {
        (ExprKind::Const(left), ExprKind::Const(right)) => is_same_value(left, right),
        (
            ExprKind::Call { function, signature, args, pooled },
            ExprKind::Call { function: function2, signature: signature2, args: args2, pooled: pooled2 },
        ) => (function, signature, args) == (function2, signature2, args2) && pooled.is_some() == pooled2.is_some(),
        (left, right) => left == right,
    }
}

/// Says whether two values cannot be told apart by anything: reals by bits, decimals with their zeros, bags in order.
pub(crate) fn is_same_value(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Decimal(left), Value::Decimal(right)) => left.serialize() == right.serialize(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right.iter()).all(|(left, right)| is_same_value(left, right))
        }
        (Value::Bag(left), Value::Bag(right)) => {
            let same = |((left_key, left), (right_key, right)): ((&_, &_), (&_, &_))| {
                left_key == right_key && is_same_value(left, right)
            };
            left.count() == right.count() && left.iter().zip(right.iter()).all(same)
        }
        (left, right) => left == right,
    }
}

/// Returns a hash that is the same for nodes that are written alike.
fn hash_of(kind: &ExprKind, ty: Type) -> u64 {
    let mut state = FxHasher::default();
    hash_own(kind, ty, &mut state);
    kind.children().as_slice().hash(&mut state);
    state.finish()
}

/// Hashes a node without its operands.
pub(crate) fn hash_own(kind: &ExprKind, ty: Type, state: &mut FxHasher) {
    std::mem::discriminant(kind).hash(state);
    ty.hash(state);
    match kind {
        ExprKind::Const(value) => hash_value(value, state),
        ExprKind::Column(index) => index.hash(state),
        ExprKind::Call { function, signature, .. } => (function.name, signature).hash(state),
        ExprKind::Property { key, .. } => key.hash(state),
        ExprKind::Scalar(rel) | ExprKind::InRel { rel, .. } => rel.hash(state),
        _ => {}
    }
}

fn hash_value(value: &Value, state: &mut FxHasher) {
    std::mem::discriminant(value).hash(state);
    match value {
        Value::Null => {}
        Value::Bool(value) => value.hash(state),
        Value::Int(value) => value.hash(state),
        Value::Long(value) | Value::DateTime(value) | Value::TimeSpan(value) => value.hash(state),
        Value::Real(value) => value.to_bits().hash(state),
        Value::Decimal(value) => value.serialize().hash(state),
        Value::String(value) => value.hash(state),
        Value::Guid(value) => value.hash(state),
        Value::Array(items) => items.iter().for_each(|item| hash_value(item, state)),
        Value::Bag(bag) => bag.iter().for_each(|(key, item)| {
            key.hash(state);
            hash_value(item, state);
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simplify::Simplify;
    use crate::walk::{Asked, Node, Rule};
    use dtq_value::{Bag, Str};

    fn constants(build: &mut Builder<'_>, values: [Value; 2]) -> [ExprId; 2] {
        values.map(|value| build.add_constant(value, Type::Dynamic, Span::default()))
    }

    #[test]
    fn values_that_can_be_told_apart_are_two_nodes() {
        let options = Options::default();
        let mut build = Builder::new(&options);
        let decimal = |text: &str| Value::Decimal(text.parse().expect("it is a decimal"));
        let bag =
            |keys: [&str; 2]| Value::bag(keys.map(|key| (Str::from(key), Value::Long(1))).into_iter().collect::<Bag>());
        let different = [
            [decimal("1.0"), decimal("1.00")],
            [bag(["a", "b"]), bag(["b", "a"])],
            [Value::Real(0.0), Value::Real(-0.0)],
            [Value::Int(1), Value::Long(1)],
        ];
        for values in different {
            let [one, other] = constants(&mut build, values);
            assert_ne!(one, other, "{:?} and {:?}", build.constant(one), build.constant(other));
        }
        let [one, other] = constants(&mut build, [bag(["a", "b"]), bag(["a", "b"])]);
        assert_eq!(one, other);
    }

    /// A node that stands twice in a chain is asked twice if each answer may be another.
    #[test]
    fn calls_with_an_effect_stay_two() {
        let options = Options::default();
        let mut build = Builder::new(&options);
        let rand = |build: &mut Builder<'_>| {
            let number = build.call("rand", &[], Type::Real, Span::default()).expect("`rand` is in the table");
            let half = build.add_constant(Value::Real(0.5), Type::Real, Span::default());
            build.call("<", &[number, half], Type::Bool, Span::default()).expect("reals have an order")
        };
        let (one, other) = (rand(&mut build), rand(&mut build));
        assert_ne!(one, other);
        let kind = ExprKind::And(one, one);
        let node = Node { kind, ty: Type::Bool, span: Span::default(), asked: Asked::Truth, is_inner: false };
        assert_eq!(Simplify.apply(&mut build, &node), None);
    }
}
