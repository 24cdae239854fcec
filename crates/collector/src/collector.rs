//! Settings to a collector that runs, and its orderly end.
//!
//! Begins nothing before every port is bound and every certificate read; an error leaves nothing running. Next:
//! [`crate::receive`], [`crate::intake`], [`crate::send`].

use crate::account::ReceiveAccount;
use crate::admin::{Admin, Seen};
use crate::auth::Auth;
use crate::certificates::{Certificates, Owner, Watched};
use crate::datagram;
use crate::events::Events;
use crate::intake::{Ack, Intake};
use crate::limits::Limits;
use crate::pipeline::{Created, Judge};
use crate::receive::Receiver;
use crate::receive::listener::{Connections, Listener};
use crate::send::{self, Destination};
use crate::sockets::Sockets;
use crate::telemetry::{self, Pusher};
use crate::tls::{ServerTls, TlsError};
use hyper::header::HeaderName;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// Holds what is configured of a port.
#[derive(Clone, Debug)]
pub struct Port {
    /// Where it listens; port 0 is any.
    pub address: SocketAddr,
    /// Its certificates; `None` speaks without TLS.
    pub tls: Option<ServerTls>,
    /// Who may come in.
    pub auth: Auth,
}

/// Holds everything that is configured besides rules.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where requests come in.
    pub ports: Vec<Port>,
    /// Where they go.
    pub destinations: Vec<send::Settings>,
    /// When a sender is told that its request was taken.
    pub ack: Ack,
    /// The headers of a request that go on with it.
    pub forwarded: Vec<HeaderName>,
    /// What receivers allow.
    pub limits: Limits,
    /// Where state is shown, if at all.
    pub admin: Option<SocketAddr>,
    /// How long the end may take until what is left is given up.
    pub drain: Duration,
}

/// Says why a collector does not begin.
#[derive(Debug)]
pub enum StartError {
    /// A port cannot be had.
    Bind(SocketAddr, io::Error),
    /// A socket cannot be had, or is not the one that is configured; its name, and why.
    Socket(String, String),
    /// Certificates cannot be used; the name is that of the destination or the port.
    Tls(String, TlsError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Bind(address, error) => write!(f, "cannot listen on {address}: {error}"),
            StartError::Socket(name, reason) => write!(f, "cannot listen on {name}: {reason}"),
            StartError::Tls(name, error) => write!(f, "{name}: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Bind(_, error) => Some(error),
            StartError::Socket(..) => None,
            StartError::Tls(_, error) => Some(error),
        }
    }
}

/// Says how a collector ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Requests that waited for a destination and were given up.
    pub left: u64,
    /// Whether requests of senders were still in work.
    pub cut_senders: bool,
}

/// Holds a collector that runs.
pub struct Collector<J> {
    addresses: Vec<SocketAddr>,
    admin_address: Option<SocketAddr>,
    /// What is shown; also for who embeds it.
    admin: Arc<Admin<J>>,
    intake: Arc<Intake<J>>,
    ends: watch::Sender<bool>,
    listeners: JoinSet<()>,
    senders: JoinSet<()>,
    outlet: Option<JoinHandle<()>>,
    admin_task: Option<JoinHandle<()>>,
    certificates: Arc<Certificates>,
    /// What goes on beside, until the end.
    beside: JoinSet<()>,
    pusher: Option<Own<J>>,
    drain: Duration,
    events: Arc<Events>,
}

/// How often files of certificates are looked at.
const CERTIFICATES_INTERVAL: Duration = Duration::from_secs(10);

/// How long the last counts of the process may take to be gathered.
const LAST_PUSH: Duration = Duration::from_secs(2);

type Own<J> = Arc<Pusher<Admin<J>>>;

impl<J: Judge> Collector<J> {
    /// Starts a collector; `created` is what rules make without a request.
    ///
    /// # Errors
    /// When a port or a certificate cannot be had.
    pub async fn start(
        settings: Settings,
        judge: J,
        created: Option<mpsc::Receiver<Vec<Created>>>,
        events: Events,
    ) -> Result<Self, StartError> {
        let sockets = Sockets::with(&settings, &[], Vec::new())?;
        Self::start_on(sockets, settings, judge, created, events).await
    }

    /// Starts a collector on sockets that were bound before by the same settings, and datagrams besides.
    ///
    /// # Errors
    /// When a certificate cannot be had.
    pub async fn start_on(
        sockets: Sockets,
        settings: Settings,
        judge: J,
        created: Option<mpsc::Receiver<Vec<Created>>>,
        events: Events,
    ) -> Result<Self, StartError> {
        let events = Arc::new(events);
        let accounts = sockets.accounts();
        let destinations = destinations(&settings, &events)?;
        let (bound, addresses) = listeners(&settings, sockets.ports)?;
        let certificates = Arc::new(Certificates::new(watched(&settings, &bound, &destinations), Arc::clone(&events)));
        let admin_socket = settings.admin.zip(sockets.admin);
        let admin_socket = admin_socket.map(|(address, socket)| adopt(address, socket)).transpose()?;
        let admin_address = admin_socket.as_ref().and_then(|socket| socket.local_addr().ok());
        let (ends, ending) = watch::channel(false);
        let account = Arc::new(ReceiveAccount::default());
        let intake = Arc::new(Intake::new(judge, settings.ack, destinations, Arc::clone(&account)));
        let settings = Arc::new(settings);
        let seen = Seen { certificates: Arc::clone(&certificates), events: Arc::clone(&events) };
        let admin = Admin::new(
            Arc::clone(&intake),
            Arc::clone(&account),
            accounts,
            Arc::clone(&settings),
            seen,
            ending.clone(),
        );
        let receiver = Receiver::new(
            Arc::clone(&intake),
            Arc::clone(&account),
            settings.limits.clone(),
            settings.forwarded.clone(),
        );
        let connections = Connections::new(Arc::new(receiver), Arc::clone(&events));
        let (mut listeners, mut senders) = (JoinSet::new(), JoinSet::new());
        for destination in intake.destinations() {
            destination.start(&mut senders);
        }
        for listener in bound {
            listeners.spawn(Arc::clone(&connections).serve(listener, ending.clone()));
        }
        for door in sockets.doors {
            let (intake, account, events) = (Arc::clone(&intake), Arc::clone(&account), Arc::clone(&events));
            listeners.spawn(datagram::serve::serve(door, intake, account, events, ending.clone()));
        }
        let outlet = created.map(|created| tokio::spawn(pass_on(Arc::clone(&intake), created)));
        let admin_task = admin_socket.map(|socket| tokio::spawn(Arc::clone(&admin).serve(socket)));
        let mut beside = JoinSet::new();
        if !certificates.is_empty() {
            beside.spawn(look_at_certificates(Arc::clone(&certificates)));
        }
        let drain = settings.drain;
        Ok(Self {
            addresses,
            admin_address,
            admin,
            intake,
            ends,
            listeners,
            senders,
            outlet,
            admin_task,
            certificates,
            beside,
            pusher: None,
            drain,
            events,
        })
    }

    /// Begins to send the own metrics and logs to a destination.
    ///
    /// # Errors
    /// When there is no destination of that name; the name is returned.
    pub fn push(&mut self, settings: telemetry::Settings) -> Result<(), String> {
        let found = self.intake.destinations().iter().find(|one| one.settings.name == settings.to);
        let Some(destination) = found.cloned() else { return Err(settings.to) };
        let (has_metrics, has_logs) = (settings.has_metrics, settings.has_logs);
        let account = Arc::clone(&self.admin.own);
        let pusher = Pusher::new(Arc::clone(&self.admin), destination, Arc::clone(&self.events), account, settings);
        let pusher = Arc::new(pusher);
        if has_metrics {
            self.beside.spawn(Arc::clone(&pusher).push_metrics());
        }
        if has_logs {
            self.beside.spawn(Arc::clone(&pusher).push_logs());
        }
        self.pusher = Some(pusher);
        Ok(())
    }

    /// Reads rules and certificates again; what is wrong with them is said, and what ran before goes on.
    pub async fn reload(&self) {
        let (intake, certificates) = (Arc::clone(&self.intake), Arc::clone(&self.certificates));
        let reloaded = tokio::task::spawn_blocking(move || {
            certificates.look();
            intake.judge().reload();
        });
        if reloaded.await.is_err() {
            self.events.warn("reload.failed", || "reading anew failed, which is a mistake in dtq".to_owned());
        }
    }

    /// Returns where requests come in, in the order of the settings.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns where state is shown.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Returns what is shown.
    pub fn admin(&self) -> &Arc<Admin<J>> {
        &self.admin
    }

    /// Ends: no new request, those in work are answered, what waits is sent, for as long as was configured.
    pub async fn stop(mut self) -> Ending {
        let deadline = Instant::now() + self.drain;
        // The sender is kept, so whoever watches sees the value.
        self.ends.send_replace(true);
        self.intake.destinations().iter().for_each(|one| one.queue.hurry());
        let is_answered = finish(&mut self.listeners, deadline).await;
        let rest = tokio::time::timeout_at(deadline, self.intake.judge().finish()).await.unwrap_or_default();
        self.intake.queue_created(rest, &Arc::from([]));
        if let Some(outlet) = self.outlet.take() {
            // Ends when the rules have nothing more to hand out.
            let abort = outlet.abort_handle();
            if tokio::time::timeout_at(deadline, outlet).await.is_err() {
                abort.abort();
            }
        }
        self.beside.shutdown().await;
        if let Some(pusher) = self.pusher.take() {
            // What it says last is not worth a late end.
            let _ = tokio::time::timeout(LAST_PUSH, pusher.push_last()).await;
        }
        for destination in self.intake.destinations() {
            destination.queue.close();
        }
        let is_sent = finish(&mut self.senders, deadline).await;
        let mut left = 0;
        for destination in self.intake.destinations() {
            let count = if is_sent { 0 } else { destination.account.queued.get() };
            destination.account.left.add(count);
            left += count;
            if count > 0 {
                let name = &destination.settings.name;
                self.events.say(&format!("destination `{name}`: {count} requests are left behind"));
            }
        }
        self.senders.shutdown().await;
        self.listeners.shutdown().await;
        if let Some(admin) = self.admin_task.take() {
            admin.abort();
        }
        Ending { left, cut_senders: !is_answered }
    }
}

/// Returns all that has certificates, with how they are read again.
fn watched(settings: &Settings, bound: &[Listener], destinations: &[Arc<Destination>]) -> Vec<Watched> {
    let ports = settings.ports.iter().zip(bound).filter_map(|(port, listener)| {
        let (tls, acceptor) = (port.tls.clone()?, listener.acceptor()?);
        let (paths, shown) = (tls.paths(), tls.certificate.clone());
        let reload = move || {
            let config = tls.load()?;
            *acceptor.write().unwrap_or_else(PoisonError::into_inner) = TlsAcceptor::from(config);
            Ok(())
        };
        Some(Watched::new(Owner::Port(port.address.to_string()), paths, Some(shown), Box::new(reload)))
    });
    let with_files = destinations.iter().filter(|one| !one.settings.tls.paths().is_empty());
    let destinations = with_files.map(|one| {
        let (owner, tls) = (Owner::Destination(one.settings.name.clone()), &one.settings.tls);
        let shown = tls.identity.as_ref().map(|(certificate, _)| certificate.clone());
        let destination = Arc::clone(one);
        Watched::new(owner, tls.paths(), shown, Box::new(move || destination.reload()))
    });
    ports.chain(destinations).collect()
}

async fn look_at_certificates(certificates: Arc<Certificates>) {
    loop {
        tokio::time::sleep(CERTIFICATES_INTERVAL).await;
        let certificates = Arc::clone(&certificates);
        // Where it fails, it is tried again.
        let _ = tokio::task::spawn_blocking(move || certificates.look()).await;
    }
}

fn destinations(settings: &Settings, events: &Arc<Events>) -> Result<Vec<Arc<Destination>>, StartError> {
    let destination = |one: &send::Settings| {
        Destination::new(one.clone(), Arc::clone(events))
            .map_err(|error| StartError::Tls(format!("destination `{}`", one.name), error))
    };
    settings.destinations.iter().map(destination).collect()
}

/// Returns what listens on the sockets of ports, and their addresses.
fn listeners(
    settings: &Settings,
    sockets: Vec<std::net::TcpListener>,
) -> Result<(Vec<Listener>, Vec<SocketAddr>), StartError> {
    let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
    for (port, socket) in settings.ports.iter().zip(sockets) {
        let socket = adopt(port.address, socket)?;
        addresses.push(socket.local_addr().map_err(|error| StartError::Bind(port.address, error))?);
        let listener = Listener::new(socket, port.tls.as_ref(), port.auth.clone());
        listeners.push(listener.map_err(|error| StartError::Tls(format!("port {}", port.address), error))?);
    }
    Ok((listeners, addresses))
}

/// Hands a socket over to the runtime.
fn adopt(address: SocketAddr, socket: std::net::TcpListener) -> Result<TcpListener, StartError> {
    let adopted = socket.set_nonblocking(true).and_then(|()| TcpListener::from_std(socket));
    adopted.map_err(|error| StartError::Bind(address, error))
}

/// Waits for all tasks until a deadline; says whether they have ended.
async fn finish(tasks: &mut JoinSet<()>, deadline: Instant) -> bool {
    while !tasks.is_empty() {
        if tokio::time::timeout_at(deadline, tasks.join_next()).await.is_err() {
            return false;
        }
    }
    true
}

async fn pass_on<J: Judge>(intake: Arc<Intake<J>>, mut created: mpsc::Receiver<Vec<Created>>) {
    while let Some(batch) = created.recv().await {
        intake.queue_created(batch, &Arc::from([]));
    }
}
