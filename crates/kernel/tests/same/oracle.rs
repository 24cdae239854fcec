//! What user space does with a payload: the rules themselves, over the records that its readers find.

use dtq_ebpf::payload::Format;
use dtq_record::input::Options as InputOptions;
use dtq_record::otlp::Signal;
use dtq_record::otlp::encode::request::RequestBuilder;
use dtq_record::otlp::index::RequestIndex;
use dtq_record::otlp::rows::rows;
use dtq_record::{Format as Lines, Input, Inputs};
use dtq_rules::compile::{Options, RuleSet, compile};
use dtq_rules::engine::{Counted, Emission, Output, Processor};
use dtq_rules::file::{self, NoFiles};
use dtq_source::Limits;
use std::sync::Arc;

const NOW: i64 = 639_000_000_000_000_000;

/// Holds a rule set as user space runs it.
pub struct Oracle {
    set: Arc<RuleSet>,
    processor: Processor,
    format: Format,
    /// Requests with points that rules made.
    metrics: Vec<Vec<u8>>,
}

impl Oracle {
    pub fn new(yaml: &str, format: Format) -> Self {
        Self::with(yaml, format, true)
    }

    pub fn with(yaml: &str, format: Format, is_unoptimized: bool) -> Self {
        let options = file::Options { now_ticks: NOW, ..file::Options::default() };
        let (read, diagnostics) = file::read("rules.yaml", yaml.as_bytes(), &NoFiles, &options);
        assert!(read.is_complete, "{yaml}\n{diagnostics:?}");
        let compiled = compile(&[read], &Options { now_ticks: NOW, is_unoptimized, ..Options::default() });
        let set = Arc::new(compiled.set.unwrap_or_else(|| panic!("{yaml}\n{:?}", compiled.diagnostics)));
        let options = dtq_rules::engine::Options { start_ticks: NOW, random_seed: 1 };
        let processor = Processor::new(Arc::clone(&set), &options);
        Self { set, processor, format, metrics: Vec::new() }
    }

    pub fn set(&self) -> &RuleSet {
        &self.set
    }

    /// Adds what the kernel counted.
    pub fn add_counted(&mut self, counted: Vec<Counted>) {
        let outcome = self.processor.add_counted(counted, NOW);
        assert!(outcome.notices.is_empty(), "{:?}", outcome.notices);
        self.keep(outcome.emissions);
    }

    /// Ends it; returns the data points of all metrics in an order that does not depend on when they were made.
    pub fn points(mut self) -> Vec<String> {
        let outcome = self.processor.shutdown(NOW);
        self.keep(outcome.emissions);
        let mut points = Vec::new();
        for request in &self.metrics {
            points.extend(rows(Signal::Metrics, request, &Limits::default()).unwrap());
        }
        let mut points: Vec<String> = points.iter().map(|point| format!("{point:?}")).collect();
        points.sort();
        points
    }

    fn keep(&mut self, emissions: Vec<Emission>) {
        self.metrics.extend(emissions.into_iter().map(|emission| emission.request));
    }

    /// Says whether every record of a payload is dropped, of which there is at least one.
    pub fn drops(&mut self, payload: &[u8]) -> bool {
        let request = match self.format {
            Format::Otlp => Some(payload.to_vec()),
            Format::Syslog => request_of_line(payload, Lines::Syslog),
            Format::Json => request_of_line(payload, Lines::Ndjson),
        };
        let Some(request) = request else { return false };
        let outcome = self.processor.apply(Signal::Logs, &request, NOW, None);
        self.keep(outcome.emissions);
        match outcome.output {
            Output::Empty => true,
            Output::Unchanged => false,
            // Resources without records stay.
            Output::Bytes(left) => has_no_record(&left),
        }
    }
}

fn has_no_record(request: &[u8]) -> bool {
    let mut index = RequestIndex::default();
    index.read(Signal::Logs, request).expect("what rules leave is sound");
    index.records().is_empty()
}

/// Returns the request of the one record that a payload is; `None` when it is none, or malformed.
fn request_of_line(payload: &[u8], format: Lines) -> Option<Vec<u8>> {
    let limits = Limits::default();
    let input = Input::from_bytes("payload", "payload", payload.to_vec()).with_format(format);
    let options = InputOptions { now_ticks: NOW };
    let inputs = Inputs::probe(vec![input], &options, &limits).ok()?;
    let mut originals = inputs.originals(0).ok()??;
    let mut builder = RequestBuilder::new(Signal::Logs);
    let mut count = 0;
    while let Some(original) = originals.next_record().ok()? {
        match original.row {
            // A blank line is no record.
            None if !original.is_malformed => {}
            None => return None,
            Some(row) => {
                count += 1;
                builder.push_row(&row).ok()?;
            }
        }
    }
    (count == 1).then(|| builder.take())
}
