//! Rules replaced many times while records pass, to a report of what arrived, and of times with swaps and without.
//!
//! Quiet times and times with swaps take turns, so that both are measured on the same machine in the same minutes. Every
//! set marks each record by its first and by its last rule: a record that two sets judged would have two different
//! marks. Next: [`crate::soak`].

use crate::histogram::Percentiles;
use crate::marks::{COUNTED, FIRST, LAST};
use crate::processes::Programs;
use crate::rig::{Control, Plan, Rig};
use crate::sender::{self, Progress, Summary};
use crate::sink::{self, Stats};
use crate::verify::{Verdict, verify};
use dtq_collector::rules::protocol::Request;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How long the collector may take to see that a file has changed: it looks once a second.
const WATCH_TIME: Duration = Duration::from_secs(30);

/// Rules between the first and the last, for a set of ten.
const BETWEEN: u64 = 7;

/// Says what is done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How often rules are replaced.
    pub swaps: u64,
    /// How often quiet times and times with swaps take turns.
    pub rounds: u64,
    /// Records a second.
    pub rate: f64,
    /// Records of a request.
    pub batch: usize,
}

/// Holds what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What the sender saw.
    pub sent: Summary,
    /// What the sink counted.
    pub sink: Stats,
    /// Record by record.
    pub verdict: Verdict,
    /// Swaps that the collector counted.
    pub swaps: u64,
    /// Of those asked for, the ones by a changed file that was left to be found.
    pub by_watch: u64,
    /// The ones by a changed file and `dtq ctl reload`.
    pub by_ctl: u64,
    /// The ones by a changed file and the same order over the socket.
    pub by_reload: u64,
    /// The ones by turning a rule off or on.
    pub by_mode: u64,
    /// Failures inside the collector.
    pub failures: u64,
    /// How long replacing took until the answer, compilation included.
    pub swap_times: Percentiles,
    /// Times of requests while nothing was replaced.
    pub quiet: Percentiles,
    /// Times of requests while rules were replaced.
    pub swapping: Percentiles,
    /// What windows counted that were open across swaps.
    pub windows_counted: u64,
    /// What they had to count.
    pub windows_expected: u64,
}

impl Report {
    /// Says whether nothing is lost, half judged or counted wrongly. Times are for people to judge.
    pub fn is_right(&self, asked: u64) -> bool {
        let is_whole = self.sink.pairs_half == 0 && self.sink.pairs_none == 0;
        let is_counted = self.windows_counted == self.windows_expected || self.sent.retries > 0;
        self.verdict.is_right() && is_whole && is_counted && self.failures == 0 && self.swaps >= asked
    }
}

/// Returns a set of ten rules with the marks of a version; all its conditions have constants of their own.
fn rules(version: u64) -> String {
    let mark = |name: &str, key: &str| {
        format!(
            "  - name: {name}\n    to: replace\n    phase: reduce\n    \
             kql: logs | extend Attributes = bag_set_key(Attributes, \"{key}\", \"{version}\")\n"
        )
    };
    let mut out = format!(
        "  - name: counted\n    to: metrics\n    lateness: 1s\n    \
         metrics: {{n: {{name: {COUNTED}, type: sum, unit: \"{{record}}\"}}}}\n    \
         kql: logs | summarize n = count() by bin(Timestamp, 1s)\n"
    );
    out.push_str(&mark("first", FIRST));
    for index in 0..BETWEEN {
        let number = version * 10 + index;
        out.push_str(&format!(
            "  - name: never-{index}\n    to: drop\n    \
             kql: logs | where Body has \"nothing{number}\" and SeverityNumber > {index}\n"
        ));
    }
    out.push_str(&mark("last", LAST));
    out
}

/// Replaces rules under load.
///
/// # Errors
/// When an order is refused or a process fails.
pub async fn run(programs: &Programs, options: Options) -> Result<Report, String> {
    let sink = vec!["--pairs".to_owned(), "--points".to_owned()];
    let mut rig = Rig::start(programs, &Plan { rules: rules(0), sink, compression: "none" })?;
    let progress = Arc::new(Progress::default());
    let sending = sender::Options { rate: Some(options.rate), ..rig.sender(options.batch, 100) };
    let sending = tokio::spawn(sender::send(sending, Arc::clone(&progress)));
    // Connections and native code are there before anything is measured: that is phase 2.
    progress.phase.store(2, Relaxed);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut swapper = Swapper { control: rig.control()?, done: 0, kinds: [0; 4], times: Default::default() };
    let rounds = options.rounds.max(1);
    for round in 1..=rounds {
        progress.phase.store(1, Relaxed);
        let begun = Instant::now();
        while swapper.done < options.swaps * round / rounds {
            swapper.swap(&rig)?;
        }
        let took = begun.elapsed();
        progress.phase.store(0, Relaxed);
        tokio::time::sleep(took).await;
    }
    progress.is_over.store(true, Relaxed);
    let sent = sending.await.map_err(|error| format!("the sender failed: {error}"))??;
    let metrics = rig.metrics()?;
    let sink = rig.stop()?;
    let (seen, rejected) = sink::read_state(&rig.path("sink")).map_err(|error| error.to_string())?;
    let verdict = verify(&sent.streams, |_| false, &seen, &rejected);
    let [by_watch, by_ctl, by_reload, by_mode] = swapper.kinds;
    Ok(Report {
        verdict,
        swaps: metrics.sum("dtq_rules_swaps_total")? as u64,
        by_watch,
        by_ctl,
        by_reload,
        by_mode,
        failures: (metrics.sum("dtq_rules_failures_total")? + metrics.sum("dtq_rules_unjudged_requests_total")?) as u64,
        swap_times: swapper.times.percentiles(),
        quiet: sent.latency.first().copied().unwrap_or_default(),
        swapping: sent.latency.get(1).copied().unwrap_or_default(),
        windows_counted: sink.points,
        windows_expected: sent.records,
        sent,
        sink,
    })
}

/// Replaces rules in all ways in turn.
struct Swapper {
    control: Control,
    done: u64,
    /// By watch, by ctl, by reload, by mode.
    kinds: [u64; 4],
    times: crate::histogram::Histogram,
}

impl Swapper {
    fn swap(&mut self, rig: &Rig) -> Result<(), String> {
        let number = self.done + 1;
        let kind = match number % 20 {
            // Its first second is waited for, so that few of many are left to be found.
            0 if number.is_multiple_of(40) => 0,
            5 | 15 => 1,
            place if place % 2 == 0 => 2,
            _ => 3,
        };
        // Asked for before the file changes, as that may be found at once.
        let before = if kind == 0 { self.control.status()?.version } else { 0 };
        if kind != 3 {
            rig.write_rules(&rules(number))?;
        }
        let begun = Instant::now();
        match kind {
            0 => self.await_watch(number, before)?,
            1 => rig.ctl(&["reload"])?,
            2 => drop(self.control.order(&Request::Reload)?),
            _ => {
                let rule = format!("never-{}", number / 4 % BETWEEN);
                // Of two orders in a row the second undoes the first.
                let is_off = self.control.status()?.off.contains(&rule);
                let order = if is_off { Request::On { rule } } else { Request::Off { rule } };
                self.control.order(&order)?;
            }
        }
        if kind != 0 {
            self.times.add(begun.elapsed());
        }
        self.kinds[kind] += 1;
        self.done = number;
        Ok(())
    }

    /// Waits until another version runs than the one before a file changed.
    fn await_watch(&mut self, number: u64, before: u64) -> Result<(), String> {
        let begun = Instant::now();
        while self.control.status()?.version == before {
            if begun.elapsed() > WATCH_TIME {
                return Err(format!("the change of the file was not seen within {WATCH_TIME:?} (swap {number})"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}
