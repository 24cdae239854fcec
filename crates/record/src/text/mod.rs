//! Records of text formats to keys and values, one module a format. Each hands what it finds to a `record::Sink`.

pub(crate) mod csv;

pub(crate) mod logfmt;

pub(crate) mod syslog;

pub mod messages;

pub mod rewrite;

pub use syslog::{FACILITIES as SYSLOG_FACILITIES, SEVERITIES as SYSLOG_SEVERITIES};

use crate::json;
use crate::otlp::logs::column;
use crate::record::Sink;
use dtq_value::Value;

/// Key under which a plain line stands in the table of its file.
pub(crate) const LINE_KEY: &str = "Line";

/// Holds how the records of one file are read.
#[derive(Clone, Debug)]
pub(crate) enum Decoder {
    /// One JSON object a record.
    Json {
        /// Bound on nesting.
        nesting_max: usize,
    },
    /// Fields between delimiters.
    Csv(csv::Dialect),
    /// RFC 5424, RFC 3164 and what is written to files.
    Syslog {
        /// The time from which a missing year is inferred.
        now_ticks: i64,
    },
    /// `key=value` pairs.
    Logfmt,
    /// Anything.
    Text,
}

impl Decoder {
    /// Returns the decoder that leaves out fields whose key is not read, where it can tell before it reads them.
    pub fn reading(&self, is_read: impl Fn(&[u8]) -> bool) -> Self {
        let mut decoder = self.clone();
        if let Decoder::Csv(dialect) = &mut decoder {
            dialect.is_read = dialect.names.iter().map(|name| is_read(name.as_bytes())).collect();
        }
        decoder
    }

    /// Reads one record.
    ///
    /// # Errors
    /// Why it is malformed.
    pub fn decode(&self, record: &[u8], sink: &mut dyn Sink) -> Result<(), String> {
        match self {
            Decoder::Json { nesting_max } => json::read_record(record, *nesting_max, as_record_sink(sink)),
            Decoder::Csv(dialect) => dialect.decode(record, sink),
            Decoder::Syslog { now_ticks } => {
                syslog::decode(record, *now_ticks, sink);
                Ok(())
            }
            Decoder::Logfmt => logfmt::decode(record, sink),
            Decoder::Text => {
                sink.text(LINE_KEY.as_bytes(), record);
                if sink.reads(column::BODY) {
                    sink.standard(column::BODY, Value::string(record));
                }
                Ok(())
            }
        }
    }
}

fn as_record_sink(sink: &mut dyn Sink) -> &mut dyn json::RecordSink {
    sink
}
