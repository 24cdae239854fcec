//! Both processes killed again and again while records pass, to a report of what arrived.
//!
//! Kills come when so many records have been acknowledged, so that they are spread over the run on any machine. Next:
//! [`crate::swaps`].

use crate::marks::COUNTED;
use crate::processes::Programs;
use crate::rig::{Plan, Rig};
use crate::sender::{self, Progress, Summary};
use crate::sink::{self, Stats};
use crate::traffic::{NOISE, is_noise};
use crate::verify::{Verdict, verify};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How long a process stays dead.
const DOWN: Duration = Duration::from_millis(150);

/// How long the acknowledged records may stay where they are.
const STALL: Duration = Duration::from_secs(60);

/// Says what is done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Records to send.
    pub records: u64,
    /// How often each of the two processes is killed.
    pub kills: u64,
    /// Records of a request.
    pub batch: usize,
}

/// Holds what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What the sender saw.
    pub sent: Summary,
    /// What the sink counted over all its lives.
    pub sink: Stats,
    /// Record by record.
    pub verdict: Verdict,
    /// How often the collector was killed.
    pub collector_kills: u64,
    /// How often the sink was killed.
    pub sink_kills: u64,
    /// What the windows of a rule counted, with what was counted twice and what was lost with a process.
    pub windows_counted: u64,
    /// What they had to count.
    pub windows_expected: u64,
}

impl Report {
    /// Says whether all arrived that had to, and nothing that rules drop.
    pub fn is_right(&self) -> bool {
        self.verdict.is_right() && self.sent.unacknowledged.is_empty() && self.verdict.rejected == 0
    }
}

/// The rules that run: one with windows, one that removes a text, and one that drops.
pub fn rules() -> String {
    format!(
        r#"
  - name: counted
    to: metrics
    lateness: 1s
    metrics: {{n: {{name: {COUNTED}, type: sum, unit: "{{record}}"}}}}
    kql: logs | summarize n = count() by bin(Timestamp, 1s), service = tostring(Resource["service.name"])
  - name: no-secrets
    to: replace
    kql: logs | extend Attributes = bag_remove_keys(Attributes, dynamic(["secret"]))
  - name: no-noise
    to: drop
    kql: logs | where tostring(Attributes["EventName"]) == "{NOISE}"
"#
    )
}

/// Sends records while both processes are killed, one after the other in turn.
///
/// # Errors
/// When a process does not come back, or nothing moves any more.
pub async fn run(programs: &Programs, options: Options) -> Result<Report, String> {
    let plan = Plan { rules: rules(), sink: vec!["--points".to_owned()], compression: "none" };
    let mut rig = Rig::start(programs, &plan)?;
    let progress = Arc::new(Progress::default());
    let sending = sender::Options { records_max: Some(options.records), ..rig.sender(options.batch, 100) };
    let sending = tokio::spawn(sender::send(sending, Arc::clone(&progress)));
    let kills = options.kills * 2;
    for kill in 1..=kills {
        wait_for(&progress, options.records * kill / (kills + 1)).await?;
        let process = if kill % 2 == 1 { &mut rig.sink } else { &mut rig.collector };
        process.kill();
        tokio::time::sleep(DOWN).await;
        process.restart()?;
    }
    let sent = sending.await.map_err(|error| format!("the sender failed: {error}"))??;
    let (collector_kills, sink_kills) = (rig.collector.kills, rig.sink.kills);
    let sink = rig.stop()?;
    let (seen, rejected) = sink::read_state(&rig.path("sink")).map_err(|error| error.to_string())?;
    let verdict = verify(&sent.streams, is_noise, &seen, &rejected);
    let windows_expected = sent.streams.iter().map(|range| range.end - range.first).sum();
    Ok(Report { sent, sink, verdict, collector_kills, sink_kills, windows_counted: sink.points, windows_expected })
}

/// Waits until so many records are acknowledged.
async fn wait_for(progress: &Progress, records: u64) -> Result<(), String> {
    let (mut last, mut moved) = (0, Instant::now());
    loop {
        let now = progress.acknowledged.load(Relaxed);
        if now >= records {
            return Ok(());
        }
        if now > last {
            (last, moved) = (now, Instant::now());
        }
        if moved.elapsed() > STALL {
            return Err(format!("nothing was acknowledged for {STALL:?} after {now} records"));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
