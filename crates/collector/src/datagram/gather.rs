//! Datagrams to one request: lines and objects are read, requests are checked and put one behind the other.
//!
//! Two messages of protobuf one behind the other are one with the repeated fields of both, so that requests are not looked
//! into. Next: `serve.rs`.
//!
//! # Source
//! protobuf.dev, "Encoding", "Last One Wins": concatenation merges messages.

use super::Format;
use bytes::Bytes;
use dtq_record::otlp::Signal;
use dtq_record::otlp::index::RequestIndex;
use dtq_record::text::messages::{Arrival, MessageFormat, Messages, Taken};
use dtq_source::Limits;

/// Collects datagrams.
pub(crate) enum Gather {
    /// Whose records are made here.
    Messages(Box<Messages>),
    /// Whose records are there.
    Requests { index: RequestIndex, bytes: Vec<u8>, records: usize },
}

impl Gather {
    /// Returns what collects datagrams of a format.
    pub fn new(format: Format) -> Self {
        let messages = |format| Self::Messages(Box::new(Messages::new(format, &Limits::default())));
        match format {
            Format::Syslog => messages(MessageFormat::Syslog),
            Format::Json => messages(MessageFormat::Json),
            Format::Otlp => Self::Requests { index: RequestIndex::default(), bytes: Vec::new(), records: 0 },
        }
    }

    /// Adds a datagram.
    pub fn push(&mut self, datagram: &[u8], now_ticks: i64) -> Taken {
        match self {
            Self::Messages(messages) => messages.push(datagram, Arrival { now_ticks, is_observed: true }),
            Self::Requests { index, bytes, records } => match index.read(Signal::Logs, datagram) {
                Ok(()) if index.records().is_empty() => Taken::Blank,
                Ok(()) => {
                    *records += index.records().len();
                    bytes.extend_from_slice(datagram);
                    Taken::Record
                }
                Err(error) => Taken::Malformed(format!("{} at byte {}", error.reason, error.offset)),
            },
        }
    }

    /// Returns how many records there are, and about how many bytes.
    pub fn size(&self) -> (usize, usize) {
        match self {
            Self::Messages(messages) => (messages.count(), messages.size_bytes()),
            Self::Requests { bytes, records, .. } => (*records, bytes.len()),
        }
    }

    /// Returns the request, and is empty again.
    pub fn take(&mut self) -> Bytes {
        match self {
            Self::Messages(messages) => messages.take().into(),
            Self::Requests { bytes, records, .. } => {
                *records = 0;
                std::mem::take(bytes).into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log record of severity 5.
    const REQUEST: [u8; 8] = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 5];

    #[test]
    fn requests_one_behind_the_other_are_one() {
        let mut gather = Gather::new(Format::Otlp);
        assert_eq!(gather.push(&REQUEST, 0), Taken::Record);
        assert!(matches!(gather.push(&REQUEST[..5], 0), Taken::Malformed(_)));
        assert_eq!(gather.push(&[], 0), Taken::Blank);
        assert_eq!(gather.push(&REQUEST, 0), Taken::Record);
        assert_eq!(gather.size(), (2, 16));
        let request = gather.take();
        let mut index = RequestIndex::default();
        index.read(Signal::Logs, &request).unwrap();
        assert_eq!((index.records().len(), gather.size()), (2, (0, 0)));
    }
}
