//! The runs of `dtq-load`, small: a real `dtq collect` killed, its rules replaced, and everything at once.

use dtq_load::processes::Programs;
use dtq_load::{kills, soak, swaps};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Found once: cargo is not to build for each test.
static PROGRAMS: LazyLock<Programs> =
    LazyLock::new(|| Programs::find(PathBuf::from(env!("CARGO_BIN_EXE_dtq-load")), None).expect("cargo builds dtq"));

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads")
}

#[test]
fn no_kill_loses_a_record() {
    let options = kills::Options { records: 30_000, kills: 2, batch: 50 };
    let report = runtime().block_on(kills::run(&PROGRAMS, options)).unwrap_or_else(|error| panic!("{error}"));
    assert!(report.is_right(), "{report:#?}");
    assert_eq!((report.verdict.arrived, report.verdict.dropped), (27_000, 3_000));
    assert_eq!((report.collector_kills, report.sink_kills), (2, 2));
    assert!(report.sent.retries > 0, "kills are felt: {report:#?}");
}

#[test]
fn no_swap_loses_or_halves_a_record() {
    let options = swaps::Options { swaps: 40, rounds: 2, rate: 5000.0, batch: 50 };
    let report = runtime().block_on(swaps::run(&PROGRAMS, options)).unwrap_or_else(|error| panic!("{error}"));
    assert!(report.is_right(40), "{report:#?}");
    assert!(report.by_watch > 0 && report.by_ctl > 0 && report.by_reload > 0 && report.by_mode > 0, "{report:#?}");
    assert_eq!(report.windows_counted, report.windows_expected, "no window is lost or counted twice");
}

#[test]
fn all_at_once_is_accounted_for() {
    let (time, swap_every) = (Duration::from_secs(4), Duration::from_millis(300));
    let options = soak::Options { time, swap_every, rate: Some(5000.0) };
    let report = runtime().block_on(soak::run(&PROGRAMS, options, |_| {})).unwrap_or_else(|error| panic!("{error}"));
    // Memory is that of a process that has just begun: only the other errors count here.
    let errors: Vec<&String> = report.errors.iter().filter(|error| !error.starts_with("memory")).collect();
    assert!(errors.is_empty(), "{report:#?}");
    assert!(report.swaps > 3 && report.sink.faults > 0, "{report:#?}");
}
