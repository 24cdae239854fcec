//! Records of the reference work to requests as they are sent, and what is left of them where a question is asked.

use bytes::Bytes;
use dtq_workload::records::{self, BANNER, Record, SERVICES, Value};
use dtq_workload::requests::encode;
use std::io::Write;

/// How many records there are; requests are sent again and again.
const RECORD_COUNT: usize = 51_200;

/// What is asked of each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Nothing: all pass.
    Nothing,
    /// The banner goes, three records in ten.
    F2,
    /// What F3 is true of stays, three in a hundred.
    F3,
    /// What F3 is true of goes.
    NotF3,
}

impl Question {
    /// Returns its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Question::Nothing => "-",
            Question::F2 => "F2",
            Question::F3 => "F3",
            Question::NotF3 => "not F3",
        }
    }

    /// Says whether a record stays, by a hand that knows no engine.
    pub fn keeps(self, record: &Record) -> bool {
        match self {
            Question::Nothing => true,
            Question::F2 => !is_banner(record),
            Question::F3 => is_f3(record),
            Question::NotF3 => !is_f3(record),
        }
    }
}

fn attribute<'a>(record: &'a Record, key: &str) -> Option<&'a Value> {
    record.attributes.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
}

fn is_banner(record: &Record) -> bool {
    matches!(attribute(record, "EventName"), Some(Value::Text(text)) if text == BANNER)
}

fn is_f3(record: &Record) -> bool {
    let is_failed = matches!(attribute(record, "http.status_code"), Some(Value::Integer(status)) if *status >= 500);
    let is_wanted = SERVICES[record.service] == "checkout" || is_failed;
    record.severity_number >= 9 && is_wanted && record.body.contains("timeout")
}

/// Holds a request as it goes over the wire, without the frame of gRPC.
pub struct Request {
    /// Its bytes.
    pub body: Bytes,
    /// How many records it has.
    pub records: u64,
    /// How many of them stay for [`Question::F2`], [`Question::F3`] and [`Question::NotF3`].
    kept: [u64; 3],
}

impl Request {
    /// Returns how many records leave.
    pub fn kept(&self, question: Question) -> u64 {
        match question {
            Question::Nothing => self.records,
            Question::F2 => self.kept[0],
            Question::F3 => self.kept[1],
            Question::NotF3 => self.kept[2],
        }
    }
}

/// Returns requests of so many records each.
pub fn requests(records_a_request: usize, is_gzip: bool) -> Vec<Request> {
    let records = records::make(RECORD_COUNT);
    let make = |chunk: &[Record]| {
        let plain = encode(chunk).pop().expect("a chunk has records, and not more than a request has");
        let count = |question: Question| chunk.iter().filter(|record| question.keeps(record)).count() as u64;
        let kept = [Question::F2, Question::F3, Question::NotF3].map(count);
        let body = if is_gzip { gzip(&plain) } else { plain.into() };
        Request { body, records: chunk.len() as u64, kept }
    };
    records.chunks(records_a_request).map(make).collect()
}

/// Returns bytes as SDKs compress them: gzip at its usual level.
fn gzip(plain: &[u8]) -> Bytes {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(plain).expect("memory takes all");
    writer.finish().expect("memory takes all").into()
}
