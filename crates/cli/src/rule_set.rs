//! Rule files of the command line to a rule set, with everything that is wrong with them said.
//!
//! Files beside a rule file are read here. Next: `commands/apply.rs`.

use crate::console::Console;
use crate::failure::Failure;
use dtq_rules::compile::{self, RuleSet};
use dtq_rules::file::{self, Files, Located, RuleFile};
use dtq_source::Limits;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Holds rule files as they were read, and what they compile to.
pub struct Loaded {
    /// The files, in the order of the command line.
    pub files: Vec<RuleFile>,
    /// What is wrong and what looks wrong, in the order of the files.
    pub diagnostics: Vec<Located>,
    /// The rule set, unless there are errors.
    pub set: Option<RuleSet>,
    /// Every file that was read, or that could not be: what the rule set depends on.
    pub paths: Vec<PathBuf>,
}

/// Reads and compiles rule files.
///
/// # Errors
/// [`Failure::Input`] when a rule file cannot be read; what is wrong inside of one stands among the diagnostics.
pub fn load(paths: &[PathBuf], now_ticks: i64, limits: &Limits) -> Result<Loaded, Failure> {
    let options = file::Options { limits: limits.clone(), now_ticks };
    let (mut files, mut diagnostics) = (Vec::new(), Vec::new());
    let read_paths = RefCell::new(paths.to_vec());
    for path in paths {
        let name = path.display().to_string();
        let bytes = read_bounded(path, limits.rule_file_bytes_max)
            .map_err(|error| Failure::Input(format!("cannot read the rules `{name}`: {error}")))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let beside = Folder { path: folder, bytes_max: limits.document_bytes_max, read_paths: &read_paths };
        let (read, found) = file::read(&name, &bytes, &beside, &options);
        diagnostics.extend(found.into_iter().map(|diagnostic| Located { file: files.len(), diagnostic }));
        files.push(read);
    }
    let compiled = compile(&files, now_ticks, limits, false);
    diagnostics.extend(compiled.diagnostics);
    diagnostics.sort_by_key(|located| (located.file, located.diagnostic.span));
    Ok(Loaded { files, diagnostics, set: compiled.set, paths: read_paths.into_inner() })
}

/// Compiles rule files that were read.
pub fn compile(files: &[RuleFile], now_ticks: i64, limits: &Limits, is_unoptimized: bool) -> compile::Compiled {
    compile::compile(files, &compile::Options { limits: limits.clone(), now_ticks, tier: None, is_unoptimized })
}

/// Reads and compiles rule files for a command that runs them; diagnostics are written.
///
/// # Errors
/// [`Failure::Query`] when there are errors, and as [`load`].
pub fn ready(
    paths: &[PathBuf],
    now_ticks: i64,
    limits: &Limits,
    console: &Console,
) -> Result<(Vec<RuleFile>, RuleSet), Failure> {
    let loaded = load(paths, now_ticks, limits)?;
    say(&loaded, console);
    let set = loaded.set.ok_or(Failure::Query)?;
    Ok((loaded.files, set))
}

/// Writes the errors for people; of warnings, which `check` shows, only how many there are, so that a rule set that runs
/// every minute does not say the same every minute.
pub fn say(loaded: &Loaded, console: &Console) {
    let (errors, warnings): (Vec<_>, Vec<_>) =
        loaded.diagnostics.iter().partition(|located| located.diagnostic.is_error());
    let shown = if errors.is_empty() { Vec::new() } else { loaded.diagnostics.iter().collect() };
    for located in shown {
        console.diagnose(&loaded.files[located.file].source, std::slice::from_ref(&located.diagnostic));
    }
    if errors.is_empty() && !warnings.is_empty() {
        let plural = if warnings.len() == 1 { "" } else { "s" };
        console.say(&format!("note: {} warning{plural} about the rules; `dtq check` shows them", warnings.len()));
    }
}

/// Reads a file up to a bound and one byte: whoever judges the size then says that it is too long.
fn read_bounded(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The folder of a rule file.
struct Folder<'p> {
    path: &'p Path,
    bytes_max: usize,
    /// What has been asked for, of all folders.
    read_paths: &'p RefCell<Vec<PathBuf>>,
}

impl Files for Folder<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let path = self.path.join(path);
        let read = read_bounded(&path, self.bytes_max).map_err(|error| error.to_string());
        self.read_paths.borrow_mut().push(path);
        read
    }
}
