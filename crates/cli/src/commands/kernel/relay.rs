//! `dtq kernel relay`: a socket of our own whose datagrams go on, but for those that rules drop. Next: `status.rs`.

use super::point::Point;
use super::refusal;
use super::session::{Prepared, Session};
use crate::args::{Framing, KernelRelayArguments, Payload};
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use dtq_ebpf::filter::Front;
use dtq_kernel::{Address, Ends, Relay, RelayOptions, Target};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Runs `dtq kernel relay`.
pub fn execute(arguments: &KernelRelayArguments, console: &Console) -> Outcome {
    let listen = address(&arguments.listen)?;
    let target = target(arguments, console)?;
    let front = match listen {
        Address::Unix(_) => Front::UnixDatagram,
        Address::Udp(_) => Front::UdpDatagram,
    };
    let prepared = Prepared::new(&arguments.run, front, console)?;
    let ends = Ends::hold().map_err(|error| refusal::of_system("waiting for signals", &error))?;
    let loaded = prepared.load()?;
    let options = RelayOptions { mode: arguments.mode, ..RelayOptions::default() };
    let relay = Relay::bind(&listen, Some(&loaded.program), target, options).map_err(refusal::of_relay)?;
    let point = Point::Relay(Box::new(relay));
    Session::begin(&arguments.run, prepared, loaded, point, ends, console)?.run(console)
}

fn target(arguments: &KernelRelayArguments, console: &Console) -> Result<Target, Failure> {
    if arguments.forward != "-" {
        if arguments.framing.is_some() {
            return Err(Failure::Usage(
                "--framing goes with --forward -: a socket takes datagrams as they came".into(),
            ));
        }
        return Ok(Target::Socket(address(&arguments.forward)?));
    }
    let framing = arguments.framing.unwrap_or(match arguments.run.payload {
        Payload::Syslog | Payload::Json => Framing::Lines,
        Payload::Otlp => Framing::Delimited,
    });
    match framing {
        Framing::Lines => Ok(Target::Lines(Box::new(io::stdout()))),
        Framing::Delimited if console.is_out_terminal => {
            Err(Failure::Usage("delimited payloads are not for a terminal; redirect stdout".into()))
        }
        Framing::Delimited => Ok(Target::Delimited(Box::new(io::stdout()))),
    }
}

/// Returns the address that a word names: a path has a slash or begins with `@`.
fn address(word: &str) -> Result<Address, Failure> {
    if word.contains('/') || word.starts_with('@') {
        return Ok(Address::Unix(PathBuf::from(word)));
    }
    word.parse::<SocketAddr>().map(Address::Udp).map_err(|_| {
        let message = format!("`{word}` is neither a path with a `/` nor a UDP address such as 127.0.0.1:514");
        Failure::Usage(message)
    })
}
