//! The messages of OTLP as OTLP JSON names them: key, field number and kind of each field.
//!
//! Read by `json.rs` (JSON to protobuf) and `to_json.rs` (protobuf to JSON); holds no code that reads or writes either.
//!
//! # Source
//! opentelemetry-proto 1.x: `common.proto`, `resource.proto`, `logs.proto`, `metrics.proto`, `trace.proto`.

use super::Signal;

/// Names how a field is written in JSON and in protobuf.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A string.
    Text,
    /// Bytes, in JSON hex: trace and span ids.
    Hex,
    /// Bytes, in JSON base64.
    Base64,
    /// `bool`
    Bool,
    /// `double`
    Double,
    /// `fixed64`
    Fixed64,
    /// `sfixed64`
    SignedFixed64,
    /// `int64`
    Varint64,
    /// `uint64`
    UnsignedVarint64,
    /// `fixed32`
    Fixed32,
    /// `uint32`
    Varint32,
    /// `sint32`
    Zigzag32,
    /// An enum with these names.
    Enum(&'static [(&'static str, i32)]),
    /// A nested message.
    Message(&'static Message),
}

impl PartialEq for Kind {
    /// Compares the kind alone, not names or messages.
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// Holds a field.
#[derive(Debug)]
pub(super) struct Field {
    /// Key in JSON, in camel case.
    pub key: &'static str,
    /// Number in protobuf.
    pub number: u32,
    /// How it is written.
    pub kind: Kind,
    /// Whether it is a list: an array in JSON, packed in protobuf where numbers can be.
    pub is_repeated: bool,
    /// Whether it is a member of a `oneof`, of which a message has one. (Every OTLP message has at most one `oneof`.)
    pub is_choice: bool,
    /// The signal that a field of a request stands for.
    pub signal: Option<Signal>,
}

/// Holds a message.
#[derive(Debug)]
pub(super) struct Message {
    /// Its fields.
    pub fields: &'static [Field],
    /// Whether a fault inside costs just this message: a record, or what holds records.
    pub is_unit: bool,
    /// Whether it holds records.
    pub is_container: bool,
    /// Whether it is an array or a bag of values, whose nesting is bounded.
    pub is_nested_value: bool,
}

impl Message {
    /// Returns the position of the field with a number.
    pub fn position(&self, number: u32) -> Option<usize> {
        self.fields.iter().position(|field| field.number == number)
    }

    /// Returns the position of the field that a key names, in camel or snake case.
    pub fn find(&self, key: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.key == key || (key.contains('_') && is_snake_case_of(key, field.key)))
    }
}

fn is_snake_case_of(snake: &str, camel: &str) -> bool {
    let mut snake = snake.chars();
    camel.chars().all(|character| {
        let lower = character.to_ascii_lowercase();
        (lower == character || snake.next() == Some('_')) && snake.next() == Some(lower)
    }) && snake.next().is_none()
}

const fn field(key: &'static str, number: u32, kind: Kind) -> Field {
    Field { key, number, kind, is_repeated: false, is_choice: false, signal: None }
}

const fn list(key: &'static str, number: u32, kind: Kind) -> Field {
    Field { key, number, kind, is_repeated: true, is_choice: false, signal: None }
}

const fn choice(key: &'static str, number: u32, kind: Kind) -> Field {
    Field { key, number, kind, is_repeated: false, is_choice: true, signal: None }
}

const fn signal(key: &'static str, message: &'static Message, signal: Signal) -> Field {
    Field { key, number: 1, kind: Kind::Message(message), is_repeated: true, is_choice: false, signal: Some(signal) }
}

const fn part(fields: &'static [Field]) -> Message {
    Message { fields, is_unit: false, is_container: false, is_nested_value: false }
}

const fn nested_value(fields: &'static [Field]) -> Message {
    Message { fields, is_unit: false, is_container: false, is_nested_value: true }
}

const fn record(fields: &'static [Field]) -> Message {
    Message { fields, is_unit: true, is_container: false, is_nested_value: false }
}

const fn container(fields: &'static [Field]) -> Message {
    Message { fields, is_unit: true, is_container: true, is_nested_value: false }
}

/// Any of the three requests: the key tells which.
pub(super) static REQUEST: Message = Message {
    fields: &[
        signal("resourceLogs", &RESOURCE_LOGS, Signal::Logs),
        signal("resourceSpans", &RESOURCE_SPANS, Signal::Spans),
        signal("resourceMetrics", &RESOURCE_METRICS, Signal::Metrics),
    ],
    is_unit: false,
    is_container: true,
    is_nested_value: false,
};

static ANY_VALUE: Message = part(&[
    choice("stringValue", 1, Kind::Text),
    choice("boolValue", 2, Kind::Bool),
    choice("intValue", 3, Kind::Varint64),
    choice("doubleValue", 4, Kind::Double),
    choice("arrayValue", 5, Kind::Message(&VALUES)),
    choice("kvlistValue", 6, Kind::Message(&KEY_VALUES)),
    choice("bytesValue", 7, Kind::Base64),
]);
static VALUES: Message = nested_value(&[list("values", 1, Kind::Message(&ANY_VALUE))]);
static KEY_VALUES: Message = nested_value(&[list("values", 1, Kind::Message(&KEY_VALUE))]);
static KEY_VALUE: Message = part(&[field("key", 1, Kind::Text), field("value", 2, Kind::Message(&ANY_VALUE))]);

static RESOURCE: Message = part(&[
    list("attributes", 1, Kind::Message(&KEY_VALUE)),
    field("droppedAttributesCount", 2, Kind::Varint32),
    list("entityRefs", 3, Kind::Message(&ENTITY_REF)),
]);
static ENTITY_REF: Message = part(&[
    field("schemaUrl", 1, Kind::Text),
    field("type", 2, Kind::Text),
    list("idKeys", 3, Kind::Text),
    list("descriptionKeys", 4, Kind::Text),
]);
static SCOPE: Message = part(&[
    field("name", 1, Kind::Text),
    field("version", 2, Kind::Text),
    list("attributes", 3, Kind::Message(&KEY_VALUE)),
    field("droppedAttributesCount", 4, Kind::Varint32),
]);

static RESOURCE_LOGS: Message = container(&[
    field("resource", 1, Kind::Message(&RESOURCE)),
    list("scopeLogs", 2, Kind::Message(&SCOPE_LOGS)),
    field("schemaUrl", 3, Kind::Text),
]);
static SCOPE_LOGS: Message = container(&[
    field("scope", 1, Kind::Message(&SCOPE)),
    list("logRecords", 2, Kind::Message(&LOG_RECORD)),
    field("schemaUrl", 3, Kind::Text),
]);
static LOG_RECORD: Message = record(&[
    field("timeUnixNano", 1, Kind::Fixed64),
    field("observedTimeUnixNano", 11, Kind::Fixed64),
    field("severityNumber", 2, Kind::Enum(&SEVERITY_NUMBERS)),
    field("severityText", 3, Kind::Text),
    field("body", 5, Kind::Message(&ANY_VALUE)),
    list("attributes", 6, Kind::Message(&KEY_VALUE)),
    field("droppedAttributesCount", 7, Kind::Varint32),
    field("flags", 8, Kind::Fixed32),
    field("traceId", 9, Kind::Hex),
    field("spanId", 10, Kind::Hex),
    field("eventName", 12, Kind::Text),
]);

static RESOURCE_SPANS: Message = container(&[
    field("resource", 1, Kind::Message(&RESOURCE)),
    list("scopeSpans", 2, Kind::Message(&SCOPE_SPANS)),
    field("schemaUrl", 3, Kind::Text),
]);
static SCOPE_SPANS: Message = container(&[
    field("scope", 1, Kind::Message(&SCOPE)),
    list("spans", 2, Kind::Message(&SPAN)),
    field("schemaUrl", 3, Kind::Text),
]);
static SPAN: Message = record(&[
    field("traceId", 1, Kind::Hex),
    field("spanId", 2, Kind::Hex),
    field("traceState", 3, Kind::Text),
    field("parentSpanId", 4, Kind::Hex),
    field("flags", 16, Kind::Fixed32),
    field("name", 5, Kind::Text),
    field("kind", 6, Kind::Enum(&SPAN_KINDS)),
    field("startTimeUnixNano", 7, Kind::Fixed64),
    field("endTimeUnixNano", 8, Kind::Fixed64),
    list("attributes", 9, Kind::Message(&KEY_VALUE)),
    field("droppedAttributesCount", 10, Kind::Varint32),
    list("events", 11, Kind::Message(&EVENT)),
    field("droppedEventsCount", 12, Kind::Varint32),
    list("links", 13, Kind::Message(&LINK)),
    field("droppedLinksCount", 14, Kind::Varint32),
    field("status", 15, Kind::Message(&STATUS)),
]);
static EVENT: Message = part(&[
    field("timeUnixNano", 1, Kind::Fixed64),
    field("name", 2, Kind::Text),
    list("attributes", 3, Kind::Message(&KEY_VALUE)),
    field("droppedAttributesCount", 4, Kind::Varint32),
]);
static LINK: Message = part(&[
    field("traceId", 1, Kind::Hex),
    field("spanId", 2, Kind::Hex),
    field("traceState", 3, Kind::Text),
    list("attributes", 4, Kind::Message(&KEY_VALUE)),
    field("droppedAttributesCount", 5, Kind::Varint32),
    field("flags", 6, Kind::Fixed32),
]);
static STATUS: Message = part(&[field("message", 2, Kind::Text), field("code", 3, Kind::Enum(&STATUS_CODES))]);

static RESOURCE_METRICS: Message = container(&[
    field("resource", 1, Kind::Message(&RESOURCE)),
    list("scopeMetrics", 2, Kind::Message(&SCOPE_METRICS)),
    field("schemaUrl", 3, Kind::Text),
]);
static SCOPE_METRICS: Message = container(&[
    field("scope", 1, Kind::Message(&SCOPE)),
    list("metrics", 2, Kind::Message(&METRIC)),
    field("schemaUrl", 3, Kind::Text),
]);
static METRIC: Message = container(&[
    field("name", 1, Kind::Text),
    field("description", 2, Kind::Text),
    field("unit", 3, Kind::Text),
    choice("gauge", 5, Kind::Message(&NUMBERS)),
    choice("sum", 7, Kind::Message(&NUMBERS)),
    choice("histogram", 9, Kind::Message(&HISTOGRAM)),
    choice("exponentialHistogram", 10, Kind::Message(&EXPONENTIAL_HISTOGRAM)),
    choice("summary", 11, Kind::Message(&SUMMARY)),
    list("metadata", 12, Kind::Message(&KEY_VALUE)),
]);
static NUMBERS: Message = container(&[
    list("dataPoints", 1, Kind::Message(&NUMBER_POINT)),
    field("aggregationTemporality", 2, Kind::Enum(&TEMPORALITIES)),
    field("isMonotonic", 3, Kind::Bool),
]);
static HISTOGRAM: Message = container(&[
    list("dataPoints", 1, Kind::Message(&HISTOGRAM_POINT)),
    field("aggregationTemporality", 2, Kind::Enum(&TEMPORALITIES)),
]);
static EXPONENTIAL_HISTOGRAM: Message = container(&[
    list("dataPoints", 1, Kind::Message(&EXPONENTIAL_POINT)),
    field("aggregationTemporality", 2, Kind::Enum(&TEMPORALITIES)),
]);
static SUMMARY: Message = container(&[list("dataPoints", 1, Kind::Message(&SUMMARY_POINT))]);
static NUMBER_POINT: Message = record(&[
    list("attributes", 7, Kind::Message(&KEY_VALUE)),
    field("startTimeUnixNano", 2, Kind::Fixed64),
    field("timeUnixNano", 3, Kind::Fixed64),
    choice("asDouble", 4, Kind::Double),
    choice("asInt", 6, Kind::SignedFixed64),
    list("exemplars", 5, Kind::Message(&EXEMPLAR)),
    field("flags", 8, Kind::Varint32),
]);
static HISTOGRAM_POINT: Message = record(&[
    list("attributes", 9, Kind::Message(&KEY_VALUE)),
    field("startTimeUnixNano", 2, Kind::Fixed64),
    field("timeUnixNano", 3, Kind::Fixed64),
    field("count", 4, Kind::Fixed64),
    field("sum", 5, Kind::Double),
    list("bucketCounts", 6, Kind::Fixed64),
    list("explicitBounds", 7, Kind::Double),
    list("exemplars", 8, Kind::Message(&EXEMPLAR)),
    field("flags", 10, Kind::Varint32),
    field("min", 11, Kind::Double),
    field("max", 12, Kind::Double),
]);
static EXPONENTIAL_POINT: Message = record(&[
    list("attributes", 1, Kind::Message(&KEY_VALUE)),
    field("startTimeUnixNano", 2, Kind::Fixed64),
    field("timeUnixNano", 3, Kind::Fixed64),
    field("count", 4, Kind::Fixed64),
    field("sum", 5, Kind::Double),
    field("scale", 6, Kind::Zigzag32),
    field("zeroCount", 7, Kind::Fixed64),
    field("positive", 8, Kind::Message(&BUCKETS)),
    field("negative", 9, Kind::Message(&BUCKETS)),
    field("flags", 10, Kind::Varint32),
    list("exemplars", 11, Kind::Message(&EXEMPLAR)),
    field("min", 12, Kind::Double),
    field("max", 13, Kind::Double),
    field("zeroThreshold", 14, Kind::Double),
]);
static BUCKETS: Message = part(&[field("offset", 1, Kind::Zigzag32), list("bucketCounts", 2, Kind::UnsignedVarint64)]);
static SUMMARY_POINT: Message = record(&[
    list("attributes", 7, Kind::Message(&KEY_VALUE)),
    field("startTimeUnixNano", 2, Kind::Fixed64),
    field("timeUnixNano", 3, Kind::Fixed64),
    field("count", 4, Kind::Fixed64),
    field("sum", 5, Kind::Double),
    list("quantileValues", 6, Kind::Message(&QUANTILE)),
    field("flags", 8, Kind::Varint32),
]);
static QUANTILE: Message = part(&[field("quantile", 1, Kind::Double), field("value", 2, Kind::Double)]);

static EXEMPLAR: Message = part(&[
    list("filteredAttributes", 7, Kind::Message(&KEY_VALUE)),
    field("timeUnixNano", 2, Kind::Fixed64),
    choice("asDouble", 3, Kind::Double),
    choice("asInt", 6, Kind::SignedFixed64),
    field("spanId", 4, Kind::Hex),
    field("traceId", 5, Kind::Hex),
]);

static SPAN_KINDS: [(&str, i32); 6] = [
    ("SPAN_KIND_UNSPECIFIED", 0),
    ("SPAN_KIND_INTERNAL", 1),
    ("SPAN_KIND_SERVER", 2),
    ("SPAN_KIND_CLIENT", 3),
    ("SPAN_KIND_PRODUCER", 4),
    ("SPAN_KIND_CONSUMER", 5),
];
static STATUS_CODES: [(&str, i32); 3] = [("STATUS_CODE_UNSET", 0), ("STATUS_CODE_OK", 1), ("STATUS_CODE_ERROR", 2)];
static TEMPORALITIES: [(&str, i32); 3] = [
    ("AGGREGATION_TEMPORALITY_UNSPECIFIED", 0),
    ("AGGREGATION_TEMPORALITY_DELTA", 1),
    ("AGGREGATION_TEMPORALITY_CUMULATIVE", 2),
];
static SEVERITY_NUMBERS: [(&str, i32); 25] = [
    ("SEVERITY_NUMBER_UNSPECIFIED", 0),
    ("SEVERITY_NUMBER_TRACE", 1),
    ("SEVERITY_NUMBER_TRACE2", 2),
    ("SEVERITY_NUMBER_TRACE3", 3),
    ("SEVERITY_NUMBER_TRACE4", 4),
    ("SEVERITY_NUMBER_DEBUG", 5),
    ("SEVERITY_NUMBER_DEBUG2", 6),
    ("SEVERITY_NUMBER_DEBUG3", 7),
    ("SEVERITY_NUMBER_DEBUG4", 8),
    ("SEVERITY_NUMBER_INFO", 9),
    ("SEVERITY_NUMBER_INFO2", 10),
    ("SEVERITY_NUMBER_INFO3", 11),
    ("SEVERITY_NUMBER_INFO4", 12),
    ("SEVERITY_NUMBER_WARN", 13),
    ("SEVERITY_NUMBER_WARN2", 14),
    ("SEVERITY_NUMBER_WARN3", 15),
    ("SEVERITY_NUMBER_WARN4", 16),
    ("SEVERITY_NUMBER_ERROR", 17),
    ("SEVERITY_NUMBER_ERROR2", 18),
    ("SEVERITY_NUMBER_ERROR3", 19),
    ("SEVERITY_NUMBER_ERROR4", 20),
    ("SEVERITY_NUMBER_FATAL", 21),
    ("SEVERITY_NUMBER_FATAL2", 22),
    ("SEVERITY_NUMBER_FATAL3", 23),
    ("SEVERITY_NUMBER_FATAL4", 24),
];
