//! What rules cost on the wire, beside what prost costs on the same work: OTLP bytes in, OTLP bytes out.
//!
//! All in one run, thread CPU time, the least of several repetitions; ratios are what to compare between machines.

mod records;

use cpu_time::ThreadTime;
use dtq_record::otlp::Signal;
use dtq_record::otlp::index::RequestIndex;
use dtq_rules::compile::{Options, compile};
use dtq_rules::engine::{Options as ProcessorOptions, Output, Processor};
use dtq_rules::file::{self, NoFiles};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use records::Requests;
use std::hint::black_box;
use std::sync::Arc;

/// The time that rules see.
const NOW_TICKS: i64 = 638_960_000_000_000_000;
const REPETITIONS: usize = 7;

const F1: &str = "logs | where SeverityNumber >= 17";
const F2: &str = "logs | where Attributes[\"EventName\"] != \"LogWelcomeBanner\"";
const F3: &str = "logs | where SeverityNumber >= 9 and (Resource[\"service.name\"] == \"checkout\" or \
                  toint(Attributes[\"http.status_code\"]) >= 500) and tostring(Body) contains_cs \"timeout\"";
const T1: &str = "logs | extend Attributes = iff(Attributes[\"EventName\"] == \"LogWelcomeBanner\", \
                  bag_remove_keys(Attributes, dynamic([\"secret\"])), Attributes) | extend Attributes = \
                  iff(todouble(Attributes[\"duration_ms\"]) > 500, bag_set_key(Attributes, \"tier\", \"gold\"), Attributes)";

fn main() -> Result<(), String> {
    let requests = match std::env::args().nth(1) {
        Some(path) => records::read(&path)?,
        None => records::make(100_000),
    };
    let bytes: usize = requests.requests.iter().map(Vec::len).sum();
    println!("{} records, {:.0} bytes each", requests.record_count, bytes as f64 / requests.record_count as f64);
    let prost_f2 = measure("prost: decode, F2, encode", &requests, |bytes| run_prost(bytes, keep_f2).len());
    let walk = measure("walk record boundaries", &requests, {
        let mut index = RequestIndex::default();
        move |bytes| {
            index.read(Signal::Logs, bytes).expect("requests are well-formed");
            index.records().len()
        }
    });
    for (name, to, query) in [
        ("rules: F1, replace", "replace", F1),
        ("rules: F2, replace", "replace", F2),
        ("rules: F3, replace", "replace", F3),
        ("rules: T1, replace", "replace", T1),
        ("rules: settled by Resource, drop", "drop", "logs | where Resource[\"service.name\"] == \"nowhere\""),
        ("rules: drop by Resource", "drop", "logs | where Resource[\"service.name\"] in (\"checkout\", \"cart\")"),
        ("rules: keep all", "drop", "logs | where false"),
    ] {
        let mut processor = processor(to, query)?;
        let ns = measure(name, &requests, |bytes| match processor.apply(Signal::Logs, bytes, NOW_TICKS, None).output {
            Output::Unchanged => 1,
            Output::Empty => 0,
            Output::Bytes(bytes) => bytes.len(),
        });
        println!("{:44} {:8.2} x prost F2, {:.2} x walking", "", prost_f2 / ns, ns / walk);
    }
    Ok(())
}

/// Prints and returns the nanoseconds a record of the fastest repetition.
fn measure(name: &str, requests: &Requests, mut run: impl FnMut(&[u8]) -> usize) -> f64 {
    let mut least = f64::INFINITY;
    for _ in 0..=REPETITIONS {
        let start = ThreadTime::now();
        for request in &requests.requests {
            black_box(run(black_box(request)));
        }
        least = least.min(start.elapsed().as_nanos() as f64 / requests.record_count as f64);
    }
    println!("{name:44} {least:8.1} ns a record");
    least
}

fn processor(to: &str, query: &str) -> Result<Processor, String> {
    let yaml = format!("apiVersion: dtq/v1\nrules:\n  - name: one\n    to: {to}\n    kql: |\n      {query}\n");
    let (read, diagnostics) = file::read("bench.yaml", yaml.as_bytes(), &NoFiles, &file::Options::default());
    if !read.is_complete {
        return Err(format!("{diagnostics:?}"));
    }
    let compiled = compile(&[read], &Options::default());
    let set = compiled.set.ok_or_else(|| format!("{:?}", compiled.diagnostics))?;
    Ok(Processor::new(Arc::new(set), &ProcessorOptions { start_ticks: NOW_TICKS, random_seed: 1 }))
}

fn attribute<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Any> {
    attributes.iter().find(|one| one.key == key)?.value.as_ref()?.value.as_ref()
}

fn keep_f2(record: &LogRecord) -> bool {
    !matches!(attribute(&record.attributes, "EventName"), Some(Any::StringValue(name)) if name == "LogWelcomeBanner")
}

fn run_prost(bytes: &[u8], keep: impl Fn(&LogRecord) -> bool) -> Vec<u8> {
    let mut request = ExportLogsServiceRequest::decode(bytes).expect("requests are well-formed");
    request.resource_logs.retain_mut(|resource| {
        resource.scope_logs.retain_mut(|scope| {
            scope.log_records.retain(|record| keep(record));
            !scope.log_records.is_empty()
        });
        !resource.scope_logs.is_empty()
    });
    request.encode_to_vec()
}
