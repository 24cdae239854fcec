//! The data that the code of a module refers to by position: texts, values, call sites.
//!
//! Collected while functions are lowered, and kept with the code. What a program's constant pool holds is cloned, so
//! that code outlives the program. Next: [`crate::lower`].

use dtq_ir::{FunctionRef, RelId};
use dtq_value::scalar::Pooled;
use dtq_value::search::FoldedFinder;
use dtq_value::{Str, Type, Value};
use memchr::memmem::Finder;
use rustc_hash::FxHashMap;

/// Holds what a call of a function's meaning needs besides its arguments.
#[derive(Clone, Debug)]
pub struct Site {
    /// The function.
    pub function: FunctionRef,
    /// Which of its signatures.
    pub signature: u8,
    /// The type of the result.
    pub ty: Type,
    /// For each argument its value, when it is constant; the others are handed over in order.
    pub constants: Vec<Option<Value>>,
    /// What was built from constant arguments.
    pub pooled: Option<Pooled>,
}

/// Holds what is asked of a subquery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelSite {
    /// The relation.
    pub rel: RelId,
    /// Whether membership is negated.
    pub is_negated: bool,
    /// Whether ASCII case is ignored.
    pub is_case_ignored: bool,
}

/// Holds the data of a module; a position in it is checked when the code that has it is made.
#[derive(Debug, Default)]
pub struct Tables {
    /// Texts that are compared with, or are results.
    pub texts: Vec<Str>,
    /// Values that have no room in an instruction.
    pub values: Vec<Value>,
    /// Regular expressions, sets and automata.
    pub pooled: Vec<Pooled>,
    /// Literals to search for.
    pub finders: Vec<Finder<'static>>,
    /// Literals to search for whatever the case of their letters.
    pub folded: Vec<FoldedFinder>,
    /// Call sites.
    pub sites: Vec<Site>,
    /// Questions to subqueries.
    pub rels: Vec<RelSite>,
}

/// Collects the data of a module.
#[derive(Debug, Default)]
pub struct Pools {
    tables: Tables,
    text_positions: FxHashMap<Str, i32>,
}

impl Pools {
    /// Returns the position of a text.
    pub fn text(&mut self, text: &Str) -> i32 {
        if let Some(position) = self.text_positions.get(text) {
            return *position;
        }
        let position = add(&mut self.tables.texts, text.clone());
        self.text_positions.insert(text.clone(), position);
        position
    }

    /// Returns the position of a value.
    pub fn value(&mut self, value: &Value) -> i32 {
        add(&mut self.tables.values, value.clone())
    }

    /// Returns the position of a set, automaton or regular expression.
    pub fn pooled(&mut self, pooled: &Pooled) -> i32 {
        add(&mut self.tables.pooled, pooled.clone())
    }

    /// Returns the position of a literal to search for.
    pub fn finder(&mut self, literal: &Str) -> i32 {
        add(&mut self.tables.finders, Finder::new(literal.as_bytes()).into_owned())
    }

    /// Returns the position of a literal to search for whatever the case of its letters.
    pub fn folded(&mut self, literal: &Str) -> i32 {
        add(&mut self.tables.folded, FoldedFinder::new(literal.as_bytes()))
    }

    /// Returns the position of a call site.
    pub fn site(&mut self, site: Site) -> i32 {
        add(&mut self.tables.sites, site)
    }

    /// Returns the position of a question to a subquery.
    pub fn rel(&mut self, site: RelSite) -> i32 {
        add(&mut self.tables.rels, site)
    }

    /// Returns what was collected.
    pub fn finish(self) -> Tables {
        self.tables
    }
}

fn add<T>(items: &mut Vec<T>, item: T) -> i32 {
    items.push(item);
    i32::try_from(items.len() - 1).expect("a module has at most as many constants as bytes of code")
}
