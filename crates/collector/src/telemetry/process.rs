//! What the kernel says of this process, under the names that all programs use for it.
//!
//! # Source
//! Prometheus documentation, "Writing client libraries", "Process metrics"; proc(5). Where `/proc` is not there, the
//! families have no numbers. Next: `otlp.rs`.

use super::family::{Family, Kind, Value};
use std::fs;

/// Clock ticks in a second in `/proc`: 100 on every architecture of Linux that programs see (time(7), `USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Returns the families of this process.
pub fn families() -> Vec<Family> {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program stands in parentheses and may hold anything; fields are counted behind it, from 3.
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let field = |number: usize| fields.get(number - 3).and_then(|field| field.parse::<f64>().ok());
    let cpu = field(14).zip(field(15)).map(|(user, system)| (user + system) / TICKS_PER_SECOND);
    let threads = field(20).map(|count| count as u64);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    let resident = kib("VmRSS:").map(|kib| kib * 1024);
    let open = fs::read_dir("/proc/self/fd").map(|entries| entries.count() as u64).ok();
    let most = fs::read_to_string("/proc/self/limits").ok().and_then(|limits| {
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    });
    let family = |name, kind, help, value: Option<Value>| {
        let family = Family::new(name, kind, help);
        value.into_iter().fold(family, |family, value| family.with(Vec::new(), value))
    };
    vec![
        family("process_cpu_seconds_total", Kind::Counter, "Processor time of the process.", cpu.map(Value::Real)),
        family("process_resident_memory_bytes", Kind::Gauge, "Memory of the process.", resident.map(Value::Whole)),
        family("process_threads", Kind::Gauge, "Threads of the process.", threads.map(Value::Whole)),
        family("process_open_fds", Kind::Gauge, "Files and sockets open.", open.map(Value::Whole)),
        family("process_max_fds", Kind::Gauge, "Files and sockets that may be open.", most.map(Value::Whole)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_them_all() {
        for family in families() {
            assert!(matches!(family.series[0].value, Value::Whole(1..) | Value::Real(0.0..)), "{family:?}");
        }
    }
}
