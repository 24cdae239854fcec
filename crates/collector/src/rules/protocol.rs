//! What is said over the control socket: a request a line, an answer a line, both JSON.
//!
//! `tap` and `top` answer with further lines until the connection ends. The client is [`Client`]. Next: `control.rs`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Names what is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// What runs, and since when: [`Status`].
    Status,
    /// Each rule with its mode and account: [`RuleList`].
    Rules,
    /// A rule is to do nothing.
    Off {
        /// Its name.
        rule: String,
    },
    /// A rule is to do what its file says, or to act where its file says `off`.
    On {
        /// Its name.
        rule: String,
    },
    /// An earlier version of the rules is to run until the files change again.
    Rollback {
        /// Which; without one, that before the one that runs.
        #[serde(default)]
        version: Option<u64>,
    },
    /// All rules but protective ones are to do nothing.
    Ripcord {
        /// How often it was said that protective rules are meant too: they are, from twice on.
        #[serde(default)]
        also_protective: u8,
    },
    /// Rules are to run as before the ripcord.
    Restore,
    /// Rule files are to be read now.
    Reload,
    /// Records that pass are to be shown.
    Tap(TapRequest),
    /// The noisiest events are to be shown.
    Top(TopRequest),
}

/// Says which records `tap` shows, and as they are where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TapRequest {
    /// The query.
    pub query: String,
    /// Shows records as they are before this rule.
    #[serde(default)]
    pub before: Option<String>,
    /// Shows records as they are after this rule.
    #[serde(default)]
    pub after: Option<String>,
    /// Shows records that rules of the phase `redact` have not seen.
    #[serde(default)]
    pub unredacted: bool,
    /// Rows a second; without one, 10.
    #[serde(default)]
    pub rate: Option<u32>,
}

/// Says what `top` counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopRequest {
    /// Milliseconds of a window.
    pub window_ms: u64,
    /// Whether it ends with the first window.
    #[serde(default)]
    pub once: bool,
    /// How many events are shown.
    #[serde(default)]
    pub count: Option<usize>,
    /// Whether events are ordered by bytes instead of records.
    #[serde(default)]
    pub by_bytes: bool,
    /// Counts events that rules of the phase `redact` have not seen.
    #[serde(default)]
    pub unredacted: bool,
}

/// Holds the answer to a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether it was obeyed.
    pub ok: bool,
    /// What happened, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What is wrong with rules or a query.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<String>,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub result: Value,
}

impl Answer {
    /// Returns the answer to what was obeyed.
    pub fn done(message: impl Into<String>) -> Self {
        Self { ok: true, message: message.into(), ..Self::default() }
    }

    /// Returns the answer to what was refused.
    pub fn refused(message: impl Into<String>, diagnostics: Vec<String>) -> Self {
        Self { message: message.into(), diagnostics, ..Self::default() }
    }

    /// Returns the answer to a question.
    pub fn with(result: impl Serialize) -> Self {
        let result = serde_json::to_value(result).expect("plain data always serializes");
        Self { ok: true, result, ..Self::default() }
    }
}

/// Says why something is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    /// Why, for people.
    pub message: String,
    /// What is wrong with rules or a query.
    pub diagnostics: Vec<String>,
}

impl Denial {
    /// Returns a denial.
    pub fn new(message: impl Into<String>, diagnostics: Vec<String>) -> Self {
        Self { message: message.into(), diagnostics }
    }
}

impl From<Denial> for Answer {
    fn from(denial: Denial) -> Self {
        Self::refused(denial.message, denial.diagnostics)
    }
}

/// Says what runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The version of dtq.
    pub dtq: String,
    /// The process.
    pub pid: u32,
    /// The version of the rules that runs.
    pub version: u64,
    /// Since when.
    pub since: String,
    /// The rule files.
    pub files: Vec<String>,
    /// What evaluates conditions.
    pub engine: String,
    /// Why rules are interpreted although native code is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreted_because: Option<String>,
    /// Rules that an operator turned off.
    pub off: Vec<String>,
    /// Since when the ripcord is pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ripcord: Option<String>,
    /// Whether it turned off protective rules too.
    #[serde(default)]
    pub ripcord_also_protective: bool,
    /// Whether an earlier version runs because an operator said so.
    pub rolled_back: bool,
    /// Why the rule files as they are now do not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
    /// The versions that can be rolled back to.
    pub versions: Vec<VersionEntry>,
    /// Counts of requests.
    pub requests: Map<String, Value>,
    /// Counts of all rules together.
    pub totals: Map<String, Value>,
    /// What rules had to say lately.
    pub notices: Vec<Value>,
    /// What does not work as it should.
    pub problems: Vec<String>,
}

/// Says why rule files do not run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// When that was found.
    pub time: String,
    /// What is wrong.
    pub diagnostics: Vec<String>,
}

/// Holds a version that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionEntry {
    /// Its number.
    pub version: u64,
    /// When it was first read.
    pub time: String,
}

/// Holds all rules.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleList {
    /// The version that runs.
    pub version: u64,
    /// Since when accounts count.
    pub since: String,
    /// The rules, in the order in which they run.
    pub rules: Vec<RuleEntry>,
}

/// Holds what is to be known of a rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleEntry {
    /// Its name.
    pub name: String,
    /// `off`, `observe` or `enforce`, as it runs.
    pub mode: String,
    /// Why it does not run as its file says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// When it runs.
    pub phase: String,
    /// Whether it protects.
    pub is_protective: bool,
    /// What it counted; none while it does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Map<String, Value>>,
}

/// Asks over a control socket.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there, or one may not connect.
    pub fn connect(path: &Path) -> io::Result<Self> {
        Ok(Self { stream: BufReader::new(UnixStream::connect(path)?) })
    }

    /// Returns the answer to a request.
    ///
    /// # Errors
    /// When the connection ends, or what comes is no answer.
    pub fn ask(&mut self, request: &Request) -> io::Result<Answer> {
        let mut line = serde_json::to_vec(request).map_err(io::Error::other)?;
        line.push(b'\n');
        // Who is refused before asking has an answer to read, though nobody reads the request.
        let written = self.stream.get_mut().write_all(&line);
        let answer = match (self.next_line(), written) {
            (Ok(Some(answer)), _) => answer,
            (Err(error), Ok(())) | (_, Err(error)) => return Err(error),
            (Ok(None), Ok(())) => return Err(io::Error::other("the connection ended without an answer")),
        };
        serde_json::from_value(answer).map_err(io::Error::other)
    }

    /// Returns the next line of what goes on, or `None` at the end.
    ///
    /// # Errors
    /// When the connection fails, or the line is no JSON.
    pub fn next_line(&mut self) -> io::Result<Option<Value>> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Ok(None),
            _ => serde_json::from_str(&line).map(Some).map_err(io::Error::other),
        }
    }

    /// Gives up waiting for lines after a time.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn set_timeout(&self, time: Option<Duration>) -> io::Result<()> {
        self.stream.get_ref().set_read_timeout(time)
    }
}
