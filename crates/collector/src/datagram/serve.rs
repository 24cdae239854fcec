//! One socket's task: datagrams are received in batches, gathered, and handed on by size, count or age.
//!
//! While a batch is judged the next one is gathered, and no more than that: then datagrams wait in the kernel, which lets
//! senders to unix sockets wait and loses what comes over UDP. Next: `filter.rs`.

use super::Door;
use super::account::SocketAccount;
use super::gather::Gather;
use crate::account::ReceiveAccount;
use crate::events::Events;
use crate::intake::Intake;
use crate::pipeline::{Judge, Payload};
use crate::rules::clock::now_ticks;
use dtq_kernel::{Inlet, SocketKind};
use dtq_record::otlp::Signal;
use dtq_record::text::messages::Taken;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::{UdpSocket, UnixDatagram};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// How often it is looked what the kernel lost.
const LOOK: Duration = Duration::from_secs(1);
/// How many calls receive what waits when the collector ends.
const LAST_CALLS: usize = 10_000;

/// Serves a socket until `ends` says so, and then what waits in it.
pub(crate) async fn serve<J: Judge>(
    door: Door,
    intake: Arc<Intake<J>>,
    receive: Arc<ReceiveAccount>,
    events: Arc<Events>,
    mut ends: watch::Receiver<bool>,
) {
    let Door { settings, account, mut inlet } = door;
    let gather = Gather::new(settings.format);
    let batch = settings.batch;
    let mut server = Server {
        intake,
        receive,
        events,
        account,
        gather,
        batch,
        due: None,
        wire_bytes: 0,
        under_way: None,
        drops_seen: 0,
        filtered_seen: 0,
    };
    let readiness = match Readiness::of(&inlet) {
        Ok(readiness) => readiness,
        Err(error) => {
            server.events.say(&format!("{}: datagrams cannot be received: {error}", server.account.name));
            return;
        }
    };
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let due = server.due;
        let event = tokio::select! {
            biased;
            _ = ends.wait_for(|ends| *ends) => Event::Ends,
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => Event::Due,
            _ = look.tick() => Event::Look,
            ready = readiness.wait() => match ready {
                Ok(()) => Event::Readable,
                Err(_) => Event::Ends,
            },
        };
        match event {
            Event::Ends => break,
            Event::Due => server.hand_on().await,
            Event::Look => server.look(&inlet),
            Event::Readable => {
                let received = readiness.receive(|| server.receive(&mut inlet));
                if received.is_err() {
                    // The kernel is out of memory, for instance.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                server.hand_on_full().await;
            }
        }
    }
    for _ in 0..LAST_CALLS {
        let received = server.receive(&mut inlet);
        server.hand_on_full().await;
        if !matches!(received, Ok(true)) {
            break;
        }
    }
    server.look(&inlet);
    server.hand_on().await;
    server.settle().await;
}

/// What a socket's task waits for.
enum Event {
    /// The collector ends.
    Ends,
    /// The batch is old enough.
    Due,
    /// It is time to look what the kernel lost.
    Look,
    /// Datagrams wait.
    Readable,
}

/// Waits for datagrams on a copy of the socket's descriptor.
enum Readiness {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl Readiness {
    fn of(inlet: &Inlet) -> io::Result<Self> {
        let copy = inlet.as_fd().try_clone_to_owned()?;
        match inlet.kind() {
            SocketKind::Udp4 | SocketKind::Udp6 => {
                let socket = std::net::UdpSocket::from(copy);
                socket.set_nonblocking(true)?;
                Ok(Self::Udp(UdpSocket::from_std(socket)?))
            }
            SocketKind::UnixDatagram | SocketKind::UnixSeqpacket => {
                let socket = std::os::unix::net::UnixDatagram::from(copy);
                socket.set_nonblocking(true)?;
                Ok(Self::Unix(UnixDatagram::from_std(socket)?))
            }
        }
    }

    async fn wait(&self) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.readable().await,
            Self::Unix(socket) => socket.readable().await,
        }
    }

    /// Receives once; from then on it is waited for more unless `receive` says that more may be there.
    ///
    /// What comes meanwhile is noticed, since it is waited for from before it was received.
    fn receive(&self, receive: impl FnOnce() -> io::Result<bool>) -> io::Result<()> {
        let once = || match receive() {
            Ok(true) => Ok(()),
            Ok(false) => Err(io::Error::from(io::ErrorKind::WouldBlock)),
            Err(error) => Err(error),
        };
        let received = match self {
            Self::Udp(socket) => socket.try_io(Interest::READABLE, once),
            Self::Unix(socket) => socket.try_io(Interest::READABLE, once),
        };
        match received {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}

/// Holds what the task of a socket owns besides the socket.
struct Server<J> {
    intake: Arc<Intake<J>>,
    receive: Arc<ReceiveAccount>,
    events: Arc<Events>,
    account: Arc<SocketAccount>,
    gather: Gather,
    batch: super::Batch,
    /// When what is gathered is handed on.
    due: Option<Instant>,
    /// Bytes of the datagrams that are gathered.
    wire_bytes: u64,
    /// The batch before, while it is judged.
    under_way: Option<JoinHandle<()>>,
    /// What the kernel has counted as dropped, and as dropped by rules, the last time.
    drops_seen: u32,
    filtered_seen: u64,
}

impl<J: Judge> Server<J> {
    /// Receives once; says whether more may wait.
    fn receive(&mut self, inlet: &mut Inlet) -> io::Result<bool> {
        let count = match inlet.receive() {
            Ok(count) => count,
            Err(error) => {
                let name = &self.account.name;
                self.events.warn("datagrams", || format!("{name}: receiving failed: {error}"));
                return Err(error);
            }
        };
        let (now, mut bytes, mut cut) = (now_ticks(), 0, 0);
        for index in 0..count {
            let (datagram, is_cut) = inlet.datagram(index);
            bytes += datagram.len() as u64;
            cut += u64::from(is_cut);
            match self.gather.push(datagram, now) {
                Taken::Record => self.wire_bytes += datagram.len() as u64,
                Taken::Blank => self.account.blank.add(1),
                Taken::Malformed(reason) => {
                    self.account.malformed.add(1);
                    let name = &self.account.name;
                    self.events.warn(name, || format!("{name}: a datagram cannot be read and is lost: {reason}"));
                }
            }
        }
        self.account.datagrams.add(count as u64);
        self.account.bytes.add(bytes);
        self.account.cut.add(cut);
        if self.due.is_none() && self.gather.size().0 > 0 {
            self.due = Some(Instant::now() + self.batch.age_max);
        }
        Ok(count == inlet.batch_max())
    }

    async fn hand_on_full(&mut self) {
        let (records, bytes) = self.gather.size();
        if records >= self.batch.records_max || bytes >= self.batch.bytes_max {
            self.hand_on().await;
        }
    }

    /// Hands on what is gathered, once the batch before is judged.
    async fn hand_on(&mut self) {
        self.settle().await;
        self.due = None;
        let (records, _) = self.gather.size();
        if records == 0 {
            return;
        }
        let request = self.gather.take();
        let received = self.receive.of(Signal::Logs);
        received.requests.add(1);
        received.bytes.add(request.len() as u64);
        received.wire_bytes.add(std::mem::take(&mut self.wire_bytes));
        received.records.add(records as u64);
        self.account.records.add(records as u64);
        self.account.batches.add(1);
        let (intake, account, events) = (Arc::clone(&self.intake), Arc::clone(&self.account), Arc::clone(&self.events));
        self.under_way = Some(tokio::spawn(async move {
            if let Err(refusal) = intake.take_unawaited(Signal::Logs, Payload::plain(request)).await {
                account.lost.add(records as u64);
                let name = &account.name;
                events.warn(name, || format!("{name}: {records} records are lost: {}", refusal.message));
            }
        }));
    }

    /// Waits for the batch before.
    async fn settle(&mut self) {
        if let Some(under_way) = self.under_way.take() {
            let name = &self.account.name;
            if under_way.await.is_err() {
                self.events.warn(name, || format!("{name}: judging a batch failed, and it is lost"));
            }
        }
    }

    /// Counts what the kernel has lost: over UDP it counts what rules drop with it.
    fn look(&mut self, inlet: &Inlet) {
        if matches!(inlet.kind(), SocketKind::UnixDatagram | SocketKind::UnixSeqpacket) {
            return;
        }
        let Ok(drops) = inlet.dropped() else { return };
        let filtered = self.account.in_kernel.totals().dropped.records;
        let new = u64::from(drops.wrapping_sub(self.drops_seen));
        let by_rules = filtered.saturating_sub(self.filtered_seen);
        let lost = new.saturating_sub(by_rules);
        self.account.overflowed.add(lost);
        // What rules dropped between the two looks is left for the next time.
        self.drops_seen = drops;
        self.filtered_seen = filtered.min(self.filtered_seen + new);
        if lost > 0 {
            let name = &self.account.name;
            self.events
                .warn(name, || format!("{name}: {lost} datagrams are lost, for they come faster than they are taken"));
        }
    }
}
