//! Native scans against the filler of `record`: the same slots, and never filled where the filler finds a message malformed.
#![allow(clippy::unwrap_used)]

#[path = "scan/messages.rs"]
mod messages;

use dtq_jit::{Batch, BufferTable, Filled, Guard, GuardTest, NativeContext, RecordScan, Refusal, Target};
use dtq_record::otlp::fill::{FieldPath, Level, SlotPlan};
use dtq_record::otlp::metrics::Kind;
use dtq_record::otlp::pass::Pass;
use dtq_record::slot::{Buffers, Slot, Tag};
use dtq_record::tables::{Base, standard};
use dtq_record::wire::{WireError, append_varint_field};
use dtq_source::Limits;
use dtq_value::Str;
use dtq_value::scalar::Context;
use messages::{KEYS, Maker, Random, mutate};
use proptest::prelude::*;

const UNTOUCHED: Slot = Slot::long(77);
/// Generating code costs most of a test, so each is used often.
const MESSAGES_A_PLAN: usize = 200;

/// Names the part of a request that is scanned.
#[derive(Clone, Copy, Debug)]
struct Part {
    base: Base,
    level: Level,
    kind: Option<Kind>,
}

fn parts() -> Vec<Part> {
    let mut parts = Vec::new();
    for base in [Base::Logs, Base::Spans, Base::Metrics] {
        parts.extend([Level::Resource, Level::Scope].map(|level| Part { base, level, kind: None }));
    }
    parts.extend([Base::Logs, Base::Spans, Base::Resources].map(|base| Part {
        base,
        level: Level::Record,
        kind: None,
    }));
    parts.push(Part { base: Base::Metrics, level: Level::Metric, kind: None });
    parts.extend(Kind::ALL.map(|kind| Part { base: Base::Metrics, level: Level::Record, kind: Some(kind) }));
    parts
}

impl Part {
    /// Returns the paths whose slots are filled on the level.
    fn paths(self) -> Vec<FieldPath> {
        let columns = &standard(self.base.name()).unwrap().columns;
        let mut paths: Vec<FieldPath> = (0..columns.len()).map(|column| FieldPath { column, key: None }).collect();
        let many: Vec<String> = (0..100).map(|number| format!("k{number}")).collect();
        for key in KEYS.iter().copied().chain(many.iter().map(String::as_str)) {
            let bags = columns
                .iter()
                .enumerate()
                .filter(|(_, column)| ["Attributes", "Resource", "Scope"].contains(&column.name.as_str()));
            paths.extend(bags.map(|(column, _)| FieldPath { column, key: Some(Str::from(key)) }));
        }
        let is_here = |path: &FieldPath| {
            let plan = SlotPlan::new(self.base, std::slice::from_ref(path)).unwrap();
            plan.level(0) == self.level
        };
        paths.retain(is_here);
        paths
    }

    fn fill(self, plan: &SlotPlan, message: &[u8]) -> Result<Vec<Slot>, WireError> {
        let mut slots = vec![UNTOUCHED; plan.slot_count()];
        match (self.level, self.kind) {
            (Level::Resource, _) => plan.fill_resource(message, &mut slots),
            (Level::Scope, _) => plan.fill_scope(message, &mut slots),
            (Level::Metric, _) => plan.fill_metric(message, &mut slots),
            (Level::Record, Some(kind)) => plan.fill_point(kind, message, &mut slots),
            (Level::Record, None) => plan.fill_record(message, &mut slots),
        }?;
        Ok(slots)
    }

    fn pass(self, plan: &SlotPlan) -> &Pass {
        plan.pass(self.level, self.kind).unwrap()
    }

    fn scan(self, plan: &SlotPlan, guards: &[Guard]) -> RecordScan {
        RecordScan::compile(&Target::host().unwrap(), self.pass(plan), plan.slot_count(), guards).unwrap()
    }
}

/// Returns some paths of a part: a few, or up to all, in any order, some of them twice.
fn some_paths(random: &mut Random, part: Part) -> Vec<FieldPath> {
    let mut all = part.paths();
    (1..all.len()).for_each(|end| all.swap(end, random.below(end + 1)));
    // Columns are fewer than keys, and have more shapes.
    all.sort_by_cached_key(|path| path.key.is_some() && !random.one_in(2));
    let count = if random.one_in(8) { all.len() } else { 1 + random.below(12.min(all.len())) };
    all.truncate(count);
    if random.one_in(4) {
        all.push(all[random.below(all.len())].clone());
    }
    all
}

fn message(random: &mut Random, pass: &Pass, is_odd: bool) -> Vec<u8> {
    let mut message = Maker { random, odd: is_odd }.message(pass);
    if is_odd && random.one_in(2) {
        (0..1 + random.below(2)).for_each(|_| mutate(random, &mut message));
    }
    message
}

/// Compares one message on one plan; returns whether the scan filled the slots.
fn check_all(part: Part, plan: &SlotPlan, scan: &RecordScan, message: &[u8]) -> bool {
    // Slots of other levels stay as they were.
    let mut slots = vec![UNTOUCHED; plan.slot_count()];
    let filled = scan.fill(message, &mut slots, u64::MAX);
    match (part.fill(plan, message), filled) {
        (Ok(expected), Filled::Done) => {
            assert_eq!(slots, expected, "{part:?} {message:02x?}");
            true
        }
        (_, Filled::Irregular) => false,
        (expected, filled) => panic!("{expected:?} {filled:?} {part:?} {message:02x?}"),
    }
}

/// Compares the slots of some paths with what a plan of these alone fills.
fn check_some(random: &mut Random, part: Part, paths: &[FieldPath], scan: &RecordScan, message: &[u8], count: usize) {
    let wanted: Vec<usize> = (0..paths.len()).filter(|_| random.one_in(2)).collect();
    let some: Vec<FieldPath> = wanted.iter().map(|slot| paths[*slot].clone()).collect();
    let plan = SlotPlan::new(part.base, &some).unwrap();
    let bits = wanted.iter().fold(0, |bits, slot| bits | scan.layout().bits(*slot));
    let mut slots = vec![UNTOUCHED; count];
    match (part.fill(&plan, message), scan.fill(message, &mut slots, bits)) {
        (Ok(expected), Filled::Done) => {
            let found: Vec<Slot> = wanted.iter().map(|slot| slots[*slot]).collect();
            assert_eq!(found, expected[..wanted.len()], "{part:?} {some:?} {message:02x?}");
        }
        (_, Filled::Irregular) => {}
        (expected, filled) => panic!("{expected:?} {filled:?} {part:?} {some:?} {message:02x?}"),
    }
}

fn check_plan(seed: u64, is_odd: bool) -> (usize, usize) {
    let mut random = Random(seed);
    let part = *random.pick(&parts());
    let paths = some_paths(&mut random, part);
    let plan = SlotPlan::new(part.base, &paths).unwrap();
    let scan = part.scan(&plan, &[]);
    let mut done = 0;
    for _ in 0..MESSAGES_A_PLAN {
        let message = message(&mut random, part.pass(&plan), is_odd);
        done += usize::from(check_all(part, &plan, &scan, &message));
        check_some(&mut random, part, &paths, &scan, &message, plan.slot_count());
    }
    (done, MESSAGES_A_PLAN)
}

fn some_guards(random: &mut Random, slot_count: usize) -> Vec<Guard> {
    let bounds = [0, 1, 9, 127, 500, -1];
    (0..1 + random.below(3))
        .map(|_| {
            let number = *random.pick(&bounds);
            let text: Box<[u8]> = Box::from(*random.pick(&[&b"LogWelcomeBanner"[..], b"", b"xx", b"x"]));
            let test = match random.below(5) {
                0 => GuardTest::IntAtLeast(number),
                1 => GuardTest::IntAtMost(number),
                2 => GuardTest::IntEquals(number),
                3 => GuardTest::TextEquals(text),
                _ => GuardTest::TextDiffers(text),
            };
            Guard { slot: random.below(slot_count) as u32, test }
        })
        .collect()
}

/// Says what a guard says of a slot, after its docstring.
fn passes(test: &GuardTest, slot: &Slot, message: &[u8]) -> bool {
    let buffers = Buffers { record: message, resource: message, scope: message, metric: message, ..Buffers::default() };
    let number = matches!(slot.tag(), Tag::Int | Tag::Long).then(|| slot.as_i64().unwrap());
    let text = (slot.tag() == Tag::String).then(|| slot.as_bytes(&buffers).unwrap());
    match test {
        GuardTest::IntAtLeast(bound) => !slot.is_null() && number.is_none_or(|number| number >= *bound),
        GuardTest::IntAtMost(bound) => !slot.is_null() && number.is_none_or(|number| number <= *bound),
        GuardTest::IntEquals(other) => !slot.is_null() && number.is_none_or(|number| number == *other),
        GuardTest::TextEquals(other) if slot.is_null() => other.is_empty(),
        GuardTest::TextEquals(other) => text.is_none_or(|text| *text == **other),
        GuardTest::TextDiffers(other) => text.is_none_or(|text| *text != **other),
    }
}

fn check_guards(seed: u64, is_odd: bool) {
    let mut random = Random(seed);
    let part = *random.pick(&parts());
    let paths = some_paths(&mut random, part);
    let plan = SlotPlan::new(part.base, &paths).unwrap();
    let guards = some_guards(&mut random, paths.len());
    let scan = part.scan(&plan, &guards);
    for _ in 0..MESSAGES_A_PLAN {
        let message = message(&mut random, part.pass(&plan), is_odd);
        let wanted = if random.one_in(2) { u64::MAX } else { random.next() };
        let mut slots = vec![Slot::MISSING; plan.slot_count()];
        let filled = scan.fill(&message, &mut slots, wanted);
        let Ok(expected) = part.fill(&plan, &message) else {
            assert!(filled != Filled::Done || wanted != u64::MAX, "{part:?} {message:02x?}");
            continue;
        };
        // What bits share is filled when one of them is wanted, so only guards of slots wholly wanted or not are sure.
        let bits = |guard: &Guard| scan.layout().bits(guard.slot as usize);
        let is_sure = |guard: &Guard| bits(guard) & wanted == 0 || bits(guard) & !wanted == 0;
        if !guards.iter().all(is_sure) {
            continue;
        }
        let wanted_guards = guards.iter().filter(|guard| bits(guard) == 0 || bits(guard) & wanted != 0);
        let mut wanted_guards = wanted_guards.filter(|guard| bits(guard).count_ones() < 2 || wanted == u64::MAX);
        let holds = wanted_guards.all(|guard| passes(&guard.test, &expected[guard.slot as usize], &message));
        let is_sure = wanted == u64::MAX || guards.iter().all(|guard| bits(guard).count_ones() < 2);
        match filled {
            Filled::Settled => assert!(!holds || !is_sure, "{part:?} {guards:?} {message:02x?}"),
            Filled::Done => assert!(holds, "{part:?} {guards:?} {message:02x?}"),
            Filled::Irregular => assert!(is_odd, "{part:?} {message:02x?}"),
        }
    }
}

/// Returns how many plans are compared; an emulator takes seconds for each.
fn case_count() -> u32 {
    std::env::var("DTQ_SCAN_COUNT").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: case_count(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_encoders_write_is_filled_as_the_filler_fills_it(seed: u64) {
        let (done, all) = check_plan(seed, false);
        prop_assert_eq!(done, all, "the scan gave up on messages as encoders write them");
    }

    #[test]
    fn what_nobody_should_write_is_filled_the_same_or_left_to_the_filler(seed: u64) {
        check_plan(seed, true);
    }

    #[test]
    fn a_guard_settles_exactly_the_records_that_fail_it(seed: u64, is_odd: bool) {
        check_guards(seed, is_odd);
    }
}

#[test]
fn messages_that_nobody_should_write_still_reach_what_fills_slots() {
    let counts = (0..12).map(|seed| check_plan(seed, true));
    let (done, all) = counts.fold((0, 0), |(done, all), (more, of)| (done + more, all + of));
    assert!(done * 100 >= all * 25, "{done} of {all}");
}

#[test]
fn messages_that_are_cut_are_filled_the_same_or_left_to_the_filler() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let part = *random.pick(&parts());
        let mut paths = part.paths();
        // Keys are many, and columns have more shapes.
        if random.one_in(2) && paths.iter().any(|path| path.key.is_none()) {
            paths.retain(|path| path.key.is_none());
        }
        // With one field the scan ends where it was found.
        let plan = SlotPlan::new(part.base, &[random.pick(&paths).clone()]).unwrap();
        let scan = part.scan(&plan, &[]);
        for _ in 0..6 {
            let mut message = message(&mut random, part.pass(&plan), false);
            message.truncate(300);
            // What is behind the end is there, and would be read.
            for size in 0..=message.len() {
                check_all(part, &plan, &scan, &message[..size]);
            }
        }
    }
}

/// Returns a message of one field with a length.
fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut message = vec![tag];
    dtq_record::wire::append_varint(&mut message, content.len() as u64);
    message.extend_from_slice(content);
    message
}

/// Returns an attribute whose text has another in it, where one would be that is 148 bytes long: the lower byte of its
/// length, 1,300, says that, and the upper one is the tag of a key.
fn attribute_within_a_text() -> Vec<u8> {
    let inner = [field(0x32, b"\x0a\x01a\x12\x03\x0a\x01x"), field(0x2A, &[b'x'; 1_140])].concat();
    let text = [&[b'x'; 138][..], &inner].concat();
    let whole = field(0x32, &[&b"\x0a\x01k"[..], &field(0x12, &field(0x0A, &text))].concat());
    assert_eq!(whole[..3], [0x32, 0x94, 0x0A]);
    whole
}

#[test]
fn a_field_that_settles_another_ends_the_scan() {
    use dtq_record::otlp::logs::column;
    let logs = Part { base: Base::Logs, level: Level::Record, kind: None };
    let plan = SlotPlan::new(Base::Logs, &[FieldPath { column: column::TIMESTAMP, key: None }]).unwrap();
    // Behind the time is what nobody looks at any more.
    assert!(check_all(logs, &plan, &logs.scan(&plan, &[]), b"\x09\x01\x02\x03\x04\x05\x06\x07\x08\xff"));
}

#[test]
fn a_duration_needs_both_times() {
    use dtq_record::otlp::spans::column;
    let spans = Part { base: Base::Spans, level: Level::Record, kind: None };
    let plan = SlotPlan::new(Base::Spans, &[FieldPath { column: column::DURATION, key: None }]).unwrap();
    let scan = spans.scan(&plan, &[]);
    let [start, end] = [0x39, 0x41].map(|tag| [&[tag][..], &1_760_000_000_000_000_000_u64.to_le_bytes()].concat());
    for message in [&start[..], &end, &[&start[..], &end].concat(), &[]] {
        assert!(check_all(spans, &plan, &scan, message));
    }
}

#[test]
fn messages_by_hand_are_filled_the_same_or_left_to_the_filler() {
    use dtq_record::otlp::logs::column;
    let logs = Part { base: Base::Logs, level: Level::Record, kind: None };
    let attribute = |value: &[u8]| field(0x32, &[b"\x0a\x01a", value].concat());
    let id = |place: usize| {
        let mut id = [0; 16];
        id[place] = 1;
        field(0x4A, &id)
    };
    let times: Vec<u8> = [&[0x09][..], &[0; 8], &[0x59, 100], &[0; 7]].concat();
    let messages = [
        // Of the two times the first is 0; ids of which half is zeros.
        times,
        id(0),
        id(7),
        id(8),
        id(15),
        field(0x4A, &[0; 16]),
        // Another field in the place of the value; a value whose length says that it is far longer.
        attribute(b"\x1a\x03\x0a\x01x"),
        attribute(&[&b"\x12\x80\x0a\x7e"[..], &[b'x'; 126]].concat()),
        attribute(&[&b"\x12\x81\x0a\x7f"[..], &[b'x'; 127]].concat()),
        // Behind a value a field that is cut, and a second value.
        attribute(b"\x12\x03\x0a\x01x\x1a"),
        attribute(b"\x12\x03\x0a\x01x\x12\x03\x0a\x01y"),
        // What is behind a number, a real and a bool is no field.
        attribute(b"\x12\x03\x18\x05\x00"),
        attribute(b"\x12\x0a\x21\0\0\0\0\0\0\0\0\x00"),
        attribute(b"\x12\x03\x10\x01\x00"),
        attribute(b"\x12\x02\x10\x02"),
        // Behind the value of a pair a field that is cut.
        attribute(b"\x12\x09\x21\0\0\0\0\0\0\0\0\x1a"),
        attribute(b"\x12\x02\x18\x05\x1a"),
        attribute(b"\x12\x03\x18\x85\x01\x1a"),
        // Numbers of eleven bytes, and of over 64 bits.
        attribute(&[&b"\x12\x0c\x18"[..], &[0x80; 10], &[0]].concat()),
        attribute(&[&b"\x12\x0b\x18"[..], &[0xFF; 9], &[3]].concat()),
        attribute_within_a_text(),
    ];
    let path = |column, key: Option<&str>| FieldPath { column, key: key.map(Str::from) };
    let all = [path(column::TIMESTAMP, None), path(column::TRACE_ID, None), path(column::ATTRIBUTES, Some("a"))];
    for paths in [&all[..], &all[..1], &all[1..2], &all[2..]] {
        let plan = SlotPlan::new(Base::Logs, paths).unwrap();
        let scan = logs.scan(&plan, &[]);
        for message in &messages {
            check_all(logs, &plan, &scan, message);
        }
    }
}

#[test]
fn a_guard_waits_for_what_its_slot_follows_from() {
    use dtq_record::otlp::metrics::column;
    let part = Part { base: Base::Metrics, level: Level::Record, kind: Some(Kind::Gauge) };
    let plan = SlotPlan::new(Base::Metrics, &[FieldPath { column: column::METRIC_VALUE, key: None }]).unwrap();
    let scan = part.scan(&plan, &[Guard { slot: 0, test: GuardTest::IntAtLeast(0) }]);
    let mut slots = vec![Slot::MISSING; plan.slot_count()];
    // A real passes; that a flag takes away what was recorded shows behind it.
    let value = [&[0x21][..], &1.5_f64.to_le_bytes()].concat();
    assert_eq!(scan.fill(&value, &mut slots, u64::MAX), Filled::Done);
    let without = [&value[..], &[0x40, 1]].concat();
    assert_eq!(scan.fill(&without, &mut slots, u64::MAX), Filled::Settled);
}

fn key_plan(keys: usize) -> SlotPlan {
    let column = dtq_record::otlp::logs::column::ATTRIBUTES;
    let paths: Vec<FieldPath> =
        (0..keys).map(|key| FieldPath { column, key: Some(Str::from(format!("k{key}").as_str())) }).collect();
    SlotPlan::new(Base::Logs, &paths).unwrap()
}

#[test]
fn too_many_keys_or_too_few_slots_are_refused_and_cause_no_undefined_behaviour() {
    let target = Target::host().unwrap();
    let compile = |plan: &SlotPlan, slots: usize| {
        RecordScan::compile(&target, plan.pass(Level::Record, None).unwrap(), slots, &[])
    };
    assert!(matches!(compile(&key_plan(3000), 3000), Err(Refusal::Size(_))));
    assert!(matches!(compile(&key_plan(3), 2), Err(Refusal::Construct(_))));
    let guard = Guard { slot: 3, test: GuardTest::IntEquals(1) };
    let plan = key_plan(3);
    let refused = RecordScan::compile(&target, plan.pass(Level::Record, None).unwrap(), 3, &[guard]);
    assert!(matches!(refused, Err(Refusal::Construct(_))));
    assert!(compile(&key_plan(1500), 1500).is_ok());
}

#[test]
#[should_panic(expected = "all slots that it fills")]
fn a_scan_is_never_run_over_too_few_slots() {
    let plan = key_plan(3);
    let part = Part { base: Base::Logs, level: Level::Record, kind: None };
    part.scan(&plan, &[]).fill(&[], &mut [Slot::MISSING; 2], u64::MAX);
}

#[test]
#[should_panic(expected = "all slots that it fills")]
fn a_batch_is_never_run_over_too_few_slots() {
    let plan = key_plan(3);
    let scan = Part { base: Base::Logs, level: Level::Record, kind: None }.scan(&plan, &[]);
    let batch = Batch { scan: &scan, wanted: u64::MAX, asks: &[], stops: 0 };
    let mut ctx = NativeContext::new(Context::new(Limits::default(), 0, 0));
    let mut table = BufferTable::new(&Buffers::default());
    batch.decide(&mut ctx, (&mut [Slot::MISSING; 2], &mut table), (&[], &[]), &mut []);
}

#[test]
fn an_enumeration_has_the_lower_half_of_its_number_or_is_left_to_the_filler() {
    let path = FieldPath { column: dtq_record::otlp::logs::column::SEVERITY_NUMBER, key: None };
    let plan = SlotPlan::new(Base::Logs, &[path]).unwrap();
    let part = Part { base: Base::Logs, level: Level::Record, kind: None };
    let scan = part.scan(&plan, &[]);
    for number in [5, 16_383, 1 << 31, (1 << 32) + 5, u64::MAX] {
        let mut message = Vec::new();
        append_varint_field(&mut message, 2, number);
        assert!(check_all(part, &plan, &scan, &message) || number > 16_383, "{number}");
    }
}

#[test]
fn a_scan_has_no_call_and_no_instruction_that_traps() {
    for name in Target::NAMES {
        let target = Target::named(name).unwrap();
        for part in parts() {
            let plan = SlotPlan::new(part.base, &part.paths()).unwrap();
            let guard = Guard { slot: 0, test: GuardTest::TextDiffers(Box::from(&b"LogWelcomeBanner"[..])) };
            let listing = RecordScan::listing(&target, part.pass(&plan), plan.slot_count(), &[guard]).unwrap();
            for word in ["trap", "call", "div", "rem", "stack_"] {
                let mut words = listing.clif.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
                // Loads and stores say that they do not trap.
                assert!(!words.any(|one| one.starts_with(word)), "{word} {part:?}\n{}", listing.clif);
            }
            assert!(listing.asm.contains("ret"), "{}", listing.asm);
        }
    }
}

/// Prints the code of the scan for one key: `cargo test -p dtq-jit --test scan one_key -- --nocapture`.
#[test]
fn the_scan_for_one_key_is_short() {
    let path = FieldPath { column: dtq_record::otlp::logs::column::ATTRIBUTES, key: Some(Str::from("EventName")) };
    let plan = SlotPlan::new(Base::Logs, &[path]).unwrap();
    let pass = plan.pass(Level::Record, None).unwrap();
    let listing = RecordScan::listing(&Target::host().unwrap(), pass, 1, &[]).unwrap();
    println!("{}\n{}", listing.clif, listing.asm);
    let scan = RecordScan::compile(&Target::host().unwrap(), pass, 1, &[]).unwrap();
    assert!(scan.code_size() < 2000, "{}", scan.code_size());
}
