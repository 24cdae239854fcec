//! What a dropped and a kept event cost, against the bare SDK and against a disabled event of `tracing`.
//!
//! `cargo bench -p dtq-inprocess --bench cost`: nanoseconds an event, the least of nine rounds.
#![allow(clippy::print_stdout, reason = "a program of its own")]

use dtq_inprocess::layer::RulesLayer;
use dtq_inprocess::otel::RulesLogProcessor;
use dtq_inprocess::{Bounds, Rules, Silent};
use opentelemetry::InstrumentationScope;
use opentelemetry::logs::{LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord, SdkLoggerProvider};
use std::hint::black_box;
use std::time::{Duration, Instant};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

const EVENTS: u32 = 100_000;
const ROUNDS: u32 = 9;

const BY_NAME: &str = "logs | where EventName == \"chatter\"";
const BY_VALUE: &str = "logs | where tostring(Attributes[\"user\"]) == \"ann\"";

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

fn rules(kql: &str) -> Rules {
    let yaml = format!("apiVersion: dtq/v1\nrules:\n  - {{name: one, to: drop, kql: '{kql}'}}\n");
    Rules::from_text("rules.yaml", &yaml, Bounds::default(), Silent).unwrap_or_else(|error| panic!("{error}"))
}

fn measure(what: &str, mut event: impl FnMut()) {
    let round = |_| {
        let begin = Instant::now();
        (0..EVENTS).for_each(|_| event());
        begin.elapsed().as_nanos() as f64 / f64::from(EVENTS)
    };
    let least = (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min);
    println!("{least:8.1}  {what}");
}

fn chatter(user: &str) {
    tracing::info!(name: "chatter", target: "shop", user, "flushed");
}

fn measure_tracing(what: &str, kql: &str, user: &str) {
    let subscriber = tracing_subscriber::registry().with(RulesLayer::new(rules(kql)));
    tracing::subscriber::with_default(subscriber, || measure(what, || chatter(black_box(user))));
}

fn measure_sdk(what: &str, provider: &SdkLoggerProvider, user: &'static str) {
    let logger = provider.logger("shop");
    measure(what, || {
        let mut record = logger.create_log_record();
        record.set_severity_number(Severity::Info);
        record.set_event_name("chatter");
        record.set_body("flushed".into());
        record.add_attribute("user", user);
        logger.emit(record);
    });
}

fn main() {
    let disabled = tracing_subscriber::registry().with(LevelFilter::OFF);
    tracing::subscriber::with_default(disabled, || measure("tracing: disabled", || chatter(black_box("ann"))));
    measure_tracing("tracing: dropped by metadata", BY_NAME, "ann");
    measure_tracing("tracing: dropped by a value", BY_VALUE, "ann");
    measure_tracing("tracing: kept", BY_VALUE, "bob");
    let bare = SdkLoggerProvider::builder().with_log_processor(Null).build();
    measure_sdk("opentelemetry_sdk: bare, to a processor that does nothing", &bare, "ann");
    let wrapped =
        SdkLoggerProvider::builder().with_log_processor(RulesLogProcessor::new(rules(BY_VALUE), Null)).build();
    measure_sdk("opentelemetry_sdk: dropped", &wrapped, "ann");
    measure_sdk("opentelemetry_sdk: kept", &wrapped, "bob");
}
