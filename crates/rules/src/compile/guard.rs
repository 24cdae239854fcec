//! Rules to what has to be found in a record before one of them can match, so that the others need no look.
//!
//! The guard of a rule is a few atoms, one of which is true of every record that the rule matches: a text that a field
//! contains or is, or an integer that it is. The guards of all rules over a table are looked for together, the texts of
//! a field in one pass, so that a thousand rules cost little more than those that may match. A guard never decides that
//! a rule matches, and a rule that could fail or act before its guard is asked has none. Next: `rule.rs`.

use crate::compile::cells::{Cell, Cells};
use crate::compile::rule::CompiledRule;
use dtq_ir::effects::always_succeeds;
use dtq_ir::{ExprId, ExprKind, Program};
use dtq_record::otlp::fill::{Level, SlotPlan};
use dtq_record::slot::{Buffers, Slot, Tag};
use dtq_value::search::Substrings;
use dtq_value::{Str, Type, Value};
use fixedbitset::FixedBitSet;
use indexmap::IndexMap;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Atoms of one guard; a rule that would need more has none.
const ATOMS_MAX: usize = 64;

/// Says something of a field that one look at it decides.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Atom {
    slot: u32,
    says: Says,
}

/// Says what a field is or contains.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Says {
    /// It is this text.
    Whole(Str),
    /// This text is somewhere in it.
    Inside(Str),
    /// The same, ASCII case aside.
    InsideIgnoringCase(Str),
    /// It is this number.
    Number(i64),
}

/// Holds the guards of all rules over one standard table; a rule is its position among them.
#[derive(Clone, Debug, Default)]
pub struct Guards {
    fields: Vec<Field>,
    /// Fields that a rule reads before its guard is asked, where their content may turn out unreadable.
    fragile: Vec<(u32, FixedBitSet)>,
    /// The rules without a guard.
    unguarded: FixedBitSet,
}

/// Holds what the guards look for in one field.
#[derive(Clone, Debug)]
struct Field {
    slot: u32,
    /// All rules whose guard looks here for a text, and for a number.
    of_texts: FixedBitSet,
    of_numbers: Option<FixedBitSet>,
    wholes: FxHashMap<Box<[u8]>, FixedBitSet>,
    numbers: FxHashMap<i64, FixedBitSet>,
    inside: Option<Inside>,
    inside_ignoring_case: Option<Inside>,
}

/// Holds texts that are looked for, and for each the rules.
#[derive(Clone, Debug)]
struct Inside {
    needles: Substrings,
    rules: Vec<FixedBitSet>,
}

impl Guards {
    /// Returns the guards on one level of rules over a table, in their order.
    pub fn new(rules: &[&CompiledRule], cells: &Cells, plan: &SlotPlan, level: Level) -> Self {
        let mut guards = Guards { unguarded: FixedBitSet::with_capacity(rules.len()), ..Guards::default() };
        let mut looked_for: Vec<(Atom, usize)> = Vec::new();
        for (position, rule) in rules.iter().enumerate() {
            match guard_of(rule, cells, plan, level) {
                Some(guard) => {
                    looked_for.extend(guard.atoms.into_iter().map(|atom| (atom, position)));
                    guard.fragile.iter().for_each(|slot| guards.add_fragile(*slot, position, rules.len()));
                }
                None => guards.unguarded.insert(position),
            }
        }
        let slots: BTreeSet<u32> = looked_for.iter().map(|(atom, _)| atom.slot).collect();
        for slot in slots {
            let of_slot = looked_for.iter().filter(|(atom, _)| atom.slot == slot);
            guards.add_field(slot, of_slot, rules.len());
        }
        guards
    }

    /// Says whether some rule has a guard.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Returns the slots that guards look at.
    pub fn slots(&self) -> impl Iterator<Item = u32> {
        self.fields.iter().map(|field| field.slot).chain(self.fragile.iter().map(|(slot, _)| *slot))
    }

    /// Marks the rules that may match where the slots of the level are these, and no others.
    pub fn mark(&self, slots: &[Slot], buffers: &Buffers<'_>, marked: &mut FixedBitSet) {
        marked.clone_from(&self.unguarded);
        for (slot, rules) in &self.fragile {
            if slots[*slot as usize].tag() as u8 >= Tag::Any as u8 {
                marked.union_with(rules);
            }
        }
        for field in &self.fields {
            let slot = &slots[field.slot as usize];
            match slot.tag() {
                // A number that is missing is null, and equals none.
                Tag::Missing => field.mark(b"", marked),
                // A view that does not fit is an error that the rule has to find.
                Tag::String | Tag::Word => {
                    match slot.as_text(buffers) {
                        Some(text) => field.mark(text, marked),
                        None => marked.union_with(&field.of_texts),
                    }
                    // A text may hold a number.
                    field.mark_numbers(marked);
                }
                Tag::Int | Tag::Long => field.mark_number(slot, marked),
                // What these read as is not looked into.
                _ => field.mark_all(marked),
            }
        }
    }

    /// Marks also the rules whose guard looks at a field that was edited.
    pub fn mark_edited(&self, is_edited: impl Fn(u32) -> bool, marked: &mut FixedBitSet) {
        self.fields.iter().filter(|field| is_edited(field.slot)).for_each(|field| field.mark_all(marked));
        for (_, rules) in self.fragile.iter().filter(|(slot, _)| is_edited(*slot)) {
            marked.union_with(rules);
        }
    }

    fn add_fragile(&mut self, slot: u32, rule: usize, count: usize) {
        let known = self.fragile.iter().position(|(fragile, _)| *fragile == slot);
        let at = known.unwrap_or_else(|| {
            self.fragile.push((slot, FixedBitSet::with_capacity(count)));
            self.fragile.len() - 1
        });
        self.fragile[at].1.insert(rule);
    }

    fn add_field<'a>(&mut self, slot: u32, atoms: impl Iterator<Item = &'a (Atom, usize)>, count: usize) {
        let none = || FixedBitSet::with_capacity(count);
        let mut field = Field {
            slot,
            of_texts: none(),
            of_numbers: None,
            wholes: FxHashMap::default(),
            numbers: FxHashMap::default(),
            inside: None,
            inside_ignoring_case: None,
        };
        let mut needles: [Needles; 2] = Default::default();
        for (atom, rule) in atoms {
            let is_number = matches!(atom.says, Says::Number(_));
            if is_number { field.of_numbers.get_or_insert_with(none) } else { &mut field.of_texts }.insert(*rule);
            let rules = match &atom.says {
                Says::Number(number) => field.numbers.entry(*number).or_insert_with(none),
                Says::Whole(text) => field.wholes.entry(Box::from(text.as_bytes())).or_insert_with(none),
                Says::Inside(text) => needles[0].entry(text.clone()).or_insert_with(none),
                Says::InsideIgnoringCase(text) => needles[1].entry(text.clone()).or_insert_with(none),
            };
            rules.insert(*rule);
        }
        let [exact, ignoring_case] = needles;
        for (group, is_case_ignored) in [(exact, false), (ignoring_case, true)] {
            let texts = group.keys().map(Str::as_bytes);
            match Substrings::new(texts, is_case_ignored) {
                _ if group.is_empty() => {}
                Some(needles) => {
                    let rules = group.into_values().collect();
                    let place = if is_case_ignored { &mut field.inside_ignoring_case } else { &mut field.inside };
                    *place = Some(Inside { needles, rules });
                }
                // Too much to look for in one pass: each of these rules looks by itself.
                None => group.values().for_each(|rules| self.unguarded.union_with(rules)),
            }
        }
        self.fields.push(field);
    }
}

/// Texts that are looked for, in the order in which rules name them, each with its rules.
type Needles = IndexMap<Str, FixedBitSet>;

impl Field {
    fn mark_all(&self, marked: &mut FixedBitSet) {
        marked.union_with(&self.of_texts);
        self.mark_numbers(marked);
    }

    #[inline]
    fn mark_numbers(&self, marked: &mut FixedBitSet) {
        if let Some(rules) = &self.of_numbers {
            marked.union_with(rules);
        }
    }

    fn mark_number(&self, slot: &Slot, marked: &mut FixedBitSet) {
        if let Some(rules) = slot.as_i64().and_then(|number| self.numbers.get(&number)) {
            marked.union_with(rules);
        }
        // What the number reads as is not looked into.
        marked.union_with(&self.of_texts);
    }

    fn mark(&self, text: &[u8], marked: &mut FixedBitSet) {
        if !self.wholes.is_empty()
            && let Some(rules) = self.wholes.get(text)
        {
            marked.union_with(rules);
        }
        for inside in [&self.inside, &self.inside_ignoring_case].into_iter().flatten() {
            inside.needles.find_each(text, |needle| marked.union_with(&inside.rules[needle]));
        }
    }
}

/// Holds the guard of one rule.
struct Guard {
    atoms: Vec<Atom>,
    fragile: Vec<u32>,
}

/// Returns the guard of a rule on a level: that of the first condition that gives one.
fn guard_of(rule: &CompiledRule, cells: &Cells, plan: &SlotPlan, level: Level) -> Option<Guard> {
    // Whether a record is a row of an alias is asked before its conditions and may fail by itself.
    if level == Level::Record && !rule.membership.is_empty() {
        return None;
    }
    let program = &rule.flat.program;
    let mut before = BTreeSet::new();
    for condition in &rule.conditions {
        if condition.level == level
            && let Some(atoms) = atoms_of(program, condition.expr, cells, plan, level)
        {
            return Some(Guard { atoms, fragile: before.into_iter().collect() });
        }
        // The other levels are decided by themselves.
        if level != Level::Record && condition.level != level {
            continue;
        }
        if !always_succeeds(program, condition.expr) {
            return None;
        }
        before.extend(slots_read(program, condition.expr, cells));
    }
    None
}

/// Returns atoms of which one is true wherever the condition is, or `None` where they cannot be told.
fn atoms_of(program: &Program, root: ExprId, cells: &Cells, plan: &SlotPlan, level: Level) -> Option<Vec<Atom>> {
    let mut atoms: Vec<Atom> = Vec::new();
    let mut pending = vec![root];
    while let Some(id) = pending.pop() {
        match &program.expr(id).kind {
            ExprKind::Or(left, right) => pending.extend([*right, *left]),
            // What atoms are made of is never null, so that the right one is evaluated only where the left one is true.
            ExprKind::And(left, _) => pending.push(*left),
            ExprKind::Call { function, args, .. } => atoms.extend(atoms_of_call(program, function.name, args, cells)?),
            ExprKind::Const(Value::Bool(false)) => {}
            _ => return None,
        }
        if atoms.len() > ATOMS_MAX {
            return None;
        }
    }
    let is_of_level = |atom: &Atom| plan.level(atom.slot as usize) == level;
    atoms.iter().all(is_of_level).then_some(atoms)
}

fn atoms_of_call(program: &Program, name: &str, args: &[ExprId], cells: &Cells) -> Option<Vec<Atom>> {
    let (subject, rest) = args.split_first()?;
    let is_list = matches!(name, "in" | "in~");
    if rest.is_empty() || (rest.len() > 1 && !is_list) {
        return None;
    }
    if let Some(numbers) = rest.iter().map(|arg| constant_number(program, *arg)).collect::<Option<Vec<i64>>>() {
        let slot = slot_of_number(program, *subject, cells).filter(|_| matches!(name, "==" | "in"))?;
        return Some(numbers.into_iter().map(|number| Atom { slot, says: Says::Number(number) }).collect());
    }
    let slot = slot_of_text(program, *subject, cells)?;
    let texts: Vec<Str> = rest.iter().map(|arg| constant_text(program, *arg)).collect::<Option<_>>()?;
    let says = match name {
        "==" | "in" => Says::Whole,
        "contains_cs" | "has_cs" | "startswith_cs" | "endswith_cs" | "hasprefix_cs" | "hassuffix_cs" => Says::Inside,
        "contains" | "has" | "startswith" | "endswith" | "hasprefix" | "hassuffix" | "=~" | "in~" => {
            Says::InsideIgnoringCase
        }
        _ => return None,
    };
    // The empty text is in every text.
    if !matches!(name, "==" | "in") && texts.iter().any(Str::is_empty) {
        return None;
    }
    Some(texts.into_iter().map(|text| Atom { slot, says: says(text) }).collect())
}

/// Returns the slot that an expression is the integer of: one that equals a number only where the slot holds it, or
/// holds what is neither an int nor a long.
fn slot_of_number(program: &Program, id: ExprId, cells: &Cells) -> Option<u32> {
    let expr = program.expr(id);
    match &expr.kind {
        ExprKind::Call { function, args, .. } if function.name == "tolong" && args.len() == 1 => {
            slot_of_number(program, args[0], cells)
        }
        // What does not fit an int wraps around, so that it is the same number only of an int.
        ExprKind::Call { function, args, .. } if function.name == "toint" && args.len() == 1 => {
            slot_of_number(program, args[0], cells).filter(|_| program.expr(args[0]).ty == Type::Int)
        }
        ExprKind::Column(cell) if matches!(expr.ty, Type::Int | Type::Long | Type::Dynamic) => {
            match &cells.cells()[*cell as usize] {
                Cell::Slot(slot) => Some(*slot),
                _ => None,
            }
        }
        _ => None,
    }
}

fn constant_number(program: &Program, id: ExprId) -> Option<i64> {
    match &program.expr(id).kind {
        ExprKind::Const(Value::Long(number)) => Some(*number),
        ExprKind::Const(Value::Int(number)) => Some(i64::from(*number)),
        _ => None,
    }
}

/// Returns the slot that an expression is the text of.
fn slot_of_text(program: &Program, id: ExprId, cells: &Cells) -> Option<u32> {
    let expr = program.expr(id);
    match &expr.kind {
        ExprKind::Call { function, args, .. } if function.name == "tostring" && args.len() == 1 => {
            slot_of_text(program, args[0], cells)
        }
        ExprKind::Column(cell) if matches!(expr.ty, Type::String | Type::Dynamic) => {
            match &cells.cells()[*cell as usize] {
                Cell::Slot(slot) => Some(*slot),
                _ => None,
            }
        }
        _ => None,
    }
}

fn constant_text(program: &Program, id: ExprId) -> Option<Str> {
    match &program.expr(id).kind {
        ExprKind::Const(Value::String(text)) => Some(text.clone()),
        _ => None,
    }
}

fn slots_read(program: &Program, root: ExprId, cells: &Cells) -> BTreeSet<u32> {
    let (mut slots, mut seen, mut pending) = (BTreeSet::new(), BTreeSet::new(), vec![root]);
    while let Some(id) = pending.pop() {
        if !seen.insert(id) {
            continue;
        }
        match &program.expr(id).kind {
            ExprKind::Column(cell) => slots.extend(cells.slots_of(*cell)),
            kind => pending.extend(kind.children()),
        }
    }
    slots
}
