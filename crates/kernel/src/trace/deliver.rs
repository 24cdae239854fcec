//! Hits to an `ExportLogsServiceRequest` of OTLP.
//!
//! A hit is a record of `logs`: EventName is the site's name, Body the function, Attributes the arguments with
//! `process.command` and `thread.id`, Resource the process. Sends nothing. Tests: `tests/probe/main.rs`, `tests/live/trace.rs`.
//!
//! # Source
//! opentelemetry-proto, `logs/v1/logs.proto` and `common/v1/common.proto`; OpenTelemetry's semantic conventions, "Process"
//! and "Thread".

use crate::trace::arguments::Argument;
use crate::trace::record::{Captured, CapturedValue, Hit};
use crate::trace::site::Site;
use dtq_record::otlp::Signal;
use dtq_record::otlp::any::append_text_field;
use dtq_record::otlp::encode::request::{Origin, RequestBuilder};
use dtq_record::wire::{append_bytes_field, append_fixed64_field, append_message_field, append_varint_field};
use rustix::time::{ClockId, clock_gettime};
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;

/// `SEVERITY_NUMBER_INFO`
const SEVERITY_INFO: u64 = 9;
/// Processes whose programs are known at a time.
const PROCESSES_MAX: usize = 4_096;
/// What is said to have made the records.
const SCOPE: &[u8] = b"dtq.kernel.trace";

/// Returns what is to be added to nanoseconds since start to have them since 1970: both clocks are read now.
pub fn wall_offset_ns() -> i64 {
    let now_ns = |clock| {
        let now = clock_gettime(clock);
        now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
    };
    now_ns(ClockId::Realtime).saturating_sub(now_ns(ClockId::Boottime))
}

/// Collects hits and gives them as a request.
#[derive(Debug)]
pub struct Delivery {
    /// The event's name and the function, by the position of the site.
    sites: Vec<(String, String)>,
    /// Names of arguments.
    arguments: Vec<String>,
    wall_offset_ns: i64,
    request: RequestBuilder,
    /// The content of the `Resource` of a process.
    resources: HashMap<u32, Vec<u8>>,
}

impl Delivery {
    /// Returns a delivery of hits at these sites with these arguments; the offset is added to their times.
    pub fn new(sites: &[Site], arguments: &[Argument], wall_offset_ns: i64) -> Self {
        Self {
            sites: sites.iter().map(|site| (site.name.clone(), site.function.clone())).collect(),
            arguments: arguments.iter().map(|argument| argument.source.to_string()).collect(),
            wall_offset_ns,
            request: RequestBuilder::new(Signal::Logs),
            resources: HashMap::new(),
        }
    }

    /// Adds a hit. The program of its process is looked up, once for a request; a process that has ended has none.
    pub fn push(&mut self, hit: &Hit<'_>) {
        let program =
            (!self.resources.contains_key(&hit.pid)).then(|| std::fs::read_link(format!("/proc/{}/exe", hit.pid)));
        let program = program.and_then(Result::ok);
        self.push_of(hit, program.as_ref().map(|path| path.as_os_str().as_bytes()));
    }

    /// Adds a hit of a process of which the program is known, or is not to be had.
    pub fn push_of(&mut self, hit: &Hit<'_>, program: Option<&[u8]>) {
        if self.resources.len() >= PROCESSES_MAX {
            self.resources.clear();
        }
        let mut record = Vec::with_capacity(256);
        self.append_record(&mut record, hit);
        let resource = self.resources.entry(hit.pid).or_insert_with(|| {
            let mut resource = Vec::new();
            append_attribute(&mut resource, 1, "process.pid", |out| append_varint_field(out, 3, hit.pid.into()));
            if let Some(program) = program {
                append_attribute(&mut resource, 1, "process.executable.path", |out| append_text_field(out, 1, program));
            }
            resource
        });
        let mut scope = Vec::new();
        append_bytes_field(&mut scope, 1, SCOPE);
        self.request.push(&Origin { resource, scope: &scope, ..Origin::default() }, &record);
    }

    /// Returns about how many bytes the request has.
    pub fn size_bytes(&self) -> usize {
        self.request.size_bytes()
    }

    /// Says whether there is no hit.
    pub fn is_empty(&self) -> bool {
        self.request.is_empty()
    }

    /// Returns the request and is empty again. Programs are looked up anew, since numbers of processes are given again.
    pub fn take(&mut self) -> Vec<u8> {
        self.resources.clear();
        self.request.take()
    }

    /// Appends the content of the `LogRecord`.
    fn append_record(&self, out: &mut Vec<u8>, hit: &Hit<'_>) {
        let time_ns = hit.time_boot_ns.saturating_add_signed(self.wall_offset_ns);
        append_fixed64_field(out, 1, time_ns);
        append_varint_field(out, 2, SEVERITY_INFO);
        let site = self.sites.get(hit.site);
        if let Some((_, function)) = site {
            append_message_field(out, 5, |out| append_text_field(out, 1, function.as_bytes()));
        }
        for (name, captured) in self.arguments.iter().zip(&hit.arguments) {
            append_argument(out, name, captured);
        }
        append_attribute(out, 6, "process.command", |out| append_text_field(out, 1, hit.command));
        append_attribute(out, 6, "thread.id", |out| append_varint_field(out, 3, hit.tid.into()));
        if let Some(reason) = hit.undecided {
            append_attribute(out, 6, "dtq.undecided", |out| append_text_field(out, 1, reason.name().as_bytes()));
        }
        append_fixed64_field(out, 11, time_ns);
        if let Some((name, _)) = site {
            append_text_field(out, 12, name.as_bytes());
        }
    }
}

/// Appends an argument, and what is to be known of it, as attributes of a `LogRecord`.
fn append_argument(out: &mut Vec<u8>, name: &str, captured: &Captured<'_>) {
    match captured.value {
        Some(CapturedValue::Long(number)) => {
            append_attribute(out, 6, name, |out| append_varint_field(out, 3, number as u64));
        }
        Some(CapturedValue::Text(text)) => append_attribute(out, 6, name, |out| append_text_field(out, 1, text)),
        Some(CapturedValue::Bytes(bytes)) => append_attribute(out, 6, name, |out| append_bytes_field(out, 7, bytes)),
        None => {}
    }
    for (is_so, what) in [(captured.is_cut, "cut"), (captured.has_failed, "unreadable")] {
        if is_so {
            append_attribute(out, 6, &format!("{name}.{what}"), |out| append_varint_field(out, 2, 1));
        }
    }
}

/// Appends a `KeyValue` as a field of this number; `value` appends the content of its `AnyValue`.
fn append_attribute(out: &mut Vec<u8>, number: u32, key: &str, value: impl FnOnce(&mut Vec<u8>)) {
    append_message_field(out, number, |out| {
        append_bytes_field(out, 1, key.as_bytes());
        append_message_field(out, 2, value);
    });
}
