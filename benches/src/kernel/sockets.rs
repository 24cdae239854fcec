//! Messages of syslog through real sockets, nine in ten of them noise: what one costs, sender and receiver together, when
//! the noise is dropped by whoever receives it and when it is dropped in the kernel.
//!
//! The CPU time of sender and receiver counts, which holds what the kernel does for them. What the kernel keeps the
//! receiver decides again by the same rules, as the kernel tier wants it. How the two share processors ([`Sharing`])
//! decides how often the receiver sleeps and has to be woken, and that weighs more than what a message costs otherwise.

use super::cases::drops;
use super::loaded::{Loaded, filter};
use super::search;
use crate::engine::{Engine, NOW_TICKS, apply};
use cpu_time::ThreadTime;
use dtq_ebpf::filter::Front;
use dtq_ebpf::payload::Format;
use dtq_kernel::attach::filter::Present;
use dtq_kernel::{Socket, SocketFilter};
use dtq_record::text::messages::{Arrival, MessageFormat, Messages};
use dtq_rules::engine::{Output, Processor};
use dtq_source::Limits;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// What this part of the group is called.
pub const NAME: &str = "sockets";

/// Messages of one run.
const MESSAGES: usize = 200_000;
/// Messages of one run in which one comes now and then.
const PACED_MESSAGES: usize = 16_000;
/// The time from one of those to the next.
const PACE: Duration = Duration::from_micros(50);
/// Runs of which the least counts.
const ROUNDS: usize = 5;
/// Messages of which one is no noise.
const NOISE: usize = 10;
/// Over UDP the kernel drops what finds no room: so many messages are sent at once, and as many again while those are read.
const BATCH: usize = 80;
/// How long the receiver waits for a message that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is noise.
const CONDITION: &str = "SeverityNumber between (1 .. 8)";
/// The beginning of a message that is.
const NOISE_PREFIX: &[u8] = b"<31>";
/// The rest of a message.
const REST: &str =
    "Oct 11 22:14:15 web-3 nginx[812]: GET /api/v1/items 200 612 0.013 upstream=10.0.3.7:8080 user=alice";

/// Names who drops the noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// Nobody: all are received.
    Nobody,
    /// The receiver, by the first bytes: the least that it can do.
    Prefix,
    /// The receiver, by the rules.
    Rules,
    /// The kernel, by a program of a dozen instructions that looks at one byte: what no filter can beat.
    ByHand,
    /// The kernel; the receiver looks at the first bytes of what is left.
    Kernel,
    /// The kernel; the receiver runs the rules on what is left.
    KernelAndRules,
}

impl Who {
    const ALL: [(Self, &str); 6] = [
        (Self::Nobody, "received only"),
        (Self::Prefix, "dropped by a prefix"),
        (Self::ByHand, "dropped in the kernel by one byte"),
        (Self::Kernel, "dropped in the kernel, then a prefix"),
        (Self::Rules, "dropped by the rules"),
        (Self::KernelAndRules, "dropped in the kernel, then the rules"),
    ];

    fn is_kernel(self) -> bool {
        matches!(self, Self::ByHand | Self::Kernel | Self::KernelAndRules)
    }

    /// Returns of how many messages one reaches the receiver.
    fn share(self) -> usize {
        if self.is_kernel() { NOISE } else { 1 }
    }

    /// Checks how many messages of those sent the receiver has kept.
    fn check(self, kept: usize, sent: usize) -> Result<(), String> {
        let wanted = if self == Self::Nobody { sent } else { sent / NOISE };
        if kept == wanted { Ok(()) } else { Err(format!("{self:?}: {kept} are kept, not {wanted}")) }
    }
}

/// Names how sender and receiver share processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharing {
    /// Two threads on two processors, a message each [`PACE`]: the receiver sleeps before each that reaches it.
    Paced,
    /// Two threads on two processors with nothing else to do: the receiver sleeps whenever it has read all.
    Apart,
    /// Two threads on one processor, as where others want the rest.
    Together,
    /// One thread that sends a batch and reads what came of it: nobody sleeps, nobody is woken.
    InTurns,
}

impl Sharing {
    const ALL: [(Self, &str); 4] = [
        (Self::Paced, "20,000 a second"),
        (Self::Apart, "two processors"),
        (Self::Together, "one processor"),
        (Self::InTurns, "in turns"),
    ];

    fn messages(self) -> usize {
        if self == Self::Paced { PACED_MESSAGES } else { MESSAGES }
    }
}

/// Holds what a message costs.
pub struct SocketCost {
    /// How sender and receiver share processors.
    pub sharing: &'static str,
    /// The socket.
    pub socket: &'static str,
    /// Who drops.
    pub who: &'static str,
    /// Nanoseconds of the sender a message.
    pub sender_ns: f64,
    /// Nanoseconds of the receiver a message.
    pub receiver_ns: f64,
}

/// The two ends of a socket.
enum Ends {
    Unix(UnixDatagram, UnixDatagram),
    Udp(UdpSocket, UdpSocket),
}

impl Ends {
    fn new(is_udp: bool) -> std::io::Result<Self> {
        if !is_udp {
            let (sender, receiver) = UnixDatagram::pair()?;
            receiver.set_read_timeout(Some(PATIENCE))?;
            return Ok(Self::Unix(sender, receiver));
        }
        let (sender, receiver) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        sender.connect(receiver.local_addr()?)?;
        receiver.set_read_timeout(Some(PATIENCE))?;
        Ok(Self::Udp(sender, receiver))
    }

    fn send(&self, message: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Unix(sender, _) => sender.send(message),
            Self::Udp(sender, _) => sender.send(message),
        }
    }

    fn receive(&self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Unix(_, receiver) => receiver.recv(buffer),
            Self::Udp(_, receiver) => receiver.recv(buffer),
        }
    }

    fn attach(&self, who: Who, front: Front) -> Result<(SocketFilter, Loaded), String> {
        let (program, maps) = match who {
            Who::ByHand => (search::drop_by_byte(second_byte(front), NOISE_PREFIX[1]), Vec::new()),
            _ => filter(&drops(CONDITION), Format::Syslog, front)?,
        };
        let loaded = Loaded::new(&program, &maps)?;
        let receiver = match self {
            Self::Unix(_, receiver) => receiver.as_fd(),
            Self::Udp(_, receiver) => receiver.as_fd(),
        };
        let socket = Socket::own(receiver).map_err(|error| error.to_string())?;
        let filter = SocketFilter::attach(socket, &loaded.program, Present::Refuse);
        Ok((filter.map_err(|error| error.to_string())?, loaded))
    }
}

/// Measures all ways over both sockets; they take turns.
///
/// # Errors
/// What the kernel says of a socket or a program, and when a message is missing.
pub fn measure() -> Result<Vec<SocketCost>, String> {
    let mut costs = Vec::new();
    for (sharing, sharing_name) in Sharing::ALL {
        for (socket, is_udp) in [("unix", false), ("udp", true)] {
            costs.extend(least(sharing, is_udp)?.map(|([sender_ns, receiver_ns], who)| SocketCost {
                sharing: sharing_name,
                socket,
                who,
                sender_ns,
                receiver_ns,
            }));
        }
    }
    Ok(costs)
}

/// Returns the least that each way costs a message: the sender, the receiver.
fn least(sharing: Sharing, is_udp: bool) -> Result<[([f64; 2], &'static str); Who::ALL.len()], String> {
    let mut least = Who::ALL.map(|(_, name)| ([f64::INFINITY; 2], name));
    for _ in 0..ROUNDS {
        for ((who, _), (least, _)) in Who::ALL.iter().zip(&mut least) {
            let ns = run(*who, sharing, is_udp)?.map(|ns| ns / sharing.messages() as f64);
            if ns.iter().sum::<f64>() < least.iter().sum() {
                *least = ns;
            }
        }
    }
    Ok(least)
}

/// Sends and receives all messages once; returns the CPU time of sender and receiver.
fn run(who: Who, sharing: Sharing, is_udp: bool) -> Result<[f64; 2], String> {
    let ends = Ends::new(is_udp).map_err(|error| error.to_string())?;
    let front = if is_udp { Front::UdpDatagram } else { Front::UnixDatagram };
    let _attached = who.is_kernel().then(|| ends.attach(who, front)).transpose()?;
    let judge = Judge::new(who)?;
    if sharing == Sharing::InTurns {
        return in_turns(&ends, judge, who);
    }
    let _pinned = (sharing == Sharing::Together).then(Pinned::new).transpose()?;
    let (read, wait) = channel();
    std::thread::scope(|scope| {
        let wait = is_udp.then_some(wait);
        let sender = scope.spawn(|| match sharing {
            Sharing::Paced => send_paced(&ends, wait),
            _ => send_all(&ends, wait),
        });
        let received = receive_all(&ends, judge, who, sharing.messages(), &read);
        let sent = sender.join().expect("the sender does not panic");
        Ok([sent.map_err(|error| format!("sending: {error}"))?, received?])
    })
}

/// Keeps this thread, and those that it starts, on one processor until it is dropped.
struct Pinned {
    before: CpuSet,
}

impl Pinned {
    fn new() -> Result<Self, String> {
        let before = sched_getaffinity(None).map_err(|error| error.to_string())?;
        let first = (0..CpuSet::MAX_CPU).find(|cpu| before.is_set(*cpu)).ok_or("this thread may run nowhere")?;
        let mut one = CpuSet::new();
        one.set(first);
        sched_setaffinity(None, &one).map_err(|error| error.to_string())?;
        Ok(Self { before })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // It was allowed a moment ago; where it fails, what follows is measured on one processor and looks like it.
        let _ = sched_setaffinity(None, &self.before);
    }
}

/// Sends a batch and reads what is left of it, again and again, on this thread.
fn in_turns(ends: &Ends, mut judge: Judge, who: Who) -> Result<[f64; 2], String> {
    let messages = messages();
    let mut buffer = [0; 4_096];
    let (mut sent, mut received, mut kept) = (0.0, 0.0, 0);
    for batch in 0..MESSAGES / BATCH {
        let start = ThreadTime::now();
        for at in batch * BATCH..(batch + 1) * BATCH {
            ends.send(message(&messages, at)).map_err(|error| format!("sending: {error}"))?;
        }
        sent += start.elapsed().as_nanos() as f64;
        let start = ThreadTime::now();
        for at in 0..BATCH / who.share() {
            let size = ends.receive(&mut buffer).map_err(|error| format!("message {at} of batch {batch}: {error}"))?;
            kept += usize::from(judge.keeps(&buffer[..size]));
        }
        received += start.elapsed().as_nanos() as f64;
    }
    who.check(kept, MESSAGES).map(|()| [sent, received])
}

/// Returns where the second byte of a payload is, which tells noise from what is none.
fn second_byte(front: Front) -> i32 {
    if front == Front::UdpDatagram { 9 } else { 1 }
}

fn send_all(ends: &Ends, wait: Option<Receiver<()>>) -> std::io::Result<f64> {
    let messages = messages();
    let start = ThreadTime::now();
    for at in 0..MESSAGES {
        if !may_go_on(at, wait.as_ref()) {
            break;
        }
        ends.send(message(&messages, at))?;
    }
    Ok(start.elapsed().as_nanos() as f64)
}

/// Sends a message each [`PACE`]; returns the time of the sending alone, without that of the waiting and of the clock.
fn send_paced(ends: &Ends, wait: Option<Receiver<()>>) -> std::io::Result<f64> {
    let messages = messages();
    let (mut sending, mut clock) = (0.0, 0.0);
    let mut due = Instant::now();
    for at in 0..PACED_MESSAGES {
        if !may_go_on(at, wait.as_ref()) {
            break;
        }
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        due = Instant::now() + PACE;
        let start = ThreadTime::now();
        ends.send(message(&messages, at))?;
        sending += start.elapsed().as_nanos() as f64;
        clock += ThreadTime::now().elapsed().as_nanos() as f64;
    }
    Ok(sending - clock)
}

/// Returns noise, and what is none.
fn messages() -> [String; 2] {
    [format!("<31>{REST}"), format!("<28>{REST}")]
}

fn message(messages: &[String; 2], at: usize) -> &[u8] {
    messages[usize::from(at % NOISE == NOISE - 1)].as_bytes()
}

/// Waits at the end of a batch until the one before it has been read; when the receiver has ended, it has said why.
fn may_go_on(at: usize, wait: Option<&Receiver<()>>) -> bool {
    at % BATCH != 0 || at < 2 * BATCH || !matches!(wait.map(Receiver::recv), Some(Err(_)))
}

fn receive_all(ends: &Ends, mut judge: Judge, who: Who, sent: usize, read: &Sender<()>) -> Result<f64, String> {
    let (expected, batch) = (sent / who.share(), BATCH / who.share());
    let mut buffer = [0; 4_096];
    let mut kept = 0;
    let start = ThreadTime::now();
    for at in 1..=expected {
        let size = ends.receive(&mut buffer).map_err(|error| format!("message {at} of {expected}: {error}"))?;
        kept += usize::from(judge.keeps(&buffer[..size]));
        if at % batch == 0 {
            // The sender of a unix socket waits by itself, and one that has ended waits no more.
            let _ = read.send(());
        }
    }
    let ns = start.elapsed().as_nanos() as f64;
    who.check(kept, sent).map(|()| ns)
}

/// What the receiver does with a message.
enum Judge {
    All,
    Prefix,
    /// By the rules, over a request of each message.
    Rules(Box<Processor>, Box<Messages>),
}

impl Judge {
    fn new(who: Who) -> Result<Self, String> {
        Ok(match who {
            Who::Nobody => Self::All,
            Who::Prefix | Who::ByHand | Who::Kernel => Self::Prefix,
            Who::Rules | Who::KernelAndRules => Self::Rules(
                Box::new(Engine::Native.processor_of(&drops(CONDITION))?),
                Box::new(Messages::new(MessageFormat::Syslog, &Limits::default())),
            ),
        })
    }

    fn keeps(&mut self, message: &[u8]) -> bool {
        match self {
            Self::All => !std::hint::black_box(message).is_empty(),
            Self::Prefix => !message.starts_with(NOISE_PREFIX),
            Self::Rules(processor, messages) => {
                messages.push(message, Arrival { now_ticks: NOW_TICKS, is_observed: true });
                match apply(processor, &messages.take()) {
                    Output::Empty => false,
                    Output::Unchanged => true,
                    // The record of a message is all that its resource has.
                    Output::Bytes(left) => left.len() > REST.len(),
                }
            }
        }
    }
}
