//! Sites, arguments and a condition to probes in the running kernel, and the hits that they hand over.
//!
//! Everything hangs on descriptors of this process: when it ends, in whatever way, the kernel takes the probes away and
//! the instructions are as they were. Next: `deliver.rs`. Tests: `tests/live/trace.rs`.

use crate::object::{Map, Program, ProgramKind};
use crate::ring::RingReader;
use crate::sys::perf;
use crate::trace::arguments::Argument;
use crate::trace::error::{Refusal, TraceError};
use crate::trace::program::{Condition, Count, Probe, RING_MAP, Task, probe};
use crate::trace::record::Hit;
use crate::trace::registers::Machine;
use crate::trace::site::Site;
use dtq_ebpf::emit::{COUNTS_MAP, SCRATCH_MAP};
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// Bytes of the ring buffer where nothing else is said: some thousand hits.
pub const RING_SIZE_BYTES: u32 = 1 << 20;
/// Bytes of a ring buffer at least: a page.
const RING_SIZE_BYTES_MIN: u32 = 4_096;
/// Where the kernel says what its uprobes are.
const UPROBE: &str = "/sys/bus/event_source/devices/uprobe";

/// Says whose hits are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Those of a process, with all its threads and without its children.
    Process(u32),
    /// Those of all processes that have the file.
    AllProcesses,
}

/// Says what is to be traced.
#[derive(Debug)]
pub struct Plan<'p> {
    /// Where.
    pub sites: Vec<Site>,
    /// Whose hits.
    pub target: Target,
    /// What goes into the log.
    pub arguments: Vec<Argument>,
    /// Which hits; `None` for all.
    pub condition: Option<Condition<'p>>,
    /// Whether sites are fine at which a hit takes tens of microseconds.
    pub accepts_slow: bool,
    /// Whether the operator knows that an instruction begins where a site is inside of a function: a probe elsewhere breaks
    /// the program.
    pub accepts_inside: bool,
    /// Bytes of the ring buffer: a power of two of at least a page.
    pub ring_size_bytes: u32,
}

impl<'p> Plan<'p> {
    /// Returns a plan for all hits of these sites, without arguments.
    pub fn new(sites: Vec<Site>, target: Target) -> Self {
        Self {
            sites,
            target,
            arguments: Vec::new(),
            condition: None,
            accepts_slow: false,
            accepts_inside: false,
            ring_size_bytes: RING_SIZE_BYTES,
        }
    }
}

/// Holds what was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Hits.
    pub hits: u64,
    /// Hits for which the condition holds, or may hold.
    pub matched: u64,
    /// Their bytes in the ring buffer.
    pub matched_bytes: u64,
    /// Matched ones for which the ring buffer had no room.
    pub lost: u64,
    /// Reads of memory that failed.
    pub failed_reads: u64,
    /// Matched ones for which the condition was not decided.
    pub undecided: u64,
    /// Hits that were not looked at, since too many runs were under way on the same processor.
    pub busy: u64,
}

/// Holds probes; they are gone with it.
#[derive(Debug)]
pub struct Trace {
    /// Closed first: without them nothing runs the programs.
    #[expect(dead_code, reason = "held for what closing them does")]
    events: Vec<OwnedFd>,
    programs: Vec<Program>,
    counts: Map,
    reader: RingReader,
    sites: Vec<Site>,
    arguments: Vec<Argument>,
    /// Records that no probe of ours writes.
    broken_count: u64,
}

impl Trace {
    /// Attaches probes to all sites of a plan, or to none.
    ///
    /// # Errors
    /// [`TraceError::Refusal`] where the plan has to say that it is meant, and what keeps the probes from being attached.
    pub fn start(mut plan: Plan<'_>) -> Result<Self, TraceError> {
        check(&plan)?;
        let kind = EventKind::read()?;
        let mut shared: Option<(Map, Map)> = None;
        let (mut events, mut programs) = (Vec::new(), Vec::new());
        for (site_index, site) in plan.sites.iter().enumerate() {
            let task = Task {
                site,
                site_index,
                site_count: plan.sites.len(),
                arguments: &plan.arguments,
                ring_size_bytes: plan.ring_size_bytes,
            };
            let probe = probe(&task, plan.condition.as_mut())?;
            let (program, counts, ring) = load(&probe, shared.as_ref())?;
            events.push(attach(&kind, site, plan.target, &program)?);
            programs.push(program);
            shared.get_or_insert((counts, ring));
        }
        let (counts, ring) = shared.expect("`check` has seen a site");
        let reader = RingReader::new(&ring).map_err(TraceError::io("map the ring buffer"))?;
        let Plan { sites, arguments, .. } = plan;
        Ok(Self { events, programs, counts, reader, sites, arguments, broken_count: 0 })
    }

    /// Returns the sites, by the positions that hits name.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// Returns the arguments, in the order that hits have them.
    pub fn arguments(&self) -> &[Argument] {
        &self.arguments
    }

    /// Waits for a hit, at most so long; says whether there is one.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn wait(&self, timeout: Duration) -> Result<bool, TraceError> {
        self.reader.wait(timeout).map_err(TraceError::io("wait for hits"))
    }

    /// Calls `take` with the hits that are there, at most so many; returns how many those were.
    ///
    /// # Errors
    /// When the ring buffer holds what the kernel does not write.
    pub fn drain(&mut self, count_max: usize, mut take: impl FnMut(&Hit<'_>)) -> Result<usize, TraceError> {
        let (arguments, site_count) = (&self.arguments, self.sites.len());
        let mut broken_count = 0;
        let drained = self.reader.drain(count_max, |record| match Hit::parse(record, arguments) {
            Some(hit) if hit.site < site_count => take(&hit),
            _ => broken_count += 1,
        });
        self.broken_count += broken_count;
        drained.map_err(TraceError::Ring)
    }

    /// Returns how many records were left out, since no probe of ours writes such; 0 unless something is wrong here.
    pub fn broken_count(&self) -> u64 {
        self.broken_count
    }

    /// Returns what was counted at a site, by its position.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn counts(&self, site: usize) -> Result<Counts, TraceError> {
        let read = |count: Count| {
            let key = count.position(site).to_le_bytes();
            let values = self.counts.get(&key).map_err(TraceError::io("read counts"))?.unwrap_or_default();
            let sum = |at: usize| {
                let numbers = values.iter().filter_map(|value| value.get(at..)?.first_chunk().copied());
                numbers.map(u64::from_le_bytes).sum::<u64>()
            };
            Ok((sum(0), sum(8)))
        };
        let (matched, matched_bytes) = read(Count::Matched)?;
        Ok(Counts {
            hits: read(Count::Hits)?.0,
            matched,
            matched_bytes,
            lost: read(Count::Lost)?.0,
            failed_reads: read(Count::FailedReads)?.0,
            undecided: read(Count::Undecided)?.0,
            busy: read(Count::Busy)?.0,
        })
    }

    /// Returns the programs, by the positions of sites.
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }
}

/// Checks what can be said before anything is asked of the kernel.
fn check(plan: &Plan<'_>) -> Result<(), TraceError> {
    if plan.sites.is_empty() {
        return Err(TraceError::Site("there is no site to trace".to_owned()));
    }
    // The kernel says no more than "invalid argument".
    if !plan.ring_size_bytes.is_power_of_two() || plan.ring_size_bytes < RING_SIZE_BYTES_MIN {
        let reason = format!("is no size of a ring buffer: a power of two from {RING_SIZE_BYTES_MIN} on is");
        return Err(TraceError::Text { text: plan.ring_size_bytes.to_string(), reason });
    }
    for site in &plan.sites {
        if Machine::here() != Some(site.machine) {
            let (path, name) = (site.path.display(), site.machine.name());
            return Err(TraceError::Site(format!("{path} is for {name}, which this machine is not")));
        }
        let place = format!("`{}` in {}", site.name, site.path.display());
        if site.is_breakpoint {
            return Err(TraceError::Site(format!(
                "{place} is a breakpoint already; end the debugger that put it there"
            )));
        }
        if let Some(refusal) = site.cost.refusal().filter(|_| !plan.accepts_slow) {
            return Err(TraceError::Refusal(Refusal { reason: format!("at {place} {}", refusal.reason), ..refusal }));
        }
        if site.is_inside && !plan.accepts_inside {
            let reason = format!(
                "{place} is inside of a function, where a probe breaks the program unless an instruction begins"
            );
            let remedy = "take the beginning of the function, or say that an instruction begins there".to_owned();
            return Err(TraceError::Refusal(Refusal { reason, remedy }));
        }
    }
    Ok(())
}

/// Loads a program; returns it with the maps that sites share, which are those of the first one.
fn load(probe: &Probe, shared: Option<&(Map, Map)>) -> Result<(Program, Map, Map), TraceError> {
    let duplicate = |map: &Map| map.try_clone().map_err(TraceError::io("share a map"));
    let mut maps = Vec::with_capacity(probe.maps.len());
    for (position, def) in probe.maps.iter().enumerate() {
        maps.push(match (position as u32, shared) {
            (COUNTS_MAP, Some((counts, _))) => duplicate(counts)?,
            (RING_MAP, Some((_, ring))) => duplicate(ring)?,
            _ => Map::create(def).map_err(TraceError::io(format!("make the map `{}`", def.name)))?,
        });
    }
    let scratch = &maps[SCRATCH_MAP as usize];
    for slot in 0..scratch.def().entries_max {
        scratch.set(&slot.to_le_bytes(), &probe.scratch).map_err(TraceError::io("fill the scratch"))?;
    }
    let program = Program::load("dtq_trace", ProgramKind::Probe, &probe.insns, &maps).map_err(TraceError::Load)?;
    let (counts, ring) = (duplicate(&maps[COUNTS_MAP as usize])?, duplicate(&maps[RING_MAP as usize])?);
    Ok((program, counts, ring))
}

/// Holds what the kernel's uprobes are.
#[derive(Clone, Copy, Debug)]
struct EventKind {
    number: u32,
    /// Says that it is where a function returns.
    return_bit: u32,
    /// Where the offset of the semaphore begins.
    semaphore_bit: u32,
}

impl EventKind {
    fn read() -> Result<Self, TraceError> {
        let number = |name: &str, parse: fn(&str) -> Option<u32>| {
            let path = format!("{UPROBE}/{name}");
            let text = std::fs::read_to_string(&path).map_err(|error| {
                let hint = if error.kind() == io::ErrorKind::NotFound { ": this kernel has no uprobes" } else { "" };
                TraceError::Io { tried: format!("read {path}{hint}"), error }
            })?;
            parse(text.trim())
                .ok_or_else(|| TraceError::Site(format!("{path} says `{}`, which is not known", text.trim())))
        };
        Ok(Self {
            number: number("type", |text| text.parse().ok())?,
            return_bit: number("format/retprobe", first_bit)?,
            semaphore_bit: number("format/ref_ctr_offset", first_bit)?,
        })
    }
}

/// Reads `config:32-63` or `config:0`.
fn first_bit(text: &str) -> Option<u32> {
    let bits = text.strip_prefix("config:")?;
    bits.split('-').next()?.parse().ok().filter(|bit| *bit < u64::BITS)
}

fn attach(kind: &EventKind, site: &Site, target: Target, program: &Program) -> Result<OwnedFd, TraceError> {
    let path = CString::new(site.path.as_os_str().as_bytes());
    let path = path.map_err(|_| TraceError::Site(format!("{} is no path", site.path.display())))?;
    let return_bits = u64::from(site.is_return) << kind.return_bit;
    let spec = perf::EventSpec {
        kind: kind.number,
        config: return_bits | site.semaphore_offset.unwrap_or(0) << kind.semaphore_bit,
        path: &path,
        offset: site.offset,
        pid: match target {
            Target::Process(pid) => Some(pid),
            Target::AllProcesses => None,
        },
    };
    let tried = || format!("attach to `{}` in {}", site.name, site.path.display());
    let explained = |error: io::Error| {
        let hint = match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => {
                " (needs CAP_PERFMON and CAP_BPF, and for a process of somebody else CAP_SYS_PTRACE)"
            }
            Some(libc::ESRCH) => " (there is no such process)",
            _ => "",
        };
        TraceError::Io { tried: format!("{}{hint}", tried()), error }
    };
    let event = perf::open(&spec).map_err(explained)?;
    perf::attach(&event, program).map_err(explained)?;
    Ok(event)
}
