//! Which type stands for another, and the calls that convert.

use crate::lowerer::Lowerer;
use dtq_ir::expr::ExprKind;
use dtq_ir::function::{Function, FunctionRef, ParamKind, Returns, Signature};
use dtq_ir::{ExprId, functions};
use dtq_value::{Type, Value};
use smallvec::SmallVec;

/// Returns the type that values of both become without loss of meaning; `None` when they have none but dynamic.
///
/// # Source
/// Microsoft's binder: int < long < real < decimal, and dynamic beside any other.
pub(crate) fn common(left: Type, right: Type) -> Option<Type> {
    if left == right {
        return Some(left);
    }
    if left == Type::Dynamic || right == Type::Dynamic {
        return Some(Type::Dynamic);
    }
    (left.is_numeric() && right.is_numeric()).then(|| left.max(right))
}

/// Says whether a type widens to another: int to long, int and long to real, any number to decimal.
pub(crate) fn widens(from: Type, to: Type) -> bool {
    from != to && from.is_numeric() && to.is_numeric() && from < to
}

/// Holds a chosen overload and the type each argument has to have.
pub(crate) struct Choice {
    /// Position of the signature.
    pub signature: u8,
    /// Types after conversion.
    pub types: SmallVec<[Type; 3]>,
    cost: u32,
}

/// Returns the overload that fits these types with the fewest conversions, the first of those.
pub(crate) fn choose(function: &Function, types: &[Type]) -> Option<Choice> {
    let is_operator = function.group == dtq_ir::function::Group::Operator;
    let mut best: Option<Choice> = None;
    for (position, signature) in function.signatures.iter().enumerate() {
        let fits = fit(signature, types, is_operator);
        if let Some((types, cost)) = fits
            && best.as_ref().is_none_or(|best| cost < best.cost)
        {
            best = Some(Choice { signature: position as u8, types, cost });
        }
    }
    best
}

fn fit(signature: &Signature, types: &[Type], is_operator: bool) -> Option<(SmallVec<[Type; 3]>, u32)> {
    if !signature.takes(types.len()) {
        return None;
    }
    let commons = types.iter().enumerate().filter(|(index, _)| is_common(signature, *index)).map(|(_, ty)| *ty);
    let common = commons.map(Some).reduce(|left, right| common(left?, right?)).flatten();
    let mut cost = 0;
    let mut targets = SmallVec::new();
    for (index, ty) in types.iter().enumerate() {
        let (target, step) = match signature.param(index)?.kind {
            ParamKind::Common => (common?, u32::from(common? != *ty)),
            kind => accept(kind, *ty, is_operator)?,
        };
        targets.push(target);
        cost += step;
    }
    Some((targets, cost))
}

fn is_common(signature: &Signature, index: usize) -> bool {
    signature.param(index).is_some_and(|param| param.kind == ParamKind::Common)
}

/// Returns the type an argument is converted to for a parameter, and how much that is to be avoided.
///
/// # Source
/// Microsoft's binder takes a dynamic where a function wants a string or anything at all, not where it wants another
/// type; operators convert a dynamic to the type of the other operand.
pub(crate) fn accept(kind: ParamKind, ty: Type, is_operator: bool) -> Option<(Type, u32)> {
    let as_it_is = |fits: bool| fits.then_some((ty, 0));
    match kind {
        ParamKind::Is(wanted) if wanted == ty => Some((ty, 0)),
        ParamKind::Is(wanted) if widens(ty, wanted) => Some((wanted, 1 + (wanted as u32 - ty as u32))),
        ParamKind::Is(wanted) if ty == Type::Dynamic && (is_operator || wanted == Type::String) => Some((wanted, 10)),
        ParamKind::Is(_) => None,
        ParamKind::Exactly(wanted) => as_it_is(ty == wanted),
        ParamKind::Scalar | ParamKind::Common => Some((ty, 0)),
        ParamKind::Text => Some((Type::String, u32::from(ty != Type::String))),
        ParamKind::NotDynamic => as_it_is(ty != Type::Dynamic),
        ParamKind::Number if ty == Type::Dynamic && is_operator => Some((Type::Real, 10)),
        ParamKind::Number | ParamKind::Numeric => as_it_is(ty.is_numeric()),
        ParamKind::Integer if ty == Type::Dynamic && is_operator => Some((Type::Long, 10)),
        ParamKind::Integer => as_it_is(ty.is_integer()),
        ParamKind::Summable => as_it_is(ty.is_numeric() || matches!(ty, Type::DateTime | Type::TimeSpan)),
        ParamKind::Orderable => as_it_is(!matches!(ty, Type::Dynamic | Type::Guid)),
        ParamKind::StringOrDynamic => as_it_is(matches!(ty, Type::String | Type::Dynamic)),
        ParamKind::IntegerOrDynamic => as_it_is(ty.is_integer() || ty == Type::Dynamic),
    }
}

/// Returns the function that converts to a type.
pub(crate) fn converter(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "tobool",
        Type::Int => "toint",
        Type::Long => "tolong",
        Type::Real => "toreal",
        Type::Decimal => "todecimal",
        Type::String => "tostring",
        Type::DateTime => "todatetime",
        Type::TimeSpan => "totimespan",
        Type::Guid => "toguid",
        Type::Dynamic => functions::AS_DYNAMIC,
    }
}

/// Returns the type of a call, given the types of its converted arguments.
pub(crate) fn result_type(signature: &Signature, types: &[Type], named: Option<Type>) -> Type {
    let first_common = types.iter().enumerate().find(|(index, _)| is_common(signature, *index)).map(|(_, ty)| *ty);
    match signature.returns {
        Returns::Type(ty) => ty,
        Returns::Param(index) => types.get(index).copied().unwrap_or(Type::Dynamic),
        Returns::Common => first_common.unwrap_or(Type::Dynamic),
        Returns::Widened => match first_common {
            Some(Type::Int) => Type::Long,
            other => other.unwrap_or(Type::Dynamic),
        },
        Returns::TypeOf(_) => named.unwrap_or(Type::Dynamic),
    }
}

impl Lowerer<'_> {
    /// Returns the expression as a value of a type: itself, a constant, or a call of the conversion.
    pub fn convert(&mut self, id: ExprId, to: Type) -> Option<ExprId> {
        let (from, span) = (self.ty(id), self.span(id));
        if from == to {
            return Some(id);
        }
        if let ExprKind::Const(value) = &self.program.expr(id).kind
            && let Some(value) = convert_constant(value, to)
        {
            return self.constant(value, to, span);
        }
        let name = converter(to);
        let Some(function) = functions::by_name(name) else { return self.unsupported(span, format!("`{name}`")) };
        let Some(choice) = choose(&function, &[from]) else {
            return self.unsupported(span, format!("`{name}` of {from:#}"));
        };
        let arg =
            if choice.types[0] == from { id } else { return self.unsupported(span, format!("`{name}` of {from:#}")) };
        self.call(function, choice.signature, SmallVec::from_slice(&[arg]), to, span)
    }

    /// Adds a call whose arguments have the types of the signature.
    pub fn call(
        &mut self,
        function: FunctionRef,
        signature: u8,
        args: SmallVec<[ExprId; 3]>,
        ty: Type,
        span: dtq_source::Span,
    ) -> Option<ExprId> {
        let pooled = self.prepare(function, &args)?;
        self.add(ExprKind::Call { function, signature, args, pooled }, ty, span)
    }
}

/// Converts a null, and a number where that is exact.
fn convert_constant(value: &Value, to: Type) -> Option<Value> {
    Some(match (value, to) {
        (Value::Null, _) => Value::missing(to),
        (Value::Int(number), Type::Long) => Value::Long(i64::from(*number)),
        (Value::Int(number), Type::Real) => Value::Real(f64::from(*number)),
        #[allow(clippy::cast_precision_loss, reason = "the nearest real is the meaning of the conversion")]
        (Value::Long(number), Type::Real) => Value::Real(*number as f64),
        (_, Type::Dynamic) => dtq_value::scalar::convert::dynamic(value, Type::Dynamic, 0),
        _ => return None,
    })
}
