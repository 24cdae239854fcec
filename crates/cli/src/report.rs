//! What a run has to say besides its result, to lines on stderr: skipped records, missing columns, statistics.

use crate::args::StatsForm;
use crate::console::Console;
use crate::observe::NeverSeen;
use dtq_engine::PassReport;
use dtq_record::input::Report;
use std::time::{Duration, Instant};

/// How many skipped records are named one by one.
const SKIPS_SHOWN_MAX: usize = 10;

/// Says which records were skipped and what else happened to the input.
pub fn inputs(report: &Report, console: &Console) {
    for skip in report.skips.iter().take(SKIPS_SHOWN_MAX) {
        console.say(&format!("skipped: {skip}"));
    }
    for misfit in &report.misfits {
        console.say(&format!("note: {misfit}"));
    }
    for note in &report.notes {
        console.say(&format!("note: {note}"));
    }
    if report.skipped_count > 0 {
        let plural = if report.skipped_count == 1 { "record was" } else { "records were" };
        console.say(&format!(
            "error: {} {plural} skipped, all others were read; --lenient accepts that",
            report.skipped_count
        ));
    }
}

/// Says what the query reads and no record had.
pub fn never_seen(never: &[NeverSeen], console: &Console) {
    for NeverSeen { table, row_count, path, nearest } in never {
        let Some(path) = path else {
            console.say(&format!("note: the input has no records of `{table}`"));
            continue;
        };
        let hint = nearest.as_ref().map(|key| format!("; did you mean `{key}`?")).unwrap_or_default();
        let records = if *row_count == 1 { "the one record".to_owned() } else { format!("all {row_count} records") };
        console.say(&format!("note: `{path}` was null in {records} of `{table}`{hint}"));
    }
}

/// Measures the stages of a run.
pub struct Clock {
    began: Instant,
    laps: Vec<(&'static str, Duration)>,
}

impl Clock {
    /// Returns a clock that runs.
    pub fn start() -> Self {
        Self { began: Instant::now(), laps: Vec::new() }
    }

    /// Ends a stage.
    pub fn lap(&mut self, stage: &'static str) {
        self.laps.push((stage, self.began.elapsed()));
        self.began = Instant::now();
    }

    /// Returns the stages as they were measured.
    pub fn laps(&self) -> &[(&'static str, Duration)] {
        &self.laps
    }

    /// Returns the stages; reading is a stage of its own, taken from that which did it.
    pub fn stages(&self, read_time: Duration) -> Vec<(&'static str, Duration)> {
        let mut stages = Vec::new();
        for (stage, took) in &self.laps {
            if *stage == "run" {
                stages.push(("read", read_time));
                stages.push(("run", took.saturating_sub(read_time)));
            } else {
                stages.push((*stage, *took));
            }
        }
        stages
    }
}

/// Holds what a run has counted.
pub struct Counts {
    /// Records read, those passed over included.
    pub records: u64,
    /// Records that lack a text that the query needs, of which no more was looked at.
    pub passed_over: u64,
    /// Bytes read, after decompression.
    pub bytes: u64,
    /// Records skipped.
    pub skipped: u64,
    /// Threads that read.
    pub threads: usize,
    /// What evaluated expressions.
    pub engine: EngineUse,
}

/// Names what evaluated expressions.
pub struct EngineUse {
    /// `jit`, `interp`, or `jit and interp`.
    pub name: &'static str,
    /// Of the expressions that a query evaluates for its rows: how many are native code, and how many interpreted.
    pub functions: Option<(usize, usize)>,
}

impl EngineUse {
    /// Returns the words of a statistic.
    fn text(&self) -> String {
        match self.functions {
            Some((native_count, interpreted_count)) if interpreted_count > 0 => {
                let count = native_count + interpreted_count;
                format!("{} ({interpreted_count} of {count} expressions interpreted)", self.name)
            }
            _ => self.name.to_owned(),
        }
    }
}

/// Writes the statistics of a run.
pub fn stats(
    form: StatsForm,
    counts: &Counts,
    passes: Option<&PassReport>,
    stages: &[(&'static str, Duration)],
    console: &Console,
) {
    let Counts { records, passed_over, bytes, skipped, threads, engine } = counts;
    match form {
        StatsForm::Json => {
            let ns: serde_json::Map<String, serde_json::Value> = stages
                .iter()
                .map(|(stage, took)| ((*stage).to_owned(), u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).into()))
                .collect();
            let changes: Option<serde_json::Map<String, serde_json::Value>> = passes.map(|passes| {
                passes.changes.iter().map(|(name, count)| ((*name).to_owned(), (*count).into())).collect()
            });
            let mut object = serde_json::json!({
                "records": records, "passed_over": passed_over, "bytes": bytes, "skipped": skipped, "threads": threads,
                "ns": ns, "engine": engine.name, "passes": changes,
            });
            if let Some((native_count, interpreted_count)) = engine.functions {
                object["expressions"] = serde_json::json!({ "jit": native_count, "interp": interpreted_count });
            }
            console.say(&object.to_string());
        }
        StatsForm::Text => {
            let times: Vec<String> = stages.iter().map(|(stage, took)| format!("{stage} {took:.1?}")).collect();
            let passed_over = if *passed_over > 0 { format!(" ({passed_over} passed over)") } else { String::new() };
            let threads = if *threads > 1 { format!("{threads} threads, ") } else { String::new() };
            console.say(&format!(
                "stats: {records} records{passed_over}, {bytes} bytes, {skipped} skipped; {}; {threads}engine {}{}",
                times.join(", "),
                engine.text(),
                passes.map(|passes| format!("; optimizer: {passes}")).unwrap_or_default()
            ));
        }
    }
}
