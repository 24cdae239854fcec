//! What this process may do in the kernel it runs on, found out by doing it with tiny programs and maps.
//!
//! Each thing is tried, since rights, settings, security modules and the kernel's age all have a say in it; what refuses is
//! then told in words, with what would help. All that was tried is gone when the probe returns. Read on in `tries.rs`.
//! Tests: `tests/live/probe.rs`.

mod tries;

use crate::object::Program;
use serde::Serialize;
use std::fmt;

/// Names something that the kernel tier can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// Maps with one value for all processors.
    Maps,
    /// Maps with a value for each processor, for counts.
    PerCpuMaps,
    /// Records from programs to user space.
    RingBuffer,
    /// A program is loaded, attached to a socket, and drops a datagram.
    SocketFilter,
    /// Loops that the kernel counts (`may_goto`), as parsing needs.
    CountedLoops,
    /// A search for text: eight bytes at a time are read in such a loop at a place that a mask bounds.
    Search,
    /// A search for several texts at once: a state and a byte say where in a table the next state stands.
    TableSearch,
    /// Programs run as machine code.
    NativeCode,
    /// A program on what a control group sends.
    CgroupEgress,
    /// Logs added to running programs by uprobes.
    Uprobes,
    /// Sockets of other users' processes can be reached.
    OtherSockets,
    /// A program that another process has loaded can be attached.
    InheritedProgram,
    /// A classic filter can be attached, which needs no right.
    ClassicFilter,
}

impl Feature {
    /// All features.
    pub const ALL: [Self; 13] = [
        Self::Maps,
        Self::PerCpuMaps,
        Self::RingBuffer,
        Self::SocketFilter,
        Self::CountedLoops,
        Self::Search,
        Self::TableSearch,
        Self::NativeCode,
        Self::CgroupEgress,
        Self::Uprobes,
        Self::OtherSockets,
        Self::InheritedProgram,
        Self::ClassicFilter,
    ];

    /// Returns what it is, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Maps => "maps",
            Self::PerCpuMaps => "maps for each processor",
            Self::RingBuffer => "ring buffer",
            Self::SocketFilter => "filter on a socket",
            Self::CountedLoops => "counted loops (may_goto)",
            Self::Search => "search for text, eight bytes at a time",
            Self::TableSearch => "search for several texts by a table",
            Self::NativeCode => "programs as machine code",
            Self::CgroupEgress => "filter on what a control group sends",
            Self::Uprobes => "uprobes in running programs",
            Self::OtherSockets => "sockets of other users",
            Self::InheritedProgram => "programs from another process",
            Self::ClassicFilter => "classic filter on a socket",
        }
    }
}

/// Says whether something can be used, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It can.
    Yes,
    /// It cannot.
    No {
        /// Why.
        reason: String,
        /// What would help.
        remedy: String,
    },
    /// This process may not find out.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// Says how much of the kernel tier can be used, from most to least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// All rules that the kernel can decide.
    Full,
    /// Programs without searches over the payload: fields at known places, numbers, equality.
    RestrictedCode,
    /// Programs that a process with more rights has loaded and handed on.
    InheritedProgram,
    /// Classic filters, which compare bytes at known places.
    ClassicFilter,
    /// Nothing; all rules run in user space.
    UserSpace,
}

impl Level {
    /// Returns what it means, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Full => "full: every rule that the kernel can decide may run there",
            Self::RestrictedCode => "restricted code: rules run in the kernel, but none that search in text",
            Self::InheritedProgram => "inherited program: filters run that a process with more rights has loaded",
            Self::ClassicFilter => "classic filter: only bytes at known places are compared in the kernel",
            Self::UserSpace => "user space: nothing runs in the kernel; all rules work as they do without it",
        }
    }

    fn of(answer: impl Fn(Feature) -> bool) -> Self {
        let all = |features: &[Feature]| features.iter().all(|feature| answer(*feature));
        if all(&[Feature::Maps, Feature::PerCpuMaps, Feature::SocketFilter]) {
            let is_full = all(&[Feature::CountedLoops, Feature::Search, Feature::TableSearch]);
            return if is_full { Self::Full } else { Self::RestrictedCode };
        }
        match (answer(Feature::InheritedProgram), answer(Feature::ClassicFilter)) {
            (true, _) => Self::InheritedProgram,
            (false, true) => Self::ClassicFilter,
            (false, false) => Self::UserSpace,
        }
    }
}

/// Holds settings of the kernel and of this process that answers depend on; `None` where one is not there or not readable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// The kernel's release.
    pub kernel: Option<String>,
    /// The user of this process.
    pub uid: Option<u32>,
    /// Its capabilities, as far as the kernel tier asks for them.
    pub capabilities: Vec<&'static str>,
    /// `kernel.unprivileged_bpf_disabled`: 0 lets everybody load programs, 1 and 2 do not.
    pub unprivileged_bpf_disabled: Option<i64>,
    /// `net.core.bpf_jit_enable`.
    pub bpf_jit_enable: Option<i64>,
    /// `net.core.bpf_jit_harden`: 2 makes programs of everybody slower, 1 those of processes without rights.
    pub bpf_jit_harden: Option<i64>,
    /// `kernel.perf_event_paranoid`.
    pub perf_event_paranoid: Option<i64>,
    /// `kernel.yama.ptrace_scope`.
    pub ptrace_scope: Option<i64>,
    /// Whether the files of tracing can be read.
    pub has_tracefs: bool,
    /// Whether this process is confined by a seccomp filter.
    pub has_seccomp: bool,
    /// Bytes that may be locked in memory, to which kernels before 5.11 count maps; `None` is no limit.
    pub memlock: Option<u64>,
}

/// Holds what this process may do in the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// How much of the kernel tier can be used.
    pub level: Level,
    /// What can be used, in the order of [`Feature::ALL`].
    pub answers: Vec<(Feature, Answer)>,
    /// What answers depend on.
    pub settings: Settings,
}

impl Probe {
    /// Tries everything; `inherited` is a socket filter that another process has loaded, if there is one.
    ///
    /// # Cost
    /// Some milliseconds, most of it in the kernel's verifier.
    pub fn run(inherited: Option<&Program>) -> Self {
        let settings = tries::settings();
        let answer = |feature| (feature, tries::answer(feature, inherited, &settings));
        let answers: Vec<(Feature, Answer)> = Feature::ALL.into_iter().map(answer).collect();
        let level =
            Level::of(|asked| answers.iter().any(|(feature, answer)| *feature == asked && *answer == Answer::Yes));
        Self { level, answers, settings }
    }

    /// Returns whether something can be used, and if not, why.
    pub fn answer(&self, feature: Feature) -> &Answer {
        let found = self.answers.iter().find(|(asked, _)| *asked == feature);
        &found.expect("every feature has an answer").1
    }

    /// Says whether something can be used.
    pub fn can(&self, feature: Feature) -> bool {
        *self.answer(feature) == Answer::Yes
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "level     {}", self.level.words())?;
        for (feature, answer) in &self.answers {
            match answer {
                Answer::Yes => writeln!(f, "yes       {}", feature.words())?,
                Answer::No { reason, remedy } => {
                    writeln!(f, "no        {}: {reason}", feature.words())?;
                    writeln!(f, "          to have it: {remedy}")?;
                }
                Answer::Unknown { reason } => writeln!(f, "unknown   {}: {reason}", feature.words())?,
            }
        }
        write_settings(f, &self.settings)
    }
}

fn write_settings(f: &mut fmt::Formatter<'_>, settings: &Settings) -> fmt::Result {
    let unknown = || "unknown".to_owned();
    let number = |number: Option<i64>| number.map_or_else(unknown, |number| number.to_string());
    let kernel = settings.kernel.clone().unwrap_or_else(unknown);
    let uid = settings.uid.map_or_else(unknown, |uid| uid.to_string());
    let capabilities =
        if settings.capabilities.is_empty() { "none".to_owned() } else { settings.capabilities.join(", ") };
    writeln!(f, "here      Linux {kernel}, user {uid}, capabilities: {capabilities}")?;
    writeln!(
        f,
        "          unprivileged_bpf_disabled={}, bpf_jit_enable={}, bpf_jit_harden={}, perf_event_paranoid={}, ptrace_scope={}",
        number(settings.unprivileged_bpf_disabled),
        number(settings.bpf_jit_enable),
        number(settings.bpf_jit_harden),
        number(settings.perf_event_paranoid),
        number(settings.ptrace_scope),
    )?;
    let memlock = settings.memlock.map_or("no limit".to_owned(), |bytes| format!("{} KiB", bytes >> 10));
    let (tracefs, seccomp) = (yes_no(settings.has_tracefs), yes_no(settings.has_seccomp));
    writeln!(f, "          tracefs {tracefs}, seccomp {seccomp}, memory that may be locked: {memlock}")
}

fn yes_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_follows_from_what_can_be_used() {
        use Feature::*;
        let level = |features: &[Feature]| Level::of(|feature| features.contains(&feature));
        assert_eq!(level(&Feature::ALL), Level::Full);
        assert_eq!(level(&[Maps, PerCpuMaps, SocketFilter, CountedLoops, Search]), Level::RestrictedCode);
        assert_eq!(level(&[Maps, InheritedProgram, ClassicFilter]), Level::InheritedProgram);
        assert_eq!((level(&[ClassicFilter]), level(&[Maps])), (Level::ClassicFilter, Level::UserSpace));
    }
}
