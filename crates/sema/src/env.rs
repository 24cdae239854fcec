//! What names stand for besides columns: `let` statements, parameters, `as`.
//!
//! A scope is shared by the functions declared in it, which see only what was declared before them.

use dtq_ir::{ExprId, RelId};
use dtq_syntax::ast;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Holds what a name stands for.
#[derive(Clone)]
pub(crate) enum Binding<'a> {
    /// A scalar; `None` when it has errors, which are reported already.
    Scalar(Option<ScalarBinding>),
    /// A table; `None` when it has errors.
    Table(Option<RelId>),
    /// A function literal.
    Function(Rc<FunctionBinding<'a>>),
}

/// Holds a scalar and the row it may be used over.
#[derive(Clone, Copy)]
pub(crate) struct ScalarBinding {
    /// The expression.
    pub expr: ExprId,
    /// The row scope its columns belong to; `None` when it has no column.
    pub row: Option<u32>,
}

/// Holds a function and what its body sees.
pub(crate) struct FunctionBinding<'a> {
    /// Its name.
    pub name: &'a str,
    /// The literal.
    pub function: &'a ast::Function,
    /// Where it was declared.
    pub env: View<'a>,
}

/// Holds the names declared in one block.
#[derive(Default)]
pub(crate) struct Scope<'a> {
    parent: Option<View<'a>>,
    names: RefCell<HashMap<&'a str, (usize, Binding<'a>)>>,
}

/// Holds a scope as it was at some point: later declarations are not seen.
#[derive(Clone)]
pub(crate) struct View<'a> {
    scope: Rc<Scope<'a>>,
    declared_count: usize,
}

impl<'a> View<'a> {
    /// Returns a view of a new scope inside `parent`.
    pub fn inside(parent: Option<View<'a>>) -> Self {
        Self { scope: Rc::new(Scope { parent, names: RefCell::default() }), declared_count: 0 }
    }

    /// Declares a name; returns false when this block has it already, which then stays as it is.
    pub fn declare(&mut self, name: &'a str, binding: Binding<'a>) -> bool {
        let mut names = self.scope.names.borrow_mut();
        if names.contains_key(name) {
            return false;
        }
        names.insert(name, (self.declared_count, binding));
        self.declared_count += 1;
        true
    }

    /// Returns what a name stands for here.
    pub fn find(&self, name: &str) -> Option<Binding<'a>> {
        let mut view = Some(self);
        while let Some(current) = view {
            if let Some((position, binding)) = current.scope.names.borrow().get(name)
                && *position < current.declared_count
            {
                return Some(binding.clone());
            }
            view = current.scope.parent.as_ref();
        }
        None
    }

    /// Calls `visit` with every name that can be used here and what it stands for.
    pub fn each(&self, mut visit: impl FnMut(&'a str, &Binding<'a>)) {
        let mut view = Some(self);
        while let Some(current) = view {
            let names = current.scope.names.borrow();
            let mut sorted: Vec<_> =
                names.iter().filter(|(_, (position, _))| *position < current.declared_count).collect();
            sorted.sort_by_key(|(_, (position, _))| *position);
            for (name, (_, binding)) in sorted {
                visit(name, binding);
            }
            view = current.scope.parent.as_ref();
        }
    }
}
