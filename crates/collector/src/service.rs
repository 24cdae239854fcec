//! What a service manager is told over its socket: ready, reloading, stopping, alive.
//!
//! Speaks the protocol of `sd_notify(3)` and never waits for the manager; without one it says nothing. Whether the
//! process is alive is asked of the thread that judges, by a task of the runtime: where either hangs, nothing is said,
//! and the manager ends the process. Next: [`crate::admin`].

use crate::admin::Admin;
use crate::pipeline::Judge;
use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

/// How often the line of the status is renewed.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);

/// Talks to a service manager, if there is one.
#[derive(Debug)]
pub struct Manager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// Returns the manager that variables of the environment name: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`.
    pub fn new(environment: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let socket = environment("NOTIFY_SOCKET").and_then(|name| connect(&name));
        let number = |name: &str| environment(name)?.to_str()?.parse::<u64>().ok();
        let is_meant = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|usec| is_meant && *usec > 0).map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// Says that it runs.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// Says that it reads its rules and certificates again; [`Manager::ready`] says that it has.
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1_000_000 + now.tv_nsec / 1_000));
    }

    /// Says that it ends.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Says that it is alive for as long as it is, until the process ends; renews the line of the status.
    pub async fn keep_alive<J: Judge>(self: Arc<Self>, admin: Arc<Admin<J>>) {
        if self.socket.is_none() {
            return;
        }
        let interval = self.watchdog.map_or(STATUS_INTERVAL, |watchdog| (watchdog / 3).min(STATUS_INTERVAL));
        let mut last = String::new();
        loop {
            let status = admin.status_line();
            if status != last {
                self.tell(&format!("STATUS={status}"));
                last = status;
            }
            if self.watchdog.is_some_and(|watchdog| admin.is_alive(watchdog)) {
                self.tell("WATCHDOG=1");
            }
            tokio::time::sleep(interval).await;
        }
    }

    fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.socket {
            // A manager that does not listen is no reason to stop.
            let _ = socket.send_to_addr(state.as_bytes(), address);
        }
    }
}

/// Returns a socket that does not wait, and where the manager listens: a path, or a name behind `@`.
fn connect(name: &OsString) -> Option<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(name),
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    Some((socket, address.ok()?))
}
