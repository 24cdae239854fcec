//! Conditions of rules and a format of payloads to a filter: one program and its maps.
//!
//! The program copies the payload, has it read record by record, judges each, and drops it when every record of it is
//! surely dropped. Whatever else happens it keeps it, and counts why. One run at a time uses the scratch of a processor.

mod judged;

use crate::Unsupported;
use crate::asm::Label;
use crate::callee::Helper;
use crate::emit::{COUNTS_MAP, Emitter, SCRATCH, SCRATCH_MAP};
use crate::filter::judged::Judged;
use crate::insn::{Alu, AtomicOp, Cond, Insn, Operand, Reg, Size};
use crate::layout::{self, Reason};
use crate::map::{MapDef, MapKind};
use crate::payload::Format;
use crate::predicate::field::{Fields, Source};
use crate::predicate::passes::{Pass, share_passes};
use crate::predicate::{self, Plan, Stays, Want};
use crate::tally::rate::{self, Limit};
use crate::tally::{self, Planned, Tables, Tally};
use dtq_ir::condition::term::Term;
use dtq_ir::reads::Path;
use dtq_record::otlp::fill::FieldPath;

/// Bytes of the headers of IP and UDP that are looked at together.
const HEADERS_SIZE: i32 = 28;
/// The number of UDP among protocols of the internet.
const UDP: u8 = 17;
/// Bytes of the header that stands in front of what a UDP socket receives.
const UDP_HEADER_SIZE: i32 = 8;
/// Where the context says how large the datagrams are that were merged (`struct __sk_buff`, `gso_size`).
const GSO_SIZE: i16 = 176;
/// Position of the count of payloads that are kept because nothing drops them.
const KEPT: u32 = 0;
/// Position of the count of payloads that are dropped.
const DROPPED: u32 = 1;
/// Position of the counts of reasons, less that of the first.
const REASONS: u32 = 1;
/// Position of the counts of rules.
const RULES: u32 = REASONS + Reason::ALL.len() as u32 + 1;

/// Names where the payload begins in what a program is run on, and what its result means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Front {
    /// A datagram of a Unix socket: the payload alone.
    UnixDatagram,
    /// A datagram of a UDP socket: a header of eight bytes, then the payload.
    UdpDatagram,
    /// A packet that a process of a control group sends: the headers of IP and UDP, then the payload. Of others than those
    /// to this port, with options, or in fragments nothing is looked at or counted.
    EgressPacket {
        /// The port that datagrams are sent to.
        port: u16,
    },
}

impl Front {
    /// Returns what keeps a packet, and what drops it.
    fn results(self) -> (i32, i32) {
        match self {
            // The bytes of a packet that are kept.
            Front::UnixDatagram | Front::UdpDatagram => (-1, 0),
            // `enum cgroup_bpf_attach_type`: dropped without a word to the sender.
            Front::EgressPacket { .. } => (1, 2),
        }
    }
}

/// Says what becomes of records by a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Those of which it is true are dropped.
    Drops,
    /// Those of which it is true go on, the others are dropped.
    Keeps,
}

impl Effect {
    fn want(self) -> Want {
        match self {
            Effect::Drops => Want::True,
            Effect::Keeps => Want::NotTrue,
        }
    }
}

/// Holds what a rule does, as far as a filter can do it.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'t> {
    /// Its condition over a record of `logs`, or a part of it that decides by itself.
    pub condition: &'t Term,
    /// The whole condition, which user space evaluates.
    pub whole: &'t Term,
    /// What it does.
    pub effect: Effect,
    /// Which of the filter's tallies stand before it, a bit each: they count what it drops.
    pub tallies: u64,
    /// Makes it drop only what comes above a rate.
    pub above: Option<&'t Above>,
    /// Makes it drop only what is drawn, of what its condition is true of; before a rate.
    pub draw: Option<Draw>,
}

/// Holds how many of 2^32 records are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw(u64);

impl Draw {
    /// Returns the draw of a share of all records.
    pub fn of_share(share: f64) -> Self {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 2^32")]
        Self((share.clamp(0.0, 1.0) * (1_u64 << 32) as f64).round() as u64)
    }

    /// Returns the share.
    pub fn share(self) -> f64 {
        self.0 as f64 / (1_u64 << 32) as f64
    }

    /// Adds what draws: it goes on at `passed` when a record is not drawn.
    fn emit(self, e: &mut Emitter, passed: Label) {
        e.asm.call(Helper::GetPrandomU32);
        e.asm.mov_imm(Reg::R1, self.0);
        e.asm.branch(Cond::Ge, Reg::R0, Reg::R1, passed);
    }
}

/// Holds a rate above which a rule acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Above {
    /// The field whose values have the rate each; `None` for one of all records.
    pub key: Option<Path>,
    /// The time for one record.
    pub interval_ns: u64,
    /// How many may come at once.
    pub burst: u64,
}

/// Says what a filter is made for.
#[derive(Clone, Copy)]
pub struct FilterSpec<'t> {
    /// The format of payloads.
    pub format: Format,
    /// Where they begin.
    pub front: Front,
    /// The rules in their order, at most [`layout::RULES_MAX`].
    pub rules: &'t [Rule<'t>],
    /// What is counted of records that are dropped.
    pub tallies: &'t [Tally],
    /// What the paths in their conditions are, such as [`predicate::field::field_of_logs`].
    pub source: &'t dyn Fn(&Path) -> Result<Source, Unsupported>,
    /// What user space reads of a record besides what these conditions read: a record in which that is malformed passes all
    /// rules, so that it is looked at here too, as far as it is read here.
    pub also_read: &'t [FieldPath],
    /// Whether it keeps everything unless its owner renews a lease: the map `lease` holds, in nanoseconds of the clock that
    /// counts from the start of the machine, until when it filters.
    pub has_lease: bool,
}

/// Holds what of a rule goes into the kernel.
#[derive(Clone, Debug)]
pub struct Share {
    /// How it is decided; `None` when nothing of it is.
    pub plan: Option<Plan>,
    /// The parts that stay in user space.
    pub stays: Vec<Stays>,
    /// Fields that user space reads for the rule and this does not need to decide it. Where one has content that is looked
    /// into in user space only, that may be malformed; then the rule fails there, and lets the record pass.
    fragile: Vec<i16>,
    /// The rate above which it acts.
    limit: Option<Limit>,
}

impl Share {
    /// Finds the key of a rate, or gives the rule up: where only a part of it is decided here, others would not count.
    fn see_limit(&mut self, condition: &Term, above: &Above, fields: &mut Fields<'_>) {
        let Above { key, interval_ns, burst } = above;
        let reason = match key.as_ref().map(|path| fields.cell(path)).transpose() {
            Ok(field) if self.stays.is_empty() => {
                self.limit = Some(Limit { field, interval_ns: *interval_ns, burst: *burst });
                return;
            }
            Ok(_) => Unsupported::new("it acts above a rate, and a part of its condition is decided in user space"),
            Err(reason) => reason,
        };
        self.stays.push(Stays { part: condition.clone(), reason });
        self.plan = None;
    }

    /// Finds the fragile fields, or gives the rule up where one of them cannot be seen here.
    fn see_fragile(&mut self, condition: &Term, fields: &mut Fields<'_>) {
        let Some(plan) = &self.plan else { return };
        let sure = plan.sure_fields();
        let mut open = vec![condition];
        while let Some(term) = open.pop() {
            open.extend(term.children());
            let Term::Field(path, _) = term else { continue };
            match fields.cell(path) {
                Ok(field) if sure.contains(&field) || self.fragile.contains(&field) => {}
                Ok(field) => self.fragile.push(field),
                Err(_) => {
                    let reason = "what else the condition reads may be malformed, and then the record passes";
                    self.stays.push(Stays { part: term.clone(), reason: Unsupported::new(reason) });
                    self.plan = None;
                    return;
                }
            }
        }
    }
}

/// Holds a filter.
#[derive(Clone, Debug)]
pub struct Filter {
    /// The program.
    pub program: Vec<Insn>,
    /// Its maps.
    pub maps: Vec<MapDef>,
    /// For each rule what of it is in the program.
    pub shares: Vec<Share>,
    /// The position of the lease's map.
    pub lease_map: Option<u32>,
    /// Where it counts by keys.
    pub tables: Option<Tables>,
}

impl Filter {
    /// The position of the map of counts: for each processor values of two u64, records (or payloads) and bytes.
    pub const COUNTS_MAP: u32 = COUNTS_MAP;

    /// Returns the position of the count of payloads that are kept because no rule drops them.
    pub fn kept_position() -> u32 {
        KEPT
    }

    /// Returns the position of the count of payloads that are dropped.
    pub fn dropped_position() -> u32 {
        DROPPED
    }

    /// Returns the position of the count of payloads that are kept for a reason.
    pub fn reason_position(reason: Reason) -> u32 {
        REASONS + reason as u32
    }

    /// Returns the position of the count of records that a rule drops.
    pub fn rule_position(rule: usize) -> u32 {
        RULES + u32::try_from(rule).expect("rules are few")
    }
}

/// Returns the filter of some rules.
///
/// # Errors
/// When no rule can drop anything in the kernel (the filter would be in vain), there are too many, or the program would
/// need more than there is.
pub fn compile(spec: &FilterSpec<'_>) -> Result<Filter, Unsupported> {
    if spec.rules.len() > layout::RULES_MAX {
        return Err(Unsupported::new(format!("a filter has at most {} rules", layout::RULES_MAX)));
    }
    let supports = |path: &_| spec.format.supports(path);
    let mut fields = Fields::new(spec.source, &supports);
    let mut shares = Vec::new();
    for rule in spec.rules {
        shares.push(share(rule, spec.format, &mut fields));
    }
    if shares.iter().all(|share| share.plan.is_none()) {
        return Err(Unsupported::new("no rule can be sure of dropping a record from what the kernel sees"));
    }
    if spec.format == Format::Otlp {
        spec.also_read.iter().for_each(|path| fields.also_read(path));
    }
    let planned =
        (!spec.tallies.is_empty()).then(|| tally::plan(spec.tallies, spec.format, &mut fields)).transpose()?;
    let mut plans: Vec<Option<&mut Plan>> = shares.iter_mut().map(|share| share.plan.as_mut()).collect();
    let passes = share_passes(&mut plans);
    let e = Emitter::new(RULES as usize + spec.rules.len());
    let mut writer = Writer { e, spec, shares: &shares, passes: &passes, planned: planned.as_ref(), tables: None };
    let lease_map = writer.write(&fields)?;
    let tables = writer.tables;
    let (program, maps) = writer.e.finish();
    let program = crate::reached::reached(&program);
    Ok(Filter { program, maps, shares, lease_map, tables })
}

/// Returns the parts of a rule that stay in user space, each with its reason, by itself and whatever else a filter does.
pub fn stays(rule: &Rule<'_>, format: Format, source: &dyn Fn(&Path) -> Result<Source, Unsupported>) -> Vec<Stays> {
    let supports = |path: &_| format.supports(path);
    share(rule, format, &mut Fields::new(source, &supports)).stays
}

fn share(rule: &Rule<'_>, format: Format, fields: &mut Fields<'_>) -> Share {
    let mut stays = Vec::new();
    let plan = predicate::plan(rule.condition, rule.effect.want(), fields, &mut stays);
    let plan = plan.filter(|plan| !matches!(plan, Plan::Known(false)));
    let mut share = Share { plan, stays, fragile: Vec::new(), limit: None };
    if let Some(above) = rule.above {
        share.see_limit(rule.condition, above, fields);
    }
    if format == Format::Otlp {
        share.see_fragile(rule.whole, fields);
    }
    share
}

struct Writer<'w> {
    e: Emitter,
    spec: &'w FilterSpec<'w>,
    shares: &'w [Share],
    passes: &'w [Pass],
    planned: Option<&'w Planned>,
    /// Where it counts by keys, once its maps are there.
    tables: Option<Tables>,
}

impl Writer<'_> {
    fn write(&mut self, fields: &Fields<'_>) -> Result<Option<u32>, Unsupported> {
        let [not_ready, dropped, words, after_words] = [(); 4].map(|()| self.e.asm.label());
        let lease_map = self.spec.has_lease.then(|| {
            let lease = self.e.add_map(MapDef::new("lease", MapKind::Array, 4, 8, 1));
            self.check_lease(lease);
            lease
        });
        self.enter(not_ready);
        self.tables = self.planned.map(|planned| tally::emit_start(&mut self.e, planned));
        let has_rates = self.shares.iter().any(|share| share.limit.is_some());
        let rates = has_rates.then(|| {
            self.e.enlarge_scratch(layout::TALLY_SIZE);
            self.e.add_map(rate::map())
        });
        self.e.load(Reg::R0, layout::WORDS);
        self.e.asm.branch(Cond::Eq, Reg::R0, 0, words);
        self.e.asm.bind(after_words);
        let tallies = self.planned.zip(self.tables.as_ref());
        let rules = self.spec.rules;
        let judged =
            Judged { rules, shares: self.shares, passes: self.passes, derived: fields.derived(), tallies, rates };
        let mut judge_error = None;
        let mut judge = |e: &mut Emitter, next: Label| {
            judge_error = judge_error.take().or(judged.emit(e, next).err());
        };
        self.spec.format.emit(&mut self.e, fields.wanted(), &mut judge, dropped)?;
        if let Some(error) = judge_error {
            return Err(error);
        }
        self.leave_dropped(dropped);
        self.e.bind_undecided();
        self.leave_kept();
        self.e.asm.bind(not_ready);
        self.leave(self.spec.front.results().0);
        self.write_words(words, after_words);
        Ok(lease_map)
    }

    /// Adds what keeps everything when the lease has run out. `r6` holds the context from here on.
    fn check_lease(&mut self, lease: u32) {
        let e = &mut self.e;
        let holds = e.asm.label();
        e.asm.mov(Reg::R6, Reg::R1);
        e.asm.call(Helper::KtimeGetBootNs);
        e.load_table(Reg::R1, lease, 0);
        e.asm.load(Size::Double, Reg::R1, Reg::R1, 0);
        e.asm.branch(Cond::Lt, Reg::R0, Reg::R1, holds);
        self.leave_outside(Reason::Lease);
        self.e.asm.bind(holds);
        self.e.asm.mov(Reg::R1, Reg::R6);
    }

    /// Adds what takes the scratch and copies the payload; the context is in `r1`.
    fn enter(&mut self, not_ready: Label) {
        let (is_free, has_length) = (self.e.asm.label(), self.e.asm.label());
        let e = &mut self.e;
        e.asm.mov(Reg::R6, Reg::R1);
        self.find_payload();
        let e = &mut self.e;
        e.asm.store(Size::Word, Reg::FRAME, -4, 0);
        e.asm.mov_map(Reg::R1, SCRATCH_MAP);
        e.asm.mov_frame(Reg::R2, -4);
        e.asm.call(Helper::MapLookup);
        e.asm.branch(Cond::Eq, Reg::R0, 0, not_ready);
        e.asm.mov(SCRATCH, Reg::R0);
        e.asm.mov(Reg::R1, 1);
        let (base, src) = (SCRATCH, Reg::R1);
        let (size, op, offset) = (Size::Double, AtomicOp::Exchange, layout::BUSY);
        e.asm.add(Insn::Atomic { size, op, is_fetched: true, base, offset, src });
        e.asm.branch(Cond::Eq, Reg::R1, 0, is_free);
        self.leave_outside(Reason::Busy);
        let e = &mut self.e;
        e.asm.bind(is_free);
        e.asm.load(Size::Word, Reg::R7, Reg::R6, 0);
        e.asm.alu(Alu::Sub, Reg::R7, Reg::R8);
        e.store(layout::LENGTH, Reg::R7);
        e.asm.mov(Reg::R0, Reg::R7);
        e.asm.alu(Alu::Sub, Reg::R0, 1);
        e.asm.branch(Cond::Lt, Reg::R0, layout::PAYLOAD_MAX as i32, has_length);
        e.store(layout::REASON, Reason::Length as i32);
        let kept = e.kept();
        e.asm.jump(kept);
        e.asm.bind(has_length);
        self.copy_payload();
        let e = &mut self.e;
        if self.spec.front != Front::UnixDatagram {
            let merged = e.undecided(Reason::Merged);
            e.asm.load(Size::Word, Reg::R0, Reg::R6, GSO_SIZE);
            e.asm.branch(Cond::Ne, Reg::R0, 0, merged);
        }
        e.store(layout::STEPS, layout::STEPS_MAX);
        e.store(layout::REASON, 0);
        // Where a payload has several records, whoever reads them says how large each is.
        e.load(Reg::R0, layout::LENGTH);
        e.store(layout::RECORD_SIZE, Reg::R0);
        for rule in 0..self.spec.rules.len() {
            e.store(layout::STAGED + 8 * rule as i16, 0);
        }
    }

    /// Adds what finds where the payload begins, into `r8`; the context is in `r6`.
    fn find_payload(&mut self) {
        let port = match self.spec.front {
            Front::UnixDatagram => return self.e.asm.mov(Reg::R8, 0),
            Front::UdpDatagram => return self.e.asm.mov(Reg::R8, UDP_HEADER_SIZE),
            Front::EgressPacket { port } => i32::from(port.swap_bytes()),
        };
        let [other, is_v6, has_port] = [(); 3].map(|()| self.e.asm.label());
        let head = -HEADERS_SIZE as i16;
        let load = |e: &mut Emitter, offset: i32, size: i32| {
            e.asm.mov(Reg::R1, Reg::R6);
            e.asm.mov(Reg::R2, offset);
            e.asm.mov_frame(Reg::R3, -HEADERS_SIZE);
            e.asm.mov(Reg::R4, size);
            e.asm.call(Helper::SkbLoadBytes);
            e.asm.branch(Cond::Ne, Reg::R0, 0, other);
        };
        let e = &mut self.e;
        load(e, 0, HEADERS_SIZE);
        e.asm.load(Size::Byte, Reg::R1, Reg::FRAME, head);
        e.asm.mov(Reg::R8, 48);
        e.asm.load(Size::Byte, Reg::R2, Reg::FRAME, head + 6);
        e.asm.alu(Alu::Rsh, Reg::R1, 4);
        e.asm.branch(Cond::Eq, Reg::R1, 6, is_v6);
        e.asm.mov(Reg::R8, 28);
        e.asm.load(Size::Byte, Reg::R1, Reg::FRAME, head);
        e.asm.branch(Cond::Ne, Reg::R1, 0x45, other);
        // More fragments, or a place behind the first.
        e.asm.load(Size::Half, Reg::R1, Reg::FRAME, head + 6);
        e.asm.branch(Cond::Set, Reg::R1, 0xFF3F, other);
        e.asm.load(Size::Byte, Reg::R2, Reg::FRAME, head + 9);
        e.asm.load(Size::Half, Reg::R1, Reg::FRAME, head + 22);
        e.asm.jump(has_port);
        e.asm.bind(is_v6);
        e.asm.branch(Cond::Ne, Reg::R2, i32::from(UDP), other);
        load(e, 40, 8);
        e.asm.mov(Reg::R2, i32::from(UDP));
        e.asm.load(Size::Half, Reg::R1, Reg::FRAME, head + 2);
        e.asm.bind(has_port);
        e.asm.branch(Cond::Ne, Reg::R1, port, other);
        let found = e.asm.label();
        e.asm.branch(Cond::Eq, Reg::R2, i32::from(UDP), found);
        e.asm.bind(other);
        let (keep, _) = self.spec.front.results();
        self.leave(keep);
        self.e.asm.bind(found);
    }

    /// Adds what copies the payload, whose length less one is in `r0` and small; zeros come behind it.
    fn copy_payload(&mut self) {
        let e = &mut self.e;
        let unreadable = e.undecided(Reason::Unreadable);
        e.asm.mov(Reg::R7, Reg::R0);
        e.asm.mov(Reg::R4, Reg::R0);
        e.asm.alu(Alu::Add, Reg::R4, 1);
        e.asm.mov(Reg::R1, Reg::R6);
        e.asm.mov(Reg::R2, Reg::R8);
        e.asm.mov(Reg::R3, SCRATCH);
        e.asm.alu(Alu::Add, Reg::R3, i32::from(layout::PAYLOAD));
        e.asm.call(Helper::SkbLoadBytes);
        e.asm.branch(Cond::Ne, Reg::R0, 0, unreadable);
        e.asm.alu(Alu::Add, Reg::R7, SCRATCH);
        for at in (0..layout::PADDING).step_by(8) {
            e.asm.store(Size::Double, Reg::R7, layout::PAYLOAD + 1 + at as i16, 0);
        }
    }

    /// Adds the end of a run over a payload that is dropped: what its records count for is added up.
    fn leave_dropped(&mut self, dropped: Label) {
        self.e.asm.bind(dropped);
        for rule in 0..self.spec.rules.len() {
            let none = self.e.asm.label();
            self.e.load(Reg::R6, layout::STAGED + 8 * rule as i16);
            self.e.asm.branch(Cond::Eq, Reg::R6, 0, none);
            self.e.asm.mov(Reg::R7, Reg::R6);
            self.e.asm.alu(Alu::Rsh, Reg::R7, 32);
            self.e.asm.alu32(Alu::Mov, Reg::R6, Reg::R6);
            self.count(Filter::rule_position(rule) as i32, Reg::R6);
            self.e.asm.bind(none);
        }
        if let Some((planned, tables)) = self.planned.zip(self.tables.as_ref()) {
            tally::emit_add(&mut self.e, planned, tables);
        }
        self.e.load(Reg::R7, layout::LENGTH);
        self.count(DROPPED as i32, 1);
        self.e.store(layout::BUSY, 0);
        let (_, drop) = self.spec.front.results();
        self.leave(drop);
    }

    /// Adds the end of a run over a payload that is kept.
    fn leave_kept(&mut self) {
        let kept = self.e.kept();
        let counted = self.e.asm.label();
        self.e.asm.bind(kept);
        self.e.load(Reg::R7, layout::LENGTH);
        self.e.load(Reg::R6, layout::REASON);
        self.e.asm.branch(Cond::Eq, Reg::R6, KEPT as i32, counted);
        self.e.asm.alu(Alu::Add, Reg::R6, REASONS as i32);
        self.e.asm.bind(counted);
        self.count(Reg::R6, 1);
        self.e.store(layout::BUSY, 0);
        self.leave(self.spec.front.results().0);
    }

    /// Adds so many records, and as many bytes as are in `r7`, to the count of a position.
    fn count(&mut self, position: impl Into<Operand>, records: impl Into<Operand>) {
        let e = &mut self.e;
        let missing = e.asm.label();
        e.asm.store(Size::Word, Reg::FRAME, -4, position);
        e.asm.mov_map(Reg::R1, COUNTS_MAP);
        e.asm.mov_frame(Reg::R2, -4);
        e.asm.call(Helper::MapLookup);
        e.asm.branch(Cond::Eq, Reg::R0, 0, missing);
        // Nothing else on this processor counts here: a run has the scratch to itself.
        e.asm.load(Size::Double, Reg::R1, Reg::R0, 0);
        e.asm.alu(Alu::Add, Reg::R1, records);
        e.asm.store(Size::Double, Reg::R0, 0, Reg::R1);
        e.asm.load(Size::Double, Reg::R1, Reg::R0, 8);
        e.asm.alu(Alu::Add, Reg::R1, Reg::R7);
        e.asm.store(Size::Double, Reg::R0, 8, Reg::R1);
        e.asm.bind(missing);
    }

    /// Adds the end of a run that has no scratch to itself: others count for this reason at the same time.
    fn leave_outside(&mut self, reason: Reason) {
        let e = &mut self.e;
        let missing = e.asm.label();
        e.asm.load(Size::Word, Reg::R7, Reg::R6, 0);
        e.asm.store(Size::Word, Reg::FRAME, -4, Filter::reason_position(reason) as i32);
        e.asm.mov_map(Reg::R1, COUNTS_MAP);
        e.asm.mov_frame(Reg::R2, -4);
        e.asm.call(Helper::MapLookup);
        e.asm.branch(Cond::Eq, Reg::R0, 0, missing);
        e.asm.mov(Reg::R1, 1);
        for (offset, src) in [(0, Reg::R1), (8, Reg::R7)] {
            let (size, op, base) = (Size::Double, AtomicOp::Add, Reg::R0);
            e.asm.add(Insn::Atomic { size, op, is_fetched: false, base, offset, src });
        }
        e.asm.bind(missing);
        self.leave(self.spec.front.results().0);
    }

    /// Adds the end of the program.
    fn leave(&mut self, result: i32) {
        self.e.asm.mov(Reg::R0, result);
        self.e.asm.exit();
    }

    /// Adds what writes the texts that are in no payload, on the first run.
    fn write_words(&mut self, words: Label, after_words: Label) {
        self.e.asm.bind(words);
        let text = self.e.words().to_vec();
        for (at, bytes) in text.chunks(8).enumerate() {
            let mut chunk = [0; 8];
            chunk[..bytes.len()].copy_from_slice(bytes);
            self.e.asm.mov_imm(Reg::R0, u64::from_le_bytes(chunk));
            self.e.store(layout::WORDS + 8 + 8 * at as i16, Reg::R0);
        }
        self.e.store(layout::WORDS, 1);
        self.e.asm.jump(after_words);
    }
}
