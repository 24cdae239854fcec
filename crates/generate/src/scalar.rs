//! Scalar expressions of a wanted type over given columns.

use crate::Choices;
use crate::literal::literal;
use crate::words::{dynamic_argument, word};
use dtq_ir::function::{Function, ParamKind, Returns, Signature};
use dtq_record::stream::Column;
use dtq_value::Type;
use std::collections::HashMap;
use std::sync::LazyLock;

/// A function of the table with one of its signatures.
type Candidate = (&'static Function, &'static Signature);

/// Functions that a generated expression must not call: they fail on purpose, need another context, or have several
/// columns as their result. `case` is written by [`call`], which knows that its arguments come in pairs.
const LEFT_OUT: &[&str] =
    &["assert", "between", "!between", "bin_auto", "case", "(dynamic)", "array_sort_asc", "array_sort_desc"];

/// For each type, the calls that can have it.
static CANDIDATES: LazyLock<HashMap<Type, Vec<Candidate>>> = LazyLock::new(|| {
    let mut by_type: HashMap<Type, Vec<Candidate>> = HashMap::new();
    for function in dtq_ir::functions::all().filter(|function| !LEFT_OUT.contains(&function.name)) {
        for signature in function.signatures {
            for ty in Type::ALL {
                if can_return(function, signature, ty) {
                    by_type.entry(ty).or_default().push((function, signature));
                }
            }
        }
    }
    by_type
});

fn can_return(function: &Function, signature: &Signature, ty: Type) -> bool {
    match signature.returns {
        Returns::Type(returned) => returned == ty,
        Returns::Param(index) => signature.param(index).is_some_and(|param| admits(param.kind, ty)),
        Returns::Common => {
            let is_ordered = !matches!(function.name, "min_of" | "max_of") || admits(ParamKind::Orderable, ty);
            is_ordered && signature.params.iter().any(|param| param.kind == ParamKind::Common)
        }
        Returns::Widened => ty == Type::Long || ty == Type::Real,
        Returns::TypeOf(_) => false,
    }
}

/// Says whether a generated argument of this type suits a parameter; guids are ordered only for `sort`.
fn admits(kind: ParamKind, ty: Type) -> bool {
    kind.accepts(ty) && (kind != ParamKind::Orderable || ty != Type::Guid)
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
        (1, _) => {
            let (condition, yes, no) = (sub(choices, Type::Bool), sub(choices, ty), sub(choices, ty));
            let (again, other) = (sub(choices, Type::Bool), sub(choices, ty));
            return format!("case({condition}, {yes}, {again}, {other}, {no})");
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
    let count = if is_list(function.name) { count.max(2) } else { count };
    let common = if signature.returns == Returns::Type(ty) { *choices.pick(&[Type::Long, Type::String]) } else { ty };
    let args: Vec<String> = (0..count).map(|index| arg(choices, columns, called, index, (ty, common), depth)).collect();
    write_call(function.name, &args)
}

fn arg(
    choices: &mut Choices<'_>,
    columns: &[Column],
    (function, signature): Candidate,
    index: usize,
    (ty, common): (Type, Type),
    depth: usize,
) -> String {
    if let Some(text) = word(choices, function.name, index) {
        return text;
    }
    let Some(param) = signature.param(index) else { return literal(choices, ty) };
    let is_returned = signature.returns == Returns::Param(index) && admits(param.kind, ty);
    let wanted = match param.kind {
        ParamKind::Is(wanted) | ParamKind::Exactly(wanted) => wanted,
        _ if is_returned => ty,
        ParamKind::Common => common,
        // A list of words holds strings alone.
        ParamKind::Scalar if matches!(function.name, "has_any" | "has_all") => Type::String,
        // A string is compared with neither a datetime, nor a timespan, nor a guid.
        ParamKind::NotDynamic if matches!(function.name, "==" | "!=") => *choices.pick(&[Type::Long, Type::Real]),
        ParamKind::Orderable => *choices.pick(&[Type::Long, Type::Real, Type::String, Type::DateTime]),
        ParamKind::Scalar | ParamKind::NotDynamic => *choices.pick(&Type::ALL[..9]),
        ParamKind::Text => Type::String,
        ParamKind::Number | ParamKind::Numeric => *choices.pick(&[Type::Long, Type::Real, Type::Int]),
        ParamKind::Integer => *choices.pick(&[Type::Long, Type::Int]),
        ParamKind::Summable => *choices.pick(&[Type::Long, Type::TimeSpan, Type::Real]),
        ParamKind::StringOrDynamic => *choices.pick(&[Type::String, Type::Dynamic]),
        ParamKind::IntegerOrDynamic => *choices.pick(&[Type::Long, Type::Dynamic]),
    };
    match (param.is_constant, wanted) {
        (true, _) => literal(choices, wanted),
        (false, Type::Dynamic) => {
            let value = scalar(choices, columns, wanted, depth);
            dynamic_argument(choices, function.name, value)
        }
        (false, _) => scalar(choices, columns, wanted, depth),
    }
}

/// Returns the text of a call: infix for operators, with a list for `in` and its relatives.
fn write_call(name: &str, args: &[String]) -> String {
    let is_word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !name.contains(' ');
    match args {
        [only] if !is_word && !is_list(name) => format!("({name}{only})"),
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
