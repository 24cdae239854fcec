//! Load for a collector under test, and what proves that nothing was lost: records with numbers, sent and found again.
//!
//! Read in order: [`ids`] (the number in every record), [`traffic`] (requests with such records), [`histogram`],
//! [`sender`], [`seen`], [`marks`] and [`sink`] (what arrived), [`verify`] (what should have),
//! [`processes`] and [`rig`] (a collector between them), [`kills`], [`swaps`], [`soak`].

pub mod ids;

pub mod traffic;

pub mod histogram;

pub mod sender;

pub mod seen;

pub mod marks;

pub mod sink;

pub mod verify;

pub mod processes;

pub mod rig;

pub mod kills;

pub mod swaps;

pub mod soak;
