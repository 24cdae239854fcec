//! A condition to the fields without which it is null.

use super::term::{Term, applied};
use crate::function::Nulls;
use crate::reads::Path;
use dtq_value::{Type, Value};

/// What a bool may turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outcomes {
    may_be_true: bool,
    may_be_false: bool,
    may_be_null: bool,
}

const ANY: Outcomes = Outcomes { may_be_true: true, may_be_false: true, may_be_null: true };

/// Returns the fields, in order, of which each alone, if missing, leaves the condition null or false, but never true.
pub(super) fn traps(term: &Term) -> Vec<Path> {
    let (mut fields, mut open): (Vec<&Path>, Vec<&Term>) = (Vec::new(), vec![term]);
    while let Some(term) = open.pop() {
        match term {
            Term::Field(path, Type::Dynamic) if !path.keys.is_empty() && !fields.contains(&path) => fields.push(path),
            _ => {}
        }
        open.extend(term.children().into_iter().rev());
    }
    let is_trap = |path: &&Path| {
        let found = outcomes(term, path);
        found.may_be_null && !found.may_be_true
    };
    fields.into_iter().filter(is_trap).cloned().collect()
}

/// Returns what a bool may be when a field is missing.
fn outcomes(term: &Term, missing: &Path) -> Outcomes {
    match term {
        Term::And(left, right) => {
            let (left, right) = (outcomes(left, missing), outcomes(right, missing));
            Outcomes {
                may_be_true: left.may_be_true && right.may_be_true,
                may_be_false: left.may_be_false || right.may_be_false,
                may_be_null: (left.may_be_null && (right.may_be_null || right.may_be_true))
                    || (right.may_be_null && (left.may_be_null || left.may_be_true)),
            }
        }
        Term::Or(left, right) => {
            opposite(outcomes(&Term::And(Box::new(negated(left)), Box::new(negated(right))), missing))
        }
        Term::Call { function, args, .. } if function.name == "not" && args.len() == 1 => {
            opposite(outcomes(&args[0], missing))
        }
        _ => match value(term, missing) {
            Some(Value::Bool(is_true)) => Outcomes { may_be_true: is_true, may_be_false: !is_true, may_be_null: false },
            Some(Value::Null) => Outcomes { may_be_true: false, may_be_false: false, may_be_null: true },
            Some(_) => ANY,
            None => Outcomes { may_be_null: may_be_null(term), ..ANY },
        },
    }
}

fn negated(term: &Term) -> Term {
    let function = crate::functions::by_name("not").expect("`not` is in the table");
    Term::Call { function, signature: 0, ty: Type::Bool, args: vec![term.clone()] }
}

fn opposite(of: Outcomes) -> Outcomes {
    Outcomes { may_be_true: of.may_be_false, may_be_false: of.may_be_true, may_be_null: of.may_be_null }
}

/// Says whether an unknown bool may be null: matching and membership never are.
fn may_be_null(term: &Term) -> bool {
    match term {
        Term::Call { function, .. } => function.nulls == Nulls::Propagate,
        _ => true,
    }
}

/// Returns the value of a term when a field is missing, or `None` when it depends on more.
fn value(term: &Term, missing: &Path) -> Option<Value> {
    match term {
        Term::Const(value) => Some(value.clone()),
        Term::Field(path, ty) if is_inside(path, missing) => Some(Value::missing(*ty)),
        Term::Call { function, signature, ty, args } => {
            let args: Vec<Option<Value>> = args.iter().map(|arg| value(arg, missing)).collect();
            let is_null = |arg: &Option<Value>| matches!(arg, Some(Value::Null));
            if function.nulls == Nulls::Propagate && args.iter().any(is_null) {
                return Some(Value::missing(*ty));
            }
            applied(*function, *signature, *ty, &args.into_iter().collect::<Option<Vec<_>>>()?)
        }
        _ => None,
    }
}

fn is_inside(path: &Path, missing: &Path) -> bool {
    (&path.table, &path.column) == (&missing.table, &missing.column) && path.keys.starts_with(&missing.keys)
}
