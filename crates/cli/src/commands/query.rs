//! Words and files of the command line to a query's text and to the options of its run.

use crate::args::QueryArguments;
use crate::failure::Failure;
use dtq_engine::Options;
use dtq_source::{Code, Diagnostic, Limits, SourceText};
use dtq_value::Value;
use dtq_value::scalar::{calendar, convert};
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the query and the words after it: from `file` when given, else the first word.
///
/// # Errors
/// [`Failure::Usage`] when there is no query; [`Failure::Input`] when the file cannot be read.
pub fn take<'w>(
    words: &'w [String],
    file: Option<&Path>,
    limits: &Limits,
) -> Result<(SourceText, &'w [String]), Failure> {
    if let Some(path) = file {
        return Ok((from_file(path, limits)?, words));
    }
    match words.split_first() {
        Some((text, files)) => Ok((SourceText::new("query", text.as_str()), files)),
        None => Err(Failure::Usage(
            "no query is given: write it as the first argument, or name its file with --file".into(),
        )),
    }
}

/// Returns the text of a query's file, `-` being stdin.
///
/// No more is read than the limit on queries and one byte: the compiler then says that it is too long.
///
/// # Errors
/// [`Failure::Input`] when it cannot be read or is not UTF-8.
pub fn from_file(path: &Path, limits: &Limits) -> Result<SourceText, Failure> {
    let name = path.display();
    let failed = |error: io::Error| Failure::Input(format!("cannot read the query `{name}`: {error}"));
    let reader: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path).map_err(failed)?) };
    let mut bytes = Vec::new();
    reader.take(limits.query_bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        // Reading may have ended inside of a character.
        Err(error) if error.as_bytes().len() > limits.query_bytes_max => {
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        }
        Err(error) => {
            let offset = error.utf8_error().valid_up_to();
            return Err(Failure::Input(format!("the query `{name}` is not UTF-8 (at byte {offset})")));
        }
    };
    Ok(SourceText::new(name.to_string(), text))
}

/// Returns the options of a run: clock and randomness of this host where the arguments do not say.
///
/// # Errors
/// [`Failure::Usage`] when an argument cannot be understood.
pub fn options(arguments: &QueryArguments, limits: Limits) -> Result<Options<'static>, Failure> {
    let now_ticks = match &arguments.now {
        None => now_ticks(),
        Some(text) => datetime(text)?,
    };
    let params = arguments.params.iter().map(|text| param(text)).collect::<Result<_, _>>()?;
    let random_seed = arguments.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    Ok(Options { limits, now_ticks, random_seed, params, ..Options::default() })
}

fn datetime(text: &str) -> Result<i64, Failure> {
    match convert::datetime(&Value::string(text)) {
        Value::DateTime(ticks) => Ok(ticks),
        _ => Err(Failure::Usage(format!("--now `{text}` is no datetime: write it like 2024-01-31T12:00:00Z"))),
    }
}

fn param(text: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err(Failure::Usage(format!("--param `{text}` is not NAME=VALUE"))),
    }
}

/// Returns the time of the host's clock.
pub fn now_ticks() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ticks = i64::try_from(since_epoch.as_nanos() / 100).unwrap_or(i64::MAX);
    calendar::TICKS_UNIX_EPOCH.saturating_add(ticks).min(calendar::TICKS_MAX)
}

/// Returns the nanoseconds that this thread has run.
pub fn thread_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let (seconds, rest) = (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

/// Returns what else a user should know about a query that was refused: mistakes in using the command, not in KQL.
pub fn hints(source: &SourceText, diagnostics: &[Diagnostic], files: &[String]) -> Vec<String> {
    let mut hints = Vec::new();
    let is_word = source.name() == "query";
    if is_word && Path::new(source.text()).is_file() {
        let text = source.text();
        hints.push(format!(
            "`{text}` is a file; the query comes first, then the files. For a file that holds the query: --file {text}"
        ));
    }
    let lacks_table = diagnostics.iter().any(|diagnostic| diagnostic.code == Code::E2002);
    if lacks_table && files.is_empty() {
        hints.push("no input is given: name files after the query, or `-` for stdin".to_owned());
    }
    hints
}
