//! Events of `tracing` through the rules, decided from metadata alone where a rule allows it.
//!
//! An event is a row of `logs`: level as severity, name as EventName, target as the scope's name, the message as Body,
//! other fields as Attributes. A callsite whose events some rule drops whatever their values is switched off, so that
//! such an event costs what a disabled one costs, and is not counted; all others are decided one by one.

use crate::load::Loaded;
use crate::places::try_lock;
use crate::rules::Rules;
use crate::seat::Fate;
use crate::subject::{Subject, Wants};
use dtq_ir::{Effect, ExprKind};
use dtq_record::otlp::Signal;
use dtq_record::otlp::fill::{FieldPath, Level};
use dtq_record::otlp::logs::column;
use dtq_record::slot::{Buffers, Slot};
use dtq_record::tables::Base;
use dtq_record::wire::{append_bytes_field, append_fixed64_field, append_message_field, append_varint_field};
use dtq_rules::compile::rule::{Action, CompiledRule};
use dtq_rules::compile::{self, RuleSet, compile};
use dtq_rules::engine::{Processor, SlotBuffers, SlotVerdict};
use dtq_rules::file::RuleFile;
use dtq_rules::file::rule::Mode;
use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tracing_core::field::{Field, Visit};
use tracing_core::{Event, Interest, Level as Severity, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Whether there is a layer whose decisions `tracing` keeps.
static HAS_LAYER: AtomicBool = AtomicBool::new(false);

/// Bytes of a value that has only `Debug`.
const DEBUG_BYTES_MAX: usize = 16 << 10;

/// Makes `tracing` ask again which callsites are on, because other rules run now.
pub(crate) fn decide_again() {
    if HAS_LAYER.load(Ordering::Relaxed) {
        tracing_core::callsite::rebuild_interest_cache();
    }
}

/// Compiles the rules that settle callsites, where there is a layer that asks for them.
///
/// Callsites are registered by whichever thread comes to them, and none is to wait for a compiler.
pub(crate) fn prepare(loaded: &Loaded) {
    if HAS_LAYER.load(Ordering::Relaxed) {
        loaded.settling.get_or_init(|| settling_rules(loaded));
    }
}

/// Drops events of `tracing` before any other layer formats them.
///
/// Rules that edit cannot edit an event: it passes as it is and is counted as unfit, or is withheld where a protective
/// rule stands for logs. What rules make besides goes to the host. Spans of `tracing` pass.
///
/// # Example
/// ```
/// use dtq_inprocess::layer::RulesLayer;
/// use dtq_inprocess::{Bounds, Rules, Silent};
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let yaml = "apiVersion: dtq/v1
/// rules:
///   - {name: quiet, to: drop, kql: 'logs | where tostring(Scope.Name) startswith_cs \"hyper\" and SeverityNumber between (1 .. 8)'}
/// ";
/// let rules = Rules::from_text("rules.yaml", yaml, Bounds::default(), Silent).expect("the rule is right");
/// let subscriber = tracing_subscriber::registry().with(RulesLayer::new(rules));
/// tracing::subscriber::with_default(subscriber, || {
///     assert!(!tracing::event_enabled!(target: "hyper::proto", tracing::Level::DEBUG));
///     assert!(tracing::event_enabled!(target: "hyper::proto", tracing::Level::WARN));
/// });
/// ```
pub struct RulesLayer {
    rules: Rules,
    resource: Vec<u8>,
    settled: Mutex<Settled>,
}

impl Debug for RulesLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RulesLayer({:?})", self.rules)
    }
}

impl RulesLayer {
    /// Returns the layer; a resource has no attributes.
    pub fn new(rules: Rules) -> Self {
        Self::with_resource(rules, &[])
    }

    /// Returns the layer; rules read these attributes as `Resource`.
    pub fn with_resource(rules: Rules, attributes: &[(&str, &str)]) -> Self {
        HAS_LAYER.store(true, Ordering::Relaxed);
        let mut resource = Vec::new();
        attributes
            .iter()
            .for_each(|(key, value)| append_attribute(&mut resource, 1, key, |out| append_text(out, value)));
        rules.loaded().0.iter().for_each(|loaded| prepare(loaded));
        Self { rules, resource, settled: Mutex::new(Settled::default()) }
    }

    /// Says whether some rule drops every event of a callsite; what cannot be asked now is decided event by event.
    fn is_dropped(&self, meta: &'static Metadata<'static>) -> bool {
        let Some(mut settled) = try_lock(&self.settled) else { return false };
        let generation = self.rules.generation();
        if settled.generation != generation {
            let (loaded, is_all) = self.rules.loaded();
            let loaded = loaded.filter(|_| is_all);
            let sets = loaded.as_ref().and_then(|loaded| loaded.settling.get());
            settled.rules = sets.into_iter().flatten().map(SettlingRule::new).collect();
            settled.generation = generation;
        }
        let subject = EventSubject { meta, event: None, resource: &self.resource };
        settled.rules.iter_mut().any(|rule| rule.drops(meta, &subject))
    }
}

impl<S: Subscriber> Layer<S> for RulesLayer {
    fn register_callsite(&self, meta: &'static Metadata<'static>) -> Interest {
        let decide = std::panic::AssertUnwindSafe(|| meta.is_event() && self.is_dropped(meta));
        // What panics is decided event by event, where panics are counted.
        match std::panic::catch_unwind(decide) {
            Ok(true) => Interest::never(),
            _ => Interest::always(),
        }
    }

    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let subject = EventSubject { meta: event.metadata(), event: Some(event), resource: &self.resource };
        let (fate, emissions) = self.rules.judge(&subject);
        if !emissions.is_empty() {
            self.rules.send(emissions);
        }
        match fate {
            Fate::Pass => true,
            Fate::Drop => false,
            Fate::Changed(_) => {
                self.rules.note_unfit();
                let is_protected = self.rules.is_protected(Signal::Logs);
                if is_protected {
                    self.rules.note_withheld();
                }
                !is_protected
            }
        }
    }
}

/// Holds the rules that can settle callsites, of one generation.
#[derive(Default)]
struct Settled {
    generation: u64,
    rules: Vec<SettlingRule>,
}

/// A rule that drops and depends on nothing but the record, compiled by itself.
struct SettlingRule {
    processor: Processor,
    slots: Vec<Slot>,
}

/// Returns the rules that drop a record whatever the rules before them do with it, each as a set of its own.
fn settling_rules(loaded: &Loaded) -> Vec<Arc<RuleSet>> {
    let mut rules = Vec::new();
    let concerned = |rule: &&CompiledRule| matches!(rule.base, Base::Logs | Base::Resources);
    for rule in loaded.set.rules.iter().filter(concerned) {
        // Past a rule that counts, edits, holds or rates records, dropping early would change what that rule does.
        let only_drops = rule.base == Base::Logs
            && matches!(rule.action, Action::Drop)
            && rule.mode == Mode::Enforce
            && !rule.has_state();
        if !only_drops {
            break;
        }
        if rule.expires_ticks.is_none() && is_pure(rule) {
            rules.extend(settling_rule(loaded, rule));
        }
    }
    rules
}

fn settling_rule(loaded: &Loaded, rule: &CompiledRule) -> Option<Arc<RuleSet>> {
    let own = loaded.file.rules.get(rule.place.1)?.clone();
    let file = RuleFile { rules: vec![own], ..loaded.file.clone() };
    let options = compile::Options { limits: loaded.set.limits.clone(), ..compile::Options::default() };
    compile(&[file], &options).set.map(Arc::new)
}

fn is_pure(rule: &CompiledRule) -> bool {
    let programs = [&rule.program, &rule.flat.program];
    programs.into_iter().flat_map(|program| program.exprs()).all(|expr| match &expr.kind {
        ExprKind::Call { function, .. } => function.effect == Effect::Pure,
        _ => true,
    })
}

impl SettlingRule {
    fn new(set: &Arc<RuleSet>) -> Self {
        let slots = vec![Slot::MISSING; set.base(Base::Logs).plan.slot_count()];
        Self { processor: Processor::new(Arc::clone(set), &Default::default()), slots }
    }

    /// Says whether the rule drops every event of a callsite.
    fn drops(&mut self, meta: &Metadata<'_>, subject: &EventSubject<'_>) -> bool {
        let base = self.processor.rules().base(Base::Logs);
        if !base.cells.paths().iter().all(|path| is_known(path, meta)) {
            return false;
        }
        let (mut record, mut scope) = (Vec::new(), Vec::new());
        subject.append_record(&mut record, &Wants::all());
        subject.append_scope(&mut scope);
        let plan = base.plan.clone();
        let slots = &mut self.slots;
        let is_filled = plan.fill_record(&record, slots).is_ok()
            && (!plan.has_level(Level::Resource) || plan.fill_resource(subject.resource(), slots).is_ok())
            && (!plan.has_level(Level::Scope) || plan.fill_scope(&scope, slots).is_ok());
        let buffers = Buffers { record: &record, resource: subject.resource(), scope: &scope, ..Buffers::default() };
        let buffers = SlotBuffers::new(buffers);
        let mut judge = self.processor.slot_judge(Signal::Logs, 0);
        is_filled && {
            judge.enter(slots, &buffers);
            matches!(judge.judge(slots, &buffers), SlotVerdict::Removed(_))
        }
    }
}

/// Says whether a field is the same for all events of a callsite.
fn is_known(path: &FieldPath, meta: &Metadata<'_>) -> bool {
    let fields = meta.fields();
    // The bridge from `log` has one callsite a level, with the real target among the values.
    if fields.field("log.target").is_some() {
        return false;
    }
    match path.column {
        column::TIMESTAMP | column::OBSERVED_TIMESTAMP => false,
        column::BODY => fields.field("message").is_none(),
        column::ATTRIBUTES => match &path.key {
            Some(key) => !fields.iter().any(|field| field.name().as_bytes() == key.as_bytes()),
            None => fields.iter().all(|field| field.name() == "message"),
        },
        _ => true,
    }
}

/// An event, or what is known of all events of a callsite.
struct EventSubject<'e> {
    meta: &'e Metadata<'e>,
    event: Option<&'e Event<'e>>,
    resource: &'e [u8],
}

impl Subject for EventSubject<'_> {
    fn signal(&self) -> Signal {
        Signal::Logs
    }

    fn append_record(&self, out: &mut Vec<u8>, wants: &Wants) {
        let (number, text) = severity(self.meta.level());
        append_varint_field(out, 2, number);
        append_bytes_field(out, 3, text.as_bytes());
        append_bytes_field(out, 12, self.meta.name().as_bytes());
        if let Some(event) = self.event
            && (wants.column(column::BODY) || wants.any(column::ATTRIBUTES))
        {
            event.record(&mut Values { out, wants });
        }
    }

    fn append_scope(&self, out: &mut Vec<u8>) {
        append_bytes_field(out, 1, self.meta.target().as_bytes());
    }

    fn resource(&self) -> &[u8] {
        self.resource
    }
}

/// Returns number and text of a level, as OpenTelemetry's own bridge gives them.
fn severity(level: &Severity) -> (u64, &'static str) {
    match *level {
        Severity::TRACE => (1, "TRACE"),
        Severity::DEBUG => (5, "DEBUG"),
        Severity::INFO => (9, "INFO"),
        Severity::WARN => (13, "WARN"),
        Severity::ERROR => (17, "ERROR"),
    }
}

/// Appends the values of an event that are wanted.
struct Values<'o, 'w> {
    out: &'o mut Vec<u8>,
    wants: &'w Wants,
}

impl Values<'_, '_> {
    fn append(&mut self, field: &Field, value: impl FnOnce(&mut Vec<u8>)) {
        if field.name() == "message" {
            if self.wants.column(column::BODY) {
                append_message_field(self.out, 5, value);
            }
        } else if self.wants.key(column::ATTRIBUTES, field.name().as_bytes()) {
            append_attribute(self.out, 6, field.name(), value);
        }
    }
}

impl Visit for Values<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.append(field, |out| append_text(out, value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.append(field, |out| append_varint_field(out, 2, u64::from(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.append(field, |out| append_varint_field(out, 3, value as u64));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.record_i64(field, value),
            // OTLP has no unsigned integers.
            Err(_) => self.record_str(field, &value.to_string()),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.append(field, |out| append_fixed64_field(out, 4, value.to_bits()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.append(field, |out| {
            let mut text = Bounded(String::new());
            // What does not fit is cut off; `Debug` of a value that is cut fails, and is no failure here.
            let _ = fmt::write(&mut text, format_args!("{value:?}"));
            append_text(out, &text.0);
        });
    }
}

/// Takes text up to a bound.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = DEBUG_BYTES_MAX.saturating_sub(self.0.len());
        let end = (0..=text.len().min(room)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.0.push_str(&text[..end]);
        if end < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

fn append_text(out: &mut Vec<u8>, text: &str) {
    append_bytes_field(out, 1, text.as_bytes());
}

fn append_attribute(out: &mut Vec<u8>, number: u32, key: &str, value: impl FnOnce(&mut Vec<u8>)) {
    append_message_field(out, number, |out| {
        append_bytes_field(out, 1, key.as_bytes());
        append_message_field(out, 2, value);
    });
}
