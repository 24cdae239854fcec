//! Terms to text, for people who ask what goes into the kernel and what stays.

use dtq_ir::condition::term::{NodeKind, Term};
use dtq_value::Value;
use dtq_value::scalar::format;

/// Returns a condition much as it is written in KQL.
pub fn describe(term: &Term) -> String {
    match term {
        Term::Const(value) => constant(value),
        Term::Field(path, _) => {
            let keys: String = path.keys.iter().map(|key| format!("[{key:?}]")).collect();
            format!("{}{keys}", path.column)
        }
        Term::And(left, right) => format!("{} and {}", inner(left), inner(right)),
        Term::Or(left, right) => format!("{} or {}", inner(left), inner(right)),
        Term::Call { function, args, .. } => call(function.name, args),
        Term::Node(NodeKind::Case, parts) => format!("case({})", list(parts)),
        Term::Node(NodeKind::Coalesce, parts) => format!("coalesce({})", list(parts)),
        Term::Node(NodeKind::Element, parts) => match parts.as_slice() {
            [base, index] => format!("{}[{}]", describe(base), describe(index)),
            _ => list(parts),
        },
        Term::Unknown(_) => "(a condition that looks beyond the record)".to_owned(),
    }
}

fn call(name: &str, args: &[Term]) -> String {
    let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_text_operator =
        ["contains", "has", "startswith", "endswith", "in", "between"].iter().any(|word| name.contains(word));
    match args {
        [value, from, to] if name.ends_with("between") => {
            format!("{} {name} ({} .. {})", inner(value), describe(from), describe(to))
        }
        [value, items @ ..] if matches!(name, "in" | "!in" | "in~" | "!in~" | "has_any" | "has_all") => {
            format!("{} {name} ({})", inner(value), list(items))
        }
        [left, right] if !is_word || (is_text_operator && !name.starts_with("bag_")) => {
            format!("{} {name} {}", inner(left), inner(right))
        }
        _ => format!("{name}({})", list(args)),
    }
}

fn inner(term: &Term) -> String {
    match term {
        Term::And(..) | Term::Or(..) => format!("({})", describe(term)),
        _ => describe(term),
    }
}

fn list(terms: &[Term]) -> String {
    terms.iter().map(describe).collect::<Vec<_>>().join(", ")
}

fn constant(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => format!("{:?}", text.as_text()),
        Value::DateTime(_) => format!("datetime({})", String::from_utf8_lossy(&format::dynamic_text(value))),
        other => String::from_utf8_lossy(&format::dynamic_text(other)).into_owned(),
    }
}
