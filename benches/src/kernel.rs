//! What rules cost in the kernel, beside a filter that only loads the payload, in the same run.
//!
//! Programs run by `BPF_PROG_TEST_RUN`, which measures them itself; the least of many short rounds counts, in which all
//! cases take turns. Each is loaded several times: to where a packet is copied makes the copy of it slower in one of
//! sixteen. Needs root; says so loudly where it may not. Read in order: [`loaded`], [`payloads`], [`search`], [`cases`],
//! [`messages`], [`sockets`].

mod loaded;

mod payloads;

mod search;

mod cases;

mod messages;

mod sockets;

use crate::report;
use loaded::Loaded;

/// Rounds of which the least counts.
const ROUNDS: usize = 60;
/// Runs of a round: few, since time counts in which something else runs.
const RUNS: u32 = 500;
/// Bytes in front of a packet of a test run, which a socket filter does not see.
const ETHERNET_SIZE: usize = 14;

/// Holds something to measure.
pub struct Case {
    /// What it is called.
    name: String,
    /// The name of what it is compared with.
    base: Option<String>,
    /// Its program, loaded several times.
    loaded: Vec<Loaded>,
    /// What it runs on.
    packet: Vec<u8>,
    /// Whether the packet is dropped.
    is_dropped: bool,
}

/// Holds what a case costs.
pub struct Cost {
    /// The name of the case.
    pub name: String,
    /// The name of what it is compared with.
    pub base: Option<String>,
    /// Bytes of the payload.
    pub size: usize,
    /// Nanoseconds of a run, the least of all rounds.
    pub ns: u32,
}

impl Case {
    /// Runs it so often that something can be measured; returns nanoseconds of a run.
    fn round(&self, round: usize) -> Result<u32, String> {
        let run = self.loaded[round % self.loaded.len()].program.test_run(&self.packet, RUNS);
        let run = run.map_err(|error| format!("{}: {error}", self.name))?;
        if (run.result == 0) != self.is_dropped {
            return Err(format!("{}: the program gives {}", self.name, run.result as i32));
        }
        Ok(run.duration_ns)
    }
}

/// Measures all that has the word, and prints it.
///
/// # Errors
/// What is wrong with a rule, or what the kernel says of its program.
pub fn run(word: Option<&str>) -> Result<(), String> {
    if word.is_none_or(|word| messages::NAME.contains(word)) {
        messages::run();
    }
    if let Err(error) = loaded::may_load() {
        eprintln!("SKIPPED: group kernel: no program can be loaded here ({error}); run it as root");
        return Ok(());
    }
    let is_asked = |name: &str| word.is_none_or(|word| name.contains(word));
    let mut cases = cases::all(&is_asked)?;
    let mut costs: Vec<Cost> = cases.iter().map(unmeasured).collect();
    for round in 0..ROUNDS {
        for (case, cost) in cases.iter_mut().zip(&mut costs) {
            cost.ns = cost.ns.min(case.round(round)?);
        }
    }
    report::print_kernel(&costs);
    if is_asked(sockets::NAME) {
        report::print_sockets(&sockets::measure()?);
    }
    Ok(())
}

fn unmeasured(case: &Case) -> Cost {
    let size = case.packet.len() - ETHERNET_SIZE;
    Cost { name: case.name.clone(), base: case.base.clone(), size, ns: u32::MAX }
}

pub use sockets::SocketCost;
