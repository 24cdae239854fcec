//! Programs to where they run: on a socket of this or another process, or on what a control group sends.
//!
//! What is attached here is detached when its owner drops it. On a socket of another process it ends with this process,
//! however that ends, by a `switch` that the kernel empties; a [`guard`] removes the rest. Read in order: [`error`],
//! [`kind`], [`process`], [`socket`], [`mod@find`], `switch`, [`filter`], [`guard`], [`cgroup`].

pub mod error;

pub mod kind;

pub mod process;

pub mod socket;

pub mod find;

mod switch;

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
