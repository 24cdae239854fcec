//! The reference work through a running collector to what a record of it costs in CPU time.
//!
//! One program makes the load and takes it again, and starts what is measured as processes of their own. Read in order:
//! [`traffic`] (requests), [`sink`], [`send`], [`pass`] (the proxy that does nothing), [`subjects`] (what is measured),
//! [`cpu`], [`run`] (a case measured), [`table`].

mod traffic;

mod sink;

mod send;

mod pass;

mod subjects;

mod cpu;

mod run;

mod table;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::path::PathBuf;
use std::time::Duration;

/// Holds what the command line says.
pub struct Options {
    /// The folder for configurations and output of what is measured.
    pub folder: PathBuf,
    /// The programs.
    pub programs: subjects::Programs,
    /// Only cases whose name has one of these in it.
    pub only: Vec<String>,
    /// How long a case is loaded in each round, without the time to warm up.
    pub time: Duration,
    /// How often all cases take their turn.
    pub rounds: usize,
    /// How many senders there are; each has one request on its way.
    pub senders: usize,
}

const USAGE: &str =
    "usage: dtq-collect-bench table --dtq PROGRAM [--otelcol PROGRAM] [--rotel PROGRAM] [--folder FOLDER]
                              [--only NAME]... [--seconds N] [--rounds N] [--senders N] [--more KEYS]
       dtq-collect-bench pass LISTEN TO grpc|http";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("the system gives threads");
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["pass", listen, to, protocol] => runtime.block_on(pass::serve(listen, to, *protocol == "grpc")),
        ["table", ..] => options(&arguments[1..]).and_then(|options| runtime.block_on(table::measure(&options))),
        _ => Err(USAGE.to_owned()),
    };
    if let Err(message) = done {
        eprintln!("{message}");
        std::process::exit(64);
    }
}

fn options(arguments: &[String]) -> Result<Options, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut options = Options {
        folder: std::env::temp_dir().join("dtq-collect-bench"),
        programs: subjects::Programs { own, dtq: None, more: String::new(), otelcol: None, rotel: None },
        only: Vec::new(),
        time: Duration::from_secs(3),
        rounds: 3,
        senders: 8,
    };
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { return Err(USAGE.to_owned()) };
        let number = || value.parse::<usize>().map_err(|_| format!("{name}: `{value}` is no number"));
        match name.as_str() {
            "--folder" => options.folder = value.into(),
            "--dtq" => options.programs.dtq = Some(value.into()),
            "--more" => options.programs.more = format!(", {value}"),
            "--otelcol" => options.programs.otelcol = Some(value.into()),
            "--rotel" => options.programs.rotel = Some(value.into()),
            "--only" => options.only.push(value.clone()),
            "--seconds" => options.time = Duration::from_secs(number()? as u64),
            "--rounds" => options.rounds = number()?.max(1),
            "--senders" => options.senders = number()?.max(1),
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(options)
}
