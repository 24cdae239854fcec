//! A port to connections, and connections to requests, with senders that are too many or too slow cut off.
//!
//! A connection has to bring its first request soon; when there are too many, the oldest that brought none gives way, so
//! that open connections alone keep nobody out. Never waits for one sender while another could be served.

use super::Receiver;
use crate::auth::Auth;
use crate::events::Events;
use crate::pipeline::Judge;
use crate::tls::{ServerTls, TlsError};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// The largest frame of HTTP/2 that a sender may use. Those that use it cost fewer reads and copies than with 16 KiB, what
/// all may use; a connection can hold that much besides what is counted.
const FRAME_BYTES_MAX: u32 = 64 << 10;

/// Holds a port and who may come in through it.
pub struct Listener {
    socket: TcpListener,
    tls: Option<Acceptor>,
    auth: Arc<Auth>,
}

/// What accepts TLS connections at the moment.
pub type Acceptor = Arc<RwLock<TlsAcceptor>>;

impl Listener {
    /// Returns a listener on a socket that is bound.
    ///
    /// # Errors
    /// When certificates cannot be read.
    pub fn new(socket: TcpListener, tls: Option<&ServerTls>, auth: Auth) -> Result<Self, TlsError> {
        let tls = tls.map(ServerTls::load).transpose()?.map(|config| Arc::new(RwLock::new(TlsAcceptor::from(config))));
        Ok(Self { socket, tls, auth: Arc::new(auth) })
    }

    /// Returns what accepts TLS connections, if it does, for others to be put in its place.
    pub fn acceptor(&self) -> Option<Acceptor> {
        self.tls.clone()
    }
}

/// Holds the connections of all listeners.
pub struct Connections<J> {
    receiver: Arc<Receiver<J>>,
    events: Arc<Events>,
    open: AtomicUsize,
    next_id: AtomicU64,
    /// Those that have not brought a request, oldest first.
    fresh: Mutex<BTreeMap<u64, Arc<Connection>>>,
}

/// Holds what is known of a connection.
struct Connection {
    id: u64,
    cut: Notify,
    in_flight: AtomicUsize,
    is_proven: AtomicBool,
    idle_since: Mutex<Instant>,
}

impl Connection {
    fn idle_since(&self) -> Instant {
        *self.idle_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J: Judge> Connections<J> {
    /// Returns no connections.
    pub fn new(receiver: Arc<Receiver<J>>, events: Arc<Events>) -> Arc<Self> {
        let (open, next_id, fresh) = Default::default();
        Arc::new(Self { receiver, events, open, next_id, fresh })
    }

    /// Serves a listener until `ends` says so, then its connections until their requests are answered.
    pub async fn serve(self: Arc<Self>, listener: Listener, mut ends: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                _ = ends.wait_for(|ends| *ends) => break,
                Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
                accepted = listener.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer, &listener, ends.clone(), &mut tasks),
                Err(error) => {
                    // Files are used up, or the peer has gone already: room is made, and the loop does not spin.
                    self.events.warn("listener.accept", || format!("a connection cannot be accepted: {error}"));
                    self.cut_oldest();
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        drop(listener);
        while tasks.join_next().await.is_some() {}
    }

    fn admit(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        listener: &Listener,
        ends: watch::Receiver<bool>,
        tasks: &mut JoinSet<()>,
    ) {
        let account = &self.receiver.account;
        if self.open.load(Ordering::Relaxed) >= self.receiver.limits.connections_max {
            account.connections_cut.add(1);
            self.events.warn("listener.connections", || format!("too many connections; the last is from {peer}"));
            if !self.cut_oldest() {
                return;
            }
        }
        account.connections.add(1);
        account.connections_open.add(1);
        self.open.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            cut: Notify::new(),
            in_flight: AtomicUsize::new(0),
            is_proven: AtomicBool::new(false),
            idle_since: Mutex::new(Instant::now()),
        });
        self.fresh().insert(connection.id, Arc::clone(&connection));
        let open = Open { connections: Arc::clone(self), connection };
        let tls = listener.tls.as_ref().map(|tls| tls.read().unwrap_or_else(PoisonError::into_inner).clone());
        let auth = Arc::clone(&listener.auth);
        tasks.spawn(async move { open.run(stream, tls, auth, ends).await });
    }

    /// Closes the oldest connection that has brought nothing; says whether there was one.
    fn cut_oldest(&self) -> bool {
        let oldest = self.fresh().pop_first();
        if let Some((_, connection)) = &oldest {
            connection.cut.notify_one();
        }
        oldest.is_some()
    }

    fn fresh(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<Connection>>> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds a connection while it is open.
struct Open<J: Judge> {
    connections: Arc<Connections<J>>,
    connection: Arc<Connection>,
}

impl<J: Judge> Drop for Open<J> {
    fn drop(&mut self) {
        self.connections.fresh().remove(&self.connection.id);
        self.connections.open.fetch_sub(1, Ordering::Relaxed);
        self.connections.receiver.account.connections_open.take(1);
    }
}

impl<J: Judge> Open<J> {
    async fn run(self, stream: TcpStream, tls: Option<TlsAcceptor>, auth: Arc<Auth>, ends: watch::Receiver<bool>) {
        // Answers are small and awaited; a socket that cannot be told so works, too.
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls else { return self.serve(stream, auth, ends).await };
        let handshake = tokio::time::timeout(self.connections.receiver.limits.header_timeout, tls.accept(stream));
        let shaken = tokio::select! {
            shaken = handshake => shaken,
            () = self.connection.cut.notified() => return,
        };
        match shaken {
            Ok(Ok(stream)) => self.serve(stream, auth, ends).await,
            Ok(Err(error)) => {
                self.connections.receiver.account.connections_cut.add(1);
                self.connections.events.warn("listener.tls", || format!("a TLS connection is refused: {error}"));
            }
            Err(_) => self.connections.receiver.account.connections_cut.add(1),
        }
    }

    async fn serve<S>(self, stream: S, auth: Arc<Auth>, mut ends: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limits = self.connections.receiver.limits.clone();
        let service = service_fn(|request| {
            let (receiver, auth) = (Arc::clone(&self.connections.receiver), Arc::clone(&auth));
            let guard = self.begin_request();
            async move {
                let response = receiver.answer(&auth, request).await;
                drop(guard);
                Ok::<_, Infallible>(response)
            }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.idle_timeout).max_buf_size(64 << 10);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams_max)
            .max_header_list_size(limits.header_bytes_max)
            .max_frame_size(FRAME_BYTES_MAX)
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(2 << 20)
            .keep_alive_interval(Some(limits.idle_timeout))
            .keep_alive_timeout(limits.header_timeout);
        let served = builder.serve_connection(TokioIo::new(stream), service);
        let mut served = std::pin::pin!(served);
        let mut is_ending = false;
        loop {
            tokio::select! {
                _ = served.as_mut() => return,
                () = self.connection.cut.notified() => return,
                _ = ends.wait_for(|ends| *ends), if !is_ending => {
                    is_ending = true;
                    served.as_mut().graceful_shutdown();
                }
                () = tokio::time::sleep_until(self.look_again_at()) => {
                    if self.is_too_idle() {
                        self.connections.receiver.account.connections_cut.add(1);
                        return;
                    }
                }
            }
            // Nothing is in work, and a peer that has not begun to speak will not be waited for.
            if is_ending && self.connection.in_flight.load(Ordering::Acquire) == 0 {
                let rest = tokio::time::timeout(Duration::from_millis(200), served.as_mut());
                let _ = rest.await;
                return;
            }
        }
    }

    fn patience(&self) -> Duration {
        let limits = &self.connections.receiver.limits;
        let is_proven = self.connection.is_proven.load(Ordering::Relaxed);
        if is_proven { limits.idle_timeout } else { limits.header_timeout }
    }

    fn look_again_at(&self) -> Instant {
        let at = self.connection.idle_since() + self.patience();
        // While a request is in work the time may have passed already.
        at.max(Instant::now() + Duration::from_millis(100))
    }

    fn is_too_idle(&self) -> bool {
        let is_idle = self.connection.in_flight.load(Ordering::Acquire) == 0;
        is_idle && self.connection.idle_since().elapsed() >= self.patience()
    }

    fn begin_request(&self) -> InWork {
        let connection = Arc::clone(&self.connection);
        connection.in_flight.fetch_add(1, Ordering::AcqRel);
        if !connection.is_proven.swap(true, Ordering::Relaxed) {
            self.connections.fresh().remove(&connection.id);
        }
        InWork(connection)
    }
}

/// Holds a request of a connection while it is in work.
struct InWork(Arc<Connection>);

impl Drop for InWork {
    fn drop(&mut self) {
        *self.0.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}
