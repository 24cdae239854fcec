//! Words of the command line to what is to be done.

use crate::engine::Engine;
use crate::work::Regime;

const USAGE: &str =
    "usage: dtq-benches [FILE.otlp] [--group compile|decoded|bytes|sets|swaps|kernel]... [--engine NAME]...
                   [--regime stream|cached] [--only WORD]
       dtq-benches list
       dtq-benches instructions CASE [PASSES [RECORDS]]
       dtq-benches ndjson|otlp [RECORDS]";

/// Names a group of measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// From text to rules that run.
    Compile,
    /// Records in structs.
    Decoded,
    /// OTLP bytes to OTLP bytes.
    Bytes,
    /// More and more rules.
    Sets,
    /// Rule sets in each other's place while telemetry passes.
    Swaps,
    /// Rules in the kernel.
    Kernel,
}

impl Group {
    const ALL: [(&str, Self); 6] = [
        ("compile", Self::Compile),
        ("decoded", Self::Decoded),
        ("bytes", Self::Bytes),
        ("sets", Self::Sets),
        ("swaps", Self::Swaps),
        ("kernel", Self::Kernel),
    ];
}

/// Says what to measure, and on what.
pub struct MeasureArgs {
    /// These groups.
    pub groups: Vec<Group>,
    /// With these engines.
    pub engines: Vec<Engine>,
    /// On so many records.
    pub regimes: Vec<Regime>,
    /// Only cases whose name has this.
    pub word: Option<String>,
    /// Requests of this file, not those made here.
    pub file: Option<String>,
}

impl Default for MeasureArgs {
    fn default() -> Self {
        Self {
            groups: Group::ALL.iter().map(|(_, group)| *group).collect(),
            engines: Engine::ALL.to_vec(),
            regimes: Regime::ALL.to_vec(),
            word: None,
            file: None,
        }
    }
}

/// Says what to do.
pub enum Command {
    /// Measure time.
    Measure(MeasureArgs),
    /// Run one case for whoever counts its instructions.
    Instructions {
        /// The name of the case.
        case: String,
        /// How often it goes over the records.
        passes: usize,
        /// How many records there are.
        count: usize,
    },
    /// Print the names of cases.
    List,
    /// Write records as lines of JSON.
    Ndjson {
        /// How many.
        count: usize,
    },
    /// Write records as OTLP requests, each with its length before it.
    Otlp {
        /// How many.
        count: usize,
    },
}

/// Holds what the command line says.
pub struct Args {
    /// What to do.
    pub command: Command,
}

impl Args {
    /// Returns what these words say.
    ///
    /// # Errors
    /// What cannot be understood, and how to call the program.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let words: Vec<String> = words.collect();
        let number = |position: usize, otherwise: usize| match words.get(position) {
            Some(word) => word.parse().map_err(|_| format!("`{word}` is no number\n{USAGE}")),
            None => Ok(otherwise),
        };
        let command = match words.first().map(String::as_str) {
            Some("list") => Command::List,
            Some("ndjson") => Command::Ndjson { count: number(1, 100_000)? },
            Some("otlp") => Command::Otlp { count: number(1, 100_000)? },
            Some("instructions") => {
                let case = words.get(1).cloned().ok_or(USAGE)?;
                Command::Instructions { case, passes: number(2, 1)?, count: number(3, 4_096)? }
            }
            _ => Command::Measure(parse_measure(&words)?),
        };
        Ok(Self { command })
    }
}

fn parse_measure(words: &[String]) -> Result<MeasureArgs, String> {
    let mut args = MeasureArgs::default();
    let (mut groups, mut engines, mut regimes) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("`{word}` wants a value\n{USAGE}"));
        match word.as_str() {
            "--group" => groups.push(named(value()?, &Group::ALL)?),
            "--engine" => engines.push(named(value()?, &Engine::ALL.map(|engine| (engine.name(), engine)))?),
            "--regime" => regimes.push(named(value()?, &Regime::ALL.map(|regime| (regime.name(), regime)))?),
            "--only" => args.word = Some(value()?.clone()),
            file if !file.starts_with('-') => args.file = Some(file.to_owned()),
            unknown => return Err(format!("`{unknown}` is unknown\n{USAGE}")),
        }
    }
    if !groups.is_empty() {
        args.groups = groups;
    }
    if !engines.is_empty() {
        args.engines = engines;
    }
    if !regimes.is_empty() {
        args.regimes = regimes;
    }
    Ok(args)
}

fn named<T: Copy>(word: &str, all: &[(&str, T)]) -> Result<T, String> {
    let found = all.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
    found.ok_or_else(|| {
        format!("`{word}` is none of {:?}\n{USAGE}", all.iter().map(|(name, _)| *name).collect::<Vec<_>>())
    })
}
