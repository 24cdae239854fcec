//! Broken telemetry: recorded requests with random damage are refused or changed, and never worse for it.
//!
//! What prost decodes it still decodes after random changes; nothing panics. The damage is the same in every run.
#![allow(clippy::unwrap_used)]

use dtq_record::otlp::Signal;
use dtq_record::otlp::assemble::{Assembled, Changes, assemble};
use dtq_record::otlp::edit::{ColumnEdit, edit_attributes_message, edit_metric_head, edit_point, edit_record};
use dtq_record::otlp::fill::{FieldPath, SlotPlan};
use dtq_record::otlp::index::RequestIndex;
use dtq_record::slot::{Buffers, Slot};
use dtq_record::tables::{Base, standard};
use dtq_record::wire::{Fields, append_bytes_field, read_varint};
use dtq_value::{Bag, Str, Value};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

const NESTING_MAX: usize = 100;

/// Gives the numbers of a xorshift generator (Marsaglia 2003).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

/// Returns the recorded requests of a signal, cut into requests of one resource.
fn recorded(signal: Signal) -> Vec<Vec<u8>> {
    let name = match signal {
        Signal::Logs => "logs.otlp",
        Signal::Metrics => "metrics.otlp",
        Signal::Spans => "traces.otlp",
    };
    let folder = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/telemetry");
    let bytes = std::fs::read(folder.join(name)).unwrap();
    let mut requests = Vec::new();
    let mut whole = Vec::new();
    let mut rest = &bytes[..];
    if bytes[0] == 0x0A && Fields::new(&bytes).all(|field| field.is_ok_and(|field| field.number == 1)) {
        whole.push(&bytes[..]);
        rest = &[];
    }
    while let Some((size, head)) = read_varint(rest) {
        let (request, after) = rest[head..].split_at(size as usize);
        whole.push(request);
        rest = after;
    }
    for request in whole {
        requests.extend(Fields::new(request).map(|field| {
            let field = field.unwrap();
            request[field.offset..field.end].to_vec()
        }));
    }
    requests
}

fn damage(request: &mut Vec<u8>, numbers: &mut Numbers) {
    for _ in 0..numbers.below(4) {
        let at = numbers.below(request.len());
        match numbers.below(6) {
            0 => request[at] ^= 1 << numbers.below(8),
            1 => request[at] = numbers.below(256) as u8,
            2 => request.insert(at, numbers.below(256) as u8),
            3 => drop(request.remove(at)),
            4 => request.truncate(at.max(1)),
            _ => {
                let end = (at + numbers.below(40)).min(request.len());
                let piece = request[at..end].to_vec();
                let to = numbers.below(request.len());
                request.splice(to..to, piece);
            }
        }
    }
}

fn decodes(signal: Signal, request: &[u8]) -> bool {
    match signal {
        Signal::Logs => ExportLogsServiceRequest::decode(request).is_ok(),
        Signal::Metrics => ExportMetricsServiceRequest::decode(request).is_ok(),
        Signal::Spans => ExportTraceServiceRequest::decode(request).is_ok(),
    }
}

/// Fills all columns and reads their values, which may fail and must not panic.
fn fill(base: Base, request: &[u8], index: &RequestIndex) {
    let columns = 0..standard(base.name()).unwrap().columns.len();
    let paths: Vec<FieldPath> = columns.map(|column| FieldPath { column, key: None }).collect();
    let plan = SlotPlan::new(base, &paths).unwrap();
    let mut slots = vec![Slot::MISSING; plan.slot_count()];
    for record in index.records() {
        let content = record.place.content(request);
        let mut buffers = Buffers { record: content, ..Buffers::default() };
        let is_filled = match base {
            Base::Metrics => {
                let metric = index.metrics()[record.parent as usize];
                buffers.metric = metric.place.content(request);
                plan.fill_metric(buffers.metric, &mut slots).is_ok()
                    && plan.fill_point(metric.data.unwrap().0, content, &mut slots).is_ok()
            }
            _ => plan.fill_record(content, &mut slots).is_ok(),
        };
        if is_filled {
            slots.iter().for_each(|slot| drop(slot.value(&buffers, NESTING_MAX)));
        }
    }
}

fn random_value(numbers: &mut Numbers) -> Value {
    let bag = || Bag::from_iter([(Str::from("k"), Value::Long(1)), (Str::from("b"), Value::array(vec![Value::Null]))]);
    match numbers.below(7) {
        0 => Value::Null,
        1 => Value::Long(numbers.below(9) as i64),
        2 => Value::string("Error"),
        3 => Value::String(Str::from(&b"\xFE"[..])),
        4 => Value::array(vec![Value::Real(0.5), Value::Bool(true)]),
        5 => Value::DateTime(638_396_640_000_000_000),
        _ => Value::bag(bag()),
    }
}

fn random_edits(numbers: &mut Numbers) -> Vec<(usize, ColumnEdit)> {
    let count = 1 + numbers.below(2);
    (0..count)
        .map(|_| {
            let edit = match numbers.below(2) {
                0 => ColumnEdit::Set(random_value(numbers)),
                _ => {
                    let value = (numbers.below(2) == 0).then(|| random_value(numbers));
                    let key = ["http.route", "service.name", "k"][numbers.below(3)];
                    ColumnEdit::Keys(vec![(Str::from(key), value)])
                }
            };
            (numbers.below(16), edit)
        })
        .collect()
}

fn change(base: Base, request: &[u8], index: &RequestIndex, numbers: &mut Numbers) -> Changes {
    let mut changes = Changes::default();
    for (position, record) in index.records().iter().enumerate() {
        let content = record.place.content(request);
        let metric = index.metrics().get(record.parent as usize).filter(|_| base == Base::Metrics);
        match numbers.below(8) {
            0 => changes.drop_record(position),
            1 => changes.insert_after(position, content),
            2 | 3 => {
                let edits = random_edits(numbers);
                let edited = match metric {
                    Some(metric) => edit_point(metric.data.unwrap().0, content, &edits, NESTING_MAX),
                    None => edit_record(base, content, &edits, NESTING_MAX),
                };
                edited.iter().for_each(|edited| changes.replace_record(position, edited));
            }
            4 => {
                let edits = [(2, ColumnEdit::Set(Value::string("name")))];
                let head = metric.map(|metric| edit_metric_head(metric.place.content(request), &edits, NESTING_MAX));
                head.into_iter().flatten().for_each(|head| changes.move_point(position, &head));
            }
            _ => {}
        }
    }
    for (position, resource) in index.resources().iter().enumerate() {
        let old = resource.resource.map_or(&[][..], |place| place.content(request));
        let edit = ColumnEdit::Keys(vec![(Str::from("service.name"), Some(random_value(numbers)))]);
        if let (0, Ok(edited)) = (numbers.below(2), edit_attributes_message(old, 1, &edit, NESTING_MAX)) {
            changes.replace_resource(position, &edited);
        }
    }
    changes
}

#[test]
fn damaged_requests_are_refused_or_still_decode_after_changes() {
    for signal in [Signal::Logs, Signal::Metrics, Signal::Spans] {
        let base = Base::parse(signal.table()).unwrap();
        let requests = recorded(signal);
        let mut numbers = Numbers(0x2545_F491_4F6C_DD1D);
        let (mut accepted, mut decoded) = (0, 0);
        for round in 0..1500 {
            let mut request = requests[round % requests.len()].clone();
            damage(&mut request, &mut numbers);
            let mut index = RequestIndex::default();
            if index.read(signal, &request).is_err() {
                continue;
            }
            accepted += 1;
            fill(base, &request, &index);
            let changes = change(base, &request, &index, &mut numbers);
            let Assembled::Bytes(out) = assemble(&request, &index, &changes) else { continue };
            index.read(signal, &out).unwrap();
            if decodes(signal, &request) {
                decoded += 1;
                assert!(decodes(signal, &out), "round {round}");
            }
        }
        // The damage must leave enough to test with.
        assert!(accepted > 500 && decoded > 300, "{signal:?}: {accepted} accepted, {decoded} decoded");
    }
}

#[test]
fn random_bytes_neither_panic_nor_take_long() {
    let mut numbers = Numbers(88_172_645_463_325_252);
    for _ in 0..3000 {
        let size = numbers.below(300);
        let bytes: Vec<u8> = (0..size).map(|_| numbers.below(256) as u8 & 0x3F).collect();
        for signal in [Signal::Logs, Signal::Metrics, Signal::Spans] {
            let base = Base::parse(signal.table()).unwrap();
            // As a request, and as the only record of one.
            let mut record = Vec::new();
            let metric = [vec![0x0A], bytes.clone()].concat();
            append_bytes_field(&mut record, 2, if signal == Signal::Metrics { &metric } else { &bytes });
            let mut scope = Vec::new();
            append_bytes_field(&mut scope, 2, &record);
            let mut request = Vec::new();
            append_bytes_field(&mut request, 1, &scope);
            for request in [&bytes, &request] {
                let mut index = RequestIndex::default();
                if index.read(signal, request).is_ok() {
                    fill(base, request, &index);
                    drop(assemble(request, &index, &change(base, request, &index, &mut numbers)));
                }
            }
        }
    }
}
