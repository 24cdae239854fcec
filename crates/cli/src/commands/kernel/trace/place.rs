//! The words of the command line to a file, the sites in it, and whose hits are wanted. Next: `list.rs`.

use crate::args::KernelTraceArguments;
use crate::commands::kernel::refusal;
use crate::failure::Failure;
use dtq_kernel::trace::process::{files, find_file};
use dtq_kernel::trace::{Site, SiteSpec, Target, TraceError};
use std::path::{Path, PathBuf};

/// Sites that are shown when they are attached.
const SHOWN_MAX: usize = 8;

/// Holds a file with functions, and the process that it is looked for in.
pub struct Place {
    /// The file, by a path that the kernel finds it at.
    pub path: PathBuf,
    /// The process.
    pub pid: Option<u32>,
}

impl Place {
    /// Finds the file.
    ///
    /// # Errors
    /// [`Failure::Usage`] when nothing names one, [`Failure::Kernel`] when there is none such.
    pub fn find(arguments: &KernelTraceArguments) -> Result<Self, Failure> {
        let path = match (arguments.pid, &arguments.file) {
            (Some(pid), file) => of_process(pid, file.as_deref())?,
            (None, Some(file)) => file.clone(),
            (None, None) => {
                return Err(Failure::Usage("no program is named: use --pid PID, or --file FILE with --all".into()));
            }
        };
        Ok(Self { path, pid: arguments.pid })
    }

    /// Returns whose hits are wanted.
    ///
    /// # Errors
    /// [`Failure::Usage`] when that is not said.
    pub fn target(&self, arguments: &KernelTraceArguments) -> Result<Target, Failure> {
        match self.pid {
            Some(pid) => Ok(Target::Process(pid)),
            None if arguments.all => Ok(Target::AllProcesses),
            None => {
                let message = "whose hits are wanted? --pid PID is one process, --all all that have the file";
                Err(Failure::Usage(message.into()))
            }
        }
    }

    /// Returns the sites that are asked for.
    ///
    /// # Errors
    /// [`Failure::Usage`] when a word names none, [`Failure::Kernel`] when it is not there, or not unless asked for.
    pub fn sites(&self, arguments: &KernelTraceArguments) -> Result<Vec<Site>, Failure> {
        let mut sites: Vec<Site> = Vec::new();
        for word in &arguments.sites {
            let spec: SiteSpec = word.parse().map_err(|error: TraceError| Failure::Usage(error.to_string()))?;
            let found = Site::find(&self.path, &spec).map_err(|error| self.explained(&error, &spec, arguments))?;
            sites.extend(found);
        }
        let name = |site: &Site| format!("`{}`", site.name);
        let slow: Vec<String> = sites.iter().filter(|site| site.cost.refusal().is_some()).map(name).collect();
        if !slow.is_empty() && !arguments.accept_slow {
            return Err(refusal_of_slow(&slow, &sites));
        }
        let inside: Vec<String> = sites.iter().filter(|site| site.is_inside).map(name).collect();
        if !inside.is_empty() && !arguments.accept_inside {
            let message = format!(
                "{} is inside of a function, where a probe breaks the program unless an instruction begins there; where \
                 that is sure, --accept-inside attaches it",
                inside.join(", ")
            );
            return Err(Failure::Kernel(message));
        }
        Ok(sites)
    }

    /// Returns the failure of a site, with another file of the process that has it.
    fn explained(&self, error: &TraceError, spec: &SiteSpec, arguments: &KernelTraceArguments) -> Failure {
        let message = match error {
            TraceError::Site(reason) => format!("{}: {reason}", self.path.display()),
            _ => return refusal::of_trace(error),
        };
        let Some(pid) = self.pid.filter(|_| arguments.file.is_none()) else { return Failure::Kernel(message) };
        let others: Vec<PathBuf> = files(pid).unwrap_or_default().into_iter().map(|file| file.path).collect();
        let has = |path: &&PathBuf| {
            let found = path.to_str().and_then(|path| find_file(pid, Some(path)).ok());
            found.is_some_and(|found| found != self.path && Site::find(&found, spec).is_ok())
        };
        match others.iter().find(has) {
            Some(other) => {
                Failure::Kernel(format!("{message}\na library of the process has it: --file {}", other.display()))
            }
            None => Failure::Kernel(format!(
                "{message}\n`dtq kernel trace --list --pid {pid}` lists what there is; --file takes a library of the process"
            )),
        }
    }

    /// Returns what is attached, as lines.
    pub fn attached(&self, sites: &[Site]) -> String {
        let whose = match self.pid {
            Some(pid) => format!("process {pid}{}", command_of(pid)),
            None => "all processes".to_owned(),
        };
        let plural = if sites.len() == 1 { "" } else { "s" };
        let mut text = format!("attached: {} site{plural} of {}, hits of {whose}\n", sites.len(), self.path.display());
        for site in sites.iter().take(SHOWN_MAX) {
            let cost = match site.cost.measured_ns() {
                Some(cost_ns) => format!("about {cost_ns} ns a hit"),
                None => "a hit of unknown cost".to_owned(),
            };
            let function = if site.name.ends_with(&format!(":{}", site.function)) {
                String::new()
            } else {
                format!(" ({})", site.function)
            };
            text += &format!("  {}{function} at {:#x}, {cost}: {}\n", site.name, site.address, site.cost.name());
        }
        if sites.len() > SHOWN_MAX {
            text += &format!("  and {} more\n", sites.len() - SHOWN_MAX);
        }
        text
    }
}

/// Returns the failure of sites at which a hit takes long.
fn refusal_of_slow(slow: &[String], sites: &[Site]) -> Failure {
    let worst = sites.iter().filter_map(|site| site.cost.measured_ns()).max().unwrap_or_default();
    let message = format!(
        "at {} each hit would take {} us and more of the program, since an instruction is there that is run for one \
         step\ntake a function that begins with `push` or a nop, or a USDT probe (`dtq kernel trace --list` says what \
         each costs); --accept-slow attaches it all the same",
        slow.join(", "),
        worst / 1_000
    );
    Failure::Kernel(message)
}

/// Returns a file of a process: its program, or a library by its path or the beginning of its name.
fn of_process(pid: u32, file: Option<&Path>) -> Result<PathBuf, Failure> {
    if !Path::new(&format!("/proc/{pid}")).exists() {
        return Err(Failure::Kernel(format!("there is no process {pid}")));
    }
    let text = |path: &Path| path.to_str().map(str::to_owned);
    let not_utf8 = || Failure::Usage("--file is not UTF-8".into());
    let wanted = file.map(|path| text(path).ok_or_else(not_utf8)).transpose()?;
    let found = find_file(pid, wanted.as_deref());
    // What is mapped has the name behind all links.
    let behind = file.filter(|path| path.as_os_str().as_encoded_bytes().contains(&b'/'));
    let behind = behind.and_then(|path| text(&path.canonicalize().ok()?)).filter(|_| found.is_err());
    let found = match behind.and_then(|path| find_file(pid, Some(&path)).ok()) {
        Some(path) => Ok(path),
        None => found,
    };
    found.map_err(|error| refusal::of_trace(&error))
}

/// Returns the name of a process in brackets, where it can be read.
fn command_of(pid: u32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    if name.trim().is_empty() { String::new() } else { format!(" ({})", name.trim()) }
}
