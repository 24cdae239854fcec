//! A socket that datagrams come in at: bound, or handed over by a service manager, and not yet served.
//!
//! Bound before anything else starts, while the process may. Next: `gather.rs`.

use super::account::SocketAccount;
use super::{InKernel, Settings};
use dtq_kernel::{Address, Inlet, InletOptions, RelayError};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Holds a socket that is bound.
#[derive(Debug)]
pub struct Door {
    /// What is configured of it.
    pub settings: Settings,
    /// What is counted of it.
    pub account: Arc<SocketAccount>,
    pub(crate) inlet: Inlet,
}

impl Door {
    /// Binds a socket.
    ///
    /// # Errors
    /// When the address is in use or cannot be had.
    pub fn bind(settings: Settings) -> Result<Self, RelayError> {
        let inlet = Inlet::bind(&settings.address, options(&settings))?;
        Ok(Self::of(settings, inlet))
    }

    /// Takes a socket that is bound already.
    ///
    /// # Errors
    /// When it is none that receives datagrams.
    pub fn adopt(settings: Settings, socket: OwnedFd) -> Result<Self, RelayError> {
        let inlet = Inlet::adopt(socket, settings.address.clone(), options(&settings))?;
        Ok(Self::of(settings, inlet))
    }

    fn of(settings: Settings, inlet: Inlet) -> Self {
        let name = match inlet.address() {
            Address::Unix(path) => path.display().to_string(),
            Address::Udp(address) => format!("udp:{address}"),
        };
        let account = Arc::new(SocketAccount { name, ..SocketAccount::default() });
        Self { settings, account, inlet }
    }

    /// Returns where it listens, with the port that the kernel chose where none was given.
    pub fn address(&self) -> &Address {
        self.inlet.address()
    }

    /// Says whether rules may go onto it.
    pub fn takes_filters(&self) -> bool {
        self.settings.in_kernel != InKernel::Off
    }
}

fn options(settings: &Settings) -> InletOptions {
    InletOptions {
        size_max: settings.datagram_bytes_max,
        queue_size: settings.queue_bytes,
        mode: settings.mode,
        owner: (settings.user, settings.group),
        ..InletOptions::default()
    }
}
