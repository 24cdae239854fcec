//! A function to what its code is made of, so that code which was compiled for another rule set is found again.
//!
//! Functions with equal content have the same code: the expression with numbers of its own, and where its columns are
//! found. What is compared is all of it; the hash only says where to look. Next: [`super::set`].

use crate::native::unit::{Function, Wanted};
use dtq_ir::{ExprId, ExprKind, PoolId};
use dtq_jit::{Code, Input};
use dtq_value::{Type, Value};
use rustc_hash::{FxHashMap, FxHasher};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Functions in one module that make it worth keeping while others compile anew.
const SMALL_FUNCTIONS: usize = 16;
/// So many modules with fewer functions are kept; when there are more, theirs are compiled together again.
const SMALL_MODULES_MAX: usize = 16;

/// Holds what the code of a function follows from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Content {
    /// Expressions with their types, operands before what is made of them; columns are positions in `inputs`.
    exprs: Vec<(ExprKind, Type)>,
    inputs: Vec<Input>,
}

impl Content {
    /// Returns the content of what is to become a function; `None` when it depends on relations of its own program.
    pub fn of(wanted: &Wanted<'_>) -> Option<Self> {
        let mut content = Self { exprs: Vec::new(), inputs: Vec::new() };
        let mut numbers: BTreeMap<ExprId, ExprId> = BTreeMap::new();
        let mut pending = vec![(wanted.root, false)];
        while let Some((id, is_entered)) = pending.pop() {
            if numbers.contains_key(&id) {
                continue;
            }
            let expr = wanted.program.expr(id);
            if !is_entered {
                pending.push((id, true));
                pending.extend(expr.kind.children().into_iter().rev().map(|child| (child, false)));
                continue;
            }
            if matches!(expr.kind, ExprKind::Scalar(_) | ExprKind::InRel { .. }) {
                return None;
            }
            let mut kind = expr.kind.mapped(&mut |child| numbers[&child], &mut |rel| rel);
            match &mut kind {
                ExprKind::Column(column) => *column = content.input(wanted.inputs[*column as usize]),
                // What is pooled follows from the function and its constant arguments.
                ExprKind::Call { pooled, .. } => *pooled = pooled.map(|_| PoolId(0)),
                _ => {}
            }
            numbers.insert(id, ExprId(content.exprs.len() as u32));
            content.exprs.push((kind, expr.ty));
        }
        Some(content)
    }

    fn input(&mut self, input: Input) -> u32 {
        let known = self.inputs.iter().position(|own| *own == input);
        let position = known.unwrap_or_else(|| {
            self.inputs.push(input);
            self.inputs.len() - 1
        });
        position as u32
    }

    fn hash(&self) -> u64 {
        let mut hasher = FxHasher::default();
        self.inputs.hash(&mut hasher);
        for (kind, _) in &self.exprs {
            std::mem::discriminant(kind).hash(&mut hasher);
            match kind {
                ExprKind::Const(Value::String(text)) => text.hash(&mut hasher),
                ExprKind::Const(Value::Long(number) | Value::DateTime(number) | Value::TimeSpan(number)) => {
                    number.hash(&mut hasher);
                }
                ExprKind::Const(Value::Int(number)) => number.hash(&mut hasher),
                ExprKind::Call { function, .. } => function.name.hash(&mut hasher),
                _ => {}
            }
        }
        hasher.finish()
    }
}

/// Holds functions by their content.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    functions: FxHashMap<u64, Vec<(Content, Function)>>,
}

impl Known {
    /// Remembers a function.
    pub fn add(&mut self, content: Content, function: Function) {
        self.functions.entry(content.hash()).or_default().push((content, function));
    }

    /// Puts a function in the place of the one with the same content.
    pub fn replace(&mut self, content: &Content, function: &Function) {
        let same =
            self.functions.get_mut(&content.hash()).and_then(|all| all.iter_mut().find(|(own, _)| own == content));
        if let Some((_, place)) = same {
            *place = function.clone();
        }
    }

    /// Returns the function with this content.
    pub fn find(&self, content: &Content) -> Option<&Function> {
        let same = self.functions.get(&content.hash())?.iter().find(|(own, _)| own == content);
        same.map(|(_, function)| function)
    }
}

/// Gives up functions whose module is hardly used any more, or one of many small ones, so that memory and the number of
/// modules follow from how many functions there are, whatever was swapped before.
pub(super) fn release_spread(found: &mut [Option<Function>]) {
    let mut used: BTreeMap<*const Code, (usize, usize)> = BTreeMap::new();
    for function in found.iter().flatten() {
        let all = function.code.function_count();
        used.entry(Arc::as_ptr(&function.code)).or_insert((0, all)).0 += 1;
    }
    let is_half_used = |(used, all): (usize, usize)| used * 2 >= all;
    let is_small = |(used, _): (usize, usize)| used < SMALL_FUNCTIONS;
    let small_count = used.values().filter(|one| is_small(**one) && is_half_used(**one)).count();
    for place in found {
        let Some(function) = place else { continue };
        let counts = used[&Arc::as_ptr(&function.code)];
        if !is_half_used(counts) || (is_small(counts) && small_count > SMALL_MODULES_MAX) {
            *place = None;
        }
    }
}

#[cfg(test)]
#[cfg(feature = "jit")]
mod tests {
    use crate::compile::{Options, RuleSet, compile};
    use crate::file::{self, NoFiles};
    use crate::native::NativeSet;
    use std::sync::{Arc, Weak};

    fn rule_set(numbers: impl Iterator<Item = usize>) -> Arc<RuleSet> {
        let rules = numbers.map(|number| {
            format!("  - name: r{number}\n    to: drop\n    kql: logs | where SeverityNumber > {number}\n")
        });
        let text = format!("apiVersion: dtq/v1\nrules:\n{}", rules.collect::<String>());
        let (read, _) = file::read("rules.yaml", text.as_bytes(), &NoFiles, &file::Options::default());
        Arc::new(compile(&[read], &Options::default()).set.unwrap())
    }

    #[test]
    fn a_module_is_freed_with_the_last_set_that_uses_it() {
        let one = NativeSet::compile(&rule_set(0..70)).unwrap();
        let modules: Vec<Weak<_>> = one.modules().iter().map(Arc::downgrade).collect();
        assert_eq!(modules.len(), 2);
        let live_count = || modules.iter().filter(|module| module.strong_count() > 0).count();
        // The six functions of the second module are not there any more.
        let other = NativeSet::begin(&rule_set(0..64), Some(&one)).unwrap();
        assert_eq!((other.report().reused, live_count()), (65, 2));
        drop(one);
        assert_eq!(live_count(), 1);
        drop(other);
        assert_eq!(live_count(), 0);
    }

    #[test]
    fn a_module_of_which_little_is_used_is_not_kept() {
        let one = NativeSet::begin(&rule_set(0..64), None).unwrap();
        let other = NativeSet::begin(&rule_set((0..31).chain(100..110)), Some(&one)).unwrap();
        assert_eq!((other.report().reused, other.report().modules), (0, 1));
        let most = NativeSet::begin(&rule_set(0..32), Some(&one)).unwrap();
        assert_eq!((most.report().reused, most.report().modules), (32, 1));
    }
}
