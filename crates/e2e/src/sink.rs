//! OTLP requests to a recording: a destination that is no part of dtq, and that fails in the ways it is told to.
//!
//! Speaks gRPC by tonic and HTTP with protobuf or JSON by axum, on one port, with or without TLS. Read in order: this file
//! (what it records and what it is told), `answer` (one request), `serve` (connections). Next: `collect.rs`.

mod answer;

mod serve;

use crate::certificates::Certificates;
use crate::telemetry::Telemetry;
use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Says what happens to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// It is taken.
    Take,
    /// It is taken after a while.
    Slow(Duration),
    /// It is taken but for so many records, with a message.
    Partial(i64, String),
    /// It is refused for now: UNAVAILABLE, or 503; with RetryInfo, or Retry-After, if a time is given.
    Unavailable(Option<Duration>),
    /// It is refused for now: RESOURCE_EXHAUSTED with RetryInfo, or 429 with Retry-After.
    TooMany(Duration),
    /// It is refused for good: INVALID_ARGUMENT, or 400.
    Refuse,
}

/// Says how a sink is reached and what it does.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where it listens; a free port of loopback otherwise.
    pub address: Option<SocketAddr>,
    /// TLS with these certificates.
    pub tls: Option<Certificates>,
    /// Whether clients have to show a certificate of the authority.
    pub is_mutual: bool,
    /// The token that requests have to carry.
    pub bearer: Option<String>,
    /// What happens to the first requests; those after are taken.
    pub acts: VecDeque<Act>,
}

/// Holds one request as it came.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// What it held.
    pub telemetry: Telemetry,
    /// What was done with it.
    pub act: Act,
    /// When it came.
    pub at: Instant,
    /// Its headers; what is no text is left out.
    pub headers: BTreeMap<String, String>,
}

impl Recorded {
    /// Returns a header, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Says whether its records were taken.
    pub fn is_taken(&self) -> bool {
        matches!(self.act, Act::Take | Act::Slow(_) | Act::Partial(..))
    }
}

/// Holds what connections share.
#[derive(Debug, Default)]
struct Shared {
    recorded: Mutex<Vec<Recorded>>,
    acts: Mutex<VecDeque<Act>>,
    bearer: Option<String>,
}

impl Shared {
    /// Records a request and says what happens to it.
    fn take(&self, telemetry: Telemetry, headers: BTreeMap<String, String>) -> Act {
        let next = self.acts.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let act = next.unwrap_or(Act::Take);
        let one = Recorded { telemetry, act: act.clone(), at: Instant::now(), headers };
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).push(one);
        act
    }

    /// Says whether a request with this `authorization` may come in.
    fn lets_in(&self, authorization: Option<&str>) -> bool {
        self.bearer.as_ref().is_none_or(|token| authorization == Some(&format!("Bearer {token}")))
    }
}

/// Records OTLP requests until it is dropped.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    is_tls: bool,
    shared: Arc<Shared>,
    // Ends all connections when it is dropped.
    _runtime: tokio::runtime::Runtime,
}

impl Sink {
    /// Starts one.
    ///
    /// # Panics
    /// If it cannot listen, or its certificates cannot be read.
    pub fn start(options: Options) -> Self {
        let acts = Mutex::new(options.acts);
        let shared = Arc::new(Shared { acts, bearer: options.bearer, ..Shared::default() });
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build().expect("threads can be started");
        let tls = options.tls.map(|certificates| serve::acceptor(&certificates, options.is_mutual));
        let is_tls = tls.is_some();
        let wanted = options.address.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 0).into());
        let listener = runtime.block_on(tokio::net::TcpListener::bind(wanted)).expect("the address is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        runtime.spawn(serve::serve(listener, tls, answer::router(&shared)));
        Self { address, is_tls, shared, _runtime: runtime }
    }

    /// Starts one that does this to its first requests.
    pub fn with(acts: impl IntoIterator<Item = Act>) -> Self {
        Self::start(Options { acts: acts.into_iter().collect(), ..Options::default() })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns where it listens, as a URL.
    pub fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// Returns what came so far.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.shared.recorded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns what was taken so far.
    pub fn taken(&self) -> Vec<Telemetry> {
        self.recorded().into_iter().filter(Recorded::is_taken).map(|one| one.telemetry).collect()
    }
}
