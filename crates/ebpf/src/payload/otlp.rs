//! An `ExportLogsServiceRequest` in a datagram to the fields of its records: the code that reads it.
//!
//! The code goes through the request once, from message to message, and checks every tag and length down to the end of each
//! record, whatever is wanted; of a message that nothing is wanted of only its size counts. What encoders write is read:
//! lengths of one or two bytes, a `KeyValue` of a key and a value, an `AnyValue` of one member. Anything else that user
//! space might read, or might find malformed, keeps the payload. Of a repeated field, key, `Resource` or scope the first
//! counts, as in user space.
//!
//! While a message is read, `r6` is the offset of its next field and `r7` that of its end; an offset beyond the end is seen
//! at the next field, before anything is judged. Read in order: `otlp/plan.rs`, `otlp/message.rs`, `otlp/record.rs`,
//! `otlp/keys.rs`, `otlp/any.rs`, `otlp/id.rs`.
//!
//! # Source
//! protobuf.dev, "Encoding"; OpenTelemetry's logs.proto, common.proto and resource.proto; `dtq_record::otlp::pass`.

mod plan;

mod message;

mod record;

mod keys;

mod any;

mod id;

pub use plan::supports;

use crate::Unsupported;
use crate::asm::Label;
use crate::emit::Emitter;
use crate::insn::{Alu, Cond, Reg};
use crate::layout::{self, Reason};
use crate::payload::{Judge, Wanted};
use message::Level;
use plan::Plan;

/// The offset of the next field.
const AT: Reg = Reg::R6;
/// The end of the message that is read.
const END: Reg = Reg::R7;
/// The end of the `KeyValue` or `AnyValue` in it.
const INNER_END: Reg = Reg::R8;

/// Cells of the reader.
mod cell {
    use crate::layout::READER;
    /// The end of the request.
    pub const REQUEST_END: i16 = READER;
    /// The end of the `ResourceLogs`.
    pub const RESOURCE_LOGS_END: i16 = READER + 8;
    /// The end of the `ScopeLogs`.
    pub const SCOPE_LOGS_END: i16 = READER + 16;
    /// The end of the `LogRecord`.
    pub const RECORD_END: i16 = READER + 24;
    /// The end of the `Resource` or `InstrumentationScope`.
    pub const HEAD_END: i16 = READER + 32;
    /// Whether there was a record.
    pub const HAS_RECORD: i16 = READER + 40;
    /// What the `ResourceLogs` had so far: 1 a `Resource`, 2 a `ScopeLogs`.
    pub const RESOURCE_LOGS_HAD: i16 = READER + 48;
    /// What the `ScopeLogs` had so far: 1 a scope, 2 a `LogRecord`.
    pub const SCOPE_LOGS_HAD: i16 = READER + 56;
    /// The offset of the first byte, until it is read.
    pub const START: i16 = READER + 64;
}

/// Writes the code that reads an `ExportLogsServiceRequest`, record by record.
///
/// It goes on at `dropped` when every record was, and at [`Emitter::kept`] when there is none.
///
/// # Errors
/// When one of the fields cannot be read, see [`supports`].
pub fn emit(e: &mut Emitter, wanted: &[Wanted], judge: &mut Judge<'_>, dropped: Label) -> Result<(), Unsupported> {
    let plan = Plan::new(wanted)?;
    let id_texts = id::texts(e, &plan)?;
    let mut reader = Reader::new(e, plan, id_texts);
    reader.start();
    reader.request(dropped);
    reader.resource_logs();
    reader.scope_logs();
    reader.record(judge);
    if !reader.plan.resource.is_empty() {
        reader.resource();
    }
    if reader.plan.has_scope() {
        reader.scope();
    }
    reader.skipping();
    Ok(())
}

/// Writes the code, message by message.
struct Reader<'r> {
    e: &'r mut Emitter,
    plan: Plan,
    /// Where the texts of the ids are.
    id_texts: [i16; 2],
    /// Where each kind of message goes on with its next field.
    heads: [Label; Level::COUNT],
    /// Where a field is passed over.
    skip: Label,
    /// Where a payload goes that is not read here.
    malformed: Label,
}

impl<'r> Reader<'r> {
    fn new(e: &'r mut Emitter, plan: Plan, id_texts: [i16; 2]) -> Self {
        let heads = std::array::from_fn(|_| e.asm.label());
        let (skip, malformed) = (e.asm.label(), e.undecided(Reason::Malformed));
        Self { e, plan, id_texts, heads, skip, malformed }
    }

    /// Sets out: the cells of the reader, and those of fields that no message fills.
    fn start(&mut self) {
        let start = i32::from(layout::PAYLOAD);
        self.e.store(cell::HAS_RECORD, 0);
        // Loaded back, the verifier does not know it, and sees one state of the loop and not two.
        self.e.store(cell::START, start);
        self.e.load(END, layout::LENGTH);
        self.e.asm.alu(Alu::Add, END, start);
        self.e.store(cell::REQUEST_END, END);
        self.e.load(END, cell::REQUEST_END);
        self.e.load(AT, cell::START);
        for field in self.plan.missing.clone() {
            self.e.store(field, 0);
        }
    }

    /// Writes the reading of the request itself.
    fn request(&mut self, dropped: Label) {
        let done = self.e.asm.label();
        self.head(Level::Request, done);
        let other = self.e.asm.label();
        self.e.asm.branch(Cond::Ne, Reg::R2, message::tag(1, 2), other);
        self.enter(cell::RESOURCE_LOGS_END);
        self.e.store(cell::RESOURCE_LOGS_HAD, 0);
        for (_, field) in self.plan.resource.clone() {
            self.e.store(field, 0);
        }
        self.e.asm.jump(self.heads[Level::ResourceLogs as usize]);
        self.e.asm.bind(other);
        self.pass_over(Level::Request, &[1]);
        self.e.asm.bind(done);
        self.e.asm.branch(Cond::Ne, AT, END, self.malformed);
        // Nothing to drop is nothing to decide.
        self.e.load(Reg::R1, cell::HAS_RECORD);
        let kept = self.e.kept();
        self.e.asm.branch(Cond::Eq, Reg::R1, 0, kept);
        self.e.asm.jump(dropped);
    }

    /// Writes the reading of a `ResourceLogs`.
    fn resource_logs(&mut self) {
        let [done, resource, other] = std::array::from_fn(|_| self.e.asm.label());
        self.head(Level::ResourceLogs, done);
        self.e.asm.branch(Cond::Eq, Reg::R2, message::tag(1, 2), resource);
        self.e.asm.branch(Cond::Ne, Reg::R2, message::tag(2, 2), other);
        self.enter(cell::SCOPE_LOGS_END);
        if !self.plan.resource.is_empty() {
            self.had(cell::RESOURCE_LOGS_HAD);
        }
        self.e.store(cell::SCOPE_LOGS_HAD, 0);
        for field in self.plan.scope_fields() {
            self.e.store(field, 0);
        }
        self.e.asm.jump(self.heads[Level::ScopeLogs as usize]);
        self.e.asm.bind(resource);
        let is_wanted = !self.plan.resource.is_empty();
        self.first_head(Level::ResourceLogs, cell::RESOURCE_LOGS_HAD, Level::Resource, is_wanted);
        self.e.asm.bind(other);
        self.schema_url(Level::ResourceLogs);
        self.e.asm.bind(done);
        self.leave(cell::REQUEST_END, Level::Request);
    }

    /// Writes the reading of a `ScopeLogs`.
    fn scope_logs(&mut self) {
        let [done, other, schema] = std::array::from_fn(|_| self.e.asm.label());
        self.head(Level::ScopeLogs, done);
        self.e.asm.branch(Cond::Ne, Reg::R2, message::tag(2, 2), other);
        self.length(AT, Reg::R3);
        self.e.store(layout::RECORD_SIZE, Reg::R3);
        self.enter_at(cell::RECORD_END);
        if self.plan.has_scope() {
            self.had(cell::SCOPE_LOGS_HAD);
        }
        self.clear_record();
        self.e.asm.jump(self.heads[Level::Record as usize]);
        self.e.asm.bind(other);
        self.e.asm.branch(Cond::Ne, Reg::R2, message::tag(1, 2), schema);
        self.first_head(Level::ScopeLogs, cell::SCOPE_LOGS_HAD, Level::Scope, self.plan.has_scope());
        self.e.asm.bind(schema);
        self.schema_url(Level::ScopeLogs);
        self.e.asm.bind(done);
        self.leave(cell::RESOURCE_LOGS_END, Level::ResourceLogs);
    }

    /// Notes that what stands in front of records can no longer be filled.
    fn had(&mut self, had: i16) {
        self.e.load(Reg::R1, had);
        self.e.asm.alu(Alu::Or, Reg::R1, 2);
        self.e.store(had, Reg::R1);
    }

    /// Writes the way into a `Resource` or a scope, at whose tag the code is, when it is the first and fields of it are
    /// wanted; records that were judged without it keep the payload.
    fn first_head(&mut self, outer: Level, had: i16, inner: Level, is_wanted: bool) {
        self.length(AT, Reg::R3);
        if is_wanted {
            let again = self.e.asm.label();
            let order = self.e.undecided(Reason::Order);
            self.e.load(Reg::R1, had);
            self.e.asm.branch(Cond::Set, Reg::R1, 1, again);
            self.e.asm.branch(Cond::Ne, Reg::R1, 0, order);
            self.e.store(had, 1);
            self.enter_at(cell::HEAD_END);
            self.e.asm.jump(self.heads[inner as usize]);
            self.e.asm.bind(again);
        }
        self.e.asm.alu(Alu::Add, AT, Reg::R3);
        self.e.asm.jump(self.heads[outer as usize]);
    }

    /// Writes the passing over the third field, which is the schema's URL in both messages around records, and of others.
    fn schema_url(&mut self, level: Level) {
        let other = self.e.asm.label();
        self.e.asm.branch(Cond::Ne, Reg::R2, message::tag(3, 2), other);
        self.length(AT, Reg::R3);
        self.e.asm.alu(Alu::Add, AT, Reg::R3);
        self.e.asm.jump(self.heads[level as usize]);
        self.e.asm.bind(other);
        self.pass_over(level, &[1, 2]);
    }

    /// Writes the reading of a `Resource` whose keys are wanted.
    fn resource(&mut self) {
        let [done, other, at_tag] = std::array::from_fn(|_| self.e.asm.label());
        self.head(Level::Resource, done);
        self.e.asm.bind(at_tag);
        self.e.asm.branch(Cond::Ne, Reg::R2, message::tag(1, 2), other);
        let [value, behind] = std::array::from_fn(|_| self.e.asm.label());
        let keys = self.plan.resource.clone();
        self.key_values(&keys, value, behind);
        self.e.asm.bind(behind);
        self.next_field(INNER_END, done);
        self.e.asm.jump(at_tag);
        self.value_of_key(value, behind);
        self.any(None, behind);
        self.e.asm.bind(other);
        self.pass_over(Level::Resource, &[1]);
        self.e.asm.bind(done);
        self.leave(cell::RESOURCE_LOGS_END, Level::ResourceLogs);
    }

    /// Writes the reading of an `InstrumentationScope` whose name or version is wanted.
    fn scope(&mut self) {
        let done = self.e.asm.label();
        self.head(Level::Scope, done);
        for (number, field) in [(1, self.plan.scope_name), (2, self.plan.scope_version)] {
            let next = self.e.asm.label();
            self.e.asm.branch(Cond::Ne, Reg::R2, message::tag(number, 2), next);
            self.text_field(field);
            self.e.asm.jump(self.heads[Level::Scope as usize]);
            self.e.asm.bind(next);
        }
        self.pass_over(Level::Scope, &[1, 2]);
        self.e.asm.bind(done);
        self.leave(cell::SCOPE_LOGS_END, Level::ScopeLogs);
    }
}
