//! A rule set to the rules whose conditions the kernel decides, and for the others and the rest why not.
//!
//! A rule goes down when it does nothing but drop, what decides it is in the record alone, and no rule before it in the
//! effective order could do something with a record that it takes away. What stays is decided by the processors behind,
//! which see every record that the kernel keeps. Attaches nothing. Next: `attach`.

use dtq_ebpf::Unsupported;
use dtq_ebpf::filter::{self, Above, Draw, Effect, Filter, FilterSpec, Front};
use dtq_ebpf::layout::RULES_MAX;
use dtq_ebpf::payload::Format;
use dtq_ebpf::predicate::{Stays, describe};
use dtq_ebpf::tally::{TALLIES_MAX, Tally};
use dtq_ir::ExprId;
use dtq_ir::condition::Condition;
use dtq_ir::condition::term::Term;
use dtq_ir::reads::Path;
use dtq_record::otlp::fill::FieldPath;
use dtq_record::tables::{self, Base};
use dtq_rules::compile::cells::Cells;
use dtq_rules::compile::rule::{Action, ColumnWrite, CompiledRule};
use dtq_rules::compile::set::RuleSet;
use dtq_rules::file::rule::{Mode, Tier};
use dtq_value::Value;
use limits::{above_of, draw_of, draw_text, rate_text};
use sources::Sources;

mod limits;

mod sources;

mod tally;

pub use tally::{Reading, merged};

/// Holds what the kernel does of a rule set.
#[derive(Debug)]
pub struct Shared {
    /// The filter; `None` when nothing goes down.
    pub filter: Option<Filter>,
    /// For each rule of the set, in its order, what became of it.
    pub rules: Vec<SharedRule>,
    /// How what the filter counts by keys is read, by tally.
    pub readings: Vec<Reading>,
}

/// Says what becomes of a rule in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedRule {
    /// Its name.
    pub name: String,
    /// Its position among the rules of the filter, whose counts it has; `None` when it stays up as a whole.
    pub filter_rule: Option<usize>,
    /// What is counted for it where it is dropped, by its position among the filter's tallies.
    pub tally: Option<usize>,
    /// Why it stays up as a whole.
    pub reason: Option<String>,
    /// What of its condition goes down.
    pub down: Vec<String>,
    /// What of its condition stays, and why.
    pub stays: Vec<(String, String)>,
}

/// Says for what rules are shared out.
#[derive(Clone, Copy, Debug)]
pub struct ShareOptions {
    /// The format of payloads.
    pub format: Format,
    /// Where payloads begin.
    pub front: Front,
    /// Whether the filter keeps everything unless its lease is renewed.
    pub has_lease: bool,
    /// Whether whoever attaches the filter reads what it counts ([`Shared::readings`]) and makes points of it. Only then a
    /// rule may drop what an earlier one counts.
    pub reads_counts: bool,
    /// Whether whoever attaches the filter shares out anew when the time of a rule is over; else a rule whose time ends
    /// stays up, since a program cannot tell.
    pub minds_expiry: bool,
}

/// Returns what the kernel does of a rule set, which is compiled for all tiers.
///
/// Where what goes down makes no program together, such as with more fields than there is room for, the last rules stay up.
pub fn share(set: &RuleSet, options: &ShareOptions) -> Shared {
    let mut sources = Sources::default();
    let cells = &set.bases[Base::Logs as usize].cells;
    let candidates: Vec<Result<(Term, Effect), Unsupported>> =
        set.rules.iter().map(|rule| candidate(rule, cells, &mut sources, options)).collect();
    let conditions: Vec<Option<Condition>> =
        set.rules.iter().map(|rule| condition(rule, cells, &mut sources)).collect();
    let mut counters = Counters::of(set, &mut sources, options);
    let mut rules = Vec::new();
    let mut goes: Vec<Going<'_>> = Vec::new();
    for (position, (rule, candidate)) in set.rules.iter().zip(&candidates).enumerate() {
        let mut shared = SharedRule {
            name: rule.name.as_text().into_owned(),
            filter_rule: None,
            tally: None,
            reason: None,
            down: Vec::new(),
            stays: Vec::new(),
        };
        let in_front = |part: Option<&Condition>| counters.in_front(set, &conditions, (position, part));
        match candidate {
            Err(reason) => shared.reason = Some(reason.to_string()),
            Ok((whole, effect)) => match free_parts(whole, *effect, &in_front, &mut shared) {
                Some((condition, tallies)) => match above_of(rule, cells, &mut sources) {
                    Err(reason) => shared.reason = Some(reason.to_string()),
                    Ok(Some(_)) if !shared.stays.is_empty() => {
                        shared.reason =
                            Some("it acts above a rate, and rules before it may touch what it drops".to_owned());
                    }
                    Ok(above) => {
                        let (effect, draw) = (*effect, draw_of(rule).map(|(_, draw)| draw));
                        goes.push(Going { position, condition, whole, effect, tallies, above, draw });
                    }
                },
                None => shared.reason = in_front(conditions[position].as_ref()).err(),
            },
        }
        rules.push(shared);
    }
    counters.keep_used(&mut goes);
    let filter = compile(&goes, (&sources, cells.paths()), &counters.tallies, options, &mut rules);
    counters.describe(&goes, &mut rules);
    Shared { filter, rules, readings: counters.readings }
}

/// Holds a rule that goes down.
struct Going<'t> {
    /// Its position in the set.
    position: usize,
    /// What decides in the kernel.
    condition: Term,
    /// What decides in user space.
    whole: &'t Term,
    effect: Effect,
    /// The tallies that see what it drops.
    tallies: u64,
    above: Option<Above>,
    draw: Option<Draw>,
}

/// Returns the part of a condition whose records no earlier rule has a use for but to count them, and the tallies that do;
/// `None` when there is none. Of one that drops these are operands of its outer `or`; one that keeps is free as a whole or
/// not at all.
fn free_parts(
    whole: &Term,
    effect: Effect,
    in_front: &dyn Fn(Option<&Condition>) -> Result<u64, String>,
    shared: &mut SharedRule,
) -> Option<(Term, u64)> {
    let condition = Condition::from(whole.clone());
    if effect == Effect::Keeps {
        return in_front(Some(&condition)).ok().map(|tallies| (whole.clone(), tallies));
    }
    let (mut free, mut tallies) = (Vec::new(), 0);
    for part in condition.disjuncts() {
        match in_front(Some(&part)) {
            Err(reason) => shared.stays.push((describe(part.term()), reason)),
            Ok(more) => {
                tallies |= more;
                free.push(part.term().clone());
            }
        }
    }
    let free = free.into_iter().reduce(|left, right| Term::Or(Box::new(left), Box::new(right)));
    if free.is_none() {
        shared.stays.clear();
    }
    free.map(|free| (free, tallies))
}

/// Holds what can be counted where it is dropped.
struct Counters {
    tallies: Vec<Tally>,
    readings: Vec<Reading>,
    /// For each rule its tally, or why it has none; nothing for one that makes no metrics.
    of_rules: Vec<Option<Result<usize, Unsupported>>>,
}

impl Counters {
    fn of(set: &RuleSet, sources: &mut Sources, options: &ShareOptions) -> Self {
        let cells = &set.bases[Base::Logs as usize].cells;
        let mut counters = Self { tallies: Vec::new(), readings: Vec::new(), of_rules: Vec::new() };
        for (position, rule) in set.rules.iter().enumerate() {
            if !options.reads_counts || !matches!(rule.action, Action::Measure(_) | Action::Window(_)) {
                counters.of_rules.push(None);
                continue;
            }
            let made = tally::candidate(&set.rules, position, cells, sources).and_then(|made| {
                // Each by itself first, as rules are.
                let all = Term::Const(Value::Bool(true));
                let rule = filter::Rule {
                    condition: &all,
                    whole: &all,
                    effect: Effect::Drops,
                    tallies: 1,
                    above: None,
                    draw: None,
                };
                made_of(&[rule], std::slice::from_ref(&made.tally), (sources, cells.paths()), options)?;
                if counters.tallies.len() >= TALLIES_MAX {
                    return Err(Unsupported::new("too many rules before it are counted in the kernel"));
                }
                Ok(made)
            });
            counters.of_rules.push(Some(made.map(|made| {
                counters.tallies.push(made.tally);
                counters.readings.push(made.reading);
                counters.tallies.len() - 1
            })));
        }
        counters
    }

    /// Returns which tallies see what a rule drops, itself among them where it counts what it removes.
    ///
    /// # Errors
    /// Which rule in front of it keeps it from going down.
    fn in_front(
        &self,
        set: &RuleSet,
        conditions: &[Option<Condition>],
        (position, part): (usize, Option<&Condition>),
    ) -> Result<u64, String> {
        let rule = &set.rules[position];
        let mut mask = match (&self.of_rules[position], tally::is_consuming(rule)) {
            (Some(Ok(own)), true) => 1 << own,
            (Some(Err(reason)), true) => return Err(reason.to_string()),
            (None, true) => {
                return Err("it counts what it removes, and nothing reads here what the kernel counts".to_owned());
            }
            _ => 0,
        };
        for (earlier, earlier_rule) in set.rules[..position].iter().enumerate() {
            let Some(touch) = touches((earlier_rule, &conditions[earlier]), (rule, part)) else {
                continue;
            };
            match &self.of_rules[earlier] {
                Some(Ok(tally)) => mask |= 1 << tally,
                Some(Err(reason)) => return Err(format!("{touch}, and {reason}")),
                None => return Err(touch),
            }
        }
        Ok(mask)
    }

    /// Leaves out what no rule needs that goes down.
    fn keep_used(&mut self, goes: &mut [Going<'_>]) {
        let used = goes.iter().fold(0, |used, going| used | going.tallies);
        let place = |tally: usize| (used & ((1 << tally) - 1)).count_ones() as usize;
        let is_used = |tally: usize| used >> tally & 1 == 1;
        for going in goes {
            let bits = (0..TALLIES_MAX).filter(|tally| going.tallies >> tally & 1 == 1);
            going.tallies = bits.fold(0, |mask, tally| mask | 1 << place(tally));
        }
        for tally in (0..self.tallies.len()).rev().filter(|tally| !is_used(*tally)) {
            self.tallies.remove(tally);
            self.readings.remove(tally);
        }
        for of_rule in self.of_rules.iter_mut().flatten() {
            if let Ok(tally) = of_rule {
                *of_rule = match is_used(*tally) {
                    true => Ok(place(*tally)),
                    false => Err(Unsupported::new("nothing behind it drops in the kernel what it counts")),
                };
            }
        }
    }

    /// Writes what became of rules that count.
    fn describe(&self, goes: &[Going<'_>], rules: &mut [SharedRule]) {
        let down = goes.iter().filter(|going| rules[going.position].filter_rule.is_some());
        let used = down.fold(0, |used, going| used | going.tallies);
        for (rule, of_rule) in rules.iter_mut().zip(&self.of_rules) {
            match of_rule {
                Some(Ok(tally)) if used >> tally & 1 == 1 => {
                    rule.tally = Some(*tally);
                    rule.down.push(format!("{} of what is dropped here", self.readings[*tally].text));
                    let rest = "what is dropped here is counted here, and what is kept where points are made";
                    rule.reason.get_or_insert_with(String::new).replace_range(.., rest);
                }
                Some(Err(reason)) if rule.filter_rule.is_none() => rule.reason = Some(reason.to_string()),
                _ => {}
            }
        }
    }
}

/// Compiles some rules.
fn made_of(
    rules: &[filter::Rule<'_>],
    tallies: &[Tally],
    (sources, also_read): (&Sources, &[FieldPath]),
    options: &ShareOptions,
) -> Result<Filter, Unsupported> {
    let source = |path: &Path| sources.find(path);
    let ShareOptions { format, front, has_lease, .. } = *options;
    filter::compile(&FilterSpec { format, front, rules, tallies, source: &source, also_read, has_lease })
}

/// Compiles what goes down, and writes what became of it.
fn compile(
    goes: &[Going<'_>],
    paths: (&Sources, &[FieldPath]),
    tallies: &[Tally],
    options: &ShareOptions,
    rules: &mut [SharedRule],
) -> Option<Filter> {
    let of = |rules: &[filter::Rule<'_>]| made_of(rules, tallies, paths, options);
    let mut kept: Vec<filter::Rule<'_>> = Vec::new();
    let mut places: Vec<&Going<'_>> = Vec::new();
    for going in goes {
        let Going { position, condition, whole, effect, tallies, above, draw } = going;
        let shared = &mut rules[*position];
        if kept.len() >= RULES_MAX {
            shared.reason = Some(format!("{RULES_MAX} rules before it go down, and a filter has no more"));
            continue;
        }
        // Each by itself first, so that one without anything to decide costs the others nothing.
        let (effect, tallies, above, draw) = (*effect, *tallies, above.as_ref(), *draw);
        let rule = filter::Rule { condition, whole, effect, tallies, above, draw };
        match of(&[rule]) {
            Ok(alone) => {
                write(shared, going, &alone.shares[0].stays);
                shared.filter_rule = Some(kept.len());
                kept.push(rule);
                places.push(going);
            }
            Err(reason) => {
                shared.reason = Some(reason.to_string());
                shared.stays.extend(described(&filter::stays(&rule, options.format, &|path| paths.0.find(path))));
            }
        }
    }
    let fitting = |count: usize| match of(&kept[..count]) {
        Ok(filter) => dtq_ebpf::encode(&filter.program).map_err(|error| error.to_string()).map(|_| filter),
        Err(reason) => Err(reason.to_string()),
    };
    // One by itself fits; all of them nearly always do.
    let (mut fits, mut count, mut found) = (0, kept.len(), None);
    let mut too_many = kept.len() + 1;
    let mut refusal = String::new();
    while count > fits {
        match fitting(count) {
            Ok(filter) => (fits, found) = (count, Some(filter)),
            Err(reason) => (too_many, refusal) = (count, reason),
        }
        count = fits.midpoint(too_many);
    }
    for going in &places[fits..] {
        let shared = &mut rules[going.position];
        shared.filter_rule = None;
        shared.down.clear();
        shared.reason = Some(format!("with those before it the program would be too large: {refusal}"));
    }
    // Together they may read more fields than there is room for, which each by itself did not.
    for (going, share) in places.iter().zip(found.iter().flat_map(|filter| &filter.shares)) {
        let shared = &mut rules[going.position];
        write(shared, going, &share.stays);
        if share.plan.is_none() {
            shared.filter_rule = None;
            shared.down.clear();
            shared.reason = Some("with those before it there is no room for what it reads".to_owned());
        }
    }
    found
}

/// Writes which parts of a rule stay, and which go down.
fn write(shared: &mut SharedRule, going: &Going<'_>, stays: &[Stays]) {
    for one in described(stays) {
        if !shared.stays.contains(&one) {
            shared.stays.push(one);
        }
    }
    shared.down = parts(&going.condition, going.effect, stays);
    shared.down.extend(going.above.as_ref().map(rate_text));
    shared.down.extend(going.draw.as_ref().map(draw_text));
}

/// Returns the parts that stay and why, in words, each once.
fn described(stays: &[Stays]) -> Vec<(String, String)> {
    let mut described: Vec<(String, String)> = Vec::new();
    for one in stays.iter().map(|stays| (describe(&stays.part), stays.reason.to_string())) {
        if !described.contains(&one) {
            described.push(one);
        }
    }
    described
}

/// Returns the parts of a condition that go down: operands of the outer `or` of one that drops, of the outer `and` of one
/// that keeps.
fn parts(condition: &Term, effect: Effect, stays: &[Stays]) -> Vec<String> {
    let Some(down) = without(condition, stays, effect == Effect::Drops) else { return Vec::new() };
    let down = Condition::from(down);
    let parts = match effect {
        Effect::Drops => down.disjuncts(),
        Effect::Keeps => down.conjuncts(),
    };
    parts.iter().map(|part| describe(part.term())).collect()
}

/// Returns a condition without the parts that stay; of `and` both operands are needed, and one of `or`, or the reverse.
fn without(term: &Term, stays: &[Stays], needs_both_of_and: bool) -> Option<Term> {
    let both = |left: &Term, right: &Term, needs_both: bool, join: fn(Box<Term>, Box<Term>) -> Term| {
        let operands = [left, right].map(|operand| without(operand, stays, needs_both_of_and));
        match operands {
            [Some(left), Some(right)] => Some(join(Box::new(left), Box::new(right))),
            [Some(one), None] | [None, Some(one)] if !needs_both => Some(one),
            _ => None,
        }
    };
    match term {
        Term::And(left, right) => both(left, right, needs_both_of_and, Term::And),
        Term::Or(left, right) => both(left, right, !needs_both_of_and, Term::Or),
        Term::Call { function, args, .. } if function.name == "not" && args.len() == 1 => {
            let operand = without(&args[0], stays, !needs_both_of_and)?;
            let mut term = term.clone();
            if let Term::Call { args, .. } = &mut term {
                args[0] = operand;
            }
            Some(term)
        }
        _ => (!stays.iter().any(|stays| stays.part == *term)).then(|| term.clone()),
    }
}

/// Returns the condition and the effect of a rule that can go down.
fn candidate(
    rule: &CompiledRule,
    cells: &Cells,
    sources: &mut Sources,
    options: &ShareOptions,
) -> Result<(Term, Effect), Unsupported> {
    let no = |reason: &'static str| Err(Unsupported::new(reason));
    if rule.expires_ticks.is_some() && !options.minds_expiry {
        return no("it expires, and nothing here would take it out of the kernel then");
    }
    let effect = match &rule.action {
        Action::Drop => Effect::Drops,
        Action::Replace { .. } => Effect::Keeps,
        // Where metrics rules may run is where their points are made.
        _ if tally::is_consuming(rule) && rule.mode == Mode::Enforce => {
            return Ok((term(rule, cells, sources), Effect::Drops));
        }
        _ => return no("it makes something of records, and the kernel only drops"),
    };
    if !rule.tiers.contains(&Tier::Kernel) {
        return no("its `tiers` leave out `kernel`");
    }
    if rule.mode != Mode::Enforce {
        return no("it observes, which is done where records are seen as a whole");
    }
    if rule.base != Base::Logs {
        return no("only `logs` arrives in datagrams");
    }
    if !rule.membership.is_empty() {
        return no("its table holds only some of the records, which is decided in user space");
    }
    if rule.above.is_some() && effect == Effect::Keeps {
        return no("it edits above a rate, which is counted in user space");
    }
    if rule.has_pipeline || rule.scan.is_some() {
        return no("its query is more than conditions and columns");
    }
    if !rule.lookups.is_empty() || !rule.tables_read.is_empty() {
        return no("it looks into a table that other rules fill");
    }
    let Some((drawn, _)) = draw_of(rule) else { return Ok((term(rule, cells, sources), effect)) };
    if effect == Effect::Keeps || rule.tiers != [Tier::Kernel] {
        return no(
            "it draws, and user space would draw again of what is kept: that takes `to: drop` and `tiers: [kernel]`",
        );
    }
    let others: Vec<ExprId> = rule.flat.conditions.iter().copied().filter(|condition| *condition != drawn).collect();
    Ok((term_of(rule, &others, cells, sources), effect))
}

/// Returns the condition of a rule's flat part over fields of `logs`.
fn term(rule: &CompiledRule, cells: &Cells, sources: &mut Sources) -> Term {
    term_of(rule, &rule.flat.conditions, cells, sources)
}

/// Returns what some conditions of a rule's flat part are together.
fn term_of(rule: &CompiledRule, conditions: &[ExprId], cells: &Cells, sources: &mut Sources) -> Term {
    let conditions = conditions.iter().map(|expr| {
        let over_cells = Condition::of_row(&rule.flat.program, *expr);
        over_cells.term().map_fields(&mut |path| sources.name(path, cells))
    });
    let all = conditions.reduce(|left, right| Term::And(Box::new(left), Box::new(right)));
    all.unwrap_or(Term::Const(Value::Bool(true)))
}

/// Returns when a rule does something with a record of `logs`, as far as that can be said.
fn condition(rule: &CompiledRule, cells: &Cells, sources: &mut Sources) -> Option<Condition> {
    let is_plain = rule.base == Base::Logs && !rule.has_pipeline && rule.scan.is_none() && rule.lookups.is_empty();
    is_plain.then(|| term(rule, cells, sources).into())
}

/// Returns what an earlier rule does with a record that a later one could take away, if it may do something.
fn touches(
    (earlier, earlier_condition): (&CompiledRule, &Option<Condition>),
    (later, later_condition): (&CompiledRule, Option<&Condition>),
) -> Option<String> {
    let does = match &earlier.action {
        _ if !matches!(earlier.base, Base::Logs | Base::Resources) => return None,
        _ if earlier.mode == Mode::Observe => "observes",
        Action::Drop => return None,
        Action::Replace { writes } => {
            let written: Vec<&str> = writes.iter().flat_map(|write| written(earlier, write)).collect();
            let is_read = later_condition.is_none_or(|condition| reads(condition.term(), &written));
            if !is_read {
                return None;
            }
            "edits what it reads of"
        }
        Action::Logs { .. } => "makes records of",
        Action::Measure(_) | Action::Window(_) => "counts",
        Action::Table { .. } => "remembers",
        Action::Recorder { .. } => "holds",
        Action::Flush { .. } => "lets through others because of",
        Action::Route { .. } => "routes",
    };
    let drops_others = matches!(later.action, Action::Replace { .. });
    let may_overlap = match (earlier_condition, later_condition) {
        // What a later one takes away is what does not match it.
        (Some(earlier), Some(later)) if !drops_others => earlier.may_overlap(later),
        _ => true,
    };
    may_overlap.then(|| format!("`{}` {does} records before it that it may drop", earlier.name.as_text()))
}

/// Returns the columns of `logs` that a rule writes with a column of its table.
fn written<'r>(rule: &'r CompiledRule, write: &'r ColumnWrite) -> Vec<&'r str> {
    if rule.base == Base::Resources {
        // Whatever of a Resource is edited, records see it there.
        return vec!["Resource"];
    }
    let logs = tables::standard("logs").expect("`logs` is a standard table");
    if rule.table.name == "logs" {
        return vec![logs.columns[write.column].name.as_str()];
    }
    write.reads.iter().map(|(column, _)| logs.columns[*column].name.as_str()).collect()
}

/// Says whether a condition may read one of these columns.
fn reads(term: &Term, columns: &[&str]) -> bool {
    match term {
        // A key that may stand for another column may be any.
        Term::Field(path, _) => path.table != "logs" || columns.contains(&path.column.as_str()),
        Term::Unknown(_) => true,
        _ => term.children().into_iter().any(|child| reads(child, columns)),
    }
}
