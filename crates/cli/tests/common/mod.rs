//! Runs the real binary, from the root of the repository, with nothing of the caller's environment that it reads.
#![allow(dead_code, reason = "each test uses its part")]

pub mod transcript;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Returns the root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

/// What a run of the binary gave.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Returns the command for the binary, to be completed.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dtq"));
    command.args(arguments).current_dir(root());
    for variable in ["COLUMNS", "DTQ_OUTPUT", "NO_COLOR", "TERM"] {
        command.env_remove(variable);
    }
    command
}

/// Runs `dtq` with these arguments and nothing on stdin.
pub fn dtq(arguments: &[&str]) -> Ran {
    dtq_with(arguments, b"")
}

/// Runs `dtq` with these arguments and these bytes on stdin.
pub fn dtq_with(arguments: &[&str], stdin: &[u8]) -> Ran {
    let mut command = command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let mut pipe = child.stdin.take().expect("stdin is piped");
    let bytes = stdin.to_vec();
    let writer = std::thread::spawn(move || {
        // The binary may stop reading early; that is its right.
        let _ = pipe.write_all(&bytes);
    });
    let output = child.wait_with_output().expect("the binary ends");
    writer.join().expect("writing does not panic");
    ran(output)
}

/// Returns what a finished process gave; one that was killed or panicked fails the test.
pub fn ran(output: Output) -> Ran {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!stderr.contains("panicked at"), "{stderr}");
    let code = output.status.code().unwrap_or_else(|| panic!("killed: {:?}\n{stderr}", output.status));
    Ran { code, stdout: String::from_utf8(output.stdout).expect("output is UTF-8"), stderr }
}

impl Ran {
    /// Checks the exit code, showing everything when it is another.
    pub fn code(self, expected: i32) -> Self {
        assert_eq!(self.code, expected, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }
}

/// Returns an empty folder for a test's files; names are unique to a test.
pub fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("the folder for temporary files can be written");
    path
}

/// Writes a file into a folder and returns its path as text.
pub fn file(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("the file can be written");
    path.to_str().expect("the path is UTF-8").to_owned()
}
