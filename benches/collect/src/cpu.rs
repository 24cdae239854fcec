//! A process to the CPU time it has taken.

use std::time::Duration;

/// Ticks a second of times in `/proc` (`sysconf(_SC_CLK_TCK)`; 100 on every Linux of today).
const TICKS_A_SECOND: u64 = 100;

/// Returns the time a process and its threads have run, in the kernel and out of it; fields 14 and 15 of proc(5)'s `stat`.
///
/// # Errors
/// When there is no such process.
pub fn of(process: u32) -> Result<Duration, String> {
    let path = format!("/proc/{process}/stat");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    // The name of the program stands in parentheses and may hold blanks.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<u64> = rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    let [user, system] = fields[..] else { return Err(format!("{path} is not as proc(5) says")) };
    Ok(Duration::from_millis((user + system) * 1000 / TICKS_A_SECOND))
}

/// Returns the memory a process holds, in MiB.
pub fn resident_mib(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
