//! Stdout and stderr as commands use them: what is a terminal, how wide it is, whether colours are wanted.
//!
//! Everything written to stderr passes [`text::neutral_lines`]: messages quote telemetry.

use crate::output::text;
use dtq_source::render::{self, Style};
use dtq_source::{Diagnostic, SourceText};
use std::env;
use std::io::{self, BufWriter, IsTerminal, Write};

/// Holds the streams of the process.
pub struct Console {
    /// Stdout, buffered.
    pub out: BufWriter<io::Stdout>,
    /// Whether stdout is a terminal.
    pub is_out_terminal: bool,
    /// Whether stderr is a terminal.
    pub is_err_terminal: bool,
    /// How diagnostics are dressed.
    style: Style,
}

impl Console {
    /// Returns the console of this process.
    pub fn new() -> Self {
        let is_err_terminal = io::stderr().is_terminal();
        let style = if is_err_terminal && wants_colour() { Style::Colour } else { Style::Plain };
        let is_out_terminal = io::stdout().is_terminal();
        Self { out: BufWriter::with_capacity(1 << 16, io::stdout()), is_out_terminal, is_err_terminal, style }
    }

    /// Returns the columns that tables must fit into: the terminal's, or `$COLUMNS`; `None` when neither is known.
    pub fn width(&self) -> Option<usize> {
        let of_terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        let of_variable = || env::var("COLUMNS").ok()?.parse().ok().filter(|width| *width > 0);
        if self.is_out_terminal { of_terminal().or_else(of_variable) } else { of_variable() }
    }

    /// Writes a line to stderr. That stderr cannot be written is not worth failing for.
    pub fn say(&self, message: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", text::neutral_lines(message));
    }

    /// Writes diagnostics to stderr.
    pub fn diagnose(&self, source: &SourceText, diagnostics: &[Diagnostic]) {
        for diagnostic in diagnostics {
            let shown = render::text(source, diagnostic, self.style);
            let safe = if self.style == Style::Plain { text::neutral_lines(&shown) } else { shown.as_str().into() };
            let _ = io::stderr().lock().write_all(safe.as_bytes());
        }
    }
}

/// Says whether the environment wants colours.
///
/// # Source
/// <https://no-color.org>: any value of `NO_COLOR` but an empty one turns colours off; `TERM=dumb` has none.
fn wants_colour() -> bool {
    let is_refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
    !is_refused && !is_dumb
}
