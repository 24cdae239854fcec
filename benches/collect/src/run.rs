//! A case to what it cost: started, warmed, loaded for a time, waited for until all has come out, ended.

use crate::Options;
use crate::cpu;
use crate::send::{Load, Manner};
use crate::sink;
use crate::subjects::{self, Place, Running, Subject};
use crate::traffic::{Question, Request};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// How long a process may take until its port is open.
const START_TIME: Duration = Duration::from_secs(20);
/// How long what was sent may take until it has come out.
const DRAIN_TIME: Duration = Duration::from_secs(15);
/// How long a case is loaded before it is measured.
const WARM_TIME: Duration = Duration::from_secs(1);

/// Names what is measured with what.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What.
    pub subject: Subject,
    /// With which rule.
    pub question: Question,
    /// Over what.
    pub manner: Manner,
    /// In requests of how many records.
    pub records_a_request: usize,
}

impl Case {
    /// Returns its name: what it is chosen by.
    pub fn name(&self) -> String {
        let protocol = if self.manner.is_grpc { "grpc" } else { "http" };
        let coding = if self.manner.is_gzip { "gzip" } else { "plain" };
        format!("{protocol} {coding} {} {} {}", self.records_a_request, self.subject.name(), self.question.name())
    }
}

/// Holds what a case cost in one round.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// CPU time a record.
    pub ns_a_record: f64,
    /// Records a second of the clock, with senders and sink on the same machine.
    pub records_a_second: f64,
    /// Of the records that should have come out, how many did.
    pub arrived: f64,
    /// Requests that were refused.
    pub refused: u64,
    /// The most memory that the process held.
    pub resident_mib: u64,
}

/// Measures a case; `None` when its program is absent.
///
/// # Errors
/// When it does not start, breaks, or what comes out cannot be read.
pub async fn measure(case: &Case, requests: &[Request], options: &Options) -> Result<Option<Cost>, String> {
    let (sink, seen) = sink::start().await?;
    let listen = free_port()?;
    let folder = options.folder.join(case.name().replace([' ', ',', '-'], "_"));
    // What a run before left, state above all, is not to be found by this one.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let place = Place { folder: &folder, listen, sink, manner: case.manner };
    let Some(mut process) = subjects::start(case.subject, case.question, &options.programs, &place)? else {
        return Ok(None);
    };
    wait_for_port(&mut process, listen).await?;
    let load = Load::new(listen, case.manner, requests, |request| request.kept(case.question));
    let warm = load.run(options.senders, WARM_TIME).await?;
    let records = || seen.records.load(Ordering::Relaxed);
    drain(warm.kept, records).await;
    let (seen_before, cpu_before, begun) = (records(), cpu::of(process.id())?, Instant::now());
    let sent = load.run(options.senders, options.time).await?;
    let time = begun.elapsed();
    drain(seen_before + sent.kept, records).await;
    let cpu = cpu::of(process.id())? - cpu_before;
    if seen.unreadable.load(Ordering::Relaxed) > 0 || sent.records == 0 {
        return Err(format!("nothing was taken, or what came out is no request: see {}", folder.display()));
    }
    // rotel packs also where it is told not to; the table's page says so.
    let is_packed = seen.packed.load(Ordering::Relaxed) > 0;
    if case.subject != Subject::Rotel && is_packed != case.manner.is_gzip {
        return Err("what came out was compressed otherwise than was asked".to_owned());
    }
    Ok(Some(Cost {
        ns_a_record: cpu.as_nanos() as f64 / sent.records as f64,
        records_a_second: sent.records as f64 / time.as_secs_f64(),
        arrived: (records() - seen_before) as f64 / sent.kept.max(1) as f64,
        refused: warm.refused + sent.refused,
        resident_mib: cpu::resident_mib(process.id()),
    }))
}

fn free_port() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map_err(|error| error.to_string())
}

async fn wait_for_port(process: &mut Running, address: SocketAddr) -> Result<(), String> {
    let begun = Instant::now();
    while begun.elapsed() < START_TIME && process.is_alive() {
        if TcpStream::connect(address).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(format!("it does not listen on {address}; what it said is in output.txt of its folder"))
}

/// Waits until so many records have come, or no more come for a second.
async fn drain(wanted: u64, records: impl Fn() -> u64) {
    let begun = Instant::now();
    let (mut last, mut since) = (records(), Instant::now());
    while last < wanted && since.elapsed() < Duration::from_secs(1) && begun.elapsed() < DRAIN_TIME {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let now = records();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
}
