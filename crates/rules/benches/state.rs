//! What rules remember over many keys: records through the whole engine, and what they cost in time and memory.
//!
//! ```text
//! DTQ_RECORDS=10000000 cargo bench -p dtq-rules --bench state             # all rule sets, each in a process of its own
//! DTQ_RECORDS=10000000 cargo bench -p dtq-rules --bench state -- table    # one
//! ```
//!
//! Each record is of one of a million users (`DTQ_KEYS`), ten thousand records a second of their own time. Prints the
//! nanoseconds of thread CPU time a record, the most bytes that the rule held against its bound, and the peak of the
//! process. A bound that is passed, or a record that is lost, ends it with an error.
#![allow(clippy::print_stdout, missing_docs)]

use dtq_record::otlp::Signal;
use dtq_rules::compile::{Options, compile};
use dtq_rules::engine::{self, Processor};
use dtq_rules::file::{self, NoFiles};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use std::process::Command;
use std::sync::Arc;

/// When records begin, 2025-11-23T12:40:00Z, in ticks and in nanoseconds since 1970.
const START_TICKS: i64 = 638_994_984_000_000_000;
const START_NS: u64 = 1_763_901_600_000_000_000;
/// Time between records.
const STEP_NS: u64 = 100_000;
const RECORDS_A_REQUEST: u64 = 512;

/// A rule set: its name, the bytes that its first rule may hold, and its rules from the keys of the first on.
struct Case {
    name: &'static str,
    bound_bytes: u64,
    rules: &'static str,
}

const CASES: &[Case] = &[
    // The drop rule looks up every record: who was seen in the last five minutes is let through.
    Case {
        name: "table",
        bound_bytes: 64 << 20,
        rules: "to: table:seen
    for: 5m
    key: user
    limits: {state_bytes: 64MiB}
    kql: logs | where SeverityNumber >= 9 | project user = tostring(Attributes[\"user\"])
  - name: unseen
    to: drop
    tiers: [collector]
    kql: logs | where SeverityNumber < 9 and tostring(Attributes[\"user\"]) !in ((seen | project user))",
    },
    Case {
        name: "table-1GiB",
        bound_bytes: 1 << 30,
        rules: "to: table:seen
    for: 5m
    key: user
    limits: {state_bytes: 1GiB}
    kql: logs | where SeverityNumber >= 9 | project user = tostring(Attributes[\"user\"])
  - name: unseen
    to: drop
    tiers: [collector]
    kql: logs | where SeverityNumber < 9 and tostring(Attributes[\"user\"]) !in ((seen | project user))",
    },
    Case {
        name: "rate",
        bound_bytes: 64 << 20,
        rules: "to: drop
    key: tostring(Attributes[\"user\"])
    above: {rate: 1/1m, burst: 2}
    limits: {state_bytes: 64MiB}
    kql: logs | where SeverityNumber < 17",
    },
    Case {
        name: "rate-1GiB",
        bound_bytes: 1 << 30,
        rules: "to: drop
    key: tostring(Attributes[\"user\"])
    above: {rate: 1/1m, burst: 2}
    limits: {state_bytes: 1GiB}
    kql: logs | where SeverityNumber < 17",
    },
    Case {
        name: "recorder",
        bound_bytes: 256 << 20,
        rules: "to: recorder:ring
    key: tostring(Attributes[\"user\"])
    recorder: {keep: 1m, bytes_per_key: 4KiB, keys: 1000000}
    limits: {state_bytes: 256MiB}
    kql: logs | where SeverityNumber < 17
  - name: let-go
    to: flush:ring
    key: tostring(Attributes[\"user\"])
    after: 10s
    kql: logs | where SeverityNumber >= 17",
    },
    Case {
        name: "window",
        bound_bytes: 256 << 20,
        rules: "to: metrics
    metrics: {n: {name: records, type: sum}}
    limits: {series: 100000, state_bytes: 256MiB}
    kql: logs | summarize n = count() by bin(Timestamp, 10s), user = tostring(Attributes[\"user\"])",
    },
];

fn main() -> Result<(), String> {
    // Cargo gives the flag that says that this is a benchmark.
    let named: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let number = |name: &str, default: u64| match std::env::var(name) {
        Ok(text) => text.parse().map_err(|_| format!("{name}={text} is no number")),
        Err(_) => Ok(default),
    };
    let (count, keys) = (number("DTQ_RECORDS", 1_000_000)?, number("DTQ_KEYS", 1_000_000)?);
    match named.as_slice() {
        [] => {
            println!("{count} records over {keys} keys");
            let program = std::env::current_exe().map_err(|error| error.to_string())?;
            for case in CASES {
                let status = Command::new(&program).arg(case.name).status().map_err(|error| error.to_string())?;
                if !status.success() {
                    return Err(format!("{} failed", case.name));
                }
            }
            Ok(())
        }
        names => names.iter().try_for_each(|name| {
            let case = CASES.iter().find(|case| case.name == name).ok_or_else(|| format!("there is no `{name}`"))?;
            run(case, count, keys.max(1))
        }),
    }
}

fn run(case: &Case, count: u64, keys: u64) -> Result<(), String> {
    let mut processor = processor(case)?;
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut ns, mut held_bytes_max, mut sent) = (0, 0, 0);
    while sent < count {
        let size = RECORDS_A_REQUEST.min(count - sent);
        let request = request(&mut random, sent, size, keys);
        let arrival = START_TICKS + (sent + size) as i64 * (STEP_NS / 100) as i64;
        let start = thread_ns();
        let outcome = processor.apply(Signal::Logs, &request, arrival, None);
        ns += thread_ns() - start;
        if let Some(notice) = outcome.notices.first() {
            return Err(format!("{}: {}", case.name, notice.message));
        }
        sent += size;
        let bytes = processor.accounts().iter().map(|account| account.state_bytes).max().unwrap_or(0);
        held_bytes_max = held_bytes_max.max(bytes);
        if bytes > case.bound_bytes {
            return Err(format!("{}: {bytes} bytes are held, and the bound is {}", case.name, case.bound_bytes));
        }
    }
    processor.shutdown(START_TICKS + sent as i64 * (STEP_NS / 100) as i64);
    let totals = processor.totals();
    if !totals.is_conserved() || totals.records_in != count {
        return Err(format!("{}: records are lost: {totals:?}", case.name));
    }
    let measured = processor.rules().rules.iter().position(|rule| rule.name.as_bytes() == b"measured");
    let account = processor.accounts().swap_remove(measured.ok_or("the rule is there")?);
    println!(
        "{:11} {:6} ns a record; {:4} of {:4} MiB held at most; peak of the process {} MiB; matched {}, dropped {}, held \
         and let go {}, evicted {}, made {}",
        case.name,
        ns / count,
        held_bytes_max >> 20,
        case.bound_bytes >> 20,
        peak_mib().map_or("unknown".to_owned(), |peak| peak.to_string()),
        account.matched,
        totals.dropped,
        account.released,
        account.evicted,
        totals.created,
    );
    Ok(())
}

fn processor(case: &Case) -> Result<Processor, String> {
    let text = format!("apiVersion: dtq/v1\nrules:\n  - name: measured\n    {}\n", case.rules);
    let (read, diagnostics) = file::read("state.yaml", text.as_bytes(), &NoFiles, &file::Options::default());
    if !read.is_complete {
        return Err(format!("{diagnostics:?}"));
    }
    let options = Options { now_ticks: START_TICKS, ..Options::default() };
    let compiled = compile(&[read], &options);
    let set = compiled.set.ok_or_else(|| format!("{:?}", compiled.diagnostics))?;
    Ok(Processor::new(Arc::new(set), &engine::Options { start_ticks: START_TICKS, random_seed: 1 }))
}

/// Returns a request; one record in a thousand is an error, and of the others every second is debug.
fn request(random: &mut Random, first: u64, size: u64, keys: u64) -> Vec<u8> {
    let text = |value: String| Some(AnyValue { value: Some(Any::StringValue(value)) });
    let mut record = |at: u64| LogRecord {
        time_unix_nano: START_NS + at * STEP_NS,
        severity_number: if at % 1_000 == 999 { 17 } else { [5, 9][at as usize % 2] },
        body: text("the state of an order has changed".to_owned()),
        attributes: vec![KeyValue {
            key: "user".to_owned(),
            value: text(format!("user-{:07}", random.next() % keys)),
            ..Default::default()
        }],
        ..Default::default()
    };
    let scope = ScopeLogs { log_records: (first..first + size).map(&mut record).collect(), ..Default::default() };
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs: vec![scope], ..Default::default() }] }
        .encode_to_vec()
}

struct Random(u64);

impl Random {
    /// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// Returns how long this thread has run, where the system says so; 0 elsewhere.
fn thread_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Returns the most memory that the process had, where the system says so.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? >> 10)
}
