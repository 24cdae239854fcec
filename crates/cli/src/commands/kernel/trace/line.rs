//! A hit to a line for people. Next: `out.rs`.

use crate::output::{layout, text};
use dtq_kernel::trace::record::{Captured, CapturedValue};
use dtq_kernel::trace::{Hit, Trace};
use dtq_value::scalar::calendar::TICKS_UNIX_EPOCH;
use dtq_value::scalar::format;

/// Bytes of a name of a thread at most (`TASK_COMM_LEN`, without its zero).
const COMMAND_WIDTH: usize = 15;

/// Writes hits as lines.
pub struct Lines {
    /// Names of sites, by their positions.
    sites: Vec<String>,
    /// Names of arguments.
    arguments: Vec<String>,
    wall_offset_ns: i64,
    /// What a line may take.
    width: Option<usize>,
    site_width: usize,
}

impl Lines {
    /// Returns what writes the hits of a trace; the offset is added to their times.
    pub fn new(trace: &Trace, wall_offset_ns: i64, width: Option<usize>) -> Self {
        let sites: Vec<String> = trace.sites().iter().map(|site| text::neutral(&site.name).into_owned()).collect();
        let site_width = sites.iter().map(|name| layout::width(name)).max().unwrap_or_default();
        let arguments = trace.arguments().iter().map(|argument| argument.source.to_string()).collect();
        Self { sites, arguments, wall_offset_ns, width, site_width }
    }

    /// Returns the line above all others.
    pub fn head(&self) -> String {
        let columns = ["Time", "Process", "Thread", "Command", "Site"].map(str::to_owned);
        self.line(&columns, "Arguments")
    }

    /// Returns the line of a hit.
    pub fn hit(&self, hit: &Hit<'_>) -> String {
        let arguments = self.arguments.iter().zip(&hit.arguments).map(|(name, captured)| shown(name, captured));
        let undecided = hit.undecided.map(|reason| format!("undecided: {}", reason.name()));
        let rest: Vec<String> = arguments.chain(undecided).collect();
        let command = text::neutral(&String::from_utf8_lossy(hit.command)).into_owned();
        let columns = [
            self.time(hit.time_boot_ns),
            hit.pid.to_string(),
            hit.tid.to_string(),
            command,
            self.sites.get(hit.site).cloned().unwrap_or_default(),
        ];
        self.line(&columns, &rest.join(" "))
    }

    fn line(&self, columns: &[String; 5], rest: &str) -> String {
        let [time, process, thread, command, site] = columns;
        let pad = |text: &str, width: usize| " ".repeat(width.saturating_sub(layout::width(text)));
        let line = format!(
            "{time:<15}  {process:>7}  {thread:>7}  {command}{}  {site}{}  {rest}",
            pad(command, COMMAND_WIDTH),
            pad(site, self.site_width)
        );
        match self.width {
            Some(width) => layout::cut(line.trim_end(), width).into_owned(),
            None => line.trim_end().to_owned(),
        }
    }

    /// Returns the time of day, in UTC.
    fn time(&self, time_boot_ns: u64) -> String {
        let time_ns = i64::try_from(time_boot_ns).unwrap_or(i64::MAX).saturating_add(self.wall_offset_ns);
        let full = format::datetime(TICKS_UNIX_EPOCH.saturating_add(time_ns / 100));
        // `2024-01-31T10:00:00.1234567Z`
        full.get(11..26).unwrap_or(&full).to_owned()
    }
}

fn shown(name: &str, captured: &Captured<'_>) -> String {
    let value = match captured.value {
        Some(CapturedValue::Long(number)) => number.to_string(),
        // Quoted, with everything that could act on a terminal as an escape.
        Some(CapturedValue::Text(bytes)) => {
            text::neutral(&format!("{:?}", String::from_utf8_lossy(bytes))).into_owned()
        }
        Some(CapturedValue::Bytes(bytes)) => {
            bytes.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
        }
        None if captured.has_failed => "unreadable".to_owned(),
        None => "null".to_owned(),
    };
    format!("{name}={value}{}", if captured.is_cut { "..." } else { "" })
}
