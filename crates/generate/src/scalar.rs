//! Scalar expressions of a wanted type over given columns.

use crate::Choices;
use crate::literal::literal;
use dtq_ir::function::{Function, ParamKind, Returns, Signature};
use dtq_record::stream::Column;
use dtq_value::Type;
use std::collections::HashMap;
use std::sync::LazyLock;

/// A function of the table with one of its signatures.
type Candidate = (&'static Function, &'static Signature);

/// Functions that a generated expression must not call: they fail on purpose, or need another context.
const LEFT_OUT: &[&str] = &["assert", "between", "!between", "bin_auto"];

/// For each type, the calls that can have it.
static CANDIDATES: LazyLock<HashMap<Type, Vec<Candidate>>> = LazyLock::new(|| {
    let mut by_type: HashMap<Type, Vec<Candidate>> = HashMap::new();
    for function in dtq_ir::functions::all().filter(|function| !LEFT_OUT.contains(&function.name)) {
        for signature in function.signatures {
            for ty in Type::ALL {
                if can_return(signature, ty) {
                    by_type.entry(ty).or_default().push((function, signature));
                }
            }
        }
    }
    by_type
});

fn can_return(signature: &Signature, ty: Type) -> bool {
    match signature.returns {
        Returns::Type(returned) => returned == ty,
        Returns::Param(index) => signature.param(index).is_some_and(|param| admits(param.kind, ty)),
        Returns::Common => signature.params.iter().any(|param| param.kind == ParamKind::Common),
        Returns::Widened => ty == Type::Long || ty == Type::Real,
        Returns::TypeOf(_) => false,
    }
}

fn admits(kind: ParamKind, ty: Type) -> bool {
    match kind {
        ParamKind::Is(wanted) | ParamKind::Exactly(wanted) => wanted == ty,
        ParamKind::Scalar | ParamKind::Common => true,
        ParamKind::Text => ty == Type::String,
        ParamKind::NotDynamic => ty != Type::Dynamic,
        ParamKind::Number | ParamKind::Numeric => ty.is_numeric(),
        ParamKind::Integer => ty.is_integer(),
        ParamKind::Summable => ty.is_numeric() || matches!(ty, Type::DateTime | Type::TimeSpan),
        ParamKind::Orderable => ty != Type::Dynamic,
        ParamKind::StringOrDynamic => matches!(ty, Type::String | Type::Dynamic),
    }
}

/// Returns an expression of this type over these columns, nested at most `depth` deep.
pub fn scalar(choices: &mut Choices<'_>, columns: &[Column], ty: Type, depth: usize) -> String {
    let fitting: Vec<&Column> = columns.iter().filter(|column| column.ty == ty).collect();
    let is_leaf = depth == 0 || choices.below(3) == 0;
    match (is_leaf, fitting.is_empty()) {
        (true, false) if choices.below(4) != 3 => column(fitting[choices.below(fitting.len())]),
        (true, _) => operand(literal(choices, ty)),
        (false, _) => call(choices, columns, ty, depth),
    }
}

/// Puts a negative number in parentheses, so that it can stand beside any operator.
fn operand(text: String) -> String {
    if text.starts_with('-') { format!("({text})") } else { text }
}

/// Returns the name of a column as it stands in a query.
pub fn column(column: &Column) -> String {
    let is_plain = column.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain { column.name.clone() } else { format!("['{}']", column.name) }
}

fn call(choices: &mut Choices<'_>, columns: &[Column], ty: Type, depth: usize) -> String {
    let sub = |choices: &mut Choices<'_>, ty| scalar(choices, columns, ty, depth - 1);
    match (choices.below(8), ty) {
        (0, _) => {
            let (condition, yes, no) = (sub(choices, Type::Bool), sub(choices, ty), sub(choices, ty));
            return format!("iff({condition}, {yes}, {no})");
        }
        (1, Type::Bool) => {
            let (left, right) = (sub(choices, Type::Bool), sub(choices, Type::Bool));
            return format!("({left} {} {right})", choices.pick(&["and", "or"]));
        }
        (2, Type::Dynamic) => return format!("{}.a", literal(choices, Type::Dynamic)),
        (3, Type::String) => return format!("tostring({})", sub(choices, Type::Dynamic)),
        _ => {}
    }
    match CANDIDATES.get(&ty) {
        Some(candidates) if !candidates.is_empty() => {
            let (function, signature) = *choices.pick(candidates);
            apply(choices, columns, (function, signature), ty, depth - 1)
        }
        _ => operand(literal(choices, ty)),
    }
}

fn apply(choices: &mut Choices<'_>, columns: &[Column], called: Candidate, ty: Type, depth: usize) -> String {
    let (function, signature) = called;
    let spare = signature.params.len() - signature.args_min.min(signature.params.len());
    let mut count =
        signature.args_min + choices.below(spare + 1) + if signature.is_variadic { choices.below(3) } else { 0 };
    if !signature.takes(count) {
        // Parameters that repeat in pairs.
        count += 1;
    }
    let common = if signature.returns == Returns::Type(ty) { *choices.pick(&[Type::Long, Type::String]) } else { ty };
    let args: Vec<String> =
        (0..count).map(|index| arg(choices, columns, signature, index, (ty, common), depth)).collect();
    write_call(function.name, &args)
}

fn arg(
    choices: &mut Choices<'_>,
    columns: &[Column],
    signature: &Signature,
    index: usize,
    (ty, common): (Type, Type),
    depth: usize,
) -> String {
    let Some(param) = signature.param(index) else { return literal(choices, ty) };
    let is_returned = signature.returns == Returns::Param(index) && admits(param.kind, ty);
    let wanted = match param.kind {
        ParamKind::Is(wanted) | ParamKind::Exactly(wanted) => wanted,
        _ if is_returned => ty,
        ParamKind::Common => common,
        ParamKind::Scalar | ParamKind::NotDynamic | ParamKind::Orderable => *choices.pick(&Type::ALL[..9]),
        ParamKind::Text => Type::String,
        ParamKind::Number | ParamKind::Numeric => *choices.pick(&[Type::Long, Type::Real, Type::Int]),
        ParamKind::Integer => *choices.pick(&[Type::Long, Type::Int]),
        ParamKind::Summable => *choices.pick(&[Type::Long, Type::TimeSpan, Type::Real]),
        ParamKind::StringOrDynamic => *choices.pick(&[Type::String, Type::Dynamic]),
    };
    if param.is_constant { literal(choices, wanted) } else { scalar(choices, columns, wanted, depth) }
}

/// Returns the text of a call: infix for operators, with a list for `in` and its relatives.
fn write_call(name: &str, args: &[String]) -> String {
    let is_word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !name.contains(' ');
    match args {
        [only] if !is_word => format!("({name}{only})"),
        [left, rest @ ..] if is_list(name) => format!("({left} {name} ({}))", rest.join(", ")),
        [left, right] if !is_word || is_word_operator(name) => format!("({left} {name} {right})"),
        _ => format!("{name}({})", args.join(", ")),
    }
}

fn is_list(name: &str) -> bool {
    matches!(name, "in" | "!in" | "in~" | "!in~" | "has_any" | "has_all")
}

fn is_word_operator(name: &str) -> bool {
    let stem = name.strip_suffix("_cs").unwrap_or(name);
    matches!(stem, "contains" | "has" | "hasprefix" | "hassuffix" | "startswith" | "endswith" | "and" | "or")
}
