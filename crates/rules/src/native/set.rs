//! The native code of one rule set, ready for its processors.

use crate::compile::RuleSet;
use crate::compile::rule::{Action, CompiledRule, Failure};
use crate::compile::set::{BaseCells, base_position};
use crate::native::edits::{EditPlan, EditedKeys};
use crate::native::reads::{self, Reads};
use crate::native::unit::{self, Function, Wanted};
use dtq_ir::{Effect, ExprId, ExprKind, Program};
use dtq_jit::{Code, Compiler, Condition, Filled, RecordScan, Refusal, Target};
use dtq_record::otlp::fill::Level;
use dtq_record::otlp::metrics::Kind;
use dtq_record::slot::Slot;
use dtq_record::tables::Base;
use dtq_value::Str;
use serde::Serialize;
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
    /// By standard table, and for metrics by kind of point.
    scans: Vec<Vec<Option<RecordScan>>>,
    /// By standard table.
    edited_keys: Vec<Option<EditedKeys>>,
    rules: Vec<NativeRule>,
    report: NativeReport,
}

/// Holds the functions of a rule.
#[derive(Debug, Default)]
struct NativeRule {
    /// All its conditions on records.
    conditions: Option<Function>,
    /// What is read to decide its conditions, for the only rule of a table.
    reads: Option<Reads>,
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
    /// Size of all code in bytes.
    pub code_bytes: usize,
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
    /// Some 50 microseconds a rule.
    pub fn compile(set: &Arc<RuleSet>) -> Result<Self, Refusal> {
        let compiler = Compiler::host()?;
        let mut report = NativeReport {
            rules: set
                .rules
                .iter()
                .map(|rule| RuleReport { name: text(&rule.name), ..RuleReport::default() })
                .collect(),
            ..NativeReport::default()
        };
        let native_rule = |rule: &CompiledRule| NativeRule {
            is_repeatable: is_repeatable(&rule.flat.program),
            ..NativeRule::default()
        };
        let mut rules: Vec<NativeRule> = set.rules.iter().map(native_rule).collect();
        for base in &set.bases {
            let (inputs, computed) = unit::inputs(base);
            let mut all: Vec<Wanted<'_>> = Vec::new();
            for position in &base.rules {
                let (wanted, refusal) = unit::wanted(*position, &set.rules[*position], &inputs, &computed);
                report.rules[*position].refusal = refusal.map(|refusal| refusal.to_string());
                all.extend(wanted);
            }
            for chunk in all.chunks(UNIT_SIZE) {
                let functions = unit::compile(&compiler, chunk);
                report.code_bytes += sizes(&functions);
                for (wanted, function) in chunk.iter().zip(functions) {
                    let place = &mut report.rules[wanted.rule];
                    match function {
                        Ok(function) => {
                            place.functions += 1;
                            rules[wanted.rule].add(wanted.expr, function);
                        }
                        Err(refusal @ (Refusal::Memory(_) | Refusal::Target(_))) => return Err(refusal),
                        Err(refusal) => place.refusal = Some(refusal.to_string()),
                    }
                }
            }
        }
        let scans: Vec<Vec<Option<RecordScan>>> =
            Base::ALL.iter().map(|base| scans(set, *base, &mut report)).collect::<Result<_, _>>()?;
        for (base, scans) in set.bases.iter().zip(&scans) {
            if let ([rule], [Some(scan)]) = (&base.rules[..], &scans[..]) {
                rules[*rule].reads = conditions_read(&set.rules[*rule], base, scan);
            }
        }
        let edited_keys = set.bases.iter().map(|base| plan_edits(set, base, &mut rules)).collect();
        Ok(Self { set: Arc::clone(set), scans, edited_keys, rules, report })
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
        self.scans[base_position(base)].get(place)?.as_ref()
    }

    /// Returns what a rule reads of a record to decide it, where that is known.
    pub(crate) fn reads(&self, rule: usize) -> Option<&Reads> {
        self.rules[rule].reads.as_ref()
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
        let found = self.rules[rule].choices.iter().find(|(choice, _)| *choice == expr);
        found.map(|(_, function)| function.condition())
    }
}

impl NativeRule {
    fn add(&mut self, expr: Option<ExprId>, function: Function) {
        match expr {
            None => self.conditions = Some(function),
            Some(choice) => self.choices.push((choice, function)),
        }
    }
}

impl Function {
    #[inline]
    fn condition(&self) -> Condition<'_> {
        self.code.condition(self.index)
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

/// Compiles the scans of a table's records: one, or one a kind of point.
fn scans(set: &RuleSet, base: Base, report: &mut NativeReport) -> Result<Vec<Option<RecordScan>>, Refusal> {
    let cells = set.base(base);
    let kinds: Vec<Option<Kind>> = match base {
        _ if cells.rules.is_empty() => Vec::new(),
        // There are few resources, and the message around one is made for it.
        Base::Resources => Vec::new(),
        Base::Metrics => Kind::ALL.iter().copied().map(Some).collect(),
        Base::Logs | Base::Spans => vec![None],
    };
    let target = Target::host()?;
    let mut scans = Vec::new();
    for kind in kinds {
        let pass = cells.plan.pass(Level::Record, kind).expect("kinds are given for metrics alone");
        let guards = match cells.rules[..] {
            [rule] => reads::guards(&set.rules[rule], &cells.cells, &cells.plan),
            _ => Vec::new(),
        };
        let scan = match RecordScan::compile(&target, pass, cells.plan.slot_count(), &guards) {
            Ok(scan) => {
                report.code_bytes += scan.code_size();
                report.scans.push(base.name());
                Some(scan)
            }
            Err(refusal @ (Refusal::Memory(_) | Refusal::Target(_))) => return Err(refusal),
            Err(refusal) => {
                report.scan_refusals.push(format!("{}: {refusal}", base.name()));
                None
            }
        };
        scans.push(scan);
    }
    Ok(scans)
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

/// Returns the size of the code that functions lie in, which some of them share.
fn sizes(functions: &[Result<Function, Refusal>]) -> usize {
    let mut codes: Vec<&Arc<Code>> = functions.iter().flatten().map(|function| &function.code).collect();
    codes.dedup_by(|left, right| Arc::ptr_eq(left, right));
    codes.iter().map(|code| code.size()).sum()
}

fn text(name: &Str) -> String {
    name.as_text().into_owned()
}
