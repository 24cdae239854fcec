//! Transcripts of a terminal: commands, each with what it prints, compared with what it really prints.
//!
//! A line `$ dtq ...` is run by `sh` from the root of the repository, with tables as on a terminal of 100 columns. The
//! lines below it, up to the next command, are its stdout and stderr as they came; an exit code other than 0 is written
//! as a last line `[exit 65]`. `DTQ_BLESS=1` writes what came into the file instead.

use super::root;
use std::path::Path;
use std::process::{Command, Stdio};

/// What begins a command.
const PROMPT: &str = "$ ";

/// A transcript's lines: those that are left alone, and commands with what they print.
enum Part<'t> {
    Other(&'t str),
    Command { line: &'t str, printed: Vec<&'t str> },
}

/// Compares every command in the files' `console` blocks (markdown) or whole text (anything else), or blesses them.
pub fn check(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()));
    let is_markdown = path.extension().is_some_and(|extension| extension == "md");
    let parts = if is_markdown { markdown_parts(&text) } else { parts(&text.lines().collect::<Vec<_>>()) };
    let command_count = parts.iter().filter(|part| matches!(part, Part::Command { .. })).count();
    assert!(command_count > 0, "{} has no command", path.display());
    let mut actual = String::new();
    let mut differences = Vec::new();
    for part in parts {
        match part {
            Part::Other(line) => actual += &format!("{line}\n"),
            Part::Command { line, printed } => {
                let came = run(&line[PROMPT.len()..]);
                if came != printed {
                    differences.push(format!(
                        "{line}\n-- expected\n{}\n-- came\n{}",
                        printed.join("\n"),
                        came.join("\n")
                    ));
                }
                actual += &format!("{line}\n");
                came.iter().for_each(|line| actual += &format!("{line}\n"));
            }
        }
    }
    if std::env::var_os("DTQ_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(path, actual).unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
        return;
    }
    assert!(differences.is_empty(), "{} (DTQ_BLESS=1 rewrites it):\n{}", path.display(), differences.join("\n\n"));
}

fn parts<'t>(lines: &[&'t str]) -> Vec<Part<'t>> {
    let mut parts: Vec<Part<'t>> = Vec::new();
    for line in lines {
        let is_comment = line.starts_with('#');
        match parts.last_mut() {
            _ if line.starts_with("$ dtq") => parts.push(Part::Command { line, printed: Vec::new() }),
            Some(Part::Command { printed, .. }) if !is_comment => printed.push(line),
            _ => parts.push(Part::Other(line)),
        }
    }
    // Empty lines before the next command separate, they are not printed.
    parts.into_iter().flat_map(split_trailing_blank).collect()
}

fn split_trailing_blank(part: Part<'_>) -> Vec<Part<'_>> {
    let Part::Command { line, mut printed } = part else {
        return vec![part];
    };
    let mut blank_count = 0;
    while printed.last().is_some_and(|line| line.is_empty()) {
        printed.pop();
        blank_count += 1;
    }
    let blanks = std::iter::repeat_with(|| Part::Other("")).take(blank_count);
    std::iter::once(Part::Command { line, printed }).chain(blanks).collect()
}

fn markdown_parts(text: &str) -> Vec<Part<'_>> {
    let mut all = Vec::new();
    let mut block: Option<Vec<&str>> = None;
    for line in text.lines() {
        match &mut block {
            None => {
                all.push(Part::Other(line));
                block = (line.trim() == "```console").then(Vec::new);
            }
            Some(lines) if line.trim() == "```" => {
                all.extend(parts(lines));
                all.push(Part::Other(line));
                block = None;
            }
            Some(lines) => lines.push(line),
        }
    }
    assert!(block.is_none(), "a console block is not closed");
    all
}

fn run(line: &str) -> Vec<String> {
    let binary = Path::new(env!("CARGO_BIN_EXE_dtq"));
    let folder = binary.parent().expect("a binary lies in a folder");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(&path));
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{line}")])
        .current_dir(root())
        .env("PATH", std::env::join_paths(paths).expect("paths have no separator in them"))
        .env("DTQ_OUTPUT", "table")
        .env("COLUMNS", "100")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .output()
        .expect("sh starts");
    let text = String::from_utf8(output.stdout).expect("output is UTF-8");
    assert!(!text.contains("panicked at"), "{line}: {text}");
    let mut lines: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    match output.status.code() {
        Some(0) => {}
        Some(code) => lines.push(format!("[exit {code}]")),
        None => panic!("{line}: killed, {:?}", output.status),
    }
    lines
}
