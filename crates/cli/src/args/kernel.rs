//! The arguments of `dtq kernel`. Next: `commands/kernel.rs`.

use super::{ReportForm, RuleArguments, parse_duration};
use crate::output::Form;
use clap::{Args, Subcommand, ValueEnum};
use dtq_ebpf::filter::Front;
use dtq_ebpf::payload::Format;
use dtq_kernel::SocketName;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The arguments of `kernel`.
#[derive(Args, Debug)]
pub struct KernelArguments {
    /// What to do
    #[command(subcommand)]
    pub action: KernelAction,
}

/// Names what `kernel` does.
#[derive(Debug, Subcommand)]
pub enum KernelAction {
    /// Compile rules to an ELF object that bpftool and libbpf load
    #[command(override_usage = "dtq kernel compile [OPTIONS] --payload FORMAT RULES.yaml...")]
    Compile(KernelCompileArguments),
    /// Attach rules to a socket of another process, or to what one sends, until interrupted
    #[command(
        override_usage = "dtq kernel attach [OPTIONS] --payload FORMAT --rules RULES.yaml... --socket PATH\n       \
                          dtq kernel attach [OPTIONS] --payload FORMAT --rules RULES.yaml... --udp ADDRESS\n       \
                          dtq kernel attach [OPTIONS] --payload FORMAT --rules RULES.yaml... --pid PID --fd FD"
    )]
    Attach(KernelAttachArguments),
    /// Own a socket, and hand on what rules do not drop, until interrupted
    Relay(KernelRelayArguments),
    /// Show what is attached by this user, with counts
    Status(KernelStatusArguments),
    /// End what is attached by this user, or remove the filter of a socket
    #[command(override_usage = "dtq kernel detach [OPTIONS] PROCESS...\n       \
                          dtq kernel detach [OPTIONS] --all\n       \
                          dtq kernel detach --socket PATH | --udp ADDRESS | --pid PID --fd FD")]
    Detach(KernelDetachArguments),
    /// Add logs to a running program, where functions and probes are hit, until interrupted
    #[command(override_usage = "dtq kernel trace [OPTIONS] --pid PID [--file FILE] SITE...\n       \
                          dtq kernel trace [OPTIONS] --file FILE --all SITE...\n       \
                          dtq kernel trace --list (--pid PID | --file FILE) [PATTERN]")]
    Trace(KernelTraceArguments),
    /// Say what this process may do in the kernel, and what would help
    Probe(KernelProbeArguments),
    /// Detach filters when the process that attached them has ended
    #[command(hide = true)]
    Guard,
}

/// Names a format of payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Payload {
    /// A syslog message: RFC 5424, RFC 3164
    Syslog,
    /// A JSON object
    Json,
    /// OTLP logs as protobuf: one request
    Otlp,
}

impl From<Payload> for Format {
    fn from(payload: Payload) -> Self {
        match payload {
            Payload::Syslog => Self::Syslog,
            Payload::Json => Self::Json,
            Payload::Otlp => Self::Otlp,
        }
    }
}

/// Names sockets by what stands in front of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FrontWord {
    /// Unix sockets for datagrams
    Unix,
    /// UDP sockets
    Udp,
}

impl From<FrontWord> for Front {
    fn from(word: FrontWord) -> Self {
        match word {
            FrontWord::Unix => Self::UnixDatagram,
            FrontWord::Udp => Self::UdpDatagram,
        }
    }
}

/// The arguments of `kernel compile`.
#[derive(Args, Debug)]
pub struct KernelCompileArguments {
    /// Files with rules, which are one rule set
    #[arg(value_name = "RULES.yaml", required = true)]
    pub rules: Vec<PathBuf>,
    /// Format of the payloads
    #[arg(long, value_name = "FORMAT")]
    pub payload: Payload,
    /// Sockets that the program is for
    #[arg(long, value_name = "SOCKET", default_value = "unix")]
    pub front: FrontWord,
    /// File for the object, instead of stdout
    #[arg(short, long = "out", value_name = "FILE.o")]
    pub out: Option<PathBuf>,
    /// Form of what is said on stderr about the rules
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub output: ReportForm,
}

/// Says what is attached, for how long, and where its account goes.
#[derive(Args, Debug)]
pub struct KernelRunArguments {
    /// The rules, whose files are watched: what changes in them takes the place of what is attached
    #[command(flatten)]
    pub rules: RuleArguments,
    /// Format of the payloads
    #[arg(long, value_name = "FORMAT")]
    pub payload: Payload,
    /// Ends after so long, such as 30s or 2h
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// File for the account as JSON, instead of a table on stderr; `-` is stderr
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// File that points of what the kernel counts are added to, as OTLP, each request behind its length; rules may then drop
    /// there what rules before them count
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
}

/// Names a socket.
#[derive(Args, Debug)]
pub struct KernelSocketArguments {
    /// Path of a unix datagram socket, such as /dev/log; `@name` is one without a file
    #[arg(long, value_name = "PATH", help_heading = "Socket", conflicts_with_all = ["udp", "pid", "fd"])]
    pub socket: Option<PathBuf>,
    /// Address of a UDP socket, such as 127.0.0.1:514
    #[arg(long, value_name = "ADDRESS", help_heading = "Socket", conflicts_with_all = ["pid", "fd"])]
    pub udp: Option<SocketAddr>,
    /// Process that has the socket
    #[arg(long, value_name = "PID", help_heading = "Socket", requires = "fd")]
    pub pid: Option<u32>,
    /// Its descriptor in that process
    #[arg(long, value_name = "FD", help_heading = "Socket", requires = "pid")]
    pub fd: Option<u32>,
}

impl KernelSocketArguments {
    /// Returns the socket, where one is named.
    pub fn name(&self) -> Option<SocketName> {
        match (&self.socket, self.udp, self.pid, self.fd) {
            (Some(path), ..) => Some(SocketName::Path(path.clone())),
            (None, Some(address), ..) => Some(SocketName::Udp(address)),
            (None, None, Some(pid), Some(descriptor)) => Some(SocketName::Process { pid, descriptor }),
            _ => None,
        }
    }
}

/// The arguments of `kernel attach`.
#[derive(Args, Debug)]
pub struct KernelAttachArguments {
    /// The socket
    #[command(flatten)]
    pub socket: KernelSocketArguments,
    /// Instead of a socket: what a control group sends to --port, by its folder; nothing is attached to the receiver
    #[arg(long, value_name = "FOLDER", help_heading = "Sender", requires = "port", conflicts_with_all = ["socket", "udp", "pid", "fd"])]
    pub cgroup: Option<PathBuf>,
    /// The same, of the control group of a process
    #[arg(long, value_name = "PID", help_heading = "Sender", requires = "port",
          conflicts_with_all = ["cgroup", "socket", "udp", "pid", "fd"])]
    pub cgroup_of: Option<u32>,
    /// UDP port that the control group sends to
    #[arg(long, value_name = "PORT", help_heading = "Sender", conflicts_with_all = ["socket", "udp", "pid", "fd"])]
    pub port: Option<u16>,
    /// Replace a filter that is on the socket, such as one that nobody detached; what it was is lost
    #[arg(long, help_heading = "Socket")]
    pub replace: bool,
    /// What runs
    #[command(flatten)]
    pub run: KernelRunArguments,
}

/// The arguments of `kernel relay`.
#[derive(Args, Debug)]
pub struct KernelRelayArguments {
    /// Where datagrams come in: a path, or a UDP address
    #[arg(long, value_name = "PATH|ADDRESS", help_heading = "Relay")]
    pub listen: String,
    /// Where they go: a path, a UDP address, or `-` for stdout
    #[arg(long, value_name = "PATH|ADDRESS|-", help_heading = "Relay")]
    pub forward: String,
    /// How datagrams are told apart on stdout [default: lines; of otlp, delimited]
    #[arg(long, value_name = "FRAMING", help_heading = "Relay")]
    pub framing: Option<Framing>,
    /// Who may send to a path: its permissions, such as 666
    #[arg(long, value_name = "OCTAL", help_heading = "Relay", value_parser = parse_mode)]
    pub mode: Option<u32>,
    /// What runs
    #[command(flatten)]
    pub run: KernelRunArguments,
}

/// Names how datagrams are told apart in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Framing {
    /// Each ends with a line break
    Lines,
    /// Each behind its length, as a varint
    Delimited,
}

/// The arguments of `kernel status`.
#[derive(Args, Debug)]
pub struct KernelStatusArguments {
    /// Processes that attached something; none is all
    #[arg(value_name = "PROCESS")]
    pub pids: Vec<u32>,
    /// Form of the accounts on stdout; json is an object a line
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub output: ReportForm,
}

/// The arguments of `kernel detach`.
#[derive(Args, Debug)]
pub struct KernelDetachArguments {
    /// Processes that attached something, as `dtq kernel status` lists them
    #[arg(value_name = "PROCESS", conflicts_with_all = ["all", "socket", "udp", "pid", "fd"])]
    pub pids: Vec<u32>,
    /// All processes of this user that attached something
    #[arg(long, conflicts_with_all = ["socket", "udp", "pid", "fd"])]
    pub all: bool,
    /// A socket, whose filter is removed, whoever attached it
    #[command(flatten)]
    pub socket: KernelSocketArguments,
    /// Form of the last accounts on stdout; json is an object a line
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub output: ReportForm,
}

/// The arguments of `kernel trace`.
#[derive(Args, Debug)]
pub struct KernelTraceArguments {
    /// `uprobe:FUNCTION`, `uretprobe:FUNCTION`, `usdt:PROVIDER:NAME`; with --list, a part of the names
    #[arg(value_name = "SITE", required_unless_present = "list")]
    pub sites: Vec<String>,
    /// Process whose hits are wanted
    #[arg(long, value_name = "PID", help_heading = "Program")]
    pub pid: Option<u32>,
    /// File that has the functions: a program, or a library; of a process also the beginning of its name, such as libc
    /// [default: the program of the process]
    #[arg(long, value_name = "FILE", help_heading = "Program")]
    pub file: Option<PathBuf>,
    /// Hits of all processes that have the file
    #[arg(long, help_heading = "Program", requires = "file", conflicts_with = "pid")]
    pub all: bool,
    /// List functions and probes, with what a hit costs
    #[arg(long, help_heading = "Program", conflicts_with_all = [
        "all", "arguments", "condition", "duration", "count", "rate", "accept_slow", "accept_inside", "report"
    ])]
    pub list: bool,
    /// Arguments to read, and what they are: `arg0: long, arg1: string, arg2: bytes(arg3), ret: int`
    #[arg(
        long = "args",
        value_name = "ARGUMENTS",
        default_value = "",
        hide_default_value = true,
        help_heading = "Hits"
    )]
    pub arguments: String,
    /// Condition in KQL over Function, Pid, Tid, Command and the arguments, decided in the kernel as far as it can
    #[arg(long = "where", value_name = "KQL", help_heading = "Hits")]
    pub condition: Option<String>,
    /// Ends after so long, such as 30s or 2h
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, help_heading = "Hits")]
    pub duration: Option<Duration>,
    /// Ends after so many logs
    #[arg(long, value_name = "COUNT", help_heading = "Hits")]
    pub count: Option<u64>,
    /// Logs at most, such as 100/s or 10/m; what is over is counted
    #[arg(long, value_name = "RATE", value_parser = parse_rate, help_heading = "Hits")]
    pub rate: Option<Rate>,
    /// Also sites at which each hit takes about 10 us of the program
    #[arg(long, help_heading = "Hits")]
    pub accept_slow: bool,
    /// Also sites inside of functions; where no instruction begins there, the program breaks
    #[arg(long, help_heading = "Hits")]
    pub accept_inside: bool,
    /// Form of the logs [default: table on a terminal, else ndjson]; table is a line a hit
    #[arg(short, long, value_name = "FORM", help_heading = "Output")]
    pub output: Option<Form>,
    /// File for the logs, instead of stdout
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// File for the counts as JSON, instead of a table on stderr; `-` is stderr
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub report: Option<PathBuf>,
}

/// Says how many logs there may be in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many.
    pub count: u64,
    /// In so many nanoseconds.
    pub period_ns: u64,
}

/// The arguments of `kernel probe`.
#[derive(Args, Debug)]
pub struct KernelProbeArguments {
    /// Form of the result on stdout
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub output: ReportForm,
}

/// Returns the rate that a text such as `100/s` stands for.
fn parse_rate(text: &str) -> Result<Rate, String> {
    let wrong = || "a rate is a number of logs in a time, such as 100/s, 10/m or 5/h".to_owned();
    let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
    let seconds: u64 = match unit.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(wrong()),
    };
    let count = count.trim().parse().map_err(|_| wrong())?;
    Ok(Rate { count, period_ns: seconds * 1_000_000_000 })
}

/// Returns the permissions that octal digits stand for.
fn parse_mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| "permissions are three octal digits, such as 660".to_owned())
}
