//! What went wrong with a request, to the status of gRPC or HTTP, and such statuses of others back.
//!
//! Knows `google.rpc.Status` with `RetryInfo`, and the partial success of the three Export responses. Opens nothing.
//! Source: OTLP specification 1.x, "Failures" of OTLP/gRPC and OTLP/HTTP. Next: [`crate::receive`], [`crate::send`].

use dtq_record::wire::{Fields, append_bytes_field, append_message_field, append_varint_field};
use std::time::Duration;

/// What type of detail says when to try again.
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// Says why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It cannot be decoded.
    Malformed,
    /// It has no valid credentials.
    Unauthenticated,
    /// There is no such path or method.
    Unknown,
    /// The path is right and the HTTP method is not.
    Method,
    /// It is larger than is allowed.
    TooLarge,
    /// Its type or its compression is not one of those that are read.
    MediaType,
    /// There is too much to do at the moment.
    Busy,
    /// It cannot be passed on at the moment.
    Unavailable,
    /// A destination says that the data is wrong.
    RefusedData,
    /// A destination does not take it, and not because of the data.
    RefusedHere,
}

impl Cause {
    /// Every cause, for accounts.
    pub const ALL: [Cause; 10] = [
        Cause::Malformed,
        Cause::Unauthenticated,
        Cause::Unknown,
        Cause::Method,
        Cause::TooLarge,
        Cause::MediaType,
        Cause::Busy,
        Cause::Unavailable,
        Cause::RefusedData,
        Cause::RefusedHere,
    ];

    /// Returns the status of HTTP.
    pub fn http(self) -> u16 {
        match self {
            Cause::Malformed | Cause::RefusedData => 400,
            Cause::Unauthenticated => 401,
            Cause::Unknown => 404,
            Cause::Method => 405,
            Cause::TooLarge => 413,
            Cause::MediaType => 415,
            Cause::Busy => 429,
            Cause::RefusedHere => 500,
            Cause::Unavailable => 503,
        }
    }

    /// Returns the code of gRPC. A request that is too large has no `RetryInfo`, so it is not tried again.
    pub fn grpc(self) -> u32 {
        match self {
            Cause::Malformed | Cause::RefusedData => 3,
            Cause::Unauthenticated => 16,
            Cause::Unknown | Cause::Method | Cause::MediaType => 12,
            Cause::TooLarge | Cause::Busy => 8,
            Cause::RefusedHere => 13,
            Cause::Unavailable => 14,
        }
    }

    /// Returns its name in accounts.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Malformed => "malformed",
            Cause::Unauthenticated => "unauthenticated",
            Cause::Unknown => "unknown_path",
            Cause::Method => "wrong_method",
            Cause::TooLarge => "too_large",
            Cause::MediaType => "media_type",
            Cause::Busy => "busy",
            Cause::Unavailable => "unavailable",
            Cause::RefusedData => "refused_data",
            Cause::RefusedHere => "refused_by_destination",
        }
    }
}

/// Holds the answer to a request that is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub cause: Cause,
    /// The same for people.
    pub message: String,
    /// When to try again, if at all.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Returns a refusal that is final, or that may be tried again after a second where its cause passes.
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        let passes = matches!(cause, Cause::Busy | Cause::Unavailable);
        Self { cause, message: message.into(), retry_after: passes.then_some(Duration::from_secs(1)) }
    }

    /// Returns it as a `google.rpc.Status`.
    pub fn to_status(&self) -> Vec<u8> {
        let mut out = Vec::new();
        append_varint_field(&mut out, 1, u64::from(self.cause.grpc()));
        append_bytes_field(&mut out, 2, self.message.as_bytes());
        if let Some(after) = self.retry_after {
            append_message_field(&mut out, 3, |any| {
                append_bytes_field(any, 1, RETRY_INFO.as_bytes());
                append_message_field(any, 2, |info| append_retry_info(info, after));
            });
        }
        out
    }

    /// Returns when to try again as a `google.rpc.RetryInfo`, if at all.
    pub fn to_retry_info(&self) -> Option<Vec<u8>> {
        self.retry_after.map(|after| {
            let mut out = Vec::new();
            append_retry_info(&mut out, after);
            out
        })
    }

    /// Returns the seconds after which to try again, if at all: at least one, and no less than was meant.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after.map(|after| after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).max(1))
    }
}

fn append_retry_info(info: &mut Vec<u8>, after: Duration) {
    append_message_field(info, 1, |duration| {
        append_varint_field(duration, 1, after.as_secs());
        append_varint_field(duration, 2, u64::from(after.subsec_nanos()));
    });
}

/// Returns the message of a `google.rpc.Status`, and when it wants to be asked again; what cannot be read is not there.
pub fn read_status(status: &[u8]) -> (String, Option<Duration>) {
    let (mut message, mut after) = (String::new(), None);
    for field in Fields::new(status).map_while(Result::ok) {
        match field.number {
            2 => message = field.bytes().map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default(),
            3 => after = after.or_else(|| field.bytes().ok().and_then(read_retry_info)),
            _ => {}
        }
    }
    (message, after)
}

/// Reads an `Any` that may be a `RetryInfo`.
fn read_retry_info(any: &[u8]) -> Option<Duration> {
    let is_retry_info = find(any, 1).is_some_and(|name| name.ends_with(b"google.rpc.RetryInfo"));
    let info = find(any, 2).filter(|_| is_retry_info)?;
    let delay = find(info, 1).unwrap_or_default();
    let (mut seconds, mut nanos) = (0, 0);
    for field in Fields::new(delay).map_while(Result::ok) {
        match field.number {
            1 => seconds = field.varint().ok()?,
            2 => nanos = field.varint().ok()?,
            _ => {}
        }
    }
    // A negative delay is a large number here; both are no more than now.
    let is_sane = i64::try_from(seconds).is_ok() && nanos < 1_000_000_000;
    Some(if is_sane { Duration::new(seconds, nanos as u32) } else { Duration::ZERO })
}

fn find(message: &[u8], number: u32) -> Option<&[u8]> {
    Fields::new(message).map_while(Result::ok).find(|field| field.number == number).and_then(|field| field.bytes().ok())
}

/// Holds what an Export response says of records that were not taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartialSuccess {
    /// How many records were not taken.
    pub rejected: u64,
    /// Why, or a warning where all were taken.
    pub message: String,
}

impl PartialSuccess {
    /// Reads an Export response of any signal: its field 1, in which 1 is how many and 2 is why.
    pub fn read(response: &[u8]) -> Self {
        let mut read = Self::default();
        for field in Fields::new(find(response, 1).unwrap_or_default()).map_while(Result::ok) {
            match field.number {
                1 => read.rejected = field.varint().ok().and_then(|n| i64::try_from(n).ok()).unwrap_or(0) as u64,
                2 => read.message = field.bytes().map(|t| String::from_utf8_lossy(t).into_owned()).unwrap_or_default(),
                _ => {}
            }
        }
        read
    }

    /// Says whether everything was taken, and nothing was said about it.
    pub fn is_full(&self) -> bool {
        self.rejected == 0 && self.message.is_empty()
    }

    /// Returns the Export response that says so; empty for a full success.
    pub fn to_response(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.is_full() {
            append_message_field(&mut out, 1, |partial| {
                append_varint_field(partial, 1, self.rejected);
                append_bytes_field(partial, 2, self.message.as_bytes());
            });
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_come_back() {
        let mut refusal = Refusal::new(Cause::Unavailable, "the queue is full");
        refusal.retry_after = Some(Duration::from_millis(1500));
        assert_eq!(read_status(&refusal.to_status()), ("the queue is full".to_owned(), refusal.retry_after));
        let last = Refusal::new(Cause::TooLarge, "too large");
        assert_eq!(read_status(&last.to_status()), ("too large".to_owned(), None));
        assert_eq!(read_status(b"\xff\xff\xff"), (String::new(), None));
    }

    #[test]
    fn partial_success_comes_back() {
        let partial = PartialSuccess { rejected: 3, message: "too old".to_owned() };
        assert_eq!(PartialSuccess::read(&partial.to_response()), partial);
        assert_eq!(PartialSuccess::default().to_response(), Vec::<u8>::new());
        assert_eq!(PartialSuccess::read(b""), PartialSuccess::default());
    }
}
