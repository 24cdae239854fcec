//! What is counted of a socket: what came, what could not be read, what found no room, what the kernel dropped.
//!
//! Datagrams that were received are records, blank or malformed. Next: `door.rs`.

use crate::account::Count;
use crate::telemetry::family::{Family, Kind};
use dtq_kernel::{Count as KernelCount, Counters, Program};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a program that was replaced may still run on another processor; it is then over in any case.
const LAST_RUNS: Duration = Duration::from_secs(2);
/// How many programs that were replaced are kept for their last counts.
const REPLACED_MAX: usize = 64;

/// Holds what is counted of a socket.
#[derive(Debug, Default)]
pub struct SocketAccount {
    /// Where it listens.
    pub name: String,
    /// Datagrams received.
    pub datagrams: Count,
    /// Their bytes.
    pub bytes: Count,
    /// Their records.
    pub records: Count,
    /// Requests that were made of them.
    pub batches: Count,
    /// Datagrams without a record.
    pub blank: Count,
    /// Datagrams that cannot be read, which are lost.
    pub malformed: Count,
    /// Datagrams that were longer than allowed and were cut.
    pub cut: Count,
    /// Records that found no room in the queue of a destination, and were lost.
    pub lost: Count,
    /// Datagrams that the kernel lost because nobody took them in time.
    pub overflowed: Count,
    /// What the kernel's part of the rules did.
    pub in_kernel: InKernel,
}

/// A name, what it is, and where it is counted.
type Counted = (&'static str, &'static str, fn(&SocketAccount) -> u64);

const COUNTERS: [Counted; 14] = [
    ("datagrams", "Datagrams received.", |a| a.datagrams.get()),
    ("bytes", "Their bytes.", |a| a.bytes.get()),
    ("records", "Their records.", |a| a.records.get()),
    ("batches", "Requests made of them.", |a| a.batches.get()),
    ("blank", "Datagrams without a record.", |a| a.blank.get()),
    ("malformed", "Datagrams that cannot be read, and are lost.", |a| a.malformed.get()),
    ("cut", "Datagrams cut for being too long.", |a| a.cut.get()),
    ("lost_records", "Records lost for lack of room in a queue.", |a| a.lost.get()),
    ("overflowed", "Datagrams that the kernel lost for lack of room.", |a| a.overflowed.get()),
    ("kernel_dropped", "Datagrams dropped in the kernel by rules.", |a| a.in_kernel.totals().dropped.records),
    ("kernel_dropped_bytes", "Their bytes.", |a| a.in_kernel.totals().dropped.bytes),
    ("kernel_kept", "Datagrams that rules in the kernel keep.", |a| a.in_kernel.totals().kept.records),
    ("kernel_undecided", "Datagrams that the kernel could not decide.", |a| a.in_kernel.totals().undecided.records),
    ("kernel_swaps", "Times that the rules in the kernel were replaced.", |a| a.in_kernel.swaps.get()),
];

/// Returns what sockets count; nothing where there are none.
pub fn families(accounts: &[Arc<SocketAccount>]) -> Vec<Family> {
    if accounts.is_empty() {
        return Vec::new();
    }
    let by_socket = |family: Family, of: &dyn Fn(&SocketAccount) -> u64| {
        accounts.iter().fold(family, |family, one| family.with(vec![("socket", one.name.clone())], of(one)))
    };
    let counter = |name: &str, help| Family::new(format!("dtq_datagram_{name}_total"), Kind::Counter, help);
    let mut all: Vec<Family> = COUNTERS.iter().map(|(name, help, of)| by_socket(counter(name, help), of)).collect();
    let filtering = Family::new("dtq_datagram_kernel_filtering", Kind::Gauge, "1 while rules drop in the kernel.");
    all.push(by_socket(filtering, &|one| u64::from(one.in_kernel.state().is_filtering)));
    all
}

/// Returns the same as JSON, by socket.
pub fn status(accounts: &[Arc<SocketAccount>]) -> Value {
    let of = |account: &Arc<SocketAccount>| {
        let counts = COUNTERS.iter().map(|(name, _, count)| ((*name).to_owned(), json!(count(account))));
        let mut counts: serde_json::Map<String, Value> = counts.collect();
        let State { is_filtering, because } = account.in_kernel.state();
        counts.insert("kernel_filtering".to_owned(), json!(is_filtering));
        if let Some(because) = because {
            counts.insert("kernel_because".to_owned(), json!(because));
        }
        (account.name.clone(), Value::Object(counts))
    };
    Value::Object(accounts.iter().map(of).collect())
}

/// Says what stands in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Whether something drops there.
    pub is_filtering: bool,
    /// Why nothing does.
    pub because: Option<String>,
}

/// Holds what programs on a socket have counted, those that were replaced too.
#[derive(Debug, Default)]
pub struct InKernel {
    inner: Mutex<Inner>,
    /// Times that the rules were replaced.
    pub swaps: Count,
}

#[derive(Debug, Default)]
struct Inner {
    state: State,
    /// The program that is attached, and those that it replaced and that may still count.
    running: Vec<Running>,
    done: KernelTotals,
}

/// Holds a program that is, or was, on the socket.
#[derive(Debug)]
pub(crate) struct Running {
    /// It.
    pub program: Program,
    /// Its counts.
    pub counters: Counters,
    /// The rules whose records it counts, and where.
    pub rules: Vec<(String, u32)>,
    /// Where it counts what it kept, what it dropped, and what it could not decide.
    pub kept: u32,
    /// Where it counts the datagrams that it dropped.
    pub dropped: u32,
    /// Where it counts those that it could not decide.
    pub undecided: Vec<u32>,
    /// Since when it is replaced.
    pub replaced: Option<Instant>,
}

/// Holds what programs have counted.
#[derive(Clone, Debug, Default)]
pub struct KernelTotals {
    /// Datagrams that a rule drops.
    pub dropped: KernelCount,
    /// Datagrams that no rule drops.
    pub kept: KernelCount,
    /// Datagrams that are kept because something could not be decided.
    pub undecided: KernelCount,
    /// Records and bytes that each rule dropped.
    pub rules: BTreeMap<String, KernelCount>,
}

impl KernelTotals {
    fn add(&mut self, running: &Running) {
        // Maps of our own are read; what would fail here is a mistake of ours, and loses a count at most.
        let get = |position: u32| running.counters.get(position).unwrap_or_default();
        self.dropped = self.dropped + get(running.dropped);
        self.kept = self.kept + get(running.kept);
        for position in &running.undecided {
            self.undecided = self.undecided + get(*position);
        }
        for (rule, position) in &running.rules {
            let count = get(*position);
            if count.records > 0 {
                let sum = self.rules.entry(rule.clone()).or_default();
                *sum = *sum + count;
            }
        }
    }
}

impl InKernel {
    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what stands in the kernel.
    pub fn state(&self) -> State {
        self.locked().state.clone()
    }

    /// Returns all that was counted.
    pub fn totals(&self) -> KernelTotals {
        let mut inner = self.locked();
        let Inner { running, done, .. } = &mut *inner;
        running.retain(|one| {
            let is_over = one.replaced.is_some_and(|since| since.elapsed() >= LAST_RUNS);
            if is_over {
                done.add(one);
            }
            !is_over
        });
        let mut totals = done.clone();
        running.iter().for_each(|one| totals.add(one));
        totals
    }

    /// Takes what is attached now in the place of what was.
    pub(crate) fn replace(&self, program: Option<Running>, because: Option<String>) {
        let mut inner = self.locked();
        let Inner { running, done, state } = &mut *inner;
        for one in running.iter_mut().filter(|one| one.replaced.is_none()) {
            one.replaced = Some(Instant::now());
        }
        if running.len() >= REPLACED_MAX {
            done.add(&running.remove(0));
        }
        *state = State { is_filtering: program.is_some(), because };
        running.extend(program);
        self.swaps.add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::text;

    #[test]
    fn counts_are_shown_by_socket() {
        let account = SocketAccount { name: "a\"b".to_owned(), ..SocketAccount::default() };
        account.datagrams.add(3);
        account.in_kernel.replace(None, Some("no right".to_owned()));
        let accounts = [Arc::new(account)];
        let mut shown = String::new();
        text::append(&mut shown, &families(&accounts));
        assert!(shown.contains("dtq_datagram_datagrams_total{socket=\"a\\\"b\"} 3\n"), "{shown}");
        assert!(shown.contains("dtq_datagram_kernel_filtering{socket=\"a\\\"b\"} 0\n"), "{shown}");
        assert_eq!(status(&accounts)["a\"b"]["kernel_because"], "no right");
        assert!(families(&[]).is_empty());
    }
}
