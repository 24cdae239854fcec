//! What a dropped and a kept event cost, against the bare SDK and against a disabled event of `tracing`.
//!
//! `cargo bench -p dtq-inprocess --bench cost`: nanoseconds an event, the least of nine rounds. With the arguments
//! `CASE EVENTS` it runs one case so many times and measures nothing: `benches/instructions.sh` counts that way.
#![allow(clippy::print_stdout, reason = "a program of its own")]

use dtq_inprocess::layer::RulesLayer;
use dtq_inprocess::otel::RulesLogProcessor;
use dtq_inprocess::{Bounds, Rules, Silent};
use opentelemetry::InstrumentationScope;
use opentelemetry::logs::{LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::logs::tonic::group_logs_by_resource_and_scope;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogProcessor, SdkLogRecord, SdkLoggerProvider};
use prost::Message;
use std::hint::black_box;
use std::time::{Duration, Instant};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

const EVENTS: u32 = 100_000;
const ROUNDS: u32 = 9;

const BY_NAME: &str = "to: drop, kql: 'logs | where EventName == \"chatter\"'";
const BY_VALUE: &str = "to: drop, kql: 'logs | where tostring(Attributes[\"user\"]) == \"ann\"'";
const EDIT: &str = "to: replace, kql: 'logs | extend Attributes = bag_remove_keys(Attributes, dynamic([\"user\"]))'";
const OF_SPANS: &str = "to: drop, kql: 'spans | where SpanName == \"chatter\"'";

/// Takes records and does nothing, as a queue that is always empty.
#[derive(Debug)]
struct Null;

impl LogProcessor for Null {
    fn emit(&self, record: &mut SdkLogRecord, _: &InstrumentationScope) {
        black_box(record);
    }
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Makes of each record what exporters of OTLP make of it, and throws it away.
#[derive(Debug)]
struct Encoding(ResourceAttributesWithSchema);

impl LogProcessor for Encoding {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        let batch = [(&*record, scope)];
        let resource_logs = group_logs_by_resource_and_scope(&LogBatch::new(&batch), &self.0);
        black_box(ExportLogsServiceRequest { resource_logs }.encode_to_vec());
    }
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

fn rules(rule: &str) -> Rules {
    let yaml = format!("apiVersion: dtq/v1\nrules:\n  - {{name: one, tiers: [in-process], {rule}}}\n");
    // Under callgrind each record takes many times as long, and rules would turn themselves off.
    let bounds = Bounds { ns_per_record_max: u64::MAX, ..Bounds::default() };
    Rules::from_text("rules.yaml", &yaml, bounds, Silent).unwrap_or_else(|error| panic!("{error}"))
}

/// What is to be done with a case: to measure it, or to run it so many times.
#[derive(Clone, Copy)]
enum Task {
    Measure,
    Run { case: usize, events: u32 },
}

struct Bench {
    task: Task,
    cases: usize,
}

impl Bench {
    fn case(&mut self, what: &str, mut event: impl FnMut()) {
        self.cases += 1;
        match self.task {
            Task::Run { case, events } if case == self.cases => {
                (0..events).for_each(|_| event());
                println!("{what}");
            }
            Task::Run { .. } => {}
            Task::Measure => {
                let round = |_| {
                    let begin = Instant::now();
                    (0..EVENTS).for_each(|_| event());
                    begin.elapsed().as_nanos() as f64 / f64::from(EVENTS)
                };
                let least = (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min);
                println!("{:2} {least:8.1}  {what}", self.cases);
            }
        }
    }

    fn tracing(&mut self, what: &str, rule: &str, user: &str) {
        let subscriber = tracing_subscriber::registry().with(RulesLayer::new(rules(rule)));
        tracing::subscriber::with_default(subscriber, || self.case(what, || chatter(black_box(user))));
    }

    fn sdk(&mut self, what: &str, processor: impl LogProcessor + 'static, user: &'static str) {
        let provider = SdkLoggerProvider::builder().with_log_processor(processor).build();
        let logger = provider.logger("shop");
        self.case(what, || {
            let mut record = logger.create_log_record();
            record.set_severity_number(Severity::Info);
            record.set_event_name("chatter");
            record.set_body("flushed".into());
            record.add_attribute("user", user);
            logger.emit(record);
        });
    }
}

fn chatter(user: &str) {
    tracing::info!(name: "chatter", target: "shop", user, "flushed");
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|one| one != "--bench");
    let mut number = || arguments.next().and_then(|one| one.parse::<u32>().ok());
    let task = match (number(), number()) {
        (Some(case), Some(events)) => Task::Run { case: case as usize, events },
        _ => Task::Measure,
    };
    let mut bench = Bench { task, cases: 0 };
    let disabled = tracing_subscriber::registry().with(LevelFilter::OFF);
    tracing::subscriber::with_default(disabled, || {
        bench.case("tracing: disabled by a level filter", || chatter(black_box("ann")));
    });
    bench.tracing("tracing: dropped by metadata", BY_NAME, "ann");
    bench.tracing("tracing: dropped by a value", BY_VALUE, "ann");
    bench.tracing("tracing: kept, a rule reads a value", BY_VALUE, "bob");
    bench.tracing("tracing: kept, no rule is for logs", OF_SPANS, "bob");
    let encoding = || Encoding(ResourceAttributesWithSchema::default());
    let wrapped = |rule| RulesLogProcessor::new(rules(rule), encoding());
    bench.sdk("SDK: bare, to a processor that does nothing", Null, "ann");
    bench.sdk("SDK: bare, encoded as an exporter does", encoding(), "ann");
    bench.sdk("SDK with rules: dropped", wrapped(BY_VALUE), "ann");
    bench.sdk(
        "SDK with rules: kept, to a processor that does nothing",
        RulesLogProcessor::new(rules(BY_VALUE), Null),
        "bob",
    );
    bench.sdk("SDK with rules: kept and encoded", wrapped(BY_VALUE), "bob");
    bench.sdk("SDK with rules: edited and encoded", wrapped(EDIT), "ann");
    bench.sdk("SDK with rules: none is for logs, encoded", wrapped(OF_SPANS), "ann");
}
