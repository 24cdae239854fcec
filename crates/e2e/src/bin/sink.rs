//! A sink as a program: records OTLP requests as lines of JSON, for whoever wants to see what arrives.

use dtq_e2e::sink::{Options, Sink};
use std::io::Write;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let wanted = arguments.next().unwrap_or_else(|| "127.0.0.1:4317".to_owned());
    let Ok(address) = wanted.parse() else {
        writeln!(std::io::stderr(), "usage: sink [ADDRESS:PORT]")?;
        std::process::exit(64);
    };
    let sink = Sink::start(Options { address: Some(address), ..Options::default() });
    writeln!(std::io::stderr(), "listens on {} for OTLP over gRPC and HTTP", sink.address())?;
    let mut said = 0;
    loop {
        let recorded = sink.recorded();
        for one in &recorded[said..] {
            writeln!(std::io::stdout(), "{}", one.telemetry.to_json())?;
        }
        said = recorded.len();
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}
