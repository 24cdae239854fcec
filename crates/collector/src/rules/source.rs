//! Rule files on disk to their content, and content to rules: which content is what a version of the rules is.
//!
//! Content is read as a whole before anything is made of it, so that a version can be compared, kept and compiled again
//! although the files are others by then. Next: `native.rs`.

use dtq_rules::compile::{self, RuleSet};
use dtq_rules::file::rule::{Mode, Tier};
use dtq_rules::file::{self, Files, Located, RuleFile};
use dtq_source::render::{self, Style};
use dtq_source::{Limits, diagnostic};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Rule files that one rule set may have.
const FILES_MAX: usize = 1_000;

/// Holds the content of rule files, and of the files beside them that they name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The rule files, in order.
    pub files: Vec<Text>,
    /// Files beside a rule file, by path; what cannot be read has its reason.
    pub beside: BTreeMap<String, Bytes>,
}

/// What a file holds, or why it cannot be read.
pub type Bytes = Result<Held, String>;

/// Holds the bytes of a file; kept as text where they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Held {
    /// UTF-8.
    Text(String),
    /// Anything else.
    Raw(Vec<u8>),
}

impl Held {
    fn new(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Raw(error.into_bytes()), Self::Text)
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Raw(bytes) => bytes,
        }
    }
}

/// Holds one rule file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Its path, which messages name.
    pub path: String,
    /// What it holds; what cannot be read has its reason.
    pub bytes: Bytes,
}

/// Holds rules as they stand in files.
pub struct Loaded {
    /// The files as they were read.
    pub files: Vec<RuleFile>,
    /// What of the content they follow from, with the files beside them.
    pub content: Content,
    /// What is wrong with them, before anything is compiled.
    found: Vec<Located>,
}

impl Content {
    /// Reads rule files; folders stand for the rule files in them, by name.
    ///
    /// A name that begins with a point is passed over: it is how a mounted ConfigMap keeps its versions.
    pub fn read(paths: &[PathBuf], limits: &Limits) -> Self {
        let mut files = Vec::new();
        for path in paths {
            for path in expanded(path) {
                if files.len() < FILES_MAX {
                    let bytes = read_bounded(&path, limits.rule_file_bytes_max);
                    files.push(Text { path: path.display().to_string(), bytes });
                }
            }
        }
        Self { files, beside: BTreeMap::new() }
    }

    /// Reads the same files anew, those beside them too.
    pub fn read_again(&self, paths: &[PathBuf], limits: &Limits) -> Self {
        let read = |path: &String| (path.clone(), read_bounded(Path::new(path), limits.document_bytes_max));
        Self { beside: self.beside.keys().map(read).collect(), ..Self::read(paths, limits) }
    }

    /// Returns what tells this content from any other.
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        let mut add = |name: &str, bytes: &Bytes| {
            let (kind, bytes) = match bytes {
                Ok(held) => (1u8, held.bytes()),
                Err(reason) => (0, reason.as_bytes()),
            };
            hasher.update([kind]);
            hasher.update((name.len() as u64).to_le_bytes());
            hasher.update(name);
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        self.files.iter().for_each(|file| add(&file.path, &file.bytes));
        self.beside.iter().for_each(|(path, bytes)| add(path, bytes));
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns what the rule files say. Files beside them come from the disk, or from the content where it is `kept`.
    pub fn load(mut self, is_kept: bool, limits: &Limits, now_ticks: i64) -> Loaded {
        let options = file::Options { limits: limits.clone(), now_ticks };
        let (mut files, mut found) = (Vec::new(), Vec::new());
        let beside = RefCell::new(std::mem::take(&mut self.beside));
        for (position, text) in self.files.iter().enumerate() {
            let folder = Path::new(&text.path).parent().unwrap_or(Path::new("")).to_path_buf();
            let near = Near { folder, bytes_max: limits.document_bytes_max, is_kept, known: &beside };
            let (read, mut diagnostics) = match &text.bytes {
                Ok(held) => file::read(&text.path, held.bytes(), &near, &options),
                Err(reason) => unreadable(&text.path, reason, &near, &options),
            };
            found.extend(diagnostics.drain(..).map(|diagnostic| Located { file: position, diagnostic }));
            files.push(read);
        }
        Loaded { files, found, content: Self { files: self.files, beside: beside.into_inner() } }
    }
}

/// Returns a rule file that cannot be read as one with that mistake.
fn unreadable(
    path: &str,
    reason: &str,
    near: &dyn Files,
    options: &file::Options,
) -> (RuleFile, Vec<dtq_source::Diagnostic>) {
    let (mut read, _) = file::read(path, b"", near, options);
    read.is_complete = false;
    let message = format!("the rule file `{path}` cannot be read: {reason}");
    let diagnostic = dtq_source::Diagnostic::error(dtq_source::Code::E5020, dtq_source::Span::default(), message);
    (read, vec![diagnostic.label("check its path and who may read it")])
}

fn options(limits: &Limits, now_ticks: i64) -> compile::Options {
    compile::Options { limits: limits.clone(), now_ticks, tier: Some(Tier::Collector), is_unoptimized: false }
}

/// Returns the rule set of files for a collector.
///
/// # Errors
/// What is wrong with them, as text for people.
pub fn compiled(files: &[RuleFile], limits: &Limits, now_ticks: i64) -> Result<RuleSet, Vec<String>> {
    let compiled = compile::compile(files, &options(limits, now_ticks));
    compiled.set.ok_or_else(|| texts(files, &compiled.diagnostics))
}

impl Loaded {
    /// Returns what looks wrong with all files, as text for people.
    ///
    /// # Errors
    /// As [`Loaded::compiled`].
    pub fn warnings(&self, limits: &Limits, now_ticks: i64) -> Result<Vec<String>, Vec<String>> {
        self.compiled(limits, now_ticks)?;
        let options = options(limits, now_ticks);
        let compiled = compile::compile(&self.files, &options);
        Ok(shown(&self.files, self.found.iter().chain(&compiled.diagnostics)))
    }

    /// Returns the rule set of all files.
    ///
    /// # Errors
    /// All that is wrong with them, as text for people.
    pub fn compiled(&self, limits: &Limits, now_ticks: i64) -> Result<RuleSet, Vec<String>> {
        if self.found.iter().any(|located| located.diagnostic.is_error()) {
            let mut all = texts(&self.files, &self.found);
            all.extend(compiled(&self.files, limits, now_ticks).err().unwrap_or_default());
            return Err(all);
        }
        compiled(&self.files, limits, now_ticks)
    }
}

/// Returns errors as text for people.
fn texts(files: &[RuleFile], found: &[Located]) -> Vec<String> {
    let is_error = |located: &&Located| diagnostic::has_errors(std::slice::from_ref(&located.diagnostic));
    shown(files, found.iter().filter(is_error))
}

fn shown<'l>(files: &[RuleFile], found: impl Iterator<Item = &'l Located>) -> Vec<String> {
    found.map(|located| render::text(&files[located.file].source, &located.diagnostic, Style::Plain)).collect()
}

/// Returns the same rules, each in the mode that `mode` gives it.
pub fn with_modes(files: &[RuleFile], mode: impl Fn(&file::Rule) -> Mode) -> Vec<RuleFile> {
    let mut files = files.to_vec();
    for rule in files.iter_mut().flat_map(|file| &mut file.rules) {
        rule.mode = mode(rule);
    }
    files
}

/// Returns the files that a path stands for.
fn expanded(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return vec![path.to_path_buf()] };
    let is_rule_file = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml"))
    };
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_rule_file).take(FILES_MAX).collect();
    files.sort();
    files
}

/// Reads a file up to a bound and one byte: whoever judges the size then says that it is too long.
fn read_bounded(path: &Path, bytes_max: usize) -> Bytes {
    let read = || {
        // A pipe without a writer would keep whoever opens it waiting.
        let flags = OFlags::NONBLOCK.bits() as i32;
        let file = File::options().read(true).custom_flags(flags).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(std::io::Error::other("it is no regular file"));
        }
        let mut bytes = Vec::new();
        file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
        Ok(Held::new(bytes))
    };
    read().map_err(|error| error.to_string())
}

/// The folder of a rule file.
struct Near<'k> {
    folder: PathBuf,
    bytes_max: usize,
    is_kept: bool,
    known: &'k RefCell<BTreeMap<String, Bytes>>,
}

impl Files for Near<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let path = self.folder.join(path);
        let name = path.display().to_string();
        if self.is_kept {
            let missing = || Err("it was not kept with this version".to_owned());
            let held = self.known.borrow().get(&name).cloned().unwrap_or_else(missing);
            return held.map(|held| held.bytes().to_vec());
        }
        let read = read_bounded(&path, self.bytes_max);
        self.known.borrow_mut().insert(name, read.clone());
        read.map(|held| held.bytes().to_vec())
    }
}
