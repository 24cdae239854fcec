//! Where requests go that leave a rule set: on, to a named output, or to a file for what rules make.
//!
//! Everything is decided and opened before the first record; a request without a place is counted, never dropped unsaid.

use crate::args::ApplyArguments;
use crate::console::Console;
use crate::failure::Failure;
use crate::output::telemetry::{Encoding, RequestWriter};
use dtq_record::otlp::Signal;
use dtq_record::otlp::requests::Envelope;
use dtq_rules::compile::RuleSet;
use dtq_rules::compile::rule::Action;
use dtq_rules::engine::{Emission, Notice, notices_request};
use dtq_rules::file::rule::Mode;
use dtq_source::Limits;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Size of the buffer in front of each output.
const BUFFER_BYTES: usize = 1 << 16;

/// Holds the files that the command line names for what leaves.
pub struct Places {
    /// Where telemetry goes on; `None` is stdout.
    main: Option<PathBuf>,
    /// Named outputs.
    named: BTreeMap<String, PathBuf>,
    /// By signal, for what rules make.
    made: Vec<(Signal, PathBuf)>,
    /// For what rules say of themselves.
    notices: Option<PathBuf>,
}

/// Returns the files of the command line, each checked against the rules.
///
/// # Errors
/// [`Failure::Usage`] when a name has no file, a file no name, or two outputs are one file.
pub fn places(arguments: &ApplyArguments, set: &RuleSet) -> Result<Places, Failure> {
    let mut places =
        Places { main: None, named: BTreeMap::new(), made: Vec::new(), notices: arguments.notices.clone() };
    let routes = routes(set);
    for word in &arguments.outs {
        let (name, path) = match word.split_once('=') {
            Some((name, path)) => (Some(name), path),
            None => (None, word.as_str()),
        };
        let path = PathBuf::from(path);
        let Some(name) = name else {
            if places.main.replace(path).is_some() {
                return Err(Failure::Usage("--out FILE is given twice without a name".into()));
            }
            continue;
        };
        if !routes.contains_key(name) {
            let known: Vec<&str> = routes.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Failure::Usage(format!(
                "--out {word}: no rule routes to `{name}`; the rules route to: {known}"
            )));
        }
        if places.named.insert(name.to_owned(), path).is_some() {
            return Err(Failure::Usage(format!("--out {name}=FILE is given twice")));
        }
    }
    for (name, rule) in &routes {
        if !places.named.contains_key(name) {
            let message =
                format!("the rule `{rule}` routes to `{name}`, and no file is given for it: --out {name}=FILE");
            return Err(Failure::Usage(message));
        }
    }
    for (signal, path) in [(Signal::Logs, &arguments.logs), (Signal::Metrics, &arguments.metrics)] {
        places.made.extend(path.iter().map(|path| (signal, path.clone())));
    }
    places.check_distinct(arguments)?;
    Ok(places)
}

/// Returns the names that rules route to, each with a rule that does.
fn routes(set: &RuleSet) -> BTreeMap<String, String> {
    let acts = set.rules.iter().filter(|rule| rule.mode == Mode::Enforce);
    acts.filter_map(|rule| match &rule.action {
        Action::Route { name, .. } => Some((name.as_text().into_owned(), rule.name.as_text().into_owned())),
        _ => None,
    })
    .collect()
}

impl Places {
    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        let made = self.made.iter().map(|(_, path)| path);
        self.main.iter().chain(self.named.values()).chain(made).chain(&self.notices)
    }

    /// An output that is also an input would be emptied before it is read.
    fn check_distinct(&self, arguments: &ApplyArguments) -> Result<(), Failure> {
        let mut seen = Vec::new();
        for path in self.all().chain(arguments.report.iter().filter(|path| *path != Path::new("-"))) {
            let same = |other: &Path| match (fs::canonicalize(path), fs::canonicalize(other)) {
                (Ok(one), Ok(other)) => one == other,
                _ => path == other,
            };
            let shown = path.display();
            // What is no file, such as /dev/null, can be several outputs.
            if path.exists() && !path.is_file() {
                continue;
            }
            if seen.iter().any(|other: &&PathBuf| same(other)) {
                return Err(Failure::Usage(format!("`{shown}` is named for two outputs")));
            }
            let read = arguments.files.iter().map(Path::new).chain(arguments.rules.rules.iter().map(PathBuf::as_path));
            if read.into_iter().any(same) {
                return Err(Failure::Usage(format!("`{shown}` is read; name another file to write")));
            }
            seen.push(path);
        }
        Ok(())
    }

    /// Opens where telemetry goes on.
    ///
    /// # Errors
    /// [`Failure::Output`] when a file cannot be made; [`Failure::Usage`] when bytes would go to a terminal.
    pub fn open_main(&self, is_binary: bool, console: &Console) -> Result<Box<dyn Write>, Failure> {
        match &self.main {
            Some(path) => create(path),
            None if is_binary && console.is_out_terminal => {
                let message = "protobuf is no text for a terminal; name a file with --out, or use --output otlp-json";
                Err(Failure::Usage(message.into()))
            }
            None => Ok(Box::new(BufWriter::with_capacity(BUFFER_BYTES, io::stdout()))),
        }
    }

    /// Opens all other outputs.
    ///
    /// # Errors
    /// [`Failure::Output`] when a file cannot be made.
    pub fn open_others(&self, envelope: Envelope, limits: &Limits) -> Result<Others, Failure> {
        let open = |path: &PathBuf| -> Result<RequestWriter, Failure> {
            let encoding = Encoding::Otlp(envelope_of(path, envelope));
            Ok(RequestWriter::new(create(path)?, encoding, limits))
        };
        let named = self.named.iter().map(|(name, path)| Ok((name.clone(), open(path)?)));
        let made = self.made.iter().map(|(signal, path)| Ok((*signal, open(path)?)));
        Ok(Others {
            named: named.collect::<Result<_, Failure>>()?,
            made: made.collect::<Result<_, Failure>>()?,
            notices: self.notices.as_ref().map(open).transpose()?,
            homeless: BTreeMap::new(),
        })
    }
}

fn create(path: &Path) -> Result<Box<dyn Write>, Failure> {
    let file = File::create(path)
        .map_err(|error| Failure::Output(io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))))?;
    Ok(Box::new(BufWriter::with_capacity(BUFFER_BYTES, file)))
}

/// Returns how requests are written to a file: as its name says, or as telemetry goes on.
fn envelope_of(path: &Path, envelope: Envelope) -> Envelope {
    let protobuf = if envelope == Envelope::Bare { Envelope::Bare } else { Envelope::Delimited };
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json" | "jsonl" | "ndjson") => Envelope::Json,
        Some("otlp" | "pb" | "binpb" | "bin") => protobuf,
        _ => envelope,
    }
}

/// Holds the outputs beside that where telemetry goes on.
pub struct Others {
    named: BTreeMap<String, RequestWriter>,
    made: Vec<(Signal, RequestWriter)>,
    notices: Option<RequestWriter>,
    /// Bytes and count of requests that have no place, by what they are.
    homeless: BTreeMap<String, (u64, u64)>,
}

impl Others {
    /// Writes what left besides the request; what goes on stands in `main` if that can hold it.
    ///
    /// # Errors
    /// When an output cannot be written.
    pub fn write(&mut self, emissions: &[Emission], mut main: Option<&mut RequestWriter>) -> io::Result<()> {
        for Emission { destination, signal, request } in emissions {
            let goes_on = destination.is_none() && main.as_deref_mut().is_some_and(|main| main.admits(*signal));
            let writer = match destination {
                None if goes_on => main.as_deref_mut(),
                None => self.made.iter_mut().find(|(own, _)| own == signal).map(|(_, writer)| writer),
                Some(name) => self.named.get_mut(&*name.as_text()),
            };
            let writer = writer.and_then(|writer| writer.admits(*signal).then_some(writer));
            match writer {
                Some(writer) => writer.write(*signal, request)?,
                None => {
                    let what = match destination {
                        Some(name) => format!("{} for `{name}`, which holds another signal", signal.table()),
                        None => format!("{} that rules made", signal.table()),
                    };
                    let count = self.homeless.entry(what).or_default();
                    count.0 += 1;
                    count.1 += request.len() as u64;
                }
            }
        }
        Ok(())
    }

    /// Writes what rules say of themselves as log records, where that is asked for.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn write_notices(&mut self, notices: &[Notice], observed_ticks: i64) -> io::Result<()> {
        match &mut self.notices {
            Some(writer) if !notices.is_empty() => {
                writer.write(Signal::Logs, &notices_request(notices, observed_ticks))
            }
            _ => Ok(()),
        }
    }

    /// Ends all outputs.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn finish(&mut self) -> io::Result<()> {
        let made = self.made.iter_mut().map(|(_, writer)| writer);
        self.named.values_mut().chain(made).chain(&mut self.notices).try_for_each(RequestWriter::finish)
    }

    /// Returns what to say about requests that had no place.
    pub fn notes(&self) -> Vec<String> {
        let note = |(what, (count, bytes)): (&String, &(u64, u64))| {
            let advice = match what.split(' ').next() {
                Some("logs") => "name a file with --logs, or use --output otlp-json",
                Some("metrics") => "name a file with --metrics, or use --output otlp-json",
                _ => "use --output otlp-json, which holds every signal",
            };
            let plural = if *count == 1 { "request" } else { "requests" };
            format!("{count} {plural} ({bytes} bytes) of {what} had no place to go; {advice}")
        };
        self.homeless.iter().map(note).collect()
    }

    /// Returns how many requests have no form in the encoding of their output.
    pub fn unwritable_count(&self) -> u64 {
        let made = self.made.iter().map(|(_, writer)| writer);
        self.named.values().chain(made).chain(&self.notices).map(|writer| writer.unwritable_count).sum()
    }
}
