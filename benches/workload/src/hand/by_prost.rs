//! The reference work as most programs do it: prost decodes, records are retained or edited, prost encodes.

use crate::records::BANNER;
use crate::requests::{attribute, decode};
use memchr::memmem::Finder;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

fn is_text(value: Option<&Any>, wanted: &str) -> bool {
    matches!(value, Some(Any::StringValue(text)) if text == wanted)
}

/// Returns the request without banners.
pub fn f2(request: &[u8]) -> Vec<u8> {
    retain(request, |_| false, |_, record| !is_text(attribute(&record.attributes, "EventName"), BANNER))
}

/// Returns the request with what F3 holds of.
pub fn f3(request: &[u8], timeout: &Finder<'_>) -> Vec<u8> {
    let is_checkout = |resource: &Resource| is_text(attribute(&resource.attributes, "service.name"), "checkout");
    retain(request, is_checkout, |is_checkout, record| {
        record.severity_number >= 9
            && (is_checkout || has_status(record, 500))
            && matches!(&record.body, Some(AnyValue { value: Some(Any::StringValue(body)) })
                if timeout.find(body.as_bytes()).is_some())
    })
}

fn has_status(record: &LogRecord, status_min: i64) -> bool {
    matches!(attribute(&record.attributes, "http.status_code"), Some(Any::IntValue(status)) if *status >= status_min)
}

fn retain(
    request: &[u8],
    of_resource: impl Fn(&Resource) -> bool,
    keeps: impl Fn(bool, &LogRecord) -> bool,
) -> Vec<u8> {
    let mut request = decode(request);
    request.resource_logs.retain_mut(|one| {
        let known = one.resource.as_ref().is_some_and(&of_resource);
        one.scope_logs.retain_mut(|scope| {
            scope.log_records.retain(|record| keeps(known, record));
            !scope.log_records.is_empty()
        });
        !one.scope_logs.is_empty()
    });
    request.encode_to_vec()
}
