//! The native code of one rule set, ready for its processors.

use crate::compile::RuleSet;
use crate::compile::rule::{Action, CompiledRule, Failure};
use crate::compile::set::{BaseCells, base_position};
use crate::native::content::{self, Content, Known};
use crate::native::edits::{EditPlan, EditedKeys};
use crate::native::reads::{self, Reads};
use crate::native::unit::{self, Function, Wanted};
use dtq_ir::{Effect, ExprId, ExprKind, Program};
use dtq_jit::{Code, Compiler, Condition, EntryKind, Filled, Guard, RecordScan, Refusal};
use dtq_record::otlp::fill::Level;
use dtq_record::otlp::metrics::Kind;
use dtq_record::otlp::pass::Pass;
use dtq_record::slot::Slot;
use dtq_record::tables::Base;
use dtq_value::Str;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Functions that share memory and are freed together.
const UNIT_SIZE: usize = 64;

/// Holds the native code of a rule set.
///
/// It is shared by all processors of the set, on any thread, and its memory is freed with the last of them.
///
/// # Example
/// ```
/// # use dtq_rules::compile::{Options, compile};
/// # use dtq_rules::engine::Processor;
/// # use dtq_rules::file::{self, NoFiles};
/// use dtq_rules::native::NativeSet;
/// # use std::sync::Arc;
/// # let yaml = "apiVersion: dtq/v1\nrules: [{name: low, to: drop, kql: logs | where SeverityNumber < 9}]\n";
/// # let (read, _) = file::read("rules.yaml", yaml.as_bytes(), &NoFiles, &file::Options::default());
/// # let set = Arc::new(compile(&[read], &Options::default()).set.expect("nothing is wrong with it"));
/// let mut processor = Processor::new(Arc::clone(&set), &Default::default());
/// match NativeSet::compile(&set) {
///     Ok(native) => {
///         assert_eq!(native.report().rules[0].refusal, None);
///         assert!(processor.use_native(Arc::new(native)));
///     }
///     // Another machine, no executable memory, or a build without it: rules are interpreted.
///     Err(refusal) => println!("{refusal}"),
/// }
/// ```
#[derive(Debug)]
pub struct NativeSet {
    set: Arc<RuleSet>,
    compiler: Compiler,
    /// By standard table, and for metrics by kind of point.
    scans: Vec<Vec<Option<Scan>>>,
    /// By standard table.
    edited_keys: Arc<Vec<Option<EditedKeys>>>,
    rules: Arc<Vec<NativeRule>>,
    /// For each rule what is read to decide its conditions, for the only rule of a table that has a scan.
    reads: Vec<Option<Reads>>,
    /// Its functions, for the set that comes after it.
    known: Arc<Known>,
    report: NativeReport,
}

/// Holds a scan of records, with the tests that are part of it.
#[derive(Clone, Debug)]
struct Scan {
    scan: Arc<RecordScan>,
    guards: Vec<Guard>,
}

/// Holds the functions of a rule.
#[derive(Clone, Debug, Default)]
struct NativeRule {
    /// All its conditions on records.
    conditions: Option<Function>,
    /// Whether nothing in its query draws a random number or changes a state.
    is_repeatable: bool,
    /// Conditions that decide between values.
    choices: Vec<(ExprId, Function)>,
    /// What it writes, where it replaces.
    edits: Option<EditPlan>,
    /// The bits of edited keys that decide what it does.
    edited_keys_read: u64,
}

/// Says what of a rule set is native code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NativeReport {
    /// Size in bytes of all modules that have code of the set.
    pub code_bytes: usize,
    /// How many modules have functions of its rules.
    pub modules: usize,
    /// How many functions are to be compiled again: none any more once the set is complete.
    pub begun: usize,
    /// How many functions and scans were there before, in the set that it comes after.
    pub reused: usize,
    /// Tables, and kinds of points, whose records are scanned by native code.
    pub scans: Vec<&'static str>,
    /// Why others are not.
    pub scan_refusals: Vec<String>,
    /// The rules, in effective order.
    pub rules: Vec<RuleReport>,
}

/// Says what of a rule is native code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RuleReport {
    /// Its name.
    pub name: String,
    /// How many functions it has.
    pub functions: usize,
    /// Why something of it is interpreted.
    pub refusal: Option<String>,
}

impl NativeSet {
    /// Compiles a rule set for this machine.
    ///
    /// # Errors
    /// When nothing can be compiled here: an unknown machine, or no executable memory. A construct without native code is
    /// no error; it is in the report.
    ///
    /// # Cost
    /// Up to half a millisecond a rule, and a millisecond for each table that rules read.
    pub fn compile(set: &Arc<RuleSet>) -> Result<Self, Refusal> {
        let compiler = Compiler::host()?;
        Self::start((set, None), compiler.clone(), (&compiler, EntryKind::Filter))?.complete()
    }

    /// Compiles the conditions of a rule set, without the scans of its records: the filler of `record` fills their slots.
    ///
    /// The code is made to be there soon, and is replaced in [`NativeSet::complete`]: it runs slower, and what few records
    /// need, such as a number that stands as text, is left out. Those records are for the interpreter; where slots alone
    /// are judged, they are undecided.
    ///
    /// Code of the set before, if there is one, is taken over where it is the same; scans too. Its memory is freed when
    /// neither set needs any of the module that it lies in.
    ///
    /// # Errors
    /// As [`NativeSet::compile`].
    pub fn begin(set: &Arc<RuleSet>, before: Option<&NativeSet>) -> Result<Self, Refusal> {
        let compiler = before.map_or_else(Compiler::host, |before| Ok(before.compiler.clone()))?;
        let quick = compiler.quick();
        Self::start((set, before), compiler, (&quick, EntryKind::First))
    }

    /// Compiles conditions by `maker`, and keeps the compiler of all else.
    fn start(
        (set, before): (&Arc<RuleSet>, Option<&NativeSet>),
        compiler: Compiler,
        (maker, kind): (&Compiler, EntryKind),
    ) -> Result<Self, Refusal> {
        let rule_report = |rule: &CompiledRule| RuleReport { name: text(&rule.name), ..RuleReport::default() };
        let native_rule = |rule: &CompiledRule| NativeRule {
            is_repeatable: is_repeatable(&rule.flat.program),
            ..NativeRule::default()
        };
        let mut building = Building {
            report: NativeReport { rules: set.rules.iter().map(rule_report).collect(), ..NativeReport::default() },
            rules: set.rules.iter().map(native_rule).collect(),
            known: Known::default(),
        };
        for base in &set.bases {
            building.add_table(set, base, (maker, kind), before.map(|before| &*before.known))?;
        }
        let Building { report, mut rules, known } = building;
        let edited_keys = set.bases.iter().map(|base| plan_edits(set, base, &mut rules)).collect();
        let no_scans = |base: &Base| vec![None; kinds(set, *base).len()];
        let mut native = Self {
            set: Arc::clone(set),
            compiler,
            scans: Base::ALL.iter().map(no_scans).collect(),
            edited_keys: Arc::new(edited_keys),
            reads: vec![None; rules.len()],
            rules: Arc::new(rules),
            known: Arc::new(known),
            report,
        };
        if let Some(before) = before {
            native.take_scans(before);
        }
        native.finish_report();
        Ok(native)
    }

    /// Returns the same with the scans of all records, and with other code for the functions that were compiled to be there
    /// soon; all else is shared.
    ///
    /// # Errors
    /// As [`NativeSet::compile`].
    pub fn complete(&self) -> Result<Self, Refusal> {
        let (mut rules, mut known) = (Arc::clone(&self.rules), Arc::clone(&self.known));
        if self.report.begun > 0 {
            let (rules, known) = (Arc::make_mut(&mut rules), Arc::make_mut(&mut known));
            self.set.bases.iter().try_for_each(|base| self.complete_table(base, rules, known))?;
        }
        let mut scans = self.scans.clone();
        let mut refusals = Vec::new();
        for (base, scans) in Base::ALL.iter().zip(&mut scans) {
            let cells = self.set.base(*base);
            for (kind, place) in kinds(&self.set, *base).into_iter().zip(scans).filter(|(_, place)| place.is_none()) {
                let (pass, guards) = scanned(&self.set, cells, kind);
                match RecordScan::compile(self.compiler.target(), pass, cells.plan.slot_count(), &guards) {
                    Ok(scan) => *place = Some(Scan { scan: Arc::new(scan), guards }),
                    Err(refusal @ (Refusal::Memory(_) | Refusal::Target(_))) => return Err(refusal),
                    Err(refusal) => refusals.push(format!("{}: {refusal}", base.name())),
                }
            }
        }
        let mut native = Self {
            set: Arc::clone(&self.set),
            compiler: self.compiler.clone(),
            scans,
            edited_keys: Arc::clone(&self.edited_keys),
            rules,
            reads: vec![None; self.reads.len()],
            known,
            report: NativeReport { scan_refusals: refusals, ..self.report.clone() },
        };
        native.finish_report();
        Ok(native)
    }

    /// Compiles again what was compiled to be there soon, of the rules over a table; what is refused now stays as it is.
    fn complete_table(&self, base: &BaseCells, rules: &mut [NativeRule], known: &mut Known) -> Result<(), Refusal> {
        let (inputs, computed) = unit::inputs(base);
        let mut begun: Vec<Wanted<'_>> = Vec::new();
        for position in &base.rules {
            let native = &rules[*position];
            if native.functions().any(|function| function.is_begun) {
                let (wanted, _) = unit::wanted(*position, &self.set.rules[*position], &inputs, &computed);
                let is_begun = |one: &Wanted<'_>| native.function(one.expr).is_some_and(|function| function.is_begun);
                begun.extend(wanted.into_iter().filter(is_begun));
            }
        }
        for unit in begun.chunks(UNIT_SIZE) {
            let wanted: Vec<&Wanted<'_>> = unit.iter().collect();
            for (one, function) in unit.iter().zip(unit::compile(&self.compiler, &wanted, EntryKind::Filter)) {
                match function {
                    Ok(function) => {
                        Content::of(one).iter().for_each(|content| known.replace(content, &function));
                        rules[one.rule].replace(one.expr, function);
                    }
                    Err(refusal @ (Refusal::Memory(_) | Refusal::Target(_))) => return Err(refusal),
                    Err(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Takes over the scans that read the same in the same way.
    fn take_scans(&mut self, before: &NativeSet) {
        for (base, scans) in Base::ALL.iter().zip(&mut self.scans) {
            let (cells, old_cells) = (self.set.base(*base), before.set.base(*base));
            for (kind, place) in kinds(&self.set, *base).into_iter().zip(scans) {
                let at = kind.map_or(0, |kind| kind as usize);
                let Some(Some(old)) = before.scans[base_position(*base)].get(at) else { continue };
                let (pass, guards) = scanned(&self.set, cells, kind);
                let old_pass = old_cells.plan.pass(Level::Record, kind);
                let is_same_size = cells.plan.slot_count() == old_cells.plan.slot_count();
                if is_same_size && old_pass == Some(pass) && old.guards == guards {
                    *place = Some(old.clone());
                    self.report.reused += 1;
                }
            }
        }
    }

    /// Returns the modules that functions of rules lie in.
    pub(super) fn modules(&self) -> Vec<Arc<Code>> {
        let functions = self.rules.iter().flat_map(NativeRule::functions);
        let codes = functions.map(|function| (Arc::as_ptr(&function.code), &function.code));
        codes.collect::<BTreeMap<_, _>>().into_values().cloned().collect()
    }

    /// Says which scans and modules there are, and what is read of records where one rule decides.
    fn finish_report(&mut self) {
        let modules = self.modules();
        let of_scans = self.scans.iter().flatten().flatten().map(|scan| scan.scan.code_size()).sum::<usize>();
        self.report.modules = modules.len();
        self.report.begun = self.rules.iter().flat_map(NativeRule::functions).filter(|one| one.is_begun).count();
        self.report.code_bytes = modules.iter().map(|code| code.size()).sum::<usize>() + of_scans;
        self.report.scans.clear();
        for (base, scans) in self.set.bases.iter().zip(&self.scans) {
            self.report.scans.extend(scans.iter().flatten().map(|_| base.cells.base().name()));
            if let ([rule], [Some(scan)]) = (&base.rules[..], &scans[..]) {
                self.reads[*rule] = conditions_read(&self.set.rules[*rule], base, &scan.scan);
            }
        }
    }

    /// Returns the rule set that the code is of.
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.set
    }

    /// Returns what is native code.
    pub fn report(&self) -> &NativeReport {
        &self.report
    }

    /// Fills the slots of a record; `None` when the filler has to.
    #[inline]
    pub(crate) fn fill(&self, base: Base, kind: Option<Kind>, record: &[u8], slots: &mut [Slot]) -> Option<()> {
        let scan = self.scan(base, kind)?;
        (scan.fill(record, slots, scan.layout().all()) == Filled::Done).then_some(())
    }

    /// Returns the scan of a table's records.
    #[inline]
    pub(crate) fn scan(&self, base: Base, kind: Option<Kind>) -> Option<&RecordScan> {
        let place = kind.map_or(0, |kind| kind as usize);
        self.scans[base_position(base)].get(place)?.as_ref().map(|scan| &*scan.scan)
    }

    /// Returns what a rule reads of a record to decide it, where that is known.
    pub(crate) fn reads(&self, rule: usize) -> Option<&Reads> {
        self.reads[rule].as_ref()
    }

    /// Returns the conditions of a rule on records, as one.
    #[inline]
    pub(crate) fn conditions(&self, rule: usize) -> Option<Condition<'_>> {
        self.rules[rule].conditions.as_ref().map(Function::condition)
    }

    /// Returns what the rules over a table write into attributes.
    #[inline]
    pub(crate) fn edited_keys(&self, base: Base) -> Option<&EditedKeys> {
        self.edited_keys[base_position(base)].as_ref()
    }

    /// Returns what a rule writes.
    pub(crate) fn edits(&self, rule: usize) -> Option<&EditPlan> {
        self.rules[rule].edits.as_ref()
    }

    /// Returns the bits of the edited keys that decide what a rule does with a record.
    pub(crate) fn edited_keys_read(&self, rule: usize) -> u64 {
        self.rules[rule].edited_keys_read
    }

    /// Returns the condition of a rule that a plan of its edits names.
    #[inline]
    pub(crate) fn choice_at(&self, rule: usize, position: usize) -> Condition<'_> {
        self.rules[rule].choices[position].1.condition()
    }

    /// Says whether evaluating the functions of a rule twice gives the same, and changes nothing.
    pub(crate) fn is_repeatable(&self, rule: usize) -> bool {
        self.rules[rule].is_repeatable
    }

    /// Returns a condition that decides between values.
    pub(crate) fn choice(&self, rule: usize, expr: ExprId) -> Option<Condition<'_>> {
        self.rules[rule].function(Some(expr)).map(Function::condition)
    }
}

impl NativeRule {
    fn add(&mut self, expr: Option<ExprId>, function: Function) {
        match expr {
            None => self.conditions = Some(function),
            Some(choice) => self.choices.push((choice, function)),
        }
    }

    /// Puts a function in the place of the one of an expression.
    fn replace(&mut self, expr: Option<ExprId>, function: Function) {
        match expr {
            None => self.conditions = Some(function),
            Some(expr) => self.choices.iter_mut().filter(|(choice, _)| *choice == expr).for_each(|(_, own)| {
                own.clone_from(&function);
            }),
        }
    }

    /// Returns the function of an expression; of all conditions, for none.
    fn function(&self, expr: Option<ExprId>) -> Option<&Function> {
        match expr {
            None => self.conditions.as_ref(),
            Some(expr) => self.choices.iter().find(|(choice, _)| *choice == expr).map(|(_, function)| function),
        }
    }

    fn functions(&self) -> impl Iterator<Item = &Function> {
        self.conditions.iter().chain(self.choices.iter().map(|(_, function)| function))
    }
}

/// Holds the functions of a set while they are compiled.
struct Building {
    report: NativeReport,
    rules: Vec<NativeRule>,
    known: Known,
}

impl Building {
    /// Adds the functions of the rules of a table: those that are known, and the others in units.
    fn add_table(
        &mut self,
        set: &RuleSet,
        base: &BaseCells,
        (maker, kind): (&Compiler, EntryKind),
        before: Option<&Known>,
    ) -> Result<(), Refusal> {
        let (inputs, computed) = unit::inputs(base);
        let mut all: Vec<Wanted<'_>> = Vec::new();
        for position in &base.rules {
            let (wanted, refusal) = unit::wanted(*position, &set.rules[*position], &inputs, &computed);
            self.report.rules[*position].refusal = refusal.map(|refusal| refusal.to_string());
            all.extend(wanted);
        }
        let contents: Vec<Option<Content>> = all.iter().map(Content::of).collect();
        let find = |content: &Option<Content>| before?.find(content.as_ref()?).cloned();
        let mut found: Vec<Option<Function>> = contents.iter().map(find).collect();
        content::release_spread(&mut found);
        let mut missing = Vec::new();
        for ((wanted, content), function) in all.iter().zip(contents).zip(found) {
            match function {
                Some(function) => {
                    self.report.reused += 1;
                    self.add(wanted, content, function);
                }
                None => missing.push((wanted, content)),
            }
        }
        while !missing.is_empty() {
            let (unit, contents): (Vec<_>, Vec<_>) = missing.drain(..missing.len().min(UNIT_SIZE)).unzip();
            let functions = unit::compile(maker, &unit, kind);
            for ((wanted, content), function) in unit.into_iter().zip(contents).zip(functions) {
                match function {
                    Ok(function) => self.add(wanted, content, function),
                    Err(refusal @ (Refusal::Memory(_) | Refusal::Target(_))) => return Err(refusal),
                    Err(refusal) => self.report.rules[wanted.rule].refusal = Some(refusal.to_string()),
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, wanted: &Wanted<'_>, content: Option<Content>, function: Function) {
        self.report.rules[wanted.rule].functions += 1;
        if let Some(content) = content {
            self.known.add(content, function.clone());
        }
        self.rules[wanted.rule].add(wanted.expr, function);
    }
}

/// Says whether evaluating a program's expressions twice gives the same, and changes nothing.
pub(crate) fn is_repeatable(program: &Program) -> bool {
    program.exprs().iter().all(|expr| match &expr.kind {
        ExprKind::Call { function, .. } => !matches!(function.effect, Effect::Random | Effect::State),
        _ => true,
    })
}

/// Plans the edits of the rules over a table; returns the keys that they edit.
fn plan_edits(set: &RuleSet, base: &BaseCells, rules: &mut [NativeRule]) -> Option<EditedKeys> {
    let mut keys = EditedKeys::new(base, &set.rules);
    for position in &base.rules {
        let rule = &set.rules[*position];
        if let Action::Replace { writes } = &rule.action {
            let choices: Vec<ExprId> = rules[*position].choices.iter().map(|(choice, _)| *choice).collect();
            let plan = EditPlan::new(rule, writes, (keys.as_mut(), &base.cells), &choices, &set.limits);
            rules[*position].edits = Some(plan);
        }
    }
    let mut keys = keys?;
    keys.guarded = keys.bits(&base.cells, base.guards.slots());
    for position in &base.rules {
        let program = &set.rules[*position].flat.program;
        let conditions = set.rules[*position].conditions.iter().map(|condition| condition.expr);
        let decisive = conditions.chain(rules[*position].choices.iter().map(|(choice, _)| *choice));
        let cells = decisive.flat_map(|expr| reads::columns(program, expr));
        let slots: Vec<u32> = cells.flat_map(|cell| base.cells.slots_of(cell)).collect();
        rules[*position].edited_keys_read = keys.bits(&base.cells, slots);
    }
    Some(keys)
}

/// Returns the kinds of points of a table that is scanned by native code; `None` stands for records that have none.
fn kinds(set: &RuleSet, base: Base) -> Vec<Option<Kind>> {
    match base {
        _ if set.base(base).rules.is_empty() => Vec::new(),
        // There are few resources, and the message around one is made for it.
        Base::Resources => Vec::new(),
        Base::Metrics => Kind::ALL.iter().copied().map(Some).collect(),
        Base::Logs | Base::Spans => vec![None],
    }
}

/// Returns what is scanned of the records of a table, and the tests that end a scan.
fn scanned<'s>(set: &RuleSet, cells: &'s BaseCells, kind: Option<Kind>) -> (&'s Pass, Vec<Guard>) {
    let pass = cells.plan.pass(Level::Record, kind).expect("kinds are given for metrics alone");
    let guards = match cells.rules[..] {
        [rule] => reads::guards(&set.rules[rule], &cells.cells, &cells.plan),
        _ => Vec::new(),
    };
    (pass, guards)
}

/// Returns what the conditions of a rule read of a record; `None` for one whose records have to be read in full.
fn conditions_read(rule: &CompiledRule, base: &BaseCells, scan: &RecordScan) -> Option<Reads> {
    if rule.on_error != Failure::Pass || !matches!(rule.action, Action::Drop | Action::Replace { .. }) {
        return None;
    }
    let program = &rule.flat.program;
    let of_record = rule.conditions.iter().filter(|condition| condition.level == Level::Record);
    let chosen = rule.values.iter().flatten().flat_map(|value| unit::choices(program, *value));
    let read = of_record.map(|condition| condition.expr).chain(chosen);
    let reads = read.map(|expr| reads::reads(program, expr, &base.cells, &base.plan, scan.layout()));
    Some(reads.fold(Reads::Bits(0), |all, one| Reads::Both(Box::new(all), Box::new(one))))
}

fn text(name: &Str) -> String {
    name.as_text().into_owned()
}
