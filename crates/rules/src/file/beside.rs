//! Paths in a rule file to the content of files beside it, which the host reads.
//!
//! A path never leaves the folder of the rule file: a rule file is data that may come from elsewhere. Next: `read.rs`.

use crate::file::fields::{Report, shortened, text};
use crate::file::rule::Spanned;
use crate::file::yaml::Node;
use dtq_source::{Code, Diagnostic, Span};

/// Reads files beside a rule file, for this crate touches none.
pub trait Files {
    /// Returns the content of the file at a relative path whose parts are separated by `/`.
    ///
    /// # Errors
    /// What went wrong, as a person reads it: `No such file or directory`.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;
}

/// Knows no file, for rule files that need none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _path: &str) -> Result<Vec<u8>, String> {
        Err("there are no files here".to_owned())
    }
}

/// Holds a file that a rule file names.
pub(crate) struct Beside {
    /// Its path as written.
    pub path: Spanned<String>,
    /// What it holds.
    pub content: Vec<u8>,
}

/// Returns the file that a value names.
pub(crate) fn read(node: &Node, files: &dyn Files, size_max: usize, report: &mut Report) -> Option<Beside> {
    let (_, path) = text(node, "the path", report)?;
    if let Some(label) = objection(&path.value) {
        let message = format!("`{}` does not name a file beside the rule file", shortened(&path.value));
        report.error(Code::E5020, path.span, message, label);
        return None;
    }
    match files.read(&path.value) {
        Ok(content) if content.len() > size_max => {
            let message = format!("`{}` has {} bytes, more than {size_max}", shortened(&path.value), content.len());
            report.error(Code::E5001, path.span, message, "take a smaller file");
            None
        }
        Ok(content) => Some(Beside { path, content }),
        Err(reason) => {
            let message = format!("`{}` cannot be read: {reason}", shortened(&path.value));
            report.error(Code::E5020, path.span, message, "paths start at the folder of the rule file");
            None
        }
    }
}

/// Returns the text of a file that a value names, which must be UTF-8.
pub(crate) fn read_text(
    node: &Node,
    files: &dyn Files,
    size_max: usize,
    report: &mut Report,
) -> Option<(Spanned<String>, String)> {
    let file = read(node, files, size_max, report)?;
    match String::from_utf8(file.content) {
        Ok(text) => Some((file.path, text)),
        Err(error) => {
            let place = error.utf8_error().valid_up_to();
            let message = format!("`{}` is not UTF-8, at byte {place}", shortened(&file.path.value));
            report.error(Code::E5001, file.path.span, message, "save the file as UTF-8");
            None
        }
    }
}

/// Returns what to write instead of a path that leaves the folder of the rule file.
fn objection(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("write the name of a file");
    }
    if path.starts_with('/') || path.contains([':', '\\', '\0']) {
        return Some("write a relative path with `/`");
    }
    let is_step = |part: &str| part.is_empty() || part == "." || part == "..";
    path.split('/').any(is_step).then_some("put the file into the folder of the rule file or below, without `..`")
}

/// Returns the diagnostic about a whole file that is not text.
pub(crate) fn not_utf8(offset: usize) -> Diagnostic {
    let message = format!("the rule file is not UTF-8, at byte {offset}");
    Diagnostic::error(Code::E5001, Span::new(offset, offset), message).label("save the file as UTF-8")
}
