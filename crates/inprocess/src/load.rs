//! The text of a rule file to rules that are ready to run, or to all that is wrong with them.
//!
//! Reads a file and those beside it up to a bound; runs nothing. Next: `seat.rs`.

use crate::host::Host;
use dtq_record::otlp::Signal;
use dtq_record::tables::Base;
use dtq_rules::Budget;
use dtq_rules::compile::rule::Failure;
use dtq_rules::compile::{self, RuleSet, compile_within};
use dtq_rules::file::rule::{Mode, Tier};
use dtq_rules::file::{self, Files, Located, RuleFile};
use dtq_rules::native::NativeSet;
use dtq_source::{Limits, render};
use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Holds the bounds of rules within a process.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Those of texts, queries and values.
    pub limits: Limits,
    /// Bytes that all rules may remember together.
    pub state_bytes_max: usize,
    /// Bytes of a record that are looked at, and that rules may make of a record.
    pub record_bytes_max: usize,
    /// The same of requests that come whole, with many records: metrics, and those of C.
    pub request_bytes_max: usize,
    /// Bytes of a signal that wait for its wrapper, where the records of another signal made them.
    pub outbox_bytes_max: usize,
    /// Nanoseconds a record, as the median of samples, past which all but protective rules are turned off.
    pub ns_per_record_max: u64,
    /// Ticks after which rules that were too costly are tried again, twice as long each time in vain; 0 is never.
    pub retry_ticks: i64,
    /// Nanoseconds that loading rules may take.
    pub load_ns_max: u64,
    /// Rules that native code is made for while they are loaded; larger sets are interpreted.
    pub native_rules_max: usize,
    /// Threads that can be judging at the same time, where no rule remembers anything.
    pub seats: usize,
    /// Panics after which rules no longer run.
    pub panics_max: u64,
    /// Ticks between two looks at the rule file.
    pub check_ticks: i64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            state_bytes_max: 64 << 20,
            record_bytes_max: 1 << 20,
            request_bytes_max: 16 << 20,
            outbox_bytes_max: 4 << 20,
            ns_per_record_max: 50_000,
            retry_ticks: 300 * 10_000_000,
            load_ns_max: 500_000_000,
            native_rules_max: 64,
            seats: 8,
            panics_max: 3,
            check_ticks: 10_000_000,
        }
    }
}

/// Says why rules were not taken, as a person reads it: each mistake with its position and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The text, of one or more lines.
    pub report: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.report.trim_end())
    }
}

impl std::error::Error for Refused {}

/// Holds rules that are ready to run.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub set: Arc<RuleSet>,
    /// The same file, for those who compile a part of it.
    #[cfg(feature = "tracing")]
    pub file: RuleFile,
    /// The rules that settle callsites, each alone; made before the rules run where there is a layer that asks for them.
    #[cfg(feature = "tracing")]
    pub settling: std::sync::OnceLock<Vec<Arc<RuleSet>>>,
    pub native: Option<Arc<NativeSet>>,
    /// The protective rules alone, for when the others are turned off.
    pub protective: Arc<RuleSet>,
    /// Whether some rule remembers something, so that all records have to come to one place.
    pub has_state: bool,
    /// By signal, whether a record that cannot be judged must not pass.
    pub is_protected: [bool; 3],
    /// By signal, whether there are rules for it.
    pub has_rules: [bool; 3],
    /// Names of the rules whose `tiers` leave this one out.
    pub left_out: Vec<String>,
    /// What is not wrong with the rules but worth a look.
    pub warnings: String,
}

/// Loads rules from a text; files beside it are found through `beside`.
pub(crate) fn load(
    name: &str,
    text: &[u8],
    beside: &dyn Files,
    bounds: &Bounds,
    host: &dyn Host,
) -> Result<Loaded, Refused> {
    let now_ticks = host.now_ticks();
    let options = file::Options { limits: bounds.limits.clone(), now_ticks };
    let (file, found) = file::read(name, text, beside, &options);
    let clock = || host.ns();
    let budget = Budget { bytes_max: bounds.state_bytes_max, ..Budget::of_time(bounds.load_ns_max, &clock) };
    let options = compile::Options {
        limits: bounds.limits.clone(),
        now_ticks,
        tier: Some(Tier::InProcess),
        is_unoptimized: false,
    };
    let compiled = compile_within(std::slice::from_ref(&file), &options, &budget);
    let all = found.into_iter().map(|diagnostic| Located { file: 0, diagnostic }).chain(compiled.diagnostics);
    let text = |located: &Located| render::text(&file.source, &located.diagnostic, render::Style::Plain);
    let (errors, warnings): (Vec<_>, Vec<_>) = all.partition(|located| located.diagnostic.is_error());
    let Some(set) = compiled.set else {
        return Err(Refused { report: errors.iter().map(text).collect() });
    };
    let protective =
        RuleFile { rules: file.rules.iter().filter(|rule| rule.is_protective()).cloned().collect(), ..file.clone() };
    let protective = compile_within(&[protective], &options, &budget).set.ok_or_else(|| Refused {
        report: format!(
            "the protective rules of `{name}` do not stand without the others: put them into a file of their own"
        ),
    })?;
    let set = Arc::new(set);
    let is_small = set.rules.len() <= bounds.native_rules_max;
    let native = if is_small { NativeSet::compile(&set).ok().map(Arc::new) } else { None };
    Ok(Loaded {
        has_state: set.rules.iter().any(|rule| rule.has_state()),
        is_protected: for_signals(|base| is_protected(&set, base)),
        has_rules: for_signals(|base| set.rules.iter().any(|rule| rule.base == base || rule.base == Base::Resources)),
        left_out: left_out(&file),
        warnings: warnings.iter().map(text).collect(),
        protective: Arc::new(protective),
        set,
        #[cfg(feature = "tracing")]
        file,
        #[cfg(feature = "tracing")]
        settling: std::sync::OnceLock::new(),
        native,
    })
}

/// Returns the names of rules that are on and run elsewhere.
fn left_out(file: &RuleFile) -> Vec<String> {
    let elsewhere =
        file.rules.iter().filter(|rule| rule.mode != Mode::Off && !rule.tiers.value.contains(&Tier::InProcess));
    elsewhere.map(|rule| rule.name.value.clone()).collect()
}

fn for_signals(ask: impl Fn(Base) -> bool) -> [bool; 3] {
    [Signal::Logs, Signal::Metrics, Signal::Spans].map(|signal| ask(RuleSet::base_of(signal)))
}

fn is_protected(set: &RuleSet, base: Base) -> bool {
    set.rules.iter().any(|rule| {
        (rule.base == base || rule.base == Base::Resources)
            && rule.on_error != Failure::Pass
            && rule.mode == Mode::Enforce
    })
}

/// A file, with its time and size where it could be looked at.
type Seen = (PathBuf, Option<(SystemTime, u64)>);

/// Remembers a rule file and what it looked like when it was read.
#[derive(Debug)]
pub(crate) struct Watched {
    path: PathBuf,
    /// All files that were asked for, with what they looked like.
    seen: Vec<Seen>,
}

impl Watched {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: Vec::new() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says whether a file looks otherwise than when it was read.
    pub fn has_changed(&self) -> bool {
        self.seen.is_empty() || self.seen.iter().any(|(path, seen)| look(path) != *seen)
    }

    /// Reads the file and loads its rules.
    pub fn load(&mut self, bounds: &Bounds, host: &dyn Host) -> Result<Loaded, Refused> {
        let asked = RefCell::new(vec![(self.path.clone(), look(&self.path))]);
        let name = self.path.display().to_string();
        let folder = Folder {
            path: self.path.parent().unwrap_or(Path::new("")),
            bytes_max: bounds.limits.document_bytes_max,
            asked: &asked,
        };
        let loaded = match read_bounded(&self.path, bounds.limits.rule_file_bytes_max) {
            Ok(text) => load(&name, &text, &folder, bounds, host),
            Err(error) => Err(Refused { report: format!("cannot read the rules `{name}`: {error}") }),
        };
        self.seen = asked.into_inner();
        loaded
    }
}

fn look(path: &Path) -> Option<(SystemTime, u64)> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

/// Reads a file up to a bound and one byte: whoever judges the size then says that it is too long.
///
/// What is no file, such as a pipe, is refused: opening it may wait for ever, and a thread that emits would wait with it.
fn read_bounded(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The folder of a rule file.
struct Folder<'p> {
    path: &'p Path,
    bytes_max: usize,
    asked: &'p RefCell<Vec<Seen>>,
}

impl Files for Folder<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let path = self.path.join(path);
        let seen = look(&path);
        let read = read_bounded(&path, self.bytes_max).map_err(|error| error.to_string());
        self.asked.borrow_mut().push((path, seen));
        read
    }
}
