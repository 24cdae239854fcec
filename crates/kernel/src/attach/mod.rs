//! Programs to where they run: on a socket of this or another process, or on what a control group sends.
//!
//! What is attached here is detached when its owner drops it; what may outlive this process has a [`guard`] and a lease
//! beside it. Read in order: [`error`], [`kind`], [`process`], [`socket`], [`mod@find`], [`filter`], [`guard`], [`cgroup`].

pub mod error;

pub mod kind;

pub mod process;

pub mod socket;

pub mod find;

pub mod filter;

pub mod guard;

pub mod cgroup;

pub use cgroup::CgroupEgress;
pub use error::AttachError;
pub use filter::SocketFilter;
pub use find::{SocketName, find};
pub use guard::Guard;
pub use kind::SocketKind;
pub use process::Owner;
pub use socket::Socket;
