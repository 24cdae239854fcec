//! VRL: an event a record, with all its attributes and those of its resource.

use crate::count;
use dtq_workload::measure::{self, Case, Measured};
use dtq_workload::requests::{decode, records_of};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use std::cell::RefCell;
use vrl::compiler::state::RuntimeState;
use vrl::compiler::{Context, Program, TargetValue, TimeZone};
use vrl::value::{ObjectMap, Secrets, Value};

const QUESTIONS: [(&str, &str); 4] = [
    ("F1", "int!(.severity) >= 17"),
    ("F2", r#".attributes.EventName != "LogWelcomeBanner""#),
    (
        "F3",
        r#"int!(.severity) >= 9 && (.resource."service.name" == "checkout" || int!(.attributes."http.status_code") >= 500) && contains(string!(.body), "timeout")"#,
    ),
    (
        "F4",
        r#"contains(string!(.body), "error", case_sensitive: false) || starts_with(string!(.attributes."http.route"), "/api/v1/") || match(string!(.body), r'user=[0-9]+ failed')"#,
    ),
];

/// Returns what its programs cost.
pub fn measure(requests: &[Vec<u8>], passes: usize) -> Vec<Measured> {
    let mut targets = Vec::new();
    for request in requests {
        targets.extend(records_of(&decode(request)).map(|(resource, record)| RefCell::new(target(resource, record))));
    }
    let cases = QUESTIONS.iter().map(|(question, text)| {
        let compiled = vrl::compiler::compile(text, &vrl::stdlib::all());
        let program = compiled.unwrap_or_else(|errors| panic!("{text}: {errors:?}")).program;
        count(format!("{question}: vrl"), &targets, move |target| holds(&program, target))
    });
    measure::all(&mut cases.collect::<Vec<Case<'_>>>(), passes)
}

fn holds(program: &Program, target: &RefCell<TargetValue>) -> bool {
    let mut target = target.borrow_mut();
    let mut state = RuntimeState::default();
    let timezone = TimeZone::default();
    let mut context = Context::new(&mut *target, &mut state, &timezone);
    matches!(program.resolve(&mut context).expect("the fields have these types"), Value::Boolean(true))
}

fn target(resource: Option<&Resource>, record: &LogRecord) -> TargetValue {
    let body = match &record.body {
        Some(AnyValue { value: Some(body) }) => value(body),
        _ => Value::Null,
    };
    let resource = resource.map_or_else(ObjectMap::new, |resource| object(&resource.attributes));
    let event = ObjectMap::from([
        ("severity".into(), Value::from(i64::from(record.severity_number))),
        ("body".into(), body),
        ("attributes".into(), Value::Object(object(&record.attributes))),
        ("resource".into(), Value::Object(resource)),
    ]);
    TargetValue { value: Value::Object(event), metadata: Value::Object(ObjectMap::new()), secrets: Secrets::default() }
}

fn object(attributes: &[KeyValue]) -> ObjectMap {
    let values = attributes.iter().filter_map(|pair| {
        let any = pair.value.as_ref()?.value.as_ref()?;
        Some((pair.key.as_str().into(), value(any)))
    });
    values.collect()
}

fn value(any: &Any) -> Value {
    match any {
        Any::StringValue(text) => Value::from(text.as_str()),
        Any::IntValue(number) => Value::from(*number),
        Any::DoubleValue(number) => Value::from_f64_or_zero(*number),
        other => panic!("{other:?} is made by no record here"),
    }
}
