//! The arguments of `dtq kernel`. Next: `commands/kernel.rs`.

use clap::{Args, Subcommand, ValueEnum};
use dtq_ebpf::filter::Front;
use dtq_ebpf::payload::Format;
use std::path::PathBuf;

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
    pub output: super::ReportForm,
}
