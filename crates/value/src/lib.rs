//! Kusto's types and values, and the meaning of its scalar functions.
//!
//! Nothing here knows a query: functions take values and give a value. The interpreter, constant folding and the native
//! code's helper table all call the same functions. Read in order: [`types`], [`text`], [`value`], [`bag`], [`search`],
//! [`scalar`], [`json`], [`literal`].

pub mod types;

pub mod text;

pub mod value;

pub mod bag;

pub mod search;

pub mod scalar;

pub mod json;

pub mod literal;

pub use bag::Bag;
pub use text::Str;
pub use types::Type;
pub use value::{Decimal, Guid, Value};
