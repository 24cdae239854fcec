//! Words of the command line to rule files, read with the files beside them; what is wrong in them goes to stderr.
//!
//! A folder stands for its `*.yaml` and `*.yml` files, as a mounted ConfigMap shows them. Next: `inputs.rs`.

use crate::console::Console;
use crate::failure::Failure;
use dtq_rules::file::{self, Files, Located, RuleFile};
use dtq_source::Limits;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Gives the files beside a rule file.
struct Beside<'l> {
    folder: PathBuf,
    limits: &'l Limits,
}

impl Files for Beside<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        read_bounded(&self.folder.join(path), self.limits.document_bytes_max)
    }
}

/// Returns at most one byte more than `size_max`, so that whoever bounds the size sees that there is more.
fn read_bounded(path: &Path, size_max: usize) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(size_max as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Returns the rule files that the words name; warnings and errors are written.
///
/// # Errors
/// [`Failure::Input`] when a file cannot be read, [`Failure::Query`] when one has mistakes.
pub fn read(words: &[PathBuf], limits: &Limits, now_ticks: i64, console: &Console) -> Result<Vec<RuleFile>, Failure> {
    let mut files = Vec::new();
    for path in paths(words)? {
        let shown = path.display().to_string();
        let bytes = read_bounded(&path, limits.rule_file_bytes_max)
            .map_err(|error| Failure::Input(format!("cannot read the rules `{shown}`: {error}")))?;
        let beside = Beside { folder: path.parent().unwrap_or(Path::new("")).to_owned(), limits };
        let options = file::Options { limits: limits.clone(), now_ticks };
        let (file, diagnostics) = file::read(&shown, &bytes, &beside, &options);
        console.diagnose(&file.source, &diagnostics);
        files.push(file);
    }
    if files.iter().all(|file| file.is_complete) {
        return Ok(files);
    }
    diagnose(&files, &file::check_together(&files), console);
    Err(Failure::Query)
}

/// Writes what is wrong with rules that were read.
pub fn diagnose(files: &[RuleFile], found: &[Located], console: &Console) {
    for Located { file, diagnostic } in found {
        console.diagnose(&files[*file].source, std::slice::from_ref(diagnostic));
    }
}

/// Returns the rule files that the words stand for, in order; those of a folder by name.
fn paths(words: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = Vec::new();
    for word in words {
        if !word.is_dir() {
            paths.push(word.clone());
            continue;
        }
        let shown = word.display();
        let failed = |error: std::io::Error| Failure::Input(format!("cannot read `{shown}`: {error}"));
        let mut inside = Vec::new();
        for entry in fs::read_dir(word).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
            if is_yaml && path.is_file() {
                inside.push(path);
            }
        }
        if inside.is_empty() {
            return Err(Failure::Usage(format!("`{shown}` has no rule files: no *.yaml or *.yml lies in it")));
        }
        inside.sort();
        paths.extend(inside);
    }
    Ok(paths)
}
